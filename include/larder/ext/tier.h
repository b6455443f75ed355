/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tier contract: a place that keeps entries. Implement `larder_tier_ops`, register it with
 * `larder_options.extra_tiers`, and name it in a namespace's chain.
 *
 * Terms. A *space* is one namespace within a tier instance. A *private* tier belongs to one process (memory); a *shared*
 * one is seen by every process on the root, and whatever changes it is done by the owner of the key's slot: the caller
 * of `write` already owns the slots of all its items; a tier that evicts on its own asks the host for the victim's slot
 * and leaves the victim where the slot is not to be had.
 *
 * Threads: every operation but open and close may be called by any number of threads at once. No operation may call
 * back into the cache. Data given in is borrowed for the call. Outs are untouched on failure.
 */
#ifndef LARDER_EXT_TIER_H
#define LARDER_EXT_TIER_H

#include <larder/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LARDER_TIER_VERSION 3u

#define LARDER_KEY_MAX     1024u               /* bytes; at least 1 */
#define LARDER_META_MAX    4096u               /* bytes of caller's metadata */
#define LARDER_VERSION_MAX 255u                /* bytes of version text */
#define LARDER_TAGS_MAX    16u                 /* tags per entry */
#define LARDER_TAG_MAX     128u                /* bytes per tag; at least 1 */
#define LARDER_VALUE_MAX   ((uint64_t)1 << 31) /* bytes per value */

/* What the bytes are: decides checks, file name ending and preview. */
typedef enum larder_kind {
  LARDER_KIND_BYTES,
  LARDER_KIND_TEXT,
  LARDER_KIND_JSON,
  LARDER_KIND_ARRAY,
  LARDER_KIND_MODEL,
  LARDER_KIND_WISDOM,
  LARDER_KIND_ABSENT /* no value, of length 0: a maker said that there is none. The cache's own; no put may name it */
} larder_kind;

typedef enum larder_durability {
  LARDER_DURABILITY_COMMIT, /* visible to every process, safe from a process crash; a power cut may cost the last 100 ms */
  LARDER_DURABILITY_SYNC,   /* on disk before the call returns */
  LARDER_DURABILITY_BEHIND  /* queued up to 50 ms; a tier never sees it: the core queues and then writes with COMMIT */
} larder_durability;

/* All that is known of an entry besides key and value. Pointers are borrowed from whoever handed it out. */
typedef struct larder_facts {
  uint64_t stamp;          /* 48 bits of wall milliseconds, 16 of counter: of two writes the higher wins */
  int64_t expires_soft_ms; /* wall clock; fresh while now < this; 0: never expires */
  int64_t expires_hard_ms; /* wall clock; may be served stale while now < this; 0: never; never below soft */
  uint64_t value_len;
  larder_kind kind;
  bool tombstone;      /* remembers a delete, holds no value; a tier's get answers LARDER_MISS for it */
  bool framed;         /* the value is a frame (compressed or sealed); shared tiers keep it, private ones are given none */
  uint64_t raw_len;    /* of what a frame holds; kept with it. Not framed: ignored when given, value_len when given back */
  const char *version; /* not NUL-terminated; NULL when version_len is 0 */
  size_t version_len;
  const void *meta;
  size_t meta_len;
  const char *tags; /* tags_len bytes: each tag as one length byte and its bytes, ascending, without repeats */
  size_t tags_len;
  uint64_t access_count; /* batched, so it lags; 0 where a tier keeps none */
  int64_t accessed_ms;   /* likewise */
  int64_t modified_ms;   /* wall clock; when its source says that it was changed; 0: not known */
  uint32_t ns_version;   /* of the namespace when it was written, as a hash; durable tiers keep it; 0: none, or not known */
} larder_facts;

typedef struct larder_tier_key {
  const void *data;
  size_t len;
  uint64_t hash;  /* seeded 64-bit hash of namespace and key; the slot is its top bits */
  uint32_t space; /* what bind returned */
} larder_tier_key;

/* What get hands out. Valid until release. */
typedef struct larder_tier_entry {
  const void *value; /* NULL when only the facts were asked for, or the value is empty */
  larder_facts facts;
  void *pin; /* the tier's own, for release */
} larder_tier_entry;

typedef enum larder_tier_verb {
  LARDER_TIER_PUT,    /* store when facts.stamp is above what is stored, tombstones included */
  LARDER_TIER_DELETE, /* leave a tombstone of facts.stamp where the tier keeps them, else remove */
  LARDER_TIER_TOUCH,  /* set facts.expires_soft_ms, expires_hard_ms and stamp of what is stored; LARDER_MISS without it */
  LARDER_TIER_FORGET  /* remove without a tombstone: eviction, demotion, an upper tier before the lower one commits */
} larder_tier_verb;

/* One change. */
typedef struct larder_tier_write {
  larder_tier_verb verb;
  larder_tier_key key;
  const void *value;   /* PUT only */
  larder_facts facts;  /* by verb */
  uint64_t token;      /* private tiers: the slot's word that a hit must find; 0 in namespaces without slots */
  uint64_t only_stamp; /* not 0: change only what has exactly this stamp, else the result is LARDER_OLDER */
  /* out */
  larder_err result;     /* LARDER_OK; LARDER_OLDER with stored_stamp; LARDER_MISS; LARDER_NOT_KEPT; a failure */
  uint64_t stored_stamp; /* with LARDER_OLDER: the stamp that won */
  bool existed;          /* something live (no tombstone) was stored under the key before */
} larder_tier_write;

/* Why an entry went. */
#define LARDER_EVICT_REASONS(X)                                                                                                \
  X(CAPACITY, "capacity")                                                                                                      \
  X(ENTRIES, "entries")                                                                                                        \
  X(EXPIRED, "ttl")                                                                                                            \
  X(HEALTH, "health")                                                                                                          \
  X(CORRUPTION, "corruption")                                                                                                  \
  X(STALE, "stale")                                                                                                            \
  X(ASKED, "asked")

typedef enum larder_evict_reason {
#define LARDER_EVICT_ENUM(name, text) LARDER_EVICT_##name,
  LARDER_EVICT_REASONS(LARDER_EVICT_ENUM)
#undef LARDER_EVICT_ENUM
      LARDER_EVICT_REASON_COUNT
} larder_evict_reason;

/* The cache's side of the contract, for the lifetime of the tier. Each call may come from any thread. */
typedef struct larder_tier_host {
  void *context;
  int64_t (*wall_ms)(void *context);
  int64_t (*mono_ns)(void *context);
  /* Shared tiers, before evicting or sweeping on their own: own the slot of hash, never waiting. False: leave it. */
  bool (*slot_try_own)(void *context, uint64_t hash);
  /* After the change is committed or given up. */
  void (*slot_release)(void *context, uint64_t hash);
  /* An entry went for a reason. Key and value may be NULL when not at hand. Under no lock of the tier that a get takes. */
  void (*evicted)(void *context, uint32_t space, larder_evict_reason reason, uint64_t count, uint64_t bytes);
  /* A private tier is about to drop a live entry for lack of room, or was asked to: the core may demote it. Value valid during
   * the call. */
  void (*demote)(void *context, const larder_tier_key *key, const void *value, const larder_facts *facts, uint64_t token,
                 larder_evict_reason reason);
  void (*log)(void *context, int level, const char *id, const char *message);
  /* The tier found itself damaged, replaced or unwritable: the core takes it out of use on the whole host. */
  void (*distrust)(void *context, larder_err why, const char *message);
  /*
   * Tiers with LARDER_TIER_TOMBSTONES, once they own the slot of what they are about to remove on their own: whether it has
   * to leave a tombstone of this stamp, because a process may have queued something older of its key. Who removes it without
   * a trace all the same (a tombstone that is old, or one too many, or a row whose stamp can't be believed: UINT64_MAX) tells
   * so before the removal is committed. Neither blocks. Both may be NULL: then nothing is ever queued.
   */
  bool (*trace_wanted)(void *context, uint64_t stamp);
  void (*traceless)(void *context, uint64_t hash, uint64_t stamp);
  /* The same as evicted, of one entry whose hash is at hand, for who asks where it went. May be NULL. */
  void (*gone)(void *context, uint64_t hash, larder_evict_reason reason);
} larder_tier_host;

/* How an instance is opened. Strings are borrowed for the call of open only. */
typedef struct larder_tier_params {
  size_t size;           /* sizeof(larder_tier_params) */
  const char *root;      /* the cache's folder, or NULL for a cache without one */
  const char *path;      /* the instance's file or folder, absolute; NULL for tiers without one */
  uint64_t seed;         /* of the key hash; a durable tier that was written with another refuses with LARDER_EFORMAT */
  uint64_t bytes_max;    /* hard limit of the instance; 0: the tier's default */
  uint64_t entries_max;  /* 0: no limit */
  uint64_t generation;   /* counts how often the instance was replaced under the root; for files' names */
  const char *options;   /* further options as `name=value` lines, documented by the tier; NULL for none */
  larder_tier_host host; /* copied */
  bool read_only;        /* the root can only be read: nothing is made or changed, whatever the files' modes would allow */
} larder_tier_params;

/* A namespace as a tier sees it. */
typedef struct larder_tier_space {
  size_t size;
  const char *name;
  uint64_t bytes_max;   /* 0: only the instance's limit */
  uint64_t entries_max; /* 0: only the instance's limit */
  const char *policy;   /* eviction policy by name, or NULL for the tier's default */
} larder_tier_space;

/* Where a scan stands. Zero-initialise to begin; keep it to go on, also after restart for durable tiers. */
typedef struct larder_tier_cursor {
  uint64_t position;
  bool ended;
} larder_tier_cursor;

/* One row of a scan. value is NULL unless asked for. Return false to stop after it. */
typedef bool (*larder_tier_visit)(void *context, const larder_tier_key *key, const larder_facts *facts, const void *value);

/* Current figures of an instance or one space of it. */
typedef struct larder_tier_usage {
  uint64_t entries;
  uint64_t bytes;         /* everything counted: keys, values, overhead */
  uint64_t payload_bytes; /* keys and values alone */
  uint64_t bytes_max;
  uint64_t entries_max;
} larder_tier_usage;

/* What check found. */
typedef struct larder_tier_report {
  uint64_t examined;
  uint64_t damaged;  /* entries or files whose checksum, shape or reference is wrong */
  uint64_t repaired; /* of these, removed or mended */
  uint64_t orphans;  /* files nobody refers to */
} larder_tier_report;
/* Called for each finding, with a sentence. */
typedef void (*larder_tier_finding)(void *context, const larder_tier_key *key, const char *sentence);
/*
 * Called by a shared tier's check for each live entry whose bytes are those that were stored, with its value: what only the
 * core can see, such as a frame that does not open. NULL, or what is wrong: then the entry is damaged like any other. Of the
 * facts, stamp, kind, value_len, framed and raw_len are there. It may take as long as decompressing does; it calls no tier.
 */
typedef const char *(*larder_tier_judge)(void *context, const larder_tier_key *key, const larder_facts *facts,
                                         const void *value);

enum {
  LARDER_TIER_DURABLE = 1u << 0,    /* keeps entries over a restart */
  LARDER_TIER_SHARED = 1u << 1,     /* one content for every process on the root */
  LARDER_TIER_REMOTE = 1u << 2,     /* behind a network */
  LARDER_TIER_READABLE = 1u << 3,   /* its files can be opened by other programs */
  LARDER_TIER_ENUMERABLE = 1u << 4, /* scan works */
  LARDER_TIER_TOMBSTONES = 1u << 5, /* remembers deletes, so that an older write that arrives later loses */
  LARDER_TIER_TAGS = 1u << 6        /* scan_tag finds entries by tag without reading all of them */
};

typedef struct larder_tier_ops {
  const char *name;
  uint32_t version; /* LARDER_TIER_VERSION */
  uint32_t capabilities;

  /* Once, by one thread. May block on disks and peers. */
  LARDER_MUST_CHECK larder_err (*open)(const larder_tier_params *params, void **self_out, larder_error *err);
  /* Flushes, then releases everything. No operation is under way. */
  void (*close)(void *self);
  /* In a forked child: gives up memory and descriptors without touching files, locks or peers. */
  void (*abandon)(void *self);
  /* Makes a space known; the same name gives the same number, also over restarts for durable tiers. May block. */
  LARDER_MUST_CHECK larder_err (*bind)(void *self, const larder_tier_space *space, uint32_t *space_out);

  /*
   * LARDER_OK and an entry to release, or LARDER_MISS; anything else is a failure of the tier. Physically expired
   * entries (past hard expiry) are misses; past soft expiry they are handed out, the caller judges. `slot`: for private
   * tiers, the slot's word that must be `token` of the stored entry for a hit; NULL without slots.
   */
  LARDER_MUST_CHECK larder_err (*get)(void *self, const larder_tier_key *key, bool facts_only, const void *slot,
                                      larder_tier_entry *out);
  void (*release)(void *self, larder_tier_entry *entry);
  /*
   * Carries out changes, each item with its own result; atomic as a whole in durable tiers. A failure as return value
   * means none was carried out, save LARDER_EUNKNOWN: any may have been.
   */
  LARDER_MUST_CHECK larder_err (*write)(void *self, larder_tier_write *items, size_t count, larder_durability durability);

  /* Visits entries of a space in the tier's own order, at most `limit` rows examined per call; skips expired and
   * tombstones. LARDER_OK to go on, LARDER_END when there is no more. Holds nothing between calls. */
  LARDER_MUST_CHECK larder_err (*scan)(void *self, uint32_t space, larder_tier_cursor *cursor, uint64_t limit, bool values,
                                       larder_tier_visit visit, void *context);
  /* The same over the entries with a tag. NULL without LARDER_TIER_TAGS. */
  LARDER_MUST_CHECK larder_err (*scan_tag)(void *self, uint32_t space, const char *tag, size_t tag_len,
                                           larder_tier_cursor *cursor, uint64_t limit, larder_tier_visit visit, void *context);
  /* Removes every row whose hash lies in [first, last], in all spaces, tombstones too. The caller owns that slot. */
  LARDER_MUST_CHECK larder_err (*forget_range)(void *self, uint64_t first, uint64_t last, uint64_t *removed_out);
  /* Removes expired entries and old tombstones, evicts what is over the limits; examines at most `limit` rows. Uses the
   * host's slots in shared tiers. `expire_physically` false: only evict (the clock has just stepped). */
  LARDER_MUST_CHECK larder_err (*sweep)(void *self, uint64_t limit, bool expire_physically, uint64_t *removed_out);
  /* Everything accepted is as durable as it gets. */
  LARDER_MUST_CHECK larder_err (*flush)(void *self);
  /* space LARDER_TIER_ALL_SPACES: the whole instance. */
  LARDER_MUST_CHECK larder_err (*usage)(void *self, uint32_t space, larder_tier_usage *out);
  /* Verifies every entry; with repair, removes what is damaged (owning slots by the host). NULL: nothing to check.
   * `finding` and `judge` may be NULL. */
  LARDER_MUST_CHECK larder_err (*check)(void *self, bool repair, larder_tier_report *out, larder_tier_finding finding,
                                        larder_tier_judge judge, void *context);
  /* Visits the spaces that were ever bound. NULL: the tier does not remember them. */
  LARDER_MUST_CHECK larder_err (*spaces)(void *self, bool (*visit)(void *context, uint32_t space, const char *name),
                                         void *context);
} larder_tier_ops;

#define LARDER_TIER_ALL_SPACES UINT32_MAX

#ifdef __cplusplus
}
#endif
#endif
