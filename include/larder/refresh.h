/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making anew what is kept, ahead of who asks for it. A namespace says when: `refresh: every 7d`, or a time of the calendar. An
 * entry is *due* when it was last made (or found good still, touched or expired) longer ago than that, or before the last such
 * time. Only what is there is made, and by the namespace's maker, which may find that it is good still: then its lifetime
 * begins anew.
 *
 * A process that has the cache open does this by itself, in the background, one process of the host for each namespace. This is
 * the same by hand, at once: for programs that run now and then, and for `larder refresh --due` from a timer.
 */
#ifndef LARDER_REFRESH_H
#define LARDER_REFRESH_H

#include <larder/warm.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What became of an entry that was due. */
typedef enum larder_refresh_what {
  LARDER_REFRESH_MADE,      /* anew */
  LARDER_REFRESH_UNCHANGED, /* it is good still */
  LARDER_REFRESH_FRESH,     /* somebody else made it before its turn came */
  LARDER_REFRESH_GONE,      /* it was deleted or evicted before its turn came */
  LARDER_REFRESH_ABSENT,    /* the maker says that there is no such thing any more */
  LARDER_REFRESH_FAILED,    /* what was kept is kept still */
  LARDER_REFRESH_NOTHING    /* dry_run */
} larder_refresh_what;

/* One of them. Borrowed during the call. */
typedef struct larder_refresh_result {
  const char *ns;
  const void *key;
  size_t key_len;
  larder_refresh_what what;
  int64_t made_ms;          /* wall time at which it had been made; 0: not known */
  bool version_changed;     /* from a version to another */
  const char *version_from; /* "": none */
  const char *version_to;
  const char *reason; /* of a failure: a sentence; else NULL */
} larder_refresh_result;

typedef struct larder_refresh_options {
  size_t size;
  bool all;                /* also what is not due, and where there is no schedule */
  bool dry_run;            /* make nothing: only tell what is due */
  unsigned parallel;       /* threads; 0: LARDER_JOB_PARALLEL */
  double per_second;       /* makings begun in a second; 0: no limit but the maker's own */
  uint64_t limit;          /* entries at most, others each time, so that failures hold up nobody; 0: all */
  int64_t hard_timeout_ms; /* of each making; 0: the namespace's; -1: none */
  /* Each entry that was due, by several threads of the job at once, under no lock; may be NULL. */
  void (*dealt)(void *context, const larder_refresh_result *result);
  void *context;
} larder_refresh_options;

/*
 * Lists what is due and begins; ns NULL: in all namespaces that have a schedule. Blocks on disk only. options may be NULL.
 * LARDER_EINVAL: a namespace without a schedule, unless options->all; LARDER_EUNSUPPORTED: without a maker; LARDER_EACCES: a
 * root that can only be read; LARDER_EAWAY: the tier to list is away; LARDER_ETOOBIG, LARDER_ENOMEM. err (may be NULL) has a
 * sentence. Own. In its progress `hits` are those of which nothing was made.
 */
LARDER_API LARDER_MUST_CHECK larder_err larder_refresh_due(larder *cache, larder_ns *ns, const larder_refresh_options *options,
                                                           larder_job **out, larder_error *err);

/* What became of all, so far. */
typedef struct larder_refresh_counts {
  uint64_t looked; /* entries looked at */
  uint64_t due;
  uint64_t made;
  uint64_t unchanged;
  uint64_t fresh;
  uint64_t gone;
  uint64_t absent;
  uint64_t errors;
  uint64_t versions; /* entries whose version changed */
} larder_refresh_counts;
/* LARDER_EINVAL for a job of another kind. Never blocks. */
LARDER_API LARDER_MUST_CHECK larder_err larder_refresh_counts_get(const larder_job *job, larder_refresh_counts *out);

#ifdef __cplusplus
}
#endif
#endif
