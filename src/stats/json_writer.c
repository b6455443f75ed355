/* SPDX-License-Identifier: Apache-2.0 */
/* A stack of "is it still empty" bits decides about commas. Depth above the bound is our own mistake. */
#include "json_writer.h"

#include "base/fail.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void put(lrd_json *json, const char *text, size_t len) {
  if (json->err == LARDER_OK) json->err = lrd_buf_append(json->out, text, len);
}

static void put_line(lrd_json *json) {
  if (!json->indent) return;
  put(json, "\n", 1);
  for (unsigned i = 0; i < json->depth; i++) put(json, "  ", 2);
}

/* What stands before any value. */
static void value_begin(lrd_json *json) {
  if (json->after_key) {
    json->after_key = false;
    return;
  }
  if (!json->empty[json->depth]) put(json, ",", 1);
  json->empty[json->depth] = false;
  if (json->depth) put_line(json);
}

void lrd_json_init(lrd_json *json, lrd_buf *out, bool indent) {
  *json = (lrd_json){.out = out, .indent = indent};
  json->empty[0] = true;
}

static void nest(lrd_json *json, const char *bracket) {
  value_begin(json);
  put(json, bracket, 1);
  LRD_ASSERT(json->depth < LRD_JSON_DEPTH_MAX);
  json->empty[++json->depth] = true;
}

static void unnest(lrd_json *json, const char *bracket) {
  LRD_ASSERT(json->depth > 0);
  bool empty = json->empty[json->depth--];
  if (!empty) put_line(json);
  put(json, bracket, 1);
}

void lrd_json_object_begin(lrd_json *json) { nest(json, "{"); }
void lrd_json_object_end(lrd_json *json) { unnest(json, "}"); }
void lrd_json_array_begin(lrd_json *json) { nest(json, "["); }
void lrd_json_array_end(lrd_json *json) { unnest(json, "]"); }

size_t lrd_utf8_char(const void *text, size_t len) {
  const uint8_t *at = text;
  if (len == 0) return 0;
  if (at[0] < 0x80) return 1;
  size_t size = at[0] >= 0xC2 && at[0] <= 0xDF ? 2 : (at[0] & 0xF0) == 0xE0 ? 3 : at[0] >= 0xF0 && at[0] <= 0xF4 ? 4 : 0;
  if (size == 0 || size > len) return 0;
  for (size_t i = 1; i < size; i++)
    if ((at[i] & 0xC0) != 0x80) return 0;
  /* Overlong forms, surrogates, and what is above U+10FFFF. */
  if (at[0] == 0xE0 && at[1] < 0xA0) return 0;
  if (at[0] == 0xED && at[1] > 0x9F) return 0;
  if (at[0] == 0xF0 && at[1] < 0x90) return 0;
  if (at[0] == 0xF4 && at[1] > 0x8F) return 0;
  return size;
}

/* How much of it needs no look: ASCII that is written as it is. */
static size_t plain_run(const char *text, size_t len) {
  size_t run = 0;
  while (run < len && text[run] >= 0x20 && text[run] < 0x7F && text[run] != '"' && text[run] != '\\') run++;
  return run;
}

static void put_quoted(lrd_json *json, const void *text, size_t len) {
  const char *at = text;
  put(json, "\"", 1);
  for (size_t i = 0; i < len;) {
    size_t run = plain_run(at + i, len - i);
    if (run > 0) {
      put(json, at + i, run);
      i += run;
      continue;
    }
    unsigned char c = (unsigned char)at[i];
    size_t size = lrd_utf8_char(at + i, len - i);
    char escape[8];
    if (size == 0) {
      put(json, "\xEF\xBF\xBD", 3);
      size = 1;
    } else if (c == '"' || c == '\\') {
      escape[0] = '\\';
      escape[1] = (char)c;
      put(json, escape, 2);
    } else if (c < 0x20 || c == 0x7F) {
      snprintf(escape, sizeof escape, "\\u%04x", c);
      put(json, escape, 6);
    } else {
      put(json, at + i, size);
    }
    i += size;
  }
  put(json, "\"", 1);
}

void lrd_json_key(lrd_json *json, const char *key) {
  LRD_ASSERT(!json->after_key);
  value_begin(json);
  put_quoted(json, key, strlen(key));
  put(json, json->indent ? ": " : ":", json->indent ? 2 : 1);
  json->after_key = true;
}

void lrd_json_bytes(lrd_json *json, const void *text, size_t len) {
  value_begin(json);
  put_quoted(json, text, len);
}

void lrd_json_string(lrd_json *json, const char *text) { lrd_json_bytes(json, text, strlen(text)); }

static void put_word(lrd_json *json, const char *word) {
  value_begin(json);
  put(json, word, strlen(word));
}

void lrd_json_u64(lrd_json *json, uint64_t value) {
  char text[24];
  snprintf(text, sizeof text, "%" PRIu64, value);
  put_word(json, text);
}

void lrd_json_i64(lrd_json *json, int64_t value) {
  char text[24];
  snprintf(text, sizeof text, "%" PRId64, value);
  put_word(json, text);
}

void lrd_number_format(double value, char *out, size_t room) {
  char text[64];
  for (int digits = 6; digits <= 17; digits = digits == 6 ? 15 : digits + 1) {
    snprintf(text, sizeof text, "%.*g", digits, value);
    if (strtod(text, NULL) == value) break;
  }
  /* printf's decimal point is the locale's, and may have several bytes. */
  size_t len = 0;
  bool point = false;
  for (const char *at = text; *at && len + 1 < room; at++) {
    bool ours = (*at >= '0' && *at <= '9') || *at == '-' || *at == '+' || *at == 'e';
    if (ours)
      out[len++] = *at;
    else if (!point)
      out[len++] = '.';
    point = point || !ours;
  }
  out[len] = '\0';
}

void lrd_json_double(lrd_json *json, double value) {
  if (!isfinite(value)) {
    lrd_json_null(json);
    return;
  }
  char text[40];
  lrd_number_format(value, text, sizeof text);
  put_word(json, text);
}

void lrd_json_bool(lrd_json *json, bool value) { put_word(json, value ? "true" : "false"); }

void lrd_json_null(lrd_json *json) { put_word(json, "null"); }

void lrd_json_raw(lrd_json *json, const char *text, size_t len) {
  value_begin(json);
  put(json, text, len);
}
