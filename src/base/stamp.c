/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One compare-and-swap loop on the shared word: each success is a new maximum, so no two callers get the same stamp. A
 * word that damage has set to the last number of all stays there: the owner of the word checks it when it maps it.
 */
#include "stamp.h"

lrd_stamp lrd_stamp_next(_Atomic uint64_t *last, int64_t wall_ms, lrd_stamp least) {
  /* A clock before 1970 counts as 1970; the highest 48-bit millisecond is the year 10889. */
  lrd_stamp floor = wall_ms > 0 ? lrd_stamp_from_wall_ms(wall_ms) : 0;
  if (floor < least) floor = least;
  uint64_t seen = atomic_load_explicit(last, memory_order_relaxed);
  uint64_t next;
  do {
    next = floor > seen ? floor : seen + (seen < UINT64_MAX);
  } while (!atomic_compare_exchange_weak_explicit(last, &seen, next, memory_order_acq_rel, memory_order_relaxed));
  return next;
}
