/* SPDX-License-Identifier: Apache-2.0 */
/* What came of decisions, told by their tickets. */
#include "agent/hosting.h"
#include "base/fail.h"
#include "base/hash.h"
#include "hosted_agent.h"

#define MS        1e6
#define SPARED_MS 20000.0 /* what was made ahead is wanted soon or never */

static void tell(lrd_hosted *hosted, uint64_t ticket, larder_agent_event event, double amount) {
  larder_agent_tell(hosted->agent, ticket, event, amount);
}

/* --- what had to go ------------------------------------------------------------------------------------------------------- */

void lrd_hosted_gone(lrd_hosted *hosted, lrd_known_key *key, uint64_t ticket) {
  lrd_known_set_here(&hosted->keys, key, false);
  key->gone = true;
  key->gone_by = ticket;
  key->ticket = 0;
  if (key->wish != 0 && key->made && !key->used && hosted->ns->links_len == 0) tell(hosted, key->wish, LARDER_AGENT_WASTED, 1);
  if (hosted->ns->links_len == 0) key->wish = 0;
}

void lrd_hosted_gone_for(lrd_hosted *hosted, uint64_t ticket) {
  for (uint32_t i = 0; i < hosted->gone_len; i++) {
    lrd_known_key *key = lrd_known_find(&hosted->keys, hosted->gone[i]);
    if (key && key->gone && !key->here) key->gone_by = ticket;
  }
  hosted->gone_len = 0;
}

static void had_to_go(lrd_hosted *hosted, uint64_t hash) {
  lrd_known_key *key = lrd_known_find(&hosted->keys, hash);
  hosted->gone_since++;
  if (hosted->gone_at < hosted->entries) hosted->gone_at = hosted->entries;
  lrd_hosted_fewer(hosted, 1);
  if (key == NULL) return;
  lrd_hosted_gone(hosted, key, 0);
  if (hosted->gone_len < LRD_HOSTED_GONE) hosted->gone[hosted->gone_len++] = hash;
}

/* --- what was made ahead -------------------------------------------------------------------------------------------------- */

/* What is over when it is heard of has lived, if hardly: it is not what never ends. */
static void lives_until(const lrd_hosted *hosted, lrd_known_key *key, int64_t expires_ms) {
  if (expires_ms == key->expires_ms) return;
  key->expires_ms = expires_ms;
  if (expires_ms == 0)
    key->ttl_ms = 0;
  else if (expires_ms > hosted->wall_ms)
    key->ttl_ms = expires_ms - hosted->wall_ms;
  else if (key->ttl_ms == 0)
    key->ttl_ms = 1;
}

static void made_ahead(lrd_hosted *hosted, const lrd_heard *heard) {
  lrd_known_key *key = lrd_known_find(&hosted->keys, heard->hash);
  if (key == NULL || key->wish == 0) return; /* somebody else's wish */
  bool made = heard->what == LRD_NEWS_AHEAD;
  if (lrd_hosted_samples(hosted, key->hash)) hosted->ahead_origin++;
  key->made = made;
  lrd_hosting_ahead(hosted->agent, key->wish, made, (double)heard->bytes / 1000);
  if (!made) {
    key->wish = 0;
    return;
  }
  lrd_hosted_gone_for(hosted, key->wish);
  (void)lrd_known_meet(&hosted->keys, key->hash);
  lrd_known_set_here(&hosted->keys, key, true);
  hosted->entries++;
  key->gone = false;
  key->gone_by = 0;
  lives_until(hosted, key, heard->expires_ms);
  key->spared_to_ms = hosted->now_ms + SPARED_MS;
  if (key->used) key->wish = 0;
}

static void used_tell(lrd_hosted *hosted, lrd_known_key *key) {
  tell(hosted, key->wish, LARDER_AGENT_USED, 1);
  tell(hosted, key->wish, LARDER_AGENT_SAVED_MS, lrd_hosted_usual_ms(hosted, false));
  key->used = true; /* the wish stays for those who ask meanwhile */
}

static void judged_ahead(lrd_hosted *hosted, const lrd_heard *heard) {
  lrd_known_key *key = lrd_known_find(&hosted->keys, heard->hash);
  if (key == NULL || key->wish == 0 || key->used) return;
  if (heard->what == LRD_NEWS_WASTED) {
    tell(hosted, key->wish, LARDER_AGENT_WASTED, 1);
    key->wish = 0;
    return;
  }
  used_tell(hosted, key);
}

/* --- the origin ----------------------------------------------------------------------------------------------------------- */

static void origin_answered(lrd_hosted *hosted, const lrd_heard *heard) {
  bool failed = heard->what == LRD_NEWS_NO_ANSWER;
  double took_ms = (double)heard->took_ns / MS;
  lrd_cascade_tell(&hosted->watch, hosted->now_ms, took_ms, failed);
  lrd_lately_answer(&hosted->lately, failed);
  double too_long_ms = lrd_pace_too_long(&hosted->made, took_ms);
  lrd_pace_move(&hosted->made, took_ms, hosted->watch.state == LRD_CASCADE_CALM);
  if (too_long_ms > 0 && lrd_hosted_origin_busy(hosted))
    lrd_blame_slow(&hosted->blame, hosted->agent, hosted->now_ms, too_long_ms);
}

void lrd_hosted_news(lrd_hosted *hosted, const lrd_heard *heard) {
  switch (heard->what) {
  case LRD_NEWS_ANSWER:
  case LRD_NEWS_NO_ANSWER:
    origin_answered(hosted, heard);
    break;
  case LRD_NEWS_AHEAD:
  case LRD_NEWS_AHEAD_NOT:
    made_ahead(hosted, heard);
    break;
  case LRD_NEWS_USED:
  case LRD_NEWS_WASTED:
    judged_ahead(hosted, heard);
    break;
  case LRD_NEWS_GONE:
    had_to_go(hosted, heard->hash);
    break;
  case LRD_NEWS_HIT:
  case LRD_NEWS_BELOW:
  case LRD_NEWS_MADE:
  case LRD_NEWS_JOINED:
  case LRD_NEWS_FAILED:
  case LRD_NEWS_MISSED:
    break;
  }
}

/* --- a request ------------------------------------------------------------------------------------------------------------ */

/* It is told by who watches it, and heard before the request; not where too many are watched. What is there though the wish
 * came to nothing, as far as was heard, is somebody else's. */
static void wish_asked(lrd_hosted *hosted, lrd_hosted_request *request) {
  lrd_known_key *key = request->key;
  lrd_news_what what = request->heard->what;
  bool there = what == LRD_NEWS_HIT || what == LRD_NEWS_BELOW;
  request->ahead_first = key->wish != 0 && (key->made || key->used || !there);
  if (!request->ahead_first) return;
  if (!key->used && there) used_tell(hosted, key);
  if (key->used || what == LRD_NEWS_MADE) key->wish = 0;
}

static void outcome_tell(lrd_hosted *hosted, lrd_hosted_request *request) {
  lrd_known_key *key = request->key;
  lrd_news_what what = request->heard->what;
  bool shared = hosted->ns->links_len > 0;
  wish_asked(hosted, request);
  if (what == LRD_NEWS_HIT && key->ticket != 0) {
    tell(hosted, key->ticket, LARDER_AGENT_HIT, 1);
    tell(hosted, key->ticket, LARDER_AGENT_SAVED_MS, lrd_hosted_usual_ms(hosted, shared));
    key->ticket = 0;
  }
  if (what != LRD_NEWS_HIT && key->gone_by != 0) {
    lrd_hosting_wanted(hosted->agent, key->gone_by, lrd_hosted_usual_ms(hosted, what == LRD_NEWS_BELOW));
    key->gone_by = 0;
  }
}

static void expect(lrd_hosted *hosted, lrd_hosted_request *request) {
  lrd_known_key *key = request->key;
  request->expected = lrd_known_expected(&hosted->keys, key, hosted->asked);
  lrd_known_expect(&hosted->keys, key, hosted->asked, 1);
  lrd_known_worth_asked(&hosted->keys, key);
  if (hosted->room > 0 && hosted->watched++ < LRD_HOSTED_WATCHED) lrd_known_worth_watch(&hosted->keys);
  for (size_t i = 0; i < request->guesses_len; i++) {
    lrd_op op;
    if (lrd_op_begin(hosted->ns, request->guesses[i].endpoint, request->guesses[i].endpoint_len, &op) != LARDER_OK) continue;
    lrd_known_key *guessed = lrd_known_find(&hosted->keys, op.hash); /* it was not met by that */
    if (guessed == NULL) guessed = lrd_known_meet_beside(&hosted->keys, op.hash, key);
    lrd_known_expect(&hosted->keys, guessed, hosted->asked, request->guesses[i].probability);
    lrd_known_worth_guessed(&hosted->keys, guessed, request->guesses[i].probability);
  }
}

lrd_guessed *lrd_hosted_guessed_of(lrd_hosted *hosted, uint64_t session) {
  return &hosted->guessed[lrd_hash64(&session, sizeof session, 0) % LRD_HOSTED_SESSIONS];
}

int64_t lrd_hosted_again_until(const lrd_hosted *hosted, const lrd_known_key *key) {
  return key->ttl_ms == 0 ? 0 : hosted->wall_ms < INT64_MAX - key->ttl_ms ? hosted->wall_ms + key->ttl_ms : INT64_MAX;
}

/* A hit on what should be over, or lives until another moment than was heard: it was put, or made anew behind, or is stale. */
static void life_look(lrd_hosted *hosted, lrd_hosted_request *request) {
  const lrd_heard *heard = request->heard;
  lrd_known_key *key = request->key;
  bool other = heard->expires_ms != 0 && heard->expires_ms != key->expires_ms;
  request->over = key->expires_ms != 0 && hosted->wall_ms >= key->expires_ms;
  request->unasked = heard->what == LRD_NEWS_HIT && (request->over || other);
  if (heard->expires_ms != 0 || heard->what == LRD_NEWS_MADE)
    lives_until(hosted, key, heard->expires_ms);
  else if (request->over && heard->what < LRD_NEWS_FAILED)
    lives_until(hosted, key, lrd_hosted_again_until(hosted, key)); /* as far as is known */
}

/* Whoever puts it there again is not heard, as others are not. */
static void not_there(lrd_hosted *hosted, lrd_known_key *key) {
  lrd_known_set_here(&hosted->keys, key, false);
  key->ticket = 0;
}

void lrd_hosted_asked(lrd_hosted *hosted, const lrd_heard *heard, uint64_t hash, lrd_hosted_request *request) {
  double took_ms = heard->what == LRD_NEWS_MISSED ? lrd_hosted_usual_ms(hosted, false) : (double)heard->took_ns / MS;
  bool hit = heard->what == LRD_NEWS_HIT;
  if (hosted->asked++ % LRD_HOSTED_LOOK_EACH == 0) lrd_hosted_look(hosted);
  request->heard = heard;
  request->key = lrd_known_meet(&hosted->keys, hash);
  life_look(hosted, request);
  if (heard->what == LRD_NEWS_BELOW) lrd_pace_move(&hosted->below, took_ms, true);
  lrd_load_tell(&hosted->load, hosted->now_ms);
  lrd_guessed_judge(lrd_hosted_guessed_of(hosted, heard->session), &hosted->trust, heard->session, request->place, hash);
  expect(hosted, request);
  LRD_ASSERT(request->key->hash == hash);
  outcome_tell(hosted, request);
  lrd_hosted_compare(hosted, request);
  lrd_lately_request(&hosted->lately, hit, hosted->gone_since, took_ms);
  hosted->gone_since = 0;
  if (heard->what == LRD_NEWS_MISSED) not_there(hosted, request->key);
  if (heard->what < LRD_NEWS_FAILED) lrd_hosted_decide(hosted, request);
}
