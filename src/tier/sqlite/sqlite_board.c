/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `<path>.queue`: lock bytes (tier/board_lock.h) and a mapped page or two that every process on the database shares.
 *
 * Totals live here because a totals row in the database costs each one-row commit a second page, a quarter to a third of
 * its rate (docs/decisions/0002). They are exact while the machine runs: written under the turn, after COMMIT, between
 * two steps of `commits`. Odd means that a writer died in between: whoever has the next turn counts anew. A fresh boot
 * takes them from the database, where an orderly last close has left them, or counts.
 *
 * Who may not write has a private board to go on with, and looks at that of the writers through a map without the right to
 * write: at the totals, and at the word that pauses readers. Only `theirs` points there, and it points to const.
 */
#include "sqlite_inner.h"

#include "tier/board_lock.h"
#include <errno.h>
#include <fcntl.h>

#define BOARD_MAGIC  0x6472616f62717364ull
#define BOARD_FORMAT 1u

static bool board_is_ours(const sqlite_board *board, const char boot_id[LRD_BOOT_ID_ROOM]) {
  return board->magic == BOARD_MAGIC && board->format == BOARD_FORMAT && boot_id[0] != 0 &&
         memcmp(board->boot_id, boot_id, sizeof board->boot_id) == 0;
}

/* Makes the board's content fit this boot. Only under the opening lock, when nobody else is alive. */
static void board_reset_unless_ours(sqlite_board *board) {
  _Static_assert(sizeof board->boot_id == LRD_BOOT_ID_ROOM, "a boot's name fits");
  char boot_id[LRD_BOOT_ID_ROOM];
  lrd_boot_id(boot_id);
  if (!board_is_ours(board, boot_id)) {
    memset(board, 0, sizeof *board);
    board->magic = BOARD_MAGIC;
    board->format = BOARD_FORMAT;
    memcpy(board->boot_id, boot_id, sizeof boot_id);
  }
  atomic_store(&board->paused_until_ns, 0);
  atomic_store(&board->wanted_until_ns, 0);
}

/* Maps the writers' board if it is one of this boot. Whatever fails: there is none, which costs a count now and then. */
static void board_map_theirs(sqlite_tier *tier) {
  struct stat facts;
  char boot_id[LRD_BOOT_ID_ROOM];
  int const fd = lrd_fs_open(tier->queue_path, O_RDONLY, 0);
  if (fd < 0) return;
  sqlite_board *map = NULL;
  if (fstat(fd, &facts) == 0 && facts.st_size >= (off_t)sizeof *map) map = lrd_fs_map(fd, tier->queue_path, sizeof *map, false);
  lrd_fs_close(fd);
  if (map == NULL) return;
  lrd_boot_id(boot_id);
  if (!board_is_ours(map, boot_id)) {
    lrd_fs_unmap(map, sizeof *map);
    return;
  }
  tier->theirs_map = map;
  tier->theirs_ino = facts.st_ino;
  atomic_store_explicit(&tier->theirs, map, memory_order_release);
}

static larder_err board_open_reading(sqlite_tier *tier, larder_error *err) {
  tier->read_only = true;
  tier->board_private = lrd_alloc_zero(1, sizeof *tier->board_private);
  if (tier->board_private == NULL) return lrd_fail(err, LARDER_ENOMEM, ENOMEM, "sqlite", "out of memory");
  tier->board = tier->board_private;
  board_map_theirs(tier);
  return LARDER_OK;
}

/* One that is not there any more is looked at no more; its map stays, for somebody may be reading it, so for another one the
 * tier is opened anew. */
void lrd_sqlite_board_look(sqlite_tier *tier) {
  struct stat now;
  if (tier->board_private == NULL) return;
  if (tier->theirs_map == NULL) {
    board_map_theirs(tier);
  } else if (lrd_fs_stat(tier->queue_path, &now) != 0) {
    if (errno == ENOENT) atomic_store(&tier->theirs, NULL);
  } else if (now.st_ino != tier->theirs_ino) {
    atomic_store(&tier->theirs, NULL);
    lrd_sqlite_distrust(tier, LARDER_EAWAY, "its queue file was replaced under us");
  }
}

larder_err lrd_sqlite_board_open(sqlite_tier *tier, larder_error *err) {
  if (tier->read_only) return board_open_reading(tier, err);
  tier->queue_fd = lrd_fs_open(tier->queue_path, O_RDWR | O_CREAT, 0600);
  if (tier->queue_fd < 0) {
    int const why = errno;
    if (lrd_err_from_errno(why) == LARDER_EACCES) return board_open_reading(tier, err);
    return lrd_fail(err, lrd_err_from_errno(why), why, "sqlite", "cannot open %s", tier->queue_path);
  }
  larder_err const code = lrd_board_opening(tier->queue_fd, "sqlite", tier->path, &tier->first, err);
  if (code != LARDER_OK) return code;
  if (lrd_fs_allocate(tier->queue_fd, tier->queue_path, (int64_t)sizeof(sqlite_board)) != 0)
    return lrd_fail(err, lrd_err_from_errno(errno), errno, "sqlite", "cannot reserve %zu bytes for %s", sizeof(sqlite_board),
                    tier->queue_path);
  tier->board = lrd_fs_map(tier->queue_fd, tier->queue_path, sizeof(sqlite_board), true);
  if (tier->board == NULL) return lrd_fail(err, lrd_err_from_errno(errno), errno, "sqlite", "cannot map %s", tier->queue_path);
  if (tier->first) board_reset_unless_ours(tier->board);
  if (tier->board->magic != BOARD_MAGIC || tier->board->format != BOARD_FORMAT)
    return lrd_fail(err, LARDER_EFORMAT, 0, "sqlite", "%s is in use by a build with another format", tier->queue_path);
  return LARDER_OK;
}

/* Open is through: others may open. */
void lrd_sqlite_board_opened(sqlite_tier *tier) {
  if (tier->queue_fd >= 0) lrd_board_opened(tier->queue_fd, tier->first);
}

/* Whether nobody else has the database open. Nobody can open it until the board is closed. */
bool lrd_sqlite_board_closing(sqlite_tier *tier) { return tier->queue_fd >= 0 && lrd_board_closing(tier->queue_fd); }

void lrd_sqlite_board_close(sqlite_tier *tier) {
  if (tier->board != NULL && tier->board != tier->board_private) lrd_fs_unmap(tier->board, sizeof(sqlite_board));
  lrd_fs_unmap((void *)(uintptr_t)tier->theirs_map, sizeof(sqlite_board));
  lrd_dealloc(tier->board_private);
  atomic_store(&tier->theirs, NULL);
  tier->theirs_map = NULL;
  tier->board = tier->board_private = NULL;
  lrd_fs_close(tier->queue_fd);
  tier->queue_fd = -1;
}

larder_err lrd_sqlite_turn_lock(sqlite_tier *tier) {
  if (tier->queue_fd < 0) return LARDER_EACCES;
  int64_t const within_ns = (int64_t)tier->options.queue_ms * 1000000;
  return lrd_board_turn(tier->queue_fd, &tier->board->wanted_until_ns, within_ns);
}

void lrd_sqlite_turn_unlock(sqlite_tier *tier) { lrd_board_unlock(tier->queue_fd, LRD_BOARD_TURN); }

void lrd_sqlite_totals_read(const sqlite_board *board, uint32_t space, sqlite_totals *out) {
  uint64_t word[4];
  for (int i = 0; i < 4; i++) word[i] = atomic_load_explicit(&board->totals[space].word[i], memory_order_relaxed);
  *out = (sqlite_totals){word[0], word[1], word[2], word[3]};
}

void lrd_sqlite_totals_write(sqlite_tier *tier, uint32_t space, const sqlite_totals *totals) {
  uint64_t const word[4] = {totals->entries, totals->tombstones, totals->bytes, totals->payload};
  for (int i = 0; i < 4; i++) atomic_store_explicit(&tier->board->totals[space].word[i], word[i], memory_order_relaxed);
}

void lrd_sqlite_totals_doubt(sqlite_board *board) {
  atomic_store(&board->totals_valid, 0);
  atomic_store(&board->marked, 0);
}

void lrd_sqlite_totals_add(sqlite_totals *totals, sqlite3_stmt *statement) {
  sqlite_row row;
  lrd_sqlite_row_from_statement(statement, &row);
  if (row.space >= LRD_SQLITE_SPACES_MAX) return;
  sqlite_totals *of = &totals[row.space];
  of->bytes += lrd_sqlite_row_cost(&row);
  if (row.flags & ROW_TOMBSTONE) {
    of->tombstones++;
  } else {
    of->entries++;
    of->payload += row.key_len + row.value_len;
  }
}

/* Counts every row. Under a turn, in a transaction (or before anyone else has the database open). */
int lrd_sqlite_totals_recount(sqlite3 *db, sqlite_totals *totals) {
  memset(totals, 0, LRD_SQLITE_SPACES_MAX * sizeof *totals);
  sqlite3_stmt *all = NULL;
  int rc = lrd_sqlite_prepare(db,
                              "SELECT hash, space, stamp, soft, hard, flags, used, uses, sum, vsum, vlen, bstamp, key, head "
                              "FROM entries ORDER BY hash",
                              &all);
  if (rc == SQLITE_OK) rc = lrd_sqlite_step_first(all);
  for (; rc == SQLITE_ROW; rc = sqlite3_step(all)) lrd_sqlite_totals_add(totals, all);
  sqlite3_finalize(all);
  return rc == SQLITE_DONE ? SQLITE_OK : rc;
}
