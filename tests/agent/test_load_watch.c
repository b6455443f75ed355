/* SPDX-License-Identifier: Apache-2.0 */
#include "support/support.h"

#include "agent/load_watch.h"

/* So many a second, for so long. */
static double ask(lrd_load_watch *watch, double from_ms, double rate, double for_ms) {
  double at_ms = from_ms;
  for (; at_ms < from_ms + for_ms; at_ms += 1000 / rate) lrd_load_tell(watch, at_ms);
  return at_ms;
}

static void nothing_is_said_at_first(void **state) {
  (void)state;
  lrd_load_watch watch = {0};
  assert_true(lrd_load_of(&watch, 0) == 1);
  double now_ms = ask(&watch, 0, 10, 10000);
  assert_true(lrd_load_of(&watch, now_ms) == 1);
}

static void a_rush_shows_at_once_and_passes(void **state) {
  (void)state;
  lrd_load_watch watch = {0};
  double now_ms = ask(&watch, 1e12, 20, 300000);
  double load = lrd_load_of(&watch, now_ms);
  assert_true(load > 0.7 && load < 1); /* less than usual by what chance may do */
  now_ms = ask(&watch, now_ms, 100, 3000);
  assert_true(lrd_load_of(&watch, now_ms) > 2);
  now_ms = ask(&watch, now_ms, 20, 30000);
  assert_true(lrd_load_of(&watch, now_ms) < 1);
  assert_true(lrd_load_of(&watch, now_ms + 20000) < 0.1); /* nobody asks */
}

static void a_few_more_than_a_few_are_no_rush(void **state) {
  (void)state;
  lrd_load_watch watch = {0};
  double now_ms = ask(&watch, 0, 1, 300000);
  now_ms = ask(&watch, now_ms, 2, 4000);
  assert_true(lrd_load_of(&watch, now_ms) < 1.5);
}

static void after_a_silence_nobody_is_in_a_rush(void **state) {
  (void)state;
  for (double silence_ms = 60000; silence_ms < 1e12; silence_ms *= 4) {
    lrd_load_watch watch = {0};
    double now_ms = ask(&watch, 0, 10, 300000) + silence_ms;
    assert_true(lrd_load_of(&watch, now_ms) <= 1); /* a number, too */
    for (unsigned i = 0; i < 300; i++) {
      now_ms = ask(&watch, now_ms, 10, 1000);
      assert_true(lrd_load_of(&watch, now_ms) < 1.2);
    }
  }
}

static void what_stays_becomes_usual(void **state) {
  (void)state;
  lrd_load_watch watch = {0};
  double now_ms = ask(&watch, 0, 20, 300000);
  now_ms = ask(&watch, now_ms, 60, 1000000);
  assert_true(lrd_load_of(&watch, now_ms) < 1.2);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(nothing_is_said_at_first),          cmocka_unit_test(a_rush_shows_at_once_and_passes),
      cmocka_unit_test(a_few_more_than_a_few_are_no_rush), cmocka_unit_test(after_a_silence_nobody_is_in_a_rush),
      cmocka_unit_test(what_stays_becomes_usual),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
