/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all hosts of an agent do alike: how long decisions are waited for, which of them can make something ahead, and what is
 * told of what came of them.
 */
#ifndef LRD_AGENT_HOSTING_H
#define LRD_AGENT_HOSTING_H

#include <larder/agent.h>

/* Bits of the actions that make something ahead. */
#define LRD_HOSTING_AHEADS (1u << LARDER_AGENT_CONSERVATIVE | 1u << LARDER_AGENT_MODERATE | 1u << LARDER_AGENT_AGGRESSIVE)

/* Decisions until one is learned from, where the cache has room for so many entries. */
uint32_t lrd_hosting_horizon(uint64_t entries);
/* Bits of the actions that would make something ahead, where the likeliest guess is worth so much. */
unsigned lrd_hosting_aheads(double worth);
/* What went for a decision's sake was asked for, for which so long is waited usually. */
void lrd_hosting_wanted(larder_agent *agent, uint64_t ticket, double usual_ms);
/* What a decision wanted ahead has so many KB, or was not to be had. */
void lrd_hosting_ahead(larder_agent *agent, uint64_t ticket, bool made, double kb);

#endif
