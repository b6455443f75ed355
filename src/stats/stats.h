/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counting. A process has one *row* per root, in shared memory that other processes read while it runs; a row has one
 * *cell* per namespace and tier; a cell has *lanes*, so that threads count without meeting.
 *
 * A thread claims one of LRD_STATS_LANES lanes at its first count and is its only writer until it ends: a count is a load,
 * an addition and a store. Threads beyond share one more lane with atomic additions. Nothing is lost either way.
 *
 * What can't be had is worked around: without room in shared memory the row is private memory (and seen by this process
 * only), beyond LRD_STATS_NAMESPACES namespaces or LRD_STATS_TIERS tiers the cells are shared under the name "(other)".
 *
 * The tier LRD_STATS_ALL stands for the namespace as its callers saw it.
 */
#ifndef LRD_STATS_STATS_H
#define LRD_STATS_STATS_H

#include "base/bytes.h"
#include "base/clock.h"
#include "base/log.h"
#include "counters.h"
#include <larder/adaptive.h>
#include <larder/learning.h>
#include <larder/stats.h>
#include <stdatomic.h>

#define LRD_STATS_ALL          "all"
#define LRD_STATS_MEMORY       "memory"
#define LRD_STATS_OTHER        "(other)"
#define LRD_STATS_ROWS         256u
#define LRD_STATS_NAMESPACES   64u
#define LRD_STATS_TIERS        8u
#define LRD_STATS_LANES        32u
#define LRD_STATS_SAMPLE_EVERY 1024u

typedef struct lrd_stats lrd_stats;
typedef struct lrd_stats_cell lrd_stats_cell;

typedef struct lrd_stats_params {
  const char *root_id_hex; /* 1-64 letters and digits that name the root on this host; NULL: private memory */
  uint32_t row;            /* this process's row, below LRD_STATS_ROWS */
  bool reads_only;         /* no row of its own in shared memory, `row` does not matter: what it counts only it sees */
  const char *root;        /* its absolute path, by which it is told that it is gone; NULL: that is never told */
  const char *program;     /* name shown to people; NULL: the kernel's name of the process */
  const lrd_clock *clock;  /* NULL: the machine's */
  const lrd_log *log;      /* borrowed until close; may be NULL */
  const char *folder;      /* NULL: /dev/shm */
  /* Whether the process of a row lives. NULL: asked of the kernel by process id, which fails across containers. */
  bool (*row_lives)(void *context, uint32_t row);
  void *context;
} lrd_stats_params;

/*
 * Opens this process's row. What a former holder of the row left there is kept for lrd_stats_take_left. Fails only with
 * LARDER_ENOMEM, or LARDER_EINVAL for impossible params.
 */
LARDER_MUST_CHECK larder_err lrd_stats_open(const lrd_stats_params *params, lrd_stats **out, larder_error *err);
/* Take the row first to keep its sums; otherwise they stay in shared memory for the next holder. NULL is fine. */
void lrd_stats_close(lrd_stats *stats);
/* In a forked child: gives up memory and descriptors; the parent's row stays as it is. NULL is fine. */
void lrd_stats_abandon(lrd_stats *stats);
/* Whether other processes can see this row. */
bool lrd_stats_is_shared(const lrd_stats *stats);

/* --- counting ------------------------------------------------------------------------------------------------------ */

/* The cell of a namespace and a tier; lives as long as stats. Takes a lock. Never NULL. */
lrd_stats_cell *lrd_stats_cell_of(lrd_stats *stats, const char *ns, const char *tier);
/* The tier has one content for all processes: readers take its newest gauges instead of their sum. */
void lrd_stats_cell_share(lrd_stats_cell *cell);

typedef struct lrd_stats_lane {
  _Alignas(64) _Atomic uint64_t counts[64]; /* the table's 63 and one of the lane's own, in whole cache lines */
} lrd_stats_lane;
#define LRD_STAT_MEMORY_HITS ((lrd_counter)63) /* not in the table: lrd_stats_add_hits */
_Static_assert(LRD_STAT_COUNT <= 63, "a lane has 64 counters");

/* The process's handle of a cell. Read-only for callers. */
struct lrd_stats_cell {
  lrd_stats_lane *lanes; /* LRD_STATS_LANES + 1 of them, in the row */
  lrd_stats *stats;
  uint32_t index;
};

/* A thread's own state; one for all caches of the process, since it is about threads. */
typedef struct lrd_stats_thread {
  uint32_t lane;        /* 0: none claimed yet; 1 to LRD_STATS_LANES: its own; above: the shared one */
  uint32_t countdown;   /* memory hits until the next sample; 1: it is the next */
  uint32_t shared_adds; /* on the shared lane, to try for an own one now and then */
  uint64_t random;
} lrd_stats_thread;
extern _Thread_local lrd_stats_thread lrd_stats_self __attribute__((tls_model("initial-exec"), visibility("hidden")));

void lrd_stats_add_slow(lrd_stats_cell *cell, lrd_counter counter, uint64_t n);

static inline void lrd_stats_add(lrd_stats_cell *cell, lrd_counter counter, uint64_t n) {
  uint32_t lane = lrd_stats_self.lane - 1;
  if (__builtin_expect(lane >= LRD_STATS_LANES, 0)) {
    lrd_stats_add_slow(cell, counter, n);
    return;
  }
  _Atomic uint64_t *at = &cell->lanes[lane].counts[counter];
  atomic_store_explicit(at, atomic_load_explicit(at, memory_order_relaxed) + n, memory_order_relaxed);
}

/*
 * `n` hits in memory, in the cell of LRD_STATS_ALL: as many lookups and hits of the namespace and hits of its tier
 * LRD_STATS_MEMORY. One counter, which readers add to those three.
 */
static inline void lrd_stats_add_hits(lrd_stats_cell *all, uint64_t n) { lrd_stats_add(all, LRD_STAT_MEMORY_HITS, n); }

/* One such hit, as the last thing of a get: LARDER_OK. */
larder_err lrd_stats_add_hit_slow(lrd_stats_cell *all);
static inline larder_err lrd_stats_add_hit(lrd_stats_cell *all) {
  uint32_t lane = lrd_stats_self.lane - 1;
  if (__builtin_expect(lane >= LRD_STATS_LANES, 0)) return lrd_stats_add_hit_slow(all);
  _Atomic uint64_t *at = &all->lanes[lane].counts[LRD_STAT_MEMORY_HITS];
  atomic_store_explicit(at, atomic_load_explicit(at, memory_order_relaxed) + 1, memory_order_relaxed);
  return LARDER_OK;
}

/*
 * False for about every LRD_STATS_SAMPLE_EVERY-th call of a thread, at uneven distances. The caller then calls
 * lrd_stats_sample_next, measures that hit and tells lrd_stats_time_n with that weight.
 */
static inline bool lrd_stats_unsampled(void) { return __builtin_expect(--lrd_stats_self.countdown != 0, 1); }
/* Draws the distance to the next sample. */
void lrd_stats_sample_next(void);

/* Adds one duration, or one that stands for `weight` of them. Takes a lock at an operation's first time only. */
void lrd_stats_time_n(lrd_stats_cell *cell, lrd_stat_op op, int64_t ns, uint64_t weight);
static inline void lrd_stats_time(lrd_stats_cell *cell, lrd_stat_op op, int64_t ns) { lrd_stats_time_n(cell, op, ns, 1); }

void lrd_stats_set(lrd_stats_cell *cell, lrd_gauge gauge, uint64_t value);
/* Of the tier memory: what the policy adaptive has decided until now. Like a gauge, it is about living processes, summed up.
 * Takes a lock at the first time only. */
void lrd_stats_set_adaptive(lrd_stats_cell *cell, const larder_adaptive *now);
/* Of the tier "all": likewise, what a namespace's agent has come to. */
void lrd_stats_set_learning(lrd_stats_cell *cell, const larder_learning_figures *now);
/* Below LARDER_EXPERT_COUNT; a static string. */
const char *lrd_stats_expert(unsigned number);
/* Names the experts, and says which one is in charge of most entries. */
void lrd_stats_adaptive_name(larder_adaptive *sums);

/* --- keeping the sums of the dead ------------------------------------------------------------------------------------ */

/*
 * Stored sums are a *blob* of bytes that the core keeps beside its data. Blobs are checked when they are read: a damaged
 * one is LARDER_ECORRUPT and changes nothing.
 */

/* Appends the sums of a row to out and removes the row: a dead process's, or one's own before close. Nothing is appended,
 * and LARDER_MISS returned, when the row holds nothing. */
LARDER_MUST_CHECK larder_err lrd_stats_take_row(lrd_stats *stats, uint32_t row, lrd_buf *out);
/* The same for what open found in this process's row. Once. */
LARDER_MUST_CHECK larder_err lrd_stats_take_left(lrd_stats *stats, lrd_buf *out);
/* sum := sum + blob. An empty sum is a blob of nothing. */
LARDER_MUST_CHECK larder_err lrd_stats_blob_add(lrd_buf *sum, lrd_span blob);
/* Adds a blob to the past that snapshots show. */
LARDER_MUST_CHECK larder_err lrd_stats_give(lrd_stats *stats, lrd_span blob);
/* That past becomes what is in the blob, in one step; an empty blob is no past. */
LARDER_MUST_CHECK larder_err lrd_stats_set_past(lrd_stats *stats, lrd_span blob);
/* Empties that past, before it is given anew because another process may have stored more. */
void lrd_stats_forget_past(lrd_stats *stats);

/* --- reading ---------------------------------------------------------------------------------------------------------- */

/* All living processes of the root and the past. Blocks on reading shared memory; writers are not disturbed. */
LARDER_MUST_CHECK larder_err lrd_stats_snapshot(lrd_stats *stats, larder_stats **out);
/* From now on snapshots of every process show what comes after. The past is forgotten; the core forgets its blob too. */
LARDER_MUST_CHECK larder_err lrd_stats_reset(lrd_stats *stats);
/* Marks time for the recent and steady hit rates; the core calls it at each sweep tick. Cheap when called too often. */
void lrd_stats_tick(lrd_stats *stats);

/* --- alerts ------------------------------------------------------------------------------------------------------------ */

typedef struct lrd_stats_thresholds {
  double hit_rate_min;             /* 0 to 1; 0: no alert */
  double latency_ms_max;           /* of the 95th percentile of lookups; 0: no alert */
  double evictions_per_minute_max; /* 0: no alert */
} lrd_stats_thresholds;

/* Hands each alert to `tell` as a stable id ("alert.hit_rate") and a sentence. Says nothing of a cold cache. */
void lrd_stats_alerts(const larder_stats *stats, const lrd_stats_thresholds *thresholds,
                      void (*tell)(void *context, const char *id, const char *sentence), void *context);

#endif
