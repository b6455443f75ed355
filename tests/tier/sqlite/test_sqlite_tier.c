/* SPDX-License-Identifier: Apache-2.0 */
/* The contract's operations on a healthy database: what is stored comes back, the newest stamp wins, scans resume. */
#include "sqlite_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int setup(void **state) {
  sqlite_rig *rig = calloc(1, sizeof *rig);
  if (rig == NULL) return -1;
  rig_init(rig);
  rig_must_open(rig);
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

static void what_was_put_comes_back_with_all_facts(void **state) {
  sqlite_rig *rig = *state;
  int64_t const now = lrd_wall_ms(&rig->clock.clock);
  larder_tier_write item = rig_write(rig, LARDER_TIER_PUT, "k", rig_stamp(rig, 1), "value", 5);
  item.facts.kind = LARDER_KIND_JSON;
  item.facts.expires_soft_ms = now + 1000;
  item.facts.expires_hard_ms = now + 2000;
  item.facts.version = "v7";
  item.facts.version_len = 2;
  item.facts.meta = "some\0meta";
  item.facts.meta_len = 9;
  item.facts.tags = "\3abc\2xy";
  item.facts.tags_len = 7;
  assert_ok(rig_do(rig, &item, LARDER_DURABILITY_COMMIT));
  assert_false(item.existed);
  for (int facts_only = 0; facts_only < 2; facts_only++) {
    larder_tier_key const key = rig_key(rig, "k");
    larder_tier_entry entry;
    assert_ok(lrd_sqlite_tier.get(rig->tier, &key, facts_only != 0, NULL, &entry));
    if (facts_only)
      assert_null(entry.value);
    else
      assert_memory_equal(entry.value, "value", 5);
    assert_int_equal(entry.facts.value_len, 5);
    assert_int_equal(entry.facts.stamp, item.facts.stamp);
    assert_int_equal(entry.facts.kind, LARDER_KIND_JSON);
    assert_int_equal(entry.facts.expires_soft_ms, now + 1000);
    assert_int_equal(entry.facts.expires_hard_ms, now + 2000);
    assert_int_equal(entry.facts.version_len, 2);
    assert_memory_equal(entry.facts.version, "v7", 2);
    assert_int_equal(entry.facts.meta_len, 9);
    assert_memory_equal(entry.facts.meta, "some\0meta", 9);
    assert_int_equal(entry.facts.tags_len, 7);
    assert_memory_equal(entry.facts.tags, "\3abc\2xy", 7);
    lrd_sqlite_tier.release(rig->tier, &entry);
  }
}

static void the_newest_stamp_wins_in_any_order(void **state) {
  sqlite_rig *rig = *state;
  rig_put(rig, "k", 200, "new");
  larder_tier_write late = rig_write(rig, LARDER_TIER_PUT, "k", 100, "old", 3);
  assert_err(rig_do(rig, &late, LARDER_DURABILITY_COMMIT), LARDER_OLDER);
  assert_int_equal(late.stored_stamp, 200);
  assert_true(late.existed);
  rig_assert_value(rig, "k", "new");
  assert_err(rig_put_result(rig, "k", 200, "same", 4), LARDER_OLDER);
  assert_err(rig_delete(rig, "k", 199), LARDER_OLDER);
  rig_put(rig, "k", 201, "newer");
  rig_assert_value(rig, "k", "newer");
}

static void a_tombstone_refuses_what_is_older(void **state) {
  sqlite_rig *rig = *state;
  rig_put(rig, "k", 100, "a");
  larder_tier_write gone = rig_write(rig, LARDER_TIER_DELETE, "k", 150, NULL, 0);
  assert_ok(rig_do(rig, &gone, LARDER_DURABILITY_COMMIT));
  assert_true(gone.existed);
  rig_assert_miss(rig, "k");
  assert_err(rig_put_result(rig, "k", 120, "late", 4), LARDER_OLDER);
  rig_assert_miss(rig, "k");
  assert_int_equal(rig_usage(rig).entries, 0);
  /* Forgetting leaves it: it is what keeps the late one out. */
  larder_tier_write forget = rig_write(rig, LARDER_TIER_FORGET, "k", 0, NULL, 0);
  assert_ok(rig_do(rig, &forget, LARDER_DURABILITY_COMMIT));
  assert_false(forget.existed);
  assert_err(rig_put_result(rig, "k", 150, "late", 4), LARDER_OLDER);
  larder_tier_write again = rig_write(rig, LARDER_TIER_DELETE, "k", 160, NULL, 0);
  assert_ok(rig_do(rig, &again, LARDER_DURABILITY_COMMIT));
  assert_false(again.existed);
  rig_put(rig, "k", 161, "back");
  rig_assert_value(rig, "k", "back");
}

static void a_delete_of_nothing_is_remembered_too(void **state) {
  sqlite_rig *rig = *state;
  larder_tier_write gone = rig_write(rig, LARDER_TIER_DELETE, "k", 150, NULL, 0);
  assert_ok(rig_do(rig, &gone, LARDER_DURABILITY_COMMIT));
  assert_false(gone.existed);
  assert_err(rig_put_result(rig, "k", 120, "late", 4), LARDER_OLDER);
}

static void forget_removes_and_remembers_nothing(void **state) {
  sqlite_rig *rig = *state;
  rig_put(rig, "k", 100, "a");
  larder_tier_write forget = rig_write(rig, LARDER_TIER_FORGET, "k", 0, NULL, 0);
  assert_ok(rig_do(rig, &forget, LARDER_DURABILITY_COMMIT));
  assert_true(forget.existed);
  rig_assert_miss(rig, "k");
  rig_put(rig, "k", 50, "older is fine");
  rig_assert_value(rig, "k", "older is fine");
}

static void only_stamp_guards_every_verb(void **state) {
  sqlite_rig *rig = *state;
  rig_put(rig, "k", 100, "a");
  for (int verb = LARDER_TIER_PUT; verb <= LARDER_TIER_FORGET; verb++) {
    larder_tier_write item = rig_write(rig, (larder_tier_verb)verb, "k", 500, "x", 1);
    item.only_stamp = 99;
    assert_err(rig_do(rig, &item, LARDER_DURABILITY_COMMIT), LARDER_OLDER);
    assert_int_equal(item.stored_stamp, 100);
  }
  rig_assert_value(rig, "k", "a");
  larder_tier_write item = rig_write(rig, LARDER_TIER_FORGET, "k", 0, NULL, 0);
  item.only_stamp = 100;
  assert_ok(rig_do(rig, &item, LARDER_DURABILITY_COMMIT));
  rig_assert_miss(rig, "k");
}

static void touch_moves_expiry_and_stamp(void **state) {
  sqlite_rig *rig = *state;
  int64_t const now = lrd_wall_ms(&rig->clock.clock);
  larder_tier_write touch = rig_write(rig, LARDER_TIER_TOUCH, "k", 300, NULL, 0);
  assert_err(rig_do(rig, &touch, LARDER_DURABILITY_COMMIT), LARDER_MISS);
  rig_put(rig, "k", 100, "a");
  touch.facts.expires_soft_ms = touch.facts.expires_hard_ms = now + 10;
  assert_ok(rig_do(rig, &touch, LARDER_DURABILITY_COMMIT));
  rig_assert_value(rig, "k", "a");
  assert_err(rig_put_result(rig, "k", 299, "b", 1), LARDER_OLDER);
  lrd_clock_moved_advance_ms(&rig->clock, 9);
  rig_assert_value(rig, "k", "a");
  lrd_clock_moved_advance_ms(&rig->clock, 1);
  rig_assert_miss(rig, "k");
}

static void two_keys_of_one_hash_share_a_place(void **state) {
  sqlite_rig *rig = *state;
  larder_tier_write a = rig_write(rig, LARDER_TIER_PUT, "a", 100, "of a", 4);
  larder_tier_write b = rig_write(rig, LARDER_TIER_PUT, "b", 200, "of b", 4);
  b.key.hash = a.key.hash;
  assert_ok(rig_do(rig, &a, LARDER_DURABILITY_COMMIT));
  larder_tier_entry entry;
  assert_err(lrd_sqlite_tier.get(rig->tier, &b.key, false, NULL, &entry), LARDER_MISS);
  assert_ok(rig_do(rig, &b, LARDER_DURABILITY_COMMIT));
  assert_false(b.existed);
  assert_err(lrd_sqlite_tier.get(rig->tier, &a.key, false, NULL, &entry), LARDER_MISS);
  assert_ok(lrd_sqlite_tier.get(rig->tier, &b.key, false, NULL, &entry));
  assert_memory_equal(entry.value, "of b", 4);
  lrd_sqlite_tier.release(rig->tier, &entry);
  assert_int_equal(rig_usage(rig).entries, 1);
  a.facts.stamp = 150; /* older than what holds the place */
  assert_err(rig_do(rig, &a, LARDER_DURABILITY_COMMIT), LARDER_NOT_KEPT);
}

static void spaces_are_apart_and_keep_their_number(void **state) {
  sqlite_rig *rig = *state;
  larder_tier_space const other = {.size = sizeof other, .name = "others"};
  uint32_t number = 0;
  assert_ok(lrd_sqlite_tier.bind(rig->tier, &other, &number));
  assert_int_not_equal(number, rig->space);
  rig_put(rig, "k", 100, "mine");
  larder_tier_key key = rig_key(rig, "k");
  key.space = number;
  larder_tier_entry entry;
  assert_err(lrd_sqlite_tier.get(rig->tier, &key, false, NULL, &entry), LARDER_MISS);
  uint32_t const first = rig->space;
  rig_close(rig);
  rig_must_open(rig);
  assert_int_equal(rig->space, first);
  uint32_t again = 0;
  assert_ok(lrd_sqlite_tier.bind(rig->tier, &other, &again));
  assert_int_equal(again, number);
  rig_assert_value(rig, "k", "mine");
}

static void empty_and_huge_values_survive_a_restart(void **state) {
  sqlite_rig *rig = *state;
  size_t const sizes[] = {0, 1, 8000, 9000, 65535, 65536, 3000000};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    char key[16];
    (void)snprintf(key, sizeof key, "k%zu", i);
    char *value = rig_value(i, sizes[i]);
    larder_tier_write item = rig_write(rig, LARDER_TIER_PUT, key, rig_stamp(rig, i), value, sizes[i]);
    assert_ok(rig_do(rig, &item, i % 2 ? LARDER_DURABILITY_SYNC : LARDER_DURABILITY_COMMIT));
    free(value);
  }
  for (int round = 0; round < 2; round++) {
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
      char key[16];
      (void)snprintf(key, sizeof key, "k%zu", i);
      char *value = rig_value(i, sizes[i]);
      rig_assert_value(rig, key, value);
      free(value);
    }
    rig_close(rig);
    rig_must_open(rig);
  }
  assert_int_equal(rig_usage(rig).entries, 7);
}

typedef struct walk {
  size_t count;
  size_t stop_after;
  uint64_t last_hash;
  uint64_t bytes;
} walk;

static bool visit(void *context, const larder_tier_key *key, const larder_facts *facts, const void *value) {
  walk *seen = context;
  assert_true(seen->count == 0 || key->hash > seen->last_hash);
  seen->last_hash = key->hash;
  if (value != NULL) seen->bytes += facts->value_len;
  seen->count++;
  return seen->count != seen->stop_after;
}

static void scans_resume_and_skip_what_is_dead(void **state) {
  sqlite_rig *rig = *state;
  for (int i = 0; i < 700; i++) {
    char key[16];
    (void)snprintf(key, sizeof key, "k%d", i);
    rig_put(rig, key, 100, "12345");
    if (i % 7 == 0) assert_ok(rig_delete(rig, key, 101));
  }
  larder_tier_cursor cursor = {0};
  walk seen = {0};
  larder_err err = LARDER_OK;
  int calls = 0;
  while ((err = lrd_sqlite_tier.scan(rig->tier, rig->space, &cursor, 50, true, visit, &seen)) == LARDER_OK) {
    if (++calls == 3) { /* a cursor outlives the tier */
      rig_close(rig);
      rig_must_open(rig);
    }
  }
  assert_err(err, LARDER_END);
  assert_int_equal(seen.count, 600);
  assert_int_equal(seen.bytes, 3000);
  assert_true(calls >= 13);
  larder_tier_cursor again = {0};
  seen.count = 0;
  seen.stop_after = 5;
  assert_ok(lrd_sqlite_tier.scan(rig->tier, rig->space, &again, 1000, false, visit, &seen));
  assert_int_equal(seen.count, 5);
  assert_int_equal(again.position, seen.last_hash + 1);
}

static void tags_find_their_entries_and_no_others(void **state) {
  sqlite_rig *rig = *state;
  for (int i = 0; i < 60; i++) {
    char key[16];
    (void)snprintf(key, sizeof key, "k%d", i);
    larder_tier_write item = rig_write(rig, LARDER_TIER_PUT, key, 100, "x", 1);
    item.facts.tags = i % 3 == 0 ? "\3red\4wide" : "\4blue";
    item.facts.tags_len = i % 3 == 0 ? 9 : 5;
    assert_ok(rig_do(rig, &item, LARDER_DURABILITY_COMMIT));
  }
  walk seen = {0};
  larder_tier_cursor cursor = {0};
  while (lrd_sqlite_tier.scan_tag(rig->tier, rig->space, "red", 3, &cursor, 7, visit, &seen) == LARDER_OK) {
  }
  assert_int_equal(seen.count, 20);
  assert_ok(rig_delete(rig, "k0", 101));
  rig_put(rig, "k3", 101, "untagged now");
  seen.count = 0;
  cursor = (larder_tier_cursor){0};
  assert_err(lrd_sqlite_tier.scan_tag(rig->tier, rig->space, "red", 3, &cursor, 1000, visit, &seen), LARDER_END);
  assert_int_equal(seen.count, 18);
  rig_close(rig);
  assert_int_equal(rig_sql(rig->path, "SELECT count(*) FROM tags"), 18 * 2 + 40);
}

static void forget_range_takes_a_slot_and_nothing_else(void **state) {
  sqlite_rig *rig = *state;
  uint64_t const hashes[] = {0, 1ull << 40, (1ull << 50) - 1, 1ull << 50, 1ull << 63, UINT64_MAX};
  for (size_t i = 0; i < 6; i++) {
    larder_tier_write item = rig_write(rig, LARDER_TIER_PUT, "k", 100, "x", 1);
    item.key.hash = hashes[i];
    assert_ok(rig_do(rig, &item, LARDER_DURABILITY_COMMIT));
  }
  uint64_t removed = 0;
  assert_ok(lrd_sqlite_tier.forget_range(rig->tier, 0, (1ull << 50) - 1, &removed));
  assert_int_equal(removed, 3);
  assert_ok(lrd_sqlite_tier.forget_range(rig->tier, UINT64_MAX - 7, UINT64_MAX, &removed));
  assert_int_equal(removed, 1);
  assert_int_equal(rig_usage(rig).entries, 2);
  assert_ok(lrd_sqlite_tier.forget_range(rig->tier, 0, UINT64_MAX, &removed));
  assert_int_equal(removed, 2);
  assert_int_equal(rig_usage(rig).bytes, 0);
}

static void a_batch_is_one_and_each_item_has_its_result(void **state) {
  sqlite_rig *rig = *state;
  rig_put(rig, "a", 100, "old");
  larder_tier_write items[4] = {
      rig_write(rig, LARDER_TIER_PUT, "a", 50, "x", 1), rig_write(rig, LARDER_TIER_PUT, "b", 200, "b", 1),
      rig_write(rig, LARDER_TIER_TOUCH, "c", 200, NULL, 0), rig_write(rig, LARDER_TIER_DELETE, "b", 201, NULL, 0)};
  assert_ok(lrd_sqlite_tier.write(rig->tier, items, 4, LARDER_DURABILITY_COMMIT));
  assert_err(items[0].result, LARDER_OLDER);
  assert_ok(items[1].result);
  assert_err(items[2].result, LARDER_MISS);
  assert_ok(items[3].result);
  assert_true(items[3].existed);
  rig_assert_miss(rig, "b");
  items[2].key.len = 0;
  items[1].facts.stamp = 300;
  assert_err(lrd_sqlite_tier.write(rig->tier, items, 4, LARDER_DURABILITY_COMMIT), LARDER_EINVAL);
  rig_assert_miss(rig, "b");
}

static void options_are_checked(void **state) {
  sqlite_rig *rig = *state;
  rig_close(rig);
  const char *const wrong[] = {"nonsense=1",  "readers_max=0", "readers_max=65", "checksums=2",
                               "mmap_bytes=", "mmap_bytes=x",  "mmap_bytes"};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    rig->options = wrong[i];
    assert_err(rig_open(rig), LARDER_EINVAL);
    assert_non_null(strstr(rig->error.message, "option"));
  }
  rig->options = "mmap_bytes=0\nreaders_max=1\n\nchecksums=0\n";
  rig_must_open(rig);
}

static void another_seed_is_refused(void **state) {
  sqlite_rig *rig = *state;
  rig_put(rig, "k", 1, "v");
  rig_close(rig);
  rig->seed = 43;
  assert_err(rig_open(rig), LARDER_EFORMAT);
  rig->seed = 42;
  rig_must_open(rig);
  rig_assert_value(rig, "k", "v");
}

static void accesses_are_counted_in_batches(void **state) {
  sqlite_rig *rig = *state;
  rig_put(rig, "k", 1, "v");
  lrd_clock_moved_advance_ms(&rig->clock, 5000);
  for (int i = 0; i < 10; i++) rig_assert_value(rig, "k", "v");
  assert_ok(lrd_sqlite_tier.flush(rig->tier));
  larder_tier_key const key = rig_key(rig, "k");
  larder_tier_entry entry;
  assert_ok(lrd_sqlite_tier.get(rig->tier, &key, true, NULL, &entry));
  assert_int_equal(entry.facts.access_count, 10);
  assert_int_equal(entry.facts.accessed_ms, lrd_wall_ms(&rig->clock.clock));
  lrd_sqlite_tier.release(rig->tier, &entry);
}

int main(void) {
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
  const struct CMUnitTest tests[] = {
      TEST(what_was_put_comes_back_with_all_facts),
      TEST(the_newest_stamp_wins_in_any_order),
      TEST(a_tombstone_refuses_what_is_older),
      TEST(a_delete_of_nothing_is_remembered_too),
      TEST(forget_removes_and_remembers_nothing),
      TEST(only_stamp_guards_every_verb),
      TEST(touch_moves_expiry_and_stamp),
      TEST(two_keys_of_one_hash_share_a_place),
      TEST(spaces_are_apart_and_keep_their_number),
      TEST(empty_and_huge_values_survive_a_restart),
      TEST(scans_resume_and_skip_what_is_dead),
      TEST(tags_find_their_entries_and_no_others),
      TEST(forget_range_takes_a_slot_and_nothing_else),
      TEST(a_batch_is_one_and_each_item_has_its_result),
      TEST(options_are_checked),
      TEST(another_seed_is_refused),
      TEST(accesses_are_counted_in_batches),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
