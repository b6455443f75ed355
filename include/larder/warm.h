/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making keys before somebody asks for them, in the background: a *plan* says which keys of which namespaces, a *job* is the
 * plan being carried out by threads of its own. Each key goes through larder_get_or_make, so that nobody makes it twice.
 *
 * A job is freed before its cache is closed. All calls may come from any thread, also while the job runs; larder_job_free by
 * one, last.
 */
#ifndef LARDER_WARM_H
#define LARDER_WARM_H

#include <larder/ext/maker.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LARDER_JOB_PARALLEL     5u   /* default */
#define LARDER_JOB_PARALLEL_MAX 256u /* threads */
#define LARDER_WARM_RADIUS      "50mi"

typedef struct larder_job larder_job; /* something under way in the background */

typedef enum larder_job_state {
  LARDER_JOB_RUNS,
  LARDER_JOB_DONE,     /* all was dealt with */
  LARDER_JOB_CANCELLED /* before that, by larder_job_cancel */
} larder_job_state;

/* How far it is. done == resumed + hits + made + unchanged + absent + errors. */
typedef struct larder_job_progress {
  larder_job_state state;
  uint64_t total;    /* keys of all namespaces */
  uint64_t done;     /* dealt with */
  uint64_t resumed;  /* of these by a job that was broken off */
  uint64_t hits;     /* there already and fresh */
  uint64_t made;     /* made and kept, by this job or by somebody it waited for */
  uint64_t absent;   /* the maker says that there is no such thing */
  uint64_t errors;   /* not made, or not kept */
  uint64_t rejected; /* lines of the plan's files that are no key or no place; not in total */
  uint64_t bytes;    /* of the values made */
  double per_second; /* keys dealt with, of late */
  int64_t took_ms;
  int64_t left_ms;    /* estimate; -1: not known */
  uint64_t unchanged; /* the maker found what was kept good still: its lifetime began anew */
} larder_job_progress;

/* One key that was dealt with. Borrowed during the call. */
typedef struct larder_warm_result {
  const char *ns;
  const void *key;
  size_t key_len;
  larder_err result;  /* LARDER_OK: see made; LARDER_MISS: absent; else why not */
  bool made;          /* false: it was a hit, or unchanged */
  uint64_t bytes;     /* of the value made */
  const char *reason; /* of an error: a sentence */
  bool unchanged;     /* the maker found what was kept good still */
} larder_warm_result;

/* Exactly one of keys_file, keys_read and places_file is given. All is copied or read before larder_warm_start returns, but for
 * what is called. */
typedef struct larder_warm_plan {
  size_t size;
  const char *const *namespaces; /* each key is made in each of them */
  size_t namespaces_count;

  const char *keys_file; /* a key a line, as it stands; empty lines are passed over */
  /* Instead of a file: up to `room` bytes of such lines; 0 at the end, below 0 a failure. Called within start. */
  int64_t (*keys_read)(void *context, void *out, size_t room);
  bool comments; /* lines that begin with # are no keys */

  const char *places_file; /* CSV, JSON or JSON Lines with name, lat and lon: a key for each place */
  const char *key;         /* made of the place's fields: `census:{cbsa}:{name}`; `{{` and `}}` are braces */
  const char *near_place;  /* only places near the one of this name, nearest first; NULL: all, in the file's order */
  const char *radius;      /* `50mi`, `80km`; a bare number is miles; NULL: LARDER_WARM_RADIUS */

  unsigned parallel;       /* threads; 0: LARDER_JOB_PARALLEL */
  double per_second;       /* makings begun in a second; 0: no limit but the maker's own */
  bool fresh;              /* make also what is there */
  int64_t hard_timeout_ms; /* of each making; 0: the namespace's; -1: none */
  larder_make make;        /* NULL: the namespaces' own makers; valid until larder_job_free, as is its context */
  void *make_context;

  const char *checkpoint; /* file to remember in how far it came; NULL: one on the root */
  bool resume;            /* go on where a job of the same plan was broken off, if there was one */

  /* Each key, by several threads of the job at once, under no lock; may be NULL. */
  void (*dealt)(void *context, const larder_warm_result *result);
  /* A line of a file that is no key or no place; called within start; may be NULL. */
  void (*rejected)(void *context, const char *file, uint64_t line, const char *reason);
  void *context;
} larder_warm_plan;

/*
 * Reads the plan's files and begins. Blocks on disk only. LARDER_EINVAL: a plan that contradicts itself; LARDER_MISS: a file,
 * or a place of that name, is not there; LARDER_EFORMAT: a file that is none of places; LARDER_EUNSUPPORTED: a namespace has no
 * maker; LARDER_ETOOBIG, LARDER_ENOMEM. err (may be NULL) has a sentence. Own.
 */
LARDER_API LARDER_MUST_CHECK larder_err larder_warm_start(larder *cache, const larder_warm_plan *plan, larder_job **out,
                                                          larder_error *err);

/* Never blocks. */
LARDER_API void larder_job_progress_get(larder_job *job, larder_job_progress *out);
/* No further key is begun; those under way are finished. Returns at once. */
LARDER_API void larder_job_cancel(larder_job *job);
/* Whether it has ended; waits for it at most so long, -1: for ever. */
LARDER_API bool larder_job_wait(larder_job *job, int64_t timeout_ms);
/* Cancels it, waits for what is under way, and frees; *job becomes NULL. NULL is fine. */
LARDER_API void larder_job_free(larder_job **job);

#ifdef __cplusplus
}
#endif
#endif
