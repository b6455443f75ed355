/* SPDX-License-Identifier: Apache-2.0 */
/* Who makes room where a namespace has an agent, and what its shadows say of that. */
#include "hosted_rig.h"

#include <larder/ext/maker.h>
#include <larder/foretell.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static void who_makes_room_is_chosen_by_what_shadows_missed(void **state) {
  fixture f;
  uint64_t drawn = 1;
  (void)state;
  hosted_open(&f, &(setting){.entries = 60,
                             .predict = ", max_waste: 100%",
                             .agent = ", epsilon: 0.01%, epsilon_last: 0.01%, margin: 100%, horizon: 100, clip: 0.001"});
  /* Which session comes next nobody knows, but what comes next in it. */
  for (uint64_t i = 0; i < 3000; i++) {
    drawn = drawn * UINT64_C(6364136223846793005) + 1442695040888963407;
    larder_foretell_session(&i, sizeof i, NULL);
    for (unsigned step = 0; step < 4; step++) ask_number(&f, (unsigned)(drawn >> 33) % 40 * 4 + step);
    if (i % 4 == 0) settle(&f);
  }
  settle(&f);
  larder_learning_figures now = figures(&f);
  assert_true(now.agent.taken[LARDER_AGENT_EVICT_LRU] + now.agent.taken[LARDER_AGENT_EVICT_UNLIKELY] >
              20); /* until it leaves out what is new */
  assert_true(now.origin < now.plain_origin);
  assert_int_equal(atomic_load(&f.made), (unsigned)now.origin);
  hosted_shut(&f);
}

/* Every other request is for a key that comes three times in a row, and never again. */
static void what_comes_in_a_row_and_never_again_goes_first_once_that_is_seen(void **state) {
  fixture f;
  uint64_t drawn = 1;
  unsigned before = 0;
  (void)state;
  hosted_open(&f, &(setting){.entries = 100,
                             .predict = ", max_waste: 100%, budget_mb: 0",
                             .agent = ", epsilon: 0.01%, epsilon_last: 0.01%, margin: 100%, horizon: 100, clip: 0.001"});
  for (unsigned i = 0; i < 16000; i++) {
    if (i == 12000) before = atomic_load(&f.made);
    drawn = drawn * UINT64_C(6364136223846793005) + 1442695040888963407;
    ask_number(&f, i % 2 == 0 ? (unsigned)(drawn >> 33) % 90 : 1000 + i / 6);
    if (i % 16 == 0) settle(&f);
  }
  settle(&f);
  assert_in_range(atomic_load(&f.made) - before, 667, 800); /* those that come in a row, once each */
  hosted_shut(&f);
}

/* Beside a namespace without one that is asked for the same. */
static void its_shadow_comes_to_what_there_is_without_it(void **state) {
  fixture f;
  uint64_t drawn = 1;
  (void)state;
  hosted_open(&f, &(setting){.entries = 100, .predict = ", max_waste: 100%"});
  larder_ns *same = NULL;
  assert_ok(larder_ns_open(f.cache, "same", &same, NULL));
  atomic_store(&f.takes_ms, 2);
  atomic_store(&f.ttl_ms, 4000);
  for (unsigned i = 0; i < 6000; i++) {
    drawn = drawn * UINT64_C(6364136223846793005) + 1442695040888963407;
    unsigned number = (unsigned)((drawn >> 33) % ((drawn >> 20) % 500 + 1)); /* small ones are frequent */
    char key[16];
    larder_value value = {0};
    snprintf(key, sizeof key, "k%u", number);
    assert_ok(larder_get_or_make(same, key, strlen(key), NULL, &value, NULL));
    larder_value_release(&value);
    ask_number(&f, number);
    settle(&f);
  }
  settle(&f);
  double without = atomic_load(&f.made_same), shadow = figures(&f).plain_origin;
  assert_in_range(without, 1000, 5000);
  if (fabs(shadow / without - 1) > 0.01) fail_msg("%g instead of %g", shadow, without);
  hosted_shut(&f);
}

static void of_more_entries_than_it_keeps_account_of_a_part_is_compared(void **state) {
  fixture f;
  (void)state;
  hosted_open(&f, &(setting){.entries = 1000, .agent = ", max_keys: 64, epsilon: 50%, epsilon_last: 50%, margin: 100%"});
  for (unsigned i = 0; i < 6000; i++) {
    ask_number(&f, i * 7 % 1301);
    if (i % 200 == 0) settle(&f);
  }
  settle(&f);
  larder_learning_figures now = figures(&f);
  assert_int_equal(now.agent.decisions, 6000);
  assert_in_range(now.compared, 150, 1500);                 /* more and more seldom, one of 32 in the end */
  assert_true(now.plain_origin < now.origin);               /* by chance it keeps less */
  assert_true(now.plain_origin > 0.5 * (double)now.origin); /* and the shadow has no more room than memory */
  assert_int_equal(now.agent.taken[LARDER_AGENT_EVICT_LRU] + now.agent.taken[LARDER_AGENT_EVICT_UNLIKELY], 0);
  assert_in_range(taken(&f, LARDER_AGENT_CACHE), 500, 6000);
  hosted_shut(&f);
}

/* As it is by default, but for the limit of what it makes ahead. */
static void where_there_is_something_to_learn_it_waits_less(void **state) {
  fixture f;
  uint64_t drawn = 1;
  (void)state;
  hosted_open(&f, &(setting){.entries = 100, .predict = ", max_waste: 100%"});
  larder_learning_figures before = {0};
  for (uint64_t i = 0; i < 2000; i++) {
    if (i == 1000) before = figures(&f);
    larder_foretell_session(&i, sizeof i, NULL);
    drawn = drawn * UINT64_C(6364136223846793005) + 1442695040888963407;
    unsigned chain = (unsigned)(drawn >> 33) % 100;
    for (unsigned step = 0; step < 3; step++) {
      ask_number(&f, chain * 3 + step);
      settle(&f);
    }
  }
  larder_learning_figures now = figures(&f);
  assert_true(now.ms - before.ms < 0.8 * (now.plain_ms - before.plain_ms));
  hosted_shut(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(who_makes_room_is_chosen_by_what_shadows_missed),
      cmocka_unit_test(what_comes_in_a_row_and_never_again_goes_first_once_that_is_seen),
      cmocka_unit_test(its_shadow_comes_to_what_there_is_without_it),
      cmocka_unit_test(of_more_entries_than_it_keeps_account_of_a_part_is_compared),
      cmocka_unit_test(where_there_is_something_to_learn_it_waits_less),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
