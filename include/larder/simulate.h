/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a cache of a given size would have missed: a trace of requests is replayed through the eviction policies of the memory
 * tier, the code that a cache runs, and through the optimum that knows the future.
 *
 * A *trace* is a sequence of requests for keys, with or without their sizes, read whole into memory (4 bytes a request). A
 * *run* is one policy at one size, from an empty cache, every request counted. A request for a key that is not there is a
 * miss and puts it there; an entry that is larger than the whole cache is never kept.
 *
 * A trace may be shared by threads once it is open. The same trace, runs and seed give the same figures.
 */
#ifndef LARDER_SIMULATE_H
#define LARDER_SIMULATE_H

#include <larder/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LARDER_TRACE_REQUESTS_MAX    ((uint64_t)1 << 29)
#define LARDER_TRACE_KEY_MAX         65536u              /* bytes of a key in a file of texts */
#define LARDER_TRACE_SIZE_MAX        ((uint64_t)1 << 40) /* bytes of an entry */
#define LARDER_SIMULATE_RUNS_MAX     4096u
#define LARDER_SIMULATE_PARALLEL_MAX 64u

/* --- traces ---------------------------------------------------------------------------------------------------------- */

typedef struct larder_trace larder_trace;

typedef enum larder_trace_format {
  LARDER_TRACE_AUTO, /* LTRC by its first bytes; else by the path's ending: .csv, .jsonl, .ndjson; else JSON Lines where the
                        first byte is a brace, and keys */
  LARDER_TRACE_LTRC, /* binary: dense key numbers, and sizes or none */
  LARDER_TRACE_CSV,  /* RFC 4180, a row a request */
  LARDER_TRACE_KEYS, /* a key a line, as it stands */
  LARDER_TRACE_JSONL /* a line a request, or a session with its requests */
} larder_trace_format;

typedef struct larder_trace_options {
  size_t size;
  larder_trace_format format;
  const char *key_field;  /* CSV: the key's column, by name or number from 1; JSON Lines: its member. NULL: `key` where it is
                             named, else CSV's first column, and `endpoint` in JSON Lines */
  const char *size_field; /* likewise of the entry's bytes; NULL: `size` where it is named, else none */
  uint64_t requests_max;  /* read no more than so many; 0: all, and more than LARDER_TRACE_REQUESTS_MAX are a mistake */
  /* Instead of a path: up to `room` bytes; 0 at the end, below 0 a failure. */
  int64_t (*read)(void *context, void *out, size_t room);
  void *read_context;
  /* Now and then while it is read; false ends it with LARDER_ECANCELLED. bytes_total is 0 where it is not known. */
  bool (*progress)(void *context, uint64_t bytes, uint64_t bytes_total);
  void *context;
} larder_trace_options;

/*
 * Reads a trace; what is compressed as a whole by zstd or gzip is unpacked on the way. `path` is what mistakes are told with,
 * also where `read` is given. Blocks on disk. LARDER_EFORMAT: a mistake, told as `FILE:LINE: what`; LARDER_MISS: no such file;
 * LARDER_ETOOBIG: too many requests; LARDER_EINVAL: options that contradict each other; LARDER_EIO, LARDER_ENOMEM,
 * LARDER_ECANCELLED. options and err may be NULL. Own.
 */
LARDER_API LARDER_MUST_CHECK larder_err larder_trace_open(const char *path, const larder_trace_options *options,
                                                          larder_trace **out, larder_error *err);
/* *trace becomes NULL. NULL is fine. */
LARDER_API void larder_trace_close(larder_trace **trace);

typedef struct larder_trace_facts {
  uint64_t requests;
  uint64_t unique;       /* keys; as many misses has the largest cache */
  uint64_t once;         /* of these, asked for one time only: what keeping can't serve */
  bool sized;            /* it says how large entries are */
  uint64_t unique_bytes; /* of all keys; an entry is as large as the largest that was said of its key, at least 1 */
  uint64_t bytes;        /* of all requests */
} larder_trace_facts;
LARDER_API void larder_trace_facts_get(const larder_trace *trace, larder_trace_facts *out);

/* --- runs ------------------------------------------------------------------------------------------------------------- */

/* The optimum (Belady's rule): the entry goes that is wanted last. No policy that keeps what it was just given misses less. */
#define LARDER_SIMULATE_OPT "opt"
/* Where sizes are bytes the optimum is not to be computed; this is a bound that nobody can beat and perhaps nobody reaches: the
 * hits that need least room for least time, as many as the cache has room and time for. */
#define LARDER_SIMULATE_OPT_BOUND "opt-bound"

/* The n-th policy that can be replayed: those of the memory tier, then the two above; NULL beyond the last. Static strings. */
LARDER_API const char *larder_simulate_policy(size_t n);

/* One policy at one size. Exactly one of objects and bytes is not 0. */
typedef struct larder_simulate_run {
  const char *policy;  /* borrowed */
  uint64_t objects;    /* so many entries fit */
  uint64_t bytes;      /* entries fit while their sizes add up to no more; the trace must have sizes */
  uint64_t misses;     /* out */
  uint64_t miss_bytes; /* out: sizes of what was missed; of opt-bound 0, since which they are it does not say */
  uint64_t evictions;  /* out; of opt and opt-bound 0 */
  double miss_ratio;   /* out: of the requests; 0 without any */
} larder_simulate_run;

typedef struct larder_simulate_options {
  size_t size;
  unsigned parallel; /* threads; 0: as many as there are processors */
  uint64_t seed;     /* of the hashes that policies see; 0 is as good as any */
  /* About ten times a second, by the calling thread, in requests of all runs; false ends it with LARDER_ECANCELLED. */
  bool (*progress)(void *context, uint64_t done, uint64_t total);
  void *context;
} larder_simulate_options;

/*
 * Replays the trace for each run and fills in what is out. LARDER_EINVAL: a policy that there is none, a size of 0, bytes of a
 * trace without sizes, `opt` by bytes or `opt-bound` by objects; LARDER_ENOMEM (64 bytes for each entry that fits, and 4 for
 * each key, a run under way), LARDER_ECANCELLED. options and err may be NULL.
 */
LARDER_API LARDER_MUST_CHECK larder_err larder_simulate(const larder_trace *trace, const larder_simulate_options *options,
                                                        larder_simulate_run *runs, size_t count, larder_error *err);

/* --- drawing ---------------------------------------------------------------------------------------------------------- */

/* The runs of one trace: a curve for each policy over the sizes. All of objects, or all of bytes. */
typedef struct larder_simulate_panel {
  const char *title;
  const larder_simulate_run *runs;
  size_t count;
} larder_simulate_panel;

/* Miss ratios over sizes as an SVG document, panels below each other. Own: release with larder_simulate_text_free.
 * LARDER_EINVAL, LARDER_ENOMEM. */
LARDER_API LARDER_MUST_CHECK larder_err larder_simulate_plot(const larder_simulate_panel *panels, size_t count, char **text_out,
                                                             size_t *len_out);
LARDER_API void larder_simulate_text_free(char *text);

#ifdef __cplusplus
}
#endif
#endif
