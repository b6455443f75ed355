/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Power cuts. `sync`: what was acknowledged is there. `commit`: what was acknowledged before the last tick is there. Either
 * way nothing half-written is read, deletes that are on disk stay deletes, and the cache goes on.
 */
#include "power_cut.h"
#include "sqlite_rig.h"

#include "tier/sqlite/sqlite_inner.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEYS = 40, STEPS = 120 };

typedef struct belief {
  uint64_t sure;   /* the stamp that must be there at least; 0: nothing must */
  uint64_t latest; /* the last stamp written */
  bool deleted[STEPS + 2];
} belief;

static int setup(void **state) {
  sqlite_rig *rig = calloc(1, sizeof *rig);
  if (rig == NULL) return -1;
  rig_init(rig);
  power_cut_begin();
  *state = rig;
  return 0;
}

static int teardown(void **state) {
  sqlite_rig *rig = *state;
  rig_fini(rig);
  power_cut_end();
  free(rig);
  return 0;
}

static size_t length_of(int key, uint64_t stamp) { return key % 10 == 0 ? 70000 : 20 + (size_t)(stamp * 37 % 4000); }

/* Opens what the cut left, in a folder of its own, and compares it with what must and may be there. */
static void verify(const sqlite_rig *live, const belief *beliefs, support_random *random) {
  sqlite_rig rig;
  rig_init(&rig);
  rig.seed = live->seed;
  power_cut_image(live->dir, rig.dir, random);
  rig_must_open(&rig);
  for (int i = 0; i < KEYS; i++) {
    const belief *b = &beliefs[i];
    char key[24];
    (void)snprintf(key, sizeof key, "key-%d", i);
    larder_tier_key const at = rig_key(&rig, key);
    larder_tier_entry entry;
    larder_err const err = lrd_sqlite_tier.get(rig.tier, &at, false, NULL, &entry);
    if (err == LARDER_MISS) {
      /* Allowed when nothing was sure, when a delete from then on may have arrived, or when the row of a later large value
       * did and its file did not. */
      bool may = b->sure == 0 || (i % 10 == 0 && b->latest > b->sure);
      for (uint64_t s = b->sure; s != 0 && s <= b->latest; s++) may = may || b->deleted[s];
      if (!may) print_error("%s is lost: stamp %llu was sure\n", key, (unsigned long long)b->sure);
      assert_true(may);
      continue;
    }
    assert_ok(err);
    assert_true(entry.facts.stamp >= b->sure && entry.facts.stamp <= b->latest && !b->deleted[entry.facts.stamp]);
    char *value = rig_value(entry.facts.stamp * 1000 + (uint64_t)i, length_of(i, entry.facts.stamp));
    assert_int_equal(entry.facts.value_len, strlen(value));
    assert_memory_equal(entry.value, value, strlen(value));
    free(value);
    lrd_sqlite_tier.release(rig.tier, &entry);
  }
  larder_tier_report report = {0};
  assert_ok(lrd_sqlite_tier.check(rig.tier, true, &report, NULL, NULL, NULL));
  rig_put(&rig, "life goes on", 1, "yes");
  rig_assert_value(&rig, "life goes on", "yes");
  rig_fini(&rig);
}

/* sync_share of ten writes ask for `sync`; a tick comes now and then, a cut often. */
static void campaign(sqlite_rig *rig, uint64_t seed, uint64_t sync_share, const char *options) {
  static belief beliefs[KEYS];
  memset(beliefs, 0, sizeof beliefs);
  support_random random = {seed};
  rig->options = options;
  rig_must_open(rig);
  uint64_t something_to_lose = 0;
  assert_ok(lrd_sqlite_tier.flush(rig->tier));
  for (uint64_t stamp = 1; stamp <= STEPS; stamp++) {
    int const i = (int)support_random_below(&random, KEYS);
    belief *b = &beliefs[i];
    char key[24];
    (void)snprintf(key, sizeof key, "key-%d", i);
    bool const sync = support_random_below(&random, 10) < sync_share;
    bool const deletes = support_random_below(&random, 6) == 0;
    char *value = rig_value(stamp * 1000 + (uint64_t)i, length_of(i, stamp));
    larder_tier_write item =
        rig_write(rig, deletes ? LARDER_TIER_DELETE : LARDER_TIER_PUT, key, stamp, value, deletes ? 0 : strlen(value));
    b->deleted[stamp] = deletes;
    assert_ok(rig_do(rig, &item, sync ? LARDER_DURABILITY_SYNC : LARDER_DURABILITY_COMMIT));
    free(value);
    b->latest = stamp;
    if (sync) b->sure = stamp;
    if (support_random_below(&random, 12) == 0) {
      rig_tick(rig);
      for (int k = 0; k < KEYS; k++) beliefs[k].sure = beliefs[k].latest;
    }
    something_to_lose += power_cut_unsynced() != 0;
    if (support_random_below(&random, 6) == 0) verify(rig, beliefs, &random);
  }
  assert_true(something_to_lose > STEPS / 4);
}

static void sync_survives_a_power_cut(void **state) { campaign(*state, 11, 5, "vfs=power-cut\nsync_ms=60000"); }

static void commit_survives_from_the_last_tick_on(void **state) { campaign(*state, 12, 0, "vfs=power-cut\nsync_ms=60000"); }

static void so_they_do_when_the_log_is_restarted_in_between(void **state) {
  campaign(*state, 13, 2, "vfs=power-cut\nsync_ms=60000\nwal_bytes_max=1048576");
}

int main(void) {
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
  const struct CMUnitTest tests[] = {
      TEST(sync_survives_a_power_cut),
      TEST(commit_survives_from_the_last_tick_on),
      TEST(so_they_do_when_the_log_is_restarted_in_between),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
