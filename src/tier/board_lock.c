/* SPDX-License-Identifier: Apache-2.0 */
#include "board_lock.h"

#include "base/clock.h"
#include "base/fail.h"
#include <errno.h>

#define POLL_NS         (50 * 1000)
#define OPENING_WAIT_NS INT64_C(10000000000)
#define ALIVE_WAIT_NS   INT64_C(1000000000)
#define CLOSING_WAIT_NS INT64_C(2000000000)

static int64_t boot_ns(void) { return lrd_boot_ns(lrd_clock_real()); }
static void nap(int64_t ns) { lrd_clock_real()->sleep_ns(lrd_clock_real(), ns); }

/* wanted: where word is left while it is polled for; may be NULL. */
static int lock_poll(int fd, int64_t byte, lrd_fs_lock kind, int64_t within_ns, _Atomic int64_t *wanted) {
  int64_t const until_ns = boot_ns() + within_ns;
  for (;;) {
    if (lrd_fs_lock_try(fd, byte, 1, kind) == 0) return 0;
    if (errno != EAGAIN) return -1;
    int64_t const now_ns = boot_ns();
    if (now_ns >= until_ns) {
      errno = EAGAIN;
      return -1;
    }
    if (wanted != NULL) atomic_store_explicit(wanted, now_ns + 4 * POLL_NS, memory_order_relaxed);
    nap(POLL_NS);
  }
}

int lrd_board_lock(int fd, int64_t byte, lrd_fs_lock kind, int64_t within_ns) {
  return lock_poll(fd, byte, kind, within_ns, NULL);
}

void lrd_board_unlock(int fd, int64_t byte) { (void)lrd_fs_lock_try(fd, byte, 1, LRD_FS_UNLOCK); }

larder_err lrd_board_opening(int fd, const char *room, const char *path, bool *first_out, larder_error *err) {
  if (lrd_board_lock(fd, LRD_BOARD_OPENING, LRD_FS_EXCLUSIVE, OPENING_WAIT_NS) != 0)
    return lrd_fail(err, LARDER_EBUSY, errno, room, "another process has been opening %s for %d s", path,
                    (int)(OPENING_WAIT_NS / 1000000000));
  *first_out = lrd_fs_lock_try(fd, LRD_BOARD_ALIVE, 1, LRD_FS_EXCLUSIVE) == 0;
  if (!*first_out && lrd_board_lock(fd, LRD_BOARD_ALIVE, LRD_FS_SHARED, ALIVE_WAIT_NS) != 0)
    return lrd_fail(err, LARDER_EBUSY, errno, room, "the board of %s can't be locked", path);
  return LARDER_OK;
}

void lrd_board_opened(int fd, bool first) {
  if (first) (void)lrd_fs_lock_try(fd, LRD_BOARD_ALIVE, 1, LRD_FS_SHARED);
  lrd_board_unlock(fd, LRD_BOARD_OPENING);
}

bool lrd_board_closing(int fd) {
  return lrd_board_lock(fd, LRD_BOARD_OPENING, LRD_FS_EXCLUSIVE, CLOSING_WAIT_NS) == 0 &&
         lrd_fs_lock_try(fd, LRD_BOARD_ALIVE, 1, LRD_FS_EXCLUSIVE) == 0;
}

larder_err lrd_board_turn(int fd, _Atomic int64_t *wanted, int64_t within_ns) {
  if (atomic_load_explicit(wanted, memory_order_relaxed) > boot_ns()) nap(2 * POLL_NS);
  if (lock_poll(fd, LRD_BOARD_TURN, LRD_FS_EXCLUSIVE, within_ns, wanted) != 0)
    return errno == EAGAIN ? LARDER_EBUSY : lrd_err_from_errno(errno);
  atomic_store_explicit(wanted, 0, memory_order_relaxed);
  return LARDER_OK;
}
