/* SPDX-License-Identifier: Apache-2.0 */
/* Keys to dense numbers, in the order in which they come first. Zero-initialised is empty. */
#ifndef LRD_SIMULATE_TRACE_KEYS_H
#define LRD_SIMULATE_TRACE_KEYS_H

#include "base/bytes.h"

typedef struct lrd_trace_keys {
  uint64_t *cells; /* upper half of the hash and number + 1; 0: empty. A power of two of them */
  uint64_t cells_len;
  uint64_t seed;
  uint32_t len;
  lrd_buf texts; /* one behind the other */
  lrd_buf ends;  /* u64 a key */
} lrd_trace_keys;

void lrd_trace_keys_fini(lrd_trace_keys *keys);
/* The key's number, a new one where it is met for the first time. LARDER_ENOMEM. */
LARDER_MUST_CHECK larder_err lrd_trace_keys_number(lrd_trace_keys *keys, const void *key, size_t len, uint32_t *out);
/* The key of a number. Borrowed until the next one is numbered. */
lrd_span lrd_trace_keys_at(const lrd_trace_keys *keys, uint32_t number);

#endif
