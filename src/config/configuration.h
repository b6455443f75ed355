/* SPDX-License-Identifier: Apache-2.0 */
/*
 * YAML into a typed, validated configuration. One table (options.h) gives the parser, the defaults, the JSON Schema and
 * the reference page. The result is immutable; all strings belong to it.
 */
#ifndef LRD_CONFIG_CONFIGURATION_H
#define LRD_CONFIG_CONFIGURATION_H

#include "base/bytes.h"
#include <larder/agent.h>
#include <larder/ext/tier.h>

#define LRD_TTL_NEVER        INT64_MAX
#define LRD_CONFIG_CHAIN_MAX 8

/* An instance of a tier: two chains that name the same type and path share one. */
typedef struct lrd_config_tier {
  const char *type;     /* "memory", "sqlite", or the name of an extra tier */
  const char *name;     /* unique: the type, or `type:path` for further ones of that type */
  const char *path;     /* absolute, or NULL */
  uint64_t bytes_max;   /* 0: no limit of its own */
  uint64_t entries_max; /* 0: none */
  const char *options;  /* `name=value` lines for larder_tier_params.options, or NULL */
} lrd_config_tier;

typedef struct lrd_config_link {
  size_t tier;        /* index into lrd_config.tiers */
  uint64_t bytes_max; /* of the namespace in this tier; 0: only the tier's */
  uint64_t entries_max;
} lrd_config_link;

/* One entry of a namespace's `warm`. */
typedef struct lrd_config_warm {
  const char *recipe;
  const char *params;           /* `name=value` lines; several values are parted by commas */
  const char *const *variables; /* as a maker's */
  int line;                     /* where it stands in the file */
  int column;
} lrd_config_warm;

/* Numbers as the codec has them: codec 1 zlib, 2 zstd, 3 lz4; seal 0 none, 1 aes-256-gcm, 2 fernet. */
typedef struct lrd_config_coding {
  unsigned codec; /* 0: no compression */
  unsigned level;
  uint64_t threshold_bytes;
  bool shuffle;
  unsigned seal;
  const char *seal_fields; /* names, each with a line break behind it; NULL: whole values */
} lrd_config_coding;

/* `maker` of a namespace. */
typedef enum lrd_maker_type {
  LRD_MAKER_NONE,
  LRD_MAKER_HTTP,
  LRD_MAKER_COMMAND,
  LRD_MAKER_RECIPE,
  LRD_MAKER_CALLBACK
} lrd_maker_type;

typedef struct lrd_config_maker {
  lrd_maker_type type;
  const char *const *argv; /* COMMAND: templates, ended by NULL */
  const char *what;        /* HTTP: the URL's template; RECIPE, CALLBACK: the name */
  char separator;          /* between the parts of a key */
  uint64_t parallel;       /* makings at once, in this process */
  double rate_per_s;       /* 0: no limit */
  double burst;            /* how many may begin at once where there is a rate */
  int64_t soft_timeout_ms; /* 0: none */
  int64_t hard_timeout_ms; /* 0: none */
  uint64_t value_bytes_max;
  uint64_t retries; /* after the first attempt */
  int64_t retry_delay_ms;
  const char *const *variables; /* NAME=value of the environment, of those in its texts: no sentence shows the values. Ended by
                                   NULL; NULL: none */
  /* HTTP */
  const char *headers; /* `name=value` lines; values are secret */
  const char *ca_file; /* absolute; NULL: the system's */
  const char *proxy;   /* its URL; empty: none; NULL: as the environment says */
  int64_t connect_timeout_ms;
  int64_t attempt_timeout_ms; /* of one attempt as a whole */
  uint64_t redirects;
  double host_rate_per_s; /* for all namespaces together that ask one host; 0: no limit */
  bool cache_control;
  /* COMMAND */
  bool inherit_environment;
  const char *environment; /* `name=value` lines; values are secret */
  const char *folder;      /* absolute; NULL: the working directory */
  int absent_exit;         /* exit code that says there is no such thing; 0: none does */
} lrd_config_maker;

/* `nearby` of a namespace. */
typedef struct lrd_config_nearby {
  const char *places; /* absolute; NULL: nothing */
  const char *key;    /* made of a place's fields */
  const char *radius; /* as it is written; NULL: prefetch.nearby_radius_miles */
  uint64_t limit;
} lrd_config_nearby;

/* `import` of a namespace: which fields of a record hold what of an entry. Of each pair one at most is given. */
typedef struct lrd_config_import {
  bool given;            /* it stands in the file, and may say that there is nothing of the kind */
  const char *key_field; /* NULL: `key` */
  const char *key;       /* made of several */
  const char *value_field;
  bool value_row; /* the whole record */
  const char *ttl_field;
  const char *version_field;
  const char *tags_field;
  const char *const *variables; /* as a maker's */
} lrd_config_import;

/* `predict` of a namespace. */
typedef struct lrd_config_predict {
  bool enable;
  unsigned chain;         /* larder_predict_model */
  double min_probability; /* 0: prefetch.min_probability */
  uint64_t top;           /* wishes after a request */
  double rate_per_s;      /* of wishes; 0: no limit */
  uint64_t budget_bytes;  /* that stand unread */
  double waste_max;       /* part of the bytes beyond which it stops; 1: never */
  uint64_t keys_max;      /* that are known at a time */
} lrd_config_predict;

/* `agent` of a namespace. */
typedef struct lrd_config_agent {
  bool enable;
  unsigned method; /* larder_agent_method */
  uint64_t seed;
  const char *file; /* absolute; NULL: none */
  double weights[LARDER_AGENT_EVENTS];
  double clip, epsilon, epsilon_last, margin;
  uint32_t epsilon_half, window, pause_most;
  uint32_t horizon;  /* decisions; 0: by the entries that memory may have */
  uint32_t keys_max; /* entries that it keeps account of */
} lrd_config_agent;

/* `health.check` of a namespace. */
typedef enum lrd_check_type { LRD_CHECK_NONE, LRD_CHECK_HTTP, LRD_CHECK_COMMAND } lrd_check_type;

typedef struct lrd_config_check {
  lrd_check_type type;
  const char *url;              /* HTTP: template */
  const char *const *argv;      /* COMMAND: templates, ended by NULL */
  char separator;               /* between the parts of a key */
  bool get;                     /* HTTP: GET instead of HEAD */
  uint64_t redirects;           /* HTTP */
  const char *headers;          /* HTTP: `name=value` lines; values are secret */
  const char *ca_file;          /* HTTP: absolute; NULL: the system's */
  const char *proxy;            /* HTTP: as a maker's */
  int64_t every_ms;             /* how long a round over all entries takes */
  double jitter;                /* part of it by which a round may be shorter or longer */
  int64_t timeout_ms;           /* of one check */
  uint64_t parallel;            /* checks at once */
  const char *const *variables; /* as a maker's */
} lrd_config_check;

typedef struct lrd_config_health {
  bool given;        /* false: the defaults, for whoever reports all the same */
  uint64_t failures; /* in a row, from which an entry is unhealthy */
  bool evict;
  int64_t decay_ms; /* without a report; LRD_TTL_NEVER: never */
  int64_t retry_ms;
  int64_t retry_max_ms;
  lrd_config_check check;
} lrd_config_health;

typedef struct lrd_config_ns {
  const char *name;                            /* NULL in lrd_config.defaults */
  lrd_config_link chain[LRD_CONFIG_CHAIN_MAX]; /* uppermost first */
  size_t chain_len;
  int64_t ttl_ms; /* LRD_TTL_NEVER: none */
  int64_t stale_while_revalidate_ms;
  int64_t stale_if_error_ms;
  int64_t revalidate_ms; /* how long what was made with a version is kept to be found unchanged */
  double jitter;         /* part of ttl by which it may be shortened, 0 to 0.5 */
  larder_durability durability;
  uint64_t max_entry_bytes;
  const char *memory_policy; /* "s3-fifo", … */
  larder_kind kind;          /* the kind of puts that name none */
  const lrd_config_warm *warm;
  size_t warm_len;
  lrd_config_coding coding;
  lrd_config_maker maker;
  int64_t negative_ttl_ms; /* how long "there is none" is kept; 0: not at all */
  int64_t error_ttl_ms;    /* how long a failure is told instead of trying again; 0: not at all */
  double early_refresh;    /* XFetch's beta; 0: not before the lifetime's end */
  lrd_config_nearby nearby;
  lrd_config_import import;
  lrd_config_predict predict;
  lrd_config_agent agent;
  const char *refresh; /* when entries are made anew (base/schedule.h); NULL: only when somebody asks */
  lrd_config_health health;
  const char *version;   /* what is written under another one is stale; NULL: none */
  uint64_t versions_max; /* former values that are kept of an entry; 0: none */
} lrd_config_ns;

/* `prefetch`: what is made before somebody asks. */
typedef struct lrd_config_prefetch {
  bool enable;
  unsigned parallel; /* makings at once */
  size_t queue_max;
  int64_t max_age_ms; /* of a wish that says nothing else */
  double fill_max;    /* part of memory beyond which nothing is made ahead; 1: always */
  double nearby_radius_miles;
  double min_probability; /* of what is foretold */
} lrd_config_prefetch;

typedef struct lrd_config {
  const char *file;     /* where it came from, or NULL */
  const char *root;     /* absolute, or NULL: every chain is memory only */
  const char *key_file; /* absolute, or NULL */
  bool shared_filesystem_allow;
  uint64_t slots; /* of the coherence map, a power of two; default 2^21 */
  uint64_t memory_bytes_max;
  lrd_config_tier *tiers;
  size_t tiers_len;
  lrd_config_ns defaults;
  lrd_config_ns *namespaces;
  size_t namespaces_len;
  int64_t sweep_interval_ms;
  int64_t breaker_retry_ms;  /* open to half-open; default 5 s */
  uint32_t breaker_failures; /* closed to open; default 3 */
  bool graceful_mode;        /* false: open fails where a tier can't be opened, instead of going on without it */
  bool statistics;
  bool checksums; /* verify on load */
  bool log_cache_hits;
  lrd_config_prefetch prefetch;
  double alert_on_low_hit_rate; /* 0: no alert */
  double alert_on_high_latency_ms;
  double alert_on_high_eviction_rate; /* evictions a minute for want of room */
  const char *secrets;                /* names for base/redact.h beside the built-in ones, a name a line, or NULL */
  const char **notices;               /* worth a warning in the log, each a sentence with its FILE:LINE:COLUMN */
  size_t notices_len;
  void *own; /* config's own */
} lrd_config;

typedef struct lrd_config_source {
  const char *file;               /* exact file, or NULL */
  const char *text;               /* instead of a file, or NULL */
  bool search;                    /* with neither: look in the usual places */
  const char *root;               /* overrides `root`, or NULL */
  uint64_t memory_bytes_max;      /* overrides, 0: not */
  const char *const *extra_types; /* names of extra tiers, NULL-terminated, or NULL */
} lrd_config_source;

/* Own; LARDER_ECONFIG with the first mistake as FILE:LINE:COLUMN in err. */
LARDER_MUST_CHECK larder_err lrd_config_load(const lrd_config_source *source, lrd_config **out, larder_error *err);
void lrd_config_free(lrd_config *config);
/* The policy of a namespace: its own section, else a ttl policy of that name over the defaults. Borrowed. *scratch is
 * filled where no section exists. */
const lrd_config_ns *lrd_config_ns_find(const lrd_config *config, const char *name, lrd_config_ns *scratch);

#endif
