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

/* How many single-character changes, swaps of neighbours included, lead from a to b; at most `limit` + 1. ASCII case is free.
 */
int lrd_edit_distance(const char *a, const char *b, int limit);
#define LRD_NEAREST_MAX 48 /* bytes; longer names are never near */
/* The nearest of the names that are tried. `wanted` is borrowed, names are copied. */
typedef struct lrd_nearest {
  const char *wanted;
  bool found;
  int distance;
  char near[LRD_NEAREST_MAX + 1];
  unsigned akin_count;
  char akin[LRD_NEAREST_MAX + 1]; /* the first that begins with the wanted one, or the other way round */
} lrd_nearest;
void lrd_nearest_init(lrd_nearest *nearest, const char *wanted);
void lrd_nearest_try(lrd_nearest *nearest, const char *name);
/*
 * NULL: none is meant for sure. Else what is one letter off; or the only name that begins with the wanted one, or that it
 * begins with, by three letters or more; or the nearest of those with few enough letters wrong.
 */
const char *lrd_nearest_name(const lrd_nearest *nearest);

#endif
