/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Schedules: eight bytes of time, then the text. Every text is accepted or refused with a sentence; what is accepted has a
 * next time later than the one asked about, which it is also just before, and which the wall shows unless a gap is in front.
 */
#include "base/schedule.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HOLDS(condition)                                                                                                       \
  do {                                                                                                                         \
    if (!(condition)) abort();                                                                                                 \
  } while (0)

static void next_check(const lrd_schedule *schedule, int64_t after) {
  int64_t next = lrd_schedule_next(schedule, after);
  HOLDS(next > after || next == LRD_SCHEDULE_NEVER);
  if (schedule->every_ms > 0 || next == LRD_SCHEDULE_NEVER) return;
  HOLDS(next % 60000 == 0 && lrd_schedule_next(schedule, next - 1) == next);
  time_t now = (time_t)(next / 1000), before = now - 1;
  struct tm wall, wall_before;
  HOLDS(localtime_r(&now, &wall) != NULL && localtime_r(&before, &wall_before) != NULL);
  bool shown = (schedule->minutes >> wall.tm_min & 1) && (schedule->hours >> wall.tm_hour & 1);
  HOLDS(shown || wall.tm_gmtoff > wall_before.tm_gmtoff);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  int64_t after = 0;
  lrd_schedule schedule;
  larder_error err = {0};
  (void)setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
  if (size < sizeof after) return 0;
  memcpy(&after, data, sizeof after);
  char *text = calloc(1, size - sizeof after + 1);
  HOLDS(text != NULL);
  memcpy(text, data + sizeof after, size - sizeof after);
  larder_err result = lrd_schedule_parse(text, &schedule, &err);
  HOLDS(result == LARDER_OK || (result == LARDER_EINVAL && err.message[0] != '\0'));
  /* Times from 1970 to about 2250, and any. */
  if (result == LARDER_OK) next_check(&schedule, (int64_t)((uint64_t)after % 8796093022208));
  if (result == LARDER_OK && schedule.every_ms > 0) next_check(&schedule, after);
  free(text);
  return 0;
}
