/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From keys and namespaces to names of files, one spelling each.
 *
 * A stem is the percent-encoded key (base/path.h: letters, digits and `-_.=,+@` stay, a leading dot does not). Two stems
 * would collide with files of ours and have one more byte encoded: `index` (index.json) and whatever ends with `.meta`
 * (the metadata beside a file). A stem that would be too long becomes its front, `~` and 32 digits of the key's XXH3-128;
 * encoding never writes a `~`, so no other key has that name.
 *
 * A namespace's folder has no dot in its name but a leading one (the cache's own), so it is none of the other files that
 * may lie on a root; three names are taken there.
 */
#include "files_inner.h"

#include <stdio.h>

#define STEM_MAX   200u
#define STEM_FRONT 150u

/* Replaces the byte at `at` by its percent form. */
static larder_err byte_encode(lrd_buf *out, size_t at) {
  char hex[4];
  larder_err const err = lrd_buf_reserve(out, 3);
  if (err != LARDER_OK) return err;
  (void)snprintf(hex, sizeof hex, "%%%02X", out->data[at]);
  memmove(out->data + at + 3, out->data + at + 1, out->len - at - 1);
  memcpy(out->data + at, hex, 3);
  out->len += 2;
  return LARDER_OK;
}

static bool is_text(const uint8_t *data, size_t len, const char *text) {
  return len == strlen(text) && memcmp(data, text, len) == 0;
}

static bool ends_with(const uint8_t *data, size_t len, const char *text) {
  size_t const text_len = strlen(text);
  return len > text_len && memcmp(data + len - text_len, text, text_len) == 0;
}

static larder_err shorten(lrd_buf *out, size_t begin, const void *key, size_t len) {
  size_t front = STEM_FRONT;
  const uint8_t *stem = out->data + begin;
  if (stem[front - 1] == '%') front -= 1;
  if (stem[front - 2] == '%') front -= 2;
  lrd_sum const sum = lrd_sum128(key, len);
  out->len = begin + front;
  return lrd_buf_printf(out, "~%016llx%016llx", (unsigned long long)sum.high, (unsigned long long)sum.low);
}

larder_err lrd_files_stem(lrd_buf *out, const void *key, size_t len) {
  size_t const begin = out->len;
  larder_err const err = lrd_path_encode(out, key, len);
  if (err != LARDER_OK) return err;
  size_t const stem_len = out->len - begin;
  bool const meta = ends_with(out->data + begin, stem_len, ".meta"); /* will be two longer */
  if (stem_len + (meta ? 2 : 0) > STEM_MAX) return shorten(out, begin, key, len);
  if (is_text(out->data + begin, stem_len, "index")) return byte_encode(out, begin);
  return meta ? byte_encode(out, out->len - 5) : LARDER_OK;
}

larder_err lrd_files_unstem(lrd_buf *out, const char *stem, size_t len) {
  const uint8_t *bytes = (const uint8_t *)stem;
  if (is_text(bytes, len, "%69ndex")) return lrd_buf_append_str(out, "index");
  if (is_text(bytes, len, "index") || ends_with(bytes, len, ".meta")) return LARDER_EINVAL;
  size_t const begin = out->len;
  larder_err err;
  if (ends_with(bytes, len, "%2Emeta")) {
    err = lrd_path_decode(out, stem, len - 7);
    if (err == LARDER_OK && out->len == begin) err = LARDER_EINVAL; /* the dot would be a leading one */
    if (err == LARDER_OK) err = lrd_buf_append_str(out, ".meta");
  } else {
    err = lrd_path_decode(out, stem, len);
  }
  if (err != LARDER_OK) return err;
  return out->len == begin || out->len - begin > LARDER_KEY_MAX ? LARDER_EINVAL : LARDER_OK;
}

larder_err lrd_files_folder_name(lrd_buf *out, const char *space) {
  size_t const begin = out->len;
  bool const own = space[0] == '.' && space[1] != 0 && strcmp(space, "..") != 0 && strcmp(space, ".files") != 0;
  if (own) {
    larder_err const err = lrd_buf_append_byte(out, '.');
    if (err != LARDER_OK) return err;
    space++;
  }
  size_t const stem = out->len;
  larder_err err = lrd_path_encode(out, space, strlen(space));
  for (size_t at = stem; err == LARDER_OK && at < out->len; at++)
    if (out->data[at] == '.') err = byte_encode(out, at);
  if (err != LARDER_OK) return err;
  if (out->len - begin > STEM_MAX) return shorten(out, begin, space, strlen(space));
  const uint8_t *name = out->data + begin;
  size_t const len = out->len - begin;
  bool const taken =
      is_text(name, len, "LOCK") || is_text(name, len, "quarantine") || (len >= 5 && memcmp(name, "blobs", 5) == 0);
  return taken ? byte_encode(out, begin) : LARDER_OK;
}

/* `models/ab/cd/`, as far as it applies. */
static larder_err folders_append(lrd_buf *out, const files_entry *facts, const void *key, const char *model_folder) {
  larder_err err = facts->kind == LARDER_KIND_MODEL ? lrd_buf_append_str(out, model_folder) : LARDER_OK;
  uint64_t const sum = facts->shard == 0 ? 0 : lrd_sum64(key, facts->key_len);
  for (unsigned level = 0; level < facts->shard && err == LARDER_OK; level++)
    err = lrd_buf_printf(out, "%02x/", (unsigned)(sum >> (56 - 8 * level)) & 0xff);
  return err;
}

larder_err lrd_files_entry_name(lrd_buf *out, const files_entry *facts, const void *key) {
  larder_err err = folders_append(out, facts, key, "models/");
  if (err == LARDER_OK) err = lrd_files_stem(out, key, facts->key_len);
  if (err == LARDER_OK) err = lrd_buf_append_str(out, lrd_ending_text((lrd_ending)facts->ending));
  return err == LARDER_OK ? lrd_buf_terminate(out) : err;
}

larder_err lrd_files_meta_name(lrd_buf *out, const files_entry *entry) {
  larder_err err = folders_append(out, entry, files_key(entry), "metadata/");
  if (err == LARDER_OK) err = lrd_files_stem(out, files_key(entry), entry->key_len);
  if (err == LARDER_OK) err = lrd_buf_append_str(out, ".meta.json");
  return err == LARDER_OK ? lrd_buf_terminate(out) : err;
}

bool lrd_files_has_meta(const files_entry *entry) {
  return (entry->flags & (FILES_TOMBSTONE | FILES_FRAMED)) == 0 &&
         (entry->kind == LARDER_KIND_MODEL || entry->ending == LRD_ENDING_DAT);
}

void lrd_files_temporary(const files_entry *entry, char out[LRD_FILES_NAME_MAX]) {
  const char *name = files_name(entry);
  const char *slash = strrchr(name, '/');
  (void)snprintf(out, LRD_FILES_NAME_MAX, "%.*s" LRD_FILES_TEMPORARY "%016llx-%016llx-%08x",
                 slash == NULL ? 0 : (int)(slash - name + 1), name, (unsigned long long)entry->hash,
                 (unsigned long long)entry->put_stamp, entry->nonce);
}
