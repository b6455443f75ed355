/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A number is brought to digits × 10^exponent without zeros at either end, then written as JavaScript writes numbers: plain
 * where the point lies within 21 digits, else with an exponent. An exponent beyond what fits into 15 digits is left as it was
 * written: no program reads it as anything but infinity or zero.
 *
 * The reader bounds the depth, so going down by calls is safe.
 */
#include "mission/canonical_json.h"

#include <stdlib.h>

#define PLAIN_DIGITS_MAX    21
#define EXPONENT_DIGITS_MAX 15

/* --- numbers ---------------------------------------------------------------------------------------------------------------
 */

typedef struct decimal {
  bool negative;
  lrd_buf digits;
  int64_t exponent; /* of the last digit */
} decimal;

static bool exponent_read(const char *at, const char *end, int64_t *out) {
  bool negative = at < end && *at == '-';
  if (at < end && (*at == '-' || *at == '+')) at++;
  while (at < end && *at == '0') at++;
  if (end - at > EXPONENT_DIGITS_MAX) return false;
  int64_t value = 0;
  for (; at < end; at++) value = value * 10 + (*at - '0');
  *out = negative ? -value : value;
  return true;
}

static larder_err digits_read(const char *at, const char *end, decimal *d) {
  larder_err result = LARDER_OK;
  bool fraction = false;
  for (; at < end && *at != 'e' && *at != 'E' && result == LARDER_OK; at++) {
    if (*at == '.') {
      fraction = true;
      continue;
    }
    if (fraction) d->exponent--;
    if (*at != '0' || d->digits.len > 0) result = lrd_buf_append_byte(&d->digits, (uint8_t)*at);
  }
  while (d->digits.len > 0 && d->digits.data[d->digits.len - 1] == '0') {
    d->digits.len--;
    d->exponent++;
  }
  return result;
}

static larder_err zeros_append(lrd_buf *out, int64_t count) {
  larder_err result = LARDER_OK;
  for (; count > 0 && result == LARDER_OK; count--) result = lrd_buf_append_byte(out, '0');
  return result;
}

static larder_err decimal_write(const decimal *d, lrd_buf *out) {
  const char *digits = (const char *)d->digits.data;
  int64_t len = (int64_t)d->digits.len;
  int64_t point = len + d->exponent;                  /* digits before the point */
  if (len == 0) return lrd_buf_append_byte(out, '0'); /* zero has no sign */
  larder_err result = d->negative ? lrd_buf_append_byte(out, '-') : LARDER_OK;
  if (result != LARDER_OK) return result;
  if (d->exponent >= 0 && point <= PLAIN_DIGITS_MAX) {
    result = lrd_buf_append(out, digits, (size_t)len);
    return result == LARDER_OK ? zeros_append(out, d->exponent) : result;
  }
  if (point > 0 && point <= PLAIN_DIGITS_MAX) {
    result = lrd_buf_printf(out, "%.*s.", (int)point, digits);
    return result == LARDER_OK ? lrd_buf_append(out, digits + point, (size_t)(len - point)) : result;
  }
  if (point <= 0 && point > -6) {
    result = lrd_buf_append_str(out, "0.");
    if (result == LARDER_OK) result = zeros_append(out, -point);
    return result == LARDER_OK ? lrd_buf_append(out, digits, (size_t)len) : result;
  }
  result = lrd_buf_append(out, digits, 1);
  if (result == LARDER_OK && len > 1) result = lrd_buf_append_byte(out, '.');
  if (result == LARDER_OK && len > 1) result = lrd_buf_append(out, digits + 1, (size_t)len - 1);
  return result == LARDER_OK ? lrd_buf_printf(out, "e%lld", (long long)(point - 1)) : result;
}

larder_err lrd_json_canonical_number(const char *text, size_t len, lrd_buf *out) {
  const char *end = text + len;
  const char *mark = text;
  while (mark < end && *mark != 'e' && *mark != 'E') mark++;
  decimal d = {.negative = len > 0 && *text == '-'};
  if (mark < end && !exponent_read(mark + 1, end, &d.exponent)) return lrd_buf_append(out, text, len);
  larder_err result = digits_read(text + (d.negative ? 1 : 0), end, &d);
  if (result == LARDER_OK) result = decimal_write(&d, out);
  lrd_buf_fini(&d.digits);
  return result;
}

/* --- strings and containers ------------------------------------------------------------------------------------------------
 */

static larder_err quoted(const char *text, size_t len, lrd_buf *out) {
  larder_err result = lrd_buf_append_byte(out, '"');
  for (size_t i = 0; i < len && result == LARDER_OK; i++) {
    unsigned char c = (unsigned char)text[i];
    if (c == '"' || c == '\\') {
      result = lrd_buf_printf(out, "\\%c", c);
    } else if (c < 0x20) {
      result = lrd_buf_printf(out, "\\u%04x", c);
    } else {
      result = lrd_buf_append_byte(out, c);
    }
  }
  return result == LARDER_OK ? lrd_buf_append_byte(out, '"') : result;
}

static larder_err string_write(const lrd_json_doc *doc, uint32_t node, lrd_buf *out) {
  lrd_buf text = {0};
  larder_err result = lrd_json_string_append(doc, node, &text);
  if (result == LARDER_OK) result = quoted((const char *)text.data, text.len, out);
  lrd_buf_fini(&text);
  return result;
}

typedef struct member {
  const lrd_buf *names; /* all names of the object, one after the other */
  size_t at;
  size_t len;
  uint32_t key;
} member;

static const char *name_of(const member *m) { return m->names->data ? (const char *)m->names->data + m->at : ""; }

static int member_order(const void *a, const void *b) {
  const member *x = a;
  const member *y = b;
  size_t len = x->len < y->len ? x->len : y->len;
  int by_bytes = memcmp(name_of(x), name_of(y), len);
  if (by_bytes != 0) return by_bytes;
  return x->len < y->len ? -1 : x->len > y->len;
}

static larder_err members_write(const lrd_json_doc *doc, const member *members, size_t count, lrd_buf *out,
                                size_t *mistake_at) {
  larder_err result = LARDER_OK;
  for (size_t i = 0; i < count && result == LARDER_OK; i++) {
    const member *m = &members[i];
    if (i > 0 && member_order(m, m - 1) == 0) {
      *mistake_at = doc->nodes[m->key].at > doc->nodes[m[-1].key].at ? doc->nodes[m->key].at : doc->nodes[m[-1].key].at;
      return LARDER_EINVAL;
    }
    if (i > 0) result = lrd_buf_append_byte(out, ',');
    if (result == LARDER_OK) result = quoted(name_of(m), m->len, out);
    if (result == LARDER_OK) result = lrd_buf_append_byte(out, ':');
    if (result == LARDER_OK) result = lrd_json_canonical(doc, doc->nodes[m->key].next, out, mistake_at);
  }
  return result;
}

static larder_err object_write(const lrd_json_doc *doc, uint32_t node, lrd_buf *out, size_t *mistake_at) {
  size_t count = doc->nodes[node].count;
  lrd_buf names = {0};
  member *members = count > 0 ? lrd_alloc(count * sizeof *members) : NULL;
  larder_err result = count > 0 && !members ? LARDER_ENOMEM : lrd_buf_append_byte(out, '{');
  uint32_t key = lrd_json_first(doc, node);
  for (size_t i = 0; i < count && result == LARDER_OK; i++) {
    members[i] = (member){.names = &names, .at = names.len, .key = key};
    result = lrd_json_string_append(doc, key, &names);
    members[i].len = names.len - members[i].at;
    key = doc->nodes[doc->nodes[key].next].next;
  }
  if (result == LARDER_OK && count > 1) qsort(members, count, sizeof *members, member_order);
  if (result == LARDER_OK) result = members_write(doc, members, count, out, mistake_at);
  if (result == LARDER_OK) result = lrd_buf_append_byte(out, '}');
  lrd_dealloc(members);
  lrd_buf_fini(&names);
  return result;
}

static larder_err array_write(const lrd_json_doc *doc, uint32_t node, lrd_buf *out, size_t *mistake_at) {
  larder_err result = lrd_buf_append_byte(out, '[');
  uint32_t at = lrd_json_first(doc, node);
  for (size_t i = 0; i < doc->nodes[node].count && result == LARDER_OK; i++, at = doc->nodes[at].next) {
    if (i > 0) result = lrd_buf_append_byte(out, ',');
    if (result == LARDER_OK) result = lrd_json_canonical(doc, at, out, mistake_at);
  }
  return result == LARDER_OK ? lrd_buf_append_byte(out, ']') : result;
}

larder_err lrd_json_canonical(const lrd_json_doc *doc, uint32_t node, lrd_buf *out, size_t *mistake_at) {
  const lrd_json_node *n = &doc->nodes[node];
  switch (lrd_json_type_of(doc, node)) {
  case LRD_JSON_NULL:
  case LRD_JSON_FALSE:
  case LRD_JSON_TRUE:
    break;
  case LRD_JSON_NUMBER:
    return lrd_json_canonical_number(doc->text + n->at, n->len, out);
  case LRD_JSON_STRING:
    return string_write(doc, node, out);
  case LRD_JSON_ARRAY:
    return array_write(doc, node, out, mistake_at);
  case LRD_JSON_OBJECT:
    return object_write(doc, node, out, mistake_at);
  }
  return lrd_buf_append(out, doc->text + n->at, n->len);
}
