/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The next time that the fields match is looked for on the calendar, in minutes of the clock on the wall, where there are no
 * gaps. To find when the wall shows it, time is walked from one change of the offset to the next: between two of them
 * it is an addition.
 *
 * The mark of a moment is the latest minute that the wall has shown by then. Times that come twice are below it the second
 * time. Where every hour matches the wall itself counts, and no mark.
 */
#include "schedule.h"

#include "base/fail.h"
#include "base/quantity.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define ROOM        "schedule"
#define HOUR        INT64_C(3600)
#define LAST_SECOND INT64_C(253402214400) /* a day before the year 10000 */
#define LOOK_BACK   (26 * HOUR)           /* further no clock was ever put */
#define STEP        1800                  /* nobody changes twice within */
#define ALL_HOURS   0xFFFFFFu
#define YEARS_MAX   48 /* a 29 February on a given weekday, a turn of the century between */

/* --- reading -------------------------------------------------------------------------------------------------------------- */

typedef struct cron_field {
  const char *called;
  unsigned min, max;
  const char *names; /* three letters each, the first is `min` */
} cron_field;

static const cron_field fields[5] = {{"minute", 0, 59, NULL},
                                     {"hour", 0, 23, NULL},
                                     {"day of month", 1, 31, NULL},
                                     {"month", 1, 12, "janfebmaraprmayjunjulaugsepoctnovdec"},
                                     {"day of week", 0, 7, "sunmontuewedthufrisat"}};

typedef struct cron_reading {
  const char *whole;
  const cron_field *field;
  larder_error *err;
} cron_reading;

static larder_err field_wrong(const cron_reading *r, const char *item, size_t len, const char *expected) {
  return lrd_fail(r->err, LARDER_EINVAL, 0, ROOM, "schedule \"%.60s\": %s \"%.*s\": %s", r->whole, r->field->called,
                  (int)(len < 40 ? len : 40), item, expected);
}

static larder_err number_expected(const cron_reading *r, const char *item, size_t len) {
  char text[120];
  snprintf(text, sizeof text, "*, or a number from %u to %u%s is expected", r->field->min, r->field->max,
           r->field->max == 12  ? " or a name such as jan"
           : r->field->max == 7 ? " (0 and 7 are Sunday) or a name such as mon"
                                : "");
  return field_wrong(r, item, len, text);
}

/* A number or a name off the front; false: neither. */
static bool value_take(const cron_field *field, const char **at, const char *end, unsigned *out) {
  unsigned value = 0;
  const char *from = *at;
  while (*at < end && isdigit((unsigned char)**at) && *at - from < 4) value = value * 10 + (unsigned)(*(*at)++ - '0');
  if (*at > from) {
    *out = value;
    return value >= field->min && value <= field->max;
  }
  for (unsigned i = 0; field->names != NULL && end - from >= 3 && field->names[3 * (size_t)i] != '\0'; i++) {
    if (strncasecmp(field->names + 3 * (size_t)i, from, 3) != 0) continue;
    *at += 3;
    *out = field->min + i;
    return true;
  }
  return false;
}

/* One item of a list: `*`, `5`, `5-9`, each but the second with a step. */
static larder_err item_read(const cron_reading *r, const char *item, const char *end, uint64_t *bits) {
  const cron_field *field = r->field;
  const char *at = item;
  size_t len = (size_t)(end - item);
  unsigned first = field->min, last = field->max, step = 1;
  bool single = false;
  if (at < end && *at == '*') {
    at++;
    if (field->max == 7) last = 6;
  } else {
    if (!value_take(field, &at, end, &first)) return number_expected(r, item, len);
    last = first;
    single = !(at < end && *at == '-');
    if (!single) {
      at++;
      if (!value_take(field, &at, end, &last)) return number_expected(r, item, len);
      /* A week may end on a Sunday. */
      if (field->max == 7 && last == 0 && first > 0) last = 7;
    }
    if (last < first) return field_wrong(r, item, len, "it goes backwards; write two ranges, such as 22-23,0-2");
  }
  if (at < end && *at == '/') {
    if (single) return field_wrong(r, item, len, "a step needs a range or *, such as */15 or 6-18/2");
    for (step = 0, at++; at < end && isdigit((unsigned char)*at) && step < 100; at++) step = step * 10 + (unsigned)(*at - '0');
    if (at[-1] == '/' || step == 0 || step > field->max)
      return field_wrong(r, item, len, "a step is a number from 1 on, within the field");
  }
  if (at < end) return field_wrong(r, item, len, "*, numbers, names, ranges a-b, lists a,b and steps */n are understood");
  for (unsigned value = first; value <= last; value += step)
    *bits |= UINT64_C(1) << (field->max == 7 && value == 7 ? 0 : value);
  return LARDER_OK;
}

static larder_err field_read(const cron_reading *r, const char *text, size_t len, uint64_t *bits) {
  larder_err result = LARDER_OK;
  *bits = 0;
  for (const char *at = text, *end = text + len; at <= end && result == LARDER_OK;) {
    const char *comma = memchr(at, ',', (size_t)(end - at));
    const char *stop = comma != NULL ? comma : end;
    result = item_read(r, at, stop, bits);
    at = stop + 1;
  }
  return result;
}

static size_t fields_split(const char *text, const char *out[6], size_t len[6]) {
  size_t count = 0;
  for (const char *at = text + strspn(text, " \t"); *at != '\0' && count < 6; at += strspn(at, " \t")) {
    out[count] = at;
    len[count] = strcspn(at, " \t");
    at += len[count++];
  }
  return count;
}

static int64_t wall_next(const lrd_schedule *schedule, int64_t minute);

static larder_err cron_read(const char *text, lrd_schedule *out, larder_error *err) {
  const char *at[6];
  size_t len[6];
  uint64_t bits[5];
  larder_err result = LARDER_OK;
  size_t count = fields_split(text, at, len);
  if (count != 5)
    return lrd_fail(err, LARDER_EINVAL, 0, ROOM,
                    "schedule \"%.60s\": `every 7d`, `@daily`, or five fields (minute, hour, day of month, month, day of week) "
                    "are expected; there %s %zu%s",
                    text, count == 1 ? "is" : "are", count, count == 6 ? " or more" : "");
  for (size_t i = 0; i < 5 && result == LARDER_OK; i++) {
    cron_reading reading = {text, &fields[i], err};
    result = field_read(&reading, at[i], len[i], &bits[i]);
  }
  if (result != LARDER_OK) return result;
  lrd_schedule read = {.minutes = bits[0],
                       .hours = (uint32_t)bits[1],
                       .days = (uint32_t)bits[2],
                       .months = (uint32_t)bits[3],
                       .weekdays = (uint32_t)bits[4],
                       .days_any = *at[2] == '*',
                       .weekdays_any = *at[4] == '*'};
  if (wall_next(&read, 0) == LRD_SCHEDULE_NEVER)
    return lrd_fail(err, LARDER_EINVAL, 0, ROOM,
                    "schedule \"%.60s\": there is no such date: no month of \"%.*s\" has a day \"%.*s\"", text,
                    (int)(len[3] < 40 ? len[3] : 40), at[3], (int)(len[2] < 40 ? len[2] : 40), at[2]);
  *out = read;
  return LARDER_OK;
}

static larder_err every_read(const char *text, const char *time, lrd_schedule *out, larder_error *err) {
  int64_t ms = 0;
  size_t len = strlen(time);
  while (len > 0 && (time[len - 1] == ' ' || time[len - 1] == '\t')) len--;
  bool unit = len > 0 && !isdigit((unsigned char)time[len - 1]);
  if (!unit || lrd_duration_parse(time, 1, &ms) != LARDER_OK || ms < 1000)
    return lrd_fail(err, LARDER_EINVAL, 0, ROOM,
                    "schedule \"%.60s\": after `every` a time with a unit is expected, at least a second, such as 90m or 7d",
                    text);
  *out = (lrd_schedule){.every_ms = ms};
  return LARDER_OK;
}

static larder_err nickname_read(const char *text, lrd_schedule *out, larder_error *err) {
  static const struct {
    const char *name, *means;
  } nicknames[] = {{"@hourly", "0 * * * *"},  {"@daily", "0 0 * * *"},  {"@midnight", "0 0 * * *"}, {"@weekly", "0 0 * * 0"},
                   {"@monthly", "0 0 1 * *"}, {"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}};
  for (size_t i = 0; i < sizeof nicknames / sizeof *nicknames; i++) {
    size_t len = strlen(nicknames[i].name);
    if (strncasecmp(text, nicknames[i].name, len) == 0 && text[len + strspn(text + len, " \t")] == '\0')
      return cron_read(nicknames[i].means, out, err);
  }
  return lrd_fail(err, LARDER_EINVAL, 0, ROOM, "schedule \"%.60s\": @hourly, @daily, @weekly, @monthly or @yearly is expected",
                  text);
}

larder_err lrd_schedule_parse(const char *text, lrd_schedule *out, larder_error *err) {
  const char *at = text + strspn(text, " \t");
  if (*at == '@') return nickname_read(at, out, err);
  if (strncasecmp(at, "every", 5) == 0 && (at[5] == '\0' || at[5] == ' ' || at[5] == '\t'))
    return every_read(text, at + 5 + strspn(at + 5, " \t"), out, err);
  return cron_read(text, out, err);
}

/* --- the calendar --------------------------------------------------------------------------------------------------------- */

typedef struct civil_date {
  int64_t day; /* since 1970 */
  int year;
  unsigned month, mday;
} civil_date;

static int64_t floor_div(int64_t number, int64_t by) { return number / by - (number % by < 0); }

/* The proleptic Gregorian calendar in eras of 400 years that begin on 1 March. */
static civil_date date_of(int64_t day) {
  int64_t since = day + 719468;
  int64_t era = floor_div(since, 146097);
  int64_t of_era = since - era * 146097;
  int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
  int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
  int64_t month = (5 * of_year + 2) / 153;
  unsigned mday = (unsigned)(of_year - (153 * month + 2) / 5 + 1);
  unsigned number = (unsigned)(month < 10 ? month + 3 : month - 9);
  return (civil_date){day, (int)(year + era * 400 + (number <= 2)), number, mday};
}

static unsigned days_in(int year, unsigned month) {
  static const unsigned char lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  return lengths[month - 1] + (month == 2 && leap);
}

static void date_move(civil_date *date, unsigned days) {
  date->day += days;
  date->mday += days;
  unsigned length = days_in(date->year, date->month);
  if (date->mday <= length) return;
  date->mday -= length;
  if (++date->month <= 12) return;
  date->month = 1;
  date->year++;
}

static bool day_matches(const lrd_schedule *schedule, const civil_date *date) {
  /* 1 January 1970 was a Thursday. */
  int64_t weekday = (date->day + 4) - 7 * floor_div(date->day + 4, 7);
  bool by_day = schedule->days >> date->mday & 1;
  bool by_weekday = schedule->weekdays >> weekday & 1;
  return schedule->days_any || schedule->weekdays_any ? by_day && by_weekday : by_day || by_weekday;
}

/* The first minute of the day from `from` on that matches; 1440: none. */
static int64_t minute_of_day(const lrd_schedule *schedule, int64_t from) {
  for (int64_t hour = from / 60; hour < 24; hour++) {
    if (!(schedule->hours >> hour & 1)) continue;
    for (int64_t minute = hour == from / 60 ? from % 60 : 0; minute < 60; minute++)
      if (schedule->minutes >> minute & 1) return hour * 60 + minute;
  }
  return 1440;
}

/* The first minute of the wall that matches, from `minute` on; minutes since 1970 as if there were no offsets. */
static int64_t wall_next(const lrd_schedule *schedule, int64_t minute) {
  civil_date date = date_of(floor_div(minute, 1440));
  int64_t from = minute - date.day * 1440;
  int last_year = date.year + YEARS_MAX;
  while (date.year <= last_year) {
    if (!(schedule->months >> date.month & 1)) {
      date_move(&date, days_in(date.year, date.month) - date.mday + 1);
      from = 0;
      continue;
    }
    int64_t found = day_matches(schedule, &date) ? minute_of_day(schedule, from) : 1440;
    if (found < 1440) return date.day * 1440 + found;
    date_move(&date, 1);
    from = 0;
  }
  return LRD_SCHEDULE_NEVER;
}

/* --- the wall ------------------------------------------------------------------------------------------------------------- */

static int64_t offset_at(int64_t second) {
  time_t when = (time_t)second;
  struct tm local;
  return localtime_r(&when, &local) != NULL ? (int64_t)local.tm_gmtoff : 0;
}

static int64_t wall_at(int64_t second, int64_t offset) { return floor_div(second + offset, 60); }

/* The first second in (from, to] whose offset is another than that of `from`; false: none. */
static bool change_find(int64_t from, int64_t to, int64_t *out) {
  int64_t offset = offset_at(from);
  for (int64_t at = from; at < to;) {
    int64_t next = at + STEP < to ? at + STEP : to;
    if (offset_at(next) != offset) {
      while (next - at > 1) {
        int64_t middle = at + (next - at) / 2;
        if (offset_at(middle) == offset)
          at = middle;
        else
          next = middle;
      }
      *out = next;
      return true;
    }
    at = next;
  }
  return false;
}

/* The latest minute that the wall has shown by then. */
static int64_t mark_at(int64_t second) {
  int64_t mark = wall_at(second, offset_at(second));
  for (int64_t at = second - LOOK_BACK, change; change_find(at, second, &change); at = change) {
    int64_t before = wall_at(change - 1, offset_at(at));
    if (before > mark) mark = before;
  }
  return mark;
}

/* The first second after `after` at which the wall shows what matches. */
static int64_t moment_find(const lrd_schedule *schedule, int64_t after) {
  bool passing = schedule->hours == ALL_HOURS;
  int64_t at = after;
  int64_t wanted = wall_next(schedule, (passing ? wall_at(at, offset_at(at)) : mark_at(at)) + 1);
  while (wanted != LRD_SCHEDULE_NEVER) {
    int64_t change = 0;
    int64_t moment = wanted * 60 - offset_at(at);
    if (moment < at) moment = at; /* it was in the gap that ends here */
    /* Of a long time only its ends matter: minutes shown again just now, and the offset then. */
    bool far = moment - at > 4 * LOOK_BACK;
    if (!change_find(at, far ? at + LOOK_BACK : moment, &change)) {
      if (!far) return moment;
      at = moment - 2 * LOOK_BACK;
      continue;
    }
    at = change;
    if (passing) wanted = wall_next(schedule, wall_at(at, offset_at(at)));
  }
  return wanted;
}

int64_t lrd_schedule_next(const lrd_schedule *schedule, int64_t after_ms) {
  if (schedule->every_ms > 0)
    return after_ms > LRD_SCHEDULE_NEVER - schedule->every_ms ? LRD_SCHEDULE_NEVER : after_ms + schedule->every_ms;
  int64_t after = floor_div(after_ms, 1000);
  if (after >= LAST_SECOND) return LRD_SCHEDULE_NEVER;
  if (after < -LAST_SECOND) after = -LAST_SECOND;
  int64_t found = moment_find(schedule, after);
  return found == LRD_SCHEDULE_NEVER || found >= LAST_SECOND ? LRD_SCHEDULE_NEVER : found * 1000;
}

/* What is later is due later, so the bound can be halved in on, to the second: no moment of the calendar is finer. */
int64_t lrd_schedule_due_before(const lrd_schedule *schedule, int64_t now_ms) {
  if (schedule->every_ms > 0) return now_ms > schedule->every_ms ? now_ms - schedule->every_ms + 1 : 0;
  int64_t due = 0, not_due = floor_div(now_ms, 1000) + 1;
  if (not_due <= 0 || lrd_schedule_next(schedule, 0) > now_ms) return 0;
  for (int64_t back = HOUR; back < not_due; back *= 4) {
    if (lrd_schedule_next(schedule, (not_due - back) * 1000) > now_ms) continue;
    due = not_due - back;
    break;
  }
  while (not_due - due > 1) {
    int64_t middle = due + (not_due - due) / 2;
    if (lrd_schedule_next(schedule, middle * 1000) <= now_ms)
      due = middle;
    else
      not_due = middle;
  }
  return not_due * 1000;
}
