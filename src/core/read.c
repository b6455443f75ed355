/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the shared tiers, and carrying upwards what was found. The slot's token is taken before a tier's snapshot can
 * begin. What is read is returned whatever happens; it is remembered in memory only under that token, so a slot that has
 * moved since makes it void there; upper shared tiers get it as an errand, by owning the slot unmoved.
 *
 * A dirty slot is not read from that tier: it may hold what it could not forget.
 */
#include "base/bytes.h"
#include "base/fail.h"
#include "cache.h"
#include "flight.h"
#include "mutation.h"

bool lrd_facts_stale(const larder *cache, const larder_facts *facts, int64_t now_ms) {
  if (facts->expires_soft_ms != 0 && now_ms >= facts->expires_soft_ms) {
    return true;
  }
  return facts->stamp <= atomic_load_explicit(&cache->step_mark, memory_order_relaxed) &&
         lrd_stamp_wall_ms(facts->stamp) > now_ms + LRD_CLOCK_STEP_MS;
}

void lrd_found_free(lrd_found *found) {
  if (!found) {
    return;
  }
  if (found->flight && !atomic_load(&found->ns->cache->forked)) { /* its lock may be a thread's that the child has not */
    lrd_flight_leave(found->flight);
  }
  if (found->link) {
    lrd_tier_release(&found->link->instance->tier, &found->held);
  }
  lrd_dealloc(found->own);
  lrd_dealloc(found);
}

static void fill_memory(const lrd_op *op, const lrd_found *found, uint64_t token) {
  larder_ns *ns = op->ns;
  if (!ns->memory) {
    return;
  }
  if (LRD_MUTATED(LRD_MUTATE_FILL_UNCHECKED)) {
    token = atomic_load(lrd_ns_word(ns, op->hash)) & LRD_SLOT_VERSION_MASK;
  } else if (token == LRD_TOKEN_NONE || token != atomic_load_explicit(lrd_ns_word(ns, op->hash), memory_order_acquire)) {
    lrd_stats_add(ns->memory_cell, LRD_STAT_REFUSED_FILLS, 1);
    lrd_note(op, LRD_EVENT_REFUSED, "memory", NULL);
    return;
  }
  if (found->entry.facts.stamp <= atomic_load_explicit(&ns->cache->step_mark, memory_order_relaxed) &&
      lrd_stamp_wall_ms(found->entry.facts.stamp) > lrd_wall_ms(ns->cache->clock) + LRD_CLOCK_STEP_MS) {
    return; /* stale by the step of the clock, which a memory hit does not look at */
  }
  larder_tier_key key = lrd_op_memory_key(op);
  if (lrd_memory_put(ns->memory, &key, found->entry.value, &found->entry.facts, token) == LARDER_OK) {
    lrd_stats_add(ns->memory_cell, LRD_STAT_PROMOTIONS, 1);
  } else {
    lrd_stats_add(ns->memory_cell, LRD_STAT_REFUSED_FILLS, 1);
  }
}

/* One tier's answer. LARDER_MISS also where it failed or is switched off; LARDER_EAWAY where it did not answer and may do so
 * soon. */
static larder_err read_link(const lrd_op *op, lrd_link *link, bool facts_only, larder_tier_entry *entry) {
  lrd_instance *instance = link->instance;
  lrd_slots *slots = op->ns->cache->slots;
  if (atomic_load_explicit(&instance->broken, memory_order_acquire) ||
      atomic_load_explicit(&link->space, memory_order_relaxed) == LRD_SPACE_NONE) {
    return LARDER_MISS;
  }
  if (lrd_slots_trust(slots, instance->number, NULL) != LRD_TRUST_OK) {
    return LARDER_MISS;
  }
  if (lrd_slot_dirty(slots, instance->number, lrd_slot_of(slots, op->hash))) {
    return LARDER_MISS;
  }
  larder_tier_key key = lrd_op_link_key(op, link);
  larder_err result = lrd_tier_get(&instance->tier, link->cell, &key, facts_only, NULL, entry);
  if (result == LARDER_OK) {
    lrd_stats_add(link->cell, LRD_STAT_HITS, 1);
    lrd_stats_add(link->cell, LRD_STAT_BYTES_READ, entry->facts.value_len);
  } else if (result == LARDER_MISS) {
    lrd_stats_add(link->cell, LRD_STAT_MISSES, 1);
  } else {
    lrd_stats_add(link->cell, LRD_STAT_DEGRADED, 1);
  }
  if (result == LARDER_OK || result == LARDER_MISS) {
    return result;
  }
  bool passes = result == LARDER_EAWAY || result == LARDER_EBUSY;
  return passes && lrd_tier_usable(&instance->tier) ? LARDER_EAWAY : LARDER_MISS;
}

/* From what the tier holds to the value as it was put; of facts alone, to the facts of that. */
static larder_err found_open(const lrd_op *op, lrd_found *found, bool facts_only) {
  larder_facts *facts = &found->entry.facts;
  size_t len = 0;
  found->entry = found->held;
  found->stored_len = facts->value_len;
  larder_err result = facts_only ? LARDER_NOT_KEPT
                                 : lrd_decode_value(op->ns, found->link, lrd_span_of(op->key, op->key_len), found->held.value,
                                                    &found->held.facts, &found->own, &len);
  if (result == LARDER_OK) {
    found->entry.value = found->own;
    facts->value_len = len;
  } else if (result == LARDER_NOT_KEPT) {
    facts->value_len = lrd_raw_len(&found->held.facts);
    result = LARDER_OK;
  }
  facts->framed = false;
  facts->raw_len = facts->value_len;
  lrd_facts_judge_version(op->ns, facts);
  return result;
}

/* What the link has, opened; what is damaged is left to be forgotten, and counts as a miss. */
static larder_err read_and_open(const lrd_op *op, size_t i, bool facts_only, uint64_t token, lrd_found **out) {
  larder_ns *ns = op->ns;
  lrd_link *link = &ns->links[i];
  larder_tier_entry entry = {0};
  larder_err result = read_link(op, link, facts_only, &entry);
  if (result != LARDER_OK) {
    return result;
  }
  lrd_found *found = lrd_alloc_zero(1, sizeof *found);
  if (!found) {
    lrd_tier_release(&link->instance->tier, &entry);
    return LARDER_ENOMEM;
  }
  *found = (lrd_found){.ns = ns, .link = link, .held = entry};
  result = found_open(op, found, facts_only);
  if (result == LARDER_OK) {
    *out = found;
    return LARDER_OK;
  }
  if (result == LARDER_ECORRUPT) {
    lrd_errand_forget(ns->cache, op, i, entry.facts.stamp, token);
    result = LARDER_MISS;
  }
  lrd_found_free(found);
  return result;
}

larder_err lrd_read_lowest(const lrd_op *op, bool facts_only, lrd_found **out) {
  lrd_slots *slots = op->ns->cache->slots;
  uint64_t token = lrd_slot_token(slots, lrd_slot_of(slots, op->hash));
  larder_err result = read_and_open(op, op->ns->links_len - 1, facts_only, token, out);
  return result == LARDER_EAWAY ? LARDER_MISS : result;
}

larder_err lrd_read_asking(const lrd_op *op, bool facts_only, lrd_found **out) {
  larder_ns *ns = op->ns;
  lrd_slots *slots = ns->cache->slots;
  uint64_t token = lrd_slot_token(slots, lrd_slot_of(slots, op->hash));
  larder_err result = LARDER_MISS;
  for (size_t i = 0; i < ns->links_len; i++) {
    lrd_found *found = NULL;
    larder_err one = read_and_open(op, i, facts_only, token, &found);
    if (one != LARDER_OK) {
      result = one < 0 ? one : result;
      continue;
    }
    if (!facts_only) {
      fill_memory(op, found, token);
      if (i > 0 && token != LRD_TOKEN_NONE) {
        lrd_errand_promote(ns->cache, op, i, found, token);
      }
    }
    *out = found;
    return LARDER_OK;
  }
  return result;
}

larder_err lrd_read_below(const lrd_op *op, bool facts_only, lrd_found **out) {
  larder_err result = lrd_read_asking(op, facts_only, out);
  return result == LARDER_EAWAY ? LARDER_MISS : result;
}
