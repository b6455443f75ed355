/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What learns which of seven things to do about a request: nothing, keep what was fetched, make the likeliest next keys ahead,
 * or make room first. The host describes the moment by a *state* and says which actions are possible; the agent chooses; later
 * the host tells what came of it, by the *ticket* of the decision; after so many further decisions (the horizon) the sum is the
 * decision's reward, and is learned from.
 *
 * Beside it the host runs a shadow of the plain default and compares both, request by request. Where the agent does worse over
 * a window it steps aside: it then answers what the plain default would do, and tries again after a pause, which doubles each
 * time.
 *
 * An agent has no clock, no thread and no lock: one thread at a time uses it, and the same calls with the same seed give the
 * same decisions. It is what namespaces with `agent` have (larder/learning.h) and what `larder simulate --sessions` runs;
 * docs/learning.md says what it came to.
 */
#ifndef LARDER_AGENT_H
#define LARDER_AGENT_H

#include <larder/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- terms ---------------------------------------------------------------------------------------------------------------- */

/* With the name and what is done. */
#define LARDER_AGENT_ACTIONS_TABLE(X)                                                                                          \
  X(NOTHING, "nothing", "what was fetched is not kept")                                                                        \
  X(CACHE, "cache", "it is kept; who goes is the policy's choice")                                                             \
  X(CONSERVATIVE, "conservative", "it is kept, and the likeliest next key above 0.7 is made ahead,")                           \
  X(MODERATE, "moderate", "three above 0.5,")                                                                                  \
  X(AGGRESSIVE, "aggressive", "or five above 0.3")                                                                             \
  X(EVICT_LRU, "evict-lru", "what was not used for longest makes room, then it is kept")                                       \
  X(EVICT_UNLIKELY, "evict-unlikely", "what is least likely makes room, then it is kept")

typedef enum larder_agent_action {
#define LARDER_AGENT_ACTION(id, name, says) LARDER_AGENT_##id,
  LARDER_AGENT_ACTIONS_TABLE(LARDER_AGENT_ACTION)
#undef LARDER_AGENT_ACTION
      LARDER_AGENT_ACTIONS
} larder_agent_action;
/* "nothing", "cache", "conservative", …; "?" for none. Static. */
LARDER_API const char *larder_agent_action_name(larder_agent_action action);
/* How many keys an action makes ahead at most, and above which probability; 0 for the others. */
LARDER_API unsigned larder_agent_ahead(larder_agent_action action, double *above_out);

/* What comes of a decision, and the name and value of what it is worth. */
#define LARDER_AGENT_EVENTS_TABLE(X)                                                                                           \
  X(HIT, hit, 10, "what it kept was asked for, the first time")                                                                \
  X(MISS, miss, -1, "what went for its sake was asked for")                                                                    \
  X(USED, used, 5, "what it made ahead was asked for")                                                                         \
  X(WASTED, wasted, -3, "what it made ahead went unasked for, or was not to be had")                                           \
  X(PREVENTED, prevented, 50, "a threat passed, during which it made nothing ahead though it could have")                      \
  X(OCCURRED, occurred, -100, "a cascade came, soon after it made something ahead")                                            \
  X(SAVED_MS, saved_ms, 0.1, "a millisecond that somebody did not wait")                                                       \
  X(LOST_MS, lost_ms, -0.2, "a millisecond that somebody waited")                                                              \
  X(KB, kb, -0.01, "a KB that was made ahead")                                                                                 \
  X(FULL, full, -5, "what went for its sake was asked for: there was no room for both")

typedef enum larder_agent_event {
#define LARDER_AGENT_EVENT(id, name, value, says) LARDER_AGENT_##id,
  LARDER_AGENT_EVENTS_TABLE(LARDER_AGENT_EVENT)
#undef LARDER_AGENT_EVENT
      LARDER_AGENT_EVENTS
} larder_agent_event;

/* How values are learned. docs/decisions/0010-agent.md compares them. */
typedef enum larder_agent_method {
  LARDER_AGENT_BANDIT,   /* a ridge regression for each action over the state, least squares kept up to date: the default */
  LARDER_AGENT_LINEAR_Q, /* linear Q-learning by gradients, with replay */
  LARDER_AGENT_NETWORK_Q /* a small network, likewise */
} larder_agent_method;

#define LARDER_AGENT_EPSILON      0.1
#define LARDER_AGENT_EPSILON_LAST 0.001

/*
 * Zero is the default, save where said, so that none of epsilon, epsilon_last, margin and discount can be nothing: a very small
 * number, such as 1e-12, is as good as nothing. Copied.
 */
typedef struct larder_agent_options {
  size_t size;
  larder_agent_method method;
  uint64_t seed;
  const double *weights; /* LARDER_AGENT_EVENTS of them, zeros as they stand; NULL: the table's */
  double clip;           /* of a decision's reward, either way: 100; 1e-6 to 1e9 */
  double epsilon;        /* part of the decisions that are tried at random, at first: 0.1; at most 1 */
  double epsilon_last;   /* and in the end: 0.001; at most epsilon, so who sets only one may have to set both */
  uint32_t epsilon_half; /* decisions in which it falls half the way: 2000 */
  uint32_t horizon;      /* decisions until one is learned from: 1024; at most LARDER_AGENT_HORIZON_MAX */
  double discount;       /* of what follows, for the Q methods: 0.9; at most 0.999 */
  double rate;           /* of learning, for the Q methods: 0.01; 1e-9 to 1 */
  double ridge;          /* of the bandit: 1; 1e-6 to 1e6 */
  double forget;         /* of the bandit, what a decision later counts: 0.9998; 0.9 to 1 */
  uint32_t window;       /* requests over which it is compared with the shadow: 2000 */
  double margin;         /* part by which it may do worse: 0.01; at most 10 */
  uint32_t pause_most;   /* windows that it steps aside for at most: 32; at most 2^20 */
} larder_agent_options;
#define LARDER_AGENT_HORIZON_MAX 65536u

typedef struct larder_agent larder_agent;

/* --- lifecycle ------------------------------------------------------------------------------------------------------------ */

/* options may be NULL. LARDER_EINVAL: one is out of its bounds; LARDER_ENOMEM. Own. */
LARDER_API LARDER_MUST_CHECK larder_err larder_agent_open(const larder_agent_options *options, larder_agent **out,
                                                          larder_error *err);
/* *agent becomes NULL. NULL is fine. */
LARDER_API void larder_agent_close(larder_agent **agent);

/* --- decisions ------------------------------------------------------------------------------------------------------------ */

#define LARDER_AGENT_GUESSES 5u
#define LARDER_AGENT_USERS   8u

/* The moment. What is not known is 0; what is no number counts as that, what is beyond all measure as very much. */
typedef struct larder_agent_state {
  double guesses[LARDER_AGENT_GUESSES]; /* probabilities of the likeliest keys that are not there, falling */
  double expected;                      /* of the key: requests that are expected of it, on any scale that stays the same */
  bool hit;                             /* it was there */
  double kb;                            /* of the answer */
  double origin_ms;                     /* what the origin takes for it, usually */
  double utilisation;                   /* cache: 0 to 1, */
  double hit_rate;                      /* lately, */
  double entries;
  double eviction_rate; /* evictions a request, lately */
  double cpu;           /* system: 0 to 1 */
  double memory;        /* 0 to 1 */
  double request_rate;  /* a second */
  double p50_ms, p95_ms, p99_ms;
  double error_rate; /* of the origin, lately */
  double connections;
  double queue_depth;
  double load;     /* of the origin: what goes there now, in what is usual */
  bool threatened; /* it is about to be overrun */
  bool cascade;    /* it is */
  unsigned user;   /* kind of user; those from LARDER_AGENT_USERS on are one */
  double day;      /* 0 to 1 through the day */
  double week;     /* 0 to 1 through the week */
  uint32_t place;  /* requests of the session so far */
} larder_agent_state;

typedef struct larder_agent_decision {
  larder_agent_action action;
  uint64_t ticket; /* counts from 1 */
  bool explored;   /* by chance */
  bool aside;      /* it is what the plain default does */
} larder_agent_decision;

/*
 * `possible`: a bit for each action, LARDER_AGENT_NOTHING's is taken as set. Without a state nothing is known; without an agent
 * the decision is LARDER_AGENT_NOTHING with ticket 0, and the calls below do nothing.
 */
LARDER_API void larder_agent_decide(larder_agent *agent, const larder_agent_state *state, unsigned possible,
                                    larder_agent_decision *out);
/* Whether it has stepped aside: the next decision is the plain default's, so only that should be possible. */
LARDER_API bool larder_agent_aside(const larder_agent *agent);
/* What came of a decision; so many times, or milliseconds, or KB. Nothing where the horizon has passed. An amount that is no
 * finite number is none. */
LARDER_API void larder_agent_tell(larder_agent *agent, uint64_t ticket, larder_agent_event event, double amount);
/* One request: what it took and how often the origin was asked, with the agent and, as estimated, with the plain default. One
 * with a number that is not finite is left out. */
LARDER_API void larder_agent_compare(larder_agent *agent, double ms, double origin, double plain_ms, double plain_origin);

/* --- keeping what was learned --------------------------------------------------------------------------------------------- */

/*
 * What was learned and how long the next pause is, as bytes with a checksum; decisions under way are not in it. It can always
 * be loaded again. Own: release with larder_agent_bytes_free.
 */
LARDER_API LARDER_MUST_CHECK larder_err larder_agent_save(const larder_agent *agent, void **data_out, size_t *len_out);
LARDER_API void larder_agent_bytes_free(void *data);
/*
 * Into an agent of the same method. LARDER_EFORMAT: they are none, damaged, of another method, or such as no learning leaves
 * behind; LARDER_ENOMEM. Then the agent is as it was.
 */
LARDER_API LARDER_MUST_CHECK larder_err larder_agent_load(larder_agent *agent, const void *data, size_t len, larder_error *err);

/* --- figures -------------------------------------------------------------------------------------------------------------- */

typedef struct larder_agent_figures {
  uint64_t decisions;
  uint64_t explored;
  uint64_t taken[LARDER_AGENT_ACTIONS];
  uint64_t learned[LARDER_AGENT_ACTIONS]; /* decisions whose reward is known */
  double reward[LARDER_AGENT_ACTIONS];    /* their sum */
  double epsilon;                         /* now */
  uint64_t windows;                       /* compared with the shadow */
  uint64_t stepped_aside;                 /* times */
  uint64_t windows_aside;
  bool aside;                       /* now */
  double told[LARDER_AGENT_EVENTS]; /* what came of decisions within their horizon: times, milliseconds or KB */
} larder_agent_figures;
LARDER_API void larder_agent_figures_get(const larder_agent *agent, larder_agent_figures *out);

#ifdef __cplusplus
}
#endif
#endif
