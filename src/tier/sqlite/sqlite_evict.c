/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits, expiry and access counts.
 *
 * A put that takes a space or the instance over its limit evicts within its own transaction until it is under again.
 * Victims come from a window of rows at a cursor that moves round the table (an index by time would halve the puts): of
 * each window the expired ones and the least recently used quarter are remembered, and looked at again when their turn
 * comes. A victim goes only if its slot can be owned at once; the slots are given back after the transaction.
 */
#include "sqlite_inner.h"

#include <stdlib.h>

#define WINDOW_ROWS 64
enum { OVER_NOTHING = -1 };

static bool over(uint64_t value, uint64_t max) { return max != 0 && value > max; }

static uint64_t tombstones_max(const sqlite_tier *tier) {
  uint64_t const by_bytes = tier->bytes_max == 0 ? UINT64_MAX : tier->bytes_max / 16 / 160;
  return by_bytes < tier->options.tombstones_max ? (by_bytes < 16 ? 16 : by_bytes) : tier->options.tombstones_max;
}

static bool tombstone_old(uint64_t stamp, int64_t now_ms) {
  return lrd_stamp_wall_ms(stamp) + LRD_SQLITE_TOMBSTONE_MS <= now_ms;
}

static bool in_batch(const sqlite_txn *txn, uint64_t hash) {
  for (const sqlite_request *r = txn->batch; r != NULL && r != txn->batch_end; r = r->next)
    for (size_t i = 0; i < r->count; i++)
      if (r->items[i].key.hash == hash) return true;
  return false;
}

static bool was_refused(const sqlite_txn *txn, uint64_t hash) {
  for (size_t i = 0; i < txn->refused_count; i++)
    if (txn->refused[i] == hash) return true;
  return false;
}

static int by_worth(const void *a, const void *b) {
  const sqlite_victim *x = a, *y = b;
  if (x->expired != y->expired) return x->expired ? -1 : 1;
  return (x->used_ms > y->used_ms) - (x->used_ms < y->used_ms);
}

/* Rows [scope->next_hash …) of the space (0: of all); stops after one round. The best of them become the victims. */
static larder_err victims_find(sqlite_tier *tier, sqlite_scope *scope, uint32_t space, bool tombstones) {
  sqlite_victim seen[WINDOW_ROWS];
  size_t count = 0;
  sqlite3_stmt *s = tier->writer.statement[W_WINDOW];
  int64_t const now_ms = sqlite_wall_ms(tier);
  uint64_t const began = scope->next_hash;
  bool wrapped = false, through = false;
  int rc = SQLITE_DONE;
  while (count < WINDOW_ROWS && !through) {
    rc = sqlite3_bind_int64(s, 1, key64_of(scope->next_hash));
    if (rc == SQLITE_OK) rc = sqlite3_bind_int64(s, 2, 1024);
    size_t rows = 0;
    uint64_t last = 0;
    while (rc == SQLITE_OK && count < WINDOW_ROWS && !through && (rc = sqlite3_step(s)) == SQLITE_ROW) {
      rc = SQLITE_OK;
      sqlite_row row;
      lrd_sqlite_row_from_statement(s, &row);
      if (wrapped && row.hash >= began) {
        through = true;
        break;
      }
      rows++;
      last = row.hash;
      bool const dead = (row.flags & ROW_TOMBSTONE) != 0;
      if ((space != 0 && row.space != space) || row.space >= LRD_SQLITE_SPACES_MAX || in_batch(&tier->txn, row.hash)) continue;
      if (was_refused(&tier->txn, row.hash)) continue;
      if (dead && !tombstones && !tombstone_old(row.stamp, now_ms)) continue;
      if (tombstones && !dead) continue;
      bool const expired = dead || sqlite_expired(row.hard_ms, now_ms);
      seen[count++] = (sqlite_victim){.hash = row.hash, .stamp = row.stamp, .used_ms = row.used_ms, .expired = expired};
    }
    (void)sqlite3_reset(s);
    if (rc != SQLITE_OK && rc != SQLITE_DONE) return lrd_sqlite_fault(tier, tier->writer.db, rc);
    if (rows != 0 && last != UINT64_MAX) scope->next_hash = last + 1;
    if (rc == SQLITE_DONE && rows < 1024) {
      if (wrapped || began == 0) through = true;
      wrapped = true;
      scope->next_hash = 0;
    }
  }
  if (count == 0) return LARDER_MISS;
  qsort(seen, count, sizeof seen[0], by_worth);
  size_t keep = (count + 3) / 4;
  while (keep < count && seen[keep].expired) keep++;
  if (keep > LRD_SQLITE_VICTIMS_MAX) keep = LRD_SQLITE_VICTIMS_MAX;
  /* Taken from the end: the best last. */
  for (size_t i = 0; i < keep; i++) scope->victims[i] = seen[keep - 1 - i];
  scope->victims_count = keep;
  return LARDER_OK;
}

/* A tombstone of its stamp takes the row's place. */
static larder_err victim_bury(sqlite_tier *tier, const sqlite_row *row) {
  uint8_t key_copy[LARDER_KEY_MAX]; /* the row's own lies in the statement that burying uses again */
  if (row->key_len > sizeof key_copy) return LARDER_ECORRUPT;
  memcpy(key_copy, row->key, row->key_len);
  larder_tier_key const key = {.data = key_copy, .len = row->key_len, .hash = row->hash, .space = row->space};
  uint64_t const stamp = row->stamp;
  (void)sqlite3_reset(tier->writer.statement[W_LOOK]);
  return lrd_sqlite_bury(tier, &key, stamp);
}

/*
 * Whether the row has to leave a tombstone, since a process may have queued an older value of the key (core's `behind`),
 * which would come back where nothing is. Tells where that is wanted and not to be had.
 */
static bool row_leaves_trace(sqlite_tier *tier, const sqlite_row *row, bool damaged) {
  const larder_tier_host *host = &tier->host;
  uint64_t const stamp = damaged ? UINT64_MAX : row->stamp;
  if (host->trace_wanted == NULL || !host->trace_wanted(host->context, stamp)) return false;
  if (!damaged && !(row->flags & ROW_TOMBSTONE) && !tombstone_old(stamp, sqlite_wall_ms(tier)) &&
      tier->txn.all.tombstones < tombstones_max(tier))
    return true;
  if (host->traceless != NULL) host->traceless(host->context, row->hash, stamp);
  return false;
}

/* Removes the victim if it is still what was seen and its slot is to be had. */
static larder_err victim_take(sqlite_tier *tier, const sqlite_victim *victim, larder_evict_reason reason, bool *taken) {
  sqlite_txn *txn = &tier->txn;
  *taken = false;
  if (in_batch(txn, victim->hash)) return LARDER_OK;
  larder_err err = lrd_sqlite_txn_room(tier);
  if (err != LARDER_OK) return err;
  if (tier->host.slot_try_own != NULL && !tier->host.slot_try_own(tier->host.context, victim->hash)) return LARDER_OK;
  sqlite_taken *note = &txn->taken[txn->taken_count++];
  *note = (sqlite_taken){.hash = victim->hash, .owned = true};
  sqlite_row row = {0};
  err = lrd_sqlite_look(tier, victim->hash, &row);
  if (err != LARDER_OK) return err == LARDER_MISS ? LARDER_OK : err;
  if (row.stamp != victim->stamp) {
    (void)sqlite3_reset(tier->writer.statement[W_LOOK]);
    return LARDER_OK;
  }
  if (tier->options.checksums && lrd_sqlite_row_sum(&row) != row.sum) {
    txn->recount = true;
    reason = LARDER_EVICT_CORRUPTION;
  }
  note->evicted = !(row.flags & ROW_TOMBSTONE);
  note->space = row.space;
  note->reason = victim->expired && reason != LARDER_EVICT_CORRUPTION ? LARDER_EVICT_EXPIRED : reason;
  note->bytes = row.key_len + row.value_len;
  bool const bury = row_leaves_trace(tier, &row, reason == LARDER_EVICT_CORRUPTION);
  err = bury ? victim_bury(tier, &row) : lrd_sqlite_remove_row(tier, &row);
  *taken = err == LARDER_OK;
  return err;
}

/* Why the space or the instance is over a limit, or OVER_NOTHING; *scope where a victim would help. */
static int over_what(sqlite_tier *tier, uint32_t space, sqlite_scope **scope, uint32_t *of) {
  const sqlite_totals *mine = &tier->txn.totals[space];
  const sqlite_totals *all = &tier->txn.all;
  sqlite_space *bound = &tier->spaces[space];
  *scope = &bound->scope;
  *of = space;
  if (over(mine->entries, atomic_load(&bound->entries_max))) return LARDER_EVICT_ENTRIES;
  if (over(mine->bytes, atomic_load(&bound->bytes_max))) return LARDER_EVICT_CAPACITY;
  *scope = &tier->scope;
  *of = 0;
  if (over(all->entries, tier->entries_max)) return LARDER_EVICT_ENTRIES;
  if (over(all->bytes, tier->bytes_max)) return LARDER_EVICT_CAPACITY;
  return OVER_NOTHING;
}

static larder_err tombstones_bound(sqlite_tier *tier) {
  sqlite_scope scope = {.next_hash = tier->scope.next_hash};
  for (int tries = 0; tries < 4 && tier->txn.all.tombstones > tombstones_max(tier); tries++) {
    larder_err err = victims_find(tier, &scope, 0, true);
    if (err == LARDER_MISS) break;
    for (size_t i = 0; i < scope.victims_count && err == LARDER_OK; i++) {
      bool taken = false;
      err = victim_take(tier, &scope.victims[i], LARDER_EVICT_EXPIRED, &taken);
    }
    if (err != LARDER_OK) return err;
  }
  tier->scope.next_hash = scope.next_hash;
  return LARDER_OK;
}

/*
 * Evicts until the space and the instance are within their limits; *fits_out false when nothing more can go: a whole round
 * without a victim, or too many whose slot is somebody's.
 */
larder_err lrd_sqlite_evict_for(sqlite_tier *tier, uint32_t space, bool *fits_out) {
  sqlite_scope *scope = NULL;
  uint32_t of = 0;
  int why = OVER_NOTHING;
  *fits_out = true;
  tier->txn.refused_count = 0;
  while ((why = over_what(tier, space, &scope, &of)) != OVER_NOTHING) {
    if (scope->victims_count == 0) {
      bool const more = tier->txn.refused_count < LRD_SQLITE_REFUSED_MAX;
      larder_err err = more ? victims_find(tier, scope, of, false) : LARDER_MISS;
      /* Deletes that are remembered must not keep what is put from being kept. */
      if (err == LARDER_MISS && more) err = victims_find(tier, scope, of, true);
      if (err == LARDER_MISS) *fits_out = false;
      if (err != LARDER_OK) return err == LARDER_MISS ? LARDER_OK : err;
    }
    bool taken = false;
    sqlite_victim const victim = scope->victims[--scope->victims_count];
    larder_err const err = victim_take(tier, &victim, (larder_evict_reason)why, &taken);
    if (err != LARDER_OK) return err;
    if (!taken && tier->txn.refused_count < LRD_SQLITE_REFUSED_MAX) tier->txn.refused[tier->txn.refused_count++] = victim.hash;
  }
  return LARDER_OK;
}

/* Hashes that a sweep may remove, from a window at the tier's own cursor. */
static larder_err sweep_window(sqlite_tier *tier, uint64_t limit, bool expire, uint64_t *examined, bool *through,
                               uint64_t *removed) {
  sqlite_victim found[WINDOW_ROWS];
  size_t count = 0, rows = 0;
  uint64_t last = 0;
  uint64_t const want = limit - *examined < 1024 ? limit - *examined : 1024;
  int64_t const now_ms = sqlite_wall_ms(tier);
  sqlite3_stmt *s = tier->writer.statement[W_WINDOW];
  int rc = sqlite3_bind_int64(s, 1, key64_of(tier->sweep_hash));
  if (rc == SQLITE_OK) rc = sqlite3_bind_int64(s, 2, (sqlite3_int64)want);
  while (rc == SQLITE_OK && count < WINDOW_ROWS && (rc = sqlite3_step(s)) == SQLITE_ROW) {
    rc = SQLITE_OK;
    sqlite_row row;
    lrd_sqlite_row_from_statement(s, &row);
    rows++;
    last = row.hash;
    bool const dead = (row.flags & ROW_TOMBSTONE) != 0;
    bool const goes = dead ? expire && tombstone_old(row.stamp, now_ms) : expire && sqlite_expired(row.hard_ms, now_ms);
    if (goes) found[count++] = (sqlite_victim){.hash = row.hash, .stamp = row.stamp, .expired = true};
  }
  (void)sqlite3_reset(s);
  if (rc != SQLITE_OK && rc != SQLITE_DONE && rc != SQLITE_ROW) return lrd_sqlite_fault(tier, tier->writer.db, rc);
  *examined += rows;
  *through = rc == SQLITE_DONE && rows < want && count < WINDOW_ROWS;
  tier->sweep_hash = *through || last == UINT64_MAX ? 0 : rows == 0 ? tier->sweep_hash : last + 1;
  larder_err err = LARDER_OK;
  for (size_t i = 0; i < count && err == LARDER_OK; i++) {
    bool taken = false;
    err = victim_take(tier, &found[i], LARDER_EVICT_EXPIRED, &taken);
    *removed += taken;
  }
  return err;
}

larder_err lrd_sqlite_sweep(void *self, uint64_t limit, bool expire_physically, uint64_t *removed_out) {
  sqlite_tier *tier = lrd_sqlite_tier_of(self);
  uint64_t removed = 0, examined = 0;
  bool through = false;
  larder_err err = LARDER_OK;
  while (examined < limit && !through && err == LARDER_OK) {
    sqlite_request request;
    err = lrd_sqlite_turn_begin(tier, &request);
    if (err != LARDER_OK) break;
    uint64_t const before = removed;
    err = sweep_window(tier, limit, expire_physically, &examined, &through, &removed);
    if (err == LARDER_OK) err = tombstones_bound(tier);
    for (uint32_t space = 1; space < LRD_SQLITE_SPACES_MAX && err == LARDER_OK && through; space++) {
      bool fits = true;
      if (atomic_load(&tier->spaces[space].bound)) err = lrd_sqlite_evict_for(tier, space, &fits);
    }
    larder_err const kept = lrd_sqlite_turn_finish(tier, &request, err == LARDER_OK);
    if (err == LARDER_OK) err = kept;
    if (err != LARDER_OK) removed = before;
  }
  if (err == LARDER_OK && through) {
    uint64_t found = 0, gone = 0;
    err = lrd_sqlite_blob_orphans(tier, true, sqlite_wall_ms(tier) - LRD_SQLITE_TOMBSTONE_MS, &found, &gone);
  }
  if (err == LARDER_OK) *removed_out = removed;
  return err;
}

/* Under the reader's claim. A full neighbourhood drops the access: counts are a hint. */
void lrd_sqlite_access_note(sqlite_reader *reader, uint64_t hash, int64_t now_ms) {
  for (uint64_t i = 0; i < 4; i++) {
    sqlite_access *at = &reader->access[(hash + i) % LRD_SQLITE_ACCESS_SLOTS];
    if (at->count != 0 && at->hash != hash) continue;
    at->hash = hash;
    at->count++;
    at->at_ms = now_ms;
    return;
  }
}

static size_t access_collect(sqlite_tier *tier, sqlite_access *out, size_t room) {
  size_t count = 0;
  for (uint64_t r = 0; r < tier->options.readers_max; r++) {
    sqlite_reader *reader = &tier->readers[r];
    if (atomic_exchange_explicit(&reader->taken, 1, memory_order_acquire) != 0) continue; /* at work: next time */
    for (size_t i = 0; i < LRD_SQLITE_ACCESS_SLOTS && count < room; i++) {
      if (reader->access[i].count == 0) continue;
      out[count++] = reader->access[i];
      reader->access[i].count = 0;
    }
    lrd_sqlite_reader_return(tier, reader);
  }
  return count;
}

/* Writes the counted accesses, at most 1000 at a time, in one transaction that owns no slot: no value changes. */
larder_err lrd_sqlite_access_flush(sqlite_tier *tier) {
  enum { ROOM = 1000 };
  sqlite_access *noted = lrd_alloc(ROOM * sizeof *noted);
  if (noted == NULL) return LARDER_ENOMEM;
  size_t const count = access_collect(tier, noted, ROOM);
  larder_err err = LARDER_OK;
  sqlite_request request;
  if (count != 0 && (err = lrd_sqlite_turn_begin(tier, &request)) == LARDER_OK) {
    sqlite3_stmt *s = tier->writer.statement[W_ACCESS];
    for (size_t i = 0; i < count && err == LARDER_OK; i++) {
      int rc = sqlite3_bind_int64(s, 1, key64_of(noted[i].hash));
      if (rc == SQLITE_OK) rc = sqlite3_bind_int64(s, 2, noted[i].at_ms);
      if (rc == SQLITE_OK) rc = sqlite3_bind_int64(s, 3, (sqlite3_int64)noted[i].count);
      if (rc == SQLITE_OK) rc = sqlite3_step(s);
      (void)sqlite3_reset(s);
      if (rc != SQLITE_DONE) err = lrd_sqlite_fault(tier, tier->writer.db, rc);
    }
    tier->txn.changed = true;
    larder_err const kept = lrd_sqlite_turn_finish(tier, &request, err == LARDER_OK);
    if (err == LARDER_OK) err = kept;
  }
  lrd_dealloc(noted);
  return err;
}
