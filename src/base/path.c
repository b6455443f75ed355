/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Percent-encoding with one spelling per name: decode takes exactly what encode writes, so that two files never stand for
 * one name. The empty name is a lone `%`.
 */
#include "path.h"

static bool path_is_plain(uint8_t c, bool first) {
  if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) return true;
  if (c == '.') return !first;
  return c == '-' || c == '_' || c == '=' || c == ',' || c == '+' || c == '@';
}

char *lrd_path_join(const char *a, const char *b) {
  size_t a_len = strlen(a);
  size_t b_len = strlen(b);
  bool slash = a_len && a[a_len - 1] != '/';
  char *path = lrd_alloc(a_len + slash + b_len + 1);
  if (!path) return NULL;
  memcpy(path, a, a_len);
  if (slash) path[a_len] = '/';
  memcpy(path + a_len + slash, b, b_len + 1);
  return path;
}

larder_err lrd_path_encode(lrd_buf *out, const void *name, size_t len) {
  static const char hex[] = "0123456789ABCDEF";
  const uint8_t *bytes = name;
  if (len > (SIZE_MAX - 1) / 3) return LARDER_ENOMEM;
  larder_err err = lrd_buf_reserve(out, len * 3 + 1);
  if (err != LARDER_OK) return err;
  if (len == 0) out->data[out->len++] = '%';
  for (size_t i = 0; i < len; i++) {
    if (path_is_plain(bytes[i], i == 0)) {
      out->data[out->len++] = bytes[i];
    } else {
      out->data[out->len++] = '%';
      out->data[out->len++] = (uint8_t)hex[bytes[i] >> 4];
      out->data[out->len++] = (uint8_t)hex[bytes[i] & 15];
    }
  }
  return LARDER_OK;
}

static int path_hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

larder_err lrd_path_decode(lrd_buf *out, const char *name, size_t len) {
  if (len == 0) return LARDER_EINVAL;
  if (len == 1 && name[0] == '%') return LARDER_OK;
  larder_err err = lrd_buf_reserve(out, len);
  if (err != LARDER_OK) return err;
  size_t done = out->len;
  for (size_t i = 0; i < len; i++) {
    bool first = i == 0;
    uint8_t c = (uint8_t)name[i];
    if (c == '%') {
      int high = i + 2 < len ? path_hex(name[i + 1]) : -1;
      int low = i + 2 < len ? path_hex(name[i + 2]) : -1;
      if (high < 0 || low < 0) return LARDER_EINVAL;
      c = (uint8_t)(high * 16 + low);
      if (path_is_plain(c, first)) return LARDER_EINVAL;
      i += 2;
    } else if (!path_is_plain(c, first)) {
      return LARDER_EINVAL;
    }
    out->data[done++] = c;
  }
  /* Only now, so that a refused name leaves the buffer's content as it was. */
  out->len = done;
  return LARDER_OK;
}
