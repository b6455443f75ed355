/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Types of elements. A plain one is `[<>|=] letter digits [unit]`. A structured one nests at most DEPTH_MAX lists; of its
 * fields only the sizes are added up, since its bytes are kept as they are and its text is handed on as it was written.
 */
#include "dtype.h"

#include <string.h>

#define DEPTH_MAX 16u

bool lrd_literal_wrong(lrd_literal *text, const char *mistake) {
  if (!text->mistake) text->mistake = mistake;
  return false;
}

void lrd_literal_blanks(lrd_literal *text) {
  while (text->at < text->end && (*text->at == ' ' || *text->at == '\n' || *text->at == '\t')) text->at++;
}

bool lrd_literal_take(lrd_literal *text, char wanted) {
  lrd_literal_blanks(text);
  if (text->at == text->end || *text->at != wanted) return false;
  text->at++;
  return true;
}

bool lrd_literal_string(lrd_literal *text, const char **out, size_t *len_out) {
  lrd_literal_blanks(text);
  if (text->at == text->end || (*text->at != '\'' && *text->at != '"'))
    return lrd_literal_wrong(text, "a quoted text is expected");
  char quote = *text->at++;
  const char *start = text->at;
  while (text->at < text->end && *text->at != quote && *text->at != '\n') {
    if (*text->at == '\\' && text->end - text->at > 1) text->at++;
    text->at++;
  }
  if (text->at == text->end || *text->at != quote) return lrd_literal_wrong(text, "a quote is not closed");
  *out = start;
  *len_out = (size_t)(text->at - start);
  text->at++;
  return true;
}

/* Digits; Python 2 wrote a long number with an L behind it. */
static bool literal_number(lrd_literal *text, uint64_t *out) {
  uint64_t number = 0;
  lrd_literal_blanks(text);
  const char *start = text->at;
  for (; text->at < text->end && *text->at >= '0' && *text->at <= '9'; text->at++) {
    if (!lrd_product(number, 10, &number) || __builtin_add_overflow(number, (uint64_t)(*text->at - '0'), &number))
      return lrd_literal_wrong(text, "a number is too large");
  }
  if (text->at == start) return lrd_literal_wrong(text, "a whole number, not below 0, is expected");
  if (text->at < text->end && *text->at == 'L') text->at++;
  *out = number;
  return true;
}

bool lrd_literal_shape(lrd_literal *text, bool number_too, uint64_t *shape, unsigned *dims_out) {
  unsigned dims = 0;
  bool comma = true;
  if (!lrd_literal_take(text, '(')) {
    if (!number_too) return lrd_literal_wrong(text, "a shape in brackets is expected");
    *dims_out = 1;
    return literal_number(text, &shape[0]);
  }
  while (!lrd_literal_take(text, ')')) {
    if (!comma) return lrd_literal_wrong(text, "a comma or ) is expected");
    if (dims == LARDER_ARRAY_DIMS_MAX) return lrd_literal_wrong(text, "there are more than 32 dimensions");
    if (!literal_number(text, &shape[dims++])) return false;
    comma = lrd_literal_take(text, ',');
  }
  if (dims == 1 && !comma) return lrd_literal_wrong(text, "a shape of one dimension has a comma behind its number");
  *dims_out = dims;
  return true;
}

static bool one_of(uint64_t size, uint64_t a, uint64_t b, uint64_t c, uint64_t d) {
  return size == a || size == b || size == c || size == d;
}

/* How many bytes the element of a kind with that number behind its letter has; false when there is none such. */
static bool plain_itemsize(char kind, uint64_t number, uint64_t *out) {
  *out = number;
  switch (kind) {
  case 'b':
    return number == 1;
  case 'i':
  case 'u':
    return one_of(number, 1, 2, 4, 8);
  case 'f': /* 12 and 16 are the longdouble of other and of this kind of machine */
    return one_of(number, 2, 4, 8, 16) || number == 12;
  case 'c':
    return one_of(number, 8, 16, 24, 32);
  case 'm':
  case 'M':
    return number == 8;
  case 'S':
  case 'V':
    return number <= INT32_MAX;
  case 'U':
    *out = number * 4;
    return number <= INT32_MAX / 4;
  default:
    return false;
  }
}

/* The unit of a time, `[ns]` or `[25s]`. */
static bool unit_skip(lrd_literal *text) {
  if (text->at == text->end || *text->at != '[') return true; /* a time of no particular unit */
  const char *start = text->at;
  while (text->at < text->end && *text->at != ']') {
    char c = *text->at++;
    bool fits = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == 'Y' || c == 'M' || c == 'W' || c == 'D' || c == '/';
    if (!(fits || (c == '[' && text->at == start + 1)) || text->at - start > 24)
      return lrd_literal_wrong(text, "the unit of a time is expected, such as [ns]");
  }
  if (text->at == text->end || text->at - start < 2) return lrd_literal_wrong(text, "the unit of a time is not closed");
  text->at++;
  return true;
}

/* A plain type from `at` to the end of the text. */
static bool plain_read(lrd_literal *text, larder_array *out) {
  char order = '<';
  uint64_t number = 0;
  const char *start = text->at;
  if (text->at < text->end && memchr("<>|=", *text->at, 4)) order = *text->at++;
  if (text->at == text->end) return lrd_literal_wrong(text, "the type is empty");
  char kind = *text->at++;
  if (kind == 'O')
    return lrd_literal_wrong(text, "it holds Python objects, which can't be read without running code; save numbers or texts");
  if (!memchr("biufcSUmMV", kind, 10)) return lrd_literal_wrong(text, "this type of numpy's is not known");
  if (!literal_number(text, &number)) return false;
  if (!plain_itemsize(kind, number, &out->itemsize)) return lrd_literal_wrong(text, "there is no type of that letter and size");
  if ((kind == 'm' || kind == 'M') && !unit_skip(text)) return false;
  if (text->at != text->end) return lrd_literal_wrong(text, "the type goes on behind its end");
  bool single = out->itemsize == 1 || kind == 'S' || kind == 'V';
  out->dtype = start;
  out->dtype_len = (size_t)(text->end - start);
  out->kind = kind;
  out->order = single ? '|' : order == '>' ? '>' : '<';
  return true;
}

static bool type_read(lrd_literal *text, unsigned depth, larder_array *out);

static bool field_name_read(lrd_literal *text) {
  const char *name;
  size_t len;
  if (!lrd_literal_take(text, '(')) return lrd_literal_string(text, &name, &len);
  if (!lrd_literal_string(text, &name, &len)) return false;
  if (!lrd_literal_take(text, ',')) return lrd_literal_wrong(text, "a title and a name are expected");
  if (!lrd_literal_string(text, &name, &len)) return false;
  return lrd_literal_take(text, ')') || lrd_literal_wrong(text, "a ) is expected");
}

/* `('name', type[, shape])`; its bytes are added to *total. */
static bool field_read(lrd_literal *text, unsigned depth, uint64_t *total) {
  larder_array inner = {0};
  unsigned dims = 0;
  if (!lrd_literal_take(text, '(')) return lrd_literal_wrong(text, "a field in brackets is expected");
  if (!field_name_read(text)) return false;
  if (!lrd_literal_take(text, ',')) return lrd_literal_wrong(text, "a comma and a type are expected");
  if (!type_read(text, depth, &inner)) return false;
  if (lrd_literal_take(text, ',')) {
    lrd_literal_blanks(text);
    bool shaped = text->at < text->end && *text->at != ')';
    if (shaped && !lrd_literal_shape(text, true, inner.shape, &dims)) return false;
  }
  if (!lrd_literal_take(text, ')')) return lrd_literal_wrong(text, "a ) is expected");
  for (unsigned i = 0; i < dims; i++)
    if (!lrd_product(inner.itemsize, inner.shape[i], &inner.itemsize))
      return lrd_literal_wrong(text, "an element is too large");
  if (__builtin_add_overflow(*total, inner.itemsize, total) || *total > INT32_MAX)
    return lrd_literal_wrong(text, "an element is too large");
  return true;
}

static bool type_read(lrd_literal *text, unsigned depth, larder_array *out) {
  lrd_literal_blanks(text);
  const char *start = text->at;
  if (!lrd_literal_take(text, '[')) {
    lrd_literal inner = {0};
    size_t len = 0;
    if (!lrd_literal_string(text, &inner.at, &len)) return false;
    inner.end = inner.at + len;
    if (plain_read(&inner, out)) return true;
    text->at = inner.at;
    return lrd_literal_wrong(text, inner.mistake);
  }
  if (depth == DEPTH_MAX) return lrd_literal_wrong(text, "types nest too deeply");
  uint64_t total = 0;
  bool comma = true;
  while (!lrd_literal_take(text, ']')) {
    if (!comma) return lrd_literal_wrong(text, "a comma or ] is expected");
    if (!field_read(text, depth + 1, &total)) return false;
    comma = lrd_literal_take(text, ',');
  }
  out->dtype = start;
  out->dtype_len = (size_t)(text->at - start);
  out->kind = 'V';
  out->order = '|';
  out->itemsize = total;
  return true;
}

bool lrd_dtype_read(lrd_literal *text, larder_array *out) { return type_read(text, 0, out); }

bool lrd_dtype_parse(lrd_literal *text, larder_array *out) {
  bool list = text->at < text->end && *text->at == '[';
  if (!list) return plain_read(text, out);
  if (!type_read(text, 0, out)) return false;
  return text->at == text->end || lrd_literal_wrong(text, "the type goes on behind its end");
}
