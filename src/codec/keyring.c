/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys: where they come from and how they are read. Texts go straight into locked pages and are decoded there. The
 * environment is the process's own copy, which nobody can take out of a core dump: docs/secrets.md says so.
 */
#include "keyring_inner.h"

#include "base/fail.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base64url.h"
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <unistd.h>

#define ROOM     "keys"
#define HEX_LEN  (2 * (size_t)LRD_KEY_BYTES)
#define EXPECTED "44 characters of base64 or 64 hexadecimal digits are expected; `larder keys new` makes one"
#define ID_LABEL "larder key id"

static uint64_t id_of(const uint8_t *key) {
  uint8_t digest[32];
  uint64_t id = 0;
  if (HMAC(EVP_sha256(), key, LRD_KEY_BYTES, (const uint8_t *)ID_LABEL, sizeof ID_LABEL - 1, digest, NULL) != NULL)
    id = lrd_get_u64(digest);
  return id == 0 ? 1 : id; /* 0 stands for no key */
}

static bool hex_decode(const char *text, uint8_t *out) {
  for (size_t i = 0; i < HEX_LEN; i++) {
    char const c = text[i];
    int const digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) return false;
    out[i / 2] = (uint8_t)(i % 2 == 0 ? digit << 4 : out[i / 2] | digit);
  }
  return true;
}

/* Puts the key of a text behind the others; one that is there already is not taken twice. */
static larder_err key_add(lrd_keyring *keyring, const char *text, size_t len, const char *source, larder_error *err) {
  key_page *page = keyring->page;
  size_t decoded = 0;
  if (keyring->len == LRD_KEYS_MAX)
    return lrd_fail(err, LARDER_ECONFIG, 0, ROOM, "%s: more than %u keys; leave out the oldest", source, LRD_KEYS_MAX);
  uint8_t *key = page->keys[keyring->len];
  bool ok = len == HEX_LEN && hex_decode(text, key);
  if (len == LRD_KEY_TEXT_LEN) {
    /* Without its padding the text would be 33 bytes. */
    ok = lrd_base64url_decode(text, len, page->decoded, &decoded) && decoded == LRD_KEY_BYTES;
    if (ok) memcpy(key, page->decoded, LRD_KEY_BYTES);
  }
  if (!ok) return lrd_fail(err, LARDER_ECONFIG, 0, ROOM, "%s holds what is no key: " EXPECTED, source);
  uint64_t const id = id_of(key);
  if (lrd_keyring_has(keyring, id)) return LARDER_OK;
  keyring->infos[keyring->len++] = (lrd_key_info){.id = id, .source = source};
  return LARDER_OK;
}

/* Every word of a text; `#` makes the rest of its line a comment. */
static larder_err keys_add(lrd_keyring *keyring, const char *text, size_t len, const char *source, larder_error *err) {
  larder_err result = LARDER_OK;
  for (size_t at = 0; at < len && result == LARDER_OK;) {
    if (text[at] == '#')
      while (at < len && text[at] != '\n') at++;
    size_t end = at;
    while (end < len && strchr(" \t\r\n,#", text[end]) == NULL) end++;
    if (end > at) result = key_add(keyring, text + at, end - at, source, err);
    at = end == at ? at + 1 : end;
  }
  return result;
}

static larder_err environment_add(lrd_keyring *keyring, const char *name, larder_error *err) {
  const char *text = getenv(name);
  return text == NULL ? LARDER_OK : keys_add(keyring, text, strlen(text), name, err);
}

static larder_err file_add(lrd_keyring *keyring, larder_error *err) {
  const char *path = keyring->file;
  struct stat facts;
  size_t got = 0;
  larder_err result = LARDER_OK;
  int const fd = lrd_fs_open(path, O_RDONLY, 0);
  if (fd < 0 && errno == ENOENT) return LARDER_OK;
  if (fd < 0 || fstat(fd, &facts) != 0)
    result = lrd_fail(err, lrd_err_from_errno(errno), errno, ROOM, "the key file %s cannot be read", path);
  else if (!S_ISREG(facts.st_mode))
    result = lrd_fail(err, LARDER_EACCES, 0, ROOM, "the key file %s is no ordinary file", path);
  else if ((facts.st_mode & 077) != 0)
    result = lrd_fail(err, LARDER_EACCES, 0, ROOM, "the key file %s has mode %04o, so others may read it; run: chmod 600 %s",
                      path, facts.st_mode & 07777, path);
  else if (facts.st_uid != geteuid() && facts.st_uid != 0)
    result = lrd_fail(err, LARDER_EACCES, 0, ROOM, "the key file %s belongs to somebody else", path);
  else if (facts.st_size > LRD_KEY_FILE_MAX)
    result = lrd_fail(err, LARDER_ECONFIG, 0, ROOM, "the key file %s is longer than %u bytes", path, LRD_KEY_FILE_MAX);
  else if (lrd_fs_read_full(fd, keyring->page->text, LRD_KEY_FILE_MAX, 0, &got) != 0)
    result = lrd_fail(err, lrd_err_from_errno(errno), errno, ROOM, "the key file %s cannot be read", path);
  else
    result = keys_add(keyring, keyring->page->text, got, path, err);
  OPENSSL_cleanse(keyring->page->text, LRD_KEY_FILE_MAX);
  OPENSSL_cleanse(keyring->page->decoded, sizeof keyring->page->decoded);
  lrd_fs_close(fd);
  return result;
}

larder_err lrd_keyring_open(const char *key_file, const lrd_clock *clock, lrd_keyring **out, larder_error *err) {
  larder_err result = LARDER_OK;
  lrd_keyring *keyring = lrd_alloc_zero(1, sizeof *keyring);
  if (keyring == NULL) return lrd_fail(err, LARDER_ENOMEM, 0, ROOM, "out of memory");
  keyring->magic = KEYRING_MAGIC;
  keyring->clock = clock;
  keyring->page = lrd_key_memory_new(sizeof *keyring->page);
  keyring->file = key_file == NULL ? NULL : lrd_strdup(key_file);
  if (keyring->page == NULL || (key_file != NULL && keyring->file == NULL)) {
    result = lrd_fail(err, LARDER_ENOMEM, 0, ROOM, "out of memory");
    goto out;
  }
  keyring->page->alive = KEYRING_MAGIC;
  if ((result = environment_add(keyring, "LARDER_KEY", err)) != LARDER_OK) goto out;
  if (key_file != NULL && (result = file_add(keyring, err)) != LARDER_OK) goto out;
  if ((result = environment_add(keyring, "LARDER_KEY_PREVIOUS", err)) != LARDER_OK) goto out;
  if (keyring->len > 0) result = lrd_gcm_start(keyring, err);
  if (result != LARDER_OK) goto out;
  *out = keyring;
  keyring = NULL;
out:
  lrd_keyring_close(keyring);
  return result;
}

void lrd_keyring_close(lrd_keyring *keyring) {
  if (keyring == NULL) return;
  LRD_ASSERT(keyring->magic == KEYRING_MAGIC);
  lrd_gcm_stop(keyring);
  lrd_key_memory_free(keyring->page, sizeof *keyring->page);
  lrd_dealloc(keyring->file);
  keyring->magic = 0;
  lrd_dealloc(keyring);
}

size_t lrd_keyring_len(const lrd_keyring *keyring) { return keyring == NULL ? 0 : keyring->len; }

lrd_key_info lrd_keyring_at(const lrd_keyring *keyring, size_t number) {
  LRD_ASSERT(number < keyring->len);
  return keyring->infos[number];
}

const uint8_t *lrd_keyring_key(const lrd_keyring *keyring, uint64_t id) {
  for (size_t i = 0; keyring != NULL && i < keyring->len; i++)
    if (keyring->infos[i].id == id) return keyring->page->keys[i];
  return NULL;
}

bool lrd_keyring_has(const lrd_keyring *keyring, uint64_t id) { return lrd_keyring_key(keyring, id) != NULL; }

larder_err lrd_token_seal(lrd_keyring *keyring, const void *in, size_t len, char *token, uint64_t *key_id_out) {
  uint8_t iv[LRD_FERNET_IV_BYTES];
  if (lrd_keyring_len(keyring) == 0) return LARDER_EKEY;
  if (keyring->page->alive != KEYRING_MAGIC) return LARDER_EFORKED;
  if (lrd_random(iv, sizeof iv) != 0) return LARDER_EIO;
  *key_id_out = keyring->infos[0].id;
  return lrd_fernet_seal(keyring->page->keys[0], lrd_wall_ms(keyring->clock) / 1000, iv, in, len, token);
}

larder_err lrd_token_open(lrd_keyring *keyring, uint64_t key_id, const char *token, size_t token_len, uint8_t *out,
                          size_t *len_out, uint64_t *id_out, const char **why) {
  larder_err err = LARDER_EKEY;
  *why = "the key is not here";
  if (keyring != NULL && keyring->page->alive != KEYRING_MAGIC) return LARDER_EFORKED;
  for (size_t i = 0; i < lrd_keyring_len(keyring); i++) {
    if (key_id != 0 && keyring->infos[i].id != key_id) continue;
    err = lrd_fernet_open(keyring->page->keys[i], 0, 0, token, token_len, out, len_out, why);
    if (err == LARDER_OK) *id_out = keyring->infos[i].id;
    /* Named by its id, the key is the right one, and what it did not sign is damaged; else the next may have signed it. */
    if (err == LARDER_EACCES) err = key_id != 0 ? LARDER_ECORRUPT : LARDER_EKEY;
    if (err != LARDER_EKEY) break;
  }
  return err;
}

larder_err lrd_key_text_new(char text[LRD_KEY_TEXT_LEN + 1], uint64_t *id_out) {
  uint8_t key[LRD_KEY_BYTES];
  if (lrd_random(key, sizeof key) != 0) return LARDER_EIO;
  lrd_base64url_encode(key, sizeof key, text);
  text[LRD_KEY_TEXT_LEN] = 0;
  *id_out = id_of(key);
  OPENSSL_cleanse(key, sizeof key);
  return LARDER_OK;
}

void lrd_key_wipe(void *at, size_t len) { OPENSSL_cleanse(at, len); }
