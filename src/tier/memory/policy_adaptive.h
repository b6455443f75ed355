/* SPDX-License-Identifier: Apache-2.0 */
/* What the policy adaptive tells of its decisions. */
#ifndef LRD_TIER_MEMORY_POLICY_ADAPTIVE_H
#define LRD_TIER_MEMORY_POLICY_ADAPTIVE_H

#include "policy.h"
#include <larder/adaptive.h>

/* Adds its figures to those of other shards; names and leader are the caller's. Under the shard's lock. False: it is another
 * policy. */
bool lrd_policy_adaptive_look(lrd_policy *policy, larder_adaptive *sums);
/* Likewise: who is in charge. */
bool lrd_policy_adaptive_expert(lrd_policy *policy, unsigned *expert_out);

#endif
