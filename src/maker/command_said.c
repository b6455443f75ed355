/* SPDX-License-Identifier: Apache-2.0 */
#include "command_said.h"

#include "base/redact.h"
#include "stats/json_writer.h"
#include <stdio.h>

#define SHOWN 240u /* bytes of it in a sentence */

void lrd_said_add(lrd_said *said, const void *data, size_t len) {
  const char *bytes = data;
  if (len >= sizeof said->tail) {
    said->cut |= said->len > 0 || len > sizeof said->tail;
    memcpy(said->tail, bytes + len - sizeof said->tail, sizeof said->tail);
    said->len = sizeof said->tail;
    return;
  }
  size_t goes = said->len + len > sizeof said->tail ? said->len + len - sizeof said->tail : 0;
  said->cut |= goes > 0;
  memmove(said->tail, said->tail + goes, said->len - goes);
  memcpy(said->tail + said->len - goes, bytes, len);
  said->len += len - goes;
}

/* The length of a terminal's escape sequence at the front, or 0. */
static size_t escape_len(const uint8_t *text, size_t len) {
  size_t at = 2;
  if (len < 2 || text[0] != 0x1b || text[1] != '[') {
    return 0;
  }
  while (at < len && text[at] >= 0x20 && text[at] <= 0x3f) at++;
  return at < len ? at + 1 : at;
}

/* Without them, which would stand before the name of a secret as a part of it. */
static size_t escapes_strip(const char *text, size_t len, char *out) {
  size_t done = 0;
  for (size_t at = 0, escape; at<len; at += escape> 0 ? escape : 1) {
    escape = escape_len((const uint8_t *)text + at, len - at);
    if (escape == 0) out[done++] = text[at];
  }
  return done;
}

/* One line of printable text: blanks for what is none, never two of them. Returns its length. */
static size_t line_clean(uint8_t *text, size_t len) {
  size_t done = 0;
  for (size_t at = 0; at < len;) {
    size_t bytes = lrd_utf8_char(text + at, len - at);
    if (bytes == 0 || text[at] <= 0x20 || text[at] == 0x7f) {
      if (done > 0 && text[done - 1] != ' ') text[done++] = ' ';
      at++;
      continue;
    }
    memmove(text + done, text + at, bytes);
    done += bytes;
    at += bytes;
  }
  while (done > 0 && text[done - 1] == ' ') done--;
  return done;
}

void lrd_said_write(const lrd_said *said, const char *secrets, const char *const *pairs, const char *const *more,
                    char out[LRD_SAID_ROOM]) {
  lrd_buf text = {0};
  lrd_hidden hidden = {0};
  char plain[LRD_SAID_TAIL];
  size_t from = 0;
  /* What came before is gone, maybe the name of a secret: a line counts as a whole only. */
  while (said->cut && from < said->len && said->tail[from++] != '\n') continue;
  size_t plain_len = escapes_strip(said->tail + from, said->len - from, plain);
  out[0] = '\0';
  if (lrd_redact_text(secrets, plain, plain_len, false, &text, &hidden) == LARDER_OK && text.len > 0) {
    size_t len = lrd_redact_values(pairs, more, (char *)text.data, text.len);
    len = line_clean(text.data, len);
    size_t skipped = len > SHOWN ? len - SHOWN : 0;
    while (skipped > 0 && skipped < len && (text.data[skipped] & 0xC0) == 0x80) skipped++;
    if (len > 0) {
      (void)snprintf(out, LRD_SAID_ROOM, ": %s%.*s", skipped > 0 ? "..." : "", (int)(len - skipped),
                     (const char *)text.data + skipped);
    }
  }
  lrd_buf_fini(&text);
}
