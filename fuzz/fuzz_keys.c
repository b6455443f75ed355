/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text that comes from users: keys from parameters, globs, path names, durations and sizes. Beside memory errors it looks
 * for broken promises: a key must not depend on the order of parameters, an encoded name must decode to itself and stay in
 * its folder, what a glob matches begins with its prefix, a formatted quantity must parse to itself.
 */
#include "base/glob.h"
#include "base/path.h"
#include "base/quantity.h"
#include <larder/larder.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HOLDS(condition)                                                                                                       \
  do {                                                                                                                         \
    if (!(condition)) abort();                                                                                                 \
  } while (0)

/* NUL-terminated pieces of the input: the next one, at most 300 bytes. */
static char *piece(const uint8_t **data, size_t *size) {
  size_t len = 0;
  while (len < *size && len < 300 && (*data)[len] != 0) len++;
  char *text = malloc(len + 1);
  HOLDS(text);
  memcpy(text, *data, len);
  text[len] = '\0';
  size_t used = len < *size ? len + 1 : len;
  *data += used;
  *size -= used;
  return text;
}

static void try_keys(const uint8_t *data, size_t size) {
  enum { PARAMS = 6 };
  larder_param params[PARAMS], back[PARAMS];
  char *texts[2 * PARAMS];
  char one[512], two[512];
  size_t one_len = 0, two_len = 0, count = 0;
  char *name = piece(&data, &size);
  for (; count < PARAMS && size > 0; count++) {
    texts[2 * count] = piece(&data, &size);
    texts[2 * count + 1] = piece(&data, &size);
    params[count] = (larder_param){texts[2 * count], texts[2 * count + 1]};
  }
  for (size_t i = 0; i < count; i++) back[i] = params[count - 1 - i];
  for (int source = 0; source < 2; source++) {
    larder_err (*make)(const char *, const larder_param *, size_t, char *, size_t, size_t *) =
        source ? larder_key_for_source : larder_key_for_endpoint;
    larder_err a = make(name, params, count, one, sizeof one, &one_len);
    larder_err b = make(name, back, count, two, sizeof two, &two_len);
    HOLDS(a == b);
    if (a != LARDER_OK) continue;
    HOLDS(one_len == two_len && memcmp(one, two, one_len + 1) == 0);
    HOLDS(strlen(one) == one_len && one_len <= 200);
  }
  for (size_t i = 0; i < 2 * count; i++) free(texts[i]);
  free(name);
}

static void try_glob(const uint8_t *data, size_t size) {
  size_t len = size > 1 ? data[0] % size : 0;
  const char *pattern = (const char *)data + (size > 0);
  if (size == 0 || len + 1 > size) return;
  const uint8_t *text = data + 1 + len;
  size_t text_len = size - 1 - len;
  char *prefix = malloc(len + 1);
  HOLDS(prefix);
  if (lrd_glob_check(pattern, len) == LARDER_OK) {
    size_t prefix_len = lrd_glob_prefix(pattern, len, prefix);
    HOLDS(prefix_len <= len);
    if (lrd_glob_match(pattern, len, text, text_len))
      HOLDS(text_len >= prefix_len && (prefix_len == 0 || memcmp(text, prefix, prefix_len) == 0));
  } else {
    (void)lrd_glob_match(pattern, len, text, text_len);
  }
  free(prefix);
}

static void try_path(const uint8_t *data, size_t size) {
  lrd_buf name = {0}, back = {0}, again = {0};
  HOLDS(lrd_path_encode(&name, data, size) == LARDER_OK);
  HOLDS(name.len > 0 && name.data[0] != '.' && memchr(name.data, '/', name.len) == NULL &&
        memchr(name.data, 0, name.len) == NULL);
  HOLDS(lrd_path_decode(&back, (const char *)name.data, name.len) == LARDER_OK);
  HOLDS(back.len == size && (size == 0 || memcmp(back.data, data, size) == 0));
  lrd_buf_clear(&back);
  if (lrd_path_decode(&back, (const char *)data, size) == LARDER_OK) {
    /* There is one name for each key: what decodes is what encode would have written. */
    HOLDS(lrd_path_encode(&again, back.data, back.len) == LARDER_OK);
    HOLDS(again.len == size && memcmp(again.data, data, size) == 0);
  }
  lrd_buf_fini(&name);
  lrd_buf_fini(&back);
  lrd_buf_fini(&again);
}

static void try_quantity(const uint8_t *data, size_t size) {
  char *text = piece(&data, &size);
  char room[64];
  int64_t ms = 0, ms_again = 0;
  uint64_t bytes = 0, bytes_again = 0;
  if (lrd_duration_parse(text, 1000, &ms) == LARDER_OK) {
    HOLDS(ms >= 0);
    HOLDS(lrd_duration_parse(lrd_duration_format(ms, room, sizeof room), 1000, &ms_again) == LARDER_OK && ms_again == ms);
    (void)lrd_duration_human(ms, room, sizeof room);
  }
  if (lrd_size_parse(text, 1, &bytes) == LARDER_OK) {
    HOLDS(lrd_size_parse(lrd_size_format(bytes, room, sizeof room), 1, &bytes_again) == LARDER_OK && bytes_again == bytes);
    (void)lrd_size_human(bytes, room, sizeof room);
  }
  free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) return 0;
  switch (data[0] % 4) {
  case 0:
    try_keys(data + 1, size - 1);
    break;
  case 1:
    try_glob(data + 1, size - 1);
    break;
  case 2:
    try_path(data + 1, size - 1);
    break;
  default:
    try_quantity(data + 1, size - 1);
    break;
  }
  return 0;
}
