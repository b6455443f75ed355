/* SPDX-License-Identifier: Apache-2.0 */
/* Caches of keys by the policies' own code, and what an agent knows of keys. */
#include "support/support.h"

#include "predict/key_shadow.h"
#include "predict/known_keys.h"
#include "tier/memory/policy.h"
#include <math.h>

/* Spread over chains. */
static uint64_t hash_of(uint64_t number) { return number * UINT64_C(0x9e3779b97f4a7c15); }

static bool has(lrd_key_shadow *shadow, uint64_t number) { return lrd_key_shadow_has(shadow, hash_of(number), 0); }
static void put(lrd_key_shadow *shadow, uint64_t number) { assert_ok(lrd_key_shadow_put(shadow, hash_of(number), 0)); }

static void by_lru_the_longest_unused_goes(void **state) {
  lrd_key_shadow *shadow = NULL;
  (void)state;
  assert_ok(lrd_key_shadow_open("lru", 10, NULL, NULL, &shadow));
  lrd_key_shadow_limit(shadow, 3);
  for (uint64_t i = 1; i <= 3; i++) put(shadow, i);
  lrd_key_shadow_touch(shadow, hash_of(1));
  put(shadow, 4);
  assert_true(has(shadow, 1) && !has(shadow, 2) && has(shadow, 3) && has(shadow, 4));
  lrd_key_shadow_limit(shadow, 1);
  assert_true(lrd_key_shadow_count(shadow) == 1 && has(shadow, 4));
  lrd_key_shadow_limit(shadow, 1000); /* as many as there is memory for */
  for (uint64_t i = 10; i < 40; i++) put(shadow, i);
  assert_int_equal(lrd_key_shadow_count(shadow), 10);
  lrd_key_shadow_limit(shadow, 0);
  assert_int_equal(lrd_key_shadow_count(shadow), 1);
  lrd_key_shadow_close(shadow);
  lrd_key_shadow_close(NULL);
}

static void what_is_over_or_forgotten_is_gone(void **state) {
  lrd_key_shadow *shadow = NULL;
  (void)state;
  assert_ok(lrd_key_shadow_open("s3-fifo", 10, NULL, NULL, &shadow));
  assert_ok(lrd_key_shadow_put(shadow, 7, 100));
  assert_true(lrd_key_shadow_has(shadow, 7, 99));
  assert_false(lrd_key_shadow_has(shadow, 7, 100));
  assert_int_equal(lrd_key_shadow_count(shadow), 1); /* it has its place still, for what is made anew */
  assert_ok(lrd_key_shadow_put(shadow, 7, 200));
  assert_true(lrd_key_shadow_has(shadow, 7, 199) && lrd_key_shadow_count(shadow) == 1);
  put(shadow, 1);
  lrd_key_shadow_forget(shadow, hash_of(1));
  lrd_key_shadow_forget(shadow, hash_of(2));
  lrd_key_shadow_touch(shadow, hash_of(2));
  assert_false(has(shadow, 1));
  lrd_key_shadow_close(shadow);
}

static bool even(const void *context, uint64_t hash) { return (hash & *(const uint64_t *)context) == 0; }
static uint64_t first_of(void *context, const uint64_t *hashes, size_t len) {
  ++*(unsigned *)context;
  assert_true(len > 0);
  return hashes[0];
}

static void a_part_of_the_keys_stays_and_somebody_else_may_choose(void **state) {
  lrd_key_shadow *shadow = NULL;
  unsigned chosen = 0;
  uint64_t const bit = 1;
  (void)state;
  assert_ok(lrd_key_shadow_open("fifo", 8, first_of, &chosen, &shadow));
  for (uint64_t i = 1; i <= 8; i++) assert_ok(lrd_key_shadow_put(shadow, i, 0));
  lrd_key_shadow_keep(shadow, even, &bit);
  assert_int_equal(lrd_key_shadow_count(shadow), 4);
  for (uint64_t i = 1; i <= 8; i++) assert_int_equal(lrd_key_shadow_has(shadow, i, 0), i % 2 == 0);
  for (uint64_t i = 11; i <= 20; i++) assert_ok(lrd_key_shadow_put(shadow, i, 0));
  assert_int_equal(chosen, 6);
  assert_int_equal(lrd_key_shadow_count(shadow), 8);
  lrd_key_shadow_close(shadow);
}

static void any_policy_of_memory_keeps_them(void **state) {
  (void)state;
  for (size_t p = 0; lrd_memory_policy_name(p); p++) {
    lrd_key_shadow *shadow = NULL;
    uint64_t drawn = 1, hits = 0;
    assert_ok(lrd_key_shadow_open(lrd_memory_policy_name(p), 100, NULL, NULL, &shadow));
    for (unsigned i = 0; i < 20000; i++) {
      drawn = drawn * UINT64_C(6364136223846793005) + 1442695040888963407;
      uint64_t number = (drawn >> 33) % ((drawn >> 20) % 400 + 1); /* small ones are frequent */
      bool hit = has(shadow, number);
      hits += hit;
      if (hit)
        lrd_key_shadow_touch(shadow, hash_of(number));
      else
        put(shadow, number);
      assert_in_range(lrd_key_shadow_count(shadow), 1, 100);
    }
    assert_in_range(hits, 8000, 18000);
    lrd_key_shadow_close(shadow);
  }
}

static void without_memory_there_is_none(void **state) {
  lrd_key_shadow *shadow = NULL;
  lrd_known_keys keys;
  (void)state;
  for (uint64_t n = 1;; n++) {
    int64_t live = support_alloc_live();
    support_alloc_fail_at(n);
    larder_err err = lrd_key_shadow_open("s3-fifo", 10, NULL, NULL, &shadow);
    larder_err known = err == LARDER_OK ? lrd_known_keys_init(&keys, 8, 1) : LARDER_ENOMEM;
    bool failed = support_alloc_end() >= n;
    if (err == LARDER_OK) lrd_key_shadow_close(shadow);
    if (known == LARDER_OK) lrd_known_keys_fini(&keys);
    assert_int_equal(support_alloc_live(), live);
    assert_int_equal(known, failed ? LARDER_ENOMEM : LARDER_OK);
    if (!failed) break;
  }
}

/* --- what is known of keys --------------------------------------------------------------------------------------------------
 */

static void who_is_not_in_memory_is_forgotten_first(void **state) {
  lrd_known_keys keys;
  (void)state;
  assert_ok(lrd_known_keys_init(&keys, 4, 1)); /* eight in all */
  for (uint64_t i = 1; i <= 8; i++) lrd_known_set_here(&keys, lrd_known_meet(&keys, hash_of(i)), i <= 4);
  (void)lrd_known_meet(&keys, hash_of(5));
  (void)lrd_known_meet(&keys, hash_of(9));
  assert_null(lrd_known_find(&keys, hash_of(6))); /* 5 was met since */
  for (uint64_t i = 10; i <= 12; i++) lrd_known_set_here(&keys, lrd_known_meet(&keys, hash_of(i)), true);
  for (uint64_t i = 1; i <= 4; i++) assert_non_null(lrd_known_find(&keys, hash_of(i)));
  (void)lrd_known_meet(&keys, hash_of(1));
  lrd_known_set_here(&keys, lrd_known_meet(&keys, hash_of(13)), true);
  lrd_known_set_here(&keys, lrd_known_meet(&keys, hash_of(14)), true);
  assert_null(lrd_known_find(&keys, hash_of(2))); /* all are in memory now */
  assert_non_null(lrd_known_find(&keys, hash_of(1)));
  assert_int_equal(keys.here_len, 8);
  assert_int_equal(lrd_known_oldest(&keys)->hash, hash_of(3));
  lrd_known_keys_fini(&keys);
}

/* Neither as the last one that is not in memory nor as the oldest one that is. */
static void who_stays_is_not_forgotten(void **state) {
  lrd_known_keys keys;
  (void)state;
  assert_ok(lrd_known_keys_init(&keys, 1, 1));
  lrd_known_key *stays = lrd_known_meet(&keys, 1);
  lrd_known_set_here(&keys, lrd_known_meet(&keys, 2), true);
  assert_int_equal(lrd_known_meet_beside(&keys, 3, stays)->hash, 3);
  assert_int_equal(stays->hash, 1);
  assert_null(lrd_known_find(&keys, 2));
  lrd_known_set_here(&keys, stays, true);
  lrd_known_set_here(&keys, lrd_known_find(&keys, 3), true);
  assert_int_equal(lrd_known_meet_beside(&keys, 4, stays)->hash, 4);
  assert_ptr_equal(lrd_known_find(&keys, 1), stays);
  assert_null(lrd_known_find(&keys, 3));
  lrd_known_keys_fini(&keys);
}

static void what_is_expected_falls_by_half(void **state) {
  lrd_known_keys keys;
  (void)state;
  assert_ok(lrd_known_keys_init(&keys, 100, 1));
  lrd_known_key *key = lrd_known_meet(&keys, 1);
  assert_true(lrd_known_expected(&keys, key, 0) == 0);
  lrd_known_expect(&keys, key, 0, 1);
  assert_true(fabs(lrd_known_expected(&keys, key, 0) - 1) < 1e-9);
  assert_true(fabs(lrd_known_expected(&keys, key, 400) - 0.5) < 1e-9);
  lrd_known_expect(&keys, key, 400, 0.5);
  lrd_known_half_life(&keys, 400, 100);
  assert_true(fabs(lrd_known_expected(&keys, key, 400) - 1) < 1e-9);
  assert_true(fabs(lrd_known_expected(&keys, key, 500) - 0.5) < 1e-9);
  lrd_known_keys_fini(&keys);
}

static void the_least_likely_goes_unless_it_is_spared(void **state) {
  lrd_known_keys keys;
  uint64_t hashes[3];
  (void)state;
  assert_ok(lrd_known_keys_init(&keys, 8, 1));
  assert_null(lrd_known_unlikely(&keys));
  for (uint64_t i = 0; i < 3; i++) {
    lrd_known_key *key = lrd_known_meet(&keys, hashes[i] = hash_of(i + 1));
    lrd_known_set_here(&keys, key, true);
    lrd_known_expect(&keys, key, 0, (double)(i + 1));
  }
  assert_int_equal(lrd_known_unlikely(&keys)->hash, hashes[0]);
  assert_int_equal(lrd_known_unlikely_of(&keys, NULL, hashes, 3), hashes[0]);
  lrd_known_find(&keys, hashes[0])->spared_to_ms = 10;
  keys.now_ms = 9;
  assert_int_equal(lrd_known_unlikely(&keys)->hash, hashes[1]);
  keys.now_ms = 10;
  assert_int_equal(lrd_known_unlikely(&keys)->hash, hashes[0]);
  uint64_t const unknown[] = {hashes[2], 12345, hashes[0]};
  assert_int_equal(lrd_known_unlikely_of(&keys, NULL, unknown, 3), 12345);
  lrd_known_keys_fini(&keys);
}

/* By their numbers; a number that becomes another key's is nobody's before. */
static void with_worth_that_says_who_goes(void **state) {
  lrd_known_keys keys;
  lrd_key_shadow *shadow = NULL;
  uint64_t hashes[3];
  (void)state;
  assert_ok(lrd_known_keys_init(&keys, 8, 1));
  assert_ok(lrd_worth_open(17, 8, &keys.worth));
  assert_ok(lrd_key_shadow_open("fifo", 8, NULL, NULL, &shadow));
  for (uint64_t i = 0; i < 3; i++) {
    lrd_known_key *key = lrd_known_meet(&keys, hashes[i] = hash_of(i + 1));
    lrd_known_set_here(&keys, key, true);
    lrd_known_expect(&keys, key, 0, (double)(i + 1));
    assert_ok(lrd_key_shadow_put(shadow, key->hash, 0));
    for (uint64_t k = i; k < 3; k++) lrd_known_worth_asked(&keys, key); /* the other way round */
  }
  assert_int_equal(lrd_known_unlikely(&keys)->hash, hashes[2]);
  assert_int_equal(lrd_known_unlikely_of(&keys, shadow, hashes, 3), hashes[2]);
  for (unsigned i = 0; i < 9; i++) lrd_known_worth_guessed(&keys, lrd_known_find(&keys, hashes[2]), 1);
  assert_int_equal(lrd_known_unlikely(&keys)->hash, hashes[1]);
  lrd_known_find(&keys, hashes[1])->spared_to_ms = 10;
  assert_int_equal(lrd_known_unlikely(&keys)->hash, hashes[0]);
  for (uint64_t i = 0; i < 16; i++) lrd_known_set_here(&keys, lrd_known_meet(&keys, hash_of(100 + i)), true);
  const lrd_worth_entry kept = {.expires_ms = INFINITY};
  lrd_worth *fresh = NULL;
  assert_ok(lrd_worth_open(17, 8, &fresh));
  for (unsigned i = 0; i < 6; i++) lrd_worth_asked(fresh, 0, 0, 0);
  for (uint32_t number = 1; number <= 16; number++)
    assert_true(lrd_worth_of(keys.worth, number, &kept, 0) == lrd_worth_of(fresh, number, &kept, 0));
  lrd_worth_close(fresh);
  lrd_key_shadow_close(shadow);
  lrd_worth_close(keys.worth);
  lrd_known_keys_fini(&keys);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(by_lru_the_longest_unused_goes),
      cmocka_unit_test(what_is_over_or_forgotten_is_gone),
      cmocka_unit_test(a_part_of_the_keys_stays_and_somebody_else_may_choose),
      cmocka_unit_test(any_policy_of_memory_keeps_them),
      cmocka_unit_test(without_memory_there_is_none),
      cmocka_unit_test(who_is_not_in_memory_is_forgotten_first),
      cmocka_unit_test(who_stays_is_not_forgotten),
      cmocka_unit_test(what_is_expected_falls_by_half),
      cmocka_unit_test(the_least_likely_goes_unless_it_is_spared),
      cmocka_unit_test(with_worth_that_says_who_goes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
