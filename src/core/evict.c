/* SPDX-License-Identifier: Apache-2.0 */
/* Eviction from memory before there is need, by the policy's choice or by what is expected to be asked for. */
#include "base/bytes.h"
#include "base/fail.h"
#include "cache.h"

#include <stdlib.h>

/* A key that is expected, by the hash that memory knows it by. */
typedef struct expected {
  uint64_t hash;
  double probability;
} expected;

static larder_err may_evict(larder_ns *ns) {
  if (!ns) {
    return LARDER_EINVAL;
  }
  if (atomic_load_explicit(&ns->cache->forked, memory_order_relaxed)) {
    return LARDER_EFORKED;
  }
  return ns->memory ? LARDER_OK : LARDER_EUNSUPPORTED;
}

static larder_err answer(uint64_t gone, uint64_t *evicted_out) {
  if (evicted_out) {
    *evicted_out = gone;
  }
  return LARDER_OK;
}

larder_err larder_evict(larder_ns *ns, uint64_t count, uint64_t *evicted_out) {
  larder_err result = may_evict(ns);
  return result != LARDER_OK ? result : answer(lrd_memory_evict(ns->memory, ns->memory_space, count, NULL, 0), evicted_out);
}

static int hash_compare(const void *a, const void *b) {
  uint64_t one = *(const uint64_t *)a;
  uint64_t other = *(const uint64_t *)b;
  return one < other ? -1 : one > other;
}

static int expected_compare(const void *a, const void *b) {
  double one = ((const expected *)a)->probability;
  double other = ((const expected *)b)->probability;
  return one < other ? -1 : one > other;
}

static larder_err expected_read(larder_ns *ns, const larder_expected *from, size_t count, expected *rows, uint64_t *hashes) {
  for (size_t i = 0; i < count; i++) {
    lrd_op op;
    larder_err result = lrd_op_begin(ns, from[i].key, from[i].key_len, &op);
    if (result != LARDER_OK) {
      return result;
    }
    if (!(from[i].probability >= 0 && from[i].probability <= 1)) {
      return LARDER_EINVAL;
    }
    rows[i] = (expected){lrd_op_memory_key(&op).hash, from[i].probability};
    hashes[i] = rows[i].hash;
  }
  qsort(rows, count, sizeof *rows, expected_compare);
  qsort(hashes, count, sizeof *hashes, hash_compare);
  return LARDER_OK;
}

/* Others first, until there are none, then those that are expected. */
static uint64_t evict_unlikely(const larder_ns *ns, const expected *rows, const uint64_t *hashes, size_t len, uint64_t count) {
  uint64_t gone = 0;
  for (uint64_t more = 1; more > 0 && gone < count; gone += more) {
    more = lrd_memory_evict(ns->memory, ns->memory_space, count - gone, hashes, len);
  }
  for (size_t i = 0; i < len && gone < count; i++) {
    gone += lrd_memory_evict_hash(ns->memory, ns->memory_space, rows[i].hash);
  }
  return gone;
}

larder_err larder_evict_unlikely(larder_ns *ns, const larder_expected *wanted, size_t wanted_count, uint64_t count,
                                 uint64_t *evicted_out) {
  larder_err result = may_evict(ns);
  if (result != LARDER_OK || (!wanted && wanted_count > 0)) {
    return result != LARDER_OK ? result : LARDER_EINVAL;
  }
  if (wanted_count == 0) {
    return larder_evict(ns, count, evicted_out);
  }
  if (wanted_count > SIZE_MAX / sizeof(expected)) {
    return LARDER_ENOMEM;
  }
  expected *rows = lrd_alloc(wanted_count * sizeof *rows);
  uint64_t *hashes = lrd_alloc(wanted_count * sizeof *hashes);
  result = rows && hashes ? expected_read(ns, wanted, wanted_count, rows, hashes) : LARDER_ENOMEM;
  if (result == LARDER_OK) {
    result = answer(evict_unlikely(ns, rows, hashes, wanted_count, count), evicted_out);
  }
  lrd_dealloc(rows);
  lrd_dealloc(hashes);
  return result;
}
