/* SPDX-License-Identifier: Apache-2.0 */
/* The right name next to a wrong one. */
#ifndef CLI_NEAREST_H
#define CLI_NEAREST_H

#include <stddef.h>

/* Keeps the best of the candidates offered. Zero-initialise, set `wrong`. */
typedef struct cli_nearest {
  const char *wrong;
  char best[160]; /* empty: none is near enough */
  size_t distance;
} cli_nearest;

/* Near enough: a third of the letters wrong, swapped, missing or too many; or the beginning of the candidate. */
void cli_nearest_offer(cli_nearest *nearest, const char *candidate);

#endif
