/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Services that answer one after the other what stands in their queue. A queue that is longer than who asks will wait brings
 * time-outs, these bring retries, and these a longer queue: so an overload becomes a cascade.
 */
#ifndef LRD_TRAFFIC_ORIGIN_MODEL_H
#define LRD_TRAFFIC_ORIGIN_MODEL_H

#include "random_draw.h"
#include "traffic_spec.h"

typedef struct lrd_origin {
  const larder_traffic *traffic;
  struct {
    double waiting; /* requests in the queue, */
    double at_ms;   /* at this moment */
  } services[LRD_TRAFFIC_SERVICES_MAX];
} lrd_origin;

typedef struct lrd_answer {
  double took_ms; /* all tries together */
  unsigned tries;
  bool failed;
} lrd_answer;

void lrd_origin_init(lrd_origin *origin, const larder_traffic *traffic);
/* Moments only go on. */
lrd_answer lrd_origin_ask(lrd_origin *origin, uint32_t service, double now_ms, lrd_draw *draw);

#endif
