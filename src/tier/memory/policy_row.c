/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A record has a head as every record has it, the key, extras. By bytes it says that it has a large value, whose length is what
 * the record's own 64 bytes leave of its weight (below 64 it wraps, and the sum is right again). Nobody follows its pointer.
 */
#include "policy_row.h"

#include "base/fail.h"

static void extras_put(const lrd_policy_row *row, uint8_t *record, uint64_t weight) {
  const lrd_policy *policy = row->policy;
  lrd_extras extras = {.mask = (policy->ops->record_word ? LRD_EXTRA_WORD : 0u) | (policy->by_count ? 0u : LRD_EXTRA_LARGE),
                       .large_len = weight - LRD_ROW_BYTES};
  lrd_extras_write(&extras, record + LRD_RECORD_HEAD + row->key_len);
}

/* What a record is before it has a key. */
static void blank_fill(lrd_policy_row *row) {
  const lrd_policy *policy = row->policy;
  bool extras = policy->ops->record_word || !policy->by_count;
  lrd_record *blank = (lrd_record *)(void *)row->blank;
  atomic_init(&blank->touch, policy->ops->touch);
  blank->shape = (uint16_t)(row->key_len | (extras ? LRD_SHAPE_EXTRAS : 0) | (policy->by_count ? 0 : LRD_SHAPE_LARGE));
  extras_put(row, row->blank, 0);
}

larder_err lrd_policy_row_init(lrd_policy_row *row, const lrd_policy_row_options *how) {
  const lrd_policy_ops *ops = lrd_policy_find(how->policy);
  LRD_ASSERT(ops && (how->key_len == 4 || (how->key_len == 8 && !how->by_bytes)));
  LRD_ASSERT((how->records + 1) * LRD_ROW_UNITS <= LRD_HANDLE_MASK);
  *row = (lrd_policy_row){.key_len = how->key_len, .fresh = LRD_ROW_UNITS}; /* handle 0 is none */
  row->raw = lrd_alloc((size_t)((how->records + 1) * LRD_ROW_BYTES) + 63);
  if (row->raw) {
    lrd_arena_init(&row->arena, (void *)(((uintptr_t)row->raw + 63) & ~(uintptr_t)63), LRD_HANDLE_MASK);
    row->policy = lrd_policy_new(ops, &row->arena, how->hash_of, how->context, &row->policy_bytes, !how->by_bytes, how->room);
  }
  if (row->policy == NULL) {
    lrd_policy_row_fini(row);
    return LARDER_ENOMEM;
  }
  blank_fill(row);
  return LARDER_OK;
}

void lrd_policy_row_fini(lrd_policy_row *row) {
  lrd_policy_free(row->policy);
  lrd_dealloc(row->raw);
  *row = (lrd_policy_row){0};
}

static uint32_t record_new(lrd_policy_row *row, uint64_t key, uint64_t weight) {
  uint32_t handle = row->spare;
  if (handle) {
    row->spare = lrd_arena_at(&row->arena, handle)->next;
  } else {
    handle = row->fresh;
    row->fresh += LRD_ROW_UNITS;
  }
  uint8_t *record = (uint8_t *)lrd_arena_at(&row->arena, handle);
  memcpy(record, row->blank, LRD_ROW_BYTES);
  if (row->key_len == sizeof(uint32_t))
    lrd_put_u32(record + LRD_RECORD_HEAD, (uint32_t)key);
  else
    lrd_put_u64(record + LRD_RECORD_HEAD, key);
  if (!row->policy->by_count) extras_put(row, record, weight);
  return handle;
}

static void log_drain(lrd_policy_row *row) {
  for (uint32_t i = 0; i < row->log_len && row->policy->ops->access; i++) row->policy->ops->access(row->policy, row->log[i]);
  row->log_len = 0;
}

void lrd_policy_row_log(lrd_policy_row *row, uint32_t handle) {
  row->log[row->log_len++] = handle;
  if (++row->logged % (LRD_LOG_LEN / 2) == 0) log_drain(row);
}

uint32_t lrd_policy_row_put(lrd_policy_row *row, uint64_t key, uint64_t weight) {
  lrd_policy *policy = row->policy;
  LRD_DASSERT(row->key_len == 8 || key <= UINT32_MAX);
  log_drain(row);
  if (policy->ops->prepare && !policy->ops->prepare(policy)) return 0;
  uint32_t handle = record_new(row, key, weight);
  policy->ops->insert(policy, handle, lrd_policy_hash(policy, handle));
  return handle;
}

uint32_t lrd_policy_row_victim(lrd_policy_row *row) {
  log_drain(row);
  row->policy->room = lrd_policy_total(row->policy);
  uint32_t victim = row->policy->ops->victim(row->policy);
  LRD_ASSERT(victim);
  return victim;
}

void lrd_policy_row_drop(lrd_policy_row *row, uint32_t handle, bool evicted) {
  log_drain(row);
  row->policy->ops->remove(row->policy, handle, evicted);
  lrd_arena_at(&row->arena, handle)->next = row->spare;
  row->spare = handle;
}
