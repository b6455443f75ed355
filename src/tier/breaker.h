/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A breaker per tier and process: closed (works) → open after N failures in a row → half-open when the retry time has
 * come, one call being let through → closed by its success, open again by its failure. A miss in time is a success.
 */
#ifndef LRD_TIER_BREAKER_H
#define LRD_TIER_BREAKER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct lrd_breaker {
  uint32_t failures_max; /* in a row, to open */
  int64_t retry_ns;      /* open to half-open */
  _Atomic uint32_t failures;
  _Atomic int64_t opened_ns; /* 0: closed */
  _Atomic bool trying;       /* half-open: one call is under way */
} lrd_breaker;

void lrd_breaker_init(lrd_breaker *breaker, uint32_t failures_max, int64_t retry_ns);
/* Whether a call may go ahead now. True in half-open for one caller at a time, who must report. */
bool lrd_breaker_allows(lrd_breaker *breaker, int64_t now_ns);
/* True when this success closed an open breaker. */
bool lrd_breaker_succeeded(lrd_breaker *breaker);
/* True when this failure opened it. */
bool lrd_breaker_failed(lrd_breaker *breaker, int64_t now_ns);
/* Open, and the time to try again has not come. */
bool lrd_breaker_waits(const lrd_breaker *breaker, int64_t now_ns);
/* "closed", "open", "half-open". */
const char *lrd_breaker_state(const lrd_breaker *breaker, int64_t now_ns);

#endif
