/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every change to a namespace with shared tiers, one key or a batch, goes the same way:
 *
 *   encode                              what shared tiers get is compressed and sealed while nobody waits for a slot
 *   own the slots, ascending            so nobody fills, demotes or evicts under us, and no two batches wait in a ring
 *   clean what is dirty                 a tier that works again forgets the slot's range
 *   stamp                               above the host's clock; above what is stored, should that be ahead
 *   upper shared tiers forget           from here on nobody finds the old value above a new one
 *   the lowest shared tier commits      the moment the change counts
 *   upper shared tiers take the value
 *   memory: re-tag, take or forget      while the slots are still owned, see below
 *   tell who makes the key              what was begun before is not stored over it
 *   release the slots, one version on   every other process's copy is void
 *
 * A tier that can't forget or commit is marked dirty for the slot before the slot is released: nobody reads the slot's
 * keys from it until its range has been deleted there. A put then lives in memory alone and answers LARDER_DEGRADED.
 *
 * Memory is brought in step before the release: first every entry of the slot is re-tagged from the version we found to
 * the one we will leave (their values have not changed: we owned the slot), then our own keys are put or forgotten. A
 * fill of an older value that is late carries the version we found, or an earlier one, and never matches again.
 */
#include "base/bytes.h"
#include "base/fail.h"
#include "cache.h"
#include "flight.h"
#include "mutation.h"
#include <stdlib.h>

typedef struct owned_slot {
  uint64_t slot;
  uint64_t version;
  bool owned;
  bool cleaned; /* a tier has forgotten its range: what memory has beside the batch is in no tier now */
} owned_slot;

/* One run of write_run: parallel arrays over the changes, ordered by slot. */
typedef struct write_run {
  larder_ns *ns;
  lrd_change **changes;     /* ascending by slot */
  larder_tier_write *items; /* for the tiers */
  uint32_t *item_at;        /* items[i] is of changes[item_at[i]] */
  owned_slot *slots;
  uint32_t *slot_of;        /* changes[i] lies in slots[slot_of[i]] */
  larder_tier_key *changed; /* memory's keys, of one slot at a time */
  bool *unsafe;             /* of a slot: the authoritative tier could not take the change */
  size_t count;
  size_t slots_len;
} write_run;

lrd_stamp lrd_cache_stamp(larder *cache, lrd_stamp least) {
  return lrd_stamp_next(cache->slots ? lrd_slots_clock(cache->slots) : &cache->own_clock, lrd_wall_ms(cache->clock), least);
}

static int by_slot(const void *a, const void *b) {
  const lrd_change *x = *(lrd_change *const *)a;
  const lrd_change *y = *(lrd_change *const *)b;
  unsigned shift = x->op.ns->shift;
  uint64_t sx = x->op.hash >> shift;
  uint64_t sy = y->op.hash >> shift;
  if (sx != sy) {
    return sx < sy ? -1 : 1;
  }
  return x < y ? -1 : x > y; /* of one key the later change comes later */
}

static void own_slots(write_run *run) {
  lrd_slots *slots = run->ns->cache->slots;
  int64_t until_ns = lrd_mono_ns(run->ns->cache->clock) + LRD_SLOT_WAIT_NS; /* for the batch, not for each */
  for (size_t i = 0; i < run->count; i++) {
    uint64_t slot = lrd_slot_of(slots, run->changes[i]->op.hash);
    if (run->slots_len == 0 || run->slots[run->slots_len - 1].slot != slot) {
      owned_slot *next = &run->slots[run->slots_len++];
      *next = (owned_slot){.slot = slot};
      run->unsafe[run->slots_len - 1] = false;
      int64_t left_ns = until_ns - lrd_mono_ns(run->ns->cache->clock);
      larder_err result = lrd_slot_own(slots, slot, left_ns > 0 ? left_ns : 0, &next->version);
      next->owned = result == LARDER_OK;
      if (!next->owned) {
        run->changes[i]->result = result;
        lrd_stats_add(run->ns->cell, LRD_STAT_BUSY, 1);
      }
    }
    run->slot_of[i] = (uint32_t)(run->slots_len - 1);
    owned_slot *mine = &run->slots[run->slot_of[i]];
    run->changes[i]->result = mine->owned                            ? LARDER_OK
                              : run->changes[i]->result != LARDER_OK ? run->changes[i]->result
                                                                     : LARDER_EBUSY;
  }
}

bool lrd_instance_answers(lrd_instance *instance) {
  return !atomic_load_explicit(&instance->broken, memory_order_acquire) &&
         lrd_slots_trust(instance->cache->slots, instance->number, NULL) == LRD_TRUST_OK;
}

larder_err lrd_instance_forget_slot(lrd_instance *instance, uint64_t slot) {
  lrd_slots *slots = instance->cache->slots;
  uint64_t first;
  uint64_t last;
  lrd_slot_range(slots, slot, &first, &last);
  larder_err result = lrd_tier_forget_range(&instance->tier, first, last);
  if (result == LARDER_OK && lrd_slots_queued_below(slots, UINT64_MAX)) {
    lrd_slots_traceless_raise(slots, instance->number, slot, UINT64_MAX);
  }
  return result;
}

bool lrd_instance_clean(lrd_instance *instance, uint64_t slot, bool *cleaned) {
  lrd_slots *slots = instance->cache->slots;
  if (!lrd_slot_dirty(slots, instance->number, slot)) {
    return true;
  }
  if (!lrd_instance_answers(instance)) {
    return false;
  }
  if (lrd_instance_forget_slot(instance, slot) != LARDER_OK) {
    return false;
  }
  lrd_slot_clear_dirty(slots, instance->number, slot);
  *cleaned = true;
  return true;
}

static bool slot_clean(write_run *run, size_t at, lrd_link *link) {
  return lrd_instance_clean(link->instance, run->slots[at].slot, &run->slots[at].cleaned);
}

static void mark_dirty(write_run *run, lrd_link *link, size_t slot_index) {
  lrd_slots *slots = run->ns->cache->slots;
  if (!lrd_slot_dirty(slots, link->instance->number, run->slots[slot_index].slot)) {
    lrd_stats_add(link->cell, LRD_STAT_DIRTY_MARKED, 1);
  }
  lrd_slot_mark_dirty(slots, link->instance->number, run->slots[slot_index].slot);
}

/* The items of a tier: those changes whose slot is owned and clean there, and that still want to be carried out. */
static size_t collect(write_run *run, lrd_link *link, larder_tier_verb verb_for_all, bool forget) {
  size_t len = 0;
  for (size_t i = 0; i < run->count; i++) {
    lrd_change *change = run->changes[i];
    if (change->result != LARDER_OK) {
      continue;
    }
    if (run->unsafe[run->slot_of[i]] || !slot_clean(run, run->slot_of[i], link)) {
      continue;
    }
    larder_tier_verb verb = change->verb == LRD_CHANGE_PUT      ? LARDER_TIER_PUT
                            : change->verb == LRD_CHANGE_DELETE ? LARDER_TIER_DELETE
                                                                : LARDER_TIER_TOUCH;
    if (forget) {
      verb = verb_for_all;
    }
    run->item_at[len] = (uint32_t)i;
    run->items[len++] = (larder_tier_write){.verb = verb,
                                            .key = lrd_op_link_key(&change->op, link),
                                            .value = verb == LARDER_TIER_PUT ? change->value : NULL,
                                            .facts = change->facts,
                                            .only_stamp = forget ? 0 : change->only_stamp};
    if (verb == LARDER_TIER_PUT) {
      lrd_coded_apply(&change->coded, link, &run->items[len - 1]);
    }
  }
  return len;
}

static lrd_change *change_of(const write_run *run, size_t item) { return run->changes[run->item_at[item]]; }
static size_t slot_of_item(const write_run *run, size_t item) { return run->slot_of[run->item_at[item]]; }

static void upper_forgets(write_run *run, lrd_link *link) {
  if (LRD_MUTATED(LRD_MUTATE_UPPER_NOT_FORGOTTEN)) {
    return;
  }
  size_t len = collect(run, link, LARDER_TIER_FORGET, true);
  larder_err result = len == 0 ? LARDER_OK
                      : lrd_instance_answers(link->instance)
                          ? lrd_tier_write(&link->instance->tier, link->cell, run->items, len, LARDER_DURABILITY_COMMIT)
                          : LARDER_EAWAY;
  for (size_t i = 0; i < len; i++) {
    if (result < 0 || run->items[i].result < 0) {
      mark_dirty(run, link, slot_of_item(run, i));
    }
  }
}

static void upper_takes(write_run *run, lrd_link *link) {
  if (LRD_MUTATED(LRD_MUTATE_UPPER_NOT_FORGOTTEN)) {
    return;
  }
  size_t len = 0;
  size_t all = collect(run, link, LARDER_TIER_PUT, false);
  for (size_t i = 0; i < all; i++) {
    if (change_of(run, i)->verb != LRD_CHANGE_PUT || run->unsafe[slot_of_item(run, i)]) {
      continue;
    }
    run->item_at[len] = run->item_at[i];
    run->items[len] = run->items[i];
    run->items[len++].only_stamp = 0;
  }
  if (len == 0) {
    return;
  }
  larder_err result = lrd_instance_answers(link->instance)
                          ? lrd_tier_write(&link->instance->tier, link->cell, run->items, len, LARDER_DURABILITY_COMMIT)
                          : LARDER_EAWAY;
  for (size_t i = 0; i < len; i++) {
    /* It has forgotten the key already; only an unknown outcome can leave something there, and that is the new value. */
    if (result == LARDER_OK && run->items[i].result == LARDER_OK) {
      lrd_stats_add(link->cell, LRD_STAT_BYTES_WRITTEN, run->items[i].key.len + run->items[i].facts.value_len);
    }
  }
}

/* TOUCH and EXPIRE need what is stored: an expiry keeps the hard limit, a touch wants something fresh. */
static larder_err lifetime_prepare(write_run *run, lrd_link *lowest, lrd_change *change) {
  larder_tier_entry entry;
  larder_tier_key key = lrd_op_link_key(&change->op, lowest);
  int64_t now_ms = lrd_wall_ms(run->ns->cache->clock);
  if (!lrd_instance_answers(lowest->instance)) {
    return LARDER_EAWAY;
  }
  larder_err result = lrd_tier_get(&lowest->instance->tier, lowest->cell, &key, true, NULL, &entry);
  if (result != LARDER_OK) {
    return result;
  }
  lrd_facts_judge_version(run->ns, &entry.facts);
  bool stale = lrd_facts_stale(run->ns->cache, &entry.facts, now_ms);
  if (entry.facts.kind == LARDER_KIND_ABSENT) {
    result = LARDER_MISS;
  } else if (change->verb == LRD_CHANGE_EXPIRE) {
    change->facts.expires_soft_ms = stale && entry.facts.expires_soft_ms != 0 ? entry.facts.expires_soft_ms : now_ms;
    change->facts.expires_hard_ms = entry.facts.expires_hard_ms;
  } else if (stale && !change->revive) {
    result = LARDER_MISS;
  }
  lrd_tier_release(&lowest->instance->tier, &entry);
  return result;
}

/*
 * Whether something newer than what is queued may have come and gone: the slot has moved since, nothing is stored, and the
 * tier has lost traces. *unsafe_out: it can't be told. The slot is owned.
 */
static bool queued_overtaken(write_run *run, size_t slot_index, lrd_link *lowest, const lrd_op *op, uint64_t stamp,
                             uint64_t token, bool *unsafe_out) {
  const owned_slot *mine = &run->slots[slot_index];
  larder_tier_entry entry;
  larder_tier_key key = lrd_op_link_key(op, lowest);
  if (token == mine->version || stamp >= lrd_slots_traceless(run->ns->cache->slots, lowest->instance->number, mine->slot)) {
    return false;
  }
  larder_err result = lrd_instance_answers(lowest->instance)
                          ? lrd_tier_get(&lowest->instance->tier, lowest->cell, &key, true, NULL, &entry)
                          : LARDER_EAWAY;
  if (result == LARDER_OK) {
    lrd_tier_release(&lowest->instance->tier, &entry);
  }
  *unsafe_out = result < 0;
  return result == LARDER_MISS;
}

/* A change from the queue is only carried out while it is queued still, and while stamps tell what is newer. */
static void queued_judge(write_run *run, size_t at, lrd_link *lowest) {
  lrd_change *change = run->changes[at];
  lrd_pending *pending = run->ns->cache->pending;
  bool unsafe = false;
  if (!lrd_pending_has(pending, &change->op, change->keep_stamp)) {
    change->result = LARDER_OLDER;
  } else if (queued_overtaken(run, run->slot_of[at], lowest, &change->op, change->keep_stamp, change->token, &unsafe)) {
    lrd_pending_give_up(pending, &change->op, change->keep_stamp);
    change->result = LARDER_OLDER;
  } else if (unsafe) {
    change->result = LARDER_EAWAY;
  }
}

/* A change that looks at what is stored has to find what is queued there: it is written first, under the same ownership. */
static larder_err queued_first(write_run *run, size_t at, lrd_link *lowest) {
  larder_ns *ns = run->ns;
  const lrd_change *change = run->changes[at];
  lrd_found *queued = NULL;
  uint64_t token;
  bool unsafe = false;
  if (!ns->behind || change->keep_stamp != 0 || (change->verb < LRD_CHANGE_TOUCH && change->only_stamp == 0) ||
      lrd_pending_find(ns->cache->pending, &change->op, &queued, &token) != LARDER_OK) {
    return LARDER_OK;
  }
  uint64_t stamp = queued->entry.facts.stamp;
  if (queued_overtaken(run, run->slot_of[at], lowest, &change->op, stamp, token, &unsafe)) {
    lrd_pending_give_up(ns->cache->pending, &change->op, stamp);
    lrd_found_free(queued);
    return LARDER_OK;
  }
  larder_tier_write item = {.verb = LARDER_TIER_PUT,
                            .key = lrd_op_link_key(&change->op, lowest),
                            .value = queued->entry.value,
                            .facts = queued->entry.facts};
  lrd_coded coded = {0};
  larder_err ready =
      lrd_code_value(ns, lrd_span_of(change->op.key, change->op.key_len), item.value, &queued->entry.facts, &coded);
  lrd_coded_apply(&coded, lowest, &item);
  if (ready == LARDER_OK) {
    ready = unsafe || !lrd_instance_answers(lowest->instance)
                ? LARDER_EAWAY
                : lrd_tier_write(&lowest->instance->tier, lowest->cell, &item, 1, LARDER_DURABILITY_COMMIT);
  }
  if (ready == LARDER_OK && item.result >= 0) {
    (void)lrd_pending_drop(ns->cache->pending, &change->op, stamp);
  } else if (ready == LARDER_OK) {
    ready = item.result;
  }
  lrd_coded_fini(&coded);
  lrd_found_free(queued);
  return ready;
}

/* What is queued under a key has been overtaken, now that the change is committed and while its slot is still owned. */
static void drop_overtaken(write_run *run) {
  if (!run->ns->behind) {
    return;
  }
  for (size_t i = 0; i < run->count; i++) {
    lrd_change *change = run->changes[i];
    bool settled = change->result == LARDER_OK || change->result == LARDER_DEGRADED || change->result == LARDER_NOT_KEPT ||
                   (change->result == LARDER_OLDER && change->keep_stamp != 0);
    if (settled && lrd_pending_drop(run->ns->cache->pending, &change->op, change->facts.stamp)) {
      change->existed = true;
    }
  }
}

/* A made value whose key was changed since the last look at it. */
static bool restamp_forbidden(const write_run *run, size_t item) {
  const lrd_change *change = change_of(run, item);
  return change->made && lrd_flight_overtaken(change->made, run->slots[slot_of_item(run, item)].version);
}

/*
 * Of a change that wants nothing to be there: LARDER_OLDER when something is, a failure when it can't be told. The slot is
 * owned. In a tier that is away, or under what is damaged, is nothing.
 */
static larder_err absent_check(lrd_link *lowest, const lrd_change *change) {
  larder_tier_entry entry;
  larder_tier_key key = lrd_op_link_key(&change->op, lowest);
  if (!change->only_absent || !lrd_instance_answers(lowest->instance)) {
    return LARDER_OK;
  }
  larder_err result = lrd_tier_get(&lowest->instance->tier, lowest->cell, &key, true, NULL, &entry);
  if (result == LARDER_OK) {
    lrd_tier_release(&lowest->instance->tier, &entry);
    return LARDER_OLDER;
  }
  return result == LARDER_EBUSY || result == LARDER_ENOMEM ? result : LARDER_OK;
}

/* The authoritative tier. Items that lost to a stored stamp ahead of our clock are stamped anew above it. */
static void lowest_commits(write_run *run, lrd_link *link, larder_durability durability) {
  for (size_t i = 0; i < run->count; i++) {
    lrd_change *change = run->changes[i];
    if (change->result != LARDER_OK) {
      continue;
    }
    if (!slot_clean(run, run->slot_of[i], link)) {
      run->unsafe[run->slot_of[i]] = true;
      continue;
    }
    if (change->keep_stamp != 0) {
      queued_judge(run, i, link);
      continue;
    }
    larder_err before = queued_first(run, i, link);
    if (before != LARDER_OK) { /* what is stored is not what the caller has seen */
      change->result = before < 0 ? before : LARDER_EAWAY;
      continue;
    }
    change->result = absent_check(link, change);
    if (change->verb < LRD_CHANGE_TOUCH) {
      continue;
    }
    larder_err ready = lifetime_prepare(run, link, change);
    if (ready == LARDER_MISS) {
      change->result = LARDER_MISS;
    }
    if (ready < 0) {
      run->unsafe[run->slot_of[i]] = true;
    }
  }
  size_t len = collect(run, link, LARDER_TIER_PUT, false);
  for (int tries = 0; len > 0 && tries < LRD_STAMP_TRIES; tries++) {
    larder_err result = lrd_instance_answers(link->instance)
                            ? lrd_tier_write(&link->instance->tier, link->cell, run->items, len, durability)
                            : LARDER_EAWAY;
    size_t again = 0;
    for (size_t i = 0; i < len; i++) {
      lrd_change *change = change_of(run, i);
      larder_tier_write *item = &run->items[i];
      larder_err one = result == LARDER_OK ? item->result : result;
      bool const expected = change->only_stamp == 0 || item->stored_stamp == change->only_stamp;
      if (one == LARDER_OLDER && expected && change->keep_stamp == 0 && !restamp_forbidden(run, i)) {
        change->facts.stamp = lrd_cache_stamp(run->ns->cache, item->stored_stamp + 1);
        item->facts.stamp = change->facts.stamp;
        run->item_at[again] = run->item_at[i];
        run->items[again++] = *item;
        continue;
      }
      change->existed = item->existed;
      if (one < 0) {
        run->unsafe[slot_of_item(run, i)] = true;
      } else {
        change->result = one;
        if (one == LARDER_OK && item->verb == LARDER_TIER_PUT) {
          lrd_stats_add(link->cell, LRD_STAT_BYTES_WRITTEN, item->key.len + item->facts.value_len);
        }
      }
    }
    len = again;
  }
  /* Whoever keeps storing ahead of our stamps does not own the slot: a stranger. What he stored is not ours to promise. */
  for (size_t i = 0; i < len; i++) {
    run->unsafe[slot_of_item(run, i)] = true;
  }
}

/* After the tiers: marks where the authoritative one failed, and what that means for the caller. */
static void judge_unsafe(write_run *run, lrd_link *lowest) {
  for (size_t i = 0; i < run->count; i++) {
    lrd_change *change = run->changes[i];
    size_t at = run->slot_of[i];
    if (!run->unsafe[at] || change->result != LARDER_OK) {
      continue;
    }
    if (change->verb == LRD_CHANGE_TOUCH) {
      change->result = LARDER_DEGRADED; /* nothing was changed, so nothing old can come back */
      continue;
    }
    if (change->keep_stamp != 0) {
      change->result = LARDER_EAWAY; /* it stays queued, and will be judged again; so nothing has been put in its place */
      continue;
    }
    mark_dirty(run, lowest, at);
    lrd_stats_add(lowest->cell, LRD_STAT_DEGRADED, 1);
    change->result = LARDER_DEGRADED;
    atomic_fetch_add_explicit(&run->ns->cache->degraded_puts, change->verb == LRD_CHANGE_PUT, memory_order_relaxed);
  }
}

/* A put that only memory could have taken, and memory did not. */
static void kept_nowhere(lrd_change *change) {
  if (change->verb == LRD_CHANGE_PUT && change->result == LARDER_DEGRADED) {
    change->result = LARDER_NOT_KEPT;
  }
}

/* Whether what memory has of the change's key is as right as before: nothing was changed, and it may be the only copy. */
static bool memory_still_right(const lrd_change *change) {
  return (change->verb == LRD_CHANGE_TOUCH && change->result == LARDER_DEGRADED) ||
         (change->verb != LRD_CHANGE_DELETE && change->result == LARDER_OLDER);
}

/* Re-tags the owned slots, from each slot's version to the next. */
static void memory_retag(write_run *run) {
  larder_ns *ns = run->ns;
  size_t at = 0;
  for (size_t s = 0; s < run->slots_len; s++) {
    uint64_t first;
    uint64_t last;
    size_t len = 0;
    for (; at < run->count && run->slot_of[at] == s; at++) {
      if (!memory_still_right(run->changes[at]) && !LRD_MUTATED(LRD_MUTATE_RETAG_OWN)) {
        run->changed[len++] = lrd_op_memory_key(&run->changes[at]->op);
      }
    }
    if (!run->slots[s].owned || run->slots[s].cleaned) {
      continue;
    }
    lrd_slot_range(ns->cache->slots, run->slots[s].slot, &first, &last);
    lrd_memory_retag(ns->memory, first, last, run->slots[s].version, (run->slots[s].version + 1) & LRD_SLOT_VERSION_MASK,
                     run->changed, len);
  }
}

static void memory_in_step(write_run *run) {
  larder_ns *ns = run->ns;
  if (!ns->memory) {
    for (size_t i = 0; i < run->count; i++) {
      kept_nowhere(run->changes[i]);
    }
    return;
  }
  memory_retag(run);
  for (size_t i = 0; i < run->count; i++) {
    lrd_change *change = run->changes[i];
    if (!run->slots[run->slot_of[i]].owned) {
      continue;
    }
    larder_tier_key key = lrd_op_memory_key(&change->op);
    uint64_t token = (run->slots[run->slot_of[i]].version + 1) & LRD_SLOT_VERSION_MASK;
    bool keep = change->verb == LRD_CHANGE_PUT && (change->result == LARDER_OK || change->result == LARDER_DEGRADED);
    if (keep && lrd_memory_put(ns->memory, &key, change->value, &change->facts, token) == LARDER_OK) {
      continue;
    }
    kept_nowhere(change);
    if (memory_still_right(change)) {
      continue;
    }
    /* On LARDER_MISS the authoritative tier has nothing fresh, so memory must not have it either: it is forgotten. */
    if (lrd_memory_forget(ns->memory, &key) == LARDER_OK && change->verb == LRD_CHANGE_DELETE) {
      change->existed = true;
    }
  }
}

/* A value that cannot be sealed is not stored, and nothing that is there is touched. */
static void encode_values(write_run *run) {
  for (size_t i = 0; i < run->count; i++) {
    lrd_change *change = run->changes[i];
    if (change->verb == LRD_CHANGE_PUT) {
      change->coding_err = lrd_code_value(run->ns, lrd_span_of(change->op.key, change->op.key_len), change->value,
                                          &change->facts, &change->coded);
    }
  }
}

/* A slot in which nothing but failing puts of the queue have been tried has not changed. */
static void queue_counts_on(write_run *run) {
  size_t at = 0;
  if (run->changes[0]->keep_stamp == 0) { /* a batch of the queue has nothing else */
    return;
  }
  for (size_t s = 0; s < run->slots_len; s++) {
    bool unchanged = run->slots[s].owned && !run->slots[s].cleaned;
    bool tried = false;
    for (; at < run->count && run->slot_of[at] == s; at++) {
      tried = tried || run->changes[at]->result == LARDER_EAWAY;
      unchanged = unchanged && run->changes[at]->result < 0;
    }
    if (tried && unchanged) {
      lrd_pending_moved(run->ns->cache->pending, run->slots[s].slot, run->slots[s].version);
    }
  }
}

/*
 * What need not be tried, since it is known to end in this: nothing may be written, or puts of the queue have to stay there
 * because their tier is away. No slot is owned or moved for them.
 */
static larder_err known_outcome(const write_run *run) {
  lrd_instance *lowest = run->ns->links[run->ns->links_len - 1].instance;
  if (lrd_cache_onlooker(run->ns->cache)) {
    return LARDER_EACCES;
  }
  if (run->changes[0]->keep_stamp == 0 || (lrd_instance_answers(lowest) && !lrd_tier_waits(&lowest->tier))) {
    return LARDER_OK;
  }
  return LARDER_EAWAY;
}

void lrd_overtake(const lrd_op *op) {
  larder *cache = op->ns->cache;
  if (cache->leases && lrd_ns_coherent(op->ns)) {
    lrd_leases_overtake(cache->leases, op->hash);
  }
  lrd_flights_overtake(cache->flights, op);
}

/*
 * A made value is refused whose key was changed since its making began. Its stamp has been given before: a put that is queued
 * tells first and is stamped then, so the one or the other is seen to be older.
 */
static void refuse_overtaken(write_run *run) {
  for (size_t i = 0; i < run->count; i++) {
    lrd_change *change = run->changes[i];
    if (change->made && change->result == LARDER_OK && !LRD_MUTATED(LRD_MUTATE_MADE_UNCHECKED) &&
        lrd_flight_overtaken(change->made, run->slots[run->slot_of[i]].version)) {
      change->result = LARDER_OLDER;
    }
  }
}

/* Who makes a key is told of its change: not before that is committed, or a making that begins in between would not be. */
static void tell_makers(write_run *run) {
  for (size_t i = 0; i < run->count; i++) {
    if (!run->changes[i]->made && run->slots[run->slot_of[i]].owned) {
      lrd_overtake(&run->changes[i]->op);
    }
  }
}

static void write_shared(write_run *run) {
  larder_ns *ns = run->ns;
  larder *cache = ns->cache;
  lrd_link *lowest = &ns->links[ns->links_len - 1];
  larder_err known = known_outcome(run);
  if (known != LARDER_OK) {
    for (size_t i = 0; i < run->count; i++) {
      run->changes[i]->result = known;
    }
    return;
  }
  encode_values(run);
  qsort(run->changes, run->count, sizeof *run->changes, by_slot);
  own_slots(run);
  for (size_t i = 0; i < run->count; i++) {
    lrd_change *change = run->changes[i];
    if (change->result == LARDER_OK) {
      change->result = change->coding_err;
    }
    if (change->result != LARDER_OK) {
      continue;
    }
    change->facts.stamp = change->keep_stamp ? change->keep_stamp : lrd_cache_stamp(cache, 0);
  }
  refuse_overtaken(run);
  for (size_t i = 0; i + 1 < ns->links_len; i++) {
    upper_forgets(run, &ns->links[i]);
  }
  lowest_commits(run, lowest,
                 ns->policy.durability == LARDER_DURABILITY_SYNC ? LARDER_DURABILITY_SYNC : LARDER_DURABILITY_COMMIT);
  judge_unsafe(run, lowest);
  drop_overtaken(run);
  for (size_t i = ns->links_len - 1; i-- > 0;) {
    upper_takes(run, &ns->links[i]);
  }
  LRD_MOMENT(LRD_MOMENT_COMMITTED);
  memory_in_step(run);
  queue_counts_on(run);
  tell_makers(run);
  for (size_t s = 0; s < run->slots_len; s++) {
    if (run->slots[s].owned) {
      (void)lrd_slot_release(cache->slots, run->slots[s].slot, true);
    }
  }
  for (size_t i = 0; i < run->count; i++) {
    lrd_coded_fini(&run->changes[i]->coded);
  }
}

static void note_change(const lrd_change *change) {
  static const lrd_event_what whats[] = {LRD_EVENT_PUT, LRD_EVENT_DELETED, LRD_EVENT_TOUCHED, LRD_EVENT_EXPIRED};
  if (change->unhealthy) {
    if (change->existed && change->result == LARDER_OK) {
      lrd_note(&change->op, LRD_EVENT_EVICTED, NULL, "health");
    }
    return;
  }
  if (change->made || (change->result != LARDER_OK && change->result != LARDER_DEGRADED && change->result != LARDER_NOT_KEPT)) {
    return; /* of a making its maker's part tells */
  }
  if (change->op.ns->links_len == 0 && change->verb == LRD_CHANGE_PUT) {
    return; /* what memory has says when it was put, and puts there are many */
  }
  lrd_event_what const what = change->result == LARDER_OK         ? whats[change->verb]
                              : change->result == LARDER_DEGRADED ? LRD_EVENT_DEGRADED
                                                                  : LRD_EVENT_NOT_KEPT;
  lrd_note(&change->op, what, NULL, change->result == LARDER_DEGRADED ? "its lowest tier is away" : NULL);
}

static void count_changes(larder_ns *ns, lrd_change *changes, size_t count) {
  for (size_t i = 0; i < count; i++) {
    lrd_change *change = &changes[i];
    note_change(change);
    if (change->result < 0) {
      continue;
    }
    if (change->verb == LRD_CHANGE_DELETE && change->result == LARDER_OK && !change->existed) {
      change->result = LARDER_MISS;
    }
    if (change->result == LARDER_NOT_KEPT) {
      lrd_stats_add(ns->cell, LRD_STAT_NOT_KEPT, 1);
    }
    if (change->again && change->result == LARDER_OLDER) {
      continue; /* it comes once more */
    }
    if (change->keep_stamp != 0 || (change->made && (change->result == LARDER_OLDER || change->verb == LRD_CHANGE_DELETE))) {
      continue; /* was counted when it was queued; or is no write of a caller's */
    }
    if (change->unhealthy) {
      lrd_stats_cell *cell = ns->links_len > 0 ? ns->links[ns->links_len - 1].cell : ns->memory_cell;
      lrd_stats_add(cell, LRD_STAT_EVICTED_HEALTH, change->existed && change->result != LARDER_OLDER);
      continue;
    }
    lrd_counter counter = change->verb == LRD_CHANGE_PUT      ? LRD_STAT_PUTS
                          : change->verb == LRD_CHANGE_DELETE ? LRD_STAT_DELETES
                          : change->verb == LRD_CHANGE_TOUCH  ? LRD_STAT_TOUCHES
                                                              : LRD_STAT_EXPIRES;
    lrd_stats_add(ns->cell, counter, 1);
  }
}

larder_err lrd_write_batch(larder_ns *ns, lrd_change *changes, size_t count) {
  LRD_ASSERT(count > 0 && count <= LRD_BATCH_MAX);
  lrd_change *one_change[1];
  larder_tier_write one_item[1];
  uint32_t one_item_at[1];
  owned_slot one_slot[1];
  uint32_t one_slot_of[1];
  larder_tier_key one_changed[1];
  bool one_unsafe[1];
  write_run run = {ns, one_change, one_item, one_item_at, one_slot, one_slot_of, one_changed, one_unsafe, count, 0};
  uint8_t *room = NULL;
  if (count > 1) {
    /* One block, widest alignment first. */
    size_t each = sizeof(larder_tier_write) + sizeof(larder_tier_key) + sizeof(owned_slot) + sizeof(lrd_change *) +
                  2 * sizeof(uint32_t) + sizeof(bool);
    room = lrd_alloc(count * each);
    if (!room) {
      return LARDER_ENOMEM;
    }
    run.items = (larder_tier_write *)(void *)room;
    run.changed = (larder_tier_key *)(void *)(run.items + count);
    run.slots = (owned_slot *)(void *)(run.changed + count);
    run.changes = (lrd_change **)(void *)(run.slots + count);
    run.slot_of = (uint32_t *)(void *)(run.changes + count);
    run.item_at = run.slot_of + count;
    run.unsafe = (bool *)(run.item_at + count);
  }
  for (size_t i = 0; i < count; i++) {
    run.changes[i] = &changes[i];
    changes[i].result = LARDER_OK;
    changes[i].coding_err = LARDER_OK;
    changes[i].coded = (lrd_coded){0};
    changes[i].existed = false;
  }
  if (ns->links_len > 0) {
    write_shared(&run);
  } else {
    lrd_write_memory(ns, changes, count);
  }
  count_changes(ns, changes, count);
  lrd_dealloc(room);
  return LARDER_OK;
}
