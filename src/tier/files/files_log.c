/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `.files/log`: opening it, reading on from where the index stands, and writing it anew when most of it is history.
 *
 * The board's `state` names the log's generation and how much of it is published; whatever lies behind that is a
 * transaction under way, or one whose writer has died. Compaction writes the next generation beside the log, brings it to
 * the disk with every file it names, and renames it over; readers go on with the old one until they see the new state.
 *
 * A damaged frame costs its records: reading goes on at the next frame whose checksum is right. What they said of a file
 * is then missed as a wrong checksum or a missing file, never as a wrong value.
 */
#include "files_inner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define READ_MAX        (1u << 20)
#define FRAME_BYTES     (1u << 20)
#define REOPEN_TRIES    200
#define REOPEN_PAUSE_NS (100 * 1000)
#define CUT_SPAN_MS     60000 /* before the log's last writing: what a machine that stopped then may not have on its disk */

static larder_err record_apply(files_tier *tier, const files_record *record, uint64_t state) {
  files_index *index = &tier->index;
  const files_entry *facts = &record->facts;
  if (record->type == FILES_RECORD_SPACE) {
    char name[512];
    if (record->key.len >= sizeof name) return LARDER_OK;
    memcpy(name, record->key.data, record->key.len);
    name[record->key.len] = 0;
    return lrd_files_index_space(index, tier->path, facts->space, facts->created_ms, name);
  }
  if (record->type == FILES_RECORD_SYNCED) {
    if (record->synced > tier->log.synced) tier->log.synced = record->synced;
    return LARDER_OK;
  }
  files_entry *old = lrd_files_find(index, facts->hash);
  if (record->type == FILES_RECORD_ENTRY) {
    files_entry *entry = NULL;
    larder_err err = lrd_files_entry_new(facts, record->key, record->head, &entry);
    if (err == LARDER_OK) err = lrd_files_index_put(index, entry);
    if (err != LARDER_OK) {
      lrd_dealloc(entry);
      return err;
    }
    index->spaces[facts->space].changed = state;
    return LARDER_OK;
  }
  if (old == NULL) return LARDER_OK; /* its frame was damaged */
  index->spaces[old->space].changed = state;
  switch (record->type) {
  case FILES_RECORD_REMOVE:
    lrd_files_index_remove(index, old);
    break;
  case FILES_RECORD_TOUCH:
    old->stamp = facts->stamp;
    old->soft_ms = facts->soft_ms;
    old->hard_ms = facts->hard_ms;
    break;
  case FILES_RECORD_ACCESS:
    atomic_store(&old->used_ms, atomic_load(&facts->used_ms));
    atomic_store(&old->uses, atomic_load(&facts->uses));
    break;
  case FILES_RECORD_SHA:
    if (old->put_stamp == facts->put_stamp) lrd_files_index_sha(index, old, facts->sha);
    break;
  case FILES_RECORD_ENTRY:
  case FILES_RECORD_SPACE:
  case FILES_RECORD_SYNCED:
    break;
  }
  return LARDER_OK;
}

static larder_err frame_apply(files_tier *tier, lrd_span payload, uint64_t state) {
  const uint8_t *at = payload.data;
  const uint8_t *end = at + payload.len;
  files_record record;
  for (;;) {
    larder_err err = lrd_files_record_read(&at, end, &record);
    if (err == LARDER_END) return LARDER_OK;
    if (err == LARDER_OK) err = record_apply(tier, &record, state);
    if (err != LARDER_OK) return err;
  }
}

/*
 * Applies the frames of bytes[0, len), which lie at `offset` of the log. *used_out: up to the end of the last whole one. A
 * damaged one is skipped when `skip`, and ends the reading otherwise.
 */
static larder_err frames_apply(files_tier *tier, const uint8_t *bytes, size_t len, uint64_t offset, bool skip,
                               size_t *used_out) {
  size_t at = 0;
  uint64_t hole = 0;
  *used_out = 0;
  while (at < len) {
    lrd_span payload;
    size_t const whole = lrd_files_frame_check(bytes + at, len - at, tier->log.id, offset + at, &payload);
    if (whole == 0) {
      if (!skip) break;
      if (hole == 0) hole = offset + at;
      at += 8;
      continue;
    }
    larder_err const err = frame_apply(tier, payload, files_state(tier->log.generation, offset + at + whole));
    if (err != LARDER_OK && err != LARDER_ECORRUPT) return err;
    if (err == LARDER_ECORRUPT && hole == 0) hole = offset + at;
    if (tier->log_hole == 0) tier->log_hole = hole;
    at += whole;
    *used_out = at;
  }
  if (hole != 0) {
    tier->log_damaged = true;
    lrd_files_log(tier, LRD_LOG_WARN, "files.damaged_log", "%s has damaged frames: what they said is lost", tier->log_path);
  }
  return LARDER_OK;
}

/* Applies [from, to) of the log. *used_out: the end of the last whole frame. */
static larder_err range_apply(files_tier *tier, uint64_t from, uint64_t to, bool skip, uint64_t *used_out) {
  larder_err err = LARDER_OK;
  size_t const len = (size_t)(to - from);
  size_t used = 0;
  *used_out = from;
  if (len == 0) return LARDER_OK;
  if (len <= READ_MAX) {
    uint8_t *bytes = lrd_alloc(len);
    size_t got = 0;
    if (bytes == NULL) return LARDER_ENOMEM;
    if (lrd_fs_read_full(tier->log.fd, bytes, len, (int64_t)from, &got) != 0)
      err = lrd_err_from_errno(errno);
    else
      err = frames_apply(tier, bytes, got, from, skip, &used);
    lrd_dealloc(bytes);
  } else {
    uint8_t *bytes = lrd_fs_map(tier->log.fd, tier->log_path, (size_t)to, false);
    if (bytes == NULL) return lrd_err_from_errno(errno);
    err = frames_apply(tier, bytes + from, len, from, skip, &used);
    lrd_fs_unmap(bytes, (size_t)to);
  }
  *used_out = from + used;
  return err;
}

larder_err lrd_files_log_head(files_tier *tier, int fd, uint64_t *id, uint64_t *generation) {
  uint8_t header[LRD_FILES_LOG_HEADER];
  size_t got = 0;
  uint64_t seed = 0;
  if (lrd_fs_read_full(fd, header, sizeof header, 0, &got) != 0) return lrd_err_from_errno(errno);
  if (got != sizeof header || !lrd_files_header_read(header, &seed, id, generation)) return LARDER_ECORRUPT;
  return seed == tier->seed ? LARDER_OK : LARDER_EFORMAT;
}

/* The log that has the name now. */
static larder_err log_reopen(files_tier *tier) {
  int const fd = lrd_fs_open(tier->log_path, tier->read_only ? O_RDONLY : O_RDWR, 0);
  if (fd < 0) return lrd_err_from_errno(errno);
  files_log log = {.fd = fd};
  larder_err const err = lrd_files_log_head(tier, fd, &log.id, &log.generation);
  if (err != LARDER_OK) {
    lrd_fs_close(fd);
    return err;
  }
  lrd_fs_close(tier->log.fd);
  tier->log = log;
  return LARDER_OK;
}

/* The whole log again, after a compaction or a failure. */
static larder_err reload(files_tier *tier, uint64_t *state) {
  struct timespec const pause = {0, REOPEN_PAUSE_NS};
  for (int tries = 0; tries < REOPEN_TRIES; tries++) {
    larder_err const err = log_reopen(tier);
    if (err != LARDER_OK) return err;
    *state = atomic_load_explicit(&tier->board->state, memory_order_acquire);
    if (files_state_generation(*state) == tier->log.generation) {
      lrd_files_index_clear(&tier->index);
      return LARDER_OK;
    }
    (void)nanosleep(&pause, NULL);
  }
  return LARDER_EBUSY;
}

larder_err lrd_files_catch_up(files_tier *tier) {
  uint64_t state = atomic_load_explicit(&tier->board->state, memory_order_acquire);
  uint64_t const applied = atomic_load_explicit(&tier->applied, memory_order_relaxed);
  if (applied == state) return LARDER_OK;
  uint64_t from = files_state_length(applied);
  uint64_t used = 0;
  bool const anew = applied == UINT64_MAX || files_state_generation(state) != tier->log.generation;
  if (anew) {
    larder_err const err = reload(tier, &state);
    if (err != LARDER_OK) return err;
    from = LRD_FILES_LOG_HEADER;
  }
  atomic_store(&tier->applied, UINT64_MAX);
  larder_err const err = range_apply(tier, from, files_state_length(state), true, &used);
  lrd_files_index_retire(&tier->index);
  if (err != LARDER_OK) return err;
  for (uint32_t i = 1; anew && i < tier->index.spaces_end; i++) tier->index.spaces[i].changed = state;
  tier->foreign = state;
  atomic_store_explicit(&tier->applied, state, memory_order_release);
  return LARDER_OK;
}

larder_err lrd_files_read_lock(files_tier *tier) {
  if (lrd_files_board_outdated(tier)) {
    lrd_files_outdated(tier);
    return LARDER_EAWAY;
  }
  pthread_rwlock_rdlock(&tier->lock);
  if (atomic_load_explicit(&tier->board->state, memory_order_acquire) ==
      atomic_load_explicit(&tier->applied, memory_order_relaxed))
    return LARDER_OK;
  pthread_rwlock_unlock(&tier->lock);
  pthread_rwlock_wrlock(&tier->lock);
  larder_err const err = lrd_files_catch_up(tier);
  pthread_rwlock_unlock(&tier->lock);
  if (err != LARDER_OK) return err;
  /* What was published before this call began is there; what came since need not be. */
  pthread_rwlock_rdlock(&tier->lock);
  if (atomic_load(&tier->applied) != UINT64_MAX) return LARDER_OK;
  pthread_rwlock_unlock(&tier->lock); /* a failed write has just made it void */
  return LARDER_EBUSY;
}

/* --- what a dead writer has left ------------------------------------------------------------------------------------------ */

/* Every file that a retired entry had and none has now goes, when it still holds what the entry said. */
static larder_err retired_redo(files_tier *tier, bool compare) {
  for (files_entry *entry = tier->index.retired; entry != NULL; entry = entry->next) {
    if (files_dead(entry)) continue;
    const files_entry *now = lrd_files_find(&tier->index, entry->hash);
    bool const lives = now != NULL && !files_dead(now);
    if (lives && files_same_name(now, entry)) continue;
    if (compare && lrd_files_file_matches(tier, entry, files_name(entry), false) != LARDER_OK) continue;
    /* What is to be taken back stays. */
    if (compare && lives && !lrd_files_to_be_had(tier, now)) continue;
    larder_err const err = lrd_files_step_redo(tier, &(files_step){.what = FILES_STEP_UNLINK, .entry = entry});
    if (err != LARDER_OK) return err;
  }
  return LARDER_OK;
}

/* What the tail brought into being, by putting it where its name is. */
static larder_err tail_redo(files_tier *tier, const uint8_t *bytes, size_t len) {
  const uint8_t *at = bytes;
  const uint8_t *end = bytes + len;
  files_record record;
  while (lrd_files_record_read(&at, end, &record) == LARDER_OK) {
    const files_entry *entry = lrd_files_brought_by(&tier->index, &record);
    if (entry == NULL) continue;
    larder_err const err =
        lrd_files_step_redo(tier, &(files_step){.what = FILES_STEP_PUBLISH, .entry = entry, .replaces = true});
    if (err != LARDER_OK) return err;
  }
  return LARDER_OK;
}

/* Finishes the transaction that lies behind the published part, if it was written whole. */
static larder_err tail_finish(files_tier *tier) {
  uint64_t const state = atomic_load(&tier->board->state);
  uint64_t const from = files_state_length(state);
  struct stat facts;
  if (fstat(tier->log.fd, &facts) != 0) return lrd_err_from_errno(errno);
  size_t const len = (uint64_t)facts.st_size > from ? (size_t)((uint64_t)facts.st_size - from) : 0;
  uint8_t *bytes = len == 0 ? NULL : lrd_alloc(len);
  size_t got = 0;
  lrd_span payload = {0};
  if (len != 0 && bytes == NULL) return LARDER_ENOMEM;
  larder_err err = LARDER_OK;
  if (len != 0 && lrd_fs_read_full(tier->log.fd, bytes, len, (int64_t)from, &got) != 0) err = lrd_err_from_errno(errno);
  size_t const whole = err == LARDER_OK && got != 0 ? lrd_files_frame_check(bytes, got, tier->log.id, from, &payload) : 0;
  if (whole != 0) {
    atomic_store(&tier->applied, UINT64_MAX);
    err = frame_apply(tier, payload, files_state(tier->log.generation, from + whole));
    if (err == LARDER_OK) err = tail_redo(tier, payload.data, payload.len);
    if (err == LARDER_OK) err = retired_redo(tier, false);
    if (err == LARDER_OK) {
      uint64_t const now = files_state(tier->log.generation, from + whole);
      atomic_store(&tier->board->state, now);
      atomic_store(&tier->applied, now);
      tier->foreign = now;
    }
    lrd_files_index_retire(&tier->index);
  }
  lrd_dealloc(bytes);
  return err;
}

larder_err lrd_files_recover(files_tier *tier) {
  uint64_t const state = atomic_load(&tier->board->state);
  larder_err err = log_reopen(tier);
  if (err != LARDER_OK) return err;
  if (tier->log.generation > files_state_generation(state)) {
    /* Its compactor died between renaming the new log and saying so: it is whole, and on the disk. */
    struct stat facts;
    if (fstat(tier->log.fd, &facts) != 0) return lrd_err_from_errno(errno);
    atomic_store(&tier->board->state, files_state(tier->log.generation, (uint64_t)facts.st_size));
    atomic_store(&tier->applied, UINT64_MAX);
  }
  err = lrd_files_catch_up(tier);
  if (err == LARDER_OK) err = tail_finish(tier);
  if (err == LARDER_OK) {
    atomic_store(&tier->board->open, 0);
    lrd_files_log(tier, LRD_LOG_INFO, "files.finished", "a writer of %s had died; its last change was finished or undone",
                  tier->path);
  }
  return err;
}

/* --- opening -------------------------------------------------------------------------------------------------------------- */

static larder_err log_create(files_tier *tier, larder_error *err) {
  uint8_t header[LRD_FILES_LOG_HEADER];
  uint64_t id = 0;
  if (lrd_random(&id, sizeof id) != 0) return lrd_fail(err, LARDER_EIO, errno, "files", "the kernel gave no random bytes");
  lrd_files_header_make(header, tier->seed, id, 1);
  if (lrd_fs_publish(tier->log_path, header, sizeof header, 0600, true) != 0)
    return lrd_fail(err, lrd_err_from_errno(errno), errno, "files", "cannot make %s", tier->log_path);
  atomic_store(&tier->board->state, 0);
  tier->log_made = true;
  return LARDER_OK;
}

/* A log whose header is damaged is moved away: its files stay, and are adopted by validate. */
static larder_err log_replace(files_tier *tier, larder_error *err) {
  lrd_buf to = {0};
  larder_err code = lrd_buf_printf(&to, "%sfiles-log-%016llx", tier->quarantine, (unsigned long long)files_wall_ms(tier));
  if (code == LARDER_OK) code = lrd_buf_terminate(&to);
  if (code == LARDER_OK && (lrd_fs_mkdirs(tier->quarantine, 0700) != 0 || lrd_fs_rename(tier->log_path, (char *)to.data) != 0))
    code = lrd_err_from_errno(errno);
  if (code == LARDER_OK)
    lrd_files_log(tier, LRD_LOG_ERROR, "files.quarantined", "%s is damaged and was moved to %s; validate adopts the files",
                  tier->log_path, (char *)to.data);
  lrd_buf_fini(&to);
  return code == LARDER_OK ? log_create(tier, err) : lrd_fail(err, code, errno, "files", "cannot move %s away", tier->log_path);
}

/*
 * Nobody else has the tier open and nobody died in a transaction: the log counts up to its last whole frame, whatever the
 * board says. Where it is not what a living board or an orderly close has seen last, the machine has stopped in between, and
 * files that were unlinked may be there again. What it says behind its last mark may then be untrue, and holes there are what
 * did not reach the disk; a hole before the mark is damage.
 */
static larder_err log_whole(files_tier *tier) {
  struct stat facts;
  uint64_t used = 0;
  if (fstat(tier->log.fd, &facts) != 0) return lrd_err_from_errno(errno);
  uint64_t const len = (uint64_t)facts.st_size;
  larder_err err = range_apply(tier, LRD_FILES_LOG_HEADER, len, true, &used);
  uint64_t const state = files_state(tier->log.generation, used);
  bool const orderly = atomic_load(&tier->board->clean) == state || atomic_load(&tier->board->state) == state;
  bool const cut = !orderly && (tier->log_hole == 0 || tier->log_hole >= tier->log.synced) &&
                   atomic_load(&tier->board->state) == 0 && !tier->log_made;
  if (cut && !tier->read_only) {
    int64_t const span_ms = CUT_SPAN_MS + 2 * (int64_t)tier->options.sync_ms;
    atomic_store(&tier->board->cut_from_ms, (int64_t)facts.st_mtim.tv_sec * 1000 - span_ms);
    atomic_store(&tier->board->cut_ms, lrd_wall_ms(lrd_clock_real()) - lrd_boot_ns(lrd_clock_real()) / 1000000);
    atomic_store(&tier->board->cut, FILES_CUT);
  }
  if (err == LARDER_OK && !orderly && !tier->read_only) err = retired_redo(tier, true);
  lrd_files_index_retire(&tier->index);
  if (err != LARDER_OK) return err;
  if (!orderly) atomic_store(&tier->board->synced, 0);
  tier->foreign = state; /* whoever wrote it may have died before it was on the disk */
  atomic_store(&tier->board->state, state);
  atomic_store(&tier->applied, state);
  return LARDER_OK;
}

larder_err lrd_files_log_open(files_tier *tier, larder_error *err) {
  struct stat facts;
  larder_err code = LARDER_OK;
  if (lrd_fs_stat(tier->log_path, &facts) != 0) {
    if (errno != ENOENT) return lrd_fail(err, lrd_err_from_errno(errno), errno, "files", "cannot look at %s", tier->log_path);
    if (tier->read_only) {
      atomic_store(&tier->applied, atomic_load(&tier->board->state));
      return LARDER_OK;
    }
    code = log_create(tier, err);
    if (code != LARDER_OK) return code;
  }
  code = log_reopen(tier);
  if (code == LARDER_ECORRUPT && tier->first) {
    code = log_replace(tier, err);
    if (code != LARDER_OK) return code;
    code = log_reopen(tier);
  }
  if (code == LARDER_EFORMAT)
    return lrd_fail(err, code, 0, "files", "%s was written for a root with another seed", tier->log_path);
  bool const whole = tier->board_private || (tier->first && atomic_load(&tier->board->open) == 0);
  if (code == LARDER_OK && whole) code = log_whole(tier);
  if (code == LARDER_OK && !whole) {
    atomic_store(&tier->applied, UINT64_MAX);
    code = atomic_load(&tier->board->open) != 0 ? LARDER_OK : lrd_files_catch_up(tier);
  }
  if (code != LARDER_OK) return lrd_fail(err, code, errno, "files", "cannot read %s", tier->log_path);
  return LARDER_OK;
}

/* --- compaction ------------------------------------------------------------------------------------------------------------
 */

typedef struct rewriting {
  files_tier *tier;
  const char *path;
  lrd_buf frame;
  int fd;
  uint64_t id;
  uint64_t offset;
} rewriting;

static larder_err rewriting_flush(rewriting *r) {
  larder_err err = lrd_files_frame_end(&r->frame, r->id, r->offset);
  if (err != LARDER_OK) return err;
  if (lrd_fs_write_full(r->fd, r->path, r->frame.data, r->frame.len, (int64_t)r->offset) != 0) return lrd_err_from_errno(errno);
  r->offset += r->frame.len;
  return lrd_files_frame_begin(&r->frame);
}

static larder_err rewrite(rewriting *r) {
  files_index *index = &r->tier->index;
  larder_err err = lrd_files_frame_begin(&r->frame);
  for (uint32_t i = 1; i < index->spaces_end && err == LARDER_OK; i++)
    if (index->spaces[i].name != NULL)
      err = lrd_files_record_space(&r->frame, i, index->spaces[i].created_ms, index->spaces[i].name);
  for (size_t b = 0; b < (size_t)1 << index->bits && err == LARDER_OK; b++) {
    for (files_entry *entry = index->buckets[b]; entry != NULL && err == LARDER_OK; entry = entry->next)
      err = lrd_files_record_entry(&r->frame, entry);
    if (err == LARDER_OK && r->frame.len >= FRAME_BYTES) err = rewriting_flush(r);
  }
  if (err == LARDER_OK) err = lrd_files_record_synced(&r->frame, r->offset);
  if (err == LARDER_OK) err = rewriting_flush(r);
  if (err == LARDER_OK && lrd_fs_sync(r->fd, r->path) != 0) err = lrd_err_from_errno(errno);
  return err;
}

static larder_err new_log_write(files_tier *tier, const char *path, files_log *log, uint64_t *len_out) {
  uint8_t header[LRD_FILES_LOG_HEADER];
  rewriting r = {.tier = tier, .path = path, .offset = LRD_FILES_LOG_HEADER};
  log->generation = tier->log.generation + 1;
  if (lrd_random(&log->id, sizeof log->id) != 0) return LARDER_EIO;
  lrd_files_header_make(header, tier->seed, log->id, log->generation);
  log->fd = lrd_fs_open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
  if (log->fd < 0) return lrd_err_from_errno(errno);
  r.fd = log->fd;
  r.id = log->id;
  larder_err err = lrd_fs_write_full(r.fd, path, header, sizeof header, 0) == 0 ? LARDER_OK : lrd_err_from_errno(errno);
  if (err == LARDER_OK) err = rewrite(&r);
  lrd_buf_fini(&r.frame);
  *len_out = r.offset;
  return err;
}

larder_err lrd_files_compact(files_tier *tier) {
  files_log log = {.fd = -1};
  uint64_t len = 0;
  char *path = lrd_path_join(tier->control, "log.new");
  if (path == NULL) return LARDER_ENOMEM;
  larder_err err = new_log_write(tier, path, &log, &len);
  if (err == LARDER_OK) {
    atomic_store(&tier->board->open, 1);
    if (lrd_fs_rename(path, tier->log_path) != 0) {
      err = lrd_err_from_errno(errno);
      atomic_store(&tier->board->open, 0);
    }
  }
  if (err != LARDER_OK) {
    lrd_fs_close(log.fd);
    (void)lrd_fs_unlink(path);
    lrd_dealloc(path);
    return err;
  }
  (void)lrd_fs_sync_dir(tier->control); /* lost, the old log is there, which says the same */
  uint64_t const state = files_state(log.generation, len);
  lrd_fs_close(tier->log.fd);
  tier->log = log;
  tier->log_damaged = false;
  for (uint32_t i = 1; i < tier->index.spaces_end; i++) tier->index.spaces[i].changed = state;
  atomic_store(&tier->applied, state);
  atomic_store(&tier->board->state, state);
  /* Not marked as synced: what was committed since the caller's sync waits for the next one, as always. */
  atomic_store(&tier->board->open, 0);
  lrd_dealloc(path);
  return LARDER_OK;
}
