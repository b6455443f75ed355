/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is made behind the writes: SHA-256 of each file, and `index.json` of each namespace that has changed.
 *
 * index.json is for others; we never read it. It is written whole and renamed into place, under a lock of its own, from an
 * index that was brought up to date under that lock: so it never goes back. `<path>/index.json` sums the namespaces up.
 */
#include "files_inner.h"
#include "stats/json_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define SHA_BATCH       64u
#define SHA_BATCH_BYTES (64u << 20)
#define MEBIBYTE        1048576.0

/* --- SHA-256 ---------------------------------------------------------------------------------------------------------------
 */

typedef struct summed {
  uint64_t hash;
  uint64_t put_stamp;
  uint32_t nonce;
  uint8_t sha[LRD_SHA256_LEN];
} summed;

void lrd_files_sha_queue(files_tier *tier, uint64_t hash) {
  lrd_lock(&tier->leaving);
  if (tier->sha_len < LRD_FILES_SHA_MAX) tier->sha_queue[tier->sha_len++] = hash;
  lrd_unlock(&tier->leaving);
}

static bool queue_pop(files_tier *tier, uint64_t *hash) {
  lrd_lock(&tier->leaving);
  bool const any = tier->sha_len != 0;
  if (any) *hash = tier->sha_queue[--tier->sha_len];
  lrd_unlock(&tier->leaving);
  return any;
}

/* Opens the file under the lock and reads it outside: a writer waits for no hashing. */
static bool file_summed(files_tier *tier, uint64_t hash, summed *out, uint64_t *bytes) {
  if (lrd_files_read_lock(tier) != LARDER_OK) return false;
  const files_entry *entry = lrd_files_find(&tier->index, hash);
  bool const wanted = entry != NULL && !files_dead(entry) && !(entry->flags & FILES_SHA_KNOWN);
  int const folder = wanted ? tier->index.spaces[entry->space].fd : -1;
  int const fd = folder < 0 ? -1 : lrd_fs_open_at(folder, files_name(entry), O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
  lrd_sum sum = {0};
  size_t len = 0;
  if (wanted) {
    *out = (summed){.hash = hash, .put_stamp = entry->put_stamp, .nonce = entry->nonce};
    sum = entry->sum;
    len = (size_t)entry->value_len;
  }
  pthread_rwlock_unlock(&tier->lock);
  uint8_t *data = fd < 0 ? NULL : lrd_alloc(len + 1);
  size_t got = 0;
  bool right = data != NULL && lrd_fs_read_full(fd, data, len + 1, 0, &got) == 0 && got == len;
  if (right) {
    lrd_sum const now = lrd_sum128(data, len);
    right = now.low == sum.low && now.high == sum.high;
  }
  if (right) lrd_sha256_of(data, len, out->sha);
  lrd_dealloc(data);
  lrd_fs_close(fd);
  *bytes += len;
  return right;
}

static larder_err summed_keep(files_tier *tier, const summed *found, size_t count) {
  larder_err err = count == 0 ? LARDER_OK : lrd_files_turn_begin(tier);
  if (count == 0 || err != LARDER_OK) return err;
  for (size_t i = 0; i < count && err == LARDER_OK; i++) {
    files_entry *entry = lrd_files_find(&tier->index, found[i].hash);
    if (entry == NULL || entry->put_stamp != found[i].put_stamp || entry->nonce != found[i].nonce) continue;
    lrd_files_index_sha(&tier->index, entry, found[i].sha);
    tier->index.spaces[entry->space].changed = atomic_load(&tier->board->state) + 1;
    err = lrd_files_record_short(&tier->txn.frame, FILES_RECORD_SHA, entry);
  }
  return lrd_files_turn_finish(tier, err);
}

static uint64_t unsummed(files_tier *tier) {
  pthread_rwlock_rdlock(&tier->lock);
  uint64_t const count = tier->index.unsummed;
  pthread_rwlock_unlock(&tier->lock);
  return count;
}

larder_err lrd_files_sha_behind(files_tier *tier, uint64_t bytes, bool *missing_out) {
  summed found[SHA_BATCH];
  uint64_t read = 0, hash = 0;
  larder_err err = LARDER_OK;
  for (bool more = true; more && read < bytes && err == LARDER_OK;) {
    size_t count = 0;
    uint64_t const before = read;
    while (count < SHA_BATCH && read - before < SHA_BATCH_BYTES && (more = queue_pop(tier, &hash)))
      count += file_summed(tier, hash, &found[count], &read);
    err = summed_keep(tier, found, count);
  }
  *missing_out = unsummed(tier) != 0;
  return err;
}

/* Hashes of entries without one, from `from` on. */
static size_t missing_window(files_tier *tier, uint64_t from, uint64_t out[SHA_BATCH], bool *through) {
  size_t count = 0;
  *through = true;
  if (lrd_files_read_lock(tier) != LARDER_OK) return 0;
  for (const files_entry *entry = lrd_files_find_from(&tier->index, from); entry != NULL;
       entry = lrd_files_find_from(&tier->index, entry->hash + 1)) {
    if (!files_dead(entry) && !(entry->flags & FILES_SHA_KNOWN)) out[count++] = entry->hash;
    if (count == SHA_BATCH) *through = entry->hash == UINT64_MAX;
    if (count == SHA_BATCH || entry->hash == UINT64_MAX) break;
  }
  pthread_rwlock_unlock(&tier->lock);
  return count;
}

larder_err lrd_files_sha_all(files_tier *tier) {
  summed found[SHA_BATCH];
  uint64_t window[SHA_BATCH], read = 0, from = 0;
  larder_err err = LARDER_OK;
  lrd_lock(&tier->leaving);
  tier->sha_len = 0;
  lrd_unlock(&tier->leaving);
  if (unsummed(tier) != 0) lrd_files_folders_open(tier);
  for (bool through = unsummed(tier) == 0; !through && err == LARDER_OK;) {
    size_t const wanted = missing_window(tier, from, window, &through);
    size_t count = 0;
    for (size_t i = 0; i < wanted; i++) count += file_summed(tier, window[i], &found[count], &read);
    if (wanted != 0) from = window[wanted - 1] + 1;
    err = summed_keep(tier, found, count);
  }
  return err;
}

/* --- index.json ------------------------------------------------------------------------------------------------------------
 */

static void time_write(lrd_json *json, int64_t ms) {
  char text[64], whole[80];
  time_t const seconds = (time_t)(ms / 1000);
  struct tm parts;
  if (gmtime_r(&seconds, &parts) == NULL || strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts) == 0) {
    lrd_json_null(json);
    return;
  }
  (void)snprintf(whole, sizeof whole, "%s.%03d000+00:00", text, (int)(ms % 1000));
  lrd_json_string(json, whole);
}

/*
 * The key as JSON can say it. What is no UTF-8 or holds a NUL is percent-encoded, and so is what holds a `%`, lest it be
 * taken for that.
 */
static larder_err key_text(lrd_buf *out, const files_entry *entry) {
  const uint8_t *key = files_key(entry);
  lrd_buf_clear(out);
  bool plain = true;
  for (size_t at = 0; plain && at < entry->key_len;) {
    size_t const len = lrd_utf8_char(key + at, entry->key_len - at);
    plain = len != 0 && key[at] != 0 && key[at] != '%';
    at += len;
  }
  larder_err err = plain ? lrd_buf_append(out, key, entry->key_len) : lrd_path_encode(out, key, entry->key_len);
  return err == LARDER_OK ? lrd_buf_terminate(out) : err;
}

static void entry_write(lrd_json *json, const files_entry *entry, const char *key) {
  char hex[LRD_SHA256_HEX_LEN + 1], checksum[LRD_SHA256_HEX_LEN + 8];
  lrd_json_key(json, key);
  lrd_json_object_begin(json);
  lrd_json_key(json, "key");
  lrd_json_string(json, key);
  lrd_json_key(json, "created_at");
  time_write(json, entry->created_ms);
  lrd_json_key(json, "size_bytes");
  lrd_json_u64(json, entry->value_len);
  lrd_json_key(json, "access_count");
  lrd_json_u64(json, atomic_load_explicit(&entry->uses, memory_order_relaxed));
  lrd_json_key(json, "last_accessed");
  time_write(json, atomic_load_explicit(&entry->used_ms, memory_order_relaxed));
  lrd_json_key(json, "checksum");
  lrd_sha256_hex(entry->sha, hex);
  (void)snprintf(checksum, sizeof checksum, "sha256:%s", hex);
  if (entry->flags & FILES_SHA_KNOWN)
    lrd_json_string(json, checksum);
  else
    lrd_json_null(json); /* its file could not be read */
  lrd_json_object_end(json);
}

static void head_write(lrd_json *json, int64_t created_ms, uint64_t entries, uint64_t bytes) {
  lrd_json_object_begin(json);
  lrd_json_key(json, "version");
  lrd_json_string(json, "1.0");
  lrd_json_key(json, "created_at");
  time_write(json, created_ms);
  lrd_json_key(json, "total_entries");
  lrd_json_u64(json, entries);
  lrd_json_key(json, "total_size_mb");
  lrd_json_double(json, (double)bytes / MEBIBYTE);
}

static bool shown(const files_entry *entry, int64_t now_ms) {
  return !files_dead(entry) && !files_expired(entry->hard_ms, now_ms) && entry->kind != LARDER_KIND_ABSENT;
}

/* Under the index lock. */
static larder_err space_write(files_tier *tier, const files_space *space, lrd_buf *out) {
  lrd_json json;
  lrd_buf key = {0};
  larder_err err = LARDER_OK;
  int64_t const now_ms = files_wall_ms(tier);
  uint64_t entries = 0, bytes = 0;
  for (uint32_t i = 0; i < space->list_len; i++) {
    if (!shown(space->list[i], now_ms)) continue;
    entries++;
    bytes += space->list[i]->value_len;
  }
  lrd_json_init(&json, out, true);
  head_write(&json, space->created_ms, entries, bytes);
  lrd_json_key(&json, "entries");
  lrd_json_object_begin(&json);
  for (uint32_t i = 0; i < space->list_len && err == LARDER_OK; i++) {
    if (!shown(space->list[i], now_ms)) continue;
    err = key_text(&key, space->list[i]);
    if (err == LARDER_OK) entry_write(&json, space->list[i], (const char *)key.data);
  }
  lrd_json_object_end(&json);
  lrd_json_object_end(&json);
  lrd_buf_fini(&key);
  if (err == LARDER_OK) err = json.err;
  return err == LARDER_OK ? lrd_buf_append_byte(out, '\n') : err;
}

static larder_err whole_write(files_tier *tier, lrd_buf *out) {
  lrd_json json;
  int64_t created_ms = files_wall_ms(tier);
  uint64_t entries = 0, bytes = 0;
  for (uint32_t i = 1; i < tier->index.spaces_end; i++) {
    const files_space *space = &tier->index.spaces[i];
    if (space->name == NULL || space->name[0] == '.') continue;
    if (space->created_ms < created_ms) created_ms = space->created_ms;
    entries += space->totals.entries;
    for (uint32_t k = 0; k < space->list_len; k++) bytes += files_dead(space->list[k]) ? 0 : space->list[k]->value_len;
  }
  lrd_json_init(&json, out, true);
  head_write(&json, created_ms, entries, bytes);
  lrd_json_key(&json, "namespaces");
  lrd_json_object_begin(&json);
  for (uint32_t i = 1; i < tier->index.spaces_end; i++) {
    const files_space *space = &tier->index.spaces[i];
    if (space->name == NULL || space->name[0] == '.') continue;
    uint64_t mine = 0;
    for (uint32_t k = 0; k < space->list_len; k++) mine += files_dead(space->list[k]) ? 0 : space->list[k]->value_len;
    lrd_json_key(&json, space->name);
    lrd_json_object_begin(&json);
    lrd_json_key(&json, "total_entries");
    lrd_json_u64(&json, space->totals.entries);
    lrd_json_key(&json, "total_size_mb");
    lrd_json_double(&json, (double)mine / MEBIBYTE);
    lrd_json_object_end(&json);
  }
  lrd_json_object_end(&json);
  lrd_json_object_end(&json);
  return json.err == LARDER_OK ? lrd_buf_append_byte(out, '\n') : json.err;
}

static larder_err view_publish(files_tier *tier, const char *folder, const lrd_buf *text) {
  return lrd_files_publish_view(tier, folder, "index.json", text->data, text->len) == 0 ? LARDER_OK : lrd_err_from_errno(errno);
}

/* One namespace's, if it has changed. *changed_out says so. */
static larder_err view_space(files_tier *tier, uint32_t number, bool *changed_out) {
  lrd_buf text = {0};
  larder_err err = lrd_files_read_lock(tier);
  if (err != LARDER_OK) return err;
  const files_space *space = &tier->index.spaces[number];
  uint64_t const now = atomic_load(&tier->applied);
  bool const due =
      number < tier->index.spaces_end && space->name != NULL && space->changed > atomic_load(&tier->board->viewed[number]);
  char *folder = due ? lrd_strdup(space->folder) : NULL;
  if (due) err = folder == NULL ? LARDER_ENOMEM : space_write(tier, space, &text);
  pthread_rwlock_unlock(&tier->lock);
  if (due && err == LARDER_OK) err = view_publish(tier, folder, &text);
  if (due && err == LARDER_OK) atomic_store(&tier->board->viewed[number], now);
  lrd_dealloc(folder);
  lrd_buf_fini(&text);
  *changed_out |= due;
  return err;
}

static larder_err view_whole(files_tier *tier) {
  lrd_buf text = {0};
  larder_err err = lrd_files_read_lock(tier);
  if (err != LARDER_OK) return err;
  err = whole_write(tier, &text);
  pthread_rwlock_unlock(&tier->lock);
  if (err == LARDER_OK) err = view_publish(tier, tier->path, &text);
  lrd_buf_fini(&text);
  return err;
}

larder_err lrd_files_views(files_tier *tier, bool wait) {
  bool changed = false;
  pthread_rwlock_rdlock(&tier->lock);
  bool due = false;
  uint32_t const end = tier->index.spaces_end;
  for (uint32_t i = 1; i < end && !due; i++) due = tier->index.spaces[i].changed > atomic_load(&tier->board->viewed[i]);
  pthread_rwlock_unlock(&tier->lock);
  if (!due) return LARDER_OK;
  larder_err err = lrd_files_view_lock(tier, wait);
  if (err != LARDER_OK) return err == LARDER_EBUSY && !wait ? LARDER_OK : err;
  for (uint32_t i = 1; i < end && err == LARDER_OK; i++) err = view_space(tier, i, &changed);
  if (err == LARDER_OK && changed) err = view_whole(tier);
  lrd_files_view_unlock(tier);
  return err;
}
