/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tier's face: options, open and close, binding of spaces, faults, and the table of operations.
 *
 * Order of opening: queue file and its locks (who is alone?), the database (verified, migrated, or quarantined), readers,
 * ticker. Closing mirrors it; who is last writes the totals into the database, marks it clean and truncates the log.
 */
#include "sqlite_inner.h"

#include "tier/option_lines.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

sqlite_tier *lrd_sqlite_tier_of(void *self) {
  sqlite_tier *tier = self;
  LRD_ASSERT(tier != NULL && tier->magic == LRD_SQLITE_TIER_MAGIC);
  return tier;
}

void lrd_sqlite_log(const sqlite_tier *tier, int level, const char *id, const char *format, ...) {
  if (tier->host.log == NULL) return;
  char text[400];
  va_list args;
  va_start(args, format);
  (void)vsnprintf(text, sizeof text, format, args);
  va_end(args);
  tier->host.log(tier->host.context, level, id, text);
}

void lrd_sqlite_distrust(sqlite_tier *tier, larder_err why, const char *message) {
  if (atomic_exchange(&tier->away, true)) return;
  if (why == LARDER_ECORRUPT && tier->board != NULL) atomic_store(&tier->board->damaged, 1);
  lrd_sqlite_log(tier, LRD_LOG_ERROR, "sqlite.distrusted", "%s: %s", tier->path, message);
  if (tier->host.distrust != NULL) tier->host.distrust(tier->host.context, why, message);
}

larder_err lrd_sqlite_err_of(sqlite3 *db, int rc) {
  int const os_errno = db == NULL ? 0 : sqlite3_system_errno(db);
  switch (rc & 0xff) {
  case SQLITE_OK:
  case SQLITE_ROW:
  case SQLITE_DONE:
    return LARDER_OK;
  case SQLITE_BUSY:
  case SQLITE_LOCKED:
  case SQLITE_PROTOCOL:
    return LARDER_EBUSY;
  case SQLITE_NOMEM:
    return LARDER_ENOMEM;
  case SQLITE_FULL:
    return LARDER_ENOSPC;
  case SQLITE_READONLY:
    return rc == SQLITE_READONLY_CANTINIT || rc == SQLITE_READONLY_CANTLOCK ? LARDER_EBUSY : LARDER_EACCES;
  case SQLITE_PERM:
  case SQLITE_AUTH:
    return LARDER_EACCES;
  case SQLITE_CORRUPT:
  case SQLITE_NOTADB:
    return LARDER_ECORRUPT;
  case SQLITE_TOOBIG:
    return LARDER_ETOOBIG;
  case SQLITE_CANTOPEN:
    return os_errno != 0 ? lrd_err_from_errno(os_errno) : LARDER_EACCES;
  case SQLITE_IOERR:
    if (rc == SQLITE_IOERR_NOMEM) return LARDER_ENOMEM;
    if (rc == SQLITE_IOERR_CORRUPTFS) return LARDER_ECORRUPT;
    if (os_errno == ENOSPC || os_errno == EDQUOT) return LARDER_ENOSPC;
    return LARDER_EIO;
  default:
    return LARDER_EIO;
  }
}

/* Whether a writer may have been at work in what this connection took to be still. */
static bool overtaken(const sqlite_tier *tier, const sqlite3 *db) {
  for (uint64_t i = 0; tier->readers != NULL && i < tier->options.readers_max; i++)
    if (tier->readers[i].db == db) return lrd_sqlite_reader_overtaken(tier, &tier->readers[i]);
  return false;
}

larder_err lrd_sqlite_fault(sqlite_tier *tier, sqlite3 *db, int rc) {
  larder_err const err = lrd_sqlite_err_of(db, rc);
  if (err == LARDER_ECORRUPT && overtaken(tier, db)) return LARDER_EAWAY;
  if (err == LARDER_ECORRUPT) {
    lrd_sqlite_distrust(tier, LARDER_ECORRUPT, "SQLite found the database damaged");
    return LARDER_EAWAY;
  }
  if (rc == SQLITE_READONLY_DBMOVED) {
    lrd_sqlite_distrust(tier, LARDER_EAWAY, "the database file was moved under us");
    return LARDER_EAWAY;
  }
  /* Who closes it all lets go of the index, and makes one of its own when nobody else holds it. */
  if (rc == SQLITE_READONLY_RECOVERY) {
    lrd_sqlite_distrust(tier, LARDER_EAWAY, "the index of the log is damaged, and only who may write can mend it");
    return LARDER_EAWAY;
  }
  return err;
}

static bool option_set(void *context, lrd_span name, lrd_span value) {
  sqlite_options *options = context;
  if (lrd_span_equal(name, lrd_span_str("vfs")) && value.len < sizeof options->vfs) {
    memcpy(options->vfs, value.data, value.len);
    options->vfs[value.len] = 0;
    return true;
  }
#define OPTION_MATCH(field, def, least, most, what)                                                                            \
  if (lrd_span_equal(name, lrd_span_str(#field))) return lrd_option_number(value, least, most, &options->field);
  LRD_SQLITE_OPTIONS(OPTION_MATCH)
#undef OPTION_MATCH
  return false;
}

static larder_err options_parse(sqlite_options *options, const char *text, larder_error *err) {
#define OPTION_DEFAULT(field, def, least, most, what) options->field = (def);
  LRD_SQLITE_OPTIONS(OPTION_DEFAULT)
#undef OPTION_DEFAULT
  larder_err const code = lrd_option_lines(text, "sqlite", option_set, options, err);
  if (options->wal_bytes_hard < options->wal_bytes_max) options->wal_bytes_hard = options->wal_bytes_max;
  return code;
}

static char *path_with(const char *path, const char *suffix) {
  size_t const len = strlen(path), more = strlen(suffix) + 1;
  char *out = lrd_alloc(len + more);
  if (out == NULL) return NULL;
  memcpy(out, path, len);
  memcpy(out + len, suffix, more);
  return out;
}

/* blobs/ beside larder.db; blobs-NAME/ beside a database of another name, so that two in one folder stay apart. */
static larder_err paths_make(sqlite_tier *tier, const larder_tier_params *params) {
  tier->path = lrd_strdup(params->path);
  tier->root = lrd_strdup(params->root != NULL ? params->root : params->path);
  tier->log_path = path_with(params->path, "-wal");
  tier->index_path = path_with(params->path, "-shm");
  tier->queue_path = path_with(params->path, ".queue");
  lrd_buf name = {0};
  const char *base = strrchr(params->path, '/') + 1;
  int const folder = (int)(base - params->path);
  if (params->root == NULL && tier->root != NULL) tier->root[folder > 1 ? folder - 1 : 1] = 0;
  larder_err err = strcmp(base, "larder.db") == 0 ? lrd_buf_printf(&name, "%.*sblobs", folder, params->path)
                                                  : lrd_buf_printf(&name, "%.*sblobs-%s", folder, params->path, base);
  if (err == LARDER_OK) err = lrd_buf_terminate(&name);
  if (err == LARDER_OK) tier->blobs_path = lrd_strdup((char *)name.data);
  lrd_buf_fini(&name);
  bool const all = tier->path && tier->root && tier->log_path && tier->index_path && tier->queue_path && tier->blobs_path;
  if (err == LARDER_OK && !all) err = LARDER_ENOMEM;
  return err;
}

static void tier_free(sqlite_tier *tier) {
  lrd_dealloc(tier->path);
  lrd_dealloc(tier->root);
  lrd_dealloc(tier->log_path);
  lrd_dealloc(tier->index_path);
  lrd_dealloc(tier->queue_path);
  lrd_dealloc(tier->blobs_path);
  lrd_dealloc(tier->counted);
  lrd_dealloc(tier->txn.unlinks);
  lrd_dealloc(tier->txn.taken);
  lrd_mutex_fini(&tier->queue);
  lrd_mutex_fini(&tier->pool);
  lrd_mutex_fini(&tier->counting);
  lrd_mutex_fini(&tier->syncing);
  lrd_mutex_fini(&tier->leaving);
  lrd_cond_fini(&tier->pool_free);
  tier->magic = 0;
  lrd_dealloc(tier);
}

static sqlite_tier *tier_new(const larder_tier_params *params) {
  sqlite_tier *tier = lrd_alloc_zero(1, sizeof *tier);
  if (tier == NULL) return NULL;
  tier->magic = LRD_SQLITE_TIER_MAGIC;
  tier->host = params->host;
  tier->seed = params->seed;
  tier->bytes_max = params->bytes_max;
  tier->entries_max = params->entries_max;
  tier->read_only = params->read_only;
  tier->generation = params->generation;
  tier->queue_fd = -1;
  tier->tail = &tier->head;
  tier->txn.totals_at = UINT64_MAX;
  lrd_mutex_init(&tier->queue);
  lrd_mutex_init(&tier->pool);
  lrd_mutex_init(&tier->counting);
  lrd_mutex_init(&tier->syncing);
  lrd_mutex_init(&tier->leaving);
  lrd_cond_init(&tier->pool_free);
  return tier;
}

/*
 * Closing the last connection to a log copies it into the database and empties it. Not when the files are no
 * longer those we opened, or damaged: they are somebody else's now, or evidence.
 */
static void connections_leave_files(sqlite_tier *tier) {
  sqlite3 *all[2 + 64] = {tier->writer.db, tier->syncer};
  for (uint64_t i = 0; tier->readers != NULL && i < tier->options.readers_max; i++) all[2 + i] = tier->readers[i].db;
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
    if (all[i] != NULL) (void)sqlite3_db_config(all[i], SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
}

/* Everything open() holds, in reverse; accepts half of it. */
static void tier_release(sqlite_tier *tier) {
  lrd_ticker_stop(tier->ticker);
  tier->ticker = NULL;
  if (atomic_load(&tier->away)) connections_leave_files(tier);
  lrd_sqlite_readers_close(tier);
  (void)sqlite3_close(tier->syncer);
  tier->syncer = NULL;
  lrd_sqlite_writer_close(&tier->writer);
  lrd_sqlite_board_close(tier);
  tier_free(tier);
}

/*
 * The others may have opened a database that was deleted or replaced since, and not have noticed yet: two would be changed as
 * if they were one, and what is old in ours would be believed. So all leave, and who is alone then opens what lies there.
 */
static larder_err same_as_others(sqlite_tier *tier, larder_error *err) {
  uint64_t const others = atomic_load(&tier->board->db_ino);
  if (tier->first) {
    atomic_store(&tier->board->db_ino, (uint64_t)tier->db_ino);
  } else if (others != 0 && others != (uint64_t)tier->db_ino) {
    lrd_sqlite_distrust(tier, LARDER_EAWAY, "the database file was replaced or removed under others");
    return lrd_fail(err, LARDER_EAWAY, 0, "sqlite", "%s is not what other processes have opened there", tier->path);
  }
  return LARDER_OK;
}

static larder_err tier_start(sqlite_tier *tier, larder_error *err) {
  larder_err code = lrd_sqlite_board_open(tier, err);
  if (code == LARDER_OK && !tier->read_only && lrd_fs_mkdirs(tier->blobs_path, 0700) != 0 &&
      lrd_err_from_errno(errno) != LARDER_EACCES && lrd_err_from_errno(errno) != LARDER_ENOSPC)
    code = lrd_fail(err, lrd_err_from_errno(errno), errno, "sqlite", "cannot make %s", tier->blobs_path);
  if (code == LARDER_OK) code = lrd_sqlite_schema_open(tier, err);
  if (code != LARDER_OK) return code;
  struct stat facts;
  if (lrd_fs_stat(tier->path, &facts) != 0)
    return lrd_fail(err, lrd_err_from_errno(errno), errno, "sqlite", "cannot look at %s", tier->path);
  tier->db_dev = facts.st_dev;
  tier->db_ino = facts.st_ino;
  if (tier->queue_fd >= 0 && fstat(tier->queue_fd, &facts) == 0) tier->queue_ino = facts.st_ino;
  if (!tier->read_only || tier->starved) code = same_as_others(tier, err);
  if (code != LARDER_OK) return code;
  code = lrd_sqlite_readers_open(tier);
  int64_t const period_ns = (int64_t)tier->options.sync_ms * 1000000;
  if (code == LARDER_OK) code = lrd_ticker_start(&tier->ticker, "larder-sqlite", period_ns, lrd_sqlite_tick, tier);
  if (code != LARDER_OK) return lrd_fail(err, code, 0, "sqlite", "no memory or thread for %s", tier->path);
  lrd_sqlite_board_opened(tier);
  return LARDER_OK;
}

static larder_err tier_open(const larder_tier_params *params, void **self_out, larder_error *err) {
  if (params->path == NULL || params->path[0] != '/')
    return lrd_fail(err, LARDER_EINVAL, 0, "sqlite", "the sqlite tier needs an absolute path");
  sqlite_tier *tier = tier_new(params);
  if (tier == NULL) return lrd_fail(err, LARDER_ENOMEM, ENOMEM, "sqlite", "out of memory");
  larder_err code = options_parse(&tier->options, params->options, err);
  if (code == LARDER_OK) {
    code = paths_make(tier, params);
    if (code != LARDER_OK) (void)lrd_fail(err, code, ENOMEM, "sqlite", "out of memory");
  }
  if (code == LARDER_OK) code = tier_start(tier, err);
  if (code == LARDER_OK)
    *self_out = tier;
  else
    tier_release(tier);
  return code;
}

/* Totals and the mark of an orderly stop, by who is last; then the log is emptied so that the folder can be copied. */
static void leave_clean(sqlite_tier *tier) {
  sqlite_request request;
  if (lrd_sqlite_turn_begin(tier, &request) != LARDER_OK) return;
  sqlite3_stmt *s = NULL;
  sqlite3 *db = tier->writer.db;
  int rc = sqlite3_prepare_v2(db, "UPDATE spaces SET entries = ?2, tombstones = ?3, bytes = ?4, payload = ?5 WHERE id = ?1", -1,
                              &s, NULL);
  uint32_t const end = sqlite_spaces_end(tier);
  for (uint32_t space = 1; space < end && rc == SQLITE_OK; space++) {
    const sqlite_totals *totals = &tier->txn.totals[space];
    uint64_t const number[5] = {space, totals->entries, totals->tombstones, totals->bytes, totals->payload};
    for (int i = 0; i < 5 && rc == SQLITE_OK; i++) rc = sqlite3_bind_int64(s, i + 1, (sqlite3_int64)number[i]);
    if (rc == SQLITE_OK && sqlite3_step(s) != SQLITE_DONE) rc = SQLITE_ERROR;
    (void)sqlite3_reset(s);
  }
  (void)sqlite3_finalize(s);
  if (rc == SQLITE_OK) rc = lrd_sqlite_meta_set(db, "clean", 1);
  tier->txn.changed = true;
  (void)lrd_sqlite_turn_finish(tier, &request, rc == SQLITE_OK);
}

static void tier_close(void *self) {
  sqlite_tier *tier = lrd_sqlite_tier_of(self);
  lrd_ticker_stop(tier->ticker);
  tier->ticker = NULL;
  if (!atomic_load(&tier->away) && !tier->read_only) {
    (void)lrd_sqlite_access_flush(tier);
    if (lrd_sqlite_board_closing(tier) && atomic_load(&tier->board->marked)) leave_clean(tier);
    (void)lrd_sqlite_sync_upto(tier, atomic_load(&tier->board->commits) + 1);
  } else if (!tier->read_only && tier->board != NULL) {
    lrd_sqlite_totals_doubt(tier->board);
  }
  tier_release(tier);
}

/*
 * In a forked child. SQLite forbids to use, even to close, a connection across fork: closing may checkpoint and remove the
 * log, so the connections and what they hold are leaked on purpose. Our own descriptor is only the child's copy of it.
 */
static void tier_abandon(void *self) {
  sqlite_tier *tier = lrd_sqlite_tier_of(self);
  lrd_ticker_abandon(tier->ticker);
  tier->ticker = NULL;
  memset(&tier->writer, 0, sizeof tier->writer);
  tier->syncer = NULL;
  lrd_dealloc(tier->readers);
  tier->readers = NULL;
  lrd_sqlite_board_close(tier);
  tier_free(tier);
}

/* The number of a space, made when it has none. Under a turn. */
static int space_number(sqlite_tier *tier, const char *name, int64_t *out) {
  sqlite3 *db = tier->writer.db;
  sqlite3_stmt *s = NULL;
  int rc = sqlite3_prepare_v2(db, "INSERT OR IGNORE INTO spaces(name) VALUES(?1)", -1, &s, NULL);
  if (rc == SQLITE_OK) rc = sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC);
  if (rc == SQLITE_OK) rc = sqlite3_step(s);
  (void)sqlite3_finalize(s);
  if (rc != SQLITE_DONE) return rc;
  s = NULL;
  rc = sqlite3_prepare_v2(db, "SELECT id FROM spaces WHERE name = ?1", -1, &s, NULL);
  if (rc == SQLITE_OK) rc = sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC);
  if (rc == SQLITE_OK && (rc = sqlite3_step(s)) == SQLITE_ROW) {
    *out = sqlite3_column_int64(s, 0);
    rc = SQLITE_OK;
  }
  (void)sqlite3_finalize(s);
  return rc;
}

/* The number by a reader alone: an existing space, or LARDER_MISS. */
static larder_err space_known(sqlite_tier *tier, const char *name, int64_t *out) {
  sqlite_reader *reader = NULL;
  larder_err err = lrd_sqlite_reader_claim(tier, &reader);
  if (err != LARDER_OK) return err;
  sqlite3_stmt *s = NULL;
  int rc = sqlite3_prepare_v2(reader->db, "SELECT id FROM spaces WHERE name = ?1", -1, &s, NULL);
  if (rc == SQLITE_OK) rc = sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC);
  if (rc == SQLITE_OK) rc = lrd_sqlite_step_first(s);
  if (rc == SQLITE_ROW)
    *out = sqlite3_column_int64(s, 0);
  else
    err = rc == SQLITE_DONE ? LARDER_MISS : lrd_sqlite_fault(tier, reader->db, rc);
  (void)sqlite3_finalize(s);
  return lrd_sqlite_reader_finish(tier, reader, err);
}

static larder_err tier_bind(void *self, const larder_tier_space *space, uint32_t *space_out) {
  sqlite_tier *tier = lrd_sqlite_tier_of(self);
  if (atomic_load(&tier->away)) return LARDER_EAWAY;
  int64_t id = 0;
  larder_err err = space_known(tier, space->name, &id);
  if (err == LARDER_MISS) {
    sqlite_request request;
    err = lrd_sqlite_turn_begin(tier, &request);
    if (err != LARDER_OK) return err;
    int const rc = space_number(tier, space->name, &id);
    err = rc == SQLITE_OK ? LARDER_OK : lrd_sqlite_fault(tier, tier->writer.db, rc);
    if (err == LARDER_OK && (id <= 0 || id >= LRD_SQLITE_SPACES_MAX)) err = LARDER_ETOOBIG;
    tier->txn.changed = true;
    larder_err const kept = lrd_sqlite_turn_finish(tier, &request, err == LARDER_OK);
    if (err == LARDER_OK) err = kept;
  }
  if (err != LARDER_OK) return err;
  if (id <= 0 || id >= LRD_SQLITE_SPACES_MAX) return LARDER_ETOOBIG;
  uint64_t end = atomic_load(&tier->board->spaces_end);
  while (end < (uint64_t)id + 1 && !atomic_compare_exchange_weak(&tier->board->spaces_end, &end, (uint64_t)id + 1)) {
  }
  sqlite_space *bound = &tier->spaces[id];
  atomic_store(&bound->bytes_max, space->bytes_max);
  atomic_store(&bound->entries_max, space->entries_max);
  atomic_store(&bound->bound, true);
  *space_out = (uint32_t)id;
  return LARDER_OK;
}

static larder_err tier_spaces(void *self, bool (*visit)(void *context, uint32_t space, const char *name), void *context) {
  sqlite_tier *tier = lrd_sqlite_tier_of(self);
  if (atomic_load(&tier->away)) return LARDER_EAWAY;
  for (int64_t after = 0;;) {
    sqlite_reader *reader = NULL;
    larder_err err = lrd_sqlite_reader_claim(tier, &reader);
    if (err != LARDER_OK) return err;
    sqlite3_stmt *s = NULL;
    char *name = NULL;
    int rc = sqlite3_prepare_v2(reader->db, "SELECT id, name FROM spaces WHERE id > ?1 ORDER BY id LIMIT 1", -1, &s, NULL);
    if (rc == SQLITE_OK) rc = sqlite3_bind_int64(s, 1, after);
    if (rc == SQLITE_OK) rc = lrd_sqlite_step_first(s);
    if (rc == SQLITE_ROW) {
      const char *text = (const char *)sqlite3_column_text(s, 1);
      after = sqlite3_column_int64(s, 0);
      name = text == NULL ? NULL : lrd_strdup(text);
      if (name == NULL) err = LARDER_ENOMEM;
    } else if (rc != SQLITE_DONE) {
      err = lrd_sqlite_fault(tier, reader->db, rc);
    }
    (void)sqlite3_finalize(s);
    err = lrd_sqlite_reader_finish(tier, reader, err);
    if (err != LARDER_OK || name == NULL) {
      lrd_dealloc(name);
      return err;
    }
    bool const go_on = after <= 0 || after >= LRD_SQLITE_SPACES_MAX || visit(context, (uint32_t)after, name);
    lrd_dealloc(name);
    if (!go_on) return LARDER_OK;
  }
}

const larder_tier_ops lrd_sqlite_tier = {
    .name = "sqlite",
    .version = LARDER_TIER_VERSION,
    .capabilities =
        LARDER_TIER_DURABLE | LARDER_TIER_SHARED | LARDER_TIER_ENUMERABLE | LARDER_TIER_TOMBSTONES | LARDER_TIER_TAGS,
    .open = tier_open,
    .close = tier_close,
    .abandon = tier_abandon,
    .bind = tier_bind,
    .get = lrd_sqlite_get,
    .release = lrd_sqlite_release,
    .write = lrd_sqlite_write,
    .scan = lrd_sqlite_scan,
    .scan_tag = lrd_sqlite_scan_tag,
    .forget_range = lrd_sqlite_forget_range,
    .sweep = lrd_sqlite_sweep,
    .flush = lrd_sqlite_flush,
    .usage = lrd_sqlite_usage,
    .check = lrd_sqlite_check,
    .spaces = tier_spaces,
};
