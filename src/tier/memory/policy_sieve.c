/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SIEVE: a queue in the order of insertion and a hand that walks from the oldest to the newest and around. It clears the
 * visited mark of what it passes and evicts the first that has none; what was visited keeps its place.
 */
#include "policy.h"

typedef struct sieve_state {
  uint32_t hand; /* where the next search begins; 0: at the oldest */
} sieve_state;

static void sieve_insert(lrd_policy *policy, uint32_t handle, uint64_t hash) {
  (void)hash;
  lrd_queue_push(policy, 0, handle);
}

static void sieve_replace(lrd_policy *policy, uint32_t old, uint32_t fresh) {
  sieve_state *state = lrd_policy_state(policy);
  lrd_queue_replace_touched(policy, old, fresh);
  if (state->hand == old) state->hand = fresh;
}

static uint32_t sieve_victim(lrd_policy *policy) {
  sieve_state *state = lrd_policy_state(policy);
  uint32_t at = state->hand ? state->hand : policy->queues[0].oldest;
  while (at && lrd_touch_freq(lrd_policy_at(policy, at)) != 0) {
    lrd_touch_set(lrd_policy_at(policy, at), 0);
    at = lrd_queue_newer(policy, at);
    if (at == 0) at = policy->queues[0].oldest;
  }
  state->hand = at;
  return at;
}

static void sieve_remove(lrd_policy *policy, uint32_t handle, bool evicted) {
  (void)evicted;
  sieve_state *state = lrd_policy_state(policy);
  if (state->hand == handle) state->hand = lrd_queue_newer(policy, handle);
  lrd_queue_remove(policy, handle);
}

const lrd_policy_ops lrd_policy_sieve = {
    .name = "sieve",
    .touch = LRD_TOUCH_CAP(1),
    .state_size = sizeof(sieve_state),
    .insert = sieve_insert,
    .replace = sieve_replace,
    .victim = sieve_victim,
    .remove = sieve_remove,
};
