/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The straight way of a get against all others: keys and values of every length by both kinds of get, mixed so that a length
 * guessed from the get before is often wrong; with and without slots; and what may not be answered straight away.
 */
#include "support/support.h"

#include "larder_testing.h"
#include <larder/ext/maker.h>
#include <larder/stats.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_LENS   140u /* up to 128 go the straight way */
#define VALUE_LENS 200u /* up to 128 are copied there */

typedef struct fixture {
  char *root;
  lrd_clock_moved clock;
  larder *cache;
  larder_ns *ns;
} fixture;

static void open_on(fixture *f, const char *namespace) {
  char text[512];
  larder_error err = {0};
  f->root = support_dir_make();
  lrd_clock_moved_init(&f->clock, INT64_C(1700000000000));
  (void)snprintf(text, sizeof text, "cache:\n  memory: {size_mb: 8}\n  namespaces:\n    n: {%s}\n", namespace);
  larder_options options = {.size = sizeof options, .root = f->root, .config_text = text};
  assert_ok(lrd_larder_open_with_clock(&options, &f->clock.clock, &f->cache, &err));
  assert_ok(larder_ns_open(f->cache, "n", &f->ns, NULL));
}

static void shut(fixture *f) {
  assert_ok(larder_close(&f->cache));
  support_dir_remove(&f->root);
}

static void bytes_make(uint8_t *out, size_t len, unsigned seed) {
  for (size_t i = 0; i < len; i++) out[i] = (uint8_t)(seed * 31 + i * 7 + (i >> 3));
}

static void expect_both(larder_ns *ns, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len) {
  uint8_t room[VALUE_LENS + 1] = {0};
  size_t got = 0;
  larder_value pinned = {0};
  assert_ok(larder_get_into(ns, key, key_len, room, len, &got));
  assert_int_equal(got, len);
  assert_memory_equal(room, value, len);
  assert_int_equal(room[len], 0);
  assert_ok(larder_get(ns, key, key_len, NULL, &pinned));
  assert_int_equal(pinned.len, len);
  assert_memory_equal(pinned.data, value, len);
  assert_string_equal(pinned.tier, "memory");
  larder_value_release(&pinned);
  assert_null(pinned.data);
  if (len > 0) {
    assert_err(larder_get_into(ns, key, key_len, room, len - 1, &got), LARDER_ETOOBIG);
    assert_int_equal(got, len);
  }
}

static void every_length_on(const char *namespace) {
  fixture f;
  uint8_t key[KEY_LENS], value[VALUE_LENS];
  open_on(&f, namespace);
  for (unsigned round = 0; round < 2; round++) {
    for (size_t i = 1; i <= VALUE_LENS; i++) {
      size_t key_len = 1 + i * 37 % KEY_LENS, len = i * 61 % VALUE_LENS;
      bytes_make(key, key_len, (unsigned)i);
      bytes_make(value, len, (unsigned)(i + round));
      assert_ok(larder_put(f.ns, key, key_len, value, len, NULL));
      expect_both(f.ns, key, key_len, value, len);
      expect_both(f.ns, key, key_len, value, len);
    }
  }
  shut(&f);
}

static void every_length_comes_back(void **state) {
  (void)state;
  every_length_on("tiers: [memory]");
  every_length_on("tiers: [memory, sqlite]");
  every_length_on("tiers: [memory], ttl: 30d");
  every_length_on("tiers: [memory], policy: lru");
}

static void what_expired_is_not_answered_at_its_very_millisecond(void **state) {
  (void)state;
  fixture f;
  uint8_t room[8];
  size_t len;
  open_on(&f, "tiers: [memory], ttl: 10s");
  assert_ok(larder_put(f.ns, "key", 3, "value", 5, NULL));
  lrd_clock_moved_advance_ms(&f.clock, 9999);
  assert_ok(larder_get_into(f.ns, "key", 3, room, sizeof room, &len));
  lrd_clock_moved_advance_ms(&f.clock, 1);
  assert_err(larder_get_into(f.ns, "key", 3, room, sizeof room, &len), LARDER_MISS);
  shut(&f);
}

static void bad_arguments_are_refused_and_count_nothing(void **state) {
  (void)state;
  fixture f;
  uint8_t room[8];
  size_t len;
  larder_value value;
  static const uint8_t long_key[LARDER_KEY_MAX + 1];
  open_on(&f, "tiers: [memory]");
  assert_ok(larder_put(f.ns, "key", 3, "", 0, NULL));
  assert_err(larder_get(NULL, "key", 3, NULL, &value), LARDER_EINVAL);
  assert_err(larder_get(f.ns, NULL, 3, NULL, &value), LARDER_EINVAL);
  assert_err(larder_get(f.ns, "key", 0, NULL, &value), LARDER_EINVAL);
  assert_err(larder_get(f.ns, long_key, sizeof long_key, NULL, &value), LARDER_EINVAL);
  assert_err(larder_get(f.ns, "key", 3, NULL, NULL), LARDER_EINVAL);
  assert_err(larder_get_into(NULL, "key", 3, room, sizeof room, &len), LARDER_EINVAL);
  assert_err(larder_get_into(f.ns, "key", 0, room, sizeof room, &len), LARDER_EINVAL);
  assert_err(larder_get_into(f.ns, "key", 3, NULL, 1, &len), LARDER_EINVAL);
  assert_err(larder_get_into(f.ns, "key", 3, room, sizeof room, NULL), LARDER_EINVAL);
  assert_ok(larder_get_into(f.ns, "key", 3, NULL, 0, &len));
  assert_int_equal(len, 0);
  shut(&f);
}

/* Hits are timed by samples; those that get_or_make answers draw along, and gets go on being timed. */
static void gets_are_timed_whoever_hits_between(void **state) {
  (void)state;
  fixture f;
  larder_value value = {0};
  larder_stats *stats = NULL;
  larder_stats_latency latency;
  open_on(&f, "tiers: [memory]");
  assert_ok(larder_put(f.ns, "key", 3, "value", 5, NULL));
  for (unsigned i = 0; i < 100000; i++) {
    assert_ok(i < 50000 ? larder_get_or_make(f.ns, "key", 3, NULL, &value, NULL) : larder_get(f.ns, "key", 3, NULL, &value));
    larder_value_release(&value);
  }
  assert_ok(larder_stats_take(f.cache, &stats, NULL));
  assert_true(larder_stats_latency_of(stats, "n", "memory", "get", &latency));
  assert_in_range(latency.count, 25000, 100000);
  larder_stats_free(&stats);
  shut(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_length_comes_back),
      cmocka_unit_test(what_expired_is_not_answered_at_its_very_millisecond),
      cmocka_unit_test(bad_arguments_are_refused_and_count_nothing),
      cmocka_unit_test(gets_are_timed_whoever_hits_between),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
