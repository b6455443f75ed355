/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What reports make of an entry's health: counts, a status, when to try again. No I/O and no clock: the wall time is handed
 * in, and so is chance.
 */
#ifndef LRD_CORE_HEALTH_STATE_H
#define LRD_CORE_HEALTH_STATE_H

#include <larder/health.h>

typedef struct lrd_health_rules {
  uint64_t failures;    /* in a row, from which it is unhealthy; at least 1 */
  int64_t decay_ms;     /* without a report; INT64_MAX: never */
  int64_t retry_ms;     /* from becoming unhealthy to the first attempt */
  int64_t retry_max_ms; /* what doubling leads to at most */
} lrd_health_rules;

/* Zeroed: nothing was ever reported. */
typedef struct lrd_health_state {
  uint32_t failures_in_row;
  uint32_t successes_in_row;
  uint32_t recovery_attempts; /* failed ones since it became unhealthy */
  uint64_t failures;
  uint64_t successes;
  int64_t reported_ms;
  int64_t succeeded_ms;
  int64_t failed_ms;
  int64_t next_check_ms; /* 0: none is due */
} lrd_health_state;

/* Forgets what is in a row when nothing was reported for as long as the rules say. Before every look. */
void lrd_health_decay(lrd_health_state *state, const lrd_health_rules *rules, int64_t now_ms);
/* chance: any number; decides by how much of a fifth the wait is shorter or longer. Each decays first. */
void lrd_health_fail(lrd_health_state *state, const lrd_health_rules *rules, int64_t now_ms, uint64_t chance);
void lrd_health_succeed(lrd_health_state *state, const lrd_health_rules *rules, int64_t now_ms);
/* Of a state that has decayed. */
larder_health_status lrd_health_status(const lrd_health_state *state, const lrd_health_rules *rules);

#endif
