/* SPDX-License-Identifier: Apache-2.0 */
/* Fernet tokens from elsewhere, and base64: taken or refused; what was taken is written the same; what we seal opens. */
#include "base/bytes.h"
#include "codec/base64url.h"
#include "codec/fernet.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HOLDS(condition)                                                                                                       \
  do {                                                                                                                         \
    if (!(condition)) abort();                                                                                                 \
  } while (0)

static uint8_t const key[LRD_FERNET_KEY_BYTES] = {0x73, 0x0f, 0xf4, 0xc7, 0xaf, 0x3d, 0x46, 0x92, 0x3e, 0x8e, 0xd4,
                                                  0x51, 0xee, 0x81, 0x3c, 0x87, 0xf7, 0x90, 0xb0, 0xa2, 0x26, 0xbc,
                                                  0x96, 0xa9, 0x2d, 0xe4, 0x9b, 0x5e, 0x9c, 0x05, 0xe1, 0xee};

static void try_base64(const char *text, size_t size) {
  uint8_t *bytes = malloc(size + 4);
  char *again = malloc(size + 8);
  size_t len = 0;
  HOLDS(bytes != NULL && again != NULL);
  if (lrd_base64url_decode(text, size, bytes, &len)) {
    HOLDS(lrd_base64url_len(len) == size);
    lrd_base64url_encode(bytes, len, again);
    HOLDS(memcmp(again, text, size) == 0);
  }
  free(again);
  free(bytes);
}

static void try_open(const char *token, size_t size) {
  uint8_t *out = malloc(lrd_fernet_room(size) + 1);
  size_t len = 0;
  const char *why = NULL;
  HOLDS(out != NULL);
  if (lrd_fernet_open(key, 499162801, 60, token, size, out, &len, &why) == LARDER_OK)
    HOLDS(len < size);
  else
    HOLDS(why != NULL);
  free(out);
}

static void try_seal(const uint8_t *data, size_t size) {
  size_t const token_len = lrd_fernet_token_len(size);
  char *token = malloc(token_len);
  uint8_t *out = malloc(lrd_fernet_room(token_len) + 1);
  uint8_t const iv[LRD_FERNET_IV_BYTES] = {1, 2, 3};
  size_t len = 0;
  const char *why = NULL;
  HOLDS(token != NULL && out != NULL);
  HOLDS(lrd_fernet_seal(key, 5, iv, data, size, token) == LARDER_OK);
  HOLDS(lrd_fernet_open(key, 0, 0, token, token_len, out, &len, &why) == LARDER_OK);
  HOLDS(len == size && (size == 0 || memcmp(out, data, size) == 0));
  free(out);
  free(token);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  try_base64((const char *)data, size);
  try_open((const char *)data, size);
  try_seal(data, size);
  return 0;
}
