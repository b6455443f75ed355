/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A queue is a number that drains at the service's capacity and grows by one with each request: waiting is that number over
 * the capacity. It holds twice what can be answered within the time-out; who comes then is refused, and has waited in vain as
 * long as who was not answered in time. Retries come at once, as clients without back-off do.
 */
#include "origin_model.h"

#define QUEUE_TIMEOUTS 2.0

void lrd_origin_init(lrd_origin *origin, const larder_traffic *traffic) { *origin = (lrd_origin){.traffic = traffic}; }

/* What failures do to a service at a moment. */
static double slower_at(const larder_traffic *t, uint32_t service, double now_ms, double *errors) {
  double slower = 1;
  for (uint32_t i = 0; i < t->failures_len; i++) {
    const lrd_traffic_failure *f = &t->failures[i];
    if (f->service != service || now_ms < f->at_ms || now_ms >= f->at_ms + f->length_ms) continue;
    slower *= f->slower;
    *errors += f->errors;
  }
  return slower;
}

/* False: the queue is full. */
static bool queue_join(lrd_origin *origin, uint32_t service, double now_ms, double a_ms, double *wait_ms) {
  double *waiting = &origin->services[service].waiting, *at_ms = &origin->services[service].at_ms;
  double drained = *waiting - (now_ms - *at_ms) * a_ms;
  *waiting = drained > 0 ? drained : 0;
  *at_ms = now_ms;
  *wait_ms = *waiting / a_ms;
  if (*wait_ms > QUEUE_TIMEOUTS * origin->traffic->services[service].timeout_ms) return false;
  *waiting += 1;
  return true;
}

static bool try_once(lrd_origin *origin, uint32_t service, double now_ms, lrd_draw *draw, double *took_ms) {
  const lrd_traffic_service *s = &origin->traffic->services[service];
  double errors = s->errors, wait_ms = 0, slower = slower_at(origin->traffic, service, now_ms, &errors);
  double latency = s->latency_ms * slower * exp(s->spread * lrd_draw_normal(draw));
  bool failed = lrd_draw_part(draw) < errors;
  *took_ms = s->timeout_ms;
  if (s->capacity > 0 && !queue_join(origin, service, now_ms, s->capacity / slower / 1000, &wait_ms)) return false;
  latency += wait_ms;
  if (s->needs != LRD_TRAFFIC_NONE) {
    double needed_ms = 0;
    failed = !try_once(origin, s->needs, now_ms, draw, &needed_ms) || failed;
    latency += needed_ms;
  }
  if (latency > s->timeout_ms) return false;
  *took_ms = latency;
  return !failed;
}

lrd_answer lrd_origin_ask(lrd_origin *origin, uint32_t service, double now_ms, lrd_draw *draw) {
  const lrd_traffic_service *s = &origin->traffic->services[service];
  lrd_answer answer = {.failed = true};
  while (answer.failed && answer.tries <= s->retries) {
    double took_ms = 0;
    answer.failed = !try_once(origin, service, now_ms, draw, &took_ms);
    answer.took_ms += took_ms;
    answer.tries++;
  }
  return answer;
}
