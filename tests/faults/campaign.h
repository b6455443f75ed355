/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the processes of a fault campaign share: what is broken at the moment, what was seen, and a judge of what is shown.
 *
 * Every write has a *tick*, which its value carries; a making's is that at which its maker began. A key's *horizon* is the
 * highest tick among its changes that were acknowledged and the values that were shown. A get that shows a value put which was
 * over before the horizon it saw at its own beginning has shown something stale; likewise one that shows a value whose making
 * began before it, since the change came meanwhile. Of a memory-only namespace each process has horizons of its own.
 */
#ifndef LRD_TESTS_CAMPAIGN_H
#define LRD_TESTS_CAMPAIGN_H

#include <larder/error.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define CAMPAIGN_PROCESSES 2u
#define CAMPAIGN_SPACES    4u
#define CAMPAIGN_KEYS      24u /* the lower half made by a callback, the upper by the origin */
#define CAMPAIGN_TICKS     (UINT64_C(1) << 22)
#define CAMPAIGN_THREADS   3u
#define CAMPAIGN_TOLD      10u
#define CAMPAIGN_FULLS     3u /* places that can be full: the database, the log of files, everything */

typedef enum campaign_call { CALL_GET, CALL_MAKE, CALL_PUT, CALL_DELETE, CALL_LIST, CALL_COUNT } campaign_call;

/* What a call may answer, and what it may not. */
typedef enum campaign_answer {
  SAID_OK,
  SAID_MISS,
  SAID_DEGRADED,
  SAID_NOT_KEPT,
  SAID_OLDER,
  SAID_BUSY,
  SAID_EXCUSED, /* the maker failed, or who made it stood still */
  SAID_WRONG,
  SAID_COUNT
} campaign_answer;

typedef struct campaign_board {
  _Atomic uint64_t tick; /* first: the origin reads it */
  _Atomic unsigned full; /* the disk: a bit for each of CAMPAIGN_FULLS */
  _Atomic unsigned slow_ms;
  _Atomic bool over; /* no more calls */
  _Atomic bool calm; /* all is well again */
  _Atomic unsigned origin_bad;
  _Atomic int64_t origin_bad_ns; /* when it ended */
  _Atomic unsigned stopped;
  _Atomic int64_t stopped_ns;
  _Atomic unsigned ready;
  _Atomic unsigned recovered;
  _Atomic int64_t recovery_ms;
  _Atomic uint64_t said[CALL_COUNT][SAID_COUNT];
  _Atomic uint64_t stale_served, made, torn, stale;
  _Atomic unsigned told;
  char sentences[CAMPAIGN_TOLD][400]; /* of what went wrong, the first */
  _Atomic uint64_t horizons[CAMPAIGN_PROCESSES][CAMPAIGN_SPACES][CAMPAIGN_KEYS];
  _Atomic uint64_t ends[CAMPAIGN_TICKS]; /* of puts, by their tick */
} campaign_board;

extern const char *const campaign_spaces[CAMPAIGN_SPACES];

typedef struct campaign_run {
  campaign_board *board;
  const char *root;
  const char *config;
  unsigned process;
  uint64_t seed;
  uint64_t memory_bytes_max; /* 0: the configuration's */
} campaign_run;

int64_t campaign_now_ns(void);
/* Until the board says that it is over, then until it is calm and all is well again. Never returns. */
_Noreturn void campaign_process(const campaign_run *run);

#endif
