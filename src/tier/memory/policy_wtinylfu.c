/* SPDX-License-Identifier: Apache-2.0 */
/*
 * W-TinyLFU: a window of a hundredth in LRU order; behind it a segmented LRU of probation (a fifth) and protected. What
 * leaves the window meets the oldest of probation, and the one that was asked for more often stays. How often is told by a
 * count-min sketch of 4-bit counters, halved after ten times as many additions as the cache has entries.
 */
#include "policy.h"

enum { W_WINDOW, W_PROBATION, W_PROTECTED };

typedef struct w_state {
  uint64_t *table; /* 16 counters a word */
  uint32_t mask;   /* words - 1 */
  uint64_t entries;
  uint64_t additions;
} w_state;

#define W_ROWS 4u

static uint64_t w_mix(uint64_t hash) {
  hash ^= hash >> 32;
  hash *= UINT64_C(0x9e3779b97f4a7c15);
  return hash ^ hash >> 29;
}

/* Row i's counter: which word, and the shift within it. */
static uint32_t w_word(const w_state *state, uint64_t mixed, unsigned row, unsigned *shift) {
  static const uint64_t seeds[W_ROWS] = {UINT64_C(0xc3a5c85c97cb3127), UINT64_C(0xb492b66fbe98f273),
                                         UINT64_C(0x9ae16a3b2f90404f), UINT64_C(0xcbf29ce484222325)};
  uint64_t spread = (mixed + row + 1) * seeds[row];
  spread ^= spread >> 32;
  *shift = ((unsigned)(mixed & 3) << 2 | row) << 2;
  return (uint32_t)spread & state->mask;
}

static unsigned w_frequency(const w_state *state, uint64_t hash) {
  if (state->table == NULL) return 0;
  unsigned least = 15;
  uint64_t mixed = w_mix(hash);
  for (unsigned row = 0; row < W_ROWS; row++) {
    unsigned shift;
    uint32_t word = w_word(state, mixed, row, &shift);
    unsigned count = (unsigned)(state->table[word] >> shift & 15);
    if (count < least) least = count;
  }
  return least;
}

static void w_grow(lrd_policy *policy, w_state *state, uint64_t entries) {
  uint64_t words = 16;
  while (words < entries && words < (UINT64_C(1) << 31)) words *= 2;
  uint64_t *table = lrd_alloc_zero((size_t)words, sizeof *table);
  if (table == NULL) return;
  /* A counter's word is the spread's low bits: the old table stands in each part of the new one. */
  for (uint64_t i = 0; state->table && i < words; i++) table[i] = state->table[i & state->mask];
  lrd_dealloc(state->table);
  state->table = table;
  state->mask = (uint32_t)(words - 1);
  lrd_policy_set_bytes(policy, words * sizeof *table);
}

/* Before an insertion, so that readings allocate nothing. Without memory the sketch stays as small as it is. */
static bool w_prepare(lrd_policy *policy) {
  w_state *state = lrd_policy_state(policy);
  uint64_t entries = policy->by_count ? policy->room : lrd_policy_count(policy) + 1;
  if (entries > policy->arena->cap / LRD_UNIT) entries = policy->arena->cap / LRD_UNIT; /* no more will ever fit */
  if (entries <= state->entries) return true;
  if (state->table == NULL || entries > (uint64_t)state->mask + 1) w_grow(policy, state, entries);
  state->entries = entries;
  return true;
}

static void w_count(lrd_policy *policy, uint64_t hash) {
  w_state *state = lrd_policy_state(policy);
  if (state->table == NULL) return;
  bool added = false;
  uint64_t mixed = w_mix(hash);
  for (unsigned row = 0; row < W_ROWS; row++) {
    unsigned shift;
    uint32_t word = w_word(state, mixed, row, &shift);
    if ((state->table[word] >> shift & 15) == 15) continue;
    state->table[word] += UINT64_C(1) << shift;
    added = true;
  }
  if (!added || ++state->additions < state->entries * 10) return;
  uint64_t odd = 0;
  for (uint64_t i = 0; i <= state->mask; i++) {
    odd += (uint64_t)__builtin_popcountll(state->table[i] & UINT64_C(0x1111111111111111));
    state->table[i] = state->table[i] >> 1 & UINT64_C(0x7777777777777777);
  }
  state->additions = (state->additions - odd / 4) / 2;
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
  w_count(policy, hash);
  lrd_queue_push(policy, W_WINDOW, handle);
  /* While there is room nobody is turned away: the window's oldest go over without a contest. */
  while (policy->queues[W_WINDOW].weight > w_window_max(policy) && policy->queues[W_WINDOW].count > 1) {
    lrd_queue_move(policy, W_PROBATION, policy->queues[W_WINDOW].oldest);
  }
}

static void w_access(lrd_policy *policy, uint32_t handle) {
  uint32_t queue = lrd_queue_of(lrd_policy_at(policy, handle));
  w_count(policy, lrd_policy_hash(policy, handle));
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
  w_state *state = lrd_policy_state(policy);
  uint32_t candidate = policy->queues[W_WINDOW].oldest;
  uint32_t victim = policy->queues[W_PROBATION].oldest;
  if (victim == 0) victim = policy->queues[W_PROTECTED].oldest;
  if (candidate == 0 || victim == 0) return candidate ? candidate : victim;
  if (policy->queues[W_WINDOW].weight < w_window_max(policy)) return victim;
  unsigned asked = w_frequency(state, lrd_policy_hash(policy, candidate));
  if (asked <= w_frequency(state, lrd_policy_hash(policy, victim))) return candidate;
  lrd_queue_move(policy, W_PROBATION, candidate);
  return victim;
}

static void w_fini(lrd_policy *policy) { lrd_dealloc(((w_state *)lrd_policy_state(policy))->table); }

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
    .fini = w_fini,
};
