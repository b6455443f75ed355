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

#include "base/fail.h"
#include <math.h>

#define CANDIDATES (4 * LRD_NEXT_MAX)

typedef struct layer {
  const lrd_state *state;
  double scale, carry;
} layer;

typedef struct evidence {
  const larder_predictor *predictor;
  layer layers[3]; /* the one that has the last word comes last */
  unsigned len;
  double base_scale, base; /* below them: count * base_scale + base */
  bool any;                /* what comes at all is evidence */
} evidence;

/* --- which states speak ------------------------------------------------------------------------------------------------- */

static const lrd_state *first_state(const larder_predictor *p, const lrd_standing *at) {
  return at->last == LRD_NO_ENDPOINT ? NULL : lrd_transitions_find(&p->table, lrd_key_first(at->last));
}

static const lrd_state *second_state(const larder_predictor *p, const lrd_standing *at) {
  if (at->last == LRD_NO_ENDPOINT || at->before == LRD_NO_ENDPOINT) return NULL;
  return lrd_transitions_find(&p->table, lrd_key_second(at->before, at->last));
}

/* The nearest with so much evidence. States may have gone of which the bits still tell. */
static const lrd_state *context_state(const larder_predictor *p, const lrd_standing *at, uint32_t evidence_min) {
  if (at->last == LRD_NO_ENDPOINT || at->context == 0) return NULL;
  uint64_t there[2];
  memcpy(there, p->endpoints.of[at->last].contexts, sizeof there);
  unsigned nearest = at->context;
  if (!(there[nearest / 64] >> nearest % 64 & 1)) nearest = lrd_context_nearest(at->context, there);
  while (nearest < LRD_CONTEXTS) {
    const lrd_state *state = lrd_transitions_find(&p->table, lrd_key_context(nearest, at->last));
    if (state && state->total >= evidence_min) return state;
    there[nearest / 64] &= ~(UINT64_C(1) << nearest % 64);
    nearest = lrd_context_nearest(at->context, there);
  }
  return NULL;
}

/* --- how they speak ------------------------------------------------------------------------------------------------------ */

static unsigned named(const lrd_state *state) {
  unsigned sum = 0;
  for (unsigned i = 0; i < state->len; i++) sum += lrd_state_certain(state, i);
  return sum;
}

static void layer_blend(evidence *e, const lrd_state *state) {
  if (state == NULL || state->total == 0) return;
  double scale = 1.0 / (state->total + state->len);
  e->layers[e->len++] = (layer){state, scale, (state->total - named(state) + state->len) * scale};
}

static double values(const larder_predictor *p) { return (double)p->endpoints.len + 1; }

static void layer_additive(evidence *e, const lrd_state *state) {
  double v = values(e->predictor), a = e->predictor->options.smoothing;
  e->base_scale = 0;
  e->base = 1 / v;
  if (state == NULL || state->total == 0) return;
  double scale = 1 / (state->total + a * v);
  e->layers[e->len++] = (layer){state, scale, (state->total - named(state) + a * v) * scale};
}

static void evidence_find(const larder_predictor *p, const lrd_standing *at, larder_predict_model model, evidence *e) {
  *e = (evidence){.predictor = p};
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
  layer_additive(e, state && state->total >= least ? state : first_state(p, at));
}

/* --- the most probable -----------------------------------------------------------------------------------------------------
 */

typedef struct candidates {
  unsigned len;
  uint32_t numbers[CANDIDATES];
  uint16_t certain[CANDIDATES][3]; /* by layer */
} candidates;

static void gather(candidates *all, const lrd_state *state, unsigned at_layer) {
  unsigned before = all->len; /* within one state they differ */
  for (unsigned i = 0; i < state->len; i++) {
    unsigned at = 0;
    while (at < before && all->numbers[at] != state->ids[i]) at++;
    if (at == before) {
      at = all->len++;
      all->numbers[at] = state->ids[i];
      memset(all->certain[at], 0, sizeof all->certain[at]);
    }
    if (at_layer < 3) all->certain[at][at_layer] = (uint16_t)lrd_state_certain(state, i);
  }
}

static double base_of(const evidence *e, uint32_t number) {
  uint32_t count = number == LRD_NO_ENDPOINT ? 0 : e->predictor->endpoints.counts[number];
  return count * e->base_scale + e->base;
}

static double value_of(const evidence *e, uint32_t number, const uint16_t certain[3]) {
  double p = base_of(e, number);
  for (unsigned i = 0; i < e->len; i++) p = certain[i] * e->layers[i].scale + e->layers[i].carry * p;
  return p;
}

/* Puts it among the best, equals by their numbers; how many there are now. */
static size_t best_keep(uint32_t *numbers, double *probabilities, size_t len, size_t most, uint32_t number, double p) {
  size_t at = len;
  while (at > 0 && (probabilities[at - 1] < p || (probabilities[at - 1] == p && numbers[at - 1] > number))) at--;
  if (at == most) return len;
  if (len == most) len--;
  memmove(numbers + at + 1, numbers + at, (len - at) * sizeof *numbers);
  memmove(probabilities + at + 1, probabilities + at, (len - at) * sizeof *probabilities);
  numbers[at] = number;
  probabilities[at] = p;
  return len + 1;
}

size_t lrd_guess(const larder_predictor *predictor, const lrd_standing *standing, larder_predict_model model, size_t most,
                 uint32_t *numbers, double *probabilities) {
  evidence e;
  candidates all;
  size_t len = 0;
  if (most == 0) return 0;
  evidence_find(predictor, standing, model, &e);
  all.len = 0;
  for (unsigned i = 0; i < e.len; i++) gather(&all, e.layers[i].state, i);
  const lrd_state *any = e.any ? lrd_transitions_find(&predictor->table, LRD_KEY_ANY) : NULL;
  if (any) gather(&all, any, 3);
  for (unsigned i = 0; i < all.len; i++)
    len = best_keep(numbers, probabilities, len, most, all.numbers[i], value_of(&e, all.numbers[i], all.certain[i]));
  return len;
}

double lrd_guess_probability(const larder_predictor *predictor, const lrd_standing *standing, larder_predict_model model,
                             uint32_t number) {
  evidence e;
  uint16_t certain[3] = {0};
  evidence_find(predictor, standing, model, &e);
  for (unsigned i = 0; i < e.len; i++) {
    const lrd_state *state = e.layers[i].state;
    for (unsigned at = 0; at < state->len; at++)
      if (state->ids[at] == number) certain[i] = (uint16_t)lrd_state_certain(state, at);
  }
  return value_of(&e, number, certain);
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
  if (live) {
    lrd_standing standing = {live->before, live->last, live->context};
    guesses_fill(predictor, &standing, model, out, count);
  }
  lrd_unlock(&predictor->mutex);
  return live ? LARDER_OK : LARDER_MISS;
}

static uint32_t known(const larder_predictor *predictor, const void *endpoint, size_t len) {
  char text[LARDER_ENDPOINT_MAX + 1];
  size_t text_len;
  if (endpoint == NULL || lrd_pattern_apply(&predictor->pattern, endpoint, len, text, &text_len) != LARDER_OK)
    return LRD_NO_ENDPOINT;
  return lrd_endpoints_find(&predictor->endpoints, text, text_len);
}

static void past_read(larder_predictor *predictor, const larder_predict_past *past, lrd_standing *out) {
  unsigned user_type = lrd_predictor_user_type(predictor, past->user_type, false);
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
  double all = 1, step;
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
