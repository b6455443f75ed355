/* SPDX-License-Identifier: Apache-2.0 */
/* Why a key is as it is: each tier of the chain is asked by itself, without filling or counting. */
#include <larder/why.h>

#include "base/bytes.h"
#include "base/fail.h"
#include "makers.h"

#include <stdio.h>

#define CALL_MS INT64_C(5000) /* from the moment that a call took for its own to the event: it may have waited for the slot */

static void text_copy(char *to, size_t room, const char *from, size_t len) {
  size_t const taken = len < room ? len : room - 1;
  if (taken > 0) {
    memcpy(to, from, taken);
  }
  to[taken] = 0;
}

static void tier_facts(larder_why_tier *out, const larder_facts *facts, uint64_t stored_len) {
  out->here = true;
  out->state = "here";
  out->absent = facts->kind == LARDER_KIND_ABSENT;
  out->stamp = facts->stamp;
  out->written_ms = lrd_stamp_wall_ms(facts->stamp);
  out->expires_soft_ms = facts->expires_soft_ms;
  out->expires_hard_ms = facts->expires_hard_ms;
  out->len = lrd_raw_len(facts);
  out->stored_len = stored_len;
  text_copy(out->version, sizeof out->version, facts->version, facts->version_len);
}

static void memory_look(const lrd_op *op, larder_why_tier *out) {
  larder_tier_key key = lrd_op_memory_key(op);
  unsigned const any = LRD_WANT_STALE | LRD_WANT_ABSENT;
  lrd_memory_pin pin;
  larder_facts facts;
  text_copy(out->name, sizeof out->name, "memory", 6);
  out->state = "not here";
  if (lrd_memory_pin_get(op->ns->memory, &key, lrd_ns_word(op->ns, op->hash), any, &pin) == LARDER_OK) {
    lrd_memory_pin_facts(&pin, &facts);
    tier_facts(out, &facts, facts.value_len);
    lrd_memory_pin_release(op->ns->memory, &pin);
  } else if (lrd_memory_pin_get(op->ns->memory, &key, NULL, any, &pin) == LARDER_OK) {
    lrd_memory_pin_release(op->ns->memory, &pin);
    out->state = "moved on";
  }
}

static void link_look(const lrd_op *op, lrd_link *link, larder_why_tier *out) {
  lrd_instance *instance = link->instance;
  lrd_slots *slots = op->ns->cache->slots;
  larder_tier_entry entry;
  text_copy(out->name, sizeof out->name, instance->tier.name, strlen(instance->tier.name));
  out->state = "not here";
  if (!lrd_instance_answers(instance) || lrd_tier_waits(&instance->tier)) {
    out->state = "away";
    return;
  }
  if (atomic_load(&link->space) == LRD_SPACE_NONE) {
    return;
  }
  if (lrd_slot_dirty(slots, instance->number, lrd_slot_of(slots, op->hash))) {
    out->state = "behind";
    return;
  }
  larder_tier_key const key = lrd_op_link_key(op, link);
  larder_err const result = lrd_tier_get(&instance->tier, link->cell, &key, true, NULL, &entry);
  if (result == LARDER_OK) {
    lrd_facts_judge_version(op->ns, &entry.facts);
    tier_facts(out, &entry.facts, entry.facts.value_len);
    lrd_tier_release(&instance->tier, &entry);
  } else if (result != LARDER_MISS) {
    out->state = result == LARDER_EAWAY ? "away" : "unreadable";
  }
}

static void tiers_look(const lrd_op *op, larder_why *out) {
  larder_ns *ns = op->ns;
  if (ns->memory) {
    memory_look(op, &out->tiers[out->tiers_len++]);
  }
  for (size_t i = 0; i < ns->links_len && out->tiers_len < LARDER_WHY_TIERS; i++) {
    link_look(op, &ns->links[i], &out->tiers[out->tiers_len++]);
  }
}

static bool within(const larder_why *out, int64_t soft_ms, int64_t ms) { return ms > 0 && out->now_ms - ms < soft_ms; }

/* Of the uppermost tier that has it, as a get would find it. */
static larder_why_state state_of(const lrd_op *op, const larder_why *out) {
  const lrd_config_ns *policy = &op->ns->policy;
  const larder_why_tier *tier = out->tiers;
  const larder_why_tier *end = out->tiers + out->tiers_len;
  while (tier < end && !tier->here) {
    tier++;
  }
  if (out->queued) {
    return LARDER_WHY_FRESH;
  }
  if (tier == end) {
    return LARDER_WHY_NOTHING;
  }
  larder_facts const facts = {.stamp = tier->stamp, .expires_soft_ms = tier->expires_soft_ms};
  if (!lrd_facts_stale(op->ns->cache, &facts, out->now_ms)) {
    return tier->absent ? LARDER_WHY_ABSENT : LARDER_WHY_FRESH;
  }
  if (tier->absent) {
    return LARDER_WHY_NOTHING;
  }
  return within(out, tier->expires_soft_ms, policy->stale_while_revalidate_ms) ? LARDER_WHY_REVALIDATE
         : within(out, tier->expires_soft_ms, policy->stale_if_error_ms)       ? LARDER_WHY_ON_ERROR
                                                                               : LARDER_WHY_STALE;
}

/* A call that made it stale set its end to that moment. */
static bool expired_by_call(const larder_why *out, const larder_why_tier *tier) {
  for (size_t i = 0; i < out->events_len; i++) {
    int64_t const later_ms = out->events[i].wall_ms - tier->expires_soft_ms;
    if (out->events[i].what == lrd_event_name(LRD_EVENT_EXPIRED) && later_ms >= 0 && later_ms <= CALL_MS) {
      return true;
    }
  }
  return false;
}

static larder_why_stale stale_of(const larder_why *out) {
  const larder_why_tier *tier = out->tiers;
  if (out->state != LARDER_WHY_REVALIDATE && out->state != LARDER_WHY_ON_ERROR && out->state != LARDER_WHY_STALE) {
    return LARDER_STALE_NOT;
  }
  while (!tier->here) { /* what is stale is here */
    tier++;
  }
  larder_facts const facts = {.stamp = tier->stamp, .expires_soft_ms = tier->expires_soft_ms};
  return lrd_facts_outdated(&facts)                                          ? LARDER_STALE_VERSION
         : tier->expires_soft_ms == 0 || out->now_ms < tier->expires_soft_ms ? LARDER_STALE_CLOCK
         : expired_by_call(out, tier)                                        ? LARDER_STALE_EXPIRED
                                                                             : LARDER_STALE_LIFETIME;
}

static void health_look(const lrd_op *op, larder_why *out) {
  out->health.size = sizeof out->health;
  out->has_health = larder_health_get(op->ns, op->key, op->key_len, &out->health) == LARDER_OK;
}

static void expert_look(const lrd_op *op, larder_why *out) {
  unsigned expert;
  if (op->ns->memory && lrd_memory_expert(op->ns->memory, op->ns->memory_space, lrd_op_memory_key(op).hash, &expert)) {
    out->expert = lrd_stats_expert(expert);
  }
}

static void slot_look(const lrd_op *op, larder_why *out) {
  lrd_slots *slots = op->ns->cache->slots;
  if (!lrd_ns_coherent(op->ns)) {
    return;
  }
  uint64_t const word = atomic_load(lrd_ns_word(op->ns, op->hash));
  uint64_t const row = word >> LRD_SLOT_VERSION_BITS;
  out->has_slot = true;
  out->slot = lrd_slot_of(slots, op->hash);
  out->slot_version = word & LRD_SLOT_VERSION_MASK;
  out->slot_owner = row == 0 ? 0 : lrd_slots_row_pid(slots, (unsigned)(row - 1));
}

static void failure_put(larder_why *out, larder_err failure, const char *reason, int64_t left_ns) {
  out->failure = failure;
  out->failure_ms = left_ns / 1000000;
  text_copy(out->failure_text, sizeof out->failure_text, reason, strlen(reason));
}

static void making_look(const lrd_op *op, larder_why *out) {
  static const char *const types[] = {NULL, "http", "command", "recipe", "callback"};
  larder *cache = op->ns->cache;
  char reason[LRD_LEASE_REASON];
  int64_t until_ns = 0;
  lrd_lease_seen seen;
  lrd_flight *flight = lrd_flight_find(cache->flights, op);
  out->maker = types[op->ns->policy.maker.type];
  out->making_takes_ms = atomic_load_explicit(&op->ns->making_cost_ns, memory_order_relaxed) / 1000000;
  out->made_here = flight != NULL;
  if (flight) {
    lrd_flight_leave(flight);
  }
  if (cache->leases && lrd_ns_coherent(op->ns)) {
    if (!lrd_lease_look(cache->leases, op->hash, &seen)) {
      return;
    }
    if (seen.held) {
      out->made_by = lrd_slots_row_pid(cache->slots, seen.row);
      out->made_overtaken = seen.overtaken;
    } else {
      failure_put(out, seen.failure, seen.reason, seen.failed_until_ns - lrd_boot_ns(cache->clock));
    }
    return;
  }
  larder_err const failure = lrd_flights_failure(cache->flights, op, reason, &until_ns);
  if (failure != LARDER_OK) {
    failure_put(out, failure, reason, until_ns - lrd_boot_ns(cache->clock));
  }
}

static void events_look(const lrd_op *op, larder_why *out) {
  lrd_event *found = lrd_alloc(LARDER_WHY_EVENTS * sizeof *found);
  if (!found) {
    return;
  }
  out->events_len = lrd_events_of(op->ns->cache->events, op->hash, found, LARDER_WHY_EVENTS);
  for (size_t i = 0; i < out->events_len; i++) {
    larder_why_event *event = &out->events[i];
    *event = (larder_why_event){.wall_ms = found[i].wall_ms, .pid = found[i].pid, .what = lrd_event_name(found[i].what)};
    memcpy(event->tier, found[i].tier, sizeof event->tier);
    memcpy(event->text, found[i].text, sizeof event->text);
  }
  lrd_dealloc(found);
}

larder_err larder_why_look(larder_ns *ns, const void *key, size_t key_len, larder_why *out) {
  lrd_op op;
  if (!out || out->size != sizeof *out) {
    return LARDER_EINVAL;
  }
  larder_err const result = lrd_op_begin(ns, key, key_len, &op);
  if (result != LARDER_OK) {
    return result;
  }
  *out = (larder_why){.size = sizeof *out, .now_ms = lrd_wall_ms(ns->cache->clock)};
  tiers_look(&op, out);
  if (ns->behind) {
    lrd_found *queued = NULL;
    uint64_t token;
    out->queued = lrd_pending_find(ns->cache->pending, &op, &queued, &token) == LARDER_OK;
    lrd_found_free(queued);
  }
  out->state = state_of(&op, out);
  slot_look(&op, out);
  making_look(&op, out);
  events_look(&op, out);
  out->stale = stale_of(out);
  health_look(&op, out);
  expert_look(&op, out);
  return LARDER_OK;
}

/* Of what is stale: because of what, and what is done with it. */
#define STALE(because)                                                                                                         \
  {                                                                                                                            \
    [LARDER_WHY_REVALIDATE] =                                                                                                  \
        "It is stale, since " because ": a get misses; who has it made is served the stale value while that is done.",         \
    [LARDER_WHY_ON_ERROR] =                                                                                                    \
        "It is stale, since " because ": a get misses; who has it made is served the stale value only if that fails.",         \
    [LARDER_WHY_STALE] = "It is stale, since " because ", past the windows in which that is served: a get misses.",            \
    [LARDER_WHY_ABSENT] = NULL                                                                                                 \
  }
#define LIFETIME "its lifetime is over"
#define EXPIRED  "a call made it so"
#define VERSION  "it was written under another version of the namespace"
#define CLOCK    "the clock was set back behind the time at which it was written"

const char *larder_why_sentence(const larder_why *why) {
  static const char *const kept[] = {
      [LARDER_WHY_FRESH] = "It is kept and fresh: a get hits.",
      [LARDER_WHY_ABSENT] = "Its maker said that there is none, and that counts still: a get misses, and it is not made.",
      [LARDER_WHY_NOTHING] = "Nothing is kept: a get misses."};
  static const char *const stale[][LARDER_WHY_ABSENT + 1] = {[LARDER_STALE_NOT] = STALE(LIFETIME),
                                                             [LARDER_STALE_LIFETIME] = STALE(LIFETIME),
                                                             [LARDER_STALE_EXPIRED] = STALE(EXPIRED),
                                                             [LARDER_STALE_VERSION] = STALE(VERSION),
                                                             [LARDER_STALE_CLOCK] = STALE(CLOCK)};
#define FAILED(because) "It is stale, since " because ", and making it failed a moment ago: it is tried again later."
  static const char *const failed[] = {[LARDER_STALE_NOT] = FAILED(LIFETIME),
                                       [LARDER_STALE_LIFETIME] = FAILED(LIFETIME),
                                       [LARDER_STALE_EXPIRED] = FAILED(EXPIRED),
                                       [LARDER_STALE_VERSION] = FAILED(VERSION),
                                       [LARDER_STALE_CLOCK] = FAILED(CLOCK)};
  bool const is_stale =
      why->state == LARDER_WHY_REVALIDATE || why->state == LARDER_WHY_ON_ERROR || why->state == LARDER_WHY_STALE;
  if (why->failure != LARDER_OK && why->state == LARDER_WHY_NOTHING) {
    return "Nothing is kept, and making it failed a moment ago: that failure is told until it is tried again.";
  }
  if (is_stale) {
    return why->failure != LARDER_OK ? failed[why->stale] : stale[why->stale][why->state];
  }
  return kept[why->state];
}
