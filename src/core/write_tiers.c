/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the shared tiers are told. The upper ones forget before the lowest commits, so that nobody finds the old value above a
 * new one, and take the value when it is committed. What a tier can't be told is marked on the slot before that is released.
 */
#include "flight.h"
#include "mutation.h"
#include "write_run.h"

/* The items of a tier: those changes whose slot is owned and clean there, and that still want to be carried out. */
static size_t collect(lrd_write_run *run, lrd_link *link, larder_tier_verb verb_for_all, bool forget) {
  size_t len = 0;
  for (size_t i = 0; i < run->count; i++) {
    lrd_change *change = run->changes[i];
    if (change->result != LARDER_OK) {
      continue;
    }
    if (run->unsafe[run->slot_of[i]] || !lrd_run_clean(run, run->slot_of[i], link)) {
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

void lrd_run_upper_forgets(lrd_write_run *run, lrd_link *link) {
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
      lrd_run_mark_dirty(run, link, lrd_run_slot(run, i));
    }
  }
}

void lrd_run_upper_takes(lrd_write_run *run, lrd_link *link) {
  if (LRD_MUTATED(LRD_MUTATE_UPPER_NOT_FORGOTTEN)) {
    return;
  }
  size_t len = 0;
  size_t all = collect(run, link, LARDER_TIER_PUT, false);
  for (size_t i = 0; i < all; i++) {
    if (lrd_run_change(run, i)->verb != LRD_CHANGE_PUT || run->unsafe[lrd_run_slot(run, i)]) {
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
static larder_err lifetime_prepare(lrd_write_run *run, lrd_link *lowest, lrd_change *change) {
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
  if (entry.facts.kind == LARDER_KIND_ABSENT && change->verb == LRD_CHANGE_TOUCH) {
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

/* A made value whose key was changed since the last look at it. */
static bool restamp_forbidden(const lrd_write_run *run, size_t item) {
  const lrd_change *change = lrd_run_change(run, item);
  return change->made && lrd_flight_overtaken(change->made, run->slots[lrd_run_slot(run, item)].version);
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

/* What has to be known, or written first, before a change may be carried out. */
static void change_prepare(lrd_write_run *run, size_t i, lrd_link *link) {
  lrd_change *change = run->changes[i];
  if (!lrd_run_clean(run, run->slot_of[i], link)) {
    run->unsafe[run->slot_of[i]] = true;
    return;
  }
  if (change->keep_stamp != 0) {
    lrd_run_queued_judge(run, i, link);
    return;
  }
  larder_err before = lrd_run_queued_first(run, i, link);
  if (before != LARDER_OK) { /* what is stored is not what the caller has seen */
    change->result = before < 0 ? before : LARDER_EAWAY;
    return;
  }
  change->result = absent_check(link, change);
  if (change->verb < LRD_CHANGE_TOUCH) {
    return;
  }
  larder_err ready = lifetime_prepare(run, link, change);
  if (ready == LARDER_MISS) {
    change->result = LARDER_MISS;
  }
  if (ready < 0) {
    run->unsafe[run->slot_of[i]] = true;
  }
}

/* What the tier answered to the first len items; those that are to be tried once more come to the front: how many. */
static size_t outcomes_take(lrd_write_run *run, lrd_link *link, size_t len, larder_err result) {
  size_t again = 0;
  for (size_t i = 0; i < len; i++) {
    lrd_change *change = lrd_run_change(run, i);
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
      run->unsafe[lrd_run_slot(run, i)] = true;
    } else {
      change->result = one;
      if (one == LARDER_OK && item->verb == LARDER_TIER_PUT) {
        lrd_stats_add(link->cell, LRD_STAT_BYTES_WRITTEN, item->key.len + item->facts.value_len);
      }
    }
  }
  return again;
}

void lrd_run_commit(lrd_write_run *run, lrd_link *link, larder_durability durability) {
  for (size_t i = 0; i < run->count; i++) {
    if (run->changes[i]->result == LARDER_OK) {
      change_prepare(run, i, link);
    }
  }
  size_t len = collect(run, link, LARDER_TIER_PUT, false);
  for (int tries = 0; len > 0 && tries < LRD_STAMP_TRIES; tries++) {
    larder_err result = lrd_instance_answers(link->instance)
                            ? lrd_tier_write(&link->instance->tier, link->cell, run->items, len, durability)
                            : LARDER_EAWAY;
    len = outcomes_take(run, link, len, result);
  }
  /* Whoever keeps storing ahead of our stamps does not own the slot: a stranger. What he stored is not ours to promise. */
  for (size_t i = 0; i < len; i++) {
    run->unsafe[lrd_run_slot(run, i)] = true;
  }
}

void lrd_run_judge_unsafe(lrd_write_run *run, lrd_link *lowest) {
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
    lrd_run_mark_dirty(run, lowest, at);
    lrd_stats_add(lowest->cell, LRD_STAT_DEGRADED, 1);
    change->result = LARDER_DEGRADED;
    atomic_fetch_add_explicit(&run->ns->cache->degraded_puts, change->verb == LRD_CHANGE_PUT, memory_order_relaxed);
  }
}
