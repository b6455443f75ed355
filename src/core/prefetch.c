/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the queue to the pool. A wish is handed over only when it can begin at once, so that nothing of this stands before what
 * somebody waits for: while the namespace has a place to spare beside it (or, of one, that one), half of the pool's threads are
 * free, and memory is not too full. Who ends one looks for the next; so do each new wish and the keeper.
 */
#include "prefetch.h"

#include "base/bytes.h"
#include "base/fail.h"
#include <math.h>

#define MS    INT64_C(1000000)
#define LOOKS 64u /* wishes that can't begin, before the others have to wait as well */

typedef struct wish_order {
  lrd_order order;
  lrd_prefetch *prefetch;
  lrd_wish *wish;
} wish_order;

larder_err lrd_prefetch_new(larder *cache, lrd_prefetch **out) {
  lrd_prefetch *prefetch = lrd_alloc_zero(1, sizeof *prefetch);
  if (!prefetch || lrd_wishes_init(&prefetch->wishes, (size_t)cache->config->prefetch.queue_max) != LARDER_OK) {
    lrd_dealloc(prefetch);
    return LARDER_ENOMEM;
  }
  prefetch->cache = cache;
  lrd_mutex_init(&prefetch->mutex);
  *out = prefetch;
  return LARDER_OK;
}

void lrd_prefetch_quiet(lrd_prefetch *prefetch) {
  lrd_lock(&prefetch->mutex);
  prefetch->quiet = true;
  (void)lrd_wishes_clear(&prefetch->wishes, NULL);
  lrd_unlock(&prefetch->mutex);
}

void lrd_prefetch_resume(lrd_prefetch *prefetch) {
  lrd_lock(&prefetch->mutex);
  prefetch->quiet = false;
  lrd_unlock(&prefetch->mutex);
}

void lrd_prefetch_free(lrd_prefetch *prefetch) {
  if (!prefetch) {
    return;
  }
  lrd_watch_fini(prefetch);
  lrd_wishes_fini(&prefetch->wishes);
  if (!atomic_load(&prefetch->cache->forked)) {
    lrd_mutex_fini(&prefetch->mutex);
  }
  lrd_dealloc(prefetch);
}

/* --- one making ---------------------------------------------------------------------------------------------------------- */

typedef enum wish_end { WISH_THERE, WISH_MADE, WISH_ABSENT, WISH_FAILED, WISH_DROPPED } wish_end;

/* The value's length, too. */
static bool is_fresh(const lrd_op *op, uint64_t *bytes_out) {
  larder_value value = {0};
  larder_facts facts;
  if (lrd_look_up(op, &value, &facts) != LARDER_OK) {
    return false;
  }
  bool const fresh = !value.stale;
  *bytes_out = value.len;
  larder_value_release(&value);
  return fresh;
}

/* What is kept now under the key is what is watched; in memory it bears the mark. */
static void watch_on(lrd_prefetch *prefetch, lrd_watched *watched, const lrd_op *op) {
  larder_value value = {0};
  larder_facts facts;
  bool const kept = lrd_look_up(op, &value, &facts) == LARDER_OK && !value.stale && facts.kind != LARDER_KIND_ABSENT;
  bool const on = lrd_watch_made(prefetch, watched, kept ? &facts : NULL);
  larder_value_release(&value);
  if (on && op->ns->memory) {
    larder_tier_key const key = lrd_op_memory_key(op);
    lrd_memory_mark(op->ns->memory, &key, true);
  }
}

static wish_end flight_end(const lrd_flight *flight) {
  const lrd_landing *landing = lrd_flight_landing(flight);
  if (landing->result == LARDER_OK) {
    return landing->look ? WISH_THERE : WISH_MADE;
  }
  return landing->result == LARDER_MISS ? WISH_ABSENT : WISH_FAILED;
}

static void wish_tell(const lrd_op *op, wish_end end, const lrd_landing *landing) {
  if (op->ns->hears_all && end != WISH_THERE) {
    op->ns->heard(op->ns, &(lrd_news){.what = end == WISH_MADE ? LRD_NEWS_AHEAD : LRD_NEWS_AHEAD_NOT,
                                      .hash = op->hash,
                                      .bytes = landing->len,
                                      .expires_ms = landing->facts.expires_soft_ms});
  }
}

static wish_end wish_make(lrd_prefetch *prefetch, const lrd_wish *wish) {
  larder_ns *ns = wish->ns;
  lrd_flight *flight = NULL;
  lrd_boarding how;
  lrd_wanted wanted = {.op = {ns, wish->key, wish->key_len, wish->hash}, .make = ns->make, .context = ns->maker};
  int64_t const hard_ms = ns->policy.maker.hard_timeout_ms;
  wanted.lasting = wanted.behind = wanted.on_pool = true;
  wanted.hard_ns = hard_ms <= 0 || hard_ms > INT64_MAX / MS ? INT64_MAX : hard_ms * MS;
  wanted.soft_ns = INT64_MAX;
  uint64_t bytes = 0;
  if (is_fresh(&wanted.op, &bytes)) {
    if (wish->late) {
      atomic_fetch_add(&ns->ahead.late_bytes, bytes);
      lrd_stats_add(ns->cell, LRD_STAT_PREFETCH_LATE_BYTES, bytes);
    }
    return WISH_THERE;
  }
  if (lrd_wanted_failed_lately(&wanted)) {
    return WISH_FAILED;
  }
  if (lrd_flight_board(ns->cache->flights, &wanted.op, lrd_wanted_deadline(&wanted), &flight, &how) != LARDER_OK) {
    return WISH_FAILED;
  }
  wish_end end = WISH_THERE;
  if (how == LRD_FLIGHT_LEADS) {
    lrd_watched *watched = lrd_watch_begin(prefetch, &wanted.op, wish->priority);
    lrd_making_run(flight, &wanted);
    end = flight_end(flight);
    wish_tell(&wanted.op, end, lrd_flight_landing(flight));
    if (watched && end == WISH_MADE) {
      watch_on(prefetch, watched, &wanted.op);
    } else if (watched) {
      lrd_watch_drop(prefetch, watched);
    }
  }
  lrd_flight_leave(flight);
  return end;
}

static void count_end(lrd_prefetch *prefetch, const lrd_wish *wish, wish_end end) {
  larder_prefetch_figures *figures = &prefetch->figures;
  uint64_t *const counts[] = {[WISH_THERE] = &figures->there,
                              [WISH_MADE] = &figures->made,
                              [WISH_ABSENT] = &figures->absent,
                              [WISH_FAILED] = &figures->failed,
                              [WISH_DROPPED] = &figures->dropped_stale};
  lrd_lock(&prefetch->mutex);
  ++*counts[end];
  prefetch->running--;
  lrd_unlock(&prefetch->mutex);
  if (end == WISH_MADE) {
    lrd_stats_add(wish->ns->cell, LRD_STAT_PREFETCH_MADE, 1);
  } else if (end == WISH_DROPPED) {
    lrd_stats_add(wish->ns->cell, LRD_STAT_PREFETCH_DROPPED, 1);
  }
}

static void dispatch(lrd_prefetch *prefetch, const larder_ns *ending);

static void order_run(lrd_order *order, bool cancelled) {
  wish_order *mine = (wish_order *)(void *)order;
  lrd_prefetch *prefetch = mine->prefetch;
  if (!cancelled) {
    lrd_busy_begin();
  }
  const larder_ns *ns = mine->wish->ns;
  count_end(prefetch, mine->wish, cancelled ? WISH_DROPPED : wish_make(prefetch, mine->wish));
  lrd_dealloc(mine->wish);
  lrd_dealloc(mine);
  if (!cancelled) {
    dispatch(prefetch, ns);
    lrd_busy_end();
  }
}

/* --- whose turn it is ---------------------------------------------------------------------------------------------------- */

static bool fuller_than(const larder_tier_usage *usage, double part) {
  return usage->bytes_max > 0 && (double)usage->bytes > part * (double)usage->bytes_max;
}

static bool memory_full(const larder_ns *ns) {
  double const part = ns->cache->config->prefetch.fill_max;
  larder_tier_usage usage;
  if (!ns->memory || part >= 1) {
    return false;
  }
  return (lrd_tier_usage(&ns->cache->memory_tier, LARDER_TIER_ALL_SPACES, &usage) == LARDER_OK && fuller_than(&usage, part)) ||
         (lrd_tier_usage(&ns->cache->memory_tier, ns->memory_space, &usage) == LARDER_OK && fuller_than(&usage, part));
}

static bool is_stale(const lrd_prefetch *prefetch, const lrd_wish *wish) {
  return lrd_mono_ns(prefetch->cache->clock) >= wish->stale_ns;
}

typedef struct turn {
  lrd_prefetch *prefetch;
  const larder_ns *ending; /* whose place this thread is about to give back; NULL: it has none */
} turn;

static bool wish_ready(void *context, const lrd_wish *wish) {
  const turn *now = context;
  lrd_pool *pool = now->prefetch->cache->makers->pool;
  return is_stale(now->prefetch, wish) || (lrd_pool_spare(pool, wish->ns, now->ending) && !memory_full(wish->ns));
}

/* NULL: nothing may begin now. Else it counts as running. */
static lrd_wish *wish_take(lrd_prefetch *prefetch, const larder_ns *ending) {
  turn now = {prefetch, ending};
  lrd_wish *wish = NULL;
  lrd_lock(&prefetch->mutex);
  if (!prefetch->quiet && prefetch->running < prefetch->cache->config->prefetch.parallel) {
    wish = lrd_wishes_take(&prefetch->wishes, LOOKS, wish_ready, &now);
    prefetch->running += wish != NULL;
  }
  lrd_unlock(&prefetch->mutex);
  return wish;
}

static void dispatch(lrd_prefetch *prefetch, const larder_ns *ending) {
  lrd_wish *wish;
  while ((wish = wish_take(prefetch, ending)) != NULL) {
    wish_order *order = is_stale(prefetch, wish) ? NULL : lrd_alloc(sizeof *order);
    if (order) {
      *order = (wish_order){.order = {NULL, wish->ns, order_run}, .prefetch = prefetch, .wish = wish};
      if (lrd_pool_push(prefetch->cache->makers->pool, &order->order, true)) {
        continue;
      }
      lrd_dealloc(order);
    }
    count_end(prefetch, wish, WISH_DROPPED);
    lrd_dealloc(wish);
  }
}

void lrd_prefetch_tick(lrd_prefetch *prefetch) {
  lrd_watch_sweep(prefetch);
  dispatch(prefetch, NULL);
}

void lrd_prefetch_outrun(lrd_prefetch *prefetch, const lrd_op *op) {
  lrd_lock(&prefetch->mutex);
  lrd_wish *wish = lrd_wishes_find(&prefetch->wishes, op);
  bool const late = wish ? !wish->late : lrd_watch_late(prefetch, op);
  if (wish) {
    wish->late = true;
  }
  if (late) {
    prefetch->figures.late++;
    atomic_fetch_add(&op->ns->ahead.late, 1);
    lrd_stats_add(op->ns->cell, LRD_STAT_PREFETCH_LATE, 1);
  }
  lrd_unlock(&prefetch->mutex);
}

/* --- the public calls ---------------------------------------------------------------------------------------------------- */

static larder_err may_wish(larder_ns *ns) {
  if (!ns) {
    return LARDER_EINVAL;
  }
  if (!ns->make || !ns->cache->config->prefetch.enable) {
    return LARDER_EUNSUPPORTED;
  }
  return ns->links_len > 0 && lrd_cache_onlooker(ns->cache) ? LARDER_EACCES : LARDER_OK;
}

static lrd_wish *wish_new(const lrd_op *op, double priority, int64_t max_age_ms) {
  lrd_wish *wish = lrd_alloc(sizeof *wish + op->key_len);
  int64_t const now_ns = lrd_mono_ns(op->ns->cache->clock);
  if (wish) {
    *wish = (lrd_wish){.ns = op->ns, .hash = op->hash, .priority = priority, .queued_ns = now_ns, .key_len = op->key_len};
    wish->stale_ns = max_age_ms > (INT64_MAX - now_ns) / MS ? INT64_MAX : now_ns + max_age_ms * MS;
    memcpy(wish->key, op->key, op->key_len);
  }
  return wish;
}

/* Takes the wish. */
static larder_err wish_put(lrd_prefetch *prefetch, const lrd_op *op, lrd_wish *wish) {
  bool full = false;
  bool queued = true;
  lrd_lock(&prefetch->mutex);
  lrd_wish *there = lrd_wishes_find(&prefetch->wishes, op);
  prefetch->figures.asked++;
  if (there) {
    prefetch->figures.duplicates++;
    there->stale_ns = there->stale_ns > wish->stale_ns ? there->stale_ns : wish->stale_ns;
    if (wish->priority > there->priority) {
      lrd_wishes_reorder(&prefetch->wishes, there, wish->priority);
    }
    lrd_dealloc(wish);
  } else if (prefetch->quiet) {
    queued = false;
    lrd_dealloc(wish);
  } else {
    queued = lrd_wishes_put(&prefetch->wishes, wish, &full);
    prefetch->figures.dropped_full += full;
  }
  lrd_unlock(&prefetch->mutex);
  lrd_stats_add(op->ns->cell, LRD_STAT_PREFETCH_ASKED, 1);
  if (there || full) {
    lrd_stats_add(op->ns->cell, LRD_STAT_PREFETCH_DROPPED, 1);
  }
  return queued ? LARDER_OK : LARDER_NOT_KEPT;
}

static larder_err wish_one(larder_ns *ns, const void *key, size_t key_len, double priority, int64_t max_age_ms) {
  lrd_op op;
  if (isnan(priority) || max_age_ms < 0) {
    return LARDER_EINVAL;
  }
  larder_err const result = lrd_op_begin(ns, key, key_len, &op);
  if (result != LARDER_OK) {
    return result;
  }
  lrd_wish *wish = wish_new(&op, priority, max_age_ms > 0 ? max_age_ms : ns->cache->config->prefetch.max_age_ms);
  return wish ? wish_put(ns->cache->makers->prefetch, &op, wish) : LARDER_ENOMEM;
}

larder_err larder_prefetch(larder_ns *ns, const void *key, size_t key_len, double priority, int64_t max_age_ms) {
  larder_err result = may_wish(ns);
  if (result == LARDER_OK) {
    result = wish_one(ns, key, key_len, priority, max_age_ms);
  }
  if (result == LARDER_OK) {
    dispatch(ns->cache->makers->prefetch, NULL);
  }
  return result;
}

larder_err larder_prefetch_many(larder_ns *ns, larder_prefetch_item *items, size_t count) {
  larder_err const result = items || count == 0 ? may_wish(ns) : LARDER_EINVAL;
  if (result != LARDER_OK) {
    return result;
  }
  if (atomic_load(&ns->cache->forked)) {
    return LARDER_EFORKED;
  }
  for (size_t i = 0; i < count; i++) {
    items[i].result = wish_one(ns, items[i].key, items[i].key_len, items[i].priority, items[i].max_age_ms);
  }
  dispatch(ns->cache->makers->prefetch, NULL);
  return LARDER_OK;
}

uint64_t larder_prefetch_clear(larder *cache, larder_ns *ns) {
  if (!cache || atomic_load(&cache->forked)) {
    return 0;
  }
  lrd_prefetch *prefetch = cache->makers->prefetch;
  lrd_lock(&prefetch->mutex);
  uint64_t const cleared = lrd_wishes_clear(&prefetch->wishes, ns);
  lrd_unlock(&prefetch->mutex);
  return cleared;
}

void larder_prefetch_figures_get(larder *cache, larder_prefetch_figures *out) {
  if (!cache || !out || atomic_load(&cache->forked)) {
    return;
  }
  lrd_prefetch *prefetch = cache->makers->prefetch;
  lrd_lock(&prefetch->mutex);
  *out = prefetch->figures;
  out->queued = prefetch->wishes.len;
  out->running = prefetch->running;
  lrd_unlock(&prefetch->mutex);
}

/* --- what stands there ------------------------------------------------------------------------------------------------------
 */

typedef struct seen_list {
  lrd_prefetch *prefetch;
  lrd_buf seen; /* larder_prefetch_seen, whose keys are offsets into `keys` until all are copied */
  lrd_buf keys;
  int64_t now_ns;
} seen_list;

static larder_err seen_add(seen_list *list, const larder_ns *ns, const uint8_t *key, size_t key_len, double priority,
                           int64_t since_ns, larder_prefetch_state state) {
  larder_prefetch_seen const one = {.ns = ns->name,
                                    .key = (const void *)list->keys.len,
                                    .key_len = key_len,
                                    .priority = priority,
                                    .age_ms = (list->now_ns - since_ns) / MS,
                                    .state = state};
  larder_err const result = lrd_buf_append(&list->keys, key, key_len);
  return result == LARDER_OK ? lrd_buf_append(&list->seen, &one, sizeof one) : result;
}

static larder_err seen_gather(seen_list *list) {
  lrd_prefetch *prefetch = list->prefetch;
  larder_err result = LARDER_OK;
  for (size_t i = prefetch->wishes.len; i-- > 0 && result == LARDER_OK;) {
    const lrd_wish *wish = prefetch->wishes.sorted[i];
    result = seen_add(list, wish->ns, wish->key, wish->key_len, wish->priority, wish->queued_ns, LARDER_PREFETCH_QUEUED);
  }
  const lrd_watched *at = prefetch->sweep_at;
  for (uint64_t left = prefetch->figures.watched; left > 0 && result == LARDER_OK; left--, at = at->next) {
    result = seen_add(list, at->ns, at->key, at->key_len, at->priority, at->since_ns,
                      at->kept ? LARDER_PREFETCH_KEPT : LARDER_PREFETCH_RUNS);
  }
  return result;
}

larder_err larder_prefetch_each(larder *cache, bool (*visit)(void *context, const larder_prefetch_seen *seen), void *context) {
  if (!cache || !visit) {
    return LARDER_EINVAL;
  }
  if (atomic_load(&cache->forked)) {
    return LARDER_EFORKED;
  }
  seen_list list = {.prefetch = cache->makers->prefetch, .now_ns = lrd_mono_ns(cache->clock)};
  lrd_lock(&list.prefetch->mutex);
  larder_err const result = seen_gather(&list);
  lrd_unlock(&list.prefetch->mutex);
  for (size_t at = 0; result == LARDER_OK && at < list.seen.len; at += sizeof(larder_prefetch_seen)) {
    larder_prefetch_seen one;
    memcpy(&one, list.seen.data + at, sizeof one);
    one.key = list.keys.data + (size_t)(uintptr_t)one.key;
    if (!visit(context, &one)) {
      break;
    }
  }
  lrd_buf_fini(&list.seen);
  lrd_buf_fini(&list.keys);
  return result;
}
