/* SPDX-License-Identifier: Apache-2.0 */
/* Cascades seen from answers, window by window. */
#include "support/support.h"

#include "agent/cascade_watch.h"

/* A window of so many answers, each taking so long, of which some fail. */
static void window(lrd_cascade_watch *watch, double *now_ms, unsigned answers, double latency_ms, unsigned failed) {
  for (unsigned i = 0; i < answers; i++) lrd_cascade_tell(watch, *now_ms + i, latency_ms, i < failed);
  *now_ms += 1000;
  lrd_cascade_look(watch, *now_ms);
}

static lrd_cascade_watch usual(double *now_ms) {
  lrd_cascade_watch watch;
  *now_ms = 0;
  lrd_cascade_init(&watch, &(lrd_cascade_options){0}, 0);
  for (unsigned i = 0; i < 10; i++) window(&watch, now_ms, 10, 50, 0);
  assert_int_equal(watch.state, LRD_CASCADE_CALM);
  return watch;
}

static void slow_and_wrong_under_rising_load_is_a_cascade(void **state) {
  (void)state;
  double now;
  lrd_cascade_watch watch = usual(&now);
  window(&watch, &now, 20, 200, 4);
  assert_int_equal(watch.state, LRD_CASCADE_ON);
  window(&watch, &now, 20, 200, 4);
  assert_int_equal(watch.cascades, 1); /* still the same */
  for (unsigned i = 0; i < 4; i++) window(&watch, &now, 10, 50, 0);
  assert_int_equal(watch.state, LRD_CASCADE_ON);
  window(&watch, &now, 10, 50, 0);
  assert_int_equal(watch.state, LRD_CASCADE_CALM);
  assert_int_equal(watch.averted, 0);
}

static void a_threat_that_passes_is_averted(void **state) {
  (void)state;
  double now;
  lrd_cascade_watch watch = usual(&now);
  window(&watch, &now, 20, 200, 0);
  assert_int_equal(watch.state, LRD_CASCADE_THREAT);
  for (unsigned i = 0; i < 5; i++) window(&watch, &now, 10, 50, 0);
  assert_int_equal(watch.state, LRD_CASCADE_CALM);
  assert_int_equal(watch.averted, 1);
  assert_int_equal(watch.cascades, 0);
}

static void a_threat_may_become_a_cascade_when_the_load_has_risen(void **state) {
  (void)state;
  double now;
  lrd_cascade_watch watch = usual(&now);
  window(&watch, &now, 20, 200, 0);
  window(&watch, &now, 10, 200, 2);
  assert_int_equal(watch.state, LRD_CASCADE_ON);
  assert_int_equal(watch.cascades, 1);
}

static void slowness_or_errors_alone_are_none(void **state) {
  (void)state;
  double now;
  lrd_cascade_watch watch = usual(&now);
  window(&watch, &now, 10, 200, 5); /* the load did not rise: the origin is ill by itself */
  assert_int_equal(watch.state, LRD_CASCADE_CALM);
  window(&watch, &now, 20, 60, 10); /* quick errors */
  assert_int_equal(watch.state, LRD_CASCADE_CALM);
  window(&watch, &now, 0, 0, 0);
  assert_int_equal(watch.state, LRD_CASCADE_CALM);
  assert_int_equal(watch.cascades + watch.averted, 0);
}

static void nothing_is_said_before_it_is_known_what_is_usual(void **state) {
  (void)state;
  double now = 0;
  lrd_cascade_watch watch;
  lrd_cascade_init(&watch, &(lrd_cascade_options){0}, 0);
  for (unsigned i = 0; i < 4; i++) window(&watch, &now, 10 + 10 * i, 50.0 * (i + 1), 2 * i);
  assert_int_equal(watch.state, LRD_CASCADE_CALM);
}

static void thresholds_are_the_callers(void **state) {
  (void)state;
  double now = 0;
  lrd_cascade_watch watch;
  lrd_cascade_init(&watch, &(lrd_cascade_options){.errors = 0.5, .latency = 10, .load = 2, .calm = 1}, 0);
  for (unsigned i = 0; i < 10; i++) window(&watch, &now, 10, 50, 0);
  window(&watch, &now, 19, 400, 15);
  assert_int_equal(watch.state, LRD_CASCADE_CALM);
  window(&watch, &now, 35, 900, 18);
  assert_int_equal(watch.state, LRD_CASCADE_ON);
  window(&watch, &now, 10, 50, 0);
  assert_int_equal(watch.state, LRD_CASCADE_CALM);
}

static void a_quiet_beginning_says_nothing_about_what_is_usual(void **state) {
  (void)state;
  for (unsigned quiet = 0; quiet < 200; quiet = quiet * 2 + 1) {
    double now = 0;
    lrd_cascade_watch watch;
    lrd_cascade_init(&watch, &(lrd_cascade_options){0}, 0);
    for (unsigned i = 0; i < quiet; i++) window(&watch, &now, 0, 0, 0);
    for (unsigned i = 0; i < 3; i++) window(&watch, &now, 10, 50, 0);
    for (unsigned i = 0; i < quiet; i++) window(&watch, &now, 0, 0, 0);
    for (unsigned i = 0; i < 100; i++) {
      window(&watch, &now, 10, 50, 0);
      assert_int_equal(watch.state, LRD_CASCADE_CALM);
    }
    assert_true(watch.usual_ms == 50);
  }
}

/* An origin that is ill while as many ask as ever; how many that is differs from window to window. */
static void what_chance_does_to_the_load_is_no_rise(void **state) {
  (void)state;
  uint64_t seed = 1;
  for (unsigned round = 0; round < 20; round++) {
    double now = 0;
    lrd_cascade_watch watch;
    lrd_cascade_init(&watch, &(lrd_cascade_options){0}, 0);
    for (unsigned i = 0; i < 330; i++) {
      unsigned answers = 0;
      for (unsigned draw = 0; draw < 40; draw++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        answers += seed >> 63;
      }
      window(&watch, &now, answers, i < 300 ? 50 : 250, i < 300 ? 0 : answers / 4);
    }
    assert_int_equal(watch.cascades, 0);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(slow_and_wrong_under_rising_load_is_a_cascade),
      cmocka_unit_test(a_threat_that_passes_is_averted),
      cmocka_unit_test(a_threat_may_become_a_cascade_when_the_load_has_risen),
      cmocka_unit_test(slowness_or_errors_alone_are_none),
      cmocka_unit_test(nothing_is_said_before_it_is_known_what_is_usual),
      cmocka_unit_test(thresholds_are_the_callers),
      cmocka_unit_test(a_quiet_beginning_says_nothing_about_what_is_usual),
      cmocka_unit_test(what_chance_does_to_the_load_is_no_rise),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
