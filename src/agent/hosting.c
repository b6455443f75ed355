/* SPDX-License-Identifier: Apache-2.0 */
#include "hosting.h"

#define HORIZON_LEAST 64u

/* An entry lives for about as many decisions as there are entries: what is asked for long after it went would have gone
 * anyway. */
uint32_t lrd_hosting_horizon(uint64_t entries) {
  if (entries >= LARDER_AGENT_HORIZON_MAX) return LARDER_AGENT_HORIZON_MAX;
  uint32_t horizon = (uint32_t)(entries + entries / 2);
  return horizon < HORIZON_LEAST ? HORIZON_LEAST : horizon > LARDER_AGENT_HORIZON_MAX ? LARDER_AGENT_HORIZON_MAX : horizon;
}

unsigned lrd_hosting_aheads(double worth) {
  unsigned aheads = 0;
  for (unsigned a = 0; a < LARDER_AGENT_ACTIONS; a++) {
    double above;
    if (larder_agent_ahead((larder_agent_action)a, &above) > 0 && worth > above) aheads |= 1u << a;
  }
  return aheads;
}

void lrd_hosting_wanted(larder_agent *agent, uint64_t ticket, double usual_ms) {
  larder_agent_tell(agent, ticket, LARDER_AGENT_MISS, 1);
  larder_agent_tell(agent, ticket, LARDER_AGENT_FULL, 1);
  larder_agent_tell(agent, ticket, LARDER_AGENT_LOST_MS, usual_ms);
}

void lrd_hosting_ahead(larder_agent *agent, uint64_t ticket, bool made, double kb) {
  if (made)
    larder_agent_tell(agent, ticket, LARDER_AGENT_KB, kb);
  else
    larder_agent_tell(agent, ticket, LARDER_AGENT_WASTED, 1);
}
