/* SPDX-License-Identifier: Apache-2.0 */
/* What is told of changes that have been carried out, or were not. */
#include "write_run.h"

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

void lrd_changes_count(larder_ns *ns, lrd_change *changes, size_t count) {
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
