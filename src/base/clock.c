/* SPDX-License-Identifier: Apache-2.0 */
/* The machine's clocks and the moved one. Boot time of the moved clock is its monotonic time: nothing suspends in a test. */
#include "clock.h"

#include "bytes.h"
#include "fail.h"
#include "fs.h"
#include <errno.h>
#include <string.h>
#include <time.h>

#define NS_PER_S  INT64_C(1000000000)
#define NS_PER_MS INT64_C(1000000)

static int64_t clock_read_ns(clockid_t id) {
  struct timespec now;
  int failed = clock_gettime(id, &now);
  LRD_ASSERT(!failed);
  return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

/* A get of what expires waits for this: no detour by nanoseconds. */
static int64_t real_wall_ms(const lrd_clock *clock) {
  (void)clock;
  struct timespec now;
  int failed = clock_gettime(CLOCK_REALTIME_COARSE, &now);
  LRD_ASSERT(!failed);
  return (int64_t)now.tv_sec * 1000 + (int64_t)((uint32_t)now.tv_nsec / (uint32_t)NS_PER_MS);
}

static int64_t real_mono_ns(const lrd_clock *clock) {
  (void)clock;
  return clock_read_ns(CLOCK_MONOTONIC);
}

static int64_t real_boot_ns(const lrd_clock *clock) {
  (void)clock;
  return clock_read_ns(CLOCK_BOOTTIME);
}

static void real_sleep_ns(const lrd_clock *clock, int64_t ns) {
  (void)clock;
  if (ns <= 0) return;
  struct timespec left = {.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};
  while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR) {
  }
}

const lrd_clock *lrd_clock_real(void) {
  static const lrd_clock real = {
      .wall_ms = real_wall_ms, .mono_ns = real_mono_ns, .boot_ns = real_boot_ns, .sleep_ns = real_sleep_ns};
  return &real;
}

/* The interface hands the clock around as const; a moved clock is never a const object, and its numbers are atomic. */
static lrd_clock_moved *moved_of(const lrd_clock *clock) { return (lrd_clock_moved *)(uintptr_t)clock; }

static int64_t moved_wall_ms(const lrd_clock *clock) { return atomic_load(&moved_of(clock)->now_wall_ms); }

static int64_t moved_mono_ns(const lrd_clock *clock) { return atomic_load(&moved_of(clock)->now_mono_ns); }

/* Who sleeps waits for somebody who may have to do with a disk, which no clock of ours hurries. */
#define MOVED_NAP_NS 100000

static void moved_sleep_ns(const lrd_clock *clock, int64_t ns) {
  if (ns <= 0) return;
  lrd_clock_moved *moved = moved_of(clock);
  int64_t before = atomic_fetch_add(&moved->now_mono_ns, ns);
  /* Whole milliseconds that the monotonic clock passed, so that many short sleeps add up on the wall too. */
  atomic_fetch_add(&moved->now_wall_ms, (before + ns) / NS_PER_MS - before / NS_PER_MS);
  real_sleep_ns(clock, MOVED_NAP_NS);
}

void lrd_clock_moved_init(lrd_clock_moved *moved, int64_t wall_ms) {
  moved->clock =
      (lrd_clock){.wall_ms = moved_wall_ms, .mono_ns = moved_mono_ns, .boot_ns = moved_mono_ns, .sleep_ns = moved_sleep_ns};
  atomic_init(&moved->now_wall_ms, wall_ms);
  /* Not 0, so that nobody mistakes "at the beginning" for "never". */
  atomic_init(&moved->now_mono_ns, NS_PER_S);
}

void lrd_clock_moved_advance_ms(lrd_clock_moved *moved, int64_t ms) {
  LRD_ASSERT(ms >= 0);
  atomic_fetch_add(&moved->now_mono_ns, ms * NS_PER_MS);
  atomic_fetch_add(&moved->now_wall_ms, ms);
}

void lrd_clock_moved_step_wall_ms(lrd_clock_moved *moved, int64_t ms) { atomic_fetch_add(&moved->now_wall_ms, ms); }

void lrd_boot_id(char out[LRD_BOOT_ID_ROOM]) {
  char *text;
  size_t len;
  memset(out, 0, LRD_BOOT_ID_ROOM);
  if (lrd_fs_slurp("/proc/sys/kernel/random/boot_id", 64, &text, &len) != 0) return;
  while (len > 0 && text[len - 1] == '\n') len--;
  memcpy(out, text, len < LRD_BOOT_ID_ROOM ? len : LRD_BOOT_ID_ROOM - 1);
  lrd_dealloc(text);
}
