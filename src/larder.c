/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one file that wires: configuration, root, coherence map, statistics, tiers, background threads. Closing mirrors
 * opening. Each step of opening leaves the handle in a state that closing accepts.
 *
 * Forking: the child's handlers mark every open cache as the parent's and give up its descriptors at once, since a lock
 * lives as long as any copy of its descriptor does. Calls in the child answer LARDER_EFORKED; larder_close there frees.
 * That list of open caches is the library's only mutable global state besides the threads' own.
 */
#include "base/bytes.h"
#include "base/fail.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/redact.h"
#include "core/cache.h"
#include "core/care.h"
#include "core/checker.h"
#include "core/makers.h"
#include "larder_testing.h"
#include "predict/foretelling.h"
#include "tier/files/files_tier.h"
#include "tier/sqlite/sqlite_tier.h"
#include "warm/leftovers.h"
#include "warm/nearby.h"
#include "warm/refresh_behind.h"
#include <errno.h>

#define ROOM        "larder"
#define CACHE_MAGIC 0x4c415244u
#define KEEPER_NS   INT64_C(1000000000)

static pthread_mutex_t open_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t fork_once = PTHREAD_ONCE_INIT;
static larder *open_caches;

static void before_fork(void) { pthread_mutex_lock(&open_mutex); }
static void after_fork_in_parent(void) { pthread_mutex_unlock(&open_mutex); }

static void after_fork_in_child(void) {
  for (larder *cache = open_caches; cache; cache = cache->next_open) {
    atomic_store(&cache->forked, true);
    for (uint32_t i = 0; i < atomic_load(&cache->spaces_len); i++) {
      larder_ns *ns = atomic_load(&cache->spaces[i]);
      if (ns) {
        atomic_store(&ns->straight, NULL);
        atomic_store(&ns->straight_heard, NULL);
      }
    }
    for (size_t i = 0; i < cache->instances_len; i++) {
      lrd_tier_abandon(&cache->instances[i].tier);
    }
    lrd_checkers_abandon(cache);
    lrd_makers_forked(cache);
    lrd_slots_abandon(cache->slots);
    cache->slots = NULL;
  }
  open_caches = NULL;
  pthread_mutex_unlock(&open_mutex);
}

static void fork_handlers_install(void) { (void)pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child); }

static void list_add(larder *cache) {
  (void)pthread_once(&fork_once, fork_handlers_install);
  pthread_mutex_lock(&open_mutex);
  cache->next_open = open_caches;
  open_caches = cache;
  pthread_mutex_unlock(&open_mutex);
}

static void list_remove(larder *cache) {
  pthread_mutex_lock(&open_mutex);
  for (larder **at = &open_caches; *at; at = &(*at)->next_open) {
    if (*at == cache) {
      *at = cache->next_open;
      break;
    }
  }
  pthread_mutex_unlock(&open_mutex);
}

/* --- opening ------------------------------------------------------------------------------------------------------------ */

static larder_err config_load(larder *cache, const larder_options *options, larder_error *err) {
  const char *extra_names[LRD_SHARED_TIERS_MAX + 1] = {0};
  for (size_t i = 0; options->extra_tiers && options->extra_tiers[i]; i++) {
    if (i == LRD_SHARED_TIERS_MAX) {
      return lrd_fail(err, LARDER_EINVAL, 0, ROOM, "at most %u tiers of your own can be registered", LRD_SHARED_TIERS_MAX);
    }
    extra_names[i] = options->extra_tiers[i]->name;
  }
  lrd_config_source source = {.file = options->config_file,
                              .text = options->config_text,
                              .search = !options->config_file && !options->config_text && !options->read_config_only_given,
                              .root = options->root,
                              .memory_bytes_max = options->memory_bytes_max,
                              .extra_types = extra_names};
  larder_err result = lrd_config_load(&source, &cache->config, err);
  if (result == LARDER_OK && lrd_secrets_make(cache->config->secrets, &cache->secrets) != LARDER_OK) {
    result = lrd_fail(err, LARDER_ENOMEM, 0, ROOM, "out of memory");
  }
  cache->log.secrets = cache->secrets;
  return result;
}

static larder_err root_prepare(larder *cache, larder_error *err) {
  const char *root = cache->config->root;
  const char *kind = NULL;
  if (!root) {
    return LARDER_OK;
  }
  if (lrd_fs_mkdirs(root, 0700) != 0) {
    return lrd_fail(err, lrd_err_from_errno(errno), errno, ROOM, "the root %s can't be made: %s; give one that you may write",
                    root, strerror(errno));
  }
  if (lrd_fs_kind_of(root, &kind) != LRD_FS_LOCAL && !cache->config->shared_filesystem_allow) {
    return lrd_fail(err, LARDER_EUNSUPPORTED, 0, ROOM,
                    "the root %s lies on %s, whose locks can't be relied on between hosts; choose a local folder, or set "
                    "`shared_filesystem: allow` and do without coherence between hosts",
                    root, kind);
  }
  cache->root = lrd_strdup(root);
  return cache->root ? LARDER_OK : lrd_fail(err, LARDER_ENOMEM, 0, ROOM, "out of memory");
}

static bool is_memory(const lrd_config_tier *tier) { return strcmp(tier->type, "memory") == 0; }

static const larder_tier_ops *ops_of(const larder_options *options, const char *type) {
  if (strcmp(type, "sqlite") == 0) {
    return &lrd_sqlite_tier;
  }
  if (strcmp(type, "files") == 0) {
    return &lrd_files_tier;
  }
  for (size_t i = 0; options->extra_tiers && options->extra_tiers[i]; i++) {
    if (strcmp(options->extra_tiers[i]->name, type) == 0) {
      return options->extra_tiers[i];
    }
  }
  return NULL;
}

static larder_err instances_init(larder *cache, const larder_options *options, larder_error *err) {
  size_t len = cache->config->tiers_len;
  cache->instances = len ? lrd_alloc_zero(len, sizeof *cache->instances) : NULL;
  if (len && !cache->instances) {
    return lrd_fail(err, LARDER_ENOMEM, 0, ROOM, "out of memory");
  }
  for (size_t i = 0; i < len; i++) {
    const lrd_config_tier *tier = &cache->config->tiers[i];
    if (is_memory(tier)) {
      continue;
    }
    const larder_tier_ops *ops = ops_of(options, tier->type);
    if (!ops || ops->version != LARDER_TIER_VERSION) {
      return lrd_fail(err, LARDER_ECONFIG, 0, ROOM, "tier %s is not known here, or speaks another version of the contract",
                      tier->type);
    }
    if (!(ops->capabilities & LARDER_TIER_SHARED) || !cache->root) {
      return lrd_fail(err, LARDER_ECONFIG, 0, ROOM,
                      "tier %s can't be in a chain: it has to be shared (LARDER_TIER_SHARED) and the cache has to have a root",
                      tier->name);
    }
    if (cache->instances_len == LRD_SHARED_TIERS_MAX) {
      return lrd_fail(err, LARDER_ECONFIG, 0, ROOM, "a cache has at most %u shared tiers", LRD_SHARED_TIERS_MAX);
    }
    lrd_instance *instance = &cache->instances[cache->instances_len];
    *instance = (lrd_instance){.cache = cache, .config = tier, .shared = true, .number = (unsigned)cache->instances_len};
    larder_err result = lrd_tier_init(&instance->tier, ops, tier->name, cache->clock, &cache->log,
                                      cache->config->breaker_failures, cache->config->breaker_retry_ms * 1000000);
    if (result != LARDER_OK) {
      return lrd_fail(err, result, 0, ROOM, "out of memory");
    }
    cache->instances_len++;
  }
  return LARDER_OK;
}

static larder_err slots_join(larder *cache, larder_error *err) {
  const char *names[LRD_SHARED_TIERS_MAX];
  if (!cache->root) {
    if (lrd_random(&cache->seed, sizeof cache->seed) != 0) {
      return lrd_fail(err, LARDER_EIO, errno, ROOM, "the kernel gave no random bytes");
    }
    return LARDER_OK;
  }
  for (size_t i = 0; i < cache->instances_len; i++) {
    names[i] = cache->instances[i].tier.name;
  }
  lrd_slots_params params = {.root = cache->root,
                             .slots = cache->config->slots,
                             .clock = cache->clock,
                             .log = &cache->log,
                             .tiers = names,
                             .tiers_len = cache->instances_len};
  larder_err result = lrd_slots_open(&params, &cache->slots, err);
  if (result == LARDER_OK) {
    cache->seed = lrd_slots_seed(cache->slots);
  }
  return result;
}

static bool row_lives(void *context, uint32_t row) { return lrd_slots_row_alive(((larder *)context)->slots, row); }

static larder_err stats_start(larder *cache, larder_error *err) {
  char root_here[LRD_ROOT_HERE_MAX + 1];
  lrd_stats_params params = {.clock = cache->clock, .log = &cache->log};
  if (cache->slots && cache->config->statistics) {
    lrd_slots_root_here(cache->slots, root_here);
    params.root_id_hex = root_here;
    params.row = lrd_slots_row(cache->slots);
    params.reads_only = lrd_cache_onlooker(cache);
    params.root = cache->root;
    params.row_lives = row_lives;
    params.context = cache;
  }
  larder_err result = lrd_stats_open(&params, &cache->stats, err);
  for (size_t i = 0; i < cache->instances_len && result == LARDER_OK; i++) {
    lrd_tier *tier = &cache->instances[i].tier;
    tier->cell = lrd_stats_cell_of(cache->stats, LRD_STATS_OTHER, tier->name);
  }
  return result;
}

static larder_err memory_start(larder *cache, larder_error *err) {
  const lrd_config_tier *tier = NULL;
  for (size_t i = 0; i < cache->config->tiers_len; i++) {
    if (is_memory(&cache->config->tiers[i])) {
      tier = &cache->config->tiers[i];
    }
  }
  if (!tier || cache->config->memory_bytes_max == 0) {
    return LARDER_OK;
  }
  larder_err result = lrd_tier_init(&cache->memory_tier, &lrd_memory_tier, "memory", cache->clock, &cache->log, 3, 0);
  if (result != LARDER_OK) {
    return lrd_fail(err, result, 0, ROOM, "out of memory");
  }
  larder_tier_params params = {.size = sizeof params,
                               .seed = cache->seed,
                               .bytes_max = cache->config->memory_bytes_max,
                               .entries_max = tier->entries_max,
                               .options = tier->options,
                               .host = lrd_host_of(cache, NULL)};
  cache->memory_tier.cell = lrd_stats_cell_of(cache->stats, LRD_STATS_OTHER, "memory");
  result = lrd_tier_open(&cache->memory_tier, &params, err);
  if (result == LARDER_OK) {
    cache->memory = cache->memory_tier.self;
  }
  return result;
}

/* A tier that can't be opened is worked around, and tried again by the keeper, unless graceful_mode is off. */
static larder_err instances_open(larder *cache, larder_error *err) {
  larder_error why = {0};
  for (size_t i = 0; i < cache->instances_len; i++) {
    lrd_instance *instance = &cache->instances[i];
    if (instance->tier.self) {
      continue; /* recovered with one before it */
    }
    if (lrd_slots_trust(cache->slots, instance->number, NULL) == LRD_TRUST_BROKEN) {
      atomic_store(&instance->broken, true);
      lrd_keeper_recover(cache); /* nobody else may have it open: then it is mended here and now */
      continue;
    }
    larder_err result = lrd_instance_open(instance, &why);
    if (result == LARDER_OK) {
      continue;
    }
    if (!cache->config->graceful_mode || result == LARDER_EFORMAT || result == LARDER_ENOMEM) {
      if (err) {
        *err = why;
      }
      return result;
    }
    atomic_store(&instance->broken, true);
    lrd_log_write(&cache->log, LRD_LOG_ERROR, "tier.away", "tier %s can't be opened; going on without it: %s",
                  instance->tier.name, why.message);
  }
  return LARDER_OK;
}

static larder_err threads_start(larder *cache, larder_error *err) {
  larder_err result = lrd_ticker_start(&cache->keeper, "larder-keeper", KEEPER_NS, lrd_keeper_tick, cache);
  return result == LARDER_OK ? LARDER_OK : lrd_fail(err, result, 0, ROOM, "the keeper thread could not be started");
}

/* Under the joining lock: nobody claims a row meanwhile. What is left where the map was lost is folded by its next holder. */
static void fold_the_dead(larder *cache) {
  if (lrd_cache_onlooker(cache)) {
    return;
  }
  lrd_care_fold_left(cache);
  larder_err result = LARDER_OK;
  for (uint32_t row = 0; cache->slots && row < LRD_ROWS_MAX && result != LARDER_EBUSY; row++) {
    if (lrd_slots_row_died(cache->slots, row)) {
      result = lrd_care_fold_row(cache, row); /* busy: others are waiting to join; the rest at another opening */
    }
  }
}

static larder_err codec_start(larder *cache, larder_error *err) {
  larder_err result = lrd_keyring_open(cache->config->key_file, cache->clock, &cache->keyring, err);
  if (result != LARDER_OK) {
    return result;
  }
  result = lrd_codec_new(cache->keyring, &cache->codec);
  return result == LARDER_OK ? LARDER_OK : lrd_fail(err, result, 0, ROOM, "out of memory");
}

static larder_err errands_start(larder *cache, larder_error *err) {
  larder_err result = lrd_errands_new(cache, &cache->errands);
  return result == LARDER_OK ? LARDER_OK : lrd_fail(err, result, 0, ROOM, "out of memory");
}

static void events_start(larder *cache) {
  larder_error why = {0};
  if (cache->slots && lrd_events_open(cache->root, lrd_cache_onlooker(cache), cache->clock, &cache->events, &why) < 0) {
    lrd_log_write(&cache->log, LRD_LOG_WARN, "events.away", "what happens to keys is not noted: %s", why.message);
  }
}

/* Without leases a key is made once in each process, and the slot tells whether it was changed meanwhile. */
static larder_err makers_start(larder *cache, larder_error *err) {
  larder_error why = {0};
  events_start(cache);
  if (cache->slots && !lrd_cache_onlooker(cache)) {
    lrd_leases_params params = {.root = cache->root,
                                .row = lrd_slots_row(cache->slots),
                                .row_lives = row_lives,
                                .context = cache,
                                .clock = cache->clock};
    if (lrd_leases_open(&params, &cache->leases, &why) != LARDER_OK) {
      lrd_log_write(&cache->log, LRD_LOG_WARN, "leases.away", "other processes may make the same keys: %s", why.message);
    }
    lrd_slots_leases_tell(cache->slots, cache->leases ? lrd_leases_inode(cache->leases) : 0);
  }
  larder_err result = lrd_makers_open(cache);
  return result == LARDER_OK ? LARDER_OK : lrd_fail(err, result, 0, ROOM, "out of memory");
}

static void rooms_tick(larder *cache) {
  lrd_nearby_tick(cache);
  lrd_refresh_tick(cache);
  lrd_leftovers_tick(cache);
  lrd_foretell_tick(cache);
}

static larder_err rooms_space_opened(larder_ns *ns, larder_error *err) {
  larder_err result = lrd_nearby_open(ns, err);
  if (result == LARDER_OK && (result = lrd_foretell_open(ns, ns->cache->clock == lrd_clock_real(), err)) != LARDER_OK) {
    lrd_nearby_close(ns);
  }
  return result;
}

static larder_err rooms_start(larder *cache, larder_error *err) {
  cache->space_opened = rooms_space_opened;
  cache->each_second = rooms_tick;
  cache->when_swept = lrd_leftovers_clear;
  return lrd_foretell_init(cache) == LARDER_OK && lrd_refresh_open(cache) == LARDER_OK
             ? LARDER_OK
             : lrd_fail(err, LARDER_ENOMEM, 0, ROOM, "out of memory");
}

static larder_err open_all(larder *cache, const larder_options *options, bool threads, larder_error *err) {
  larder_err result;
  if ((result = config_load(cache, options, err)) != LARDER_OK || (result = codec_start(cache, err)) != LARDER_OK ||
      (result = root_prepare(cache, err)) != LARDER_OK || (result = instances_init(cache, options, err)) != LARDER_OK ||
      (result = slots_join(cache, err)) != LARDER_OK || (result = stats_start(cache, err)) != LARDER_OK ||
      (result = memory_start(cache, err)) != LARDER_OK || (result = makers_start(cache, err)) != LARDER_OK ||
      (result = errands_start(cache, err)) != LARDER_OK || (result = instances_open(cache, err)) != LARDER_OK) {
    return result;
  }
  if ((result = rooms_start(cache, err)) != LARDER_OK) {
    return result;
  }
  fold_the_dead(cache);
  if (cache->slots) {
    lrd_slots_joined(cache->slots);
  }
  for (size_t i = 0; i < cache->config->notices_len; i++) {
    lrd_log_write(&cache->log, LRD_LOG_WARN, "config.notice", "%s", cache->config->notices[i]);
  }
  if (threads) {
    result = threads_start(cache, err);
  }
  return result;
}

larder_err lrd_larder_open_with_clock(const larder_options *options, const lrd_clock *clock, larder **out, larder_error *err) {
  static const larder_options defaults = {.size = sizeof defaults};
  if (!options) {
    options = &defaults;
  }
  if (!out || options->size == 0 || options->size > sizeof *options || (options->config_file && options->config_text)) {
    return lrd_fail(err, LARDER_EINVAL, 0, ROOM,
                    "options need their size set, and a file or a text as configuration, not both");
  }
  larder *cache = lrd_alloc_zero(1, sizeof *cache);
  if (!cache) {
    return lrd_fail(err, LARDER_ENOMEM, 0, ROOM, "out of memory");
  }
  cache->magic = CACHE_MAGIC;
  cache->clock = clock;
  cache->log = (lrd_log){.sink = options->log, .context = options->log_context, .level_max = (lrd_log_level)options->log_level};
  lrd_mutex_init(&cache->ns_mutex);
  for (size_t i = 0; i < LRD_HEALTH_LOCKS; i++) {
    lrd_mutex_init(&cache->health_locks[i]);
  }
  for (size_t i = 0; i < LRD_HISTORY_LOCKS; i++) {
    lrd_mutex_init(&cache->history_locks[i]);
  }
  larder_err result = open_all(cache, options, clock == lrd_clock_real(), err);
  list_add(cache);
  if (result != LARDER_OK) {
    (void)larder_close(&cache);
    return result;
  }
  *out = cache;
  return LARDER_OK;
}

larder_err larder_open(const larder_options *options, larder **out, larder_error *err) {
  return lrd_larder_open_with_clock(options, lrd_clock_real(), out, err);
}

/* What threads of the cache do, for one that has none. */
void lrd_larder_tick(larder *cache) {
  if (cache->pending) {
    (void)lrd_pending_flush(cache->pending);
  }
  lrd_keeper_tick(cache);
  lrd_checkers_tick(cache);
}

/* --- closing ------------------------------------------------------------------------------------------------------------ */

static void cache_free(larder *cache) {
  lrd_foretell_stop(cache);
  lrd_refresh_close(cache);
  lrd_makers_free(cache);
  lrd_leases_close(cache->leases);
  lrd_events_close(cache->events);
  lrd_pending_free(cache->pending);
  lrd_errands_free(cache->errands);
  for (uint32_t i = 0; i < atomic_load(&cache->spaces_len); i++) {
    larder_ns *ns = atomic_load(&cache->spaces[i]);
    lrd_nearby_close(ns);
    lrd_foretell_close(ns);
    lrd_checker_free(ns->checker);
    lrd_dealloc(ns->name);
    lrd_dealloc(ns);
  }
  for (size_t i = 0; i < cache->instances_len; i++) {
    lrd_tier_fini(&cache->instances[i].tier);
  }
  lrd_tier_fini(&cache->memory_tier);
  lrd_foretell_free(cache);
  lrd_dealloc(cache->instances);
  lrd_codec_free(cache->codec);
  lrd_keyring_close(cache->keyring);
  lrd_config_free(cache->config);
  lrd_dealloc(cache->root);
  lrd_dealloc(cache->secrets);
  lrd_mutex_fini(&cache->ns_mutex);
  for (size_t i = 0; i < LRD_HEALTH_LOCKS; i++) {
    lrd_mutex_fini(&cache->health_locks[i]);
  }
  for (size_t i = 0; i < LRD_HISTORY_LOCKS; i++) {
    lrd_mutex_fini(&cache->history_locks[i]);
  }
  cache->magic = 0;
  lrd_dealloc(cache);
}

static larder_err close_in_child(larder *cache) {
  lrd_ticker_abandon(cache->flusher);
  lrd_ticker_abandon(cache->keeper);
  lrd_tier_abandon(&cache->memory_tier);
  lrd_stats_abandon(cache->stats);
  lrd_makers_abandon(cache);
  cache_free(cache);
  return LARDER_OK;
}

/* What runs behind, and may hold values. */
static void quiet(larder *cache) {
  lrd_foretell_quiet(cache);
  lrd_refresh_quiet(cache);
  lrd_checkers_quiet(cache);
  lrd_makers_quiet(cache);
}

static void resume(larder *cache) {
  lrd_makers_resume(cache);
  lrd_checkers_resume(cache);
  lrd_refresh_resume(cache);
  lrd_foretell_resume(cache);
}

larder_err larder_close(larder **handle) {
  if (!handle || !*handle) {
    return LARDER_OK;
  }
  larder *cache = *handle;
  LRD_ASSERT(cache->magic == CACHE_MAGIC);
  bool forked = atomic_load(&cache->forked);
  if (!forked) {
    quiet(cache);
    if (cache->flights && lrd_flights_any(cache->flights)) {
      resume(cache);
      return LARDER_EBUSY;
    }
  }
  for (size_t i = 0; i < cache->instances_len && !forked; i++) {
    if (atomic_load(&cache->instances[i].tier.handed_out) > 0) {
      resume(cache);
      return LARDER_EBUSY;
    }
  }
  *handle = NULL;
  if (forked) {
    return close_in_child(cache);
  }
  lrd_foretell_stop(cache);
  lrd_ticker_stop(cache->flusher);
  lrd_ticker_stop(cache->keeper);
  cache->keeper = cache->flusher = NULL; /* errands below wake nobody */
  larder_err result = cache->errands ? larder_flush(cache) : LARDER_OK;
  /* what is away was told as degraded when it was written, but for what is queued still */
  if (result == LARDER_EAWAY && !(cache->pending && lrd_pending_any(cache->pending))) {
    result = LARDER_OK;
  }
  if (cache->slots && cache->stats && cache->errands && !lrd_cache_onlooker(cache)) {
    lrd_keeper_count_replaced(cache);
    (void)lrd_care_fold_row(cache, lrd_slots_row(cache->slots));
  }
  list_remove(cache);
  for (size_t i = cache->instances_len; i-- > 0;) {
    lrd_instance *instance = &cache->instances[i];
    /* fails only with unreleased values */
    if (instance->tier.self) {
      (void)lrd_tier_close(&instance->tier);
    }
    if (instance->entered) {
      lrd_slots_tier_leave(cache->slots, instance->number);
    }
  }
  if (cache->memory_tier.self) {
    (void)lrd_tier_close(&cache->memory_tier);
  }
  lrd_stats_close(cache->stats);
  lrd_slots_close(cache->slots);
  cache_free(cache);
  return result;
}
