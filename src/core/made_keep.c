/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was made is kept like any put, unless the key was changed since its making began: then it is only handed out. In
 * namespaces with shared tiers the owner of the slot looks at that (write.c). In memory-only ones there is no owner, so the
 * flight is held meanwhile: whoever changes the key tells the flight first, and waits.
 */
#include "history.h"
#include "makers.h"

static larder_err carry_out_once(lrd_change *change) {
  larder_ns *ns = change->op.ns;
  lrd_flight *flight = change->made;
  bool const alone = !lrd_ns_coherent(ns);
  larder_err result = LARDER_OLDER;
  if (!alone || lrd_flight_hold(flight)) {
    result = lrd_write_batch(ns, change, 1);
    if (result == LARDER_OK) {
      result = change->result;
    }
    if (alone) {
      lrd_flight_let_go(flight);
    }
  }
  return result;
}

static larder_err carry_out(lrd_flight *flight, lrd_change *change) {
  larder_ns *ns = change->op.ns;
  change->made = flight;
  bool const replaces = change->verb != LRD_CHANGE_TOUCH && lrd_history_kept(ns);
  larder_err const result = replaces ? lrd_history_write(change, carry_out_once) : carry_out_once(change);
  if (result == LARDER_OLDER) {
    lrd_stats_add(ns->cell, LRD_STAT_MAKE_OVERTAKEN, 1);
    lrd_note(&change->op, LRD_EVENT_OVERTAKEN, NULL, NULL);
  }
  return result;
}

larder_err lrd_made_keep(lrd_flight *flight, const lrd_op *op, lrd_made_value *made) {
  const larder_ns *ns = op->ns;
  bool const too_big = ns->policy.max_entry_bytes > 0 && made->len > ns->policy.max_entry_bytes;
  lrd_change change = {.verb = LRD_CHANGE_PUT, .op = *op, .value = made->value, .facts = made->facts};
  if (too_big) {
    lrd_stats_add(ns->cell, LRD_STAT_NOT_KEPT, 1);
  }
  if (too_big || made->not_kept) { /* nothing old is left behind */
    change.verb = LRD_CHANGE_DELETE;
  }
  larder_err result = carry_out(flight, &change);
  made->facts.stamp = change.facts.stamp;
  return result == LARDER_OK && change.verb == LRD_CHANGE_DELETE ? LARDER_NOT_KEPT : result;
}

larder_err lrd_made_keep_absent(lrd_flight *flight, const lrd_op *op, bool something_kept, bool not_kept) {
  larder_ns *ns = op->ns;
  int64_t const ttl_ms = not_kept ? 0 : ns->policy.negative_ttl_ms;
  lrd_change change = {.verb = ttl_ms > 0 ? LRD_CHANGE_PUT : LRD_CHANGE_DELETE, .op = *op};
  if (ttl_ms <= 0 && !something_kept) {
    return LARDER_OK;
  }
  change.facts.kind = LARDER_KIND_ABSENT;
  lrd_facts_set_lifetime(ns, ttl_ms > 0 ? ttl_ms : 1, -1, &change.facts);
  return carry_out(flight, &change);
}

larder_err lrd_made_keep_unchanged(lrd_flight *flight, const lrd_op *op, const lrd_made_value *made) {
  lrd_change change = {
      .verb = LRD_CHANGE_TOUCH, .op = *op, .facts = made->facts, .only_stamp = made->only_stamp, .revive = true};
  if (made->not_kept) {
    change = (lrd_change){.verb = LRD_CHANGE_DELETE, .op = *op, .only_stamp = made->only_stamp};
  }
  return carry_out(flight, &change);
}
