/* SPDX-License-Identifier: Apache-2.0 */
/*
 * S3-FIFO: a small queue of a tenth, a main queue of the rest, and ghosts of what the small queue dropped, as many as main
 * has entries. New keys enter small, those remembered by a ghost main. What leaves small read more than once moves to
 * main and starts there unread, else it is evicted; main gives what was read another round for each reading, up to three.
 * While there is room small takes all that is new, however many: its tenth counts only once somebody has to go.
 */
#include "ghost.h"
#include "policy.h"

enum { S3_SMALL, S3_MAIN };

#define S3_MOVE_AT 2u /* reads in small that earn a place in main: "more than once" */

typedef struct s3_state {
  lrd_ghost ghost;
} s3_state;

/* Weight that main may have: all but a tenth. */
static uint64_t s3_main_max(const lrd_policy *policy) { return policy->room - policy->room / 10; }

/* Ghosts to remember: nine tenths of the entries that fit. */
static uint64_t s3_window(const lrd_policy *policy) {
  uint64_t entries = policy->by_count ? policy->room : lrd_policy_count(policy);
  return entries - entries / 10;
}

static void s3_insert(lrd_policy *policy, uint32_t handle, uint64_t hash) {
  s3_state *state = lrd_policy_state(policy);
  bool to_main = lrd_ghost_take(&state->ghost, hash, s3_window(policy));
  lrd_queue_push(policy, to_main ? S3_MAIN : S3_SMALL, handle);
}

static uint32_t s3_victim_main(lrd_policy *policy) {
  for (;;) {
    uint32_t at = policy->queues[S3_MAIN].oldest;
    if (at == 0) return 0;
    unsigned freq = lrd_touch_freq(lrd_policy_at(policy, at));
    if (freq == 0) return at;
    lrd_touch_set(lrd_policy_at(policy, at), freq - 1);
    lrd_queue_move(policy, S3_MAIN, at);
  }
}

static uint32_t s3_victim(lrd_policy *policy) {
  for (;;) {
    if (policy->queues[S3_MAIN].weight > s3_main_max(policy) || policy->queues[S3_SMALL].count == 0) {
      return s3_victim_main(policy);
    }
    uint32_t at = policy->queues[S3_SMALL].oldest;
    if (lrd_touch_freq(lrd_policy_at(policy, at)) < S3_MOVE_AT) return at;
    lrd_touch_set(lrd_policy_at(policy, at), 0);
    lrd_queue_move(policy, S3_MAIN, at);
  }
}

static void s3_remove(lrd_policy *policy, uint32_t handle, bool evicted) {
  s3_state *state = lrd_policy_state(policy);
  if (evicted && lrd_queue_of(lrd_policy_at(policy, handle)) == S3_SMALL) {
    lrd_ghost_add(&state->ghost, lrd_policy_hash(policy, handle), s3_window(policy), policy->by_count);
    lrd_policy_set_bytes(policy, lrd_ghost_bytes(&state->ghost));
  }
  lrd_queue_remove(policy, handle);
}

static void s3_fini(lrd_policy *policy) {
  s3_state *state = lrd_policy_state(policy);
  lrd_ghost_fini(&state->ghost);
}

const lrd_policy_ops lrd_policy_s3_fifo = {
    .name = "s3-fifo",
    .touch = LRD_TOUCH_CAP(3),
    .state_size = sizeof(s3_state),
    .insert = s3_insert,
    .replace = lrd_queue_replace_touched,
    .victim = s3_victim,
    .remove = s3_remove,
    .fini = s3_fini,
};
