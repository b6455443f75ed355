/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this room know of an open lrd_stats and of a snapshot. */
#ifndef LRD_STATS_STATS_ROOM_H
#define LRD_STATS_STATS_ROOM_H

#include "base/thread.h"
#include "sums.h"
#include <larder/ext/tier.h>
#include <stdlib.h>

#define STATS_MINUTE_MS 60000

struct lrd_stats {
  lrd_mutex mutex; /* everything below but the contents of cells */
  stats_segment segment;
  bool rooted;     /* rows of others are looked for */
  bool reads_only; /* and the own one is private */
  bool taken;      /* the own row's sums were handed out */
  uint32_t row;
  char root_id[72];
  char boot_id[40];
  char *folder;
  const lrd_clock *clock;
  const lrd_log *log;
  bool (*row_lives)(void *context, uint32_t row);
  void *context;
  /* Counted here rather than believed from shared memory. */
  uint32_t namespaces;
  uint32_t tiers;
  uint32_t histograms;
  bool histograms_full;
  int64_t ticked_ms;
  lrd_buf left;     /* a blob: what the former holder of the row left */
  lrd_buf baseline; /* the last reset's marks, for rows that are private memory */
  stats_sums past;
  lrd_stats_cell cells[STATS_CELLS]; /* lanes NULL: not in use */
};

struct larder_stats {
  stats_sums totals; /* by tier */
  stats_sums cells;
  larder_stats_rates rates;
  larder_stats_process *processes; /* their program points into programs */
  char (*programs)[64];
  size_t process_count;
  int64_t taken_ms;
};

/* Reads a row of this root, less what the last reset marks. LARDER_MISS: not one. head_out is filled on LARDER_OK. */
LARDER_MUST_CHECK larder_err lrd_stats_read(lrd_stats *stats, const stats_source *source, uint32_t row, lrd_span baseline,
                                            stats_head *head_out, stats_sums *raw_out, stats_sums *marked_out);
/* The last reset's marks; empty when there are none. */
LARDER_MUST_CHECK larder_err lrd_stats_baseline(lrd_stats *stats, lrd_buf *out);

#endif
