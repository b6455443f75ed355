/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory is brought in step before the slots are released: first every entry of a slot is re-tagged from the version we found
 * to the one we will leave (their values have not changed: we owned the slot), then our own keys are put or forgotten. A fill
 * of an older value that is late carries the version we found, or an earlier one, and never matches again.
 */
#include "mutation.h"
#include "write_run.h"

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
static void memory_retag(lrd_write_run *run) {
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

void lrd_run_memory_in_step(lrd_write_run *run) {
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
