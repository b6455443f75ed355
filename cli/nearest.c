/* SPDX-License-Identifier: Apache-2.0 */
#include "nearest.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define NAME_MAX_LEN 64u

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

/* Edits that lead from a to b, two swapped neighbours being one (optimal string alignment). */
static size_t distance_of(const char *a, const char *b) {
  size_t a_len = strlen(a);
  size_t b_len = strlen(b);
  size_t rows[3][NAME_MAX_LEN + 1];
  if (a_len > NAME_MAX_LEN || b_len > NAME_MAX_LEN) return SIZE_MAX;
  for (size_t j = 0; j <= b_len; j++) rows[0][j] = j;
  for (size_t i = 1; i <= a_len; i++) {
    size_t *row = rows[i % 3];
    const size_t *above = rows[(i - 1) % 3];
    row[0] = i;
    for (size_t j = 1; j <= b_len; j++) {
      size_t change = above[j - 1] + (a[i - 1] != b[j - 1]);
      row[j] = least(change, least(above[j], row[j - 1]) + 1);
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = least(row[j], rows[(i - 2) % 3][j - 2] + 1);
    }
  }
  return rows[a_len % 3][b_len];
}

/* Whether one begins with the other: `val` of validate, or `benchmark` for bench. */
static bool akin(const char *wrong, const char *candidate) {
  size_t wrong_len = strlen(wrong);
  size_t len = strlen(candidate);
  return wrong_len < len ? wrong_len >= 2 && strncmp(wrong, candidate, wrong_len) == 0
                         : len >= 3 && strncmp(wrong, candidate, len) == 0;
}

void cli_nearest_offer(cli_nearest *nearest, const char *candidate) {
  size_t len = strlen(nearest->wrong);
  size_t distance = distance_of(nearest->wrong, candidate);
  size_t enough = len < 3 ? 1 : (len + 2) / 3;
  if (akin(nearest->wrong, candidate) && nearest->akin_count++ == 0) {
    snprintf(nearest->akin, sizeof nearest->akin, "%s", candidate);
  }
  if (distance > enough || (nearest->near[0] != '\0' && distance >= nearest->distance)) return;
  nearest->distance = distance;
  snprintf(nearest->near, sizeof nearest->near, "%s", candidate);
}

const char *cli_nearest_best(const cli_nearest *nearest) {
  bool near = nearest->near[0] != '\0';
  if (nearest->akin_count == 1 && !(near && nearest->distance <= 1)) return nearest->akin;
  return near ? nearest->near : NULL;
}
