/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The experts among which the policy `adaptive` chooses. All of them work on the same two queues, a *window* that new keys
 * enter and a *main* part behind it, and on touch bytes, so that a change from one to another needs nothing to be rebuilt: the
 * queues grow and shrink towards what the new rules say as entries leave.
 *
 * Rules without a contest (after S3-FIFO). Who leaves the window moves to main if it was read at least `moves_at` times, else
 * it is evicted; whom a ghost remembers enters main at once. Main gives another round for each reading. One of these also takes
 * for a reading what a Markov chain expects next.
 *
 * Rules with a contest (after W-TinyLFU). Behind the window there is a *trial*, of a fifth of the rest. Who leaves the window
 * meets the oldest on trial, and the one that was asked for more often, weighed by size, stays, on trial. Who was read there
 * moves to main; whom main has no room for goes back on trial.
 */
#ifndef LRD_TIER_MEMORY_EXPERT_H
#define LRD_TIER_MEMORY_EXPERT_H

#include "base/bytes.h"
#include <larder/adaptive.h>

enum {
  LRD_EXPERTS = LARDER_EXPERT_COUNT,
  LRD_EXPERT_MOVES = 2 /* from a queue that is too large by new rules, at each insertion and each eviction */
};

typedef struct lrd_expert {
  uint8_t window_percent; /* of the room */
  uint8_t moves_at;
  bool contest;
  bool ghosts;  /* who was evicted from the window and comes again enters main */
  bool expects; /* who came last after what is asked for now counts as read; leads only where the sample is all keys */
} lrd_expert;

extern const lrd_expert lrd_experts[LRD_EXPERTS]; /* named in larder/adaptive.h; the first is the one to begin with */

static inline uint64_t lrd_expert_window(const lrd_expert *expert, uint64_t room) {
  uint64_t window = room / 100 * expert->window_percent + room % 100 * expert->window_percent / 100;
  return window ? window : 1;
}

/* What main may have, where there is a trial, of the room that the window leaves. */
static inline uint64_t lrd_expert_main(uint64_t room) { return room - room / 5; }

/* Whether a candidate takes the place of a resident. */
static inline bool lrd_expert_wins(uint64_t asked, uint64_t weight, uint64_t asked_there, uint64_t weight_there) {
  return asked * weight_there > asked_there * weight;
}

#endif
