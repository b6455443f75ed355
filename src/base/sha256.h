/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256, at once or piece by piece. Nothing is allocated and nothing can fail. */
#ifndef LRD_BASE_SHA256_H
#define LRD_BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define LRD_SHA256_LEN     32u
#define LRD_SHA256_HEX_LEN 64u

typedef struct lrd_sha256 {
  uint64_t state[14]; /* private */
} lrd_sha256;

void lrd_sha256_begin(lrd_sha256 *sum);
void lrd_sha256_add(lrd_sha256 *sum, const void *data, size_t len);
/* Afterwards only begin may be called. */
void lrd_sha256_end(lrd_sha256 *sum, uint8_t out[LRD_SHA256_LEN]);
void lrd_sha256_of(const void *data, size_t len, uint8_t out[LRD_SHA256_LEN]);
/* Lower-case digits and a NUL. */
void lrd_sha256_hex(const uint8_t digest[LRD_SHA256_LEN], char out[LRD_SHA256_HEX_LEN + 1]);

#endif
