/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes of a namespace that has memory alone: there is no slot, the memory tier's own shard lock orders the changes of a key.
 * Where values are made, a change waits for a making that is being stored, and none is stored while it lasts.
 */
#include "flight.h"

/* What there is decides a lifetime: an expiry keeps the hard limit, a touch wants something fresh. False: nothing to touch. */
static bool lifetime_from_memory(larder_ns *ns, const lrd_change *change, larder_tier_write *item) {
  lrd_memory_pin pin;
  larder_facts now;
  unsigned const want = change->verb == LRD_CHANGE_EXPIRE ? LRD_WANT_STALE | LRD_WANT_ABSENT
                        : change->revive                  ? LRD_WANT_STALE
                                                          : 0;
  if (lrd_memory_pin_get(ns->memory, &item->key, NULL, want, &pin) != LARDER_OK) {
    return false;
  }
  lrd_memory_pin_facts(&pin, &now);
  lrd_memory_pin_release(ns->memory, &pin);
  int64_t const now_ms = lrd_wall_ms(ns->cache->clock);
  if (change->verb == LRD_CHANGE_EXPIRE) {
    bool const stale = lrd_facts_stale(ns->cache, &now, now_ms) && now.expires_soft_ms;
    item->facts.expires_soft_ms = stale ? now.expires_soft_ms : now_ms;
    item->facts.expires_hard_ms = now.expires_hard_ms;
  }
  if (item->only_stamp == 0) {
    item->only_stamp = now.stamp;
  }
  return true;
}

/* By the tier's write: what depends on what is there. Again where somebody else was in between. */
static void change_by_stamp(larder_ns *ns, lrd_change *change, const larder_tier_key *key) {
  for (int tries = 0; tries < LRD_STAMP_TRIES; tries++) {
    larder_tier_write item = {.key = *key, .value = change->value, .facts = change->facts, .only_stamp = change->only_stamp};
    item.verb = change->verb == LRD_CHANGE_PUT      ? LARDER_TIER_PUT
                : change->verb == LRD_CHANGE_DELETE ? LARDER_TIER_DELETE
                                                    : LARDER_TIER_TOUCH;
    if (item.verb == LARDER_TIER_TOUCH && !lifetime_from_memory(ns, change, &item)) {
      change->result = LARDER_MISS;
      return;
    }
    larder_err const result = ns->cache->memory_tier.ops->write(ns->memory, &item, 1, LARDER_DURABILITY_COMMIT);
    change->result = result < 0 ? result : item.result;
    change->existed = item.existed;
    if (change->result != LARDER_OLDER || change->only_stamp != 0) {
      return;
    }
  }
}

static void change_one(larder_ns *ns, lrd_change *change) {
  larder_tier_key const key = lrd_op_memory_key(&change->op);
  change->facts.stamp = change->keep_stamp ? change->keep_stamp : lrd_cache_stamp(ns->cache, 0);
  if (change->only_stamp != 0 || change->verb >= LRD_CHANGE_TOUCH) {
    change_by_stamp(ns, change, &key);
  } else if (change->verb == LRD_CHANGE_PUT) {
    change->result = lrd_memory_put(ns->memory, &key, change->value, &change->facts, 0);
    if (change->result == LARDER_OLDER) { /* a concurrent put came later */
      change->result = LARDER_OK;
    }
    if (change->result != LARDER_OK) {
      (void)lrd_memory_forget(ns->memory, &key);
    }
  } else {
    change->existed = lrd_memory_forget(ns->memory, &key) == LARDER_OK;
    change->result = LARDER_OK;
  }
}

void lrd_write_memory(larder_ns *ns, lrd_change *changes, size_t count) {
  lrd_flights *flights = ns->cache->flights;
  bool const made_here = atomic_load_explicit(&ns->makes, memory_order_acquire);
  for (size_t i = 0; i < count; i++) {
    lrd_change *change = &changes[i];
    lrd_changing changing;
    bool const told = made_here && !change->made;
    if (told) {
      lrd_flights_change_begin(flights, &change->op, &changing);
    }
    change_one(ns, change);
    /* The first making of the namespace may have begun meanwhile. */
    bool const late = !told && !change->made && atomic_load(&ns->makes);
    if (late) {
      lrd_flights_change_begin(flights, &change->op, &changing);
    }
    if (told || late) {
      lrd_flights_change_end(flights, &changing);
    }
  }
}
