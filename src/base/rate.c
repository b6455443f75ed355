/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bucket is kept as one moment instead of a number of tokens: when the next token is due. A token moves it on by one
 * interval, and may be taken up to advance_ns before it is due. All in whole nanoseconds, so that who waits for as long as
 * it was told finds its token, which a sum of fractions of tokens would not promise.
 */
#include "rate.h"

#define NS_PER_S  1e9
#define SPAN_MAX  (INT64_MAX / 4) /* sums of three of these and of any clock's time fit */
#define SPAN_REAL 2e18            /* below it, as a double */

static int64_t span_of(double ns) {
  if (!(ns > 0)) {
    return 0;
  }
  if (ns >= SPAN_REAL) {
    return SPAN_MAX;
  }
  int64_t whole = (int64_t)ns;
  return (double)whole < ns ? whole + 1 : whole;
}

void lrd_rate_init(lrd_rate *rate, const lrd_clock *clock, double per_second, double burst) {
  *rate = (lrd_rate){.clock = clock};
  lrd_mutex_init(&rate->mutex);
  if (per_second > 0) {
    rate->interval_ns = span_of(NS_PER_S / per_second);
    rate->advance_ns = burst > 1 ? span_of((burst - 1) * (double)rate->interval_ns) : 0;
  }
  rate->next_ns = lrd_mono_ns(clock);
}

void lrd_rate_fini(lrd_rate *rate) {
  if (rate->clock) {
    lrd_mutex_fini(&rate->mutex);
    rate->clock = NULL;
  }
}

int64_t lrd_rate_take(lrd_rate *rate) {
  int64_t wait_ns = 0;
  lrd_lock(&rate->mutex);
  int64_t now_ns = lrd_mono_ns(rate->clock);
  int64_t due_ns = rate->next_ns > now_ns ? rate->next_ns : now_ns;
  if (due_ns - rate->advance_ns > now_ns) {
    wait_ns = due_ns - rate->advance_ns - now_ns;
  } else {
    rate->next_ns = due_ns + rate->interval_ns;
  }
  lrd_unlock(&rate->mutex);
  return wait_ns;
}

void lrd_rate_pause(lrd_rate *rate, int64_t ns) {
  if (ns <= 0) {
    return;
  }
  lrd_lock(&rate->mutex);
  int64_t until_ns = lrd_mono_ns(rate->clock) + (ns < SPAN_MAX ? ns : SPAN_MAX) + rate->advance_ns;
  if (rate->next_ns < until_ns) {
    rate->next_ns = until_ns;
  }
  lrd_unlock(&rate->mutex);
}
