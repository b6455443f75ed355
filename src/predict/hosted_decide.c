/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is decided is done behind: the caller has his value already, and memory has it, too. *nothing* takes it out of memory
 * again, the tiers below keep it; making ahead are wishes, within what `predict` lets; who is to make room goes at once, so
 * that what comes next finds it.
 */
#include "agent/hosting.h"
#include "base/fail.h"
#include "core/flight.h"
#include "foretelling.h"
#include "hosted_agent.h"
#include <larder/prefetch.h>

#define DAY_MS      86400000
#define FULL_PART   0.9 /* of what memory held when somebody had to go */
#define WISH_MS     2000.0
#define ROOM_TRIES  16u
#define BYTES_IN_KB 1000.0

/* What is decided about. */
typedef struct moment {
  const lrd_hosted_request *request;
  lrd_guess_ranks there; /* the request's guesses that are not there */
  bool full;
  bool keepable; /* memory has it only since this request */
  lrd_room room; /* the way to make it */
  unsigned possible;
  larder_agent_decision decision;
} moment;

bool lrd_hosted_origin_busy(const lrd_hosted *hosted) {
  return hosted->watch.state != LRD_CASCADE_CALM || lrd_pace_slow(&hosted->made);
}

double lrd_hosted_usual_ms(const lrd_hosted *hosted, bool below) {
  return below ? hosted->below.usual_ms : hosted->made.usual_ms;
}

/* --- the moment ----------------------------------------------------------------------------------------------------------- */

/* It is there, or is being made. */
static bool out_of_question(lrd_hosted *hosted, uint64_t hash, const larder_predict_guess *guess, double worth) {
  const lrd_known_key *key = lrd_known_find(&hosted->keys, hash);
  if (lrd_hosting_aheads(worth) == 0) return key && key->here; /* nothing would be done about it: not worth a look */
  return (key && key->wish != 0 && hosted->now_ms - key->wished_ms < WISH_MS) || lrd_foretell_is_there(hosted->ns, guess);
}

static void guesses_look(lrd_hosted *hosted, moment *now) {
  const lrd_hosted_request *request = now->request;
  lrd_guessed *guessed = lrd_hosted_guessed_of(hosted, request->heard->session);
  *guessed = (lrd_guessed){.session = request->heard->session};
  for (size_t i = 0; i < request->guesses_len && i < LARDER_AGENT_GUESSES; i++) {
    const larder_predict_guess *guess = &request->guesses[i];
    double worth = lrd_guess_trust_of(&hosted->trust, guess->probability);
    lrd_op op;
    if (lrd_op_begin(hosted->ns, guess->endpoint, guess->endpoint_len, &op) != LARDER_OK || op.hash == request->key->hash ||
        out_of_question(hosted, op.hash, guess, worth))
      continue;
    lrd_guessed_add(guessed, op.hash, guess->probability);
    lrd_guess_rank(&now->there, i, worth);
  }
}

static void state_fill(const lrd_hosted *hosted, const moment *now, larder_agent_state *out) {
  const lrd_hosted_request *request = now->request;
  lrd_news_what what = request->heard->what;
  *out = (larder_agent_state){.expected = request->expected,
                              .hit = what == LRD_NEWS_HIT,
                              .kb = (double)request->heard->bytes / BYTES_IN_KB,
                              .origin_ms = what == LRD_NEWS_BELOW ? hosted->below.now_ms : hosted->made.now_ms,
                              .utilisation = hosted->filled,
                              .entries = (double)hosted->entries,
                              .cpu = hosted->cpu,
                              .memory = hosted->memory,
                              .request_rate = hosted->request_rate,
                              .connections = hosted->makings,
                              .queue_depth = hosted->queue_depth,
                              .load = hosted->watch.load,
                              .threatened = hosted->watch.state == LRD_CASCADE_THREAT,
                              .cascade = hosted->watch.state == LRD_CASCADE_ON,
                              .user = request->user,
                              .day = (double)(hosted->wall_ms % DAY_MS) / DAY_MS,
                              .week = (double)(hosted->wall_ms % (INT64_C(7) * DAY_MS)) / (7.0 * DAY_MS),
                              .place = request->place};
  lrd_lately_fill(&hosted->lately, out);
  for (size_t i = 0; i < now->there.len; i++) out->guesses[i] = now->there.of[i].worth;
}

/* While memory is fuller than that, they would wait, and be dropped. */
static bool wishes_begin(const lrd_hosted *hosted) {
  double most = hosted->ns->cache->config->prefetch.fill_max;
  return most >= 1 || hosted->filled_bytes <= most;
}

static void possible_find(const lrd_hosted *hosted, moment *now) {
  lrd_news_what what = now->request->heard->what;
  bool aside = larder_agent_aside(hosted->agent);
  now->full = hosted->room > 0 && (double)hosted->entries >= FULL_PART * (double)hosted->room;
  now->room = aside || !now->full || !lrd_hosted_knows(hosted) ? LRD_ROOM_POLICY : lrd_room_best(&hosted->misses);
  now->keepable = what == LRD_NEWS_BELOW || what == LRD_NEWS_MADE || (what == LRD_NEWS_JOINED && !now->request->key->here);
  now->possible = 1u << LARDER_AGENT_NOTHING;
  if (now->keepable) now->possible |= 1u << lrd_room_action(now->room);
  if (aside || !now->request->may_wish || !wishes_begin(hosted) || lrd_hosted_origin_busy(hosted) ||
      lrd_load_of(&hosted->load, hosted->now_ms) > LRD_LOAD_RUSH)
    return;
  now->possible |= lrd_hosting_aheads(now->there.of[0].worth); /* of none it is 0 */
}

/* --- what is done --------------------------------------------------------------------------------------------------------- */

static unsigned make_ahead(lrd_hosted *hosted, const moment *now) {
  double above;
  unsigned most = larder_agent_ahead(now->decision.action, &above), wished = 0;
  for (size_t i = 0; i < now->there.len && wished < most && now->there.of[i].worth > above; i++) {
    const larder_predict_guess *guess = &now->request->guesses[now->there.of[i].number];
    lrd_op op;
    if (lrd_op_begin(hosted->ns, guess->endpoint, guess->endpoint_len, &op) != LARDER_OK) continue;
    lrd_known_key *key = lrd_known_meet(&hosted->keys, op.hash);
    if (!lrd_foretell_wish(hosted->ns, guess)) continue;
    key->wish = now->decision.ticket; /* if it is made already, that is heard next */
    key->wished_ms = hosted->now_ms;
    key->made = key->used = false;
    wished++;
  }
  return wished;
}

/* Of what memory has, what `room` lets go first; false: there is nobody. */
static bool room_make(lrd_hosted *hosted, lrd_room room, uint64_t but, uint64_t ticket) {
  for (unsigned tries = 0; tries < ROOM_TRIES; tries++) {
    lrd_known_key *key = room == LRD_ROOM_LRU ? lrd_known_oldest(&hosted->keys) : lrd_known_unlikely(&hosted->keys);
    if (key == NULL || key->hash == but) return false;
    if (lrd_memory_evict_hash(hosted->ns->memory, hosted->ns->memory_space, key->hash) > 0) {
      lrd_hosted_gone(hosted, key, ticket);
      hosted->gone_since++;
      lrd_hosted_fewer(hosted, 1);
      return true;
    }
    lrd_known_set_here(&hosted->keys, key, false); /* it had gone by itself */
  }
  return false;
}

/* What was put under the key meanwhile stays. Only a get from below tells no stamp: there the tier below has that, too. */
static uint64_t leave_out(const lrd_hosted *hosted, const lrd_hosted_request *request) {
  uint64_t hash = request->key->hash, stamp = request->heard->stamp;
  const larder_ns *ns = hosted->ns;
  return stamp == 0 ? lrd_memory_evict_hash(ns->memory, ns->memory_space, hash)
                    : lrd_memory_evict_stamp(ns->memory, ns->memory_space, hash, stamp);
}

static void keep_or_not(lrd_hosted *hosted, const moment *now) {
  lrd_known_key *key = now->request->key;
  bool keep = now->decision.action != LARDER_AGENT_NOTHING;
  if (now->request->heard->what == LRD_NEWS_HIT) lrd_known_set_here(&hosted->keys, key, true);
  if (!now->keepable) return;
  hosted->entries++; /* since the last look */
  lrd_known_set_here(&hosted->keys, key, keep);
  key->gone = !keep;
  key->gone_by = 0;
  key->ticket = keep ? now->decision.ticket : 0;
  if (!keep) lrd_hosted_fewer(hosted, leave_out(hosted, now->request));
  lrd_hosted_gone_for(hosted, keep ? now->decision.ticket : 0);
}

void lrd_hosted_decide(lrd_hosted *hosted, const lrd_hosted_request *request) {
  larder_agent_state state;
  moment now = {.request = request};
  uint64_t hash = request->key->hash;
  guesses_look(hosted, &now);
  possible_find(hosted, &now);
  state_fill(hosted, &now, &state);
  larder_agent_decide(hosted->agent, &state, now.possible, &now.decision);
  lrd_blame_remember(&hosted->blame, (lrd_blame_decision){.at_ms = hosted->now_ms,
                                                          .ticket = now.decision.ticket,
                                                          .ahead = (1u << now.decision.action & LRD_HOSTING_AHEADS) != 0,
                                                          .could = (now.possible & LRD_HOSTING_AHEADS) != 0});
  keep_or_not(hosted, &now);
  unsigned comes = make_ahead(hosted, &now);
  comes += now.keepable && now.decision.action != LARDER_AGENT_NOTHING;
  for (bool more = now.full && now.room != LRD_ROOM_POLICY; more && comes > 0; comes--)
    more = room_make(hosted, now.room, hash, now.decision.ticket);
}
