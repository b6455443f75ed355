/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A row as it lies in shared memory: one file per process, `larder-<uid>-<root id>-<row>`.
 *
 *   0        head: who, names of namespaces and tiers, which cells are used, samples of time
 *   16 KiB   cells, at fixed places: namespace number * (LRD_STATS_TIERS + 1) + tier number
 *   then     histograms, given out in order
 *
 * The file is sparse: its blocks are allocated as cells and histograms come into use, so that no write can meet a full
 * file system as a signal. Its writer holds a lock on it as long as it lives, and maps it; readers of other rows use pread,
 * which no truncation can harm, and believe nothing that is out of bounds.
 */
#ifndef LRD_STATS_SEGMENT_H
#define LRD_STATS_SEGMENT_H

#include "histogram.h"
#include "stats.h"

#define STATS_MAGIC      UINT64_C(0x315354415453524C) /* "LRSTATS1" */
#define STATS_VERSION    4u
#define STATS_NS_ROOM    132u
#define STATS_TIER_ROOM  100u
#define STATS_ROOT_ROOM  4096u
#define STATS_LOCK_AT    0 /* the byte whose lock the writer holds */
#define STATS_TIER_SPAN  (LRD_STATS_TIERS + 1)
#define STATS_CELLS      ((LRD_STATS_NAMESPACES + 1) * STATS_TIER_SPAN)
#define STATS_HISTOGRAMS 1024u
#define STATS_MARKS      32u
#define STATS_OP_DECIDED 15u /* in a cell's histograms, no operation: where the policy adaptive tells its figures, */
#define STATS_OP_LEARNED 14u /* and where an agent does */

/* What the whole namespaces had counted at a moment. */
typedef struct stats_mark {
  _Atomic int64_t wall_ms; /* 0: empty */
  _Atomic uint64_t lookups;
  _Atomic uint64_t hits;
  _Atomic uint64_t evictions;
} stats_mark;

typedef struct stats_head {
  _Atomic uint64_t magic; /* written last */
  uint32_t version;
  uint32_t head_size; /* the three sizes tell builds with other tables apart */
  uint32_t cell_size;
  uint32_t row;
  uint64_t instance; /* random: tells this holder of the row from others */
  int64_t pid;
  uint64_t mount_space; /* tells processes that see other files by the same paths; 0: not known */
  uint64_t device;      /* what the root lies on */
  int64_t started_ms;
  char root_id[72];
  char boot_id[40];
  char program[64];
  char root_path[STATS_ROOT_ROOM]; /* empty: not known */
  _Atomic uint32_t namespaces;
  _Atomic uint32_t tiers;
  _Atomic uint32_t histograms;
  _Atomic uint32_t marks; /* how many were ever set; the next goes to this modulo STATS_MARKS */
  stats_mark warm;        /* at the end of the first minute */
  stats_mark recent[STATS_MARKS];
  _Atomic uint8_t cell_used[STATS_CELLS];
  char ns_names[LRD_STATS_NAMESPACES][STATS_NS_ROOM];
  char tier_names[LRD_STATS_TIERS][STATS_TIER_ROOM];
} stats_head;

typedef struct stats_cell {
  _Alignas(64) _Atomic uint32_t histogram[16]; /* by operation: its number + 1; 0: none yet */
  _Atomic uint64_t sum_ns[16];
  _Atomic uint64_t gauges[4];
  _Atomic int64_t gauges_ms; /* when the newest was set; 0: never */
  _Atomic uint64_t shared;   /* the tier has one content for all processes */
  lrd_stats_lane lanes[LRD_STATS_LANES + 1];
} stats_cell;

#define STATS_CELLS_AT      16384u
#define STATS_HISTOGRAM_LEN (LRD_HISTOGRAM_BUCKETS * sizeof(uint64_t))
#define STATS_HISTOGRAMS_AT (STATS_CELLS_AT + STATS_CELLS * sizeof(stats_cell))
#define STATS_LEN           (STATS_HISTOGRAMS_AT + STATS_HISTOGRAMS * STATS_HISTOGRAM_LEN)

_Static_assert(sizeof(stats_head) <= STATS_CELLS_AT, "the head fits before the cells");
_Static_assert(LRD_OP_COUNT <= STATS_OP_LEARNED && LRD_GAUGE_COUNT <= 4, "a cell has room for the tables");

/* A process's own row. fd is -1 for private memory. */
typedef struct stats_segment {
  uint8_t *at;
  int fd;
  char *path;
} stats_segment;

static inline stats_head *segment_head(const stats_segment *segment) { return (stats_head *)(void *)segment->at; }
static inline stats_cell *segment_cell(const stats_segment *segment, uint32_t index) {
  return (stats_cell *)(void *)(segment->at + STATS_CELLS_AT + index * sizeof(stats_cell));
}
static inline _Atomic uint64_t *segment_histogram(const stats_segment *segment, uint32_t number) {
  return (_Atomic uint64_t *)(void *)(segment->at + STATS_HISTOGRAMS_AT + number * STATS_HISTOGRAM_LEN);
}

/* The path of a row's file, or with LRD_STATS_ROWS that of the marks of the last reset; own, NULL without memory. */
char *lrd_segment_path(const char *folder, const char *root_id, uint32_t row);
/* Which rows have a file: present[row] becomes 1. A folder that can't be read has none. */
void lrd_segment_list(const char *folder, const char *root_id, uint8_t present[LRD_STATS_ROWS]);
/* The row that a name ends with, written as we write it; LRD_STATS_ROWS for any other. */
uint32_t lrd_segment_row_of_name(const char *text);
/* Makes a new file, which must not exist, or with a NULL path takes private memory. 0, or the errno of the failure. */
int lrd_segment_make(stats_segment *segment, const char *path);
void lrd_segment_fini(stats_segment *segment);
/* Makes sure that the blocks of a cell or a histogram exist. False: no room. */
bool lrd_segment_back_cell(stats_segment *segment, uint32_t index);
bool lrd_segment_back_histogram(stats_segment *segment, uint32_t number);

/* A regular file of this user's, or -1. */
int lrd_segment_open_file(const char *path, bool writable);
/* Takes the lock of a file that is open for writing, if it is free now and the path still names the file. */
bool lrd_segment_lock(int fd, const char *path);
/*
 * Opens a row that its writer has left, to read and remove it: locked, so that nobody else removes anything by that path
 * until the descriptor is closed. Who else has the lock has it for an instant, but for a child that a dead writer forked: it
 * is waited for briefly, then done without. -1: there is no such file.
 */
int lrd_segment_claim(const char *path);

/* --- segment_clean.c ---------------------------------------------------------------------------------------------------- */

/* From where a process looks at the rows of others. */
typedef struct lrd_segment_here {
  const char *folder;
  const char *root_id; /* its own rows are passed over: whoever opens a root sees to them */
  const char *root;    /* the path; NULL: not known */
  uint64_t mount_space;
  int64_t now_ms;
} lrd_segment_here;
/* Removes what this user's dead processes have left of roots that are gone. Looks at a few files at each call. */
void lrd_segment_clean(const lrd_segment_here *here);
uint64_t lrd_segment_mount_space(void);

/* --- reading ------------------------------------------------------------------------------------------------------------- */

/* Reads a row, one's own by its mapping or another's by its descriptor. Bytes beyond the end read as 0. */
typedef struct stats_source {
  const stats_segment *own; /* or NULL: fd */
  int fd;
} stats_source;
bool lrd_segment_read(const stats_source *source, size_t offset, void *out, size_t len);
/* Reads and checks a head. False: not a row of this root and this build. */
bool lrd_segment_read_head(const stats_source *source, const char *root_id, const char *boot_id, uint32_t row, stats_head *out);

#endif
