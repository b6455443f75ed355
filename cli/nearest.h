/* SPDX-License-Identifier: Apache-2.0 */
/* The right name next to a wrong one. */
#ifndef CLI_NEAREST_H
#define CLI_NEAREST_H

#include <stddef.h>

/* Keeps the best of the candidates offered. Zero-initialise, set `wrong`. */
typedef struct cli_nearest {
  const char *wrong;
  char near[160]; /* empty: none is near enough */
  size_t distance;
  char akin[160]; /* the first that begins with the wrong one, or the other way round */
  unsigned akin_count;
} cli_nearest;

void cli_nearest_offer(cli_nearest *nearest, const char *candidate);
/*
 * NULL: none is meant for sure. Else what is one letter off; or the only candidate that begins as the wrong one does, or that
 * the wrong one begins with; or the nearest of those with at most a third of the letters wrong, swapped, missing or too many.
 */
const char *cli_nearest_best(const cli_nearest *nearest);

#endif
