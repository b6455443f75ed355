/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bringing to the disk what was committed.
 *
 * A `sync` write has its file on the disk before it is published; then it waits until the folder and the log are, which one
 * flush does for all who wait. What `commit` writes published is followed every sync_ms: a few files one by one, many, or
 * those of other processes, by one syncfs. Until then the file that each of them replaced stays under its temporary name,
 * so that a power cut finds the one or the other.
 */
#include "files_inner.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define LOOK_NS   (1000ll * 1000000)
#define LATE_NS   (10000ll * 1000000)
#define SHA_BYTES (32u << 20) /* of files read for their SHA-256 in one tick */
#define SHA_IDLE  20u         /* ticks after which what another process has left undone is done */
#define LOG_SLACK (1u << 20)

bool lrd_files_leave(files_tier *tier, uint32_t space, const char *name, uint64_t bytes, uint64_t state) {
  lrd_lock(&tier->leaving);
  bool waits = tier->leaves.bytes <= LRD_FILES_LEAVES_BYTES; /* the one that goes beyond waits, too */
  char *path = waits ? lrd_path_join(tier->index.spaces[space].folder, name) : NULL;
  files_leave const old = {path, bytes, state, space};
  waits = path != NULL && lrd_files_leaves_push(&tier->leaves, &old, LRD_FILES_LEAVES_MAX);
  lrd_unlock(&tier->leaving);
  if (!waits) lrd_dealloc(path);
  return waits;
}

bool lrd_files_leaves_full(files_tier *tier) {
  lrd_lock(&tier->leaving);
  bool const full = tier->leaves.bytes > LRD_FILES_LEAVES_BYTES || tier->leaves.len > LRD_FILES_LEAVES_MAX / 2;
  lrd_unlock(&tier->leaving);
  return full;
}

/* What is to be unlinked: slow where files are large or the disk is busy, so it is the ticker's, who comes earlier when there
 * is much. */
static void asides_soon(files_tier *tier) {
  lrd_lock(&tier->leaving);
  bool const much = tier->asides.bytes > LRD_FILES_LEAVES_BYTES / 4 || tier->asides.len > LRD_FILES_LEAVES_MAX / 4;
  lrd_unlock(&tier->leaving);
  if (much && tier->ticker != NULL) lrd_ticker_wake(tier->ticker);
}

/* Under `syncing`. No turn waits meanwhile: the files are taken off the list first. */
static void successors_synced(files_tier *tier, uint64_t synced) {
  files_leaves *leaves = &tier->leaves;
  files_leave some[64];
  for (size_t taken = sizeof some / sizeof *some; taken == sizeof some / sizeof *some;) {
    lrd_lock(&tier->leaving);
    taken = 0;
    while (taken < sizeof some / sizeof *some && taken < leaves->len && leaves->list[taken].state <= synced) {
      some[taken] = leaves->list[taken];
      leaves->bytes -= some[taken++].bytes;
    }
    leaves->len -= taken;
    if (taken != 0) memmove(leaves->list, leaves->list + taken, leaves->len * sizeof *leaves->list);
    lrd_unlock(&tier->leaving);
    for (size_t i = 0; i < taken; i++) {
      lrd_files_set_aside(tier, &some[i]);
      lrd_dealloc(some[i].path);
    }
  }
}

/* Under the turn: a file was published and is perhaps not on the disk. */
void lrd_files_fresh(files_tier *tier, const files_entry *entry) {
  lrd_lock(&tier->leaving);
  char *path = NULL;
  if (!tier->fresh_lost && tier->fresh_len < LRD_FILES_FRESH_MAX)
    path = lrd_path_join(tier->index.spaces[entry->space].folder, files_name(entry));
  if (path != NULL)
    tier->fresh[tier->fresh_len++] = path;
  else
    tier->fresh_lost = true;
  lrd_unlock(&tier->leaving);
}

/* A file and the folders above it, any of which may be new; one that is gone by now needs no sync. */
static int file_sync(const files_tier *tier, char *path) {
  int const fd = lrd_fs_open(path, O_RDONLY | O_NOFOLLOW, 0);
  if (fd < 0) return errno == ENOENT ? 0 : -1;
  int rc = lrd_fs_sync(fd, path);
  lrd_fs_close(fd);
  size_t const least = strlen(tier->path);
  for (char *slash = strrchr(path, '/'); rc == 0 && (size_t)(slash - path) >= least; slash = strrchr(path, '/')) {
    *slash = 0;
    rc = lrd_fs_sync_dir(path);
    if (rc != 0 && errno == ENOENT) rc = 0;
  }
  return rc;
}

/* What this process has published since the last time: taken over by the caller. */
static size_t fresh_take(files_tier *tier, char **out, bool *lost) {
  lrd_lock(&tier->leaving);
  size_t const len = tier->fresh_len;
  memcpy(out, tier->fresh, len * sizeof *out);
  *lost = tier->fresh_lost;
  tier->fresh_len = 0;
  tier->fresh_lost = false;
  lrd_unlock(&tier->leaving);
  return len;
}

/* A sync that failed has to be repeated, as a whole. */
static void fresh_failed(files_tier *tier) {
  lrd_lock(&tier->leaving);
  tier->fresh_lost = true;
  lrd_unlock(&tier->leaving);
}

static void raise_to(_Atomic uint64_t *word, uint64_t value) {
  uint64_t seen = atomic_load(word);
  while (seen < value && !atomic_compare_exchange_weak(word, &seen, value)) continue;
}

/* The log up to `state`, through the descriptor of whoever has it. */
static larder_err log_sync(files_tier *tier) {
  pthread_rwlock_rdlock(&tier->lock);
  int const fd = tier->log.fd < 0 ? -1 : fcntl(tier->log.fd, F_DUPFD_CLOEXEC, 0);
  pthread_rwlock_unlock(&tier->lock);
  if (fd < 0) return lrd_err_from_errno(errno);
  larder_err const err = lrd_fs_sync(fd, tier->log_path) == 0 ? LARDER_OK : lrd_err_from_errno(errno);
  lrd_fs_close(fd);
  return err;
}

/*
 * Returns when the log up to `state` is on the disk and, with `everything`, the files that it names. Without it only the
 * folders: the caller's own files are there already, and `synced` stays where it is.
 */
larder_err lrd_files_sync_upto(files_tier *tier, uint64_t state, bool everything) {
  files_board *board = tier->board;
  _Atomic uint64_t *mark = everything ? &board->synced : &tier->flushed;
  larder_err err = LARDER_OK;
  lrd_lock(&tier->syncing);
  if (atomic_load(mark) < state) {
    char *fresh[LRD_FILES_FRESH_MAX];
    bool lost = false;
    uint64_t const before = atomic_load(&board->synced);
    pthread_rwlock_rdlock(&tier->lock);
    uint64_t const now = atomic_load(&board->state); /* all of it is done to the files, since the turn publishes last */
    uint64_t const applied = atomic_load(&tier->applied);
    uint64_t const foreign = tier->foreign;
    pthread_rwlock_unlock(&tier->lock);
    size_t const len = fresh_take(tier, fresh, &lost);
    bool const others = everything && (applied != now || foreign > before);
    bool const whole = lost || others;
    if (whole && lrd_fs_sync_all(tier->folder_fd, tier->path) != 0) err = lrd_err_from_errno(errno);
    for (size_t i = 0; i < len; i++) {
      if (!whole && err == LARDER_OK && file_sync(tier, fresh[i]) != 0) err = lrd_err_from_errno(errno);
      lrd_dealloc(fresh[i]);
    }
    if (err == LARDER_OK) err = log_sync(tier);
    if (err == LARDER_OK) {
      successors_synced(tier, now); /* first, since who sees the mark goes on */
      raise_to(&tier->flushed, now);
      /* Files of others that this process has not heard of yet are not on the disk for that. */
      bool const ours = applied == now && foreign <= before;
      if (whole || everything || ours) raise_to(&board->synced, now);
    } else {
      fresh_failed(tier);
    }
  }
  successors_synced(tier, atomic_load(&board->synced)); /* also what somebody else has brought to the disk */
  lrd_unlock(&tier->syncing);
  asides_soon(tier);
  return err;
}

larder_err lrd_files_flush(void *self) {
  files_tier *tier = lrd_files_tier_of(self);
  if (atomic_load(&tier->away)) return LARDER_EAWAY;
  if (tier->read_only) return LARDER_OK;
  larder_err err = lrd_files_access_flush(tier);
  if (err == LARDER_OK) err = lrd_files_sha_all(tier);
  if (err == LARDER_OK) err = lrd_files_views(tier, true);
  larder_err const synced = lrd_files_sync_upto(tier, atomic_load(&tier->board->state), true);
  (void)lrd_files_asides_end(tier, INT64_MAX);
  lrd_files_spares_drop(tier);
  return err == LARDER_OK ? synced : err;
}

/* Whether the folder of the tier, or what processes share about it, is another one than was opened. */
static bool replaced(const files_tier *tier) {
  struct stat now;
  if (lrd_fs_stat(tier->board_path, &now) != 0) return errno == ENOENT;
  return now.st_ino != tier->board_ino;
}

/* Whether the log's head is no longer ours: who opens the tier next could not read what is written to it. */
static bool log_spoilt(files_tier *tier) {
  uint64_t id = 0, generation = 0;
  pthread_rwlock_rdlock(&tier->lock);
  larder_err const err = lrd_files_log_head(tier, tier->log.fd, &id, &generation);
  bool const other = id != tier->log.id || generation != tier->log.generation;
  pthread_rwlock_unlock(&tier->lock);
  return err == LARDER_OK ? other : err == LARDER_ECORRUPT || err == LARDER_EFORMAT;
}

static void damaged_remove(files_tier *tier) {
  for (size_t i = 0; i < LRD_FILES_DAMAGED_MAX; i++) {
    uint64_t const hash = atomic_load(&tier->damaged[i]);
    bool removed = false;
    if (hash == 0) continue;
    if (tier->host.slot_try_own != NULL && !tier->host.slot_try_own(tier->host.context, hash)) continue;
    larder_err const err = lrd_files_remove_damaged(tier, hash, tier->options.verify_sha256 != 0, &removed);
    if (tier->host.slot_release != NULL) tier->host.slot_release(tier->host.context, hash);
    if (err == LARDER_OK) atomic_store(&tier->damaged[i], 0);
  }
}

static void compact_when_due(files_tier *tier) {
  pthread_rwlock_rdlock(&tier->lock);
  uint64_t const length = files_state_length(atomic_load(&tier->board->state));
  bool const due = tier->log_damaged || length > LOG_SLACK + 4 * tier->index.log_bytes;
  pthread_rwlock_unlock(&tier->lock);
  if (!due) return;
  /* What the old log says of files that are gone is not needed once their going is on the disk. Nobody waits for that. */
  uint64_t const state = atomic_load(&tier->board->state);
  if (lrd_fs_sync_all(tier->folder_fd, tier->path) != 0) return;
  larder_err err = lrd_files_turn_begin(tier);
  if (err != LARDER_OK) return;
  /* Nor is it once there is nothing that it says to take back: what came meanwhile has to be there, too. */
  if (atomic_load(&tier->board->state) != state && lrd_fs_sync_all(tier->folder_fd, tier->path) != 0)
    err = lrd_err_from_errno(errno);
  if (err == LARDER_OK) err = lrd_files_compact(tier);
  if (err != LARDER_OK) lrd_files_log(tier, LRD_LOG_WARN, "files.log_grows", "cannot write %s anew", tier->log_path);
  lrd_ignore(lrd_files_turn_finish(tier, LARDER_OK)); /* an empty transaction */
}

/*
 * SHA-256 and the views follow at leisure: when nothing was written since the last tick, or after LATE_NS of writing; the
 * views at least a second apart, and a twentieth of the time at most. A flush does not wait.
 */
static void views_when_due(files_tier *tier, uint64_t state, int64_t now_ns) {
  bool missing = false;
  bool const quiet = state == tier->tick_state;
  tier->tick_state = state;
  if (!quiet && now_ns - tier->viewed_ns < LATE_NS) return;
  if (lrd_files_sha_behind(tier, SHA_BYTES, &missing) != LARDER_OK) return;
  tier->sha_idle = missing ? tier->sha_idle + 1 : 0;
  if (tier->sha_idle >= SHA_IDLE) {
    lrd_ignore(lrd_files_sha_all(tier));
    tier->sha_idle = 0;
    missing = false; /* what can't be read yet is shown without its sum; it does not hold up the others */
  }
  if (missing || now_ns - tier->viewed_ns < LOOK_NS + 20 * tier->view_took_ns) return;
  lrd_ignore(lrd_files_views(tier, false)); /* tried again */
  tier->viewed_ns = lrd_mono_ns(lrd_clock_real());
  tier->view_took_ns = tier->viewed_ns - now_ns;
}

/* Every sync_ms. */
void lrd_files_tick(void *context) {
  files_tier *tier = lrd_files_tier_of(context);
  if (atomic_load(&tier->away)) return;
  int64_t const now_ns = lrd_mono_ns(lrd_clock_real());
  if (tier->read_only) {
    if (lrd_files_board_outdated(tier)) lrd_files_outdated(tier);
    return;
  }
  if (now_ns - tier->looked_ns >= LOOK_NS) {
    tier->looked_ns = now_ns;
    if (replaced(tier)) {
      lrd_files_distrust(tier, LARDER_EAWAY, "its folder was replaced or removed under us");
      return;
    }
    if (log_spoilt(tier)) {
      lrd_files_distrust(tier, LARDER_EAWAY, "its log was overwritten under us");
      return;
    }
  }
  uint64_t const state = atomic_load(&tier->board->state);
  lrd_ignore(lrd_files_sync_upto(tier, state, true)); /* the next tick tries again */
  /* What is written meanwhile waits for its sync. */
  if (!lrd_files_asides_end(tier, now_ns + (int64_t)tier->options.sync_ms * 1000000)) lrd_ticker_wake(tier->ticker);
  lrd_files_spares_tick(tier, now_ns);
  damaged_remove(tier);
  if (now_ns - tier->access_ns >= (int64_t)tier->options.access_ms * 1000000) {
    tier->access_ns = now_ns;
    lrd_ignore(lrd_files_access_flush(tier)); /* counts are a hint */
  }
  compact_when_due(tier);
  views_when_due(tier, state, now_ns);
}
