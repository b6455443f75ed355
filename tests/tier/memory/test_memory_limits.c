/* SPDX-License-Identifier: Apache-2.0 */
/* Limits hold whatever is done, every eviction is told with its reason, and the overhead is what was promised. */
#include "memory_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

static uint32_t next_random(uint32_t *random) {
  *random = *random * 1664525 + 1013904223;
  return *random >> 8;
}

static void within_limits(fixture *fix, uint32_t space) {
  larder_tier_usage all = fixture_usage(fix, LARDER_TIER_ALL_SPACES), one = fixture_usage(fix, space);
  assert_true(all.bytes <= all.bytes_max);
  if (all.entries_max) assert_true(all.entries <= all.entries_max);
  if (one.bytes_max) assert_true(one.bytes <= one.bytes_max);
  if (one.entries_max) assert_true(one.entries <= one.entries_max);
}

typedef struct pinned_few {
  lrd_memory_pin pins[20];
  unsigned len;
} pinned_few;

static void random_step(fixture *fix, uint32_t space, const char *space_name, uint32_t *random, pinned_few *few,
                        const uint8_t *value) {
  uint32_t number = next_random(random) % 3000, kind = next_random(random) % 10;
  larder_tier_key key = fixture_key_in(space, space_name, &number, sizeof number);
  if (kind < 6) {
    size_t len = next_random(random) % 400;
    if (number % 50 == 0) len = next_random(random) % 60000;
    larder_facts facts = {.stamp = ++fix->stamp, .value_len = len};
    if (number % 3 == 0) facts.expires_soft_ms = facts.expires_hard_ms = atomic_load(&fix->now_ms) + number;
    larder_err result = lrd_memory_put(fix->memory, &key, value, &facts, 0);
    assert_true(result == LARDER_OK || result == LARDER_NOT_KEPT);
  } else if (kind == 6) {
    (void)lrd_memory_forget(fix->memory, &key);
  } else if (kind == 7) {
    if (few->len == 20) lrd_memory_pin_release(fix->memory, &few->pins[--few->len]);
    if (lrd_memory_pin_get(fix->memory, &key, NULL, true, &few->pins[few->len]) == LARDER_OK) few->len++;
  } else if (kind == 8) {
    atomic_fetch_add(&fix->now_ms, 3);
    if (number % 4 == 0) (void)lrd_memory_evict_hash(fix->memory, key.space, key.hash);
  } else {
    uint64_t removed;
    if (number % 100 == 0) assert_int_equal(lrd_memory_tier.sweep(fix->memory, 1000, true, &removed), LARDER_OK);
  }
}

static void limits_hold_under_random_operations(void **state) {
  (void)state;
  static const fixture_options variants[] = {
      {.bytes_max = 32 << 10},
      {.bytes_max = 1 << 20, .policy = "lru"},
      {.bytes_max = (uint64_t)40 << 20, .space_entries_max = 500},
      {.bytes_max = (uint64_t)40 << 20, .space_bytes_max = 300000, .policy = "sieve"},
      {.bytes_max = (uint64_t)40 << 20, .instance_entries_max = 700, .policy = "w-tinylfu"},
      {.bytes_max = 2 << 20, .options = "shards=4", .policy = "lfu"},
      {.bytes_max = 1 << 20, .policy = "adaptive"},
      {.bytes_max = (uint64_t)40 << 20, .space_entries_max = 500, .policy = "adaptive"},
  };
  static uint8_t value[60000];
  for (size_t v = 0; v < sizeof variants / sizeof *variants; v++) {
    fixture fix;
    pinned_few few = {.len = 0};
    fixture_open(&fix, &variants[v]);
    uint32_t other = fixture_bind(&fix, "other", variants[v].policy, 0, 0), random = (uint32_t)v + 1;
    for (int i = 0; i < 30000; i++) {
      bool main_space = next_random(&random) % 4 != 0;
      random_step(&fix, main_space ? fix.space : other, main_space ? "main" : "other", &random, &few, value);
      if (i % 50 == 0) within_limits(&fix, fix.space);
      if (i % 2000 == 0) fixture_check(&fix);
    }
    while (few.len) lrd_memory_pin_release(fix.memory, &few.pins[--few.len]);
    fixture_close(&fix);
  }
}

static void entries_are_exact_over_many_shards(void **state) {
  (void)state;
  fixture fix;
  fixture_open(&fix, &(fixture_options){.bytes_max = (uint64_t)64 << 20, .space_entries_max = 10, .options = "shards=8"});
  char name[16];
  for (int i = 0; i < 1000; i++) {
    (void)snprintf(name, sizeof name, "k%d", i);
    assert_int_equal(fixture_put(&fix, name, "v"), LARDER_OK);
    assert_true(fixture_get(&fix, name)); /* the new one is never the one that goes */
    assert_int_equal(fixture_usage(&fix, fix.space).entries, i < 10 ? i + 1 : 10);
  }
  assert_int_equal(fix.evicted[LARDER_EVICT_ENTRIES], 990);
  assert_int_equal(fix.evicted[LARDER_EVICT_CAPACITY], 0);
  assert_int_equal(fixture_put(&fix, "k999", "again"), LARDER_OK); /* replacing evicts nobody */
  assert_int_equal(fix.evicted[LARDER_EVICT_ENTRIES], 990);
  fixture_close(&fix);
}

static void evictions_add_up(void **state) {
  (void)state;
  fixture fix;
  fixture_open(&fix, &(fixture_options){.bytes_max = 1 << 20});
  char name[16];
  for (int i = 0; i < 30000; i++) {
    (void)snprintf(name, sizeof name, "k%d", i);
    assert_int_equal(fixture_put(&fix, name, "a value of some length, to fill the arena"), LARDER_OK);
  }
  uint64_t there = fixture_usage(&fix, fix.space).entries;
  assert_int_equal(there + fix.evicted[LARDER_EVICT_CAPACITY], 30000);
  assert_true(there > 7000);
  fixture_close(&fix);
}

static void live_victims_are_offered_for_demotion_and_expired_ones_are_not(void **state) {
  (void)state;
  fixture fix;
  fixture_open(&fix, &(fixture_options){.space_entries_max = 2, .policy = "fifo", .demote = true, .options = "shards=1"});
  larder_facts soon = {.stamp = 1, .value_len = 1, .expires_soft_ms = 1000010, .expires_hard_ms = 1000010};
  larder_tier_key key = fixture_key(&fix, "short");
  assert_int_equal(lrd_memory_put(fix.memory, &key, "x", &soon, 0), LARDER_OK);
  assert_int_equal(fixture_put(&fix, "long", "value"), LARDER_OK);
  atomic_store(&fix.now_ms, 1000010);
  assert_int_equal(fixture_put(&fix, "third", "value"), LARDER_OK);
  assert_int_equal(fix.evicted[LARDER_EVICT_EXPIRED], 1);
  assert_int_equal(fix.demoted, 0);
  assert_int_equal(fixture_put(&fix, "fourth", "value"), LARDER_OK);
  assert_int_equal(fix.evicted[LARDER_EVICT_ENTRIES], 1);
  assert_int_equal(fix.demoted, 1);
  assert_string_equal(fix.demoted_last, "long");
  fixture_close(&fix);
}

static void a_value_too_large_is_not_kept_and_nothing_else_goes_for_it(void **state) {
  (void)state;
  fixture fix;
  fixture_open(&fix, &(fixture_options){.bytes_max = 1 << 20});
  assert_int_equal(fixture_put(&fix, "small", "value"), LARDER_OK);
  assert_int_equal(fixture_put(&fix, "large", "old"), LARDER_OK);
  uint8_t *value = calloc(1, 2 << 20);
  larder_tier_key key = fixture_key(&fix, "large");
  larder_facts facts = {.stamp = ++fix.stamp, .value_len = 2 << 20};
  assert_int_equal(lrd_memory_put(fix.memory, &key, value, &facts, 0), LARDER_NOT_KEPT);
  assert_true(fixture_get(&fix, "small"));
  assert_false(fixture_get(&fix, "large"));
  free(value);
  fixture_close(&fix);
}

static void large_values_push_out_small_ones_and_the_other_way_round(void **state) {
  (void)state;
  fixture fix;
  fixture_open(&fix, &(fixture_options){.bytes_max = (uint64_t)32 << 20});
  enum { LEN = 100000 };
  uint8_t *value = calloc(1, LEN);
  char name[16];
  for (int round = 0; round < 3; round++) {
    for (int i = 0; i < 600; i++) {
      (void)snprintf(name, sizeof name, "l%d-%d", round, i);
      larder_tier_key key = fixture_key(&fix, name);
      larder_facts facts = {.stamp = ++fix.stamp, .value_len = LEN};
      assert_int_equal(lrd_memory_put(fix.memory, &key, value, &facts, 0), LARDER_OK);
      within_limits(&fix, fix.space);
    }
    fixture_check(&fix);
    for (int i = 0; i < 200000; i++) {
      (void)snprintf(name, sizeof name, "s%d-%d", round, i);
      assert_int_equal(fixture_put(&fix, name, "a short value, many of them"), LARDER_OK);
      if (i % 1000 == 0) within_limits(&fix, fix.space);
    }
    fixture_check(&fix);
  }
  free(value);
  fixture_close(&fix);
}

/* By the page tables: statm's sums are kept per processor and late, and have the pages of libraries in them. */
static size_t resident_bytes(void) {
  FILE *file = fopen("/proc/self/smaps_rollup", "r");
  char line[200];
  size_t kib = 0;
  bool found = false;
  assert_non_null(file);
  while (!found && fgets(line, sizeof line, file)) found = sscanf(line, "Anonymous: %zu kB", &kib) == 1;
  (void)fclose(file);
  assert_true(found);
  return kib * 1024;
}

/* By the tier's own sums and by the pages of the process. */
static void measure_overhead(size_t key_len, uint32_t entries, double *counted, double *resident) {
  fixture fix;
  uint8_t key_bytes[32] = {0}, value[100] = {0};
  size_t before = resident_bytes();
  fixture_open(&fix, &(fixture_options){.bytes_max = (uint64_t)64 << 20});
  for (uint32_t i = 0; i < entries; i++) {
    memcpy(key_bytes, &i, sizeof i);
    larder_tier_key key = fixture_key_in(fix.space, "main", key_bytes, key_len);
    larder_facts facts = {.stamp = 1, .value_len = sizeof value};
    assert_int_equal(lrd_memory_put(fix.memory, &key, value, &facts, 0), LARDER_OK);
  }
  larder_tier_usage usage = fixture_usage(&fix, LARDER_TIER_ALL_SPACES);
  *resident = ((double)(resident_bytes() - before) - (double)usage.payload_bytes) / (double)usage.entries;
  *counted = (double)(usage.bytes - usage.payload_bytes) / (double)usage.entries;
  fixture_close(&fix);
}

static void an_entry_costs_at_most_48_bytes_over_key_and_value(void **state) {
  (void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  skip(); /* shadow memory is resident, too */
#endif
  if (getenv("LARDER_UNDER_VALGRIND")) skip(); /* what it keeps is resident, too */
  static const size_t key_lens[] = {8, 32};
  static const uint32_t entries[] = {200000, 250000, 300000, 1000000}; /* the last: full, with ghosts */
  for (size_t k = 0; k < 2; k++) {
    for (size_t n = 0; n < 4; n++) {
      double counted, resident;
      measure_overhead(key_lens[k], entries[n], &counted, &resident);
      print_message("keys of %zu, %u put: %.1f bytes by count, %.1f resident\n", key_lens[k], entries[n], counted, resident);
      assert_true(counted <= 48.0);
      /* Pages are not bytes: holes, the last pages of each arena, and what else the process touched meanwhile. */
      assert_true(resident <= counted + 4.0);
    }
  }
}

static void a_hit_allocates_nothing(void **state) {
  (void)state;
  for (size_t policy = 0; lrd_memory_policy_name(policy); policy++) {
    fixture fix;
    fixture_open(&fix, &(fixture_options){.policy = lrd_memory_policy_name(policy)});
    assert_int_equal(fixture_put(&fix, "key", "value"), LARDER_OK);
    larder_tier_key key = fixture_key(&fix, "key");
    assert_true(fixture_get(&fix, "key"));
    support_alloc_count();
    for (int i = 0; i < 1000; i++) {
      lrd_memory_pin pin;
      larder_err result;
      assert_true(fixture_get(&fix, "key"));
      assert_int_equal(lrd_memory_pin_get(fix.memory, &key, NULL, false, &pin), LARDER_OK);
      lrd_memory_pin_release(fix.memory, &pin);
      lrd_memory_pin_many(fix.memory, &key, NULL, 1, false, &pin, &result);
      assert_int_equal(result, LARDER_OK);
      lrd_memory_pin_release(fix.memory, &pin);
    }
    uint64_t allocations = support_alloc_end();
    /* LFU makes a node for a count that is new, when the readings are handed over. */
    if (strcmp(lrd_memory_policy_name(policy), "lfu") == 0)
      assert_in_range(allocations, 0, 2);
    else
      assert_int_equal(allocations, 0);
    fixture_close(&fix);
  }
}

static void every_allocation_may_fail(void **state) {
  (void)state;
  for (uint64_t n = 1;; n++) {
    int64_t live = support_alloc_live();
    support_alloc_fail_at(n);
    larder_tier_params params = {.size = sizeof params, .bytes_max = 1 << 20, .seed = 1};
    larder_tier_space space = {.size = sizeof space, .name = "main", .policy = n % 2 ? "lfu" : "w-tinylfu"};
    void *self = NULL;
    larder_error err;
    larder_err result = lrd_memory_tier.open(&params, &self, &err);
    assert_true(result == LARDER_OK || result == LARDER_ENOMEM);
    uint32_t number = 0;
    if (self && lrd_memory_tier.bind(self, &space, &number) == LARDER_OK) {
      static uint8_t value[20000];
      larder_tier_key key = fixture_key_in(number, "main", "key", 3);
      for (size_t len = 10; len <= sizeof value; len += 19990) {
        larder_facts facts = {.stamp = len, .value_len = len};
        result = lrd_memory_put(self, &key, value, &facts, 0);
        assert_true(result == LARDER_OK || result == LARDER_NOT_KEPT);
      }
    }
    if (self) {
      larder_tier_report report;
      assert_int_equal(lrd_memory_tier.check(self, false, &report, NULL, NULL, NULL), LARDER_OK);
      assert_int_equal(report.damaged, 0);
      assert_int_equal(lrd_memory_tier.bind(self, &space, &number), LARDER_OK); /* what failed can be done again */
      lrd_memory_tier.close(self);
    }
    bool failed = support_alloc_end() >= n;
    assert_int_equal(support_alloc_live(), live);
    if (!failed) break;
  }
}

static void impossible_options_are_refused_with_a_sentence(void **state) {
  (void)state;
  static const struct {
    const char *options;
    uint64_t bytes;
  } cases[] = {{"shards=3", 1 << 20}, {"shards=0", 1 << 20}, {"shards=x", 1 << 20},
               {"sharts=2", 1 << 20}, {NULL, 1000},          {"shards=1024", 1 << 20}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    larder_tier_params params = {.size = sizeof params, .bytes_max = cases[i].bytes, .options = cases[i].options};
    void *self = NULL;
    larder_error err = {0};
    assert_int_equal(lrd_memory_tier.open(&params, &self, &err), LARDER_EINVAL);
    assert_null(self);
    assert_true(err.message[0] != '\0');
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_entry_costs_at_most_48_bytes_over_key_and_value),
      cmocka_unit_test(limits_hold_under_random_operations),
      cmocka_unit_test(entries_are_exact_over_many_shards),
      cmocka_unit_test(evictions_add_up),
      cmocka_unit_test(live_victims_are_offered_for_demotion_and_expired_ones_are_not),
      cmocka_unit_test(a_value_too_large_is_not_kept_and_nothing_else_goes_for_it),
      cmocka_unit_test(large_values_push_out_small_ones_and_the_other_way_round),
      cmocka_unit_test(a_hit_allocates_nothing),
      cmocka_unit_test(every_allocation_may_fail),
      cmocka_unit_test(impossible_options_are_refused_with_a_sentence),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
