/* SPDX-License-Identifier: Apache-2.0 */
/* First in, first out: reads change nothing. */
#include "policy.h"

static void fifo_insert(lrd_policy *policy, uint32_t handle, uint64_t hash) {
  (void)hash;
  lrd_queue_push(policy, 0, handle);
}

static uint32_t fifo_victim(lrd_policy *policy) { return policy->queues[0].oldest; }

const lrd_policy_ops lrd_policy_fifo = {
    .name = "fifo",
    .insert = fifo_insert,
    .replace = lrd_queue_replace,
    .victim = fifo_victim,
    .remove = lrd_queue_remove_plain,
};
