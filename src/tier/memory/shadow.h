/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shadows: for a sample of the keys, what each expert would hold if it had been in charge all along. A shadow knows hashes and
 * weights only. What they miss of keys that one of them holds or evicted lately is their *regret*; it fades, and the expert
 * with the least is the one to follow.
 *
 * The sample is of hashes: all of them as long as their nodes suffice, then every second, fourth … The room of a shadow is
 * that part of the true one.
 */
#ifndef LRD_TIER_MEMORY_SHADOW_H
#define LRD_TIER_MEMORY_SHADOW_H

#include "arena.h"
#include "expert.h"

typedef struct lrd_shadow_node lrd_shadow_node;

typedef struct lrd_shadow_queue {
  uint16_t newest;
  uint16_t oldest;
  uint64_t weight;
} lrd_shadow_queue;

/* Where an expert has a node: in a queue, among its ghosts, or not at all. */
enum { LRD_SHADOW_NONE, LRD_SHADOW_WINDOW, LRD_SHADOW_TRIAL, LRD_SHADOW_MAIN, LRD_SHADOW_GHOSTS };

/* What one expert holds. */
typedef struct lrd_shadow_side {
  lrd_shadow_queue queues[LRD_SHADOW_GHOSTS]; /* by place; that of LRD_SHADOW_NONE is empty */
  uint64_t weight;
  uint64_t window_max;
  uint64_t main_max;
  uint8_t back; /* ghosts that came back and were not yet reckoned with */
} lrd_shadow_side;

typedef struct lrd_shadow {
  lrd_shadow_node *nodes; /* by number, 0: none */
  uint16_t *buckets;
  uint32_t buckets_mask;
  uint32_t nodes_len; /* allocated, numbers in use below nodes_next */
  uint32_t nodes_next;
  uint32_t nodes_used;
  uint32_t nodes_max;
  uint16_t spare;
  uint16_t last;      /* asked for; it may have become another key's node since */
  uint16_t evicted;   /* the node that lrd_shadow_evict_one told of */
  uint8_t rate_shift; /* one key in 2^this is in the sample */
  uint8_t chosen;
  bool sweep_due;
  bool resting;     /* of the shadows only the leading one goes on */
  bool mirrors;     /* and that one is the true cache itself, whose queues are not in it */
  bool settled;     /* nobody else came to lead since the last rest */
  bool logs;        /* readings of what not all hold are logged */
  uint32_t misses;  /* of the leading expert, since it leads, or the last rest began or ended */
  uint32_t regrets; /* of these */
  uint32_t backs;   /* of these, of what it remembers itself */
  uint32_t learned; /* misses of whoever led since the last rest */
  uint32_t paid;    /* of these, that were regretted */
  uint32_t rest;    /* misses until the others go on */
  uint32_t share;   /* backs of the misses before the rest, in 1024ths */
  uint32_t counted; /* since the counts were last halved */
  uint64_t room;    /* of each expert */
  void (*left)(void *context, uint32_t handle);
  void *context;
  const lrd_arena *arena;
  lrd_shadow_side sides[LRD_EXPERTS];
  uint16_t counts[LRD_EXPERTS]; /* how many nodes each holds */
  uint16_t times[LRD_EXPERTS];  /* its evictions, half of them for each ghost that came back */
  uint64_t regret[LRD_EXPERTS]; /* fading; in 1024ths */
  uint64_t asked;               /* accesses of the sample */
  uint64_t missed[LRD_EXPERTS]; /* of these */
  uint64_t led[LRD_EXPERTS];    /* of these, while the expert was the chosen one */
  uint64_t switches;
} lrd_shadow;

/* `bytes_max` bounds what it allocates. */
void lrd_shadow_init(lrd_shadow *shadow, uint64_t bytes_max);
void lrd_shadow_fini(lrd_shadow *shadow);
uint64_t lrd_shadow_bytes(const lrd_shadow *shadow);

/* From now on `left` is called whenever the leading expert evicts what the true cache has, and the sample is not halved without
 * being told to. NULL: neither; and who leads has to be one that a sample is enough for. Readings that raised touch bytes of
 * the records in `arena` are seen when some queue comes to them; where `left` is called they are used up by that. */
void lrd_shadow_lead(lrd_shadow *shadow, void (*left)(void *context, uint32_t handle), void *context, const lrd_arena *arena);

static inline bool lrd_shadow_samples(const lrd_shadow *shadow, uint64_t hash) {
  return (hash * UINT64_C(0xd6e8feb86659fd93) >> 32 & ((UINT64_C(1) << shadow->rate_shift) - 1)) == 0;
}

typedef enum lrd_shadow_told {
  LRD_SHADOW_KEPT,    /* the leading expert has the key now */
  LRD_SHADOW_STRAY,   /* it has it not: the key is not of the sample any more, or too large */
  LRD_SHADOW_CHANGED, /* another expert leads from now on */
  LRD_SHADOW_FULL     /* nothing happened: the sample has to be halved first, by lrd_shadow_lead with NULL and another access */
} lrd_shadow_told;

/* A key of the sample was asked for and now is in the true cache, by this handle; `room`: of that cache, in the unit of
 * weights. */
lrd_shadow_told lrd_shadow_access(lrd_shadow *shadow, uint64_t hash, uint64_t weight, uint64_t room, uint32_t handle);
/* From now on readings are learned from: those of what not all experts hold are to be logged and told, by lrd_shadow_access. */
void lrd_shadow_begin(lrd_shadow *shadow);
/* The true cache is about to use up touches of the key, all but so many. */
void lrd_shadow_used(lrd_shadow *shadow, uint64_t hash, unsigned left);
/* Whether the others are to rest, or to go on. */
bool lrd_shadow_turn_due(lrd_shadow *shadow);
/* Only the leading expert goes on; where nothing is called when it evicts, the true cache itself takes its place, of which only
 * what comes and leaves is told. */
void lrd_shadow_rest(lrd_shadow *shadow);
/* The `at`-th node is in this queue of the true cache, or in none (LRD_SHADOW_NONE); to be told of all that it has before the
 * rest of it ends. */
void lrd_shadow_seed(lrd_shadow *shadow, uint32_t at, unsigned place, unsigned touches);
/* The others go on, from what the leading one holds. */
void lrd_shadow_wake(lrd_shadow *shadow);
/* A key of the sample left the true cache; `deleted`: not for lack of room, so that nobody would have it any more. While
 * mirroring also: nobody is to remember it. */
void lrd_shadow_leave(lrd_shadow *shadow, uint64_t hash, bool deleted);
/* Where the leading expert has the key. */
unsigned lrd_shadow_place(const lrd_shadow *shadow, uint64_t hash);
/* The leading expert evicts until the true cache has what goes: its handle, of which `left` is not told. 0: it holds nothing
 * that the true cache has. */
uint32_t lrd_shadow_evict_one(lrd_shadow *shadow);
/* What it was told of last left the true cache for lack of room. */
void lrd_shadow_leave_evicted(lrd_shadow *shadow);

/* From *at (0 at first) on, the next node whose key the true cache has; its handle, 0: no more. */
uint32_t lrd_shadow_next_held(const lrd_shadow *shadow, uint32_t *at);

/* A node as an expert has it. */
typedef struct lrd_shadow_row {
  uint16_t at;
  uint32_t handle;
  unsigned touches;
  unsigned count;
  uint64_t hash;
} lrd_shadow_row;
/* An expert's queue, from the oldest (`at` 0) on, as far as the true cache has the keys, too. False: no more. */
bool lrd_shadow_next(const lrd_shadow *shadow, unsigned expert, unsigned queue, lrd_shadow_row *row);
/* Likewise after a key, wherever the leading expert has it; of 0 the first of its queues. */
uint32_t lrd_shadow_after(const lrd_shadow *shadow, uint64_t hash, bool first);
/* All nodes, from `at` 0 on. False: no more. */
bool lrd_shadow_each(const lrd_shadow *shadow, lrd_shadow_row *row);
/* From now on asked, missed, led and switches count from 0; what was learned stays. */
void lrd_shadow_count_anew(lrd_shadow *shadow);
/* NULL, or what is wrong. */
const char *lrd_shadow_verify(const lrd_shadow *shadow);

#endif
