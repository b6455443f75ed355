/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One transaction: the turn, a frame, steps, publication.
 *
 *   temporary files written      before the turn, outside of it
 *   turn, index up to date       a dead writer's transaction is finished first
 *   index changed                by the caller, with records in the frame and steps for the files
 *   board->open                  from here on who dies is finished by the next
 *   frame appended               the moment the change is decided
 *   steps                        new file and old trade names; what was removed is unlinked
 *   board->state                 the moment it is seen
 *
 * A step that fails undoes those before it and cuts the frame off again; the index is read anew. What can't be undone is
 * left open and told as LARDER_EUNKNOWN: the next turn finishes it.
 */
#include "files_inner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define FRAME_HEAD 16u

larder_err lrd_files_turn_begin(files_tier *tier) {
  if (atomic_load(&tier->away)) return LARDER_EAWAY;
  if (tier->read_only) return LARDER_EACCES;
  lrd_lock(&tier->turn);
  larder_err err = lrd_files_board_lock(tier);
  if (err != LARDER_OK) {
    lrd_unlock(&tier->turn);
    return err;
  }
  pthread_rwlock_wrlock(&tier->lock);
  files_txn *txn = &tier->txn;
  txn->steps_len = txn->taken_len = txn->refused_len = txn->items_len = 0;
  txn->items = NULL;
  err = atomic_load(&tier->board->open) != 0 ? lrd_files_recover(tier) : LARDER_OK;
  if (err == LARDER_OK) err = lrd_files_catch_up(tier);
  if (err == LARDER_OK) err = lrd_files_frame_begin(&txn->frame);
  if (err != LARDER_OK) {
    pthread_rwlock_unlock(&tier->lock);
    lrd_files_board_unlock(tier);
    lrd_unlock(&tier->turn);
  }
  return err;
}

larder_err lrd_files_step_add(files_tier *tier, int what, const files_entry *entry, const files_entry *old) {
  files_txn *txn = &tier->txn;
  if (txn->steps_len == txn->steps_cap) {
    size_t const cap = txn->steps_cap == 0 ? 16 : txn->steps_cap * 2;
    files_step *more = lrd_realloc(txn->steps, cap * sizeof *more);
    if (more == NULL) return LARDER_ENOMEM;
    txn->steps = more;
    txn->steps_cap = cap;
  }
  txn->steps[txn->steps_len++] = (files_step){.what = what,
                                              .entry = entry,
                                              .replaces = old != NULL,
                                              .old_meta = old != NULL && old->head_len != 0,
                                              .old_bytes = old == NULL ? 0 : old->value_len};
  return LARDER_OK;
}

larder_err lrd_files_taken_add(files_tier *tier, files_taken taken) {
  files_txn *txn = &tier->txn;
  if (txn->taken_len == txn->taken_cap) {
    size_t const cap = txn->taken_cap == 0 ? 16 : txn->taken_cap * 2;
    files_taken *more = lrd_realloc(txn->taken, cap * sizeof *more);
    if (more == NULL) return LARDER_ENOMEM;
    txn->taken = more;
    txn->taken_cap = cap;
  }
  txn->taken[txn->taken_len++] = taken;
  return LARDER_OK;
}

/* The folder of a space, made when it is missing. Under the index lock exclusively. */
int lrd_files_space_fd(files_tier *tier, uint32_t space) {
  files_space *at = &tier->index.spaces[space];
  if (at->fd >= 0 || at->folder == NULL) return at->fd;
  at->fd = lrd_fs_open(at->folder, O_RDONLY | O_DIRECTORY, 0);
  if (at->fd < 0 && errno == ENOENT && !tier->read_only && lrd_fs_mkdirs(at->folder, 0700) == 0)
    at->fd = lrd_fs_open(at->folder, O_RDONLY | O_DIRECTORY, 0);
  return at->fd;
}

static int unlink_quietly(int fd, const char *name) {
  if (lrd_fs_unlink_at(fd, name) == 0 || errno == ENOENT || errno == ENOTDIR) return 0;
  /* A folder of that name, or a file that may not go: no entry's, whatever it is. */
  return errno == EISDIR || errno == EPERM ? 0 : -1;
}

static larder_err publish(files_tier *tier, files_step *step) {
  char temporary[LRD_FILES_NAME_MAX];
  const char *name = files_name(step->entry);
  int const fd = lrd_files_space_fd(tier, step->entry->space);
  if (fd < 0) return lrd_err_from_errno(errno);
  lrd_files_temporary(step->entry, temporary);
  /* Trading names is far cheaper than renaming over, for which ext4 writes the new file out first. */
  step->traded = step->replaces && lrd_fs_rename_at(fd, temporary, name, true) == 0;
  if (!step->traded && step->replaces && errno != ENOENT && errno != EINVAL && errno != ENOSYS)
    return lrd_err_from_errno(errno);
  if (!step->traded && lrd_fs_rename_at(fd, temporary, name, false) != 0) return lrd_err_from_errno(errno);
  step->done = true;
  return LARDER_OK;
}

static larder_err unlink_step(files_tier *tier, files_step *step) {
  int const fd = lrd_files_space_fd(tier, step->entry->space);
  if (fd < 0) return lrd_err_from_errno(errno);
  if (unlink_quietly(fd, files_name(step->entry)) != 0) return lrd_err_from_errno(errno);
  lrd_files_remove_meta(tier, step->entry);
  step->done = true;
  return LARDER_OK;
}

/* Back to what was, from the last done to the first; false when something can't be. */
static bool steps_undo(files_tier *tier) {
  files_txn *txn = &tier->txn;
  for (size_t i = txn->steps_len; i-- > 0;) {
    files_step *step = &txn->steps[i];
    if (!step->done) continue;
    if (step->what == FILES_STEP_UNLINK) return false;
    char temporary[LRD_FILES_NAME_MAX];
    lrd_files_temporary(step->entry, temporary);
    int const fd = lrd_files_space_fd(tier, step->entry->space);
    if (fd < 0) return false;
    int const rc = step->traded ? lrd_fs_rename_at(fd, temporary, files_name(step->entry), true)
                                : lrd_fs_rename_at(fd, files_name(step->entry), temporary, false);
    if (rc != 0) return false;
    step->done = false;
  }
  return true;
}

/* Unlinking can't be undone: what is published comes first. */
static larder_err steps_do(files_tier *tier) {
  files_txn *txn = &tier->txn;
  larder_err err = LARDER_OK;
  for (int what = FILES_STEP_PUBLISH; what <= FILES_STEP_UNLINK; what++)
    for (size_t i = 0; i < txn->steps_len && err == LARDER_OK; i++) {
      files_step *step = &txn->steps[i];
      if ((int)step->what != what) continue;
      err = what == FILES_STEP_PUBLISH ? publish(tier, step) : unlink_step(tier, step);
    }
  return err;
}

/* Where the next transaction finds something newly on the disk, it says so: a power cut can't have touched that. */
static larder_err mark_synced(files_tier *tier) {
  uint64_t const synced = atomic_load(&tier->board->synced);
  uint64_t const length = files_state_length(synced);
  if (files_state_generation(synced) != tier->log.generation || length <= tier->log.synced) return LARDER_OK;
  tier->log.synced = length;
  return lrd_files_record_synced(&tier->txn.frame, length);
}

/* Before the first change after an orderly close: a power cut must not find the board saying that all was in order. */
static larder_err mark_unclean(files_tier *tier) {
  if (atomic_load_explicit(&tier->board->clean, memory_order_relaxed) == 0) return LARDER_OK;
  atomic_store(&tier->board->clean, 0);
  return lrd_fs_sync(tier->board_fd, tier->board_path) == 0 ? LARDER_OK : lrd_err_from_errno(errno);
}

static larder_err commit(files_tier *tier) {
  files_txn *txn = &tier->txn;
  files_board *board = tier->board;
  uint64_t const before = atomic_load(&board->state);
  uint64_t const offset = files_state_length(before);
  larder_err err = mark_unclean(tier);
  if (err == LARDER_OK) err = mark_synced(tier);
  if (err == LARDER_OK) err = lrd_files_frame_end(&txn->frame, tier->log.id, offset);
  if (err != LARDER_OK) return err;
  atomic_store(&board->open, 1);
  if (lrd_fs_write_full(tier->log.fd, tier->log_path, txn->frame.data, txn->frame.len, (int64_t)offset) != 0)
    err = lrd_err_from_errno(errno);
  bool undone = true;
  if (err == LARDER_OK) {
    err = steps_do(tier);
    if (err != LARDER_OK) undone = steps_undo(tier);
  }
  /* A frame that stays whole behind the published part would be finished by whoever comes next. */
  if (err != LARDER_OK && undone) undone = lrd_fs_truncate(tier->log.fd, tier->log_path, (int64_t)offset) == 0;
  if (err != LARDER_OK && !undone) return LARDER_EUNKNOWN;
  if (err == LARDER_OK) {
    uint64_t const now = files_state(tier->log.generation, offset + txn->frame.len);
    atomic_store_explicit(&tier->applied, now, memory_order_release);
    atomic_store_explicit(&board->state, now, memory_order_release);
  }
  atomic_store_explicit(&board->open, 0, memory_order_release);
  return err;
}

/* The old file, under the temporary name now, goes: later, once the new one is on the disk, or at once. */
static void old_files_leave(files_tier *tier, uint64_t state) {
  files_txn *txn = &tier->txn;
  for (size_t i = 0; i < txn->steps_len; i++) {
    const files_step *step = &txn->steps[i];
    if (step->what != FILES_STEP_PUBLISH) continue;
    lrd_files_publish_meta(tier, step->entry, step->old_meta);
    lrd_files_fresh(tier, step->entry);
    if (!step->traded) continue;
    char temporary[LRD_FILES_NAME_MAX];
    lrd_files_temporary(step->entry, temporary);
    if (lrd_files_leave(tier, step->entry->space, temporary, step->old_bytes, state)) continue;
    (void)lrd_fs_unlink_at(lrd_files_space_fd(tier, step->entry->space), temporary);
  }
}

static void settle(files_tier *tier, files_taken *taken, size_t taken_len, bool committed) {
  for (size_t i = 0; i < taken_len; i++) {
    if (taken[i].owned && tier->host.slot_release != NULL) tier->host.slot_release(tier->host.context, taken[i].hash);
    if (committed && taken[i].evicted && tier->host.evicted != NULL)
      tier->host.evicted(tier->host.context, taken[i].space, taken[i].reason, 1, taken[i].bytes);
    if (committed && taken[i].evicted && tier->host.gone != NULL)
      tier->host.gone(tier->host.context, taken[i].hash, taken[i].reason);
  }
  lrd_dealloc(taken);
}

larder_err lrd_files_turn_finish(files_tier *tier, larder_err err) {
  files_txn *txn = &tier->txn;
  bool const empty = txn->frame.len <= FRAME_HEAD;
  if (err == LARDER_OK && !empty) err = commit(tier);
  if (err != LARDER_OK && (!empty || tier->index.retired != NULL)) atomic_store(&tier->applied, UINT64_MAX);
  if (err == LARDER_OK && !empty) old_files_leave(tier, atomic_load(&tier->applied));
  lrd_files_index_retire(&tier->index);
  pthread_rwlock_unlock(&tier->lock);
  files_taken *taken = txn->taken;
  size_t const taken_len = txn->taken_len;
  txn->taken = NULL;
  txn->taken_len = txn->taken_cap = 0;
  lrd_files_board_unlock(tier);
  lrd_unlock(&tier->turn);
  settle(tier, taken, taken_len, err == LARDER_OK);
  return err;
}

/* --- files that are not what the log says -----------------------------------------------------------------------------------
 */

static larder_err sum_matches(const files_entry *entry, const void *bytes, bool sha) {
  lrd_sum const sum = lrd_sum128(bytes, (size_t)entry->value_len);
  if (sum.low != entry->sum.low || sum.high != entry->sum.high) return LARDER_ECORRUPT;
  if (!sha || !(entry->flags & FILES_SHA_KNOWN)) return LARDER_OK;
  uint8_t digest[LRD_SHA256_LEN];
  lrd_sha256_of(bytes, (size_t)entry->value_len, digest);
  return memcmp(digest, entry->sha, sizeof digest) == 0 ? LARDER_OK : LARDER_ECORRUPT;
}

larder_err lrd_files_file_matches(files_tier *tier, const files_entry *entry, const char *name, bool sha) {
  int const folder = lrd_files_space_fd(tier, entry->space);
  int const fd = folder < 0 ? -1 : lrd_fs_open_at(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
  if (fd < 0) return errno == ENOENT ? LARDER_MISS : errno == ELOOP ? LARDER_ECORRUPT : lrd_err_from_errno(errno);
  struct stat facts;
  larder_err err = LARDER_OK;
  if (fstat(fd, &facts) != 0)
    err = lrd_err_from_errno(errno);
  else if (!S_ISREG(facts.st_mode) || (uint64_t)facts.st_size != entry->value_len)
    err = LARDER_ECORRUPT;
  if (err == LARDER_OK) {
    size_t got = 0;
    uint8_t *bytes = lrd_alloc((size_t)entry->value_len + 1);
    if (bytes == NULL)
      err = LARDER_ENOMEM;
    else if (lrd_fs_read_full(fd, bytes, (size_t)entry->value_len, 0, &got) != 0)
      err = lrd_err_from_errno(errno);
    else
      err = got == entry->value_len ? sum_matches(entry, bytes, sha) : LARDER_ECORRUPT;
    lrd_dealloc(bytes);
  }
  lrd_fs_close(fd);
  return err;
}

larder_err lrd_files_step_redo(files_tier *tier, const files_step *step) {
  char temporary[LRD_FILES_NAME_MAX];
  int const fd = lrd_files_space_fd(tier, step->entry->space);
  if (fd < 0) return lrd_err_from_errno(errno);
  lrd_files_temporary(step->entry, temporary);
  if (step->what == FILES_STEP_UNLINK) {
    lrd_files_remove_meta(tier, step->entry);
    return unlink_quietly(fd, files_name(step->entry)) == 0 && unlink_quietly(fd, temporary) == 0 ? LARDER_OK
                                                                                                  : lrd_err_from_errno(errno);
  }
  if (lrd_files_file_matches(tier, step->entry, files_name(step->entry), false) == LARDER_OK) {
    (void)unlink_quietly(fd, temporary);
  } else if (lrd_files_file_matches(tier, step->entry, temporary, false) == LARDER_OK &&
             lrd_fs_rename_at(fd, temporary, files_name(step->entry), false) != 0) {
    return lrd_err_from_errno(errno);
  }
  lrd_files_publish_meta(tier, step->entry, true);
  return LARDER_OK;
}
