/* SPDX-License-Identifier: Apache-2.0 */
/* The figures of an agent (larder/learning.h) as words of shared memory, each a count or the bits of a double. */
#ifndef LRD_STATS_LEARNED_H
#define LRD_STATS_LEARNED_H

#include <larder/learning.h>

#define STATS_LEARNED_WORDS (16u + 3u * LARDER_AGENT_ACTIONS + LARDER_AGENT_EVENTS)

void lrd_learned_pack(const larder_learning_figures *figures, uint64_t out[STATS_LEARNED_WORDS]);
/* Believes nothing: what is no finite number is 0. */
void lrd_learned_unpack(const uint64_t words[STATS_LEARNED_WORDS], larder_learning_figures *out);
void lrd_learned_add(larder_learning_figures *to, const larder_learning_figures *from);

#endif
