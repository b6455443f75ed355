/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cache from inside: what larder.c wires and the files of this room share. A namespace's chain is an optional memory
 * tier, private to the process, over any number of shared tiers; the last of these is authoritative.
 */
#ifndef LRD_CORE_CACHE_H
#define LRD_CORE_CACHE_H

#include "base/thread.h"
#include "coding.h"
#include "config/configuration.h"
#include "slots.h"
#include "stats/events.h"
#include "stats/stats.h"
#include "tier/memory/memory.h"
#include "tier/tier_call.h"
#include <larder/ext/maker.h>
#include <larder/larder.h>

#define LRD_NS_MAX                  256u
#define LRD_NS_NAME_MAX             128u
#define LRD_SLOT_WAIT_NS            INT64_C(2000000000) /* then LARDER_EBUSY */
#define LRD_HEALTH_LOCKS            8u
#define LRD_HISTORY_LOCKS           16u
#define LRD_BATCH_MAX               256u /* changes whose slots are owned together */
#define LRD_STAMP_TRIES             4    /* over what was stored ahead of our clock */
#define LRD_CLOCK_STEP_MS           5000
#define LRD_NO_EXPIRY_AFTER_STEP_NS INT64_C(600000000000)

typedef struct lrd_pending lrd_pending;
typedef struct lrd_errands lrd_errands;
typedef struct lrd_leases lrd_leases;
typedef struct lrd_flights lrd_flights;
typedef struct lrd_flight lrd_flight;
typedef struct lrd_makers lrd_makers;
typedef struct lrd_refresher lrd_refresher;

/* A tier instance that is not memory. */
typedef struct lrd_instance {
  larder *cache;
  lrd_tier tier;
  const lrd_config_tier *config;
  unsigned number; /* among the shared tiers, for dirty marks and trust */
  bool shared;
  bool entered;                 /* we hold its byte of LOCK */
  _Atomic bool broken;          /* this process has seen it broken and not reopened it yet */
  _Atomic uint32_t spaces_open; /* bound by open namespaces */
  larder_ns *_Atomic by_space[LRD_NS_MAX];
} lrd_instance;

/* A shared tier in a namespace's chain. */
typedef struct lrd_link {
  lrd_instance *instance;
  _Atomic uint32_t space;
  const lrd_config_link *limits;
  lrd_stats_cell *cell;
} lrd_link;

/* Of a namespace, in this process. */
typedef struct lrd_ahead {
  _Atomic uint64_t used, used_bytes;
  _Atomic uint64_t wasted, wasted_bytes;
  _Atomic uint64_t late, late_bytes; /* somebody asked before it was made */
  _Atomic uint64_t unread_bytes;     /* now */
} lrd_ahead;

/* What a room above hears of a namespace: at any moment, by any thread, without waiting and without locks. */
typedef enum lrd_news_what {
  LRD_NEWS_HIT,    /* a value was handed out that memory had, */
  LRD_NEWS_BELOW,  /* what a tier below had, */
  LRD_NEWS_MADE,   /* what the call made, */
  LRD_NEWS_JOINED, /* what somebody else made meanwhile, */
  LRD_NEWS_FAILED, /* or nothing, since the making failed. Of this and what follows hears only who `hears_all` */
  LRD_NEWS_MISSED, /* or nothing, since a get makes nothing */
  LRD_NEWS_ANSWER, /* a maker has answered */
  LRD_NEWS_NO_ANSWER,
  LRD_NEWS_AHEAD, /* a wish: it was made, */
  LRD_NEWS_AHEAD_NOT,
  LRD_NEWS_USED, /* read, or gone unread */
  LRD_NEWS_WASTED,
  LRD_NEWS_GONE /* an entry had to go from memory for lack of room */
} lrd_news_what;

typedef struct lrd_news {
  lrd_news_what what;
  const void *key; /* of what was handed out; else NULL, and the hash says which */
  size_t key_len;
  uint64_t hash;
  uint64_t bytes;
  int64_t took_ns;    /* 0: not taken */
  int64_t expires_ms; /* wall, of what was made or handed out; 0: never, or not known */
  uint64_t stamp;     /* of what was handed out; 0: not known */
} lrd_news;

/* What the keeper, which is alone with it, last saw of the policy adaptive. */
typedef struct lrd_adaptive_seen {
  unsigned leader;
  larder_adaptive mark;
  larder_adaptive former; /* the mark before */
} lrd_adaptive_seen;

struct larder_ns {
  /* What a memory hit reads, together. */
  larder *cache;
  uint64_t seed;
  lrd_memory *_Atomic straight; /* memory, for gets; NULL also in a forked child, with log_hits and where they are heard */
  _Atomic uint64_t *words;      /* the slots; NULL: memory only */
  unsigned shift;
  uint32_t memory_space;
  const _Atomic size_t *queued; /* how much waits to be written; NULL: not `behind` */
  lrd_stats_cell *cell;         /* lookups as the caller sees them */

  lrd_memory *memory;                 /* NULL: no memory in the chain */
  lrd_memory *_Atomic straight_heard; /* as `straight`, for those of whom is told afterwards */
  lrd_stats_cell *memory_cell;
  bool behind;
  bool log_hits; /* each hit is told to the log, so none is answered by the straight look into memory */

  lrd_link links[LRD_CONFIG_CHAIN_MAX]; /* shared tiers, uppermost first */
  size_t links_len;
  char *name;
  lrd_config_ns policy;
  lrd_coding coding;
  char tiers_text[160];

  struct lrd_nearby *nearby;                                     /* the warm room's; NULL: none */
  void (*asked)(larder_ns *ns, const void *key, size_t key_len); /* of a value that get_or_make handed out; or NULL */
  struct lrd_foretelling *foretelling;                           /* the predict room's; NULL: none */
  void (*heard)(larder_ns *ns, const lrd_news *news);            /* or NULL */
  bool hears_all;
  lrd_ahead ahead;             /* what became of what was made before somebody asked */
  _Atomic uint32_t foreseen;   /* prefetched keys that are watched until they are read */
  larder_ns *_Atomic health;   /* its companion with the records of health; NULL: there are none, as far as is known here */
  _Atomic bool health_looked;  /* whether there are, when it was opened; since then the keeper does */
  struct lrd_checker *checker; /* NULL: its policy has no check */

  _Atomic bool makes;             /* values of it have been made here, or can be */
  larder_make make;               /* NULL: no maker is configured */
  void *maker;                    /* its context */
  uint32_t makings;               /* under way that count against maker.parallel; the pool's */
  _Atomic int64_t making_cost_ns; /* what a making takes lately; 0: not known */

  lrd_adaptive_seen adaptive;

  uint32_t version;           /* the policy's, as a hash; 0: none */
  larder_ns *_Atomic history; /* the companion, once it is open */
  _Atomic bool history_told;  /* that a former value was not kept */
};

struct larder {
  uint32_t magic;
  _Atomic bool forked;
  const lrd_clock *clock;
  lrd_log log;
  lrd_config *config;
  char *secrets; /* what log.secrets points to; NULL: the built-in names */
  lrd_keyring *keyring;
  lrd_codec *codec;
  char *root;
  lrd_slots *slots;           /* NULL: no root, memory only */
  _Atomic uint64_t own_clock; /* stamps without a map */
  uint64_t seed;
  lrd_stats *stats;
  lrd_tier memory_tier; /* the memory tier behind the contract, for sweeps and scans */
  lrd_memory *memory;
  larder_ns *_Atomic memory_by_space[LRD_NS_MAX];
  lrd_instance *instances;
  size_t instances_len;
  lrd_mutex ns_mutex; /* opening namespaces */
  larder_ns *_Atomic spaces[LRD_NS_MAX];
  _Atomic uint32_t spaces_len;
  lrd_pending *pending; /* NULL until a `behind` namespace is opened */
  lrd_errands *errands;
  lrd_events *events; /* NULL: no root, or none to be had */
  lrd_leases *leases; /* NULL: no root, or one that can't be written */
  lrd_flights *flights;
  lrd_makers *makers;
  larder_err (*space_opened)(larder_ns *ns, larder_error *err); /* a room above has its part in a namespace; or NULL */
  void (*each_second)(larder *cache);                           /* what a room above does with the keeper's thread, or NULL */
  struct lrd_foreteller *foreteller;                            /* the predict room's */
  void (*when_swept)(larder *cache); /* a room above clears what is its own when somebody sweeps, or NULL */
  _Atomic int64_t leftovers_ns;      /* the warm room's: when it looks for such next */
  lrd_refresher *refresher;          /* the warm room's */
  lrd_ticker *keeper;                /* once a second */
  lrd_ticker *flusher;               /* each 50 ms, with a `behind` namespace */
  _Atomic bool lost;                 /* the root is gone */
  _Atomic uint64_t degraded_puts;
  lrd_mutex health_locks[LRD_HEALTH_LOCKS];   /* reports on keys of one hash modulo their number, one after the other */
  lrd_mutex history_locks[LRD_HISTORY_LOCKS]; /* by hash: of keys that are being replaced where former values are kept */
  /* The keeper's own. */
  int64_t swept_ns;
  int64_t step_wall_ms;
  int64_t step_boot_ns;
  _Atomic int64_t no_expiry_until_ns;
  _Atomic uint64_t step_mark; /* the last stamp given before the wall clock stepped back; 0: it never did */
  larder *next_open;          /* list for fork handlers */
};

/* One key of an operation. */
typedef struct lrd_op {
  larder_ns *ns;
  const void *key;
  size_t key_len;
  uint64_t hash;
} lrd_op;

/* A namespace that a tier does not know, in a root that can't be written; it is looked for again once a second. */
#define LRD_SPACE_NONE (LARDER_TIER_ALL_SPACES - 1)

/* Whether the root can only be read: every change of what it keeps answers LARDER_EACCES. */
static inline bool lrd_cache_onlooker(const larder *cache) { return cache->slots && lrd_slots_onlooker(cache->slots); }

static inline bool lrd_ns_coherent(const larder_ns *ns) { return ns->words != NULL; }
static inline _Atomic uint64_t *lrd_ns_word(const larder_ns *ns, uint64_t hash) {
  return ns->words ? ns->words + (hash >> ns->shift) : NULL;
}
static inline larder_tier_key lrd_op_memory_key(const lrd_op *op) {
  return (larder_tier_key){op->key, op->key_len, op->hash, op->ns->memory_space};
}
static inline larder_tier_key lrd_op_link_key(const lrd_op *op, lrd_link *link) {
  return (larder_tier_key){op->key, op->key_len, op->hash, atomic_load_explicit(&link->space, memory_order_relaxed)};
}

/* Something has happened to the key, for who asks later why it is as it is. */
static inline void lrd_note(const lrd_op *op, lrd_event_what what, const char *tier, const char *text) {
  if (op->ns->name[0] != '.') {
    lrd_events_note(op->ns->cache->events, op->hash, what, tier, text);
  }
}

/* LARDER_OK, LARDER_EINVAL or LARDER_EFORKED: what every public call begins with. */
larder_err lrd_op_begin(larder_ns *ns, const void *key, size_t key_len, lrd_op *op);

/* The key was read: was it made because that was foreseen? A load where nothing is watched. */
void lrd_foreseen_look(const lrd_op *op);
static inline void lrd_foreseen_read(const lrd_op *op) {
  if (__builtin_expect(atomic_load_explicit(&op->ns->foreseen, memory_order_relaxed) != 0, 0)) {
    lrd_foreseen_look(op);
  }
}

/* News that only who hears all is told. */
static inline void lrd_news_tell(larder_ns *ns, lrd_news_what what, uint64_t hash, uint64_t bytes, int64_t took_ns) {
  if (__builtin_expect(ns->hears_all, 0)) {
    ns->heard(ns, &(lrd_news){.what = what, .hash = hash, .bytes = bytes, .took_ns = took_ns});
  }
}

lrd_stamp lrd_cache_stamp(larder *cache, lrd_stamp least);

/* --- read.c: what is kept below memory --------------------------------------------------------------------------------- */

/* A value found below memory, or pending: heap-allocated, released by lrd_found_free. */
typedef struct lrd_found {
  larder_ns *ns;
  lrd_link *link;          /* NULL: an owned copy */
  larder_tier_entry held;  /* as the tier keeps it, for release; with a link */
  larder_tier_entry entry; /* the value as it was put, and its facts */
  uint64_t stored_len;
  uint8_t *own;       /* the copy, or the value out of a frame */
  lrd_flight *flight; /* whose value it is, aboard; or NULL */
} lrd_found;
/*
 * Reads the shared tiers from above; fills memory and upper tiers as the slot allows. LARDER_OK, LARDER_MISS; LARDER_EKEY
 * where it is sealed and the key is not here; LARDER_EFORMAT where a newer build wrote it in a form that is not known here.
 */
larder_err lrd_read_below(const lrd_op *op, bool facts_only, lrd_found **out);
/* The same, and LARDER_EAWAY where nobody had it and a tier did not answer that may do so soon. */
larder_err lrd_read_asking(const lrd_op *op, bool facts_only, lrd_found **out);
/* The tier that decides, alone; nothing is carried upwards. LARDER_MISS also where it can't be asked. */
larder_err lrd_read_lowest(const lrd_op *op, bool facts_only, lrd_found **out);
void lrd_found_free(lrd_found *found);
void lrd_value_from_found(lrd_found *found, bool stale, larder_value *out);
/*
 * As a get that also takes what is stale and what a maker said is not there (facts.kind), and is not counted as a lookup.
 * LARDER_OK and both outs, LARDER_MISS, or what read_below failed with.
 */
larder_err lrd_look_up(const lrd_op *op, larder_value *out, larder_facts *facts_out);
/* The same, and LARDER_EAWAY where a tier did not answer that may do so soon. */
larder_err lrd_look_up_asking(const lrd_op *op, larder_value *out, larder_facts *facts_out);
/* Whether it is stale now. What was written before the wall clock stepped back, at a time still to come, counts as stale. */
bool lrd_facts_stale(const larder *cache, const larder_facts *facts, int64_t now_ms);

/* --- write.c: every change ---------------------------------------------------------------------------------------------- */

typedef enum lrd_change_verb { LRD_CHANGE_PUT, LRD_CHANGE_DELETE, LRD_CHANGE_TOUCH, LRD_CHANGE_EXPIRE } lrd_change_verb;

typedef struct lrd_change {
  lrd_change_verb verb;
  lrd_op op;
  const void *value;
  larder_facts facts;  /* a PUT's, with lifetimes; a TOUCH's lifetimes; the stamp is given here, not by the caller */
  uint64_t keep_stamp; /* not 0: a PUT from the queue, which carries its stamp already */
  uint64_t token;      /* of such a one: the slot's when it was queued */
  uint64_t only_stamp;
  bool only_absent;      /* a PUT or DELETE only where there is nothing; without shared tiers the caller sees to it */
  bool again;            /* what loses to such a condition is tried again, and not counted */
  lrd_flight *made;      /* whose value it is, or NULL: it is not stored if that was overtaken */
  bool revive;           /* a TOUCH also of what is stale */
  bool unhealthy;        /* a DELETE that evicts, and is counted so */
  lrd_coded coded;       /* of a PUT, for shared tiers; while it is carried out */
  larder_err coding_err; /* why it could not be made */
  larder_err result;
  bool existed;
} lrd_change;

/* The key was changed, or is about to be: who makes it, here or in another process, is told. */
void lrd_overtake(const lrd_op *op);
/* Carries out changes of one namespace; each has its result. At most LRD_BATCH_MAX. */
larder_err lrd_write_batch(larder_ns *ns, lrd_change *changes, size_t count);

/* --- write_slots.c: slots in a shared tier -------------------------------------------------------------------------------- */

/* Whether a shared tier may be asked: open here and trusted on the host. */
bool lrd_instance_answers(lrd_instance *instance);
/*
 * Whether a slot may be used in the tier: clean, or cleaned now by deleting its range, which *cleaned then tells: what memory
 * tiers have beside the caller's own keys is in no tier any more. The caller owns the slot.
 */
bool lrd_instance_clean(lrd_instance *instance, uint64_t slot, bool *cleaned);
/* Deletes a slot's range. What was queued before that can't be told any more from what is newer than what went. */
larder_err lrd_instance_forget_slot(lrd_instance *instance, uint64_t slot);

/* --- write_memory.c: without shared tiers -------------------------------------------------------------------------------- */

void lrd_write_memory(larder_ns *ns, lrd_change *changes, size_t count);

/* --- put_delete.c ----------------------------------------------------------------------------------------------------------
 */

/* Refuses what is not what its kind says. A pickle can't be checked, and is let pass with a warning. err may be NULL. */
LARDER_MUST_CHECK larder_err lrd_kind_check(const larder_ns *ns, larder_kind kind, const void *value, size_t len,
                                            larder_error *err);
/* As larder_put, of a value that is known to be whole. */
LARDER_MUST_CHECK larder_err lrd_put_whole(larder_ns *ns, const void *key, size_t key_len, const void *value, size_t len,
                                           const larder_put_options *options);

/* --- entry.c: options into facts ------------------------------------------------------------------------------------------ */

/* Checks and turns a put's options into facts; tags are encoded into tags_room (LARDER_TAGS_MAX * (1 + LARDER_TAG_MAX)). */
larder_err lrd_facts_from_options(const larder_ns *ns, const larder_put_options *options, size_t len, uint8_t *tags_room,
                                  larder_facts *out);
/* Copies bytes to *at, which moves on, and says where they are now; NULL for none. The second: what facts point to. */
const void *lrd_bytes_pack(uint8_t **at, const void *data, size_t len);
void lrd_facts_pack(larder_facts *facts, uint8_t **at);
/* The longer of the namespace's stale windows. */
int64_t lrd_ns_stale_ms(const larder_ns *ns);
/* The namespace's version, too. */
void lrd_facts_set_lifetime(const larder_ns *ns, int64_t ttl_ms, int64_t stale_ms, larder_facts *facts);
/* What a version text is in facts: never 0 for a text. */
uint32_t lrd_version_hash(const char *text);
/*
 * What was written under another version of the namespace counts as if its lifetime had ended just before that. Of facts as a
 * durable tier has them, which are to stay as they are there: by a copy.
 */
void lrd_facts_judge_version(const larder_ns *ns, larder_facts *facts);
/* Whether they were judged so: no longer told from an entry that was put when its lifetime had ended. */
bool lrd_facts_outdated(const larder_facts *facts);
/* Tells the log where they differ. */
void lrd_version_changed(const lrd_op *op, lrd_span from, lrd_span to);
bool lrd_facts_has_tag(const larder_facts *facts, const char *tag);

/* --- pending.c: `behind` ----------------------------------------------------------------------------------------------------
 */

larder_err lrd_pending_new(larder *cache, lrd_pending **out);
void lrd_pending_free(lrd_pending *pending);
/* Queues a put under a new stamp; LARDER_NOT_KEPT when the queue is full: write it now instead. */
larder_err lrd_pending_put(lrd_pending *pending, const lrd_op *op, const void *value, const larder_facts *facts,
                           uint64_t token);
bool lrd_pending_any(const lrd_pending *pending);
/* How many are queued; for readers that look at each get. */
const _Atomic size_t *lrd_pending_count(const lrd_pending *pending);
/* A copy of what is queued for the key, with the token it was queued at; LARDER_MISS without. */
larder_err lrd_pending_find(lrd_pending *pending, const lrd_op *op, lrd_found **out, uint64_t *token_out);
/* The owner of the key's slot takes back what is queued. True when there was something. */
bool lrd_pending_drop(lrd_pending *pending, const lrd_op *op, uint64_t stamp_max);
/* Whether something of this namespace is. */
bool lrd_pending_any_of(lrd_pending *pending, const larder_ns *ns);
/* The owner of a slot is about to give it back one version on, having changed nothing: what is queued there counts on. */
void lrd_pending_moved(lrd_pending *pending, uint64_t slot, uint64_t version);
/* Whether exactly this is queued still. */
bool lrd_pending_has(lrd_pending *pending, const lrd_op *op, lrd_stamp stamp);
/* The owner of the key's slot takes back what must not be written any more, for good: lrd_pending_gave_up tells. */
void lrd_pending_give_up(lrd_pending *pending, const lrd_op *op, lrd_stamp stamp);
/* Writes everything queued before the call. */
larder_err lrd_pending_flush(lrd_pending *pending);
/* Likewise, for calls that go on without what has to stay queued because its tier is away. */
larder_err lrd_pending_settle(lrd_pending *pending);
/* Whether something was given up since the last call. */
bool lrd_pending_gave_up(lrd_pending *pending);

/* --- errands.c: what need not keep a caller waiting
 * ----------------------------------------------------------------------------- */

larder_err lrd_errands_new(larder *cache, lrd_errands **out);
void lrd_errands_free(lrd_errands *errands);
/* A value for the shared tiers above `below` that lack it (promotion), or for the first tier that lacks it (demotion). */
void lrd_errand_promote(larder *cache, const lrd_op *op, size_t below, const lrd_found *found, uint64_t token);
/* A damaged entry for its tier to forget, if it is still that one. */
void lrd_errand_forget(larder *cache, const lrd_op *op, size_t link, uint64_t stamp, uint64_t token);
void lrd_errand_demote(larder *cache, const larder_tier_key *key, const void *value, const larder_facts *facts, uint64_t token);
void lrd_errands_run(lrd_errands *errands);

/* --- keeper.c: once a second
 * --------------------------------------------------------------------------------------------------- */

void lrd_keeper_tick(void *context); /* the cache */
/* Owners of slots that had died, into the statistics. */
void lrd_keeper_count_replaced(larder *cache);
/* How full the tiers are, for the open namespaces, into the statistics. */
void lrd_keeper_publish_gauges(larder *cache);
/* adaptive.c: the figures of the policy adaptive into the statistics; changes of who is in charge into the log. */
void lrd_adaptive_publish(const larder_ns *ns);
void lrd_adaptive_tick(larder *cache);
/* Deletes the ranges of dirty slots in tiers that work again; at most `limit` slots. */
void lrd_keeper_clean_dirty(larder *cache, uint64_t limit);
/* Closes what is broken, replaces it when nobody else has it open, reopens it. */
void lrd_keeper_recover(larder *cache);
/* The host's side of the contract for an instance (NULL: the memory tier). */
larder_tier_host lrd_host_of(larder *cache, lrd_instance *instance);

/* --- namespace.c -------------------------------------------------------------------------------------------------------------
 */

larder_err lrd_instance_open(lrd_instance *instance, larder_error *err);
larder_err lrd_instance_rebind(lrd_instance *instance);
/* An onlooker's: binds what somebody has made since. */
void lrd_spaces_look(larder *cache);
/*
 * A companion keeps what belongs to the entries of a namespace, under their keys, in the same tiers and sealed alike. Its name
 * is that of the namespace after one of these.
 */
#define LRD_COMPANION_HEALTH  ".health:"
#define LRD_COMPANION_HISTORY ".history:"
#define LRD_COMPANION_STATS   ".companions" /* where the figures of all of them are kept */
/* LARDER_EINVAL where the name gets too long. */
LARDER_MUST_CHECK larder_err lrd_ns_companion(larder_ns *ns, const char *prefix, larder_ns **out);
/* The policy of any namespace, also of companions and of the cache's own. */
void lrd_ns_policy(const lrd_config *config, const char *name, lrd_config_ns *out);
/* As larder_ns_each, companions too. */
larder_err lrd_ns_each_any(larder *cache, bool (*visit)(void *context, const char *name), void *context);
/* As larder_ns_open, for the cache's own names too. */
larder_err lrd_ns_open_any(larder *cache, const char *name, larder_ns **out, larder_error *err);

/* --- listing.c ---------------------------------------------------------------------------------------------------------------
 */

bool lrd_match_takes(const larder *cache, const larder_match *match, const void *key, size_t key_len, const larder_facts *facts,
                     int64_t now_ms);

#endif
