/* SPDX-License-Identifier: Apache-2.0 */
/* What the policy adaptive decided, over all shards. */
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
