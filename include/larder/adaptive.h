/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why the memory policy `adaptive` does what it does: which of its experts is in charge, and what each would have missed.
 *
 * All figures are of a sample of the keys, from the moment on at which the first entry had to go; before that nobody has to
 * choose. For other processes' memory: larder_stats_adaptive_of in larder/stats.h.
 */
#ifndef LARDER_ADAPTIVE_H
#define LARDER_ADAPTIVE_H

#include <larder/larder.h>

#ifdef __cplusplus
extern "C" {
#endif

/* In this order: name, and what stays. New keys enter a window, of a part of the room; docs/adaptive.md says more. */
#define LARDER_ADAPTIVE_EXPERTS(X)                                                                                             \
  X(S3_FIFO, "s3-fifo", "read twice within a window of 10 %, or back soon after leaving it")                                   \
  X(MARKOV, "markov", "read twice within a window of 10 %, or expected after what was read, or back soon after leaving it")    \
  X(S3_30, "s3-30", "read within a window of 30 %, or back soon after leaving it")                                             \
  X(RECENCY, "recency", "read twice within a window of 60 %, or back soon after leaving it")                                   \
  X(CLOCK, "clock", "read lately")                                                                                             \
  X(LIRS_LIKE, "lirs-like", "read within a window of 1 %, or back soon after leaving it")                                      \
  X(TINYLFU_1, "tinylfu-1", "after a window of 1 %, asked for more often than the oldest behind it")                           \
  X(TINYLFU_20, "tinylfu-20", "after a window of 20 %, asked for more often than the oldest behind it")

enum {
#define LARDER_EXPERT_ENUM(name, text, stays) LARDER_EXPERT_##name,
  LARDER_ADAPTIVE_EXPERTS(LARDER_EXPERT_ENUM)
#undef LARDER_EXPERT_ENUM
      LARDER_EXPERT_COUNT
};

typedef struct larder_adaptive_expert {
  const char *name;  /* a static string */
  const char *stays; /* another one: what stays by its rules */
  uint64_t entries;  /* kept now in those shards of memory where it is in charge */
  uint64_t led;      /* sampled requests while it was in charge; led / asked is its share */
  uint64_t missed;   /* of all sampled requests, those that it would have missed; missed / asked estimates its miss ratio */
} larder_adaptive_expert;

typedef struct larder_adaptive {
  size_t size;       /* sizeof(larder_adaptive), set by the caller */
  unsigned leader;   /* the number of the expert that is in charge of most entries */
  uint64_t asked;    /* sampled requests; of an entry that all experts have, at most three between two looks at it */
  uint64_t switches; /* how often another expert took over, in any shard */
  larder_adaptive_expert experts[LARDER_EXPERT_COUNT];
} larder_adaptive;

/* Of the namespace's memory in this process, summed over its shards, each of which learns for itself. Locks one shard after the
 * other, for the time of a few additions. LARDER_EUNSUPPORTED: it has no memory, or another policy. LARDER_EINVAL,
 * LARDER_EFORKED. */
LARDER_API LARDER_MUST_CHECK larder_err larder_adaptive_look(larder_ns *ns, larder_adaptive *out);

#ifdef __cplusplus
}
#endif
#endif
