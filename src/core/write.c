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
 *   memory: re-tag, take or forget      while the slots are still owned (write_retag.c)
 *   tell who makes the key              what was begun before is not stored over it
 *   release the slots, one version on   every other process's copy is void
 *
 * A tier that can't forget or commit is marked dirty for the slot before the slot is released: nobody reads the slot's
 * keys from it until its range has been deleted there. A put then lives in memory alone and answers LARDER_DEGRADED.
 *
 * The steps are in write_slots.c, write_tiers.c, write_queued.c and write_retag.c; here is their order, and what comes first.
 */
#include "base/bytes.h"
#include "base/fail.h"
#include "flight.h"
#include "mutation.h"
#include "write_run.h"

lrd_stamp lrd_cache_stamp(larder *cache, lrd_stamp least) {
  return lrd_stamp_next(cache->slots ? lrd_slots_clock(cache->slots) : &cache->own_clock, lrd_wall_ms(cache->clock), least);
}

/* A value that cannot be sealed is not stored, and nothing that is there is touched. */
static void encode_values(lrd_write_run *run) {
  for (size_t i = 0; i < run->count; i++) {
    lrd_change *change = run->changes[i];
    if (change->verb == LRD_CHANGE_PUT) {
      change->coding_err = lrd_code_value(run->ns, lrd_span_of(change->op.key, change->op.key_len), change->value,
                                          &change->facts, &change->coded);
    }
  }
}

/*
 * What need not be tried, since it is known to end in this: nothing may be written, or puts of the queue have to stay there
 * because their tier is away. No slot is owned or moved for them.
 */
static larder_err known_outcome(const lrd_write_run *run) {
  lrd_instance *lowest = run->ns->links[run->ns->links_len - 1].instance;
  if (lrd_cache_onlooker(run->ns->cache)) {
    return LARDER_EACCES;
  }
  if (run->changes[0]->keep_stamp == 0 || (lrd_instance_answers(lowest) && !lrd_tier_waits(&lowest->tier))) {
    return LARDER_OK;
  }
  return LARDER_EAWAY;
}

/* What is carried out is stamped above the host's clock; what comes from the queue has its stamp. */
static void stamp_changes(lrd_write_run *run) {
  for (size_t i = 0; i < run->count; i++) {
    lrd_change *change = run->changes[i];
    if (change->result == LARDER_OK) {
      change->result = change->coding_err;
    }
    if (change->result != LARDER_OK) {
      continue;
    }
    change->facts.stamp = change->keep_stamp ? change->keep_stamp : lrd_cache_stamp(run->ns->cache, 0);
  }
}

/*
 * A made value is refused whose key was changed since its making began. Its stamp has been given before: a put that is queued
 * tells first and is stamped then, so the one or the other is seen to be older.
 */
static void refuse_overtaken(lrd_write_run *run) {
  for (size_t i = 0; i < run->count; i++) {
    lrd_change *change = run->changes[i];
    if (change->made && change->result == LARDER_OK && !LRD_MUTATED(LRD_MUTATE_MADE_UNCHECKED) &&
        lrd_flight_overtaken(change->made, run->slots[run->slot_of[i]].version)) {
      change->result = LARDER_OLDER;
    }
  }
}

void lrd_overtake(const lrd_op *op) {
  larder *cache = op->ns->cache;
  if (cache->leases && lrd_ns_coherent(op->ns)) {
    lrd_leases_overtake(cache->leases, op->hash);
  }
  lrd_flights_overtake(cache->flights, op);
}

/* Who makes a key is told of its change: not before that is committed, or a making that begins in between would not be. */
static void tell_makers(lrd_write_run *run) {
  for (size_t i = 0; i < run->count; i++) {
    if (!run->changes[i]->made && run->slots[run->slot_of[i]].owned) {
      lrd_overtake(&run->changes[i]->op);
    }
  }
}

static void write_shared(lrd_write_run *run) {
  larder_ns *ns = run->ns;
  lrd_link *lowest = &ns->links[ns->links_len - 1];
  larder_err known = known_outcome(run);
  if (known != LARDER_OK) {
    for (size_t i = 0; i < run->count; i++) {
      run->changes[i]->result = known;
    }
    return;
  }
  encode_values(run);
  lrd_run_own(run);
  stamp_changes(run);
  refuse_overtaken(run);
  for (size_t i = 0; i + 1 < ns->links_len; i++) {
    lrd_run_upper_forgets(run, &ns->links[i]);
  }
  lrd_run_commit(run, lowest,
                 ns->policy.durability == LARDER_DURABILITY_SYNC ? LARDER_DURABILITY_SYNC : LARDER_DURABILITY_COMMIT);
  lrd_run_judge_unsafe(run, lowest);
  lrd_run_queued_drop(run);
  for (size_t i = ns->links_len - 1; i-- > 0;) {
    lrd_run_upper_takes(run, &ns->links[i]);
  }
  LRD_MOMENT(LRD_MOMENT_COMMITTED);
  lrd_run_memory_in_step(run);
  lrd_run_queue_counts_on(run);
  tell_makers(run);
  lrd_run_release(run);
  for (size_t i = 0; i < run->count; i++) {
    lrd_coded_fini(&run->changes[i]->coded);
  }
}

larder_err lrd_write_batch(larder_ns *ns, lrd_change *changes, size_t count) {
  LRD_ASSERT(count > 0 && count <= LRD_BATCH_MAX);
  lrd_change *one_change[1];
  larder_tier_write one_item[1];
  uint32_t one_item_at[1];
  lrd_owned_slot one_slot[1];
  uint32_t one_slot_of[1];
  larder_tier_key one_changed[1];
  bool one_unsafe[1];
  lrd_write_run run = {ns, one_change, one_item, one_item_at, one_slot, one_slot_of, one_changed, one_unsafe, count, 0};
  uint8_t *room = NULL;
  if (count > 1) {
    /* One block, widest alignment first. */
    size_t each = sizeof(larder_tier_write) + sizeof(larder_tier_key) + sizeof(lrd_owned_slot) + sizeof(lrd_change *) +
                  2 * sizeof(uint32_t) + sizeof(bool);
    room = lrd_alloc(count * each);
    if (!room) {
      return LARDER_ENOMEM;
    }
    run.items = (larder_tier_write *)(void *)room;
    run.changed = (larder_tier_key *)(void *)(run.items + count);
    run.slots = (lrd_owned_slot *)(void *)(run.changed + count);
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
  lrd_changes_count(ns, changes, count);
  lrd_dealloc(room);
  return LARDER_OK;
}
