/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of a trial by hand, and trials as wholes. */
#include "traffic_fixture.h"

#include "traffic/next_guess.h"
#include "traffic/origin_model.h"
#include "traffic/trial_cache.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* --- the origin ----------------------------------------------------------------------------------------------------------- */

#define ORIGIN(service)                                                                                                        \
  "length: 1m\nsessions: 1\ncache: {entries: 1}\nservices: {s: " service "}\nendpoints: {e: {service: s}}\n"                   \
  "users: {u: {start: {e: 1}}}\n"

static void a_queue_makes_who_comes_wait(void **state) {
  (void)state;
  larder_traffic *t = traffic_of(ORIGIN("{latency: 10ms, spread: 0, capacity: 10, timeout: 1s, retries: 0}"));
  lrd_origin origin;
  lrd_draw draw = lrd_draw_of(1, 1);
  lrd_origin_init(&origin, t);
  assert_true(fabs(lrd_origin_ask(&origin, 0, 0, &draw).took_ms - 10) < 1e-9);
  assert_true(fabs(lrd_origin_ask(&origin, 0, 0, &draw).took_ms - 110) < 1e-9);
  assert_true(fabs(lrd_origin_ask(&origin, 0, 50, &draw).took_ms - 160) < 1e-9); /* 2 waited, half of one was answered */
  assert_true(fabs(lrd_origin_ask(&origin, 0, 1000, &draw).took_ms - 10) < 1e-9);
  larder_traffic_close(&t);
}

static void what_takes_too_long_fails_and_is_tried_again(void **state) {
  (void)state;
  larder_traffic *t = traffic_of(ORIGIN("{latency: 10ms, spread: 0, capacity: 1, timeout: 100ms, retries: 2}"));
  lrd_origin origin;
  lrd_draw draw = lrd_draw_of(1, 1);
  lrd_origin_init(&origin, t);
  assert_false(lrd_origin_ask(&origin, 0, 0, &draw).failed);
  lrd_answer answer = lrd_origin_ask(&origin, 0, 1, &draw);
  assert_true(answer.failed && answer.tries == 3 && answer.took_ms == 300);
  larder_traffic_close(&t);
}

static void failures_have_their_time(void **state) {
  (void)state;
  larder_traffic *t =
      traffic_of(ORIGIN("{latency: 10ms, spread: 0, retries: 0}") "failures: [{service: s, at: 1s, length: 1s, slower: 5}, "
                                                                  "{service: s, at: 5s, length: 1s, errors: 1}]\n");
  lrd_origin origin;
  lrd_draw draw = lrd_draw_of(1, 1);
  lrd_origin_init(&origin, t);
  assert_true(fabs(lrd_origin_ask(&origin, 0, 999, &draw).took_ms - 10) < 1e-9);
  assert_true(fabs(lrd_origin_ask(&origin, 0, 1000, &draw).took_ms - 50) < 1e-9);
  assert_true(fabs(lrd_origin_ask(&origin, 0, 2000, &draw).took_ms - 10) < 1e-9);
  assert_true(lrd_origin_ask(&origin, 0, 5500, &draw).failed);
  assert_false(lrd_origin_ask(&origin, 0, 6000, &draw).failed);
  larder_traffic_close(&t);
}

static void a_service_waits_for_what_it_needs(void **state) {
  (void)state;
  larder_traffic *t =
      traffic_of("length: 1m\nsessions: 1\ncache: {entries: 1}\n"
                 "services: {db: {latency: 30ms, spread: 0}, s: {latency: 10ms, spread: 0, needs: db, retries: 0}}\n"
                 "endpoints: {e: {service: s}}\nusers: {u: {start: {e: 1}}}\n"
                 "failures: [{service: db, at: 1s, length: 1s, errors: 1}]\n");
  lrd_origin origin;
  lrd_draw draw = lrd_draw_of(1, 1);
  lrd_origin_init(&origin, t);
  assert_true(fabs(lrd_origin_ask(&origin, 1, 0, &draw).took_ms - 40) < 1e-9);
  assert_true(lrd_origin_ask(&origin, 1, 1500, &draw).failed);
  larder_traffic_close(&t);
}

/* --- the cache ------------------------------------------------------------------------------------------------------------ */

static void gone_note(void *context, uint32_t key, lrd_item *item, lrd_gone why) {
  (void)item;
  char *text = context;
  size_t len = strlen(text);
  snprintf(text + len, 64 - len, "%u%c", key, why == LRD_GONE_OLD ? 'o' : 'r');
}

static lrd_trial_cache *cache_of(const char *policy, uint64_t entries, char told[64]) {
  lrd_trial_cache *cache = NULL;
  told[0] = '\0';
  assert_int_equal(lrd_trial_cache_open(policy, entries, 100, 1, gone_note, told, &cache), LARDER_OK);
  return cache;
}

static void put(lrd_trial_cache *cache, uint32_t key, double expires_ms) {
  assert_int_equal(lrd_trial_cache_put(cache, key), LARDER_OK);
  lrd_trial_cache_item(cache, key)->expires_ms = expires_ms;
}

static void the_policy_or_the_caller_says_who_goes(void **state) {
  (void)state;
  char told[64];
  lrd_trial_cache *cache = cache_of("fifo", 3, told);
  for (uint32_t key = 1; key <= 3; key++) put(cache, key, INFINITY);
  assert_true(lrd_trial_cache_full(cache));
  lrd_trial_cache_touch(cache, 1);
  put(cache, 4, INFINITY); /* fifo does not care */
  assert_string_equal(told, "1r");
  lrd_trial_cache_touch(cache, 2);
  lrd_trial_cache_evict_lru(cache, 2);
  assert_string_equal(told, "1r3r4r");
  assert_null(lrd_trial_cache_find(cache, 4, 0));
  assert_non_null(lrd_trial_cache_find(cache, 2, 0));
  assert_int_equal(lrd_trial_cache_evictions(cache), 3);
  lrd_trial_cache_evict_lru(cache, 9);
  assert_int_equal(lrd_trial_cache_count(cache), 0);
  lrd_trial_cache_close(cache);
}

static void what_is_too_old_goes_when_it_is_asked_for(void **state) {
  (void)state;
  char told[64];
  lrd_trial_cache *cache = cache_of("s3-fifo", 3, told);
  put(cache, 5, 100);
  assert_non_null(lrd_trial_cache_find(cache, 5, 99));
  assert_null(lrd_trial_cache_find(cache, 5, 100));
  assert_string_equal(told, "5o");
  assert_int_equal(lrd_trial_cache_evictions(cache), 0);
  lrd_trial_cache_close(cache);
}

static void the_least_likely_go(void **state) {
  (void)state;
  char told[64];
  lrd_trial_cache *cache = cache_of("s3-fifo", 4, told);
  for (uint32_t key = 1; key <= 4; key++) put(cache, key, INFINITY);
  lrd_item_expect(lrd_trial_cache_item(cache, 1), 0, 1000, 8);
  lrd_item_expect(lrd_trial_cache_item(cache, 2), 0, 1000, 2);
  lrd_item_expect(lrd_trial_cache_item(cache, 3), 4000, 1000, 1); /* 1 is worth 0.5 by then, 2 an eighth */
  lrd_item_expect(lrd_trial_cache_item(cache, 4), 4000, 1000, 3);
  assert_true(fabs(lrd_item_expected(lrd_trial_cache_item(cache, 1), 4000, 1000) - 0.5) < 1e-12);
  lrd_item_expect(lrd_trial_cache_item(cache, 1), 4000, 1000, 0.25);
  assert_true(fabs(lrd_item_expected(lrd_trial_cache_item(cache, 1), 4000, 1000) - 0.75) < 1e-12);
  lrd_trial_cache_evict_unlikely(cache, 3, 4000);
  assert_string_equal(told, "2r1r3r");
  lrd_trial_cache_close(cache);
}

static void what_was_made_ahead_is_spared_for_a_while(void **state) {
  (void)state;
  char told[64];
  lrd_trial_cache *cache = cache_of("s3-fifo", 3, told);
  for (uint32_t key = 1; key <= 3; key++) {
    put(cache, key, INFINITY);
    lrd_item_expect(lrd_trial_cache_item(cache, key), 0, 1000, 4 - key);
  }
  lrd_trial_cache_item(cache, 3)->prefetched = true;
  lrd_trial_cache_item(cache, 3)->ready_ms = 100;
  lrd_trial_cache_evict_unlikely(cache, 1, 100 + LRD_SPARED_MS - 1);
  assert_string_equal(told, "2r");
  lrd_trial_cache_evict_unlikely(cache, 1, 100 + LRD_SPARED_MS);
  assert_string_equal(told, "2r3r");
  lrd_trial_cache_close(cache);
}

static void what_was_learned_may_count_instead(void **state) {
  (void)state;
  char told[64];
  lrd_trial_cache *cache = cache_of("s3-fifo", 2, told);
  lrd_worth *worth = NULL;
  assert_int_equal(lrd_worth_open(100, 10, &worth), LARDER_OK);
  put(cache, 1, INFINITY);
  put(cache, 2, INFINITY);
  lrd_item_expect(lrd_trial_cache_item(cache, 1), 0, 1000, 1);
  lrd_worth_asked(worth, 2, 0, 0);
  lrd_trial_cache_learn(cache, worth);
  lrd_trial_cache_evict_unlikely(cache, 1, 0);
  assert_string_equal(told, "1r");
  assert_int_equal(lrd_trial_cache_draw(cache), 2);
  lrd_trial_cache_close(cache);
  lrd_worth_close(worth);
}

/* --- guesses -------------------------------------------------------------------------------------------------------------- */

static void what_came_next_is_guessed(void **state) {
  (void)state;
  larder_traffic *t = traffic_of(traffic_small);
  lrd_guesser *guesser = NULL;
  lrd_guess out[4];
  assert_int_equal(lrd_guesser_open(t, &guesser), LARDER_OK);
  for (uint32_t i = 0; i < 10; i++) {
    const lrd_request a = {.session = i, .key = 1}, b = {.session = i, .key = i < 7 ? 2 : 3};
    assert_int_equal(lrd_guesser_learn(guesser, &a), LARDER_OK);
    assert_int_equal(lrd_guesser_learn(guesser, &b), LARDER_OK);
  }
  const lrd_request now = {.session = 10, .key = 1};
  assert_int_equal(lrd_guesser_learn(guesser, &now), LARDER_OK);
  assert_true(lrd_guesser_next(guesser, &now, out, 4) >= 2);
  assert_int_equal(out[0].key, 2);
  assert_int_equal(out[1].key, 3);
  assert_true(out[0].probability > 0.5 && out[1].probability < 0.5 && out[0].probability + out[1].probability <= 1);
  assert_int_equal(lrd_guesser_next(guesser, &now, out, 1), 1);
  assert_int_equal(out[0].key, 2);
  const lrd_request nobody = {.session = 11};
  assert_int_equal(lrd_guesser_next(guesser, &nobody, out, 4), 0);
  lrd_guesser_close(guesser);
  larder_traffic_close(&t);
}

/* --- the whole ------------------------------------------------------------------------------------------------------------ */

static larder_traffic_figures figures_of(const larder_traffic *t, const char *contestant, uint64_t seed, unsigned parallel) {
  larder_traffic_run runs[4];
  for (size_t i = 0; i < 4; i++) runs[i] = (larder_traffic_run){.contestant = contestant, .seed = seed + i % 2};
  const larder_traffic_options how = {.size = sizeof how, .parallel = parallel};
  assert_int_equal(larder_traffic_trial(t, &how, runs, 4, NULL), LARDER_OK);
  assert_memory_equal(&runs[0].figures, &runs[2].figures, sizeof runs[0].figures);
  return runs[0].figures;
}

static void the_same_seed_gives_the_same_figures(void **state) {
  (void)state;
  const char *name;
  larder_traffic *t = traffic_of(traffic_small);
  for (size_t n = 0; (name = larder_traffic_contestant(n)) != NULL; n++) {
    assert_non_null(larder_traffic_contestant_says(name));
    larder_traffic_figures one = figures_of(t, name, 3, 1), two = figures_of(t, name, 3, 4);
    assert_memory_equal(&one, &two, sizeof one);
    assert_true(one.requests > 100 && one.hits <= one.requests && one.used <= one.prefetched);
    assert_true(one.origin + one.hits >= one.requests);
    assert_true(one.mean_ms > 0 && one.p95_ms <= one.p99_ms);
  }
  assert_null(larder_traffic_contestant_says("nobody"));
  larder_traffic_close(&t);
}

static void a_cache_spares_the_origin(void **state) {
  (void)state;
  larder_traffic *t = traffic_of(traffic_small);
  larder_traffic_figures none = figures_of(t, "none", 1, 1), lru = figures_of(t, "lru", 1, 1);
  larder_traffic_figures ahead = figures_of(t, "lru-prefetch", 1, 1);
  assert_int_equal(none.hits, 0);
  assert_int_equal(none.origin, none.requests);
  assert_true(lru.origin < none.origin && lru.mean_ms < none.mean_ms);
  assert_int_equal(lru.origin + lru.hits, lru.requests);
  assert_true(ahead.prefetched > 0 && ahead.hits > lru.hits);
  larder_traffic_close(&t);
}

/* Traffic with something to learn: a page leads to another one, for sure. */
#define LED                                                                                                                    \
  "length: 20m\nsessions: 5\ncache: {entries: 100}\nservices: {s: {latency: 50ms}}\n"                                          \
  "endpoints: {a: {service: s, ids: 400, skew: 0.8}, b: {service: s, same: a}}\n"                                              \
  "users: {u: {think: 1s, start: {a: 1}, moves: {a: {b: 1}, b: {a: 0.6}}}}\n"

static larder_traffic_run agent_run(const char *text, const char *contestant) {
  larder_traffic *t = traffic_of(text);
  larder_traffic_run run = {.contestant = contestant, .seed = 1};
  assert_int_equal(larder_traffic_trial(t, NULL, &run, 1, NULL), LARDER_OK);
  larder_traffic_close(&t);
  return run;
}

static void an_agent_acts_and_is_counted(void **state) {
  (void)state;
  larder_traffic_run plain = agent_run(LED, "s3-fifo"), agent = agent_run(LED, "agent"),
                     trained = agent_run(LED, "agent-trained");
  uint64_t taken = 0;
  for (unsigned a = 0; a < LARDER_AGENT_ACTIONS; a++) {
    taken += agent.agent.taken[a];
    assert_true(agent.agent.learned[a] <= agent.agent.taken[a]);
  }
  assert_int_equal(taken, agent.figures.requests);
  assert_int_equal(agent.agent.decisions, agent.figures.requests);
  assert_int_equal(plain.agent.decisions, 0);
  assert_true(agent.figures.mean_ms < plain.figures.mean_ms * 0.75); /* it finds out that b comes after a */
  assert_true(agent.figures.prefetched > 500 && agent.figures.used > agent.figures.prefetched * 7 / 10);
  assert_true(trained.figures.mean_ms < plain.figures.mean_ms * 0.75);
  assert_true(trained.agent.epsilon < agent.agent.epsilon);
}

static void an_agent_that_wants_the_wrong_steps_aside(void **state) {
  (void)state;
  larder_traffic_run plain = agent_run(LED, "s3-fifo");
  /* Hits and what was made ahead in time are bad, it is told: it keeps nothing. */
  larder_traffic_run agent =
      agent_run(LED "agent: {hit: -50, used: -50, saved_ms: -1, full: 0, lost_ms: 0, miss: 0, window: 500}\n", "agent");
  assert_true(agent.agent.stepped_aside >= 2);
  assert_true(agent.agent.windows_aside * 5 > agent.agent.windows);
  assert_true(agent.figures.mean_ms < plain.figures.mean_ms * 1.1);
}

static void what_it_came_to_it_comes_to_again(void **state) {
  (void)state;
  static const struct {
    const char *contestant;
    uint64_t hits, origin, prefetched, used;
  } came[] = {{"none", 0, 766, 0, 0},
              {"lru", 165, 601, 0, 0},
              {"lru-prefetch", 552, 689, 475, 406},
              {"s3-fifo", 209, 557, 0, 0},
              {"unlikely", 219, 547, 0, 0}};
  larder_traffic *t = traffic_of(traffic_small);
  for (size_t i = 0; i < sizeof came / sizeof *came; i++) {
    larder_traffic_figures f = figures_of(t, came[i].contestant, 1, 1);
    if (f.hits != came[i].hits || f.origin != came[i].origin || f.prefetched != came[i].prefetched || f.used != came[i].used)
      fail_msg("{\"%s\", %llu, %llu, %llu, %llu}", came[i].contestant, (unsigned long long)f.hits, (unsigned long long)f.origin,
               (unsigned long long)f.prefetched, (unsigned long long)f.used);
  }
  larder_traffic_close(&t);
}

static void wrong_calls_are_refused(void **state) {
  (void)state;
  larder_traffic *t = traffic_of(traffic_small);
  larder_error err = {0};
  larder_traffic_run run = {.contestant = "magic"};
  assert_int_equal(larder_traffic_trial(t, NULL, &run, 1, &err), LARDER_EINVAL);
  assert_non_null(strstr(err.message, "no contestant \"magic\""));
  assert_int_equal(larder_traffic_trial(NULL, NULL, &run, 1, &err), LARDER_EINVAL);
  assert_int_equal(larder_traffic_trial(t, NULL, NULL, 0, &err), LARDER_OK);
  larder_traffic_close(&t);
}

static bool stop_at_once(void *context, uint64_t done, uint64_t total) {
  (void)context;
  assert_true(done <= total);
  return false;
}

static void a_trial_may_be_stopped(void **state) {
  (void)state;
  larder_traffic *t =
      traffic_of("length: 10s\nsessions: 50\ncache: {entries: 1000}\nservices: {s: {latency: 10ms}}\n"
                 "endpoints: {e: {service: s, ids: 9000}}\nusers: {u: {start: {e: 1}, moves: {e: {e: 0.5}}}}\n");
  larder_traffic_run run = {.contestant = "aggressive", .seed = 1};
  const larder_traffic_options how = {.size = sizeof how, .progress = stop_at_once};
  assert_int_equal(larder_traffic_trial(t, &how, &run, 1, NULL), LARDER_ECANCELLED);
  larder_traffic_close(&t);
}

static void memory_may_be_short(void **state) {
  (void)state;
  larder_traffic *t = traffic_of(traffic_small);
  const larder_traffic_options how = {.size = sizeof how, .parallel = 1};
  for (uint64_t n = 1;; n += n / 8 + 1) {
    larder_traffic_run run = {.contestant = "agent-trained", .seed = 1};
    int64_t live = support_alloc_live();
    support_alloc_fail_at(n);
    const larder_traffic_run before = run;
    larder_err err = larder_traffic_trial(t, &how, &run, 1, NULL);
    bool failed = support_alloc_end() >= n;
    if (err == LARDER_ENOMEM) assert_memory_equal(&run, &before, sizeof run);
    assert_true(err == LARDER_OK || (failed && err == LARDER_ENOMEM)); /* a policy does without its ghost */
    assert_int_equal(support_alloc_live(), live);
    if (!failed) break;
  }
  larder_traffic_close(&t);
}

static void intervals_are_students(void **state) {
  (void)state;
  const double values[] = {1, 2, 3, 4, 5};
  larder_traffic_interval five = larder_traffic_interval_of(values, 5), one = larder_traffic_interval_of(values, 1);
  assert_true(five.mean == 3 && fabs(five.half - 2.776 * sqrt(2.5 / 5)) < 1e-9);
  assert_true(one.mean == 1 && isnan(one.half));
  larder_traffic_interval none = larder_traffic_interval_of(NULL, 0);
  assert_true(isnan(none.mean) && isnan(none.half));
  double many[101];
  for (size_t i = 0; i < 101; i++) many[i] = (double)(i % 2);
  /* 100 degrees of freedom: 1.984 */
  double deviation = sqrt(50.0 / 101 * (51.0 / 101) * 101 / 100);
  assert_true(fabs(larder_traffic_interval_of(many, 101).half - 1.98397 * deviation / sqrt(101)) < 1e-5);
}

static void bars_are_drawn(void **state) {
  (void)state;
  char *text = NULL;
  size_t len = 0;
  const larder_traffic_bar bars[] = {{"a<b", {10, 1}}, {"many", {128345.6, 1234.5}}, {"none", {0, 0}}, {"once", {7, NAN}}};
  const larder_traffic_panel panel = {"x & y", "ms", bars, 4}, empty = {"x", "ms", bars, 0};
  assert_int_equal(larder_traffic_plot(&panel, 1, &text, &len), LARDER_OK);
  assert_int_equal(strlen(text), len);
  assert_non_null(strstr(text, "x &amp; y"));
  assert_non_null(strstr(text, "a&lt;b"));
  assert_non_null(strstr(text, "10.0 ± 1.0 ms"));
  assert_non_null(strstr(text, "128346 ± 1234 ms"));
  assert_non_null(strstr(text, "0 ± 0 ms"));
  assert_non_null(strstr(text, ">7.00 ms<"));
  larder_traffic_text_free(text);
  assert_int_equal(larder_traffic_plot(&empty, 1, &text, &len), LARDER_EINVAL);
  assert_int_equal(larder_traffic_plot(NULL, 0, &text, &len), LARDER_EINVAL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_queue_makes_who_comes_wait),
      cmocka_unit_test(what_takes_too_long_fails_and_is_tried_again),
      cmocka_unit_test(failures_have_their_time),
      cmocka_unit_test(a_service_waits_for_what_it_needs),
      cmocka_unit_test(the_policy_or_the_caller_says_who_goes),
      cmocka_unit_test(what_is_too_old_goes_when_it_is_asked_for),
      cmocka_unit_test(the_least_likely_go),
      cmocka_unit_test(what_was_made_ahead_is_spared_for_a_while),
      cmocka_unit_test(what_was_learned_may_count_instead),
      cmocka_unit_test(an_agent_acts_and_is_counted),
      cmocka_unit_test(an_agent_that_wants_the_wrong_steps_aside),
      cmocka_unit_test(what_came_next_is_guessed),
      cmocka_unit_test(the_same_seed_gives_the_same_figures),
      cmocka_unit_test(a_cache_spares_the_origin),
      cmocka_unit_test(what_it_came_to_it_comes_to_again),
      cmocka_unit_test(wrong_calls_are_refused),
      cmocka_unit_test(a_trial_may_be_stopped),
      cmocka_unit_test(memory_may_be_short),
      cmocka_unit_test(intervals_are_students),
      cmocka_unit_test(bars_are_drawn),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
