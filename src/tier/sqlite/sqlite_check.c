/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verification, ranges and figures.
 *
 * check reads every row the way a get does, but reports instead of dropping, then the files, then the totals. It works in
 * windows and judges copies, with no transaction open, so that it holds neither the log nor writers back; and it asks for a
 * slot before it removes anything.
 */
#include "sqlite_inner.h"

#include <stdio.h>

#define WINDOW        128
#define COUNT_WINDOW  4096
#define COUNT_KEPT_NS (1000ll * 1000000)
enum { COLUMN_VALUE = 14 };

static larder_err remove_at(sqlite_tier *tier, uint64_t hash, uint64_t *removed) {
  sqlite_request request;
  larder_err err = lrd_sqlite_turn_begin(tier, &request);
  if (err != LARDER_OK) return err;
  sqlite_row row = {0};
  err = lrd_sqlite_look(tier, hash, &row);
  if (err == LARDER_OK) {
    tier->txn.recount = true; /* what a damaged row says of its size was perhaps never counted */
    err = lrd_sqlite_remove_row(tier, &row);
    if (err == LARDER_OK) (*removed)++;
  } else if (err == LARDER_MISS) {
    err = LARDER_OK;
  }
  larder_err const kept = lrd_sqlite_turn_finish(tier, &request, err == LARDER_OK);
  return err == LARDER_OK ? kept : err;
}

/* A row out of the database: key, head and value one after the other, in an allocation of its own. */
typedef struct row_copy {
  sqlite_row row;
  uint8_t *bytes; /* NULL: there is no such row */
  const uint8_t *value;
  size_t value_len; /* as stored; not what the row says */
} row_copy;

static larder_err row_copy_take(sqlite3_stmt *s, row_copy *copy) {
  sqlite_row *row = &copy->row;
  lrd_sqlite_row_from_statement(s, row);
  const void *value = sqlite3_column_blob(s, COLUMN_VALUE);
  copy->value_len = (size_t)sqlite3_column_bytes(s, COLUMN_VALUE);
  if (value == NULL && copy->value_len != 0) return LARDER_ENOMEM;
  uint8_t *at = copy->bytes = lrd_alloc(copy->value_len + row->key_len + row->head_len + 1);
  if (at == NULL) return LARDER_ENOMEM;
  if (copy->value_len != 0) memcpy(at, value, copy->value_len);
  copy->value = at;
  at += copy->value_len;
  if (row->key_len != 0) memcpy(at, row->key, row->key_len);
  row->key = at;
  at += row->key_len;
  if (row->head_len != 0) memcpy(at, row->head, row->head_len);
  row->head = at;
  return LARDER_OK;
}

/* copy->bytes are the caller's to release, also after a failure. */
static larder_err row_read(sqlite_tier *tier, uint64_t hash, row_copy *copy) {
  sqlite_reader *reader = NULL;
  larder_err err = lrd_sqlite_reader_claim(tier, &reader);
  if (err != LARDER_OK) return err;
  int rc = sqlite3_bind_int64(reader->get, 1, key64_of(hash));
  if (rc == SQLITE_OK) rc = lrd_sqlite_step_first(reader->get);
  if (rc == SQLITE_ROW)
    err = row_copy_take(reader->get, copy);
  else if (rc != SQLITE_DONE)
    err = lrd_sqlite_fault(tier, reader->db, rc);
  (void)sqlite3_reset(reader->get);
  return lrd_sqlite_reader_finish(tier, reader, err);
}

/* What is wrong with a value whose bytes lie here, by its checksum and then by the judge; or NULL. */
static const char *value_fault(const row_copy *copy, const larder_facts *facts, const uint8_t *value, const char *differs,
                               larder_tier_judge judge, void *context) {
  const sqlite_row *row = &copy->row;
  larder_tier_key const key = {.data = row->key, .len = row->key_len, .hash = row->hash, .space = row->space};
  if (lrd_sum64(value, (size_t)row->value_len) != row->value_sum) return differs;
  return judge != NULL ? judge(context, &key, facts, value) : NULL;
}

static larder_err file_fault(sqlite_tier *tier, const row_copy *copy, const larder_facts *facts, larder_tier_judge judge,
                             void *context, const char **fault) {
  static const char differs[] = "the checksum of its file is wrong";
  const sqlite_row *row = &copy->row;
  uint8_t *bytes = lrd_alloc((size_t)row->value_len + 1);
  if (bytes == NULL) return LARDER_ENOMEM;
  larder_err const err = lrd_sqlite_blob_read(tier, row->hash, row->blob_stamp, bytes, (size_t)row->value_len);
  bool const told = err == LARDER_OK || err == LARDER_EUNKNOWN || err == LARDER_ECORRUPT || err == LARDER_EIO;
  *fault = err == LARDER_EUNKNOWN ? "its file is missing"
           : err == LARDER_OK     ? value_fault(copy, facts, bytes, differs, judge, context)
           : told                 ? differs
                                  : NULL;
  lrd_dealloc(bytes);
  return told ? LARDER_OK : err;
}

/* What is wrong with the row, or NULL. Nothing of the database is held. */
static larder_err row_fault(sqlite_tier *tier, const row_copy *copy, larder_tier_judge judge, void *context,
                            const char **fault) {
  larder_facts facts;
  const sqlite_row *row = &copy->row;
  *fault = NULL;
  if (lrd_sqlite_row_sum(row) != row->sum)
    *fault = "the checksum of its facts is wrong";
  else if (row->space == 0 || row->space >= LRD_SQLITE_SPACES_MAX || !lrd_sqlite_row_facts(row, &facts))
    *fault = "its facts make no sense";
  else if (row->flags & ROW_TOMBSTONE)
    return LARDER_OK;
  else if (row->flags & ROW_BLOB)
    return file_fault(tier, copy, &facts, judge, context, fault);
  else if (copy->value_len != row->value_len)
    *fault = "the checksum of its value is wrong";
  else
    *fault = value_fault(copy, &facts, copy->value, "the checksum of its value is wrong", judge, context);
  return LARDER_OK;
}

/* Reads the row anew and judges it. copy->bytes as by row_read. */
static larder_err row_judge(sqlite_tier *tier, uint64_t hash, larder_tier_judge judge, void *context, row_copy *copy,
                            const char **fault) {
  larder_err const err = row_read(tier, hash, copy);
  return err == LARDER_OK && copy->bytes != NULL ? row_fault(tier, copy, judge, context, fault) : err;
}

/* The slot is owned: what was found damaged before that may have been replaced. */
static larder_err remove_if_damaged(sqlite_tier *tier, uint64_t hash, larder_tier_judge judge, void *context,
                                    uint64_t *removed) {
  row_copy copy = {0};
  const char *fault = NULL;
  larder_err const err = row_judge(tier, hash, judge, context, &copy, &fault);
  lrd_dealloc(copy.bytes);
  return err == LARDER_OK && fault != NULL ? remove_at(tier, hash, removed) : err;
}

static larder_err row_repair(sqlite_tier *tier, const larder_tier_key *key, larder_tier_report *report, larder_tier_judge judge,
                             void *context) {
  const larder_tier_host *host = &tier->host;
  uint64_t removed = 0;
  if (host->slot_try_own != NULL && !host->slot_try_own(host->context, key->hash)) return LARDER_OK;
  larder_err const err = remove_if_damaged(tier, key->hash, judge, context, &removed);
  report->repaired += removed;
  if (removed != 0 && host->evicted != NULL) host->evicted(host->context, key->space, LARDER_EVICT_CORRUPTION, 1, key->len);
  if (host->slot_release != NULL) host->slot_release(host->context, key->hash);
  return err;
}

/* Looks at the row once more: it may have been replaced since the window was read. */
static larder_err row_check(sqlite_tier *tier, uint64_t hash, bool repair, larder_tier_report *report,
                            larder_tier_finding finding, larder_tier_judge judge, void *context) {
  row_copy copy = {0};
  const char *fault = NULL;
  larder_err err = row_judge(tier, hash, judge, context, &copy, &fault);
  if (err == LARDER_OK && copy.bytes != NULL) report->examined++;
  if (err == LARDER_OK && fault != NULL) {
    size_t const key_len = copy.row.key_len <= LARDER_KEY_MAX ? copy.row.key_len : LARDER_KEY_MAX;
    larder_tier_key const key = {.data = copy.row.key, .len = key_len, .hash = hash, .space = copy.row.space};
    report->damaged++;
    if (finding != NULL) finding(context, &key, fault);
    if (repair) err = row_repair(tier, &key, report, judge, context);
  }
  lrd_dealloc(copy.bytes);
  return err;
}

larder_err lrd_sqlite_remove_damaged(sqlite_tier *tier, uint64_t hash, uint64_t *removed) {
  return remove_if_damaged(tier, hash, NULL, NULL, removed);
}

static larder_err check_rows(sqlite_tier *tier, bool repair, larder_tier_report *report, larder_tier_finding finding,
                             larder_tier_judge judge, void *context) {
  uint64_t position = 0;
  for (bool ended = false; !ended;) {
    uint64_t window[WINDOW];
    size_t count = 0;
    sqlite_reader *reader = NULL;
    larder_err err = lrd_sqlite_reader_claim(tier, &reader);
    if (err != LARDER_OK) return err;
    int rc = sqlite3_bind_int64(reader->window, 1, key64_of(position));
    if (rc == SQLITE_OK) rc = sqlite3_bind_int64(reader->window, 2, WINDOW);
    if (rc == SQLITE_OK) rc = lrd_sqlite_step_first(reader->window);
    for (; rc == SQLITE_ROW && count < WINDOW; rc = sqlite3_step(reader->window))
      window[count++] = hash_of(sqlite3_column_int64(reader->window, 0));
    if (rc != SQLITE_ROW && rc != SQLITE_DONE) err = lrd_sqlite_fault(tier, reader->db, rc);
    (void)sqlite3_reset(reader->window);
    err = lrd_sqlite_reader_finish(tier, reader, err);
    for (size_t i = 0; i < count && err == LARDER_OK; i++)
      err = row_check(tier, window[i], repair, report, finding, judge, context);
    if (err != LARDER_OK) return err;
    ended = count < WINDOW || window[count - 1] == UINT64_MAX;
    if (!ended) position = window[count - 1] + 1;
  }
  return LARDER_OK;
}

/* SQLite's own view of its pages. */
static larder_err check_pages(sqlite_tier *tier, larder_tier_report *report, larder_tier_finding finding, void *context) {
  sqlite_reader *reader = NULL;
  larder_err err = lrd_sqlite_reader_claim(tier, &reader);
  if (err != LARDER_OK) return err;
  sqlite3_stmt *s = NULL;
  int rc = sqlite3_prepare_v2(reader->db, "PRAGMA integrity_check(20)", -1, &s, NULL);
  bool sound = true;
  if (rc == SQLITE_OK) rc = lrd_sqlite_step_first(s);
  for (; rc == SQLITE_ROW; rc = sqlite3_step(s)) {
    const char *said = (const char *)sqlite3_column_text(s, 0);
    if (said != NULL && strcmp(said, "ok") == 0) continue;
    sound = false;
    report->damaged++;
    if (finding != NULL) finding(context, NULL, said == NULL ? "the database is damaged" : said);
  }
  (void)sqlite3_finalize(s);
  if (rc != SQLITE_DONE) err = lrd_sqlite_fault(tier, reader->db, rc);
  if (lrd_sqlite_reader_finish(tier, reader, LARDER_OK) != LARDER_OK) { /* pages of two states say nothing of either */
    report->damaged = 0;
    return LARDER_EAWAY;
  }
  if (!sound) {
    lrd_sqlite_distrust(tier, LARDER_ECORRUPT, "the integrity check found damaged pages");
    return LARDER_EAWAY;
  }
  return err;
}

/* The kept totals against counted ones, under the turn; they are mended either way when asked to. */
static larder_err check_totals(sqlite_tier *tier, bool repair, larder_tier_report *report, larder_tier_finding finding,
                               void *context) {
  if (tier->read_only) return LARDER_OK;
  sqlite_totals *counted = lrd_alloc(LRD_SQLITE_SPACES_MAX * sizeof *counted);
  if (counted == NULL) return LARDER_ENOMEM;
  sqlite_request request;
  larder_err err = lrd_sqlite_turn_begin(tier, &request);
  if (err == LARDER_OK) {
    int const rc = lrd_sqlite_totals_recount(tier->writer.db, counted);
    if (rc != SQLITE_OK) err = lrd_sqlite_fault(tier, tier->writer.db, rc);
    uint32_t const end = sqlite_spaces_end(tier);
    for (uint32_t space = 1; err == LARDER_OK && space < end; space++) {
      if (memcmp(&counted[space], &tier->txn.totals[space], sizeof counted[space]) == 0) continue;
      report->damaged++;
      if (finding != NULL) finding(context, NULL, "the totals of a namespace did not match its rows");
      if (!repair) continue;
      tier->txn.recount = true;
      tier->txn.changed = true;
      report->repaired++;
    }
    larder_err const kept = lrd_sqlite_turn_finish(tier, &request, err == LARDER_OK);
    if (err == LARDER_OK) err = kept;
  }
  lrd_dealloc(counted);
  return err;
}

larder_err lrd_sqlite_check(void *self, bool repair, larder_tier_report *out, larder_tier_finding finding,
                            larder_tier_judge judge, void *context) {
  sqlite_tier *tier = lrd_sqlite_tier_of(self);
  if (atomic_load(&tier->away)) return LARDER_EAWAY;
  if (repair && tier->read_only) return sqlite_refusal(tier);
  larder_tier_report report = {0};
  larder_err err = check_pages(tier, &report, finding, context);
  if (err == LARDER_OK) err = check_rows(tier, repair, &report, finding, judge, context);
  if (err == LARDER_OK) {
    uint64_t removed = 0;
    err = lrd_sqlite_blob_orphans(tier, repair, sqlite_wall_ms(tier) - LRD_SQLITE_TOMBSTONE_MS, &report.orphans, &removed);
  }
  if (err == LARDER_OK) err = check_totals(tier, repair, &report, finding, context);
  /* Damage is what the report says; it is no failure of the check. */
  if (err == LARDER_OK || report.damaged != 0) *out = report;
  return err;
}

larder_err lrd_sqlite_forget_range(void *self, uint64_t first, uint64_t last, uint64_t *removed_out) {
  sqlite_tier *tier = lrd_sqlite_tier_of(self);
  uint64_t removed = 0;
  sqlite_request request;
  larder_err err = lrd_sqlite_turn_begin(tier, &request);
  if (err != LARDER_OK) return err;
  sqlite3_stmt *s = tier->writer.statement[W_WINDOW];
  for (bool through = first > last; !through && err == LARDER_OK;) {
    uint64_t hashes[WINDOW];
    size_t count = 0;
    int rc = sqlite3_bind_int64(s, 1, key64_of(first));
    if (rc == SQLITE_OK) rc = sqlite3_bind_int64(s, 2, WINDOW);
    while (rc == SQLITE_OK && count < WINDOW && (rc = sqlite3_step(s)) == SQLITE_ROW) {
      rc = SQLITE_OK;
      uint64_t const hash = hash_of(sqlite3_column_int64(s, 0));
      if (hash > last) break;
      hashes[count++] = hash;
    }
    (void)sqlite3_reset(s);
    if (rc != SQLITE_OK && rc != SQLITE_DONE) err = lrd_sqlite_fault(tier, tier->writer.db, rc);
    for (size_t i = 0; i < count && err == LARDER_OK; i++) {
      sqlite_row row;
      err = lrd_sqlite_look(tier, hashes[i], &row);
      if (err == LARDER_OK) err = lrd_sqlite_remove_row(tier, &row);
      removed++;
    }
    through = count < WINDOW || hashes[count - 1] == last;
    if (!through) first = hashes[count - 1] + 1;
  }
  larder_err const kept = lrd_sqlite_turn_finish(tier, &request, err == LARDER_OK);
  if (err == LARDER_OK) err = kept;
  if (err == LARDER_OK) *removed_out = removed;
  return err;
}

/* One window of the count from *position on; *ended: there are no more rows. */
static larder_err window_count(sqlite_tier *tier, uint64_t *position, sqlite_totals *totals, bool *ended) {
  sqlite_reader *reader = NULL;
  larder_err err = lrd_sqlite_reader_claim(tier, &reader);
  if (err != LARDER_OK) return err;
  int rc = SQLITE_OK;
  if (reader->count == NULL)
    rc = lrd_sqlite_prepare(reader->db,
                            "SELECT hash, space, stamp, soft, hard, flags, used, uses, sum, vsum, vlen, bstamp, key, head "
                            "FROM entries WHERE hash >= ?1 ORDER BY hash LIMIT ?2",
                            &reader->count);
  if (rc == SQLITE_OK) rc = sqlite3_bind_int64(reader->count, 1, key64_of(*position));
  if (rc == SQLITE_OK) rc = sqlite3_bind_int64(reader->count, 2, COUNT_WINDOW);
  if (rc == SQLITE_OK) rc = lrd_sqlite_step_first(reader->count);
  int rows = 0;
  uint64_t last = 0;
  for (; rc == SQLITE_ROW; rc = sqlite3_step(reader->count)) {
    lrd_sqlite_totals_add(totals, reader->count);
    last = hash_of(sqlite3_column_int64(reader->count, 0));
    rows++;
  }
  if (rc != SQLITE_DONE) err = lrd_sqlite_fault(tier, reader->db, rc);
  (void)sqlite3_reset(reader->count);
  *ended = rows < COUNT_WINDOW || last == UINT64_MAX;
  *position = last + 1;
  return lrd_sqlite_reader_finish(tier, reader, err);
}

/* Every row, in windows, so that no transaction is long; what is written meanwhile is counted or not. */
static larder_err all_count(sqlite_tier *tier, sqlite_totals *totals) {
  uint64_t position = 0;
  larder_err err = LARDER_OK;
  for (bool ended = false; !ended && err == LARDER_OK;) err = window_count(tier, &position, totals, &ended);
  return err;
}

static int64_t count_ns(const sqlite_tier *tier) {
  return tier->host.mono_ns != NULL ? tier->host.mono_ns(tier->host.context) : lrd_mono_ns(lrd_clock_real());
}

static bool count_kept(sqlite_tier *tier, sqlite_totals *totals) {
  int64_t const now_ns = count_ns(tier);
  lrd_lock(&tier->counting);
  bool const fresh = tier->counted != NULL && now_ns < tier->counted_until_ns;
  if (fresh) memcpy(totals, tier->counted, LRD_SQLITE_SPACES_MAX * sizeof *totals);
  lrd_unlock(&tier->counting);
  return fresh;
}

/*
 * By who may not write and finds no board. A count serves all spaces, for a second or for as long as it took, so that who asks
 * for each space in turn has the rows read once.
 */
static larder_err usage_counted(sqlite_tier *tier, sqlite_totals *totals) {
  if (count_kept(tier, totals)) return LARDER_OK;
  int64_t const began_ns = count_ns(tier);
  larder_err const err = all_count(tier, totals);
  if (err != LARDER_OK) return err;
  sqlite_totals *copy = lrd_alloc(LRD_SQLITE_SPACES_MAX * sizeof *copy);
  if (copy == NULL) return LARDER_ENOMEM;
  memcpy(copy, totals, LRD_SQLITE_SPACES_MAX * sizeof *copy);
  int64_t const ended_ns = count_ns(tier);
  int64_t const took_ns = ended_ns - began_ns;
  lrd_lock(&tier->counting);
  sqlite_totals *before = tier->counted;
  tier->counted = copy;
  tier->counted_until_ns = ended_ns + (took_ns > COUNT_KEPT_NS ? took_ns : COUNT_KEPT_NS);
  lrd_unlock(&tier->counting);
  lrd_dealloc(before);
  return LARDER_OK;
}

/* Whoever begins a transaction while the totals are in doubt counts them. */
static larder_err usage_by_turn(sqlite_tier *tier, sqlite_totals *totals) {
  sqlite_request request = {0};
  larder_err const err = lrd_sqlite_turn_begin(tier, &request);
  if (err != LARDER_OK) return err;
  memcpy(totals, tier->txn.totals, LRD_SQLITE_SPACES_MAX * sizeof *totals);
  return lrd_sqlite_turn_finish(tier, &request, false);
}

larder_err lrd_sqlite_usage(void *self, uint32_t space, larder_tier_usage *out) {
  sqlite_tier *tier = lrd_sqlite_tier_of(self);
  if (atomic_load(&tier->away)) return LARDER_EAWAY;
  bool const all = space == LARDER_TIER_ALL_SPACES;
  if (!all && (space == 0 || space >= LRD_SQLITE_SPACES_MAX)) return LARDER_EINVAL;
  sqlite_totals *totals = lrd_alloc_zero(LRD_SQLITE_SPACES_MAX, sizeof *totals);
  if (totals == NULL) return LARDER_ENOMEM;
  larder_err err = LARDER_OK;
  const sqlite_board *board = sqlite_board_shown(tier);
  if (!atomic_load(&board->totals_valid))
    err = tier->read_only ? usage_counted(tier, totals) : usage_by_turn(tier, totals);
  else
    for (uint32_t i = 0; i < LRD_SQLITE_SPACES_MAX; i++) lrd_sqlite_totals_read(board, i, &totals[i]);
  larder_tier_usage sum = {0};
  for (uint32_t i = 0; i < LRD_SQLITE_SPACES_MAX; i++) {
    if (!all && i != space) continue;
    sum.entries += totals[i].entries;
    sum.bytes += totals[i].bytes;
    sum.payload_bytes += totals[i].payload;
  }
  sum.bytes_max = all ? tier->bytes_max : atomic_load(&tier->spaces[space].bytes_max);
  sum.entries_max = all ? tier->entries_max : atomic_load(&tier->spaces[space].entries_max);
  lrd_dealloc(totals);
  if (err == LARDER_OK) *out = sum;
  return err;
}
