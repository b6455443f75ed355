/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which decisions had to do with an origin that is slow or overrun. The last ones are remembered with their moment, so that an
 * answer that took too long, a cascade or a threat that passed finds those it is laid at the door of.
 */
#ifndef LRD_AGENT_BLAME_H
#define LRD_AGENT_BLAME_H

#include "cascade_watch.h"
#include <larder/agent.h>

#define LRD_BLAME_REMEMBERED 4096u
#define LRD_BLAME_MS         5000.0 /* how far back */

typedef struct lrd_blame_decision {
  double at_ms;
  uint64_t ticket;
  bool ahead; /* it made something ahead, */
  bool could; /* or could have */
} lrd_blame_decision;

typedef struct lrd_blame {
  lrd_blame_decision last[LRD_BLAME_REMEMBERED];
  uint64_t len; /* ever */
  uint64_t cascades, averted;
  double threat_from_ms; /* of the threat that is, or was last */
  lrd_cascade_state state;
} lrd_blame;

/* In the order of their moments. */
void lrd_blame_remember(lrd_blame *blame, lrd_blame_decision decision);
/* An answer took so much too long, while the origin was busy: what was made ahead just before could have waited. */
void lrd_blame_slow(const lrd_blame *blame, larder_agent *agent, double now_ms, double too_long_ms);
/* Tells of cascades that came, and of threats that passed, since the last look. */
void lrd_blame_look(lrd_blame *blame, larder_agent *agent, const lrd_cascade_watch *watch, double now_ms);

#endif
