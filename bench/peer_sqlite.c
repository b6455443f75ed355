/* SPDX-License-Identifier: Apache-2.0 */
#define XXH_INLINE_ALL
#include "peer_sqlite.h"
#include "bench.h"
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#define VALUE_MAX 4096u
#define LOG_PAGES 8192 /* 64 MiB of pages of 8 KiB */

struct bare {
  sqlite3 *db;
  sqlite3_stmt *get, *put, *begin, *commit;
  size_t value_len;
  char log[320];
};

static void must(bare *db, int rc, const char *what) {
  if (rc != SQLITE_OK && rc != SQLITE_ROW && rc != SQLITE_DONE) bench_die("bare SQLite, %s: %s", what, sqlite3_errmsg(db->db));
}

static void execute(bare *db, const char *sql) { must(db, sqlite3_exec(db->db, sql, NULL, NULL, NULL), sql); }

/* The schema and the page size of the model; SQLite's own tables and statistics left out. */
static void schema_take(bare *db, const char *model) {
  sqlite3 *from = NULL;
  sqlite3_stmt *all = NULL;
  char pragma[64];
  if (sqlite3_open_v2(model, &from, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK ||
      sqlite3_prepare_v2(from, "PRAGMA page_size", -1, &all, NULL) != SQLITE_OK || sqlite3_step(all) != SQLITE_ROW)
    bench_die("%s cannot be read", model);
  snprintf(pragma, sizeof pragma, "PRAGMA page_size = %d", sqlite3_column_int(all, 0));
  sqlite3_finalize(all);
  execute(db, pragma);
  execute(db, "PRAGMA journal_mode = WAL");
  if (sqlite3_prepare_v2(from, "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'", -1, &all,
                         NULL) != SQLITE_OK)
    bench_die("%s has no schema to be read", model);
  while (sqlite3_step(all) == SQLITE_ROW) execute(db, (const char *)sqlite3_column_text(all, 0));
  sqlite3_finalize(all);
  sqlite3_close(from);
}

static sqlite3_stmt *prepare(bare *db, const char *sql) {
  sqlite3_stmt *statement = NULL;
  must(db, sqlite3_prepare_v3(db->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL), sql);
  return statement;
}

static int64_t hash_of(const uint8_t *key, size_t key_len) { return (int64_t)XXH3_64bits(key, key_len); }

static void put(bare *db, const uint8_t *key, size_t key_len, const uint8_t *value) {
  sqlite3_stmt *s = db->put;
  sqlite3_bind_int64(s, 1, hash_of(key, key_len));
  for (int column = 2; column <= 12; column++) sqlite3_bind_int64(s, column, 1700000000000 + column);
  sqlite3_bind_blob(s, 13, key, (int)key_len, SQLITE_STATIC);
  sqlite3_bind_blob(s, 14, value, (int)db->value_len, SQLITE_STATIC);
  must(db, sqlite3_step(s), "put");
  sqlite3_reset(s);
}

static void step(bare *db, sqlite3_stmt *statement) {
  must(db, sqlite3_step(statement), "transaction");
  sqlite3_reset(statement);
}

static void fill(bare *db, size_t keys, size_t key_len) {
  uint8_t key[BENCH_KEY_MAX], value[VALUE_MAX];
  step(db, db->begin);
  for (uint32_t id = 0; id < keys; id++) {
    bench_key(id, key_len, key);
    bench_value(id, value, db->value_len);
    put(db, key, key_len, value);
  }
  step(db, db->commit);
  execute(db, "PRAGMA wal_checkpoint(TRUNCATE)");
}

bare *bare_new(const char *folder, const char *model, size_t keys, size_t key_len, size_t value_len, bool full) {
  char path[300], pragmas[256];
  bare *db = bench_alloc(sizeof *db);
  *db = (bare){.value_len = value_len};
  if (value_len > VALUE_MAX) bench_die("values of %zu bytes are not foreseen", value_len);
  snprintf(path, sizeof path, "%s/bare-%s.db", folder, full ? "full" : "normal");
  snprintf(db->log, sizeof db->log, "%s-wal", path);
  if (sqlite3_open_v2(path, &db->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
    bench_die("%s cannot be made", path);
  schema_take(db, model);
  snprintf(pragmas, sizeof pragmas,
           "PRAGMA synchronous = %s; PRAGMA mmap_size = 1073741824; PRAGMA cache_size = -2048; PRAGMA wal_autocheckpoint = %d",
           full ? "FULL" : "NORMAL", LOG_PAGES);
  execute(db, pragmas);
  db->get = prepare(db, "SELECT key, value FROM entries WHERE hash = ?1");
  db->put = prepare(db, "INSERT OR REPLACE INTO entries(hash, space, stamp, soft, hard, flags, used, uses, sum, vsum, vlen,"
                        " bstamp, key, value) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)");
  db->begin = prepare(db, "BEGIN IMMEDIATE");
  db->commit = prepare(db, "COMMIT");
  fill(db, keys, key_len);
  return db;
}

void bare_free(bare *db) {
  if (!db) return;
  sqlite3_finalize(db->get);
  sqlite3_finalize(db->put);
  sqlite3_finalize(db->begin);
  sqlite3_finalize(db->commit);
  sqlite3_close(db->db);
  free(db);
}

void bare_gets(bare *db, const bench_trace *trace, size_t from, size_t count) {
  uint8_t value[VALUE_MAX];
  for (size_t i = from; i < from + count; i++) {
    const uint8_t *key = trace->asked + i * trace->key_len;
    sqlite3_bind_int64(db->get, 1, hash_of(key, trace->key_len));
    if (sqlite3_step(db->get) != SQLITE_ROW || sqlite3_column_bytes(db->get, 0) != (int)trace->key_len ||
        memcmp(sqlite3_column_blob(db->get, 0), key, trace->key_len) != 0)
      bench_die("bare SQLite lost a key");
    memcpy(value, sqlite3_column_blob(db->get, 1), (size_t)sqlite3_column_bytes(db->get, 1));
    sqlite3_reset(db->get);
    if (memcmp(value, &trace->ids[i], 4) != 0) bench_die("bare SQLite has another value");
  }
}

void bare_puts(bare *db, const bench_trace *trace, size_t from, size_t count, size_t batch, bool sync_last) {
  uint8_t value[VALUE_MAX];
  bench_value(0, value, db->value_len);
  for (size_t i = 0; i < count; i++) {
    if (batch > 1 && i % batch == 0) step(db, db->begin);
    memcpy(value, &trace->ids[from + i], 4);
    put(db, trace->asked + (from + i) * trace->key_len, trace->key_len, value);
    if (batch > 1 && (i % batch == batch - 1 || i == count - 1)) step(db, db->commit);
  }
  if (!sync_last) return;
  /* A descriptor of our own on the log: SQLite's locks are on the other two files, so closing it drops none. */
  int log = open(db->log, O_RDONLY | O_CLOEXEC);
  if (log < 0 || fdatasync(log) != 0) bench_die("%s cannot be synced", db->log);
  close(log);
}
