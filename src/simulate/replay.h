/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One trace through one eviction policy of the memory tier at one size: the policy's own code, called in the order in which a
 * shard of the tier calls it (tier/memory/change.c), over records that are what a shard's are. What is left out is what does
 * not decide who stays: index, values, locks, the arena. tests/simulate/test_replay.c holds it against the tier itself.
 */
#ifndef LRD_SIMULATE_REPLAY_H
#define LRD_SIMULATE_REPLAY_H

#include "crew.h"
#include "trace_inner.h"

#define LRD_RUN_TELL ((uint64_t)1 << 16) /* requests between two looks */

/* Counts `requests`, of all runs, as done; false: stop. */
static inline bool lrd_run_told(lrd_run_watch *watch, uint64_t requests) {
  atomic_fetch_add_explicit(&watch->done, requests, memory_order_relaxed);
  return !atomic_load_explicit(&watch->stop, memory_order_relaxed);
}

/* Entries that can be there at once: their records have 29 bits of handle in units of 8 bytes. */
#define LRD_REPLAY_ENTRIES_MAX ((UINT64_C(1) << 26) - 2)

/* run's policy is one of the tier's, its size valid and within the limit above. LARDER_ENOMEM, LARDER_ECANCELLED. */
LARDER_MUST_CHECK larder_err lrd_replay(const larder_trace *trace, uint64_t seed, larder_simulate_run *run,
                                        lrd_run_watch *watch);

#endif
