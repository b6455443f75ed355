/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lrd_hash64 for the hot path: XXH3 compiled into the caller, where the branches on the key's length cost a few
 * instructions instead of a call. Included by .c files alone; the result is lrd_hash64's.
 */
#ifndef LRD_BASE_HASH_INLINE_H
#define LRD_BASE_HASH_INLINE_H

#include <stddef.h>
#include <stdint.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

static inline uint64_t lrd_hash64_inline(const void *data, size_t len, uint64_t seed) {
  return XXH3_64bits_withSeed(data, len, seed);
}

#endif
