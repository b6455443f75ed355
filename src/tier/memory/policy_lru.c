/* SPDX-License-Identifier: Apache-2.0 */
/* Least recently used: one queue in the order of the last access. */
#include "policy.h"

static void lru_insert(lrd_policy *policy, uint32_t handle, uint64_t hash) {
  (void)hash;
  lrd_queue_push(policy, 0, handle);
}

static void lru_access(lrd_policy *policy, uint32_t handle) {
  if (policy->queues[0].newest != handle) lrd_queue_move(policy, 0, handle);
}

static void lru_replace(lrd_policy *policy, uint32_t old, uint32_t fresh) {
  lrd_queue_replace(policy, old, fresh);
  lru_access(policy, fresh);
}

static uint32_t lru_victim(lrd_policy *policy) { return policy->queues[0].oldest; }

const lrd_policy_ops lrd_policy_lru = {
    .name = "lru",
    .touch = LRD_TOUCH_LOG,
    .insert = lru_insert,
    .access = lru_access,
    .replace = lru_replace,
    .victim = lru_victim,
    .remove = lrd_queue_remove_plain,
};
