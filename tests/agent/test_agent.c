/* SPDX-License-Identifier: Apache-2.0 */
/* Decisions, rewards, and what is learned from them. */
#include "agent_fixture.h"

#include "base/hash.h"
#include <math.h>

/* --- learners by hand ----------------------------------------------------------------------------------------------------- */

static void least_squares_are_ridge_regression(void **state) {
  (void)state;
  /* One feature: weight = sum(x y) / (ridge + sum(x x)). */
  static double learned[LARDER_AGENT_ACTIONS * (LRD_FEATURES + LRD_FEATURES * LRD_FEATURES)];
  const larder_agent_options how = {.ridge = 2, .forget = 1};
  double x[LRD_FEATURES] = {1}, other[LRD_FEATURES] = {0, 1};
  lrd_learner_ridge.init(learned, &how);
  lrd_learner_ridge.learn(learned, &how, 3, x, 6);
  assert_true(fabs(lrd_learner_ridge.value(learned, 3, x) - 6 / 3.0) < 1e-12);
  lrd_learner_ridge.learn(learned, &how, 3, x, 3);
  assert_true(fabs(lrd_learner_ridge.value(learned, 3, x) - 9 / 4.0) < 1e-12);
  lrd_learner_ridge.learn(learned, &how, 3, other, 4);
  assert_true(fabs(lrd_learner_ridge.value(learned, 3, other) - 4 / 3.0) < 1e-12);
  assert_true(lrd_learner_ridge.value(learned, 2, x) == 0);
}

static void what_never_comes_does_not_grow_without_bound(void **state) {
  (void)state;
  static double learned[LARDER_AGENT_ACTIONS * (LRD_FEATURES + LRD_FEATURES * LRD_FEATURES)];
  const larder_agent_options how = {.ridge = 1, .forget = 0.9};
  double x[LRD_FEATURES] = {1, 0.5};
  lrd_learner_ridge.init(learned, &how);
  for (unsigned i = 0; i < 100000; i++) lrd_learner_ridge.learn(learned, &how, 0, x, 1);
  for (size_t i = 0; i < lrd_learner_ridge.doubles; i++) assert_true(fabs(learned[i]) < 1e3);
}

static void gradients_go_the_way_of_the_error(void **state) {
  (void)state;
  static double learned[4096];
  const larder_agent_options how = {.rate = 0.1, .seed = 1};
  double x[LRD_FEATURES] = {1, 2};
  lrd_learner_linear.init(learned, &how);
  lrd_learner_linear.learn(learned, &how, 1, x, 2);
  assert_true(fabs(learned[LRD_FEATURES] - 0.2) < 1e-12 && fabs(learned[LRD_FEATURES + 1] - 0.4) < 1e-12);
  assert_true(lrd_learner_network.doubles <= 4096);
  lrd_learner_network.init(learned, &how);
  assert_true(lrd_learner_network.value(learned, 1, x) == 0);
  for (unsigned i = 0; i < 300; i++) lrd_learner_network.learn(learned, &how, 1, x, 2);
  assert_true(fabs(lrd_learner_network.value(learned, 1, x) - 2) < 0.01);
  assert_true(lrd_learner_network.value(learned, 2, x) == 0);
}

static void states_become_numbers_about_as_large_as_one(void **state) {
  (void)state;
  double out[LRD_FEATURES];
  lrd_features_of(&(larder_agent_state){.guesses = {1, 1, 1, 1, 1},
                                        .expected = 1e4,
                                        .kb = 1e6,
                                        .origin_ms = 1e4,
                                        .entries = 1e9,
                                        .request_rate = 1e5,
                                        .p99_ms = 1e5,
                                        .connections = 1e5,
                                        .queue_depth = 1e3,
                                        .load = 20,
                                        .user = 99,
                                        .day = 0.25,
                                        .place = 10000,
                                        .eviction_rate = 1},
                  out);
  assert_true(out[0] == 1);
  assert_true(out[LRD_FEATURES - 1] == 1); /* the kind of user that stands for all others */
  for (unsigned i = 0; i < LRD_FEATURES; i++) assert_true(fabs(out[i]) < 5.1);
  lrd_features_of(&(larder_agent_state){0}, out);
  for (unsigned i = 0; i < LRD_FEATURES; i++) assert_true(out[i] == 0 || out[i] == 1);
}

static void no_number_is_too_wild_to_be_a_state(void **state) {
  (void)state;
  const double wild[] = {NAN, INFINITY, -INFINITY, 1e308, -1e308};
  for (size_t i = 0; i < sizeof wild / sizeof *wild; i++) {
    double out[LRD_FEATURES], w = wild[i];
    lrd_features_of(&(larder_agent_state){.guesses = {w, w, w, w, w},
                                          .expected = w,
                                          .kb = w,
                                          .origin_ms = w,
                                          .utilisation = w,
                                          .hit_rate = w,
                                          .eviction_rate = w,
                                          .cpu = w,
                                          .p50_ms = w,
                                          .error_rate = w,
                                          .load = w,
                                          .day = w,
                                          .week = w},
                    out);
    for (unsigned f = 0; f < LRD_FEATURES; f++) assert_true(fabs(out[f]) <= 10);
  }
}

static void an_inverse_that_is_none_begins_anew(void **state) {
  (void)state;
  static double learned[LARDER_AGENT_ACTIONS * (LRD_FEATURES + LRD_FEATURES * LRD_FEATURES)];
  const larder_agent_options how = {.ridge = 2, .forget = 1};
  double x[LRD_FEATURES] = {1};
  lrd_learner_ridge.init(learned, &how);
  learned[LRD_FEATURES] = -3;
  lrd_learner_ridge.learn(learned, &how, 0, x, 6);
  assert_true(learned[LRD_FEATURES] == 0.5 && lrd_learner_ridge.value(learned, 0, x) == 0);
  lrd_learner_ridge.learn(learned, &how, 0, x, 6);
  assert_true(fabs(lrd_learner_ridge.value(learned, 0, x) - 2) < 1e-12);
}

/* --- decisions ------------------------------------------------------------------------------------------------------------ */

static void only_what_is_possible_is_done(void **state) {
  (void)state;
  larder_agent *agent = agent_of(&(larder_agent_options){.epsilon = 1, .epsilon_last = 1, .seed = 3});
  unsigned seen = 0;
  for (unsigned possible = 0; possible < ALL; possible++) {
    for (unsigned i = 0; i < 8; i++) {
      larder_agent_decision decision;
      larder_agent_decide(agent, &(larder_agent_state){0}, possible, &decision);
      assert_true((possible | 1) & BIT(decision.action));
      assert_true(decision.explored == ((possible | 1) != 1)); /* one thing is no choice */
      seen |= BIT(decision.action);
    }
  }
  assert_int_equal(seen, ALL);
  larder_agent_close(&agent);
}

static void who_knows_nothing_does_the_plain_thing(void **state) {
  (void)state;
  larder_agent *agent = agent_of(&(larder_agent_options){.epsilon = 1e-12, .epsilon_last = 1e-12});
  larder_agent_decision decision;
  larder_agent_decide(agent, &(larder_agent_state){0}, ALL, &decision);
  assert_int_equal(decision.action, LARDER_AGENT_CACHE);
  assert_int_equal(decision.ticket, 1);
  larder_agent_decide(agent, &(larder_agent_state){0}, BIT(LARDER_AGENT_AGGRESSIVE), &decision);
  assert_int_equal(decision.action, LARDER_AGENT_NOTHING);
  larder_agent_decide(agent, &(larder_agent_state){0}, BIT(LARDER_AGENT_EVICT_UNLIKELY), &decision);
  assert_int_equal(decision.action, LARDER_AGENT_EVICT_UNLIKELY);
  larder_agent_close(&agent);
}

/* A world in which making ahead pays for users of kind 1 and does not for those of kind 0, and keeping pays a little. */
static double world_ends_right(larder_agent_method method, unsigned rounds) {
  larder_agent *agent =
      agent_of(&(larder_agent_options){.method = method, .seed = 5, .horizon = 10, .discount = 1e-9, .rate = 0.05});
  unsigned right = 0, judged = 0;
  for (unsigned i = 0; i < rounds; i++) {
    larder_agent_state now = {.user = lrd_hash64(&i, sizeof i, 1) & 1};
    larder_agent_decision d;
    larder_agent_decide(agent, &now, BIT(LARDER_AGENT_CACHE) | BIT(LARDER_AGENT_MODERATE), &d);
    if (d.action == LARDER_AGENT_CACHE) larder_agent_tell(agent, d.ticket, LARDER_AGENT_HIT, 1);
    if (d.action == LARDER_AGENT_MODERATE)
      larder_agent_tell(agent, d.ticket, now.user ? LARDER_AGENT_USED : LARDER_AGENT_WASTED, 4);
    if (i < rounds / 2 || d.explored) continue;
    judged++;
    right += d.action == (now.user ? LARDER_AGENT_MODERATE : LARDER_AGENT_CACHE);
  }
  larder_agent_close(&agent);
  return (double)right / judged;
}

static void each_method_learns_what_pays_for_whom(void **state) {
  (void)state;
  assert_true(world_ends_right(LARDER_AGENT_BANDIT, 4000) > 0.99);
  assert_true(world_ends_right(LARDER_AGENT_LINEAR_Q, 4000) > 0.99);
  assert_true(world_ends_right(LARDER_AGENT_NETWORK_Q, 4000) > 0.99);
}

static void what_follows_counts_for_q_learning(void **state) {
  (void)state;
  /* Nothing pays at once in state 0, but leads on to state 1, where it pays; keeping pays a little and leads nowhere. */
  larder_agent *agent = agent_of(&(larder_agent_options){.method = LARDER_AGENT_LINEAR_Q,
                                                         .horizon = 1,
                                                         .discount = 0.9,
                                                         .rate = 0.05,
                                                         .epsilon = 0.5,
                                                         .epsilon_last = 0.5,
                                                         .seed = 2});
  unsigned at = 0, led = 0, chosen = 0;
  for (unsigned i = 0; i < 6000; i++) {
    larder_agent_state now = {.user = at};
    larder_agent_decision d;
    larder_agent_decide(agent, &now, BIT(LARDER_AGENT_CACHE), &d);
    if (at == 0 && d.action == LARDER_AGENT_CACHE) larder_agent_tell(agent, d.ticket, LARDER_AGENT_SAVED_MS, 10);
    if (at == 1) larder_agent_tell(agent, d.ticket, LARDER_AGENT_HIT, 1);
    if (at == 0 && i > 3000 && !d.explored) {
      chosen++;
      led += d.action == LARDER_AGENT_NOTHING;
    }
    at = at == 0 && d.action == LARDER_AGENT_NOTHING;
  }
  assert_true(chosen > 100 && led > chosen * 95 / 100);
  larder_agent_close(&agent);
}

static void rewards_are_sums_of_weights_within_the_horizon(void **state) {
  (void)state;
  const double weights[LARDER_AGENT_EVENTS] = {
      [LARDER_AGENT_HIT] = 10, [LARDER_AGENT_LOST_MS] = -0.2, [LARDER_AGENT_OCCURRED] = -100};
  larder_agent *agent = agent_of(&(larder_agent_options){.horizon = 2, .weights = weights, .clip = 50});
  larder_agent_figures figures;
  larder_agent_decision d[6];
  for (unsigned i = 0; i < 3; i++) larder_agent_decide(agent, &(larder_agent_state){0}, BIT(LARDER_AGENT_CACHE), &d[i]);
  larder_agent_tell(agent, d[0].ticket, LARDER_AGENT_HIT, 2);
  larder_agent_tell(agent, d[0].ticket, LARDER_AGENT_LOST_MS, 25);
  larder_agent_tell(agent, d[0].ticket, LARDER_AGENT_USED, 1); /* worth nothing */
  larder_agent_tell(agent, d[1].ticket, LARDER_AGENT_OCCURRED, 3);
  larder_agent_tell(agent, d[1].ticket, LARDER_AGENT_OCCURRED, INFINITY); /* no amount */
  larder_agent_tell(agent, 77, LARDER_AGENT_HIT, 1);                      /* never given */
  larder_agent_tell(agent, 0, LARDER_AGENT_HIT, 1);
  larder_agent_figures_get(agent, &figures);
  assert_int_equal(figures.learned[LARDER_AGENT_CACHE], 0);
  larder_agent_decide(agent, &(larder_agent_state){0}, BIT(LARDER_AGENT_CACHE), &d[3]);
  larder_agent_tell(agent, d[0].ticket, LARDER_AGENT_HIT, 1); /* too late */
  larder_agent_figures_get(agent, &figures);
  assert_int_equal(figures.learned[d[0].action], 1);
  assert_true(figures.reward[d[0].action] == 15);
  larder_agent_decide(agent, &(larder_agent_state){0}, BIT(LARDER_AGENT_CACHE), &d[4]);
  larder_agent_figures_get(agent, &figures);
  assert_true(figures.reward[LARDER_AGENT_CACHE] + figures.reward[LARDER_AGENT_NOTHING] == 15 - 50);
  assert_int_equal(figures.decisions, 5);
  larder_agent_close(&agent);
}

static void chance_falls_by_half_and_half(void **state) {
  (void)state;
  larder_agent *agent = agent_of(&(larder_agent_options){.epsilon = 0.5, .epsilon_last = 0.1, .epsilon_half = 100});
  larder_agent_figures figures;
  larder_agent_figures_get(agent, &figures);
  assert_true(fabs(figures.epsilon - 0.5) < 1e-12);
  larder_agent_decision d;
  for (unsigned i = 0; i < 100; i++) larder_agent_decide(agent, &(larder_agent_state){0}, ALL, &d);
  larder_agent_figures_get(agent, &figures);
  assert_true(fabs(figures.epsilon - 0.3) < 1e-12);
  for (unsigned i = 0; i < 20000; i++) larder_agent_decide(agent, &(larder_agent_state){0}, ALL, &d);
  larder_agent_figures_get(agent, &figures);
  assert_true(fabs(figures.epsilon - 0.1) < 1e-9);
  assert_true(figures.explored > 1800 && figures.explored < 2400);
  larder_agent_close(&agent);
}

static void who_loses_steps_aside_and_does_the_plain_thing(void **state) {
  (void)state;
  larder_agent *agent = agent_of(&(larder_agent_options){.window = 10, .epsilon = 1, .epsilon_last = 1});
  larder_agent_decision d;
  larder_agent_figures figures;
  for (unsigned i = 0; i < 20; i++) larder_agent_compare(agent, 2, 1, 1, 1);
  assert_true(larder_agent_aside(agent));
  for (unsigned i = 0; i < 50; i++) {
    larder_agent_decide(agent, &(larder_agent_state){0}, ALL, &d);
    assert_true(d.aside && !d.explored && d.action == LARDER_AGENT_CACHE);
  }
  larder_agent_figures_get(agent, &figures);
  assert_true(figures.aside && figures.stepped_aside == 1 && figures.epsilon == 1);
  larder_agent_close(&agent);
}

/* --- the gate by hand ----------------------------------------------------------------------------------------------------- */

static void windows(lrd_shadow_gate *gate, unsigned count, double ours) {
  for (unsigned i = 0; i < count * gate->window; i++) lrd_shadow_gate_tell(gate, ours, ours, 1, 1);
}

static void pauses_double_and_shrink_again(void **state) {
  (void)state;
  lrd_shadow_gate gate;
  lrd_shadow_gate_init(&gate, 4, 0.01, 4);
  windows(&gate, 1, 9); /* not judged: it has only begun */
  assert_false(lrd_shadow_gate_aside(&gate));
  windows(&gate, 1, 1.005); /* within the margin */
  assert_false(lrd_shadow_gate_aside(&gate));
  windows(&gate, 1, 1.02);
  assert_true(lrd_shadow_gate_aside(&gate));
  windows(&gate, 1, 1);
  assert_false(lrd_shadow_gate_aside(&gate));
  static const unsigned pauses[] = {2, 4, 4};
  for (unsigned i = 0; i < 3; i++) {
    windows(&gate, 2, 1.5); /* one that is not judged, one that is */
    for (unsigned left = pauses[i]; left > 0; left--) {
      assert_true(lrd_shadow_gate_aside(&gate));
      windows(&gate, 1, 1);
    }
    assert_false(lrd_shadow_gate_aside(&gate));
  }
  windows(&gate, 3, 0.9); /* two that are won */
  windows(&gate, 1, 1.5);
  assert_int_equal(gate.left, 1);
  assert_int_equal(gate.stepped_aside, 5);
  assert_int_equal(gate.windows_aside, 1 + 2 + 4 + 4);
}

static void waiting_and_requests_count_alike(void **state) {
  (void)state;
  lrd_shadow_gate gate;
  lrd_shadow_gate_init(&gate, 1, 0.01, 4);
  lrd_shadow_gate_tell(&gate, 0, 0, 0, 0);
  lrd_shadow_gate_tell(&gate, 80, 1.1, 100, 1); /* a fifth less, a tenth more */
  assert_false(lrd_shadow_gate_aside(&gate));
  lrd_shadow_gate_tell(&gate, 90, 1.2, 100, 1);
  assert_true(lrd_shadow_gate_aside(&gate));
  lrd_shadow_gate_init(&gate, 1, 0.01, 4);
  lrd_shadow_gate_tell(&gate, 0, 0, 0, 0);
  lrd_shadow_gate_tell(&gate, 5, 1, 0, 0); /* nothing to compare with */
  assert_false(lrd_shadow_gate_aside(&gate));
}

/* --- the whole ------------------------------------------------------------------------------------------------------------ */

static void the_same_seed_makes_the_same_decisions(void **state) {
  (void)state;
  for (unsigned method = 0; method <= LARDER_AGENT_NETWORK_Q; method++) {
    const larder_agent_options how = {.method = (larder_agent_method)method, .seed = 9, .horizon = 50},
                               other = {.method = (larder_agent_method)method, .seed = 10, .horizon = 50};
    larder_agent *one = agent_of(&how), *two = agent_of(&how), *three = agent_of(&other);
    uint64_t did = live(one, 1, 3000);
    assert_true(did == live(two, 1, 3000));
    assert_true(did != live(three, 1, 3000));
    larder_agent_close(&one);
    larder_agent_close(&two);
    larder_agent_close(&three);
  }
}

static void calls_without_an_agent_do_nothing(void **state) {
  (void)state;
  larder_agent *agent = agent_of(&(larder_agent_options){0});
  larder_agent_decision decision = {.ticket = 7};
  larder_agent_figures figures = {.decisions = 7};
  larder_agent_decide(NULL, &(larder_agent_state){0}, ALL, &decision);
  assert_true(decision.ticket == 0 && decision.action == LARDER_AGENT_NOTHING);
  larder_agent_decide(agent, NULL, ALL, &decision); /* nothing is known */
  assert_int_equal(decision.ticket, 1);
  larder_agent_decide(agent, &(larder_agent_state){0}, ALL, NULL);
  larder_agent_tell(NULL, 1, LARDER_AGENT_HIT, 1);
  larder_agent_compare(NULL, 1, 1, 1, 1);
  assert_false(larder_agent_aside(NULL));
  larder_agent_figures_get(NULL, &figures);
  assert_int_equal(figures.decisions, 0);
  larder_agent_figures_get(agent, NULL);
  larder_agent_close(&agent);
}

static void options_have_bounds(void **state) {
  (void)state;
  const double wild[LARDER_AGENT_EVENTS] = {[LARDER_AGENT_KB] = NAN};
  const larder_agent_options wrong[] = {{.epsilon = 1.5},   {.epsilon = 0.1, .epsilon_last = 0.2},
                                        {.horizon = 70000}, {.discount = 1},
                                        {.rate = -1},       {.ridge = 1e-9},
                                        {.forget = 0.5},    {.margin = -1},
                                        {.clip = -1},       {.method = (larder_agent_method)7},
                                        {.weights = wild}};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    larder_agent *agent = NULL;
    larder_agent_options how = wrong[i];
    larder_error err = {0};
    how.size = sizeof how;
    assert_int_equal(larder_agent_open(&how, &agent, &err), LARDER_EINVAL);
    assert_null(agent);
  }
  larder_agent *agent = NULL;
  assert_int_equal(larder_agent_open(NULL, &agent, NULL), LARDER_OK);
  larder_agent_close(&agent);
  larder_agent_close(&agent);
  double above = 1;
  assert_int_equal(larder_agent_ahead(LARDER_AGENT_MODERATE, &above), 3);
  assert_true(above == 0.5);
  assert_int_equal(larder_agent_ahead(LARDER_AGENT_CACHE, NULL), 0);
  assert_string_equal(larder_agent_action_name(LARDER_AGENT_EVICT_UNLIKELY), "evict-unlikely");
  assert_string_equal(larder_agent_action_name(LARDER_AGENT_ACTIONS), "?");
}

static void memory_may_be_short(void **state) {
  (void)state;
  const larder_agent_options how = {.size = sizeof how, .method = LARDER_AGENT_NETWORK_Q};
  for (uint64_t n = 1;; n++) {
    larder_agent *agent = NULL;
    int64_t before = support_alloc_live();
    support_alloc_fail_at(n);
    larder_err err = larder_agent_open(&how, &agent, NULL);
    bool failed = support_alloc_end() >= n;
    assert_int_equal(err, failed ? LARDER_ENOMEM : LARDER_OK);
    larder_agent_close(&agent);
    assert_int_equal(support_alloc_live(), before);
    if (!failed) break;
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(least_squares_are_ridge_regression),
      cmocka_unit_test(what_never_comes_does_not_grow_without_bound),
      cmocka_unit_test(gradients_go_the_way_of_the_error),
      cmocka_unit_test(states_become_numbers_about_as_large_as_one),
      cmocka_unit_test(only_what_is_possible_is_done),
      cmocka_unit_test(who_knows_nothing_does_the_plain_thing),
      cmocka_unit_test(each_method_learns_what_pays_for_whom),
      cmocka_unit_test(what_follows_counts_for_q_learning),
      cmocka_unit_test(rewards_are_sums_of_weights_within_the_horizon),
      cmocka_unit_test(chance_falls_by_half_and_half),
      cmocka_unit_test(who_loses_steps_aside_and_does_the_plain_thing),
      cmocka_unit_test(pauses_double_and_shrink_again),
      cmocka_unit_test(waiting_and_requests_count_alike),
      cmocka_unit_test(the_same_seed_makes_the_same_decisions),
      cmocka_unit_test(no_number_is_too_wild_to_be_a_state),
      cmocka_unit_test(an_inverse_that_is_none_begins_anew),
      cmocka_unit_test(calls_without_an_agent_do_nothing),
      cmocka_unit_test(options_have_bounds),
      cmocka_unit_test(memory_may_be_short),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
