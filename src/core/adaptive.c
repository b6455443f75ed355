/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the policy adaptive decides in a namespace's memory, as the program asks for it, in the statistics, and in the log when
 * another expert is in charge of most entries. That is noticed by the keeper, so that there is at most a line a second. What
 * the two experts would have missed is told of the requests since one of two marks, that lie MARK_ASKED requests or more apart.
 */
#include "cache.h"

#include <larder/adaptive.h>

#define MARK_ASKED 1024u

static bool adaptive_sum(const larder_ns *ns, larder_adaptive *out) {
  *out = (larder_adaptive){.size = sizeof *out};
  if (!ns->memory || !lrd_memory_adaptive(ns->memory, ns->memory_space, out)) {
    return false;
  }
  lrd_stats_adaptive_name(out);
  return true;
}

larder_err larder_adaptive_look(larder_ns *ns, larder_adaptive *out) {
  larder_adaptive now;
  if (!ns || !out || out->size != sizeof *out) {
    return LARDER_EINVAL;
  }
  if (atomic_load(&ns->cache->forked)) {
    return LARDER_EFORKED;
  }
  if (!adaptive_sum(ns, &now)) {
    return LARDER_EUNSUPPORTED;
  }
  *out = now;
  return LARDER_OK;
}

void lrd_adaptive_publish(const larder_ns *ns) {
  larder_adaptive now;
  if (adaptive_sum(ns, &now)) {
    lrd_stats_set_adaptive(ns->memory_cell, &now);
  }
}

/* Percents of the requests between two looks that an expert would have missed. */
static double missed_percent(const larder_adaptive *before, const larder_adaptive *now, unsigned expert) {
  uint64_t const asked = now->asked - before->asked;
  uint64_t const missed = now->experts[expert].missed - before->experts[expert].missed;
  return asked == 0 ? 0 : 100 * (double)missed / (double)asked;
}

static void change_tell(const larder_ns *ns, const larder_adaptive *before, const larder_adaptive *now, unsigned led) {
  lrd_log_write(
      &ns->cache->log, LRD_LOG_INFO, "adaptive.changed",
      "namespace %s: %s instead of %s: of the last %llu sampled requests it would have missed %.1f %% instead of %.1f %%",
      ns->name, now->experts[now->leader].name, now->experts[led].name, (unsigned long long)(now->asked - before->asked),
      missed_percent(before, now, now->leader), missed_percent(before, now, led));
}

static void space_tick(larder_ns *ns) {
  lrd_adaptive_seen *seen = &ns->adaptive;
  larder_adaptive now;
  if (!adaptive_sum(ns, &now)) {
    return;
  }
  if (now.leader != seen->leader && now.asked > 0) {
    change_tell(ns, &seen->former, &now, seen->leader);
    seen->leader = now.leader;
  }
  if (now.asked - seen->mark.asked >= MARK_ASKED) {
    seen->former = seen->mark;
    seen->mark = now;
  }
}

void lrd_adaptive_tick(larder *cache) {
  for (uint32_t i = 0; i < atomic_load(&cache->spaces_len); i++) {
    larder_ns *ns = atomic_load(&cache->spaces[i]);
    if (ns->name[0] != '.') {
      space_tick(ns);
    }
  }
}
