/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 in the alphabet that is safe in URLs and file names (RFC 4648, chapter 5), padded, as Fernet writes it. */
#ifndef LRD_CODEC_BASE64URL_H
#define LRD_CODEC_BASE64URL_H

#include <stdbool.h>
#include <stddef.h>

static inline size_t lrd_base64url_len(size_t len) { return (len + 2) / 3 * 4; }
/* Writes lrd_base64url_len(len) characters, no NUL. */
void lrd_base64url_encode(const void *in, size_t len, char *out);
/* Writes at most len / 4 * 3 bytes. False for anything that encode would not have written; *out_len is 0 then. */
bool lrd_base64url_decode(const char *text, size_t len, void *out, size_t *out_len);

#endif
