/* SPDX-License-Identifier: Apache-2.0 */
/* Messages live in the arena. Lists are kept sorted by place on insertion: there are at most a hundred. */
#include "config/mistakes.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

void lrd_mistakes_init(lrd_mistakes *mistakes, lrd_config_arena *arena) { *mistakes = (lrd_mistakes){.arena = arena}; }

static bool place_before(lrd_place a, lrd_place b) { return a.line != b.line ? a.line < b.line : a.column < b.column; }

LARDER_PRINTF(4, 0)
static void list_insert(lrd_mistakes *mistakes, lrd_mistake **first, lrd_place place, const char *format, va_list args) {
  lrd_mistake *one = lrd_config_arena_alloc(mistakes->arena, sizeof *one);
  const char *message = one == NULL ? NULL : lrd_config_arena_vprintf(mistakes->arena, format, args);
  if (message == NULL) {
    mistakes->out_of_memory = true;
    return;
  }
  one->place = place;
  one->message = message;
  lrd_mistake **at = first;
  while (*at != NULL && !place_before(place, (*at)->place)) at = &(*at)->next;
  one->next = *at;
  *at = one;
}

void lrd_mistake_add(lrd_mistakes *mistakes, lrd_place place, const char *format, ...) {
  if (mistakes->count++ >= LRD_MISTAKES_MAX) return;
  va_list args;
  va_start(args, format);
  list_insert(mistakes, &mistakes->first, place, format, args);
  va_end(args);
}

void lrd_notice_add(lrd_mistakes *mistakes, lrd_place place, const char *format, ...) {
  if (mistakes->notice_count >= LRD_MISTAKES_MAX) return;
  mistakes->notice_count++;
  va_list args;
  va_start(args, format);
  list_insert(mistakes, &mistakes->first_notice, place, format, args);
  va_end(args);
}

const char *lrd_quote(const char *text, size_t len, char out[LRD_QUOTED_MAX]) {
  const size_t shown_max = 60;
  size_t at = 0;
  out[at++] = '"';
  size_t shown = len > shown_max ? shown_max : len;
  /* Never cut within a UTF-8 sequence. */
  while (shown < len && shown > 0 && ((unsigned char)text[shown] & 0xC0) == 0x80) shown--;
  for (size_t i = 0; i < shown; i++) {
    unsigned char c = (unsigned char)text[i];
    if (c < 0x20 || c == 0x7F) {
      at += (size_t)snprintf(out + at, LRD_QUOTED_MAX - at, "\\x%02x", c);
    } else {
      out[at++] = (char)c;
    }
  }
  memcpy(out + at, shown < len ? "...\"" : "\"", shown < len ? 5 : 2);
  return out;
}

static int smaller(int a, int b) { return a < b ? a : b; }

/* Optimal string alignment over three rows. */
int lrd_edit_distance(const char *a, const char *b, int limit) {
  size_t a_len = strlen(a), b_len = strlen(b);
  if (a_len > LRD_NEAREST_MAX || b_len > LRD_NEAREST_MAX) return limit + 1;
  int rows[3][LRD_NEAREST_MAX + 1];
  for (size_t j = 0; j <= b_len; j++) rows[0][j] = (int)j;
  for (size_t i = 1; i <= a_len; i++) {
    int *now = rows[i % 3], *last = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
    now[0] = (int)i;
    for (size_t j = 1; j <= b_len; j++) {
      int ca = tolower((unsigned char)a[i - 1]), cb = tolower((unsigned char)b[j - 1]);
      now[j] = smaller(smaller(last[j] + 1, now[j - 1] + 1), last[j - 1] + (ca != cb));
      if (i > 1 && j > 1 && ca == tolower((unsigned char)b[j - 2]) && cb == tolower((unsigned char)a[i - 2]))
        now[j] = smaller(now[j], before[j - 2] + 1);
    }
  }
  return smaller(rows[a_len % 3][b_len], limit + 1);
}

void lrd_nearest_init(lrd_nearest *nearest, const char *wanted) {
  /* A third of the letters may be wrong, and at most three; of a one-letter name none. */
  size_t allowed = (strlen(wanted) + 1) / 3;
  *nearest = (lrd_nearest){.wanted = wanted, .distance = (int)(allowed > 3 ? 3 : allowed) + 1};
}

/* Whether one begins with the other. */
static bool akin(const char *wanted, const char *name) {
  size_t wanted_len = strlen(wanted), name_len = strlen(name);
  size_t len = wanted_len < name_len ? wanted_len : name_len;
  return len >= 3 && strncasecmp(wanted, name, len) == 0;
}

void lrd_nearest_try(lrd_nearest *nearest, const char *name) {
  size_t size = strlen(name) + 1;
  if (size > sizeof nearest->near) return;
  if (akin(nearest->wanted, name) && nearest->akin_count++ == 0) memcpy(nearest->akin, name, size);
  int distance = lrd_edit_distance(nearest->wanted, name, nearest->distance);
  if (distance >= nearest->distance) return;
  nearest->distance = distance;
  nearest->found = true;
  memcpy(nearest->near, name, size);
}

const char *lrd_nearest_name(const lrd_nearest *nearest) {
  if (nearest->akin_count == 1 && !(nearest->found && nearest->distance <= 1)) return nearest->akin;
  return nearest->found ? nearest->near : NULL;
}
