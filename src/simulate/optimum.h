/* SPDX-License-Identifier: Apache-2.0 */
/* What knows the future: the optimum by entries, and a bound by bytes. */
#ifndef LRD_SIMULATE_OPTIMUM_H
#define LRD_SIMULATE_OPTIMUM_H

#include "replay.h"

#define LRD_NEVER UINT32_MAX

/* For each request the place of the next one for its key, or LRD_NEVER. Own; LARDER_ENOMEM. */
LARDER_MUST_CHECK larder_err lrd_optimum_next(const larder_trace *trace, uint32_t **out);
/*
 * Belady's rule: of those that are there the one goes that is wanted last. For entries of one size no cache that keeps what it
 * was just given, as the memory tier does, misses less.
 */
LARDER_MUST_CHECK larder_err lrd_optimum_entries(const larder_trace *trace, const uint32_t *next, larder_simulate_run *run,
                                                 lrd_run_watch *watch);
/*
 * A bound from below for entries of any size: to serve a request from the cache its entry's bytes must have been kept since the
 * request before. The cache has its bytes for as many requests as there are; the hits that need least of that are counted
 * until it is used up. After PFOO-L (Berger, Beckmann, Harchol-Balter: Practical bounds on optimal caching with variable object
 * sizes, 2018).
 */
LARDER_MUST_CHECK larder_err lrd_optimum_bytes(const larder_trace *trace, const uint32_t *next, larder_simulate_run *run,
                                               lrd_run_watch *watch);

#endif
