/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys that seal values, and sealing itself. A key is 32 random bytes, written as Fernet's: 44 characters of base64
 * (or 64 hexadecimal digits). The first one found seals; all of them open. They come, in this order, from LARDER_KEY, from
 * the key file (a key a line, `#` begins a comment), and from LARDER_KEY_PREVIOUS (several with blanks or commas between).
 *
 * A key's id is a digest of it, so it tells keys apart and betrays none. Keys lie in memory that is locked where that is
 * allowed, left out of core dumps, and empty in a forked child, where every call answers LARDER_EFORKED: a nonce that
 * parent and child both used would undo the sealing.
 */
#ifndef LRD_CODEC_KEYRING_H
#define LRD_CODEC_KEYRING_H

#include "base/bytes.h"
#include "base/clock.h"

#define LRD_KEY_BYTES      32u
#define LRD_KEY_TEXT_LEN   44u /* as written by lrd_key_text_new */
#define LRD_KEYS_MAX       16u
#define LRD_KEY_FILE_MAX   4096u
#define LRD_SEAL_SALT_LEN  16u
#define LRD_SEAL_NONCE_LEN 24u /* the salt of a process's own key, and its counter */
#define LRD_SEAL_TAG_LEN   16u

typedef struct lrd_keyring lrd_keyring;

typedef struct lrd_key_info {
  uint64_t id;
  const char *source; /* "LARDER_KEY", "LARDER_KEY_PREVIOUS", or the file's path; lives as long as the ring */
} lrd_key_info;

/*
 * Own, possibly with no key in it: a key file that does not exist is none. LARDER_EACCES: a key file that others may read;
 * LARDER_ECONFIG: what should be a key is none; LARDER_EIO, LARDER_ENOMEM.
 */
LARDER_MUST_CHECK larder_err lrd_keyring_open(const char *key_file, const lrd_clock *clock, lrd_keyring **out,
                                              larder_error *err);
void lrd_keyring_close(lrd_keyring *keyring);
size_t lrd_keyring_len(const lrd_keyring *keyring); /* NULL has none */
/* The first is the one that seals. */
lrd_key_info lrd_keyring_at(const lrd_keyring *keyring, size_t number);
bool lrd_keyring_has(const lrd_keyring *keyring, uint64_t id);

/* AES-256-GCM under the first key: the nonce and the tag are written for the opener; `in` may be `out`. */
LARDER_MUST_CHECK larder_err lrd_gcm_nonce_next(lrd_keyring *keyring, uint64_t *key_id_out, uint8_t *nonce_out);
LARDER_MUST_CHECK larder_err lrd_gcm_seal(lrd_keyring *keyring, const uint8_t *nonce, lrd_span aad, const void *in, size_t len,
                                          void *out, uint8_t *tag_out);
/* LARDER_EKEY: the key is not in the ring. LARDER_ECORRUPT: not what was sealed, or not for this name. */
LARDER_MUST_CHECK larder_err lrd_gcm_open(lrd_keyring *keyring, uint64_t key_id, const uint8_t *nonce, lrd_span aad,
                                          const void *in, size_t len, const uint8_t *tag, void *out);

/* Fernet (fernet.h) under the first key, and by the key of that id; id 0: whichever signed it, told in *id_out. */
LARDER_MUST_CHECK larder_err lrd_token_seal(lrd_keyring *keyring, const void *in, size_t len, char *token,
                                            uint64_t *key_id_out);
LARDER_MUST_CHECK larder_err lrd_token_open(lrd_keyring *keyring, uint64_t key_id, const char *token, size_t token_len,
                                            uint8_t *out, size_t *len_out, uint64_t *id_out, const char **why);

/* A new key as text, LRD_KEY_TEXT_LEN characters and a NUL; LARDER_EIO without random bytes. The caller wipes it. */
LARDER_MUST_CHECK larder_err lrd_key_text_new(char text[LRD_KEY_TEXT_LEN + 1], uint64_t *id_out);
void lrd_key_wipe(void *at, size_t len);

#endif
