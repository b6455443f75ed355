/* SPDX-License-Identifier: Apache-2.0 */
/* Four rows in one table: a key has one counter in each of four words, its own quarter of the word and of that row's. */
#include "sketch.h"

#define SKETCH_ROWS  4u
#define SKETCH_WORDS 16u
#define SKETCH_AGE   10u /* additions for each entry, after which all counters are halved */

static uint64_t sketch_mix(uint64_t hash) {
  hash ^= hash >> 32;
  hash *= UINT64_C(0x9e3779b97f4a7c15);
  return hash ^ hash >> 29;
}

/* Row i's counter: which word, and the shift within it. */
static uint32_t sketch_word(const lrd_sketch *sketch, uint64_t mixed, unsigned row, unsigned *shift) {
  static const uint64_t seeds[SKETCH_ROWS] = {UINT64_C(0xc3a5c85c97cb3127), UINT64_C(0xb492b66fbe98f273),
                                              UINT64_C(0x9ae16a3b2f90404f), UINT64_C(0xcbf29ce484222325)};
  uint64_t spread = (mixed + row + 1) * seeds[row];
  spread ^= spread >> 32;
  *shift = ((unsigned)(mixed & 3) << 2 | row) << 2;
  return (uint32_t)spread & sketch->mask;
}

void lrd_sketch_fini(lrd_sketch *sketch) {
  uint64_t *before = sketch->table;
  *sketch = (lrd_sketch){0};
  lrd_dealloc(before); /* in that order: what a thread forks meanwhile frees it, too */
}

uint64_t lrd_sketch_bytes(const lrd_sketch *sketch) {
  return sketch->table ? ((uint64_t)sketch->mask + 1) * sizeof *sketch->table : 0;
}

unsigned lrd_sketch_count(const lrd_sketch *sketch, uint64_t hash) {
  if (sketch->table == NULL) return 0;
  unsigned least = 15;
  uint64_t mixed = sketch_mix(hash);
#pragma GCC unroll 4
  for (unsigned row = 0; row < SKETCH_ROWS; row++) {
    unsigned shift;
    uint32_t word = sketch_word(sketch, mixed, row, &shift);
    unsigned count = (unsigned)(sketch->table[word] >> shift & 15);
    if (count < least) least = count;
  }
  return least;
}

static void sketch_grow(lrd_sketch *sketch, uint64_t entries, uint64_t words_max) {
  uint64_t words = SKETCH_WORDS;
  while (words < entries && words * 2 <= words_max) words *= 2;
  if (sketch->table && words <= (uint64_t)sketch->mask + 1) return;
  uint64_t *table = lrd_alloc_zero((size_t)words, sizeof *table);
  if (table == NULL) return;
  /* A counter's word is the spread's low bits: the old table stands in each part of the new one. */
  for (uint64_t i = 0; sketch->table && i < words; i++) table[i] = sketch->table[i & sketch->mask];
  uint64_t *before = sketch->table;
  sketch->table = table;
  sketch->mask = (uint32_t)(words - 1);
  lrd_dealloc(before); /* last: what a thread forks meanwhile frees it, too */
}

void lrd_sketch_fit(lrd_sketch *sketch, uint64_t entries, uint64_t words_max) {
  if (entries <= sketch->entries) return;
  if (sketch->table == NULL || entries > (uint64_t)sketch->mask + 1) sketch_grow(sketch, entries, words_max);
  sketch->entries = entries;
}

void lrd_sketch_add(lrd_sketch *sketch, uint64_t hash) {
  if (sketch->table == NULL) return;
  uint64_t added = 0, mixed = sketch_mix(hash);
#pragma GCC unroll 4
  for (unsigned row = 0; row < SKETCH_ROWS; row++) {
    unsigned shift;
    uint64_t *word = &sketch->table[sketch_word(sketch, mixed, row, &shift)], more = (*word >> shift & 15) != 15;
    *word += more << shift;
    added |= more;
  }
  if (!added || ++sketch->additions < sketch->entries * SKETCH_AGE) return;
  uint64_t odd = 0;
  for (uint64_t i = 0; i <= sketch->mask; i++) {
    odd += (uint64_t)__builtin_popcountll(sketch->table[i] & UINT64_C(0x1111111111111111));
    sketch->table[i] = sketch->table[i] >> 1 & UINT64_C(0x7777777777777777);
  }
  sketch->additions = (sketch->additions - odd / 4) / 2;
}
