/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bringing to the disk what was committed, and keeping the log small.
 *
 * COMMIT writes the log without a flush (synchronous = NORMAL). The flush is ours: through SQLite's own handle of the log,
 * that of a connection kept for nothing else, for a descriptor of our own would drop SQLite's POSIX locks when closed.
 * The board says whether there is anything to flush: `commits` (odd while one is under way) against `synced`. Every
 * process' ticker looks; one flush serves all of them, and those of a process that has died meanwhile too.
 *
 * The log: passive checkpoints by the ticker bring it back to its beginning as a rule. Looping readers can keep that from
 * ever being complete (four grew it to 629 MB in 8 s), so past wal_bytes_max the leader, who keeps writers out by its
 * turn, pauses the readers of all processes by a word on the board, waits for its own and restarts the log.
 */
#include "sqlite_inner.h"

#include <errno.h>

#define LOOK_NS (1000ll * 1000000)

/* Syncs files on the ring up to its head. */
static larder_err ring_sync(sqlite_tier *tier) {
  sqlite_board *board = tier->board;
  uint64_t at = atomic_load(&board->ring_synced);
  uint64_t const head = atomic_load(&board->ring_head);
  /* No more lies between the two than the ring holds; else a word is damaged, and what is in the ring is synced once more. */
  if (head - at > LRD_SQLITE_RING_SIZE) {
    at = head > LRD_SQLITE_RING_SIZE ? head - LRD_SQLITE_RING_SIZE : 0;
    atomic_store(&board->ring_synced, at);
  }
  for (; at < head; at++) {
    sqlite_ring_slot *slot = &board->ring[at % LRD_SQLITE_RING_SIZE];
    if (lrd_sqlite_blob_sync(tier, atomic_load(&slot->hash), atomic_load(&slot->stamp)) != 0) return lrd_err_from_errno(errno);
    uint64_t seen = at;
    if (!atomic_compare_exchange_strong(&board->ring_synced, &seen, at + 1) && seen > at) at = seen - 1;
  }
  return LARDER_OK;
}

larder_err lrd_sqlite_ring_push(sqlite_tier *tier, uint64_t hash, uint64_t stamp) {
  sqlite_board *board = tier->board;
  uint64_t const head = atomic_load(&board->ring_head);
  if (head - atomic_load(&board->ring_synced) >= LRD_SQLITE_RING_SIZE)
    return lrd_sqlite_blob_sync(tier, hash, stamp) == 0 ? LARDER_OK : lrd_err_from_errno(errno);
  sqlite_ring_slot *slot = &board->ring[head % LRD_SQLITE_RING_SIZE];
  atomic_store(&slot->hash, hash);
  atomic_store(&slot->stamp, stamp);
  atomic_store(&board->ring_head, head + 1);
  return LARDER_OK;
}

/* The connection for flushes and checkpoints, with its log open. Under tier->syncing. */
static int syncer_ready(sqlite_tier *tier) {
  if (tier->syncer != NULL) return SQLITE_OK;
  sqlite3 *db = NULL;
  int rc = lrd_sqlite_connect(tier, tier->path, SQLITE_OPEN_READWRITE, false, &db);
  int64_t version = 0;
  if (rc == SQLITE_OK) rc = sqlite3_exec(db, "PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0;", NULL, NULL, NULL);
  if (rc == SQLITE_OK) rc = lrd_sqlite_pragma_int(db, "SELECT count(*) FROM meta", &version); /* a read opens the log */
  if (rc == SQLITE_OK) rc = sqlite3_busy_timeout(db, 0);
  if (rc != SQLITE_OK) {
    (void)sqlite3_close(db);
    return rc;
  }
  tier->syncer = db;
  return SQLITE_OK;
}

static int wal_sync(sqlite_tier *tier) {
  sqlite3_file *log = NULL;
  int rc = syncer_ready(tier);
  if (rc == SQLITE_OK) rc = sqlite3_file_control(tier->syncer, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
  if (rc == SQLITE_OK && log != NULL && log->pMethods != NULL)
    rc = log->pMethods->xSync(log, SQLITE_SYNC_NORMAL | SQLITE_SYNC_DATAONLY);
  return rc;
}

/* Returns when everything up to this value of board->commits is on the disk. One flush for all who wait. */
larder_err lrd_sqlite_sync_upto(sqlite_tier *tier, uint64_t commit) {
  sqlite_board *board = tier->board;
  larder_err err = LARDER_OK;
  lrd_lock(&tier->syncing);
  if (atomic_load(&board->synced) < commit) {
    uint64_t const now = atomic_load(&board->commits);
    err = ring_sync(tier);
    int const rc = err == LARDER_OK ? wal_sync(tier) : SQLITE_OK;
    if (rc != SQLITE_OK) err = lrd_sqlite_fault(tier, tier->syncer, rc);
    /* A commit under way may be half written: it is not covered. */
    uint64_t const covered = now & ~(uint64_t)1;
    uint64_t seen = atomic_load(&board->synced);
    while (err == LARDER_OK && seen < covered && !atomic_compare_exchange_weak(&board->synced, &seen, covered)) {
    }
  }
  lrd_unlock(&tier->syncing);
  lrd_sqlite_blobs_left(tier, atomic_load(&board->synced));
  return err;
}

/* Copies into the database what can be without waiting for anybody, but for a checkpoint of this process under way. */
void lrd_sqlite_checkpoint(sqlite_tier *tier) {
  lrd_lock(&tier->syncing);
  int in_log = 0, done = 0;
  int rc = syncer_ready(tier);
  if (rc == SQLITE_OK) rc = sqlite3_wal_checkpoint_v2(tier->syncer, NULL, SQLITE_CHECKPOINT_PASSIVE, &in_log, &done);
  if ((rc & 0xff) != SQLITE_BUSY && (rc & 0xff) != SQLITE_LOCKED && rc != SQLITE_OK)
    (void)lrd_sqlite_fault(tier, tier->syncer, rc);
  lrd_unlock(&tier->syncing);
}

/* Under the turn, outside a transaction: the log back to nothing. What stands in the way is waited for, briefly. */
void lrd_sqlite_wal_restart(sqlite_tier *tier) {
  int in_log = 0, done = 0;
  sqlite3 *db = tier->writer.db;
  lrd_sqlite_readers_pause(tier, LRD_SQLITE_PAUSE_NS);
  (void)sqlite3_busy_timeout(db, (int)(LRD_SQLITE_PAUSE_NS / 1000000));
  int const rc = sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_TRUNCATE, &in_log, &done);
  (void)sqlite3_busy_timeout(db, (int)tier->options.busy_ms);
  lrd_sqlite_readers_resume(tier);
  if (rc == SQLITE_OK) atomic_store(&tier->board->wal_frames, 0);
}

larder_err lrd_sqlite_flush(void *self) {
  sqlite_tier *tier = lrd_sqlite_tier_of(self);
  if (atomic_load(&tier->away)) return LARDER_EAWAY;
  if (tier->read_only) return LARDER_OK;
  (void)lrd_sqlite_access_flush(tier);
  larder_err const err = lrd_sqlite_sync_upto(tier, atomic_load(&tier->board->commits) + 1);
  if (err == LARDER_OK) lrd_sqlite_checkpoint(tier);
  return err;
}

/* Whether the database or its queue file is another one than was opened. */
static bool replaced(const sqlite_tier *tier) {
  struct stat now;
  if (lrd_fs_stat(tier->path, &now) != 0) return errno == ENOENT;
  if (now.st_dev != tier->db_dev || now.st_ino != tier->db_ino) return true;
  if (tier->queue_ino == 0) return false;
  return lrd_fs_stat(tier->queue_path, &now) != 0 ? errno == ENOENT : now.st_ino != tier->queue_ino;
}

static void damaged_remove(sqlite_tier *tier) {
  for (size_t i = 0; i < sizeof tier->damaged / sizeof tier->damaged[0]; i++) {
    uint64_t const hash = atomic_load(&tier->damaged[i]);
    if (hash == 0) continue;
    uint64_t removed = 0;
    bool const owned = tier->host.slot_try_own == NULL || tier->host.slot_try_own(tier->host.context, hash);
    if (!owned) continue;
    larder_err const err = lrd_sqlite_remove_damaged(tier, hash, &removed);
    if (tier->host.slot_release != NULL) tier->host.slot_release(tier->host.context, hash);
    if (err == LARDER_OK) atomic_store(&tier->damaged[i], 0);
  }
}

static void tick(sqlite_tier *tier) {
  if (atomic_load(&tier->away)) return;
  int64_t const now_ns = lrd_mono_ns(lrd_clock_real());
  if (now_ns - atomic_load(&tier->looked_ns) >= LOOK_NS) {
    atomic_store(&tier->looked_ns, now_ns);
    if (replaced(tier)) {
      lrd_sqlite_distrust(tier, LARDER_EAWAY, "the database file was replaced or removed under us");
      return;
    }
    if (tier->read_only && tier->starved) lrd_sqlite_room_look(tier);
    if (tier->read_only) lrd_sqlite_board_look(tier);
  }
  if (tier->read_only) return;
  sqlite_board *board = tier->board;
  uint64_t const commits = atomic_load(&board->commits);
  if (atomic_load(&board->synced) < commits || atomic_load(&board->ring_synced) < atomic_load(&board->ring_head))
    (void)lrd_sqlite_sync_upto(tier, commits | 1);
  else
    lrd_sqlite_blobs_left(tier, commits & ~(uint64_t)1); /* another process has synced */
  if (atomic_load(&board->wal_frames) >= LRD_SQLITE_CHECKPOINT_FRAMES) lrd_sqlite_checkpoint(tier);
  damaged_remove(tier);
  if (now_ns - tier->access_ns >= (int64_t)tier->options.access_ms * 1000000) {
    tier->access_ns = now_ns;
    (void)lrd_sqlite_access_flush(tier);
  }
}

/* Every sync_ms, and when woken; by the ticker alone. */
void lrd_sqlite_tick(void *context) {
  sqlite_tier *tier = lrd_sqlite_tier_of(context);
  tick(tier);
  atomic_fetch_add(&tier->ticks, 1);
}
