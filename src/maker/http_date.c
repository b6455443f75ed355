/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sun, 06 Nov 1994 08:49:37 GMT     what is sent
 * Sunday, 06-Nov-94 08:49:37 GMT    RFC 850
 * Sun Nov  6 08:49:37 1994          asctime
 *
 * A reader walks over the text; every step is a test, and nothing is written before the last. The name of the day is wanted,
 * but not compared with the date: servers that are wrong about it are right about the rest.
 */
#include "http_date.h"

#include "attempts.h"
#include <string.h>
#include <strings.h>

typedef struct reader {
  const char *at;
  const char *end;
} reader;

typedef struct moment {
  int64_t year;
  int64_t month; /* from 1 */
  int64_t day;
  int64_t hour;
  int64_t minute;
  int64_t second;
} moment;

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

static reader trimmed(const char *text, size_t len) {
  reader r = {text, text + len};
  while (r.at < r.end && is_blank(*r.at)) {
    r.at++;
  }
  while (r.end > r.at && is_blank(r.end[-1])) {
    r.end--;
  }
  return r;
}

static bool take(reader *r, const char *wanted) {
  size_t len = strlen(wanted);
  if ((size_t)(r->end - r->at) < len || memcmp(r->at, wanted, len) != 0) {
    return false;
  }
  r->at += len;
  return true;
}

/* Exactly so many digits. */
static bool take_number(reader *r, unsigned digits, int64_t *out) {
  int64_t value = 0;
  if (r->end - r->at < (ptrdiff_t)digits) {
    return false;
  }
  for (unsigned i = 0; i < digits; i++) {
    if (!is_digit(r->at[i])) {
      return false;
    }
    value = value * 10 + (r->at[i] - '0');
  }
  r->at += digits;
  *out = value;
  return true;
}

/* One of the names, its number from 1. */
static bool take_name(reader *r, const char *const *names, int64_t count, int64_t *out) {
  for (int64_t i = 0; i < count; i++) {
    size_t len = strlen(names[i]);
    if ((size_t)(r->end - r->at) >= len && strncasecmp(r->at, names[i], len) == 0) {
      r->at += len;
      *out = i + 1;
      return true;
    }
  }
  return false;
}

static bool take_month(reader *r, int64_t *out) {
  static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  return take_name(r, months, 12, out);
}

static bool take_time(reader *r, moment *m) {
  return take_number(r, 2, &m->hour) && take(r, ":") && take_number(r, 2, &m->minute) && take(r, ":") &&
         take_number(r, 2, &m->second);
}

static bool take_sent(reader *r, moment *m) {
  return take(r, ", ") && take_number(r, 2, &m->day) && take(r, " ") && take_month(r, &m->month) && take(r, " ") &&
         take_number(r, 4, &m->year) && take(r, " ") && take_time(r, m) && take(r, " GMT");
}

static bool take_rfc850(reader *r, moment *m) {
  if (!(take(r, ", ") && take_number(r, 2, &m->day) && take(r, "-") && take_month(r, &m->month) && take(r, "-") &&
        take_number(r, 2, &m->year) && take(r, " ") && take_time(r, m) && take(r, " GMT"))) {
    return false;
  }
  m->year += m->year < 70 ? 2000 : 1900; /* nothing on the web is older than its clock's beginning */
  return true;
}

static bool take_asctime(reader *r, moment *m) {
  return take(r, " ") && take_month(r, &m->month) && take(r, " ") &&
         (take(r, " ") ? take_number(r, 1, &m->day) : take_number(r, 2, &m->day)) && take(r, " ") && take_time(r, m) &&
         take(r, " ") && take_number(r, 4, &m->year);
}

static bool is_leap(int64_t year) { return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0; }

static bool is_valid(const moment *m) {
  static const int8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  int64_t day_max = days[m->month - 1] + (m->month == 2 && is_leap(m->year) ? 1 : 0);
  /* a second of 60 is a leap second */
  return m->year >= 1601 && m->day >= 1 && m->day <= day_max && m->hour < 24 && m->minute < 60 && m->second <= 60;
}

static int64_t wall_ms_of(const moment *m) {
  /* Years that begin in March end with the day that some of them have not. */
  int64_t month = (m->month + 9) % 12;
  int64_t year = m->year - (m->month <= 2 ? 1 : 0);
  int64_t day = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + m->day - 1;
  int64_t const day_1970 = 719468;
  return ((day - day_1970) * 86400 + m->hour * 3600 + m->minute * 60 + m->second) * 1000;
}

bool lrd_http_date_read(const char *text, size_t len, int64_t *ms_out) {
  static const char *const longer[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
  static const char *const shorter[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  reader r = trimmed(text, len);
  moment m = {0};
  int64_t weekday;
  bool read;
  if (take_name(&r, longer, 7, &weekday)) {
    read = take_rfc850(&r, &m);
  } else if (take_name(&r, shorter, 7, &weekday)) {
    read = r.at < r.end && *r.at == ',' ? take_sent(&r, &m) : take_asctime(&r, &m);
  } else {
    return false;
  }
  if (!read || r.at != r.end || !is_valid(&m)) {
    return false;
  }
  *ms_out = wall_ms_of(&m);
  return true;
}

bool lrd_http_seconds_read(const char *text, size_t len, int64_t *s_out) {
  reader r = trimmed(text, len);
  int64_t value = 0;
  if (r.at == r.end) {
    return false;
  }
  for (; r.at < r.end; r.at++) {
    if (!is_digit(*r.at)) {
      return false;
    }
    if (value < LRD_HTTP_SECONDS_MAX) {
      value = value * 10 + (*r.at - '0');
    }
  }
  *s_out = value < LRD_HTTP_SECONDS_MAX ? value : LRD_HTTP_SECONDS_MAX;
  return true;
}

bool lrd_http_retry_after_read(const char *text, size_t len, int64_t now_wall_ms, int64_t *ms_out) {
  int64_t value;
  if (lrd_http_seconds_read(text, len, &value)) {
    value *= 1000;
  } else if (lrd_http_date_read(text, len, &value)) {
    value = value > now_wall_ms ? value - now_wall_ms : 0;
  } else {
    return false;
  }
  *ms_out = value < LRD_RETRY_AFTER_MAX_MS ? value : LRD_RETRY_AFTER_MAX_MS;
  return true;
}
