/* SPDX-License-Identifier: Apache-2.0 */
/* Every step of every session is guessed by every model and compared with what came. */
#include "base/fail.h"
#include "predictor.h"
#include "simulate/trace_keys.h"

#include <larder/evaluate.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define TELL_EACH 256u /* sessions */

/* Scores by a name that has a number. */
typedef struct parts {
  lrd_trace_keys names; /* the NUL is part of them */
  larder_score *scores; /* LARDER_PREDICT_MODELS for each */
  uint32_t cap;
} parts;

typedef struct judging {
  larder_sessions *sessions;
  const larder_evaluate_options *options;
  larder_evaluation *out;
  parts endpoints, contexts;
  uint64_t done, total; /* sessions, of all folds */
} judging;

/* --- figures ---------------------------------------------------------------------------------------------------------------
 */

double larder_score_share(const larder_score *score, unsigned top) {
  return score->steps && top < LARDER_EVALUATE_TOPS ? (double)score->hits[top] / (double)score->steps : 0;
}
double larder_score_coverage(const larder_score *score) {
  return score->steps ? (double)score->covered / (double)score->steps : 0;
}
double larder_score_mrr(const larder_score *score) { return score->steps ? score->reciprocal_ranks / (double)score->steps : 0; }
double larder_score_perplexity(const larder_score *score) {
  return score->steps ? exp(score->surprise / (double)score->steps) : 1;
}

/* What came of one step: rank 0 where it was not guessed. */
typedef struct outcome {
  bool covered;
  size_t rank;
  double p; /* of what came */
} outcome;

static void score_add(larder_score *score, const outcome *o) {
  score->steps++;
  score->covered += o->covered;
  for (unsigned i = 0; i < LARDER_EVALUATE_TOPS; i++) score->hits[i] += o->rank > 0 && o->rank <= LARDER_EVALUATE_TOP(i);
  if (o->rank > 0) score->reciprocal_ranks += 1 / (double)o->rank;
  score->surprise -= log(o->p);
}

/* --- parts -----------------------------------------------------------------------------------------------------------------
 */

static larder_err part_number(parts *all, const char *name, uint32_t *out) {
  larder_err err = lrd_trace_keys_number(&all->names, name, strlen(name) + 1, out);
  if (err != LARDER_OK || *out < all->cap) return err;
  uint32_t cap = all->cap > 0 ? all->cap * 2 : 64;
  size_t each = LARDER_PREDICT_MODELS * sizeof *all->scores;
  larder_score *scores = lrd_realloc(all->scores, cap * each);
  if (scores == NULL) return LARDER_ENOMEM;
  memset(scores + (size_t)all->cap * LARDER_PREDICT_MODELS, 0, (cap - all->cap) * each);
  all->scores = scores;
  all->cap = cap;
  return LARDER_OK;
}

static void parts_fini(parts *all) {
  lrd_trace_keys_fini(&all->names);
  lrd_dealloc(all->scores);
}

static int part_order(const void *a, const void *b) {
  const larder_evaluate_part *x = a, *y = b;
  if (x->score.steps != y->score.steps) return x->score.steps > y->score.steps ? -1 : 1;
  return strcmp(x->name, y->name);
}

/* The parts of a model, and their names behind them in the same block. */
static larder_err parts_hand_over(const parts *all, unsigned model, larder_evaluate_part **out, size_t *len_out) {
  size_t len = all->names.len, texts = 0;
  for (uint32_t i = 0; i < len; i++) texts += lrd_trace_keys_at(&all->names, i).len;
  larder_evaluate_part *part = lrd_alloc(len * sizeof *part + texts + 1);
  if (part == NULL) return LARDER_ENOMEM;
  char *text = (char *)(part + len);
  for (uint32_t i = 0; i < len; i++) {
    lrd_span name = lrd_trace_keys_at(&all->names, i);
    memcpy(text, name.data, name.len);
    part[i] = (larder_evaluate_part){text, all->scores[(size_t)i * LARDER_PREDICT_MODELS + model]};
    text += name.len;
  }
  if (len > 0) qsort(part, len, sizeof *part, part_order);
  *out = part;
  *len_out = len;
  return LARDER_OK;
}

static void context_name(const larder_predict_past *past, int32_t utc_offset_minutes, char *out, size_t room) {
  static const char *const times[LRD_TIMES] = {"",
                                               ", weekday 0-6 h",
                                               ", weekday 6-12 h",
                                               ", weekday 12-18 h",
                                               ", weekday 18-24 h",
                                               ", weekend 0-6 h",
                                               ", weekend 6-12 h",
                                               ", weekend 12-18 h",
                                               ", weekend 18-24 h"};
  snprintf(out, room, "%.63s%s", past->user_type && *past->user_type ? past->user_type : "any user",
           times[lrd_time_of(past->wall_ms, utc_offset_minutes)]);
}

/* --- one step ------------------------------------------------------------------------------------------------------------ */

typedef struct step {
  larder_predictor *predictor;
  larder_predict_past past;
  const larder_predict_event *came;
  char text[LARDER_ENDPOINT_MAX + 1]; /* of what came, normalised */
  size_t len;
  uint32_t endpoint, context; /* parts */
  unsigned fold;
} step;

static larder_err step_judge(judging *j, const step *s, larder_predict_model model) {
  larder_predict_guess guesses[LARDER_PREDICT_TOP_MAX];
  size_t count = LARDER_PREDICT_TOP_MAX;
  outcome o = {0};
  larder_evaluation *out = &j->out[model];
  larder_err err = larder_predict_after(s->predictor, &s->past, model, guesses, &count);
  if (err == LARDER_OK)
    err = larder_predict_probability(s->predictor, &s->past, model, s->came->endpoint, s->came->endpoint_len, &o.p);
  if (err != LARDER_OK) return err;
  o.covered = count > 0;
  for (size_t i = 0; i < count && o.rank == 0; i++)
    if (guesses[i].endpoint_len == s->len && memcmp(guesses[i].endpoint, s->text, s->len) == 0) o.rank = i + 1;
  score_add(&out->all, &o);
  if (out->folds_len > 0) score_add(&out->folds[s->fold], &o);
  score_add(&j->endpoints.scores[(size_t)s->endpoint * LARDER_PREDICT_MODELS + model], &o);
  score_add(&j->contexts.scores[(size_t)s->context * LARDER_PREDICT_MODELS + model], &o);
  if (count > 0) {
    unsigned bin = (unsigned)(guesses[0].probability * LARDER_EVALUATE_BINS);
    larder_evaluate_bin *at = &out->bins[bin < LARDER_EVALUATE_BINS ? bin : LARDER_EVALUATE_BINS - 1];
    at->guesses++;
    at->predicted += guesses[0].probability;
    at->right += o.rank == 1;
  }
  return LARDER_OK;
}

static larder_err step_all(judging *j, step *s) {
  char name[LARDER_ENDPOINT_MAX + 1];
  size_t len;
  larder_err err = larder_predict_normalise(s->predictor, s->past.last, s->past.last_len, name, &len);
  if (err == LARDER_OK) err = part_number(&j->endpoints, name, &s->endpoint);
  context_name(&s->past, s->predictor->options.utc_offset_minutes, name, sizeof name);
  if (err == LARDER_OK) err = part_number(&j->contexts, name, &s->context);
  for (unsigned model = 0; err == LARDER_OK && model < LARDER_PREDICT_MODELS; model++)
    err = step_judge(j, s, (larder_predict_model)model);
  return err;
}

/* Events go on as learning has them: what is too long is passed over, a long pause begins anew. */
static larder_err session_judge(judging *j, larder_predictor *predictor, const larder_predict_event *events, size_t count,
                                unsigned fold) {
  step s = {.predictor = predictor, .fold = fold};
  larder_err err = LARDER_OK;
  int64_t wall_ms = 0;
  for (size_t i = 0; i < count && err == LARDER_OK; i++) {
    const larder_predict_event *event = s.came = &events[i];
    if (larder_predict_normalise(predictor, event->endpoint, event->endpoint_len, s.text, &s.len) != LARDER_OK) continue;
    bool pause = event->wall_ms != 0 && wall_ms != 0 && event->wall_ms - wall_ms > predictor->options.session_idle_ms;
    if (pause) s.past.last = s.past.before = NULL;
    if (s.past.last) err = step_all(j, &s);
    s.past = (larder_predict_past){.last = event->endpoint,
                                   .last_len = event->endpoint_len,
                                   .before = s.past.last,
                                   .before_len = s.past.last_len,
                                   .user_type = event->user_type,
                                   .wall_ms = event->wall_ms};
    if (event->wall_ms != 0) wall_ms = event->wall_ms;
  }
  return err;
}

/* --- all -------------------------------------------------------------------------------------------------------------------
 */

static bool goes_on(judging *j) {
  if (j->done++ % TELL_EACH != 0 || j->options->progress == NULL) return true;
  return j->options->progress(j->options->context, j->done - 1, j->total);
}

static larder_err fold_judge(judging *j, larder_predictor *predictor, unsigned fold, unsigned folds) {
  larder_err err = LARDER_OK;
  for (size_t i = 0; i < larder_sessions_count(j->sessions) && err == LARDER_OK; i++) {
    size_t count;
    const larder_predict_event *events = larder_sessions_get(j->sessions, i, &count);
    if (folds > 0 && i % folds != fold) continue;
    if (!goes_on(j)) return LARDER_ECANCELLED;
    err = session_judge(j, predictor, events, count, fold);
  }
  return err;
}

static larder_err fold_teach(judging *j, larder_predictor *predictor, unsigned fold, unsigned folds) {
  larder_err err = LARDER_OK;
  for (size_t i = 0; i < larder_sessions_count(j->sessions) && err == LARDER_OK; i++) {
    size_t count;
    const larder_predict_event *events = larder_sessions_get(j->sessions, i, &count);
    if (i % folds == fold) continue;
    if (!goes_on(j)) return LARDER_ECANCELLED;
    err = larder_predict_train(predictor, events, count);
  }
  return err;
}

static larder_err folds_judge(judging *j, unsigned folds, larder_error *err) {
  larder_err result = LARDER_OK;
  for (unsigned model = 0; model < LARDER_PREDICT_MODELS; model++) j->out[model].folds_len = folds;
  for (unsigned fold = 0; fold < folds && result == LARDER_OK; fold++) {
    larder_predictor *predictor = NULL;
    result = larder_predictor_new(j->options->learning, &predictor, err);
    if (result == LARDER_OK) result = fold_teach(j, predictor, fold, folds);
    if (result == LARDER_OK) result = fold_judge(j, predictor, fold, folds);
    larder_predictor_free(&predictor);
  }
  return result;
}

static larder_err parts_all(judging *j) {
  larder_err err = LARDER_OK;
  for (unsigned model = 0; err == LARDER_OK && model < LARDER_PREDICT_MODELS; model++) {
    larder_evaluation *out = &j->out[model];
    err = parts_hand_over(&j->endpoints, model, &out->endpoints, &out->endpoints_len);
    if (err == LARDER_OK) err = parts_hand_over(&j->contexts, model, &out->contexts, &out->contexts_len);
  }
  return err;
}

larder_err larder_evaluate(larder_sessions *sessions, larder_predictor *predictor, const larder_evaluate_options *options,
                           larder_evaluation *out, larder_error *err) {
  static const larder_evaluate_options usual = {.size = sizeof usual};
  if (options == NULL) options = &usual;
  unsigned folds = options->folds > 0 ? options->folds : 5;
  if (sessions == NULL || out == NULL || options->size != sizeof *options || folds < 2 || folds > LARDER_EVALUATE_FOLDS_MAX)
    return lrd_fail(err, LARDER_EINVAL, 0, LRD_PREDICT_ROOM, "an evaluation needs sessions, and 2 to %u folds",
                    LARDER_EVALUATE_FOLDS_MAX);
  size_t count = larder_sessions_count(sessions);
  if (count == 0 && larder_sessions_requests(sessions) > 0)
    return lrd_fail(err, LARDER_ENOMEM, 0, LRD_PREDICT_ROOM, "out of memory for sessions");
  judging j = {.sessions = sessions, .options = options, .out = out, .total = predictor ? count : (uint64_t)count * folds};
  for (unsigned model = 0; model < LARDER_PREDICT_MODELS; model++)
    out[model] = (larder_evaluation){.model = (larder_predict_model)model};
  larder_error inner = {0};
  larder_err result = predictor ? fold_judge(&j, predictor, 0, 0) : folds_judge(&j, folds, &inner);
  if (result == LARDER_OK) result = parts_all(&j);
  parts_fini(&j.endpoints);
  parts_fini(&j.contexts);
  if (result == LARDER_OK) return LARDER_OK;
  larder_evaluation_clear(out);
  return lrd_fail(err, result, 0, LRD_PREDICT_ROOM, "the evaluation was not done: %s",
                  inner.message[0] ? inner.message : larder_err_text(result));
}

void larder_evaluation_clear(larder_evaluation *evaluations) {
  for (unsigned model = 0; model < LARDER_PREDICT_MODELS; model++) {
    lrd_dealloc(evaluations[model].endpoints);
    lrd_dealloc(evaluations[model].contexts);
    evaluations[model] = (larder_evaluation){0};
  }
}
