/* SPDX-License-Identifier: Apache-2.0 */
/* Scans: a window's transaction is ended before anything is shown, so a slow visitor holds no log back. */
#include "sqlite_inner.h"

#include "tier/hash_scan.h"

static larder_err window_read(const lrd_hash_scan *scan, uint64_t position, size_t limit, lrd_hash_candidate *out,
                              size_t *count_out) {
  sqlite_tier *tier = scan->tier;
  const char *tag = scan->tag;
  sqlite_reader *reader = NULL;
  larder_err const err = lrd_sqlite_reader_claim(tier, &reader);
  if (err != LARDER_OK) return err;
  sqlite3_stmt *s = tag == NULL ? reader->window : reader->tagged;
  int rc = SQLITE_OK;
  if (tag != NULL) {
    rc = sqlite3_bind_int64(s, 1, scan->space);
    if (rc == SQLITE_OK) rc = sqlite3_bind_blob(s, 2, tag, (int)scan->tag_len, SQLITE_STATIC);
  }
  if (rc == SQLITE_OK) rc = sqlite3_bind_int64(s, tag == NULL ? 1 : 3, key64_of(position));
  if (rc == SQLITE_OK) rc = sqlite3_bind_int64(s, tag == NULL ? 2 : 4, (sqlite3_int64)limit);
  size_t count = 0;
  int64_t const now_ms = sqlite_wall_ms(tier);
  if (rc == SQLITE_OK) rc = lrd_sqlite_step_first(s);
  for (; rc == SQLITE_ROW && count < limit; rc = sqlite3_step(s)) {
    bool shown = true;
    if (tag == NULL)
      shown = sqlite3_column_int64(s, 1) == scan->space && !(sqlite3_column_int64(s, 2) & ROW_TOMBSTONE) &&
              !sqlite_expired(sqlite3_column_int64(s, 3), now_ms);
    out[count++] = (lrd_hash_candidate){hash_of(sqlite3_column_int64(s, 0)), shown};
  }
  larder_err result = LARDER_OK;
  if (rc != SQLITE_OK && rc != SQLITE_DONE && rc != SQLITE_ROW) result = lrd_sqlite_fault(tier, reader->db, rc);
  (void)sqlite3_reset(s);
  (void)sqlite3_clear_bindings(s);
  result = lrd_sqlite_reader_finish(tier, reader, result);
  *count_out = count;
  return result == LARDER_EBUSY ? LARDER_EAWAY : result;
}

static lrd_hash_scan scan_of(sqlite_tier *tier, uint32_t space) {
  return (lrd_hash_scan){
      .tier = tier, .space = space, .window = window_read, .fetch = lrd_sqlite_fetch, .release = lrd_sqlite_release};
}

larder_err lrd_sqlite_scan(void *self, uint32_t space, larder_tier_cursor *cursor, uint64_t limit, bool values,
                           larder_tier_visit visit, void *context) {
  sqlite_tier *tier = lrd_sqlite_tier_of(self);
  lrd_hash_scan scan = scan_of(tier, space);
  scan.values = values;
  return atomic_load(&tier->away) ? LARDER_EAWAY : lrd_hash_scan_run(&scan, cursor, limit, visit, context);
}

larder_err lrd_sqlite_scan_tag(void *self, uint32_t space, const char *tag, size_t tag_len, larder_tier_cursor *cursor,
                               uint64_t limit, larder_tier_visit visit, void *context) {
  sqlite_tier *tier = lrd_sqlite_tier_of(self);
  lrd_hash_scan scan = scan_of(tier, space);
  if (tag == NULL || tag_len == 0 || tag_len > LARDER_TAG_MAX) return LARDER_EINVAL;
  scan.tag = tag;
  scan.tag_len = tag_len;
  return atomic_load(&tier->away) ? LARDER_EAWAY : lrd_hash_scan_run(&scan, cursor, limit, visit, context);
}
