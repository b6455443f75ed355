/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes: what needs no turn first (heads packed, values summed and written to temporary files), then each item within
 * one transaction, where the stamps decide.
 */
#include "files_inner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* One item's preparation: its entry, and whether its temporary file is there. */
typedef struct prep {
  files_entry *entry; /* NULL once the index has it */
  bool written;
  uint32_t space;
  char temporary[LRD_FILES_NAME_MAX];
} prep;

/* --- the temporary file ------------------------------------------------------------------------------------------------------
 */

/* Makes the folders that lead to a name within the space's folder. */
static int folders_make(int folder, const char *name) {
  char path[LRD_FILES_NAME_MAX];
  for (const char *slash = strchr(name, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
    (void)snprintf(path, sizeof path, "%.*s", (int)(slash - name), name);
    if (lrd_fs_mkdir_at(folder, path, 0700) != 0) return -1;
  }
  return 0;
}

/* Opens the temporary file. The folder may have to be made, or opened anew where somebody has removed it. */
static int temporary_open(files_tier *tier, uint32_t space, const char *name) {
  int const flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
  pthread_rwlock_rdlock(&tier->lock);
  int const known = tier->index.spaces[space].fd;
  int fd = known < 0 ? -1 : lrd_fs_open_at(known, name, flags, 0600);
  int const why = errno;
  pthread_rwlock_unlock(&tier->lock);
  if (fd >= 0) return fd;
  errno = why;
  if (known >= 0 && why != ENOENT) return -1;
  pthread_rwlock_wrlock(&tier->lock);
  int folder = lrd_files_space_fd(tier, space);
  if (folder >= 0) {
    struct stat facts;
    if (fstat(folder, &facts) == 0 && facts.st_nlink == 0) {
      lrd_fs_close(folder);
      tier->index.spaces[space].fd = -1;
      folder = lrd_files_space_fd(tier, space);
    }
  }
  if (folder >= 0 && folders_make(folder, name) == 0) fd = lrd_fs_open_at(folder, name, flags, 0600);
  pthread_rwlock_unlock(&tier->lock);
  return fd;
}

static larder_err temporary_write(files_tier *tier, prep *one, const void *value, size_t len, bool sync) {
  lrd_files_temporary(one->entry, one->temporary);
  int fd = lrd_files_spare_take(tier, one->space, one->temporary);
  if (fd < 0) fd = temporary_open(tier, one->space, one->temporary);
  if (fd < 0) return lrd_err_from_errno(errno);
  one->written = true;
  larder_err err = lrd_fs_write_full(fd, one->temporary, value, len, 0) == 0 ? LARDER_OK : lrd_err_from_errno(errno);
  if (err == LARDER_OK && sync && lrd_fs_sync(fd, one->temporary) != 0) err = lrd_err_from_errno(errno);
  lrd_fs_close(fd);
  return err;
}

static void temporary_remove(files_tier *tier, prep *one) {
  if (!one->written) return;
  pthread_rwlock_rdlock(&tier->lock);
  int const fd = tier->index.spaces[one->space].fd;
  if (fd >= 0) (void)lrd_fs_unlink_at(fd, one->temporary);
  pthread_rwlock_unlock(&tier->lock);
  one->written = false;
}

/* --- preparation
 * --------------------------------------------------------------------------------------------------------------- */

/* The facts of what a put brings. */
static files_entry entry_of(files_tier *tier, const larder_tier_write *item) {
  const larder_facts *facts = &item->facts;
  files_entry entry = {.hash = item->key.hash,
                       .stamp = facts->stamp,
                       .put_stamp = facts->stamp,
                       .soft_ms = facts->expires_soft_ms,
                       .hard_ms = facts->expires_hard_ms,
                       .created_ms = files_wall_ms(tier),
                       .value_len = facts->value_len,
                       .sum = lrd_sum128(item->value, (size_t)facts->value_len),
                       .nonce = atomic_fetch_add_explicit(&tier->nonce, 1, memory_order_relaxed),
                       .space = item->key.space,
                       .key_len = (uint16_t)item->key.len,
                       .kind = (uint8_t)facts->kind,
                       .shard = (uint8_t)tier->options.shard};
  entry.ending = (uint8_t)lrd_ending_of(facts->kind, facts->framed, item->value, (size_t)facts->value_len);
  if (facts->framed) {
    entry.flags |= FILES_FRAMED;
    entry.raw_len = facts->raw_len;
  }
  atomic_init(&entry.used_ms, entry.created_ms);
  return entry;
}

static larder_err entry_make(files_tier *tier, const larder_tier_write *item, files_entry **out) {
  files_entry const entry = entry_of(tier, item);
  uint8_t *head = NULL;
  size_t head_len = 0;
  larder_err err = lrd_facts_head_pack(&item->facts, &head, &head_len);
  if (err == LARDER_OK)
    err = lrd_files_entry_new(&entry, lrd_span_of(item->key.data, item->key.len), lrd_span_of(head, head_len), out);
  lrd_dealloc(head);
  return err;
}

static larder_err prep_put(files_tier *tier, const larder_tier_write *item, prep *one, bool sync) {
  const larder_facts *facts = &item->facts;
  if (facts->value_len > LARDER_VALUE_MAX || (facts->framed && facts->raw_len > LARDER_VALUE_MAX)) return LARDER_ETOOBIG;
  larder_err err = entry_make(tier, item, &one->entry);
  /* A file beyond every limit would only be written to be unlinked. */
  bool const hopeless = tier->bytes_max != 0 && facts->value_len > tier->bytes_max;
  if (err == LARDER_OK && !hopeless) err = temporary_write(tier, one, item->value, (size_t)facts->value_len, sync);
  return err;
}

static larder_err prep_item(files_tier *tier, const larder_tier_write *item, prep *one, bool sync) {
  const larder_tier_key *key = &item->key;
  one->space = key->space;
  if (key->len == 0 || key->len > LARDER_KEY_MAX || key->space == 0 || key->space >= LRD_FILES_SPACES_MAX ||
      tier->index.spaces[key->space].name == NULL)
    return LARDER_EINVAL;
  return item->verb == LARDER_TIER_PUT ? prep_put(tier, item, one, sync) : LARDER_OK;
}

/* --- within the transaction
 * ------------------------------------------------------------------------------------------------------ */

static void space_changed(files_tier *tier, uint32_t space) {
  tier->index.spaces[space].changed = atomic_load_explicit(&tier->board->state, memory_order_relaxed) + 1;
}

larder_err lrd_files_remove_entry(files_tier *tier, files_entry *entry) {
  larder_err err = lrd_files_record_short(&tier->txn.frame, FILES_RECORD_REMOVE, entry);
  if (err == LARDER_OK && !files_dead(entry)) err = lrd_files_step_add(tier, FILES_STEP_UNLINK, entry, NULL);
  if (err != LARDER_OK) return err;
  space_changed(tier, entry->space);
  lrd_files_index_remove(&tier->index, entry);
  return LARDER_OK;
}

/* The entry takes the place of whatever is at its hash. Takes it on success. */
static larder_err entry_place(files_tier *tier, files_entry *entry) {
  files_entry *old = lrd_files_find(&tier->index, entry->hash);
  bool const old_file = old != NULL && !files_dead(old);
  bool const same_name = old_file && !files_dead(entry) && files_same_name(old, entry);
  larder_err err = lrd_files_record_entry(&tier->txn.frame, entry);
  if (err == LARDER_OK && !files_dead(entry)) err = lrd_files_step_add(tier, FILES_STEP_PUBLISH, entry, same_name ? old : NULL);
  if (err == LARDER_OK && old_file && !same_name) err = lrd_files_step_add(tier, FILES_STEP_UNLINK, old, NULL);
  if (err == LARDER_OK) err = lrd_files_index_put(&tier->index, entry);
  if (err == LARDER_OK) {
    space_changed(tier, entry->space);
    if (old != NULL && old->space != entry->space) space_changed(tier, old->space);
  }
  return err;
}

larder_err lrd_files_bury(files_tier *tier, uint32_t space, lrd_span key, uint64_t hash, uint64_t stamp) {
  files_entry tombstone = {.hash = hash,
                           .stamp = stamp,
                           .put_stamp = stamp,
                           .created_ms = files_wall_ms(tier),
                           .space = space,
                           .key_len = (uint16_t)key.len,
                           .flags = FILES_TOMBSTONE};
  files_entry *entry = NULL;
  atomic_init(&tombstone.used_ms, tombstone.created_ms);
  larder_err err = lrd_files_entry_new(&tombstone, key, lrd_span_of(NULL, 0), &entry);
  if (err == LARDER_OK) err = entry_place(tier, entry);
  if (err != LARDER_OK) lrd_dealloc(entry);
  return err;
}

static larder_err put(files_tier *tier, larder_tier_write *item, prep *one) {
  files_entry *entry = one->entry;
  lrd_span const key = lrd_span_of(item->key.data, item->key.len);
  if (!one->written) {
    item->result = LARDER_NOT_KEPT;
    return lrd_files_bury(tier, item->key.space, key, item->key.hash, item->facts.stamp);
  }
  larder_err err = entry_place(tier, entry);
  if (err != LARDER_OK) return err;
  one->entry = NULL;
  bool fits = true;
  err = lrd_files_evict_for(tier, item->key.space, &fits);
  if (err != LARDER_OK) return err;
  if (fits) {
    lrd_files_sha_queue(tier, item->key.hash);
    return LARDER_OK;
  }
  /* A tombstone in its place: neither the old value nor one that arrives late comes back. */
  item->result = LARDER_NOT_KEPT;
  return lrd_files_bury(tier, item->key.space, key, item->key.hash, item->facts.stamp);
}

static larder_err touch(files_tier *tier, const larder_tier_write *item, files_entry *entry) {
  LRD_ASSERT(entry != NULL); /* may_change has seen it */
  entry->stamp = item->facts.stamp;
  entry->soft_ms = item->facts.expires_soft_ms;
  entry->hard_ms = item->facts.expires_hard_ms;
  return lrd_files_record_short(&tier->txn.frame, FILES_RECORD_TOUCH, entry);
}

/* Whether the item may change what is stored; else its result is set. */
static bool may_change(larder_tier_write *item, const files_entry *stored, bool same_key) {
  uint64_t const stamp = stored != NULL && same_key ? stored->stamp : 0;
  if (item->verb == LARDER_TIER_TOUCH && !item->existed) {
    item->result = LARDER_MISS;
    return false;
  }
  bool const beaten = item->verb != LARDER_TIER_FORGET && stored != NULL && item->facts.stamp <= stored->stamp;
  if ((item->only_stamp != 0 && item->only_stamp != stamp) || (beaten && same_key)) {
    item->result = LARDER_OLDER;
    item->stored_stamp = stamp;
    return false;
  }
  if (beaten) item->result = LARDER_NOT_KEPT; /* a newer key of the same hash keeps the place */
  return !beaten;
}

/* The outcome of the item goes to item->result; a return other than LARDER_OK ends the transaction. */
static larder_err apply(files_tier *tier, larder_tier_write *item, prep *one) {
  item->result = LARDER_OK;
  item->stored_stamp = 0;
  item->existed = false;
  files_entry *stored = lrd_files_find(&tier->index, item->key.hash);
  bool const same_key = stored != NULL && stored->space == item->key.space && stored->key_len == item->key.len &&
                        memcmp(files_key(stored), item->key.data, item->key.len) == 0;
  item->existed = same_key && !files_dead(stored) && !files_expired(stored->hard_ms, files_wall_ms(tier));
  if (!may_change(item, stored, same_key)) return LARDER_OK;
  switch (item->verb) {
  case LARDER_TIER_PUT:
    return put(tier, item, one);
  case LARDER_TIER_DELETE:
    return lrd_files_bury(tier, item->key.space, lrd_span_of(item->key.data, item->key.len), item->key.hash, item->facts.stamp);
  case LARDER_TIER_TOUCH:
    return touch(tier, item, stored);
  case LARDER_TIER_FORGET:
    /* A tombstone stays: it is what keeps a late, older value from coming back. */
    if (same_key && !files_dead(stored)) return lrd_files_remove_entry(tier, stored);
    break;
  }
  return LARDER_OK;
}

static larder_err transact(files_tier *tier, larder_tier_write *items, prep *preps, size_t count, uint64_t *state_out) {
  larder_err err = lrd_files_turn_begin(tier);
  if (err != LARDER_OK) return err;
  tier->txn.items = items;
  tier->txn.items_len = count;
  for (size_t i = 0; i < count && err == LARDER_OK; i++) err = apply(tier, &items[i], &preps[i]);
  err = lrd_files_turn_finish(tier, err);
  *state_out = atomic_load(&tier->board->state);
  return err;
}

larder_err lrd_files_write(void *self, larder_tier_write *items, size_t count, larder_durability durability) {
  files_tier *tier = lrd_files_tier_of(self);
  if (atomic_load(&tier->away)) return LARDER_EAWAY;
  if (tier->read_only) return LARDER_EACCES;
  if (count == 0) return LARDER_OK;
  prep small = {0};
  prep *preps = count == 1 ? &small : lrd_alloc_zero(count, sizeof small);
  if (preps == NULL) return LARDER_ENOMEM;
  bool const sync = durability == LARDER_DURABILITY_SYNC;
  uint64_t state = 0;
  larder_err err = LARDER_OK;
  for (size_t i = 0; i < count && err == LARDER_OK; i++) err = prep_item(tier, &items[i], &preps[i], sync);
  if (err == LARDER_OK) err = transact(tier, items, preps, count, &state);
  for (size_t i = 0; i < count; i++) {
    bool const kept = err == LARDER_EUNKNOWN || (err == LARDER_OK && preps[i].entry == NULL && items[i].result == LARDER_OK);
    if (!kept) temporary_remove(tier, &preps[i]);
    lrd_dealloc(preps[i].entry);
  }
  if (count != 1) lrd_dealloc(preps);
  if (err == LARDER_OK && !sync && lrd_files_leaves_full(tier)) lrd_ignore(lrd_files_sync_upto(tier, state, true));
  /* Committed but perhaps not on the disk: the caller must not take it for refused. */
  if (err == LARDER_OK && sync && lrd_files_sync_upto(tier, state, false) != LARDER_OK) err = LARDER_EUNKNOWN;
  return err;
}

larder_err lrd_files_adopt(files_tier *tier, larder_tier_write *item, const char *name) {
  prep one = {.space = item->key.space};
  larder_err err = entry_make(tier, item, &one.entry);
  if (err != LARDER_OK) return err;
  /* As if it had just been written: from here on it is a put. */
  lrd_files_temporary(one.entry, one.temporary);
  pthread_rwlock_wrlock(&tier->lock);
  int const fd = lrd_files_space_fd(tier, item->key.space);
  if (fd < 0 || folders_make(fd, one.temporary) != 0 || lrd_fs_rename_at(fd, name, one.temporary, false) != 0)
    err = lrd_err_from_errno(errno);
  pthread_rwlock_unlock(&tier->lock);
  one.written = err == LARDER_OK;
  uint64_t state = 0;
  if (err == LARDER_OK) err = transact(tier, item, &one, 1, &state);
  if (one.written && (err != LARDER_OK || item->result != LARDER_OK) && err != LARDER_EUNKNOWN) {
    pthread_rwlock_wrlock(&tier->lock);
    (void)lrd_fs_rename_at(lrd_files_space_fd(tier, item->key.space), one.temporary, name, false); /* back to where it lay */
    pthread_rwlock_unlock(&tier->lock);
  }
  lrd_dealloc(one.entry);
  return err == LARDER_OK ? item->result : err;
}
