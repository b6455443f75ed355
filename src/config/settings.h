/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the sections of the file hold once read: one struct per scope of the option table (options.h), which says by
 * offset where each value goes. lrd_config is built from these; `show` prints them.
 */
#ifndef LRD_CONFIG_SETTINGS_H
#define LRD_CONFIG_SETTINGS_H

#include "config/configuration.h"
#include "config/mistakes.h"

typedef struct lrd_settings_memory {
  bool enable;
  uint64_t bytes_max;
  uint64_t entries_max;
  uint32_t policy; /* choices are kept as their number in the row's list */
} lrd_settings_memory;

typedef struct lrd_settings_sqlite {
  bool enable;
  const char *path;
  uint64_t bytes_max;
  uint64_t entries_max;
  uint64_t mmap_bytes;
  uint64_t blob_bytes_min;
  uint64_t wal_bytes_max;
  uint64_t readers_max;
  int64_t busy_ms;
} lrd_settings_sqlite;

typedef struct lrd_settings_files {
  bool enable;
  const char *path;
  uint64_t bytes_max;
  uint64_t entries_max;
  uint32_t verify;
  uint64_t shard;
  uint64_t mmap_bytes_min;
} lrd_settings_files;

/* A tier of the application's own, named in a chain. */
typedef struct lrd_settings_extra {
  const char *path;
  uint64_t bytes_max;
  uint64_t entries_max;
  const char *options; /* `name=value` lines */
} lrd_settings_extra;

typedef struct lrd_settings_compression {
  bool enable;
  uint32_t codec;
  uint64_t threshold_bytes;
  uint64_t level;
  bool shuffle;
} lrd_settings_compression;

typedef struct lrd_settings_seal {
  uint32_t algorithm;
  const char *fields; /* names, each with a line break behind it; NULL: whole values */
} lrd_settings_seal;

typedef struct lrd_settings_redis {
  bool enable;
  const char *host;
  uint64_t port;
  uint64_t db;
  const char *username;
  const char *password;
  int64_t ttl_default_ms;
  bool cluster;
  bool tls;
} lrd_settings_redis;

typedef struct lrd_settings_breaker {
  uint64_t failures;
  int64_t retry_ms;
} lrd_settings_breaker;

typedef struct lrd_settings_prefetch {
  bool enable;
  double nearby_radius_miles;
  uint64_t max_parallel_requests;
  double min_probability;
  uint64_t queue_max;
  int64_t max_age_ms;
  double fill_max;
} lrd_settings_prefetch;

typedef struct lrd_settings_monitoring {
  bool enable;
  bool log_cache_hits;
  double alert_on_low_hit_rate;
  double alert_on_high_latency_ms;
  double alert_on_high_eviction_rate;
} lrd_settings_monitoring;

typedef struct lrd_settings_limit {
  uint64_t bytes_max;
  uint64_t entries_max;
} lrd_settings_limit;

typedef struct lrd_settings_link {
  size_t instance; /* index into lrd_settings.instances */
  lrd_settings_limit limit;
} lrd_settings_link;

#define LRD_PROXY_NONE "none" /* as a file writes that there is no proxy, whatever the environment says */

typedef struct lrd_settings_maker {
  uint32_t type; /* lrd_maker_type */
  const char *http;
  const char *const *command; /* ended by NULL */
  const char *recipe;
  const char *callback;
  char separator;
  uint64_t parallel;
  double rate_per_s;
  double burst;
  int64_t soft_timeout_ms;
  int64_t hard_timeout_ms;
  uint64_t value_bytes_max;
  uint64_t retries;
  int64_t retry_delay_ms;
  const char *headers; /* `name=value` lines */
  const char *ca_file;
  const char *proxy; /* LRD_PROXY_NONE: none; NULL: as the environment says */
  int64_t connect_timeout_ms;
  int64_t attempt_timeout_ms;
  uint64_t redirects;
  double host_rate_per_s;
  bool cache_control;
  bool inherit_environment;
  const char *environment; /* `name=value` lines */
  const char *folder;
  uint64_t absent_exit;
  const char *const *variables; /* NAME=value, of those in its texts; ended by NULL. NULL: none was read */
} lrd_settings_maker;

typedef struct lrd_settings_nearby {
  const char *places;
  const char *key;
  const char *radius;
  uint64_t limit;
} lrd_settings_nearby;

typedef struct lrd_settings_predict {
  bool given; /* here, or among the defaults */
  bool enable;
  uint32_t chain;
  double min_probability;
  uint64_t top;
  double rate_per_s;
  uint64_t budget_bytes;
  double waste_max;
  uint64_t keys_max;
} lrd_settings_predict;

typedef struct lrd_settings_agent {
  bool given; /* here, or among the defaults */
  bool enable;
  uint32_t method;
  uint64_t seed;
  const char *file;
  double weights[LARDER_AGENT_EVENTS];
  double clip, epsilon, epsilon_last, margin;
  uint64_t epsilon_half, horizon, window, pause_most, keys_max;
} lrd_settings_agent;

typedef struct lrd_settings_check {
  uint32_t type; /* lrd_check_type */
  const char *http;
  const char *const *command; /* ended by NULL */
  char separator;
  uint32_t method;
  uint64_t redirects;
  const char *headers; /* `name=value` lines */
  const char *ca_file;
  const char *proxy;
  int64_t every_ms;
  double jitter;
  int64_t timeout_ms;
  uint64_t parallel;
  const char *const *variables; /* as a maker's */
} lrd_settings_check;

typedef struct lrd_settings_health {
  bool given;
  uint64_t failures;
  bool evict;
  int64_t decay_ms;
  int64_t retry_ms;
  int64_t retry_max_ms;
  lrd_settings_check check;
} lrd_settings_health;

/* `defaults`, or a namespace. */
typedef struct lrd_settings_policy {
  const char *name; /* NULL: the defaults */
  bool named_only;  /* from ttl_policies, without a section of its own */
  lrd_settings_link chain[LRD_CONFIG_CHAIN_MAX];
  size_t chain_len;
  int64_t ttl_ms;
  double jitter;
  int64_t stale_while_revalidate_ms;
  int64_t stale_if_error_ms;
  int64_t revalidate_ms;
  uint32_t durability;
  uint32_t kind;
  uint64_t max_entry_bytes;
  uint32_t memory_policy;
  const lrd_config_warm *warm; /* of this namespace alone: no default is inherited */
  size_t warm_len;
  lrd_settings_compression compression;
  lrd_settings_seal seal;
  lrd_settings_maker maker;
  int64_t negative_ttl_ms;
  int64_t error_ttl_ms;
  double early_refresh;
  const char *refresh; /* a schedule; NULL: none */
  lrd_settings_nearby nearby;
  lrd_config_import import;
  lrd_settings_predict predict;
  lrd_settings_agent agent;
  lrd_settings_health health;
  const char *version;
  uint64_t versions_max;
} lrd_settings_policy;

/* A tier that some chain names. */
typedef struct lrd_settings_instance {
  const char *type;
  const char *name;
  bool main;     /* the one that the section `memory`, `sqlite` or `files` describes */
  bool detailed; /* a chain gave more than type and path */
  lrd_place place;
  lrd_settings_sqlite sqlite;
  lrd_settings_files files;
  lrd_settings_extra extra;
} lrd_settings_instance;

typedef struct lrd_settings_cache {
  const char *root;
  uint32_t shared_filesystem;
  uint64_t slots;
  const char *key_file;
  bool graceful_mode;
  bool statistics;
  bool checksums;
  int64_t sweep_interval_ms;
  const char *secrets; /* a name a line */
  lrd_settings_memory memory;
  lrd_settings_sqlite sqlite;
  lrd_settings_files files;
  lrd_settings_compression compression;
  lrd_settings_redis redis;
  lrd_settings_breaker breaker;
  lrd_settings_prefetch prefetch;
  lrd_settings_monitoring monitoring;
  lrd_settings_policy defaults;
} lrd_settings_cache;

/* A text into which variables were put, and how the file has it: `show` never says what a variable holds. */
typedef struct lrd_settings_written lrd_settings_written;
struct lrd_settings_written {
  const char *text; /* as it is in the settings, which have this very pointer */
  const char *written;
  lrd_settings_written *next;
};

typedef struct lrd_settings {
  lrd_config_arena arena; /* holds all that lies below, and the lrd_config */
  lrd_settings_cache cache;
  bool root_given;  /* by the file or the caller */
  bool root_wanted; /* some chain has a tier on disk */
  bool redis_given; /* the file has a section for it */
  lrd_settings_instance *instances;
  size_t instances_len;
  size_t instances_cap;
  lrd_settings_policy *policies; /* namespaces, then bare ttl policies */
  size_t policies_len;
  lrd_settings_written *written;
} lrd_settings;

#endif
