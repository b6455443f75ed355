/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shadows: for a sample of the keys, what each expert would hold if it had been in charge all along. A shadow knows hashes and
 * weights only. What they miss of keys that one of them holds or evicted lately is their *regret*; it fades, and the expert
 * with the least is the one to follow.
 *
 * The sample is of hashes: all of them as long as their nodes suffice, then every second, fourth … The room of a shadow is
 * that part of the true one.
 */
#ifndef LRD_TIER_MEMORY_SHADOW_H
#define LRD_TIER_MEMORY_SHADOW_H

#include "expert.h"

typedef struct lrd_shadow_node lrd_shadow_node;

typedef struct lrd_shadow_queue {
  uint16_t newest;
  uint16_t oldest;
  uint32_t count;
  uint64_t weight;
} lrd_shadow_queue;

enum { LRD_SHADOW_NONE, LRD_SHADOW_WINDOW, LRD_SHADOW_TRIAL, LRD_SHADOW_MAIN, LRD_SHADOW_GHOSTS, LRD_SHADOW_QUEUES };

typedef struct lrd_shadow {
  lrd_shadow_node *nodes; /* by number, 0: none */
  uint16_t *buckets;
  uint32_t buckets_mask;
  uint32_t nodes_len; /* allocated, numbers in use below nodes_next */
  uint32_t nodes_next;
  uint32_t nodes_used;
  uint32_t nodes_max;
  uint16_t spare;
  uint8_t rate_shift; /* one key in 2^this is in the sample */
  uint8_t chosen;
  uint32_t counted; /* since the counts were last halved */
  lrd_shadow_queue queues[LRD_EXPERTS][LRD_SHADOW_QUEUES];
  uint64_t regret[LRD_EXPERTS]; /* fading; in 1024ths */
  uint64_t asked;               /* accesses of the sample */
  uint64_t missed[LRD_EXPERTS]; /* of these */
  uint64_t led[LRD_EXPERTS];    /* of these, while the expert was the chosen one */
  uint64_t switches;
} lrd_shadow;

/* `bytes_max` bounds what it allocates. */
void lrd_shadow_init(lrd_shadow *shadow, uint64_t bytes_max);
void lrd_shadow_fini(lrd_shadow *shadow);
uint64_t lrd_shadow_bytes(const lrd_shadow *shadow);

static inline bool lrd_shadow_samples(const lrd_shadow *shadow, uint64_t hash) {
  return (hash * UINT64_C(0xd6e8feb86659fd93) >> 32 & ((UINT64_C(1) << shadow->rate_shift) - 1)) == 0;
}
/* A key of the sample was asked for and now is in the true cache, by this handle; `room`: of that cache, in the unit of
 * weights. True: another expert leads from now on. */
bool lrd_shadow_access(lrd_shadow *shadow, uint64_t hash, uint64_t weight, uint64_t room, uint32_t handle);
/* A key of the sample left the true cache; `deleted`: not for lack of room, so that nobody would have it any more. */
void lrd_shadow_leave(lrd_shadow *shadow, uint64_t hash, bool deleted);
/* Where the leading expert has the key: LRD_SHADOW_WINDOW, _TRIAL or _MAIN, or something else if it has it not. */
uint8_t lrd_shadow_place(const lrd_shadow *shadow, uint64_t hash);

/* Readings of the `at`-th node's key that were not told, `touches` of them at least. */
void lrd_shadow_catch_up(lrd_shadow *shadow, uint32_t at, unsigned touches);
/* From *at (0 at first) on, the next node whose key the true cache has; its handle, 0: no more. */
uint32_t lrd_shadow_next_held(const lrd_shadow *shadow, uint32_t *at);

/* The leading expert's queues, from the oldest (`at` 0) on, as far as the true cache has the keys, too. False: no more. */
typedef struct lrd_shadow_row {
  uint16_t at;
  uint32_t handle;
  unsigned touches;
} lrd_shadow_row;
bool lrd_shadow_next(const lrd_shadow *shadow, uint8_t queue, lrd_shadow_row *row);
/* From now on asked, missed, led and switches count from 0; what was learned stays. */
void lrd_shadow_count_anew(lrd_shadow *shadow);
/* NULL, or what is wrong. */
const char *lrd_shadow_verify(const lrd_shadow *shadow);

#endif
