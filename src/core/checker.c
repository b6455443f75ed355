/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tick gathers what is due, a batch at most, and tries it, `parallel` at a time. Two things are due: unhealthy records whose
 * next check is (their entries may be gone), and live entries whose turn it is. A round over the entries takes `every`: after a
 * part of that time, the same part of the entries has had its turn.
 *
 * Of the processes that have the namespace open the one that holds its lease checks; it keeps that until it ends.
 */
#include "checker.h"

#include "base/bytes.h"
#include "base/fail.h"
#include "base/hash.h"
#include "health.h"
#include "maker/lease.h"
#include "maker/probe.h"
#include "makers.h"

#define BATCH         64u
#define DUE_IN_BATCH  32u /* of these, the most that are unhealthy, so that live ones get their turn */
#define PERIOD_MAX_NS INT64_C(1000000000)
#define PERIOD_MIN_NS INT64_C(10000000)
#define LOOK_SHARE    20 /* looking for what is due takes a twentieth of the time at most */
#define LOOK_MAX_MS   INT64_C(15000)
#define THREADS_MAX   16u

#define ROOM "health"

struct lrd_checker {
  larder_ns *ns;
  const lrd_config_check *config;
  lrd_probe *probe;
  lrd_cancel cancel;
  lrd_mutex mutex;
  lrd_cond changed;
  pthread_t thread;
  bool running;
  _Atomic unsigned told; /* a bit for each kind of reason why some key can't be checked */
  bool leased;
  lrd_lease lease;
  /* The round. */
  bool begun;
  bool ended; /* every entry had its turn */
  int64_t began_ns;
  int64_t round_ns;
  uint64_t total;
  uint64_t done;
  larder_cursor cursor;
  /* Looking for records. */
  int64_t look_next_ns;
  int64_t look_took_ns;
  larder_cursor look_cursor;
};

/* --- what is due ---------------------------------------------------------------------------------------------------------- */

typedef struct check_item {
  size_t at; /* in the batch's keys */
  size_t len;
  uint64_t stamp; /* of the entry; 0: of a record, whose entry is looked for when its turn comes */
} check_item;

typedef struct batch {
  lrd_checker *checker;
  int64_t now_ms;
  lrd_buf keys;
  check_item items[BATCH];
  size_t len;
  size_t most;
  _Atomic size_t next;
} batch;

static bool batch_has(const batch *b, const void *key, size_t key_len) {
  for (size_t i = 0; i < b->len; i++) {
    if (b->items[i].len == key_len && memcmp(b->keys.data + b->items[i].at, key, key_len) == 0) {
      return true;
    }
  }
  return false;
}

/* Once. False when it is full, or there is no memory. */
static bool batch_add(batch *b, const void *key, size_t key_len, uint64_t stamp) {
  size_t const at = b->keys.len;
  if (batch_has(b, key, key_len)) {
    return true;
  }
  if (lrd_buf_append(&b->keys, key, key_len) != LARDER_OK) {
    return false;
  }
  b->items[b->len++] = (check_item){at, key_len, stamp};
  return b->len < b->most;
}

static bool add_due(void *context, const void *key, size_t key_len, const larder_health *health) {
  batch *b = context;
  return health->next_check_ms == 0 || health->next_check_ms > b->now_ms || batch_add(b, key, key_len, 0);
}

static bool add_entry(void *context, const larder_listed *entry) {
  return batch_add(context, entry->key, entry->key_len, entry->facts->stamp);
}

static void gather_unhealthy(lrd_checker *c, batch *b) {
  const lrd_clock *clock = c->ns->cache->clock;
  int64_t const began_ns = lrd_mono_ns(clock);
  if (began_ns < c->look_next_ns) {
    return;
  }
  b->most = DUE_IN_BATCH;
  larder_err const result =
      larder_health_each(c->ns, LARDER_HEALTH_BIT(LARDER_HEALTH_UNHEALTHY), 0, &c->look_cursor, add_due, b);
  int64_t const now_ns = lrd_mono_ns(clock);
  c->look_took_ns += now_ns - began_ns;
  if (result == LARDER_OK) { /* the batch is full: it goes on there */
    return;
  }
  int64_t const retry_ms = c->ns->policy.health.retry_ms / 4;
  int64_t const pause_ns = (retry_ms < LOOK_MAX_MS ? retry_ms : LOOK_MAX_MS) * 1000000;
  int64_t const rest_ns = c->look_took_ns * LOOK_SHARE;
  c->look_cursor = (larder_cursor){{0}};
  c->look_next_ns = now_ns + (pause_ns > rest_ns ? pause_ns : rest_ns);
  c->look_took_ns = 0;
}

static uint64_t entries_now(larder_ns *ns) {
  larder_tier_usage usage = {0};
  larder_err result = LARDER_MISS;
  if (ns->links_len > 0) {
    lrd_link *lowest = &ns->links[ns->links_len - 1];
    result = lrd_tier_usage(&lowest->instance->tier, atomic_load(&lowest->space), &usage);
  } else if (ns->memory) {
    result = lrd_tier_usage(&ns->cache->memory_tier, ns->memory_space, &usage);
  }
  return result == LARDER_OK ? usage.entries : 0;
}

static void round_begin(lrd_checker *c, int64_t now_ns) {
  uint64_t chance = 0;
  (void)lrd_random(&chance, sizeof chance); /* without it this round is the shortest */
  double const part = (double)(chance >> 11) / (double)(UINT64_C(1) << 53);
  c->begun = true;
  c->ended = false;
  c->began_ns = now_ns;
  c->round_ns = (int64_t)((double)c->config->every_ms * 1e6 * (1 + c->config->jitter * (2 * part - 1)));
  c->total = entries_now(c->ns);
  c->done = 0;
  c->cursor = (larder_cursor){{0}};
}

/* How many should have had their turn by now. What has come since the round began has it at its end. */
static uint64_t turns_by(const lrd_checker *c, int64_t now_ns) {
  double const part = (double)(now_ns - c->began_ns) / (double)c->round_ns;
  return part >= 1 ? UINT64_MAX : (uint64_t)(part * (double)c->total);
}

static void gather_round(lrd_checker *c, batch *b) {
  int64_t const now_ns = lrd_mono_ns(c->ns->cache->clock);
  if (!c->begun || (c->ended && now_ns - c->began_ns >= c->round_ns)) {
    round_begin(c, now_ns);
  }
  uint64_t const turns = turns_by(c, now_ns);
  if (c->ended || turns <= c->done || b->len == BATCH) {
    return;
  }
  size_t const before = b->len;
  size_t const room = BATCH - before;
  b->most = before + (turns - c->done < room ? (size_t)(turns - c->done) : room);
  larder_err const result = larder_list(c->ns, NULL, false, 0, &c->cursor, add_entry, b);
  c->done += b->len - before;
  c->ended = result != LARDER_OK; /* of a tier that is away too: the next round may see more */
}

/* --- trying -----------------------------------------------------------------------------------------------------------------
 */

/* An unhealthy one is left alone until its next check is due. */
static bool left_alone(const batch *b, const void *key, size_t key_len) {
  larder_health health = {.size = sizeof health};
  return larder_health_get(b->checker->ns, key, key_len, &health) == LARDER_OK && health.status == LARDER_HEALTH_UNHEALTHY &&
         health.next_check_ms > b->now_ms;
}

/* Each kind of reason is told once. */
static void not_found_out(lrd_checker *c, larder_err why, const char *message) {
  unsigned const bit = why == LARDER_EINVAL ? 1u : why == LARDER_EUNSUPPORTED ? 2u : why == LARDER_EAWAY ? 4u : 0;
  if ((atomic_fetch_or(&c->told, bit) & bit) != bit) {
    lrd_log_write(&c->ns->cache->log, LRD_LOG_WARN, "check.impossible", "namespace %s: an entry can't be checked: %s",
                  c->ns->name, message[0] ? message : larder_err_text(why));
  }
}

static void item_check(const batch *b, const check_item *item) {
  lrd_checker *c = b->checker;
  const uint8_t *key = b->keys.data + item->at;
  larder_error why = {0};
  if (left_alone(b, key, item->len)) {
    return;
  }
  /* Before it is tried: what is put meanwhile is not what was tried, nor is what cannot be looked at now. */
  uint64_t stamp = item->stamp;
  if (stamp == 0 && lrd_health_stamp_now(c->ns, key, item->len, &stamp) != LARDER_OK) {
    stamp = LRD_HEALTH_NOTHING;
  }
  larder_err const found = lrd_probe_run(c->probe, key, item->len, &c->cancel, &why);
  if (found != LARDER_OK && found != LARDER_EIO) {
    not_found_out(c, found, why.message);
    return;
  }
  larder_err const kept = lrd_health_report_on(c->ns, key, item->len, stamp, found == LARDER_OK, why.message, NULL);
  if (kept < 0) {
    lrd_log_write(&c->ns->cache->log, LRD_LOG_WARN, "check.lost", "namespace %s: the outcome of a check was not kept: %s",
                  c->ns->name, larder_err_text(kept));
  }
}

larder_err larder_health_check(larder_ns *ns, const void *key, size_t key_len, bool *worked_out, larder_health *out,
                               larder_error *err) {
  larder_error why = {0};
  lrd_op op;
  uint64_t stamp = 0;
  larder_err result = worked_out ? lrd_op_begin(ns, key, key_len, &op) : LARDER_EINVAL;
  if (result != LARDER_OK) {
    return lrd_fail(err, result, 0, ROOM, "%s", larder_err_text(result));
  }
  if (ns->links_len > 0 && lrd_cache_onlooker(ns->cache)) {
    return lrd_fail(err, LARDER_EACCES, 0, ROOM, "%s", larder_err_text(LARDER_EACCES));
  }
  if (!ns->checker) {
    return lrd_fail(err, LARDER_EUNSUPPORTED, 0, ROOM, "namespace %s has no check: configure its `health.check`", ns->name);
  }
  /* What is put meanwhile is not evicted for what was tried. */
  if (lrd_health_stamp_now(ns, key, key_len, &stamp) != LARDER_OK) {
    stamp = LRD_HEALTH_NOTHING;
  }
  result = lrd_probe_run(ns->checker->probe, key, key_len, &ns->checker->cancel, &why);
  if (result != LARDER_OK && result != LARDER_EIO) {
    return lrd_fail(err, result, 0, ROOM, "%s", why.message[0] ? why.message : larder_err_text(result));
  }
  bool const worked = result == LARDER_OK;
  result = lrd_health_report_on(ns, key, key_len, stamp, worked, why.message, out);
  if (result >= 0) {
    *worked_out = worked;
  }
  return result >= 0 && worked ? result
                               : lrd_fail(err, result, 0, ROOM, "%s", result < 0 ? larder_err_text(result) : why.message);
}

static void items_check(void *context) {
  batch *b = context;
  for (;;) {
    size_t const at = atomic_fetch_add(&b->next, 1);
    if (at >= b->len || atomic_load(&b->checker->cancel.closing)) {
      return;
    }
    item_check(b, &b->items[at]);
  }
}

static void batch_run(batch *b) {
  pthread_t threads[THREADS_MAX];
  size_t const wanted = b->checker->config->parallel < b->len ? (size_t)b->checker->config->parallel : b->len;
  size_t more = 0;
  while (more + 1 < wanted && more < THREADS_MAX &&
         lrd_thread_start(&threads[more], "larder-check", items_check, b) == LARDER_OK) {
    more++;
  }
  items_check(b);
  while (more > 0) {
    pthread_join(threads[--more], NULL);
  }
}

/* --- who checks, and when ----------------------------------------------------------------------------------------------- */

static bool leads(lrd_checker *c) {
  larder *cache = c->ns->cache;
  if (c->leased || !cache->leases || !lrd_ns_coherent(c->ns)) {
    return true;
  }
  uint64_t const hash = lrd_hash64(c->ns->name, strlen(c->ns->name), lrd_hash_seed_for(cache->seed, ".check"));
  lrd_lease_answer const answer = lrd_lease_take(cache->leases, hash, LRD_LEASE_NO_LIMIT, true, &c->lease);
  c->leased = answer == LRD_LEASE_TAKEN;
  return c->leased || answer == LRD_LEASE_NONE;
}

static void lead_end(lrd_checker *c) {
  if (c->leased) {
    lrd_lease_end(c->ns->cache->leases, &c->lease, LARDER_OK, NULL, 0);
    c->leased = false;
  }
}

static void checker_tick(lrd_checker *c) {
  batch *b;
  if (atomic_load(&c->ns->cache->lost) || !leads(c)) {
    return;
  }
  if (!(b = lrd_alloc_zero(1, sizeof *b))) {
    return;
  }
  b->checker = c;
  b->now_ms = lrd_wall_ms(c->ns->cache->clock);
  gather_unhealthy(c, b);
  gather_round(c, b);
  batch_run(b);
  lrd_buf_fini(&b->keys);
  lrd_dealloc(b);
}

/* Often enough for a round to be spread. */
static int64_t period_ns(const lrd_checker *c) {
  int64_t const shorter =
      c->config->every_ms < c->ns->policy.health.retry_ms ? c->config->every_ms : c->ns->policy.health.retry_ms;
  int64_t const ns = shorter * 1000000 / 8;
  return ns > PERIOD_MAX_NS ? PERIOD_MAX_NS : ns < PERIOD_MIN_NS ? PERIOD_MIN_NS : ns;
}

static void checker_run(void *context) {
  lrd_checker *c = context;
  lrd_lock(&c->mutex);
  while (!atomic_load(&c->cancel.closing)) {
    (void)lrd_cond_wait_ns(&c->changed, &c->mutex, period_ns(c));
    if (!atomic_load(&c->cancel.closing)) {
      lrd_unlock(&c->mutex);
      checker_tick(c);
      lrd_lock(&c->mutex);
    }
  }
  lrd_unlock(&c->mutex);
}

/* --- lifecycle ------------------------------------------------------------------------------------------------------------ */

larder_err lrd_checker_new(larder_ns *ns, lrd_checker **out, larder_error *err) {
  const lrd_config_check *config = &ns->policy.health.check;
  lrd_http_engine *engine = NULL;
  larder_err result = LARDER_OK;
  if (config->type == LRD_CHECK_NONE || ns->name[0] == '.' || lrd_cache_onlooker(ns->cache)) {
    return LARDER_OK;
  }
  lrd_checker *c = lrd_alloc_zero(1, sizeof *c);
  if (!c) {
    return lrd_fail(err, LARDER_ENOMEM, 0, "health", "out of memory");
  }
  c->ns = ns;
  c->config = config;
  c->cancel.clock = ns->cache->clock;
  lrd_mutex_init(&c->mutex);
  lrd_cond_init(&c->changed);
  if (config->type == LRD_CHECK_HTTP) {
    result = lrd_makers_http(ns->cache, &engine, err);
  }
  if (result == LARDER_OK) {
    result = lrd_probe_new(config, ns->name, ns->cache->secrets, engine, &c->probe, err);
  }
  if (result == LARDER_OK) {
    *out = c;
  } else {
    lrd_checker_free(c);
  }
  return result;
}

void lrd_checker_free(lrd_checker *checker) {
  if (!checker) {
    return;
  }
  lrd_probe_free(checker->probe);
  lrd_cond_fini(&checker->changed);
  lrd_mutex_fini(&checker->mutex);
  lrd_dealloc(checker);
}

void lrd_checker_start(lrd_checker *checker) {
  if (!checker || checker->running || checker->ns->cache->clock != lrd_clock_real()) {
    return;
  }
  checker->running = lrd_thread_start(&checker->thread, "larder-checker", checker_run, checker) == LARDER_OK;
  if (!checker->running) {
    lrd_log_write(&checker->ns->cache->log, LRD_LOG_ERROR, "check.no_thread",
                  "namespace %s: there is no thread to be had to check its entries", checker->ns->name);
  }
}

typedef void checker_do(lrd_checker *checker);

static void each_checker(larder *cache, checker_do *what) {
  for (uint32_t i = 0; i < atomic_load(&cache->spaces_len); i++) {
    larder_ns *ns = atomic_load(&cache->spaces[i]);
    if (ns->checker) {
      what(ns->checker);
    }
  }
}

static void tell_to_end(lrd_checker *c) {
  lrd_lock(&c->mutex);
  atomic_store(&c->cancel.closing, true);
  pthread_cond_broadcast(&c->changed);
  lrd_unlock(&c->mutex);
}

/* Without the lock, which a signal handler may not take. */
static void cancel(lrd_checker *c) { atomic_store(&c->cancel.closing, true); }

void lrd_checkers_cancel(larder *cache) { each_checker(cache, cancel); }

static void wait_for_end(lrd_checker *c) {
  if (c->running) {
    pthread_join(c->thread, NULL);
    c->running = false;
  }
  lead_end(c);
}

void lrd_checkers_quiet(larder *cache) {
  each_checker(cache, tell_to_end);
  each_checker(cache, wait_for_end);
}

static void resume(lrd_checker *c) {
  atomic_store(&c->cancel.closing, false);
  lrd_checker_start(c);
}

void lrd_checkers_resume(larder *cache) { each_checker(cache, resume); }

static void abandon(lrd_checker *c) { c->running = c->leased = false; }

void lrd_checkers_abandon(larder *cache) { each_checker(cache, abandon); }

void lrd_checkers_tick(larder *cache) { each_checker(cache, checker_tick); }
