/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A token bucket: so many a second on the average, and so many at once after a rest. By any thread.
 */
#ifndef LRD_BASE_RATE_H
#define LRD_BASE_RATE_H

#include "base/clock.h"
#include "base/thread.h"

typedef struct lrd_rate {
  const lrd_clock *clock;
  lrd_mutex mutex;
  int64_t interval_ns; /* between two tokens; 0: no limit */
  int64_t advance_ns;  /* by how much a token may come ahead of its time, since there were none wanted before */
  int64_t next_ns;     /* when the next token would be due if none came ahead of its time */
} lrd_rate;

/* per_second 0: no limit but that of lrd_rate_pause. A burst below 1 is 1. The bucket is full. clock is borrowed. */
void lrd_rate_init(lrd_rate *rate, const lrd_clock *clock, double per_second, double burst);
void lrd_rate_fini(lrd_rate *rate);
/* Takes a token and returns 0, or returns in how many nanoseconds there is one, if nobody else takes it. Never waits. */
LARDER_MUST_CHECK int64_t lrd_rate_take(lrd_rate *rate);
/* Nobody gets a token for so long, and then one, not a burst. A shorter pause leaves a longer one as it is. */
void lrd_rate_pause(lrd_rate *rate, int64_t ns);

#endif
