/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Source → text → tree → settings (config_look), then settings → lrd_config. The lrd_config lies in the settings' arena,
 * so freeing that frees all.
 */
#include "config/config_load.h"

#include "base/bytes.h"
#include "base/fail.h"
#include "base/fs.h"
#include "config/config_find.h"
#include "config/value_read.h"
#include <errno.h>
#include <stdio.h>

static larder_err no_memory(larder_error *err) { return lrd_fail(err, LARDER_ENOMEM, 0, "config", "out of memory"); }

void lrd_settings_free(lrd_settings *settings) {
  if (settings == NULL) return;
  lrd_config_arena_fini(&settings->arena);
  lrd_dealloc(settings);
}

void lrd_config_look_fini(lrd_config_look *look) {
  lrd_settings_free(look->settings);
  lrd_config_arena_fini(&look->scratch);
  *look = (lrd_config_look){0};
}

/* The text of the file, allocated; NULL when it is too long, which is a mistake like any other. */
static larder_err text_read(lrd_config_look *look, char **text_out, size_t *len_out, larder_error *err) {
  if (lrd_fs_slurp(look->file, LRD_YAML_BYTES_MAX, text_out, len_out) == 0) return LARDER_OK;
  int os_errno = errno;
  if (os_errno == EFBIG) {
    lrd_mistake_add(&look->mistakes, (lrd_place){1, 1}, "found more than 1 MiB; expected at most 1 MiB");
    return LARDER_OK;
  }
  if (os_errno == ENOMEM) return no_memory(err);
  if (os_errno == ENOENT || os_errno == ENOTDIR)
    return lrd_fail(err, LARDER_ECONFIG, os_errno, "config", "%s: there is no such file; give the right path or make it",
                    look->file);
  if (os_errno == EISDIR)
    return lrd_fail(err, LARDER_ECONFIG, os_errno, "config", "%s: this is a folder; give the path of a file", look->file);
  return lrd_fail(err, lrd_err_from_errno(os_errno), os_errno, "config", "%s cannot be read; check its permissions",
                  look->file);
}

/* What only the whole shows: a root for those who need one. */
static void root_check(lrd_reader *reader) {
  lrd_settings *settings = reader->settings;
  if (settings->root_wanted && settings->cache.root == NULL)
    lrd_mistake_add(reader->mistakes, (lrd_place){1, 1},
                    "cache.root: found neither root nor HOME nor XDG_CACHE_HOME; expected a folder for what is kept on disk");
  if (settings->root_given && settings->cache.root != NULL && settings->cache.root[0] != '/')
    lrd_mistake_add(reader->mistakes, (lrd_place){1, 1},
                    "cache.root: found a relative path and no working directory; expected an absolute one");
  if (!settings->root_wanted && !settings->root_given) settings->cache.root = NULL;
}

static larder_err settings_fill(lrd_config_look *look, const lrd_config_source *source, const char *text, size_t len,
                                larder_error *err) {
  lrd_reader reader = {.settings = look->settings, .mistakes = &look->mistakes, .extra_types = source->extra_types};
  lrd_yaml_node *root = NULL;
  if (text != NULL && lrd_yaml_parse(text, len, &look->mistakes, &root) != LARDER_OK) return no_memory(err);
  bool unread = text != NULL && look->mistakes.count > 0;
  reader.folder = lrd_config_folder(&look->settings->arena, look->file, &reader.out_of_memory);
  if (source->root != NULL) {
    const char *cwd = lrd_config_folder(&look->settings->arena, NULL, &reader.out_of_memory);
    reader.root_override = lrd_config_path(&reader, cwd, source->root);
    if (reader.out_of_memory) return no_memory(err);
    if (reader.root_override[0] != '/')
      return lrd_fail(err, LARDER_EINVAL, 0, "config",
                      "the root %s is relative and there is no working directory; give an absolute one", source->root);
  }
  if (!unread) lrd_settings_read(&reader, root, text != NULL);
  if (!unread && look->mistakes.count == 0) root_check(&reader);
  return reader.out_of_memory || look->mistakes.out_of_memory ? no_memory(err) : LARDER_OK;
}

larder_err lrd_config_look_at(const lrd_config_source *source, lrd_config_look *look, larder_error *err) {
  *look = (lrd_config_look){0};
  lrd_mistakes_init(&look->mistakes, &look->scratch);
  char *slurped = NULL;
  const char *text = source->text;
  size_t len = text == NULL ? 0 : strlen(text);
  larder_err result = LARDER_OK;
  look->settings = lrd_alloc_zero(1, sizeof *look->settings);
  if (look->settings == NULL) return no_memory(err);
  if (text == NULL) {
    result = lrd_config_find(&look->settings->arena, source->file, source->search, &look->file, err);
    if (result == LARDER_OK) result = text_read(look, &slurped, &len, err);
    if (result == LARDER_MISS) result = LARDER_OK;
    text = slurped;
  }
  bool too_long = look->file != NULL && text == NULL;
  if (result == LARDER_OK && !too_long) result = settings_fill(look, source, text, len, err);
  lrd_dealloc(slurped);
  if (result != LARDER_OK) lrd_config_look_fini(look);
  return result;
}

/* --- into lrd_config ------------------------------------------------------------------------------------------------ */

static const char *proxy_of(const char *text) { return text != NULL && strcmp(text, LRD_PROXY_NONE) == 0 ? "" : text; }

static lrd_config_maker maker_of(const lrd_settings_maker *maker) {
  return (lrd_config_maker){.type = (lrd_maker_type)maker->type,
                            .argv = maker->command,
                            .what = maker->http != NULL     ? maker->http
                                    : maker->recipe != NULL ? maker->recipe
                                                            : maker->callback,
                            .separator = maker->separator,
                            .parallel = maker->parallel,
                            .rate_per_s = maker->rate_per_s,
                            .burst = maker->burst,
                            .soft_timeout_ms = maker->soft_timeout_ms,
                            .hard_timeout_ms = maker->hard_timeout_ms,
                            .value_bytes_max = maker->value_bytes_max,
                            .retries = maker->retries,
                            .retry_delay_ms = maker->retry_delay_ms,
                            .headers = maker->headers,
                            .ca_file = maker->ca_file,
                            .proxy = proxy_of(maker->proxy),
                            .connect_timeout_ms = maker->connect_timeout_ms,
                            .attempt_timeout_ms = maker->attempt_timeout_ms,
                            .redirects = maker->redirects,
                            .host_rate_per_s = maker->host_rate_per_s,
                            .cache_control = maker->cache_control,
                            .inherit_environment = maker->inherit_environment,
                            .environment = maker->environment,
                            .folder = maker->folder,
                            .absent_exit = (int)maker->absent_exit,
                            .variables = maker->variables};
}

static lrd_config_health health_of(const lrd_settings_health *health) {
  const lrd_settings_check *check = &health->check;
  return (lrd_config_health){.given = health->given,
                             .failures = health->failures,
                             .evict = health->evict,
                             .decay_ms = health->decay_ms,
                             .retry_ms = health->retry_ms,
                             .retry_max_ms = health->retry_max_ms,
                             .check = {.type = (lrd_check_type)check->type,
                                       .url = check->http,
                                       .argv = check->command,
                                       .separator = check->separator,
                                       .get = check->method == 1,
                                       .redirects = check->redirects,
                                       .headers = check->headers,
                                       .ca_file = check->ca_file,
                                       .proxy = proxy_of(check->proxy),
                                       .every_ms = check->every_ms,
                                       .jitter = check->jitter,
                                       .timeout_ms = check->timeout_ms,
                                       .parallel = check->parallel,
                                       .variables = check->variables}};
}

static lrd_config_agent agent_of(const lrd_settings_agent *agent) {
  lrd_config_agent out = {.enable = agent->enable,
                          .method = agent->method,
                          .seed = agent->seed,
                          .file = agent->file,
                          .clip = agent->clip,
                          .epsilon = agent->epsilon,
                          .epsilon_last = agent->epsilon_last,
                          .margin = agent->margin,
                          .epsilon_half = (uint32_t)agent->epsilon_half,
                          .window = (uint32_t)agent->window,
                          .pause_most = (uint32_t)agent->pause_most,
                          .horizon = (uint32_t)agent->horizon,
                          .keys_max = (uint32_t)agent->keys_max};
  memcpy(out.weights, agent->weights, sizeof out.weights);
  return out;
}

static bool ns_fill(lrd_config_ns *ns, const lrd_settings_policy *policy, lrd_config_arena *arena) {
  char name[32];
  lrd_option_choice(lrd_option_find(LRD_SCOPE_POLICY, "policy"), policy->memory_policy, name);
  *ns = (lrd_config_ns){
      .name = policy->name,
      .chain_len = policy->chain_len,
      .ttl_ms = policy->ttl_ms,
      .stale_while_revalidate_ms = policy->stale_while_revalidate_ms,
      .stale_if_error_ms = policy->stale_if_error_ms,
      .revalidate_ms = policy->revalidate_ms,
      .jitter = policy->jitter,
      .durability = (larder_durability)policy->durability,
      .max_entry_bytes = policy->max_entry_bytes,
      .memory_policy = lrd_config_arena_copy(arena, name, strlen(name)),
      .kind = (larder_kind)policy->kind,
      .warm = policy->warm,
      .warm_len = policy->warm_len,
      .maker = maker_of(&policy->maker),
      .negative_ttl_ms = policy->negative_ttl_ms,
      .error_ttl_ms = policy->error_ttl_ms,
      .early_refresh = policy->early_refresh,
      .refresh = policy->refresh,
      .nearby = {.places = policy->nearby.places,
                 .key = policy->nearby.key,
                 .radius = policy->nearby.radius,
                 .limit = policy->nearby.limit},
      .import = policy->import,
      .predict = {.enable = policy->predict.enable,
                  .chain = policy->predict.chain,
                  .min_probability = policy->predict.min_probability,
                  .top = policy->predict.top,
                  .rate_per_s = policy->predict.rate_per_s,
                  .budget_bytes = policy->predict.budget_bytes,
                  .waste_max = policy->predict.waste_max,
                  .keys_max = policy->predict.keys_max},
      .agent = agent_of(&policy->agent),
      .health = health_of(&policy->health),
      .version = policy->version,
      .versions_max = policy->versions_max,
      .coding = {.codec = policy->compression.enable ? policy->compression.codec + 1 : 0,
                 .level = (unsigned)policy->compression.level,
                 .threshold_bytes = policy->compression.threshold_bytes,
                 .shuffle = policy->compression.shuffle,
                 .seal = policy->seal.algorithm,
                 .seal_fields = policy->seal.fields != NULL && policy->seal.fields[0] != '\0' ? policy->seal.fields : NULL}};
  for (size_t i = 0; i < policy->chain_len; i++)
    ns->chain[i] = (lrd_config_link){.tier = policy->chain[i].instance,
                                     .bytes_max = policy->chain[i].limit.bytes_max,
                                     .entries_max = policy->chain[i].limit.entries_max};
  return ns->memory_policy != NULL;
}

/* By the names of tier/sqlite. Writes are refused at four times the size at which the log is restarted. */
static const char *sqlite_options(lrd_config_arena *arena, const lrd_settings_sqlite *sqlite, bool checksums) {
  return lrd_config_arena_printf(arena,
                                 "mmap_bytes=%llu\nblob_bytes_min=%llu\nwal_bytes_max=%llu\nwal_bytes_hard=%llu\n"
                                 "readers_max=%llu\nbusy_ms=%lld\nchecksums=%d\n",
                                 (unsigned long long)sqlite->mmap_bytes, (unsigned long long)sqlite->blob_bytes_min,
                                 (unsigned long long)sqlite->wal_bytes_max, (unsigned long long)sqlite->wal_bytes_max * 4,
                                 (unsigned long long)sqlite->readers_max, (long long)sqlite->busy_ms, checksums);
}

/* By the names of tier/files. */
static const char *files_options(lrd_config_arena *arena, const lrd_settings_files *files) {
  return lrd_config_arena_printf(arena, "mmap_bytes_min=%llu\nverify_sha256=%d\nshard=%llu\n",
                                 (unsigned long long)files->mmap_bytes_min, files->verify == 1,
                                 (unsigned long long)files->shard);
}

static bool tiers_fill(lrd_config *config, lrd_settings *settings) {
  config->tiers_len = settings->instances_len;
  config->tiers = lrd_config_arena_alloc(&settings->arena, (settings->instances_len + 1) * sizeof *config->tiers);
  if (config->tiers == NULL) return false;
  for (size_t i = 0; i < settings->instances_len; i++) {
    const lrd_settings_instance *one = &settings->instances[i];
    lrd_config_tier *tier = &config->tiers[i];
    *tier = (lrd_config_tier){.type = one->type, .name = one->name};
    if (strcmp(one->type, "memory") == 0) {
      tier->bytes_max = config->memory_bytes_max;
      tier->entries_max = settings->cache.memory.entries_max;
    } else if (strcmp(one->type, "sqlite") == 0) {
      const lrd_settings_sqlite *sqlite = &one->sqlite;
      tier->path = sqlite->path;
      tier->bytes_max = sqlite->bytes_max;
      tier->entries_max = sqlite->entries_max;
      tier->options = sqlite_options(&settings->arena, sqlite, settings->cache.checksums);
      if (tier->options == NULL) return false;
    } else if (strcmp(one->type, "files") == 0) {
      const lrd_settings_files *files = &one->files;
      tier->path = files->path;
      tier->bytes_max = files->bytes_max;
      tier->entries_max = files->entries_max;
      tier->options = files_options(&settings->arena, files);
      if (tier->options == NULL) return false;
    } else {
      tier->path = one->extra.path;
      tier->bytes_max = one->extra.bytes_max;
      tier->entries_max = one->extra.entries_max;
      tier->options = one->extra.options;
    }
  }
  return true;
}

static bool notices_fill(lrd_config *config, const lrd_config_look *look) {
  lrd_config_arena *arena = &look->settings->arena;
  config->notices = lrd_config_arena_alloc(arena, (look->mistakes.notice_count + 1) * sizeof *config->notices);
  if (config->notices == NULL) return false;
  for (const lrd_mistake *one = look->mistakes.first_notice; one != NULL; one = one->next) {
    const char *text = lrd_config_arena_printf(arena, "%s:%d:%d: %s", look->file == NULL ? "configuration" : look->file,
                                               one->place.line, one->place.column, one->message);
    if (text == NULL) return false;
    config->notices[config->notices_len++] = text;
  }
  return true;
}

static lrd_config *config_make(lrd_config_look *look, const lrd_config_source *source) {
  lrd_settings *settings = look->settings;
  const lrd_settings_cache *cache = &settings->cache;
  lrd_config_arena *arena = &settings->arena;
  lrd_config *config = lrd_config_arena_alloc(arena, sizeof *config);
  if (config == NULL) return NULL;
  *config = (lrd_config){.file = look->file,
                         .root = cache->root,
                         .key_file = cache->key_file,
                         .shared_filesystem_allow = cache->shared_filesystem == 1,
                         .slots = cache->slots,
                         .memory_bytes_max = source->memory_bytes_max != 0 ? source->memory_bytes_max : cache->memory.bytes_max,
                         .sweep_interval_ms = cache->sweep_interval_ms,
                         .breaker_retry_ms = cache->breaker.retry_ms,
                         .breaker_failures = (uint32_t)cache->breaker.failures,
                         .graceful_mode = cache->graceful_mode,
                         .statistics = cache->statistics,
                         .checksums = cache->checksums,
                         .secrets = cache->secrets,
                         .prefetch = {.enable = cache->prefetch.enable,
                                      .parallel = (unsigned)cache->prefetch.max_parallel_requests,
                                      .queue_max = (size_t)cache->prefetch.queue_max,
                                      .max_age_ms = cache->prefetch.max_age_ms,
                                      .fill_max = cache->prefetch.fill_max,
                                      .nearby_radius_miles = cache->prefetch.nearby_radius_miles,
                                      .min_probability = cache->prefetch.min_probability},
                         .own = settings};
  if (cache->monitoring.enable) {
    config->log_cache_hits = cache->monitoring.log_cache_hits;
    config->alert_on_low_hit_rate = cache->monitoring.alert_on_low_hit_rate;
    config->alert_on_high_latency_ms = cache->monitoring.alert_on_high_latency_ms;
    config->alert_on_high_eviction_rate = cache->monitoring.alert_on_high_eviction_rate;
  }
  config->namespaces = lrd_config_arena_alloc(arena, (settings->policies_len + 1) * sizeof *config->namespaces);
  if (config->namespaces == NULL || !tiers_fill(config, settings) || !notices_fill(config, look)) return NULL;
  if (!ns_fill(&config->defaults, &cache->defaults, arena)) return NULL;
  for (size_t i = 0; i < settings->policies_len; i++)
    if (!ns_fill(&config->namespaces[config->namespaces_len++], &settings->policies[i], arena)) return NULL;
  return config;
}

larder_err lrd_config_load(const lrd_config_source *source, lrd_config **out, larder_error *err) {
  lrd_config_look look;
  larder_err result = lrd_config_look_at(source, &look, err);
  if (result != LARDER_OK) return result;
  const lrd_mistake *first = look.mistakes.first;
  if (first != NULL) {
    char more[64] = "";
    if (look.mistakes.count > 1) snprintf(more, sizeof more, " (and %zu more)", look.mistakes.count - 1);
    result = lrd_fail(err, LARDER_ECONFIG, 0, "config", "%s:%d:%d: %s%s", look.file == NULL ? "configuration" : look.file,
                      first->place.line, first->place.column, first->message, more);
  } else {
    *out = config_make(&look, source);
    if (*out == NULL)
      result = no_memory(err);
    else
      look.settings = NULL; /* the configuration has it now */
  }
  lrd_config_look_fini(&look);
  return result;
}

void lrd_config_free(lrd_config *config) {
  if (config != NULL) lrd_settings_free(config->own);
}

const lrd_config_ns *lrd_config_ns_find(const lrd_config *config, const char *name, lrd_config_ns *scratch) {
  for (size_t i = 0; i < config->namespaces_len; i++)
    if (strcmp(config->namespaces[i].name, name) == 0) return &config->namespaces[i];
  *scratch = config->defaults;
  scratch->name = name;
  return scratch;
}
