/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A put that is queued comes to its tier later than it was stamped. So it is looked at again where its slot is owned: it counts
 * only while it is queued still, and where the slot has moved only if what the tier has can tell which of the two is newer.
 */
#include "write_run.h"

/*
 * Whether something newer than what is queued may have come and gone: the slot has moved since, nothing is stored, and the
 * tier has lost traces. *unsafe_out: it can't be told. The slot is owned.
 */
static bool queued_overtaken(lrd_write_run *run, size_t slot_index, lrd_link *lowest, const lrd_op *op, uint64_t stamp,
                             uint64_t token, bool *unsafe_out) {
  const lrd_owned_slot *mine = &run->slots[slot_index];
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

void lrd_run_queued_judge(lrd_write_run *run, size_t at, lrd_link *lowest) {
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

larder_err lrd_run_queued_first(lrd_write_run *run, size_t at, lrd_link *lowest) {
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

void lrd_run_queued_drop(lrd_write_run *run) {
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

void lrd_run_queue_counts_on(lrd_write_run *run) {
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
