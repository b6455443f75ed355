/* SPDX-License-Identifier: Apache-2.0 */
/* The requests of a trial served by other caches as well, all of what they fetch kept and nothing made ahead: one for each way
 * to make room. The one that makes room by the policy is the plain default. */
#ifndef LRD_TRAFFIC_AGENT_SHADOWS_H
#define LRD_TRAFFIC_AGENT_SHADOWS_H

#include "agent_host.h"

typedef struct lrd_agent_shadows {
  const larder_traffic *traffic; /* borrowed */
  lrd_trial_cache *of[LRD_ROOMS];
  lrd_room_misses misses;
  double demand, plain_demand; /* of the origin by a request, lately, retries not counted */
} lrd_agent_shadows;

/* What is least likely is said by what is learned; both are borrowed. LARDER_ENOMEM: close it all the same. */
LARDER_MUST_CHECK larder_err lrd_agent_shadows_open(lrd_agent_shadows *shadows, const larder_traffic *traffic, uint64_t seed,
                                                    const lrd_worth *worth);
void lrd_agent_shadows_close(lrd_agent_shadows *shadows);

/* A request, so many made ahead for its sake and so many requests to the origin by it, whose service takes so long usually, and
 * is busy or not. LARDER_ENOMEM. */
LARDER_MUST_CHECK larder_err lrd_agent_shadows_serve(lrd_agent_shadows *shadows, const lrd_served *served, unsigned ahead,
                                                     double origin, double usual_ms, bool busy, lrd_compared *out);

#endif
