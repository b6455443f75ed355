/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `.files/board`: lock bytes (tier/board_lock.h, and one held exclusively by whoever publishes index.json files) and a mapped
 * page or three that every process on the files shares.
 *
 * What the board says is true as long as the machine runs: a dead process has left it in its last state. After a boot it
 * says nothing, and the log is read to its end.
 */
#include "files_inner.h"

#include "tier/board_lock.h"
#include <errno.h>
#include <fcntl.h>

#define BOARD_MAGIC  0x6472616f62656c69ull
#define BOARD_FORMAT 1u
#define BYTE_VIEW    LRD_BOARD_OWN

static bool board_is_ours(const files_board *board) {
  char boot_id[LRD_BOOT_ID_ROOM];
  lrd_boot_id(boot_id);
  return board->magic == BOARD_MAGIC && board->format == BOARD_FORMAT && boot_id[0] != 0 &&
         memcmp(board->boot_id, boot_id, sizeof boot_id) == 0;
}

/* Only under the opening lock, when nobody else is alive. `clean`, which is compared with the log, and the span of a cut
 * outlive a boot. */
static void board_reset_unless_ours(files_board *board) {
  if (board_is_ours(board)) return;
  bool const known = board->magic == BOARD_MAGIC && board->format == BOARD_FORMAT;
  uint64_t const clean = known ? atomic_load(&board->clean) : 0;
  int64_t const cut_from_ms = known ? atomic_load(&board->cut_from_ms) : 0;
  int64_t const cut_ms = known ? atomic_load(&board->cut_ms) : 0;
  memset(board, 0, sizeof *board);
  board->magic = BOARD_MAGIC;
  board->format = BOARD_FORMAT;
  lrd_boot_id(board->boot_id);
  atomic_store(&board->clean, clean);
  atomic_store(&board->cut_from_ms, cut_from_ms);
  atomic_store(&board->cut_ms, cut_ms);
}

static uint64_t boot_id_start(const char *boot_id) {
  return atomic_load_explicit((_Atomic uint64_t *)(void *)(uintptr_t)boot_id, memory_order_acquire);
}

/*
 * Where nothing may be written: the board of those who may, while it is of this boot. Else one of our own, and an eye on
 * theirs; where there is none, on its coming.
 */
static larder_err board_open_reading(files_tier *tier, larder_error *err) {
  struct stat facts;
  _Alignas(8) char boot_id[LRD_BOOT_ID_ROOM];
  tier->read_only = true;
  lrd_boot_id(boot_id);
  tier->boot_id_start = boot_id_start(boot_id);
  tier->board_fd = lrd_fs_open(tier->board_path, O_RDONLY, 0);
  if (tier->board_fd >= 0 && fstat(tier->board_fd, &facts) == 0 && facts.st_size >= (off_t)sizeof(files_board))
    tier->board = lrd_fs_map(tier->board_fd, tier->board_path, sizeof(files_board), false);
  if (tier->board != NULL && board_is_ours(tier->board)) return LARDER_OK;
  tier->board_idle = tier->board;
  tier->board = NULL;
  if (boot_id[0] == 0)
    return lrd_fail(err, LARDER_EUNSUPPORTED, 0, "files", "without /proc it can't be told whether %s is of this boot",
                    tier->board_path);
  if (tier->board_idle != NULL && boot_id_start(tier->board_idle->boot_id) == tier->boot_id_start)
    return lrd_fail(err, LARDER_EBUSY, 0, "files", "%s is just being opened, or in use by a build with another format",
                    tier->board_path);
  tier->board = lrd_alloc_zero(1, sizeof *tier->board);
  tier->board_private = true;
  return tier->board != NULL ? LARDER_OK : lrd_fail(err, LARDER_ENOMEM, ENOMEM, "files", "out of memory");
}

bool lrd_files_board_outdated(files_tier *tier) {
  struct stat facts;
  if (!tier->board_private) return false;
  return tier->board_idle != NULL ? boot_id_start(tier->board_idle->boot_id) == tier->boot_id_start
                                  : lrd_fs_stat(tier->board_path, &facts) == 0 && facts.st_size >= (off_t)sizeof(files_board);
}

larder_err lrd_files_board_open(files_tier *tier, larder_error *err) {
  if (tier->read_only) return board_open_reading(tier, err);
  tier->board_fd = lrd_fs_open(tier->board_path, O_RDWR | O_CREAT, 0600);
  if (tier->board_fd < 0) {
    int const why = errno;
    if (lrd_err_from_errno(why) == LARDER_EACCES || why == ENOENT) return board_open_reading(tier, err);
    return lrd_fail(err, lrd_err_from_errno(why), why, "files", "cannot open %s", tier->board_path);
  }
  struct stat facts;
  larder_err const code = lrd_board_opening(tier->board_fd, "files", tier->control, &tier->first, err);
  if (code != LARDER_OK) return code;
  if (lrd_fs_allocate(tier->board_fd, tier->board_path, (int64_t)sizeof(files_board)) != 0 ||
      fstat(tier->board_fd, &facts) != 0)
    return lrd_fail(err, lrd_err_from_errno(errno), errno, "files", "cannot reserve %zu bytes for %s", sizeof(files_board),
                    tier->board_path);
  tier->board_ino = facts.st_ino;
  tier->board = lrd_fs_map(tier->board_fd, tier->board_path, sizeof(files_board), true);
  if (tier->board == NULL) return lrd_fail(err, lrd_err_from_errno(errno), errno, "files", "cannot map %s", tier->board_path);
  if (tier->first) board_reset_unless_ours(tier->board);
  if (tier->board->magic != BOARD_MAGIC || tier->board->format != BOARD_FORMAT)
    return lrd_fail(err, LARDER_EFORMAT, 0, "files", "%s is in use by a build with another format", tier->board_path);
  return LARDER_OK;
}

/* Open is through: others may open. */
void lrd_files_board_opened(files_tier *tier) {
  if (!tier->read_only) lrd_board_opened(tier->board_fd, tier->first);
}

/* Whether nobody else has the tier open. Nobody can open it until the board is closed. */
bool lrd_files_board_closing(files_tier *tier) { return !tier->read_only && lrd_board_closing(tier->board_fd); }

void lrd_files_board_close(files_tier *tier) {
  if (tier->board_private)
    lrd_dealloc(tier->board);
  else
    lrd_fs_unmap(tier->board, sizeof(files_board));
  lrd_fs_unmap(tier->board_idle, sizeof(files_board));
  tier->board = tier->board_idle = NULL;
  lrd_fs_close(tier->board_fd);
  tier->board_fd = -1;
}

larder_err lrd_files_board_lock(files_tier *tier) {
  if (tier->read_only) return LARDER_EACCES;
  return lrd_board_turn(tier->board_fd, &tier->board->wanted_until_ns, (int64_t)tier->options.queue_ms * 1000000);
}

void lrd_files_board_unlock(files_tier *tier) { lrd_board_unlock(tier->board_fd, LRD_BOARD_TURN); }

larder_err lrd_files_view_lock(files_tier *tier, bool wait) {
  lrd_lock(&tier->viewing);
  int64_t const within_ns = wait ? (int64_t)tier->options.queue_ms * 1000000 : 0;
  if (lrd_board_lock(tier->board_fd, BYTE_VIEW, LRD_FS_EXCLUSIVE, within_ns) == 0) return LARDER_OK;
  larder_err const err = errno == EAGAIN ? LARDER_EBUSY : lrd_err_from_errno(errno);
  lrd_unlock(&tier->viewing);
  return err;
}

void lrd_files_view_unlock(files_tier *tier) {
  lrd_board_unlock(tier->board_fd, BYTE_VIEW);
  lrd_unlock(&tier->viewing);
}
