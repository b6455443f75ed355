/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seeded hashing. lrd_hash64 places keys (XXH3-64 with a secret-free 64-bit seed drawn per root, so a sender of keys
 * cannot aim at one bucket); lrd_sum64 and lrd_sum128 are checksums (XXH3, unseeded).
 */
#ifndef LRD_BASE_HASH_H
#define LRD_BASE_HASH_H

#include <larder/error.h>
#include <stddef.h>
#include <stdint.h>

typedef struct lrd_sum {
  uint64_t low;
  uint64_t high;
} lrd_sum;

uint64_t lrd_hash64(const void *data, size_t len, uint64_t seed);
uint64_t lrd_sum64(const void *data, size_t len);
lrd_sum lrd_sum128(const void *data, size_t len);

/* The same sum of what comes piece by piece. free accepts NULL. */
typedef struct lrd_summing lrd_summing;
LARDER_MUST_CHECK larder_err lrd_summing_new(lrd_summing **out);
void lrd_summing_free(lrd_summing *summing);
void lrd_summing_add(lrd_summing *summing, const void *data, size_t len);
/* Of all so far; adding may go on. */
lrd_sum lrd_summing_sum(const lrd_summing *summing);
#define LRD_SUM_TEXT 33
/* 32 hexadecimal digits as xxh128sum prints them, and a NUL. */
void lrd_sum_format(lrd_sum sum, char out[LRD_SUM_TEXT]);

/* The seed of a namespace's keys: the root's seed mixed with the namespace's name. */
uint64_t lrd_hash_seed_for(uint64_t root_seed, const char *name);

/* Random bytes from the kernel; 0 on success, -1 with errno. */
int lrd_random(void *out, size_t len);

#endif
