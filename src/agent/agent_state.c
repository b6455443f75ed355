/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names, and a state as a row of numbers about as large as 1. Counts and times count by their logarithms. What a host measures
 * may be no number at all, or a wild one: such a feature is nothing, or as much as it can be.
 */
#include "learner.h"

#include "base/fail.h"
#include <math.h>

const char *larder_agent_action_name(larder_agent_action action) {
  static const char *const names[] = {
#define NAME(id, name, says) name,
      LARDER_AGENT_ACTIONS_TABLE(NAME)
#undef NAME
  };
  return (unsigned)action < LARDER_AGENT_ACTIONS ? names[action] : "?";
}

unsigned larder_agent_ahead(larder_agent_action action, double *above_out) {
  static const struct {
    unsigned most;
    double above;
  } ahead[LARDER_AGENT_ACTIONS] = {
      [LARDER_AGENT_CONSERVATIVE] = {1, 0.7}, [LARDER_AGENT_MODERATE] = {3, 0.5}, [LARDER_AGENT_AGGRESSIVE] = {5, 0.3}};
  if ((unsigned)action >= LARDER_AGENT_ACTIONS) action = LARDER_AGENT_NOTHING;
  if (above_out) *above_out = ahead[action].above;
  return ahead[action].most;
}

#define FEATURE_MAX 10.0

static double scaled_log(double value, double scale) { return value > 0 ? log1p(value) / scale : 0; }

/* A circle, so that the end lies beside the beginning. */
static double *circle(double *at, double part) {
  *at++ = sin(6.283185307179586 * part);
  *at++ = cos(6.283185307179586 * part);
  return at;
}

void lrd_features_of(const larder_agent_state *s, double out[LRD_FEATURES]) {
  double *at = out, above7 = 0, above5 = 0, above3 = 0;
  *at++ = 1;
  for (unsigned i = 0; i < LARDER_AGENT_GUESSES; i++) {
    *at++ = s->guesses[i];
    above7 += s->guesses[i] > 0.7;
    above5 += s->guesses[i] > 0.5;
    above3 += s->guesses[i] > 0.3;
  }
  *at++ = above7;
  *at++ = above5;
  *at++ = above3 / 2;
  *at++ = scaled_log(s->expected, 2);
  *at++ = s->expected < 0.5; /* next to nobody asked for it lately */
  *at++ = s->hit;
  *at++ = scaled_log(s->kb, 5);
  *at++ = scaled_log(s->origin_ms, 5);
  *at++ = s->utilisation;
  *at++ = s->hit_rate;
  *at++ = scaled_log(s->entries, 10);
  *at++ = s->eviction_rate;
  *at++ = s->cpu;
  *at++ = s->memory;
  *at++ = scaled_log(s->request_rate, 5);
  *at++ = scaled_log(s->p50_ms, 5);
  *at++ = scaled_log(s->p95_ms, 7);
  *at++ = scaled_log(s->p99_ms, 7);
  *at++ = s->error_rate;
  *at++ = scaled_log(s->connections, 5);
  *at++ = scaled_log(s->queue_depth, 3);
  *at++ = scaled_log(s->load, 1);
  *at++ = s->threatened;
  *at++ = s->cascade;
  at = circle(circle(at, s->day), s->week);
  *at++ = scaled_log(s->place, 3);
  *at++ = s->place == 0;
  for (unsigned i = 0; i < LARDER_AGENT_USERS; i++)
    *at++ = i == (s->user < LARDER_AGENT_USERS ? s->user : LARDER_AGENT_USERS - 1);
  LRD_ASSERT(at == out + LRD_FEATURES);
  for (unsigned i = 0; i < LRD_FEATURES; i++) out[i] = lrd_within(out[i], FEATURE_MAX);
}
