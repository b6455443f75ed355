/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 100,000 operations of threads and processes at once, for the sanitizers' sake: the race's operations, once in one process
 * with eight threads, which is what a thread sanitizer sees, and once over four processes. The judge judges here too.
 */
#include "support/support.h"

#include "race.h"

static void run(const race_plan *plan, void **state) {
  race_result result = race_run(plan, *state);
  race_print(plan, &result);
  assert_int_equal(race_violations(&result), 0);
  assert_true(result.ops >= plan->ops_max);
}

#define CONFIG(durability)                                                                                                     \
  "cache:\n  memory: {size_mb: 4}\n  namespaces:\n    n: {tiers: [memory, sqlite], ttl: 1h, durability: " durability "}\n"

static void threads_of_one_process(void **state) {
  run(&(race_plan){.name = "8 threads",
                   .config = CONFIG("commit"),
                   .seconds = 300,
                   .processes = 1,
                   .threads = 8,
                   .keys = 64,
                   .write_part = 10,
                   .ops_max = 50000},
      state);
}

static void threads_with_a_queue(void **state) {
  run(&(race_plan){.name = "8 threads, behind",
                   .config = CONFIG("behind"),
                   .seconds = 300,
                   .processes = 1,
                   .threads = 8,
                   .keys = 64,
                   .behind = true,
                   .ops_max = 20000},
      state);
}

static void threads_of_four_processes(void **state) {
  run(
      &(race_plan){
          .name = "4 × 4 threads", .config = CONFIG("commit"), .seconds = 300, .keys = 64, .write_part = 10, .ops_max = 50000},
      state);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      SUPPORT_DIR_TEST(threads_of_one_process),
      SUPPORT_DIR_TEST(threads_with_a_queue),
      SUPPORT_DIR_TEST(threads_of_four_processes),
  };
  return cmocka_run_group_tests_name("concurrent", tests, NULL, NULL);
}
