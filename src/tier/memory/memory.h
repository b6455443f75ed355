/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory tier: a flat bucketed index over records in an arena of fixed size. Readers take no lock, make no system
 * call and allocate nothing; writers lock one shard. The budget counts everything: arena, index, policy, ghosts.
 *
 * The core calls these functions directly on its hot path; lrd_memory_tier is the same behind the tier contract, for the
 * conformance suite, sweeps, scans and usage.
 *
 * A *token* is the slot's word at which a record counts: a get with `slot` hits only while *slot == token of the record
 * (a word with an owner never equals a token). Spaces without slots put token 0 and get with slot NULL.
 */
#ifndef LRD_TIER_MEMORY_MEMORY_H
#define LRD_TIER_MEMORY_MEMORY_H

#include "base/bytes.h"
#include "base/clock.h"
#include <larder/adaptive.h>
#include <larder/ext/tier.h>
#include <stdatomic.h>

typedef struct lrd_memory lrd_memory;

extern const larder_tier_ops lrd_memory_tier;

/* A value that a get handed out. Pinned in the arena, or an owned copy when too much is pinned already. */
typedef struct lrd_memory_pin {
  const void *value;
  size_t len;
  int64_t expires_soft_ms; /* 0: never */
  void *pin[2];
} lrd_memory_pin;

/* What a look may find, besides what is fresh. */
enum {
  LRD_WANT_STALE = 1u << 0, /* as `true` for it alone */
  LRD_WANT_ABSENT = 1u << 1 /* what a maker said is not there */
};

/*
 * Looks up, checks the token, and checks hard expiry against now_ms (the wall clock; asked for only when the record has
 * an expiry). LARDER_OK, LARDER_MISS, or LARDER_ENOMEM. Only what is fresh and there counts unless `want` says more.
 */
larder_err lrd_memory_pin_get(lrd_memory *memory, const larder_tier_key *key, const _Atomic uint64_t *slot, unsigned want,
                              lrd_memory_pin *out);
void lrd_memory_pin_release(lrd_memory *memory, lrd_memory_pin *pin);
/* The facts of a pinned value; pointers live until the release. */
void lrd_memory_pin_facts(const lrd_memory_pin *pin, larder_facts *out);
/* Copies out; *len_out is set on LARDER_OK and on LARDER_ETOOBIG (room was short). */
larder_err lrd_memory_copy(lrd_memory *memory, const larder_tier_key *key, const _Atomic uint64_t *slot, unsigned want,
                           void *out, size_t room, size_t *len_out);
/* Many at once, the cache misses overlapped. slots may be NULL, or an array as long as keys. results[i] as pin_get's. */
void lrd_memory_pin_many(lrd_memory *memory, const larder_tier_key *keys, const _Atomic uint64_t *const *slots, size_t count,
                         unsigned want, lrd_memory_pin *out, larder_err *results);

/*
 * Stores, over a record of a lower or equal stamp or of another token. LARDER_OK; LARDER_OLDER when a record with the
 * same token has a higher stamp; LARDER_NOT_KEPT when there is no room to be had (too large, too much pinned).
 */
larder_err lrd_memory_put(lrd_memory *memory, const larder_tier_key *key, const void *value, const larder_facts *facts,
                          uint64_t token);
/* Removes whatever is there. LARDER_OK or LARDER_MISS. */
larder_err lrd_memory_forget(lrd_memory *memory, const larder_tier_key *key);
/* While a record bears the mark it is not read by the straight way (core/hit.c). A reader under way may wipe it off. */
void lrd_memory_mark(lrd_memory *memory, const larder_tier_key *key, bool marked);
/* Gives every record whose hash lies in [first, last] and whose token is `from` the token `to`, in all spaces; those of the
 * keys in `but` keep theirs. */
void lrd_memory_retag(lrd_memory *memory, uint64_t first, uint64_t last, uint64_t from, uint64_t to, const larder_tier_key *but,
                      size_t but_len);
/*
 * Evicts up to so many entries of a space, in every shard as large a part, and returns how many. With `but` (ascending hashes)
 * those stay, and the others go in the order of the policy's queues; else it is the policy that chooses.
 */
uint64_t lrd_memory_evict(lrd_memory *memory, uint32_t space, uint64_t count, const uint64_t *but, size_t but_len);
/* Evicts the entries of one hash, of which there is hardly ever more than one. */
uint64_t lrd_memory_evict_hash(lrd_memory *memory, uint32_t space, uint64_t hash);
/* Likewise those of one stamp. */
uint64_t lrd_memory_evict_stamp(lrd_memory *memory, uint32_t space, uint64_t hash, uint64_t stamp);
/* Adds up what the shards' policies tell of their decisions; names and leader are the caller's. False: it is not adaptive. */
bool lrd_memory_adaptive(lrd_memory *memory, uint32_t space, larder_adaptive *sums);
/* Which expert chooses in the shard of a hash. False: the policy is not adaptive. */
bool lrd_memory_expert(lrd_memory *memory, uint32_t space, uint64_t hash, unsigned *expert_out);
/* Removes everything in a space. */
void lrd_memory_clear(lrd_memory *memory, uint32_t space, uint64_t *entries_out, uint64_t *bytes_out);

#endif
