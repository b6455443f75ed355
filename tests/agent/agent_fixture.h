/* SPDX-License-Identifier: Apache-2.0 */
/* Agents by their options, and a life for them. */
#ifndef LRD_TESTS_AGENT_FIXTURE_H
#define LRD_TESTS_AGENT_FIXTURE_H

#include "support/support.h"

#include "agent/agent_inner.h"
#include "base/hash.h"

#define ALL         ((1u << LARDER_AGENT_ACTIONS) - 1)
#define BIT(action) (1u << (action))

static inline larder_agent *agent_of(const larder_agent_options *how) {
  larder_agent *agent = NULL;
  larder_agent_options given = *how;
  given.size = sizeof given;
  assert_int_equal(larder_agent_open(&given, &agent, NULL), LARDER_OK);
  return agent;
}

/* So many decisions in a world of chance; a sum over what was done. */
static inline uint64_t live(larder_agent *agent, uint64_t seed, unsigned count) {
  uint64_t sum = 0;
  for (unsigned i = 0; i < count; i++) {
    uint64_t chance = lrd_hash64(&i, sizeof i, seed);
    larder_agent_state now = {.user = chance & 7, .hit = chance >> 3 & 1, .guesses = {(double)(chance >> 40 & 255) / 255}};
    larder_agent_decision d;
    larder_agent_decide(agent, &now, (unsigned)(chance >> 8 & ALL), &d);
    larder_agent_tell(agent, d.ticket, (larder_agent_event)(chance >> 20 & 7), 1);
    sum = sum * 31 + (uint64_t)d.action;
  }
  return sum;
}

#endif
