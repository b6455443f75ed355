/* SPDX-License-Identifier: Apache-2.0 */
/* Connections, as writer, reader or of a database that is still, and small questions to one. */
#include "sqlite_inner.h"

#include <stdio.h>

int lrd_sqlite_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **out) {
  return sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL);
}

int lrd_sqlite_pragma_int(sqlite3 *db, const char *sql, int64_t *out) {
  sqlite3_stmt *statement = NULL;
  int rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
  if (rc == SQLITE_OK) {
    rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW) *out = sqlite3_column_int64(statement, 0);
    rc = rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
  }
  int const ended = sqlite3_finalize(statement);
  return rc == SQLITE_OK ? ended : rc;
}

int lrd_sqlite_meta_get(sqlite3 *db, const char *name, int64_t *out) {
  sqlite3_stmt *statement = NULL;
  int rc = sqlite3_prepare_v2(db, "SELECT value FROM meta WHERE name = ?1", -1, &statement, NULL);
  if (rc == SQLITE_OK) {
    (void)sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
    rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW) {
      *out = sqlite3_column_int64(statement, 0);
      rc = SQLITE_OK;
    } else if (rc == SQLITE_DONE) {
      rc = SQLITE_NOTFOUND;
    }
  }
  (void)sqlite3_finalize(statement);
  return rc;
}

int lrd_sqlite_meta_set(sqlite3 *db, const char *name, int64_t value) {
  sqlite3_stmt *statement = NULL;
  int rc = sqlite3_prepare_v2(db, "INSERT OR REPLACE INTO meta VALUES(?1, ?2)", -1, &statement, NULL);
  if (rc == SQLITE_OK) {
    (void)sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
    (void)sqlite3_bind_int64(statement, 2, value);
    rc = sqlite3_step(statement);
    if (rc == SQLITE_DONE) rc = SQLITE_OK;
  }
  (void)sqlite3_finalize(statement);
  return rc;
}

/* The path as a URI with this parameter; own, NULL when out of memory. */
static char *uri_make(const char *path, const char *parameter) {
  lrd_buf uri = {0};
  larder_err err = lrd_buf_append_str(&uri, "file://");
  for (; *path != 0 && err == LARDER_OK; path++)
    err = strchr("%?#", *path) != NULL ? lrd_buf_printf(&uri, "%%%02X", (unsigned char)*path)
                                       : lrd_buf_append_byte(&uri, (uint8_t)*path);
  if (err == LARDER_OK) err = lrd_buf_append_str(&uri, parameter);
  if (err == LARDER_OK) err = lrd_buf_terminate(&uri);
  char *out = err == LARDER_OK ? lrd_strdup((char *)uri.data) : NULL;
  lrd_buf_fini(&uri);
  return out;
}

/*
 * The log and its index stay where they are when the last connection closes, the log empty: a disk that is full by the next
 * opening has no room to make them anew, and media that cannot be written then need them. A log that has outgrown its limit
 * is cut back to it when it begins anew, no further, so that its blocks stay ours.
 */
static int keep_log(const sqlite_tier *tier, sqlite3 *db) {
  char sql[80];
  int keep = 1;
  (void)snprintf(sql, sizeof sql, "PRAGMA journal_size_limit = %llu", (unsigned long long)tier->options.wal_bytes_max);
  int const rc = sqlite3_file_control(db, "main", SQLITE_FCNTL_PERSIST_WAL, &keep);
  return rc == SQLITE_OK ? sqlite3_exec(db, sql, NULL, NULL, NULL) : rc;
}

/* A connection with what every connection of the tier wants. No mutex: each is used by one thread at a time. */
int lrd_sqlite_connect(const sqlite_tier *tier, const char *path, int flags, bool still, sqlite3 **out) {
  const char *vfs = tier->options.vfs[0] != 0 ? tier->options.vfs : NULL;
#ifdef LARDER_TESTING
  if (vfs == NULL) vfs = lrd_sqlite_seam();
#endif
  sqlite3 *db = NULL;
  char *uri = NULL;
  bool const own = path == tier->path; /* else a backup, or what lies in quarantine */
  bool const reads = (flags & SQLITE_OPEN_READONLY) != 0;
  if (still || (own && reads)) { /* no index is wanted, or none made or changed on the disk, whatever modes allow */
    path = uri = uri_make(path, still ? "?immutable=1" : "?readonly_shm=1");
    flags |= SQLITE_OPEN_URI;
    if (uri == NULL) return SQLITE_NOMEM;
  }
  int rc = sqlite3_open_v2(path, &db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_EXRESCODE, vfs);
  if (rc == SQLITE_OK) rc = sqlite3_busy_timeout(db, (int)tier->options.busy_ms);
  if (rc == SQLITE_OK) {
    char sql[256];
    (void)snprintf(sql, sizeof sql, "PRAGMA cache_size = -%llu; PRAGMA mmap_size = %llu; PRAGMA trusted_schema = 0;",
                   (unsigned long long)tier->options.cache_bytes / 1024,
                   (unsigned long long)(still ? 0 : tier->options.mmap_bytes)); /* without locks, it may shrink under a map */
    rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
  }
  if (rc == SQLITE_OK && own && !reads) rc = keep_log(tier, db);
  lrd_dealloc(uri);
  *out = db; /* even a failed one, for its message; closed by the caller */
  return rc;
}
