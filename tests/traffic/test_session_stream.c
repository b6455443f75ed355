/* SPDX-License-Identifier: Apache-2.0 */
/* The requests that a specification comes to: the same for a seed, in the order of time, along the ways that were given. */
#include "traffic_fixture.h"

#include "simulate/trace_inner.h"
#include <math.h>
#include <stdlib.h>

static void a_seed_is_a_traffic(void **state) {
  (void)state;
  larder_traffic *t = traffic_of(traffic_small);
  lrd_request_list one, two, other;
  assert_int_equal(lrd_requests_make(t, 7, NULL, NULL, &one), LARDER_OK);
  assert_int_equal(lrd_requests_make(t, 7, NULL, NULL, &two), LARDER_OK);
  assert_int_equal(lrd_requests_make(t, 8, NULL, NULL, &other), LARDER_OK);
  assert_true(one.len > 100 && one.len == two.len);
  for (uint64_t i = 0; i < one.len; i++) {
    assert_true(one.items[i].at_ms == two.items[i].at_ms && one.items[i].key == two.items[i].key);
    if (i > 0) assert_true(one.items[i].at_ms >= one.items[i - 1].at_ms);
    assert_true(one.items[i].at_ms < 60000 && one.items[i].key < t->keys);
  }
  assert_true(other.items[0].at_ms != one.items[0].at_ms);
  lrd_requests_fini(&one);
  lrd_requests_fini(&two);
  lrd_requests_fini(&other);
  larder_traffic_close(&t);
}

static void sessions_go_the_ways_that_were_given(void **state) {
  (void)state;
  larder_traffic *t = traffic_of(traffic_small);
  lrd_request_list list;
  uint64_t from[4] = {0}, to[4][4] = {{0}}, robots = 0;
  assert_int_equal(lrd_requests_make(t, 1, NULL, NULL, &list), LARDER_OK);
  for (uint64_t i = 0; i < list.len; i++) {
    const lrd_request *r = &list.items[i];
    from[r->endpoint] += r->user == 0;
    robots += r->user == 1;
    if (r->before == LRD_TRAFFIC_NONE) assert_int_equal(r->place, 0);
    if (r->before == LRD_TRAFFIC_NONE || r->user == 1) continue;
    unsigned before = r->before < 1 ? 0 : r->before < 51 ? 1 : r->before < 101 ? 2 : 3;
    to[before][r->endpoint]++;
    if (before == 1 && r->endpoint == 2) assert_int_equal(r->key - 51, r->before - 1); /* of the same item */
    if (r->endpoint == 3) assert_true(r->key - 101 < 10);
  }
  assert_true(robots > 0);
  assert_int_equal(to[0][2] + to[0][3] + to[1][0] + to[1][1] + to[2][0] + to[3][0], 0);
  assert_true(fabs((double)to[0][1] / (double)from[0] - 0.8) < 0.12);
  assert_true(fabs((double)to[1][2] / (double)from[1] - 0.9) < 0.12);
  lrd_requests_fini(&list);
  larder_traffic_close(&t);
}

static void walkers_go_from_id_to_id(void **state) {
  (void)state;
  larder_traffic *t = traffic_of(traffic_small);
  lrd_request_list list;
  assert_int_equal(lrd_requests_make(t, 3, NULL, NULL, &list), LARDER_OK);
  for (uint64_t i = 0; i < list.len; i++) {
    const lrd_request *r = &list.items[i];
    if (r->user == 1 && r->before != LRD_TRAFFIC_NONE) assert_int_equal(r->key - 1, (r->before - 1 + 1) % 50);
  }
  lrd_requests_fini(&list);
  larder_traffic_close(&t);
}

/* Of the user's own: also by the way of another endpoint, and of one that says the same as that. */
static void what_is_the_users_own_stays_it(void **state) {
  (void)state;
  larder_traffic *t =
      traffic_of("length: 100s\nsessions: 2\ncache: {entries: 1}\nservices: {s: {latency: 1ms}}\n"
                 "endpoints: {cart: {service: s, own: true}, items: {service: s, same: cart}, sum: {service: s, same: items}}\n"
                 "users: {u: {count: 30, think: 1s, start: {items: 1}, moves: {items: {sum: 1}, sum: {cart: 1}}}}\n");
  lrd_request_list list;
  uint32_t seen = 0, who[1000];
  assert_int_equal(lrd_requests_make(t, 1, NULL, NULL, &list), LARDER_OK);
  for (uint64_t i = 0; i < list.len; i++) {
    const lrd_request *r = &list.items[i];
    uint32_t id = r->key - t->endpoints[r->endpoint].first_key;
    assert_true(id < 30 && r->session < 1000);
    if (r->place == 0)
      who[r->session] = id;
    else
      assert_int_equal(who[r->session], id);
    seen |= UINT32_C(1) << id;
  }
  assert_true(__builtin_popcount(seen) > 25);
  lrd_requests_fini(&list);
  larder_traffic_close(&t);
}

/* Sessions that begin within a part of the time. */
static double begun(const char *text, uint64_t seed, double from_ms, double to_ms) {
  larder_traffic *t = traffic_of(text);
  lrd_request_list list;
  double count = 0;
  assert_int_equal(lrd_requests_make(t, seed, NULL, NULL, &list), LARDER_OK);
  for (uint64_t i = 0; i < list.len; i++) {
    const lrd_request *r = &list.items[i];
    count += r->place == 0 && r->at_ms >= from_ms && r->at_ms < to_ms;
  }
  lrd_requests_fini(&list);
  larder_traffic_close(&t);
  return count;
}

#define PAGES "cache: {entries: 1}\nservices: {s: {latency: 1ms}}\nendpoints: {e: {service: s}}\nusers: {u: {start: {e: 1}}}\n"

static void the_day_and_bursts_move_the_rate(void **state) {
  (void)state;
  double even = begun("length: 1000s\nsessions: 5\n" PAGES, 1, 0, 1e6);
  assert_true(fabs(even - 5000) < 300);
  const char *day = "length: 1000s\nsessions: 5\nday: {length: 1000s, depth: 0.8}\n" PAGES;
  double night = begun(day, 1, 0, 1e5), noon = begun(day, 1, 450e3, 550e3);
  assert_true(night < 200 && noon > 800 && noon < 1000); /* 5 × 100 × (1 ∓ 0.8) about */
  double bursts = begun("length: 1000s\nsessions: 5\nbursts: {every: 90s, length: 10s, times: 11}\n" PAGES, 1, 0, 1e6);
  assert_true(bursts > 7000 && bursts < 14000); /* a tenth of the time eleven times as many */
}

/* Bursts that all but never come, and nights in which all but nobody comes, cost no draws. */
static void rates_that_are_far_from_the_greatest_are_drawn_as_they_are(void **state) {
  (void)state;
  double rare = begun("length: 365d\nsessions: 0.01\nbursts: {every: 365d, length: 1ms, times: 1000}\n" PAGES, 1, 0, INFINITY);
  assert_true(fabs(rare - 315360) < 3000);
  double bursts =
      begun("length: 10d\nsessions: 0.05\nbursts: {every: 99900ms, length: 100ms, times: 1000}\n" PAGES, 2, 0, INFINITY);
  assert_true(fabs(bursts - 86400) < 2500); /* a thousandth of the time a thousand times as many more */
  const char *day =
      "length: 12h\nsessions: 15\nday: {length: 12h, depth: 1}\nbursts: {every: 365d, length: 1s, times: 50}\n" PAGES;
  double all = begun(day, 3, 0, INFINITY), night = begun(day, 3, 0, 3600e3), noon = begun(day, 3, 5.5 * 3600e3, 6.5 * 3600e3);
  assert_true(fabs(all - 15 * 43200) < 4000);
  assert_true(fabs(noon - 15 * 3600 * (1 + 0.98862)) < 1500); /* sin(pi / 12) / (pi / 12) */
  assert_true(fabs(night - 15 * 3600 * (1 - 0.95493)) < 250); /* sin(pi / 6) / (pi / 6) */
}

static void too_many_draws_are_refused(void **state) {
  (void)state;
  static const char *const much[] = {
      "length: 365d\nsessions: 1e6\nday: {length: 365d, depth: 1}\nbursts: {every: 365d, length: 1ms, times: 1000}\n" PAGES,
      "length: 365d\nsessions: 0.001\nbursts: {every: 1s, length: 1ms, times: 1000}\n" PAGES};
  for (size_t i = 0; i < 2; i++) {
    larder_traffic *t = traffic_of(much[i]);
    lrd_request_list list;
    assert_int_equal(lrd_requests_make(t, 1, NULL, NULL, &list), LARDER_ETOOBIG);
    larder_traffic_close(&t);
  }
}

static bool counts_down(void *context) { return --*(unsigned *)context > 0; }

static void making_may_be_stopped(void **state) {
  (void)state;
  static const char *const long_ones[] = {
      "length: 1d\nsessions: 30\n" PAGES,
      "length: 365d\nsessions: 0.001\nbursts: {every: 1s, length: 1ms, times: 1000}\n" PAGES};
  for (size_t i = 0; i < 2; i++) {
    larder_traffic *t = traffic_of(long_ones[i]);
    lrd_request_list list;
    unsigned looks = 3;
    assert_int_equal(lrd_requests_make(t, 1, counts_down, &looks, &list), LARDER_ECANCELLED);
    assert_int_equal(looks, 0);
    assert_null(list.items);
    larder_traffic_close(&t);
  }
}

/* Traffic of a few requests, as it was when this was written. */
static bool text_take(void *context, const void *data, size_t len) { return lrd_buf_append(context, data, len) == LARDER_OK; }

static void what_was_made_is_made_again(void **state) {
  (void)state;
  static const char first[] = "{\"key\": \"/item/14\", \"endpoint\": \"item\", \"at_ms\": 404.097, \"session\": 0, \"user\": "
                              "\"robot\", \"size\": 4096}\n"
                              "{\"key\": \"/item/15\", \"endpoint\": \"item\", \"at_ms\": 486.648, \"session\": 0, \"user\": "
                              "\"robot\", \"size\": 4096}\n"
                              "{\"key\": \"/item/16\", \"endpoint\": \"item\", \"at_ms\": 517.621, \"session\": 0, \"user\": "
                              "\"robot\", \"size\": 4096}\n";
  larder_traffic *t = traffic_of(traffic_small);
  lrd_buf out = {0};
  assert_int_equal(larder_traffic_write(t, 5, text_take, &out, NULL), LARDER_OK);
  assert_int_equal(lrd_buf_terminate(&out), LARDER_OK);
  if (strncmp((const char *)out.data, first, strlen(first)) != 0) fail_msg("%.600s", (const char *)out.data);
  lrd_buf_fini(&out);
  larder_traffic_close(&t);
}

static bool text_refuse(void *context, const void *data, size_t len) {
  (void)context;
  (void)data;
  return len == 0;
}

/* Asked while nothing is made yet. */
static bool asked_refuse(void *context, const void *data, size_t len) {
  (void)data;
  assert_int_equal(len, 0);
  ++*(unsigned *)context;
  return false;
}

static void writing_may_be_stopped(void **state) {
  (void)state;
  larder_traffic *t = traffic_of(traffic_small);
  larder_error err = {0};
  assert_int_equal(larder_traffic_write(t, 5, text_refuse, NULL, &err), LARDER_ECANCELLED);
  unsigned asked = 0;
  assert_int_equal(larder_traffic_write(t, 5, asked_refuse, &asked, &err), LARDER_ECANCELLED);
  assert_int_equal(asked, 1);
  assert_int_equal(larder_traffic_write(NULL, 5, text_refuse, NULL, &err), LARDER_EINVAL);
  larder_traffic_close(&t);
}

static void too_much_is_refused(void **state) {
  (void)state;
  larder_traffic *t = traffic_of("length: 365d\nsessions: 1000\n" PAGES);
  lrd_request_list list;
  assert_int_equal(lrd_requests_make(t, 1, NULL, NULL, &list), LARDER_ETOOBIG);
  assert_null(list.items);
  larder_traffic_close(&t);
}

static void memory_may_be_short(void **state) {
  (void)state;
  larder_traffic *t = traffic_of(traffic_small);
  for (uint64_t n = 1;; n++) {
    lrd_request_list list;
    int64_t live = support_alloc_live();
    support_alloc_fail_at(n);
    larder_err err = lrd_requests_make(t, 1, NULL, NULL, &list);
    bool failed = support_alloc_end() >= n;
    assert_int_equal(err, failed ? LARDER_ENOMEM : LARDER_OK);
    if (!failed) lrd_requests_fini(&list);
    assert_int_equal(support_alloc_live(), live);
    if (!failed) break;
  }
  larder_traffic_close(&t);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_seed_is_a_traffic),
      cmocka_unit_test(sessions_go_the_ways_that_were_given),
      cmocka_unit_test(walkers_go_from_id_to_id),
      cmocka_unit_test(the_day_and_bursts_move_the_rate),
      cmocka_unit_test(what_was_made_is_made_again),
      cmocka_unit_test(writing_may_be_stopped),
      cmocka_unit_test(too_much_is_refused),
      cmocka_unit_test(what_is_the_users_own_stays_it),
      cmocka_unit_test(rates_that_are_far_from_the_greatest_are_drawn_as_they_are),
      cmocka_unit_test(too_many_draws_are_refused),
      cmocka_unit_test(making_may_be_stopped),
      cmocka_unit_test(memory_may_be_short),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
