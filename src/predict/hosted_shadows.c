/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shadow of the plain default keeps all that is asked for, by the namespace's own policy, and makes nothing ahead. It
 * learns of a key when that is asked for, so that it differs from memory only by what was decided:
 *
 *   a hit on what was heard to come, that the shadow has not    it came ahead of time, or others went for it
 *   a hit on what was not heard to come                         the shadow has it, too
 *   a hit on what was over, or was made anew without a     the shadow has it, too, and as long (what is stale is stale
 *   request: put, made behind, or by another process       for either, and what is made behind counts for neither)
 *   a miss of what had to go or was left out                    the shadow may have it
 *   a miss of what should be there                              somebody deleted it: the shadow has it no more
 *
 * What is over is so on either side by when it came there; what the shadow has made itself lives as long as memory's did.
 */
#include "base/fail.h"
#include "hosted_agent.h"

#define SAMPLE_MAX 20u

static uint64_t choose_unlikely(void *context, const uint64_t *hashes, size_t len) {
  lrd_hosted *hosted = context;
  return lrd_known_unlikely_of(&hosted->keys, hosted->shadows[LRD_ROOM_UNLIKELY], hashes, len);
}

larder_err lrd_hosted_shadows_open(lrd_hosted *hosted) {
  const char *const policies[LRD_ROOMS] = {hosted->ns->policy.memory_policy, "lru", "fifo"};
  larder_err err = LARDER_OK;
  for (unsigned r = 0; r < LRD_ROOMS && err == LARDER_OK; r++)
    err = lrd_key_shadow_open(policies[r], hosted->ns->policy.agent.keys_max, r == LRD_ROOM_UNLIKELY ? choose_unlikely : NULL,
                              hosted, &hosted->shadows[r]);
  return err;
}

void lrd_hosted_shadows_close(lrd_hosted *hosted) {
  for (unsigned r = 0; r < LRD_ROOMS; r++) lrd_key_shadow_close(hosted->shadows[r]);
}

bool lrd_hosted_samples(const lrd_hosted *hosted, uint64_t hash) {
  return (hash >> 8 & ((UINT64_C(1) << hosted->sample_bits) - 1)) == 0;
}

static bool stays(const void *context, uint64_t hash) { return lrd_hosted_samples(context, hash); }

void lrd_hosted_shadows_fit(lrd_hosted *hosted) {
  unsigned before = hosted->sample_bits;
  uint64_t holds = hosted->entries + LRD_HOSTED_LOOK_EACH; /* until the next look */
  if (holds < hosted->room) holds = hosted->room;
  while (holds >> hosted->sample_bits > hosted->ns->policy.agent.keys_max && hosted->sample_bits < SAMPLE_MAX)
    hosted->sample_bits++;
  for (unsigned r = 0; r < LRD_ROOMS; r++) {
    if (hosted->sample_bits > before) lrd_key_shadow_keep(hosted->shadows[r], stays, hosted);
    if (hosted->room > 0) lrd_key_shadow_limit(hosted->shadows[r], (uint32_t)(hosted->room >> hosted->sample_bits));
  }
}

/* Where the request would have been answered from if memory had not been able to. */
static bool plain_from_below(const lrd_hosted *hosted, const lrd_hosted_request *request) {
  lrd_news_what what = request->heard->what;
  if (request->ahead_first) return false;
  return what == LRD_NEWS_BELOW || (what == LRD_NEWS_HIT && hosted->ns->links_len > 0);
}

/* What was made ahead, or by the agent's ways outlived the shadow's own, the shadow has made now. */
static int64_t shadow_until(const lrd_hosted *hosted, const lrd_hosted_request *request, bool unasked) {
  lrd_news_what what = request->heard->what;
  bool outlived = what == LRD_NEWS_HIT && request->key->here && !unasked && !plain_from_below(hosted, request);
  bool anew = outlived || (request->ahead_first && what != LRD_NEWS_MADE);
  return anew ? lrd_hosted_again_until(hosted, request->key) : request->key->expires_ms;
}

/* Whether the shadow has it; then it does. */
static bool shadow_asked(lrd_hosted *hosted, lrd_room room, const lrd_hosted_request *request) {
  const lrd_known_key *key = request->key;
  lrd_news_what what = request->heard->what;
  lrd_key_shadow *shadow = hosted->shadows[room];
  bool has = lrd_key_shadow_has(shadow, key->hash, hosted->wall_ms);
  bool left = key->here && !request->over && (what == LRD_NEWS_BELOW || what == LRD_NEWS_MADE || what >= LRD_NEWS_FAILED);
  bool unheard = what == LRD_NEWS_HIT && !key->here;
  bool unasked = request->unasked && !request->ahead_first && lrd_key_shadow_holds(shadow, key->hash);
  if (has && left) lrd_key_shadow_forget(shadow, key->hash);
  if (has && !left && !unasked)
    lrd_key_shadow_touch(shadow, key->hash);
  else if (what < LRD_NEWS_FAILED) /* without memory for its ghosts it has one less */
    lrd_ignore(lrd_key_shadow_put(shadow, key->hash, shadow_until(hosted, request, unasked)));
  bool hit = unheard || unasked || (has && !left && (what != LRD_NEWS_JOINED || key->gone));
  lrd_room_tell(&hosted->misses, room, hit);
  return hit;
}

void lrd_hosted_compare(lrd_hosted *hosted, const lrd_hosted_request *request) {
  lrd_news_what what = request->heard->what;
  double ms = what == LRD_NEWS_HIT ? LRD_HOSTED_HIT_MS : lrd_hosted_usual_ms(hosted, what == LRD_NEWS_BELOW);
  double origin = hosted->ahead_origin + (what == LRD_NEWS_MADE || what == LRD_NEWS_FAILED ? 1 : 0);
  double plain_ms = LRD_HOSTED_HIT_MS, plain_origin = 0;
  if (!lrd_hosted_samples(hosted, request->key->hash)) return;
  bool plain_hit = false;
  for (unsigned r = LRD_ROOMS; r-- > 0;) plain_hit = shadow_asked(hosted, (lrd_room)r, request);
  if (!plain_hit) {
    bool below = plain_from_below(hosted, request);
    plain_ms = lrd_hosted_usual_ms(hosted, below);
    plain_origin = below || what == LRD_NEWS_MISSED || (what == LRD_NEWS_JOINED && !request->ahead_first) ? 0 : 1;
  }
  larder_agent_compare(hosted->agent, ms, origin, plain_ms, plain_origin);
  hosted->ahead_origin = 0;
  hosted->figures.compared++;
  hosted->figures.ms += ms;
  hosted->figures.plain_ms += plain_ms;
  hosted->figures.origin += origin;
  hosted->figures.plain_origin += plain_origin;
}
