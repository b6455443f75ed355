/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenSSL's plain functions: its EVP layer allocates a context for each digest and takes four times as long for a short
 * text. They are marked as deprecated, not as wrong.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "sha256.h"

#include <openssl/sha.h>
#include <stdalign.h>

_Static_assert(sizeof(SHA256_CTX) <= sizeof(lrd_sha256), "the context fits into its opaque form");
_Static_assert(alignof(SHA256_CTX) <= alignof(lrd_sha256), "and may lie where that lies");

static SHA256_CTX *context_of(lrd_sha256 *sum) { return (SHA256_CTX *)(void *)sum->state; }

void lrd_sha256_begin(lrd_sha256 *sum) { (void)SHA256_Init(context_of(sum)); }

void lrd_sha256_add(lrd_sha256 *sum, const void *data, size_t len) {
  if (len > 0) (void)SHA256_Update(context_of(sum), data, len);
}

void lrd_sha256_end(lrd_sha256 *sum, uint8_t out[LRD_SHA256_LEN]) { (void)SHA256_Final(out, context_of(sum)); }

void lrd_sha256_of(const void *data, size_t len, uint8_t out[LRD_SHA256_LEN]) {
  lrd_sha256 sum = {0};
  lrd_sha256_begin(&sum);
  lrd_sha256_add(&sum, data, len);
  lrd_sha256_end(&sum, out);
}

void lrd_sha256_hex(const uint8_t digest[LRD_SHA256_LEN], char out[LRD_SHA256_HEX_LEN + 1]) {
  static const char digits[] = "0123456789abcdef";
  for (size_t i = 0; i < LRD_SHA256_LEN; i++) {
    out[2 * i] = digits[digest[i] >> 4];
    out[2 * i + 1] = digits[digest[i] & 15];
  }
  out[LRD_SHA256_HEX_LEN] = '\0';
}
