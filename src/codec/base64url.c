/* SPDX-License-Identifier: Apache-2.0 */
/* Three bytes are four characters. Strict on the way back: no blanks, no bits left over, padding where it belongs. */
#include "base64url.h"

#include <stdint.h>

#define NONE 0xffu

void lrd_base64url_encode(const void *in, size_t len, char *out) {
  static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const uint8_t *at = in;
  size_t i = 0;
  for (; i + 3 <= len; i += 3, out += 4) {
    uint32_t const bits = (uint32_t)at[i] << 16 | (uint32_t)at[i + 1] << 8 | at[i + 2];
    out[0] = letters[bits >> 18];
    out[1] = letters[bits >> 12 & 63];
    out[2] = letters[bits >> 6 & 63];
    out[3] = letters[bits & 63];
  }
  if (i == len) return;
  uint32_t const bits = (uint32_t)at[i] << 16 | (i + 1 < len ? (uint32_t)at[i + 1] << 8 : 0);
  out[0] = letters[bits >> 18];
  out[1] = letters[bits >> 12 & 63];
  out[2] = i + 1 < len ? letters[bits >> 6 & 63] : '=';
  out[3] = '=';
}

static uint8_t value_of(char c) {
  if (c >= 'A' && c <= 'Z') return (uint8_t)(c - 'A');
  if (c >= 'a' && c <= 'z') return (uint8_t)(c - 'a' + 26);
  if (c >= '0' && c <= '9') return (uint8_t)(c - '0' + 52);
  if (c == '-') return 62;
  return c == '_' ? 63 : NONE;
}

bool lrd_base64url_decode(const char *text, size_t len, void *out, size_t *out_len) {
  uint8_t *to = out;
  *out_len = 0;
  if (len % 4 != 0) return false;
  size_t const pads = len == 0 || text[len - 1] != '=' ? 0 : text[len - 2] == '=' ? 2 : 1;
  size_t bytes = 0;
  for (size_t i = 0; i < len; i += 4) {
    size_t const letters = i + 4 == len ? 4 - pads : 4;
    uint32_t bits = 0;
    for (size_t k = 0; k < 4; k++) {
      uint8_t const value = k < letters ? value_of(text[i + k]) : 0;
      if (value == NONE) return false;
      bits = bits << 6 | value;
    }
    for (size_t k = 0; k + 1 < letters; k++) to[bytes++] = (uint8_t)(bits >> (16 - 8 * k));
    if ((letters == 2 && (bits & 0xffff) != 0) || (letters == 3 && (bits & 0xff) != 0)) return false;
  }
  *out_len = bytes;
  return true;
}
