/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers. A state with N events, of which C have a name still and T endpoints are named, gives an endpoint that it has surely
 * seen c times
 *
 *     Blend      (c + (N - C + T) p) / (N + T)      p: what the state below gives it; at the bottom how often it comes at all,
 *                                                   smoothed additively: (n + a) / (all n + a V)
 *     the others (c + (N - C) / V + a) / (N + a V)  V: the known endpoints and one more for the unknown, a: smoothing
 *
 * Both sum up to one over V. Both are c * scale + carry * (what is below), which is how they are computed.
 */
#include "predictor.h"
#include "weighing.h"

#include "base/fail.h"
#include <math.h>

/* --- which states speak ------------------------------------------------------------------------------------------------- */

static const lrd_state *first_state(const larder_predictor *p, const lrd_standing *at) {
  return at->last == LRD_NO_ENDPOINT ? NULL
                                     : lrd_transitions_find_near(&p->table, lrd_key_first(at->last), at->places[LRD_ON_FIRST]);
}

static const lrd_state *second_state(const larder_predictor *p, const lrd_standing *at) {
  if (at->last == LRD_NO_ENDPOINT || at->before == LRD_NO_ENDPOINT) return NULL;
  return lrd_transitions_find_near(&p->table, lrd_key_second(at->before, at->last), at->places[LRD_ON_SECOND]);
}

/* The nearest with so much evidence. States may have gone of which the bits still tell. */
static const lrd_state *context_state(const larder_predictor *p, const lrd_standing *at, uint32_t evidence_min) {
  if (at->last == LRD_NO_ENDPOINT || at->context == 0) return NULL;
  uint64_t there[2];
  memcpy(there, p->endpoints.of[at->last].contexts, sizeof there);
  unsigned nearest = at->context;
  if (!(there[nearest / 64] >> nearest % 64 & 1)) nearest = lrd_context_nearest(at->context, there);
  while (nearest < LRD_CONTEXTS) {
    const lrd_state *state =
        lrd_transitions_find_near(&p->table, lrd_key_context(nearest, at->last), at->places[LRD_ON_CONTEXT]);
    if (state && state->total >= evidence_min) return state;
    there[nearest / 64] &= ~(UINT64_C(1) << nearest % 64);
    nearest = lrd_context_nearest(at->context, there);
  }
  return NULL;
}

/* --- how they speak ------------------------------------------------------------------------------------------------------ */

static void layer_blend(lrd_evidence *e, const lrd_state *state) {
  if (state == NULL || state->total == 0) return;
  double scale = 1.0 / (state->total + state->len);
  e->layers[e->len++] = (lrd_layer){state, scale, (state->total - state->named + state->len) * scale};
}

static double values(const larder_predictor *p) { return (double)p->endpoints.len + 1; }

static void layer_additive(const larder_predictor *p, lrd_evidence *e, const lrd_state *state) {
  double v = values(p), a = p->options.smoothing;
  e->base_scale = 0;
  e->base = 1 / v;
  if (state == NULL || state->total == 0) return;
  double scale = 1 / (state->total + a * v);
  e->layers[e->len++] = (lrd_layer){state, scale, (state->total - state->named + a * v) * scale};
}

static void evidence_find(const larder_predictor *p, const lrd_standing *at, larder_predict_model model, lrd_evidence *e) {
  *e = (lrd_evidence){.endpoints = &p->endpoints};
  uint32_t least = p->options.evidence_min;
  const lrd_state *state = NULL;
  switch (model) {
  case LARDER_PREDICT_SECOND:
    state = second_state(p, at);
    break;
  case LARDER_PREDICT_CONTEXT:
    state = context_state(p, at, least);
    break;
  case LARDER_PREDICT_FIRST:
    break;
  case LARDER_PREDICT_BLEND: {
    double a = p->options.smoothing;
    e->any = true;
    e->base_scale = 1 / ((double)p->endpoints.total + a * values(p));
    e->base = a * e->base_scale;
    layer_blend(e, first_state(p, at));
    layer_blend(e, context_state(p, at, 1));
    layer_blend(e, second_state(p, at));
    return;
  }
  }
  layer_additive(p, e, state && state->total >= least ? state : first_state(p, at));
}

size_t lrd_guess(const larder_predictor *predictor, const lrd_standing *standing, larder_predict_model model, size_t most,
                 uint32_t *numbers, double *probabilities) {
  lrd_evidence e;
  if (most == 0) return 0;
  evidence_find(predictor, standing, model, &e);
  return lrd_weigh_best(&e, most, numbers, probabilities);
}

double lrd_guess_probability(const larder_predictor *predictor, const lrd_standing *standing, larder_predict_model model,
                             uint32_t number) {
  lrd_evidence e;
  evidence_find(predictor, standing, model, &e);
  return lrd_weigh_one(&e, number);
}

/* --- the public calls ---------------------------------------------------------------------------------------------------- */

const char *larder_predict_model_name(larder_predict_model model) {
  static const char *const names[LARDER_PREDICT_MODELS] = {"blend", "first", "second", "context"};
  return (unsigned)model < LARDER_PREDICT_MODELS ? names[model] : NULL;
}

static void guess_fill(const larder_predictor *predictor, uint32_t number, double probability, larder_predict_guess *out) {
  const lrd_endpoint *endpoint = &predictor->endpoints.of[number];
  out->probability = probability;
  out->endpoint_len = endpoint->len;
  if (endpoint->len < LRD_COPY_SHORT)
    lrd_copy_short(out->endpoint, endpoint->text, endpoint->len + (size_t)1);
  else
    memcpy(out->endpoint, endpoint->text, endpoint->len + (size_t)1);
}

static void guesses_fill(const larder_predictor *predictor, const lrd_standing *standing, larder_predict_model model,
                         larder_predict_guess *out, size_t *count) {
  uint32_t numbers[LARDER_PREDICT_TOP_MAX];
  double probabilities[LARDER_PREDICT_TOP_MAX];
  *count = lrd_guess(predictor, standing, model, *count, numbers, probabilities);
  for (size_t i = 0; i < *count; i++) guess_fill(predictor, numbers[i], probabilities[i], &out[i]);
}

static bool asked_well(const larder_predictor *predictor, larder_predict_model model, const larder_predict_guess *out,
                       const size_t *count, size_t most) {
  return predictor && larder_predict_model_name(model) && count && *count <= most && (out || *count == 0);
}

larder_err larder_predict_next(larder_predictor *predictor, const void *session, size_t session_len, larder_predict_model model,
                               larder_predict_guess *out, size_t *count) {
  if (!asked_well(predictor, model, out, count, LARDER_PREDICT_TOP_MAX) || session == NULL) return LARDER_EINVAL;
  uint64_t hash = lrd_live_session_hash(session, session_len);
  lrd_lock(&predictor->mutex);
  const lrd_live_session *live = lrd_live_session_find(&predictor->sessions, hash);
  if (live) guesses_fill(predictor, &live->standing, model, out, count);
  lrd_unlock(&predictor->mutex);
  return live ? LARDER_OK : LARDER_MISS;
}

larder_err larder_predict_request(larder_predictor *predictor, const larder_predict_event *event, larder_predict_model model,
                                  larder_predict_guess *out, size_t *count) {
  if (!asked_well(predictor, model, out, count, LARDER_PREDICT_TOP_MAX)) return LARDER_EINVAL;
  const lrd_standing *standing;
  larder_err err = lrd_predictor_observe(predictor, event, &standing);
  if (err != LARDER_OK) return err;
  guesses_fill(predictor, standing, model, out, count);
  lrd_unlock(&predictor->mutex);
  return LARDER_OK;
}

static uint32_t known(const larder_predictor *predictor, const void *endpoint, size_t len) {
  char text[LARDER_ENDPOINT_MAX + 1];
  size_t text_len;
  if (endpoint == NULL || lrd_pattern_apply(&predictor->pattern, endpoint, len, text, &text_len) != LARDER_OK)
    return LRD_NO_ENDPOINT;
  return lrd_endpoints_find(&predictor->endpoints, text, text_len);
}

static void past_read(larder_predictor *predictor, const larder_predict_past *past, lrd_standing *out) {
  unsigned user_type = lrd_predictor_user_type(predictor, past->user_type, 0, false);
  *out = (lrd_standing){0};
  out->context = lrd_context_of(user_type, lrd_time_of(past->wall_ms, predictor->options.utc_offset_minutes));
  out->last = known(predictor, past->last, past->last_len);
  out->before = known(predictor, past->before, past->before_len);
}

larder_err larder_predict_after(larder_predictor *predictor, const larder_predict_past *past, larder_predict_model model,
                                larder_predict_guess *out, size_t *count) {
  if (!asked_well(predictor, model, out, count, LARDER_PREDICT_TOP_MAX) || past == NULL) return LARDER_EINVAL;
  lrd_standing standing;
  lrd_lock(&predictor->mutex);
  past_read(predictor, past, &standing);
  guesses_fill(predictor, &standing, model, out, count);
  lrd_unlock(&predictor->mutex);
  return LARDER_OK;
}

larder_err larder_predict_probability(larder_predictor *predictor, const larder_predict_past *past, larder_predict_model model,
                                      const void *endpoint, size_t endpoint_len, double *out) {
  if (predictor == NULL || past == NULL || larder_predict_model_name(model) == NULL || endpoint == NULL || out == NULL)
    return LARDER_EINVAL;
  lrd_standing standing;
  lrd_lock(&predictor->mutex);
  past_read(predictor, past, &standing);
  *out = lrd_guess_probability(predictor, &standing, model, known(predictor, endpoint, endpoint_len));
  lrd_unlock(&predictor->mutex);
  return LARDER_OK;
}

static unsigned times_among(const uint32_t *way, size_t len, uint32_t number) {
  unsigned times = 0;
  for (size_t i = 0; i < len; i++) times += way[i] == number;
  return times;
}

larder_err larder_predict_path(larder_predictor *predictor, const larder_predict_past *past, larder_predict_model model,
                               double least, larder_predict_guess *out, size_t *count) {
  if (!asked_well(predictor, model, out, count, LARDER_PREDICT_STEPS_MAX) || past == NULL || isnan(least)) return LARDER_EINVAL;
  uint32_t way[LARDER_PREDICT_STEPS_MAX];
  lrd_standing standing;
  size_t len = 0;
  double all = 1, step = 0;
  lrd_lock(&predictor->mutex);
  past_read(predictor, past, &standing);
  while (len < *count && lrd_guess(predictor, &standing, model, 1, &way[len], &step) == 1) {
    if (step < least || times_among(way, len, way[len]) == 2) break;
    all *= step;
    guess_fill(predictor, way[len], all, &out[len]);
    standing.before = standing.last;
    standing.last = way[len++];
  }
  lrd_unlock(&predictor->mutex);
  *count = len;
  return LARDER_OK;
}
