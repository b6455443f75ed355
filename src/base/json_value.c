/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the nodes of a parsed document mean. The text has been validated, so unescaping needs no checks.
 *
 * Numbers stay text until asked for. They are read as decimal digits and a power of ten: an integer is exact or refused
 * (1.0 and 1e3 are integers, 1.5 is none), and a double goes through strtod as digits without a point, which every locale
 * reads alike. Up to 800 digits count; more than 767 never change a double, except that something other than zero follows.
 */
#include "json_read.h"

#include "fail.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const lrd_json_node *node_of(const lrd_json_doc *doc, uint32_t node, lrd_json_type type) {
  return node < doc->nodes_len && doc->nodes[node].type == type ? &doc->nodes[node] : NULL;
}

lrd_json_type lrd_json_type_of(const lrd_json_doc *doc, uint32_t node) {
  return node < doc->nodes_len ? (lrd_json_type)doc->nodes[node].type : LRD_JSON_NULL;
}

uint32_t lrd_json_first(const lrd_json_doc *doc, uint32_t container) {
  if (container >= doc->nodes_len || doc->nodes[container].count == 0) return 0;
  return container + 1;
}

uint32_t lrd_json_member(const lrd_json_doc *doc, uint32_t object, const char *name) {
  const lrd_json_node *found = node_of(doc, object, LRD_JSON_OBJECT);
  uint32_t value = 0;
  for (uint32_t key = object + 1; found && key < found->next; key = doc->nodes[key + 1].next)
    if (lrd_json_string_is(doc, key, name)) value = key + 1;
  return value;
}

/* --- strings --------------------------------------------------------------------------------------------------------- */

static uint32_t hex4_valid(const char *at) {
  uint32_t value = 0;
  for (unsigned i = 0; i < 4; i++) value = value << 4 | (((uint8_t)at[i] & 0xFu) + ((uint8_t)at[i] >> 6) * 9u);
  return value;
}

static size_t utf8_write(uint32_t code, uint8_t out[4]) {
  if (code < 0x80) {
    out[0] = (uint8_t)code;
    return 1;
  }
  size_t len = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  for (size_t i = len - 1; i > 0; i--, code >>= 6) out[i] = (uint8_t)(0x80 | (code & 0x3F));
  static const uint8_t front[] = {0, 0, 0xC0, 0xE0, 0xF0};
  out[0] = (uint8_t)(front[len] | code);
  return len;
}

/* *at is on a backslash and moves behind the escape; 1 to 4 bytes go to out. */
static size_t unescape(const char **at, uint8_t out[4]) {
  static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
  char letter = (*at)[1];
  if (letter != 'u') {
    out[0] = (uint8_t)meanings[strchr(letters, letter) - letters];
    *at += 2;
    return 1;
  }
  uint32_t code = hex4_valid(*at + 2);
  *at += 6;
  if (code >= 0xD800 && code <= 0xDBFF) {
    code = 0x10000 + ((code - 0xD800) << 10) + (hex4_valid(*at + 2) - 0xDC00);
    *at += 6;
  }
  return utf8_write(code, out);
}

bool lrd_json_string_is(const lrd_json_doc *doc, uint32_t node, const char *text) {
  const lrd_json_node *found = node_of(doc, node, LRD_JSON_STRING);
  if (!found) return false;
  const char *at = doc->text + found->at, *end = at + found->len;
  size_t len = strlen(text);
  if (!found->escaped) return found->len == len && memcmp(at, text, len) == 0;
  const char *rest = text, *rest_end = text + len;
  while (at < end) {
    uint8_t piece[4] = {(uint8_t)*at};
    size_t size = 1;
    if (*at == '\\')
      size = unescape(&at, piece);
    else
      at++;
    if ((size_t)(rest_end - rest) < size || memcmp(rest, piece, size) != 0) return false;
    rest += size;
  }
  return rest == rest_end;
}

larder_err lrd_json_string_append(const lrd_json_doc *doc, uint32_t node, lrd_buf *out) {
  const lrd_json_node *found = node_of(doc, node, LRD_JSON_STRING);
  LRD_ASSERT(found != NULL);
  const char *at = doc->text + found->at, *end = at + found->len;
  if (!found->escaped) return lrd_buf_append(out, at, found->len);
  /* Never longer than with its escapes. */
  larder_err err = lrd_buf_reserve(out, found->len);
  if (err != LARDER_OK) return err;
  while (at < end) {
    const char *escape = memchr(at, '\\', (size_t)(end - at));
    size_t plain = (size_t)((escape ? escape : end) - at);
    memcpy(out->data + out->len, at, plain);
    out->len += plain;
    at += plain;
    if (escape) out->len += unescape(&at, out->data + out->len);
  }
  return LARDER_OK;
}

/* --- numbers --------------------------------------------------------------------------------------------------------- */

#define DIGITS_MAX 800u

/* digits × 10^exponent, without zeros at either end (behind only when all digits are here); count 0 is zero. */
typedef struct decimal {
  char digits[DIGITS_MAX + 1];
  size_t count;
  int64_t exponent;
  bool negative;
  bool more; /* digits other than zero did not fit */
} decimal;

/* The exponent as written; far out of every range it no longer matters how far. */
static int64_t exponent_read(const char *at, const char *end) {
  bool negative = *at == '-';
  if (*at == '-' || *at == '+') at++;
  int64_t exponent = 0;
  for (; at < end; at++)
    if (exponent < INT64_C(1000000000000)) exponent = exponent * 10 + (*at - '0');
  return negative ? -exponent : exponent;
}

static void decimal_read(decimal *out, const char *at, size_t len) {
  const char *end = at + len;
  bool fraction = false;
  out->count = 0;
  out->exponent = 0;
  out->more = false;
  out->negative = *at == '-';
  if (out->negative) at++;
  for (; at < end && *at != 'e' && *at != 'E'; at++) {
    if (*at == '.') {
      fraction = true;
      continue;
    }
    if (fraction) out->exponent--;
    if (out->count == 0 && *at == '0') continue;
    if (out->count < DIGITS_MAX) {
      out->digits[out->count++] = *at;
    } else {
      out->exponent++;
      out->more = out->more || *at != '0';
    }
  }
  if (at < end) out->exponent += exponent_read(at + 1, end);
  while (!out->more && out->count > 0 && out->digits[out->count - 1] == '0') {
    out->count--;
    out->exponent++;
  }
}

/* The absolute value, when it is an integer of 64 bits. */
static bool decimal_u64(const decimal *number, uint64_t *out) {
  uint64_t value = 0;
  if (number->count > 0) {
    if (number->more || number->exponent < 0 || number->exponent > 20 || number->count > 20) return false;
    for (size_t i = 0; i < number->count + (size_t)number->exponent; i++) {
      uint64_t digit = i < number->count ? (uint64_t)(number->digits[i] - '0') : 0;
      if (value > (UINT64_MAX - digit) / 10) return false;
      value = value * 10 + digit;
    }
  }
  *out = value;
  return true;
}

bool lrd_json_u64_of(const lrd_json_doc *doc, uint32_t node, uint64_t *out) {
  const lrd_json_node *found = node_of(doc, node, LRD_JSON_NUMBER);
  decimal number;
  uint64_t value;
  if (!found) return false;
  decimal_read(&number, doc->text + found->at, found->len);
  if (!decimal_u64(&number, &value) || (number.negative && value > 0)) return false;
  *out = value;
  return true;
}

bool lrd_json_i64_of(const lrd_json_doc *doc, uint32_t node, int64_t *out) {
  const lrd_json_node *found = node_of(doc, node, LRD_JSON_NUMBER);
  decimal number;
  uint64_t value;
  if (!found) return false;
  decimal_read(&number, doc->text + found->at, found->len);
  if (!decimal_u64(&number, &value) || value > (uint64_t)INT64_MAX + number.negative) return false;
  *out = number.negative ? (int64_t)(~value + 1) : (int64_t)value;
  return true;
}

bool lrd_json_double_of(const lrd_json_doc *doc, uint32_t node, double *out) {
  const lrd_json_node *found = node_of(doc, node, LRD_JSON_NUMBER);
  decimal number;
  char text[DIGITS_MAX + 32];
  if (!found) return false;
  decimal_read(&number, doc->text + found->at, found->len);
  if (number.count > 0) {
    /* Digits that did not fit lie between this number and the next of as many digits: one more digit stands for them. */
    int64_t exponent = number.exponent;
    memcpy(text, number.digits, number.count);
    size_t len = number.count;
    if (number.more) {
      text[len++] = '1';
      exponent--;
    }
    if (exponent > 100000) exponent = 100000;
    if (exponent < -100000) exponent = -100000;
    snprintf(text + len, sizeof text - len, "e%" PRId64, exponent);
  } else {
    memcpy(text, "0", 2);
  }
  double value = strtod(text, NULL);
  if (!isfinite(value)) return false;
  *out = number.negative ? -value : value;
  return true;
}

void lrd_json_place(const char *text, size_t len, size_t at, unsigned *line_out, unsigned *column_out) {
  unsigned line = 1, column = 1;
  if (at > len) at = len;
  for (size_t i = 0; i < at; i++) {
    if (text[i] == '\n') {
      line++;
      column = 1;
    } else if (((uint8_t)text[i] & 0xC0) != 0x80) {
      column++;
    }
  }
  *line_out = line;
  *column_out = column;
}
