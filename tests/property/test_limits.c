/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Promise 6 through the whole cache: limits are never exceeded, every eviction is counted with its reason, and what is
 * evicted from memory is the right thing: more than 80 % of a zipf load is answered by a memory that holds a tenth of the
 * keys. Breaks with a limit checked after the fact, an eviction that is not told, or a policy that evicts what is hot.
 */
#include "support/support.h"

#include "larder_testing.h"
#include <larder/stats.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENTRIES_MAX 200u

typedef struct tier_check {
  uint64_t memory_entries, sqlite_entries;
  bool exceeded;
} tier_check;

static bool look_at_tier(void *context, const larder_tier_state *tier) {
  tier_check *check = context;
  if (!tier->usage_known) return true;
  if (tier->usage.bytes_max != 0 && tier->usage.bytes > tier->usage.bytes_max) check->exceeded = true;
  if (tier->usage.entries_max != 0 && tier->usage.entries > tier->usage.entries_max) check->exceeded = true;
  if (strcmp(tier->name, "memory") == 0) check->memory_entries = tier->usage.entries;
  if (strcmp(tier->name, "sqlite") == 0) check->sqlite_entries = tier->usage.entries;
  return true;
}

static uint64_t figure(larder *cache, const char *tier, const char *name) {
  larder_stats *stats = NULL;
  uint64_t value = 0;
  assert_ok(larder_stats_take(cache, &stats, NULL));
  assert_true(larder_stats_value(stats, "n", tier, name, &value));
  larder_stats_free(&stats);
  return value;
}

static larder *open_with(const char *root, const lrd_clock_moved *clock, const char *config, larder_ns **ns) {
  larder *cache = NULL;
  larder_error err = {0};
  larder_options options = {.size = sizeof options, .root = root, .config_text = config};
  larder_err result = lrd_larder_open_with_clock(&options, &clock->clock, &cache, &err);
  if (result != LARDER_OK) print_error("%s\n", err.message);
  assert_ok(result);
  assert_ok(larder_ns_open(cache, "n", ns, NULL));
  return cache;
}

static void limits_hold_and_evictions_add_up(void **state) {
  lrd_clock_moved clock;
  larder_ns *ns = NULL;
  char key[32];
  static char value[3000];
  uint64_t kept = 0;
  tier_check check = {0};
  lrd_clock_moved_init(&clock, INT64_C(1700000000000));
  larder *cache = open_with(*state, &clock,
                            "cache:\n  memory: {size_mb: 1}\n  sqlite: {max_entries: 200}\n  namespaces:\n"
                            "    n: {tiers: [memory, sqlite], ttl: 1h}\n",
                            &ns);
  memset(value, 'v', sizeof value);
  for (unsigned i = 0; i < 2000; i++) {
    int len = snprintf(key, sizeof key, "key-%u", i);
    larder_err result = larder_put(ns, key, (size_t)len, value, sizeof value - i % 1000, NULL);
    assert_true(result == LARDER_OK || result == LARDER_NOT_KEPT);
    if (result == LARDER_OK) kept++;
    if (i % 100 == 0) {
      lrd_larder_tick(cache);
      assert_ok(larder_tiers(cache, NULL, look_at_tier, &check));
      assert_false(check.exceeded);
    }
  }
  assert_ok(larder_tiers(cache, NULL, look_at_tier, &check));
  assert_false(check.exceeded);
  assert_true(check.sqlite_entries <= ENTRIES_MAX && check.sqlite_entries > ENTRIES_MAX / 2);
  uint64_t gone = figure(cache, "sqlite", "evicted_entries") + figure(cache, "sqlite", "evicted_capacity");
  /* An entry demoted from memory after the tier had evicted it is stored, and can be evicted, once more. */
  uint64_t again = figure(cache, "sqlite", "demotions");
  assert_true(kept > 1000);
  assert_int_equal(check.sqlite_entries + gone, kept + again);
  uint64_t memory_gone = figure(cache, "memory", "evicted_capacity") + figure(cache, "memory", "evicted_entries");
  assert_true(memory_gone > 0);
  assert_ok(larder_close(&cache));
}

/* The rank of a uniform draw, by rejection-free inversion of the continuous zipf distribution with exponent 1. */
static uint32_t zipf(support_random *random, uint32_t keys) {
  double u = (double)(support_random_next(random) >> 11) / 9007199254740992.0;
  uint32_t rank = (uint32_t)exp(u * log((double)keys + 1.0)) - 1;
  return rank < keys ? rank : keys - 1;
}

static void memory_keeps_what_is_hot(void **state) {
  enum { KEYS = 1000000, OPS = 4000000 };
  lrd_clock_moved clock;
  larder_ns *ns = NULL;
  support_random random = {42};
  char key[32];
  uint64_t hits = 0, lookups = 0;
  lrd_clock_moved_init(&clock, INT64_C(1700000000000));
  larder *cache = open_with(
      *state, &clock, "cache:\n  memory: {size_mb: 64, max_entries: 100000}\n  namespaces:\n    n: {tiers: [memory]}\n", &ns);
  for (unsigned i = 0; i < OPS; i++) {
    size_t len = 0;
    char room[16];
    int key_len = snprintf(key, sizeof key, "%u", zipf(&random, KEYS));
    larder_err result = larder_get_into(ns, key, (size_t)key_len, room, sizeof room, &len);
    if (i >= OPS / 2) { /* warm by now */
      lookups++;
      hits += result == LARDER_OK;
    }
    if (result != LARDER_OK) assert_ok(larder_put(ns, key, (size_t)key_len, "0123456789", 10, NULL));
  }
  double rate = (double)hits / (double)lookups;
  print_message("zipf load, memory of a tenth of the keys: %.1f %% hits\n", rate * 100);
  assert_true(rate > 0.8);
  assert_ok(larder_close(&cache));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      SUPPORT_DIR_TEST(limits_hold_and_evictions_add_up),
      SUPPORT_DIR_TEST(memory_keeps_what_is_hot),
  };
  return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
