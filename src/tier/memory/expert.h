/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The experts among which the policy `adaptive` chooses. All of them work on the same two queues, a *window* that new keys
 * enter and a *main* part behind it, and on touch bytes, so that a change from one to another needs nothing to be rebuilt: the
 * queues grow and shrink towards what the new rules say as entries leave.
 *
 * Rules without a contest (after S3-FIFO). Who leaves the window moves to main if it was read at least `moves_at` times, else
 * it is evicted; whom a ghost remembers enters main at once. Main gives another round for each reading.
 *
 * Rules with a contest (after W-TinyLFU). Who leaves the window takes the place of main's next, if it was asked for more often,
 * weighed by size; else it is evicted. Main gives one more round to what was read, and the readings are counted.
 */
#ifndef LRD_TIER_MEMORY_EXPERT_H
#define LRD_TIER_MEMORY_EXPERT_H

#include "base/bytes.h"

enum { LRD_EXPERTS = 8 };

typedef struct lrd_expert {
  const char *name;
  uint8_t window_percent; /* of the room */
  uint8_t moves_at;
  bool contest;
  bool ghosts;         /* who was evicted from the window and comes again enters main */
  bool ghosts_of_main; /* who was evicted from main, too */
} lrd_expert;

extern const lrd_expert lrd_experts[LRD_EXPERTS]; /* the first is the one to begin with */

static inline uint64_t lrd_expert_window(const lrd_expert *expert, uint64_t room) {
  uint64_t window = room / 100 * expert->window_percent + room % 100 * expert->window_percent / 100;
  return window ? window : 1;
}

/* Whether a candidate takes the place of a resident. */
static inline bool lrd_expert_wins(uint64_t asked, uint64_t weight, uint64_t asked_there, uint64_t weight_there) {
  return asked * weight_there > asked_there * weight;
}

#endif
