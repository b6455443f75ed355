/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One lock, one list. A thread takes the first order whose namespace has a place, so that one that is slow holds up nobody
 * else; who waits for a place on his own thread is let in before what is queued, since he has been asked for it.
 */
#include "making_pool.h"

#include "base/bytes.h"
#include "base/fail.h"

struct lrd_pool {
  lrd_mutex mutex;
  lrd_cond changed; /* an order came, a place is free, or it ends */
  lrd_order *first;
  lrd_order **last;
  size_t queued;
  unsigned idle;
  unsigned running;
  unsigned threads_len;
  unsigned waiting; /* threads of the pool that wait for others' makings */
  bool drained;
  bool ending;
  pthread_t threads[2 * LRD_POOL_THREADS];
};

/* The namespace of the place that this thread has, and whether it is the pool's. */
static _Thread_local larder_ns *placed;
static _Thread_local bool pooled;

larder_err lrd_pool_new(lrd_pool **out) {
  lrd_pool *pool = lrd_alloc_zero(1, sizeof *pool);
  if (!pool) {
    return LARDER_ENOMEM;
  }
  lrd_mutex_init(&pool->mutex);
  lrd_cond_init(&pool->changed);
  pool->last = &pool->first;
  *out = pool;
  return LARDER_OK;
}

static bool has_place(const larder_ns *ns) {
  uint64_t const most = ns->policy.maker.parallel;
  return most == 0 || ns->makings < most;
}

/* The first that has a place, which it takes; NULL without. */
static lrd_order *take_first(lrd_pool *pool) {
  for (lrd_order **at = &pool->first; *at; at = &(*at)->next) {
    lrd_order *order = *at;
    if (!has_place(order->ns)) {
      continue;
    }
    *at = order->next;
    if (!*at) {
      pool->last = at;
    }
    pool->queued--;
    order->ns->makings++;
    return order;
  }
  return NULL;
}

static void pool_thread(void *context) {
  lrd_pool *pool = context;
  pooled = true;
  lrd_lock(&pool->mutex);
  while (!pool->ending) {
    lrd_order *order = take_first(pool);
    if (!order) {
      pool->idle++;
      (void)pthread_cond_wait(&pool->changed, &pool->mutex);
      pool->idle--;
      continue;
    }
    larder_ns *ns = order->ns;
    pool->running++;
    placed = ns;
    lrd_unlock(&pool->mutex);
    order->run(order, false);
    lrd_lock(&pool->mutex);
    placed = NULL;
    pool->running--;
    ns->makings--;
    pthread_cond_broadcast(&pool->changed);
  }
  lrd_unlock(&pool->mutex);
}

/* Under the lock. False when nobody is there to take an order. */
static bool thread_ready(lrd_pool *pool) {
  unsigned const most = LRD_POOL_THREADS + (pool->waiting < LRD_POOL_THREADS ? pool->waiting : LRD_POOL_THREADS);
  if (pool->idle > pool->queued || pool->threads_len >= most) {
    return true;
  }
  if (lrd_thread_start(&pool->threads[pool->threads_len], "larder-make", pool_thread, pool) == LARDER_OK) {
    pool->threads_len++;
  }
  return pool->threads_len > 0;
}

bool lrd_pool_push(lrd_pool *pool, lrd_order *order, bool behind) {
  lrd_lock(&pool->mutex);
  bool const fits =
      !pool->ending && !pool->drained && pool->queued < (behind ? LRD_POOL_QUEUE_BEHIND : LRD_POOL_QUEUE) && thread_ready(pool);
  if (fits) {
    order->next = NULL;
    *pool->last = order;
    pool->last = &order->next;
    pool->queued++;
    pthread_cond_broadcast(&pool->changed);
  }
  lrd_unlock(&pool->mutex);
  return fits;
}

bool lrd_pool_place(lrd_pool *pool, larder_ns *ns, int64_t ns_max) {
  const lrd_clock *clock = ns->cache->clock;
  int64_t const began_ns = lrd_mono_ns(clock);
  int64_t left = ns_max;
  lrd_lock(&pool->mutex);
  while (!has_place(ns) && left > 0) {
    if (ns_max == INT64_MAX) {
      (void)pthread_cond_wait(&pool->changed, &pool->mutex);
    } else {
      (void)lrd_cond_wait_ns(&pool->changed, &pool->mutex, left);
      left = ns_max - (lrd_mono_ns(clock) - began_ns);
    }
  }
  bool const got = has_place(ns);
  if (got) {
    ns->makings++;
    placed = ns;
  }
  lrd_unlock(&pool->mutex);
  return got;
}

void lrd_pool_wait_begin(lrd_pool *pool) {
  if (!placed) {
    return;
  }
  lrd_lock(&pool->mutex);
  placed->makings--;
  pool->waiting += pooled;
  if (pool->queued > 0) {
    (void)thread_ready(pool); /* without one it is done by the next that is free */
  }
  pthread_cond_broadcast(&pool->changed);
  lrd_unlock(&pool->mutex);
}

/* For a moment there may be one making more than `parallel`: who waited does not wait once more. */
void lrd_pool_wait_end(lrd_pool *pool) {
  if (!placed) {
    return;
  }
  lrd_lock(&pool->mutex);
  placed->makings++;
  pool->waiting -= pooled;
  lrd_unlock(&pool->mutex);
}

void lrd_pool_place_end(lrd_pool *pool, larder_ns *ns) {
  placed = NULL;
  lrd_lock(&pool->mutex);
  ns->makings--;
  pthread_cond_broadcast(&pool->changed);
  lrd_unlock(&pool->mutex);
}

bool lrd_pool_spare(lrd_pool *pool, const larder_ns *ns, const larder_ns *ending) {
  uint64_t const most = ns->policy.maker.parallel;
  lrd_lock(&pool->mutex);
  bool spare = !pool->ending && pool->queued + pool->running < LRD_POOL_THREADS / 2;
  uint64_t places = ns->makings - (ns == ending); /* and what is about to have one */
  for (const lrd_order *at = pool->first; spare && at; at = at->next) {
    places += at->ns == ns;
  }
  spare = spare && (most == 0 || places == 0 || places + 1 < most);
  lrd_unlock(&pool->mutex);
  return spare;
}

size_t lrd_pool_queued(lrd_pool *pool) {
  lrd_lock(&pool->mutex);
  size_t const queued = pool->queued;
  lrd_unlock(&pool->mutex);
  return queued;
}

uint32_t lrd_pool_makings(lrd_pool *pool, const larder_ns *ns) {
  lrd_lock(&pool->mutex);
  uint32_t const makings = ns->makings;
  lrd_unlock(&pool->mutex);
  return makings;
}

void lrd_pool_refill(lrd_pool *pool) {
  lrd_lock(&pool->mutex);
  pool->drained = false;
  lrd_unlock(&pool->mutex);
}

void lrd_pool_drain(lrd_pool *pool) {
  lrd_lock(&pool->mutex);
  pool->drained = true;
  lrd_order *left = pool->first;
  pool->first = NULL;
  pool->last = &pool->first;
  pool->queued = 0;
  lrd_unlock(&pool->mutex);
  while (left) {
    lrd_order *next = left->next;
    left->run(left, true);
    left = next;
  }
  lrd_lock(&pool->mutex);
  while (pool->running > 0) {
    (void)pthread_cond_wait(&pool->changed, &pool->mutex);
  }
  lrd_unlock(&pool->mutex);
}

void lrd_pool_free(lrd_pool *pool) {
  if (!pool) {
    return;
  }
  lrd_lock(&pool->mutex);
  LRD_ASSERT(!pool->first);
  pool->ending = true;
  pthread_cond_broadcast(&pool->changed);
  lrd_unlock(&pool->mutex);
  for (unsigned i = 0; i < pool->threads_len; i++) {
    pthread_join(pool->threads[i], NULL);
  }
  lrd_cond_fini(&pool->changed);
  lrd_mutex_fini(&pool->mutex);
  lrd_dealloc(pool);
}

void lrd_pool_abandon(lrd_pool *pool) {
  /* Its lock may be held by a thread that the child does not have. What is queued is the parent's, and is not run. */
  lrd_dealloc(pool);
}
