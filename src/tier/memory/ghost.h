/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ghosts: which keys were evicted lately. A table of lines of 16 cells, each a 16-bit fingerprint and the time of its
 * eviction; 4 bytes an entry. A cell counts while at most `window` evictions came after it. What is taken out leaves room for
 * older ones: on average for half of them, so each taking is worth half an eviction.
 */
#ifndef LRD_TIER_MEMORY_GHOST_H
#define LRD_TIER_MEMORY_GHOST_H

#include "base/bytes.h"

typedef struct lrd_ghost {
  uint32_t *cells; /* fingerprint << 16 | time; 0: empty */
  uint32_t lines;
  uint64_t built_for; /* entries */
  uint64_t evictions; /* ever, but for those that credit took back */
  uint32_t credit;    /* half evictions */
} lrd_ghost;

void lrd_ghost_fini(lrd_ghost *ghost);
size_t lrd_ghost_bytes(const lrd_ghost *ghost);
/* Remembers a key as the latest; `window` is how many to remember. Without memory it forgets. `roomy`: exactness before
 * bytes, a cell in two stays empty; else lines overflow now and then and lose their oldest early. */
void lrd_ghost_add(lrd_ghost *ghost, uint64_t hash, uint64_t window, bool roomy);
/* Whether the key is among the last `window`; it is forgotten with that. */
bool lrd_ghost_take(lrd_ghost *ghost, uint64_t hash, uint64_t window);

#endif
