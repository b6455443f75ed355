/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a cache did: counters, gauges and latencies by namespace and tier, of all processes on the root, living and past.
 *
 * A `larder_stats` is a snapshot: it belongs to the caller, does not change, and may outlive the cache. Its strings live
 * as long as it does. The tier "all" is a namespace as its callers saw it, with the evictions of its tiers; what has
 * namespace NULL is the sum over all namespaces. Counters are asked for by name ("hits"); docs/statistics.md lists them.
 */
#ifndef LARDER_STATS_H
#define LARDER_STATS_H

#include <larder/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct larder larder;
typedef struct larder_stats larder_stats;

/* Reads the figures of the cache's root. Own; release with larder_stats_free. err may be NULL. */
LARDER_API LARDER_MUST_CHECK larder_err larder_stats_take(larder *cache, larder_stats **out, larder_error *err);
/* *stats becomes NULL. */
LARDER_API void larder_stats_free(larder_stats **stats);
/* From now on snapshots in every process count from zero. */
LARDER_API LARDER_MUST_CHECK larder_err larder_stats_reset(larder *cache);

/* One namespace in one tier. */
typedef struct larder_stats_row {
  const char *ns;   /* NULL: all namespaces; "(other)": those beyond the bound of 64 in a process */
  const char *tier; /* "all": the namespace as its callers saw it */
  uint64_t hits;
  uint64_t misses;
  uint64_t puts;
  uint64_t deletes;
  uint64_t evictions; /* for all reasons */
  uint64_t entries;
  uint64_t bytes;
  uint64_t bytes_max; /* 0: no limit */
  double hit_rate;    /* hits / (hits + misses); 0 without lookups */
} larder_stats_row;

/* Rows 0 to count - 1: first the sums by tier (ns NULL), then by namespace and tier, each in order of name. */
LARDER_API size_t larder_stats_row_count(const larder_stats *stats);
/* False above the count. */
LARDER_API bool larder_stats_row_at(const larder_stats *stats, size_t index, larder_stats_row *out);
/* Any counter or gauge by name; 0 for a row that is not there. False for a name that does not exist. ns may be NULL. */
LARDER_API bool larder_stats_value(const larder_stats *stats, const char *ns, const char *tier, const char *name,
                                   uint64_t *out);

/* Latencies; percentiles within 1 % of the true value. */
typedef struct larder_stats_latency {
  uint64_t count; /* durations behind the figures; a sampled one counts for those it stands for */
  double mean_ms;
  double p50_ms;
  double p95_ms;
  double p99_ms;
  double p999_ms;
} larder_stats_latency;
/* op: "get", "put", "delete", "scan", "sweep", "flush", "encode", "decode". False, and out zeroed, where nothing was measured.
 * ns may be NULL. */
LARDER_API bool larder_stats_latency_of(const larder_stats *stats, const char *ns, const char *tier, const char *op,
                                        larder_stats_latency *out);

/* What the policy adaptive decided in the living processes' memory, added up; out->size is set by the caller. False: no living
 * process has the namespace open with that policy. */
struct larder_adaptive; /* larder/adaptive.h */
LARDER_API bool larder_stats_adaptive_of(const larder_stats *stats, const char *ns, struct larder_adaptive *out);

/* What the namespace's agents in living processes have come to, added up. False: none has one. */
struct larder_learning_figures; /* larder/learning.h */
LARDER_API bool larder_stats_learning_of(const larder_stats *stats, const char *ns, struct larder_learning_figures *out);

/* A hit rate over three spans of time. What is not known (no lookups in it) is -1. */
typedef struct larder_stats_rates {
  double hit_rate;             /* since the figures began */
  double hit_rate_recent;      /* over about the last minute */
  double hit_rate_steady;      /* without each process's first minute, in which a cache is cold */
  bool cold;                   /* every living process is in its first minute, or has seen fewer than 100 lookups */
  double evictions_per_minute; /* over about the last minute; -1: not known */
} larder_stats_rates;
LARDER_API void larder_stats_rates_of(const larder_stats *stats, larder_stats_rates *out);

/* A living process on the root. */
typedef struct larder_stats_process {
  int64_t pid;
  const char *program;
  int64_t since_ms; /* wall clock */
} larder_stats_process;
LARDER_API size_t larder_stats_process_count(const larder_stats *stats);
LARDER_API bool larder_stats_process_at(const larder_stats *stats, size_t index, larder_stats_process *out);

/* What a figure is. */
typedef struct larder_stats_figure {
  const char *name;
  const char *unit;
  const char *sentence;
  bool gauge;  /* moves both ways; a counter only grows */
  bool stable; /* keeps its name and meaning; others are for debugging */
} larder_stats_figure;
/* Figures 0, 1, 2 …; false above the last. */
LARDER_API bool larder_stats_figure_at(size_t index, larder_stats_figure *out);

/*
 * The snapshot as one JSON object, or in Prometheus' text format. Own: NUL-terminated, release with larder_stats_text_free.
 * len_out, not counting the NUL, may be NULL. ns limits JSON to one namespace; NULL: all. LARDER_ENOMEM.
 */
LARDER_API LARDER_MUST_CHECK larder_err larder_stats_to_json(const larder_stats *stats, const char *ns, char **out,
                                                             size_t *len_out);
LARDER_API LARDER_MUST_CHECK larder_err larder_stats_to_prometheus(const larder_stats *stats, char **out, size_t *len_out);
LARDER_API void larder_stats_text_free(char *text);

#ifdef __cplusplus
}
#endif
#endif
