/* SPDX-License-Identifier: Apache-2.0 */
/* XXH3, inlined into this file so that short keys are hashed without a second call. */
#include "hash.h"

#include "bytes.h"

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

/* The state wants a cache line's alignment, which the allocation seam does not promise. */
struct lrd_summing {
  XXH3_state_t *state;
  unsigned char room[sizeof(XXH3_state_t) + 64];
};

larder_err lrd_summing_new(lrd_summing **out) {
  lrd_summing *summing = lrd_alloc(sizeof *summing);
  if (!summing) return LARDER_ENOMEM;
  summing->state = (XXH3_state_t *)(void *)(summing->room + (64 - (uintptr_t)summing->room % 64));
  XXH3_INITSTATE(summing->state);
  (void)XXH3_128bits_reset(summing->state);
  *out = summing;
  return LARDER_OK;
}

void lrd_summing_free(lrd_summing *summing) { lrd_dealloc(summing); }

void lrd_summing_add(lrd_summing *summing, const void *data, size_t len) {
  (void)XXH3_128bits_update(summing->state, data, len);
}

lrd_sum lrd_summing_sum(const lrd_summing *summing) {
  XXH128_hash_t sum = XXH3_128bits_digest(summing->state);
  return (lrd_sum){.low = sum.low64, .high = sum.high64};
}

void lrd_sum_format(lrd_sum sum, char out[LRD_SUM_TEXT]) {
  static const char digits[] = "0123456789abcdef";
  for (unsigned i = 0; i < 32; i++) {
    uint64_t word = i < 16 ? sum.high : sum.low;
    out[i] = digits[word >> (60 - 4 * (i % 16)) & 15];
  }
  out[32] = '\0';
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
