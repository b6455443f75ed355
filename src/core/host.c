/* SPDX-License-Identifier: Apache-2.0 */
/* The cache's side of the tier contract: clocks, slots for a tier's own evictions, counts, the log, distrust. */
#include "base/fail.h"
#include "cache.h"
#include "mutation.h"

static int64_t host_wall_ms(void *context) { return lrd_wall_ms(((lrd_instance *)context)->cache->clock); }
static int64_t host_mono_ns(void *context) { return lrd_mono_ns(((lrd_instance *)context)->cache->clock); }

static bool host_slot_try_own(void *context, uint64_t hash) {
  lrd_slots *slots = ((lrd_instance *)context)->cache->slots;
  uint64_t slot = lrd_slot_of(slots, hash);
  return lrd_slot_own_unmoved(slots, slot, lrd_slot_token(slots, slot));
}

/* What a shared tier evicts no memory may go on having: bulk changes find their keys in the shared tiers alone. */
static void host_slot_release(void *context, uint64_t hash) {
  lrd_slots *slots = ((lrd_instance *)context)->cache->slots;
  (void)lrd_slot_release(slots, lrd_slot_of(slots, hash), true);
}

static bool host_trace_wanted(void *context, uint64_t stamp) {
  return !LRD_MUTATED(LRD_MUTATE_NO_TRACE) && lrd_slots_queued_below(((lrd_instance *)context)->cache->slots, stamp);
}

static void host_traceless(void *context, uint64_t hash, uint64_t stamp) {
  lrd_instance *instance = context;
  lrd_slots *slots = instance->cache->slots;
  lrd_slots_traceless_raise(slots, instance->number, lrd_slot_of(slots, hash), stamp);
}

static lrd_stats_cell *cell_of_space(lrd_instance *instance, uint32_t space) {
  larder_ns *ns = space < LRD_NS_MAX ? atomic_load(&instance->by_space[space]) : NULL;
  for (size_t i = 0; ns && i < ns->links_len; i++) {
    if (ns->links[i].instance == instance) {
      return ns->links[i].cell;
    }
  }
  return lrd_stats_cell_of(instance->cache->stats, LRD_STATS_OTHER, instance->tier.name);
}

static lrd_counter counter_of(larder_evict_reason reason) { return (lrd_counter)(LRD_STAT_EVICTED_CAPACITY + reason); }

static void host_evicted(void *context, uint32_t space, larder_evict_reason reason, uint64_t count, uint64_t bytes) {
  (void)bytes;
  lrd_stats_cell *cell = cell_of_space(context, space);
  lrd_stats_add(cell, counter_of(reason), count);
  if (reason == LARDER_EVICT_CORRUPTION) {
    lrd_stats_add(cell, LRD_STAT_CORRUPT, count);
  }
}

static const char *reason_text(larder_evict_reason reason) {
  static const char *const texts[LARDER_EVICT_REASON_COUNT] = {
#define REASON_TEXT(name, text) text,
      LARDER_EVICT_REASONS(REASON_TEXT)
#undef REASON_TEXT
  };
  return texts[reason];
}

static void host_gone(void *context, uint64_t hash, larder_evict_reason reason) {
  const lrd_instance *instance = context;
  lrd_events_note(instance->cache->events, hash, LRD_EVENT_EVICTED, instance->tier.name, reason_text(reason));
}

static void host_log(void *context, int level, const char *id, const char *message) {
  lrd_log_write(&((lrd_instance *)context)->cache->log, (lrd_log_level)level, id, "%s", message);
}

static void host_distrust(void *context, larder_err why, const char *message) {
  lrd_instance *instance = context;
  bool noticed = !atomic_exchange(&instance->broken, true);
  if (noticed && lrd_cache_onlooker(instance->cache)) {
    lrd_log_write(&instance->cache->log, LRD_LOG_WARN, "tier.reopened", "tier %s has to be opened anew: %s",
                  instance->tier.name, message);
  } else if (noticed) {
    lrd_log_write(&instance->cache->log, LRD_LOG_ERROR, "tier.distrusted", "tier %s is out of use on this host: %s (%s)",
                  instance->tier.name, message, larder_err_text(why));
  }
  if (instance->shared) {
    lrd_slots_distrust(instance->cache->slots, instance->number);
  }
}

/* --- memory: no slots of its own, and it may demote ------------------------------------------------------------------ */

static int64_t memory_wall_ms(void *context) { return lrd_wall_ms(((larder *)context)->clock); }
static int64_t memory_mono_ns(void *context) { return lrd_mono_ns(((larder *)context)->clock); }

static void memory_evicted(void *context, uint32_t space, larder_evict_reason reason, uint64_t count, uint64_t bytes) {
  larder *cache = context;
  larder_ns *ns = space < LRD_NS_MAX ? atomic_load(&cache->memory_by_space[space]) : NULL;
  (void)bytes;
  if (ns) {
    lrd_stats_add(ns->memory_cell, counter_of(reason), count);
  }
}

static void memory_demote(void *context, const larder_tier_key *key, const void *value, const larder_facts *facts,
                          uint64_t token, larder_evict_reason reason) {
  larder *cache = context;
  larder_ns *ns = key->space < LRD_NS_MAX ? atomic_load(&cache->memory_by_space[key->space]) : NULL;
  if (ns && ns->links_len == 0) { /* elsewhere it is only a copy that went */
    lrd_events_note(cache->events, key->hash, LRD_EVENT_EVICTED, "memory", reason_text(reason));
  }
  if (ns && reason != LARDER_EVICT_ASKED) {
    lrd_news_tell(ns, LRD_NEWS_GONE, key->hash, 0, 0);
  }
  if (cache->errands) {
    lrd_errand_demote(cache, key, value, facts, token);
  }
}

static void memory_log(void *context, int level, const char *id, const char *message) {
  lrd_log_write(&((larder *)context)->log, (lrd_log_level)level, id, "%s", message);
}

larder_tier_host lrd_host_of(larder *cache, lrd_instance *instance) {
  if (!instance) {
    return (larder_tier_host){.context = cache,
                              .wall_ms = memory_wall_ms,
                              .mono_ns = memory_mono_ns,
                              .evicted = memory_evicted,
                              .demote = memory_demote,
                              .log = memory_log};
  }
  return (larder_tier_host){.context = instance,
                            .wall_ms = host_wall_ms,
                            .mono_ns = host_mono_ns,
                            .slot_try_own = host_slot_try_own,
                            .slot_release = host_slot_release,
                            .trace_wanted = host_trace_wanted,
                            .traceless = host_traceless,
                            .evicted = host_evicted,
                            .gone = host_gone,
                            .log = host_log,
                            .distrust = host_distrust};
}
