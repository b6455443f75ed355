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

typedef struct validation {
  larder *cache;
  larder_ns *only;
  lrd_instance *instance; /* NULL: memory */
  void (*finding)(void *context, const larder_finding *finding);
  void *context;
} validation;

static void validation_finding(void *context, const larder_tier_key *key, const char *sentence) {
  validation *run = context;
  larder_ns *ns = NULL;
  if (key && key->space < LRD_NS_MAX) {
    ns = atomic_load(run->instance ? &run->instance->by_space[key->space] : &run->cache->memory_by_space[key->space]);
  }
  if (!run->finding || (run->only && key && ns != run->only)) {
    return;
  }
  larder_finding found = {.tier = run->instance ? run->instance->tier.name : "memory",
                          .ns = ns ? ns->name : NULL,
                          .key = key ? key->data : NULL,
                          .key_len = key ? key->len : 0,
                          .sentence = sentence};
  run->finding(run->context, &found);
}

larder_err larder_validate(larder *cache, larder_ns *ns, bool repair, larder_tier_report *out,
                           void (*finding)(void *context, const larder_finding *finding), void *context) {
  larder_tier_report sum = {0};
  larder_tier_report one;
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
    validation run = {cache, ns, i < cache->instances_len ? &cache->instances[i] : NULL, finding, context};
    if (!run.instance && !cache->memory) {
      break;
    }
    lrd_tier *tier = run.instance ? &run.instance->tier : &cache->memory_tier;
    larder_err result = lrd_tier_check(tier, repair, &one, validation_finding, &run);
    if (result < 0 && first == LARDER_OK) {
      first = result;
    }
    sum.examined += one.examined;
    sum.damaged += one.damaged;
    sum.repaired += one.repaired;
    sum.orphans += one.orphans;
  }
  *out = sum;
  return first;
}

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
