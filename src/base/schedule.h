/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When something is to be made anew. Three forms:
 *
 *   every 7d          so long after the last time; units as in base/quantity.h, at least a second
 *   30 6 * * mon-fri  as in crontab(5), in local time: minute, hour, day of month, month, day of week
 *   @daily            @hourly, @daily or @midnight, @weekly, @monthly, @yearly or @annually
 *
 * A field of the second form is `*`, numbers, names of months and weekdays (three letters), ranges `6-18`, lists `1,15`; behind
 * a range or `*` a step may follow, `6-18/2`. Sunday is 0 and 7. The month holds in any case. Where both days are restricted,
 * one that matches either counts (POSIX); a field that begins with `*` restricts nothing by this rule, as in Debian's cron.
 *
 * Where the clock is put forward, a time that does not exist counts at the first moment after the gap, once for all that fell
 * into it. Where it is put back, a time that comes twice counts the first time. Only where every hour matches (`hour` is `*`)
 * it goes by the time that passes: what does not exist is left out, and what comes twice counts twice.
 */
#ifndef LRD_BASE_SCHEDULE_H
#define LRD_BASE_SCHEDULE_H

#include <larder/error.h>
#include <stdbool.h>
#include <stdint.h>

#define LRD_SCHEDULE_NEVER INT64_MAX

typedef struct lrd_schedule {
  int64_t every_ms; /* 0: by the fields below, a bit for each value that matches */
  uint64_t minutes;
  uint32_t hours;
  uint32_t days;     /* of the month, from bit 1 */
  uint32_t months;   /* from bit 1 */
  uint32_t weekdays; /* Sunday is bit 0 */
  bool days_any;     /* by the rule of both days */
  bool weekdays_any;
} lrd_schedule;

/* LARDER_EINVAL with what was found and what is expected, also for dates that never come (31 February). */
LARDER_MUST_CHECK larder_err lrd_schedule_parse(const char *text, lrd_schedule *out, larder_error *err);
/*
 * The first moment after `after_ms`, both in wall milliseconds. Ask with the time of the last refresh: what is not later than
 * now is due, once, however often it was missed. LRD_SCHEDULE_NEVER beyond the year 9999.
 */
int64_t lrd_schedule_next(const lrd_schedule *schedule, int64_t after_ms);
/* The other way round: what was made before this moment is due by `now_ms`, what was made since is not. 0: nothing is. */
int64_t lrd_schedule_due_before(const lrd_schedule *schedule, int64_t now_ms);

#endif
