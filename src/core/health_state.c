/* SPDX-License-Identifier: Apache-2.0 */
/*
 *             fail, below N in a row        fail, N in a row
 *   unknown ─────────────► degraded ─────────────► unhealthy
 *      ▲  │ ok                │ ok                    │ ok
 *      │  └──────────────► healthy ◄──────────────────┘
 *      └── no report for decay_ms, from anywhere
 *
 * While it is unhealthy, a failure when the next attempt is due (or later) counts as an attempt to recover, and doubles the
 * wait until the next. One before it says nothing new: many who had the entry in use may report what befell it at once.
 */
#include "health_state.h"

#define JITTER_PARTS 5 /* a fifth to either side */

static uint32_t one_more(uint32_t count) { return count < UINT32_MAX ? count + 1 : count; }

static bool is_unhealthy(const lrd_health_state *state, const lrd_health_rules *rules) {
  return state->failures_in_row >= rules->failures;
}

void lrd_health_decay(lrd_health_state *state, const lrd_health_rules *rules, int64_t now_ms) {
  if (rules->decay_ms == INT64_MAX || now_ms - state->reported_ms < rules->decay_ms) {
    return;
  }
  state->failures_in_row = state->successes_in_row = state->recovery_attempts = 0;
  state->next_check_ms = 0;
}

/* Doubled for each attempt, then jittered, so that what failed together is not tried together. */
static int64_t wait_ms(const lrd_health_rules *rules, uint32_t attempts, uint64_t chance) {
  int64_t ms = rules->retry_ms;
  for (; attempts > 0 && ms < rules->retry_max_ms; attempts--) {
    ms = ms > rules->retry_max_ms / 2 ? rules->retry_max_ms : ms * 2;
  }
  ms = ms < rules->retry_max_ms ? ms : rules->retry_max_ms;
  int64_t const spread = ms / JITTER_PARTS;
  return ms - spread + (int64_t)(chance % ((uint64_t)spread * 2 + 1));
}

void lrd_health_fail(lrd_health_state *state, const lrd_health_rules *rules, int64_t now_ms, uint64_t chance) {
  lrd_health_decay(state, rules, now_ms);
  bool const was_unhealthy = is_unhealthy(state, rules) && state->next_check_ms != 0;
  bool const was_due = was_unhealthy && now_ms >= state->next_check_ms;
  state->successes_in_row = 0;
  state->failures_in_row = one_more(state->failures_in_row);
  state->failures++;
  state->reported_ms = state->failed_ms = now_ms;
  if (was_due) {
    state->recovery_attempts = one_more(state->recovery_attempts);
  }
  if (was_due || (!was_unhealthy && is_unhealthy(state, rules))) {
    state->next_check_ms = now_ms + wait_ms(rules, state->recovery_attempts, chance);
  }
}

void lrd_health_succeed(lrd_health_state *state, const lrd_health_rules *rules, int64_t now_ms) {
  lrd_health_decay(state, rules, now_ms);
  state->failures_in_row = state->recovery_attempts = 0;
  state->successes_in_row = one_more(state->successes_in_row);
  state->successes++;
  state->reported_ms = state->succeeded_ms = now_ms;
  state->next_check_ms = 0;
}

larder_health_status lrd_health_status(const lrd_health_state *state, const lrd_health_rules *rules) {
  if (is_unhealthy(state, rules)) {
    return LARDER_HEALTH_UNHEALTHY;
  }
  if (state->failures_in_row > 0) {
    return LARDER_HEALTH_DEGRADED;
  }
  return state->successes_in_row > 0 ? LARDER_HEALTH_HEALTHY : LARDER_HEALTH_UNKNOWN;
}
