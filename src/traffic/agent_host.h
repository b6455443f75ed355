/* SPDX-License-Identifier: Apache-2.0 */
/* What an agent needs in a trial: the state of the moment, what became of its decisions, and the shadow of the plain default.
 */
#ifndef LRD_TRAFFIC_AGENT_HOST_H
#define LRD_TRAFFIC_AGENT_HOST_H

#include "agent/cascade_watch.h"
#include "arrivals.h"
#include "contestants.h"
#include "next_guess.h"
#include "trial_cache.h"

typedef struct lrd_agent_host lrd_agent_host;

/* A request that was served, before anything is decided about it. */
typedef struct lrd_served {
  const lrd_request *request;
  bool hit;
  bool failed;
  double took_ms;
  double from_ms;     /* of a hit: it was asked for then, */
  uint64_t thanks_to; /* and kept by this decision; 0: none, or it was thanked */
  unsigned tries;     /* by which it was fetched; 0: it was there */
  double expected;    /* of the key, before this request */
  lrd_guess *there;   /* guesses that are not in the cache, falling */
  size_t there_len;
} lrd_served;

/* cache and watch are borrowed. Own. LARDER_ENOMEM, LARDER_EINVAL. */
LARDER_MUST_CHECK larder_err lrd_agent_host_open(const larder_traffic *traffic, larder_agent_method method, uint64_t seed,
                                                 lrd_trial_cache *cache, const lrd_cascade_watch *watch, lrd_agent_host **out);
/* NULL is fine. */
void lrd_agent_host_close(lrd_agent_host *host);
/* What to do, and by which ticket. Guesses become worth what guesses like them came to. */
lrd_play lrd_agent_host_decide(lrd_agent_host *host, lrd_served *served, uint64_t *ticket);
/* The origin has answered by now, for whatever. */
void lrd_agent_host_answered(lrd_agent_host *host, uint32_t service, double now_ms, double took_ms, bool failed);
/* A user has waited so long, by now; of a hit, for what a decision kept or made ahead; and what his request came to. */
void lrd_agent_host_waited(lrd_agent_host *host, const lrd_arrival *wait);
/* A request has come. */
void lrd_agent_host_asked(lrd_agent_host *host, const lrd_request *request);
/* A key of an endpoint that its session may ask for next, there or not. */
void lrd_agent_host_guessed(lrd_agent_host *host, uint32_t endpoint, const lrd_guess *guess);
/* A key that is here was asked for: the decision that it is thanks to; 0: none any more. */
uint64_t lrd_agent_host_hit(lrd_agent_host *host, lrd_item *item);
/* One that is not here. */
void lrd_agent_host_missed(lrd_agent_host *host, uint32_t service, lrd_item *item);
/* Something is asked for ahead; */
void lrd_agent_host_ahead(lrd_agent_host *host);
/* by now it was made, or not. */
void lrd_agent_host_made(lrd_agent_host *host, uint64_t ticket, double kb, bool failed);
void lrd_agent_host_gone(lrd_agent_host *host, lrd_item *item, lrd_gone why, uint64_t ticket);
/* The request is done; so many requests went to the origin for it. What it came to is known once its user has waited.
 * LARDER_ENOMEM. */
LARDER_MUST_CHECK larder_err lrd_agent_host_done(lrd_agent_host *host, const lrd_served *served, double origin,
                                                 lrd_compared *out);
/* What it has learned (larder_agent_save), and learned elsewhere. */
LARDER_MUST_CHECK larder_err lrd_agent_host_save(const lrd_agent_host *host, void **data_out, size_t *len_out);
LARDER_MUST_CHECK larder_err lrd_agent_host_load(lrd_agent_host *host, const void *data, size_t len);
void lrd_agent_host_figures(const lrd_agent_host *host, larder_agent_figures *out);

#endif
