/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Health of entries: records in the namespace's companion, under the entries' own keys.
 *
 * A report reads the record, changes it and puts it back on condition of its stamp (or of its absence), again where somebody
 * else was in between: in other processes, since those of one process come one after the other. What makes an entry unhealthy
 * is written first and evicts second: a process that is killed in between leaves an entry whose next failure evicts it.
 * The eviction is a delete on condition of the stamp that was there when the report began, so that a new value, which nobody
 * has tried yet, does not go for the old one's failures.
 */
#include "health.h"

#include "base/fail.h"
#include "base/hash.h"

#define TRIES_MAX   256
#define PAUSE_NS    INT64_C(100000) /* times the number of tries, up to PAUSE_MAX_NS */
#define PAUSE_MAX   INT64_C(20)
#define KEEP_MS_MIN (INT64_C(30) * 86400000) /* a record is kept so long after the last report, for its totals */

/* --- the companion ------------------------------------------------------------------------------------------------------- */

typedef struct name_search {
  const char *name;
  bool found;
} name_search;

static bool is_companion(void *context, uint32_t space, const char *name) {
  name_search *search = context;
  size_t const len = sizeof LRD_COMPANION_HEALTH - 1;
  (void)space;
  search->found = strncmp(name, LRD_COMPANION_HEALTH, len) == 0 && strcmp(name + len, search->name) == 0;
  return !search->found;
}

/* Whether some tier of the namespace has records. */
static bool companion_kept(larder_ns *ns) {
  name_search search = {.name = ns->name};
  for (size_t i = 0; i < ns->links_len && !search.found; i++) {
    lrd_ignore(lrd_tier_spaces(&ns->links[i].instance->tier, is_companion, &search)); /* away: looked for again */
  }
  return search.found;
}

/* LARDER_MISS: there are no records, and none is to be made. */
static larder_err companion_of(larder_ns *ns, bool make, larder_ns **out) {
  larder_ns *known = atomic_load(&ns->health);
  if (!known) {
    if (!make && !companion_kept(ns)) {
      return LARDER_MISS;
    }
    larder_err result = lrd_ns_companion(ns, LRD_COMPANION_HEALTH, &known);
    if (result != LARDER_OK) {
      return result;
    }
    atomic_store(&ns->health, known);
  }
  *out = known;
  return LARDER_OK;
}

void lrd_health_begin(larder_ns *ns) {
  larder_ns *companion;
  if (ns->name[0] != '.' && !atomic_exchange(&ns->health_looked, true)) {
    bool const make = ns->policy.health.given && !lrd_cache_onlooker(ns->cache);
    lrd_ignore(companion_of(ns, make, &companion)); /* what can't be had now is looked for again */
  }
}

typedef struct look {
  larder *cache;
  bool any;
  bool found[LRD_NS_MAX];
} look;

static bool look_at_name(void *context, uint32_t space, const char *name) {
  look *l = context;
  size_t const len = sizeof LRD_COMPANION_HEALTH - 1;
  (void)space;
  if (strncmp(name, LRD_COMPANION_HEALTH, len) != 0) {
    return true;
  }
  for (uint32_t i = 0; i < atomic_load(&l->cache->spaces_len); i++) {
    const larder_ns *ns = atomic_load(&l->cache->spaces[i]);
    l->found[i] = l->found[i] || (!atomic_load(&ns->health) && strcmp(ns->name, name + len) == 0);
    l->any = l->any || l->found[i];
  }
  return true;
}

void lrd_health_look(larder *cache) {
  look l = {.cache = cache};
  larder_ns *companion;
  for (size_t i = 0; i < cache->instances_len; i++) {
    if (lrd_instance_answers(&cache->instances[i])) {
      lrd_ignore(lrd_tier_spaces(&cache->instances[i].tier, look_at_name, &l)); /* at the next tick again */
    }
  }
  for (uint32_t i = 0; l.any && i < LRD_NS_MAX; i++) {
    if (l.found[i]) {
      lrd_ignore(companion_of(atomic_load(&cache->spaces[i]), true, &companion)); /* likewise */
    }
  }
}

/* --- records ------------------------------------------------------------------------------------------------------------- */

static lrd_health_rules rules_of(const larder_ns *ns) {
  const lrd_config_health *health = &ns->policy.health;
  return (lrd_health_rules){.failures = health->failures,
                            .decay_ms = health->decay_ms,
                            .retry_ms = health->retry_ms,
                            .retry_max_ms = health->retry_max_ms};
}

static lrd_op op_in(larder_ns *companion, const void *key, size_t key_len) {
  return (lrd_op){companion, key, key_len, lrd_hash64(key, key_len, companion->seed)};
}

/* A zeroed record where there is none or a damaged one, with the stamp of what is there; 0: nothing. */
static larder_err record_read(const lrd_op *op, lrd_health_record *out, uint64_t *stamp_out) {
  larder_value value = {0};
  larder_facts facts;
  *out = (lrd_health_record){0};
  *stamp_out = 0;
  larder_err result = lrd_look_up(op, &value, &facts);
  if (result != LARDER_OK) {
    return result == LARDER_MISS ? LARDER_OK : result;
  }
  *stamp_out = facts.stamp;
  result = lrd_health_record_read(value.data, value.len, out);
  larder_value_release(&value);
  return result == LARDER_ECORRUPT ? LARDER_OK : result;
}

/* LARDER_OLDER: somebody else has changed it meanwhile. */
static larder_err record_write(const lrd_op *op, const lrd_health_record *record, uint64_t stamp) {
  uint8_t bytes[LRD_HEALTH_RECORD_MAX];
  larder_ns *ns = op->ns;
  size_t const len = lrd_health_record_write(record, bytes);
  int64_t const decay_ms = ns->policy.health.decay_ms;
  larder_put_options const options = {.size = sizeof options,
                                      .ttl_ms = decay_ms == LRD_TTL_NEVER    ? LARDER_TTL_NEVER
                                                : decay_ms > KEEP_MS_MIN / 2 ? decay_ms * 2
                                                                             : KEEP_MS_MIN,
                                      .stale_ms = -1,
                                      .kind_given = true};
  lrd_change change = {.verb = LRD_CHANGE_PUT, .op = *op, .value = bytes, .only_stamp = stamp, .only_absent = stamp == 0};
  larder_err result = lrd_facts_from_options(ns, &options, len, NULL, &change.facts);
  if (result == LARDER_OK) {
    result = lrd_write_batch(ns, &change, 1);
  }
  return result == LARDER_OK ? change.result : result;
}

/* What callers see. */
static void health_show(const larder_ns *ns, lrd_health_record *record, larder_health *out) {
  lrd_health_rules const rules = rules_of(ns);
  lrd_health_state *state = &record->state;
  lrd_health_decay(state, &rules, lrd_wall_ms(ns->cache->clock));
  larder_health shown = {.size = out->size,
                         .status = lrd_health_status(state, &rules),
                         .failures_in_row = state->failures_in_row,
                         .successes_in_row = state->successes_in_row,
                         .recovery_attempts = state->recovery_attempts,
                         .failures = state->failures,
                         .successes = state->successes,
                         .reported_ms = state->reported_ms,
                         .succeeded_ms = state->succeeded_ms,
                         .failed_ms = state->failed_ms,
                         .next_check_ms = state->next_check_ms};
  memcpy(shown.error, record->error, sizeof shown.error);
  memcpy(out, &shown, out->size);
}

static bool out_valid(const larder_health *out) { return out->size >= sizeof out->size && out->size <= sizeof *out; }

/* --- reports ------------------------------------------------------------------------------------------------------------- */

typedef struct health_report {
  larder_ns *ns; /* the entry's */
  lrd_op op;     /* the record's */
  bool ok;
  char error[LARDER_HEALTH_ERROR_MAX + 1];
  lrd_health_record record; /* as it was left */
} health_report;

static larder_err report_once(health_report *r) {
  lrd_health_rules const rules = rules_of(r->ns);
  int64_t const now_ms = lrd_wall_ms(r->ns->cache->clock);
  uint64_t stamp = 0;
  uint64_t chance = 0;
  larder_err result = record_read(&r->op, &r->record, &stamp);
  if (result != LARDER_OK) {
    return result;
  }
  if (r->ok) {
    lrd_health_succeed(&r->record.state, &rules, now_ms);
  } else {
    (void)lrd_random(&chance, sizeof chance); /* without chance the wait is a fifth shorter */
    lrd_health_fail(&r->record.state, &rules, now_ms, chance);
    memcpy(r->record.error, r->error, sizeof r->record.error);
  }
  return record_write(&r->op, &r->record, stamp);
}

static larder_err report_keep(health_report *r) {
  larder *cache = r->ns->cache;
  lrd_mutex *lock = &cache->health_locks[r->op.hash % LRD_HEALTH_LOCKS];
  larder_err result = LARDER_OLDER;
  lrd_lock(lock);
  for (int64_t tries = 1; tries <= TRIES_MAX && result == LARDER_OLDER; tries++) {
    result = report_once(r);
    if (result == LARDER_OLDER) {
      cache->clock->sleep_ns(cache->clock, PAUSE_NS * (tries < PAUSE_MAX ? tries : PAUSE_MAX));
    }
  }
  lrd_unlock(lock);
  return result == LARDER_OLDER ? LARDER_EBUSY : result;
}

larder_err lrd_health_stamp_now(larder_ns *ns, const void *key, size_t key_len, uint64_t *out) {
  larder_stat stat;
  larder_err result = larder_stat_get(ns, key, key_len, &stat);
  *out = LRD_HEALTH_NOTHING;
  if (result != LARDER_OK) {
    return result == LARDER_MISS ? LARDER_OK : result;
  }
  *out = stat.facts.stamp;
  larder_stat_free(&stat);
  return LARDER_OK;
}

/* LARDER_OK, also when somebody else was first; *evicted_out: it was us. */
static larder_err evict(larder_ns *ns, const void *key, size_t key_len, uint64_t stamp, bool *evicted_out) {
  lrd_change change = {.verb = LRD_CHANGE_DELETE, .only_stamp = stamp, .unhealthy = true};
  larder_err result = lrd_op_begin(ns, key, key_len, &change.op);
  if (result == LARDER_OK) {
    result = lrd_write_batch(ns, &change, 1);
  }
  if (result != LARDER_OK || change.result < 0) {
    return result != LARDER_OK ? result : change.result;
  }
  *evicted_out = change.result == LARDER_OK || change.result == LARDER_DEGRADED;
  return change.result == LARDER_DEGRADED ? LARDER_DEGRADED : LARDER_OK;
}

larder_err lrd_health_report_on(larder_ns *ns, const void *key, size_t key_len, uint64_t seen_stamp, bool ok, const char *error,
                                larder_health *out) {
  health_report r = {.ns = ns, .ok = ok};
  larder_ns *companion = NULL;
  lrd_op entry;
  bool evicted = false;
  larder_err result = lrd_op_begin(ns, key, key_len, &entry);
  if (result == LARDER_OK && ((out && !out_valid(out)) || ns->name[0] == '.')) {
    result = LARDER_EINVAL;
  }
  if (result == LARDER_OK && ns->links_len > 0 && lrd_cache_onlooker(ns->cache)) {
    result = LARDER_EACCES;
  }
  if (result == LARDER_OK && !ok) {
    result = lrd_health_error_clean(ns->cache->secrets, error, r.error);
  }
  if (result == LARDER_OK) {
    result = companion_of(ns, true, &companion);
  }
  bool const may_evict = !ok && ns && ns->policy.health.evict;
  if (result == LARDER_OK && may_evict && seen_stamp == 0) {
    result = lrd_health_stamp_now(ns, key, key_len, &seen_stamp);
  }
  if (result != LARDER_OK) {
    return result;
  }
  r.op = op_in(companion, key, key_len);
  result = report_keep(&r);
  if (result < 0) {
    return result;
  }
  if (may_evict && seen_stamp != LRD_HEALTH_NOTHING && r.record.state.failures_in_row >= ns->policy.health.failures) {
    larder_err const went = evict(ns, key, key_len, seen_stamp, &evicted);
    result = went != LARDER_OK ? went : result;
  }
  if (out) {
    health_show(ns, &r.record, out);
    if (out->size >= offsetof(larder_health, evicted) + sizeof out->evicted) {
      out->evicted = evicted;
    }
  }
  return result;
}

larder_err larder_health_report(larder_ns *ns, const void *key, size_t key_len, bool ok, const char *error,
                                larder_health *out) {
  return lrd_health_report_on(ns, key, key_len, 0, ok, error, out);
}

/* --- looking, forgetting ------------------------------------------------------------------------------------------------- */

/* What every other call begins with: LARDER_MISS: there are no records. */
static larder_err look_begin(larder_ns *ns, const void *key, size_t key_len, lrd_op *out) {
  larder_ns *companion = NULL;
  larder_err result = lrd_op_begin(ns, key, key_len, out);
  if (result == LARDER_OK && ns->name[0] == '.') {
    result = LARDER_EINVAL;
  }
  if (result == LARDER_OK) {
    result = companion_of(ns, false, &companion);
  }
  if (result == LARDER_OK) {
    *out = op_in(companion, key, key_len);
  }
  return result;
}

larder_err larder_health_get(larder_ns *ns, const void *key, size_t key_len, larder_health *out) {
  lrd_health_record record;
  uint64_t stamp = 0;
  lrd_op op;
  if (!out || !out_valid(out)) {
    return LARDER_EINVAL;
  }
  larder_err result = look_begin(ns, key, key_len, &op);
  if (result == LARDER_OK) {
    result = record_read(&op, &record, &stamp);
  }
  if (result == LARDER_OK && stamp == 0) {
    result = LARDER_MISS;
  }
  if (result == LARDER_OK) {
    health_show(ns, &record, out);
  }
  return result;
}

larder_err larder_health_reset(larder_ns *ns, const void *key, size_t key_len) {
  lrd_change change = {.verb = LRD_CHANGE_DELETE};
  larder_err result = look_begin(ns, key, key_len, &change.op);
  if (result == LARDER_OK) {
    result = lrd_write_batch(change.op.ns, &change, 1);
  }
  return result == LARDER_OK ? change.result : result;
}

size_t lrd_health_forget(larder_ns *ns, const lrd_change *changes, size_t count) {
  larder_ns *companion = atomic_load(&ns->health);
  lrd_health_record record;
  uint64_t stamp = 1;
  size_t failed = 0;
  if (!companion || count == 0) {
    return 0;
  }
  /* Of one key there is mostly none, which is cheaper to see than to delete. */
  lrd_op const first = op_in(companion, changes->op.key, changes->op.key_len);
  if (count == 1 && record_read(&first, &record, &stamp) == LARDER_OK && stamp == 0) {
    return 0;
  }
  lrd_change *own = lrd_alloc_zero(count, sizeof *own);
  if (!own) {
    return count;
  }
  size_t len = 0;
  for (size_t i = 0; i < count; i++) {
    const lrd_change *change = &changes[i];
    if (change->result >= 0 && change->result != LARDER_OLDER) {
      own[len++] = (lrd_change){.verb = LRD_CHANGE_DELETE, .op = op_in(companion, change->op.key, change->op.key_len)};
    }
  }
  larder_err const result = len > 0 ? lrd_write_batch(companion, own, len) : LARDER_OK;
  for (size_t i = 0; i < len; i++) {
    failed += result < 0 || own[i].result < 0;
  }
  lrd_dealloc(own);
  return failed;
}

typedef struct each_walk {
  larder_ns *ns;
  unsigned statuses;
  uint64_t limit;
  uint64_t shown;
  bool (*visit)(void *context, const void *key, size_t key_len, const larder_health *health);
  void *context;
} each_walk;

static bool each_record(void *context, const larder_listed *entry) {
  each_walk *walk = context;
  lrd_health_record record;
  larder_health health = {.size = sizeof health};
  if (lrd_health_record_read(entry->value, entry->facts->value_len, &record) != LARDER_OK) {
    return true; /* damaged, or a newer build's: it can't be shown */
  }
  health_show(walk->ns, &record, &health);
  if (walk->statuses != 0 && (walk->statuses & LARDER_HEALTH_BIT(health.status)) == 0) {
    return true;
  }
  walk->shown++;
  return walk->visit(walk->context, entry->key, entry->key_len, &health) && walk->shown != walk->limit;
}

larder_err larder_health_each(larder_ns *ns, unsigned statuses, uint64_t limit, larder_cursor *cursor,
                              bool (*visit)(void *context, const void *key, size_t key_len, const larder_health *health),
                              void *context) {
  each_walk walk = {.ns = ns, .statuses = statuses, .limit = limit, .visit = visit, .context = context};
  larder_ns *companion = NULL;
  if (!ns || !visit || ns->name[0] == '.') {
    return LARDER_EINVAL;
  }
  if (atomic_load(&ns->cache->forked)) {
    return LARDER_EFORKED;
  }
  larder_err result = companion_of(ns, false, &companion);
  if (result == LARDER_MISS) {
    return cursor ? LARDER_END : LARDER_OK;
  }
  return result == LARDER_OK ? larder_list(companion, NULL, true, 0, cursor, each_record, &walk) : result;
}

const char *larder_health_status_name(larder_health_status status) {
  static const char *const names[] = {"unknown", "healthy", "degraded", "unhealthy"};
  return (size_t)status < sizeof names / sizeof *names ? names[status] : NULL;
}
