/* SPDX-License-Identifier: Apache-2.0 */
/* A key as a sentence can show it. Secrets are looked for in more of it than is shown, so that none is shown by half. */
#include "base/redact.h"
#include "config/key_template.h"
#include "stats/json_writer.h"
#include <stdio.h>

#define SHOWN_LEN 80u
#define SEEN_LEN  512u

/* Writes the character at the front of text, which has bytes of it; returns how much that is. */
static size_t escape_one(const uint8_t *text, size_t left, char out[8], size_t *bytes) {
  *bytes = lrd_utf8_char(text, left);
  if (*bytes > 1 || (*bytes == 1 && text[0] >= 0x20 && text[0] != 0x7f)) {
    memcpy(out, text, *bytes);
    return *bytes;
  }
  *bytes = 1;
  return (size_t)snprintf(out, 8, "\\x%02x", text[0]);
}

/* What fits of text, escaped; returns its length. What is left out is told by dots, for which there is room until the end. */
static size_t escape(const uint8_t *text, size_t len, char *out) {
  size_t done = 0, with_dots = 0, bytes;
  for (size_t at = 0; at < len; at += bytes) {
    char one[8];
    size_t wanted = escape_one(text + at, len - at, one, &bytes);
    if (done + wanted > SHOWN_LEN) {
      memcpy(out + with_dots, "...", 3);
      return with_dots + 3;
    }
    memcpy(out + done, one, wanted);
    done += wanted;
    with_dots = done <= SHOWN_LEN - 3 ? done : with_dots;
  }
  return done;
}

const char *lrd_key_shown(const char *secrets, const void *key, size_t key_len, char out[LRD_KEY_SHOWN_ROOM]) {
  lrd_buf clean = {0};
  lrd_hidden hidden = {0};
  bool cut = key_len > SEEN_LEN;
  size_t done = 1;
  out[0] = '`';
  if (lrd_redact_text(secrets, key, cut ? SEEN_LEN : key_len, cut, &clean, &hidden) == LARDER_OK) {
    done += escape(clean.data, clean.len, out + 1);
  } else {
    memcpy(out + done, "...", 3);
    done += 3;
  }
  memcpy(out + done, "`", 2);
  lrd_buf_fini(&clean);
  return out;
}
