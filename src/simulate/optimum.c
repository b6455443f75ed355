/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is there is told by when it is wanted next, a place in the trace that no other key has. So the cache is a set of places:
 * a bit each, with a bit in the row above for each word of 64 that is not empty, and so on up. Taking the last one looks at a
 * word in each row: five for half a milliard of requests.
 */
#include "optimum.h"

#include "base/fail.h"
#include <stdlib.h>

#define ROWS_MAX 6u /* 64^6 places */

/* --- a set of places --------------------------------------------------------------------------------------------------- */

typedef struct place_set {
  uint64_t *rows[ROWS_MAX]; /* the lowest first */
  unsigned rows_len;
  uint64_t *words; /* own: all rows */
} place_set;

static larder_err set_init(place_set *set, uint64_t places) {
  uint64_t lens[ROWS_MAX], sum = 0;
  *set = (place_set){0};
  for (uint64_t bits = places ? places : 1;; bits = lens[set->rows_len - 1]) {
    LRD_ASSERT(set->rows_len < ROWS_MAX);
    lens[set->rows_len] = (bits + 63) / 64;
    sum += lens[set->rows_len++];
    if (lens[set->rows_len - 1] == 1) break;
  }
  set->words = lrd_alloc_zero((size_t)sum, sizeof *set->words);
  if (set->words == NULL) return LARDER_ENOMEM;
  uint64_t *at = set->words;
  for (unsigned row = 0; row < set->rows_len; at += lens[row++]) set->rows[row] = at;
  return LARDER_OK;
}

static void set_fini(place_set *set) { lrd_dealloc(set->words); }

static void set_add(place_set *set, uint64_t place) {
  for (unsigned row = 0; row < set->rows_len; row++, place /= 64) set->rows[row][place / 64] |= UINT64_C(1) << (place % 64);
}

static void set_remove(place_set *set, uint64_t place) {
  for (unsigned row = 0; row < set->rows_len; row++, place /= 64)
    if ((set->rows[row][place / 64] &= ~(UINT64_C(1) << (place % 64))) != 0) return;
}

static bool set_has(const place_set *set, uint64_t place) { return set->rows[0][place / 64] >> (place % 64) & 1; }

/* Of a set that is not empty. */
static uint64_t set_last(const place_set *set) {
  uint64_t at = 0;
  for (unsigned row = set->rows_len; row-- > 0;) at = at * 64 + 63 - (uint64_t)__builtin_clzll(set->rows[row][at]);
  return at;
}

/* --- the future --------------------------------------------------------------------------------------------------------- */

larder_err lrd_optimum_next(const larder_trace *trace, uint32_t **out) {
  uint32_t *next = lrd_alloc((size_t)(trace->requests + 1) * sizeof *next);
  uint32_t *later = lrd_alloc((trace->unique + (size_t)1) * sizeof *later); /* by key: the next place of it seen so far */
  larder_err err = next && later ? LARDER_OK : LARDER_ENOMEM;
  if (err == LARDER_OK) {
    memset(later, 0xff, (trace->unique + (size_t)1) * sizeof *later);
    for (uint64_t i = trace->requests; i-- > 0;) {
      next[i] = later[trace->ids[i]];
      later[trace->ids[i]] = (uint32_t)i;
    }
    *out = next;
    next = NULL;
  }
  lrd_dealloc(next);
  lrd_dealloc(later);
  return err;
}

static larder_err stretch_told(lrd_run_watch *watch, uint64_t i) {
  if (i % LRD_RUN_TELL != LRD_RUN_TELL - 1) return LARDER_OK;
  return lrd_run_told(watch, LRD_RUN_TELL) ? LARDER_OK : LARDER_ECANCELLED;
}

/* Room for the new entry: one that is never wanted again goes first, else the one wanted last. */
static void entries_evict(place_set *there, uint64_t *wanted, uint64_t *dead) {
  if (*dead > 0) {
    (*dead)--;
    return;
  }
  set_remove(there, set_last(there));
  (*wanted)--;
}

larder_err lrd_optimum_entries(const larder_trace *trace, const uint32_t *next, larder_simulate_run *run,
                               lrd_run_watch *watch) {
  place_set there;
  uint64_t wanted = 0, dead = 0; /* entries that are there: in the set, and not, since nobody wants them again */
  larder_err err = set_init(&there, trace->requests);
  for (uint64_t i = 0; i < trace->requests && err == LARDER_OK; i++) {
    if (set_has(&there, i)) {
      set_remove(&there, i);
      wanted--;
    } else {
      run->misses++;
      run->miss_bytes += trace->sizes ? trace->sizes[trace->ids[i]] : 0;
      if (wanted + dead == run->objects) entries_evict(&there, &wanted, &dead);
    }
    if (next[i] == LRD_NEVER) {
      dead++;
    } else {
      set_add(&there, next[i]);
      wanted++;
    }
    err = stretch_told(watch, i);
  }
  (void)lrd_run_told(watch, trace->requests % LRD_RUN_TELL);
  set_fini(&there);
  return err;
}

/* --- by bytes ----------------------------------------------------------------------------------------------------------- */

static int cost_order(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return x < y ? -1 : x > y;
}

larder_err lrd_optimum_bytes(const larder_trace *trace, const uint32_t *next, larder_simulate_run *run, lrd_run_watch *watch) {
  uint64_t *costs = lrd_alloc((size_t)(trace->requests + 1) * sizeof *costs);
  uint64_t len = 0, hits = 0;
  larder_err err = costs ? LARDER_OK : LARDER_ENOMEM;
  for (uint64_t i = 0; i < trace->requests && err == LARDER_OK; i++) {
    uint64_t size = trace->sizes[trace->ids[i]];
    if (next[i] != LRD_NEVER && size <= run->bytes && __builtin_mul_overflow(size, next[i] - i, &costs[len++]))
      costs[len - 1] = UINT64_MAX; /* less than it is: still a bound */
    err = stretch_told(watch, i);
  }
  if (err == LARDER_OK) {
    qsort(costs, (size_t)len, sizeof *costs, cost_order);
    __uint128_t left = (__uint128_t)run->bytes * trace->requests;
    while (hits < len && left > 0) { /* one more that has only a part of what it needs: a bound may round that up */
      left = costs[hits] < left ? left - costs[hits] : 0;
      hits++;
    }
    run->misses = trace->requests - hits;
  }
  (void)lrd_run_told(watch, trace->requests % LRD_RUN_TELL);
  lrd_dealloc(costs);
  return err;
}
