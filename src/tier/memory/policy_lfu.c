/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Least frequently used, the older access first among equals. One node per count that occurs, in ascending order, each
 * with a queue of its records; a record's word names its node, so every step is constant time. The records of all nodes
 * together are queues[0]: its newest and oldest are not used, only its sums.
 */
#include "base/fail.h"
#include "policy.h"

typedef struct lfu_node {
  uint64_t count; /* accesses of the records here */
  uint32_t newest;
  uint32_t oldest;
  uint32_t lower; /* nodes by number, 0: none; a free node's lower is the next free one */
  uint32_t higher;
} lfu_node;

typedef struct lfu_state {
  lfu_node *nodes; /* [0]: lower is the highest node, higher the lowest */
  uint32_t len;
  uint32_t cap;
  uint32_t spare;
} lfu_state;

static lfu_node *lfu_at(lrd_policy *policy, uint32_t node) { return &((lfu_state *)lrd_policy_state(policy))->nodes[node]; }

static bool lfu_grow(lrd_policy *policy) {
  lfu_state *state = lrd_policy_state(policy);
  uint32_t cap = state->cap ? state->cap * 2 : 16;
  lfu_node *before = state->nodes, *nodes = lrd_alloc(cap * sizeof *nodes);
  if (nodes == NULL) return false;
  nodes[0] = (lfu_node){0};
  if (before) memcpy(nodes, before, state->len * sizeof *nodes);
  if (state->len == 0) state->len = 1;
  state->nodes = nodes;
  state->cap = cap;
  lrd_policy_set_bytes(policy, cap * sizeof *nodes);
  lrd_dealloc(before); /* last: what a thread forks meanwhile frees it, too */
  return true;
}

/* A free node's number; 0 when out of memory. */
static uint32_t lfu_node_new(lrd_policy *policy) {
  lfu_state *state = lrd_policy_state(policy);
  if (state->spare) {
    uint32_t node = state->spare;
    state->spare = state->nodes[node].lower;
    return node;
  }
  return state->len < state->cap || lfu_grow(policy) ? state->len++ : 0;
}

/* The node of `count` that follows `lower` (0: as the lowest); made when it is not there. 0 when out of memory. */
static uint32_t lfu_node_after(lrd_policy *policy, uint32_t lower, uint64_t count) {
  lfu_state *state = lrd_policy_state(policy);
  uint32_t higher = state->cap ? state->nodes[lower].higher : 0;
  if (higher && state->nodes[higher].count == count) return higher;
  uint32_t node = lfu_node_new(policy);
  if (node == 0) return 0;
  state->nodes[node] = (lfu_node){.count = count, .lower = lower, .higher = higher};
  state->nodes[lower].higher = node;
  state->nodes[higher].lower = node;
  return node;
}

static void lfu_link(lrd_policy *policy, uint32_t node, uint32_t handle) {
  lfu_node *at = lfu_at(policy, node);
  lrd_record *record = lrd_policy_at(policy, handle);
  record->prev &= ~LRD_HANDLE_MASK;
  record->next = at->newest;
  if (at->newest) {
    lrd_record *second = lrd_policy_at(policy, at->newest);
    second->prev = (second->prev & ~LRD_HANDLE_MASK) | handle;
  }
  at->newest = handle;
  if (at->oldest == 0) at->oldest = handle;
  lrd_put_u32(lrd_record_word(record), node);
}

static void lfu_unlink(lrd_policy *policy, uint32_t handle) {
  lrd_record *record = lrd_policy_at(policy, handle);
  lfu_node *at = lfu_at(policy, lrd_get_u32(lrd_record_word(record)));
  uint32_t newer = record->prev & LRD_HANDLE_MASK, older = record->next & LRD_HANDLE_MASK;
  if (newer) {
    lrd_record *other = lrd_policy_at(policy, newer);
    other->next = (other->next & ~LRD_HANDLE_MASK) | older;
  } else {
    at->newest = older;
  }
  if (older) {
    lrd_record *other = lrd_policy_at(policy, older);
    other->prev = (other->prev & ~LRD_HANDLE_MASK) | newer;
  } else {
    at->oldest = newer;
  }
}

static void lfu_node_drop_empty(lrd_policy *policy, uint32_t node) {
  lfu_state *state = lrd_policy_state(policy);
  lfu_node *at = &state->nodes[node];
  if (at->newest) return;
  state->nodes[at->lower].higher = at->higher;
  state->nodes[at->higher].lower = at->lower;
  at->lower = state->spare;
  state->spare = node;
}

static void lfu_sums(lrd_policy *policy, uint32_t handle, bool add) {
  uint64_t weight = lrd_policy_weight(policy, handle);
  policy->queues[0].count += add ? 1 : (uint64_t)-1;
  policy->queues[0].weight += add ? weight : (uint64_t)0 - weight;
}

static bool lfu_insert_counted(lrd_policy *policy, uint32_t handle) {
  uint32_t node = lfu_node_after(policy, 0, 1);
  if (node == 0) return false;
  lfu_link(policy, node, handle);
  return true;
}

static void lfu_insert(lrd_policy *policy, uint32_t handle, uint64_t hash) {
  (void)hash;
  LRD_ASSERT(lfu_insert_counted(policy, handle)); /* prepare made the node */
  lfu_sums(policy, handle, true);
}

/* Without memory for a node the record keeps its count and only becomes the newest of it. */
static void lfu_access(lrd_policy *policy, uint32_t handle) {
  uint32_t node = lrd_get_u32(lrd_record_word(lrd_policy_at(policy, handle)));
  uint32_t next = lfu_node_after(policy, node, lfu_at(policy, node)->count + 1);
  lfu_unlink(policy, handle);
  lfu_link(policy, next ? next : node, handle);
  lfu_node_drop_empty(policy, node);
}

static void lfu_replace(lrd_policy *policy, uint32_t old, uint32_t fresh) {
  uint32_t node = lrd_get_u32(lrd_record_word(lrd_policy_at(policy, old)));
  lfu_link(policy, node, fresh);
  lfu_unlink(policy, old);
  lfu_sums(policy, old, false);
  lfu_sums(policy, fresh, true);
  lfu_access(policy, fresh);
}

static uint32_t lfu_victim(lrd_policy *policy) {
  if (policy->queues[0].count == 0) return 0;
  return lfu_at(policy, lfu_at(policy, 0)->higher)->oldest;
}

static uint32_t lfu_after(lrd_policy *policy, uint32_t handle) {
  if (policy->queues[0].count == 0) return 0;
  uint32_t newer = handle ? lrd_queue_newer(policy, handle) : 0;
  if (newer) return newer;
  uint32_t node = lfu_at(policy, handle ? lrd_get_u32(lrd_record_word(lrd_policy_at(policy, handle))) : 0)->higher;
  return node ? lfu_at(policy, node)->oldest : 0;
}

static void lfu_remove(lrd_policy *policy, uint32_t handle, bool evicted) {
  (void)evicted;
  uint32_t node = lrd_get_u32(lrd_record_word(lrd_policy_at(policy, handle)));
  lfu_sums(policy, handle, false);
  lfu_unlink(policy, handle);
  lfu_node_drop_empty(policy, node);
}

static bool lfu_prepare(lrd_policy *policy) {
  uint32_t node = lfu_node_after(policy, 0, 1);
  if (node) lfu_node_drop_empty(policy, node);
  return node != 0;
}

static const char *lfu_verify(lrd_policy *policy) {
  uint64_t count = 0, below = 0;
  if (((lfu_state *)lrd_policy_state(policy))->cap == 0) return policy->queues[0].count ? "records without a node" : NULL;
  for (uint32_t node = lfu_at(policy, 0)->higher; node; node = lfu_at(policy, node)->higher) {
    if (lfu_at(policy, node)->count <= below || lfu_at(policy, node)->newest == 0) return "the nodes are out of order";
    below = lfu_at(policy, node)->count;
    for (uint32_t at = lfu_at(policy, node)->newest; at; at = lrd_queue_older(policy, at)) {
      if (count++ > policy->queues[0].count) return "a node runs in a circle";
      if (lrd_get_u32(lrd_record_word(lrd_policy_at(policy, at))) != node) return "a record names another node";
    }
  }
  return count == policy->queues[0].count ? NULL : "the nodes' sums are wrong";
}

static void lfu_fini(lrd_policy *policy) { lrd_dealloc(((lfu_state *)lrd_policy_state(policy))->nodes); }

const lrd_policy_ops lrd_policy_lfu = {
    .name = "lfu",
    .touch = LRD_TOUCH_LOG,
    .record_word = true,
    .state_size = sizeof(lfu_state),
    .prepare = lfu_prepare,
    .insert = lfu_insert,
    .access = lfu_access,
    .replace = lfu_replace,
    .victim = lfu_victim,
    .remove = lfu_remove,
    .after = lfu_after,
    .verify = lfu_verify,
    .fini = lfu_fini,
};
