/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When may a block that was unlinked be used again? When no lookup that began before is still under way. Each thread has
 * a row that says since which epoch it is inside a lookup; entering and leaving are plain stores. The writer, who is rare,
 * pays for the ordering with membarrier(2); where that is not to be had, and under ThreadSanitizer, readers use a fence.
 *
 * A pin outlives the lookup. It is a place in the thread's row that names the record (a hazard pointer), so that pinning
 * writes to nothing that others read; only a thread that holds more than its row has places counts in the record.
 *
 * The rows are the process's, not a cache's: a thread has one however many caches it uses. Threads beyond the rows share
 * a counter and are slower, not wrong.
 */
#ifndef LRD_TIER_MEMORY_EPOCH_H
#define LRD_TIER_MEMORY_EPOCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LRD_READERS_MAX 512
#define LRD_PINS_ROW    64u /* pins that a thread can hold without touching the record */

typedef struct lrd_reader {
  _Alignas(64) _Atomic uint64_t active; /* epoch at entry, 0 outside; the shared row counts who is inside */
  _Atomic uint32_t taken;
  _Atomic uint32_t pins_high;                        /* places of `pins` ever used, and always above pins_at */
  uint32_t number;                                   /* LRD_READERS_MAX: the shared row */
  uint32_t pins_at;                                  /* the place used last */
  uint32_t len_guess;                                /* bytes of the value copied out last */
  _Alignas(64) _Atomic uintptr_t pins[LRD_PINS_ROW]; /* records held, 0: free; cleared by whoever releases */
} lrd_reader;

typedef struct lrd_epoch_domain {
  _Alignas(64) _Atomic uint64_t now;
  _Atomic bool fence; /* readers must order by themselves: lrd_reader_mine stays NULL */
} lrd_epoch_domain;

extern lrd_epoch_domain lrd_epoch_domain_state;
/* The thread's own row; NULL while it has none, and wherever plain stores will not do. */
extern _Thread_local lrd_reader *lrd_reader_mine __attribute__((tls_model("initial-exec")));

lrd_reader *lrd_epoch_enter_slow(void);
void lrd_epoch_leave_slow(lrd_reader *reader);

/* With a row of one's own. */
static inline void lrd_epoch_enter_own(lrd_reader *reader) {
  atomic_store_explicit(&reader->active, atomic_load_explicit(&lrd_epoch_domain_state.now, memory_order_relaxed),
                        memory_order_relaxed);
  atomic_signal_fence(memory_order_seq_cst); /* the writer's membarrier makes this a full fence when it matters */
}
static inline void lrd_epoch_leave_own(lrd_reader *reader) { atomic_store_explicit(&reader->active, 0, memory_order_release); }

static inline lrd_reader *lrd_epoch_enter(void) {
  lrd_reader *reader = lrd_reader_mine;
  if (__builtin_expect(reader == NULL, 0)) return lrd_epoch_enter_slow();
  lrd_epoch_enter_own(reader);
  return reader;
}

static inline void lrd_epoch_leave(lrd_reader *reader) {
  if (__builtin_expect(reader->number == LRD_READERS_MAX, 0)) {
    lrd_epoch_leave_slow(reader);
    return;
  }
  lrd_epoch_leave_own(reader);
}

/*
 * Holds a block beyond the epoch, by its address, without a write to it: a place in the thread's row, mostly the one that it
 * used last. NULL: there is none free at hand. Within an epoch; whoever frees looks at the places after the epoch has passed,
 * so a plain store will do.
 */
_Atomic uintptr_t *lrd_epoch_hold(lrd_reader *reader, const void *block);
/* The same, only by the place used last. */
static inline _Atomic uintptr_t *lrd_epoch_hold_here(lrd_reader *reader, const void *block) {
  _Atomic uintptr_t *place = &reader->pins[reader->pins_at];
  if (__builtin_expect(atomic_load_explicit(place, memory_order_relaxed) != 0, 0)) return NULL;
  atomic_store_explicit(place, (uintptr_t)block, memory_order_relaxed);
  return place;
}
static inline void lrd_epoch_let_go(_Atomic uintptr_t *place) { atomic_store_explicit(place, 0, memory_order_release); }

/* The blocks held by any thread, as a filter: false is sure. */
typedef struct lrd_held {
  uint64_t bits[64];
  bool any;
} lrd_held;
void lrd_epoch_held(lrd_held *out);
/* Exact, and slower. */
bool lrd_epoch_holds(const void *block);
static inline uint32_t lrd_held_bit(uintptr_t block) {
  return (uint32_t)((uint64_t)block * UINT64_C(0x9e3779b97f4a7c15) >> 52);
}
static inline bool lrd_held_maybe(const lrd_held *held, const void *block) {
  if (!held->any) return false;
  uint32_t bit = lrd_held_bit((uintptr_t)block);
  return (held->bits[bit / 64] >> bit % 64 & 1) != 0;
}

/* Once per cache, before its first use; any number of times. */
void lrd_epoch_init(void);
/* Begins a new epoch, after unlinking: what was unlinked is free to use once lrd_epoch_passed says so of the result. */
uint64_t lrd_epoch_advance(void);
bool lrd_epoch_passed(uint64_t epoch);
/* Waits for it, yielding. A lookup is some hundred nanoseconds long. */
void lrd_epoch_wait(uint64_t epoch);

#endif
