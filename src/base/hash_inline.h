/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lrd_hash64 for the hot path: XXH3 for the lengths that nearly all keys have, without its branches for long input, to be
 * compiled into the caller (which says `flatten`, since the compiler finds it large). Included by .c files alone; the result
 * is lrd_hash64's.
 */
#ifndef LRD_BASE_HASH_INLINE_H
#define LRD_BASE_HASH_INLINE_H

#include <stddef.h>
#include <stdint.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#define LRD_HASH_SHORT 128u

/* len is at most LRD_HASH_SHORT. */
static inline __attribute__((always_inline)) uint64_t lrd_hash64_short(const void *data, size_t len, uint64_t seed) {
  if (len > LRD_HASH_SHORT) __builtin_unreachable();
  return XXH3_64bits_withSeed(data, len, seed);
}

#endif
