/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many processes and threads on one root and few keys, through the public API, and a judge in shared memory.
 *
 * Every write has an id that its value carries, and the ticks at which it began and was acknowledged. A key's *horizon* is
 * the highest beginning among its writes that were acknowledged, or whose value was shown. A get that shows a write which was
 * over before the horizon it saw at its own beginning has shown something older than what was known by then: stale, or going
 * back. Concurrent writes may win in any order; a miss is always allowed. In a `behind` namespace a queued put binds only
 * its own process, so there is a horizon per process beside the common one.
 */
#ifndef LRD_TESTS_RACE_H
#define LRD_TESTS_RACE_H

#include <larder/larder.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define RACE_KEYS_MAX      256
#define RACE_PROCESSES_MAX 8
#define RACE_ENOUGH        100 /* hits, and writes, without which a race has shown nothing */

typedef struct race_plan {
  const char *name;
  const char *config;   /* YAML; the namespace is `n` */
  unsigned processes;   /* default 4 */
  unsigned threads;     /* default 4 */
  unsigned keys;        /* default 8 */
  unsigned value_len;   /* least; default 24 */
  double seconds;       /* how long; longer where the machine is too busy to show anything in that time */
  unsigned mutation;    /* of core/mutation.h */
  unsigned write_part;  /* percent of operations that change something; default 30 */
  uint64_t ops_max;     /* ends when that many are done; 0: no limit */
  bool behind;          /* the namespace's durability */
  bool kill;            /* random SIGKILL; the killed process is replaced by a new one */
  bool stop;            /* random SIGSTOP and SIGCONT */
  bool until_violation; /* ends at the first one */
} race_plan;

typedef struct race_result {
  uint64_t ops, hits, misses, writes, refused, killed;
  uint64_t stale;    /* shown although something newer was acknowledged or shown before */
  uint64_t torn;     /* bytes that nobody put */
  uint64_t expired;  /* shown after its lifetime */
  uint64_t errors;   /* a get that failed */
  uint64_t abnormal; /* processes that ended otherwise than planned */
  char first[200];   /* the first violation in words */
} race_result;

/* Runs it on the folder and sums up. */
race_result race_run(const race_plan *plan, const char *root);
void race_print(const race_plan *plan, const race_result *result);
static inline uint64_t race_violations(const race_result *result) {
  return result->stale + result->torn + result->expired + result->errors + result->abnormal;
}

#endif
