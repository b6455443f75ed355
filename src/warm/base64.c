/* SPDX-License-Identifier: Apache-2.0 */
/* libcrypto does the work, a piece at a time; its decoder takes white space and padding anywhere, so that is looked at here. */
#include "base64.h"

#include <openssl/evp.h>

#define PIECE ((size_t)48 << 10) /* of three bytes and of four characters a whole number */

larder_err lrd_base64_append(lrd_buf *out, const void *data, size_t len) {
  const uint8_t *at = data;
  /* The encoder ends with a NUL. */
  larder_err err = lrd_buf_reserve(out, len / 3 * 4 + 5);
  while (err == LARDER_OK && len > 0) {
    size_t piece = len < PIECE ? len : PIECE;
    out->len += (size_t)EVP_EncodeBlock(out->data + out->len, at, (int)piece);
    at += piece;
    len -= piece;
  }
  return err;
}

static bool is_base64(const uint8_t *text, size_t len) {
  size_t padding = 0;
  if (len % 4 != 0) return false;
  while (padding < 2 && padding < len && text[len - 1 - padding] == '=') padding++;
  for (size_t i = 0; i < len - padding; i++) {
    uint8_t c = text[i];
    bool fits = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
    if (!fits) return false;
  }
  return true;
}

larder_err lrd_base64_undo(uint8_t *text, size_t *len_inout) {
  size_t len = *len_inout, made = 0;
  if (!is_base64(text, len)) return LARDER_EINVAL;
  size_t padding = len == 0 ? 0 : (size_t)(text[len - 1] == '=') + (text[len - 2] == '=');
  for (size_t at = 0; at < len;) {
    uint8_t plain[PIECE / 4 * 3];
    size_t piece = len - at < PIECE ? len - at : PIECE;
    int got = EVP_DecodeBlock(plain, text + at, (int)piece);
    if (got < 0) return LARDER_EINVAL;
    memcpy(text + made, plain, (size_t)got);
    made += (size_t)got;
    at += piece;
  }
  *len_inout = made - padding;
  return LARDER_OK;
}
