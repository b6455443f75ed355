/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Durations in buckets: one per nanosecond below 128 ns, then 64 in each doubling up to 2^37 ns (137 s); longer ones count
 * as that. A bucket is reported by its middle, which is at most 1/128 (0.8 %) from anything in it.
 */
#ifndef LRD_STATS_HISTOGRAM_H
#define LRD_STATS_HISTOGRAM_H

#include <stdint.h>

#define LRD_HISTOGRAM_BUCKETS 2048u

static inline uint32_t lrd_histogram_bucket(uint64_t ns) {
  if (ns < 128) return (uint32_t)ns;
  uint32_t doubling = 63u - (uint32_t)__builtin_clzll(ns);
  if (doubling > 36) return LRD_HISTOGRAM_BUCKETS - 1;
  return 128 + (doubling - 7) * 64 + (uint32_t)(ns >> (doubling - 6)) - 64;
}

/* The middle of a bucket in ns. */
uint64_t lrd_histogram_middle(uint32_t bucket);
uint64_t lrd_histogram_total(const uint64_t *buckets);
/* The duration that a share (0 to 1) of all lies at or below; 0 for an empty histogram. */
uint64_t lrd_histogram_percentile(const uint64_t *buckets, double share);

#endif
