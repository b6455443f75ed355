/* SPDX-License-Identifier: Apache-2.0 */
/* Reading buckets. Adding is one increment and lives with its caller. Totals saturate rather than wrap. */
#include "histogram.h"

uint64_t lrd_histogram_middle(uint32_t bucket) {
  if (bucket < 128) return bucket;
  if (bucket >= LRD_HISTOGRAM_BUCKETS) bucket = LRD_HISTOGRAM_BUCKETS - 1;
  uint32_t doubling = 7 + (bucket - 128) / 64;
  uint64_t width = UINT64_C(1) << (doubling - 6);
  uint64_t low = (64 + (bucket - 128) % 64) * width;
  return low + (width - 1) / 2;
}

uint64_t lrd_histogram_total(const uint64_t *buckets) {
  uint64_t total = 0;
  for (uint32_t i = 0; i < LRD_HISTOGRAM_BUCKETS; i++)
    if (__builtin_add_overflow(total, buckets[i], &total)) return UINT64_MAX;
  return total;
}

uint64_t lrd_histogram_percentile(const uint64_t *buckets, double share) {
  uint64_t total = lrd_histogram_total(buckets);
  if (total == 0) return 0;
  double wanted = share * (double)total;
  uint64_t seen = 0;
  uint32_t last = 0;
  for (uint32_t i = 0; i < LRD_HISTOGRAM_BUCKETS; i++) {
    if (!buckets[i]) continue;
    last = i;
    if (__builtin_add_overflow(seen, buckets[i], &seen)) break;
    if ((double)seen >= wanted) break;
  }
  return lrd_histogram_middle(last);
}
