/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One change within a transaction: look at what is stored, let the stamps decide, write the row and its tags, keep the
 * totals. The stored row's pointers are only good until its statement is reset, so the key is compared before that and
 * the head is copied when its tags have to go.
 */
#include "sqlite_inner.h"

static larder_err run(sqlite_tier *tier, sqlite3_stmt *statement, int bound) {
  int const rc = bound == SQLITE_OK ? sqlite3_step(statement) : bound;
  (void)sqlite3_reset(statement);
  return rc == SQLITE_DONE ? LARDER_OK : lrd_sqlite_fault(tier, tier->writer.db, rc);
}

/* The row at hash with key and head still the statement's. Reset W_LOOK when through. LARDER_MISS without one. */
larder_err lrd_sqlite_look(sqlite_tier *tier, uint64_t hash, sqlite_row *row) {
  sqlite3_stmt *look = tier->writer.statement[W_LOOK];
  int rc = sqlite3_bind_int64(look, 1, key64_of(hash));
  if (rc == SQLITE_OK) rc = sqlite3_step(look);
  if (rc == SQLITE_ROW) {
    lrd_sqlite_row_from_statement(look, row);
    return LARDER_OK;
  }
  (void)sqlite3_reset(look);
  return rc == SQLITE_DONE ? LARDER_MISS : lrd_sqlite_fault(tier, tier->writer.db, rc);
}

static larder_err tags_change(sqlite_tier *tier, int which, const sqlite_row *row, const void *head, size_t head_len) {
  larder_facts facts;
  if (!lrd_facts_head_unpack(head, head_len, &facts)) return LARDER_OK; /* damaged: check finds what is left of its tags */
  sqlite3_stmt *s = tier->writer.statement[which];
  larder_err err = LARDER_OK;
  for (size_t at = 0; err == LARDER_OK && at < facts.tags_len; at += 1u + (uint8_t)facts.tags[at]) {
    int rc = sqlite3_bind_int64(s, 1, row->space);
    if (rc == SQLITE_OK) rc = sqlite3_bind_blob(s, 2, facts.tags + at + 1, (uint8_t)facts.tags[at], SQLITE_STATIC);
    if (rc == SQLITE_OK) rc = sqlite3_bind_int64(s, 3, key64_of(row->hash));
    err = run(tier, s, rc);
  }
  (void)sqlite3_clear_bindings(s);
  return err;
}

/* What a stored row leaves behind when it is replaced or removed: tags, file, totals. Its pointers must still be good. */
static larder_err row_retire(sqlite_tier *tier, const sqlite_row *row) {
  larder_err err = LARDER_OK;
  if (row->flags & ROW_TAGGED) err = tags_change(tier, W_TAG_REMOVE, row, row->head, row->head_len);
  if (err == LARDER_OK) err = lrd_sqlite_txn_unlink(tier, row);
  if (err == LARDER_OK) lrd_sqlite_txn_count(tier, row, false);
  return err;
}

/* Removes a row just looked at (W_LOOK not yet reset). */
larder_err lrd_sqlite_remove_row(sqlite_tier *tier, const sqlite_row *row) {
  larder_err err = row_retire(tier, row);
  uint64_t const hash = row->hash;
  (void)sqlite3_reset(tier->writer.statement[W_LOOK]);
  sqlite3_stmt *remove = tier->writer.statement[W_REMOVE];
  if (err == LARDER_OK) err = run(tier, remove, sqlite3_bind_int64(remove, 1, key64_of(hash)));
  return err;
}

static larder_err row_put(sqlite_tier *tier, sqlite_row *row, const void *value, size_t value_len) {
  row->sum = lrd_sqlite_row_sum(row);
  sqlite3_stmt *s = tier->writer.statement[W_PUT];
  int64_t const number[12] = {key64_of(row->hash),
                              row->space,
                              (int64_t)row->stamp,
                              row->soft_ms,
                              row->hard_ms,
                              (int64_t)row->flags,
                              row->used_ms,
                              (int64_t)row->uses,
                              (int64_t)row->sum,
                              (int64_t)row->value_sum,
                              (int64_t)row->value_len,
                              (int64_t)row->blob_stamp};
  int rc = SQLITE_OK;
  for (int i = 0; rc == SQLITE_OK && i < 12; i++) rc = sqlite3_bind_int64(s, i + 1, number[i]);
  if (rc == SQLITE_OK) rc = sqlite3_bind_blob(s, 13, row->key, (int)row->key_len, SQLITE_STATIC);
  if (rc == SQLITE_OK)
    rc = row->head_len == 0 ? sqlite3_bind_null(s, 14) : sqlite3_bind_blob(s, 14, row->head, (int)row->head_len, SQLITE_STATIC);
  if (rc == SQLITE_OK)
    rc = value_len == 0 ? sqlite3_bind_null(s, 15) : sqlite3_bind_blob(s, 15, value, (int)value_len, SQLITE_STATIC);
  larder_err err = run(tier, s, rc);
  /* The caller's memory is gone after the call: no statement keeps a pointer to it. */
  (void)sqlite3_bind_null(s, 13);
  (void)sqlite3_bind_null(s, 14);
  (void)sqlite3_bind_null(s, 15);
  if (err == LARDER_OK && (row->flags & ROW_TAGGED)) err = tags_change(tier, W_TAG_PUT, row, row->head, row->head_len);
  if (err == LARDER_OK) lrd_sqlite_txn_count(tier, row, true);
  return err;
}

/* Replaces whatever is at the key's hash by a tombstone. */
larder_err lrd_sqlite_bury(sqlite_tier *tier, const larder_tier_key *key, uint64_t stamp) {
  sqlite_row old = {0};
  larder_err err = lrd_sqlite_look(tier, key->hash, &old);
  if (err == LARDER_OK)
    err = row_retire(tier, &old);
  else if (err == LARDER_MISS)
    err = LARDER_OK;
  (void)sqlite3_reset(tier->writer.statement[W_LOOK]);
  sqlite_row row = {.hash = key->hash,
                    .space = key->space,
                    .stamp = stamp,
                    .flags = ROW_TOMBSTONE,
                    .used_ms = sqlite_wall_ms(tier),
                    .value_sum = lrd_sum64(NULL, 0),
                    .key = key->data,
                    .key_len = key->len};
  return err == LARDER_OK ? row_put(tier, &row, NULL, 0) : err;
}

static larder_err put(sqlite_tier *tier, larder_tier_write *item, const sqlite_prep *prep) {
  const larder_facts *facts = &item->facts;
  sqlite_row row = {.hash = item->key.hash,
                    .space = item->key.space,
                    .stamp = facts->stamp,
                    .soft_ms = facts->expires_soft_ms,
                    .hard_ms = facts->expires_hard_ms,
                    .flags = (uint64_t)facts->kind & ROW_KIND_MASK,
                    .used_ms = sqlite_wall_ms(tier),
                    .value_sum = prep->value_sum,
                    .value_len = facts->value_len,
                    .key = item->key.data,
                    .key_len = item->key.len,
                    .head = prep->head,
                    .head_len = prep->head_len};
  if (prep->blob) {
    row.flags |= ROW_BLOB;
    row.blob_stamp = facts->stamp;
  }
  if (facts->tags_len != 0) row.flags |= ROW_TAGGED;
  if (facts->framed) row.flags |= ROW_FRAMED | facts->raw_len << ROW_RAW_SHIFT;
  larder_err err = row_put(tier, &row, item->value, prep->blob ? 0 : (size_t)facts->value_len);
  if (err != LARDER_OK) return err;
  if (prep->blob) err = lrd_sqlite_ring_push(tier, row.hash, row.blob_stamp);
  if (err != LARDER_OK) return err;
  bool fits = true;
  err = lrd_sqlite_evict_for(tier, item->key.space, &fits);
  if (err != LARDER_OK || fits) return err;
  /* A tombstone in its place: neither the old value nor one that arrives late comes back. */
  item->result = LARDER_NOT_KEPT;
  return lrd_sqlite_bury(tier, &item->key, facts->stamp);
}

static larder_err touch(sqlite_tier *tier, larder_tier_write *item, sqlite_row *row) {
  row->stamp = item->facts.stamp;
  row->soft_ms = item->facts.expires_soft_ms;
  row->hard_ms = item->facts.expires_hard_ms;
  row->sum = lrd_sqlite_row_sum(row);
  (void)sqlite3_reset(tier->writer.statement[W_LOOK]);
  sqlite3_stmt *s = tier->writer.statement[W_TOUCH];
  int rc = sqlite3_bind_int64(s, 1, key64_of(row->hash));
  if (rc == SQLITE_OK) rc = sqlite3_bind_int64(s, 2, (sqlite3_int64)row->stamp);
  if (rc == SQLITE_OK) rc = sqlite3_bind_int64(s, 3, row->soft_ms);
  if (rc == SQLITE_OK) rc = sqlite3_bind_int64(s, 4, row->hard_ms);
  if (rc == SQLITE_OK) rc = sqlite3_bind_int64(s, 5, (sqlite3_int64)row->sum);
  tier->txn.changed = true;
  return run(tier, s, rc);
}

/* Whether the item may change what is stored; else its result is set. */
static bool may_change(larder_tier_write *item, const sqlite_row *row, bool stored, bool same_key) {
  uint64_t const stamp = stored && same_key ? row->stamp : 0;
  if (item->verb == LARDER_TIER_TOUCH && !item->existed) {
    item->result = LARDER_MISS;
    return false;
  }
  bool const beaten = item->verb != LARDER_TIER_FORGET && stored && item->facts.stamp <= row->stamp;
  if ((item->only_stamp != 0 && item->only_stamp != stamp) || (beaten && same_key)) {
    item->result = LARDER_OLDER;
    item->stored_stamp = stamp;
    return false;
  }
  if (beaten) item->result = LARDER_NOT_KEPT; /* a newer key of the same hash keeps the place */
  return !beaten;
}

/* The outcome of the item goes to item->result; a return other than LARDER_OK ends the transaction. */
larder_err lrd_sqlite_apply(sqlite_tier *tier, larder_tier_write *item, const sqlite_prep *prep) {
  item->result = LARDER_OK;
  item->stored_stamp = 0;
  item->existed = false;
  sqlite3_stmt *look = tier->writer.statement[W_LOOK];
  sqlite_row row = {0};
  larder_err err = lrd_sqlite_look(tier, item->key.hash, &row);
  if (err != LARDER_OK && err != LARDER_MISS) return err;
  bool const stored = err == LARDER_OK;
  /* A damaged row decides nothing: its stamp may be anything. */
  if (stored && tier->options.checksums && lrd_sqlite_row_sum(&row) != row.sum) {
    lrd_sqlite_log(tier, LRD_LOG_WARN, "sqlite.damaged_row", "a write met a damaged entry and removed it");
    tier->txn.recount = true;
    err = lrd_sqlite_txn_room(tier);
    if (err == LARDER_OK) {
      tier->txn.taken[tier->txn.taken_count++] = (sqlite_taken){
          .hash = row.hash, .space = item->key.space, .reason = LARDER_EVICT_CORRUPTION, .bytes = row.key_len, .evicted = true};
      err = lrd_sqlite_remove_row(tier, &row);
    }
    (void)sqlite3_reset(look);
    return err == LARDER_OK ? lrd_sqlite_apply(tier, item, prep) : err;
  }
  bool const same_key = stored && row.key != NULL && row.space == item->key.space && row.key_len == item->key.len &&
                        memcmp(row.key, item->key.data, item->key.len) == 0;
  item->existed = same_key && !(row.flags & ROW_TOMBSTONE) && !sqlite_expired(row.hard_ms, sqlite_wall_ms(tier));
  if (!may_change(item, &row, stored, same_key)) {
    (void)sqlite3_reset(look);
    return LARDER_OK;
  }
  err = LARDER_OK;
  switch (item->verb) {
  case LARDER_TIER_PUT:
    if (stored) err = row_retire(tier, &row);
    (void)sqlite3_reset(look);
    return err == LARDER_OK ? put(tier, item, prep) : err;
  case LARDER_TIER_DELETE:
    (void)sqlite3_reset(look);
    return lrd_sqlite_bury(tier, &item->key, item->facts.stamp);
  case LARDER_TIER_TOUCH:
    return touch(tier, item, &row);
  case LARDER_TIER_FORGET:
    /* A tombstone stays: it is what keeps a late, older value from coming back. */
    if (same_key && !(row.flags & ROW_TOMBSTONE)) return lrd_sqlite_remove_row(tier, &row);
    break;
  }
  (void)sqlite3_reset(look);
  return LARDER_OK;
}
