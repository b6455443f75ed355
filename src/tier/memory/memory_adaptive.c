/* SPDX-License-Identifier: Apache-2.0 */
/* What the policy adaptive decided, over all shards and in one. */
#include "policy_adaptive.h"
#include "shard.h"

bool lrd_memory_adaptive(lrd_memory *memory, uint32_t space, larder_adaptive *sums) {
  bool adaptive = lrd_memory_space(memory, space)->policy == &lrd_policy_adaptive;
  for (uint32_t i = 0; i < lrd_memory_shards(memory) && adaptive; i++) {
    lrd_shard *shard = &memory->shards[i];
    lrd_lock(&shard->lock);
    adaptive = lrd_policy_adaptive_look(shard->spaces[space].policy, sums);
    lrd_unlock(&shard->lock);
  }
  return adaptive;
}

bool lrd_memory_expert(lrd_memory *memory, uint32_t space, uint64_t hash, unsigned *expert_out) {
  lrd_shard *shard = lrd_memory_shard(memory, hash);
  lrd_lock(&shard->lock);
  bool adaptive = lrd_policy_adaptive_expert(shard->spaces[space].policy, expert_out);
  lrd_unlock(&shard->lock);
  return adaptive;
}
