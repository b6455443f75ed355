/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two ways to be meant. Near: few edits apart, counted by optimal string alignment (insert, delete, change, swap neighbours),
 * in three rows of the usual table. Akin: one begins with the other, `val` of validate or `benchmark` for bench; a slip of one
 * letter outweighs that, and of two that are akin neither is meant for sure.
 */
#include <larder/nearest.h>

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#define AKIN_BEGINNING 2u /* letters of the wanted name that have to begin the other */
#define AKIN_WHOLE     3u /* letters of a name with which the wanted one begins */

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c; }

static size_t distance_of(const char *a, size_t a_len, const char *b, size_t b_len) {
  size_t rows[3][LARDER_NEAREST_MAX + 1];
  for (size_t j = 0; j <= b_len; j++) rows[0][j] = j;
  for (size_t i = 1; i <= a_len; i++) {
    size_t *row = rows[i % 3];
    const size_t *above = rows[(i - 1) % 3];
    row[0] = i;
    for (size_t j = 1; j <= b_len; j++) {
      char const ca = lower(a[i - 1]), cb = lower(b[j - 1]);
      row[j] = least(above[j - 1] + (ca != cb), least(above[j], row[j - 1]) + 1);
      if (i > 1 && j > 1 && ca == lower(b[j - 2]) && cb == lower(a[i - 2]))
        row[j] = least(row[j], rows[(i - 2) % 3][j - 2] + 1);
    }
  }
  return rows[a_len % 3][b_len];
}

static bool is_akin(const char *wanted, size_t wanted_len, const char *name, size_t len) {
  return wanted_len < len ? wanted_len >= AKIN_BEGINNING && strncasecmp(wanted, name, wanted_len) == 0
                          : len >= AKIN_WHOLE && strncasecmp(wanted, name, len) == 0;
}

void larder_nearest_offer(larder_nearest *nearest, const char *name) {
  size_t const wanted_len = strlen(nearest->wanted);
  size_t const len = strlen(name);
  size_t const allowed = least((wanted_len + 1) / 3, 3); /* of one letter none may be wrong */
  if (len == 0 || len > LARDER_NEAREST_MAX) return;
  if (is_akin(nearest->wanted, wanted_len, name, len) && nearest->akin_count++ == 0) memcpy(nearest->akin, name, len + 1);
  if (wanted_len > LARDER_NEAREST_MAX || wanted_len > len + allowed || len > wanted_len + allowed) return;
  size_t const distance = distance_of(nearest->wanted, wanted_len, name, len);
  if (distance > allowed || (nearest->near[0] != '\0' && distance >= nearest->distance)) return;
  nearest->distance = distance;
  memcpy(nearest->near, name, len + 1);
}

const char *larder_nearest_best(const larder_nearest *nearest) {
  bool const near = nearest->near[0] != '\0';
  if (nearest->akin_count == 1 && !(near && nearest->distance <= 1)) return nearest->akin;
  return near ? nearest->near : NULL;
}
