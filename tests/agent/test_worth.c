/* SPDX-License-Identifier: Apache-2.0 */
/* What entries are worth is learned from what becomes of them. */
#include "support/support.h"

#include "agent/worth.h"
#include <math.h>

#define KEYS 400u
#define LIFE 100u

static lrd_worth *worth_of(void) {
  lrd_worth *worth = NULL;
  assert_int_equal(lrd_worth_open(KEYS, LIFE, &worth), LARDER_OK);
  return worth;
}

static const lrd_worth_entry kept = {.expires_ms = INFINITY};

static void before_anything_is_learned_counts_say_it(void **state) {
  (void)state;
  lrd_worth *worth = worth_of();
  lrd_worth_asked(worth, 1, 0, 0);
  lrd_worth_asked(worth, 2, 0, 1);
  lrd_worth_asked(worth, 2, 0, 2);
  lrd_worth_guessed(worth, 1, 0, 0.5);
  assert_true(lrd_worth_of(worth, 2, &kept, 3) > lrd_worth_of(worth, 1, &kept, 3));
  assert_true(lrd_worth_of(worth, 1, &kept, 3) > lrd_worth_of(worth, 3, &kept, 3));
  lrd_worth_close(worth);
}

/* Keys of kind 1 come in pairs, one right after the other, and never again; of kind 0 come again and again. By counts alone a
 * pair is worth more than what came once lately. */
static double gain_of_a_habit(lrd_worth *worth, unsigned requests) {
  double now_ms = 0;
  uint32_t single = 200;
  for (unsigned i = 0; i < requests; i++, now_ms += 10) {
    uint32_t key = i % 3 == 0 ? i / 3 % 50 : single;
    lrd_worth_asked(worth, key, i % 3 != 0, now_ms);
    if (i % 3 == 2) single = single + 1 < KEYS ? single + 1 : 200;
    lrd_worth_watch(worth, i * 7919u % KEYS, &kept, now_ms);
  }
  uint32_t pair = single == 200 ? KEYS - 1 : single - 1;
  return lrd_worth_of(worth, (requests / 3 + 40) % 50, &kept, now_ms) - lrd_worth_of(worth, pair, &kept, now_ms);
}

static void what_comes_in_pairs_and_never_again_is_worth_less_once_that_is_seen(void **state) {
  (void)state;
  lrd_worth *fresh = worth_of(), *grown = worth_of();
  assert_true(gain_of_a_habit(fresh, 150) < 0); /* nothing was learned yet */
  assert_true(gain_of_a_habit(grown, 20000) > 0);
  lrd_worth_close(fresh);
  lrd_worth_close(grown);
}

static void what_expires_is_worth_less_once_that_is_seen(void **state) {
  (void)state;
  lrd_worth *worth = worth_of();
  double now_ms = 0;
  for (unsigned i = 0; i < 20000; i++, now_ms += 10) {
    lrd_worth_asked(worth, i % 100, 0, now_ms); /* each again after a second */
    const lrd_worth_entry entry = {.expires_ms = now_ms + (i % 2 ? 100 : 5000)};
    lrd_worth_watch(worth, i * 31u % 100, &entry, now_ms);
  }
  const lrd_worth_entry soon = {.expires_ms = now_ms + 100}, late = {.expires_ms = now_ms + 5000};
  assert_true(lrd_worth_of(worth, 50, &late, now_ms) > lrd_worth_of(worth, 50, &soon, now_ms) + 1);
  lrd_worth_close(worth);
}

static void the_same_requests_give_the_same_worth(void **state) {
  (void)state;
  lrd_worth *one = worth_of(), *two = worth_of();
  double a = gain_of_a_habit(one, 5000), b = gain_of_a_habit(two, 5000);
  assert_memory_equal(&a, &b, sizeof a);
  lrd_worth_close(one);
  lrd_worth_close(two);
}

/* The number is another entry's from then on: nothing of the old one is left, and nothing is learned of what it was watched
 * for. */
static void of_what_is_forgotten_nothing_is_left(void **state) {
  (void)state;
  lrd_worth *worth = worth_of(), *fresh = worth_of();
  for (unsigned i = 0; i < 20; i++) {
    lrd_worth_asked(worth, 1, 5, i);
    lrd_worth_guessed(worth, 1, 5, 0.5);
    lrd_worth_asked(fresh, 2, 5, i);
  }
  for (unsigned i = 0; i < 3; i++) lrd_worth_watch(worth, 1, &kept, 20);
  lrd_worth_watch(worth, 2, &kept, 20);
  lrd_worth_watch(worth, 1, &kept, 20);
  lrd_worth_forget(worth, 1);
  double a = lrd_worth_of(worth, 1, &kept, 20), b = lrd_worth_of(fresh, 1, &kept, 20);
  assert_memory_equal(&a, &b, sizeof a);
  lrd_worth_watch(worth, 1, &kept, 20); /* and is watched anew */
  lrd_worth_forget(worth, 1);
  lrd_worth_forget(worth, 2);
  lrd_worth_forget(worth, 3); /* was never asked for */
  for (unsigned i = 20; i < 20 + 2 * LIFE; i++) {
    lrd_worth_asked(worth, 4, 0, i);
    lrd_worth_asked(fresh, 4, 0, i);
  }
  a = lrd_worth_of(worth, 4, &kept, 400), b = lrd_worth_of(fresh, 4, &kept, 400);
  assert_memory_equal(&a, &b, sizeof a); /* nothing was learned */
  lrd_worth_watch(worth, 4, &kept, 400);
  for (unsigned i = 0; i < 2 * LIFE; i++) {
    lrd_worth_asked(worth, 5, 0, 400 + i);
    lrd_worth_asked(fresh, 5, 0, 400 + i);
  }
  a = lrd_worth_of(worth, 4, &kept, 800), b = lrd_worth_of(fresh, 4, &kept, 800);
  assert_memory_not_equal(&a, &b, sizeof a); /* what was not forgotten is learned from */
  lrd_worth_close(worth);
  lrd_worth_close(fresh);
}

/* An entry that lives longer is waited for longer. */
static void how_long_entries_live_may_change(void **state) {
  (void)state;
  lrd_worth *worth = worth_of(), *fresh = worth_of();
  lrd_worth_live(worth, 10 * LIFE);
  for (unsigned i = 0; i < 300; i++) {
    lrd_worth_asked(worth, i % 3, 0, i);
    lrd_worth_asked(fresh, i % 3, 0, i);
    lrd_worth_watch(worth, 9, &kept, i);
  }
  double a = lrd_worth_of(worth, 9, &kept, 300), b = lrd_worth_of(fresh, 9, &kept, 300);
  assert_memory_equal(&a, &b, sizeof a); /* nothing is due yet */
  assert_true(lrd_worth_of(worth, 1, &kept, 300) > lrd_worth_of(fresh, 1, &kept, 300));
  lrd_worth_live(worth, LIFE);
  for (unsigned i = 300; i < 300 + 2 * LIFE; i++) lrd_worth_asked(worth, i % 3, 0, i);
  for (unsigned i = 300; i < 300 + 2 * LIFE; i++) lrd_worth_asked(fresh, i % 3, 0, i);
  a = lrd_worth_of(worth, 9, &kept, 600), b = lrd_worth_of(fresh, 9, &kept, 600);
  assert_true(a < b);
  lrd_worth_close(worth);
  lrd_worth_close(fresh);
}

/* Whatever happens, numbers stay numbers, and none is out of reason. */
static void any_requests_leave_numbers(void **state) {
  (void)state;
  lrd_worth *worth = worth_of();
  uint64_t seed = 7;
  double now_ms = 0;
  for (unsigned i = 0; i < 60000; i++) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    uint32_t key = (uint32_t)(seed >> 40) % (i % 1000 < 500 ? 3 : KEYS);
    now_ms += seed >> 33 & 1 ? 0 : (double)(seed >> 50);
    const lrd_worth_entry entry = {.expires_ms = seed >> 34 & 1 ? INFINITY : now_ms - (double)(seed >> 52),
                                   .ahead = seed >> 35 & 1};
    lrd_worth_asked(worth, key, (unsigned)(seed >> 36) & 15, now_ms);
    lrd_worth_guessed(worth, (key + 1) % KEYS, 3, 1);
    lrd_worth_watch(worth, key, &entry, now_ms);
    if ((seed >> 37 & 15) == 0) lrd_worth_forget(worth, (key + 1) % KEYS);
    if ((seed >> 41 & 1023) == 0) lrd_worth_live(worth, 1 + (seed >> 51));
    double value = lrd_worth_of(worth, (key + 2) % KEYS, &entry, now_ms);
    assert_true(fabs(value) < 1000);
  }
  lrd_worth_close(worth);
}

static void memory_may_be_short(void **state) {
  (void)state;
  larder_err err = LARDER_ENOMEM;
  for (uint64_t n = 1; err == LARDER_ENOMEM; n++) {
    lrd_worth *worth = NULL;
    int64_t live = support_alloc_live();
    support_alloc_fail_at(n);
    err = lrd_worth_open(KEYS, LIFE, &worth);
    (void)support_alloc_end();
    if (err == LARDER_OK) lrd_worth_close(worth);
    assert_int_equal(support_alloc_live(), live);
    assert_true(n < 10);
  }
  assert_int_equal(err, LARDER_OK);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(before_anything_is_learned_counts_say_it),
      cmocka_unit_test(what_comes_in_pairs_and_never_again_is_worth_less_once_that_is_seen),
      cmocka_unit_test(what_expires_is_worth_less_once_that_is_seen),
      cmocka_unit_test(the_same_requests_give_the_same_worth),
      cmocka_unit_test(of_what_is_forgotten_nothing_is_left),
      cmocka_unit_test(how_long_entries_live_may_change),
      cmocka_unit_test(any_requests_leave_numbers),
      cmocka_unit_test(memory_may_be_short),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
