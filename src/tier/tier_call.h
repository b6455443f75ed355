/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An open tier instance and the only way to its operations. A wrapper asserts what the contract says of its arguments,
 * asks the breaker, holds the instance open for the call (it may be closed and replaced under the cache), times it into
 * the statistics cell it is given, and tells the breaker how it went.
 *
 * LARDER_EAWAY from a wrapper: the breaker is open, or the instance is closed for now; nothing was called.
 */
#ifndef LRD_TIER_TIER_CALL_H
#define LRD_TIER_TIER_CALL_H

#include "base/clock.h"
#include "base/log.h"
#include "breaker.h"
#include "stats/stats.h"
#include <larder/ext/tier.h>
#include <pthread.h>

typedef struct lrd_tier {
  const larder_tier_ops *ops;
  void *self;                  /* NULL while closed */
  char *name;                  /* of the instance; unique in the cache */
  pthread_rwlock_t gate;       /* shared for a call, exclusive to close or replace */
  _Atomic uint64_t handed_out; /* entries not yet released: the instance can't be closed */
  lrd_breaker breaker;
  lrd_stats_cell *cell; /* for what is of the instance and of no namespace; may be NULL */
  const lrd_clock *clock;
  const lrd_log *log;
} lrd_tier;

LARDER_MUST_CHECK larder_err lrd_tier_init(lrd_tier *tier, const larder_tier_ops *ops, const char *name, const lrd_clock *clock,
                                           const lrd_log *log, uint32_t failures_max, int64_t retry_ns);
void lrd_tier_fini(lrd_tier *tier); /* closed or abandoned before */
LARDER_MUST_CHECK larder_err lrd_tier_open(lrd_tier *tier, const larder_tier_params *params, larder_error *err);
/* False, and still open, while entries are handed out. */
bool lrd_tier_close(lrd_tier *tier);
void lrd_tier_abandon(lrd_tier *tier);

static inline bool lrd_tier_has(const lrd_tier *tier, uint32_t capability) {
  return (tier->ops->capabilities & capability) != 0;
}
/* Whether every call is let through now. */
bool lrd_tier_usable(lrd_tier *tier);
/* Whether none is: it failed, and the time to try again has not come. */
bool lrd_tier_waits(const lrd_tier *tier);
const char *lrd_tier_state(const lrd_tier *tier);

LARDER_MUST_CHECK larder_err lrd_tier_bind(lrd_tier *tier, const larder_tier_space *space, uint32_t *space_out);
LARDER_MUST_CHECK larder_err lrd_tier_get(lrd_tier *tier, lrd_stats_cell *cell, const larder_tier_key *key, bool facts_only,
                                          const void *slot, larder_tier_entry *out);
void lrd_tier_release(lrd_tier *tier, larder_tier_entry *entry);
LARDER_MUST_CHECK larder_err lrd_tier_write(lrd_tier *tier, lrd_stats_cell *cell, larder_tier_write *items, size_t count,
                                            larder_durability durability);
LARDER_MUST_CHECK larder_err lrd_tier_scan(lrd_tier *tier, uint32_t space, const char *tag, larder_tier_cursor *cursor,
                                           uint64_t limit, bool values, larder_tier_visit visit, void *context);
LARDER_MUST_CHECK larder_err lrd_tier_forget_range(lrd_tier *tier, uint64_t first, uint64_t last);
LARDER_MUST_CHECK larder_err lrd_tier_sweep(lrd_tier *tier, uint64_t limit, bool expire_physically, uint64_t *removed_out);
LARDER_MUST_CHECK larder_err lrd_tier_flush(lrd_tier *tier);
LARDER_MUST_CHECK larder_err lrd_tier_usage(lrd_tier *tier, uint32_t space, larder_tier_usage *out);
LARDER_MUST_CHECK larder_err lrd_tier_check(lrd_tier *tier, bool repair, larder_tier_report *out, larder_tier_finding finding,
                                            larder_tier_judge judge, void *context);
LARDER_MUST_CHECK larder_err lrd_tier_spaces(lrd_tier *tier, bool (*visit)(void *context, uint32_t space, const char *name),
                                             void *context);

#endif
