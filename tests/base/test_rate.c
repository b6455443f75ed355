/* SPDX-License-Identifier: Apache-2.0 */
#include "support/support.h"

#include "base/rate.h"
#include <math.h>
#include <pthread.h>

#define MS      INT64_C(1000000)
#define SECOND  INT64_C(1000000000)
#define THREADS 8u

static lrd_clock_moved clock_moved;
static lrd_rate rate;

static void begin(double per_second, double burst) {
  lrd_clock_moved_init(&clock_moved, 1000);
  lrd_rate_init(&rate, &clock_moved.clock, per_second, burst);
}

static int end(void **state) {
  (void)state;
  lrd_rate_fini(&rate);
  lrd_rate_fini(&rate); /* once is enough */
  return 0;
}

static void move_ns(int64_t ns) { clock_moved.now_mono_ns += ns; }

static unsigned taken_now(void) {
  unsigned taken = 0;
  while (taken < 1000 && lrd_rate_take(&rate) == 0) taken++;
  return taken;
}

static void tokens_come_at_their_rate(void **state) {
  (void)state;
  begin(5, 1);
  assert_int_equal(taken_now(), 1);
  assert_int_equal(lrd_rate_take(&rate), 200 * MS);
  move_ns(150 * MS);
  assert_int_equal(lrd_rate_take(&rate), 50 * MS); /* asking takes nothing */
  move_ns(50 * MS);
  assert_int_equal(taken_now(), 1);
  move_ns(3600 * SECOND); /* and no rest saves more than the burst */
  assert_int_equal(taken_now(), 1);
}

static void a_burst_is_what_a_rest_saves(void **state) {
  (void)state;
  begin(10, 4);
  assert_int_equal(taken_now(), 4);
  move_ns(250 * MS);
  assert_int_equal(taken_now(), 2);
  move_ns(50 * MS);
  assert_int_equal(taken_now(), 1);
  move_ns(60 * SECOND);
  assert_int_equal(taken_now(), 4);
}

static void who_waits_as_told_finds_a_token(void **state) {
  (void)state;
  static const double rates[] = {0.003, 0.7, 3, 7, 300.0 / 60, 1000.0 / 3600, 333.3, 1e6, 7e8};
  for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
    begin(rates[i], 2.5);
    int64_t begin_ns = lrd_mono_ns(&clock_moved.clock);
    (void)taken_now();
    unsigned const turns = 1000;
    for (unsigned turn = 0; turn < turns; turn++) {
      int64_t wait_ns = lrd_rate_take(&rate);
      if (wait_ns == 0) continue;
      move_ns(wait_ns - 1);
      assert_int_equal(lrd_rate_take(&rate), 1);
      move_ns(1);
      assert_int_equal(lrd_rate_take(&rate), 0);
    }
    assert_true((double)(lrd_mono_ns(&clock_moved.clock) - begin_ns) >= (turns - 3) * 0.999e9 / rates[i]);
    lrd_rate_fini(&rate);
  }
}

static void a_pause_holds_for_everybody(void **state) {
  (void)state;
  begin(10, 5);
  lrd_rate_pause(&rate, 3 * SECOND);
  lrd_rate_pause(&rate, SECOND); /* the longer one holds */
  lrd_rate_pause(&rate, -SECOND);
  assert_int_equal(lrd_rate_take(&rate), 3 * SECOND);
  move_ns(3 * SECOND);
  assert_int_equal(taken_now(), 1); /* no burst upon who has just asked for quiet */
  assert_int_equal(lrd_rate_take(&rate), 100 * MS);
  move_ns(10 * SECOND);
  assert_int_equal(taken_now(), 5);
}

static void without_a_rate_only_pauses_hold(void **state) {
  (void)state;
  static const double none[] = {0, -1, NAN};
  for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
    begin(none[i], NAN);
    assert_int_equal(taken_now(), 1000);
    lrd_rate_pause(&rate, SECOND);
    assert_int_equal(lrd_rate_take(&rate), SECOND);
    move_ns(SECOND);
    assert_int_equal(taken_now(), 1000);
    lrd_rate_fini(&rate);
  }
}

static void extremes_stay_within_the_clock(void **state) {
  (void)state;
  begin(1e-300, 1e300);
  assert_true(taken_now() >= 1);
  assert_true(lrd_rate_take(&rate) > 0);
  lrd_rate_pause(&rate, INT64_MAX);
  assert_true(lrd_rate_take(&rate) > 0);
  lrd_rate_fini(&rate);
  begin(INFINITY, INFINITY);
  assert_int_equal(taken_now(), 1000);
}

static void *take_many(void *argument) {
  unsigned *taken = argument;
  for (unsigned i = 0; i < 2000; i++) *taken += lrd_rate_take(&rate) == 0;
  return NULL;
}

static void threads_together_get_no_more(void **state) {
  (void)state;
  pthread_t threads[THREADS];
  unsigned taken[THREADS] = {0}, all = 0;
  begin(1, 777);
  for (unsigned i = 0; i < THREADS; i++) assert_int_equal(pthread_create(&threads[i], NULL, take_many, &taken[i]), 0);
  for (unsigned i = 0; i < THREADS; i++) {
    pthread_join(threads[i], NULL);
    all += taken[i];
  }
  assert_int_equal(all, 777);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_teardown(tokens_come_at_their_rate, end),
      cmocka_unit_test_teardown(a_burst_is_what_a_rest_saves, end),
      cmocka_unit_test_teardown(who_waits_as_told_finds_a_token, end),
      cmocka_unit_test_teardown(a_pause_holds_for_everybody, end),
      cmocka_unit_test_teardown(without_a_rate_only_pauses_hold, end),
      cmocka_unit_test_teardown(extremes_stay_within_the_clock, end),
      cmocka_unit_test_teardown(threads_together_get_no_more, end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
