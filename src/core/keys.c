/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deterministic keys from named parameters. Parameters are sorted, escaped and joined into one text; a text above 200
 * characters is cut to a readable front and a digest of the whole.
 */
#include "base/bytes.h"
#include "base/sha256.h"
#include <larder/larder.h>
#include <stdlib.h>

#define KEY_TEXT_MAX   200u
#define ENDPOINT_FRONT 167u
#define SOURCE_FRONT   160u
#define ROOM_MIN       256u

static int param_order(const void *a, const void *b) {
  const larder_param *x = a;
  const larder_param *y = b;
  int by_name = strcmp(x->name, y->name);
  return by_name ? by_name : strcmp(x->value, y->value);
}

static larder_err append_escaped(lrd_buf *text, const char *part) {
  larder_err result = LARDER_OK;
  for (; *part && result == LARDER_OK; part++) {
    unsigned char c = (unsigned char)*part;
    if (c == '%' || c == '&' || c == '=' || c == '|' || c < 0x20 || c == 0x7f) {
      result = lrd_buf_printf(text, "%%%02X", c);
    } else {
      result = lrd_buf_append_byte(text, c);
    }
  }
  return result;
}

static larder_err join_params(lrd_buf *text, const larder_param *params, size_t count, char first) {
  larder_err result = LARDER_OK;
  larder_param *sorted = count > 0 ? lrd_alloc(count * sizeof *sorted) : NULL;
  if (count > 0 && !sorted) {
    return LARDER_ENOMEM;
  }
  for (size_t i = 0; i < count; i++) {
    if (!params[i].name || !params[i].value || params[i].name[0] == 0) {
      result = LARDER_EINVAL;
    }
    if (sorted) {
      sorted[i] = params[i];
    }
  }
  if (result == LARDER_OK && count > 0) {
    qsort(sorted, count, sizeof *sorted, param_order);
  }
  for (size_t i = 0; i < count && result == LARDER_OK; i++) {
    result = lrd_buf_append_byte(text, (uint8_t)(i == 0 ? first : '&'));
    if (result == LARDER_OK) {
      result = append_escaped(text, sorted[i].name);
    }
    if (result == LARDER_OK) {
      result = lrd_buf_append_byte(text, '=');
    }
    if (result == LARDER_OK) {
      result = append_escaped(text, sorted[i].value);
    }
  }
  lrd_dealloc(sorted);
  return result;
}

/* The text as it is, or its front, a mark and `digits` hex digits of its SHA-256. */
static larder_err key_write(const lrd_buf *text, size_t front, char mark, unsigned digits, char *out, size_t room,
                            size_t *len_out) {
  uint8_t digest[LRD_SHA256_LEN];
  char hex[LRD_SHA256_HEX_LEN + 1];
  if (room < ROOM_MIN) {
    return LARDER_ETOOBIG;
  }
  if (text->len <= KEY_TEXT_MAX) {
    memcpy(out, text->data, text->len);
    out[text->len] = 0;
    *len_out = text->len;
    return LARDER_OK;
  }
  lrd_sha256_of(text->data, text->len, digest);
  lrd_sha256_hex(digest, hex);
  memcpy(out, text->data, front);
  out[front] = mark;
  memcpy(out + front + 1, hex, digits);
  out[front + 1 + digits] = 0;
  *len_out = front + 1 + digits;
  return LARDER_OK;
}

static larder_err key_build(const char *name, const larder_param *params, size_t count, bool endpoint, char *out, size_t room,
                            size_t *len_out) {
  lrd_buf text = {0};
  if (!name || name[0] == 0 || (!params && count > 0) || !out || !len_out) {
    return LARDER_EINVAL;
  }
  larder_err result = lrd_buf_append_str(&text, name);
  if (result == LARDER_OK) {
    result = join_params(&text, params, count, endpoint ? '|' : ':');
  }
  if (result == LARDER_OK) {
    size_t name_len = strlen(name);
    size_t front = endpoint ? ENDPOINT_FRONT : name_len < SOURCE_FRONT ? name_len : SOURCE_FRONT;
    result = key_write(&text, front, endpoint ? '#' : ':', endpoint ? 32 : 16, out, room, len_out);
  }
  lrd_buf_fini(&text);
  return result;
}

larder_err larder_key_for_endpoint(const char *endpoint, const larder_param *params, size_t count, char *out, size_t room,
                                   size_t *len_out) {
  return key_build(endpoint, params, count, true, out, room, len_out);
}

larder_err larder_key_for_source(const char *source, const larder_param *params, size_t count, char *out, size_t room,
                                 size_t *len_out) {
  return key_build(source, params, count, false, out, room, len_out);
}
