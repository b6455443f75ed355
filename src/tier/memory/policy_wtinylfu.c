/* SPDX-License-Identifier: Apache-2.0 */
/*
 * W-TinyLFU: a window of a hundredth in LRU order; behind it a segmented LRU of probation (a fifth) and protected. What
 * leaves the window meets the oldest of probation, and the one that was asked for more often stays. How often is told by a
 * count-min sketch of 4-bit counters, halved after ten times as many additions as the cache has entries.
 */
#include "policy.h"
#include "sketch.h"

enum { W_WINDOW, W_PROBATION, W_PROTECTED };

#define W_WORDS_MAX (UINT64_C(1) << 31)

/* Before an insertion, so that readings allocate nothing. Without memory the sketch stays as small as it is. */
static bool w_prepare(lrd_policy *policy) {
  lrd_sketch *sketch = lrd_policy_state(policy);
  uint64_t entries = policy->by_count ? policy->room : lrd_policy_count(policy) + 1;
  if (entries > policy->arena->cap / LRD_UNIT) entries = policy->arena->cap / LRD_UNIT; /* no more will ever fit */
  if (entries <= sketch->entries) return true;
  lrd_sketch_fit(sketch, entries, W_WORDS_MAX);
  lrd_policy_set_bytes(policy, lrd_sketch_bytes(sketch));
  return true;
}

/* What the main part's 99 % leave over. */
static uint64_t w_window_max(const lrd_policy *policy) {
  uint64_t share = policy->room - policy->room / 100 * 99 - policy->room % 100 * 99 / 100;
  return share ? share : 1;
}

static uint64_t w_protected_max(const lrd_policy *policy) {
  uint64_t window = w_window_max(policy);
  return policy->room > window ? (policy->room - window) / 5 * 4 : 0;
}

static void w_insert(lrd_policy *policy, uint32_t handle, uint64_t hash) {
  lrd_sketch_add(lrd_policy_state(policy), hash);
  lrd_queue_push(policy, W_WINDOW, handle);
  /* While there is room nobody is turned away: the window's oldest go over without a contest. */
  while (policy->queues[W_WINDOW].weight > w_window_max(policy) && policy->queues[W_WINDOW].count > 1) {
    lrd_queue_move(policy, W_PROBATION, policy->queues[W_WINDOW].oldest);
  }
}

static void w_access(lrd_policy *policy, uint32_t handle) {
  uint32_t queue = lrd_queue_of(lrd_policy_at(policy, handle));
  lrd_sketch_add(lrd_policy_state(policy), lrd_policy_hash(policy, handle));
  lrd_queue_move(policy, queue == W_WINDOW ? W_WINDOW : W_PROTECTED, handle);
  while (policy->queues[W_PROTECTED].weight > w_protected_max(policy) && policy->queues[W_PROTECTED].count > 1) {
    lrd_queue_move(policy, W_PROBATION, policy->queues[W_PROTECTED].oldest);
  }
}

static void w_replace(lrd_policy *policy, uint32_t old, uint32_t fresh) {
  lrd_queue_replace(policy, old, fresh);
  w_access(policy, fresh);
}

/*
 * Asked before the new key is in. If the window is full, its oldest is the candidate that will have to leave it; it meets
 * the oldest of probation here, so the outcome is that of inserting first and contesting then.
 */
static uint32_t w_victim(lrd_policy *policy) {
  const lrd_sketch *sketch = lrd_policy_state(policy);
  uint32_t candidate = policy->queues[W_WINDOW].oldest;
  uint32_t victim = policy->queues[W_PROBATION].oldest;
  if (victim == 0) victim = policy->queues[W_PROTECTED].oldest;
  if (candidate == 0 || victim == 0) return candidate ? candidate : victim;
  if (policy->queues[W_WINDOW].weight < w_window_max(policy)) return victim;
  unsigned asked = lrd_sketch_count(sketch, lrd_policy_hash(policy, candidate));
  if (asked <= lrd_sketch_count(sketch, lrd_policy_hash(policy, victim))) return candidate;
  lrd_queue_move(policy, W_PROBATION, candidate);
  return victim;
}

static void w_fini(lrd_policy *policy) { lrd_sketch_fini(lrd_policy_state(policy)); }

const lrd_policy_ops lrd_policy_w_tinylfu = {
    .name = "w-tinylfu",
    .touch = LRD_TOUCH_LOG,
    .state_size = sizeof(lrd_sketch),
    .prepare = w_prepare,
    .insert = w_insert,
    .access = w_access,
    .replace = w_replace,
    .victim = w_victim,
    .remove = lrd_queue_remove_plain,
    .fini = w_fini,
};
