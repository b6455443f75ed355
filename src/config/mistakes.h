/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is wrong in a file, and what is worth knowing about it (notices), each with its place. All are collected, sorted
 * by place at the end; above LRD_MISTAKES_MAX they are counted only.
 */
#ifndef LRD_CONFIG_MISTAKES_H
#define LRD_CONFIG_MISTAKES_H

#include "config/config_arena.h"
#include <stdbool.h>

#define LRD_MISTAKES_MAX 100

typedef struct lrd_place {
  int line;   /* from 1; 0: nowhere in particular */
  int column; /* from 1 */
} lrd_place;

typedef struct lrd_mistake lrd_mistake;
struct lrd_mistake {
  lrd_place place;
  const char *message;
  lrd_mistake *next;
};

typedef struct lrd_mistakes {
  lrd_config_arena *arena; /* borrowed */
  lrd_mistake *first;
  size_t count; /* of all, also of those above the bound */
  lrd_mistake *first_notice;
  size_t notice_count;
  bool out_of_memory; /* one could not be noted */
} lrd_mistakes;

void lrd_mistakes_init(lrd_mistakes *mistakes, lrd_config_arena *arena);
LARDER_PRINTF(3, 4) void lrd_mistake_add(lrd_mistakes *mistakes, lrd_place place, const char *format, ...);
LARDER_PRINTF(3, 4) void lrd_notice_add(lrd_mistakes *mistakes, lrd_place place, const char *format, ...);

/* Text of a file as it can stand in a message: quoted, control characters escaped, cut at 60 bytes. */
#define LRD_QUOTED_MAX 288
const char *lrd_quote(const char *text, size_t len, char out[LRD_QUOTED_MAX]);

#endif
