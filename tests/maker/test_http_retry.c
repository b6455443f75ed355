/* SPDX-License-Identifier: Apache-2.0 */
/* Attempts, their delays, Retry-After, and rates. The clock is moved by who waits: nothing here takes time. */
#include "maker/http_maker.h"

#include "http_rig.h"
#include <stdlib.h>
#include <string.h>

#define MS INT64_C(1000000)

static origin shared;
static char *shared_dir;

static int group_begin(void **state) {
  (void)state;
  http_rig_origin_start(&shared, &shared_dir, false);
  return 0;
}

static int group_end(void **state) {
  (void)state;
  http_rig_origin_stop(&shared, &shared_dir);
  return 0;
}

static int begin(void **state) {
  *state = http_rig_new(&shared, shared_dir);
  return 0;
}

static int end(void **state) {
  http_rig_free(*state);
  return 0;
}

static int64_t now_ms(http_rig *rig) { return lrd_mono_ns(rig->clock) / MS; }

static void what_may_pass_is_tried_again(void **state) {
  http_rig *rig = *state;
  rig->config.retries = 2;
  int64_t const before = now_ms(rig);
  http_asked asked = http_rig_ask(rig, "fail/2/503/again");
  http_asked_value(&asked, "at last");
  assert_int_equal(support_origin_count(&shared, "/fail/2/503/again"), 3);
  assert_int_equal(http_rig_counted(rig, LRD_HTTP_RETRIES), 2);
  assert_in_range(now_ms(rig) - before, 0, 200 + 400);
}

static void attempts_have_an_end(void **state) {
  http_rig *rig = *state;
  http_asked asked = http_rig_ask(rig, "fail/9/500/once");
  http_asked_failed(&asked, LARDER_EAWAY, "status 500");
  assert_int_equal(support_origin_count(&shared, "/fail/9/500/once"), 1);
  rig->config.retries = 3;
  asked = http_rig_ask(rig, "fail/9/502/more");
  http_asked_failed(&asked, LARDER_EAWAY, "status 502");
  assert_int_equal(support_origin_count(&shared, "/fail/9/502/more"), 4);
}

static void what_stays_so_is_not_tried_again(void **state) {
  http_rig *rig = *state;
  rig->config.retries = 5;
  static const char *const keys[] = {"fail/9/400/x", "fail/9/401/x", "fail/9/206/x", "fail/9/404/x"};
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
    http_asked asked = http_rig_ask(rig, keys[i]);
    char path[40];
    http_asked_release(&asked);
    snprintf(path, sizeof path, "/%s", keys[i]);
    assert_int_equal(support_origin_count(&shared, path), 1);
  }
  assert_int_equal(http_rig_counted(rig, LRD_HTTP_RETRIES), 0);
}

static void delays_double_and_are_drawn(void **state) {
  http_rig *rig = *state;
  rig->config.retries = 4;
  int64_t least = INT64_MAX, most = 0;
  for (int i = 0; i < 12; i++) {
    int64_t const before = now_ms(rig);
    char key[40];
    snprintf(key, sizeof key, "fail/9/500/delay%d", i);
    http_asked asked = http_rig_ask(rig, key);
    http_asked_failed(&asked, LARDER_EAWAY, "status 500");
    int64_t const took = now_ms(rig) - before;
    assert_in_range(took, 0, 200 + 400 + 800 + 1600);
    least = took < least ? took : least;
    most = took > most ? took : most;
  }
  assert_true(most - least > 50); /* twelve draws of up to three seconds that are so near come once in 10^17 times */
  rig->config.retry_delay_ms = 0;
  int64_t const before = now_ms(rig);
  http_asked asked = http_rig_ask(rig, "fail/9/500/no-delay");
  http_asked_failed(&asked, LARDER_EAWAY, "status 500");
  assert_int_equal(now_ms(rig), before);
}

static void a_delay_is_never_above_its_limit(void **state) {
  http_rig *rig = *state;
  rig->config.retries = 3;
  rig->config.retry_delay_ms = INT64_C(86400000);
  int64_t const before = now_ms(rig);
  http_asked asked = http_rig_ask(rig, "fail/9/500/day");
  http_asked_failed(&asked, LARDER_EAWAY, "status 500");
  assert_in_range(now_ms(rig) - before, 0, 3 * LRD_HTTP_RETRY_MAX_MS);
}

static void the_origins_pause_is_kept(void **state) {
  http_rig *rig = *state;
  rig->config.retries = 1;
  int64_t const before = now_ms(rig);
  http_asked asked = http_rig_ask(rig, "after/1/30/seconds");
  http_asked_value(&asked, "at last");
  assert_in_range(now_ms(rig) - before, 30000, 30200);
  http_rig_url(rig, "/after/1/{key}/date");
  asked = http_rig_ask(rig, "Sun, 06 Nov 1994 08:51:00 GMT"); /* 83 s from the rig's beginning */
  http_asked_value(&asked, "at last");
  assert_true(lrd_wall_ms(rig->clock) >= HTTP_RIG_WALL_MS + 83000);
}

static void a_pause_beyond_the_deadline_is_handed_on(void **state) {
  http_rig *rig = *state;
  rig->config.retries = 5;
  lrd_http_maker *maker = http_rig_maker(rig), *other = http_rig_maker(rig);
  int64_t const before = now_ms(rig);
  http_asked asked = http_rig_make(rig, maker, "after/9/30/late", NULL, 10 * HTTP_RIG_SECOND);
  assert_int_equal(asked.made.retry_after_ms, 30000);
  http_asked_failed(&asked, LARDER_EAWAY, "status 429");
  assert_int_equal(now_ms(rig), before);
  assert_int_equal(support_origin_count(&shared, "/after/9/30/late"), 1);
  /* Nobody else asks the host meanwhile. */
  asked = http_rig_make(rig, other, "echo/polite", NULL, 10 * HTTP_RIG_SECOND);
  assert_in_range(asked.made.retry_after_ms, 30000, 30001);
  http_asked_failed(&asked, LARDER_EAWAY, "too late");
  assert_int_equal(support_origin_count(&shared, "/echo/polite"), 0);
  asked = http_rig_make(rig, other, "echo/polite", NULL, 40 * HTTP_RIG_SECOND);
  http_asked_value(&asked, "polite");
  assert_in_range(now_ms(rig) - before, 30000, 30001);
  lrd_http_maker_free(maker);
  lrd_http_maker_free(other);
}

static void a_long_pause_is_not_waited_for(void **state) {
  http_rig *rig = *state;
  rig->config.retries = 5;
  int64_t const before = now_ms(rig);
  http_asked asked = http_rig_ask(rig, "after/9/3600/hour");
  assert_int_equal(asked.made.retry_after_ms, 3600000);
  http_asked_failed(&asked, LARDER_EAWAY, "status 429");
  assert_int_equal(now_ms(rig), before);
}

static void no_origin_is_left_alone_for_more_than_an_hour(void **state) {
  http_rig *rig = *state;
  lrd_http_maker *maker = http_rig_maker(rig);
  int64_t const before = now_ms(rig);
  http_asked asked = http_rig_make(rig, maker, "after/9/86400/day", NULL, 10 * HTTP_RIG_SECOND);
  assert_int_equal(asked.made.retry_after_ms, 3600000);
  http_asked_failed(&asked, LARDER_EAWAY, "status 429");
  asked = http_rig_make(rig, maker, "echo/after-an-hour", NULL, 3700 * HTTP_RIG_SECOND);
  http_asked_value(&asked, "after-an-hour");
  assert_in_range(now_ms(rig) - before, 3600000, 3600001);
  lrd_http_maker_free(maker);
}

static void what_came_from_a_variable_is_not_told(void **state) {
  static const char *const held[] = {"HOST=127.0.0.1", "PART=3600/held", NULL};
  http_rig *rig = *state;
  rig->config.variables = held;
  http_asked asked = http_rig_ask(rig, "after/9/3600/held");
  assert_non_null(strstr(asked.err.message, "`after/9/***`: http://127.0.0.1:")); /* whom it asks is no secret */
  http_asked_failed(&asked, LARDER_EAWAY, "status 429");
}

static void a_namespace_has_its_rate(void **state) {
  http_rig *rig = *state;
  rig->config.rate_per_s = 2;
  rig->config.burst = 3;
  lrd_http_maker *maker = http_rig_maker(rig);
  int64_t const before = now_ms(rig);
  for (int i = 0; i < 7; i++) {
    http_asked asked = http_rig_make(rig, maker, "echo/slowly", NULL, 0);
    http_asked_value(&asked, "slowly");
  }
  assert_in_range(now_ms(rig) - before, 2000, 2001);
  assert_int_equal(http_rig_counted(rig, LRD_HTTP_RATE_WAITS), 4);
  lrd_http_maker_free(maker);
}

static void a_host_has_its_rate_for_all_who_ask_it(void **state) {
  http_rig *rig = *state;
  lrd_http_maker *free_one = http_rig_maker(rig);
  rig->config.host_rate_per_s = 1;
  lrd_http_maker *slow = http_rig_maker(rig);
  int64_t const before = now_ms(rig);
  for (int i = 0; i < 3; i++) {
    http_asked asked = http_rig_make(rig, i % 2 ? free_one : slow, "echo/shared", NULL, 0);
    http_asked_value(&asked, "shared");
  }
  assert_in_range(now_ms(rig) - before, 2000, 2001);
  http_asked asked = http_rig_make(rig, slow, "echo/shared", NULL, HTTP_RIG_SECOND / 2);
  assert_int_equal(asked.made.retry_after_ms, 1001);
  http_asked_failed(&asked, LARDER_EAWAY, "too late");
  lrd_http_maker_free(free_one);
  lrd_http_maker_free(slow);
}

static void every_hop_takes_a_token(void **state) {
  http_rig *rig = *state;
  rig->config.rate_per_s = 1;
  int64_t const before = now_ms(rig);
  http_asked asked = http_rig_ask(rig, "hop/2");
  http_asked_value(&asked, "there");
  assert_in_range(now_ms(rig) - before, 2000, 2001);
}

/* --- who waits can be stopped ------------------------------------------------------------------------------------------- */

static _Atomic int sleeps_left; /* until the making is cancelled */

static void sleep_and_cancel(const lrd_clock *clock, int64_t ns) {
  lrd_clock_moved *moved = (lrd_clock_moved *)(uintptr_t)clock;
  http_rig *rig = (http_rig *)(void *)((char *)moved - offsetof(http_rig, moved));
  assert_in_range(ns, 1, LRD_HTTP_LOOK_NS);
  atomic_fetch_add(&moved->now_mono_ns, ns);
  if (atomic_fetch_sub(&sleeps_left, 1) == 1) atomic_store(&rig->cancel.closing, true);
}

static void who_waits_is_stopped(void **state) {
  http_rig *rig = *state;
  rig->config.rate_per_s = 0.01;
  rig->config.retries = 1;
  rig->config.retry_delay_ms = 30000;
  lrd_http_maker *maker = http_rig_maker(rig);
  rig->moved.clock.sleep_ns = sleep_and_cancel;
  sleeps_left = 3;
  http_asked asked = http_rig_make(rig, maker, "echo/first", NULL, 0);
  http_asked_value(&asked, "first");
  int64_t const before = now_ms(rig);
  asked = http_rig_make(rig, maker, "echo/second", NULL, 0);
  http_asked_failed(&asked, LARDER_ECANCELLED, "nobody wants it");
  assert_int_equal(now_ms(rig) - before, 150);
  assert_int_equal(support_origin_count(&shared, "/echo/second"), 0);
  lrd_http_maker_free(maker);
}

static void the_deadline_ends_waiting(void **state) {
  http_rig *rig = *state;
  rig->config.retries = 50;
  rig->config.retry_delay_ms = 1000;
  lrd_http_maker *maker = http_rig_maker(rig);
  int64_t const before = now_ms(rig);
  http_asked asked = http_rig_make(rig, maker, "fail/99/500/deadline", NULL, 20 * HTTP_RIG_SECOND);
  http_asked_failed(&asked, LARDER_EAWAY, "status 500");
  assert_in_range(now_ms(rig) - before, 0, 20000);
  lrd_http_maker_free(maker);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)

int main(void) {
  const struct CMUnitTest tests[] = {TEST(what_may_pass_is_tried_again),
                                     TEST(attempts_have_an_end),
                                     TEST(what_stays_so_is_not_tried_again),
                                     TEST(delays_double_and_are_drawn),
                                     TEST(a_delay_is_never_above_its_limit),
                                     TEST(the_origins_pause_is_kept),
                                     TEST(a_pause_beyond_the_deadline_is_handed_on),
                                     TEST(a_long_pause_is_not_waited_for),
                                     TEST(what_came_from_a_variable_is_not_told),
                                     TEST(no_origin_is_left_alone_for_more_than_an_hour),
                                     TEST(a_namespace_has_its_rate),
                                     TEST(a_host_has_its_rate_for_all_who_ask_it),
                                     TEST(every_hop_takes_a_token),
                                     TEST(who_waits_is_stopped),
                                     TEST(the_deadline_ends_waiting)};
  return cmocka_run_group_tests(tests, group_begin, group_end);
}
