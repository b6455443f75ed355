/* SPDX-License-Identifier: Apache-2.0 */
/* Messages live in the arena. Lists are kept sorted by place on insertion: there are at most a hundred. */
#include "config/mistakes.h"

#include <stdio.h>
#include <string.h>

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
