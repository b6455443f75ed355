/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scans. The position is the next hash to examine, so it survives restarts and needs nothing held. A window of hashes is
 * read and its transaction ended; then each entry is fetched by itself and shown, so a slow visitor holds no log back.
 */
#include "sqlite_inner.h"

#define WINDOW 256

typedef struct candidate {
  uint64_t hash;
  bool shown; /* of the space, live */
} candidate;

/* Fills at most `limit` hashes from `position`; the reader is given back before anything is shown. */
static larder_err window_read(sqlite_tier *tier, uint32_t space, const larder_tier_cursor *cursor, const char *tag,
                              size_t tag_len, size_t limit, candidate *out, size_t *count_out) {
  sqlite_reader *reader = NULL;
  larder_err const err = lrd_sqlite_reader_claim(tier, &reader);
  if (err != LARDER_OK) return err;
  sqlite3_stmt *s = tag == NULL ? reader->window : reader->tagged;
  int rc = SQLITE_OK;
  if (tag != NULL) {
    rc = sqlite3_bind_int64(s, 1, space);
    if (rc == SQLITE_OK) rc = sqlite3_bind_blob(s, 2, tag, (int)tag_len, SQLITE_STATIC);
  }
  if (rc == SQLITE_OK) rc = sqlite3_bind_int64(s, tag == NULL ? 1 : 3, key64_of(cursor->position));
  if (rc == SQLITE_OK) rc = sqlite3_bind_int64(s, tag == NULL ? 2 : 4, (sqlite3_int64)limit);
  size_t count = 0;
  int64_t const now_ms = sqlite_wall_ms(tier);
  while (rc == SQLITE_OK && (rc = sqlite3_step(s)) == SQLITE_ROW && count < limit) {
    rc = SQLITE_OK;
    bool shown = true;
    if (tag == NULL)
      shown = sqlite3_column_int64(s, 1) == space && !(sqlite3_column_int64(s, 2) & ROW_TOMBSTONE) &&
              !sqlite_expired(sqlite3_column_int64(s, 3), now_ms);
    out[count++] = (candidate){hash_of(sqlite3_column_int64(s, 0)), shown};
  }
  larder_err result = LARDER_OK;
  if (lrd_sqlite_reader_overtaken(tier, reader))
    result = LARDER_EAWAY;
  else if (rc != SQLITE_OK && rc != SQLITE_DONE && rc != SQLITE_ROW)
    result = lrd_sqlite_fault(tier, reader->db, rc);
  (void)sqlite3_reset(s);
  (void)sqlite3_clear_bindings(s);
  lrd_sqlite_reader_return(tier, reader);
  *count_out = count;
  return result == LARDER_EBUSY ? LARDER_EAWAY : result;
}

/* Moves the cursor beyond hash. */
static void cursor_pass(larder_tier_cursor *cursor, uint64_t hash) {
  if (hash == UINT64_MAX)
    cursor->ended = true;
  else
    cursor->position = hash + 1;
}

static larder_err scan(sqlite_tier *tier, uint32_t space, const char *tag, size_t tag_len, larder_tier_cursor *cursor,
                       uint64_t limit, bool values, larder_tier_visit visit, void *context) {
  if (atomic_load(&tier->away)) return LARDER_EAWAY;
  candidate window[WINDOW];
  while (limit > 0 && !cursor->ended) {
    size_t const want = limit < WINDOW ? (size_t)limit : WINDOW;
    size_t count = 0;
    larder_err err = window_read(tier, space, cursor, tag, tag_len, want, window, &count);
    if (err != LARDER_OK) return err;
    for (size_t i = 0; i < count; i++) {
      larder_tier_key key;
      larder_tier_entry entry;
      err = window[i].shown ? lrd_sqlite_fetch(tier, window[i].hash, !values, &key, &entry) : LARDER_MISS;
      if (err != LARDER_OK && err != LARDER_MISS) return err;
      cursor_pass(cursor, window[i].hash);
      if (err != LARDER_OK) continue;
      bool const go_on = key.space != space || visit(context, &key, &entry.facts, entry.value);
      lrd_sqlite_release(tier, &entry);
      if (!go_on) return LARDER_OK;
    }
    limit -= count;
    if (count < want) cursor->ended = true;
  }
  return cursor->ended ? LARDER_END : LARDER_OK;
}

larder_err lrd_sqlite_scan(void *self, uint32_t space, larder_tier_cursor *cursor, uint64_t limit, bool values,
                           larder_tier_visit visit, void *context) {
  return scan(lrd_sqlite_tier_of(self), space, NULL, 0, cursor, limit, values, visit, context);
}

larder_err lrd_sqlite_scan_tag(void *self, uint32_t space, const char *tag, size_t tag_len, larder_tier_cursor *cursor,
                               uint64_t limit, larder_tier_visit visit, void *context) {
  if (tag == NULL || tag_len == 0 || tag_len > LARDER_TAG_MAX) return LARDER_EINVAL;
  return scan(lrd_sqlite_tier_of(self), space, tag, tag_len, cursor, limit, false, visit, context);
}
