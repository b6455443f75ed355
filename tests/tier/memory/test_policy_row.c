/* SPDX-License-Identifier: Apache-2.0 */
/* Each policy by itself, over a row of records. */
#include "support/support.h"

#include "tier/memory/policy_row.h"

#define RECORDS 16u
#define WEIGHT  100u /* by bytes */

static uint64_t hash_of(void *context, const lrd_record *record) {
  (void)context;
  uint64_t key = lrd_record_key_len(record) == 4 ? lrd_get_u32(lrd_record_key(record)) : lrd_get_u64(lrd_record_key(record));
  return key * UINT64_C(0x9e3779b97f4a7c15);
}

static lrd_policy_row_options how_of(const char *policy, uint32_t key_len, bool by_bytes) {
  return (lrd_policy_row_options){.policy = policy,
                                  .records = RECORDS,
                                  .key_len = key_len,
                                  .by_bytes = by_bytes,
                                  .room = by_bytes ? RECORDS * WEIGHT : RECORDS,
                                  .hash_of = hash_of};
}

/* Numbers go round, so that most are new; every third is read once more. */
static void live(lrd_policy_row *row, uint32_t key_len) {
  uint32_t there[RECORDS] = {0};
  uint64_t const high = key_len == 8 ? UINT64_C(1) << 40 : 0;
  for (uint64_t i = 0; i < 500; i++) {
    uint32_t free = 0;
    while (free < RECORDS && there[free] != 0) free++;
    if (free == RECORDS) {
      uint32_t victim = lrd_policy_row_victim(row);
      for (free = 0; free < RECORDS && there[free] != victim; free++) continue;
      assert_in_range(free, 0, RECORDS - 1); /* one of those that are there */
      lrd_policy_row_drop(row, victim, true);
    }
    there[free] = lrd_policy_row_put(row, high + i, WEIGHT);
    assert_in_range(there[free], LRD_ROW_UNITS, (uint64_t)RECORDS * LRD_ROW_UNITS); /* records are handed out again */
    assert_int_equal(there[free] % LRD_ROW_UNITS, 0);
    const uint8_t *key = lrd_record_key(lrd_arena_at(&row->arena, there[free]));
    assert_int_equal(key_len == 4 ? lrd_get_u32(key) : lrd_get_u64(key), high + i);
    if (i % 3 == 0) lrd_policy_row_touch(row, there[free]);
    if (i % 50 == 49) {
      lrd_policy_row_drop(row, there[i % RECORDS], false);
      there[i % RECORDS] = 0;
    }
    assert_null(lrd_policy_verify(row->policy));
  }
}

static void each_policy_says_who_goes(void **state) {
  (void)state;
  for (size_t n = 0; lrd_memory_policy_name(n); n++)
    for (unsigned way = 0; way < 3; way++) {
      bool by_bytes = way == 2;
      uint32_t key_len = way == 0 ? 8 : 4;
      lrd_policy_row row;
      lrd_policy_row_options how = how_of(lrd_memory_policy_name(n), key_len, by_bytes);
      assert_ok(lrd_policy_row_init(&row, &how));
      live(&row, key_len);
      uint64_t count = lrd_policy_count(row.policy);
      assert_in_range(count, 1, RECORDS);
      assert_int_equal(lrd_policy_total(row.policy), by_bytes ? count * WEIGHT : count);
      lrd_policy_row_fini(&row);
    }
}

/* Less than a record's own length, too. */
static void a_record_weighs_what_is_said_of_it(void **state) {
  (void)state;
  lrd_policy_row row;
  lrd_policy_row_options how = how_of("lru", 4, true);
  assert_ok(lrd_policy_row_init(&row, &how));
  (void)lrd_policy_row_put(&row, 1, 7);
  (void)lrd_policy_row_put(&row, 2, 5000);
  assert_int_equal(lrd_policy_total(row.policy), 5007);
  lrd_policy_row_fini(&row);
  lrd_policy_row_fini(&row); /* there is nothing left of it */
}

static void without_memory_nothing_is_left(void **state) {
  (void)state;
  for (size_t n = 0; lrd_memory_policy_name(n); n++)
    for (uint64_t fail = 1;; fail++) {
      lrd_policy_row row = {0};
      lrd_policy_row_options how = how_of(lrd_memory_policy_name(n), 4, false);
      int64_t before = support_alloc_live();
      support_alloc_fail_at(fail);
      larder_err err = lrd_policy_row_init(&row, &how);
      uint32_t handle = err == LARDER_OK ? lrd_policy_row_put(&row, 1, 1) : 0;
      bool failed = support_alloc_end() >= fail;
      assert_true(err == LARDER_OK || (failed && err == LARDER_ENOMEM));
      if (err == LARDER_OK) assert_int_equal(lrd_policy_count(row.policy), handle != 0);
      if (!failed) assert_true(handle != 0);
      lrd_policy_row_fini(&row);
      assert_int_equal(support_alloc_live(), before);
      if (!failed) break;
    }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_policy_says_who_goes),
      cmocka_unit_test(a_record_weighs_what_is_said_of_it),
      cmocka_unit_test(without_memory_nothing_is_left),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
