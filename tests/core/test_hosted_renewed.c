/* SPDX-License-Identifier: Apache-2.0 */
/* What was put, made anew behind or over is so for the agent's shadow, too, and what was put stays. */
#include "hosted_rig.h"

#include "base/fail.h"
#include "larder_testing.h"
#include <stdio.h>
#include <string.h>

static void comes_to_the_same(fixture *f) {
  larder_learning_figures now = figures(f);
  if (now.origin != now.plain_origin || now.ms != now.plain_ms)
    fail_msg("%g and %g ms instead of %g and %g", now.origin, now.ms, now.plain_origin, now.plain_ms);
  assert_int_equal(now.agent.stepped_aside, 0);
}

static void ask_many(fixture *f, unsigned count) {
  for (unsigned i = 0; i < count; i++) ask_number(f, i);
  settle(f);
}

static larder_err get_number(fixture *f, unsigned number) {
  char key[16];
  larder_value value = {0};
  snprintf(key, sizeof key, "k%u", number);
  larder_err err = larder_get(f->ns, key, strlen(key), NULL, &value);
  larder_value_release(&value);
  return err;
}

static void put_number(fixture *f, unsigned number) {
  char key[16];
  const larder_put_options lasts = {.size = sizeof lasts, .ttl_ms = 1000000};
  snprintf(key, sizeof key, "k%u", number);
  assert_ok(larder_put(f->ns, key, strlen(key), "v", 1, &lasts));
}

/* The values live for a second, those that are put for longer. */
static void what_others_put_is_there_for_the_shadow_too(void **state) {
  for (unsigned by_get = 0; by_get < 2; by_get++) {
    fixture f;
    (void)state;
    hosted_open(&f, &(setting){.agent = ", epsilon: 0.01%, epsilon_last: 0.01%, window: 50"});
    atomic_store(&f.ttl_ms, 1000);
    ask_many(&f, 20);
    for (unsigned round = 0; round < 20; round++) {
      for (unsigned i = 0; i < 20; i++) put_number(&f, i);
      lrd_clock_moved_advance_ms(&f.clock, 6000);
      for (unsigned i = 0; by_get && i < 20; i++) assert_ok(get_number(&f, i));
      if (!by_get) ask_many(&f, 20);
      settle(&f);
    }
    assert_true(figures(&f).origin == 20);
    comes_to_the_same(&f);
    hosted_shut(&f);
  }
}

/* Stale answers come while it is made anew behind, while that fails, and what is made anew early. */
static void what_is_renewed_behind_is_so_on_either_side(void **state) {
  static const char *const ways[] = {"stale_while_revalidate: 1d", "stale_if_error: 1d", "early_refresh: 10"};
  (void)state;
  for (unsigned way = 0; way < 3; way++) {
    fixture f;
    char predict[100];
    snprintf(predict, sizeof predict, "}, %s, health: {failures: 500", ways[way]);
    hosted_open(&f, &(setting){.predict = predict, .agent = ", epsilon: 0.01%, epsilon_last: 0.01%, window: 50"});
    atomic_store(&f.ttl_ms, 1000);
    ask_many(&f, 20);
    atomic_store(&f.fails, way == 1);
    for (unsigned round = 0; round < 20; round++) {
      lrd_clock_moved_advance_ms(&f.clock, way == 2 ? 500 : 2000);
      ask_many(&f, 20);
      ask_many(&f, 20);
    }
    if (way < 2) assert_true(figures(&f).origin == 20);
    comes_to_the_same(&f);
    hosted_shut(&f);
  }
}

/* Once that it is over is heard of, it is not taken for what lives for ever. */
static void what_was_over_when_it_was_heard_is_over_for_the_shadow(void **state) {
  for (unsigned stale = 0; stale < 2; stale++) {
    fixture f;
    (void)state;
    hosted_open(&f, &(setting){.predict = stale ? "}, stale_while_revalidate: 3s, health: {failures: 50" : NULL,
                               .agent = ", epsilon: 0.01%, epsilon_last: 0.01%, window: 50"});
    atomic_store(&f.ttl_ms, stale ? 1000 : 10);
    atomic_store(&f.takes_ms, 1);
    for (unsigned round = 0; round < 30; round++) {
      for (unsigned i = 0; i < 10; i++) ask_number(&f, i);
      if (stale && round == 0) lrd_clock_moved_advance_ms(&f.clock, 2000);
      lrd_clock_moved_advance_ms(&f.clock, 20);
      settle(&f);
      if (!stale || round > 1) lrd_clock_moved_advance_ms(&f.clock, 10000);
    }
    comes_to_the_same(&f);
    assert_true(figures(&f).plain_origin >= 250);
    hosted_shut(&f);
  }
}

/* By chance nearly all is left out again, a little later. */
static void what_was_put_meanwhile_is_not_taken_out(void **state) {
  static const char *const tiers[] = {"memory", "memory, files"};
  (void)state;
  for (unsigned t = 0; t < 2; t++) {
    fixture f;
    hosted_open(&f, &(setting){.tiers = tiers[t], .agent = ", epsilon: 100%, epsilon_last: 100%"});
    for (unsigned i = 0; i < 100; i++) {
      ask_number(&f, i);
      put_number(&f, i);
    }
    settle(&f);
    assert_true(taken(&f, LARDER_AGENT_NOTHING) > 20);
    for (unsigned i = 0; i < 100; i++) {
      char key[16];
      snprintf(key, sizeof key, "k%u", i);
      assert_string_equal(tier_of(&f, key), "memory");
    }
    hosted_shut(&f);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_others_put_is_there_for_the_shadow_too),
      cmocka_unit_test(what_is_renewed_behind_is_so_on_either_side),
      cmocka_unit_test(what_was_over_when_it_was_heard_is_over_for_the_shadow),
      cmocka_unit_test(what_was_put_meanwhile_is_not_taken_out),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
