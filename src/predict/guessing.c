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

static void layer_blend(evidence *e, const lrd_state *state) {
  if (state == NULL || state->total == 0) return;
  double scale = 1.0 / (state->total + state->len);
  e->layers[e->len++] = (layer){state, scale, (state->total - state->named + state->len) * scale};
}

static double values(const larder_predictor *p) { return (double)p->endpoints.len + 1; }

static void layer_additive(evidence *e, const lrd_state *state) {
  double v = values(e->predictor), a = e->predictor->options.smoothing;
  e->base_scale = 0;
  e->base = 1 / v;
  if (state == NULL || state->total == 0) return;
  double scale = 1 / (state->total + a * v);
  e->layers[e->len++] = (layer){state, scale, (state->total - state->named + a * v) * scale};
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

/* The loops over layers are short and hot: their length is a constant wherever they are compiled in. */
#define INLINE static inline __attribute__((always_inline))

/* Of what came so often at all, and certainly so often in each layer. */
INLINE double value_in(const evidence *e, unsigned layers, uint32_t count, const unsigned certain[3]) {
  double p = count * e->base_scale + e->base;
#pragma GCC unroll 3
  for (unsigned i = 0; i < layers; i++) p = certain[i] * e->layers[i].scale + e->layers[i].carry * p;
  return p;
}

static double value_of(const evidence *e, uint32_t count, const unsigned certain[3]) {
  return value_in(e, e->len, count, certain);
}

typedef struct best {
  uint32_t *numbers;
  double *probabilities;
  size_t len, most;
} best;

/* Puts it among the best, behind its equals. */
INLINE void best_keep(best *all, uint32_t number, double p) {
  size_t at = all->len;
  if (at == all->most) {
    if (p <= all->probabilities[at - 1]) return;
    at--;
  } else {
    all->len++;
  }
  for (; at > 0 && all->probabilities[at - 1] < p; at--) {
    all->numbers[at] = all->numbers[at - 1];
    all->probabilities[at] = all->probabilities[at - 1];
  }
  all->numbers[at] = number;
  all->probabilities[at] = p;
}

static bool best_full_above(const best *all, double p) {
  return all->len == all->most && all->probabilities[all->len - 1] >= p;
}

static uint32_t count_of(const evidence *e, uint32_t number) {
  return number == LRD_NO_ENDPOINT ? 0 : e->predictor->endpoints.counts[number];
}

/* What stands at a depth of a layer, unless it stood in one that was looked at before. */
INLINE void look_at(const evidence *e, unsigned layers, unsigned mine, unsigned depth, best *all) {
  uint32_t number = e->layers[mine].state->ids[depth];
  unsigned certain[3];
#pragma GCC unroll 3
  for (unsigned i = 0; i < layers; i++) {
    const lrd_state *state = e->layers[i].state;
    unsigned at = i == mine ? depth : lrd_state_at(state, number);
    if (i != mine && (at < depth || (at == depth && i > mine))) return;
    certain[i] = at == LRD_NEXT_MAX ? 0 : lrd_state_certain(state, at);
  }
  best_keep(all, number, value_in(e, layers, layers > 1 || e->any ? count_of(e, number) : 0, certain));
}

/* What stands deeper than that can have at most so much: a state is sorted, and certain is never more than counted. */
INLINE double most_below(const evidence *e, unsigned layers, unsigned depth, uint32_t count_max) {
  unsigned counts[3];
#pragma GCC unroll 3
  for (unsigned i = 0; i < layers; i++)
    counts[i] = depth + 1 < e->layers[i].state->len ? e->layers[i].state->counts[depth + 1] : 0;
  return value_in(e, layers, count_max, counts);
}

/* From the strongest successors of all layers downwards; true when nothing below can be among the best. */
INLINE bool look_down(const evidence *e, unsigned layers, best *all) {
  const lrd_endpoints *endpoints = &e->predictor->endpoints;
  uint32_t count_max = endpoints->top_len > 0 ? endpoints->counts[endpoints->top[0]] : 0;
  unsigned deepest = 0;
  for (unsigned i = 0; i < layers; i++) deepest = e->layers[i].state->len > deepest ? e->layers[i].state->len : deepest;
  for (unsigned depth = 0; depth < deepest; depth++) {
#pragma GCC unroll 3
    for (unsigned i = layers; i-- > 0;)
      if (depth < e->layers[i].state->len) look_at(e, layers, i, depth, all);
    if (all->len == all->most && best_full_above(all, most_below(e, layers, depth, count_max))) return true;
  }
  return false;
}

/* What comes at all, as far as it stands in no layer. */
static void look_at_any(const evidence *e, best *all) {
  static const unsigned nowhere[3] = {0};
  const lrd_endpoints *endpoints = &e->predictor->endpoints;
  for (unsigned i = 0; i < endpoints->top_len; i++) {
    uint32_t number = endpoints->top[i];
    double p = value_of(e, endpoints->counts[number], nowhere);
    if (best_full_above(all, p)) return;
    bool met = false;
    for (unsigned l = 0; l < e->len; l++) met |= lrd_state_at(e->layers[l].state, number) != LRD_NEXT_MAX;
    if (!met) best_keep(all, number, p);
  }
}

static bool look_down_all(const evidence *e, best *all) {
  switch (e->len) {
  case 0:
    return false;
  case 1:
    return look_down(e, 1, all);
  case 2:
    return look_down(e, 2, all);
  default:
    return look_down(e, 3, all);
  }
}

size_t lrd_guess(const larder_predictor *predictor, const lrd_standing *standing, larder_predict_model model, size_t most,
                 uint32_t *numbers, double *probabilities) {
  evidence e;
  best all = {numbers, probabilities, 0, most};
  if (most == 0) return 0;
  evidence_find(predictor, standing, model, &e);
  if (!look_down_all(&e, &all) && e.any) look_at_any(&e, &all);
  return all.len;
}

double lrd_guess_probability(const larder_predictor *predictor, const lrd_standing *standing, larder_predict_model model,
                             uint32_t number) {
  evidence e;
  unsigned certain[3] = {0};
  evidence_find(predictor, standing, model, &e);
  for (unsigned i = 0; i < e.len; i++) {
    unsigned at = lrd_state_at(e.layers[i].state, number);
    if (at != LRD_NEXT_MAX) certain[i] = lrd_state_certain(e.layers[i].state, at);
  }
  return value_of(&e, count_of(&e, number), certain);
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
