/* SPDX-License-Identifier: Apache-2.0 */
/* Each policy on small cases worked out by hand: who is there afterwards. Keys are single letters, each put once. */
#include "memory_fixture.h"

#include <stdio.h>

#include "tier/memory/ghost.h"

static void open_small(fixture *fix, const char *policy, uint64_t entries) {
  fixture_open(fix, &(fixture_options){.policy = policy, .space_entries_max = entries, .options = "shards=1"});
}

/* Capital letters are read, small ones put (and read afterwards by their capital). */
static void play(fixture *fix, const char *script) {
  for (; *script; script++) {
    char key[2] = {*script, '\0'};
    if (*script >= 'A' && *script <= 'Z') {
      key[0] = (char)(*script - 'A' + 'a');
      (void)fixture_get(fix, key);
    } else {
      assert_int_equal(fixture_put(fix, key, "value"), LARDER_OK);
    }
  }
}

static void expect(const char *policy, uint64_t entries, const char *script, const char *left) {
  fixture fix;
  open_small(&fix, policy, entries);
  play(&fix, script);
  assert_string_equal(fixture_letters(&fix), left);
  fixture_close(&fix);
}

static void fifo_evicts_in_order_of_insertion_whatever_is_read(void **state) {
  (void)state;
  expect("fifo", 3, "abcAAd", "bcd");
  expect("fifo", 3, "abcAAdBe", "cde");
  expect("fifo", 3, "abcad", "bcd"); /* a put over an old value keeps the place */
}

static void lru_evicts_the_least_recently_read(void **state) {
  (void)state;
  expect("lru", 3, "abcAd", "acd");
  expect("lru", 3, "abcABd", "abd");
  expect("lru", 3, "abcAdCe", "cde");
  expect("lru", 3, "abcad", "acd"); /* a put counts as a use */
}

static void lfu_evicts_the_least_often_read_and_of_equals_the_older(void **state) {
  (void)state;
  expect("lfu", 3, "abcAABBd", "abd");
  expect("lfu", 3, "abcAABCd", "acd");   /* b and c once each, b's reading is older */
  expect("lfu", 3, "abcABCCd", "bcd");   /* a and b once each, a's is older */
  expect("lfu", 3, "abcAABBdDe", "abe"); /* d was read less often than a and b */
}

static void sieve_passes_over_what_was_visited_and_its_hand_stays(void **state) {
  (void)state;
  expect("sieve", 3, "abcAd", "acd");   /* the hand clears a, evicts b, stands at c */
  expect("sieve", 3, "abcAde", "ade");  /* and evicts c next, though a is older and not visited any more */
  expect("sieve", 3, "abcABCd", "bcd"); /* all visited: around, and a goes */
}

static void s3_fifo_moves_what_was_read_twice_and_remembers_what_it_dropped(void **state) {
  (void)state;
  /* Ten entries: main may hold nine. */
  expect("s3-fifo", 10, "abcdefghijk", "bcdefghijk");
  expect("s3-fifo", 10, "abcdefghijAk", "bcdefghijk");  /* once is not more than once */
  expect("s3-fifo", 10, "abcdefghijAAk", "acdefghijk"); /* twice: a moves to main, b goes */
  /* k and l push a and b; a comes back into main and pushes c; all later ones push out each other in small. */
  expect("s3-fifo", 10, "abcdefghijkla", "adefghijkl");
  expect("s3-fifo", 10, "abcdefghijklamnopqrstu", "amnopqrstu");
}

static void s3_fifo_gives_main_one_more_round_for_each_reading(void **state) {
  (void)state;
  /* All are read twice: k moves them to main, which then is over its nine, and a goes. l drops k; k, a ghost, comes into main
   * and drops l; with m main has to give one. */
  expect("s3-fifo", 10, "abcdefghijAABBCCDDEEFFGGHHIIJJklkm", "cdefghijkm");
  expect("s3-fifo", 10, "abcdefghijAABBCCDDEEFFGGHHIIJJklBkm", "bdefghijkm");
}

static void w_tinylfu_keeps_the_one_that_was_asked_for_more_often(void **state) {
  (void)state;
  fixture fix;
  /* Of 100 the window is 1, probation and protected 99. */
  open_small(&fix, "w-tinylfu", 100);
  char key[16];
  for (int i = 0; i < 100; i++) {
    (void)snprintf(key, sizeof key, "key-%d", i);
    assert_int_equal(fixture_put(&fix, key, "value"), LARDER_OK);
  }
  for (int i = 0; i < 100; i++) {
    (void)snprintf(key, sizeof key, "key-%d", i);
    for (int n = 0; n < 3; n++) assert_true(fixture_get(&fix, key));
  }
  /* Newcomers that nobody asks for twice lose against all of them: only the window changes hands. */
  for (int i = 0; i < 50; i++) {
    (void)snprintf(key, sizeof key, "scan-%d", i);
    assert_int_equal(fixture_put(&fix, key, "value"), LARDER_OK);
  }
  unsigned kept = 0;
  for (int i = 0; i < 100; i++) {
    (void)snprintf(key, sizeof key, "key-%d", i);
    kept += fixture_has(&fix, key);
  }
  assert_in_range(kept, 98, 99);
  fixture_close(&fix);
}

static void every_policy_is_known_by_its_name_and_no_other_is(void **state) {
  (void)state;
  static const char *const names[] = {"lru", "lfu", "fifo", "sieve", "s3-fifo", "w-tinylfu", "adaptive"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) assert_true(lrd_memory_policy_known(names[i]));
  assert_false(lrd_memory_policy_known(""));
  assert_false(lrd_memory_policy_known(NULL));
  fixture fix;
  open_small(&fix, NULL, 10);
  larder_tier_space space = {.size = sizeof space, .name = "other", .policy = "lifo"};
  uint32_t number;
  assert_int_equal(lrd_memory_tier.bind(fix.memory, &space, &number), LARDER_EINVAL);
  fixture_close(&fix);
}

static void every_policy_outlives_replacing_and_forgetting(void **state) {
  (void)state;
  for (size_t n = 0; lrd_memory_policy_name(n); n++) {
    fixture fix;
    open_small(&fix, lrd_memory_policy_name(n), 50);
    uint32_t random = 12345;
    for (int i = 0; i < 20000; i++) {
      random = random * 1664525 + 1013904223;
      char key[16];
      (void)snprintf(key, sizeof key, "k%u", (random >> 8) % 120);
      larder_tier_key at = fixture_key(&fix, key);
      switch (random >> 28) {
      case 0:
        (void)lrd_memory_forget(fix.memory, &at);
        break;
      case 1:
      case 2:
      case 3:
      case 4:
      case 5:
        assert_int_equal(fixture_put(&fix, key, random & 1 ? "long enough to change the size" : "short"), LARDER_OK);
        break;
      default:
        (void)fixture_get(&fix, key);
        break;
      }
      if (i % 1000 == 0) fixture_check(&fix);
    }
    fixture_close(&fix);
  }
}

static void a_ghost_is_remembered_for_its_window_and_taken_once(void **state) {
  (void)state;
  lrd_ghost ghost = {0};
  for (uint64_t i = 0; i < 100; i++) lrd_ghost_add(&ghost, i * UINT64_C(0x9e3779b97f4a7c15), 50, false);
  assert_true(lrd_ghost_take(&ghost, 99 * UINT64_C(0x9e3779b97f4a7c15), 50));
  assert_false(lrd_ghost_take(&ghost, 99 * UINT64_C(0x9e3779b97f4a7c15), 50));
  assert_true(lrd_ghost_take(&ghost, 50 * UINT64_C(0x9e3779b97f4a7c15), 50));
  assert_false(lrd_ghost_take(&ghost, 49 * UINT64_C(0x9e3779b97f4a7c15), 50));
  assert_false(lrd_ghost_take(&ghost, UINT64_C(0x123456789), 50));
  lrd_ghost_fini(&ghost);
}

static void a_large_ghost_table_forgets_little_before_its_window(void **state) {
  (void)state;
  enum { WINDOW = 100000 };
  lrd_ghost ghost = {0};
  for (uint64_t i = 0; i < 3 * WINDOW; i++) lrd_ghost_add(&ghost, i * UINT64_C(0xd1342543de82ef95) + 1, WINDOW, false);
  unsigned known = 0, old = 0;
  for (uint64_t i = 2 * WINDOW; i < 3 * WINDOW; i++)
    known += lrd_ghost_take(&ghost, i * UINT64_C(0xd1342543de82ef95) + 1, WINDOW);
  for (uint64_t i = 0; i < WINDOW; i++) old += lrd_ghost_take(&ghost, i * UINT64_C(0xd1342543de82ef95) + 1, WINDOW);
  assert_in_range(known, WINDOW * 85 / 100, WINDOW);
  assert_in_range(old, 0, WINDOW / 500);
  lrd_ghost_fini(&ghost);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(fifo_evicts_in_order_of_insertion_whatever_is_read),
      cmocka_unit_test(lru_evicts_the_least_recently_read),
      cmocka_unit_test(lfu_evicts_the_least_often_read_and_of_equals_the_older),
      cmocka_unit_test(sieve_passes_over_what_was_visited_and_its_hand_stays),
      cmocka_unit_test(s3_fifo_moves_what_was_read_twice_and_remembers_what_it_dropped),
      cmocka_unit_test(s3_fifo_gives_main_one_more_round_for_each_reading),
      cmocka_unit_test(w_tinylfu_keeps_the_one_that_was_asked_for_more_often),
      cmocka_unit_test(every_policy_is_known_by_its_name_and_no_other_is),
      cmocka_unit_test(every_policy_outlives_replacing_and_forgetting),
      cmocka_unit_test(a_ghost_is_remembered_for_its_window_and_taken_once),
      cmocka_unit_test(a_large_ghost_table_forgets_little_before_its_window),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
