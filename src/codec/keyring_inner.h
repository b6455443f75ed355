/* SPDX-License-Identifier: Apache-2.0 */
/* What keyring.c and gcm.c share: the ring, and the page that holds whatever is secret. */
#ifndef LRD_CODEC_KEYRING_INNER_H
#define LRD_CODEC_KEYRING_INNER_H

#include "fernet.h"
#include "key_memory.h"
#include "keyring.h"
#include <openssl/types.h>
#include <stdatomic.h>

#define KEYRING_MAGIC 0x4c72644b65795269ull
#define GCM_CONTEXTS  16u /* of each direction; more threads at once make contexts for the call */

/* In memory of its own (key_memory.h): in a forked child all of it is zero, `alive` too. */
typedef struct key_page {
  uint64_t alive;
  uint8_t keys[LRD_KEYS_MAX][LRD_KEY_BYTES];
  uint8_t own_key[LRD_KEY_BYTES]; /* this ring's, of its salt */
  uint8_t decoded[LRD_KEY_TEXT_LEN];
  char text[LRD_KEY_FILE_MAX];
} key_page;

/* A cipher that is keyed already. Claimed by exchange of `taken`. */
typedef struct gcm_context {
  _Atomic uint32_t taken;
  EVP_CIPHER_CTX *evp;
  uint64_t key_id; /* 0: keyed for nothing yet */
  uint8_t salt[LRD_SEAL_SALT_LEN];
} gcm_context;

struct lrd_keyring {
  uint64_t magic;
  const lrd_clock *clock;
  char *file;
  key_page *page;
  size_t len;
  lrd_key_info infos[LRD_KEYS_MAX];
  EVP_CIPHER *cipher;
  uint8_t salt[LRD_SEAL_SALT_LEN];
  _Atomic uint64_t counter;
  gcm_context sealing[GCM_CONTEXTS];
  gcm_context opening[GCM_CONTEXTS];
};

/* The master key of an id, in the page; NULL without. */
const uint8_t *lrd_keyring_key(const lrd_keyring *keyring, uint64_t id);
larder_err lrd_gcm_start(lrd_keyring *keyring, larder_error *err);
void lrd_gcm_stop(lrd_keyring *keyring);

#endif
