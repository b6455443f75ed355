/* SPDX-License-Identifier: Apache-2.0 */
/* Eviction that was asked for: whom each policy lets go, who stays when told so, and how many over several shards. */
#include "memory_fixture.h"

#include <stdio.h>
#include <stdlib.h>

#define ROOM 10

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

static int hash_compare(const void *a, const void *b) {
  uint64_t one = *(const uint64_t *)a, other = *(const uint64_t *)b;
  return one < other ? -1 : one > other;
}

/* After the script `count` are evicted, but none of `but`: who is left, and how many went. */
static void expect(const char *policy, const char *script, uint64_t count, const char *but, const char *left, uint64_t gone) {
  fixture fix;
  uint64_t hashes[16];
  size_t len = 0;
  fixture_open(&fix, &(fixture_options){.policy = policy, .space_entries_max = ROOM, .options = "shards=1", .demote = true});
  play(&fix, script);
  for (; but[len]; len++) {
    char key[2] = {but[len], '\0'};
    hashes[len] = fixture_key(&fix, key).hash;
  }
  qsort(hashes, len, sizeof *hashes, hash_compare);
  assert_int_equal(lrd_memory_evict(fix.memory, fix.space, count, hashes, len), gone);
  assert_string_equal(fixture_letters(&fix), left);
  assert_int_equal(fix.evicted[LARDER_EVICT_ASKED], gone);
  assert_int_equal(fix.demoted, gone);
  fixture_check(&fix);
  fixture_close(&fix);
}

static void it_is_the_policy_that_chooses(void **state) {
  (void)state;
  expect("fifo", "abcdeA", 2, "", "cde", 2);
  expect("lru", "abcdeA", 2, "", "ade", 2);
  expect("lfu", "abcdeABBA", 2, "", "abe", 2);
  expect("sieve", "abcdeA", 2, "", "ade", 2);
  expect("s3-fifo", "abcdeAA", 2, "", "ade", 2);
  expect("w-tinylfu", "abcdeAAA", 2, "", "acd", 2); /* e in the window was asked for no more often than b */
  expect("lru", "abc", 5, "", "", 3);
  expect("lru", "abc", UINT64_MAX, "", "", 3);
  expect("lru", "abc", 0, "", "abc", 0);
  expect("lru", "", 5, "", "", 0);
}

static void who_is_to_stay_is_passed_over(void **state) {
  static const char *const policies[] = {"fifo", "lru", "lfu", "sieve", "s3-fifo", "w-tinylfu", "adaptive"};
  (void)state;
  for (size_t i = 0; i < sizeof policies / sizeof *policies; i++) {
    expect(policies[i], "abcde", 10, "bd", "bd", 3);
    expect(policies[i], "abcdeABCDEAABB", 10, "aez", "ae", 3);
    expect(policies[i], "abcde", 10, "abcde", "abcde", 0);
  }
  expect("lru", "abcde", 2, "ab", "abe", 2);
  expect("lru", "abcdeC", 2, "ab", "abc", 2);
  expect("lfu", "abcdeCCDE", 2, "ab", "abc", 2); /* by how often, and the older first */
  expect("fifo", "abcde", 1, "a", "acde", 1);
}

static void what_has_expired_is_no_demotion(void **state) {
  fixture fix;
  (void)state;
  fixture_open(&fix, &(fixture_options){.policy = "lru", .options = "shards=1", .demote = true});
  larder_tier_key at = fixture_key(&fix, "k");
  larder_facts facts = {.stamp = 1, .value_len = 1, .expires_hard_ms = fix.now_ms + 10};
  assert_ok(lrd_memory_put(fix.memory, &at, "v", &facts, 0));
  fix.now_ms += 20;
  assert_int_equal(lrd_memory_evict(fix.memory, fix.space, 1, NULL, 0), 1);
  assert_int_equal(fix.evicted[LARDER_EVICT_EXPIRED], 1);
  assert_int_equal(fix.evicted[LARDER_EVICT_ASKED], 0);
  assert_int_equal(fix.demoted, 0);
  fixture_close(&fix);
}

/* More than the events of one round hold. */
static void the_sum_is_right_over_shards(void **state) {
  fixture fix;
  uint64_t hashes[50];
  char key[16];
  (void)state;
  fixture_open(&fix, &(fixture_options){.policy = "lru", .options = "shards=4", .demote = true});
  for (unsigned i = 0; i < 1000; i++) {
    (void)snprintf(key, sizeof key, "key %u", i);
    assert_ok(fixture_put(&fix, key, "value"));
    if (i % 20 == 0) hashes[i / 20] = fixture_key(&fix, key).hash;
  }
  qsort(hashes, 50, sizeof *hashes, hash_compare);
  assert_int_equal(lrd_memory_evict(fix.memory, fix.space, 1, NULL, 0), 1);
  assert_int_equal(lrd_memory_evict(fix.memory, fix.space, 399, NULL, 0), 399);
  assert_int_equal(fixture_usage(&fix, fix.space).entries, 600);
  while (lrd_memory_evict(fix.memory, fix.space, 1000, hashes, 50) > 0) {
  }
  unsigned left = 0;
  for (unsigned i = 0; i < 1000; i += 20) {
    (void)snprintf(key, sizeof key, "key %u", i);
    left += fixture_has(&fix, key);
  }
  assert_true(left > 0);
  assert_int_equal(fixture_usage(&fix, fix.space).entries, left); /* and nobody else */
  assert_int_equal(fix.evicted[LARDER_EVICT_ASKED], 1000 - left);
  fixture_close(&fix);
}

static void one_goes_by_its_hash_and_others_spaces_keep_theirs(void **state) {
  fixture fix;
  (void)state;
  fixture_open(&fix, &(fixture_options){.policy = "lru", .options = "shards=2"});
  uint32_t const other = fixture_bind(&fix, "other", "lru", 0, 0);
  play(&fix, "abc");
  larder_tier_key there = fixture_key(&fix, "b");
  there.space = other;
  larder_facts facts = {.stamp = 99, .value_len = 1};
  assert_ok(lrd_memory_put(fix.memory, &there, "v", &facts, 0));
  assert_int_equal(lrd_memory_evict_stamp(fix.memory, other, there.hash, 98), 0);
  assert_int_equal(lrd_memory_evict_stamp(fix.memory, other, there.hash, 99), 1);
  assert_ok(lrd_memory_put(fix.memory, &there, "v", &facts, 0));
  assert_int_equal(lrd_memory_evict_hash(fix.memory, fix.space, there.hash), 1);
  assert_int_equal(lrd_memory_evict_hash(fix.memory, fix.space, there.hash), 0);
  assert_string_equal(fixture_letters(&fix), "ac");
  assert_int_equal(fixture_usage(&fix, other).entries, 1);
  assert_int_equal(lrd_memory_evict(fix.memory, fix.space, 10, NULL, 0), 2);
  assert_int_equal(fixture_usage(&fix, other).entries, 1);
  fixture_close(&fix);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(it_is_the_policy_that_chooses),
      cmocka_unit_test(who_is_to_stay_is_passed_over),
      cmocka_unit_test(what_has_expired_is_no_demotion),
      cmocka_unit_test(the_sum_is_right_over_shards),
      cmocka_unit_test(one_goes_by_its_hash_and_others_spaces_keep_theirs),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
