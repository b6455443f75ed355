/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a namespace's agent makes ahead of time, what that is told, and when it must not: also because of the origin, which may
 * be about to be overrun. Time is moved by hand, also by the origin; makings ahead are waited for by counts.
 */
#include "hosted_rig.h"

#include "base/fail.h"
#include "larder_testing.h"
#include <larder/foretell.h>
#include <larder/prefetch.h>
#include <stdio.h>

/* Decisions by chance alone. */
#define BY_CHANCE ", epsilon: 100%, epsilon_last: 100%, horizon: 4000, window: 100000"

static void what_is_made_ahead_is_told_used_or_wasted(void **state) {
  fixture f;
  (void)state;
  hosted_open(&f, &(setting){.agent = BY_CHANCE, .predict = ", max_waste: 100%"});
  for (int i = 0; i < 6; i++) session(&f, "ab");
  settle(&f);
  assert_true(told(&f, LARDER_AGENT_KB) == 0); /* all of it was there */
  unsigned made = atomic_load(&f.made), used = 0, wasted = 0;
  for (int i = 0; i < 40; i++) {
    forget(&f, "ab");
    session(&f, "a");
    settle(&f);
    if (*tier_of(&f, "b") == '\0') continue;
    if (i % 2 == 0) {
      assert_ok(ask(&f, "b"));
      used++;
    } else {
      forget(&f, "b");
      wasted++;
    }
    settle(&f);
  }
  assert_true(used > 5 && wasted > 5);
  larder_learning_figures now = figures(&f);
  uint64_t ahead = 0;
  for (unsigned a = LARDER_AGENT_CONSERVATIVE; a <= LARDER_AGENT_AGGRESSIVE; a++) ahead += now.agent.taken[a];
  assert_int_equal(ahead, used + wasted);
  assert_true(now.agent.told[LARDER_AGENT_USED] == used && now.agent.told[LARDER_AGENT_WASTED] == wasted);
  assert_true(now.agent.told[LARDER_AGENT_KB] == 2.0 * (used + wasted));
  assert_int_equal(atomic_load(&f.made), made + 40 + used + wasted);
  assert_true(now.agent.told[LARDER_AGENT_SAVED_MS] >= TAKES_MS * used);
  hosted_shut(&f);
}

/* What somebody else puts after all is not its doing. */
static void a_wish_that_was_dropped_is_credited_with_nothing(void **state) {
  fixture f;
  uint64_t dropped = 0;
  (void)state;
  hosted_open(&f, &(setting){.agent = BY_CHANCE});
  for (int i = 0; i < 6; i++) session(&f, "ab");
  settle(&f);
  for (int i = 0; i < 20; i++) {
    lrd_clock_moved_advance_ms(&f.clock, 3000); /* until it is wished for again */
    forget(&f, "abz");
    session(&f, "a");
    atomic_store(&f.decides, true);
    assert_ok(larder_prefetch(f.ns, "z", 1, 1, 0)); /* others wait for it */
    lrd_larder_tick(f.cache);
    dropped += larder_prefetch_clear(f.cache, f.ns);
    atomic_store(&f.decides, false);
    settle(&f);
    assert_ok(larder_put(f.ns, "b", 1, "v", 1, NULL));
    assert_ok(ask(&f, "b"));
    settle(&f);
  }
  assert_true(dropped > 5);
  assert_true(told(&f, LARDER_AGENT_USED) == 0 && told(&f, LARDER_AGENT_WASTED) == 0);
  hosted_shut(&f);
}

static void what_is_not_to_be_had_is_wasted(void **state) {
  fixture f;
  (void)state;
  hosted_open(&f, &(setting){.agent = BY_CHANCE});
  for (int i = 0; i < 6; i++) session(&f, "ab");
  settle(&f);
  for (int i = 0; i < 10 && told(&f, LARDER_AGENT_WASTED) == 0; i++) {
    forget(&f, "ab");
    session(&f, "a");
    atomic_store(&f.fails, true); /* from now on, so the wish alone */
    settle(&f);
    atomic_store(&f.fails, false);
  }
  assert_true(told(&f, LARDER_AGENT_WASTED) == 1);
  assert_true(told(&f, LARDER_AGENT_KB) == 0 && told(&f, LARDER_AGENT_USED) == 0);
  hosted_shut(&f);
}

static uint64_t aheads(fixture *f) {
  return taken(f, LARDER_AGENT_CONSERVATIVE) + taken(f, LARDER_AGENT_MODERATE) + taken(f, LARDER_AGENT_AGGRESSIVE);
}

static void nothing_is_made_ahead_that_is_there_or_not_likely(void **state) {
  fixture f;
  (void)state;
  hosted_open(&f, &(setting){.agent = BY_CHANCE});
  for (const char *key = "ab"; *key; key++) assert_ok(larder_put(f.ns, key, 1, "here", 4, NULL));
  for (int i = 0; i < 30; i++) {
    session(&f, "ab");
    settle(&f);
  }
  assert_int_equal(aheads(&f), 0);
  hosted_shut(&f);
  hosted_open(&f, &(setting){.agent = BY_CHANCE});
  for (const char *key = "abcdef"; *key; key++) assert_ok(larder_put(f.ns, key, 1, "here", 4, NULL));
  for (int i = 0; i < 30; i++) { /* each of five is as likely as the others */
    char word[3] = {'a', (char)('b' + i % 5), '\0'};
    session(&f, word);
  }
  settle(&f);
  for (int i = 0; i < 10; i++) {
    forget(&f, "abcdef");
    session(&f, "a");
    settle(&f);
  }
  assert_int_equal(aheads(&f), 0);
  hosted_shut(&f);
}

static void what_predict_forbids_is_not_made(void **state) {
  fixture f;
  (void)state;
  hosted_open(&f, &(setting){.agent = BY_CHANCE, .predict = ", budget_mb: 0"});
  for (int i = 0; i < 6; i++) session(&f, "ab");
  settle(&f);
  for (int i = 0; i < 20; i++) {
    forget(&f, "ab");
    session(&f, "a");
    settle(&f);
    assert_string_equal(tier_of(&f, "b"), "");
  }
  larder_foretell_figures now;
  assert_ok(larder_foretell_figures_get(f.ns, &now));
  assert_true(now.held_budget > 0 && now.wished == 0);
  hosted_shut(&f);
}

static void learn_pair(fixture *f) {
  for (int i = 0; i < 6; i++) session(f, "ab");
  settle(f);
}

/* `rounds` requests for what somebody has asked for before `b`, one each so many milliseconds; how often something was made
 * ahead. */
static uint64_t pace_of(fixture *f, unsigned rounds, int each_ms) {
  uint64_t before = aheads(f);
  for (unsigned i = 0; i < rounds; i++) {
    forget(f, "ab");
    session(f, "a");
    settle(f);
    lrd_clock_moved_advance_ms(&f->clock, each_ms);
  }
  return aheads(f) - before;
}

static void while_more_is_asked_for_than_usual_nothing_is_made_ahead(void **state) {
  fixture f;
  (void)state;
  hosted_open(&f, &(setting){.agent = BY_CHANCE, .predict = ", max_waste: 100%"});
  atomic_store(&f.takes_ms, 1);
  learn_pair(&f);
  assert_true(pace_of(&f, 60, 500) > 10);
  (void)pace_of(&f, 30, 10); /* until it is sure */
  assert_int_equal(pace_of(&f, 100, 10), 0);
  (void)pace_of(&f, 40, 500);
  assert_true(pace_of(&f, 40, 500) > 5);
  hosted_shut(&f);
}

/* The predictor has good reasons for `b`, but whenever it matters something else is asked for. */
static void guesses_are_worth_what_such_guesses_came_to(void **state) {
  fixture f;
  uint64_t before = 0;
  (void)state;
  hosted_open(&f, &(setting){.agent = BY_CHANCE, .predict = ", max_waste: 100%"});
  atomic_store(&f.takes_ms, 1);
  for (unsigned i = 0; i < 120; i++) {
    if (i == 70) before = aheads(&f);
    for (const char *key = "ab"; *key; key++) assert_ok(larder_put(f.ns, key, 1, "here", 4, NULL));
    for (unsigned k = 0; k < 40; k++) session(&f, "ab");
    settle(&f);
    forget(&f, "ab");
    char word[3] = {'a', (char)('c' + i % 20), '\0'};
    session(&f, word);
    settle(&f);
    lrd_clock_moved_advance_ms(&f.clock, 500);
  }
  assert_true(before > 5);
  assert_int_equal(aheads(&f), before);
  hosted_shut(&f);
}

/* --- the origin ----------------------------------------------------------------------------------------------------------- */

/* A second with so many requests, each of another key. */
static void second(fixture *f, unsigned requests, int takes_ms, bool fails) {
  static unsigned number = 1000;
  int64_t from_ms = atomic_load(&f->clock.now_mono_ns) / 1000000;
  atomic_store(&f->takes_ms, takes_ms);
  atomic_store(&f->fails, fails);
  for (unsigned i = 0; i < requests; i++) {
    char key[16];
    snprintf(key, sizeof key, "s%u", number++);
    lrd_ignore(ask(f, key));
    settle(f);
  }
  int64_t left_ms = from_ms + 1000 - atomic_load(&f->clock.now_mono_ns) / 1000000;
  if (left_ms > 0) lrd_clock_moved_advance_ms(&f->clock, left_ms);
  lrd_larder_tick(f->cache);
}

static void a_cascade_and_a_threat_are_seen_and_told(void **state) {
  fixture f;
  (void)state;
  hosted_open(&f, &(setting){.agent = BY_CHANCE, .predict = ", max_waste: 100%"});
  atomic_store(&f.takes_ms, 10);
  learn_pair(&f);
  for (int i = 0; i < 20; i++) second(&f, 4, 10, false);
  uint64_t before = aheads(&f);
  while (aheads(&f) == before) { /* the last thing before it comes */
    forget(&f, "ab");
    session(&f, "a");
    settle(&f);
  }
  for (int i = 0; i < 3; i++) second(&f, 20, 45, true);
  larder_learning_figures now = figures(&f);
  assert_int_equal(now.cascades, 1);
  assert_true(now.agent.told[LARDER_AGENT_OCCURRED] >= 1);
  before = aheads(&f);
  for (int i = 0; i < 20; i++) { /* nothing is made ahead while it lasts */
    forget(&f, "ab");
    atomic_store(&f.fails, false);
    session(&f, "a");
    settle(&f);
  }
  assert_int_equal(aheads(&f), before);
  for (int i = 0; i < 20; i++) second(&f, 4, 10, false);
  assert_int_equal(figures(&f).cascades, 1);
  hosted_shut(&f);
}

static void a_threat_that_passes_is_told_to_who_made_nothing_ahead(void **state) {
  fixture f;
  (void)state;
  hosted_open(&f, &(setting){.agent = BY_CHANCE ", seed: 3", .predict = ", max_waste: 100%"});
  int64_t const opened_ns = atomic_load(&f.clock.now_mono_ns); /* windows of the watch begin then */
  atomic_store(&f.takes_ms, 10);
  learn_pair(&f);
  for (int i = 0; i < 20; i++) second(&f, 4, 10, false);
  /* Within the second in which it begins: some make nothing ahead though they could. */
  lrd_clock_moved_advance_ms(&f.clock, 1000 - (atomic_load(&f.clock.now_mono_ns) - opened_ns) / 1000000 % 1000);
  lrd_larder_tick(f.cache);
  uint64_t before = aheads(&f), asked = 0;
  for (; asked < 8; asked++) {
    forget(&f, "ab");
    settle(&f);
    session(&f, "a");
    settle(&f);
  }
  uint64_t could = asked - (aheads(&f) - before);
  assert_true(could > 0 && could < asked);
  second(&f, 15, 100, false);
  for (int i = 0; i < 10; i++) second(&f, 4, 10, false);
  larder_learning_figures now = figures(&f);
  assert_int_equal(now.averted, 1);
  assert_int_equal(now.cascades, 0);
  assert_true(now.agent.told[LARDER_AGENT_PREVENTED] == (double)could);
  assert_true(now.agent.told[LARDER_AGENT_OCCURRED] == 0);
  hosted_shut(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_made_ahead_is_told_used_or_wasted),
      cmocka_unit_test(a_wish_that_was_dropped_is_credited_with_nothing),
      cmocka_unit_test(what_is_not_to_be_had_is_wasted),
      cmocka_unit_test(nothing_is_made_ahead_that_is_there_or_not_likely),
      cmocka_unit_test(what_predict_forbids_is_not_made),
      cmocka_unit_test(while_more_is_asked_for_than_usual_nothing_is_made_ahead),
      cmocka_unit_test(guesses_are_worth_what_such_guesses_came_to),
      cmocka_unit_test(a_cascade_and_a_threat_are_seen_and_told),
      cmocka_unit_test(a_threat_that_passes_is_told_to_who_made_nothing_ahead),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
