/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How often keys were asked for lately: a count-min sketch of 4-bit counters, halved after ten times as many additions as the
 * cache has entries.
 */
#ifndef LRD_TIER_MEMORY_SKETCH_H
#define LRD_TIER_MEMORY_SKETCH_H

#include "base/bytes.h"

typedef struct lrd_sketch {
  uint64_t *table; /* 16 counters a word; NULL: none yet */
  uint32_t mask;   /* words - 1 */
  uint64_t entries;
  uint64_t additions;
} lrd_sketch;

void lrd_sketch_fini(lrd_sketch *sketch);
uint64_t lrd_sketch_bytes(const lrd_sketch *sketch);
/* For a cache of so many entries, in a word for each, at most `words_max`. Without memory it stays as small as it is. */
void lrd_sketch_fit(lrd_sketch *sketch, uint64_t entries, uint64_t words_max);
void lrd_sketch_add(lrd_sketch *sketch, uint64_t hash);
/* 0 to 15. */
unsigned lrd_sketch_count(const lrd_sketch *sketch, uint64_t hash);

#endif
