/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The schema, and what an open verifies.
 *
 * entries is a rowid table whose rowid is the key's hash, so one B-tree descent finds a row, a slot is a range, and there
 * is no second index to keep. Small columns come first: windows for eviction read no value. 8 KiB pages hold seven rows of
 * 1 KiB without overflow (figures: docs/decisions/0002).
 *
 * meta.clean is 0 from the first change on and 1 after an orderly last close, which also leaves the totals in spaces. An opener
 * that is alone and finds 0 runs quick_check, within a bound of time.
 */
#include "sqlite_inner.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

static const char schema_sql[] =
    "CREATE TABLE meta(name TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "CREATE TABLE spaces(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, entries INT NOT NULL DEFAULT 0,"
    " tombstones INT NOT NULL DEFAULT 0, bytes INT NOT NULL DEFAULT 0, payload INT NOT NULL DEFAULT 0);"
    "CREATE TABLE entries(hash INTEGER PRIMARY KEY, space INT NOT NULL, stamp INT NOT NULL, soft INT NOT NULL,"
    " hard INT NOT NULL, flags INT NOT NULL, used INT NOT NULL, uses INT NOT NULL, sum INT NOT NULL, vsum INT NOT NULL,"
    " vlen INT NOT NULL, bstamp INT NOT NULL, key BLOB NOT NULL, head BLOB, value BLOB);"
    "CREATE TABLE tags(space INT NOT NULL, tag BLOB NOT NULL, hash INT NOT NULL, PRIMARY KEY(space, tag, hash)) WITHOUT ROWID;";

static const char *const writer_sql[W_STATEMENTS] = {
    [W_BEGIN] = "BEGIN IMMEDIATE",
    [W_COMMIT] = "COMMIT",
    [W_ROLLBACK] = "ROLLBACK",
    [W_LOOK] = "SELECT hash, space, stamp, soft, hard, flags, used, uses, sum, vsum, vlen, bstamp, key, head "
               "FROM entries WHERE hash = ?1",
    [W_PUT] = "INSERT OR REPLACE INTO entries VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
    [W_TOUCH] = "UPDATE entries SET stamp = ?2, soft = ?3, hard = ?4, sum = ?5 WHERE hash = ?1",
    [W_REMOVE] = "DELETE FROM entries WHERE hash = ?1",
    [W_TAG_PUT] = "INSERT OR IGNORE INTO tags VALUES(?1, ?2, ?3)",
    [W_TAG_REMOVE] = "DELETE FROM tags WHERE space = ?1 AND tag = ?2 AND hash = ?3",
    [W_ACCESS] = "UPDATE entries SET used = max(used, ?2), uses = uses + ?3 WHERE hash = ?1",
    [W_WINDOW] = "SELECT hash, space, stamp, soft, hard, flags, used, uses, sum, vsum, vlen, bstamp, key, head "
                 "FROM entries WHERE hash >= ?1 ORDER BY hash LIMIT ?2",
};

static int create(sqlite_tier *tier, sqlite3 *db) {
  char sql[200];
  (void)snprintf(sql, sizeof sql, "PRAGMA page_size = %d; PRAGMA auto_vacuum = 0; PRAGMA journal_mode = WAL;",
                 LRD_SQLITE_PAGE_BYTES);
  int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
  if (rc == SQLITE_OK) rc = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
  if (rc == SQLITE_OK) rc = sqlite3_exec(db, schema_sql, NULL, NULL, NULL);
  if (rc == SQLITE_OK) rc = lrd_sqlite_meta_set(db, "format", LRD_SQLITE_FORMAT);
  if (rc == SQLITE_OK) rc = lrd_sqlite_meta_set(db, "seed", (int64_t)tier->seed);
  if (rc == SQLITE_OK) rc = lrd_sqlite_meta_set(db, "made_ms", sqlite_wall_ms(tier));
  if (rc == SQLITE_OK) rc = lrd_sqlite_meta_set(db, "clean", 1);
  (void)snprintf(sql, sizeof sql, "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT", LRD_SQLITE_APP_ID,
                 LRD_SQLITE_FORMAT);
  if (rc == SQLITE_OK) rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
  if (rc != SQLITE_OK && !sqlite3_get_autocommit(db)) (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
  return rc;
}

/* Whether what cannot be read is ours with a schema format of the future, which ours never has. */
static bool schema_format_damaged(sqlite3 *db, int rc) {
  int64_t app = 0;
  return rc == SQLITE_ERROR && lrd_sqlite_pragma_int(db, "PRAGMA application_id", &app) == SQLITE_OK &&
         app == LRD_SQLITE_APP_ID;
}

/* What kind of file this is. LARDER_MISS: an empty one. */
static larder_err identify(sqlite_tier *tier, sqlite3 *db, int64_t *version_out, larder_error *err) {
  int64_t app = 0, version = 0, objects = 0, format = 0;
  int rc = lrd_sqlite_pragma_int(db, "PRAGMA application_id", &app);
  if (rc == SQLITE_OK) rc = lrd_sqlite_pragma_int(db, "PRAGMA user_version", &version);
  if (rc == SQLITE_OK) rc = lrd_sqlite_pragma_int(db, "SELECT count(*) FROM sqlite_schema", &objects);
  if (rc != SQLITE_OK)
    return lrd_fail(err, lrd_sqlite_err_of(db, rc), 0, "sqlite", "cannot read %s: %s", tier->path, sqlite3_errmsg(db));
  if (objects == 0 && app == 0 && version == 0) return LARDER_MISS;
  rc = objects == 0 ? SQLITE_NOTFOUND : lrd_sqlite_meta_get(db, "format", &format);
  bool const ours = rc == SQLITE_OK;
  /* No such table or no such row says something of the database; any other failure does not. */
  if (rc != SQLITE_OK && rc != SQLITE_NOTFOUND && rc != SQLITE_ERROR)
    return lrd_fail(err, lrd_sqlite_err_of(db, rc), 0, "sqlite", "cannot read %s: %s", tier->path, sqlite3_errmsg(db));
  if (!ours && app != LRD_SQLITE_APP_ID)
    return lrd_fail(err, LARDER_EFORMAT, 0, "sqlite", "%s is a database of something else; name another path", tier->path);
  /* The header and our own table must agree, else a bit has flipped in one of them. */
  if (!ours || app != LRD_SQLITE_APP_ID || format != version)
    return lrd_fail(err, LARDER_ECORRUPT, 0, "sqlite", "the header of %s is damaged", tier->path);
  if (version > LRD_SQLITE_FORMAT)
    return lrd_fail(err, LARDER_EFORMAT, 0, "sqlite", "%s has format %lld, this build knows up to %d; use a newer one",
                    tier->path, (long long)version, LRD_SQLITE_FORMAT);
  *version_out = version;
  return LARDER_OK;
}

static int stop_when_late(void *deadline_ns) { return lrd_mono_ns(lrd_clock_real()) > *(int64_t *)deadline_ns; }

/* LARDER_ECORRUPT when quick_check finds something; a check that ran out of time passes. */
static larder_err quick_check(sqlite_tier *tier, sqlite3 *db, larder_error *err) {
  int64_t deadline_ns = lrd_mono_ns(lrd_clock_real()) + (int64_t)tier->options.check_ms * 1000000;
  sqlite3_progress_handler(db, 10000, stop_when_late, &deadline_ns);
  sqlite3_stmt *check = NULL;
  larder_err result = LARDER_OK;
  int rc = sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &check, NULL);
  if (rc == SQLITE_OK) rc = sqlite3_step(check);
  if (rc == SQLITE_ROW) {
    const char *said = (const char *)sqlite3_column_text(check, 0);
    if (said == NULL || strcmp(said, "ok") != 0)
      result = lrd_fail(err, LARDER_ECORRUPT, 0, "sqlite", "%s is damaged: %s", tier->path, said == NULL ? "?" : said);
  } else if (rc == SQLITE_INTERRUPT) {
    lrd_sqlite_log(tier, LRD_LOG_WARN, "sqlite.check_cut", "%s: the check after an unclean stop was cut short", tier->path);
  } else {
    result = lrd_fail(err, lrd_sqlite_err_of(db, rc), 0, "sqlite", "checking %s failed: %s", tier->path, sqlite3_errmsg(db));
  }
  (void)sqlite3_finalize(check);
  sqlite3_progress_handler(db, 0, NULL, NULL);
  return result;
}

/* The totals an orderly last close left, onto the board. */
static int totals_from_spaces(sqlite_tier *tier, sqlite3 *db) {
  sqlite_totals totals;
  memset(&totals, 0, sizeof totals);
  for (uint32_t i = 0; i < LRD_SQLITE_SPACES_MAX; i++) lrd_sqlite_totals_write(tier, i, &totals);
  sqlite3_stmt *all = NULL;
  int rc = sqlite3_prepare_v2(db, "SELECT id, entries, tombstones, bytes, payload FROM spaces", -1, &all, NULL);
  uint64_t end = 0;
  while (rc == SQLITE_OK && (rc = sqlite3_step(all)) == SQLITE_ROW) {
    rc = SQLITE_OK;
    uint64_t const id = (uint64_t)sqlite3_column_int64(all, 0);
    if (id == 0 || id >= LRD_SQLITE_SPACES_MAX) continue;
    if (id + 1 > end) end = id + 1;
    totals.entries = (uint64_t)sqlite3_column_int64(all, 1);
    totals.tombstones = (uint64_t)sqlite3_column_int64(all, 2);
    totals.bytes = (uint64_t)sqlite3_column_int64(all, 3);
    totals.payload = (uint64_t)sqlite3_column_int64(all, 4);
    lrd_sqlite_totals_write(tier, (uint32_t)id, &totals);
  }
  (void)sqlite3_finalize(all);
  atomic_store(&tier->board->spaces_end, end);
  return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* What only who is alone does: verify, take over the totals. Writes nothing, for the disk may be full or read-only. */
static larder_err first_open(sqlite_tier *tier, sqlite3 *db, larder_error *err) {
  int64_t clean = 0;
  int rc = lrd_sqlite_meta_get(db, "clean", &clean);
  if (rc != SQLITE_OK) clean = 0;
  if (atomic_load(&tier->board->damaged))
    return lrd_fail(err, LARDER_ECORRUPT, 0, "sqlite", "%s was found damaged while in use", tier->path);
  if (clean != 1) {
    larder_err const checked = quick_check(tier, db, err);
    if (checked != LARDER_OK) return checked;
  }
  sqlite_board *board = tier->board;
  atomic_store(&board->totals_valid, 0);
  rc = totals_from_spaces(tier, db);
  if (rc != SQLITE_OK)
    return lrd_fail(err, lrd_sqlite_err_of(db, rc), 0, "sqlite", "cannot read %s: %s", tier->path, sqlite3_errmsg(db));
  atomic_store(&board->totals_valid, clean == 1);
  atomic_store(&board->commits, 2);
  atomic_store(&board->synced, clean == 1 ? 2 : 0);
  atomic_store(&board->marked, clean != 1);
  return LARDER_OK;
}

/* After each COMMIT: how long the log is now. */
static int log_grew(void *context, sqlite3 *db, const char *name, int frames) {
  sqlite_tier *tier = context;
  (void)db;
  (void)name;
  uint64_t const before = atomic_exchange(&tier->board->wal_frames, (uint64_t)frames);
  uint64_t const step = LRD_SQLITE_CHECKPOINT_FRAMES;
  if ((uint64_t)frames / step > before / step && tier->ticker != NULL) lrd_ticker_wake(tier->ticker);
  return SQLITE_OK;
}

/* As a writer, or only to see whether it can be read. */
static larder_err writer_open(sqlite_tier *tier, bool reads, bool still, larder_error *err) {
  bool const first = tier->first && (reads || !tier->starved); /* a starved one has looked at all when it was opened */
  int const flags = reads ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  sqlite3 *db = NULL;
  int rc = lrd_sqlite_connect(tier, tier->path, flags, still, &db);
  tier->writer.db = db;
  if (schema_format_damaged(db, rc))
    return lrd_fail(err, LARDER_ECORRUPT, 0, "sqlite", "the header of %s is damaged", tier->path);
  if (rc != SQLITE_OK)
    return lrd_fail(err, lrd_sqlite_err_of(db, rc), sqlite3_system_errno(db), "sqlite", "cannot open %s: %s", tier->path,
                    db == NULL ? "out of memory" : sqlite3_errmsg(db));
  int64_t version = 0;
  larder_err result = identify(tier, db, &version, err);
  if (result == LARDER_MISS) {
    if (reads) return lrd_fail(err, LARDER_EACCES, 0, "sqlite", "%s is empty and cannot be written", tier->path);
    rc = create(tier, db);
    if (rc != SQLITE_OK)
      return lrd_fail(err, lrd_sqlite_err_of(db, rc), sqlite3_system_errno(db), "sqlite", "cannot make %s: %s", tier->path,
                      sqlite3_errmsg(db));
    if (!tier->first) lrd_sqlite_totals_doubt(tier->board);
    result = LARDER_OK;
  } else if (result == LARDER_OK && version < (reads ? LRD_SQLITE_FORMAT_READABLE : LRD_SQLITE_FORMAT)) {
    result = reads ? lrd_fail(err, LARDER_EACCES, 0, "sqlite", "%s needs a migration and cannot be written", tier->path)
                   : lrd_sqlite_migrate(tier, db, version, err);
  }
  if (result != LARDER_OK) return result;
  int64_t seed = 0;
  rc = lrd_sqlite_meta_get(db, "seed", &seed);
  if (rc == SQLITE_NOTFOUND) return lrd_fail(err, LARDER_ECORRUPT, 0, "sqlite", "%s has lost its seed", tier->path);
  if (rc == SQLITE_OK && (uint64_t)seed != tier->seed)
    return lrd_fail(err, LARDER_EFORMAT, 0, "sqlite", "%s belongs to another root: its keys are hashed with another seed",
                    tier->path);
  if (rc == SQLITE_OK && first && (rc = lrd_sqlite_header_check(tier, db)) == SQLITE_CORRUPT)
    return lrd_fail(err, LARDER_ECORRUPT, 0, "sqlite", "the header of %s is damaged", tier->path);
  if (rc == SQLITE_OK && !reads)
    rc = sqlite3_exec(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0;", NULL, NULL,
                      NULL);
  if (rc == SQLITE_OK && first) {
    result = first_open(tier, db, err);
    if (result != LARDER_OK) return result;
  }
  (void)sqlite3_wal_hook(db, log_grew, tier);
  for (int i = 0; rc == SQLITE_OK && !reads && i < W_STATEMENTS; i++)
    rc = lrd_sqlite_prepare(db, writer_sql[i], &tier->writer.statement[i]);
  if (rc == SQLITE_OK) return LARDER_OK;
  return lrd_fail(err, lrd_sqlite_err_of(db, rc), sqlite3_system_errno(db), "sqlite", "cannot prepare %s: %s", tier->path,
                  sqlite3_errmsg(db));
}

void lrd_sqlite_writer_close(sqlite_writer *writer) {
  for (int i = 0; i < W_STATEMENTS; i++) {
    (void)sqlite3_finalize(writer->statement[i]);
    writer->statement[i] = NULL;
  }
  (void)sqlite3_close(writer->db);
  writer->db = NULL;
}

/* By the totals of this boot, before a fresh database resets them; 0 when they are not known. */
static uint64_t entries_on_board(const sqlite_board *board) {
  uint64_t entries = 0;
  for (uint32_t i = 0; atomic_load(&board->totals_valid) && i < LRD_SQLITE_SPACES_MAX; i++)
    entries += atomic_load(&board->totals[i].word[0]);
  return entries;
}

/* Finds out only whether it can be read: readers have connections of their own. Again when a writer came in between. */
static larder_err read_only_open(sqlite_tier *tier, larder_error *err) {
  larder_err result = LARDER_OK;
  sqlite_beside beside;
  int tries = 0;
  do {
    result = lrd_sqlite_beside_look(tier, &beside);
    if (result != LARDER_OK) return lrd_fail(err, result, errno, "sqlite", "cannot look at %s", tier->path);
    if (beside.log != 0 && beside.index == 0 && !beside.still)
      return lrd_fail(err, LARDER_EACCES, 0, "sqlite",
                      "%s-wal holds entries, and %s-shm, its index, is missing and cannot be made; open it once where it can",
                      tier->path, tier->path);
    result = writer_open(tier, true, beside.still, err);
    lrd_sqlite_writer_close(&tier->writer);
  } while (result != LARDER_OK && ++tries < 3 && !lrd_sqlite_beside_same(tier, &beside));
  return result;
}

/* small: in blocks smaller than pages of memory. What cannot be told counts as room, as before the database is made. */
static bool has_room(const sqlite_tier *tier, bool *small) {
  struct statvfs disk;
  *small = false;
  if (statvfs(tier->path, &disk) != 0) return true;
  *small = disk.f_frsize < (unsigned long)sysconf(_SC_PAGESIZE);
  /* Root may take what is reserved, which on small disks is not quite so. */
  uint64_t const blocks = geteuid() == 0 && !*small ? disk.f_bfree : disk.f_bavail;
  return blocks * disk.f_frsize >= LRD_SQLITE_ROOM_BYTES;
}

/* No room even for the index of the log: served as media that cannot be written are. */
static larder_err starved_open(sqlite_tier *tier, larder_error *err) {
  larder_error why = {0};
  lrd_sqlite_writer_close(&tier->writer);
  tier->starved = true;
  if (read_only_open(tier, &why) != LARDER_OK)
    return lrd_fail(err, LARDER_ENOSPC, ENOSPC, "sqlite", "the disk has no room to open %s", tier->path);
  tier->read_only = true;
  lrd_sqlite_log(tier, LRD_LOG_WARN, "sqlite.no_room", "the disk has no room to open %s for writing: it is read until there is",
                 tier->path);
  return LARDER_OK;
}

/* The index in memory goes with its last connection, so all of them are closed before the one that writes is opened. */
void lrd_sqlite_room_look(sqlite_tier *tier) {
  bool small = false;
  if (!has_room(tier, &small) || !lrd_sqlite_readers_hold(tier, LRD_SQLITE_PAUSE_NS)) return;
  larder_error why = {0};
  larder_err const result = writer_open(tier, false, false, &why);
  if (result == LARDER_OK)
    tier->read_only = false;
  else
    lrd_sqlite_writer_close(&tier->writer);
  lrd_sqlite_readers_let_go(tier);
  if (result == LARDER_OK)
    lrd_sqlite_log(tier, LRD_LOG_INFO, "sqlite.room", "there is room again for %s to be written", tier->path);
  else if (result != LARDER_ENOSPC && result != LARDER_EBUSY && result != LARDER_EACCES && has_room(tier, &small))
    lrd_sqlite_distrust(tier, result == LARDER_ECORRUPT ? result : LARDER_EAWAY, "it cannot be written, though there is room");
}

/* Opens the database; a damaged one goes to quarantine and what can be read of it comes into a fresh one. */
larder_err lrd_sqlite_schema_open(sqlite_tier *tier, larder_error *err) {
  if (tier->read_only) return read_only_open(tier, err);
  /*
   * Where blocks are smaller than pages of memory, the making of the index on a full disk is no error but a SIGBUS: SQLite
   * writes one byte of each page, and the rest is wanted when the mapped page is touched.
   */
  bool small = false;
  bool const full = !has_room(tier, &small);
  if (full && small) return starved_open(tier, err);
  larder_err result = writer_open(tier, false, false, err);
  /* SQLite does not always tell why it could not make it. */
  if (result == LARDER_ENOSPC || (full && result == LARDER_EIO)) return starved_open(tier, err);
  if (result != LARDER_ECORRUPT) return result;
  if (tier->writer.db != NULL) (void)sqlite3_db_config(tier->writer.db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
  lrd_sqlite_writer_close(&tier->writer);
  if (!tier->first) return result;
  char *moved = NULL;
  uint64_t const expected = entries_on_board(tier->board);
  result = lrd_sqlite_quarantine(tier, &moved, err);
  if (result == LARDER_OK) atomic_store(&tier->board->damaged, 0);
  if (result == LARDER_OK) result = writer_open(tier, false, false, err);
  if (result == LARDER_OK) lrd_sqlite_salvage(tier, moved, expected);
  lrd_dealloc(moved);
  return result;
}
