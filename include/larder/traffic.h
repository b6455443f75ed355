/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Traffic that is made up: sessions of users that go from endpoint to endpoint of services which are slow, grow slower under
 * load and fail; and trials, in which ways of caching serve the same traffic, seed by seed.
 *
 * A *specification* is a YAML file (docs/traffic.md). A *contestant* is a way of caching: none, a policy with or without
 * prefetching, the rule that did best among all static ones on seeds of its own, or an agent that learns (larder/agent.h). A
 * *run* is one contestant before the traffic of one seed: the same requests at the same moments for every contestant.
 *
 * Traffic may be shared by threads once it is open. The same file and seeds give the same figures, whatever the number of
 * threads.
 */
#ifndef LARDER_TRAFFIC_H
#define LARDER_TRAFFIC_H

#include <larder/agent.h>
#include <larder/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LARDER_TRAFFIC_SEEDS_MAX       1000u
#define LARDER_TRAFFIC_CONTESTANTS_MAX 32u
#define LARDER_TRAFFIC_NAME_MAX        64u
/* The greatest seed of a trial: those above are the ones of LARDER_TRAFFIC_TUNED and of training. */
#define LARDER_TRAFFIC_SEED_MAX (((uint64_t)1 << 62) - 1)

/* --- specifications ------------------------------------------------------------------------------------------------------- */

typedef struct larder_traffic larder_traffic;

/* One mistake of a file, borrowed during the visit. */
typedef struct larder_traffic_mistake {
  const char *file;
  int line; /* from 1 */
  int column;
  const char *message;
} larder_traffic_mistake;

/*
 * Reads a specification. Every mistake is visited (visit may be NULL); the first is err's message, too, as
 * `FILE:LINE:COLUMN: what`. LARDER_EFORMAT: there are mistakes; LARDER_MISS: no such file; LARDER_EIO, LARDER_EACCES,
 * LARDER_ENOMEM. Own.
 */
LARDER_API LARDER_MUST_CHECK larder_err larder_traffic_open(const char *path,
                                                            void (*visit)(void *context, const larder_traffic_mistake *mistake),
                                                            void *context, larder_traffic **out, larder_error *err);
/* *traffic becomes NULL. NULL is fine. */
LARDER_API void larder_traffic_close(larder_traffic **traffic);

typedef struct larder_traffic_facts {
  uint32_t services;
  uint32_t endpoints;
  uint32_t users; /* kinds of them */
  uint32_t keys;
  uint64_t cache_entries;
  double length_s;
} larder_traffic_facts;
/* Zeros where there is no traffic. */
LARDER_API void larder_traffic_facts_get(const larder_traffic *traffic, larder_traffic_facts *out);

/*
 * The requests of one seed as JSON Lines, in the order of time: `{"key": "/product/17", "endpoint": "product", "at_ms": 1234.5,
 * "session": 3, "user": "shopper", "size": 8192}`, which is a trace for larder_trace_open, too. write returns false to
 * stop (LARDER_ECANCELLED); while the requests are made, before the first line, it is called with none (len is 0) for that.
 * LARDER_ENOMEM, LARDER_ETOOBIG (more than 2^22 requests, or 2^25 moments to draw). err may be NULL.
 */
LARDER_API LARDER_MUST_CHECK larder_err larder_traffic_write(const larder_traffic *traffic, uint64_t seed,
                                                             bool (*write)(void *context, const void *data, size_t len),
                                                             void *context, larder_error *err);

/* --- trials --------------------------------------------------------------------------------------------------------------- */

/* The n-th contestant's name, NULL beyond the last; and what it does, in a sentence, NULL for none such. Static strings. */
LARDER_API const char *larder_traffic_contestant(size_t n);
LARDER_API const char *larder_traffic_contestant_says(const char *name);
/*
 * That which is the best of the static rules by mean latency, found on seeds that are not those of the trial. A request that
 * failed counts there as if it had taken, on top of what it took, as long as the service that is waited for longest is waited
 * for (its time-out, so often as it is tried): a rule does not win by failing fast.
 */
#define LARDER_TRAFFIC_TUNED "tuned"

/* What one contestant came to before the traffic of one seed. */
typedef struct larder_traffic_figures {
  uint64_t requests;
  uint64_t hits;   /* answered out of the cache, also by what was just on its way */
  uint64_t failed; /* by the origin, after all retries */
  uint64_t origin; /* requests that the origin got: misses, retries and prefetches */
  uint64_t origin_bytes;
  uint64_t prefetched;
  uint64_t used;       /* of these, asked for before they were gone */
  uint64_t cascades;   /* errors and latency of the origin crossed their thresholds while its load rose */
  uint64_t threatened; /* the latency did, and it came to no cascade */
  double mean_ms;      /* of all requests, as users have it */
  double p95_ms;
  double p99_ms;
} larder_traffic_figures;

typedef struct larder_traffic_run {
  const char *contestant; /* borrowed */
  uint64_t seed;
  char rule[LARDER_TRAFFIC_NAME_MAX]; /* out: the static rule, of LARDER_TRAFFIC_TUNED the one that was found best */
  larder_traffic_figures figures;     /* out */
  larder_agent_figures agent;         /* out: of a contestant that learns, else zeros */
} larder_traffic_run;

typedef struct larder_traffic_options {
  size_t size;
  /*
   * Threads; 0: as many as there are processors. There are fewer where their trials would need more than half of the machine's
   * memory: each needs some 220 bytes a key and 130 an entry (an agent's 420 and 510), and 60 for each request of a seed.
   */
  unsigned parallel;
  unsigned tuning_seeds; /* of LARDER_TRAFFIC_TUNED; 0: 3 */
  /* At the beginning and about ten times a second, by the calling thread; false ends it with LARDER_ECANCELLED. */
  bool (*progress)(void *context, uint64_t done, uint64_t total);
  void *context;
  /* What an agent has learned (larder_agent_save, larder_traffic_train): those that learn begin with it. NULL: with nothing. */
  const void *learned;
  size_t learned_len;
} larder_traffic_options;

/*
 * Does the runs and fills in what is out; where it fails, nothing. LARDER_EINVAL: no such contestant, or a seed above
 * LARDER_TRAFFIC_SEED_MAX; LARDER_ETOOBIG: more than 2^22 requests, or 2^25 moments to draw; LARDER_EFORMAT: a contestant that
 * learns can't load options.learned; LARDER_ENOMEM, LARDER_ECANCELLED. options and err may be NULL.
 */
LARDER_API LARDER_MUST_CHECK larder_err larder_traffic_trial(const larder_traffic *traffic,
                                                             const larder_traffic_options *options, larder_traffic_run *runs,
                                                             size_t count, larder_error *err);

/*
 * One that learns, before the traffic of so many seeds one after the other, each time with what it learned before; nothing is
 * compared. What it has learned can be options.learned of other trials, or go to a host's agent (larder_agent_load).
 * LARDER_EINVAL: it does not learn, or learns before it begins, or seeds are none or too many; else as larder_traffic_trial.
 * Own: release with larder_agent_bytes_free.
 */
LARDER_API LARDER_MUST_CHECK larder_err larder_traffic_train(const larder_traffic *traffic,
                                                             const larder_traffic_options *options, const char *contestant,
                                                             uint64_t first_seed, unsigned seeds, void **data_out,
                                                             size_t *len_out, larder_error *err);

/* --- what the figures mean ------------------------------------------------------------------------------------------------ */

/* The mean of values and half the width of its 95 % confidence interval (Student's t). What too few values say nothing of is
 * NaN: half for less than two, both for none. */
typedef struct larder_traffic_interval {
  double mean;
  double half;
} larder_traffic_interval;
LARDER_API larder_traffic_interval larder_traffic_interval_of(const double *values, size_t count);

/* A bar with its interval; half may be NaN: none is drawn. */
typedef struct larder_traffic_bar {
  const char *name;
  larder_traffic_interval value;
} larder_traffic_bar;
typedef struct larder_traffic_panel {
  const char *title;
  const char *unit;
  const larder_traffic_bar *bars;
  size_t count;
} larder_traffic_panel;

/* Bars as an SVG document, panels below each other. Own: release with larder_traffic_text_free. LARDER_EINVAL, LARDER_ENOMEM.
 */
LARDER_API LARDER_MUST_CHECK larder_err larder_traffic_plot(const larder_traffic_panel *panels, size_t count, char **text_out,
                                                            size_t *len_out);
LARDER_API void larder_traffic_text_free(char *text);

#ifdef __cplusplus
}
#endif
#endif
