/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was prefetched and is not read yet. A reader first looks at the filter, which counts keys by a part of their hash, then
 * takes the lock. The keeper goes round and takes out what is past its time, or no more what was made.
 */
#include "prefetch.h"

#include "base/bytes.h"

static _Atomic uint8_t *filter_of(lrd_prefetch *prefetch, uint64_t hash) {
  return &prefetch->filter[(hash >> 20) % LRD_WATCH_FILTER];
}

static lrd_watched **chain_of(lrd_prefetch *prefetch, uint64_t hash) { return &prefetch->watched[hash % LRD_WATCH_CHAINS]; }

static lrd_watched *find(lrd_prefetch *prefetch, const lrd_op *op) {
  lrd_watched *at = *chain_of(prefetch, op->hash);
  while (at && !(at->hash == op->hash && at->ns == op->ns && at->key_len == op->key_len &&
                 memcmp(at->key, op->key, op->key_len) == 0)) {
    at = at->chain;
  }
  return at;
}

static void add(lrd_prefetch *prefetch, lrd_watched *watched) {
  lrd_watched **chain = chain_of(prefetch, watched->hash);
  lrd_watched *at = prefetch->sweep_at;
  watched->chain = *chain;
  *chain = watched;
  watched->next = at ? at : watched;
  watched->before = at ? at->before : watched;
  watched->next->before = watched->before->next = watched;
  prefetch->sweep_at = at ? at : watched;
  prefetch->figures.watched++;
  atomic_fetch_add(filter_of(prefetch, watched->hash), 1);
  atomic_fetch_add(&watched->ns->foreseen, 1);
}

/* Out of all, and freed. */
static void take_out(lrd_prefetch *prefetch, lrd_watched *watched) {
  lrd_watched **at = chain_of(prefetch, watched->hash);
  while (*at != watched) {
    at = &(*at)->chain;
  }
  *at = watched->chain;
  watched->before->next = watched->next;
  watched->next->before = watched->before;
  if (prefetch->sweep_at == watched) {
    prefetch->sweep_at = watched->next == watched ? NULL : watched->next;
  }
  prefetch->figures.watched--;
  atomic_fetch_sub(filter_of(prefetch, watched->hash), 1);
  atomic_fetch_sub(&watched->ns->foreseen, 1);
  if (watched->kept) {
    atomic_fetch_sub(&watched->ns->ahead.unread_bytes, watched->bytes);
  }
  lrd_dealloc(watched);
}

static void count_used(lrd_prefetch *prefetch, const lrd_watched *watched) {
  prefetch->figures.used++;
  prefetch->figures.used_bytes += watched->bytes;
  atomic_fetch_add(&watched->ns->ahead.used, 1);
  atomic_fetch_add(&watched->ns->ahead.used_bytes, watched->bytes);
  lrd_stats_add(watched->ns->cell, LRD_STAT_PREFETCH_USED, 1);
  lrd_stats_add(watched->ns->cell, LRD_STAT_PREFETCH_USED_BYTES, watched->bytes);
  lrd_news_tell(watched->ns, LRD_NEWS_USED, watched->hash, watched->bytes, 0);
}

static void count_wasted(lrd_prefetch *prefetch, const lrd_watched *watched) {
  prefetch->figures.wasted++;
  prefetch->figures.wasted_bytes += watched->bytes;
  atomic_fetch_add(&watched->ns->ahead.wasted, 1);
  atomic_fetch_add(&watched->ns->ahead.wasted_bytes, watched->bytes);
  lrd_stats_add(watched->ns->cell, LRD_STAT_PREFETCH_WASTED, 1);
  lrd_stats_add(watched->ns->cell, LRD_STAT_PREFETCH_WASTED_BYTES, watched->bytes);
  lrd_news_tell(watched->ns, LRD_NEWS_WASTED, watched->hash, watched->bytes, 0);
}

lrd_watched *lrd_watch_begin(lrd_prefetch *prefetch, const lrd_op *op, double priority) {
  lrd_watched *watched = lrd_alloc(sizeof *watched + op->key_len);
  if (!watched) {
    return NULL;
  }
  *watched = (lrd_watched){.ns = op->ns,
                           .hash = op->hash,
                           .priority = priority,
                           .since_ns = lrd_mono_ns(prefetch->cache->clock),
                           .key_len = op->key_len};
  memcpy(watched->key, op->key, op->key_len);
  lrd_lock(&prefetch->mutex);
  lrd_watched *former = find(prefetch, op);
  if (former && former->kept) { /* it is made again, so it has gone without being read */
    count_wasted(prefetch, former);
    take_out(prefetch, former);
    former = NULL;
  }
  bool const room =
      !former && prefetch->figures.watched < LARDER_PREFETCH_WATCHED && atomic_load(filter_of(prefetch, op->hash)) < UINT8_MAX;
  if (room) {
    add(prefetch, watched);
  }
  lrd_unlock(&prefetch->mutex);
  if (!room) {
    lrd_dealloc(watched);
  }
  return room ? watched : NULL;
}

bool lrd_watch_made(lrd_prefetch *prefetch, lrd_watched *watched, const larder_facts *facts) {
  lrd_lock(&prefetch->mutex);
  watched->bytes = facts ? facts->value_len : 0;
  if (watched->late) {
    atomic_fetch_add(&watched->ns->ahead.late_bytes, watched->bytes);
    lrd_stats_add(watched->ns->cell, LRD_STAT_PREFETCH_LATE_BYTES, watched->bytes);
  }
  bool const on = facts && !watched->read;
  if (on) {
    watched->kept = true;
    atomic_fetch_add(&watched->ns->ahead.unread_bytes, watched->bytes);
    watched->stamp = facts->stamp;
    watched->expires_ms = facts->expires_soft_ms;
    watched->since_ns = lrd_mono_ns(prefetch->cache->clock);
  } else {
    if (watched->read) {
      count_used(prefetch, watched);
    } else {
      count_wasted(prefetch, watched);
    }
    take_out(prefetch, watched);
  }
  lrd_unlock(&prefetch->mutex);
  return on;
}

bool lrd_watch_late(lrd_prefetch *prefetch, const lrd_op *op) {
  lrd_watched *watched = find(prefetch, op);
  if (!watched || watched->kept || watched->late) {
    return false;
  }
  watched->late = true;
  return true;
}

void lrd_watch_drop(lrd_prefetch *prefetch, lrd_watched *watched) {
  lrd_lock(&prefetch->mutex);
  take_out(prefetch, watched);
  lrd_unlock(&prefetch->mutex);
}

void lrd_foreseen_look(const lrd_op *op) {
  lrd_prefetch *prefetch = op->ns->cache->makers->prefetch;
  if (atomic_load_explicit(filter_of(prefetch, op->hash), memory_order_relaxed) == 0) {
    return;
  }
  lrd_lock(&prefetch->mutex);
  lrd_watched *watched = find(prefetch, op);
  bool const used = watched && watched->kept;
  if (used) {
    count_used(prefetch, watched);
    take_out(prefetch, watched);
  } else if (watched) {
    watched->read = true;
  }
  lrd_unlock(&prefetch->mutex);
  if (used && op->ns->memory) {
    larder_tier_key const key = lrd_op_memory_key(op);
    lrd_memory_mark(op->ns->memory, &key, false);
  }
}

/* --- what has gone ------------------------------------------------------------------------------------------------------- */

typedef struct swept {
  lrd_op op;
  uint64_t stamp;
  uint8_t key[LARDER_KEY_MAX];
} swept;

/* The next in the ring, copied, since it is looked for without the lock. False: none, or it was past its time and is out. */
static bool next_copy(lrd_prefetch *prefetch, swept *out) {
  lrd_lock(&prefetch->mutex);
  lrd_watched *at = prefetch->sweep_at;
  bool look = at && at->kept;
  if (at) {
    prefetch->sweep_at = at->next;
  }
  if (look && at->expires_ms != 0 && lrd_wall_ms(prefetch->cache->clock) >= at->expires_ms) {
    count_wasted(prefetch, at);
    take_out(prefetch, at);
    look = false;
  } else if (look) {
    out->op = (lrd_op){at->ns, out->key, at->key_len, at->hash};
    out->stamp = at->stamp;
    memcpy(out->key, at->key, at->key_len);
  }
  lrd_unlock(&prefetch->mutex);
  return look;
}

static bool still_there(const swept *of) {
  larder_stat stat = {0};
  if (larder_stat_get(of->op.ns, of->op.key, of->op.key_len, &stat) != LARDER_OK) {
    return false;
  }
  bool const same = stat.facts.stamp == of->stamp;
  larder_stat_free(&stat);
  return same;
}

void lrd_watch_sweep(lrd_prefetch *prefetch) {
  swept one;
  lrd_lock(&prefetch->mutex);
  uint64_t left = prefetch->figures.watched;
  lrd_unlock(&prefetch->mutex);
  for (left = left < LRD_WATCH_SWEPT ? left : LRD_WATCH_SWEPT; left > 0; left--) {
    if (!next_copy(prefetch, &one) || still_there(&one)) {
      continue;
    }
    lrd_lock(&prefetch->mutex);
    lrd_watched *watched = find(prefetch, &one.op);
    if (watched && watched->kept && watched->stamp == one.stamp) {
      count_wasted(prefetch, watched);
      take_out(prefetch, watched);
    }
    lrd_unlock(&prefetch->mutex);
  }
}

void lrd_watch_fini(lrd_prefetch *prefetch) {
  while (prefetch->sweep_at) {
    take_out(prefetch, prefetch->sweep_at);
  }
}
