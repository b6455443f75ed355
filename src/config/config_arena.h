/* SPDX-License-Identifier: Apache-2.0 */
/* Memory of one configuration, released at once. Blocks come from lrd_alloc, so a failed allocation shows as NULL. */
#ifndef LRD_CONFIG_ARENA_H
#define LRD_CONFIG_ARENA_H

#include <larder/error.h>
#include <stdarg.h>
#include <stddef.h>

typedef struct lrd_config_block lrd_config_block;

/* Zero-initialised is empty. */
typedef struct lrd_config_arena {
  lrd_config_block *blocks;
} lrd_config_arena;

void lrd_config_arena_fini(lrd_config_arena *arena);
/* Zeroed and aligned for any type; NULL when out of memory. */
void *lrd_config_arena_alloc(lrd_config_arena *arena, size_t size);
/* A copy with a NUL after it. */
char *lrd_config_arena_copy(lrd_config_arena *arena, const char *text, size_t len);
LARDER_PRINTF(2, 3) char *lrd_config_arena_printf(lrd_config_arena *arena, const char *format, ...);
LARDER_PRINTF(2, 0) char *lrd_config_arena_vprintf(lrd_config_arena *arena, const char *format, va_list args);

#endif
