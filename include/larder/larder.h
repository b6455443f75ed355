/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Larder: a cache in tiers that keeps what was expensive to make.
 *
 * Open a cache, open a namespace, then get and put by handle. Handles may be used by any number of threads at once.
 * Processes that open the same root share one content; no call ever returns an older value than one that any process of
 * the host was shown or had acknowledged before it began (docs/promises.md).
 *
 * Terms: *fresh* is what has not reached its soft expiry; between soft and hard expiry an entry is *stale*, handed out
 * only to who allows it. A *tag* groups entries. A *stamp* orders the writes of a key.
 *
 * A tier that fails is worked around: a get then misses, a put answers LARDER_DEGRADED. No call fails for it.
 */
#ifndef LARDER_H
#define LARDER_H

#include <larder/error.h>
#include <larder/ext/tier.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LARDER_VERSION_STRING "0.1.0"

typedef struct larder larder;       /* a cache: a root, its tiers, its namespaces */
typedef struct larder_ns larder_ns; /* a namespace of an open cache; lives as long as the cache */

/* Levels of the log sink. */
typedef enum larder_log_level { LARDER_LOG_ERROR, LARDER_LOG_WARN, LARDER_LOG_INFO, LARDER_LOG_DEBUG } larder_log_level;

/* How a cache is opened. Zero is the default everywhere. All strings are copied. */
typedef struct larder_options {
  size_t size;             /* sizeof(larder_options) */
  const char *root;        /* folder; overrides the configuration's `root`. Made when absent, mode 0700 */
  const char *config_file; /* YAML; NULL: LARDER_CONFIG, ./larder.yaml, $XDG_CONFIG_HOME/larder/larder.yaml, else defaults */
  const char *config_text; /* YAML as text, instead of any file */
  void (*log)(void *context, int level, const char *id, const char *message); /* NULL: silent; must not call back */
  void *log_context;
  larder_log_level log_level;                /* the most talkative level that is wanted; default LARDER_LOG_ERROR */
  const larder_tier_ops *const *extra_tiers; /* tiers of your own, NULL-terminated; borrowed for the cache's lifetime */
  uint64_t memory_bytes_max;                 /* overrides memory.size_mb; 0: the configuration's (256 MiB) */
  bool read_config_only_given;               /* true: no search for a file; only config_file or config_text, else defaults */
} larder_options;

/*
 * Opens a cache. options may be NULL. Blocks on disk. On failure *out is untouched and err (may be NULL) says what to do:
 * LARDER_ECONFIG (the text of err holds FILE:LINE:COLUMN), LARDER_EACCES, LARDER_EUNSUPPORTED (the root lies on a network
 * file system), LARDER_EFORMAT (written by a newer Larder, or damaged where it can't be written), LARDER_ENOMEM, LARDER_EBUSY
 * (no free row for another process). A root that can't be written is opened to be read: changes then answer LARDER_EACCES.
 */
LARDER_API LARDER_MUST_CHECK larder_err larder_open(const larder_options *options, larder **out, larder_error *err);
/*
 * Flushes, closes, frees; *cache becomes NULL. No call may be under way. NULL is fine. LARDER_EBUSY, and still open, while
 * values from its tiers have not been released. In a forked child it only frees: the parent's files, locks and queues are
 * not touched. Else what the flush answered is returned, also LARDER_NOT_KEPT; LARDER_EAWAY when queued puts had no tier
 * to go to. The cache is closed all the same.
 */
LARDER_API larder_err larder_close(larder **cache);

/*
 * A namespace by name (1-128 bytes), with the policy that the configuration gives it, or the defaults. The same name
 * gives the same handle. LARDER_EINVAL for a bad name, LARDER_ECONFIG when its policy can't be carried out.
 */
LARDER_API LARDER_MUST_CHECK larder_err larder_ns_open(larder *cache, const char *name, larder_ns **out, larder_error *err);
LARDER_API const char *larder_ns_name(const larder_ns *ns);
/* Visits the names of all namespaces that are configured, open, or have entries on the root. False stops. */
LARDER_API LARDER_MUST_CHECK larder_err larder_ns_each(larder *cache, bool (*visit)(void *context, const char *name),
                                                       void *context);

/* --- one entry --------------------------------------------------------------------------------------------------- */

/* A value that get handed out: pinned in memory or owned, valid until larder_value_release, also when it is overwritten,
 * evicted or expired meanwhile. */
typedef struct larder_value {
  const void *data;
  size_t len;
  bool stale;       /* past its soft expiry; only with allow_stale */
  const char *tier; /* where it was found, a static string: "memory", "sqlite", … */
  void *pin[3];     /* private */
} larder_value;

typedef struct larder_get_options {
  size_t size;
  bool fresh;       /* bypass what is kept: always LARDER_MISS, counted as such, so that the caller makes it anew */
  bool allow_stale; /* also hand out what is between soft and hard expiry, if only to be found unchanged by its maker */
} larder_get_options;

/*
 * LARDER_OK and *out to release, LARDER_MISS, or LARDER_EINVAL, LARDER_ENOMEM, LARDER_EFORKED. LARDER_EKEY: it is there,
 * sealed with a key that is not. LARDER_EFORMAT: it is there, in a form that only a newer Larder knows. options may be NULL.
 */
LARDER_API LARDER_MUST_CHECK larder_err larder_get(larder_ns *ns, const void *key, size_t key_len,
                                                   const larder_get_options *options, larder_value *out);
/* Accepts a zeroed value; leaves it zeroed. */
LARDER_API void larder_value_release(larder_value *value);
/* The facts of a value in hand; borrowed until it is released. */
LARDER_API LARDER_MUST_CHECK larder_err larder_value_facts(const larder_value *value, larder_facts *out);

/* Copies the value into room bytes at out; *len_out is its full length also when LARDER_ETOOBIG says that room was short. */
LARDER_API LARDER_MUST_CHECK larder_err larder_get_into(larder_ns *ns, const void *key, size_t key_len, void *out, size_t room,
                                                        size_t *len_out);

#define LARDER_TTL_NEVER INT64_MAX

typedef struct larder_put_options {
  size_t size;
  int64_t ttl_ms;      /* 0: the namespace's; LARDER_TTL_NEVER: none */
  int64_t stale_ms;    /* how long it may still be served stale after that; 0: the namespace's; -1: not at all */
  larder_kind kind;    /* LARDER_KIND_BYTES: the namespace's, unless kind_given */
  const char *version; /* NUL-terminated, at most LARDER_VERSION_MAX; NULL: none */
  const void *meta;    /* at most LARDER_META_MAX bytes */
  size_t meta_len;
  const char *const *tags; /* tags_count strings; at most LARDER_TAGS_MAX of LARDER_TAG_MAX bytes */
  size_t tags_count;
  uint64_t only_stamp;    /* not 0: only over an entry with exactly this stamp, else LARDER_OLDER (compare-and-put) */
  int64_t fresh_until_ms; /* not 0: a wall time, exactly, instead of ttl_ms */
  int64_t keep_until_ms;  /* with fresh_until_ms: how long it may be served stale; below it: not at all */
  bool kind_given;        /* kind is meant as it stands, also when it is LARDER_KIND_BYTES */
  int64_t modified_ms;    /* wall time at which the source says that the value was changed; 0: not known */
} larder_put_options;

/*
 * Stores a value. LARDER_OK when it is kept as durably as the namespace promises; LARDER_DEGRADED when a tier that should
 * have it can't at the moment (an older value there will not be served); LARDER_NOT_KEPT when it is above max_entry or
 * no tier has room; LARDER_OLDER with only_stamp; LARDER_EBUSY when another process holds the key's slot for longer than
 * the bounded wait; LARDER_EFORMAT, and nothing is changed, when a value of kind json, array, model or wisdom is not whole:
 * larder_kind_check (<larder/kind.h>) says why. options may be NULL.
 */
LARDER_API LARDER_MUST_CHECK larder_err larder_put(larder_ns *ns, const void *key, size_t key_len, const void *value,
                                                   size_t len, const larder_put_options *options);
/* LARDER_OK when something was there, LARDER_MISS when not; nothing stale is served afterwards. Else as put. */
LARDER_API LARDER_MUST_CHECK larder_err larder_delete(larder_ns *ns, const void *key, size_t key_len);
/* Makes it stale now: a plain get misses, allow_stale still sees it until its hard expiry. */
LARDER_API LARDER_MUST_CHECK larder_err larder_expire(larder_ns *ns, const void *key, size_t key_len);
/* A new lifetime from now; 0 the namespace's. LARDER_MISS when there is no fresh entry. */
LARDER_API LARDER_MUST_CHECK larder_err larder_touch(larder_ns *ns, const void *key, size_t key_len, int64_t ttl_ms);
/* LARDER_OK for a fresh entry, or LARDER_MISS. Counts as no access. */
LARDER_API LARDER_MUST_CHECK larder_err larder_exists(larder_ns *ns, const void *key, size_t key_len);

/* The facts of an entry without its value, stale ones included. Release with larder_stat_free. */
typedef struct larder_stat {
  larder_facts facts;
  uint64_t stored_len; /* of the value in that tier: compressed and sealed, where it is */
  const char *tier;    /* the uppermost that has it */
  bool stale;
  void *own; /* private */
} larder_stat;
LARDER_API LARDER_MUST_CHECK larder_err larder_stat_get(larder_ns *ns, const void *key, size_t key_len, larder_stat *out);
LARDER_API void larder_stat_free(larder_stat *stat);

/* --- many entries ------------------------------------------------------------------------------------------------- */

typedef struct larder_item {
  const void *key;
  size_t key_len;
  const void *value; /* put_many */
  size_t value_len;
  const larder_put_options *options; /* put_many; may be NULL */
  larder_value found;                /* get_many: out; release each that is LARDER_OK */
  larder_err result;                 /* out */
} larder_item;

/* Each item has its own result; the return value is LARDER_OK unless the call as a whole was refused. */
LARDER_API LARDER_MUST_CHECK larder_err larder_get_many(larder_ns *ns, larder_item *items, size_t count,
                                                        const larder_get_options *options);
LARDER_API LARDER_MUST_CHECK larder_err larder_put_many(larder_ns *ns, larder_item *items, size_t count);
LARDER_API LARDER_MUST_CHECK larder_err larder_delete_many(larder_ns *ns, larder_item *items, size_t count);

/* What a bulk operation speaks of. Empty: everything in the namespace. All given conditions must hold. */
typedef struct larder_match {
  size_t size;
  const void *prefix; /* keys that begin with it */
  size_t prefix_len;
  const char *glob;  /* keys that match: * ? [a-z] and backslash */
  const char *tag;   /* entries with this tag */
  int64_t before_ms; /* entries written before this wall time; 0: any */
  bool expired_only; /* entries past their soft expiry */
  bool stale_too;    /* listing: also entries past their soft expiry (expired_only implies it) */
  int64_t unused_ms; /* entries neither written nor, as far as has been noted, read since this wall time; 0: any */
  bool absent_too;   /* listing: also that a maker said that there is none, as an entry of LARDER_KIND_ABSENT */
} larder_match;

/* One listed entry, borrowed during the visit. value is NULL unless asked for. */
typedef struct larder_listed {
  const void *key;
  size_t key_len;
  const larder_facts *facts;
  const void *value;
  const char *tier;
  uint64_t stored_len; /* of the value in that tier: compressed and sealed, where it is */
} larder_listed;

/* Where a listing stands: text, so that it can be kept over processes and restarts. Zero-initialise to begin. */
typedef struct larder_cursor {
  char at[96];
} larder_cursor;

/*
 * Visits entries, at most `limit` (0: all), in no order that means anything; no entry that is there throughout is left
 * out, one that changes meanwhile may be seen twice. match may be NULL. cursor may be NULL for one go; else it is moved on
 * and LARDER_END says that there is no more. The visit must not call back into the cache; false stops after it.
 */
LARDER_API LARDER_MUST_CHECK larder_err larder_list(larder_ns *ns, const larder_match *match, bool values, uint64_t limit,
                                                    larder_cursor *cursor,
                                                    bool (*visit)(void *context, const larder_listed *entry), void *context);
/* What a bulk change did. */
typedef struct larder_bulk {
  uint64_t entries; /* done: nobody is served them any more, and a tier that is away forgets them when it is back */
  uint64_t bytes;   /* keys and values */
  uint64_t failed;  /* left, because a slot or a tier was not to be had */
} larder_bulk;
/* Deletes, or expires, what matches. out may be NULL. */
LARDER_API LARDER_MUST_CHECK larder_err larder_delete_matching(larder_ns *ns, const larder_match *match, larder_bulk *out);
LARDER_API LARDER_MUST_CHECK larder_err larder_expire_matching(larder_ns *ns, const larder_match *match, larder_bulk *out);
LARDER_API LARDER_MUST_CHECK larder_err larder_clear(larder_ns *ns, larder_bulk *out);
LARDER_API LARDER_MUST_CHECK larder_err larder_clear_all(larder *cache, larder_bulk *out);

/* --- care --------------------------------------------------------------------------------------------------------- */

/*
 * Everything acknowledged is as durable as its tiers can make it. Blocks on disk. LARDER_NOT_KEPT: something that was queued
 * (`behind`) had to be given up, since the tier had lost what was newer: its database was damaged, or it had so many deletes
 * to remember that it forgot some. What a limit of the tier did not let in is no such case: it has been evicted.
 */
LARDER_API LARDER_MUST_CHECK larder_err larder_flush(larder *cache);
/* Removes what is expired and over the limits, in all tiers, now (a background thread does it each sweep_interval). */
LARDER_API LARDER_MUST_CHECK larder_err larder_sweep(larder *cache, larder_bulk *out);

/* One finding of larder_validate, borrowed during the visit; key is NULL when it is not about one entry. */
typedef struct larder_finding {
  const char *tier;
  const char *ns;
  const void *key;
  size_t key_len;
  const char *sentence;
} larder_finding;
/* What larder_validate found, in all tiers together. */
typedef struct larder_validation {
  uint64_t examined;
  uint64_t damaged;  /* a checksum, a shape or a reference is wrong, or what is compressed or sealed does not open */
  uint64_t repaired; /* of these, removed or mended */
  uint64_t orphans;  /* files nobody refers to */
  uint64_t locked;   /* sealed with a key that is not here, or of a newer Larder: whole as stored, not opened, never removed */
  uint64_t entries;  /* of those examined in shared tiers, the values of namespaces that are whole as stored */
  uint64_t absences; /* likewise, what makers said is not there. The others are traces of deletes and the cache's own records */
} larder_validation;
/*
 * Reads and verifies everything kept, value by value. With repair, removes what is damaged and orphaned. ns: findings of others
 * are not told; NULL: of every namespace. The counts are of all.
 */
LARDER_API LARDER_MUST_CHECK larder_err larder_validate(larder *cache, larder_ns *ns, bool repair, larder_validation *out,
                                                        void (*finding)(void *context, const larder_finding *finding),
                                                        void *context);

/* A tier of the cache as it stands. */
typedef struct larder_tier_state {
  const char *name;        /* "memory", "sqlite", "sqlite:cold.db" when a chain has two */
  const char *state;       /* "closed" (works), "open" (switched off), "half-open" (being tried), "distrusted" */
  uint64_t failures;       /* in a row */
  larder_tier_usage usage; /* of ns, or of the whole tier */
  bool usage_known;
} larder_tier_state;
/* ns NULL: all tiers of the cache. The visit must not call back. */
LARDER_API LARDER_MUST_CHECK larder_err larder_tiers(larder *cache, larder_ns *ns,
                                                     bool (*visit)(void *context, const larder_tier_state *tier),
                                                     void *context);

/* The policy of a namespace as it is in force. Strings live as long as the cache. */
typedef struct larder_policy {
  int64_t ttl_ms; /* LARDER_TTL_NEVER: none */
  int64_t stale_ms;
  uint64_t max_entry_bytes;
  larder_durability durability;
  const char *tiers;         /* "memory sqlite" */
  const char *memory_policy; /* "s3-fifo" */
  larder_kind kind;          /* of puts that name none */
  const char *compression;   /* "zlib", "zstd", "lz4"; NULL: none */
  const char *seal;          /* "aes-256-gcm", "fernet"; NULL: none */
  const char *seal_fields;   /* names of the members that are sealed, each with a line break behind it; NULL: whole values */
  const char *version;       /* what is written under another one is stale; NULL: none */
  uint64_t keep_versions;    /* former values of an entry that are kept (<larder/versions.h>) */
  bool checked;              /* it has a `health.check` (<larder/health.h>) */
} larder_policy;
LARDER_API void larder_ns_policy(const larder_ns *ns, larder_policy *out);
/* The root's absolute path, or NULL for a cache without one. */
LARDER_API const char *larder_root(const larder *cache);

/* --- keys ---------------------------------------------------------------------------------------------------------- */

typedef struct larder_param {
  const char *name;
  const char *value;
} larder_param;

/*
 * Deterministic keys from named parameters, sorted by name (then value). Written to out with a NUL; *len_out without it.
 * LARDER_ETOOBIG when room (at least 256) is short.
 * endpoint: `endpoint|k=v&k=v`; above 200 characters the first 167, `#` and 32 hex digits of the SHA-256 of the whole.
 * source: `source:k=v&k=v`; above 200 characters the source (cut at 160), `:` and 16 hex digits of the SHA-256.
 * In names and values `%`, `&`, `=`, `|` and control characters are percent-encoded, so that no two sets share a key.
 */
LARDER_API LARDER_MUST_CHECK larder_err larder_key_for_endpoint(const char *endpoint, const larder_param *params, size_t count,
                                                                char *out, size_t room, size_t *len_out);
LARDER_API LARDER_MUST_CHECK larder_err larder_key_for_source(const char *source, const larder_param *params, size_t count,
                                                              char *out, size_t room, size_t *len_out);

#ifdef __cplusplus
}
#endif
#endif
