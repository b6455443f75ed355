/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where makings run that must not keep a caller: a bounded queue and threads that begin when they are needed. It also counts
 * how many makings of a namespace are under way, here or on their callers' threads, against `maker.parallel`: a making has a
 * *place*.
 */
#ifndef LRD_CORE_MAKING_POOL_H
#define LRD_CORE_MAKING_POOL_H

#include "cache.h"

#define LRD_POOL_THREADS      64u
#define LRD_POOL_QUEUE        1024u
#define LRD_POOL_QUEUE_BEHIND 768u /* of these, for what nobody waits for */

typedef struct lrd_pool lrd_pool;

/* The head of what is ordered. run is called once, on a thread of the pool with a place, or cancelled; it frees the order. */
typedef struct lrd_order lrd_order;
struct lrd_order {
  lrd_order *next;
  larder_ns *ns;
  void (*run)(lrd_order *order, bool cancelled);
};

LARDER_MUST_CHECK larder_err lrd_pool_new(lrd_pool **out);
/* Cancels what is queued, waits for what runs, and takes nothing more until it is refilled. */
void lrd_pool_drain(lrd_pool *pool);
void lrd_pool_refill(lrd_pool *pool);
/* Drained before. In a forked child only lrd_pool_abandon. */
void lrd_pool_free(lrd_pool *pool);
void lrd_pool_abandon(lrd_pool *pool);
/* False: too much is queued, or there is no thread to be had; the order is still the caller's. */
LARDER_MUST_CHECK bool lrd_pool_push(lrd_pool *pool, lrd_order *order, bool behind);
/* A place for a making on the calling thread: false when there was none within ns (INT64_MAX: for ever). */
LARDER_MUST_CHECK bool lrd_pool_place(lrd_pool *pool, larder_ns *ns, int64_t ns_max);
void lrd_pool_place_end(lrd_pool *pool, larder_ns *ns);
/*
 * Between these the thread waits for a making of somebody else's: the place that it has, if it has one, is free for others, and
 * so is its share of the pool. What it waits for may be waiting for just that.
 */
void lrd_pool_wait_begin(lrd_pool *pool);
void lrd_pool_wait_end(lrd_pool *pool);
/* Whether a making that nobody waits for could begin at once, and one that is asked for beside it. ending: the namespace of an
 * order on this thread that is about to give its place back, or NULL. */
bool lrd_pool_spare(lrd_pool *pool, const larder_ns *ns, const larder_ns *ending);
size_t lrd_pool_queued(lrd_pool *pool);
/* Of the namespace, under way. */
uint32_t lrd_pool_makings(lrd_pool *pool, const larder_ns *ns);

#endif
