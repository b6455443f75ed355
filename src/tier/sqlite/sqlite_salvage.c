/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A damaged database: it and its -wal and -shm move together to `<root>/quarantine/<utc>-<n>/`, a fresh one takes the
 * place, and every row that can be read with a right checksum comes over, within a bound of time.
 *
 * Damage ends a scan at the first bad page, so the table is read from the front until an error, then from the back, and
 * what lies between is tried in ranges. Files of large values stay where they are: rows name them by content's stamp.
 */
#include "sqlite_inner.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#define RANGES 1024u

/* `a`, `between` and `b` as one text; own, NULL when out of memory. */
static char *text_make(const char *between, const char *a, const char *b) {
  lrd_buf buf = {0};
  char *out = NULL;
  if (lrd_buf_printf(&buf, "%s%s%s", a, between, b) == LARDER_OK && lrd_buf_terminate(&buf) == LARDER_OK)
    out = lrd_strdup((char *)buf.data);
  lrd_buf_fini(&buf);
  return out;
}

static int file_move(const char *from, const char *folder, const char *suffix) {
  char *source = text_make("", from, suffix);
  char *base = source == NULL ? NULL : strrchr(source, '/');
  char *target = base == NULL ? NULL : text_make("", folder, base);
  int rc = -1;
  errno = ENOMEM;
  if (target != NULL) {
    rc = lrd_fs_rename(source, target);
    if (rc != 0 && errno == ENOENT) rc = 0;
  }
  lrd_dealloc(source);
  lrd_dealloc(target);
  return rc;
}

/* Only by who is alone and has closed its connections. *moved_out is where the database lies now. */
larder_err lrd_sqlite_quarantine(sqlite_tier *tier, char **moved_out, larder_error *err) {
  char *folder = NULL;
  struct stat there;
  for (unsigned n = 0; n < 1000; n++) {
    char name[64];
    int64_t const now = sqlite_wall_ms(tier) / 1000;
    time_t const seconds = (time_t)now;
    struct tm utc;
    (void)gmtime_r(&seconds, &utc);
    size_t const len = strftime(name, sizeof name, "%Y%m%dT%H%M%SZ", &utc);
    (void)snprintf(name + len, sizeof name - len, "-%llu", (unsigned long long)tier->generation + n);
    lrd_dealloc(folder);
    folder = text_make("/quarantine/", tier->root, name);
    if (folder == NULL || lrd_fs_stat(folder, &there) != 0) break;
  }
  if (folder == NULL) return lrd_fail(err, LARDER_ENOMEM, ENOMEM, "sqlite", "out of memory");
  int rc = lrd_fs_mkdirs(folder, 0700);
  /* The log first: a database without its log is older, a log without its database is nothing. */
  if (rc == 0) rc = file_move(tier->path, folder, "-wal");
  if (rc == 0) rc = file_move(tier->path, folder, "-shm");
  if (rc == 0) rc = file_move(tier->path, folder, "");
  larder_err result = LARDER_OK;
  if (rc != 0) {
    result = lrd_fail(err, lrd_err_from_errno(errno), errno, "sqlite", "cannot move the damaged %s to %s", tier->path, folder);
  } else {
    lrd_sqlite_log(tier, LRD_LOG_ERROR, "sqlite.quarantined", "%s was damaged and lies in %s now", tier->path, folder);
    *moved_out = text_make("", folder, strrchr(tier->path, '/'));
    if (*moved_out == NULL) result = lrd_fail(err, LARDER_ENOMEM, ENOMEM, "sqlite", "out of memory");
  }
  lrd_dealloc(folder);
  return result;
}

typedef struct salvage {
  sqlite_tier *tier;
  sqlite3 *from;
  sqlite3_stmt *put;
  sqlite3_stmt *tag;
  uint64_t saved;
  uint64_t saved_entries; /* of these, no tombstones */
  uint64_t spoilt;
  int64_t deadline_ns;
} salvage;

/* Whether the row in the statement is whole. Its file is verified when it is read. */
static bool row_whole(sqlite3_stmt *s, sqlite_row *row) {
  larder_facts facts;
  lrd_sqlite_row_from_statement(s, row);
  if (lrd_sqlite_row_sum(row) != row->sum || row->space == 0 || row->space >= LRD_SQLITE_SPACES_MAX ||
      !lrd_sqlite_row_facts(row, &facts))
    return false;
  if (row->flags & (ROW_BLOB | ROW_TOMBSTONE)) return true;
  const void *value = sqlite3_column_blob(s, 14);
  size_t const len = (size_t)sqlite3_column_bytes(s, 14);
  return len == row->value_len && lrd_sum64(value, len) == row->value_sum;
}

static int row_save(salvage *job, sqlite3_stmt *s, const sqlite_row *row) {
  int rc = SQLITE_OK;
  for (int i = 0; i < 15 && rc == SQLITE_OK; i++) rc = sqlite3_bind_value(job->put, i + 1, sqlite3_column_value(s, i));
  if (rc == SQLITE_OK) rc = sqlite3_step(job->put);
  (void)sqlite3_reset(job->put);
  if (rc != SQLITE_DONE) return rc;
  if (sqlite3_changes(job->tier->writer.db) > 0) {
    job->saved++;
    job->saved_entries += (row->flags & ROW_TOMBSTONE) == 0;
  }
  larder_facts facts;
  if (!(row->flags & ROW_TAGGED) || !lrd_sqlite_row_facts(row, &facts)) return SQLITE_OK;
  for (size_t at = 0; at < facts.tags_len; at += 1u + (uint8_t)facts.tags[at]) {
    (void)sqlite3_bind_int64(job->tag, 1, row->space);
    (void)sqlite3_bind_blob(job->tag, 2, facts.tags + at + 1, (uint8_t)facts.tags[at], SQLITE_STATIC);
    (void)sqlite3_bind_int64(job->tag, 3, key64_of(row->hash));
    (void)sqlite3_step(job->tag);
    (void)sqlite3_reset(job->tag);
  }
  return SQLITE_OK;
}

/* Rows of [first, last], in either direction, until the end or an error. *at gets the last hash read. True at the end. */
static bool range_save(salvage *job, uint64_t first, uint64_t last, bool backwards, uint64_t *at) {
  sqlite3_stmt *s = NULL;
  const char *sql = backwards
                        ? "SELECT hash, space, stamp, soft, hard, flags, used, uses, sum, vsum, vlen, bstamp, key, head, value"
                          " FROM entries WHERE hash >= ?1 AND hash <= ?2 ORDER BY hash DESC"
                        : "SELECT hash, space, stamp, soft, hard, flags, used, uses, sum, vsum, vlen, bstamp, key, head, value"
                          " FROM entries WHERE hash >= ?1 AND hash <= ?2 ORDER BY hash";
  int rc = sqlite3_prepare_v2(job->from, sql, -1, &s, NULL);
  if (rc == SQLITE_OK) rc = sqlite3_bind_int64(s, 1, key64_of(first));
  if (rc == SQLITE_OK) rc = sqlite3_bind_int64(s, 2, key64_of(last));
  while (rc == SQLITE_OK && lrd_mono_ns(lrd_clock_real()) < job->deadline_ns && (rc = sqlite3_step(s)) == SQLITE_ROW) {
    sqlite_row row;
    rc = SQLITE_OK;
    bool const whole = row_whole(s, &row);
    *at = row.hash;
    if (whole)
      rc = row_save(job, s, &row);
    else
      job->spoilt++;
  }
  (void)sqlite3_finalize(s);
  return rc == SQLITE_DONE;
}

static void rows_save(salvage *job) {
  uint64_t front = 0, back = UINT64_MAX;
  if (range_save(job, 0, UINT64_MAX, false, &front)) return;
  if (range_save(job, front, UINT64_MAX, true, &back)) return;
  for (uint64_t i = 0; i < RANGES; i++) {
    uint64_t const first = i << 54, last = first | ((1ull << 54) - 1);
    uint64_t at = first;
    if (last < front || first > back) continue;
    if (!range_save(job, first, last, false, &at)) (void)range_save(job, at, last, true, &at);
  }
}

/* Numbers of spaces are taken over as they were: rows carry them. */
static int spaces_save(salvage *job) {
  sqlite3_stmt *s = NULL, *put = NULL;
  int rc = sqlite3_prepare_v2(job->from, "SELECT id, name FROM spaces WHERE typeof(name) = 'text'", -1, &s, NULL);
  if (rc == SQLITE_OK)
    rc = sqlite3_prepare_v2(job->tier->writer.db, "INSERT OR IGNORE INTO spaces(id, name) VALUES(?1, ?2)", -1, &put, NULL);
  uint64_t end = 0;
  while (rc == SQLITE_OK && (rc = sqlite3_step(s)) == SQLITE_ROW) {
    rc = SQLITE_OK;
    int64_t const id = sqlite3_column_int64(s, 0);
    if (id <= 0 || id >= LRD_SQLITE_SPACES_MAX) continue;
    if ((uint64_t)id + 1 > end) end = (uint64_t)id + 1;
    (void)sqlite3_bind_int64(put, 1, id);
    (void)sqlite3_bind_value(put, 2, sqlite3_column_value(s, 1));
    if (sqlite3_step(put) != SQLITE_DONE) rc = SQLITE_ERROR;
    (void)sqlite3_reset(put);
  }
  (void)sqlite3_finalize(s);
  (void)sqlite3_finalize(put);
  atomic_store(&job->tier->board->spaces_end, end);
  return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* Best effort: what cannot be saved is a loss that is logged, never a failure of opening. */
void lrd_sqlite_salvage(sqlite_tier *tier, const char *moved, uint64_t expected) {
  salvage job = {.tier = tier, .deadline_ns = lrd_mono_ns(lrd_clock_real()) + (int64_t)tier->options.check_ms * 1000000};
  sqlite3 *to = tier->writer.db;
  int64_t seed = 0, format = 0;
  lrd_sqlite_header_mend(tier, moved);
  int rc = lrd_sqlite_connect(tier, moved, SQLITE_OPEN_READWRITE, false, &job.from);
  if (rc == SQLITE_OK) rc = sqlite3_exec(job.from, "PRAGMA cell_size_check = 1; PRAGMA mmap_size = 0", NULL, NULL, NULL);
  if (rc == SQLITE_OK) rc = lrd_sqlite_meta_get(job.from, "seed", &seed);
  if (rc == SQLITE_OK) rc = lrd_sqlite_meta_get(job.from, "format", &format);
  if (rc == SQLITE_OK && (format < LRD_SQLITE_FORMAT_READABLE || format > LRD_SQLITE_FORMAT || (uint64_t)seed != tier->seed))
    rc = SQLITE_MISMATCH;
  if (rc == SQLITE_OK) rc = sqlite3_exec(to, "BEGIN IMMEDIATE", NULL, NULL, NULL);
  if (rc == SQLITE_OK) rc = spaces_save(&job);
  if (rc == SQLITE_OK)
    rc = sqlite3_prepare_v2(to, "INSERT OR IGNORE INTO entries VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15)", -1,
                            &job.put, NULL);
  if (rc == SQLITE_OK) rc = sqlite3_prepare_v2(to, "INSERT OR IGNORE INTO tags VALUES(?1, ?2, ?3)", -1, &job.tag, NULL);
  if (rc == SQLITE_OK && expected == 0) {
    int64_t kept = 0; /* by the last orderly close */
    if (lrd_sqlite_pragma_int(job.from, "SELECT sum(entries) FROM spaces", &kept) == SQLITE_OK && kept > 0)
      expected = (uint64_t)kept;
  }
  if (rc == SQLITE_OK) rows_save(&job);
  (void)sqlite3_finalize(job.put);
  (void)sqlite3_finalize(job.tag);
  if (!sqlite3_get_autocommit(to)) {
    int const ended = sqlite3_exec(to, "COMMIT", NULL, NULL, NULL);
    if (ended != SQLITE_OK) {
      (void)sqlite3_exec(to, "ROLLBACK", NULL, NULL, NULL);
      job.saved = job.saved_entries = 0;
    }
  }
  if (expected < job.saved_entries + job.spoilt) expected = job.saved_entries + job.spoilt;
  if (expected > job.saved_entries && tier->host.evicted != NULL)
    tier->host.evicted(tier->host.context, 0, LARDER_EVICT_CORRUPTION, expected - job.saved_entries, 0);
  atomic_store(&tier->board->totals_valid, 0);
  (void)sqlite3_close(job.from);
  lrd_sqlite_log(tier, LRD_LOG_WARN, "sqlite.salvaged", "%llu entries saved out of %s, %llu found spoilt%s%s",
                 (unsigned long long)job.saved, moved, (unsigned long long)job.spoilt,
                 rc == SQLITE_OK ? "" : "; it could not be read: ", rc == SQLITE_OK ? "" : sqlite3_errstr(rc));
}
