/* SPDX-License-Identifier: Apache-2.0 */
/*
 * larder_get_or_make of several at once: who waits and what he gets, time-outs, places, closing. Time is moved by hand; who has
 * to wait for another thread waits on a count.
 */
#include "make_rig.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* --- several at once -------------------------------------------------------------------------------------------------------
 */

typedef struct asker {
  fixture *f;
  const char *key;
  larder_make_options options;
  pthread_t thread;
  larder_err result;
  char got[64];
  bool stale;
  larder_error err;
} asker;

static void *asker_run(void *context) {
  asker *a = context;
  a->result = ask_with(a->f, &a->options, a->key, a->got, &a->stale, &a->err);
  return NULL;
}

static void asker_start(asker *a, fixture *f, const char *key) {
  *a = (asker){.f = f, .key = key, .options = by(f)};
  assert_int_equal(pthread_create(&a->thread, NULL, asker_run, a), 0);
}

static void wait_counted(fixture *f, const char *name, uint64_t wanted) {
  for (unsigned i = 0; counted(f, name) < wanted; i++) {
    assert_true(i < PATIENCE_MS);
    usleep(1000);
  }
}

#define ASKERS 32

static void all_who_wait_get_what_one_made(void **state) {
  fixture f;
  asker askers[ASKERS];
  (void)state;
  for (int outcome = 0; outcome < 3; outcome++) {
    EACH_CHAIN(&f, POLICY) {
      if (outcome == 1) f.maker.what = LARDER_MADE_ABSENT;
      if (outcome == 2) f.maker.result = LARDER_EAWAY;
      f.maker.reason = "no answer";
      atomic_store(&f.maker.hold, true);
      for (int i = 0; i < ASKERS; i++) asker_start(&askers[i], &f, "k");
      wait_counted(&f, "make_joined", ASKERS - 1);
      atomic_store(&f.maker.hold, false);
      for (int i = 0; i < ASKERS; i++) {
        (void)pthread_join(askers[i].thread, NULL);
        assert_err(askers[i].result, outcome == 0 ? LARDER_OK : outcome == 1 ? LARDER_MISS : LARDER_EAWAY);
        if (outcome == 0) assert_string_equal(askers[i].got, "one");
        if (outcome == 2) assert_non_null(strstr(askers[i].err.message, "no answer"));
      }
      assert_int_equal(f.maker.began, 1);
    }
  }
}

/* Who comes after a delete was acknowledged does not get what was begun before it. */
static void who_comes_after_a_delete_does_not_join(void **state) {
  fixture f;
  asker before;
  asker after;
  (void)state;
  EACH_CHAIN(&f, POLICY) {
    atomic_store(&f.maker.hold, true);
    asker_start(&before, &f, "k");
    wait_for(&f.maker.began, 1);
    f.maker.text = "one";
    assert_err(larder_delete(f.ns, "k", 1), LARDER_MISS);
    asker_start(&after, &f, "k");
    wait_counted(&f, "make_joined", 1);
    atomic_store(&f.maker.hold, false);
    (void)pthread_join(before.thread, NULL);
    (void)pthread_join(after.thread, NULL);
    assert_ok(before.result);
    assert_ok(after.result);
    assert_int_equal(f.maker.began, 2);
    assert_int_equal(counted(&f, "made"), 2);
  }
}

static void past_the_soft_time_out_stale_is_served(void **state) {
  fixture f;
  asker one;
  (void)state;
  EACH_CHAIN(&f, POLICY) {
    expect(&f, "k", "one", false);
    lrd_clock_moved_advance_ms(&f.clock, 100000);
    f.maker.text = "two";
    atomic_store(&f.maker.hold, true);
    one = (asker){.f = &f, .key = "k", .options = by(&f)};
    one.options.soft_timeout_ms = 300;
    assert_int_equal(pthread_create(&one.thread, NULL, asker_run, &one), 0);
    wait_for(&f.maker.began, 2);
    lrd_clock_moved_advance_ms(&f.clock, 301);
    (void)pthread_join(one.thread, NULL);
    assert_ok(one.result);
    assert_string_equal(one.got, "one");
    assert_true(one.stale);
    atomic_store(&f.maker.hold, false);
    wait_counted(&f, "puts", 2);
    expect(&f, "k", "two", false); /* what went on was kept */
    assert_int_equal(f.maker.began, 2);
  }
}

static void past_the_hard_time_out_it_is_cut(void **state) {
  fixture f;
  asker one;
  larder_value value = {0};
  (void)state;
  EACH_CHAIN(&f, POLICY ", maker: {callback: none, hard_timeout: 2s}") {
    atomic_store(&f.maker.hold, true);
    asker_start(&one, &f, "k");
    wait_for(&f.maker.began, 1);
    lrd_clock_moved_advance_ms(&f.clock, 2001);
    (void)pthread_join(one.thread, NULL);
    assert_err(one.result, LARDER_EAWAY);
    expect_failure(&f, "k", LARDER_EAWAY, NULL); /* remembered */
    assert_int_equal(f.maker.began, 1);
    atomic_store(&f.maker.hold, false);
    wait_for(&f.maker.ended, 1);
    wait_counted(&f, "make_overtaken", 1); /* what it still brought is dropped */
    assert_err(larder_get(f.ns, "k", 1, NULL, &value), LARDER_MISS);
    assert_int_equal(counted(&f, "make_cut"), 1);
    lrd_clock_moved_advance_ms(&f.clock, 5001);
    expect(&f, "k", "one", false);
  }
}

static void a_making_behind_past_its_deadline_is_cut_by_the_keeper(void **state) {
  fixture f;
  (void)state;
  EACH_CHAIN(&f, POLICY ", maker: {callback: none, hard_timeout: 2s}") {
    expect(&f, "k", "one", false);
    lrd_clock_moved_advance_ms(&f.clock, 61000);
    atomic_store(&f.maker.hold, true);
    expect(&f, "k", "one", true);
    wait_for(&f.maker.began, 2);
    lrd_clock_moved_advance_ms(&f.clock, 2001);
    lrd_larder_tick(f.cache);
    assert_int_equal(counted(&f, "make_cut"), 1);
    atomic_store(&f.maker.hold, false);
  }
}

static void no_wait_says_that_somebody_makes_it(void **state) {
  fixture f;
  asker one;
  char got[64];
  bool stale;
  (void)state;
  EACH_CHAIN(&f, POLICY) {
    atomic_store(&f.maker.hold, true);
    asker_start(&one, &f, "k");
    wait_for(&f.maker.began, 1);
    larder_make_options options = by(&f);
    options.no_wait = true;
    assert_err(ask_with(&f, &options, "k", got, &stale, NULL), LARDER_EBUSY);
    atomic_store(&f.maker.hold, false);
    (void)pthread_join(one.thread, NULL);
    assert_ok(one.result);
  }
}

static void no_more_than_parallel_are_made_at_once(void **state) {
  fixture f;
  asker askers[6];
  char keys[6][4];
  (void)state;
  for (int on_pool = 0; on_pool < 2; on_pool++) {
    open_with(&f, "[memory]",
              on_pool ? POLICY ", maker: {callback: none, parallel: 2, hard_timeout: 1h}"
                      : POLICY ", maker: {callback: none, parallel: 2}");
    atomic_store(&f.maker.hold, true);
    for (int i = 0; i < 6; i++) {
      (void)snprintf(keys[i], sizeof keys[i], "k%d", i);
      asker_start(&askers[i], &f, keys[i]);
    }
    wait_for(&f.maker.began, 2);
    usleep(50000); /* a third would have begun */
    assert_int_equal(f.maker.began, 2);
    atomic_store(&f.maker.hold, false);
    for (int i = 0; i < 6; i++) {
      (void)pthread_join(askers[i].thread, NULL);
      assert_ok(askers[i].result);
    }
    shut(&f);
  }
}

static void closing_ends_what_runs_behind(void **state) {
  fixture f;
  (void)state;
  for (size_t chain = 0; chain < sizeof chains / sizeof *chains; chain++) {
    open_with(&f, chains[chain], POLICY);
    expect(&f, "k", "one", false);
    lrd_clock_moved_advance_ms(&f.clock, 61000);
    atomic_store(&f.maker.heeds, true);
    atomic_store(&f.maker.hold, true);
    f.maker.result = LARDER_ECANCELLED;
    expect(&f, "k", "one", true);
    wait_for(&f.maker.began, 2);
    shut(&f); /* it heeds larder_making_cancelled */
    assert_int_equal(f.maker.ended, 2);
  }
}

static void closing_waits_for_values_in_hand(void **state) {
  fixture f;
  larder_value value = {0};
  (void)state;
  open_with(&f, "[memory]", POLICY);
  larder_make_options options = by(&f);
  assert_ok(larder_get_or_make(f.ns, "k", 1, &options, &value, NULL));
  assert_err(larder_close(&f.cache), LARDER_EBUSY);
  larder_value_release(&value);
  expect(&f, "l", "one", false); /* it goes on */
  shut(&f);
}

/* Hits near the end of the lifetime are drawn, the likelier the longer a making takes. */
static void advance_meanwhile(void *context, const larder_making *making) {
  (void)making;
  lrd_clock_moved_advance_ms(context, 1000);
}

static void early_refresh_draws_before_the_end(void **state) {
  fixture f;
  (void)state;
  open_with(&f, "[memory]", "ttl: 60s, early_refresh: 1");
  f.maker.meanwhile = advance_meanwhile;
  f.maker.context = &f.clock;
  expect(&f, "k", "one", false);
  for (int i = 0; i < 100; i++) expect(&f, "k", "one", false); /* 59 s before the end, at a cost of 1 s */
  assert_int_equal(f.maker.began, 1);
  f.maker.meanwhile = NULL;
  lrd_clock_moved_advance_ms(&f.clock, 59500);
  for (unsigned i = 0; f.maker.began < 2; i++) {
    assert_true(i < PATIENCE_MS);
    expect(&f, "k", "one", false);
    usleep(1000); /* it is made on another thread */
  }
  assert_true(counted(&f, "make_early") >= 1);
  shut(&f);
}

static void delete_meanwhile(void *context, const larder_making *making) {
  (void)context;
  assert_err(larder_delete(making->ns, making->key, making->key_len), LARDER_MISS);
}

/* --- what a reading with fresh eyes found ------------------------------------------------------------------------------------
 */

typedef struct nested {
  fixture *f;
  _Atomic unsigned asked; /* the making of "a" has begun */
  larder_err result;
} nested;

static larder_err nested_make(void *context, const larder_making *making, larder_made *made, larder_error *err) {
  nested *n = context;
  larder_value value = {0};
  larder_make_options options = {.size = sizeof options, .make = make, .context = &n->f->maker};
  (void)err;
  atomic_fetch_add(&n->asked, 1);
  while (counted(n->f, "make_joined") == 0 && atomic_load(&n->asked) < 2) usleep(1000);
  n->result = larder_get_or_make(making->ns, "b", 1, &options, &value, NULL);
  larder_value_release(&value);
  made->value = "a";
  made->len = 1;
  return LARDER_OK;
}

static void *nested_run(void *context) {
  nested *n = context;
  larder_value value = {0};
  larder_make_options options = {.size = sizeof options, .make = nested_make, .context = n};
  assert_ok(larder_get_or_make(n->f->ns, "a", 1, &options, &value, NULL));
  larder_value_release(&value);
  return NULL;
}

/* Who makes "a" has the only place and needs "b", whose maker waits for a place. */
static void who_waits_for_a_making_gives_his_place_back(void **state) {
  fixture f;
  pthread_t first;
  asker second;
  (void)state;
  EACH_CHAIN(&f, POLICY ", maker: {callback: none, parallel: 1}") {
    nested n = {.f = &f};
    assert_int_equal(pthread_create(&first, NULL, nested_run, &n), 0);
    wait_for(&n.asked, 1);
    second = (asker){.f = &f, .key = "b", .options = by(&f)};
    second.options.lasting = false;
    assert_int_equal(pthread_create(&second.thread, NULL, asker_run, &second), 0);
    usleep(20000); /* so that it waits for the place; whoever does not yet comes later, and all is well too */
    atomic_fetch_add(&n.asked, 1);
    (void)pthread_join(second.thread, NULL);
    (void)pthread_join(first, NULL);
    assert_ok(second.result);
    assert_ok(n.result);
    assert_int_equal(f.maker.began, 1);
  }
}

static void one_who_has_no_patience_spoils_it_for_nobody(void **state) {
  fixture f;
  asker one;
  char got[64];
  bool stale;
  (void)state;
  EACH_CHAIN(&f, POLICY) {
    atomic_store(&f.maker.hold, true);
    one = (asker){.f = &f, .key = "k", .options = by(&f)};
    one.options.hard_timeout_ms = 50;
    assert_int_equal(pthread_create(&one.thread, NULL, asker_run, &one), 0);
    wait_for(&f.maker.began, 1);
    lrd_clock_moved_advance_ms(&f.clock, 60);
    (void)pthread_join(one.thread, NULL);
    assert_err(one.result, LARDER_EAWAY);
    atomic_store(&f.maker.hold, false);
    larder_make_options options = by(&f);
    assert_ok(ask_with(&f, &options, "k", got, &stale, NULL));
    assert_int_equal(f.maker.began, 1);
    assert_int_equal(counted(&f, "make_cut"), 0);
  }
}

static void fresh_after_a_change_is_made_all_the_same(void **state) {
  fixture f;
  asker before;
  asker after;
  (void)state;
  EACH_CHAIN(&f, POLICY) {
    atomic_store(&f.maker.hold, true);
    asker_start(&before, &f, "k");
    wait_for(&f.maker.began, 1);
    assert_ok(larder_put(f.ns, "k", 1, "put", 3, NULL));
    after = (asker){.f = &f, .key = "k", .options = by(&f)};
    after.options.fresh = true;
    assert_int_equal(pthread_create(&after.thread, NULL, asker_run, &after), 0);
    wait_counted(&f, "make_joined", 1);
    atomic_store(&f.maker.hold, false);
    (void)pthread_join(before.thread, NULL);
    (void)pthread_join(after.thread, NULL);
    assert_ok(after.result);
    assert_string_equal(after.got, "one");
    assert_int_equal(f.maker.began, 2);
  }
}

static void the_failure_of_what_was_overtaken_is_not_told(void **state) {
  fixture f;
  (void)state;
  EACH_CHAIN(&f, POLICY) {
    f.maker.meanwhile = delete_meanwhile;
    f.maker.result = LARDER_EAWAY;
    expect_failure(&f, "k", LARDER_EAWAY, NULL);
    f.maker.meanwhile = NULL;
    f.maker.result = LARDER_OK;
    expect(&f, "k", "one", false);
  }
}

static void a_failure_is_forgotten_once_it_could_be_made(void **state) {
  fixture f;
  char got[64];
  bool stale;
  (void)state;
  EACH_CHAIN(&f, POLICY) {
    larder_make_options options = by(&f);
    f.maker.result = LARDER_EAWAY;
    expect_failure(&f, "k", LARDER_EAWAY, NULL);
    f.maker.result = LARDER_OK;
    options.fresh = true;
    assert_ok(ask_with(&f, &options, "k", got, &stale, NULL));
    assert_ok(larder_delete(f.ns, "k", 1));
    expect(&f, "k", "one", false);
  }
}

static void an_absence_can_be_expired(void **state) {
  fixture f;
  (void)state;
  EACH_CHAIN(&f, POLICY) {
    f.maker.what = LARDER_MADE_ABSENT;
    expect_failure(&f, "k", LARDER_MISS, NULL);
    assert_ok(larder_expire(f.ns, "k", 1));
    f.maker.what = LARDER_MADE_VALUE;
    expect(&f, "k", "one", false);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(all_who_wait_get_what_one_made),
      cmocka_unit_test(who_comes_after_a_delete_does_not_join),
      cmocka_unit_test(past_the_soft_time_out_stale_is_served),
      cmocka_unit_test(past_the_hard_time_out_it_is_cut),
      cmocka_unit_test(a_making_behind_past_its_deadline_is_cut_by_the_keeper),
      cmocka_unit_test(no_wait_says_that_somebody_makes_it),
      cmocka_unit_test(no_more_than_parallel_are_made_at_once),
      cmocka_unit_test(closing_ends_what_runs_behind),
      cmocka_unit_test(closing_waits_for_values_in_hand),
      cmocka_unit_test(early_refresh_draws_before_the_end),
      cmocka_unit_test(who_waits_for_a_making_gives_his_place_back),
      cmocka_unit_test(one_who_has_no_patience_spoils_it_for_nobody),
      cmocka_unit_test(fresh_after_a_change_is_made_all_the_same),
      cmocka_unit_test(the_failure_of_what_was_overtaken_is_not_told),
      cmocka_unit_test(a_failure_is_forgotten_once_it_could_be_made),
      cmocka_unit_test(an_absence_can_be_expired),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
