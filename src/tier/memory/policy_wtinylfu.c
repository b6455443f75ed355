/* SPDX-License-Identifier: Apache-2.0 */
/*
 * W-TinyLFU: a window of a hundredth in LRU order; behind it a segmented LRU of probation (a fifth) and protected. What
 * leaves the window meets the oldest of probation, and the one that was asked for more often stays. How often is told by a
 * count-min sketch of 4-bit counters, halved after ten times as many additions as the cache has entries. All spaces of a shard
 * go shares in what their sketches may take of it; one that has fewer words than entries is halved sooner, or its counters
 * would all be full.
 */
#include "policy.h"
#include "sketch.h"

enum { W_WINDOW, W_PROBATION, W_PROTECTED };

#define W_PART         64u /* of the shard: for the sketches of all its spaces, at most */
#define W_WORDS_MIN    16u /* without any it would let nobody in */
#define W_WORD_ENTRIES 2u  /* that a word counts for, at most */

typedef struct w_state {
  lrd_sketch sketch;
  uint32_t among; /* how many spaces go shares, as a power of two; 0: not told */
} w_state;

static lrd_sketch *w_sketch(lrd_policy *policy) { return &((w_state *)lrd_policy_state(policy))->sketch; }

static uint64_t w_words_max(lrd_policy *policy) {
  const w_state *state = lrd_policy_state(policy);
  uint64_t words = (uint64_t)policy->arena->cap * LRD_UNIT / W_PART / sizeof *state->sketch.table;
  if (state->among) words /= state->among;
  return words > W_WORDS_MIN ? words : W_WORDS_MIN;
}

/* Before an insertion, so that readings allocate nothing. Without memory the sketch stays as small as it is. */
static bool w_prepare(lrd_policy *policy) {
  lrd_sketch *sketch = w_sketch(policy);
  uint64_t entries = policy->by_count ? policy->room : lrd_policy_count(policy) + 1, words = w_words_max(policy);
  if (entries > words * W_WORD_ENTRIES) entries = words * W_WORD_ENTRIES;
  if (entries <= sketch->entries) return true;
  lrd_sketch_fit(sketch, entries, words);
  lrd_policy_set_bytes(policy, lrd_sketch_bytes(sketch));
  return true;
}

static void w_share(lrd_policy *policy, uint32_t among) {
  w_state *state = lrd_policy_state(policy);
  state->among = lrd_policy_shares(state->among, among);
  if (lrd_sketch_bytes(&state->sketch) <= w_words_max(policy) * sizeof *state->sketch.table) return;
  lrd_sketch_fini(&state->sketch);
  lrd_policy_set_bytes(policy, 0);
  (void)w_prepare(policy);
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
  lrd_sketch_add(w_sketch(policy), hash);
  lrd_queue_push(policy, W_WINDOW, handle);
  /* While there is room nobody is turned away: the window's oldest go over without a contest. */
  while (policy->queues[W_WINDOW].weight > w_window_max(policy) && policy->queues[W_WINDOW].count > 1) {
    lrd_queue_move(policy, W_PROBATION, policy->queues[W_WINDOW].oldest);
  }
}

static void w_access(lrd_policy *policy, uint32_t handle) {
  uint32_t queue = lrd_queue_of(lrd_policy_at(policy, handle));
  lrd_sketch_add(w_sketch(policy), lrd_policy_hash(policy, handle));
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
  const lrd_sketch *sketch = w_sketch(policy);
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

static void w_fini(lrd_policy *policy) { lrd_sketch_fini(w_sketch(policy)); }

const lrd_policy_ops lrd_policy_w_tinylfu = {
    .name = "w-tinylfu",
    .touch = LRD_TOUCH_LOG,
    .state_size = sizeof(w_state),
    .prepare = w_prepare,
    .insert = w_insert,
    .access = w_access,
    .replace = w_replace,
    .victim = w_victim,
    .remove = lrd_queue_remove_plain,
    .share = w_share,
    .fini = w_fini,
};
