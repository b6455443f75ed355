/* SPDX-License-Identifier: Apache-2.0 */
/* larder_evict_lru and larder_evict_low_probability as a program calls them: what other tiers keep, who goes first, refusals.
 */
#include "support/support.h"

#include <larder/evict.h>
#include <larder/stats.h>
#include <larder/why.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct fixture {
  char *root;
  larder *cache;
  larder_ns *alone; /* memory and nothing else */
  larder_ns *over;  /* memory over SQLite */
  larder_ns *none;  /* no memory */
} fixture;

static int setup(void **state) {
  fixture *f = calloc(1, sizeof *f);
  larder_error err = {0};
  f->root = support_dir_make();
  larder_options options = {.size = sizeof options,
                            .root = f->root,
                            .config_text = "cache:\n  slots: 1024\n  memory: {size_mb: 4, policy: lru}\n  namespaces:\n"
                                           "    alone: {tiers: [memory]}\n    over: {tiers: [memory, sqlite]}\n"
                                           "    none: {tiers: [sqlite]}\n"};
  if (larder_open(&options, &f->cache, &err) != LARDER_OK) fail_msg("%s", err.message);
  assert_ok(larder_ns_open(f->cache, "alone", &f->alone, &err));
  assert_ok(larder_ns_open(f->cache, "over", &f->over, &err));
  assert_ok(larder_ns_open(f->cache, "none", &f->none, &err));
  *state = f;
  return 0;
}

static int teardown(void **state) {
  fixture *f = *state;
  assert_ok(larder_close(&f->cache));
  support_dir_remove(&f->root);
  free(f);
  return 0;
}

static void fill(larder_ns *ns, const char *letters) {
  for (; *letters; letters++) assert_ok(larder_put(ns, letters, 1, "value", 5, NULL));
}

/* Which of a to z are there, without reading them. */
static const char *there(larder_ns *ns) {
  static char letters[27];
  size_t len = 0;
  for (char c = 'a'; c <= 'z'; c++)
    if (larder_exists(ns, &c, 1) == LARDER_OK) letters[len++] = c;
  letters[len] = '\0';
  return letters;
}

static void alone_they_are_gone(void **state) {
  fixture *f = *state;
  uint64_t gone = 99;
  fill(f->alone, "a");
  assert_ok(larder_evict_lru(f->alone, 5, &gone));
  assert_int_equal(gone, 1);
  assert_string_equal(there(f->alone), "");
  assert_ok(larder_evict_lru(f->alone, 5, NULL));
  assert_ok(larder_evict_lru(f->alone, 5, &gone));
  assert_int_equal(gone, 0);
}

static void other_tiers_keep_theirs(void **state) {
  fixture *f = *state;
  uint64_t gone;
  larder_value value = {0};
  fill(f->over, "abc");
  assert_ok(larder_evict_lru(f->over, 10, &gone));
  assert_int_equal(gone, 3);
  assert_string_equal(there(f->over), "abc");
  assert_ok(larder_get(f->over, "a", 1, NULL, &value));
  assert_string_equal(value.tier, "sqlite");
  larder_value_release(&value);
  assert_ok(larder_get(f->over, "a", 1, NULL, &value)); /* and it came up again */
  assert_string_equal(value.tier, "memory");
  larder_value_release(&value);
}

static void who_is_not_expected_goes_first_then_the_least_probable(void **state) {
  fixture *f = *state;
  static const larder_evict_likely wanted[] = {{"c", 1, 0.5}, {"a", 1, 0.25}, {"never put", 9, 1.0}, {"b", 1, 0.0}};
  uint64_t gone;
  fill(f->alone, "abcde");
  assert_ok(larder_evict_low_probability(f->alone, wanted, 4, 2, &gone));
  assert_int_equal(gone, 2);
  assert_string_equal(there(f->alone), "abc");
  assert_ok(larder_evict_low_probability(f->alone, wanted, 4, 1, &gone));
  assert_string_equal(there(f->alone), "ac");
  assert_ok(larder_evict_low_probability(f->alone, wanted, 4, 1, &gone));
  assert_string_equal(there(f->alone), "c");
  assert_ok(larder_evict_low_probability(f->alone, wanted, 4, 10, &gone));
  assert_int_equal(gone, 1);
  fill(f->alone, "ab");
  assert_ok(larder_evict_low_probability(f->alone, wanted, 0, 10, &gone));
  assert_int_equal(gone, 2);
}

static void why_and_the_counters_tell_that_it_was_asked_for(void **state) {
  fixture *f = *state;
  larder_why why = {.size = sizeof why};
  larder_stats *stats = NULL;
  fill(f->alone, "a");
  assert_ok(larder_evict_lru(f->alone, 1, NULL));
  assert_ok(larder_why_look(f->alone, "a", 1, &why));
  assert_true(why.events_len > 0);
  assert_string_equal(why.events[0].what, "evicted");
  assert_string_equal(why.events[0].text, "asked");
  uint64_t asked = 0;
  assert_ok(larder_stats_take(f->cache, &stats, NULL));
  assert_true(larder_stats_value(stats, "alone", "memory", "evicted_asked", &asked));
  assert_int_equal(asked, 1);
  larder_stats_free(&stats);
}

static void what_can_not_be_is_refused(void **state) {
  fixture *f = *state;
  larder_evict_likely wanted = {"a", 1, NAN};
  uint64_t gone = 7;
  assert_int_equal(larder_evict_lru(NULL, 1, &gone), LARDER_EINVAL);
  assert_int_equal(larder_evict_lru(f->none, 1, &gone), LARDER_EUNSUPPORTED);
  fill(f->alone, "a");
  assert_int_equal(larder_evict_low_probability(f->alone, &wanted, 1, 1, &gone), LARDER_EINVAL);
  wanted.probability = 0.5;
  wanted.key_len = 0;
  assert_int_equal(larder_evict_low_probability(f->alone, &wanted, 1, 1, &gone), LARDER_EINVAL);
  assert_int_equal(larder_evict_low_probability(f->alone, NULL, 0, 1, &gone), LARDER_EUNSUPPORTED); /* it does not predict */
  assert_int_equal(larder_evict_low_probability(f->none, NULL, 0, 1, &gone), LARDER_EUNSUPPORTED);
  assert_string_equal(there(f->alone), "a");
  assert_int_equal(gone, 7);
}

int main(void) {
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
  const struct CMUnitTest tests[] = {
      TEST(alone_they_are_gone),
      TEST(other_tiers_keep_theirs),
      TEST(who_is_not_expected_goes_first_then_the_least_probable),
      TEST(why_and_the_counters_tell_that_it_was_asked_for),
      TEST(what_can_not_be_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
