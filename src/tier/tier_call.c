/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each wrapper is enter, call, leave. `enter` takes the gate shared and asks the breaker; `leave` gives both their due.
 * What a tier answers about its data (a miss, an older stamp, no room for one item) is a success of the tier; LARDER_EBUSY
 * and worse are failures.
 */
#include "tier_call.h"
#include "base/bytes.h"
#include "base/fail.h"

static bool is_failure(larder_err result) { return result < 0 && result != LARDER_EINVAL && result != LARDER_ETOOBIG; }

static larder_err enter(lrd_tier *tier, int64_t *began_ns) {
  *began_ns = lrd_mono_ns(tier->clock);
  pthread_rwlock_rdlock(&tier->gate);
  if (tier->self && lrd_breaker_allows(&tier->breaker, *began_ns)) {
    return LARDER_OK;
  }
  pthread_rwlock_unlock(&tier->gate);
  return LARDER_EAWAY;
}

static larder_err leave(lrd_tier *tier, larder_err result) {
  pthread_rwlock_unlock(&tier->gate);
  if (!is_failure(result)) {
    if (lrd_breaker_succeeded(&tier->breaker)) {
      lrd_log_write(tier->log, LRD_LOG_WARN, "tier.back", "tier %s works again", tier->name);
    }
  } else if (lrd_breaker_failed(&tier->breaker, lrd_mono_ns(tier->clock))) {
    lrd_log_write(tier->log, LRD_LOG_WARN, "tier.switched_off", "tier %s is switched off after failing in a row: %s",
                  tier->name, larder_err_text(result));
    if (tier->cell) {
      lrd_stats_add(tier->cell, LRD_STAT_BREAKER_OPENED, 1);
    }
  }
  return result;
}

static void account(lrd_tier *tier, lrd_stats_cell *cell, lrd_stat_op op, int64_t began_ns, larder_err result) {
  if (!cell) {
    return;
  }
  lrd_stats_time(cell, op, lrd_mono_ns(tier->clock) - began_ns);
  if (is_failure(result)) {
    lrd_stats_add(cell, LRD_STAT_ERRORS, 1);
  }
}

larder_err lrd_tier_init(lrd_tier *tier, const larder_tier_ops *ops, const char *name, const lrd_clock *clock,
                         const lrd_log *log, uint32_t failures_max, int64_t retry_ns) {
  LRD_ASSERT(ops->version == LARDER_TIER_VERSION && ops->open && ops->close && ops->get && ops->release && ops->write);
  char *copy = lrd_strdup(name);
  if (!copy) {
    return LARDER_ENOMEM;
  }
  *tier = (lrd_tier){.ops = ops, .name = copy, .clock = clock, .log = log};
  pthread_rwlock_init(&tier->gate, NULL);
  lrd_breaker_init(&tier->breaker, failures_max, retry_ns);
  return LARDER_OK;
}

void lrd_tier_fini(lrd_tier *tier) {
  if (!tier->name) {
    return;
  }
  LRD_ASSERT(!tier->self);
  pthread_rwlock_destroy(&tier->gate);
  lrd_dealloc(tier->name);
  tier->name = NULL;
}

larder_err lrd_tier_open(lrd_tier *tier, const larder_tier_params *params, larder_error *err) {
  void *self = NULL;
  LRD_ASSERT(!tier->self);
  larder_err result = tier->ops->open(params, &self, err);
  if (result != LARDER_OK) {
    return result;
  }
  pthread_rwlock_wrlock(&tier->gate);
  tier->self = self;
  pthread_rwlock_unlock(&tier->gate);
  (void)lrd_breaker_succeeded(&tier->breaker);
  return LARDER_OK;
}

bool lrd_tier_close(lrd_tier *tier) {
  pthread_rwlock_wrlock(&tier->gate);
  void *self = atomic_load(&tier->handed_out) == 0 ? tier->self : NULL;
  bool closed = self != NULL || !tier->self;
  if (self) {
    tier->self = NULL;
  }
  pthread_rwlock_unlock(&tier->gate);
  if (self) {
    tier->ops->close(self);
  }
  return closed;
}

void lrd_tier_abandon(lrd_tier *tier) {
  if (tier->self && tier->ops->abandon) {
    tier->ops->abandon(tier->self);
  }
  tier->self = NULL;
}

bool lrd_tier_usable(lrd_tier *tier) {
  pthread_rwlock_rdlock(&tier->gate);
  bool open = tier->self != NULL;
  pthread_rwlock_unlock(&tier->gate);
  return open && atomic_load(&tier->breaker.opened_ns) == 0;
}

bool lrd_tier_waits(const lrd_tier *tier) { return lrd_breaker_waits(&tier->breaker, lrd_mono_ns(tier->clock)); }

const char *lrd_tier_state(const lrd_tier *tier) {
  return tier->self ? lrd_breaker_state(&tier->breaker, lrd_mono_ns(tier->clock)) : "distrusted";
}

larder_err lrd_tier_bind(lrd_tier *tier, const larder_tier_space *space, uint32_t *space_out) {
  int64_t began_ns;
  larder_err result = enter(tier, &began_ns);
  if (result != LARDER_OK) {
    return result;
  }
  return leave(tier, tier->ops->bind(tier->self, space, space_out));
}

larder_err lrd_tier_get(lrd_tier *tier, lrd_stats_cell *cell, const larder_tier_key *key, bool facts_only, const void *slot,
                        larder_tier_entry *out) {
  int64_t began_ns;
  larder_err result = enter(tier, &began_ns);
  if (result != LARDER_OK) {
    return result;
  }
  result = tier->ops->get(tier->self, key, facts_only, slot, out);
  if (result == LARDER_OK) {
    atomic_fetch_add_explicit(&tier->handed_out, 1, memory_order_relaxed);
  }
  (void)leave(tier, result);
  account(tier, cell, LRD_OP_GET, began_ns, result);
  return result;
}

void lrd_tier_release(lrd_tier *tier, larder_tier_entry *entry) {
  tier->ops->release(tier->self, entry);
  atomic_fetch_sub_explicit(&tier->handed_out, 1, memory_order_release);
}

larder_err lrd_tier_write(lrd_tier *tier, lrd_stats_cell *cell, larder_tier_write *items, size_t count,
                          larder_durability durability) {
  int64_t began_ns;
  LRD_ASSERT(count > 0 && durability != LARDER_DURABILITY_BEHIND);
  larder_err result = enter(tier, &began_ns);
  if (result != LARDER_OK) {
    return result;
  }
  result = leave(tier, tier->ops->write(tier->self, items, count, durability));
  account(tier, cell, items[0].verb == LARDER_TIER_PUT ? LRD_OP_PUT : LRD_OP_DELETE, began_ns, result);
  return result;
}

larder_err lrd_tier_scan(lrd_tier *tier, uint32_t space, const char *tag, larder_tier_cursor *cursor, uint64_t limit,
                         bool values, larder_tier_visit visit, void *context) {
  int64_t began_ns;
  if (!tier->ops->scan) {
    return LARDER_EUNSUPPORTED;
  }
  larder_err result = enter(tier, &began_ns);
  if (result != LARDER_OK) {
    return result;
  }
  result = tag && tier->ops->scan_tag ? tier->ops->scan_tag(tier->self, space, tag, strlen(tag), cursor, limit, visit, context)
                                      : tier->ops->scan(tier->self, space, cursor, limit, values, visit, context);
  return leave(tier, result);
}

larder_err lrd_tier_forget_range(lrd_tier *tier, uint64_t first, uint64_t last) {
  int64_t began_ns;
  uint64_t removed;
  larder_err result = enter(tier, &began_ns);
  if (result != LARDER_OK) {
    return result;
  }
  return leave(tier, tier->ops->forget_range(tier->self, first, last, &removed));
}

larder_err lrd_tier_sweep(lrd_tier *tier, uint64_t limit, bool expire_physically, uint64_t *removed_out) {
  int64_t began_ns;
  *removed_out = 0;
  larder_err result = enter(tier, &began_ns);
  if (result != LARDER_OK) {
    return result;
  }
  result = leave(tier, tier->ops->sweep ? tier->ops->sweep(tier->self, limit, expire_physically, removed_out) : LARDER_OK);
  account(tier, tier->cell, LRD_OP_SWEEP, began_ns, result);
  return result;
}

larder_err lrd_tier_flush(lrd_tier *tier) {
  int64_t began_ns;
  larder_err result = enter(tier, &began_ns);
  if (result != LARDER_OK) {
    return result;
  }
  return leave(tier, tier->ops->flush ? tier->ops->flush(tier->self) : LARDER_OK);
}

larder_err lrd_tier_usage(lrd_tier *tier, uint32_t space, larder_tier_usage *out) {
  int64_t began_ns;
  larder_err result = enter(tier, &began_ns);
  if (result != LARDER_OK) {
    return result;
  }
  return leave(tier, tier->ops->usage(tier->self, space, out));
}

larder_err lrd_tier_check(lrd_tier *tier, bool repair, larder_tier_report *out, larder_tier_finding finding,
                          larder_tier_judge judge, void *context) {
  int64_t began_ns;
  *out = (larder_tier_report){0};
  larder_err result = enter(tier, &began_ns);
  if (result != LARDER_OK) {
    return result;
  }
  return leave(tier, tier->ops->check ? tier->ops->check(tier->self, repair, out, finding, judge, context) : LARDER_OK);
}

larder_err lrd_tier_spaces(lrd_tier *tier, bool (*visit)(void *context, uint32_t space, const char *name), void *context) {
  int64_t began_ns;
  larder_err result = enter(tier, &began_ns);
  if (result != LARDER_OK) {
    return result;
  }
  return leave(tier, tier->ops->spaces ? tier->ops->spaces(tier->self, visit, context) : LARDER_OK);
}
