/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Promises 1 and 2 against the real code: processes and threads on few keys, no get shows less than what was known before
 * it began. 5 s for each chain; with LARDER_LONG=1 or seconds as the argument, longer; a second argument is a pattern of
 * names. test_race_mutations shows that these very checks find a broken protocol.
 */
#include "support/support.h"

#include "race.h"
#include <stdlib.h>

static double seconds = 5;

static void run(const race_plan *plan, void **state) {
  race_result result = race_run(plan, *state);
  race_print(plan, &result);
  assert_int_equal(race_violations(&result), 0);
  assert_true(result.hits > RACE_ENOUGH && result.writes > RACE_ENOUGH);
}

#define CHAIN_TWO "cache:\n  memory: {size_mb: 8}\n  namespaces:\n    n: {tiers: [memory, sqlite], ttl: 1h}\n"

#define CHAIN_FILES "cache:\n  memory: {size_mb: 8}\n  namespaces:\n    n: {tiers: [memory, files], ttl: 1h}\n"

static void memory_over_sqlite(void **state) {
  run(&(race_plan){.name = "memory, sqlite", .config = CHAIN_TWO, .seconds = seconds}, state);
}

static void memory_over_files(void **state) {
  run(&(race_plan){.name = "memory, files", .config = CHAIN_FILES, .seconds = seconds}, state);
}

static void owners_die_over_files(void **state) {
  run(&(race_plan){.name = "SIGKILL, files", .config = CHAIN_FILES, .seconds = seconds, .kill = true}, state);
}

static void files_over_sqlite(void **state) {
  run(&(race_plan){.name = "memory, files, sqlite",
                   .config = "cache:\n  memory: {size_mb: 8}\n  files: {max_entries: 20}\n  namespaces:\n"
                             "    n: {tiers: [memory, files, sqlite], ttl: 1h}\n",
                   .seconds = seconds / 2,
                   .keys = 32},
      state);
}

static void few_writes_many_hits(void **state) {
  run(&(race_plan){.name = "mostly hits", .config = CHAIN_TWO, .seconds = seconds / 2, .write_part = 3}, state);
}

static void threads_on_two_keys(void **state) {
  /* One memory tier under all of them: hits meet the very moment in which a writer of their process replaces an entry. */
  run(&(race_plan){.name = "8 threads, 2 keys",
                   .config = CHAIN_TWO,
                   .seconds = seconds,
                   .processes = 1,
                   .threads = 8,
                   .keys = 2,
                   .write_part = 10},
      state);
}

static void few_slots_for_many_keys(void **state) {
  /* Many keys in the fewest slots that there can be: neighbours move each other, and re-tag. */
  run(&(race_plan){.name = "neighbours",
                   .config = "cache:\n  slots: 1024\n  memory: {size_mb: 8}\n  namespaces:\n"
                             "    n: {tiers: [memory, sqlite], ttl: 1h}\n",
                   .seconds = seconds / 2,
                   .keys = RACE_KEYS_MAX,
                   .write_part = 10},
      state);
}

static void warm_over_cold(void **state) {
  /* A warm tier of few entries evicts, so there is demotion, promotion and forgetting all the time. */
  run(&(race_plan){.name = "memory, warm, cold",
                   .config = "cache:\n  memory: {size_mb: 8}\n  namespaces:\n    n:\n      ttl: 1h\n      tiers: [memory, "
                             "{sqlite: {path: warm.db, max_entries: 20}}, {sqlite: {path: cold.db}}]\n",
                   .seconds = seconds,
                   .keys = 32},
      state);
}

/* Swept each second, since what a sweep removes must not let an older queued put in. */
static void behind_binds_its_own_process(void **state) {
  run(&(race_plan){.name = "behind",
                   .config = "cache:\n  sweep_interval: 1s\n  memory: {size_mb: 8}\n  namespaces:\n"
                             "    n: {tiers: [memory, sqlite], ttl: 1h, durability: behind}\n",
                   .seconds = seconds,
                   .behind = true},
      state);
}

/* What is evicted must not let an older queued put in either. */
static void behind_over_a_tier_that_evicts(void **state) {
  run(&(race_plan){.name = "behind, evicting",
                   .config = "cache:\n  slots: 1024\n  sweep_interval: 1s\n  memory: {size_mb: 8}\n"
                             "  sqlite: {max_entries: 20}\n  namespaces:\n"
                             "    n: {tiers: [memory, sqlite], ttl: 1h, durability: behind}\n",
                   .seconds = seconds / 2,
                   .keys = 48,
                   .behind = true},
      state);
}

static void owners_die(void **state) {
  run(&(race_plan){.name = "SIGKILL", .config = CHAIN_TWO, .seconds = seconds, .kill = true}, state);
}

static void owners_die_over_two_tiers(void **state) {
  run(&(race_plan){.name = "SIGKILL, warm and cold",
                   .config = "cache:\n  memory: {size_mb: 8}\n  namespaces:\n    n:\n      ttl: 1h\n      tiers: [memory, "
                             "{sqlite: {path: warm.db, max_entries: 20}}, {sqlite: {path: cold.db}}]\n",
                   .seconds = seconds / 2,
                   .kill = true},
      state);
}

static void owners_stop_and_go_on(void **state) {
  run(&(race_plan){.name = "SIGSTOP", .config = CHAIN_TWO, .seconds = seconds / 2, .stop = true}, state);
}

int main(int argc, char **argv) {
  if (getenv("LARDER_LONG")) seconds = 60;
  if (argc > 1) seconds = atof(argv[1]);
  if (argc > 2) cmocka_set_test_filter(argv[2]);
  const struct CMUnitTest tests[] = {
      SUPPORT_DIR_TEST(memory_over_sqlite),
      SUPPORT_DIR_TEST(few_writes_many_hits),
      SUPPORT_DIR_TEST(threads_on_two_keys),
      SUPPORT_DIR_TEST(few_slots_for_many_keys),
      SUPPORT_DIR_TEST(warm_over_cold),
      SUPPORT_DIR_TEST(behind_binds_its_own_process),
      SUPPORT_DIR_TEST(behind_over_a_tier_that_evicts),
      SUPPORT_DIR_TEST(owners_die),
      SUPPORT_DIR_TEST(owners_die_over_two_tiers),
      SUPPORT_DIR_TEST(owners_stop_and_go_on),
      SUPPORT_DIR_TEST(memory_over_files),
      SUPPORT_DIR_TEST(owners_die_over_files),
      SUPPORT_DIR_TEST(files_over_sqlite),
  };
  return cmocka_run_group_tests_name("race", tests, NULL, NULL);
}
