/* SPDX-License-Identifier: Apache-2.0 */
/* The registry of policies, and the queues that they are made of. */
#include "policy.h"
#include "base/fail.h"

static const lrd_policy_ops *const policy_all[] = {&lrd_policy_s3_fifo, &lrd_policy_lru,   &lrd_policy_lfu,
                                                   &lrd_policy_fifo,    &lrd_policy_sieve, &lrd_policy_w_tinylfu,
                                                   &lrd_policy_adaptive};

const lrd_policy_ops *lrd_policy_find(const char *name) {
  if (name == NULL || name[0] == '\0') return &lrd_policy_s3_fifo;
  for (size_t i = 0; i < sizeof policy_all / sizeof *policy_all; i++) {
    if (strcmp(policy_all[i]->name, name) == 0) return policy_all[i];
  }
  return NULL;
}

bool lrd_memory_policy_known(const char *name) { return name != NULL && name[0] != '\0' && lrd_policy_find(name) != NULL; }

const char *lrd_memory_policy_name(size_t n) { return n < sizeof policy_all / sizeof *policy_all ? policy_all[n]->name : NULL; }

lrd_policy *lrd_policy_new(const lrd_policy_ops *ops, const lrd_arena *arena,
                           uint64_t (*hash_of)(void *context, const lrd_record *record), void *context, uint64_t *bytes_sum,
                           bool by_count, uint64_t room) {
  lrd_policy *policy = lrd_alloc_zero(1, sizeof *policy + ops->state_size);
  if (policy == NULL) return NULL;
  policy->ops = ops;
  policy->arena = arena;
  policy->hash_of = hash_of;
  policy->context = context;
  policy->bytes_sum = bytes_sum;
  policy->by_count = by_count;
  policy->room = room;
  return policy;
}

void lrd_policy_free(lrd_policy *policy) {
  if (policy == NULL) return;
  if (policy->ops->fini) policy->ops->fini(policy);
  lrd_dealloc(policy);
}

uint64_t lrd_policy_weight(const lrd_policy *policy, uint32_t handle) {
  if (policy->by_count) return 1;
  const lrd_record *record = lrd_policy_at(policy, handle);
  uint64_t weight = (uint64_t)lrd_record_units(record) * LRD_UNIT;
  return record->shape & LRD_SHAPE_LARGE ? weight + lrd_record_value(record).len : weight;
}

uint64_t lrd_policy_count(const lrd_policy *policy) {
  uint64_t count = 0;
  for (uint32_t queue = 0; queue < LRD_QUEUES; queue++) count += policy->queues[queue].count;
  return count;
}

uint64_t lrd_policy_total(const lrd_policy *policy) {
  uint64_t weight = 0;
  for (uint32_t queue = 0; queue < LRD_QUEUES; queue++) weight += policy->queues[queue].weight;
  return weight;
}

uint32_t lrd_policy_after(lrd_policy *policy, uint32_t handle) {
  if (policy->ops->after) return policy->ops->after(policy, handle);
  uint32_t newer = handle ? lrd_queue_newer(policy, handle) : 0;
  for (uint32_t queue = handle ? lrd_queue_of(lrd_policy_at(policy, handle)) + 1 : 0; newer == 0 && queue < 3; queue++) {
    newer = policy->queues[queue].oldest;
  }
  return newer;
}

static void record_set_newer(const lrd_policy *policy, uint32_t handle, uint32_t newer) {
  lrd_record *record = lrd_policy_at(policy, handle);
  record->prev = (record->prev & ~LRD_HANDLE_MASK) | newer;
}

static void record_set_older(const lrd_policy *policy, uint32_t handle, uint32_t older) {
  lrd_record *record = lrd_policy_at(policy, handle);
  record->next = (record->next & ~LRD_HANDLE_MASK) | older;
}

void lrd_queue_push(lrd_policy *policy, uint32_t queue, uint32_t handle) {
  lrd_queue *list = &policy->queues[queue];
  lrd_record *record = lrd_policy_at(policy, handle);
  record->prev &= ~LRD_HANDLE_MASK;
  record->next = queue << LRD_QUEUE_SHIFT | list->newest;
  if (list->newest) record_set_newer(policy, list->newest, handle);
  list->newest = handle;
  if (list->oldest == 0) list->oldest = handle;
  list->count++;
  list->weight += lrd_policy_weight(policy, handle);
}

void lrd_queue_remove(lrd_policy *policy, uint32_t handle) {
  const lrd_record *record = lrd_policy_at(policy, handle);
  lrd_queue *list = &policy->queues[lrd_queue_of(record)];
  uint32_t newer = record->prev & LRD_HANDLE_MASK, older = record->next & LRD_HANDLE_MASK;
  LRD_DASSERT(list->count > 0);
  if (newer)
    record_set_older(policy, newer, older);
  else
    list->newest = older;
  if (older)
    record_set_newer(policy, older, newer);
  else
    list->oldest = newer;
  list->count--;
  list->weight -= lrd_policy_weight(policy, handle);
}

void lrd_queue_replace(lrd_policy *policy, uint32_t old, uint32_t fresh) {
  const lrd_record *record = lrd_policy_at(policy, old);
  uint32_t queue = lrd_queue_of(record);
  lrd_queue *list = &policy->queues[queue];
  uint32_t newer = record->prev & LRD_HANDLE_MASK, older = record->next & LRD_HANDLE_MASK;
  lrd_record *taker = lrd_policy_at(policy, fresh);
  taker->prev = (taker->prev & ~LRD_HANDLE_MASK) | newer;
  taker->next = queue << LRD_QUEUE_SHIFT | older;
  if (newer)
    record_set_older(policy, newer, fresh);
  else
    list->newest = fresh;
  if (older)
    record_set_newer(policy, older, fresh);
  else
    list->oldest = fresh;
  list->weight += lrd_policy_weight(policy, fresh) - lrd_policy_weight(policy, old);
}

void lrd_queue_replace_touched(lrd_policy *policy, uint32_t old, uint32_t fresh) {
  lrd_queue_replace(policy, old, fresh);
  lrd_record *record = lrd_policy_at(policy, fresh);
  lrd_touch_set(record, lrd_touch_freq(lrd_policy_at(policy, old)));
  lrd_touch_raise(record);
}

void lrd_queue_remove_plain(lrd_policy *policy, uint32_t handle, bool evicted) {
  (void)evicted;
  lrd_queue_remove(policy, handle);
}

const char *lrd_queues_verify(lrd_policy *policy) {
  for (uint32_t queue = 0; queue < LRD_QUEUES; queue++) {
    const lrd_queue *list = &policy->queues[queue];
    uint64_t count = 0, weight = 0;
    uint32_t newer = 0;
    for (uint32_t at = list->newest; at; at = lrd_queue_older(policy, at)) {
      if (count++ > list->count) return "a queue runs in a circle";
      if (lrd_queue_newer(policy, at) != newer) return "a queue's links disagree";
      if (lrd_queue_of(lrd_policy_at(policy, at)) != queue) return "a record is in another queue than it says";
      weight += lrd_policy_weight(policy, at);
      newer = at;
    }
    if (newer != list->oldest || count != list->count || weight != list->weight) return "a queue's sums are wrong";
  }
  return NULL;
}

const char *lrd_policy_verify(lrd_policy *policy) {
  return policy->ops->verify ? policy->ops->verify(policy) : lrd_queues_verify(policy);
}
