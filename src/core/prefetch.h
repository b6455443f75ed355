/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prefetching from inside. prefetch_queue.c holds what is wished, prefetch.c has it made on the pool, prefetch_watch.c sees
 * whether what was made is read.
 *
 * The straight way of a get (hit.c) knows nothing of this: a prefetched record in memory bears a mark that makes it unusual
 * until it was read. All other ways ask lrd_foreseen_read, which is a load where nothing of the namespace is watched.
 */
#ifndef LRD_CORE_PREFETCH_H
#define LRD_CORE_PREFETCH_H

#include "makers.h"
#include "prefetch_queue.h"
#include <larder/prefetch.h>

#define LRD_WATCH_CHAINS 4096u
#define LRD_WATCH_FILTER 65536u
#define LRD_WATCH_SWEPT  256u /* looked at in a tick */

/* A key that is being made, or was and has not been read. */
typedef struct lrd_watched lrd_watched;
struct lrd_watched {
  lrd_watched *chain;
  lrd_watched *next; /* all of them, in a ring of two directions */
  lrd_watched *before;
  larder_ns *ns;
  uint64_t hash;
  bool kept;
  bool read; /* while it was being made */
  bool late; /* somebody waits for it to be made */
  uint64_t stamp;
  int64_t expires_ms; /* wall; 0: never */
  uint64_t bytes;
  double priority;
  int64_t since_ns;
  size_t key_len;
  uint8_t key[];
};

typedef struct lrd_prefetch {
  larder *cache;
  lrd_mutex mutex; /* of all but the filter */
  bool quiet;
  lrd_wishes wishes;
  unsigned running;
  larder_prefetch_figures figures;
  lrd_watched *watched[LRD_WATCH_CHAINS];
  lrd_watched *sweep_at; /* any of the ring; NULL: none */
  _Atomic uint8_t filter[LRD_WATCH_FILTER];
} lrd_prefetch;

LARDER_MUST_CHECK larder_err lrd_prefetch_new(larder *cache, lrd_prefetch **out);
/* Forgets what is queued, and begins nothing; then the pool is drained. lrd_prefetch_resume takes it back. */
void lrd_prefetch_quiet(lrd_prefetch *prefetch);
void lrd_prefetch_resume(lrd_prefetch *prefetch);
/* Nothing runs any more; or in a forked child, where the lock may be held by a thread that is not there. */
void lrd_prefetch_free(lrd_prefetch *prefetch);
/* Somebody needs it made: if it is wished for, or being made for a wish, that was late. */
void lrd_prefetch_outrun(lrd_prefetch *prefetch, const lrd_op *op);
/* Once a second: what waited for a place or for memory, and what has gone without being read. */
void lrd_prefetch_tick(lrd_prefetch *prefetch);

/* --- prefetch_watch.c ---------------------------------------------------------------------------------------------------- */

/* Before its making; NULL: too many are watched, or no memory. */
lrd_watched *lrd_watch_begin(lrd_prefetch *prefetch, const lrd_op *op, double priority);
/* It is made and, unless facts are NULL, kept. Takes watched. True: it is watched on. */
bool lrd_watch_made(lrd_prefetch *prefetch, lrd_watched *watched, const larder_facts *facts);
/* Somebody waits for it, the first one, while it is being made. The lock is held. */
bool lrd_watch_late(lrd_prefetch *prefetch, const lrd_op *op);
/* Nothing came of it. */
void lrd_watch_drop(lrd_prefetch *prefetch, lrd_watched *watched);
/* Those that are gone, or past their time. */
void lrd_watch_sweep(lrd_prefetch *prefetch);
void lrd_watch_fini(lrd_prefetch *prefetch);

#endif
