/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two-level segregated fit over units of 8 bytes. Rows are powers of two, columns divide a row into 32; blocks under 64
 * units have a column each, so a size that was freed is found again exactly.
 *
 *   free block:  u32 units | u32 older | u32 newer | … | u32 flags at 28 | … | u32 units in the last four bytes
 *
 * A block whose neighbour before it is free has LRD_PREV_IS_FREE in its prev word; then the four bytes before it are that
 * neighbour's length. Remainders too short for a free block stay with the live block as slack.
 */
#include "arena.h"
#include "base/fail.h"

#define ARENA_START       8u /* handle 0 is none; 8 units keep the first block on a line of its own */
#define ARENA_FIRST_TRIES 4u

typedef struct arena_free_block {
  uint32_t units;
  uint32_t newer;
  uint32_t older;
  uint32_t unused[4];
  uint32_t prev;
} arena_free_block;

static arena_free_block *arena_free_at(const lrd_arena *arena, uint32_t handle) {
  return (arena_free_block *)(void *)(arena->base + (size_t)handle * LRD_UNIT);
}

static void arena_class_of(uint32_t units, uint32_t *row, uint32_t *column) {
  if (units < LRD_ARENA_COLUMNS) {
    *row = 0;
    *column = units;
    return;
  }
  uint32_t log = 31 - (uint32_t)__builtin_clz(units);
  *row = log - 4;
  *column = units >> (log - 5) & (LRD_ARENA_COLUMNS - 1);
}

static void arena_list(lrd_arena *arena, uint32_t handle, uint32_t units) {
  uint32_t row, column;
  arena_class_of(units, &row, &column);
  arena_free_block *block = arena_free_at(arena, handle);
  uint32_t older = arena->free[row][column];
  block->units = units;
  block->newer = 0;
  block->older = older;
  block->prev = LRD_BLOCK_FREE;
  if (older) arena_free_at(arena, older)->newer = handle;
  lrd_put_u32(arena->base + (size_t)(handle + units) * LRD_UNIT - 4, units);
  arena->free[row][column] = handle;
  arena->columns[row] |= 1u << column;
  arena->rows |= 1u << row;
  if (handle + units < arena->top) lrd_arena_at(arena, handle + units)->prev |= LRD_PREV_IS_FREE;
}

static void arena_unlist(lrd_arena *arena, uint32_t handle) {
  arena_free_block *block = arena_free_at(arena, handle);
  uint32_t row, column;
  arena_class_of(block->units, &row, &column);
  if (block->newer) {
    arena_free_at(arena, block->newer)->older = block->older;
  } else {
    arena->free[row][column] = block->older;
    if (block->older == 0) {
      arena->columns[row] &= ~(1u << column);
      if (arena->columns[row] == 0) arena->rows &= ~(1u << row);
    }
  }
  if (block->older) arena_free_at(arena, block->older)->newer = block->newer;
  uint32_t after = handle + block->units;
  if (after < arena->top) lrd_arena_at(arena, after)->prev &= ~LRD_PREV_IS_FREE;
}

void lrd_arena_init(lrd_arena *arena, void *base, uint32_t cap_units) {
  *arena = (lrd_arena){.base = base, .cap = cap_units, .top = ARENA_START, .used = 0};
}

/* The free block to carve from: one of the own class if one of the first `tries` is long enough, else the shortest class
 * whose every block is. */
static uint32_t arena_find(const lrd_arena *arena, uint32_t units, uint32_t tries) {
  uint32_t row, column;
  arena_class_of(units, &row, &column);
  uint32_t handle = arena->free[row][column];
  for (uint32_t i = 0; handle && i < tries; i++) {
    if (arena_free_at(arena, handle)->units >= units) return handle;
    handle = arena_free_at(arena, handle)->older;
  }
  uint32_t columns = column + 1 < LRD_ARENA_COLUMNS ? arena->columns[row] & ~0u << (column + 1) : 0;
  if (columns == 0) {
    uint32_t rows = arena->rows & ~0u << (row + 1);
    if (rows == 0) return 0;
    row = (uint32_t)__builtin_ctz(rows);
    columns = arena->columns[row];
  }
  return arena->free[row][__builtin_ctz(columns)];
}

static uint32_t arena_alloc(lrd_arena *arena, uint32_t units, uint32_t tries, uint32_t *got_units) {
  LRD_DASSERT(units >= LRD_BLOCK_MIN);
  uint32_t handle = arena_find(arena, units, tries);
  if (handle) {
    uint32_t found = arena_free_at(arena, handle)->units;
    arena_unlist(arena, handle);
    if (found - units >= LRD_BLOCK_MIN) {
      arena_list(arena, handle + units, found - units);
      found = units;
    }
    *got_units = found;
  } else {
    if (arena->cap < units || arena->top > arena->cap - units) return 0;
    handle = arena->top;
    arena->top += units;
    *got_units = units;
  }
  lrd_record *block = lrd_arena_at(arena, handle);
  block->prev = 0;
  block->next = 0;
  arena->used += *got_units;
  return handle;
}

uint32_t lrd_arena_alloc(lrd_arena *arena, uint32_t units, uint32_t *got_units) {
  return arena_alloc(arena, units, ARENA_FIRST_TRIES, got_units);
}

uint32_t lrd_arena_alloc_surely(lrd_arena *arena, uint32_t units, uint32_t *got_units) {
  return arena_alloc(arena, units, UINT32_MAX, got_units);
}

void lrd_arena_free(lrd_arena *arena, uint32_t handle) {
  uint32_t units = lrd_arena_block_units(arena, handle);
  LRD_ASSERT(!(lrd_arena_at(arena, handle)->prev & LRD_BLOCK_FREE) && arena->used >= units);
  arena->used -= units;
  uint32_t after = handle + units;
  if (lrd_arena_at(arena, handle)->prev & LRD_PREV_IS_FREE) {
    uint32_t before = lrd_get_u32(arena->base + (size_t)handle * LRD_UNIT - 4);
    arena_unlist(arena, handle - before);
    handle -= before;
    units += before;
  }
  if (after < arena->top && lrd_arena_at(arena, after)->prev & LRD_BLOCK_FREE) {
    units += arena_free_at(arena, after)->units;
    arena_unlist(arena, after);
  }
  if (handle + units == arena->top) {
    arena->top = handle;
    return;
  }
  arena_list(arena, handle, units);
}

uint32_t lrd_arena_block_units(const lrd_arena *arena, uint32_t handle) {
  const lrd_record *block = lrd_arena_at(arena, handle);
  if (block->prev & LRD_BLOCK_FREE) return arena_free_at(arena, handle)->units;
  if (block->next & LRD_BLOCK_PLAIN) return ((const lrd_plain_block *)(const void *)block)->units;
  return lrd_record_units(block);
}

uint32_t lrd_arena_first(const lrd_arena *arena) { return arena->top > ARENA_START ? ARENA_START : 0; }

uint32_t lrd_arena_after(const lrd_arena *arena, uint32_t handle) {
  handle += lrd_arena_block_units(arena, handle);
  return handle < arena->top ? handle : 0;
}

static const char *arena_verify_lists(const lrd_arena *arena, uint64_t free_units) {
  for (uint32_t row = 0; row < LRD_ARENA_ROWS; row++) {
    if ((arena->columns[row] != 0) != ((arena->rows >> row & 1) != 0)) return "a row's bit is wrong";
    for (uint32_t column = 0; column < LRD_ARENA_COLUMNS; column++) {
      uint32_t handle = arena->free[row][column];
      if ((handle != 0) != ((arena->columns[row] >> column & 1) != 0)) return "a column's bit is wrong";
      for (uint32_t newer = 0; handle; newer = handle, handle = arena_free_at(arena, handle)->older) {
        const arena_free_block *block = arena_free_at(arena, handle);
        if (!(block->prev & LRD_BLOCK_FREE) || block->newer != newer) return "a free list is broken";
        if (free_units < block->units) return "a free list holds more than is free";
        free_units -= block->units;
      }
    }
  }
  return free_units == 0 ? NULL : "a free block is in no list";
}

const char *lrd_arena_verify(const lrd_arena *arena) {
  uint64_t used = 0, unused = 0;
  uint32_t handle = ARENA_START;
  bool before_free = false;
  while (handle < arena->top) {
    const lrd_record *block = lrd_arena_at(arena, handle);
    uint32_t units = lrd_arena_block_units(arena, handle);
    bool is_free = (block->prev & LRD_BLOCK_FREE) != 0;
    if (units < LRD_BLOCK_MIN || units > arena->top - handle) return "a block's size is impossible";
    if (((block->prev & LRD_PREV_IS_FREE) != 0) != before_free) return "a block is wrong about its neighbour";
    if (is_free && before_free) return "two free blocks are not merged";
    if (is_free && lrd_get_u32(arena->base + (size_t)(handle + units) * LRD_UNIT - 4) != units) return "a footer is wrong";
    *(is_free ? &unused : &used) += units;
    before_free = is_free;
    handle += units;
  }
  if (handle != arena->top || before_free) return "the last block is wrong";
  if (used != arena->used) return "the used bytes do not add up";
  return arena_verify_lists(arena, unused);
}
