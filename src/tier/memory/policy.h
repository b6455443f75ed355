/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Eviction policies. One lrd_policy stands for one space within one shard; everything but a record's touch byte happens
 * under the shard's lock. A policy chooses; the shard evicts.
 *
 * Two kinds of reading. Cheap ones (fifo, sieve, s3-fifo): a reader raises the record's 2-bit frequency up to the policy's
 * cap. Exact ones (lru, lfu, w-tinylfu): a reader writes the handle into the shard's log, which writers drain in order
 * before they choose; with one thread nothing is lost. adaptive does the one for most records and the other for a sample.
 */
#ifndef LRD_TIER_MEMORY_POLICY_H
#define LRD_TIER_MEMORY_POLICY_H

#include "arena.h"

/* A doubly linked queue through the records' prev (newer) and next (older) words. */
typedef struct lrd_queue {
  uint32_t newest;
  uint32_t oldest;
  uint64_t count;
  uint64_t weight;
} lrd_queue;

#define LRD_LOG_LEN 128u /* readings that wait for the policies of a shard; a reader drains them by halves if it can */
#define LRD_QUEUES  4u   /* of a policy, at most: two bits of a record name its one */

typedef struct lrd_policy lrd_policy;

typedef struct lrd_policy_ops {
  const char *name;
  uint8_t touch;     /* the touch byte of a new record */
  bool record_word;  /* each record carries a u32 for the policy */
  size_t state_size; /* of the policy's own state, behind lrd_policy */
  /* Makes sure that the next insert can be done; NULL: it always can. */
  bool (*prepare)(lrd_policy *policy);
  /* A record that is new here. `hash` is the key's. */
  void (*insert)(lrd_policy *policy, uint32_t handle, uint64_t hash);
  /* A read or a replacement of it; NULL: the touch byte says it all. */
  void (*access)(lrd_policy *policy, uint32_t handle);
  /* `fresh` takes the place of `old`, and counts as accessed. */
  void (*replace)(lrd_policy *policy, uint32_t old, uint32_t fresh);
  /* The record to evict next, still linked; 0 when empty. room has just been set. */
  uint32_t (*victim)(lrd_policy *policy);
  /* Unlinks; `evicted`: for lack of room, so that a ghost may remember it. */
  void (*remove)(lrd_policy *policy, uint32_t handle, bool evicted);
  /* The record that goes after this one, as far as queues tell and nothing else; of 0 the first. 0: none. NULL: the queues
   * one after the other. */
  uint32_t (*after)(lrd_policy *policy, uint32_t handle);
  /* NULL, or what is wrong. NULL as a function: the queues are all there is. */
  const char *(*verify)(lrd_policy *policy);
  /* So many spaces of the shard have this policy now, and have to go shares in what it may allocate. NULL: it is no matter. */
  void (*share)(lrd_policy *policy, uint32_t among);
  /* Releases what the policy allocated besides its state. NULL: nothing. */
  void (*fini)(lrd_policy *policy);
} lrd_policy_ops;

struct lrd_policy {
  const lrd_policy_ops *ops;
  const lrd_arena *arena;
  uint64_t (*hash_of)(void *context, const lrd_record *record);
  void *context;
  uint64_t room;       /* weight that fits: what is expected, from the first eviction on what was there at the last one */
  uint64_t bytes;      /* allocated by the policy besides its state: ghosts, sketches */
  uint64_t *bytes_sum; /* borrowed: the sum of all policies' bytes in the shard */
  bool by_count;       /* weight of a record: 1, or its bytes */
  lrd_queue queues[LRD_QUEUES];
};

/* "lru" "lfu" "fifo" "sieve" "s3-fifo" "w-tinylfu" "adaptive"; NULL or "" the default (s3-fifo). NULL when there is none such.
 */
const lrd_policy_ops *lrd_policy_find(const char *name);
/* Whether `name` is an eviction policy of the memory tier; for the configuration. */
bool lrd_memory_policy_known(const char *name);
/* The n-th policy's name, NULL beyond the last. */
const char *lrd_memory_policy_name(size_t n);

/* Own; NULL when out of memory. */
lrd_policy *lrd_policy_new(const lrd_policy_ops *ops, const lrd_arena *arena,
                           uint64_t (*hash_of)(void *context, const lrd_record *record), void *context, uint64_t *bytes_sum,
                           bool by_count, uint64_t room);
void lrd_policy_free(lrd_policy *policy);
/* Tells what the policy has allocated now. */
static inline void lrd_policy_set_bytes(lrd_policy *policy, uint64_t bytes) {
  *policy->bytes_sum += bytes - policy->bytes;
  policy->bytes = bytes;
}
static inline void *lrd_policy_state(lrd_policy *policy) { return policy + 1; }
static inline lrd_record *lrd_policy_at(const lrd_policy *policy, uint32_t handle) {
  return lrd_arena_at(policy->arena, handle);
}
static inline uint64_t lrd_policy_hash(const lrd_policy *policy, uint32_t handle) {
  return policy->hash_of(policy->context, lrd_policy_at(policy, handle));
}
uint64_t lrd_policy_weight(const lrd_policy *policy, uint32_t handle);
/* A walk from who goes first to who goes last, in which nothing is changed. `handle` 0: the first. 0: that was the last. */
uint32_t lrd_policy_after(lrd_policy *policy, uint32_t handle);
/* Entries over all queues, and their weight. */
uint64_t lrd_policy_count(const lrd_policy *policy);
uint64_t lrd_policy_total(const lrd_policy *policy);

static inline uint32_t lrd_queue_of(const lrd_record *record) { return (record->next & LRD_QUEUE_MASK) >> LRD_QUEUE_SHIFT; }
static inline uint32_t lrd_queue_newer(const lrd_policy *policy, uint32_t handle) {
  return lrd_policy_at(policy, handle)->prev & LRD_HANDLE_MASK;
}
static inline uint32_t lrd_queue_older(const lrd_policy *policy, uint32_t handle) {
  return lrd_policy_at(policy, handle)->next & LRD_HANDLE_MASK;
}
static inline unsigned lrd_touch_freq(const lrd_record *record) {
  uint8_t touch = atomic_load_explicit(&record->touch, memory_order_relaxed);
  return (touch >> 2 & LRD_TOUCH_LEFT) - (touch & LRD_TOUCH_LEFT);
}
static inline void lrd_touch_set(lrd_record *record, unsigned freq) {
  unsigned touch = atomic_load_explicit(&record->touch, memory_order_relaxed);
  unsigned left = (touch >> 2 & LRD_TOUCH_LEFT) - freq;
  atomic_store_explicit(&record->touch, (uint8_t)((touch & ~LRD_TOUCH_LEFT) | left), memory_order_relaxed);
}
/* Raises the frequency by one, up to the record's cap. */
static inline void lrd_touch_raise(lrd_record *record) {
  uint8_t touch = atomic_load_explicit(&record->touch, memory_order_relaxed);
  if (touch & LRD_TOUCH_LEFT) atomic_store_explicit(&record->touch, (uint8_t)(touch - 1), memory_order_relaxed);
}
/* Whether readings of it are to be logged. */
static inline void lrd_touch_log(lrd_record *record, bool logged) {
  uint8_t touch = atomic_load_explicit(&record->touch, memory_order_relaxed);
  uint8_t wanted = logged ? touch | LRD_TOUCH_LOG : touch & (uint8_t)~LRD_TOUCH_LOG;
  if (touch != wanted) atomic_store_explicit(&record->touch, wanted, memory_order_relaxed);
}

/* In how many parts something goes that has been parted in so many before (0: not yet). By powers of two, so that with many
 * spaces that come one after the other what it says is built anew a few times only. */
static inline uint32_t lrd_policy_shares(uint32_t before, uint32_t among) {
  uint32_t shares = before ? before : 1;
  while (shares < among) shares *= 2;
  return shares;
}

/* Queue operations on policy->queues[queue]. */
void lrd_queue_push(lrd_policy *policy, uint32_t queue, uint32_t handle);
void lrd_queue_remove(lrd_policy *policy, uint32_t handle);
void lrd_queue_replace(lrd_policy *policy, uint32_t old, uint32_t fresh);
static inline void lrd_queue_move(lrd_policy *policy, uint32_t queue, uint32_t handle) {
  lrd_queue_remove(policy, handle);
  lrd_queue_push(policy, queue, handle);
}
/* For policies whose place and touch byte are all there is. */
void lrd_queue_replace_touched(lrd_policy *policy, uint32_t old, uint32_t fresh);
void lrd_queue_remove_plain(lrd_policy *policy, uint32_t handle, bool evicted);
/* NULL, or what is wrong with the queues; with the whole policy. */
const char *lrd_queues_verify(lrd_policy *policy);
const char *lrd_policy_verify(lrd_policy *policy);

extern const lrd_policy_ops lrd_policy_fifo;
extern const lrd_policy_ops lrd_policy_lru;
extern const lrd_policy_ops lrd_policy_lfu;
extern const lrd_policy_ops lrd_policy_sieve;
extern const lrd_policy_ops lrd_policy_s3_fifo;
extern const lrd_policy_ops lrd_policy_w_tinylfu;
extern const lrd_policy_ops lrd_policy_adaptive;

#endif
