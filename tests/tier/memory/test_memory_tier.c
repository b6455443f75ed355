/* SPDX-License-Identifier: Apache-2.0 */
/* The contract's operations as the memory tier carries them out. */
#include "memory_fixture.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static larder_tier_write item_of(const fixture *fix, larder_tier_verb verb, const char *key, const char *value,
                                 uint64_t stamp) {
  larder_tier_write item = {.verb = verb, .key = fixture_key(fix, key), .value = value};
  item.facts.stamp = stamp;
  item.facts.value_len = value ? strlen(value) : 0;
  return item;
}

static larder_err write_one(fixture *fix, larder_tier_write *item) {
  assert_int_equal(lrd_memory_tier.write(fix->memory, item, 1, LARDER_DURABILITY_COMMIT), LARDER_OK);
  return item->result;
}

static larder_err get_facts(fixture *fix, const char *key, larder_facts *out) {
  larder_tier_key at = fixture_key(fix, key);
  larder_tier_entry entry;
  larder_err result = lrd_memory_tier.get(fix->memory, &at, true, NULL, &entry);
  if (result != LARDER_OK) return result;
  assert_null(entry.value);
  *out = entry.facts;
  lrd_memory_tier.release(fix->memory, &entry);
  return LARDER_OK;
}

static void writes_follow_the_stamps(void **state) {
  (void)state;
  fixture fix;
  fixture_open(&fix, &(fixture_options){0});
  larder_tier_write put = item_of(&fix, LARDER_TIER_PUT, "key", "one", 10);
  assert_int_equal(write_one(&fix, &put), LARDER_OK);
  assert_false(put.existed);
  larder_tier_write again = item_of(&fix, LARDER_TIER_PUT, "key", "two", 10);
  assert_int_equal(write_one(&fix, &again), LARDER_OLDER); /* not above what is stored */
  assert_int_equal(again.stored_stamp, 10);
  larder_tier_write newer = item_of(&fix, LARDER_TIER_PUT, "key", "two", 11);
  assert_int_equal(write_one(&fix, &newer), LARDER_OK);
  assert_true(newer.existed);
  larder_tier_write late = item_of(&fix, LARDER_TIER_DELETE, "key", NULL, 10);
  assert_int_equal(write_one(&fix, &late), LARDER_OLDER);
  assert_int_equal(late.stored_stamp, 11);
  larder_tier_write gone = item_of(&fix, LARDER_TIER_DELETE, "key", NULL, 12);
  assert_int_equal(write_one(&fix, &gone), LARDER_OK);
  assert_true(gone.existed);
  assert_int_equal(write_one(&fix, &gone), LARDER_MISS);
  assert_false(gone.existed);
  fixture_close(&fix);
}

static void a_condition_on_the_stamp_is_kept(void **state) {
  (void)state;
  fixture fix;
  fixture_open(&fix, &(fixture_options){0});
  larder_tier_write put = item_of(&fix, LARDER_TIER_PUT, "key", "one", 10);
  put.only_stamp = 9;
  assert_int_equal(write_one(&fix, &put), LARDER_OLDER);
  put.only_stamp = 0;
  assert_int_equal(write_one(&fix, &put), LARDER_OK);
  larder_tier_write swap = item_of(&fix, LARDER_TIER_PUT, "key", "two", 20);
  swap.only_stamp = 9;
  assert_int_equal(write_one(&fix, &swap), LARDER_OLDER);
  assert_int_equal(swap.stored_stamp, 10);
  swap.only_stamp = 10;
  assert_int_equal(write_one(&fix, &swap), LARDER_OK);
  larder_tier_write forget = item_of(&fix, LARDER_TIER_FORGET, "key", NULL, 0);
  forget.only_stamp = 10;
  assert_int_equal(write_one(&fix, &forget), LARDER_OLDER);
  forget.only_stamp = 20;
  assert_int_equal(write_one(&fix, &forget), LARDER_OK);
  fixture_close(&fix);
}

static void touch_changes_the_lifetime_and_keeps_the_rest(void **state) {
  (void)state;
  fixture fix;
  fixture_open(&fix, &(fixture_options){0});
  larder_tier_write touch = item_of(&fix, LARDER_TIER_TOUCH, "key", NULL, 20);
  touch.facts.expires_soft_ms = touch.facts.expires_hard_ms = 2000000;
  assert_int_equal(write_one(&fix, &touch), LARDER_MISS);
  larder_tier_write put = item_of(&fix, LARDER_TIER_PUT, "key", "value", 10);
  put.facts.meta = "m";
  put.facts.meta_len = 1;
  put.facts.kind = LARDER_KIND_TEXT;
  assert_int_equal(write_one(&fix, &put), LARDER_OK);
  assert_int_equal(write_one(&fix, &touch), LARDER_OK);
  larder_facts facts;
  assert_int_equal(get_facts(&fix, "key", &facts), LARDER_OK);
  assert_int_equal(facts.stamp, 20);
  assert_int_equal(facts.expires_hard_ms, 2000000);
  assert_int_equal(facts.value_len, 5);
  assert_int_equal(facts.meta_len, 1);
  assert_int_equal(facts.kind, LARDER_KIND_TEXT);
  atomic_store(&fix.now_ms, 2000000);
  assert_int_equal(get_facts(&fix, "key", &facts), LARDER_MISS);
  assert_int_equal(write_one(&fix, &touch), LARDER_MISS); /* what is over is not brought back */
  fixture_close(&fix);
}

static void a_tombstone_that_is_put_removes(void **state) {
  (void)state;
  fixture fix;
  fixture_open(&fix, &(fixture_options){0});
  larder_tier_write put = item_of(&fix, LARDER_TIER_PUT, "key", "value", 10);
  assert_int_equal(write_one(&fix, &put), LARDER_OK);
  larder_tier_write stone = item_of(&fix, LARDER_TIER_PUT, "key", NULL, 11);
  stone.facts.tombstone = true;
  assert_int_equal(write_one(&fix, &stone), LARDER_OK);
  assert_false(fixture_has(&fix, "key"));
  fixture_close(&fix);
}

static void one_bad_item_stops_the_whole_write(void **state) {
  (void)state;
  fixture fix;
  fixture_open(&fix, &(fixture_options){0});
  larder_tier_write items[2] = {item_of(&fix, LARDER_TIER_PUT, "key", "value", 10),
                                item_of(&fix, LARDER_TIER_PUT, "x", "y", 10)};
  items[1].key.space = 77;
  assert_int_equal(lrd_memory_tier.write(fix.memory, items, 2, LARDER_DURABILITY_COMMIT), LARDER_EINVAL);
  assert_false(fixture_has(&fix, "key"));
  fixture_close(&fix);
}

typedef struct scan_seen {
  uint8_t times[5000];
  uint32_t total;
  uint32_t stop_after; /* 0: never */
  uint64_t hash_last;
  bool in_order;
} scan_seen;

static bool scan_note(void *context, const larder_tier_key *key, const larder_facts *facts, const void *value) {
  scan_seen *seen = context;
  uint32_t number;
  assert_int_equal(key->len, sizeof number);
  memcpy(&number, key->data, sizeof number);
  assert_in_range(number, 0, 4999);
  assert_int_equal(facts->value_len, 3);
  assert_memory_equal(value, "abc", 3);
  if (key->hash < seen->hash_last) seen->in_order = false;
  seen->hash_last = key->hash;
  seen->times[number]++;
  seen->total++;
  return seen->stop_after == 0 || seen->total % seen->stop_after != 0;
}

static void put_numbers(fixture *fix, uint32_t from, uint32_t to) {
  for (uint32_t i = from; i < to; i++) {
    larder_tier_key key = fixture_key_in(fix->space, "main", &i, sizeof i);
    larder_facts facts = {.stamp = 1, .value_len = 3};
    assert_int_equal(lrd_memory_put(fix->memory, &key, "abc", &facts, 0), LARDER_OK);
  }
}

static void a_scan_sees_everything_once_in_any_steps(void **state) {
  (void)state;
  static const uint64_t limits[] = {0, 1, 7, 1000};
  for (size_t l = 0; l < 4; l++) {
    for (uint32_t stop = 0; stop < 10; stop += 3) {
      fixture fix;
      static scan_seen seen;
      memset(&seen, 0, sizeof seen);
      seen.in_order = true;
      seen.stop_after = stop;
      fixture_open(&fix, &(fixture_options){.bytes_max = (uint64_t)32 << 20});
      put_numbers(&fix, 0, 3000);
      larder_tier_cursor cursor = {0};
      larder_err result = LARDER_OK;
      while (result == LARDER_OK) {
        result = lrd_memory_tier.scan(fix.memory, fix.space, &cursor, limits[l], true, scan_note, &seen);
      }
      assert_int_equal(result, LARDER_END);
      assert_int_equal(seen.total, 3000);
      for (int i = 0; i < 3000; i++) assert_int_equal(seen.times[i], 1);
      assert_true(seen.in_order);
      assert_int_equal(lrd_memory_tier.scan(fix.memory, fix.space, &cursor, 0, true, scan_note, &seen), LARDER_END);
      fixture_close(&fix);
    }
  }
}

static void a_scan_leaves_out_nothing_while_the_index_grows(void **state) {
  (void)state;
  fixture fix;
  static scan_seen seen;
  memset(&seen, 0, sizeof seen);
  fixture_open(&fix, &(fixture_options){.options = "shards=1"});
  put_numbers(&fix, 0, 500);
  larder_tier_cursor cursor = {0};
  larder_err result = LARDER_OK;
  for (uint32_t more = 500; result == LARDER_OK; more += 40) {
    result = lrd_memory_tier.scan(fix.memory, fix.space, &cursor, 5, true, scan_note, &seen);
    if (more < 4960) put_numbers(&fix, more, more + 40);
  }
  for (int i = 0; i < 500; i++) assert_int_equal(seen.times[i], 1);
  fixture_close(&fix);
}

static void a_scan_skips_other_spaces_and_what_has_expired(void **state) {
  (void)state;
  fixture fix;
  static scan_seen seen;
  memset(&seen, 0, sizeof seen);
  fixture_open(&fix, &(fixture_options){0});
  uint32_t other = fixture_bind(&fix, "other", NULL, 0, 0);
  put_numbers(&fix, 0, 10);
  for (uint32_t i = 100; i < 120; i++) {
    larder_tier_key key = fixture_key_in(i % 2 ? other : fix.space, i % 2 ? "other" : "main", &i, sizeof i);
    larder_facts facts = {.stamp = UINT64_C(1000000) << 16, .value_len = 3};
    if (i % 2 == 0) facts.expires_soft_ms = facts.expires_hard_ms = 1000001;
    assert_int_equal(lrd_memory_put(fix.memory, &key, "abc", &facts, 0), LARDER_OK);
  }
  atomic_store(&fix.now_ms, 1000001);
  larder_tier_cursor cursor = {0};
  assert_int_equal(lrd_memory_tier.scan(fix.memory, fix.space, &cursor, 0, true, scan_note, &seen), LARDER_END);
  assert_int_equal(seen.total, 10);
  fixture_close(&fix);
}

static void a_range_is_forgotten_to_its_ends(void **state) {
  (void)state;
  fixture fix;
  fixture_open(&fix, &(fixture_options){.bytes_max = (uint64_t)32 << 20});
  put_numbers(&fix, 0, 4000);
  uint32_t edge = 1234;
  uint64_t first = fixture_key_in(fix.space, "main", &edge, sizeof edge).hash, expected = 0, removed = 0;
  uint64_t last = first < UINT64_MAX / 2 ? first + UINT64_MAX / 4 : UINT64_MAX;
  for (uint32_t i = 0; i < 4000; i++) {
    uint64_t hash = fixture_key_in(fix.space, "main", &i, sizeof i).hash;
    expected += hash >= first && hash <= last;
  }
  assert_int_equal(lrd_memory_tier.forget_range(fix.memory, first, last, &removed), LARDER_OK);
  assert_int_equal(removed, expected);
  assert_int_equal(fixture_usage(&fix, fix.space).entries, 4000 - expected);
  larder_tier_key at_edge = fixture_key_in(fix.space, "main", &edge, sizeof edge);
  assert_int_equal(lrd_memory_forget(fix.memory, &at_edge), LARDER_MISS);
  assert_int_equal(lrd_memory_tier.forget_range(fix.memory, 5, 4, &removed), LARDER_EINVAL);
  fixture_close(&fix);
}

static void a_sweep_removes_the_expired_a_few_at_a_time(void **state) {
  (void)state;
  fixture fix;
  fixture_open(&fix, &(fixture_options){.bytes_max = (uint64_t)32 << 20});
  for (uint32_t i = 0; i < 2000; i++) {
    larder_tier_key key = fixture_key_in(fix.space, "main", &i, sizeof i);
    larder_facts facts = {.stamp = UINT64_C(1000000) << 16, .value_len = 3};
    if (i % 2) facts.expires_soft_ms = facts.expires_hard_ms = 1000100;
    assert_int_equal(lrd_memory_put(fix.memory, &key, "abc", &facts, 0), LARDER_OK);
  }
  uint64_t removed = 99, sum = 0;
  assert_int_equal(lrd_memory_tier.sweep(fix.memory, 10000, true, &removed), LARDER_OK);
  assert_int_equal(removed, 0);
  atomic_store(&fix.now_ms, 1000100);
  assert_int_equal(lrd_memory_tier.sweep(fix.memory, 10000, false, &removed), LARDER_OK);
  assert_int_equal(removed, 0); /* the clock has just stepped: nothing goes */
  assert_int_equal(lrd_memory_tier.sweep(fix.memory, 100, true, &removed), LARDER_OK);
  assert_in_range(removed, 1, 400); /* whole segments are looked at */
  sum = removed;
  for (int i = 0; i < 200; i++) {
    assert_int_equal(lrd_memory_tier.sweep(fix.memory, 100, true, &removed), LARDER_OK);
    sum += removed;
  }
  assert_int_equal(sum, 1000);
  assert_int_equal(fix.evicted[LARDER_EVICT_EXPIRED], 1000);
  assert_int_equal(fixture_usage(&fix, fix.space).entries, 1000);
  fixture_close(&fix);
}

static void clearing_a_space_leaves_the_others(void **state) {
  (void)state;
  fixture fix;
  fixture_open(&fix, &(fixture_options){.bytes_max = (uint64_t)32 << 20});
  uint32_t other = fixture_bind(&fix, "other", "lru", 0, 0);
  put_numbers(&fix, 0, 1000);
  larder_tier_key key = fixture_key_in(other, "other", "stays", 5);
  larder_facts facts = {.stamp = 1, .value_len = 3};
  assert_int_equal(lrd_memory_put(fix.memory, &key, "abc", &facts, 0), LARDER_OK);
  uint64_t entries, bytes;
  lrd_memory_clear(fix.memory, fix.space, &entries, &bytes);
  assert_int_equal(entries, 1000);
  assert_int_equal(bytes, 7000);
  assert_int_equal(fixture_usage(&fix, fix.space).entries, 0);
  assert_int_equal(fixture_usage(&fix, other).entries, 1);
  put_numbers(&fix, 0, 1000);
  fixture_close(&fix);
}

static void a_space_has_one_number(void **state) {
  (void)state;
  fixture fix;
  fixture_open(&fix, &(fixture_options){0});
  char name[16];
  for (int i = 0; i < 40; i++) {
    (void)snprintf(name, sizeof name, "space%d", i);
    uint32_t number = fixture_bind(&fix, name, NULL, 0, 0);
    assert_int_equal(number, (uint32_t)i + 1);
    assert_int_equal(fixture_bind(&fix, name, NULL, 0, 0), number);
  }
  assert_int_equal(fixture_bind(&fix, "main", NULL, 0, 0), fix.space);
  fixture_close(&fix);
}

static void the_fair_share_decides_who_gives_way(void **state) {
  (void)state;
  fixture fix;
  fixture_open(&fix, &(fixture_options){.bytes_max = 1 << 20, .options = "shards=1"});
  uint32_t other = fixture_bind(&fix, "other", NULL, 0, 0);
  char value[101] = {0};
  memset(value, 'v', 100);
  for (uint32_t i = 0; i < 20000; i++) {
    larder_tier_key key = fixture_key_in(fix.space, "main", &i, sizeof i);
    larder_facts facts = {.stamp = 1, .value_len = 100};
    assert_int_equal(lrd_memory_put(fix.memory, &key, value, &facts, 0), LARDER_OK);
  }
  uint64_t alone = fixture_usage(&fix, fix.space).entries;
  for (uint32_t i = 0; i < 20000; i++) {
    larder_tier_key key = fixture_key_in(other, "other", &i, sizeof i);
    larder_facts facts = {.stamp = 1, .value_len = 100};
    assert_int_equal(lrd_memory_put(fix.memory, &key, value, &facts, 0), LARDER_OK);
  }
  /* The newcomer takes from the bigger one until it has its half, then from itself. */
  assert_in_range(fixture_usage(&fix, fix.space).entries, alone * 45 / 100, alone * 55 / 100);
  assert_in_range(fixture_usage(&fix, other).entries, alone * 45 / 100, alone * 55 / 100);
  fixture_close(&fix);
}

static void two_tiers_live_in_one_process(void **state) {
  (void)state;
  fixture a, b;
  fixture_open(&a, &(fixture_options){0});
  fixture_open(&b, &(fixture_options){0});
  assert_int_equal(fixture_put(&a, "key", "in a"), LARDER_OK);
  assert_false(fixture_get(&b, "key"));
  fixture_close(&a);
  assert_int_equal(fixture_put(&b, "key", "in b"), LARDER_OK);
  assert_true(fixture_get(&b, "key"));
  fixture_close(&b);
}

static void a_forked_child_lets_go_and_may_open_anew(void **state) {
  (void)state;
  fixture fix;
  fixture_open(&fix, &(fixture_options){0});
  put_numbers(&fix, 0, 1000);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    lrd_memory_tier.abandon(fix.memory);
    fixture own;
    fixture_open(&own, &(fixture_options){.bytes_max = 1 << 20});
    for (int round = 0; round < 20; round++) put_numbers(&own, 0, 5000);
    bool found = fixture_usage(&own, own.space).entries == 5000;
    fixture_close(&own);
    _exit(found ? 0 : 1);
  }
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_int_equal(status, 0);
  assert_int_equal(fixture_usage(&fix, fix.space).entries, 1000);
  fixture_close(&fix);
}

static void the_check_finds_what_is_broken(void **state) {
  (void)state;
  fixture fix;
  fixture_open(&fix, &(fixture_options){.options = "shards=1"});
  put_numbers(&fix, 0, 100);
  lrd_shard *shard = &fix.memory->shards[0];
  larder_tier_report report;
  shard->spaces[0].entries++;
  assert_int_equal(lrd_memory_tier.check(fix.memory, false, &report, NULL, NULL, NULL), LARDER_OK);
  assert_true(report.damaged > 0);
  shard->spaces[0].entries--;
  uint32_t oldest = shard->spaces[0].policy->queues[0].oldest;
  lrd_record *record = lrd_arena_at(&shard->arena, oldest);
  record->stamp ^= 1; /* facts carry no checksum here */
  record->body[0] ^= 1;
  assert_int_equal(lrd_memory_tier.check(fix.memory, false, &report, NULL, NULL, NULL), LARDER_OK);
  assert_true(report.damaged > 0); /* its key's hash is another now */
  record->body[0] ^= 1;
  record->prev ^= LRD_PREV_IS_FREE;
  assert_int_equal(lrd_memory_tier.check(fix.memory, false, &report, NULL, NULL, NULL), LARDER_OK);
  assert_true(report.damaged > 0);
  record->prev ^= LRD_PREV_IS_FREE;
  fixture_close(&fix);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(writes_follow_the_stamps),
      cmocka_unit_test(a_condition_on_the_stamp_is_kept),
      cmocka_unit_test(touch_changes_the_lifetime_and_keeps_the_rest),
      cmocka_unit_test(a_tombstone_that_is_put_removes),
      cmocka_unit_test(one_bad_item_stops_the_whole_write),
      cmocka_unit_test(a_scan_sees_everything_once_in_any_steps),
      cmocka_unit_test(a_scan_leaves_out_nothing_while_the_index_grows),
      cmocka_unit_test(a_scan_skips_other_spaces_and_what_has_expired),
      cmocka_unit_test(a_range_is_forgotten_to_its_ends),
      cmocka_unit_test(a_sweep_removes_the_expired_a_few_at_a_time),
      cmocka_unit_test(clearing_a_space_leaves_the_others),
      cmocka_unit_test(a_space_has_one_number),
      cmocka_unit_test(the_fair_share_decides_who_gives_way),
      cmocka_unit_test(two_tiers_live_in_one_process),
      cmocka_unit_test(a_forked_child_lets_go_and_may_open_anew),
      cmocka_unit_test(the_check_finds_what_is_broken),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
