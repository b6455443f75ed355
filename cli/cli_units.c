/* SPDX-License-Identifier: Apache-2.0 */
#include "cli_units.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

typedef struct unit {
  const char *name;
  double factor;
} unit;

/* A plain decimal number, no sign and no exponent; moves *at behind it. */
static bool number_read(const char **at, double *out) {
  const char *end = *at;
  while (isdigit((unsigned char)*end)) end++;
  if (*end == '.') end++;
  while (isdigit((unsigned char)*end)) end++;
  size_t len = (size_t)(end - *at);
  char digits[32];
  if (len == 0 || len >= sizeof digits || !isdigit((unsigned char)**at)) return false;
  memcpy(digits, *at, len);
  digits[len] = '\0';
  *out = strtod(digits, NULL);
  *at = end;
  return true;
}

static bool unit_read(const char **at, const unit *units, bool any_case, double *factor_out) {
  size_t len = 0;
  while (isalpha((unsigned char)(*at)[len])) len++;
  for (const unit *u = units; u->name != NULL; u++) {
    if (strlen(u->name) != len) continue;
    if ((any_case ? strncasecmp(*at, u->name, len) : strncmp(*at, u->name, len)) != 0) continue;
    *factor_out = u->factor;
    *at += len;
    return true;
  }
  return false;
}

/* ISO 8601: P, days and weeks, then T and hours, minutes, seconds. Months and years have no length of their own. */
static bool iso_duration_read(const char *at, double *ms_out) {
  static const unit days[] = {{"W", 604800e3}, {"D", 86400e3}, {NULL, 0}};
  static const unit clock_units[] = {{"H", 3600e3}, {"M", 60e3}, {"S", 1e3}, {NULL, 0}};
  const unit *units = days;
  bool some = false;
  double sum = 0;
  at++;
  while (*at != '\0') {
    double amount = 0;
    size_t one = 0;
    if (*at == 'T' && units == days) {
      units = clock_units;
      at++;
      some = false;
      continue;
    }
    if (!number_read(&at, &amount)) return false;
    while (units[one].name != NULL && units[one].name[0] != *at) one++;
    if (units[one].name == NULL) return false;
    sum += amount * units[one].factor;
    at++;
    some = true;
  }
  *ms_out = sum;
  return some;
}

bool cli_parse_duration(const char *text, int64_t *ms_out) {
  static const unit units[] = {{"ms", 1},        {"s", 1e3},        {"sec", 1e3},      {"m", 60e3},
                               {"min", 60e3},    {"h", 3600e3},     {"d", 86400e3},    {"w", 604800e3},
                               {"day", 86400e3}, {"days", 86400e3}, {"hours", 3600e3}, {NULL, 0}};
  double sum = 0;
  if (text[0] == 'P') {
    if (!iso_duration_read(text, &sum)) return false;
  } else {
    const char *at = text;
    if (*at == '\0') return false;
    while (*at != '\0') {
      double amount = 0;
      double factor = 0;
      if (!number_read(&at, &amount) || !unit_read(&at, units, false, &factor)) return false;
      sum += amount * factor;
    }
  }
  if (!(sum >= 0.5) || sum > 9e15) return false;
  *ms_out = (int64_t)(sum + 0.5);
  return true;
}

bool cli_parse_size(const char *text, uint64_t *bytes_out) {
  static const unit units[] = {{"", 1},          {"b", 1},           {"k", 1024.0}, {"kib", 1024.0},     {"kb", 1e3},
                               {"m", 1048576.0}, {"mib", 1048576.0}, {"mb", 1e6},   {"g", 1073741824.0}, {"gib", 1073741824.0},
                               {"gb", 1e9},      {NULL, 0}};
  const char *at = text;
  double amount = 0;
  double factor = 0;
  if (!number_read(&at, &amount) || !unit_read(&at, units, true, &factor) || *at != '\0') return false;
  if (amount * factor > 9e15) return false;
  *bytes_out = (uint64_t)(amount * factor);
  return true;
}

bool cli_parse_rate(const char *text, double *per_second_out) {
  static const unit units[] = {{"s", 1}, {"sec", 1}, {"m", 60}, {"min", 60}, {"h", 3600}, {"d", 86400}, {NULL, 0}};
  const char *at = text;
  double amount = 0;
  double seconds = 1;
  if (!number_read(&at, &amount) || !(amount > 0)) return false;
  if (*at == '/' && (at++, !unit_read(&at, units, true, &seconds))) return false;
  if (*at != '\0') return false;
  *per_second_out = amount / seconds;
  return true;
}

bool cli_parse_count(const char *text, uint64_t *out) {
  if (!isdigit((unsigned char)text[0])) return false;
  char *end = NULL;
  errno = 0;
  unsigned long long count = strtoull(text, &end, 10);
  if (errno != 0 || *end != '\0') return false;
  *out = count;
  return true;
}

bool cli_parse_date(const char *text, int64_t now_ms, int64_t *wall_ms_out) {
  int64_t age = 0;
  if (cli_parse_duration(text, &age)) {
    if (age >= now_ms) return false;
    *wall_ms_out = now_ms - age;
    return true;
  }
  struct tm when = {.tm_isdst = -1};
  char separator = ' ';
  int used = 0;
  int date_len = 0;
  if (sscanf(text, "%4d-%2d-%2d%n", &when.tm_year, &when.tm_mon, &when.tm_mday, &date_len) != 3) return false;
  const char *at = text + date_len;
  if (*at != '\0') {
    if (sscanf(at, "%c%2d:%2d%n", &separator, &when.tm_hour, &when.tm_min, &used) != 3) return false;
    if (separator != ' ' && separator != 'T') return false;
    at += used;
    if (sscanf(at, ":%2d%n", &when.tm_sec, &used) == 1) at += used;
  }
  bool utc = strcmp(at, "Z") == 0;
  if (!utc && *at != '\0') return false;
  if (when.tm_year < 1970 || when.tm_mon < 1 || when.tm_mon > 12 || when.tm_mday < 1 || when.tm_mday > 31) return false;
  if (when.tm_hour < 0 || when.tm_hour > 23 || when.tm_min < 0 || when.tm_min > 59 || when.tm_sec < 0 || when.tm_sec > 60)
    return false;
  when.tm_year -= 1900;
  when.tm_mon -= 1;
  int day = when.tm_mday;
  time_t seconds = utc ? timegm(&when) : mktime(&when);
  if (seconds <= 0 || when.tm_mday != day) return false; /* 30 February becomes a day of March */
  *wall_ms_out = (int64_t)seconds * 1000;
  return true;
}

static int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool cli_parse_hex(const char *text, unsigned char *out, size_t room, size_t *len_out) {
  size_t digits = strlen(text);
  if (digits == 0 || digits % 2 != 0 || digits / 2 > room) return false;
  for (size_t i = 0; i < digits; i++) {
    if (hex_digit(text[i]) < 0) return false;
  }
  for (size_t i = 0; i < digits; i += 2) out[i / 2] = (unsigned char)(hex_digit(text[i]) * 16 + hex_digit(text[i + 1]));
  *len_out = digits / 2;
  return true;
}
