/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A namespace goes through three states: it waits until look_ns; it is listed, a page a tick, until all has been looked at or
 * enough is due; its job runs. All is the keeper's, but that closing takes it over under the mutex.
 *
 * Such rounds make a pass: each goes on behind the one before, and only when all has been looked at does the next pass begin at
 * the front. So entries that fail again and again keep nobody behind them waiting.
 *
 * When something may be due next follows from the oldest entry that was not: everything else is newer, or will be made later.
 */
#include "refresh_behind.h"

#include "base/fail.h"
#include "base/hash.h"
#include "base/schedule.h"
#include "core/makers.h"
#include "refresh_job.h"
#include <inttypes.h>

#define MS        INT64_C(1000000)
#define LEASE_TAG ".refresh:"

typedef struct refresh_space {
  larder_ns *ns; /* NULL: has no schedule or no maker */
  bool seen;
  lrd_schedule schedule;
  int64_t look_ns;  /* monotonic; not before */
  int64_t retry_ns; /* the last wait after failures; 0: there were none */
  bool failed;      /* something did, in this pass */
  bool leased;
  lrd_lease lease;
  lrd_refresh_plan *plan; /* while it is listed */
  lrd_refresh_list list;
  larder_job *job;
} refresh_space;

struct lrd_refresher {
  lrd_mutex mutex;
  bool quiet;
  bool opened; /* the namespaces that the configuration names */
  int64_t begin_ns;
  refresh_space spaces[LRD_NS_MAX];
};

larder_err lrd_refresh_open(larder *cache) {
  lrd_refresher *all = lrd_alloc_zero(1, sizeof *all);
  if (!all) return LARDER_ENOMEM;
  lrd_mutex_init(&all->mutex);
  all->begin_ns = lrd_mono_ns(cache->clock) + LRD_REFRESH_WAIT_NS;
  cache->refresher = all;
  return LARDER_OK;
}

/* --- one process of the host ------------------------------------------------------------------------------------------------
 */

/* Entries that only this process has are nobody else's business. */
static bool lease_get(refresh_space *space) {
  const larder_ns *ns = space->ns;
  larder *cache = ns->cache;
  if (!cache->leases || !lrd_ns_coherent(ns)) return true;
  uint64_t hash = lrd_hash64(LEASE_TAG, sizeof LEASE_TAG - 1, ns->seed);
  space->leased = lrd_lease_take(cache->leases, hash, LRD_LEASE_NO_LIMIT, true, &space->lease) == LRD_LEASE_TAKEN;
  return space->leased;
}

static void space_end(refresh_space *space) {
  larder_job_free(&space->job);
  lrd_refresh_plan_free(space->plan);
  space->plan = NULL;
  if (space->leased && !atomic_load(&space->ns->cache->forked))
    lrd_lease_end(space->ns->cache->leases, &space->lease, LARDER_OK, NULL, 0);
  space->leased = false;
}

/* --- when -------------------------------------------------------------------------------------------------------------------
 */

static void look_in(refresh_space *space, int64_t ns) {
  if (ns < LRD_REFRESH_WAIT_NS) ns = LRD_REFRESH_WAIT_NS;
  if (ns > LRD_REFRESH_LOOK_NS) ns = LRD_REFRESH_LOOK_NS;
  space->look_ns = lrd_mono_ns(space->ns->cache->clock) + ns;
}

static void look_when_due(refresh_space *space) {
  int64_t now_ms = lrd_wall_ms(space->ns->cache->clock), oldest_ms = space->list.oldest_left_ms;
  int64_t next_ms = lrd_schedule_next(&space->schedule, oldest_ms < now_ms ? oldest_ms : now_ms);
  int64_t wait_ms = next_ms > now_ms ? next_ms - now_ms : 0;
  space->retry_ns = 0;
  look_in(space, wait_ms < LRD_REFRESH_LOOK_NS / MS ? wait_ms * MS : LRD_REFRESH_LOOK_NS);
}

static void look_after_failures(refresh_space *space) {
  space->retry_ns = space->retry_ns == 0 ? LRD_REFRESH_RETRY_NS : space->retry_ns * 2;
  if (space->retry_ns > LRD_REFRESH_LOOK_NS) space->retry_ns = LRD_REFRESH_LOOK_NS;
  look_in(space, space->retry_ns);
}

/* The next round begins at the front. */
static void pass_end(refresh_space *space) {
  if (space->failed)
    look_after_failures(space);
  else
    look_when_due(space);
  space->failed = false;
  space->list = (lrd_refresh_list){0};
}

/* A round of which nothing came but failures is followed by a wait: what makes the entries may be away. */
static void round_end(refresh_space *space, const larder_refresh_counts *counts) {
  if (counts->errors > 0) space->failed = true;
  if (space->list.whole) {
    pass_end(space);
  } else if (counts->errors > 0 && counts->errors == counts->due) {
    look_after_failures(space);
  } else {
    space->retry_ns = 0;
    look_in(space, 0);
  }
}

/* --- its three states --------------------------------------------------------------------------------------------------------
 */

static void list_begin(refresh_space *space) {
  int64_t due_before_ms = lrd_schedule_due_before(&space->schedule, lrd_wall_ms(space->ns->cache->clock));
  if (!lease_get(space)) {
    look_in(space, LRD_REFRESH_WAIT_NS);
    return;
  }
  space->plan = lrd_alloc_zero(1, sizeof *space->plan);
  if (!space->plan) {
    space_end(space);
    look_after_failures(space);
    return;
  }
  if (space->list.ns)
    lrd_refresh_list_resume(&space->list, due_before_ms, &space->plan->keys);
  else
    lrd_refresh_list_begin(&space->list, space->ns, due_before_ms, LRD_REFRESH_KEYS, &space->plan->keys);
}

/* As many as leave callers half of the places. */
static unsigned threads_of(const larder_ns *ns) {
  uint64_t half = ns->policy.maker.parallel / 2;
  return half < 1 ? 1 : half > LRD_REFRESH_THREADS ? LRD_REFRESH_THREADS : (unsigned)half;
}

static void list_on(refresh_space *space) {
  larder *cache = space->ns->cache;
  larder_error why = {0};
  larder_err result = lrd_refresh_list_page(&space->list, LRD_REFRESH_ENTRIES);
  if (result == LARDER_OK && !space->list.ended) return;
  if (result == LARDER_OK && space->plan->keys.len == 0) {
    space_end(space);
    pass_end(space);
    return;
  }
  if (result == LARDER_OK) {
    larder_refresh_options options = {.size = sizeof options, .parallel = threads_of(space->ns)};
    lrd_refresh_plan_add(space->plan, &space->list);
    result = lrd_refresh_start(cache, space->plan, &options, &space->job, &why);
    space->plan = NULL;
  }
  if (result == LARDER_OK) return;
  lrd_log_write(&cache->log, LRD_LOG_WARN, "refresh.failed", "namespace %s is not refreshed: %s", space->ns->name,
                why.message[0] ? why.message : larder_err_text(result));
  space_end(space);
  space->failed = true;
  pass_end(space);
}

static void job_look(refresh_space *space) {
  larder *cache = space->ns->cache;
  larder_refresh_counts c = {0};
  if (!larder_job_wait(space->job, 0)) return;
  lrd_ignore(larder_refresh_counts_get(space->job, &c));
  lrd_log_write(&cache->log, c.errors > 0 ? LRD_LOG_WARN : LRD_LOG_INFO, "refresh.done",
                "namespace %s: of %" PRIu64 " entries %" PRIu64 " were due: %" PRIu64 " made, %" PRIu64 " unchanged, %" PRIu64
                " absent, %" PRIu64 " failed",
                space->ns->name, c.looked, c.due, c.made, c.unchanged, c.absent, c.errors);
  space_end(space);
  round_end(space, &c);
}

static bool may_make(const larder_ns *ns) {
  larder_make make;
  void *context;
  return ns->policy.maker.type != LRD_MAKER_CALLBACK || lrd_maker_named(ns->cache, ns->policy.maker.what, &make, &context);
}

static void space_tick(refresh_space *space) {
  if (space->job)
    job_look(space);
  else if (space->plan)
    list_on(space);
  else if (lrd_mono_ns(space->ns->cache->clock) >= space->look_ns && may_make(space->ns))
    list_begin(space);
}

/* --- all of them -------------------------------------------------------------------------------------------------------------
 */

/* What the configuration names is refreshed, whether this process asks for it or not. */
static void spaces_open(larder *cache) {
  for (size_t i = 0; i < cache->config->namespaces_len; i++) {
    const lrd_config_ns *policy = &cache->config->namespaces[i];
    larder_ns *ns = NULL;
    larder_error why = {0};
    if (!policy->refresh || policy->maker.type == LRD_MAKER_NONE) continue;
    if (larder_ns_open(cache, policy->name, &ns, &why) != LARDER_OK)
      lrd_log_write(&cache->log, LRD_LOG_WARN, "refresh.failed", "namespace %s is not refreshed: %s", policy->name,
                    why.message);
  }
}

static void space_look(refresh_space *space, larder_ns *ns) {
  space->seen = true;
  if (!ns->policy.refresh || !ns->make || ns->name[0] == '.') return;
  if (lrd_schedule_parse(ns->policy.refresh, &space->schedule, NULL) == LARDER_OK) space->ns = ns;
}

void lrd_refresh_tick(larder *cache) {
  lrd_refresher *all = cache->refresher;
  if (lrd_mono_ns(cache->clock) < all->begin_ns || lrd_cache_onlooker(cache) || atomic_load(&cache->lost)) return;
  lrd_lock(&all->mutex);
  if (!all->quiet && !all->opened) spaces_open(cache);
  all->opened = true;
  for (uint32_t i = 0; i < atomic_load(&cache->spaces_len) && !all->quiet; i++) {
    refresh_space *space = &all->spaces[i];
    if (!space->seen) space_look(space, atomic_load(&cache->spaces[i]));
    if (space->ns) space_tick(space);
  }
  lrd_unlock(&all->mutex);
}

void lrd_refresh_quiet(larder *cache) {
  lrd_refresher *all = cache->refresher;
  if (!all) return;
  lrd_lock(&all->mutex);
  all->quiet = true;
  for (size_t i = 0; i < LRD_NS_MAX; i++)
    if (all->spaces[i].job) larder_job_cancel(all->spaces[i].job);
  if (cache->makers) atomic_store(&cache->makers->cancel.closing, true);
  for (size_t i = 0; i < LRD_NS_MAX; i++) {
    refresh_space *space = &all->spaces[i];
    if (!space->ns) continue;
    space_end(space);
    space->list = (lrd_refresh_list){0}; /* broken off, so nothing to go on from */
  }
  lrd_unlock(&all->mutex);
}

void lrd_refresh_resume(larder *cache) {
  lrd_refresher *all = cache->refresher;
  if (!all) return;
  lrd_lock(&all->mutex);
  all->quiet = false;
  lrd_unlock(&all->mutex);
}

void lrd_refresh_close(larder *cache) {
  lrd_refresher *all = cache->refresher;
  if (!all) return;
  /* In a forked child they are the parent's, and nobody there has the threads: what they hold is freed, and no more. */
  for (size_t i = 0; i < LRD_NS_MAX; i++)
    if (all->spaces[i].ns) space_end(&all->spaces[i]);
  if (!atomic_load(&cache->forked)) lrd_mutex_fini(&all->mutex);
  lrd_dealloc(all);
  cache->refresher = NULL;
}
