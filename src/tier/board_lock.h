/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lock bytes of a durable tier's *board*, the small file that every process on the tier maps:
 *
 *   byte 0  the turn: held exclusively by the one thread on the host that writes
 *   byte 1  alive: held shared by everyone who has the tier open; who gets it exclusively is alone
 *   byte 2  opening: held exclusively during open and close
 *
 * and further ones that are the tier's own. OFD locks, so that two instances of one process exclude each other too and the
 * kernel drops them at any death. They know no time limit, hence they are polled. Polling alone is unfair to whoever sleeps,
 * so who polls for the turn leaves word on the board (*wanted, a boot time, which expires by itself), and who comes later then
 * steps back for two polls.
 */
#ifndef LRD_TIER_BOARD_LOCK_H
#define LRD_TIER_BOARD_LOCK_H

#include "base/fs.h"
#include <stdatomic.h>

enum { LRD_BOARD_TURN, LRD_BOARD_ALIVE, LRD_BOARD_OPENING, LRD_BOARD_OWN };

/* 0, or -1 with errno: EAGAIN when the time is up. */
int lrd_board_lock(int fd, int64_t byte, lrd_fs_lock kind, int64_t within_ns);
void lrd_board_unlock(int fd, int64_t byte);

/*
 * Begins an open: nobody else opens or closes until lrd_board_opened. *first_out: nobody has it open. LARDER_EBUSY when
 * another process takes more than 10 s to open it; path is for the message.
 */
LARDER_MUST_CHECK larder_err lrd_board_opening(int fd, const char *room, const char *path, bool *first_out, larder_error *err);
void lrd_board_opened(int fd, bool first);
/* Begins a close. Whether nobody else has it open; nobody can open it until fd is closed. */
bool lrd_board_closing(int fd);

LARDER_MUST_CHECK larder_err lrd_board_turn(int fd, _Atomic int64_t *wanted, int64_t within_ns);

#endif
