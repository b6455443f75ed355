/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which thread writes which lane. One word of bits for the whole process, since a lane number is about the thread, not
 * about a cache: a thread that uses two caches writes the same lane of both. A bit is claimed with acquire and given back
 * with release order, so the next holder's plain loads see what the last one counted.
 *
 * Static state is only this word and the key whose destructor gives the lane back when a thread ends.
 */
#include "lanes.h"

#include "stats.h"
#include <pthread.h>

#define LANE_SHARED (LRD_STATS_LANES + 1) /* all are taken; tried again now and then */
#define LANE_ENDING (LRD_STATS_LANES + 2) /* the thread is past giving its lane back */

_Thread_local lrd_stats_thread lrd_stats_self = {.countdown = 1};

static _Atomic uint32_t lanes_claimed;
static pthread_once_t lanes_once = PTHREAD_ONCE_INIT;
static pthread_key_t lanes_key;
static bool lanes_have_key;

_Static_assert(LRD_STATS_LANES == 32, "a bit of lanes_claimed each");

static void lane_give_back(void *held) {
  uint32_t lane = (uint32_t)(uintptr_t)held;
  lrd_stats_self.lane = LANE_ENDING;
  atomic_fetch_and_explicit(&lanes_claimed, ~(UINT32_C(1) << (lane - 1)), memory_order_release);
}

/* The child has one thread: the lanes of all others are free. */
static void lanes_forked(void) {
  uint32_t lane = lrd_stats_self.lane;
  atomic_store(&lanes_claimed, lane - 1 < LRD_STATS_LANES ? UINT32_C(1) << (lane - 1) : 0);
}

static void lanes_begin(void) {
  lanes_have_key = pthread_key_create(&lanes_key, lane_give_back) == 0;
  (void)pthread_atfork(NULL, NULL, lanes_forked);
}

/* So that no thread that ends later calls into a library that was unloaded. */
__attribute__((destructor)) static void lanes_end(void) {
  if (lanes_have_key) pthread_key_delete(lanes_key);
  lanes_have_key = false;
}

static uint32_t lane_claim(void) {
  pthread_once(&lanes_once, lanes_begin);
  if (!lanes_have_key) return LANE_SHARED;
  uint32_t claimed = atomic_load_explicit(&lanes_claimed, memory_order_relaxed);
  uint32_t bit;
  do {
    if (claimed == UINT32_MAX) return LANE_SHARED;
    bit = ~claimed & (claimed + 1);
  } while (!atomic_compare_exchange_weak_explicit(&lanes_claimed, &claimed, claimed | bit, memory_order_acquire,
                                                  memory_order_relaxed));
  uint32_t lane = (uint32_t)__builtin_ctz(bit) + 1;
  if (pthread_setspecific(lanes_key, (void *)(uintptr_t)lane)) {
    atomic_fetch_and_explicit(&lanes_claimed, ~bit, memory_order_release);
    return LANE_SHARED;
  }
  return lane;
}

uint32_t lrd_stats_lanes_claimed(void) { return (uint32_t)__builtin_popcount(atomic_load(&lanes_claimed)); }

void lrd_stats_add_slow(lrd_stats_cell *cell, lrd_counter counter, uint64_t n) {
  lrd_stats_thread *self = &lrd_stats_self;
  if (self->lane == 0 || (self->lane == LANE_SHARED && (++self->shared_adds & 4095) == 0)) {
    self->lane = lane_claim();
    if (self->lane - 1 < LRD_STATS_LANES) {
      lrd_stats_add(cell, counter, n);
      return;
    }
  }
  atomic_fetch_add_explicit(&cell->lanes[LRD_STATS_LANES].counts[counter], n, memory_order_relaxed);
}

larder_err lrd_stats_add_hit_slow(lrd_stats_cell *all) {
  lrd_stats_add_slow(all, LRD_STAT_MEMORY_HITS, 1);
  return LARDER_OK;
}

void lrd_stats_sample_next(void) {
  lrd_stats_thread *self = &lrd_stats_self;
  if (!self->random) self->random = (uintptr_t)self | 1;
  self->random ^= self->random << 13;
  self->random ^= self->random >> 7;
  self->random ^= self->random << 17;
  /* Uneven, so that a loop over as many keys as the distance does not always sample the same one. */
  self->countdown = LRD_STATS_SAMPLE_EVERY / 2 + (uint32_t)(self->random % LRD_STATS_SAMPLE_EVERY);
}
