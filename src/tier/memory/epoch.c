/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of readers and the two sides of the barrier.
 *
 * Reader: row.active = epoch; (compiler barrier) look up; row.active = 0 (release).
 * Writer: unlink; epoch += 1; membarrier; free once every row is 0 or holds a later epoch.
 *
 * membarrier runs a full fence on every core that runs a thread of ours, so either the row's store is seen by the writer,
 * or the reader's loads come after it and see the unlinked index. A reader that loaded an old epoch number only delays.
 */
#include "epoch.h"
#include "base/fail.h"

#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

lrd_epoch_domain lrd_epoch_domain_state = {.now = 1, .fence = true};
_Thread_local lrd_reader *lrd_reader_mine __attribute__((tls_model("initial-exec")));
static _Thread_local lrd_reader *epoch_row; /* the thread's row also where readers fence */

static lrd_reader epoch_rows[LRD_READERS_MAX + 1] = {[LRD_READERS_MAX] = {.number = LRD_READERS_MAX}};
static _Atomic uint32_t epoch_rows_used; /* rows ever taken: the scan ends there */
static pthread_once_t epoch_once = PTHREAD_ONCE_INIT;
static pthread_key_t epoch_key;
static bool epoch_key_made;

static void epoch_thread_ends(void *row) {
  lrd_reader *reader = row;
  lrd_reader_mine = epoch_row = NULL;
  if (reader->number != LRD_READERS_MAX) atomic_store_explicit(&reader->taken, 0, memory_order_release);
}

static bool epoch_membarrier_register(void) {
#if defined(__SANITIZE_THREAD__)
  return false;
#else
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
  return false;
#endif
#endif
  return syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
#endif
}

/* Of the parent's threads only the one that forked lives on: the others' rows would hold back reclamation forever. */
static void epoch_after_fork(void) {
  lrd_reader *mine = epoch_row;
  uint32_t used = atomic_load(&epoch_rows_used);
  for (uint32_t i = 0; i < used; i++) {
    if (&epoch_rows[i] == mine) continue;
    atomic_store(&epoch_rows[i].active, 0);
    atomic_store(&epoch_rows[i].taken, 0);
  }
  atomic_store(&epoch_rows[LRD_READERS_MAX].active, 0);
  if (!atomic_load(&lrd_epoch_domain_state.fence)) {
    atomic_store(&lrd_epoch_domain_state.fence, !epoch_membarrier_register());
  }
  if (atomic_load(&lrd_epoch_domain_state.fence)) lrd_reader_mine = NULL;
}

static void epoch_init_once(void) {
  /* Threads share this row, so nobody holds anything in it: its one place looks taken. */
  atomic_store_explicit(&epoch_rows[LRD_READERS_MAX].pins_high, 1, memory_order_relaxed);
  atomic_store_explicit(&epoch_rows[LRD_READERS_MAX].pins[0], UINTPTR_MAX, memory_order_relaxed);
  epoch_key_made = pthread_key_create(&epoch_key, epoch_thread_ends) == 0;
  (void)pthread_atfork(NULL, NULL, epoch_after_fork);
  atomic_store(&lrd_epoch_domain_state.fence, !epoch_membarrier_register());
}

void lrd_epoch_init(void) { (void)pthread_once(&epoch_once, epoch_init_once); }

static lrd_reader *epoch_reader_register(void) {
  lrd_epoch_init();
  lrd_reader *reader = &epoch_rows[LRD_READERS_MAX];
  for (uint32_t i = 0; epoch_key_made && i < LRD_READERS_MAX; i++) {
    uint32_t expected = 0;
    if (atomic_load_explicit(&epoch_rows[i].taken, memory_order_relaxed) != 0) continue;
    if (!atomic_compare_exchange_strong(&epoch_rows[i].taken, &expected, 1)) continue;
    if (pthread_setspecific(epoch_key, &epoch_rows[i]) != 0) {
      atomic_store(&epoch_rows[i].taken, 0);
      break;
    }
    /* Not before it is wanted: all rows together are a quarter of a MiB that most processes never touch. */
    epoch_rows[i].number = i;
    if (atomic_load_explicit(&epoch_rows[i].pins_high, memory_order_relaxed) == 0)
      atomic_store_explicit(&epoch_rows[i].pins_high, 1, memory_order_relaxed);
    uint32_t used = atomic_load(&epoch_rows_used);
    while (used < i + 1 && !atomic_compare_exchange_weak(&epoch_rows_used, &used, i + 1)) {
    }
    reader = &epoch_rows[i];
    break;
  }
  /* A row of one's own is kept; the shared one is looked for anew each time, since a row may have come free. */
  if (reader->number != LRD_READERS_MAX) {
    epoch_row = reader;
    if (!atomic_load(&lrd_epoch_domain_state.fence)) lrd_reader_mine = reader;
  }
  return reader;
}

lrd_reader *lrd_epoch_enter_slow(void) {
  lrd_reader *reader = epoch_row ? epoch_row : epoch_reader_register();
  if (reader->number == LRD_READERS_MAX) {
    atomic_fetch_add_explicit(&reader->active, 1, memory_order_seq_cst);
    return reader;
  }
  /* A read-modify-write is a full fence that ThreadSanitizer understands. */
  (void)atomic_exchange_explicit(&reader->active, atomic_load(&lrd_epoch_domain_state.now), memory_order_seq_cst);
  return reader;
}

void lrd_epoch_leave_slow(lrd_reader *reader) { atomic_fetch_sub_explicit(&reader->active, 1, memory_order_release); }

_Atomic uintptr_t *lrd_epoch_hold(lrd_reader *reader, const void *block) {
  if (reader->number == LRD_READERS_MAX) return NULL;
  for (uint32_t i = 0; i < 4; i++) {
    uint32_t at = (reader->pins_at + i) % LRD_PINS_ROW;
    if (atomic_load_explicit(&reader->pins[at], memory_order_relaxed) != 0) continue;
    if (at >= atomic_load_explicit(&reader->pins_high, memory_order_relaxed)) {
      atomic_store_explicit(&reader->pins_high, at + 1, memory_order_relaxed);
    }
    reader->pins_at = at;
    atomic_store_explicit(&reader->pins[at], (uintptr_t)block, memory_order_relaxed);
    return &reader->pins[at];
  }
  return NULL;
}

void lrd_epoch_held(lrd_held *out) {
  *out = (lrd_held){.any = false};
  uint32_t used = atomic_load_explicit(&epoch_rows_used, memory_order_acquire);
  for (uint32_t row = 0; row < used; row++) {
    uint32_t high = atomic_load_explicit(&epoch_rows[row].pins_high, memory_order_relaxed);
    for (uint32_t i = 0; i < high; i++) {
      uintptr_t block = atomic_load_explicit(&epoch_rows[row].pins[i], memory_order_acquire);
      if (block == 0) continue;
      uint32_t bit = lrd_held_bit(block);
      out->bits[bit / 64] |= UINT64_C(1) << bit % 64;
      out->any = true;
    }
  }
}

bool lrd_epoch_holds(const void *block) {
  uint32_t used = atomic_load_explicit(&epoch_rows_used, memory_order_acquire);
  for (uint32_t row = 0; row < used; row++) {
    uint32_t high = atomic_load_explicit(&epoch_rows[row].pins_high, memory_order_relaxed);
    for (uint32_t i = 0; i < high; i++) {
      if (atomic_load_explicit(&epoch_rows[row].pins[i], memory_order_acquire) == (uintptr_t)block) return true;
    }
  }
  return false;
}

uint64_t lrd_epoch_advance(void) {
  uint64_t epoch = atomic_fetch_add_explicit(&lrd_epoch_domain_state.now, 1, memory_order_seq_cst);
  if (!atomic_load_explicit(&lrd_epoch_domain_state.fence, memory_order_relaxed)) {
    long done = syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
    LRD_ASSERT(done == 0); /* it was registered; without it a reader's row might not be seen */
  }
  return epoch;
}

bool lrd_epoch_passed(uint64_t epoch) {
  uint32_t used = atomic_load_explicit(&epoch_rows_used, memory_order_acquire);
  for (uint32_t i = 0; i < used; i++) {
    uint64_t active = atomic_load_explicit(&epoch_rows[i].active, memory_order_seq_cst);
    if (active != 0 && active <= epoch) return false;
  }
  return atomic_load_explicit(&epoch_rows[LRD_READERS_MAX].active, memory_order_seq_cst) == 0;
}

void lrd_epoch_wait(uint64_t epoch) {
  while (!lrd_epoch_passed(epoch)) (void)sched_yield();
}
