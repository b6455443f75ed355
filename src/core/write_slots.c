/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The slots of a run: owned in ascending order, so that no two batches wait in a ring; cleaned where a tier could not be told
 * of an earlier change; marked where it can't be told of this one; released one version on.
 */
#include "write_run.h"

#include <stdlib.h>

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

void lrd_run_own(lrd_write_run *run) {
  lrd_slots *slots = run->ns->cache->slots;
  qsort(run->changes, run->count, sizeof *run->changes, by_slot);
  int64_t until_ns = lrd_mono_ns(run->ns->cache->clock) + LRD_SLOT_WAIT_NS; /* for the batch, not for each */
  for (size_t i = 0; i < run->count; i++) {
    uint64_t slot = lrd_slot_of(slots, run->changes[i]->op.hash);
    if (run->slots_len == 0 || run->slots[run->slots_len - 1].slot != slot) {
      lrd_owned_slot *next = &run->slots[run->slots_len++];
      *next = (lrd_owned_slot){.slot = slot};
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
    lrd_owned_slot *mine = &run->slots[run->slot_of[i]];
    run->changes[i]->result = mine->owned                            ? LARDER_OK
                              : run->changes[i]->result != LARDER_OK ? run->changes[i]->result
                                                                     : LARDER_EBUSY;
  }
}

void lrd_run_release(lrd_write_run *run) {
  for (size_t s = 0; s < run->slots_len; s++) {
    if (run->slots[s].owned) {
      (void)lrd_slot_release(run->ns->cache->slots, run->slots[s].slot, true);
    }
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

bool lrd_run_clean(lrd_write_run *run, size_t at, lrd_link *link) {
  return lrd_instance_clean(link->instance, run->slots[at].slot, &run->slots[at].cleaned);
}

void lrd_run_mark_dirty(lrd_write_run *run, lrd_link *link, size_t slot_index) {
  lrd_slots *slots = run->ns->cache->slots;
  if (!lrd_slot_dirty(slots, link->instance->number, run->slots[slot_index].slot)) {
    lrd_stats_add(link->cell, LRD_STAT_DIRTY_MARKED, 1);
  }
  lrd_slot_mark_dirty(slots, link->instance->number, run->slots[slot_index].slot);
}
