/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making room in memory on purpose, ahead of a burst, say. What is evicted is counted as `evicted_asked`, is offered to the
 * next tier where that lacks it, and stays in the tiers below. Where there are none it is gone. Memory is the process's own, so
 * these are calls of a program, and no commands.
 */
#ifndef LARDER_EVICT_H
#define LARDER_EVICT_H

#include <larder/larder.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Up to count entries of the namespace; *evicted_out may be NULL. They go as the namespace's policy has them go: with `lru`
 * those that were read longest ago, each shard of memory by itself. LARDER_EUNSUPPORTED: it has no memory; LARDER_EINVAL,
 * LARDER_EFORKED. */
LARDER_API LARDER_MUST_CHECK larder_err larder_evict_lru(larder_ns *ns, uint64_t count, uint64_t *evicted_out);

typedef struct larder_evict_likely {
  const void *key;
  size_t key_len;
  double probability; /* that it will be asked for; of a key that is named twice the sum counts */
} larder_evict_likely;
/*
 * Likewise those that are least likely to be asked for: what is not named, in the order of the policy's queues, then what is,
 * the least likely first. predictions NULL: what the namespace itself expects (larder/foretell.h), which is the sum over all
 * sessions that go on; LARDER_EUNSUPPORTED where it does not predict. LARDER_ENOMEM.
 */
LARDER_API LARDER_MUST_CHECK larder_err larder_evict_low_probability(larder_ns *ns, const larder_evict_likely *predictions,
                                                                     size_t predictions_len, uint64_t count,
                                                                     uint64_t *evicted_out);

#ifdef __cplusplus
}
#endif
#endif
