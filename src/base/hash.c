/* SPDX-License-Identifier: Apache-2.0 */
/* XXH3, inlined into this file so that short keys are hashed without a second call. */
#include "hash.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t lrd_hash64(const void *data, size_t len, uint64_t seed) { return XXH3_64bits_withSeed(data, len, seed); }

uint64_t lrd_sum64(const void *data, size_t len) { return XXH3_64bits(data, len); }

lrd_sum lrd_sum128(const void *data, size_t len) {
  XXH128_hash_t sum = XXH3_128bits(data, len);
  return (lrd_sum){.low = sum.low64, .high = sum.high64};
}

uint64_t lrd_hash_seed_for(uint64_t root_seed, const char *name) { return XXH3_64bits_withSeed(name, strlen(name), root_seed); }

int lrd_random(void *out, size_t len) {
  uint8_t *at = out;
  while (len) {
    ssize_t got = getrandom(at, len, 0);
    if (got < 0) {
      if (errno == EINTR) continue;
      return -1;
    }
    at += got;
    len -= (size_t)got;
  }
  return 0;
}
