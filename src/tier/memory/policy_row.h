/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A policy by itself: over records that are what a shard's are, 64 bytes each, one line of the processor's cache, and nothing
 * else. For those who want to know who would stay. Records lie in a row and are handed out from its front; those that were
 * dropped are handed out again first. One thread at a time.
 */
#ifndef LRD_TIER_MEMORY_POLICY_ROW_H
#define LRD_TIER_MEMORY_POLICY_ROW_H

#include "policy.h"
#include <larder/error.h>

#define LRD_ROW_BYTES 64u
#define LRD_ROW_UNITS (LRD_ROW_BYTES / LRD_UNIT) /* handles are its multiples, from 1 */

typedef struct lrd_policy_row {
  lrd_policy *policy;
  lrd_arena arena;
  uint64_t policy_bytes;
  void *raw; /* the records, before alignment */
  uint32_t key_len;
  uint32_t spare;   /* handles of dropped records, linked by next */
  uint32_t fresh;   /* the next handle that was never used */
  uint32_t logged;  /* readings ever, */
  uint32_t log_len; /* and those that wait, as in a shard */
  uint32_t log[LRD_LOG_LEN / 2];
  _Alignas(8) uint8_t blank[LRD_ROW_BYTES]; /* a record without a key */
} lrd_policy_row;

typedef struct lrd_policy_row_options {
  const char *policy; /* one of the tier's */
  uint64_t records;   /* at once, at most */
  uint32_t key_len;   /* 4 or 8 bytes of a number; by bytes 4, so that 64 bytes hold all */
  bool by_bytes;      /* records weigh what is said of them; else one each */
  uint64_t room;      /* weight that fits */
  uint64_t (*hash_of)(void *context, const lrd_record *record);
  void *context; /* borrowed */
} lrd_policy_row_options;

/* The row stays where it is until its end. LARDER_ENOMEM: there is nothing to end. */
LARDER_MUST_CHECK larder_err lrd_policy_row_init(lrd_policy_row *row, const lrd_policy_row_options *how);
/* Zeros are fine. */
void lrd_policy_row_fini(lrd_policy_row *row);
/* A record that is new there, and weighs so much where that is counted; 0: without memory for what the policy knows of it, it
 * is not there. */
uint32_t lrd_policy_row_put(lrd_policy_row *row, uint64_t key, uint64_t weight);
/* Who goes next; there is somebody. */
uint32_t lrd_policy_row_victim(lrd_policy_row *row);
/* `evicted`: for lack of room. */
void lrd_policy_row_drop(lrd_policy_row *row, uint32_t handle, bool evicted);

/* A reading that the policy is to be told of. */
void lrd_policy_row_log(lrd_policy_row *row, uint32_t handle);
/* It is read. */
static inline void lrd_policy_row_touch(lrd_policy_row *row, uint32_t handle) {
  lrd_record *record = lrd_arena_at(&row->arena, handle);
  if (!(atomic_load_explicit(&record->touch, memory_order_relaxed) & LRD_TOUCH_LOG))
    lrd_touch_raise(record);
  else
    lrd_policy_row_log(row, handle);
}

#endif
