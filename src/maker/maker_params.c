/* SPDX-License-Identifier: Apache-2.0 */
/* Parameters between text and value. What is read is spelled again for the key, so 1.50, 1.5 and 15e-1 are one key. */
#include "maker/maker.h"

#include "base/fail.h"
#include "base/quantity.h"
#include "stats/json_writer.h"
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* strtod in the C locale, and only plain decimal numbers. */
static bool real_read(const char *text, double *out) {
  size_t len = strlen(text);
  if (len == 0 || len > 40 || strspn(text, "0123456789+-.eE") != len) return false;
  locale_t plain = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0);
  if (plain == (locale_t)0) return false;
  char *end = NULL;
  double value = strtod_l(text, &end, plain);
  freelocale(plain);
  if (*end != '\0' || !isfinite(value)) return false;
  *out = value == 0 ? 0 : value; /* no negative zero: it would spell another key */
  return true;
}

static bool whole_read(const char **at, uint64_t *out) {
  uint64_t value = 0;
  size_t digits = 0;
  for (; (*at)[digits] >= '0' && (*at)[digits] <= '9'; digits++) {
    if (digits == 15) return false;
    value = value * 10 + (uint64_t)((*at)[digits] - '0');
  }
  if (digits == 0) return false;
  *at += digits;
  *out = value;
  return true;
}

static bool within(const larder_recipe_param *row, double value) { return value >= row->min && value <= row->max; }

static bool sizes_read(const larder_recipe_param *row, const char *text, lrd_param_value *out) {
  if (text[0] == '\0') return row->fallback != NULL && row->fallback[0] == '\0';
  for (;;) {
    uint64_t size = 0;
    if (out->axes == 3 || !whole_read(&text, &size) || !within(row, (double)size)) return false;
    out->sizes[out->axes++] = size;
    if (*text == '\0') return true;
    if (*text++ != 'x') return false;
  }
}

/* The number-th word of the choices. */
static const char *choice_at(const char *choices, uint64_t number, size_t *len_out) {
  for (; number > 0; number--) choices += strcspn(choices, " ") + 1;
  *len_out = strcspn(choices, " ");
  return choices;
}

static bool choice_read(const char *choices, const char *text, uint64_t *out) {
  size_t len = strlen(text);
  for (uint64_t number = 0; len > 0; number++) {
    size_t word_len = 0;
    const char *word = choice_at(choices, number, &word_len);
    if (word_len == len && memcmp(word, text, len) == 0) {
      *out = number;
      return true;
    }
    if (word[word_len] == '\0') break;
  }
  return false;
}

/* What a value may be, for people. */
static void expected_write(const larder_recipe_param *row, char *out, size_t room) {
  char low[40];
  char high[40];
  lrd_number_format(row->min, low, sizeof low);
  lrd_number_format(row->max, high, sizeof high);
  if (row->type == LARDER_RECIPE_REAL) snprintf(out, room, "a number from %s to %s", low, high);
  if (row->type == LARDER_RECIPE_WHOLE) snprintf(out, room, "a whole number from %s to %s", low, high);
  if (row->type == LARDER_RECIPE_CHOICE) snprintf(out, room, "one of: %s", row->choices);
  if (row->type == LARDER_RECIPE_SIZES)
    snprintf(out, room, "one to three numbers of points from %s to %s, such as 64 or 64x64", low, high);
  if (row->type == LARDER_RECIPE_TEXT) snprintf(out, room, "%s, at most %u bytes", row->sentence, LARDER_RECIPE_TEXT_MAX);
}

larder_err lrd_param_read(const char *maker, const larder_recipe_param *row, const char *text, lrd_param_value *out,
                          larder_error *err) {
  lrd_param_value value = {0};
  const char *at = text;
  bool ok = false;
  switch (row->type) {
  case LARDER_RECIPE_REAL:
    ok = real_read(text, &value.real) && within(row, value.real);
    break;
  case LARDER_RECIPE_WHOLE:
    ok = whole_read(&at, &value.whole) && *at == '\0' && within(row, (double)value.whole);
    value.real = (double)value.whole;
    break;
  case LARDER_RECIPE_CHOICE:
    ok = choice_read(row->choices, text, &value.whole);
    break;
  case LARDER_RECIPE_SIZES:
    ok = sizes_read(row, text, &value);
    break;
  case LARDER_RECIPE_TEXT:
    ok = strlen(text) <= LARDER_RECIPE_TEXT_MAX;
    if (ok) memcpy(value.text, text, strlen(text));
    break;
  }
  if (!ok) {
    char expected[400];
    expected_write(row, expected, sizeof expected);
    return lrd_fail(err, LARDER_EINVAL, 0, "recipe", "%s: %s cannot be '%.60s'; give %s", maker, row->name, text, expected);
  }
  *out = value;
  return LARDER_OK;
}

larder_err lrd_maker_fits(const lrd_maker *maker, const lrd_params *params, uint64_t bytes_max, const char *limit,
                          larder_error *err) {
  char size[80] = "more bytes than can be counted", human[40], most[40];
  uint64_t const bytes = maker->bytes ? maker->bytes(params) : 0;
  if (bytes <= bytes_max) return LARDER_OK;
  if (bytes < UINT64_MAX)
    (void)snprintf(size, sizeof size, "%llu bytes (%s)", (unsigned long long)bytes, lrd_size_human(bytes, human, sizeof human));
  return lrd_fail(err, LARDER_ETOOBIG, 0, "recipe", "%s would make %s of it, above %s of %s", maker->shown.name, size, limit,
                  lrd_size_format(bytes_max, most, sizeof most));
}

static const larder_recipe_param *row_find(const larder_recipe *recipe, const char *name) {
  for (size_t i = 0; i < recipe->params_count; i++) {
    if (strcmp(recipe->params[i].name, name) == 0) return &recipe->params[i];
  }
  return NULL;
}

static larder_err name_unknown(const larder_recipe *recipe, const char *name, larder_error *err) {
  char names[240];
  size_t len = 0;
  for (size_t i = 0; i < recipe->params_count && len < sizeof names; i++)
    len += (size_t)snprintf(names + len, sizeof names - len, "%s%s", i > 0 ? ", " : "", recipe->params[i].name);
  return lrd_fail(err, LARDER_EINVAL, 0, "recipe", "%s has no parameter '%.60s'; it has: %s", recipe->name, name, names);
}

larder_err lrd_maker_params_read(const lrd_maker *maker, const larder_param *given, size_t count, lrd_params *out,
                                 larder_error *err) {
  const larder_recipe *recipe = &maker->shown;
  lrd_params params = {0};
  bool set[LARDER_RECIPE_PARAMS_MAX] = {false};
  for (size_t i = 0; i < count; i++) {
    if (given[i].name == NULL || given[i].value == NULL)
      return lrd_fail(err, LARDER_EINVAL, 0, "recipe", "%s: a parameter without name or value", recipe->name);
    const larder_recipe_param *row = row_find(recipe, given[i].name);
    if (row == NULL) return name_unknown(recipe, given[i].name, err);
    size_t at = (size_t)(row - recipe->params);
    if (set[at])
      return lrd_fail(err, LARDER_EINVAL, 0, "recipe", "%s: %s is given twice; give it once", recipe->name, row->name);
    larder_err result = lrd_param_read(recipe->name, row, given[i].value, &params.at[at], err);
    if (result != LARDER_OK) return result;
    set[at] = true;
  }
  for (size_t i = 0; i < recipe->params_count; i++) {
    const larder_recipe_param *row = &recipe->params[i];
    if (set[i]) continue;
    if (row->fallback == NULL) {
      char expected[400];
      expected_write(row, expected, sizeof expected);
      return lrd_fail(err, LARDER_EINVAL, 0, "recipe", "%s: %s must be given: %s", recipe->name, row->name, expected);
    }
    larder_err result = lrd_param_read(recipe->name, row, row->fallback, &params.at[i], err);
    LRD_ASSERT(result == LARDER_OK);
  }
  if (maker->check != NULL) {
    larder_err result = maker->check(&params, err);
    if (result != LARDER_OK) return result;
  }
  *out = params;
  return LARDER_OK;
}

static bool same(const larder_recipe_param *row, const lrd_param_value *a, const lrd_param_value *b) {
  if (row->type == LARDER_RECIPE_REAL) return a->real == b->real;
  if (row->type == LARDER_RECIPE_TEXT) return strcmp(a->text, b->text) == 0;
  if (row->type == LARDER_RECIPE_SIZES) return a->axes == b->axes && memcmp(a->sizes, b->sizes, sizeof a->sizes) == 0;
  return a->whole == b->whole;
}

/* `_` parts the parameters and `%` escapes, so neither stands in a text as it is, nor does what is no printable ASCII. */
static larder_err text_spell(const char *text, lrd_buf *out) {
  larder_err result = LARDER_OK;
  for (; *text != '\0' && result == LARDER_OK; text++) {
    unsigned char c = (unsigned char)*text;
    bool plain = c > 0x20 && c < 0x7f && c != '_' && c != '%';
    result = plain ? lrd_buf_append_byte(out, c) : lrd_buf_printf(out, "%%%02X", c);
  }
  return result;
}

static larder_err value_spell(const larder_recipe_param *row, const lrd_param_value *value, lrd_buf *out) {
  char number[40];
  size_t len = 0;
  larder_err result = LARDER_OK;
  switch (row->type) {
  case LARDER_RECIPE_REAL:
    lrd_number_format(value->real, number, sizeof number);
    return lrd_buf_append_str(out, number);
  case LARDER_RECIPE_WHOLE:
    return lrd_buf_printf(out, "%llu", (unsigned long long)value->whole);
  case LARDER_RECIPE_CHOICE: {
    const char *word = choice_at(row->choices, value->whole, &len);
    return lrd_buf_append(out, word, len);
  }
  case LARDER_RECIPE_SIZES:
    for (unsigned i = 0; i < value->axes && result == LARDER_OK; i++)
      result = lrd_buf_printf(out, "%s%llu", i > 0 ? "x" : "", (unsigned long long)value->sizes[i]);
    return result;
  case LARDER_RECIPE_TEXT:
    return text_spell(value->text, out);
  }
  return LARDER_EINVAL;
}

larder_err lrd_maker_key(const lrd_maker *maker, const lrd_params *params, lrd_buf *out) {
  const larder_recipe *recipe = &maker->shown;
  if (maker->key != NULL) return maker->key(params, out);
  larder_err result = lrd_buf_append_str(out, recipe->name);
  for (size_t i = 0; i < recipe->params_count && result == LARDER_OK; i++) {
    const larder_recipe_param *row = &recipe->params[i];
    lrd_param_value fallback = {0};
    if (row->fallback != NULL) {
      result = lrd_param_read(recipe->name, row, row->fallback, &fallback, NULL);
      if (result != LARDER_OK || same(row, &fallback, &params->at[i])) continue;
    }
    result = lrd_buf_printf(out, "_%s", row->name);
    if (result == LARDER_OK) result = value_spell(row, &params->at[i], out);
  }
  return result;
}

larder_err lrd_maker_reference(const lrd_maker *maker, lrd_buf *out) {
  const larder_recipe *recipe = &maker->shown;
  larder_err result =
      lrd_buf_printf(out, "\n## %s\n\n%s\n\n%s\n\n| parameter | default | may be | what it is |\n|---|---|---|---|\n",
                     recipe->name, recipe->sentence, recipe->formula);
  for (size_t i = 0; i < recipe->params_count && result == LARDER_OK; i++) {
    const larder_recipe_param *row = &recipe->params[i];
    char expected[400];
    expected_write(row, expected, sizeof expected);
    if (row->type == LARDER_RECIPE_TEXT)
      snprintf(expected, sizeof expected, "a text of at most %u bytes", LARDER_RECIPE_TEXT_MAX);
    const char *fallback = row->fallback == NULL ? "must be given" : row->fallback[0] == '\0' ? "none" : row->fallback;
    result = lrd_buf_printf(out, "| `%s` | %s | %s | %s |\n", row->name, fallback, expected, row->sentence);
  }
  return result;
}
