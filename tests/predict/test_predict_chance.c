/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Predictors of every size that go through whatever there is by chance: sessions at once, merging, saving and loading. What
 * holds of each holds all the time: chains are distributions, guesses are sorted, few guesses begin as many do, and a file
 * brings back the same.
 */
#include "predict_fixture.h"

#include <stdio.h>
#include <string.h>

#define SEEDS  120u
#define EVENTS 1500u

#define MEMBERS 20u

typedef struct world {
  support_random random;
  larder_predictor *predictors[2];
  unsigned endpoints, sessions;
  unsigned at[MEMBERS];
  int64_t wall_ms;
} world;

static const char *const types[] = {NULL, "",  "guest", "member", "a", "b", "c", "d", "e",
                                    "f",  "g", "h",     "i",      "j", "k", "l", "m"};
#define TYPES (sizeof types / sizeof *types)

static unsigned below(world *w, unsigned limit) { return (unsigned)support_random_below(&w->random, limit); }

static size_t endpoint_name(unsigned number, char out[16]) {
  return (size_t)snprintf(out, 16, "/place%c%c", 'a' + number / 10 % 26, 'a' + number % 10);
}

static void world_init(world *w, unsigned seed) {
  *w = (world){.random = {seed}};
  unsigned room = 8 + below(w, 60);
  for (unsigned i = 0; i < 2; i++)
    w->predictors[i] = predictor_of((larder_predictor_options){.endpoints_max = room + i * below(w, 20),
                                                               .states_max = 8u << below(w, 8),
                                                               .sessions_max = 8u << below(w, 3),
                                                               .order = 1 + below(w, 2),
                                                               .no_contexts = below(w, 5) == 0,
                                                               .age_at = 16 + below(w, below(w, 2) ? 20 : 2000),
                                                               .evidence_min = 1 + below(w, 4),
                                                               .smoothing = 0.01 * (1 + below(w, 100)),
                                                               .session_idle_ms = 1 + below(w, 100000)});
  w->endpoints = 2 + below(w, room + 20);
  w->sessions = 1 + below(w, MEMBERS);
  w->wall_ms = below(w, 2) ? INT64_C(1764150000000) : 0;
}

static larder_predict_event step_by_chance(world *w, char session[8], char endpoint[16]) {
  unsigned member = below(w, w->sessions), habit = below(w, 4), *at = &w->at[member];
  *at = habit < 2 ? (*at * 5 + habit) % w->endpoints : below(w, habit == 2 ? 1 + below(w, w->endpoints) : w->endpoints);
  if (w->wall_ms) w->wall_ms += below(w, 500) ? (int64_t)below(w, 500) : INT64_C(3600000) * below(w, 40);
  size_t session_len = (size_t)snprintf(session, 8, "s%u", member), len = endpoint_name(*at, endpoint);
  return (larder_predict_event){session,   session_len, endpoint, len, types[below(w, 2) ? 2 + member % 2 : below(w, TYPES)],
                                w->wall_ms};
}

static void guesses_hold(world *w, larder_predictor *predictor, const larder_predict_event *event) {
  larder_predict_guess many[LARDER_PREDICT_TOP_MAX], few[5];
  size_t many_len = LARDER_PREDICT_TOP_MAX, few_len = 5;
  larder_predict_model model = (larder_predict_model)below(w, LARDER_PREDICT_MODELS);
  double sum = 0;
  assert_ok(larder_predict_next(predictor, event->session, event->session_len, model, many, &many_len));
  assert_ok(larder_predict_next(predictor, event->session, event->session_len, model, few, &few_len));
  assert_int_equal(few_len, many_len < 5 ? many_len : 5);
  for (size_t i = 0; i < many_len; i++) {
    assert_true(many[i].probability > 0 && many[i].probability <= 1);
    assert_true(i == 0 || many[i].probability <= many[i - 1].probability);
    if (i < few_len) assert_true(few[i].probability == many[i].probability);
    if (i < few_len) assert_string_equal(few[i].endpoint, many[i].endpoint);
    sum += many[i].probability;
  }
  assert_true(sum <= 1 + 1e-9);
}

/* Endpoints that are not known have the share of the unknown each, which is there once. */
static void chains_are_distributions(world *w, larder_predictor *predictor) {
  char last[16], before[16], name[16];
  larder_predictor_figures figures;
  larder_predict_past past = {.last = last, .before = below(w, 2) ? before : NULL, .user_type = types[below(w, TYPES)]};
  past.last_len = endpoint_name(below(w, w->endpoints), last);
  past.before_len = endpoint_name(below(w, w->endpoints), before);
  past.wall_ms = below(w, 2) ? w->wall_ms : 0;
  larder_predictor_figures_get(predictor, &figures);
  for (unsigned model = 0; model < LARDER_PREDICT_MODELS; model++) {
    double sum = 0, p = 0, unknown = 0;
    assert_ok(larder_predict_probability(predictor, &past, (larder_predict_model)model, "?", 1, &unknown));
    for (unsigned i = 0; i < w->endpoints; i++) {
      assert_ok(larder_predict_probability(predictor, &past, (larder_predict_model)model, name, endpoint_name(i, name), &p));
      sum += p;
    }
    sum -= unknown * ((double)w->endpoints - (double)figures.endpoints - 1);
    assert_true(sum > 1 - 1e-6 && sum < 1 + 1e-6);
  }
}

static void a_file_brings_back_the_same(world *w, larder_predictor **predictor) {
  larder_predict_format format = below(w, 2) ? LARDER_PREDICT_JSON : LARDER_PREDICT_BINARY;
  larder_predictor *again = NULL;
  size_t len = 0, again_len = 0;
  void *bytes = packed(*predictor, format, &len);
  assert_ok(larder_predict_unpack(bytes, len, &again, NULL));
  void *again_bytes = packed(again, format, &again_len);
  assert_int_equal(len, again_len);
  assert_memory_equal(bytes, again_bytes, len);
  larder_predict_bytes_free(bytes);
  larder_predict_bytes_free(again_bytes);
  larder_predictor_free(predictor);
  *predictor = again;
}

static void whatever_happens_it_holds(void **state) {
  (void)state;
  for (unsigned seed = 1; seed <= SEEDS; seed++) {
    world w;
    world_init(&w, seed);
    for (unsigned i = 0; i < EVENTS; i++) {
      char session[8], endpoint[16];
      unsigned which = below(&w, 8) == 0;
      larder_predictor **predictor = &w.predictors[which];
      larder_predict_event event = step_by_chance(&w, session, endpoint);
      assert_ok(larder_predict_observe(*predictor, &event));
      guesses_hold(&w, *predictor, &event);
      if (below(&w, 20) == 0) assert_true(larder_predict_session_end(*predictor, session, event.session_len));
      if (below(&w, 100) == 0) chains_are_distributions(&w, *predictor);
      if (below(&w, 400) == 0) a_file_brings_back_the_same(&w, predictor);
      if (below(&w, 500) == 0) assert_ok(larder_predict_merge(*predictor, w.predictors[!which]));
      if (below(&w, 3000) == 0) larder_predictor_clear(*predictor);
    }
    for (unsigned i = 0; i < 2; i++) larder_predictor_free(&w.predictors[i]);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(whatever_happens_it_holds)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
