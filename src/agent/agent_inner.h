/* SPDX-License-Identifier: Apache-2.0 */
/* An agent from inside: for its parts. */
#ifndef LRD_AGENT_AGENT_INNER_H
#define LRD_AGENT_AGENT_INNER_H

#include "learner.h"
#include "shadow_gate.h"

#define LRD_AGENT_ROOM "agent"
#define LRD_PAUSE_MAX  (1u << 20) /* windows */

/* A decision that is not learned from yet. */
typedef struct lrd_pending {
  double state[LRD_FEATURES];
  double reward;
  uint8_t action;
  uint8_t possible; /* bits */
  bool aside;
} lrd_pending;

struct larder_agent {
  larder_agent_options how; /* nothing in it is 0 any more */
  double weights[LARDER_AGENT_EVENTS];
  const lrd_learner_ops *ops;
  double *learned;
  lrd_pending *pending; /* a ring of how.horizon and one more: that of a ticket is at its remainder */
  uint64_t tickets;     /* given */
  uint64_t settled;     /* learned from, or passed over */
  uint64_t draws;
  lrd_pending *replay; /* a ring of what was learned from, and what came next; NULL where the learner does not follow */
  lrd_pending *replay_next;
  uint32_t replay_len;
  uint64_t replayed;
  lrd_shadow_gate gate;
  uint64_t decisions; /* of all its life, also before it was loaded */
  larder_agent_figures figures;
};

#endif
