/* SPDX-License-Identifier: Apache-2.0 */
/* Schedules: what is understood, what is refused and how, and the next time, also where clocks are put forward and back. */
#include "support/support.h"

#include "base/schedule.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void zone_set(const char *zone) {
  assert_int_equal(setenv("TZ", zone, 1), 0);
  tzset();
}

/* `2026-03-29 01:30` or with seconds, in UTC. */
static int64_t utc_ms(const char *text) {
  struct tm parts = {0};
  const char *end = strptime(text, "%Y-%m-%d %H:%M", &parts);
  if (end != NULL && *end == ':') end = strptime(end, ":%S", &parts);
  if (end == NULL || *end != '\0') fail_msg("%s is no time", text);
  return (int64_t)timegm(&parts) * 1000;
}

static const char *utc_text(int64_t ms, char out[64]) {
  time_t when = (time_t)(ms / 1000);
  struct tm parts;
  if (ms == LRD_SCHEDULE_NEVER) return "never";
  assert_non_null(gmtime_r(&when, &parts));
  strftime(out, 64, "%Y-%m-%d %H:%M:%S", &parts);
  return out;
}

static lrd_schedule schedule_of(const char *text) {
  lrd_schedule schedule = {0};
  larder_error err = {0};
  if (lrd_schedule_parse(text, &schedule, &err) != LARDER_OK) fail_msg("%s", err.message);
  return schedule;
}

/* The times that follow each other, in UTC. */
static void times_are(const char *text, const char *after, const char *const *wanted) {
  lrd_schedule schedule = schedule_of(text);
  int64_t at = utc_ms(after);
  char found[64], should[64];
  for (size_t i = 0; wanted[i] != NULL; i++) {
    at = lrd_schedule_next(&schedule, at);
    if (at != utc_ms(wanted[i]))
      fail_msg("%s after %s: number %zu is %s, not %s", text, after, i, utc_text(at, found),
               utc_text(utc_ms(wanted[i]), should));
  }
}

#define TIMES(text, after, ...) times_are(text, after, (const char *const[]){__VA_ARGS__, NULL})

static void every_is_counted_from_the_last_time(void **state) {
  (void)state;
  zone_set("UTC");
  TIMES("every 90m", "2026-01-01 00:10:30", "2026-01-01 01:40:30", "2026-01-01 03:10:30");
  TIMES(" Every  7d ", "2024-02-25 00:00", "2024-03-03 00:00");
  lrd_schedule schedule = schedule_of("every 1s");
  assert_int_equal(lrd_schedule_next(&schedule, 5), 1005);
  assert_true(lrd_schedule_next(&schedule, INT64_MAX - 5) == LRD_SCHEDULE_NEVER);
}

static void fields_are_read_as_crontab_has_them(void **state) {
  (void)state;
  zone_set("UTC");
  TIMES("*/15 6-18 * * mon-fri", "2026-11-27 18:30", "2026-11-27 18:45", "2026-11-30 06:00", "2026-11-30 06:15");
  TIMES("0 0 1,15 * *", "2026-11-27 00:00", "2026-12-01 00:00", "2026-12-15 00:00", "2027-01-01 00:00");
  TIMES("5 4 * JAN,jul Sun", "2026-02-01 00:00", "2026-07-05 04:05", "2026-07-12 04:05");
  TIMES("0 12 * * 7", "2026-11-27 00:00", "2026-11-29 12:00", "2026-12-06 12:00");
  TIMES("0 12 * * 0", "2026-11-27 00:00", "2026-11-29 12:00");
  TIMES("0 12 * * fri-sun", "2026-11-26 13:00", "2026-11-27 12:00", "2026-11-28 12:00", "2026-11-29 12:00", "2026-12-04 12:00");
  TIMES("10-40/10,59 * * * *", "2026-01-01 00:00", "2026-01-01 00:10", "2026-01-01 00:20", "2026-01-01 00:30",
        "2026-01-01 00:40", "2026-01-01 00:59", "2026-01-01 01:10");
  TIMES("0 0 1 1 *", "2026-01-01 00:00", "2027-01-01 00:00");
  /* Strictly after, and by whole minutes. */
  TIMES("* * * * *", "2026-01-01 00:00:59", "2026-01-01 00:01", "2026-01-01 00:02");
  TIMES("@hourly", "2026-01-01 00:00", "2026-01-01 01:00");
  TIMES("@Daily", "2026-01-01 00:00", "2026-01-02 00:00");
  TIMES("@midnight", "2026-01-01 00:00", "2026-01-02 00:00");
  TIMES("@weekly ", "2026-11-27 00:00", "2026-11-29 00:00");
  TIMES("@monthly", "2026-01-31 00:00", "2026-02-01 00:00");
  TIMES("@yearly", "2026-01-31 00:00", "2027-01-01 00:00");
  TIMES("@annually", "2026-01-31 00:00", "2027-01-01 00:00");
}

static void either_day_counts_where_both_are_restricted(void **state) {
  (void)state;
  zone_set("UTC");
  /* Friday the 13th is not what this means. */
  TIMES("0 0 13 * fri", "2026-11-01 00:00", "2026-11-06 00:00", "2026-11-13 00:00", "2026-11-20 00:00", "2026-11-27 00:00",
        "2026-12-04 00:00", "2026-12-11 00:00", "2026-12-13 00:00");
  TIMES("0 0 * * fri", "2026-11-01 00:00", "2026-11-06 00:00", "2026-11-13 00:00");
  TIMES("0 0 13 * *", "2026-11-01 00:00", "2026-11-13 00:00", "2026-12-13 00:00");
  /* A star with a step restricts by itself, yet is none of the two. */
  TIMES("0 0 */10 * fri", "2026-11-01 00:00", "2026-12-11 00:00", "2027-01-01 00:00", "2027-05-21 00:00");
  TIMES("0 0 31 2 mon", "2026-11-01 00:00", "2027-02-01 00:00", "2027-02-08 00:00");
}

static void leap_days_come_when_they_come(void **state) {
  (void)state;
  zone_set("UTC");
  TIMES("0 0 29 2 *", "2023-01-01 00:00", "2024-02-29 00:00", "2028-02-29 00:00");
  TIMES("0 0 29 2 *", "2096-03-01 00:00", "2104-02-29 00:00");
  TIMES("59 23 28-31 2 *", "2024-02-28 23:59", "2024-02-29 23:59", "2025-02-28 23:59");
  TIMES("0 0 31 * *", "2026-01-31 00:00", "2026-03-31 00:00", "2026-05-31 00:00");
  TIMES("0 0 29 feb */7", "2026-01-01 00:00", "2032-02-29 00:00", "2060-02-29 00:00");
}

static void refused(const char *text, const char *says) {
  lrd_schedule schedule = {.every_ms = 77};
  larder_error err = {0};
  assert_err(lrd_schedule_parse(text, &schedule, &err), LARDER_EINVAL);
  if (strstr(err.message, says) == NULL) fail_msg("%s gave: %s", text, err.message);
  assert_int_equal(schedule.every_ms, 77);
}

static void mistakes_say_what_is_expected(void **state) {
  (void)state;
  zone_set("UTC");
  refused("61 * * * *", "minute \"61\": *, or a number from 0 to 59 is expected");
  refused("* 24 * * *", "hour \"24\": *, or a number from 0 to 23 is expected");
  refused("* * 0 * *", "day of month \"0\": *, or a number from 1 to 31 is expected");
  refused("* * * janu *", "month \"janu\": *, numbers, names, ranges");
  refused("* * * 13 *", "month \"13\": *, or a number from 1 to 12 or a name such as jan is expected");
  refused("* * * * 8", "day of week \"8\": *, or a number from 0 to 7 (0 and 7 are Sunday) or a name such as mon is expected");
  refused("* * * * mo", "day of week \"mo\": *, or a number");
  refused("* 22-2 * * *", "hour \"22-2\": it goes backwards; write two ranges, such as 22-23,0-2");
  refused("*/0 * * * *", "minute \"*/0\": a step is a number from 1 on, within the field");
  refused("*/99 * * * *", "a step is a number");
  refused("*/ * * * *", "a step is a number");
  refused("5/15 * * * *", "minute \"5/15\": a step needs a range or *, such as */15 or 6-18/2");
  refused("1,,2 * * * *", "minute \"\": *, or a number");
  refused("1, * * * *", "minute \"\": *, or a number");
  refused("-1 * * * *", "minute \"-1\"");
  refused("1- * * * *", "minute \"1-\"");
  refused("1.5 * * * *", "minute \"1.5\": *, numbers, names, ranges a-b, lists a,b and steps */n are understood");
  refused("00000000001 * * * *", "minute \"00000000001\"");
  refused("* * L * *", "day of month \"L\"");
  refused("* * ? * *", "day of month \"?\"");
  refused("* * * * fri#2", "day of week \"fri#2\"");
  refused("* * * *", "five fields (minute, hour, day of month, month, day of week) are expected; there are 4");
  refused("* * * * * *", "are expected; there are 6 or more");
  refused("", "there are 0");
  refused("daily", "there is 1");
  refused("0 0 31 2 *", "there is no such date: no month of \"2\" has a day \"31\"");
  refused("0 0 30 feb *", "no month of \"feb\" has a day \"30\"");
  refused("0 0 31 4,6,9,11 *", "there is no such date");
  refused("@reboot", "@hourly, @daily, @weekly, @monthly or @yearly is expected");
  refused("@dailyx", "is expected");
  refused("every", "after `every` a time with a unit is expected, at least a second, such as 90m or 7d");
  refused("every 7", "a time with a unit");
  refused("every 10ms", "at least a second");
  refused("every -1d", "a time with a unit");
  refused("every day", "a time with a unit");
}

/* Central European time by its rule, so that no table of zones is needed; the same again where there is one. */
static const char *const berlins[] = {"CET-1CEST,M3.5.0,M10.5.0/3", "Europe/Berlin"};

static void a_time_in_the_gap_counts_behind_it_once(void **state) {
  (void)state;
  for (size_t i = 0; i < 2; i++) {
    zone_set(berlins[i]);
    if (i == 1 && access("/usr/share/zoneinfo/Europe/Berlin", R_OK) != 0) break;
    /* 29 March 2026, 02:00 becomes 03:00 at 01:00 UTC. */
    TIMES("30 2 * * *", "2026-03-28 00:00", "2026-03-28 01:30", "2026-03-29 01:00", "2026-03-30 00:30");
    TIMES("*/15 2 * * *", "2026-03-29 00:59", "2026-03-29 01:00", "2026-03-30 00:00");
    TIMES("0 3 * * *", "2026-03-28 12:00", "2026-03-29 01:00", "2026-03-30 01:00");
    /* Both 02:30 and 03:00: one moment. */
    TIMES("0,30 2-3 * * *", "2026-03-28 12:00", "2026-03-29 01:00", "2026-03-29 01:30", "2026-03-30 00:00");
    /* By the time that passes. */
    TIMES("30 * * * *", "2026-03-29 00:00", "2026-03-29 00:30", "2026-03-29 01:30", "2026-03-29 02:30");
    TIMES("0 0 * * *", "2026-03-28 12:00", "2026-03-28 23:00", "2026-03-29 22:00");
    TIMES("every 1d", "2026-03-28 12:00", "2026-03-29 12:00");
  }
}

static void a_time_that_comes_twice_counts_the_first_time(void **state) {
  (void)state;
  for (size_t i = 0; i < 2; i++) {
    zone_set(berlins[i]);
    if (i == 1 && access("/usr/share/zoneinfo/Europe/Berlin", R_OK) != 0) break;
    /* 25 October 2026, 03:00 becomes 02:00 at 01:00 UTC. */
    TIMES("30 2 * * *", "2026-10-24 12:00", "2026-10-25 00:30", "2026-10-26 01:30");
    TIMES("30 2 * * *", "2026-10-25 01:00", "2026-10-26 01:30");
    TIMES("*/20 2-3 * * *", "2026-10-24 23:50", "2026-10-25 00:00", "2026-10-25 00:20", "2026-10-25 00:40", "2026-10-25 02:00",
          "2026-10-25 02:20");
    TIMES("0 3 * * *", "2026-10-24 12:00", "2026-10-25 02:00");
    TIMES("30 * * * *", "2026-10-25 00:00", "2026-10-25 00:30", "2026-10-25 01:30", "2026-10-25 02:30");
    TIMES("30 * 25 10 *", "2026-10-25 22:00", "2026-10-25 22:30", "2027-10-24 22:30");
    TIMES("0 0 * * *", "2026-10-24 12:00", "2026-10-24 22:00", "2026-10-25 23:00");
  }
}

/* --- against a clock that is walked minute by minute ------------------------------------------------------------------------
 */

static bool minute_matches(const lrd_schedule *s, int64_t wall) {
  time_t when = (time_t)wall * 60;
  struct tm parts;
  assert_non_null(gmtime_r(&when, &parts));
  bool day = s->days >> parts.tm_mday & 1, weekday = s->weekdays >> parts.tm_wday & 1;
  bool days = s->days_any || s->weekdays_any ? day && weekday : day || weekday;
  return days && (s->minutes >> parts.tm_min & 1) && (s->hours >> parts.tm_hour & 1) && (s->months >> (parts.tm_mon + 1) & 1);
}

static int64_t wall_of(int64_t second) {
  time_t when = (time_t)second;
  struct tm parts;
  assert_non_null(localtime_r(&when, &parts));
  return (second + parts.tm_gmtoff) / 60;
}

/* All times of a few days, walked and asked for. */
static void walk_agrees(const char *text, const char *zone, const char *around) {
  lrd_schedule schedule = schedule_of(text);
  bool passing = schedule.hours == 0xFFFFFF;
  int64_t middle = utc_ms(around) / 1000, mark = 0;
  int64_t from = middle - 36 * 3600, asked = from * 1000;
  char found[64], should[64];
  for (int64_t at = from - 72 * 3600; at <= middle + 36 * 3600; at += 60) {
    int64_t wall = wall_of(at);
    bool fires = passing && minute_matches(&schedule, wall);
    for (int64_t w = mark + 1; !passing && mark > 0 && w <= wall && !fires; w++) fires = minute_matches(&schedule, w);
    if (wall > mark) mark = wall;
    if (!fires || at <= from) continue;
    int64_t next = lrd_schedule_next(&schedule, asked);
    if (next != at * 1000)
      fail_msg("%s in %s after %s: %s, not %s", text, zone, utc_text(asked, (char[64]){0}), utc_text(next, found),
               utc_text(at * 1000, should));
    /* From any moment between it is the same. */
    assert_true(lrd_schedule_next(&schedule, asked + (next - asked) / 2) == next);
    assert_true(lrd_schedule_next(&schedule, next - 1) == next);
    asked = next;
  }
}

static void every_change_of_every_clock_is_kept(void **state) {
  (void)state;
  static const struct {
    const char *zone, *around;
  } changes[] = {
      {"CET-1CEST,M3.5.0,M10.5.0/3", "2026-03-29 01:00"},
      {"CET-1CEST,M3.5.0,M10.5.0/3", "2026-10-25 01:00"},
      {"America/Sao_Paulo", "2017-10-15 03:00"}, /* midnight does not exist */
      {"America/Sao_Paulo", "2018-02-18 02:00"}, /* the hour before midnight comes twice */
      {"America/St_Johns", "2010-11-07 02:31"},  /* one minute past midnight it is the day before again */
      {"America/St_Johns", "2010-03-14 03:31"},
      {"Australia/Lord_Howe", "2026-04-04 15:00"}, /* half an hour */
      {"Australia/Lord_Howe", "2026-10-03 15:30"},
      {"Pacific/Apia", "2011-12-30 10:00"}, /* a whole day is left out */
      {"America/Caracas", "2016-05-01 07:00"},
      {"Asia/Kolkata", "2026-01-01 00:00"},
  };
  static const char *const schedules[] = {"30 2 * * *", "*/15 * * * *",     "0 0 * * *",   "*/7 0-3,23 * * *",
                                          "0 23 * * *", "59 23 * * sat",    "1 0 * * sun", "45 23-23 * * *",
                                          "30 * * * *", "10 1,2 30,31 * *", "0 */2 * * *", "0 12 * * *",
                                          "@hourly",    "5 0 1 * *",        "30 * 17 2 *"};
  for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
    char path[128];
    snprintf(path, sizeof path, "/usr/share/zoneinfo/%s", changes[i].zone);
    if (strchr(changes[i].zone, ',') == NULL && access(path, R_OK) != 0) continue;
    zone_set(changes[i].zone);
    for (size_t j = 0; j < sizeof schedules / sizeof *schedules; j++)
      walk_agrees(schedules[j], changes[i].zone, changes[i].around);
  }
}

static void far_times_have_an_end(void **state) {
  (void)state;
  zone_set("UTC");
  lrd_schedule schedule = schedule_of("0 0 1 1 *");
  assert_true(lrd_schedule_next(&schedule, INT64_MAX - 1) == LRD_SCHEDULE_NEVER);
  assert_true(lrd_schedule_next(&schedule, utc_ms("9999-12-01 00:00")) == LRD_SCHEDULE_NEVER);
  assert_true(lrd_schedule_next(&schedule, INT64_MIN) > INT64_MIN);
  TIMES("0 0 1 1 *", "1900-06-01 00:00", "1901-01-01 00:00");
  TIMES("0 0 1 1 *", "1969-12-31 23:59:59", "1970-01-01 00:00", "1971-01-01 00:00");
}

/* What is due by now is exactly what was made before the bound. */
static void the_bound_parts_what_is_due_from_what_is_not(void **state) {
  static const char *const texts[] = {"every 7d", "@daily", "@hourly", "30 6 * * mon-fri", "0 0 29 2 *", "*/5 * * * *"};
  static const char *const times[] = {"2026-03-29 01:30:10", "2026-10-25 01:00", "2026-07-01 22:00", "2026-06-30 23:59:59"};
  (void)state;
  zone_set("CET-1CEST,M3.5.0,M10.5.0/3");
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    lrd_schedule schedule = schedule_of(texts[i]);
    for (size_t j = 0; j < sizeof times / sizeof *times; j++) {
      int64_t now_ms = utc_ms(times[j]);
      int64_t bound_ms = lrd_schedule_due_before(&schedule, now_ms);
      assert_true(bound_ms > 0 && bound_ms <= now_ms);
      assert_true(lrd_schedule_next(&schedule, bound_ms - 1) <= now_ms);
      assert_true(lrd_schedule_next(&schedule, bound_ms) > now_ms);
    }
  }
  lrd_schedule yearly = schedule_of("@yearly"), often = schedule_of("every 1s");
  assert_true(lrd_schedule_due_before(&yearly, 0) == 0);
  assert_true(lrd_schedule_due_before(&yearly, -5000) == 0);
  assert_true(lrd_schedule_due_before(&often, 500) == 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_is_counted_from_the_last_time),
      cmocka_unit_test(fields_are_read_as_crontab_has_them),
      cmocka_unit_test(either_day_counts_where_both_are_restricted),
      cmocka_unit_test(leap_days_come_when_they_come),
      cmocka_unit_test(mistakes_say_what_is_expected),
      cmocka_unit_test(a_time_in_the_gap_counts_behind_it_once),
      cmocka_unit_test(a_time_that_comes_twice_counts_the_first_time),
      cmocka_unit_test(every_change_of_every_clock_is_kept),
      cmocka_unit_test(far_times_have_an_end),
      cmocka_unit_test(the_bound_parts_what_is_due_from_what_is_not),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
