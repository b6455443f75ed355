/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fernet tokens, as https://github.com/fernet/spec has them and Python's `cryptography` writes and reads them: version
 * 0x80, time, IV, AES-128-CBC, HMAC-SHA256, all of it in base64. The first half of the key signs, the second encrypts.
 */
#ifndef LRD_CODEC_FERNET_H
#define LRD_CODEC_FERNET_H

#include <larder/error.h>
#include <stddef.h>
#include <stdint.h>

#define LRD_FERNET_KEY_BYTES 32u
#define LRD_FERNET_IV_BYTES  16u

/* Characters of the token of len bytes, and the most bytes that a token of so many characters holds. */
size_t lrd_fernet_token_len(size_t len);
size_t lrd_fernet_room(size_t token_len);

/* Writes lrd_fernet_token_len(len) characters, no NUL. LARDER_ENOMEM. */
LARDER_MUST_CHECK larder_err lrd_fernet_seal(const uint8_t *key, int64_t now_s, const uint8_t *iv, const void *in, size_t len,
                                             char *token);
/*
 * Into `out`, which has lrd_fernet_room(token_len) bytes. ttl_s: how old the token may be, and how far ahead of now (a
 * minute); 0: as it likes. LARDER_EFORMAT: no token; LARDER_EACCES: a token that this key did not sign, or too old or too
 * new; LARDER_ECORRUPT: signed, but not by what writes tokens. *why is a phrase then. LARDER_ENOMEM.
 */
LARDER_MUST_CHECK larder_err lrd_fernet_open(const uint8_t *key, int64_t now_s, int64_t ttl_s, const char *token,
                                             size_t token_len, uint8_t *out, size_t *len_out, const char **why);

#endif
