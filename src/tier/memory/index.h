/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The index: from a hash to a record's handle. The top bits of the hash choose a segment of the directory, the next 32
 * are a fraction of it: fraction × lines is the home line, its upper 16 bits the tag. So lines stand in the order of the
 * hash, one slot's range is one line or a few neighbours, and a segment grows by an eighth at a time, from its tags alone,
 * without touching a record.
 *
 * A line is one cache line: 10 tags, 10 handles, and how far entries homed here have strayed. Lookups take no lock. No
 * entry ever moves inside a segment: growth builds a new one, publishes it and retires the old one, which stays true for
 * whoever still looks at it. So what is present is always found, without a retry.
 */
#ifndef LRD_TIER_MEMORY_INDEX_H
#define LRD_TIER_MEMORY_INDEX_H

#include "arena.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define LRD_LANES     10
#define LRD_LINES_MAX 16384u

typedef struct lrd_line {
  _Alignas(64) _Atomic uint64_t tags[3]; /* lanes 0-3, 4-7, 8-9; in the last also reach << 32 and taken lanes << 48 */
  _Atomic uint32_t handles[LRD_LANES];   /* 0: empty */
} lrd_line;

_Static_assert(sizeof(lrd_line) == 64, "a line is a cache line");

/* The writer's side of a segment. */
typedef struct lrd_segment {
  uint32_t handle; /* of its block; 0: none yet */
  uint32_t lines;
  uint32_t count;
} lrd_segment;

typedef struct lrd_index {
  _Atomic uint64_t *directory; /* lines' address in the low 48 bits, their number above; 0: empty */
  lrd_segment *segments;
  uint64_t mask; /* segments - 1 */
  uint32_t bits; /* log2 of the segments */
} lrd_index;

/* The hash of a record, recomputed. */
typedef uint64_t (*lrd_hash_of)(void *context, const lrd_record *record);

static inline size_t lrd_index_segment(const lrd_index *index, uint64_t hash) { return hash >> 1 >> (63 - index->bits); }
static inline uint32_t lrd_index_fraction(const lrd_index *index, uint64_t hash) {
  return (uint32_t)(hash << index->bits >> 32);
}
static inline lrd_line *lrd_directory_lines(uint64_t entry) {
  return (lrd_line *)(uintptr_t)(entry & (((uint64_t)1 << 48) - 1));
}
static inline uint32_t lrd_directory_count(uint64_t entry) { return (uint32_t)(entry >> 48); }
static inline uint32_t lrd_line_home(uint32_t fraction, uint32_t lines) { return (uint32_t)((uint64_t)fraction * lines >> 32); }
static inline uint32_t lrd_line_reach(uint64_t last_tags) { return (uint32_t)(last_tags >> 32 & 0xffff); }

#if defined(__SSE2__)
/* Bits 2n and 2n+1 for lane n; the words are loaded as atomics and only then joined. */
static inline uint64_t lrd_line_match(lrd_line *line, uint32_t tag, uint64_t *last_out) {
  __m128i pattern = _mm_set1_epi16((short)tag);
  uint64_t first = atomic_load_explicit(&line->tags[0], memory_order_acquire);
  uint64_t second = atomic_load_explicit(&line->tags[1], memory_order_acquire);
  uint64_t last = atomic_load_explicit(&line->tags[2], memory_order_acquire);
  *last_out = last;
  __m128i low = _mm_set_epi64x((long long)second, (long long)first), high = _mm_cvtsi64_si128((long long)last);
  uint32_t eight = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi16(low, pattern));
  uint32_t two = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi16(high, pattern));
  return (eight | two << 16) & 0x55555;
}

static inline uint32_t lrd_match_lane(uint64_t *match) {
  uint32_t bit = (uint32_t)__builtin_ctzll(*match);
  *match &= *match - 1;
  return bit / 2;
}
#else
static inline uint64_t lrd_lanes_equal(uint64_t tags, uint64_t pattern) {
  const uint64_t low = UINT64_C(0x7fff7fff7fff7fff);
  uint64_t x = tags ^ pattern;
  return ~(((x & low) + low) | x | low);
}

/* Bits of the lanes whose tag matches; take them with lrd_match_lane. *last_out: the last tag word, for the reach. */
static inline uint64_t lrd_line_match(lrd_line *line, uint32_t tag, uint64_t *last_out) {
  uint64_t pattern = tag * UINT64_C(0x0001000100010001);
  uint64_t first = atomic_load_explicit(&line->tags[0], memory_order_acquire);
  uint64_t second = atomic_load_explicit(&line->tags[1], memory_order_acquire);
  uint64_t last = atomic_load_explicit(&line->tags[2], memory_order_acquire);
  *last_out = last;
  return lrd_lanes_equal(first, pattern) >> 15 | lrd_lanes_equal(second, pattern) >> 14 |
         (lrd_lanes_equal(last, pattern) & UINT64_C(0x80008000)) >> 13;
}

static inline uint32_t lrd_match_lane(uint64_t *match) {
  uint32_t bit = (uint32_t)__builtin_ctzll(*match);
  *match &= *match - 1;
  return (bit >> 4) + (bit & 15) * 4;
}
#endif

/* Where an entry lies. */
typedef struct lrd_place {
  lrd_line *line;
  uint32_t lane;
  uint32_t handle;
} lrd_place;

/* Bytes of the directory and the segment table, for the budget. */
size_t lrd_index_fixed_bytes(uint32_t bits);
LARDER_MUST_CHECK larder_err lrd_index_init(lrd_index *index, uint32_t bits);
void lrd_index_fini(lrd_index *index);

/* The writer's functions; the shard's lock is held. */

/* The entry of exactly this space and key. */
bool lrd_index_find(const lrd_index *index, const lrd_arena *arena, uint64_t hash, uint32_t space, const void *key,
                    size_t key_len, lrd_place *out);
/* The entry that is this record. */
bool lrd_index_find_handle(const lrd_index *index, uint64_t hash, uint32_t handle, lrd_place *out);
static inline void lrd_index_replace(const lrd_place *place, uint32_t handle) {
  atomic_store_explicit(&place->line->handles[place->lane], handle, memory_order_release);
}
/* How many lines the segment must have before one more entry fits; 0: it has room. */
uint32_t lrd_index_wanted(const lrd_index *index, size_t segment);
static inline uint32_t lrd_index_block_units(uint32_t lines) {
  return (uint32_t)((sizeof(lrd_plain_block) + 4 + 56) / LRD_UNIT + lines * (sizeof(lrd_line) / LRD_UNIT));
}
/* Rebuilds the segment in the block given, of lrd_index_block_units(lines); returns the block that it leaves, or 0. */
uint32_t lrd_index_rebuild(lrd_index *index, size_t segment, const lrd_arena *arena, uint32_t block, uint32_t units,
                           uint32_t lines, lrd_hash_of hash_of, void *context);
/* There is room (lrd_index_wanted was 0). */
void lrd_index_insert(lrd_index *index, uint64_t hash, uint32_t handle);
void lrd_index_remove(lrd_index *index, uint64_t hash, const lrd_place *place);

#endif
