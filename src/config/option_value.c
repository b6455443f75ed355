/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers are decimal and read whole; a text with anything left over is no number. */
#include "config/option_value.h"

#include "base/fail.h"
#include "base/measure.h"
#include "base/quantity.h"
#include "base/schedule.h"
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

static void *row_at(const lrd_option *row, void *section) { return (char *)section + row->offset; }
static const void *row_at_const(const lrd_option *row, const void *section) { return (const char *)section + row->offset; }

/* YAML 1.1's words too: files that were written for PyYAML have them. */
bool lrd_bool_parse(const char *text, bool *out) {
  static const char *const yes[] = {"true", "yes", "on"}, *const no[] = {"false", "no", "off"};
  for (size_t i = 0; i < 3; i++) {
    if (strcasecmp(text, yes[i]) == 0) return *out = true, true;
    if (strcasecmp(text, no[i]) == 0) return *out = false, true;
  }
  return false;
}

static bool uint_parse(const char *text, uint64_t *out) {
  if (!isdigit((unsigned char)text[0])) return false;
  char *end = NULL;
  errno = 0;
  unsigned long long value = strtoull(text, &end, 10);
  if (errno != 0 || *end != '\0') return false;
  *out = value;
  return true;
}

/* Not strtod, which follows the locale and takes hexadecimal, "inf" and "nan". */
static bool real_parse(const char *text, double *out) {
  double value = 0, place = 1;
  bool digits = false;
  size_t at = 0;
  for (; isdigit((unsigned char)text[at]); at++, digits = true) value = value * 10 + (text[at] - '0');
  if (text[at] == '.') {
    double tail = 0;
    for (at++; isdigit((unsigned char)text[at]); at++, digits = true) {
      tail = tail * 10 + (text[at] - '0');
      place *= 10;
    }
    value += tail / place;
  }
  if (!digits || text[at] != '\0' || at > 32) return false;
  *out = value;
  return true;
}

static bool part_parse(const char *text, double *out) {
  size_t len = strlen(text);
  if (len == 0 || len > 32 || text[len - 1] != '%') return real_parse(text, out);
  char number[33];
  memcpy(number, text, len - 1);
  number[len - 1] = '\0';
  if (!real_parse(number, out)) return false;
  *out /= 100;
  return true;
}

static bool within(const lrd_option *row, double value) { return value >= row->min && value <= row->max; }

static bool duration_set(const lrd_option *row, void *section, const char *text) {
  int64_t *out = row_at(row, section);
  if ((row->flags & LRD_OPTION_NEVER) != 0 && strcasecmp(text, "never") == 0) {
    *out = LRD_TTL_NEVER;
    return true;
  }
  int64_t ms = 0;
  if (lrd_duration_parse(text, (int64_t)row->scale, &ms) != LARDER_OK || !within(row, (double)ms)) return false;
  *out = ms;
  return true;
}

static bool uint_set(const lrd_option *row, void *section, const char *text) {
  uint64_t value = 0;
  bool ok =
      row->type == LRD_OPTION_SIZE ? lrd_size_parse(text, (uint64_t)row->scale, &value) == LARDER_OK : uint_parse(text, &value);
  if (!ok || !within(row, (double)value)) return false;
  if ((row->flags & LRD_OPTION_POWER2) != 0 && (value & (value - 1)) != 0) return false;
  *(uint64_t *)row_at(row, section) = value;
  return true;
}

static bool real_set(const lrd_option *row, void *section, const char *text) {
  double value = 0;
  bool ok = row->type == LRD_OPTION_PART ? part_parse(text, &value) : real_parse(text, &value);
  if (!ok && row->min < 0) ok = lrd_number_read(text, strlen(text), &value);
  if (!ok || !within(row, value)) return false;
  *(double *)row_at(row, section) = value;
  return true;
}

/* `5/s`: the unit is how long a number of them is spread over. */
static const struct {
  const char *name;
  double seconds;
} rate_units[] = {{"s", 1}, {"min", 60}, {"h", 3600}, {"d", 86400}};
#define RATE_UNITS (sizeof rate_units / sizeof *rate_units)

static bool rate_set(const lrd_option *row, void *section, const char *text) {
  char number[33];
  double value = 0, seconds = 1;
  size_t len = strcspn(text, "/");
  if (len >= sizeof number) return false;
  memcpy(number, text, len);
  number[len] = '\0';
  if (!real_parse(number, &value)) return false;
  if (text[len] == '/') {
    size_t unit = 0;
    while (unit < RATE_UNITS && strcasecmp(text + len + 1, rate_units[unit].name) != 0) unit++;
    if (unit == RATE_UNITS) return false;
    seconds = rate_units[unit].seconds;
  }
  value /= seconds;
  if (!within(row, value) || (value > 0 && value * 86400 < 1 - 1e-9)) return false;
  *(double *)row_at(row, section) = value;
  return true;
}

/* In the shortest unit that needs no fraction, else a day: then it has no exponent, as it is at least one. */
static larder_err rate_get(double value, lrd_buf *out) {
  size_t unit = 0;
  for (; unit + 1 < RATE_UNITS; unit++) {
    double number = value * rate_units[unit].seconds;
    if (fabs(number - round(number)) < 1e-9 * number || number == 0) break;
  }
  return lrd_buf_printf(out, "%.15g/%s", value * rate_units[unit].seconds, rate_units[unit].name);
}

static bool sign_set(const lrd_option *row, void *section, const char *text) {
  if (!isgraph((unsigned char)text[0]) || text[0] == '|' || text[1] != '\0') return false;
  *(char *)row_at(row, section) = text[0];
  return true;
}

static bool choice_set(const lrd_option *row, void *section, const char *text) {
  char name[32];
  for (uint32_t i = 0; lrd_option_choice(row, i, name)[0] != '\0'; i++) {
    if (strcasecmp(name, text) != 0) continue;
    *(uint32_t *)row_at(row, section) = i;
    return true;
  }
  return false;
}

static bool schedule_set(const lrd_option *row, void *section, const char *text) {
  lrd_schedule schedule;
  bool never = strcmp(text, "never") == 0;
  if (!never && lrd_schedule_parse(text, &schedule, NULL) != LARDER_OK) return false;
  *(const char **)row_at(row, section) = never ? NULL : text;
  return true;
}

bool lrd_option_set(const lrd_option *row, void *section, const char *text) {
  switch (row->type) {
  case LRD_OPTION_BOOL:
    return lrd_bool_parse(text, row_at(row, section));
  case LRD_OPTION_UINT:
  case LRD_OPTION_SIZE:
    return uint_set(row, section, text);
  case LRD_OPTION_REAL:
  case LRD_OPTION_PART:
    return real_set(row, section, text);
  case LRD_OPTION_DURATION:
    return duration_set(row, section, text);
  case LRD_OPTION_CHOICE:
    return choice_set(row, section, text);
  case LRD_OPTION_RATE:
    return rate_set(row, section, text);
  case LRD_OPTION_SIGN:
    return sign_set(row, section, text);
  case LRD_OPTION_SCHEDULE:
    return schedule_set(row, section, text);
  case LRD_OPTION_TEXT:
  case LRD_OPTION_PATH:
    if (row->type == LRD_OPTION_PATH && text[0] == '\0') return false;
    *(const char **)row_at(row, section) = text;
    return true;
  default:
    return false;
  }
}

static void bound_format(const lrd_option *row, double value, char *out, size_t room) {
  if (row->type == LRD_OPTION_SIZE)
    lrd_size_format((uint64_t)value, out, room);
  else if (row->type == LRD_OPTION_DURATION)
    lrd_duration_format((int64_t)value, out, room);
  else if (row->type == LRD_OPTION_PART)
    snprintf(out, room, "%.15g%%", value * 100);
  else
    snprintf(out, room, "%.15g", value);
}

const char *lrd_option_expected(const lrd_option *row, char out[LRD_EXPECTED_MAX]) {
  char low[40], high[40];
  bound_format(row, row->min, low, sizeof low);
  bound_format(row, row->max, high, sizeof high);
  switch (row->type) {
  case LRD_OPTION_BOOL:
    snprintf(out, LRD_EXPECTED_MAX, "true or false");
    break;
  case LRD_OPTION_UINT:
    snprintf(out, LRD_EXPECTED_MAX, "%s from %s to %s",
             (row->flags & LRD_OPTION_POWER2) != 0 ? "a power of two" : "a whole number", low, high);
    break;
  case LRD_OPTION_REAL:
    snprintf(out, LRD_EXPECTED_MAX, "a number from %s to %s", low, high);
    break;
  case LRD_OPTION_PART:
    snprintf(out, LRD_EXPECTED_MAX, "a part from %.15g to %.15g, or as a percentage up to %s", row->min, row->max, high);
    break;
  case LRD_OPTION_DURATION:
    snprintf(out, LRD_EXPECTED_MAX, "a duration such as 90s, 1h or 7d%s, from %s to %s (a bare number is %s)",
             (row->flags & LRD_OPTION_NEVER) != 0 ? ", or never" : "", low, high, row->unit);
    break;
  case LRD_OPTION_SIZE:
    snprintf(out, LRD_EXPECTED_MAX, "a size from %s to %s (a bare number is %s)", low, high, row->unit);
    break;
  case LRD_OPTION_CHOICE: {
    size_t at = (size_t)snprintf(out, LRD_EXPECTED_MAX, "one of ");
    for (const char *c = row->choices; *c != '\0' && at + 3 < LRD_EXPECTED_MAX; c++) {
      if (*c == ' ') out[at++] = ',';
      out[at++] = *c;
    }
    out[at] = '\0';
    break;
  }
  case LRD_OPTION_PATH:
    snprintf(out, LRD_EXPECTED_MAX, "a path");
    break;
  case LRD_OPTION_SCHEDULE:
    snprintf(out, LRD_EXPECTED_MAX, "a schedule such as every 7d, @daily or 30 6 * * mon-fri, or never");
    break;
  case LRD_OPTION_TEXT:
    snprintf(out, LRD_EXPECTED_MAX, "a text");
    break;
  case LRD_OPTION_CHAIN:
    snprintf(out, LRD_EXPECTED_MAX, "a list of tiers such as [memory, sqlite]");
    break;
  case LRD_OPTION_RATE:
    snprintf(out, LRD_EXPECTED_MAX,
             "how often, such as 5/s, 300/min, 1000/h or 10/d, from 1/d to %s/s, or 0 (a bare number is so many a second)",
             high);
    break;
  case LRD_OPTION_SIGN:
    snprintf(out, LRD_EXPECTED_MAX, "one character, not |");
    break;
  case LRD_OPTION_ARGV:
    snprintf(out, LRD_EXPECTED_MAX, "a list of a program and its arguments");
    break;
  case LRD_OPTION_NAMES:
    snprintf(out, LRD_EXPECTED_MAX, "a list of names");
    break;
  case LRD_OPTION_WARM:
    snprintf(out, LRD_EXPECTED_MAX, "a list of recipes");
    break;
  case LRD_OPTION_ANY:
    snprintf(out, LRD_EXPECTED_MAX, "anything");
    break;
  default:
    snprintf(out, LRD_EXPECTED_MAX, "a mapping");
    break;
  }
  return out;
}

bool lrd_option_unset(const lrd_option *row, const void *section) {
  if (row->type != LRD_OPTION_SCHEDULE && row->type != LRD_OPTION_TEXT && row->type != LRD_OPTION_PATH &&
      row->type != LRD_OPTION_PAIRS && row->type != LRD_OPTION_NAMES && row->type != LRD_OPTION_ARGV)
    return false;
  return *(const char *const *)row_at_const(row, section) == NULL;
}

/* Sizes and durations are written with a unit, so they mean the same wherever they are read. */
larder_err lrd_option_get(const lrd_option *row, const void *section, lrd_buf *out) {
  const void *at = row_at_const(row, section);
  char text[64];
  switch (row->type) {
  case LRD_OPTION_BOOL:
    return lrd_buf_append_str(out, *(const bool *)at ? "true" : "false");
  case LRD_OPTION_UINT:
    return lrd_buf_printf(out, "%llu", (unsigned long long)*(const uint64_t *)at);
  case LRD_OPTION_SIZE:
    return lrd_buf_append_str(out, lrd_size_format(*(const uint64_t *)at, text, sizeof text));
  case LRD_OPTION_REAL:
  case LRD_OPTION_PART:
    return lrd_buf_printf(out, "%.15g", *(const double *)at);
  case LRD_OPTION_DURATION:
    if (*(const int64_t *)at == LRD_TTL_NEVER) return lrd_buf_append_str(out, "never");
    return lrd_buf_append_str(out, lrd_duration_format(*(const int64_t *)at, text, sizeof text));
  case LRD_OPTION_RATE:
    return rate_get(*(const double *)at, out);
  case LRD_OPTION_SIGN:
    return lrd_buf_append_byte(out, (uint8_t) * (const char *)at);
  case LRD_OPTION_CHOICE:
    return lrd_buf_append_str(out, lrd_option_choice(row, *(const uint32_t *)at, text));
  default:
    return lrd_buf_append_str(out, *(const char *const *)at == NULL ? "" : *(const char *const *)at);
  }
}

void lrd_option_set_defaults(lrd_scope scope, void *section) {
  for (const lrd_option *row = lrd_option_next(scope, NULL); row != NULL; row = lrd_option_next(scope, row)) {
    if (row->type == LRD_OPTION_SECTION) lrd_option_set_defaults(row->inside, row_at(row, section));
    if (row->fallback == NULL) continue;
    bool ok = lrd_option_set(row, section, row->fallback);
    LRD_ASSERT(ok); /* a default that its own row refuses is a mistake in the table */
  }
}
