/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers with units. A number is kept as an exact fraction (digits over a power of ten) until it is multiplied by its
 * unit in 128 bits, so that `0.1GB` is exactly 100,000,000 and an overflow is seen. What lies between two milliseconds or
 * bytes is cut off.
 */
#include "quantity.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

__extension__ typedef unsigned __int128 wide;

typedef struct quantity_unit {
  const char *name;
  uint64_t factor;
} quantity_unit;

#define MS_PER_S UINT64_C(1000)
#define MS_PER_M (60 * MS_PER_S)
#define MS_PER_H (60 * MS_PER_M)
#define MS_PER_D (24 * MS_PER_H)
#define MS_PER_W (7 * MS_PER_D)

/* Largest first; synonyms follow their unit. A sum must go down this list. */
static const quantity_unit duration_units[] = {
    {"w", MS_PER_W},   {"d", MS_PER_D}, {"h", MS_PER_H},   {"m", MS_PER_M},
    {"min", MS_PER_M}, {"s", MS_PER_S}, {"sec", MS_PER_S}, {"ms", 1},
};

static const quantity_unit size_units[] = {
    {"TiB", UINT64_C(1) << 40},
    {"GiB", UINT64_C(1) << 30},
    {"MiB", UINT64_C(1) << 20},
    {"KiB", UINT64_C(1) << 10},
    {"TB", UINT64_C(1000000000000)},
    {"GB", UINT64_C(1000000000)},
    {"MB", UINT64_C(1000000)},
    {"KB", UINT64_C(1000)},
    {"T", UINT64_C(1) << 40},
    {"G", UINT64_C(1) << 30},
    {"M", UINT64_C(1) << 20},
    {"K", UINT64_C(1) << 10},
    {"B", 1},
};

#define UNITS_OF(table) (table), sizeof(table) / sizeof *(table)

typedef struct quantity_number {
  uint64_t digits; /* without the point */
  uint64_t scale;  /* the power of ten to divide by */
} quantity_number;

static const char *skip_blanks(const char *at) {
  while (*at == ' ' || *at == '\t') at++;
  return at;
}

/* `12`, `1.5`, `.5`; at most 18 digits after the point. NULL when there is no number or it is too long. */
static const char *number_parse(const char *at, quantity_number *out) {
  quantity_number number = {0, 1};
  bool any = false, point = false;
  for (;; at++) {
    if (*at == '.' && !point) {
      point = true;
      continue;
    }
    if (*at < '0' || *at > '9') break;
    if (__builtin_mul_overflow(number.digits, 10u, &number.digits) ||
        __builtin_add_overflow(number.digits, (uint64_t)(*at - '0'), &number.digits))
      return NULL;
    if (point && (number.scale *= 10) > UINT64_C(1000000000000000000)) return NULL;
    any = true;
  }
  /* A point must stand before a digit: `1.` and `.` are slips. */
  if (!any || at[-1] == '.') return NULL;
  *out = number;
  return at;
}

static bool number_times(quantity_number number, uint64_t factor, uint64_t limit, uint64_t *out) {
  wide product = (wide)number.digits * factor / number.scale;
  if (product > limit) return false;
  *out = (uint64_t)product;
  return true;
}

/* The unit whose name is exactly these letters. */
static const quantity_unit *unit_find(const quantity_unit *units, size_t count, const char *name, size_t len, bool any_case) {
  for (size_t i = 0; i < count; i++) {
    if (strlen(units[i].name) != len) continue;
    if (any_case ? strncasecmp(units[i].name, name, len) == 0 : memcmp(units[i].name, name, len) == 0) return &units[i];
  }
  return NULL;
}

static size_t letters(const char *at) {
  size_t len = 0;
  while (isalpha((unsigned char)at[len])) len++;
  return len;
}

/* `P30D`, `PT1H30M`, `P1DT12H`, `P2W`. Years and months have no fixed length and are refused. */
static larder_err duration_parse_iso(const char *at, int64_t *ms_out) {
  static const struct {
    char letter;
    bool time;
    uint64_t factor;
  } parts[] = {
      {'W', false, MS_PER_W}, {'D', false, MS_PER_D}, {'H', true, MS_PER_H}, {'M', true, MS_PER_M}, {'S', true, MS_PER_S}};
  uint64_t total = 0;
  size_t next = 0;
  bool time = false, any = false;
  for (at++; *at;) {
    if (*at == 'T' && !time) {
      time = true;
      any = false; /* something must follow */
      at++;
      continue;
    }
    quantity_number number;
    at = number_parse(at, &number);
    if (!at) return LARDER_EINVAL;
    while (next < 5 && (parts[next].letter != *at || parts[next].time != time)) next++;
    if (next == 5) return LARDER_EINVAL;
    uint64_t part;
    if (!number_times(number, parts[next].factor, INT64_MAX - total, &part)) return LARDER_EINVAL;
    total += part;
    next++;
    at++;
    any = true;
  }
  if (!any) return LARDER_EINVAL;
  *ms_out = (int64_t)total;
  return LARDER_OK;
}

larder_err lrd_duration_parse(const char *text, int64_t bare_unit_ms, int64_t *ms_out) {
  if (!text || bare_unit_ms <= 0) return LARDER_EINVAL;
  const char *at = skip_blanks(text);
  if (*at == 'P') return duration_parse_iso(at, ms_out);
  uint64_t total = 0;
  uint64_t last_factor = UINT64_MAX;
  do {
    quantity_number number;
    at = number_parse(at, &number);
    if (!at) return LARDER_EINVAL;
    at = skip_blanks(at);
    size_t len = letters(at);
    const quantity_unit *unit = unit_find(UNITS_OF(duration_units), at, len, false);
    uint64_t factor;
    if (unit)
      factor = unit->factor;
    else if (len == 0 && *at == '\0' && last_factor == UINT64_MAX)
      factor = (uint64_t)bare_unit_ms;
    else
      return LARDER_EINVAL;
    /* `1h30m`, never `30m1h` or `1h1h`: those are slips. */
    if (factor >= last_factor) return LARDER_EINVAL;
    last_factor = factor;
    uint64_t part;
    if (!number_times(number, factor, INT64_MAX - total, &part)) return LARDER_EINVAL;
    total += part;
    at = skip_blanks(at + len);
  } while (*at);
  *ms_out = (int64_t)total;
  return LARDER_OK;
}

larder_err lrd_size_parse(const char *text, uint64_t bare_unit_bytes, uint64_t *bytes_out) {
  if (!text || bare_unit_bytes == 0) return LARDER_EINVAL;
  quantity_number number;
  const char *at = number_parse(skip_blanks(text), &number);
  if (!at) return LARDER_EINVAL;
  at = skip_blanks(at);
  size_t len = letters(at);
  const quantity_unit *unit = unit_find(UNITS_OF(size_units), at, len, true);
  if (len && !unit) return LARDER_EINVAL;
  if (*skip_blanks(at + len)) return LARDER_EINVAL;
  uint64_t bytes;
  if (!number_times(number, unit ? unit->factor : bare_unit_bytes, UINT64_MAX, &bytes)) return LARDER_EINVAL;
  *bytes_out = bytes;
  return LARDER_OK;
}

char *lrd_duration_format(int64_t ms, char *out, size_t room) {
  uint64_t magnitude = ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms;
  const char *unit = magnitude == 0 ? "s" : "ms";
  uint64_t factor = 1;
  /* Weeks are left out: `14d` says more than `2w`. */
  static const quantity_unit exact[] = {{"d", MS_PER_D}, {"h", MS_PER_H}, {"m", MS_PER_M}, {"s", MS_PER_S}};
  for (size_t i = 0; magnitude && i < sizeof exact / sizeof *exact; i++) {
    if (magnitude % exact[i].factor) continue;
    unit = exact[i].name;
    factor = exact[i].factor;
    break;
  }
  snprintf(out, room, "%s%" PRIu64 "%s", ms < 0 ? "-" : "", magnitude / factor, unit);
  return out;
}

char *lrd_size_format(uint64_t bytes, char *out, size_t room) {
  const quantity_unit *best = &size_units[sizeof size_units / sizeof *size_units - 1];
  uint64_t least = bytes;
  for (size_t i = 0; bytes && i < 8; i++) {
    /* The fewest digits win, binary units before decimal ones. */
    if (bytes % size_units[i].factor || bytes / size_units[i].factor >= least) continue;
    bool fewer = snprintf(NULL, 0, "%" PRIu64, bytes / size_units[i].factor) < snprintf(NULL, 0, "%" PRIu64, least);
    if (least != bytes && !fewer) continue;
    best = &size_units[i];
    least = bytes / size_units[i].factor;
  }
  snprintf(out, room, "%" PRIu64 "%s", least, best->name);
  return out;
}

char *lrd_duration_human(int64_t ms, char *out, size_t room) {
  uint64_t rest = ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms;
  const char *sign = ms < 0 ? "-" : "";
  static const quantity_unit units[] = {{"d", MS_PER_D}, {"h", MS_PER_H}, {"m", MS_PER_M}, {"s", MS_PER_S}, {"ms", 1}};
  if (rest < MS_PER_S) {
    snprintf(out, room, "%s%" PRIu64 "ms", sign, rest);
    return out;
  }
  if (rest < 10 * MS_PER_S && rest % MS_PER_S) {
    uint64_t tenths = (rest + 50) / 100;
    snprintf(out, room, "%s%" PRIu64 ".%" PRIu64 "s", sign, tenths / 10, tenths % 10);
    return out;
  }
  size_t i = 0;
  while (rest < units[i].factor) i++;
  /* Rounded to the smaller of the two units, which may carry into a larger one: 23h 59m 59s is 1d. */
  uint64_t small = i < 3 ? units[i + 1].factor : MS_PER_S;
  rest = (rest / small + (rest % small >= small / 2)) * small;
  while (i > 0 && rest >= units[i - 1].factor) i--;
  uint64_t major = rest / units[i].factor;
  uint64_t minor = i < 3 ? rest % units[i].factor / units[i + 1].factor : 0;
  if (minor)
    snprintf(out, room, "%s%" PRIu64 "%s %" PRIu64 "%s", sign, major, units[i].name, minor, units[i + 1].name);
  else
    snprintf(out, room, "%s%" PRIu64 "%s", sign, major, units[i].name);
  return out;
}

char *lrd_size_human(uint64_t bytes, char *out, size_t room) {
  static const char *const names[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes < 1024) {
    snprintf(out, room, "%" PRIu64 " B", bytes);
    return out;
  }
  double value = (double)bytes;
  size_t i = 0;
  /* 1023.95 and above would be printed as 1024.0 of the smaller unit. */
  while (i < 6 && value >= 1023.95) {
    value /= 1024;
    i++;
  }
  snprintf(out, room, "%.1f %s", value, names[i]);
  return out;
}
