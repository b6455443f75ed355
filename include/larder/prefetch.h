/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What will probably be wanted, made while nobody waits. Wishes stand in a queue of the cache, each key once: the most urgent
 * is made first, among equals the one that came first; when the queue is full the least urgent goes, and what has waited for
 * too long is dropped when its turn comes. They are made by their namespace's maker, on threads of the cache, and only where a
 * place of the maker is left for who asks meanwhile, and while memory is not fuller than `prefetch.max_fill`.
 *
 * What was made counts as *used* when it is read before it is gone, as *wasted* when it is not. So many are watched at a time,
 * and only in the process that made them.
 */
#ifndef LARDER_PREFETCH_H
#define LARDER_PREFETCH_H

#include <larder/larder.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LARDER_PREFETCH_WATCHED 8192u

/*
 * Queues a wish; a higher priority is more urgent, max_age_ms 0 is the configuration's. LARDER_OK: it is queued, or was, and is
 * now as urgent as that. LARDER_NOT_KEPT: the queue is full of more urgent ones. LARDER_EUNSUPPORTED: the namespace has no
 * maker, or `prefetch` is off; LARDER_EACCES: nothing could be kept. Never blocks for long; key is copied.
 */
LARDER_API LARDER_MUST_CHECK larder_err larder_prefetch(larder_ns *ns, const void *key, size_t key_len, double priority,
                                                        int64_t max_age_ms);

typedef struct larder_prefetch_item {
  const void *key;
  size_t key_len;
  double priority;
  int64_t max_age_ms;
  larder_err result; /* out: as of larder_prefetch */
} larder_prefetch_item;
/* Each item has its own result; the return value is LARDER_OK unless the call as a whole was refused. */
LARDER_API LARDER_MUST_CHECK larder_err larder_prefetch_many(larder_ns *ns, larder_prefetch_item *items, size_t count);

typedef enum larder_prefetch_state { LARDER_PREFETCH_QUEUED, LARDER_PREFETCH_RUNS, LARDER_PREFETCH_KEPT } larder_prefetch_state;

/* One wish, or what became of it. Borrowed during the visit. */
typedef struct larder_prefetch_seen {
  const char *ns;
  const void *key;
  size_t key_len;
  double priority;
  int64_t age_ms; /* since it was queued, or of what is kept, since it was made */
  larder_prefetch_state state;
} larder_prefetch_seen;
/* What is queued, most urgent first, then what is being made or kept and not read yet. False stops. As of one moment. */
LARDER_API LARDER_MUST_CHECK larder_err larder_prefetch_each(larder *cache,
                                                             bool (*visit)(void *context, const larder_prefetch_seen *seen),
                                                             void *context);
/* Forgets what is queued, of ns or (NULL) of all; how many. */
LARDER_API uint64_t larder_prefetch_clear(larder *cache, larder_ns *ns);

/* Of this cache handle since it was opened. */
typedef struct larder_prefetch_figures {
  uint64_t queued;  /* now */
  uint64_t running; /* now */
  uint64_t watched; /* now: made and not read yet */
  uint64_t asked;   /* wishes, duplicates too */
  uint64_t duplicates;
  uint64_t dropped_full;  /* the least urgent of a full queue */
  uint64_t dropped_stale; /* waited for too long */
  uint64_t there;         /* fresh already when their turn came, or being made by somebody */
  uint64_t made;
  uint64_t absent;
  uint64_t failed;
  uint64_t used;
  uint64_t used_bytes;
  uint64_t wasted;
  uint64_t wasted_bytes;
  uint64_t late; /* waited for, since they were not made yet; those whose making was under way are used as well */
} larder_prefetch_figures;
LARDER_API void larder_prefetch_figures_get(larder *cache, larder_prefetch_figures *out);

#ifdef __cplusplus
}
#endif
#endif
