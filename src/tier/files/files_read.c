/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gets. The index says what the file holds; the file is opened under the shared index lock, so that no writer of this
 * process changes it meanwhile. One of another process may: the checksum tells, and the index is looked at again. Only what
 * stays wrong under the turn, when nobody writes, is damage.
 *
 * A large value is handed out as a mapping of its file, which outlives the file's replacement. It is verified when this
 * process sees it first; after that its identity (inode, size, times) says that it is the same.
 */
#include "files_inner.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define TRIES 4
#define ALIGN 64u

typedef struct pin {
  uint64_t magic;
  void *map;
  size_t map_len;
  uint8_t bytes[];
} pin;

/* What one look found; copied out of the index. */
typedef struct look {
  larder_facts facts;
  larder_tier_key key;
  lrd_sum sum;
  uint64_t put_stamp;
  uint32_t nonce;
  uint64_t identity; /* of a mapped file */
  bool seen;
  bool sha_known;
  uint8_t sha[LRD_SHA256_LEN];
  pin *pin;
  uint8_t *value;
} look;

static uint64_t identity_of(const struct stat *facts) {
  uint64_t const parts[6] = {(uint64_t)facts->st_ino,         (uint64_t)facts->st_size,
                             (uint64_t)facts->st_mtim.tv_sec, (uint64_t)facts->st_mtim.tv_nsec,
                             (uint64_t)facts->st_ctim.tv_sec, (uint64_t)facts->st_ctim.tv_nsec};
  return lrd_sum64(parts, sizeof parts) | 1;
}

/* Key and head behind the pin's own fields, then room for the value at a multiple of ALIGN. */
static larder_err pin_make(const files_entry *entry, size_t room, look *out) {
  size_t const front = (size_t)entry->key_len + entry->head_len;
  pin *made = lrd_alloc(sizeof *made + front + room + ALIGN);
  if (made == NULL) return LARDER_ENOMEM;
  made->magic = LRD_FILES_PIN_MAGIC;
  made->map = NULL;
  made->map_len = 0;
  memcpy(made->bytes, files_key(entry), front);
  uintptr_t const after = (uintptr_t)made->bytes + front;
  out->value = made->bytes + front + (size_t)(-after & (ALIGN - 1));
  out->pin = made;
  out->key = (larder_tier_key){.data = made->bytes, .len = entry->key_len, .hash = entry->hash, .space = entry->space};
  (void)lrd_files_facts(entry, &out->facts); /* was checked when it was read */
  (void)lrd_facts_head_unpack(made->bytes + entry->key_len, entry->head_len, &out->facts);
  return LARDER_OK;
}

static larder_err value_read(int fd, const files_entry *entry, look *out) {
  size_t got = 0;
  /* One byte more than there should be: a longer file is not ours. */
  if (lrd_fs_read_full(fd, out->value, (size_t)entry->value_len + 1, 0, &got) != 0)
    return errno == ESPIPE ? LARDER_EUNKNOWN : lrd_err_from_errno(errno); /* a pipe is no file of ours either */
  return got == entry->value_len ? LARDER_OK : LARDER_EUNKNOWN;
}

static larder_err value_map(int fd, const files_entry *entry, look *out) {
  struct stat facts;
  if (fstat(fd, &facts) != 0) return lrd_err_from_errno(errno);
  if ((uint64_t)facts.st_size != entry->value_len) return LARDER_EUNKNOWN;
  out->identity = identity_of(&facts);
  out->seen = atomic_load_explicit(&entry->seen, memory_order_relaxed) == out->identity;
  out->value = lrd_fs_map(fd, files_name(entry), (size_t)entry->value_len, false);
  if (out->value == NULL) return lrd_err_from_errno(errno);
  out->pin->map = out->value;
  out->pin->map_len = (size_t)entry->value_len;
  return LARDER_OK;
}

/* LARDER_EUNKNOWN: the file is not the one that the index tells of. */
static larder_err value_fetch(files_tier *tier, const files_entry *entry, look *out) {
  uint64_t const least = tier->options.mmap_bytes_min;
  bool const mapped = least != 0 && entry->value_len >= least;
  larder_err err = pin_make(entry, mapped ? 0 : (size_t)entry->value_len + 1, out);
  if (err != LARDER_OK) return err;
  int const folder = tier->index.spaces[entry->space].fd;
  int const fd = folder < 0 ? -1 : lrd_fs_open_at(folder, files_name(entry), O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
  if (folder < 0) return LARDER_EUNKNOWN;
  if (fd < 0) return errno == ENOENT || errno == ELOOP || errno == ENOTDIR ? LARDER_EUNKNOWN : lrd_err_from_errno(errno);
  out->sum = entry->sum;
  out->sha_known = tier->options.verify_sha256 && (entry->flags & FILES_SHA_KNOWN);
  if (out->sha_known) memcpy(out->sha, entry->sha, sizeof out->sha);
  out->put_stamp = entry->put_stamp;
  out->nonce = entry->nonce;
  err = mapped ? value_map(fd, entry, out) : value_read(fd, entry, out);
  lrd_fs_close(fd);
  return err == LARDER_EIO && errno == EISDIR ? LARDER_EUNKNOWN : err;
}

static void look_clear(look *at) {
  if (at->pin != NULL && at->pin->map != NULL) lrd_fs_unmap(at->pin->map, at->pin->map_len);
  lrd_dealloc(at->pin);
  memset(at, 0, sizeof *at);
}

/* Whether the value is what was stored; a mapping that was seen before is not read again. */
static bool verified(const look *at) {
  size_t const len = (size_t)at->facts.value_len;
  if (at->seen && !at->sha_known) return true;
  lrd_sum const sum = lrd_sum128(at->value, len);
  if (sum.low != at->sum.low || sum.high != at->sum.high) return false;
  if (!at->sha_known) return true;
  uint8_t digest[LRD_SHA256_LEN];
  lrd_sha256_of(at->value, len, digest);
  return memcmp(digest, at->sha, sizeof digest) == 0;
}

static void remember_seen(files_tier *tier, const look *at) {
  pthread_rwlock_rdlock(&tier->lock);
  files_entry *entry = lrd_files_find(&tier->index, at->key.hash);
  if (entry != NULL && entry->put_stamp == at->put_stamp && entry->nonce == at->nonce)
    atomic_store_explicit(&entry->seen, at->identity, memory_order_relaxed);
  pthread_rwlock_unlock(&tier->lock);
}

/* key NULL: whatever lies at the hash. */
static larder_err look_once(files_tier *tier, uint64_t hash, const larder_tier_key *key, bool facts_only, look *out) {
  larder_err err = lrd_files_read_lock(tier);
  if (err != LARDER_OK) return err == LARDER_EBUSY ? LARDER_EUNKNOWN : err;
  files_entry *entry = lrd_files_find(&tier->index, hash);
  int64_t const now_ms = files_wall_ms(tier);
  bool const wanted = entry != NULL && !files_dead(entry) && !files_expired(entry->hard_ms, now_ms) &&
                      (key == NULL || (entry->space == key->space && entry->key_len == key->len &&
                                       memcmp(files_key(entry), key->data, key->len) == 0));
  if (!wanted)
    err = LARDER_MISS;
  else if (facts_only)
    err = pin_make(entry, 0, out);
  else
    err = value_fetch(tier, entry, out);
  if (err == LARDER_OK && key != NULL) lrd_files_access_note(tier, entry, now_ms);
  pthread_rwlock_unlock(&tier->lock);
  if (err != LARDER_OK || facts_only) return err;
  if (!verified(out)) return LARDER_EUNKNOWN;
  if (out->identity != 0 && !out->seen) remember_seen(tier, out);
  return LARDER_OK;
}

/* --- damage ----------------------------------------------------------------------------------------------------------------
 */

/* Ends the turn with the entry gone: its file is missing (LARDER_MISS), or damaged and goes to quarantine. */
static larder_err take_out(files_tier *tier, files_entry *entry, larder_err found, const char *said, bool *removed_out) {
  files_taken const note = {.hash = entry->hash,
                            .space = entry->space,
                            .reason = found == LARDER_MISS ? LARDER_EVICT_STALE : LARDER_EVICT_CORRUPTION,
                            .bytes = entry->key_len + entry->value_len,
                            .evicted = true};
  larder_err err = lrd_files_taken_add(tier, note);
  if (err == LARDER_OK && found == LARDER_ECORRUPT) (void)lrd_files_quarantine(tier, entry->space, files_name(entry));
  lrd_files_log(tier, LRD_LOG_WARN, found == LARDER_MISS ? "files.missing" : "files.damaged", "%s/%s %s",
                tier->index.spaces[entry->space].folder, files_name(entry), said);
  if (err == LARDER_OK) err = lrd_files_remove_entry(tier, entry);
  err = lrd_files_turn_finish(tier, err);
  *removed_out = err == LARDER_OK;
  return err;
}

/*
 * Under the turn nobody writes: what does not match now is damaged, missing, or the other half of a change that a power cut
 * has torn, which is mended. *removed_out: the entry went, and its file into quarantine. The caller owns its slot.
 */
larder_err lrd_files_remove_damaged(files_tier *tier, uint64_t hash, bool sha, bool *removed_out) {
  *removed_out = false;
  larder_err err = lrd_files_turn_begin(tier);
  if (err != LARDER_OK) return err;
  files_entry *entry = lrd_files_find(&tier->index, hash);
  if (entry == NULL || files_dead(entry)) return lrd_files_turn_finish(tier, LARDER_OK);
  larder_err const found = lrd_files_file_matches(tier, entry, files_name(entry), sha);
  if (found != LARDER_MISS && found != LARDER_ECORRUPT) return lrd_files_turn_finish(tier, LARDER_OK);
  if (lrd_files_mend(tier, entry) == LARDER_OK) return lrd_files_turn_finish(tier, LARDER_OK);
  const char *said =
      found == LARDER_MISS ? "was removed by somebody else" : "is not what was stored there: moved to quarantine";
  return take_out(tier, entry, found, said, removed_out);
}

larder_err lrd_files_remove_judged(files_tier *tier, uint64_t hash, uint64_t put_stamp, uint32_t nonce, bool *removed_out) {
  *removed_out = false;
  larder_err err = lrd_files_turn_begin(tier);
  if (err != LARDER_OK) return err;
  files_entry *entry = lrd_files_find(&tier->index, hash);
  bool const same = entry != NULL && !files_dead(entry) && entry->put_stamp == put_stamp && entry->nonce == nonce;
  if (!same) return lrd_files_turn_finish(tier, LARDER_OK);
  return take_out(tier, entry, LARDER_ECORRUPT, "holds what can't be opened: moved to quarantine", removed_out);
}

/* Now when its slot is to be had, else by the ticker. */
static void damage_note(files_tier *tier, uint64_t hash) {
  if (tier->read_only) return;
  if (tier->host.slot_try_own == NULL || tier->host.slot_try_own(tier->host.context, hash)) {
    bool removed = false;
    larder_err const err = lrd_files_remove_damaged(tier, hash, tier->options.verify_sha256 != 0, &removed);
    if (tier->host.slot_release != NULL) tier->host.slot_release(tier->host.context, hash);
    if (err == LARDER_OK) return;
  }
  for (size_t i = 0; i < LRD_FILES_DAMAGED_MAX; i++) {
    uint64_t none = 0;
    if (atomic_load(&tier->damaged[i]) == hash || atomic_compare_exchange_strong(&tier->damaged[i], &none, hash)) return;
  }
}

/* A folder that this process has not opened yet, or whose descriptor leads nowhere any more. */
static void folder_look(files_tier *tier, uint64_t hash) {
  pthread_rwlock_wrlock(&tier->lock);
  const files_entry *entry = lrd_files_find(&tier->index, hash);
  if (entry != NULL) {
    files_space *space = &tier->index.spaces[entry->space];
    struct stat open, named;
    bool const same = space->fd >= 0 && space->folder != NULL && fstat(space->fd, &open) == 0 &&
                      lrd_fs_stat(space->folder, &named) == 0 && open.st_ino == named.st_ino && open.st_dev == named.st_dev;
    if (!same) {
      lrd_fs_close(space->fd);
      space->fd = -1;
      (void)lrd_files_space_fd(tier, entry->space);
    }
  }
  pthread_rwlock_unlock(&tier->lock);
}

/* Whoever was writing is through, or dead and finished for. */
void lrd_files_turn_pass(files_tier *tier) {
  larder_err err = lrd_files_turn_begin(tier);
  if (err == LARDER_OK) err = lrd_files_turn_finish(tier, LARDER_OK);
  lrd_ignore(err); /* the next look tells */
}

static larder_err look_up(files_tier *tier, uint64_t hash, const larder_tier_key *key, bool facts_only, look *out) {
  if (atomic_load_explicit(&tier->away, memory_order_relaxed)) return LARDER_EAWAY;
  larder_err err = LARDER_EUNKNOWN;
  memset(out, 0, sizeof *out);
  for (int i = 0; i < TRIES && err == LARDER_EUNKNOWN; i++) {
    look_clear(out);
    if (i == 1) folder_look(tier, hash);
    if (i == 2) lrd_files_turn_pass(tier);
    if (i == TRIES - 1) damage_note(tier, hash); /* mends, or removes what stays wrong */
    err = look_once(tier, hash, key, facts_only, out);
  }
  if (err == LARDER_OK) return LARDER_OK;
  look_clear(out);
  return err == LARDER_EUNKNOWN ? LARDER_MISS : err;
}

static larder_tier_entry entry_of(const look *at, bool facts_only) {
  return (larder_tier_entry){
      .value = facts_only || at->facts.value_len == 0 ? NULL : at->value, .facts = at->facts, .pin = at->pin};
}

larder_err lrd_files_get(void *self, const larder_tier_key *key, bool facts_only, const void *slot, larder_tier_entry *out) {
  (void)slot;
  look found;
  larder_err const err = look_up(lrd_files_tier_of(self), key->hash, key, facts_only, &found);
  if (err == LARDER_OK) *out = entry_of(&found, facts_only);
  return err;
}

larder_err lrd_files_fetch(void *self, uint64_t hash, bool facts_only, larder_tier_key *key_out, larder_tier_entry *out) {
  files_tier *tier = lrd_files_tier_of(self);
  look found;
  larder_err const err = look_up(tier, hash, NULL, facts_only, &found);
  if (err != LARDER_OK) return err;
  *key_out = found.key;
  *out = entry_of(&found, facts_only);
  return LARDER_OK;
}

void lrd_files_release(void *self, larder_tier_entry *entry) {
  (void)self;
  pin *held = entry->pin;
  if (held == NULL) return;
  LRD_ASSERT(held->magic == LRD_FILES_PIN_MAGIC);
  held->magic = 0;
  if (held->map != NULL) lrd_fs_unmap(held->map, held->map_len);
  lrd_dealloc(held);
  *entry = (larder_tier_entry){0};
}
