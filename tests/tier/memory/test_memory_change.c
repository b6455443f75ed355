/* SPDX-License-Identifier: Apache-2.0 */
/* A put that meets what changed since its key was put last: others that left, a block that is longer, tables that grow. */
#include "memory_fixture.h"

#include <stdio.h>
#include <string.h>

static const char *name_of(unsigned number) {
  static char name[16];
  (void)snprintf(name, sizeof name, "k%u", number);
  return name;
}

/* Where half of the entries were evicted by hash, a shadow that still has all of them finds less room, and may have the very
 * key go that is being put. */
static void a_put_over_the_next_to_go_where_there_is_less_room(void **state) {
  (void)state;
  for (unsigned by_count = 0; by_count < 2; by_count++) {
    unsigned over = 0;
    for (unsigned number = 0; number < 200; number++) {
      fixture fix;
      fixture_open(&fix, &(fixture_options){.policy = "adaptive",
                                            .options = "shards=1",
                                            .space_entries_max = by_count ? 100 : 0,
                                            .space_bytes_max = by_count ? 0 : 12000});
      for (unsigned i = 0; i < 200; i++) assert_int_equal(fixture_put(&fix, name_of(i), "value"), LARDER_OK);
      for (unsigned i = 0; i < 200; i += 2)
        (void)lrd_memory_evict_hash(fix.memory, fix.space, fixture_key(&fix, name_of(i)).hash);
      (void)lrd_memory_evict(fix.memory, fix.space, 1, NULL, 0);
      uint64_t entries = fixture_usage(&fix, fix.space).entries;
      if (fixture_has(&fix, name_of(number))) {
        assert_int_equal(fixture_put(&fix, name_of(number), "other"), LARDER_OK);
        assert_true(fixture_has(&fix, name_of(number)));
        assert_int_equal(fixture_usage(&fix, fix.space).entries, entries);
        fixture_check(&fix);
        over++;
      }
      fixture_close(&fix);
    }
    assert_true(over > 30);
  }
}

/* Frees what was forgotten, as a batch of it does. */
static void reclaim(fixture *fix) {
  lrd_shard *shard = &fix->memory->shards[0];
  lrd_lock(&shard->lock);
  assert_true(lrd_shard_reclaim(fix->memory, shard, true) > 0);
  lrd_unlock(&shard->lock);
}

/* The space is full to the byte, the index segment to its last lane, and the only free block a unit too long: the put that
 * takes it needs no lane, but for that unit somebody has to go. */
static void a_put_over_whose_block_is_too_long_for_the_limit_evicts(void **state) {
  (void)state;
  enum { UNITS = 13, CHARGE = UNITS * LRD_UNIT + LRD_ENTRY_INDEX_COST };
  static const char value[] = "a value that makes thirteen units of its record, with the k";
  fixture fix;
  unsigned numbers[LRD_LANES], len = 0;
  char longer[sizeof value + LRD_UNIT];
  (void)snprintf(longer, sizeof longer, "%s and so", value);
  fixture_open(&fix, &(fixture_options){.space_bytes_max = LRD_LANES * CHARGE, .policy = "fifo", .options = "shards=1"});
  for (unsigned i = 10000; len < LRD_LANES; i++) {
    if (lrd_index_segment(&fix.memory->index, fixture_key(&fix, name_of(i)).hash) == 0) numbers[len++] = i;
  }
  uint32_t other = fixture_bind(&fix, "other", "fifo", 0, 0);
  larder_tier_key gap = fixture_key_in(other, "other", "kgap00", 6), after = fixture_key_in(other, "other", "kafter", 6);
  larder_facts facts = {.stamp = ++fix.stamp, .value_len = sizeof longer - 1};
  assert_int_equal(lrd_memory_put(fix.memory, &gap, longer, &facts, 0), LARDER_OK);
  assert_int_equal(lrd_memory_put(fix.memory, &after, longer, &facts, 0), LARDER_OK);
  for (unsigned i = 0; i < LRD_LANES; i++) assert_int_equal(fixture_put(&fix, name_of(numbers[i]), value), LARDER_OK);
  assert_int_equal(fixture_usage(&fix, fix.space).bytes, LRD_LANES * CHARGE);
  assert_int_not_equal(lrd_index_wanted(&fix.memory->index, 0), 0);
  (void)lrd_memory_forget(fix.memory, &gap);
  reclaim(&fix);
  assert_int_equal(fixture_put(&fix, name_of(numbers[LRD_LANES - 1]), value), LARDER_OK);
  assert_false(fixture_has(&fix, name_of(numbers[0])));
  for (unsigned i = 1; i < LRD_LANES; i++) assert_true(fixture_has(&fix, name_of(numbers[i])));
  assert_int_equal(fixture_usage(&fix, fix.space).bytes, (LRD_LANES - 1) * CHARGE + LRD_UNIT);
  assert_int_equal(fix.evicted[LARDER_EVICT_CAPACITY], 1);
  fixture_close(&fix);
}

static void within_quotas(const fixture *fix) {
  for (uint32_t i = 0; i < lrd_memory_shards(fix->memory); i++)
    assert_true(lrd_shard_charge(&fix->memory->shards[i]) <= lrd_shard_quota(fix->memory));
}

/* Tables of policies grow by what comes and by what goes: nobody made room for them before. */
static void no_shard_is_ever_over_its_quota(void **state) {
  (void)state;
  static const fixture_options variants[] = {
      {.policy = "adaptive", .bytes_max = 128 << 10},
      {.policy = "adaptive", .bytes_max = 128 << 10, .space_entries_max = 5000},
      {.policy = "adaptive", .bytes_max = 512 << 10, .space_entries_max = 900, .options = "shards=2"},
      {.policy = "s3-fifo", .bytes_max = 128 << 10},
      {.policy = "s3-fifo", .bytes_max = 128 << 10, .space_entries_max = 5000},
      {.policy = "w-tinylfu", .bytes_max = 128 << 10, .space_entries_max = 5000},
  };
  static char value[300];
  memset(value, 'v', sizeof value - 1);
  for (size_t v = 0; v < sizeof variants / sizeof *variants; v++) {
    fixture fix;
    uint32_t random = (uint32_t)v + 1;
    fixture_open(&fix, &variants[v]);
    for (uint32_t i = 0; i < 3; i++)
      (void)fixture_bind(&fix, i == 0 ? "one" : i == 1 ? "two" : "three", variants[v].policy, 0, variants[v].space_entries_max);
    for (unsigned i = 0; i < 10000; i++) {
      random = random * 1664525 + 1013904223;
      uint32_t number = random >> 8 & 0x7ff, other = number % 3;
      const char *name = other == 0 ? "one" : other == 1 ? "two" : "three";
      larder_tier_key key = fixture_key_in(fix.space + 1 + other, name, &number, sizeof number);
      larder_facts facts = {.stamp = ++fix.stamp, .value_len = (random >> 4) % sizeof value};
      if (random >> 28 != 0 || i < 300)
        assert_int_equal(lrd_memory_put(fix.memory, &key, value, &facts, 0), LARDER_OK);
      else if (random >> 26 & 3)
        (void)lrd_memory_evict_hash(fix.memory, key.space, key.hash);
      else
        (void)lrd_memory_evict(fix.memory, key.space, 1 + number % 20, NULL, 0);
      within_quotas(&fix);
      if (i % 2000 == 0) fixture_check(&fix);
    }
    fixture_close(&fix);
  }
}

/* A segment of the index that is to have fewer lines wants new ones first, while what was cleared is not free yet. */
static void a_full_shard_that_is_cleared_keeps_to_its_quota(void **state) {
  (void)state;
  enum { COUNT = 90, FORGOTTEN = 50 };
  fixture fix;
  unsigned len = 0;
  fixture_open(&fix, &(fixture_options){.policy = "fifo", .options = "shards=1"});
  for (unsigned i = 0; len < COUNT; i++) {
    larder_tier_key key = fixture_key(&fix, name_of(i));
    if (lrd_index_segment(&fix.memory->index, key.hash) != 0) continue;
    assert_int_equal(fixture_put(&fix, name_of(i), "value"), LARDER_OK);
    len++;
  }
  for (unsigned i = 0; fixture_usage(&fix, fix.space).entries > COUNT - FORGOTTEN; i++) {
    larder_tier_key key = fixture_key(&fix, name_of(i));
    (void)lrd_memory_forget(fix.memory, &key);
  }
  reclaim(&fix);
  uint64_t left = lrd_shard_quota(fix.memory) - lrd_shard_charge(&fix.memory->shards[0]);
  atomic_fetch_add(&fix.memory->apart, left);
  lrd_memory_clear(fix.memory, fix.space, NULL, NULL);
  within_quotas(&fix);
  assert_int_equal(fixture_usage(&fix, fix.space).entries, 0);
  atomic_fetch_sub(&fix.memory->apart, left);
  fixture_close(&fix);
}

enum { TABLES_BUDGET = 2 << 20, TABLES_SPACES = 64, TABLES_ASKED = 240000 };

/* The most that the policies' tables took while that many spaces were asked, some keys more often than others; or what they
 * take at the end, if all but the first space come only in the second half. `limit`: entries of each space at most; 0: any. */
static uint64_t tables_of(const char *policy, unsigned spaces, bool late, uint64_t limit) {
  fixture fix;
  uint32_t ids[TABLES_SPACES] = {0}, random = 1, bound = 1;
  char names[TABLES_SPACES][8] = {"main"};
  uint64_t most = 0;
  fixture_open(&fix, &(fixture_options){
                         .policy = policy, .bytes_max = TABLES_BUDGET, .options = "shards=1", .space_entries_max = limit});
  ids[0] = fix.space;
  for (unsigned i = 0; i < TABLES_ASKED; i++) {
    for (; bound < spaces && (!late || i >= TABLES_ASKED / 2 + bound * 100); bound++) {
      (void)snprintf(names[bound], sizeof names[bound], "s%u", bound);
      ids[bound] = fixture_bind(&fix, names[bound], policy, 0, limit);
      fixture_check(&fix);
    }
    random = random * 1664525 + 1013904223;
    uint64_t part = random >> 16;
    uint32_t number = (uint32_t)(part * part * 3000 >> 32);
    random = random * 1664525 + 1013904223;
    uint32_t one = (random >> 16) % bound;
    larder_tier_key key = fixture_key_in(ids[one], names[one], &number, sizeof number);
    char value[100];
    size_t len;
    if (lrd_memory_copy(fix.memory, &key, NULL, 0, value, sizeof value, &len) == LARDER_MISS) {
      larder_facts facts = {.stamp = ++fix.stamp, .value_len = 60};
      memset(value, 'v', sizeof value);
      assert_int_equal(lrd_memory_put(fix.memory, &key, value, &facts, 0), LARDER_OK);
    }
    uint64_t now = fix.memory->shards[0].policy_bytes;
    if (now > most) most = now;
    if (i % 20000 == 0) fixture_check(&fix);
  }
  uint64_t last = fix.memory->shards[0].policy_bytes;
  fixture_close(&fix);
  return late ? last : most;
}

/* However many spaces there are, and whenever they come: shadows and sketches of all are a fiftieth of the budget, on top of
 * ghosts, that are of all that fits, where s3-fifo's are of nine tenths. */
static void tables_of_adaptive_are_bounded_over_all_spaces(void **state) {
  (void)state;
  for (unsigned spaces = 1; spaces <= TABLES_SPACES; spaces *= 4) {
    for (unsigned late = 0; late < 2; late++) {
      uint64_t ghosts = tables_of("s3-fifo", spaces, late, 0) * 10 / 9;
      assert_in_range(tables_of("adaptive", spaces, late, 0), 1, ghosts + TABLES_BUDGET / 50);
    }
  }
}

/* Also where each space may have far more entries than ever fit. */
static void sketches_of_w_tinylfu_are_bounded_over_all_spaces(void **state) {
  (void)state;
  for (unsigned spaces = 1; spaces <= TABLES_SPACES; spaces *= 8)
    for (unsigned late = 0; late < 2; late++)
      for (uint64_t limit = 0; limit <= 100000; limit += 100000)
        assert_in_range(tables_of("w-tinylfu", spaces, late, limit), TABLES_BUDGET / 512, TABLES_BUDGET / 64);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_put_over_the_next_to_go_where_there_is_less_room),
      cmocka_unit_test(a_put_over_whose_block_is_too_long_for_the_limit_evicts),
      cmocka_unit_test(no_shard_is_ever_over_its_quota),
      cmocka_unit_test(a_full_shard_that_is_cleared_keeps_to_its_quota),
      cmocka_unit_test(tables_of_adaptive_are_bounded_over_all_spaces),
      cmocka_unit_test(sketches_of_w_tinylfu_are_bounded_over_all_spaces),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
