/* SPDX-License-Identifier: Apache-2.0 */
/* What knows the future, against trying everything on small traces. */
#include "trace_fixture.h"

#include <stdlib.h>
#include <string.h>

#define KEYS_MAX 6u
#define LEN_MAX  11u

static uint64_t size_sum(const larder_trace *trace, unsigned there, bool by_bytes) {
  uint64_t sum = 0;
  for (uint32_t id = 0; id < trace->unique; id++)
    if (there >> id & 1) sum += by_bytes ? trace->sizes[id] : 1;
  return sum;
}

/* The fewest misses from a request on, whatever is done: `there` has a bit for each key. By entries what was missed is kept; by
 * bytes it may also be refused. */
static uint64_t tried(const larder_trace *trace, uint64_t at, unsigned there, uint64_t room, bool by_bytes) {
  if (at == trace->requests) return 0;
  unsigned key = 1u << trace->ids[at];
  if (there & key) return tried(trace, at + 1, there, room, by_bytes);
  uint64_t best = UINT64_MAX;
  /* Every way to keep some of them beside the new one. */
  for (unsigned kept = there;; kept = (kept - 1) & there) {
    if (size_sum(trace, kept | key, by_bytes) <= room) {
      uint64_t now = tried(trace, at + 1, kept | key, room, by_bytes);
      if (now < best) best = now;
    }
    if (kept == 0) break;
  }
  if (by_bytes) {
    uint64_t refused = tried(trace, at + 1, there, room, by_bytes);
    if (refused < best) best = refused;
  }
  return best + 1;
}

static larder_trace *trace_tiny(support_random *random, bool sized) {
  uint32_t ids[LEN_MAX], sizes[LEN_MAX], of_key[KEYS_MAX];
  uint64_t len = 1 + support_random_below(random, LEN_MAX), keys = 1 + support_random_below(random, KEYS_MAX);
  for (size_t i = 0; i < KEYS_MAX; i++) of_key[i] = 1 + (uint32_t)support_random_below(random, 9);
  for (uint64_t i = 0; i < len; i++) {
    ids[i] = (uint32_t)support_random_below(random, keys);
    sizes[i] = of_key[ids[i]];
  }
  trace_densify(ids, len);
  return trace_of_ids(ids, sized ? sizes : NULL, len);
}

static void by_entries_nothing_misses_less(void **state) {
  (void)state;
  support_random random = {7};
  for (int i = 0; i < 200; i++) {
    larder_trace *trace = trace_tiny(&random, false);
    uint64_t objects = 1 + support_random_below(&random, 3);
    assert_int_equal(run_objects(trace, LARDER_SIMULATE_OPT, objects).misses, tried(trace, 0, 0, objects, false));
    larder_trace_close(&trace);
  }
}

static void by_bytes_the_bound_is_never_above_what_can_be_done(void **state) {
  (void)state;
  support_random random = {8};
  unsigned reached = 0;
  for (int i = 0; i < 100; i++) {
    larder_trace *trace = trace_tiny(&random, true);
    uint64_t bytes = 1 + support_random_below(&random, 20), best = tried(trace, 0, 0, bytes, true);
    larder_simulate_run bound = run_bytes(trace, LARDER_SIMULATE_OPT_BOUND, bytes);
    assert_true(bound.misses <= best && bound.misses >= trace->unique);
    reached += bound.misses == best;
    larder_trace_close(&trace);
  }
  assert_in_range(reached, 50, 100); /* and it says something */
}

static void belady_by_hand(void **state) {
  (void)state;
  /* Three fit. d pushes c, which is wanted last. */
  larder_trace *trace = trace_of_letters("abcdabc");
  assert_int_equal(run_objects(trace, LARDER_SIMULATE_OPT, 3).misses, 5);
  assert_int_equal(run_objects(trace, LARDER_SIMULATE_OPT, 1).misses, 7);
  larder_trace_close(&trace);
  /* What never comes again goes first, and takes no room from others. */
  trace = trace_of_letters("axbycza");
  assert_int_equal(run_objects(trace, LARDER_SIMULATE_OPT, 2).misses, 6);
  larder_trace_close(&trace);
}

static void places_far_apart_are_found_in_every_row(void **state) {
  (void)state;
  /* 70,000 requests are three rows of words. A loop of 1000 with room for 999: one more miss a round. */
  enum { LEN = 70000, LOOP = 1000 };
  uint32_t *ids = malloc(LEN * sizeof *ids);
  assert_non_null(ids);
  for (uint32_t i = 0; i < LEN; i++) ids[i] = i % LOOP;
  larder_trace *trace = trace_of_ids(ids, NULL, LEN);
  uint64_t misses = run_objects(trace, LARDER_SIMULATE_OPT, LOOP - 1).misses;
  assert_in_range(misses, LOOP + LEN / LOOP - 2, LOOP + LEN / LOOP + 1);
  assert_int_equal(run_objects(trace, "lru", LOOP - 1).misses, LEN);
  larder_trace_close(&trace);
  free(ids);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(belady_by_hand),
      cmocka_unit_test(by_entries_nothing_misses_less),
      cmocka_unit_test(by_bytes_the_bound_is_never_above_what_can_be_done),
      cmocka_unit_test(places_far_apart_are_found_in_every_row),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
