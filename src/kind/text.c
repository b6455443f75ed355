/* SPDX-License-Identifier: Apache-2.0 */
/* Whether bytes are text: UTF-8 as RFC 3629 has it, and nothing that a terminal would obey. */
#include "formats.h"

/* Length of the sequence that begins at data, or 0. Overlong forms, surrogates and what is above U+10FFFF are none. */
static size_t sequence_len(const uint8_t *data, size_t left) {
  static const struct {
    uint8_t first, last, second_least, second_most, len;
  } forms[] = {{0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
               {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
               {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4}};
  for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
    if (data[0] < forms[i].first || data[0] > forms[i].last) continue;
    if (left < forms[i].len || data[1] < forms[i].second_least || data[1] > forms[i].second_most) return 0;
    for (size_t k = 2; k < forms[i].len; k++)
      if ((data[k] & 0xc0) != 0x80) return 0;
    return forms[i].len;
  }
  return 0;
}

bool lrd_text_is(const void *data, size_t len) {
  const uint8_t *bytes = data;
  for (size_t at = 0; at < len;) {
    uint8_t c = bytes[at];
    size_t step = 1;
    if (c >= 0x80) step = sequence_len(bytes + at, len - at);
    if (step == 0 || c == 0x7f || (c < 32 && c != '\t' && c != '\n' && c != '\r' && c != '\f')) return false;
    at += step;
  }
  return true;
}
