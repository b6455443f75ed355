/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hybrid logical stamps: 48 bits of wall milliseconds, 16 of counter. Of two writes to a key the higher stamp wins,
 * everywhere. The last stamp given out lives in a shared word (the coherence map's, or a process's own), so stamps rise
 * even when the wall clock steps back.
 */
#ifndef LRD_BASE_STAMP_H
#define LRD_BASE_STAMP_H

#include <stdatomic.h>
#include <stdint.h>

typedef uint64_t lrd_stamp;

static inline int64_t lrd_stamp_wall_ms(lrd_stamp stamp) { return (int64_t)(stamp >> 16); }
static inline lrd_stamp lrd_stamp_from_wall_ms(int64_t wall_ms) { return (lrd_stamp)wall_ms << 16; }

/* A stamp above *last, at least `least`, at least the wall clock's; *last is moved to it. Lock-free. */
lrd_stamp lrd_stamp_next(_Atomic uint64_t *last, int64_t wall_ms, lrd_stamp least);

#endif
