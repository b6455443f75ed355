/* SPDX-License-Identifier: Apache-2.0 */
/* Looking after a cache: flush, validate, the state of its tiers, its figures and the sums of processes that have ended. */
#include "care.h"
#include "base/bytes.h"
#include "base/fail.h"
#include "cache.h"

#define SUMS_TRIES 8

larder_err larder_flush(larder *cache) {
  if (!cache) {
    return LARDER_EINVAL;
  }
  if (atomic_load(&cache->forked)) {
    return LARDER_EFORKED;
  }
  int64_t began_ns = lrd_mono_ns(cache->clock);
  larder_err first = cache->pending ? lrd_pending_flush(cache->pending) : LARDER_OK;
  lrd_errands_run(cache->errands);
  for (size_t i = 0; i < cache->instances_len; i++) {
    larder_err result = lrd_tier_flush(&cache->instances[i].tier);
    if (result < 0 && first == LARDER_OK) {
      first = result;
    }
    lrd_stats_time(lrd_stats_cell_of(cache->stats, LRD_STATS_OTHER, cache->instances[i].tier.name), LRD_OP_FLUSH,
                   lrd_mono_ns(cache->clock) - began_ns);
  }
  if (first == LARDER_OK && lrd_pending_gave_up(cache->pending)) {
    first = LARDER_NOT_KEPT;
  }
  return first;
}

/* --- validate ------------------------------------------------------------------------------------------------------------ */

typedef struct space_name {
  uint32_t space;
  char *name;
} space_name;

/* One tier's turn. */
typedef struct validation {
  larder *cache;
  larder_ns *only;
  lrd_instance *instance; /* NULL: memory */
  space_name *names;      /* of its spaces, whether or not they are open here */
  size_t names_len;
  uint64_t locked;
  uint64_t entries;
  uint64_t absences;
  larder_err failed; /* why something could not be judged */
  void (*finding)(void *context, const larder_finding *finding);
  void *context;
} validation;

static bool name_note(void *context, uint32_t space, const char *name) {
  validation *run = context;
  space_name *names = lrd_realloc(run->names, (run->names_len + 1) * sizeof *names);
  char *copy = lrd_strdup(name);
  if (names) {
    run->names = names;
  }
  if (!names || !copy) {
    lrd_dealloc(copy);
    run->failed = LARDER_ENOMEM;
    return false;
  }
  run->names[run->names_len++] = (space_name){space, copy};
  return true;
}

/* NULL: not known, since the tier does not remember the names of its spaces and this one is not open here. */
static const char *name_of(const validation *run, uint32_t space) {
  for (size_t i = 0; i < run->names_len; i++) {
    if (run->names[i].space == space) {
      return run->names[i].name;
    }
  }
  if (space >= LRD_NS_MAX) {
    return NULL;
  }
  const larder_ns *ns = atomic_load(run->instance ? &run->instance->by_space[space] : &run->cache->memory_by_space[space]);
  return ns ? ns->name : NULL;
}

static void validation_finding(void *context, const larder_tier_key *key, const char *sentence) {
  validation *run = context;
  const char *ns = key ? name_of(run, key->space) : NULL;
  if (!run->finding || (run->only && key && (!ns || strcmp(ns, run->only->name) != 0))) {
    return;
  }
  larder_finding found = {.tier = run->instance ? run->instance->tier.name : "memory",
                          .ns = ns,
                          .key = key ? key->data : NULL,
                          .key_len = key ? key->len : 0,
                          .sentence = sentence};
  run->finding(run->context, &found);
}

/* Tiers know nothing of frames: whether what they have opens is for us to say. */
static const char *validation_judge(void *context, const larder_tier_key *key, const larder_facts *facts, const void *value) {
  validation *run = context;
  const char *why = NULL;
  const char *name = name_of(run, key->space);
  larder_err result = lrd_value_try(run->cache, name, lrd_span_of(key->data, key->len), value, facts, &why);
  if (result == LARDER_ECORRUPT) {
    return why;
  }
  if (name && name[0] != '.') {
    ++*(facts->kind == LARDER_KIND_ABSENT ? &run->absences : &run->entries);
  }
  if (result == LARDER_EKEY || result == LARDER_EFORMAT) { /* another key's, or a newer build's: whole, and not ours to judge */
    run->locked++;
  } else if (result < 0) {
    run->failed = result;
  }
  return NULL;
}

static larder_err validate_tier(validation *run, bool repair, larder_validation *sum) {
  larder_tier_report one;
  lrd_tier *tier = run->instance ? &run->instance->tier : &run->cache->memory_tier;
  larder_err result = lrd_tier_spaces(tier, name_note, run);
  if (result == LARDER_OK && run->failed == LARDER_OK) {
    result = lrd_tier_check(tier, repair, &one, validation_finding, validation_judge, run);
    sum->examined += one.examined;
    sum->damaged += one.damaged;
    sum->repaired += one.repaired;
    sum->orphans += one.orphans;
    sum->locked += run->locked;
    sum->entries += run->entries;
    sum->absences += run->absences;
  }
  for (size_t i = 0; i < run->names_len; i++) {
    lrd_dealloc(run->names[i].name);
  }
  lrd_dealloc(run->names);
  return result != LARDER_OK ? result : run->failed;
}

larder_err larder_validate(larder *cache, larder_ns *ns, bool repair, larder_validation *out,
                           void (*finding)(void *context, const larder_finding *finding), void *context) {
  larder_validation sum = {0};
  if (!cache || !out) {
    return LARDER_EINVAL;
  }
  if (atomic_load(&cache->forked)) {
    return LARDER_EFORKED;
  }
  bool onlooker = lrd_cache_onlooker(cache);
  if (repair && onlooker) {
    return LARDER_EACCES;
  }
  larder_err first = cache->pending ? lrd_pending_flush(cache->pending) : LARDER_OK;
  if (cache->slots && !onlooker) {
    lrd_keeper_clean_dirty(cache, UINT64_MAX);
  }
  for (size_t i = 0; i <= cache->instances_len; i++) {
    validation run = {.cache = cache,
                      .only = ns,
                      .instance = i < cache->instances_len ? &cache->instances[i] : NULL,
                      .finding = finding,
                      .context = context};
    if (!run.instance && !cache->memory) {
      break;
    }
    larder_err result = validate_tier(&run, repair, &sum);
    if (result < 0 && first == LARDER_OK) {
      first = result;
    }
  }
  *out = sum;
  return first;
}

/* --- tiers --------------------------------------------------------------------------------------------------------------- */

static uint32_t space_in(larder_ns *ns, const lrd_instance *instance, bool *found) {
  *found = true;
  if (!ns) {
    return LARDER_TIER_ALL_SPACES;
  }
  if (!instance) {
    *found = ns->memory != NULL;
    return ns->memory_space;
  }
  for (size_t i = 0; i < ns->links_len; i++) {
    if (ns->links[i].instance == instance) {
      return atomic_load(&ns->links[i].space);
    }
  }
  *found = false;
  return 0;
}

larder_err larder_tiers(larder *cache, larder_ns *ns, bool (*visit)(void *context, const larder_tier_state *tier),
                        void *context) {
  bool more = true;
  if (!cache || !visit) {
    return LARDER_EINVAL;
  }
  if (atomic_load(&cache->forked)) {
    return LARDER_EFORKED;
  }
  for (size_t i = 0; i <= cache->instances_len && more; i++) {
    lrd_instance *instance = i == 0 ? NULL : &cache->instances[i - 1];
    lrd_tier *tier = instance ? &instance->tier : &cache->memory_tier;
    bool in_chain;
    uint32_t space = space_in(ns, instance, &in_chain);
    if (!in_chain || (!instance && !cache->memory)) {
      continue;
    }
    larder_tier_state state = {.name = tier->name, .failures = atomic_load(&tier->breaker.failures)};
    state.state = instance && atomic_load(&instance->broken) ? "distrusted" : lrd_tier_state(tier);
    state.usage_known = lrd_tier_usage(tier, space, &state.usage) == LARDER_OK;
    more = visit(context, &state);
  }
  return LARDER_OK;
}

/* --- figures ---------------------------------------------------------------------------------------------------------- */

/* The sums of ended processes are an entry of the cache's own namespace, changed by compare-and-put. */
static larder_err sums_namespace(larder *cache, larder_ns **out) {
  if (!cache->slots || atomic_load(&cache->lost)) {
    return LARDER_MISS;
  }
  larder_err result = lrd_ns_open_any(cache, LRD_OWN_NAMESPACE, out, NULL);
  if (result != LARDER_OK) {
    return result;
  }
  return (*out)->links_len > 0 ? LARDER_OK : LARDER_MISS;
}

static larder_err sums_add(larder *cache, const lrd_buf *blob) {
  larder_ns *ns;
  larder_err result = sums_namespace(cache, &ns);
  if (result != LARDER_OK || blob->len == 0) {
    return result;
  }
  for (int tries = 0; tries < SUMS_TRIES; tries++) {
    larder_value value = {0};
    larder_facts facts = {0};
    lrd_buf sum = {0};
    larder_put_options options = {.size = sizeof options, .ttl_ms = LARDER_TTL_NEVER};
    result = larder_get(ns, "sums", 4, NULL, &value);
    if (result == LARDER_OK) {
      lrd_ignore(larder_value_facts(&value, &facts)); /* of a value in hand */
      options.only_stamp = facts.stamp;
      if (lrd_stats_blob_add(&sum, lrd_span_of(value.data, value.len)) != LARDER_OK) {
        lrd_buf_clear(&sum);
      }
      larder_value_release(&value);
    }
    result = lrd_stats_blob_add(&sum, lrd_span_of(blob->data, blob->len));
    if (result == LARDER_OK) {
      result = larder_put(ns, "sums", 4, sum.data, sum.len, &options);
    }
    lrd_buf_fini(&sum);
    if (result != LARDER_OLDER) {
      break;
    }
  }
  return result;
}

larder_err lrd_care_fold_row(larder *cache, uint32_t row) {
  lrd_buf blob = {0};
  larder_err result = lrd_stats_take_row(cache->stats, row, &blob);
  if (result == LARDER_OK) {
    result = sums_add(cache, &blob);
  }
  lrd_buf_fini(&blob);
  return result;
}

void lrd_care_fold_left(larder *cache) {
  lrd_buf blob = {0};
  if (lrd_stats_take_left(cache->stats, &blob) == LARDER_OK) {
    (void)sums_add(cache, &blob);
  }
  lrd_buf_fini(&blob);
}

static bool open_named(void *context, const char *name) {
  larder_ns *ns;
  return lrd_ns_open_any(context, name, &ns, NULL) != LARDER_ENOMEM;
}

/* How full the tiers are, also for namespaces that this process has not used. */
static void gauges_of_all(larder *cache) {
  lrd_ignore(larder_ns_each(cache, open_named, cache)); /* those that can't be opened have no figures */
  lrd_keeper_publish_gauges(cache);
}

larder_err larder_stats_take(larder *cache, larder_stats **out, larder_error *err) {
  larder_ns *ns;
  larder_value value = {0};
  if (!cache || !out) {
    return lrd_fail(err, LARDER_EINVAL, 0, "stats", "a cache and a place for the snapshot are needed");
  }
  if (atomic_load(&cache->forked)) {
    return lrd_fail(err, LARDER_EFORKED, 0, "stats", "%s", larder_err_text(LARDER_EFORKED));
  }
  gauges_of_all(cache);
  lrd_span past = {0};
  if (sums_namespace(cache, &ns) == LARDER_OK && larder_get(ns, "sums", 4, NULL, &value) == LARDER_OK) {
    past = lrd_span_of(value.data, value.len);
  }
  lrd_ignore(lrd_stats_set_past(cache->stats, past)); /* damaged sums count as none */
  larder_value_release(&value);
  larder_err result = lrd_stats_snapshot(cache->stats, out);
  return result == LARDER_OK ? LARDER_OK : lrd_fail(err, result, 0, "stats", "the figures can't be read");
}

larder_err larder_stats_reset(larder *cache) {
  larder_ns *ns;
  if (!cache) {
    return LARDER_EINVAL;
  }
  if (atomic_load(&cache->forked)) {
    return LARDER_EFORKED;
  }
  if (lrd_cache_onlooker(cache)) {
    return LARDER_EACCES;
  }
  if (sums_namespace(cache, &ns) == LARDER_OK) {
    larder_err result = larder_delete(ns, "sums", 4);
    if (result < 0) {
      return result;
    }
  }
  return lrd_stats_reset(cache->stats);
}
