/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time as a dependency. Three clocks: wall (expiry, stamps), monotonic (durations within a process) and boot (leases and
 * deadlines compared between processes). A cache holds one lrd_clock; tests hand in one whose numbers they move.
 */
#ifndef LRD_BASE_CLOCK_H
#define LRD_BASE_CLOCK_H

#include <stdatomic.h>
#include <stdint.h>

typedef struct lrd_clock lrd_clock;
struct lrd_clock {
  int64_t (*wall_ms)(const lrd_clock *clock);
  int64_t (*mono_ns)(const lrd_clock *clock);
  int64_t (*boot_ns)(const lrd_clock *clock);
  /* Waits, at most `ns`. The moved clock advances itself instead of waiting. */
  void (*sleep_ns)(const lrd_clock *clock, int64_t ns);
};

/* The machine's clocks. A static object. wall_ms uses the coarse clock: one tick (1-4 ms) of lag, a quarter of the cost. */
const lrd_clock *lrd_clock_real(void);

/* A clock that only tests move. */
typedef struct lrd_clock_moved {
  lrd_clock clock; /* first, so that &moved.clock is the clock */
  _Atomic int64_t now_wall_ms;
  _Atomic int64_t now_mono_ns;
} lrd_clock_moved;

void lrd_clock_moved_init(lrd_clock_moved *moved, int64_t wall_ms);
/* Moves all three clocks on. */
void lrd_clock_moved_advance_ms(lrd_clock_moved *moved, int64_t ms);
/* Steps the wall clock alone, as an administrator or NTP would; may be negative. */
void lrd_clock_moved_step_wall_ms(lrd_clock_moved *moved, int64_t ms);

/* The kernel's name of this boot, filled up with noughts; nothing but these where it can't be read. */
#define LRD_BOOT_ID_ROOM 40
void lrd_boot_id(char out[LRD_BOOT_ID_ROOM]);

static inline int64_t lrd_wall_ms(const lrd_clock *clock) { return clock->wall_ms(clock); }
static inline int64_t lrd_mono_ns(const lrd_clock *clock) { return clock->mono_ns(clock); }
static inline int64_t lrd_boot_ns(const lrd_clock *clock) { return clock->boot_ns(clock); }

#endif
