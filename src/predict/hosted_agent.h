/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `agent` of a namespace (larder/learning.h): what hosts it. The thread that empties the ring of what was heard
 * (foretelling.h) is the only one in here, save for the figures that are shown.
 *
 * hosted_agent.c has its life and its moments; hosted_news.c what came of decisions; hosted_decide.c the state, what is
 * possible and what is done; hosted_shadows.c what memory would have by other ways.
 */
#ifndef LRD_PREDICT_HOSTED_AGENT_H
#define LRD_PREDICT_HOSTED_AGENT_H

#include "agent/blame.h"
#include "agent/guess_trust.h"
#include "agent/lately.h"
#include "agent/load_watch.h"
#include "agent/room_ways.h"
#include "core/cache.h"
#include "heard_ring.h"
#include "key_shadow.h"
#include "known_keys.h"
#include <larder/learning.h>

#define LRD_HOSTED_LOOK_EACH 64u   /* requests, or a batch */
#define LRD_HOSTED_HIT_MS    0.001 /* what memory takes */
#define LRD_HOSTED_GONE      64u   /* of those that had to go for the same request, so many are told to its decision */

#define LRD_HOSTED_WATCHED  64u   /* entries for each time that what was heard is taken: to learn from one takes 7 µs */
#define LRD_HOSTED_SESSIONS 1024u /* that guesses are remembered of */

typedef struct lrd_hosted {
  larder_ns *ns;
  larder_agent *agent;
  lrd_known_keys keys;
  lrd_worth *worth; /* of the numbers of keys; learns once memory was full */
  uint32_t watched; /* entries, since it began to take what was heard */
  lrd_key_shadow *shadows[LRD_ROOMS];
  lrd_room_misses misses; /* of the shadows */
  unsigned sample_bits;   /* the shadows follow one key of so many powers of two */
  lrd_cascade_watch watch;
  lrd_lately lately;
  lrd_pace made, below; /* how long makers and the tiers below take */
  lrd_blame blame;
  lrd_load_watch load;
  lrd_guess_trust trust;
  lrd_guessed guessed[LRD_HOSTED_SESSIONS]; /* by their hashes; one goes for another */

  uint64_t asked; /* requests heard: the time by which likelihoods fall */
  uint64_t gone[LRD_HOSTED_GONE];
  uint32_t gone_len;   /* not told yet for whose sake */
  uint64_t gone_since; /* the last request */
  double ahead_origin; /* requests to the origin ahead of time, since the last comparison */

  /* Looked at now and then. */
  double now_ms; /* monotonic */
  int64_t wall_ms;
  uint64_t entries; /* in memory: counted on from look to look */
  uint64_t room;    /* how many it holds when it is full; 0: it never was */
  double filled;    /* 0 to 1, */
  double filled_bytes;
  uint64_t gone_at;  /* the most that it held when an entry had to go, since the last look; 0: none had to */
  int64_t second_ns; /* the last look of what is looked at once a second */
  uint64_t second_asked;
  int64_t second_cpu_ns;
  double request_rate, cpu, memory;
  double queue_depth, makings;

  bool was_aside;
  int64_t saved_ns;
  bool file_not_ours; /* what the policy's file has is nothing that such an agent has learned: it stays while it is so */
  larder_learning_figures figures; /* the agent's own are put in when they are shown */
  lrd_mutex shown_mutex;
  larder_learning_figures shown;
} lrd_hosted;

/* A request that was heard. */
typedef struct lrd_hosted_request {
  const lrd_heard *heard;
  lrd_known_key *key;
  const larder_predict_guess *guesses; /* falling */
  size_t guesses_len;
  unsigned user;
  uint32_t place;   /* in its session */
  double expected;  /* of the key, before it */
  bool may_wish;    /* `predict` lets it */
  bool ahead_first; /* the first one for what was made ahead */
  bool over;        /* the time of what was known of the key has passed */
  bool unasked;     /* what memory had came there, or stayed, by nobody's request */
} lrd_hosted_request;

/* NULL where the policy has no agent or the namespace no memory. */
LARDER_MUST_CHECK larder_err lrd_hosted_open(larder_ns *ns, lrd_hosted **out, larder_error *err);
/* NULL is fine. */
void lrd_hosted_close(lrd_hosted *hosted);
/* Before and after what was heard is taken. */
void lrd_hosted_begin(lrd_hosted *hosted);
void lrd_hosted_end(lrd_hosted *hosted);
/* As larder_learning_save and _load; no batch is under way. */
LARDER_MUST_CHECK larder_err lrd_hosted_save(lrd_hosted *hosted, const char *path, larder_error *err);
LARDER_MUST_CHECK larder_err lrd_hosted_load(lrd_hosted *hosted, const char *path, larder_error *err);
/* Into the file of the policy, if it names one. */
void lrd_hosted_keep(lrd_hosted *hosted);
/* What memory holds now. */
void lrd_hosted_look(lrd_hosted *hosted);
static inline void lrd_hosted_fewer(lrd_hosted *hosted, uint64_t count) {
  hosted->entries -= hosted->entries < count ? hosted->entries : count;
}
/* Nearly all that memory has is known here. */
bool lrd_hosted_knows(const lrd_hosted *hosted);

/* --- hosted_news.c -------------------------------------------------------------------------------------------------------- */

/* Anything but a request. */
void lrd_hosted_news(lrd_hosted *hosted, const lrd_heard *heard);
/* A request; guesses of what follows it. */
void lrd_hosted_asked(lrd_hosted *hosted, const lrd_heard *heard, uint64_t hash, lrd_hosted_request *request);
/* If it were made now (0: for ever, or not known). */
int64_t lrd_hosted_again_until(const lrd_hosted *hosted, const lrd_known_key *key);
/* Where what is guessed for a session is remembered; it may be another's still. */
lrd_guessed *lrd_hosted_guessed_of(lrd_hosted *hosted, uint64_t session);
/* An entry is in memory no more, for a decision's sake (0: not known, or nobody's). */
void lrd_hosted_gone(lrd_hosted *hosted, lrd_known_key *key, uint64_t ticket);
/* Those that went lately went for its sake. */
void lrd_hosted_gone_for(lrd_hosted *hosted, uint64_t ticket);

/* --- hosted_decide.c ------------------------------------------------------------------------------------------------------ */

void lrd_hosted_decide(lrd_hosted *hosted, const lrd_hosted_request *request);
/* The origin is overrun, about to be, or slow. */
bool lrd_hosted_origin_busy(const lrd_hosted *hosted);
/* What is waited, usually, where memory has not got it. */
double lrd_hosted_usual_ms(const lrd_hosted *hosted, bool below);

/* --- hosted_shadows.c ----------------------------------------------------------------------------------------------------- */

LARDER_MUST_CHECK larder_err lrd_hosted_shadows_open(lrd_hosted *hosted);
void lrd_hosted_shadows_close(lrd_hosted *hosted);
/* They hold as many as memory does when it is full, or of a part of the keys. */
void lrd_hosted_shadows_fit(lrd_hosted *hosted);
bool lrd_hosted_samples(const lrd_hosted *hosted, uint64_t hash);
/* What the request comes to, and would come to without the agent. */
void lrd_hosted_compare(lrd_hosted *hosted, const lrd_hosted_request *request);

#endif
