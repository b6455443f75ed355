/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the memory tier: the instance, its spaces and its shards. A shard is what one lock covers: an arena, its part
 * of the index, the policies of each space, and the blocks that wait to be used again.
 */
#ifndef LRD_TIER_MEMORY_SHARD_H
#define LRD_TIER_MEMORY_SHARD_H

#include "base/thread.h"
#include "epoch.h"
#include "index.h"
#include "memory.h"
#include "policy.h"

#define LRD_MEMORY_MAGIC     UINT32_C(0x4c4d454d)
#define LRD_SPACES_MAX       1024u
#define LRD_SPACE_CHUNK      16u
#define LRD_LIMBO_BATCH      64u   /* retired blocks that make an attempt to reclaim worth its barrier */
#define LRD_LIMBO_UNITS      4096u /* or this much in them */
#define LRD_LIMBO_MAX        1024u /* retired blocks at which a writer waits */
#define LRD_EVENTS_MAX       64u
#define LRD_TALLIES_MAX      8u
#define LRD_BYTES_MIN        ((uint64_t)32 << 10)
#define LRD_BYTES_DEFAULT    ((uint64_t)256 << 20)
#define LRD_ENTRY_INDEX_COST 8u /* what an entry is charged for its part of the index, against a space's limit */

typedef struct lrd_space {
  char *name;
  uint64_t seed; /* of its keys' hashes */
  const lrd_policy_ops *policy;
  uint64_t bytes_max;
  uint64_t entries_max;
  _Alignas(64) _Atomic uint64_t bytes; /* over all shards; kept only where there is a limit */
  _Atomic uint64_t entries;
} lrd_space;

/* A space within a shard. */
typedef struct lrd_shard_space {
  lrd_policy *policy;
  uint64_t entries;
  uint64_t bytes; /* as charged: block, large value, part of the index */
  uint64_t payload;
} lrd_shard_space;

/* Blocks linked by their next word. */
typedef struct lrd_block_list {
  uint32_t first;
  uint32_t count;
} lrd_block_list;

typedef struct lrd_shard {
  _Alignas(64) lrd_mutex lock;
  lrd_arena arena;
  lrd_shard_space *spaces; /* by space; as long as spaces_len */
  uint32_t spaces_len;
  uint32_t bound; /* spaces that the table has, a failed binding's included; under the bind lock */
  uint32_t log_tail;
  uint64_t policy_bytes;  /* of ghosts and sketches */
  uint32_t huge;          /* huge pages that the arena was given, from its start */
  uint64_t drops;         /* records unlinked ever: tells whether a place is still good */
  uint32_t fresh_units;   /* in fresh */
  lrd_block_list fresh;   /* retired since the last barrier */
  lrd_block_list waiting; /* before it; free to use when waiting_epoch has passed */
  lrd_block_list pinned;  /* past it, but somebody holds a pin */
  uint64_t waiting_epoch;
  _Alignas(64) _Atomic uint32_t log_head;
  _Atomic uint32_t log[LRD_LOG_LEN]; /* handles in the order of their reading; 0: taken out */
} lrd_shard;

/* Bytes that one thread pinned and did not release; spilled into the instance's sum in chunks. */
typedef struct lrd_stripe {
  _Alignas(64) _Atomic int64_t pinned;
} lrd_stripe;

struct lrd_memory {
  uint32_t magic;
  uint32_t shard_bits;
  uint32_t shard_shift; /* log2 of a shard's stretch of the range */
  uint32_t stripes_len;
  uint8_t *base; /* of the reserved range; shard i's arena at base + (i << shard_shift) */
  lrd_index index;
  uint64_t shard_mask; /* of the bits that i << shard_shift can have */
  uint32_t shard_turn; /* how far a hash is turned left for its shard's number to stand there */
  lrd_shard *shards;
  lrd_stripe *stripes;
  larder_tier_host host;
  int64_t pin_chunk;
  int64_t pin_max;
  uint64_t budget;
  uint64_t entries_max; /* of the whole instance, through a hidden count; 0: none */
  uint64_t seed;
  uint64_t share; /* bytes of a shard's arena at most */
  size_t range_bytes;
  size_t inline_max; /* longest value inside a record */
  _Alignas(64) _Atomic int64_t pinned;
  _Alignas(64) _Atomic uint64_t apart; /* bytes outside the arenas: tables, policies' states, large values */
  _Atomic uint64_t entries;            /* kept only with entries_max */
  _Atomic uint64_t sweep_at;           /* hash at which the next sweep begins */
  lrd_mutex bind_lock;
  _Atomic uint32_t spaces_len;
  _Atomic(lrd_space *) spaces[LRD_SPACES_MAX / LRD_SPACE_CHUNK];
  _Atomic(void *) space_chunks[LRD_SPACES_MAX / LRD_SPACE_CHUNK]; /* as allocated, before alignment */
  void *raw;                                                      /* shards and stripes, likewise */
  void *self_raw;
};

/* What a writer did under the lock and must tell once it is released. */
typedef struct lrd_events {
  struct {
    uint32_t space;
    larder_evict_reason reason;
    uint64_t count;
    uint64_t bytes;
  } tallies[LRD_TALLIES_MAX];
  uint32_t tallies_len;
  uint32_t demoted_len;
  lrd_record *demoted[LRD_EVENTS_MAX]; /* held by a pin each */
  larder_evict_reason demoted_for[LRD_EVENTS_MAX];
} lrd_events;

static inline bool lrd_events_full(const lrd_events *events) {
  return events->demoted_len == LRD_EVENTS_MAX || events->tallies_len == LRD_TALLIES_MAX;
}
/* Tells the host, without any lock held, and empties it. */
void lrd_events_tell(lrd_memory *memory, lrd_events *events);

static inline lrd_space *lrd_memory_space(const lrd_memory *memory, uint32_t space) {
  return atomic_load_explicit(&memory->spaces[space / LRD_SPACE_CHUNK], memory_order_acquire) + space % LRD_SPACE_CHUNK;
}
static inline uint32_t lrd_memory_shards(const lrd_memory *memory) { return 1u << memory->shard_bits; }
static inline lrd_shard *lrd_memory_shard(const lrd_memory *memory, uint64_t hash) {
  return &memory->shards[hash >> 1 >> (63 - memory->shard_bits)];
}
static inline lrd_record *lrd_memory_record(const lrd_memory *memory, size_t shard, uint32_t handle) {
  return (lrd_record *)(void *)(memory->base + (shard << memory->shard_shift) + (size_t)handle * LRD_UNIT);
}
static inline int64_t lrd_memory_now(const lrd_memory *memory) { return memory->host.wall_ms(memory->host.context); }
/* The hash of a record's key; context is the instance. */
uint64_t lrd_memory_hash_of(void *context, const lrd_record *record);
/* What a large value of this length takes from the budget. */
uint64_t lrd_large_cost(uint64_t len);
/* What a record counts against its space's limit. */
uint64_t lrd_record_charge(const lrd_record *record);
static inline bool lrd_record_expired(const lrd_record *record, int64_t now_ms) {
  if (lrd_record_life(record) == LRD_LIFE_NEVER) return false;
  return now_ms >= lrd_record_hard_ms(record);
}

/* A stretch of the arena that has filled up since, to be made a huge page of; NULL: none. Wants the shard's lock. */
void *lrd_shard_filled_page(lrd_shard *shard);
/* Makes it one, if the system can. Wants no lock: content and addresses stay. */
void lrd_page_make_huge(void *page);

/* The rest of what lrd_shard_settled could not do; takes the lock itself, and tells. */
void lrd_shard_settle(lrd_memory *memory, lrd_shard *shard, uint32_t space, lrd_events *events);

/* All that follows wants the shard's lock. */

/* Bytes that the shard takes from its quota, and the quota as it is now. */
uint64_t lrd_shard_charge(const lrd_shard *shard);
uint64_t lrd_shard_quota(const lrd_memory *memory);
/* Hands the readers' log to the policies. */
void lrd_shard_drain(lrd_memory *memory, lrd_shard *shard);
/* Takes a record out of index and policy and retires it. */
void lrd_shard_drop(lrd_memory *memory, lrd_shard *shard, uint32_t handle, bool evicted);
/* The same with the reason told; live records dropped for room are offered for demotion. */
void lrd_shard_evict(lrd_memory *memory, lrd_shard *shard, uint32_t handle, larder_evict_reason reason, lrd_events *events);
/* Evicts the next victim of a space. False: it has none here. *bytes_out: what it took. */
bool lrd_shard_evict_next(lrd_memory *memory, lrd_shard *shard, uint32_t space, larder_evict_reason reason, lrd_events *events,
                          uint64_t *bytes_out);
/* Puts a block that the index no longer names aside until no reader can see it. */
void lrd_shard_retire(lrd_shard *shard, uint32_t handle);
/* After retiring: gives back a batch when it is worth its barrier. */
void lrd_shard_tidy(lrd_memory *memory, lrd_shard *shard);
/* Whether somebody holds the block; `held` is of now or from before. */
bool lrd_block_pinned(const lrd_record *block, const lrd_held *held);
/* Gives back what can be; with `wait`, waits for the readers under way. Returns the blocks freed. */
uint32_t lrd_shard_reclaim(lrd_memory *memory, lrd_shard *shard, bool wait);
/* LARDER_OK: a block of `units`, evicting for it; LARDER_NOT_KEPT: not to be had; LARDER_EBUSY: events are full, tell them
 * and come again. `space`: for whom. */
larder_err lrd_shard_alloc(lrd_memory *memory, lrd_shard *shard, uint32_t space, uint32_t units, lrd_events *events,
                           uint32_t *handle_out, uint32_t *got_out);
/* Evicts until the charge is within the quota. Results as above. */
larder_err lrd_shard_fit(lrd_memory *memory, lrd_shard *shard, uint32_t space, uint64_t more, lrd_events *events);
/* After what may have had the policies' tables grow, for which nobody made room: evicts for that. False: the events are full;
 * tell them and then have it settled. */
bool lrd_shard_settled(lrd_memory *memory, lrd_shard *shard, uint32_t space, lrd_events *events);
/* Room in the index for one more entry of this hash. Results as above. */
larder_err lrd_shard_index_room(lrd_memory *memory, lrd_shard *shard, uint32_t space, uint64_t hash, lrd_events *events);
/* Visits the entries of hashes [first, last] that are in this shard. */
typedef void (*lrd_range_visit)(void *context, lrd_memory *memory, lrd_shard *shard, uint32_t handle);
void lrd_shard_each_in(lrd_memory *memory, lrd_shard *shard, uint64_t first, uint64_t last, lrd_range_visit visit,
                       void *context);
/* Rebuilds a segment that has become much too large for what is in it, if there is room for it. */
void lrd_shard_index_shrink(lrd_memory *memory, lrd_shard *shard, size_t segment);

/* A change, for lrd_memory_change. */
typedef struct lrd_record_change {
  const larder_tier_key *key;
  const void *value;
  const larder_facts *facts;
  uint64_t token;
  uint64_t only_stamp;
  larder_tier_verb verb;
  bool equal_loses; /* PUT: a record of the same stamp and token wins */
  /* out */
  uint64_t stored_stamp;
  bool existed;
} lrd_record_change;

/* Carries out one change; locks, evicts and tells. */
larder_err lrd_memory_change(lrd_memory *memory, lrd_record_change *change);
/* LARDER_EINVAL for what no entry may be. */
LARDER_MUST_CHECK larder_err lrd_memory_check_key(const lrd_memory *memory, const larder_tier_key *key);

#endif
