/* SPDX-License-Identifier: Apache-2.0 */
/* A list of blocks, each at least BLOCK_BYTES, filled from the front; what is larger gets a block of its own. */
#include "config/config_arena.h"

#include "base/bytes.h"
#include <stdalign.h>
#include <stdio.h>

#define BLOCK_BYTES ((size_t)8192)

struct lrd_config_block {
  lrd_config_block *next;
  size_t used;
  size_t room;
  alignas(max_align_t) unsigned char bytes[];
};

void lrd_config_arena_fini(lrd_config_arena *arena) {
  lrd_config_block *block = arena->blocks;
  while (block != NULL) {
    lrd_config_block *next = block->next;
    lrd_dealloc(block);
    block = next;
  }
  arena->blocks = NULL;
}

void *lrd_config_arena_alloc(lrd_config_arena *arena, size_t size) {
  const size_t align = alignof(max_align_t);
  size = (size + align - 1) / align * align;
  lrd_config_block *block = arena->blocks;
  if (block == NULL || block->room - block->used < size) {
    size_t room = size > BLOCK_BYTES ? size : BLOCK_BYTES;
    block = lrd_alloc(sizeof *block + room);
    if (block == NULL) return NULL;
    block->used = 0;
    block->room = room;
    block->next = arena->blocks;
    arena->blocks = block;
  }
  void *at = block->bytes + block->used;
  block->used += size;
  memset(at, 0, size);
  return at;
}

char *lrd_config_arena_copy(lrd_config_arena *arena, const char *text, size_t len) {
  char *copy = lrd_config_arena_alloc(arena, len + 1);
  if (copy != NULL && len > 0) memcpy(copy, text, len);
  return copy;
}

char *lrd_config_arena_vprintf(lrd_config_arena *arena, const char *format, va_list args) {
  va_list again;
  va_copy(again, args);
  int len = vsnprintf(NULL, 0, format, again);
  va_end(again);
  if (len < 0) return NULL;
  char *text = lrd_config_arena_alloc(arena, (size_t)len + 1);
  if (text != NULL) vsnprintf(text, (size_t)len + 1, format, args);
  return text;
}

char *lrd_config_arena_printf(lrd_config_arena *arena, const char *format, ...) {
  va_list args;
  va_start(args, format);
  char *text = lrd_config_arena_vprintf(arena, format, args);
  va_end(args);
  return text;
}
