/* SPDX-License-Identifier: Apache-2.0 */
/* From older formats to this build's, by who is alone. */
#include "sqlite_inner.h"

#include <stdio.h>

/* Beside the database as it was: `<path>.v1-backup`. By SQLite's own backup, so that the WAL is in it. */
static int backup(const sqlite_tier *tier, sqlite3 *db, int64_t version) {
  char *to = sqlite3_mprintf("%s.v%lld-backup", tier->path, (long long)version);
  if (to == NULL) return SQLITE_NOMEM;
  sqlite3 *copy = NULL;
  (void)lrd_fs_unlink(to);
  int rc = lrd_sqlite_connect(tier, to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, false, &copy);
  if (rc == SQLITE_OK) {
    sqlite3_backup *run = sqlite3_backup_init(copy, "main", db, "main");
    rc = run == NULL ? sqlite3_errcode(copy) : sqlite3_backup_step(run, -1);
    if (run != NULL) {
      int const ended = sqlite3_backup_finish(run);
      rc = rc == SQLITE_DONE ? ended : rc;
    }
  }
  (void)sqlite3_close(copy);
  if (rc != SQLITE_OK) (void)lrd_fs_unlink(to);
  sqlite3_free(to);
  return rc;
}

/* The checksum for rows that had none: made of what is there now, once, by the migration. */
static void row_sum_function(sqlite3_context *context, int count, sqlite3_value **v) {
  (void)count;
  sqlite_row row = {.hash = hash_of(sqlite3_value_int64(v[0])),
                    .space = (uint32_t)sqlite3_value_int64(v[1]),
                    .stamp = (uint64_t)sqlite3_value_int64(v[2]),
                    .soft_ms = sqlite3_value_int64(v[3]),
                    .hard_ms = sqlite3_value_int64(v[4]),
                    .flags = (uint64_t)sqlite3_value_int64(v[5]),
                    .value_sum = (uint64_t)sqlite3_value_int64(v[6]),
                    .value_len = (uint64_t)sqlite3_value_int64(v[7]),
                    .blob_stamp = (uint64_t)sqlite3_value_int64(v[8])};
  row.key = sqlite3_value_blob(v[9]);
  row.key_len = (size_t)sqlite3_value_bytes(v[9]);
  row.head = sqlite3_value_blob(v[10]);
  row.head_len = (size_t)sqlite3_value_bytes(v[10]);
  sqlite3_result_int64(context, (sqlite3_int64)lrd_sqlite_row_sum(&row));
}

/*
 * 1 → 2. Version 1 kept one checksum, of the value alone, in `sum`, the blob's stamp as the row's own, no access count and
 * no totals. Rows keep their values; one whose value does not fit its checksum is found by the next read, as before.
 */
static int migrate_1_to_2(sqlite3 *db) {
  int rc = sqlite3_create_function(db, "row_sum", 11, SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL, row_sum_function, NULL, NULL);
  if (rc == SQLITE_OK)
    rc = sqlite3_exec(db,
                      "ALTER TABLE entries RENAME TO entries_1;"
                      "ALTER TABLE spaces RENAME TO spaces_1;"
                      "CREATE TABLE spaces(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, entries INT NOT NULL DEFAULT 0,"
                      " tombstones INT NOT NULL DEFAULT 0, bytes INT NOT NULL DEFAULT 0, payload INT NOT NULL DEFAULT 0);"
                      "INSERT INTO spaces(id, name) SELECT id, name FROM spaces_1;"
                      "CREATE TABLE entries(hash INTEGER PRIMARY KEY, space INT NOT NULL, stamp INT NOT NULL,"
                      " soft INT NOT NULL, hard INT NOT NULL, flags INT NOT NULL, used INT NOT NULL, uses INT NOT NULL,"
                      " sum INT NOT NULL, vsum INT NOT NULL, vlen INT NOT NULL, bstamp INT NOT NULL, key BLOB NOT NULL,"
                      " head BLOB, value BLOB);"
                      "INSERT INTO entries SELECT hash, space, stamp, soft, hard, flags, used, 0,"
                      " row_sum(hash, space, stamp, soft, hard, flags, sum, vlen, iif(flags & 512, stamp, 0), key, head), sum,"
                      " vlen, iif(flags & 512, stamp, 0), key, head, value FROM entries_1 ORDER BY hash;"
                      "DROP TABLE entries_1; DROP TABLE spaces_1;",
                      NULL, NULL, NULL);
  (void)sqlite3_create_function(db, "row_sum", 11, SQLITE_UTF8, NULL, NULL, NULL, NULL);
  return rc;
}

/*
 * 2 → 3 changes no row: the new format has frames, which an older build would hand out as values, so the number alone
 * keeps it away. That is why it needs no backup, and why media that cannot be written are read as they are.
 */
larder_err lrd_sqlite_migrate(sqlite_tier *tier, sqlite3 *db, int64_t version, larder_error *err) {
  if (!tier->first)
    return lrd_fail(err, LARDER_EBUSY, 0, "sqlite", "%s needs its migration from format %lld, but others have it open",
                    tier->path, (long long)version);
  bool const rows_change = version < LRD_SQLITE_FORMAT_READABLE;
  int rc = rows_change ? backup(tier, db, version) : SQLITE_OK;
  if (rc == SQLITE_OK) rc = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
  if (rc == SQLITE_OK && rows_change) rc = migrate_1_to_2(db);
  if (rc == SQLITE_OK) rc = lrd_sqlite_meta_set(db, "format", LRD_SQLITE_FORMAT);
  if (rc == SQLITE_OK && rows_change) rc = lrd_sqlite_meta_set(db, "clean", 0);
  char sql[64];
  (void)snprintf(sql, sizeof sql, "PRAGMA user_version = %d; COMMIT", LRD_SQLITE_FORMAT);
  if (rc == SQLITE_OK) rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
  if (rc == SQLITE_OK) {
    lrd_sqlite_log(tier, LRD_LOG_INFO, "sqlite.migrated", "%s went from format %lld to %d%s", tier->path, (long long)version,
                   LRD_SQLITE_FORMAT, rows_change ? "; a backup lies beside it" : "");
    return LARDER_OK;
  }
  larder_err const code = lrd_sqlite_err_of(db, rc);
  (void)lrd_fail(err, code, 0, "sqlite", "migrating %s from format %lld failed: %s", tier->path, (long long)version,
                 sqlite3_errmsg(db));
  if (!sqlite3_get_autocommit(db)) (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
  return code;
}
