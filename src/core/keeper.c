/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keeper: one thread per cache, once a second. It runs errands, notices that root, map or clock have changed under
 * us, brings broken and dirty tiers back, and sweeps when it is time.
 *
 * A broken tier comes back in three steps that need no meeting of the processes: each closes it and leaves its byte of
 * LOCK; one of them gets the byte alone, opens the tier (which puts damaged files into quarantine) and declares it
 * replaced, moving every slot; the others see it trusted again and open it.
 */
#include "base/fail.h"
#include "health.h"
#include "makers.h"

#define DIRTY_PER_TICK 4096u
#define SWEEP_ROWS     20000u

/* After a step back: what bears a time still to come was written before it and is stale; memory does not look at that. */
static void forget_the_future(larder *cache) {
  atomic_store(&cache->step_mark, lrd_cache_stamp(cache, 0));
  for (uint32_t i = 0; i < atomic_load(&cache->spaces_len); i++) {
    larder_ns *ns = atomic_load(&cache->spaces[i]);
    uint64_t entries;
    uint64_t bytes;
    if (ns->memory && ns->links_len > 0) {
      lrd_memory_clear(ns->memory, ns->memory_space, &entries, &bytes);
    }
  }
}

static void note_clock_step(larder *cache) {
  int64_t wall_ms = lrd_wall_ms(cache->clock);
  int64_t boot_ns = lrd_boot_ns(cache->clock);
  if (cache->step_boot_ns != 0) {
    int64_t step_ms = (wall_ms - cache->step_wall_ms) - (boot_ns - cache->step_boot_ns) / 1000000;
    if (step_ms > LRD_CLOCK_STEP_MS || step_ms < -LRD_CLOCK_STEP_MS) {
      atomic_store(&cache->no_expiry_until_ns, boot_ns + LRD_NO_EXPIRY_AFTER_STEP_NS);
      lrd_log_write(&cache->log, LRD_LOG_WARN, "clock.stepped",
                    "the wall clock stepped by %lld ms; nothing is removed for its age in the next 10 minutes",
                    (long long)step_ms);
      if (step_ms < 0) {
        forget_the_future(cache);
      }
    }
  }
  cache->step_wall_ms = wall_ms;
  cache->step_boot_ns = boot_ns;
}

static bool expiry_allowed(larder *cache) { return lrd_boot_ns(cache->clock) >= atomic_load(&cache->no_expiry_until_ns); }

void lrd_keeper_clean_dirty(larder *cache, uint64_t limit) {
  for (size_t i = 0; i < cache->instances_len; i++) {
    lrd_instance *instance = &cache->instances[i];
    uint64_t slot = 0;
    if (!instance->shared || !lrd_instance_answers(instance)) {
      continue;
    }
    for (uint64_t done = 0; done < limit && lrd_slots_dirty_next(cache->slots, instance->number, slot, &slot); slot++, done++) {
      uint64_t token = lrd_slot_token(cache->slots, slot);
      if (!lrd_slot_own_unmoved(cache->slots, slot, token)) {
        continue;
      }
      larder_err result =
          lrd_slot_dirty(cache->slots, instance->number, slot) ? lrd_instance_forget_slot(instance, slot) : LARDER_MISS;
      if (result == LARDER_OK) {
        lrd_slot_clear_dirty(cache->slots, instance->number, slot);
        lrd_stats_add(lrd_stats_cell_of(cache->stats, LRD_STATS_OTHER, instance->tier.name), LRD_STAT_DIRTY_CLEARED, 1);
      }
      /* Moved: the tier has nothing under the slot now, so no memory may have either. */
      (void)lrd_slot_release(cache->slots, slot, result == LARDER_OK);
      /* still away */
      if (result < 0) {
        break;
      }
    }
  }
}

/* Alone with a tier that was distrusted: opens it and lets everybody in again. */
static void instance_replace(lrd_instance *instance) {
  larder *cache = instance->cache;
  larder_error why = {0};
  if (lrd_instance_open(instance, &why) != LARDER_OK) {
    lrd_log_write(&cache->log, LRD_LOG_WARN, "tier.still_away", "tier %s can't be opened: %s", instance->tier.name,
                  why.message);
    return;
  }
  if (lrd_instance_rebind(instance) != LARDER_OK) {
    return;
  }
  lrd_slots_tier_replaced(cache->slots, instance->number);
  atomic_store(&instance->broken, false);
  lrd_log_write(&cache->log, LRD_LOG_WARN, "tier.replaced", "tier %s was opened anew", instance->tier.name);
}

static void instance_reopen(lrd_instance *instance) {
  larder_error why = {0};
  if (lrd_instance_open(instance, &why) == LARDER_OK && lrd_instance_rebind(instance) == LARDER_OK) {
    atomic_store(&instance->broken, false);
    return;
  }
  lrd_log_write(&instance->cache->log, LRD_LOG_WARN, "tier.still_away", "tier %s can't be opened: %s", instance->tier.name,
                why.message);
}

static void instance_recover(lrd_instance *instance) {
  larder *cache = instance->cache;
  bool distrusted = instance->shared && lrd_slots_trust(cache->slots, instance->number, NULL) == LRD_TRUST_BROKEN;
  if (distrusted || (instance->entered && lrd_slots_tier_moved(cache->slots, instance->number))) {
    atomic_store(&instance->broken, true);
  }
  if (!atomic_load(&instance->broken)) {
    return;
  }
  if (instance->tier.self) {
    /* values are handed out; the next tick tries again */
    if (!lrd_tier_close(&instance->tier)) {
      return;
    }
    if (instance->entered) {
      lrd_slots_tier_leave(cache->slots, instance->number);
    }
    instance->entered = false;
  }
  if (!distrusted) {
    instance_reopen(instance);
    return;
  }
  /* others have not left yet */
  if (!lrd_slots_tier_enter(cache->slots, instance->number, true)) {
    return;
  }
  if (lrd_slots_trust(cache->slots, instance->number, NULL) == LRD_TRUST_BROKEN) {
    instance_replace(instance);
  } else {
    instance_reopen(instance);
  }
  if (!instance->tier.self) {
    lrd_slots_tier_leave(cache->slots, instance->number);
  }
}

void lrd_keeper_recover(larder *cache) {
  for (size_t i = 0; i < cache->instances_len; i++) {
    instance_recover(&cache->instances[i]);
  }
}

static void root_is_lost(larder *cache) {
  if (atomic_exchange(&cache->lost, true)) {
    return;
  }
  lrd_log_write(&cache->log, LRD_LOG_ERROR, "root.lost",
                "%s was removed or replaced under this process; nothing is kept until it opens the cache again", cache->root);
  for (size_t i = 0; i < cache->instances_len; i++) {
    if (cache->instances[i].shared) {
      atomic_store(&cache->instances[i].broken, true);
    }
  }
}

void lrd_keeper_publish_gauges(larder *cache) {
  lrd_keeper_count_replaced(cache);
  for (uint32_t i = 0; i < atomic_load(&cache->spaces_len); i++) {
    larder_ns *ns = atomic_load(&cache->spaces[i]);
    larder_tier_usage usage;
    if (ns->memory && lrd_tier_usage(&cache->memory_tier, ns->memory_space, &usage) == LARDER_OK) {
      lrd_stats_set(ns->memory_cell, LRD_GAUGE_ENTRIES, usage.entries);
      lrd_stats_set(ns->memory_cell, LRD_GAUGE_BYTES, usage.bytes);
      lrd_stats_set(ns->memory_cell, LRD_GAUGE_BYTES_MAX, usage.bytes_max);
      lrd_adaptive_publish(ns);
    }
    for (size_t k = 0; k < ns->links_len; k++) {
      lrd_link *link = &ns->links[k];
      if (lrd_tier_usage(&link->instance->tier, atomic_load(&link->space), &usage) != LARDER_OK) {
        continue;
      }
      lrd_stats_set(link->cell, LRD_GAUGE_ENTRIES, usage.entries);
      lrd_stats_set(link->cell, LRD_GAUGE_BYTES, usage.bytes);
      lrd_stats_set(link->cell, LRD_GAUGE_BYTES_MAX, usage.bytes_max);
    }
  }
}

void lrd_keeper_count_replaced(larder *cache) {
  uint64_t replaced = cache->slots ? lrd_slots_replaced_take(cache->slots) : 0;
  if (replaced > 0) {
    lrd_stats_add(lrd_stats_cell_of(cache->stats, LRD_STATS_OTHER, LRD_STATS_ALL), LRD_STAT_OWNERS_REPLACED, replaced);
  }
}

static void tell_alert(void *context, const char *id, const char *sentence) {
  lrd_log_write(&((larder *)context)->log, LRD_LOG_WARN, id, "%s", sentence);
}

static void alerts(larder *cache) {
  larder_stats *snapshot = NULL;
  lrd_stats_thresholds thresholds = {.hit_rate_min = cache->config->alert_on_low_hit_rate,
                                     .latency_ms_max = cache->config->alert_on_high_latency_ms,
                                     .evictions_per_minute_max = cache->config->alert_on_high_eviction_rate};
  if (thresholds.hit_rate_min <= 0 && thresholds.latency_ms_max <= 0 && thresholds.evictions_per_minute_max <= 0) {
    return;
  }
  if (lrd_stats_snapshot(cache->stats, &snapshot) != LARDER_OK) {
    return;
  }
  lrd_stats_alerts(snapshot, &thresholds, tell_alert, cache);
  larder_stats_free(&snapshot);
}

static larder_err sweep_tiers(larder *cache, uint64_t rows, larder_bulk *done) {
  larder_err first = LARDER_OK;
  bool expire = expiry_allowed(cache);
  uint64_t removed = 0;
  if (cache->memory) {
    first = lrd_tier_sweep(&cache->memory_tier, rows, expire, &removed);
    done->entries += removed;
  }
  for (size_t i = 0; i < cache->instances_len && !lrd_cache_onlooker(cache); i++) {
    larder_err result = lrd_tier_sweep(&cache->instances[i].tier, rows, expire, &removed);
    done->entries += removed;
    if (result < 0 && result != LARDER_EAWAY && first == LARDER_OK) {
      first = result;
    }
  }
  return first;
}

/* Keys and values in all tiers; what others write meanwhile blurs a difference of two. */
static uint64_t bytes_kept(larder *cache) {
  larder_tier_usage usage;
  uint64_t bytes = 0;
  if (cache->memory && lrd_tier_usage(&cache->memory_tier, LARDER_TIER_ALL_SPACES, &usage) == LARDER_OK) {
    bytes += usage.payload_bytes;
  }
  for (size_t i = 0; i < cache->instances_len; i++) {
    if (lrd_tier_usage(&cache->instances[i].tier, LARDER_TIER_ALL_SPACES, &usage) == LARDER_OK) {
      bytes += usage.payload_bytes;
    }
  }
  return bytes;
}

larder_err larder_sweep(larder *cache, larder_bulk *out) {
  larder_bulk done = {0};
  if (!cache) {
    return LARDER_EINVAL;
  }
  if (atomic_load(&cache->forked)) {
    return LARDER_EFORKED;
  }
  if (lrd_cache_onlooker(cache)) {
    return LARDER_EACCES;
  }
  larder_err settled = lrd_pending_settle(cache->pending);
  if (settled < 0) {
    return settled;
  }
  uint64_t before = bytes_kept(cache);
  larder_err result = sweep_tiers(cache, UINT64_MAX, &done);
  if (cache->when_swept) {
    cache->when_swept(cache);
  }
  uint64_t after = bytes_kept(cache);
  done.bytes = before > after ? before - after : 0;
  lrd_keeper_publish_gauges(cache);
  if (out) {
    *out = done;
  }
  return result;
}

void lrd_keeper_tick(void *context) {
  larder *cache = context;
  larder_bulk swept = {0};
  lrd_errands_run(cache->errands);
  lrd_makers_tick(cache);
  note_clock_step(cache);
  if (cache->slots && !lrd_slots_still_there(cache->slots)) {
    root_is_lost(cache);
  }
  if (!atomic_load(&cache->lost)) {
    lrd_keeper_recover(cache);
    if (lrd_cache_onlooker(cache)) {
      lrd_spaces_look(cache);
    } else if (cache->slots) {
      lrd_keeper_clean_dirty(cache, DIRTY_PER_TICK);
    }
  }
  if (!lrd_cache_onlooker(cache)) { /* whose figures nobody else sees, and whose tiers may have to count their rows for them */
    lrd_keeper_publish_gauges(cache);
  }
  lrd_adaptive_tick(cache);
  lrd_health_look(cache);
  lrd_stats_tick(cache->stats);
  if (cache->each_second) {
    cache->each_second(cache);
  }
  int64_t now_ns = lrd_mono_ns(cache->clock);
  if (cache->config->sweep_interval_ms > 0 && now_ns - cache->swept_ns >= cache->config->sweep_interval_ms * 1000000) {
    cache->swept_ns = now_ns;
    (void)sweep_tiers(cache, SWEEP_ROWS, &swept); /* a tier that fails has told its breaker */
    alerts(cache);
  }
}
