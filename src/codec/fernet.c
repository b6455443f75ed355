/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   offset 0  u8   0x80
 *          1  u64  seconds since 1970, big-endian
 *          9  16   IV
 *         25       ciphertext, whole blocks with PKCS #7 padding
 *       last  32   HMAC-SHA256 of all before it
 *
 * The key's halves are what a core dump must not hold, so no context that has seen them outlives a call: OpenSSL wipes
 * contexts as it frees them.
 */
#include "fernet.h"

#include "base/bytes.h"
#include "base64url.h"
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#define VERSION    0x80u
#define HEAD_BYTES 25u
#define MAC_BYTES  32u
#define BLOCK      16u
#define SKEW_S     60

static size_t sealed_len(size_t len) { return (len / BLOCK + 1) * BLOCK; }

size_t lrd_fernet_token_len(size_t len) { return lrd_base64url_len(HEAD_BYTES + sealed_len(len) + MAC_BYTES); }

size_t lrd_fernet_room(size_t token_len) { return token_len / 4 * 3; }

/* One direction of AES-128-CBC over `len` bytes; false when OpenSSL refuses, which for opening means bad padding. */
static bool cbc(const uint8_t *key, const uint8_t *iv, bool seal, const uint8_t *in, size_t len, uint8_t *out,
                size_t *len_out) {
  EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
  int wrote = 0, last = 0;
  size_t done = 0;
  bool ok = context != NULL && EVP_CipherInit_ex(context, EVP_aes_128_cbc(), NULL, key, iv, seal) == 1;
  for (size_t at = 0; ok && at < len;) {
    size_t const part = len - at < (size_t)1 << 30 ? len - at : (size_t)1 << 30;
    ok = EVP_CipherUpdate(context, out + done, &wrote, in + at, (int)part) == 1;
    done += ok ? (size_t)wrote : 0;
    at += part;
  }
  ok = ok && EVP_CipherFinal_ex(context, out + done, &last) == 1;
  *len_out = ok ? done + (size_t)last : 0;
  EVP_CIPHER_CTX_free(context);
  return ok;
}

static bool sign(const uint8_t *key, const uint8_t *data, size_t len, uint8_t mac[MAC_BYTES]) {
  return HMAC(EVP_sha256(), key, (int)(LRD_FERNET_KEY_BYTES / 2), data, len, mac, NULL) != NULL;
}

larder_err lrd_fernet_seal(const uint8_t *key, int64_t now_s, const uint8_t *iv, const void *in, size_t len, char *token) {
  size_t const signed_len = HEAD_BYTES + sealed_len(len);
  uint8_t *raw = lrd_alloc(signed_len + MAC_BYTES);
  if (raw == NULL) return LARDER_ENOMEM;
  raw[0] = VERSION;
  for (unsigned i = 0; i < 8; i++) raw[1 + i] = (uint8_t)((uint64_t)now_s >> (56 - 8 * i));
  memcpy(raw + 9, iv, LRD_FERNET_IV_BYTES);
  size_t wrote = 0;
  bool const ok = cbc(key + LRD_FERNET_KEY_BYTES / 2, iv, true, in, len, raw + HEAD_BYTES, &wrote) &&
                  wrote == sealed_len(len) && sign(key, raw, signed_len, raw + signed_len);
  if (ok) lrd_base64url_encode(raw, signed_len + MAC_BYTES, token);
  lrd_dealloc(raw);
  return ok ? LARDER_OK : LARDER_ENOMEM; /* nothing else makes a cipher refuse to write */
}

static int64_t time_of(const uint8_t *raw) {
  uint64_t seconds = 0;
  for (unsigned i = 0; i < 8; i++) seconds = seconds << 8 | raw[1 + i];
  return seconds > (uint64_t)INT64_MAX ? INT64_MAX : (int64_t)seconds;
}

static larder_err open_raw(const uint8_t *key, int64_t now_s, int64_t ttl_s, const uint8_t *raw, size_t raw_len, uint8_t *out,
                           size_t *len_out, const char **why) {
  uint8_t mac[MAC_BYTES];
  if (raw_len < HEAD_BYTES + BLOCK + MAC_BYTES) return *why = "the token is too short", LARDER_EFORMAT;
  if (raw[0] != VERSION) return *why = "the token has another version", LARDER_EFORMAT;
  size_t const signed_len = raw_len - MAC_BYTES;
  if (!sign(key, raw, signed_len, mac)) return *why = "out of memory", LARDER_ENOMEM;
  if (CRYPTO_memcmp(mac, raw + signed_len, MAC_BYTES) != 0) return *why = "the key did not sign the token", LARDER_EACCES;
  int64_t const made_s = time_of(raw);
  if (ttl_s != 0 && made_s < now_s - ttl_s) return *why = "the token is too old", LARDER_EACCES;
  if (ttl_s != 0 && made_s > now_s + SKEW_S) return *why = "the token is of a time to come", LARDER_EACCES;
  if ((signed_len - HEAD_BYTES) % BLOCK != 0) return *why = "the token ends within a block", LARDER_ECORRUPT;
  if (!cbc(key + LRD_FERNET_KEY_BYTES / 2, raw + 9, false, raw + HEAD_BYTES, signed_len - HEAD_BYTES, out, len_out))
    return *why = "the token's padding is wrong", LARDER_ECORRUPT;
  return LARDER_OK;
}

larder_err lrd_fernet_open(const uint8_t *key, int64_t now_s, int64_t ttl_s, const char *token, size_t token_len, uint8_t *out,
                           size_t *len_out, const char **why) {
  size_t raw_len = 0;
  uint8_t *raw = lrd_alloc(lrd_fernet_room(token_len) + 1);
  if (raw == NULL) return *why = "out of memory", LARDER_ENOMEM;
  larder_err err = LARDER_EFORMAT;
  if (!lrd_base64url_decode(token, token_len, raw, &raw_len))
    *why = "the token is not base64";
  else
    err = open_raw(key, now_s, ttl_s, raw, raw_len, out, len_out, why);
  lrd_dealloc(raw);
  return err;
}
