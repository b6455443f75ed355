/* SPDX-License-Identifier: Apache-2.0 */
/* Hard limits, eviction, expiry, tombstones and the totals behind them. */
#include "sqlite_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int setup(void **state) {
  sqlite_rig *rig = calloc(1, sizeof *rig);
  if (rig == NULL) return -1;
  rig_init(rig);
  *state = rig;
  return 0;
}

static int teardown(void **state) {
  sqlite_rig *rig = *state;
  assert_int_equal(atomic_load(&rig->owned), 0);
  rig_fini(rig);
  free(rig);
  return 0;
}

static void name_of(int i, char out[24]) { (void)snprintf(out, 24, "key-%d", i); }

/* Puts text that says which one it is; the clock moves on, so later is used later. */
static larder_err put_one(sqlite_rig *rig, int i, size_t len) {
  char key[24];
  name_of(i, key);
  char *value = rig_value((uint64_t)i, len);
  lrd_clock_moved_advance_ms(&rig->clock, 1);
  larder_err const err = rig_put_result(rig, key, rig_stamp(rig, 0), value, len);
  free(value);
  return err;
}

static int count_there(sqlite_rig *rig, int first, int end) {
  int there = 0;
  for (int i = first; i < end; i++) {
    char key[24];
    name_of(i, key);
    larder_err const err = rig_get_err(rig, key);
    assert_true(err == LARDER_OK || err == LARDER_MISS);
    there += err == LARDER_OK;
  }
  return there;
}

static void check_is_clean(sqlite_rig *rig) {
  larder_tier_report report = {0};
  assert_ok(lrd_sqlite_tier.check(rig->tier, false, &report, NULL, NULL, NULL));
  assert_int_equal(report.damaged, 0);
}

static void entries_of_the_instance_are_a_hard_limit(void **state) {
  sqlite_rig *rig = *state;
  rig->entries_max = 100;
  rig_must_open(rig);
  for (int i = 0; i < 500; i++) {
    assert_ok(put_one(rig, i, 100));
    assert_true(rig_usage(rig).entries <= 100);
  }
  assert_int_equal(rig_usage(rig).entries, 100);
  assert_int_equal(atomic_load(&rig->evicted[LARDER_EVICT_ENTRIES]), 400);
  assert_int_equal(count_there(rig, 0, 500), 100);
  assert_true(count_there(rig, 250, 500) >= 70); /* nearly least recently used: chance would be 50 */
  check_is_clean(rig);
}

static void bytes_of_the_instance_are_a_hard_limit_with_files_counted(void **state) {
  sqlite_rig *rig = *state;
  rig->bytes_max = 4 << 20;
  rig_must_open(rig);
  for (int i = 0; i < 300; i++) {
    assert_ok(put_one(rig, i, i % 5 == 0 ? 100000 : 9000));
    assert_true(rig_usage(rig).bytes <= rig->bytes_max);
  }
  assert_true(atomic_load(&rig->evicted[LARDER_EVICT_CAPACITY]) > 100);
  assert_true(rig_usage(rig).bytes > rig->bytes_max / 2);
  check_is_clean(rig);
}

static void what_is_counted_is_what_the_disk_holds(void **state) {
  sqlite_rig *rig = *state;
  rig_must_open(rig);
  for (int i = 0; i < 3000; i++) assert_ok(put_one(rig, i, (size_t)(i % 13) * 311));
  uint64_t const counted = rig_usage(rig).bytes;
  rig_close(rig);
  int64_t const pages = rig_sql(rig->path, "PRAGMA page_count");
  uint64_t const held = (uint64_t)pages * 8192;
  print_message("counted %llu, held %llu\n", (unsigned long long)counted, (unsigned long long)held);
  assert_true(counted > held - held / 8);
  assert_true(counted < held + held / 4);
}

static void a_space_has_limits_of_its_own(void **state) {
  sqlite_rig *rig = *state;
  rig->space_entries_max = 10;
  rig_must_open(rig);
  larder_tier_space const other = {.size = sizeof other, .name = "others"};
  uint32_t number = 0;
  assert_ok(lrd_sqlite_tier.bind(rig->tier, &other, &number));
  uint32_t const mine = rig->space;
  rig->space = number;
  for (int i = 0; i < 300; i++) assert_ok(put_one(rig, i, 10));
  rig->space = mine;
  for (int i = 1000; i < 1050; i++) assert_ok(put_one(rig, i, 10));
  assert_int_equal(count_there(rig, 1000, 1050), 10);
  rig->space = number;
  assert_int_equal(count_there(rig, 0, 300), 300);
  rig->space = mine;
  larder_tier_usage usage;
  assert_ok(lrd_sqlite_tier.usage(rig->tier, mine, &usage));
  assert_int_equal(usage.entries, 10);
  assert_int_equal(usage.entries_max, 10);
  assert_int_equal(rig_usage(rig).entries, 310);
}

static void expired_entries_go_before_live_ones(void **state) {
  sqlite_rig *rig = *state;
  rig->entries_max = 40;
  rig_must_open(rig);
  for (int i = 0; i < 40; i++) {
    char key[24];
    name_of(i, key);
    larder_tier_write item = rig_write(rig, LARDER_TIER_PUT, key, rig_stamp(rig, 1), "x", 1);
    if (i >= 30) item.facts.expires_soft_ms = item.facts.expires_hard_ms = lrd_wall_ms(&rig->clock.clock) + 5000;
    assert_ok(rig_do(rig, &item, LARDER_DURABILITY_COMMIT));
    lrd_clock_moved_advance_ms(&rig->clock, 1);
  }
  lrd_clock_moved_advance_ms(&rig->clock, 10000);
  for (int i = 100; i < 110; i++) assert_ok(put_one(rig, i, 1));
  assert_int_equal(atomic_load(&rig->evicted[LARDER_EVICT_EXPIRED]), 10);
  assert_int_equal(count_there(rig, 0, 30), 30);
}

static void what_was_read_lately_stays(void **state) {
  sqlite_rig *rig = *state;
  rig->entries_max = 64;
  rig_must_open(rig);
  for (int i = 0; i < 64; i++) assert_ok(put_one(rig, i, 10));
  lrd_clock_moved_advance_ms(&rig->clock, 60000);
  assert_int_equal(count_there(rig, 0, 16), 16);
  assert_ok(lrd_sqlite_tier.flush(rig->tier));
  for (int i = 100; i < 116; i++) assert_ok(put_one(rig, i, 10));
  assert_int_equal(count_there(rig, 0, 16), 16);
  assert_int_equal(count_there(rig, 16, 64), 32);
}

static void a_victim_whose_slot_is_held_stays(void **state) {
  sqlite_rig *rig = *state;
  rig->entries_max = 10;
  rig_must_open(rig);
  for (int i = 0; i < 10; i++) {
    char key[24];
    name_of(i, key);
    assert_ok(put_one(rig, i, 10));
    if (i < 9) rig->held[rig->held_count++] = rig_hash(key);
  }
  assert_ok(put_one(rig, 10, 10));
  assert_int_equal(count_there(rig, 0, 9), 9);
  assert_int_equal(count_there(rig, 9, 10), 0);
}

static void a_refused_put_leaves_nothing_under_its_key(void **state) {
  sqlite_rig *rig = *state;
  rig->entries_max = 3;
  rig->bytes_max = 100000;
  rig_must_open(rig);
  for (int i = 0; i < 3; i++) assert_ok(put_one(rig, i, 10));
  rig->refuse_all = true;
  assert_err(put_one(rig, 3, 10), LARDER_NOT_KEPT);
  assert_int_equal(rig_usage(rig).entries, 3);
  rig->refuse_all = false;
  /* Larger than everything: the older, smaller value must not stay either, and a late older one loses. */
  assert_err(put_one(rig, 1, 200000), LARDER_NOT_KEPT);
  rig_assert_miss(rig, "key-1");
  assert_err(rig_put_result(rig, "key-1", 1, "late", 4), LARDER_OLDER);
  check_is_clean(rig);
  uint64_t removed = 0;
  lrd_clock_moved_advance_ms(&rig->clock, 3600000);
  assert_ok(lrd_sqlite_tier.sweep(rig->tier, 1000, true, &removed));
}

static void a_batch_at_the_limit_keeps_within_it(void **state) {
  sqlite_rig *rig = *state;
  rig->entries_max = 600;
  rig_must_open(rig);
  enum { BATCH = 500 };
  static larder_tier_write items[BATCH];
  static char keys[BATCH][28];
  for (int round = 0; round < 4; round++) {
    for (int i = 0; i < BATCH; i++) {
      (void)snprintf(keys[i], sizeof keys[i], "r%d-%d", round, i);
      items[i] = rig_write(rig, LARDER_TIER_PUT, keys[i], rig_stamp(rig, 1), "x", 1);
    }
    lrd_clock_moved_advance_ms(&rig->clock, 1000);
    assert_ok(lrd_sqlite_tier.write(rig->tier, items, BATCH, LARDER_DURABILITY_COMMIT));
    for (int i = 0; i < BATCH; i++) {
      assert_ok(items[i].result);
      assert_ok(rig_get_err(rig, keys[i])); /* its own keys are no victims */
    }
    assert_true(rig_usage(rig).entries <= 600);
  }
  check_is_clean(rig);
}

static void sweep_removes_the_expired_and_old_tombstones_only(void **state) {
  sqlite_rig *rig = *state;
  rig_must_open(rig);
  for (int i = 0; i < 30; i++) {
    char key[24];
    name_of(i, key);
    larder_tier_write item = rig_write(rig, LARDER_TIER_PUT, key, rig_stamp(rig, 1), "x", 1);
    if (i < 10) item.facts.expires_soft_ms = item.facts.expires_hard_ms = lrd_wall_ms(&rig->clock.clock) + 20000;
    assert_ok(rig_do(rig, &item, LARDER_DURABILITY_COMMIT));
    if (i >= 20) assert_ok(rig_delete(rig, key, rig_stamp(rig, 2)));
  }
  uint64_t removed = 99;
  assert_ok(lrd_sqlite_tier.sweep(rig->tier, 1000, true, &removed));
  assert_int_equal(removed, 0);
  lrd_clock_moved_advance_ms(&rig->clock, 20000);
  assert_ok(lrd_sqlite_tier.sweep(rig->tier, 1000, false, &removed)); /* the clock has just stepped */
  assert_int_equal(removed, 0);
  assert_ok(lrd_sqlite_tier.sweep(rig->tier, 1000, true, &removed));
  assert_int_equal(removed, 10);
  assert_int_equal(atomic_load(&rig->evicted[LARDER_EVICT_EXPIRED]), 10);
  lrd_clock_moved_advance_ms(&rig->clock, 10 * 60 * 1000 - 20001);
  assert_ok(lrd_sqlite_tier.sweep(rig->tier, 1000, true, &removed));
  assert_int_equal(removed, 0);
  lrd_clock_moved_advance_ms(&rig->clock, 1);
  rig->refuse_all = true;
  assert_ok(lrd_sqlite_tier.sweep(rig->tier, 1000, true, &removed));
  assert_int_equal(removed, 0);
  rig->refuse_all = false;
  assert_ok(lrd_sqlite_tier.sweep(rig->tier, 1000, true, &removed));
  assert_int_equal(removed, 10);
  assert_int_equal(rig_usage(rig).entries, 10);
  rig_close(rig);
  assert_int_equal(rig_sql(rig->path, "SELECT count(*) FROM entries"), 10);
}

static void sweep_examines_no_more_than_it_may(void **state) {
  sqlite_rig *rig = *state;
  rig_must_open(rig);
  for (int i = 0; i < 100; i++) {
    char key[24];
    name_of(i, key);
    larder_tier_write item = rig_write(rig, LARDER_TIER_PUT, key, rig_stamp(rig, 1), "x", 1);
    item.facts.expires_soft_ms = item.facts.expires_hard_ms = lrd_wall_ms(&rig->clock.clock) + 1;
    assert_ok(rig_do(rig, &item, LARDER_DURABILITY_COMMIT));
  }
  lrd_clock_moved_advance_ms(&rig->clock, 20000);
  uint64_t removed = 0, all = 0;
  for (int i = 0; i < 10; i++) {
    assert_ok(lrd_sqlite_tier.sweep(rig->tier, 10, true, &removed));
    assert_int_equal(removed, 10);
    all += removed;
  }
  assert_int_equal(all, 100);
}

static void the_number_of_tombstones_is_bounded(void **state) {
  sqlite_rig *rig = *state;
  rig->options = "tombstones_max=50";
  rig_must_open(rig);
  for (int i = 0; i < 400; i++) {
    char key[24];
    name_of(i, key);
    assert_ok(rig_delete(rig, key, rig_stamp(rig, (uint64_t)i)));
  }
  uint64_t removed = 0;
  for (int i = 0; i < 10; i++) assert_ok(lrd_sqlite_tier.sweep(rig->tier, 10000, true, &removed));
  rig_close(rig);
  assert_true(rig_sql(rig->path, "SELECT count(*) FROM entries") <= 50);
}

static void totals_survive_a_restart_and_are_counted_after_a_crash(void **state) {
  sqlite_rig *rig = *state;
  rig_must_open(rig);
  for (int i = 0; i < 50; i++) assert_ok(put_one(rig, i, 1000));
  larder_tier_usage const before = rig_usage(rig);
  assert_int_equal(before.entries, 50);
  rig_close(rig);
  assert_int_equal(rig_sql(rig->path, "SELECT sum(entries) FROM spaces"), 50);
  rig_must_open(rig);
  larder_tier_usage const after = rig_usage(rig);
  assert_memory_equal(&before, &after, sizeof before);
  rig_close(rig);
  /* As after a power cut: the mark is 0 and the totals are of an older time. */
  assert_int_equal(rig_sql(rig->path, "UPDATE meta SET value = 0 WHERE name = 'clean'; UPDATE spaces SET entries = 7"), 0);
  rig_must_open(rig);
  larder_tier_usage const counted = rig_usage(rig);
  assert_memory_equal(&before, &counted, sizeof before);
}

static void check_finds_and_mends_wrong_totals(void **state) {
  sqlite_rig *rig = *state;
  rig_must_open(rig);
  for (int i = 0; i < 5; i++) assert_ok(put_one(rig, i, 10));
  rig_close(rig);
  assert_int_equal(rig_sql(rig->path, "UPDATE spaces SET entries = 7, bytes = 1"), 0);
  rig_must_open(rig);
  larder_tier_report report = {0};
  assert_ok(lrd_sqlite_tier.check(rig->tier, true, &report, NULL, NULL, NULL));
  assert_int_equal(report.damaged, 1);
  assert_int_equal(report.repaired, 1);
  assert_int_equal(rig_usage(rig).entries, 5);
  check_is_clean(rig);
}

int main(void) {
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
  const struct CMUnitTest tests[] = {
      TEST(entries_of_the_instance_are_a_hard_limit),
      TEST(bytes_of_the_instance_are_a_hard_limit_with_files_counted),
      TEST(what_is_counted_is_what_the_disk_holds),
      TEST(a_space_has_limits_of_its_own),
      TEST(expired_entries_go_before_live_ones),
      TEST(what_was_read_lately_stays),
      TEST(a_victim_whose_slot_is_held_stays),
      TEST(a_refused_put_leaves_nothing_under_its_key),
      TEST(a_batch_at_the_limit_keeps_within_it),
      TEST(sweep_removes_the_expired_and_old_tombstones_only),
      TEST(sweep_examines_no_more_than_it_may),
      TEST(the_number_of_tombstones_is_bounded),
      TEST(totals_survive_a_restart_and_are_counted_after_a_crash),
      TEST(check_finds_and_mends_wrong_totals),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
