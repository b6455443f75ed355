/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The right name next to a wrong one: what to tell beside "there is no such name". It is the rule by which Larder names the
 * key of a configuration, the namespace, step, place or command that was probably meant.
 */
#ifndef LARDER_NEAREST_H
#define LARDER_NEAREST_H

#include <larder/error.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LARDER_NEAREST_MAX 128u /* bytes; longer names are never near */

/* Keeps the best of the names that are offered. Zero-initialise and set `wanted`; the rest is private. */
typedef struct larder_nearest {
  const char *wanted; /* borrowed while names are offered */
  size_t distance;
  char near[LARDER_NEAREST_MAX + 1]; /* empty: none is near enough */
  unsigned akin_count;
  char akin[LARDER_NEAREST_MAX + 1]; /* the first that begins as the wanted one does, or with which that begins */
} larder_nearest;

/* The name is copied. */
LARDER_API void larder_nearest_offer(larder_nearest *nearest, const char *name);
/*
 * NULL: none is meant for sure. Else what is one letter off; or the only name that begins with the wanted one, or that the
 * wanted one begins with; or the nearest of those with at most a third of the letters (three at most) wrong, swapped, missing
 * or too many. Upper and lower case of ASCII are one. Lives as long as *nearest.
 */
LARDER_API const char *larder_nearest_best(const larder_nearest *nearest);

#ifdef __cplusplus
}
#endif
#endif
