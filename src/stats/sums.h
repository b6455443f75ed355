/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sums on the heap: what readers add up from rows and stored blobs. Cells are found by namespace and tier; beyond
 * STATS_SUMS_MAX of them, further names are added to "(other)", so that no history of names can grow without bound.
 */
#ifndef LRD_STATS_SUMS_H
#define LRD_STATS_SUMS_H

#include "segment.h"

#define STATS_SUMS_MAX 1024u

typedef struct stats_sum {
  char ns[STATS_NS_ROOM];
  char tier[STATS_TIER_ROOM];
  uint64_t counters[LRD_STAT_COUNT];
  uint64_t gauges[LRD_GAUGE_COUNT];
  int64_t gauges_ms;
  bool shared; /* one content for all processes: its newest gauges count, not their sum */
  uint64_t sum_ns[LRD_OP_COUNT];
  uint64_t *buckets[LRD_OP_COUNT];  /* NULL: nothing measured */
  bool adapts;                      /* a process tells `adaptive` of it */
  larder_adaptive adaptive;         /* of living processes, like gauges; names and leader are not filled in */
  bool learns;                      /* a process tells `learning` of it, */
  larder_learning_figures learning; /* likewise */
} stats_sum;

typedef struct stats_sums {
  stats_sum **cells;
  size_t count;
  size_t cap;
} stats_sums;

void lrd_sums_fini(stats_sums *sums);
/* The cell, made when absent. NULL: out of memory. */
stats_sum *lrd_sums_cell(stats_sums *sums, const char *ns, const char *tier);
/* NULL when absent. */
stats_sum *lrd_sums_find(const stats_sums *sums, const char *ns, const char *tier);
LARDER_MUST_CHECK larder_err lrd_sums_add(stats_sums *to, const stats_sums *from);
/* same_cell: another process's view of the same; else one more cell that goes into a total. */
LARDER_MUST_CHECK larder_err lrd_sum_add(stats_sum *to, const stats_sum *from, bool same_cell);
/* What lies below 0 becomes 0. */
void lrd_sums_subtract(stats_sums *from, const stats_sums *what);
bool lrd_sums_are_empty(const stats_sums *sums);

/* Adds a row up, into empty sums. LARDER_ENOMEM, or LARDER_EIO when it can't be read. */
LARDER_MUST_CHECK larder_err lrd_sums_read_row(stats_sums *to, const stats_source *source, const stats_head *head);

/* Blobs: see stats.h. Gauges are not stored: they are about now. */
LARDER_MUST_CHECK larder_err lrd_sums_encode(const stats_sums *sums, lrd_buf *out);
LARDER_MUST_CHECK larder_err lrd_sums_decode(stats_sums *to, lrd_span blob);

/* The whole namespaces' lookups and hits, and the tiers' evictions for lack of room. */
typedef struct stats_flow {
  uint64_t lookups;
  uint64_t hits;
  uint64_t evictions;
} stats_flow;
stats_flow lrd_sums_flow(const stats_sums *sums);

#endif
