/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A shard's arena: a reserved range carved into blocks by two-level segregated fit. Live blocks carry no allocator
 * header; their size follows from what they hold (record.h). One writer at a time; the caller holds the shard's lock.
 */
#ifndef LRD_TIER_MEMORY_ARENA_H
#define LRD_TIER_MEMORY_ARENA_H

#include "record.h"

#define LRD_ARENA_ROWS    26
#define LRD_ARENA_COLUMNS 32

typedef struct lrd_arena {
  uint8_t *base; /* borrowed: the reserved range */
  uint32_t cap;  /* units of the range that may be used */
  uint32_t top;  /* units ever touched and not given back; all above is untouched */
  uint32_t used; /* units in live and retired blocks */
  uint32_t rows; /* bit r: some column of row r has a free block */
  uint32_t columns[LRD_ARENA_ROWS];
  uint32_t free[LRD_ARENA_ROWS][LRD_ARENA_COLUMNS];
} lrd_arena;

/* What a block begins with when it is part of the index. */
typedef struct lrd_plain_block {
  uint32_t units;
  uint32_t unused[6];
  uint32_t prev;
  uint32_t next;
} lrd_plain_block;

_Static_assert(offsetof(lrd_plain_block, prev) == offsetof(lrd_record, prev), "blocks share their flags' place");

static inline lrd_record *lrd_arena_at(const lrd_arena *arena, uint32_t handle) {
  return (lrd_record *)(void *)(arena->base + (size_t)handle * LRD_UNIT);
}
static inline uint32_t lrd_arena_handle(const lrd_arena *arena, const void *at) {
  return (uint32_t)((size_t)((const uint8_t *)at - arena->base) / LRD_UNIT);
}

/* `base` is aligned to 64 bytes and readable and writable over cap_units. */
void lrd_arena_init(lrd_arena *arena, void *base, uint32_t cap_units);
/* A block of at least `units`; 0 when none is found, quickly: a free run that is hardly longer may be overlooked behind
 * shorter ones. *got_units may be up to LRD_BLOCK_MIN - 1 more. The block's prev and next words are set for a live block; the
 * rest is the caller's. */
uint32_t lrd_arena_alloc(lrd_arena *arena, uint32_t units, uint32_t *got_units);
/* The same, overlooking nothing: 0 only when no free run is long enough. */
uint32_t lrd_arena_alloc_surely(lrd_arena *arena, uint32_t units, uint32_t *got_units);
void lrd_arena_free(lrd_arena *arena, uint32_t handle);
/* Units of the block at handle, whatever it is. */
uint32_t lrd_arena_block_units(const lrd_arena *arena, uint32_t handle);
/* The first block, or 0; the block after `handle`, or 0. */
uint32_t lrd_arena_first(const lrd_arena *arena);
uint32_t lrd_arena_after(const lrd_arena *arena, uint32_t handle);
/* Walks everything: sizes add up, free runs are merged, listed and flagged. Returns NULL, or what is wrong. */
const char *lrd_arena_verify(const lrd_arena *arena);

#endif
