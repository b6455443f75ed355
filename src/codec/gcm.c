/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AES-256-GCM. A ring draws a random salt once, derives a key of its own from the first master key and the salt (one step
 * of HKDF-Expand with SHA-256), and counts: so no nonce comes twice under a key, however many processes share the master
 * key and however often they start. The salt and the count travel with what is sealed.
 *
 * Setting a key costs more than sealing 1 KiB, so contexts stay keyed: those for sealing with the ring's own key, those for
 * opening with the last key and salt they met. A thread begins its search at a place of its own and claims by an exchange.
 */
#include "keyring_inner.h"

#include "base/fail.h"
#include "base/hash.h"
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#define LABEL    "larder aes-256-gcm"
#define IV_BYTES 12u
#define PART_MAX ((size_t)1 << 30)

static bool derive(const uint8_t *master, const uint8_t *salt, uint8_t *out) {
  uint8_t info[sizeof LABEL - 1 + LRD_SEAL_SALT_LEN + 1];
  memcpy(info, LABEL, sizeof LABEL - 1);
  memcpy(info + sizeof LABEL - 1, salt, LRD_SEAL_SALT_LEN);
  info[sizeof info - 1] = 1;
  return HMAC(EVP_sha256(), master, LRD_KEY_BYTES, info, sizeof info, out, NULL) != NULL;
}

larder_err lrd_gcm_start(lrd_keyring *keyring, larder_error *err) {
  keyring->cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
  if (keyring->cipher == NULL) return lrd_fail(err, LARDER_EUNSUPPORTED, 0, "keys", "OpenSSL has no AES-256-GCM here");
  if (lrd_random(keyring->salt, sizeof keyring->salt) != 0)
    return lrd_fail(err, LARDER_EIO, 0, "keys", "the kernel gives no random bytes");
  if (!derive(keyring->page->keys[0], keyring->salt, keyring->page->own_key))
    return lrd_fail(err, LARDER_ENOMEM, 0, "keys", "out of memory");
  return LARDER_OK;
}

void lrd_gcm_stop(lrd_keyring *keyring) {
  for (size_t i = 0; i < GCM_CONTEXTS; i++) {
    EVP_CIPHER_CTX_free(keyring->sealing[i].evp);
    EVP_CIPHER_CTX_free(keyring->opening[i].evp);
  }
  EVP_CIPHER_free(keyring->cipher);
  keyring->cipher = NULL;
}

static bool try_claim(gcm_context *context) {
  return atomic_load_explicit(&context->taken, memory_order_relaxed) == 0 &&
         atomic_exchange_explicit(&context->taken, 1, memory_order_acquire) == 0;
}

/* NULL when all are at work. */
static gcm_context *claim(gcm_context *contexts) {
  static _Thread_local uint32_t mine;
  static _Atomic uint32_t next;
  if (mine == 0) mine = 1 + atomic_fetch_add_explicit(&next, 1, memory_order_relaxed);
  for (uint32_t i = 0; i < GCM_CONTEXTS; i++)
    if (try_claim(&contexts[(mine + i) % GCM_CONTEXTS])) return &contexts[(mine + i) % GCM_CONTEXTS];
  return NULL;
}

static void give_back(gcm_context *context, gcm_context *spare) {
  if (context == spare)
    EVP_CIPHER_CTX_free(spare->evp);
  else
    atomic_store_explicit(&context->taken, 0, memory_order_release);
}

/* Sets the key that belongs to an id and a salt, unless the context has it. */
static larder_err keyed(lrd_keyring *keyring, gcm_context *context, uint64_t key_id, const uint8_t *salt, bool seal) {
  uint8_t derived[LRD_KEY_BYTES];
  if (context->key_id == key_id && memcmp(context->salt, salt, LRD_SEAL_SALT_LEN) == 0) return LARDER_OK;
  const uint8_t *key = keyring->page->own_key;
  context->key_id = 0;
  if (!seal) {
    const uint8_t *master = lrd_keyring_key(keyring, key_id);
    if (master == NULL) return LARDER_EKEY;
    if (!derive(master, salt, derived)) return LARDER_ENOMEM;
    key = derived;
  }
  if (context->evp == NULL) context->evp = EVP_CIPHER_CTX_new();
  bool const ok = context->evp != NULL && EVP_CipherInit_ex2(context->evp, keyring->cipher, key, NULL, seal, NULL) == 1;
  OPENSSL_cleanse(derived, sizeof derived);
  if (!ok) return LARDER_ENOMEM;
  context->key_id = key_id;
  memcpy(context->salt, salt, LRD_SEAL_SALT_LEN);
  return LARDER_OK;
}

static bool update(EVP_CIPHER_CTX *evp, const uint8_t *in, size_t len, uint8_t *out) {
  int wrote = 0;
  for (size_t at = 0; at < len;) {
    size_t const part = len - at < PART_MAX ? len - at : PART_MAX;
    if (EVP_CipherUpdate(evp, out == NULL ? NULL : out + at, &wrote, in + at, (int)part) != 1) return false;
    at += part;
  }
  return true;
}

/* Everything after the key: IV, associated data, the bytes. */
static bool crypt(EVP_CIPHER_CTX *evp, const uint8_t *nonce, lrd_span aad, const void *in, size_t len, void *out) {
  uint8_t iv[IV_BYTES] = {0};
  memcpy(iv + IV_BYTES - 8, nonce + LRD_SEAL_SALT_LEN, 8);
  return EVP_CipherInit_ex2(evp, NULL, NULL, iv, -1, NULL) == 1 && update(evp, aad.data, aad.len, NULL) &&
         update(evp, in, len, out);
}

larder_err lrd_gcm_nonce_next(lrd_keyring *keyring, uint64_t *key_id_out, uint8_t *nonce_out) {
  if (lrd_keyring_len(keyring) == 0) return LARDER_EKEY;
  if (keyring->page->alive != KEYRING_MAGIC) return LARDER_EFORKED;
  *key_id_out = keyring->infos[0].id;
  memcpy(nonce_out, keyring->salt, LRD_SEAL_SALT_LEN);
  lrd_put_u64(nonce_out + LRD_SEAL_SALT_LEN, atomic_fetch_add_explicit(&keyring->counter, 1, memory_order_relaxed));
  return LARDER_OK;
}

larder_err lrd_gcm_seal(lrd_keyring *keyring, const uint8_t *nonce, lrd_span aad, const void *in, size_t len, void *out,
                        uint8_t *tag_out) {
  gcm_context spare = {0};
  int last = 0;
  LRD_ASSERT(memcmp(nonce, keyring->salt, LRD_SEAL_SALT_LEN) == 0);
  gcm_context *context = claim(keyring->sealing);
  if (context == NULL) context = &spare;
  larder_err err = keyed(keyring, context, keyring->infos[0].id, keyring->salt, true);
  /* Only a cipher that could not get memory refuses to write. */
  if (err == LARDER_OK &&
      !(crypt(context->evp, nonce, aad, in, len, out) && EVP_CipherFinal_ex(context->evp, (uint8_t *)out + len, &last) == 1 &&
        EVP_CIPHER_CTX_ctrl(context->evp, EVP_CTRL_AEAD_GET_TAG, LRD_SEAL_TAG_LEN, tag_out) == 1))
    err = LARDER_ENOMEM;
  give_back(context, &spare);
  return err;
}

larder_err lrd_gcm_open(lrd_keyring *keyring, uint64_t key_id, const uint8_t *nonce, lrd_span aad, const void *in, size_t len,
                        const uint8_t *tag, void *out) {
  gcm_context spare = {0};
  uint8_t expected[LRD_SEAL_TAG_LEN];
  int last = 0;
  if (!lrd_keyring_has(keyring, key_id)) return LARDER_EKEY;
  if (keyring->page->alive != KEYRING_MAGIC) return LARDER_EFORKED;
  memcpy(expected, tag, sizeof expected);
  gcm_context *context = claim(keyring->opening);
  if (context == NULL) context = &spare;
  larder_err err = keyed(keyring, context, key_id, nonce, false);
  if (err == LARDER_OK && !(crypt(context->evp, nonce, aad, in, len, out) &&
                            EVP_CIPHER_CTX_ctrl(context->evp, EVP_CTRL_AEAD_SET_TAG, LRD_SEAL_TAG_LEN, expected) == 1 &&
                            EVP_CipherFinal_ex(context->evp, (uint8_t *)out + len, &last) == 1))
    err = LARDER_ECORRUPT;
  give_back(context, &spare);
  if (err != LARDER_OK && len > 0) memset(out, 0, len); /* nothing that was not authenticated leaves */
  return err;
}
