/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs of policies: small cases worked out by hand, the very counts of the memory tier itself, and a plain model by bytes. In
 * the small cases letters are keys; each is asked for, and put when it is not there.
 */
#include "trace_fixture.h"

#include "base/hash.h"
#include "tier/memory/memory.h"
#include "tier/memory/policy.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void expect(const char *policy, uint64_t objects, const char *letters, uint64_t misses, uint64_t evictions) {
  larder_trace *trace = trace_of_letters(letters);
  larder_simulate_run run = run_objects(trace, policy, objects);
  if (run.misses != misses || run.evictions != evictions)
    fail_msg("%s of %llu on %s: %llu misses, %llu evictions", policy, (unsigned long long)objects, letters,
             (unsigned long long)run.misses, (unsigned long long)run.evictions);
  assert_true(fabs(run.miss_ratio - (double)misses / (double)strlen(letters)) < 1e-12);
  larder_trace_close(&trace);
}

static void fifo_forgets_in_order_of_insertion(void **state) {
  (void)state;
  expect("fifo", 3, "abcaada", 5, 2); /* d pushes a out though it was read last; a pushes b */
  expect("fifo", 3, "abcabcd", 4, 1);
  expect("fifo", 1, "aabba", 3, 2);
}

static void lru_forgets_what_was_not_read_for_longest(void **state) {
  (void)state;
  expect("lru", 3, "abcada", 4, 1);   /* d pushes b */
  expect("lru", 3, "abcadb", 5, 2);   /* which then misses, and pushes c */
  expect("lru", 3, "abcdabcd", 8, 5); /* a loop that is one too long */
}

static void lfu_forgets_what_was_read_least(void **state) {
  (void)state;
  expect("lfu", 3, "aabbcdc", 5, 2); /* d pushes c, c pushes d */
  expect("lfu", 3, "aabbcdab", 4, 1);
}

static void sieve_keeps_what_was_visited(void **state) {
  (void)state;
  expect("sieve", 3, "abcada", 4, 1);  /* a is passed over, b goes */
  expect("sieve", 3, "abcadeb", 6, 3); /* the hand stays behind a: e pushes c, b pushes a */
}

static void s3_fifo_takes_twice_read_keys_into_main(void **state) {
  (void)state;
  /* Ten fit. a is read twice while small holds it, so that k pushes another one. */
  expect("s3-fifo", 10, "aaabcdefghijka", 11, 1);
  /* Read once is not enough: k pushes a. */
  expect("s3-fifo", 10, "aabcdefghijka", 12, 2);
}

static void w_tinylfu_defends_what_is_asked_for_often(void **state) {
  (void)state;
  uint32_t ids[400];
  uint64_t count = 0;
  for (uint32_t round = 0; round < 3; round++)
    for (uint32_t id = 0; id < 50; id++) ids[count++] = id;
  for (uint32_t id = 50; id < 200; id++) ids[count++] = id; /* a scan */
  for (uint32_t id = 0; id < 50; id++) ids[count++] = id;
  larder_trace *trace = trace_of_ids(ids, NULL, count);
  assert_in_range(run_objects(trace, "w-tinylfu", 50).misses, 200, 202);
  assert_in_range(run_objects(trace, "lru", 50).misses, 250, 250);
  larder_trace_close(&trace);
}

static void a_cache_that_holds_all_misses_each_key_once(void **state) {
  (void)state;
  const char *policy;
  larder_trace *trace = trace_of_letters("abacadabra");
  for (size_t n = 0; (policy = larder_simulate_policy(n)) != NULL; n++) {
    if (strcmp(policy, LARDER_SIMULATE_OPT_BOUND) == 0) continue;
    assert_int_equal(run_objects(trace, policy, 5).misses, 5);
    assert_int_equal(run_objects(trace, policy, UINT64_C(1) << 40).misses, 5);
  }
  larder_trace_close(&trace);
}

/* --- against the tier ------------------------------------------------------------------------------------------------------
 */

/* Keys by a power law that drifts, with scans in between. */
static larder_trace *trace_made(uint64_t seed, uint64_t count, uint32_t keys) {
  support_random random = {seed};
  uint32_t *ids = malloc(count * sizeof *ids);
  assert_non_null(ids);
  uint32_t scan = 0;
  for (uint64_t i = 0; i < count; i++) {
    double u = (double)(support_random_below(&random, 1000000) + 1) / 1000001;
    uint32_t rank = (uint32_t)(pow((double)keys, u) - 1);
    ids[i] = (uint32_t)((rank + i / 5000 * 17) % keys);
    if (i / 500 % 9 == 4) ids[i] = keys + scan++ % (keys / 2);
  }
  trace_densify(ids, count);
  larder_trace *trace = trace_of_ids(ids, NULL, count);
  free(ids);
  return trace;
}

static uint64_t tier_misses(const larder_trace *trace, const char *policy, uint64_t objects, uint64_t tier_seed) {
  larder_tier_params params = {.size = sizeof params, .bytes_max = 32u << 20, .seed = tier_seed, .options = "shards=1"};
  larder_tier_space space = {.size = sizeof space, .name = "main", .policy = policy, .entries_max = objects};
  void *self = NULL;
  uint32_t number = 0;
  uint64_t misses = 0, seed = lrd_hash_seed_for(tier_seed, "main");
  larder_error err;
  assert_ok(lrd_memory_tier.open(&params, &self, &err));
  assert_ok(lrd_memory_tier.bind(self, &space, &number));
  for (uint64_t i = 0; i < trace->requests; i++) {
    uint32_t id = trace->ids[i];
    uint8_t none;
    size_t len;
    larder_tier_key key = {.data = &id, .len = sizeof id, .hash = lrd_hash64(&id, sizeof id, seed), .space = number};
    larder_facts facts = {.stamp = i + 1};
    if (lrd_memory_copy(self, &key, NULL, 0, &none, 0, &len) == LARDER_OK) continue;
    misses++;
    assert_ok(lrd_memory_put(self, &key, NULL, &facts, 0));
  }
  lrd_memory_tier.close(self);
  return misses;
}

static void every_policy_misses_exactly_what_the_memory_tier_misses(void **state) {
  (void)state;
  static const uint64_t sizes[] = {1, 2, 7, 100, 1000};
  const char *policy;
  for (uint64_t seed = 1; seed <= 2; seed++) {
    larder_trace *trace = trace_made(seed, 15000, 3000);
    for (size_t n = 0; (policy = lrd_memory_policy_name(n)) != NULL; n++) {
      for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        larder_simulate_options how = {.size = sizeof how, .seed = lrd_hash_seed_for(4242 + seed, "main")};
        larder_simulate_run run = {.policy = policy, .objects = sizes[s]};
        assert_ok(larder_simulate(trace, &how, &run, 1, NULL));
        uint64_t wanted = tier_misses(trace, policy, sizes[s], 4242 + seed);
        if (run.misses != wanted)
          fail_msg("%s of %llu: %llu misses, the tier has %llu", policy, (unsigned long long)sizes[s],
                   (unsigned long long)run.misses, (unsigned long long)wanted);
      }
    }
    larder_trace_close(&trace);
  }
}

/* --- by bytes --------------------------------------------------------------------------------------------------------------
 */

/* FIFO, or LRU: a plain list of keys, the newest last. */
static larder_simulate_run model_by_bytes(const larder_trace *trace, bool lru, uint64_t bytes) {
  uint32_t list[64];
  size_t len = 0;
  uint64_t used = 0;
  larder_simulate_run run = {0};
  for (uint64_t i = 0; i < trace->requests; i++) {
    uint32_t id = trace->ids[i];
    uint64_t size = trace->sizes[id];
    size_t at = 0;
    while (at < len && list[at] != id) at++;
    if (at < len) {
      if (!lru) continue;
      memmove(list + at, list + at + 1, (len - at - 1) * sizeof *list);
      list[len - 1] = id;
      continue;
    }
    run.misses++;
    run.miss_bytes += size;
    if (size > bytes) continue;
    for (; used + size > bytes; run.evictions++) {
      used -= trace->sizes[list[0]];
      memmove(list, list + 1, --len * sizeof *list);
    }
    list[len++] = id;
    used += size;
  }
  return run;
}

static larder_trace *trace_sized(uint64_t seed, uint64_t count, uint32_t keys) {
  support_random random = {seed};
  uint32_t ids[1000], sizes[1000], of_key[64];
  assert_true(count <= 1000 && keys <= 64);
  /* From one byte, below what a record takes itself, to far above it. */
  for (uint32_t id = 0; id < keys; id++)
    of_key[id] = 1 + (uint32_t)(support_random_below(&random, 3) * support_random_below(&random, 5000));
  for (uint64_t i = 0; i < count; i++) {
    ids[i] = (uint32_t)(support_random_below(&random, keys) * support_random_below(&random, keys) / keys);
    sizes[i] = of_key[ids[i]];
  }
  trace_densify(ids, count);
  return trace_of_ids(ids, sizes, count);
}

static void by_bytes_entries_weigh_what_their_keys_are_said_to(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= 12; seed++) {
    larder_trace *trace = trace_sized(seed, 1000, 60);
    for (uint64_t bytes = 1; bytes < 300000; bytes = bytes * 3 + 1) {
      for (int lru = 0; lru < 2; lru++) {
        larder_simulate_run run = run_bytes(trace, lru ? "lru" : "fifo", bytes), wanted = model_by_bytes(trace, lru, bytes);
        assert_int_equal(run.misses, wanted.misses);
        assert_int_equal(run.miss_bytes, wanted.miss_bytes);
        assert_int_equal(run.evictions, wanted.evictions);
      }
    }
    larder_trace_close(&trace);
  }
}

/* Where all have one size, bytes are entries. What estimates from bytes how many entries there will be is a little off at
 * first. */
static void by_bytes_entries_of_one_size_are_entries(void **state) {
  (void)state;
  enum { ROOM = 100 };
  static const char *const exact[] = {"fifo", "lru", "lfu", "sieve", "s3-fifo"};
  const char *policy;
  for (uint32_t size = 1; size <= 1000; size *= 1000) {
    larder_trace *plain = trace_made(3, 30000, 4000);
    uint32_t *sizes = malloc(plain->requests * sizeof *sizes);
    assert_non_null(sizes);
    for (uint64_t i = 0; i < plain->requests; i++) sizes[i] = size;
    larder_trace *trace = trace_of_ids(plain->ids, sizes, plain->requests);
    for (size_t n = 0; (policy = lrd_memory_policy_name(n)) != NULL; n++) {
      uint64_t wanted = run_objects(plain, policy, ROOM).misses, found = run_bytes(trace, policy, (uint64_t)ROOM * size).misses;
      uint64_t most = wanted / 50;
      for (size_t i = 0; i < sizeof exact / sizeof *exact; i++)
        if (strcmp(policy, exact[i]) == 0) most = 0;
      if (found + most < wanted || found > wanted + most)
        fail_msg("%s: %llu misses by bytes, %llu by entries", policy, (unsigned long long)found, (unsigned long long)wanted);
    }
    larder_trace_close(&trace);
    larder_trace_close(&plain);
    free(sizes);
  }
}

static void by_bytes_every_policy_keeps_within_its_size(void **state) {
  (void)state;
  const char *policy;
  for (uint64_t seed = 1; seed <= 5; seed++) {
    larder_trace *trace = trace_sized(seed, 1000, 60);
    for (size_t n = 0; (policy = lrd_memory_policy_name(n)) != NULL; n++) {
      for (uint64_t bytes = 1; bytes < 1000000; bytes *= 10) {
        larder_simulate_run run = run_bytes(trace, policy, bytes);
        larder_simulate_run bound = run_bytes(trace, LARDER_SIMULATE_OPT_BOUND, bytes);
        assert_in_range(run.misses, bound.misses, trace->requests);
        assert_true(run.miss_bytes >= trace->facts.unique_bytes && run.miss_bytes <= trace->facts.bytes);
      }
      assert_int_equal(run_bytes(trace, policy, trace->facts.unique_bytes).misses, trace->unique);
    }
    larder_trace_close(&trace);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(fifo_forgets_in_order_of_insertion),
      cmocka_unit_test(lru_forgets_what_was_not_read_for_longest),
      cmocka_unit_test(lfu_forgets_what_was_read_least),
      cmocka_unit_test(sieve_keeps_what_was_visited),
      cmocka_unit_test(s3_fifo_takes_twice_read_keys_into_main),
      cmocka_unit_test(w_tinylfu_defends_what_is_asked_for_often),
      cmocka_unit_test(a_cache_that_holds_all_misses_each_key_once),
      cmocka_unit_test(every_policy_misses_exactly_what_the_memory_tier_misses),
      cmocka_unit_test(by_bytes_entries_weigh_what_their_keys_are_said_to),
      cmocka_unit_test(by_bytes_entries_of_one_size_are_entries),
      cmocka_unit_test(by_bytes_every_policy_keeps_within_its_size),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
