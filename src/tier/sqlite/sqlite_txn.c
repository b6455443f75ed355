/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One transaction under the turn: totals, what to unlink, whose slots were taken, and the steps around COMMIT.
 *
 * Totals are loaded from the board when the transaction begins (an odd `commits` means that somebody died between COMMIT
 * and writing them: then they are counted), changed here row by row, and written back after COMMIT.
 */
#include "sqlite_inner.h"

static int step_done(sqlite3_stmt *statement) {
  int const rc = sqlite3_step(statement);
  (void)sqlite3_reset(statement);
  return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}

static larder_err totals_load(sqlite_tier *tier) {
  sqlite_txn *txn = &tier->txn;
  sqlite_board *board = tier->board;
  uint64_t commits = atomic_load(&board->commits);
  bool const valid = (commits & 1) == 0 && atomic_load(&board->totals_valid);
  if (valid && txn->totals_at == commits) return LARDER_OK;
  uint32_t const end = sqlite_spaces_end(tier);
  if (!valid) {
    int const rc = lrd_sqlite_totals_recount(tier->writer.db, txn->totals);
    if (rc != SQLITE_OK) return lrd_sqlite_fault(tier, tier->writer.db, rc);
    for (uint32_t space = 0; space < LRD_SQLITE_SPACES_MAX; space++) lrd_sqlite_totals_write(tier, space, &txn->totals[space]);
    commits += commits & 1;
    atomic_store(&board->commits, commits);
    atomic_store(&board->totals_valid, 1);
    lrd_sqlite_log(tier, LRD_LOG_INFO, "sqlite.recounted", "the totals were counted anew: the last stop was not orderly");
  } else {
    for (uint32_t space = 0; space < end; space++) lrd_sqlite_totals_read(board, space, &txn->totals[space]);
  }
  txn->totals_at = commits;
  memset(&txn->all, 0, sizeof txn->all);
  for (uint32_t space = 0; space < end; space++) {
    txn->all.entries += txn->totals[space].entries;
    txn->all.tombstones += txn->totals[space].tombstones;
    txn->all.bytes += txn->totals[space].bytes;
    txn->all.payload += txn->totals[space].payload;
  }
  return LARDER_OK;
}

larder_err lrd_sqlite_txn_begin(sqlite_tier *tier) {
  sqlite_txn *txn = &tier->txn;
  txn->changed = txn->recount = false;
  for (size_t i = 0; i < txn->touched_count; i++) txn->is_touched[txn->touched[i]] = false;
  txn->touched_count = txn->unlinks_count = txn->taken_count = 0;
  int const rc = step_done(tier->writer.statement[W_BEGIN]);
  if (rc != SQLITE_OK) return lrd_sqlite_fault(tier, tier->writer.db, rc);
  larder_err err = totals_load(tier);
  if (err == LARDER_OK && !atomic_load(&tier->board->marked)) {
    int const marked = lrd_sqlite_meta_set(tier->writer.db, "clean", 0);
    if (marked != SQLITE_OK) err = lrd_sqlite_fault(tier, tier->writer.db, marked);
  }
  if (err != LARDER_OK) lrd_sqlite_txn_rollback(tier);
  return err;
}

void lrd_sqlite_txn_rollback(sqlite_tier *tier) {
  if (tier->txn.changed) tier->txn.totals_at = UINT64_MAX;
  if (!sqlite3_get_autocommit(tier->writer.db)) (void)step_done(tier->writer.statement[W_ROLLBACK]);
}

/*
 * LARDER_EUNKNOWN when COMMIT failed while writing: live processes go on without it, but if all of them died now, recovery
 * might find its last frame whole. ENOSPC leaves a short frame, so that outcome is known.
 */
larder_err lrd_sqlite_txn_commit(sqlite_tier *tier) {
  sqlite_txn *txn = &tier->txn;
  sqlite_board *board = tier->board;
  if (!txn->changed) {
    if (step_done(tier->writer.statement[W_COMMIT]) == SQLITE_OK)
      atomic_store(&board->marked, 1);
    else
      lrd_sqlite_txn_rollback(tier);
    return LARDER_OK;
  }
  uint64_t const before = atomic_load(&board->commits);
  atomic_store(&board->commits, before + 1);
  int const rc = step_done(tier->writer.statement[W_COMMIT]);
  if (rc != SQLITE_OK) {
    larder_err const err = lrd_sqlite_fault(tier, tier->writer.db, rc);
    lrd_sqlite_txn_rollback(tier);
    atomic_store(&board->commits, before + 2);
    return err == LARDER_EIO ? LARDER_EUNKNOWN : err;
  }
  for (size_t i = 0; i < txn->touched_count; i++) lrd_sqlite_totals_write(tier, txn->touched[i], &txn->totals[txn->touched[i]]);
  atomic_store(&board->marked, 1);
  if (txn->recount) atomic_store(&board->totals_valid, 0);
  atomic_store(&board->commits, before + 2);
  txn->totals_at = before + 2;
  return LARDER_OK;
}

sqlite_totals *lrd_sqlite_txn_totals(sqlite_tier *tier, uint32_t space) {
  sqlite_txn *txn = &tier->txn;
  LRD_ASSERT(space < LRD_SQLITE_SPACES_MAX);
  if (!txn->is_touched[space]) {
    txn->is_touched[space] = true;
    txn->touched[txn->touched_count++] = space;
  }
  return &txn->totals[space];
}

static void totals_add(sqlite_totals *totals, const sqlite_row *row, uint64_t sign) {
  totals->bytes += sign * lrd_sqlite_row_cost(row);
  if (row->flags & ROW_TOMBSTONE) {
    totals->tombstones += sign;
  } else {
    totals->entries += sign;
    totals->payload += sign * (row->key_len + row->value_len);
  }
}

/* A row came or went. sign is +1 or, by wrapping, -1. */
void lrd_sqlite_txn_count(sqlite_tier *tier, const sqlite_row *row, bool added) {
  uint64_t const sign = added ? 1 : UINT64_MAX;
  tier->txn.changed = true;
  if (row->space >= LRD_SQLITE_SPACES_MAX) { /* damaged */
    tier->txn.recount = true;
    return;
  }
  totals_add(lrd_sqlite_txn_totals(tier, row->space), row, sign);
  totals_add(&tier->txn.all, row, sign);
}

/* The row's file goes once its going is committed. */
larder_err lrd_sqlite_txn_unlink(sqlite_tier *tier, const sqlite_row *row) {
  sqlite_txn *txn = &tier->txn;
  if (!(row->flags & ROW_BLOB)) return LARDER_OK;
  if (txn->unlinks_count == txn->unlinks_cap) {
    size_t const cap = txn->unlinks_cap == 0 ? 16 : txn->unlinks_cap * 2;
    sqlite_unlink *more = lrd_realloc(txn->unlinks, cap * sizeof *more);
    if (more == NULL) return LARDER_ENOMEM;
    txn->unlinks = more;
    txn->unlinks_cap = cap;
  }
  txn->unlinks[txn->unlinks_count++] = (sqlite_unlink){.hash = row->hash, .stamp = row->blob_stamp, .bytes = row->value_len};
  return LARDER_OK;
}

larder_err lrd_sqlite_txn_room(sqlite_tier *tier) {
  sqlite_txn *txn = &tier->txn;
  if (txn->taken_count < txn->taken_cap) return LARDER_OK;
  size_t const cap = txn->taken_cap == 0 ? 32 : txn->taken_cap * 2;
  sqlite_taken *more = lrd_realloc(txn->taken, cap * sizeof *more);
  if (more == NULL) return LARDER_ENOMEM;
  txn->taken = more;
  txn->taken_cap = cap;
  return LARDER_OK;
}

/* After the transaction ended either way: old files go, slots are given back, the host hears of evictions. */
void lrd_sqlite_txn_settle(sqlite_tier *tier, bool committed) {
  sqlite_txn *txn = &tier->txn;
  if (committed)
    for (size_t i = 0; i < txn->unlinks_count; i++) {
      txn->unlinks[i].commit = txn->totals_at; /* our own commit */
      lrd_sqlite_blob_leave(tier, &txn->unlinks[i]);
    }
  for (size_t i = 0; i < txn->taken_count; i++) {
    const sqlite_taken *taken = &txn->taken[i];
    if (taken->owned && tier->host.slot_release != NULL) tier->host.slot_release(tier->host.context, taken->hash);
    if (committed && taken->evicted && tier->host.evicted != NULL)
      tier->host.evicted(tier->host.context, taken->space, taken->reason, 1, taken->bytes);
    if (committed && taken->evicted && tier->host.gone != NULL) tier->host.gone(tier->host.context, taken->hash, taken->reason);
  }
  txn->taken_count = txn->unlinks_count = 0;
}
