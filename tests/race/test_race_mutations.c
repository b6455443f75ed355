/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The judge judged: with each mutation of core/mutation.h switched on in the real code, the race or a scenario that leads
 * straight to the point must show something old. A mutation that goes unnoticed is a failure here.
 *
 * The scenarios run on a moved clock, without background threads: several handles on one root stand for processes. Each is
 * run twice, broken and whole, so that it can fail both ways.
 */
#include "support/support.h"

#include "core/mutation.h"
#include "larder_testing.h"
#include "race.h"
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define MEMORY_SQLITE "cache:\n  memory: {size_mb: 8}\n  namespaces:\n    n: {tiers: [memory, sqlite], ttl: 1h}\n"
#define MEMORY_SQLITE_BEHIND                                                                                                   \
  "cache:\n  memory: {size_mb: 8}\n  namespaces:\n    n: {tiers: [memory, sqlite], ttl: 1h, durability: behind}\n"
#define WARM_COLD                                                                                                              \
  "cache:\n  memory: {size_mb: 8}\n  namespaces:\n    n:\n      ttl: 1h\n      tiers: [memory, "                               \
  "{sqlite: {path: warm.db, max_entries: %u}}, {sqlite: {path: cold.db}}]\n"

/* --- found by the race -------------------------------------------------------------------------------------------------- */

static void race_must_find(void **state, race_plan plan) {
  plan.until_violation = true;
  plan.seconds = 300; /* it ends with the first violation, mostly within the second */
  race_result result = race_run(&plan, *state);
  race_print(&plan, &result);
  assert_true(result.stale > 0);
}

static void a_hit_that_ignores_the_owner_is_found(void **state) {
  race_must_find(state, (race_plan){.name = "hit ignores owner",
                                    .config = MEMORY_SQLITE,
                                    .keys = 2,
                                    .write_part = 10,

                                    .mutation = LRD_MUTATE_HIT_IGNORES_OWNER});
}

static void a_hit_that_ignores_the_version_is_found(void **state) {
  race_must_find(
      state, (race_plan){.name = "hit ignores version", .config = MEMORY_SQLITE, .mutation = LRD_MUTATE_HIT_IGNORES_VERSION});
}

static void an_unchecked_fill_is_found(void **state) {
  race_must_find(
      state, (race_plan){.name = "fill unchecked", .config = MEMORY_SQLITE, .keys = 2, .mutation = LRD_MUTATE_FILL_UNCHECKED});
}

static void an_unmoved_slot_is_found(void **state) {
  race_must_find(state, (race_plan){.name = "slot unmoved", .config = MEMORY_SQLITE, .mutation = LRD_MUTATE_NO_SLOT_MOVE});
}

static void a_stolen_slot_is_found(void **state) {
  race_must_find(
      state,
      (race_plan){
          .name = "owner stolen", .config = MEMORY_SQLITE, .keys = 2, .write_part = 50, .mutation = LRD_MUTATE_OWNER_STOLEN});
}

/* --- scenarios ------------------------------------------------------------------------------------------------------------ */

typedef struct scene {
  char *root;
  lrd_clock_moved clock;
  larder *cache[3];
  larder_ns *ns[3];
} scene;

/* A folder under the test's own, made where it is not there. */
static char *scene_folder(const char *root, const char *name) {
  char *folder = support_path(root, name);
  assert_true(mkdir(folder, 0700) == 0 || errno == EEXIST);
  return folder;
}

static void scene_open(scene *s, const char *root, const char *config, unsigned handles, unsigned mutation) {
  memset(s, 0, sizeof *s);
  s->root = support_path(root, mutation ? "broken" : "whole");
  lrd_clock_moved_init(&s->clock, INT64_C(1700000000000));
  larder_options options = {.size = sizeof options, .root = s->root, .config_text = config};
  for (unsigned i = 0; i < handles; i++) {
    assert_ok(lrd_larder_open_with_clock(&options, &s->clock.clock, &s->cache[i], NULL));
    assert_ok(larder_ns_open(s->cache[i], "n", &s->ns[i], NULL));
  }
  atomic_store(&lrd_mutations, mutation);
}

static void scene_close(scene *s) {
  atomic_store(&lrd_mutations, 0);
  for (unsigned i = 0; i < 3; i++)
    if (s->cache[i]) (void)larder_close(&s->cache[i]);
  free(s->root);
}

static void put_ok(larder_ns *ns, const char *key, const char *value, larder_err wanted) {
  assert_err(larder_put(ns, key, strlen(key), value, strlen(value), NULL), wanted);
}

/* Whether a get shows exactly this. */
static bool shows(larder_ns *ns, const char *key, const char *value) {
  char room[64];
  size_t len = 0;
  return larder_get_into(ns, key, strlen(key), room, sizeof room, &len) == LARDER_OK && len == strlen(value) &&
         memcmp(room, value, len) == 0;
}

/*
 * A writer has committed and not yet brought memory in step. One thread reads the new value below; then another's get finds
 * the old entry, and looks at its version only when the writer is done.
 */
typedef struct meeting {
  larder_ns *ns;
  pthread_t late;
  sem_t found;
  sem_t written;
  bool new_shown;
  bool old_shown;
} meeting;

static meeting *met;

/* A get that does not come by is a failure, not an endless wait. */
static void wait_for(sem_t *sem) {
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += 60;
  assert_int_equal(sem_timedwait(sem, &until), 0);
}
static _Thread_local bool is_late;

static void *early_get(void *context) {
  meeting *m = context;
  m->new_shown = shows(m->ns, "k", "new");
  return NULL;
}

static void *late_get(void *context) {
  meeting *m = context;
  for (int i = 0; i < 3; i++) assert_true(shows(m->ns, "other", "value")); /* a thread's first get goes another way */
  is_late = true;
  m->old_shown = shows(m->ns, "k", "old");
  return NULL;
}

static void meet(lrd_moment moment) {
  pthread_t early;
  if (moment == LRD_MOMENT_COMMITTED) {
    assert_int_equal(pthread_create(&early, NULL, early_get, met), 0);
    (void)pthread_join(early, NULL);
    assert_int_equal(pthread_create(&met->late, NULL, late_get, met), 0);
    wait_for(&met->found);
  } else if (is_late) {
    is_late = false;
    (void)sem_post(&met->found);
    wait_for(&met->written);
  }
}

static bool found_entry_comes_back(const char *root, unsigned mutation) {
  scene s;
  scene_open(&s, root, MEMORY_SQLITE, 1, mutation);
  meeting m = {.ns = s.ns[0]};
  (void)sem_init(&m.found, 0, 0);
  (void)sem_init(&m.written, 0, 0);
  met = &m;
  put_ok(m.ns, "other", "value", LARDER_OK);
  put_ok(m.ns, "k", "old", LARDER_OK);
  atomic_store(&lrd_moment_hook, meet);
  put_ok(m.ns, "k", "new", LARDER_OK);
  (void)sem_post(&m.written);
  (void)pthread_join(m.late, NULL);
  atomic_store(&lrd_moment_hook, NULL);
  assert_true(m.new_shown);
  scene_close(&s);
  return m.old_shown;
}

static void a_writer_that_retags_its_own_keys_is_found(void **state) {
  assert_true(found_entry_comes_back(*state, LRD_MUTATE_RETAG_OWN));
  assert_false(found_entry_comes_back(*state, 0));
}

/* The upper tier has the old value, the lower one commits the new one; a third party reads from above. */
static bool upper_keeps_old(const char *root, unsigned mutation) {
  scene s;
  char config[400];
  (void)snprintf(config, sizeof config, WARM_COLD, 100u);
  scene_open(&s, root, config, 2, 0);
  put_ok(s.ns[0], "k", "old", LARDER_OK);
  assert_true(shows(s.ns[1], "k", "old"));
  atomic_store(&lrd_mutations, mutation);
  put_ok(s.ns[0], "k", "new", LARDER_OK);
  bool old_shown = shows(s.ns[1], "k", "old");
  scene_close(&s);
  return old_shown;
}

static void an_upper_tier_that_does_not_forget_is_found(void **state) {
  assert_true(upper_keeps_old(*state, LRD_MUTATE_UPPER_NOT_FORGOTTEN));
  assert_false(upper_keeps_old(*state, 0));
}

/* The disk is full for one put and has room again: the value in memory is new, the one on disk old. */
static bool disk_keeps_old(const char *root, unsigned mutation) {
  scene s;
  scene_open(&s, root, MEMORY_SQLITE, 2, mutation);
  put_ok(s.ns[0], "k", "old", LARDER_OK);
  support_fs_fail_from(LRD_FS_WRITE, 1, ENOSPC);
  put_ok(s.ns[0], "k", "new", LARDER_DEGRADED);
  (void)support_fs_end();
  bool old_shown = shows(s.ns[1], "k", "old") || shows(s.ns[0], "k", "old");
  for (int i = 0; i < 10; i++) {
    lrd_clock_moved_advance_ms(&s.clock, 1000);
    lrd_larder_tick(s.cache[0]);
    lrd_larder_tick(s.cache[1]);
    old_shown = old_shown || shows(s.ns[1], "k", "old");
  }
  put_ok(s.ns[1], "k", "third", LARDER_OK); /* it works again */
  assert_true(shows(s.ns[0], "k", "third"));
  scene_close(&s);
  return old_shown;
}

static void a_missing_dirty_mark_is_found(void **state) {
  assert_true(disk_keeps_old(*state, LRD_MUTATE_NO_DIRTY_MARK));
  assert_false(disk_keeps_old(*state, 0));
}

/* Process 0 has a put queued; process 1 queues and writes a newer one. */
static bool queue_shows_old(const char *root, unsigned mutation) {
  scene s;
  scene_open(&s, root, MEMORY_SQLITE_BEHIND, 2, mutation);
  put_ok(s.ns[0], "k", "old", LARDER_OK);
  assert_true(shows(s.ns[0], "k", "old"));
  put_ok(s.ns[1], "k", "new", LARDER_OK);
  lrd_larder_tick(s.cache[1]); /* its queue is written */
  bool old_shown = shows(s.ns[0], "k", "old");
  assert_true(shows(s.ns[1], "k", "new"));
  lrd_larder_tick(s.cache[0]); /* the older one loses */
  assert_true(shows(s.ns[0], "k", "new") && shows(s.ns[1], "k", "new"));
  scene_close(&s);
  return old_shown;
}

static void a_pending_value_over_a_moved_slot_is_found(void **state) {
  assert_true(queue_shows_old(*state, LRD_MUTATE_PENDING_UNCHECKED));
  assert_false(queue_shows_old(*state, 0));
}

/* A queued put and a newer delete by another process: nothing may be shown. */
static void a_delete_elsewhere_beats_what_is_queued(void **state) {
  scene s;
  scene_open(&s, *state, MEMORY_SQLITE_BEHIND, 2, 0);
  put_ok(s.ns[1], "k", "first", LARDER_OK);
  assert_ok(larder_flush(s.cache[1]));
  put_ok(s.ns[0], "k", "old", LARDER_OK);
  assert_ok(larder_delete(s.ns[1], "k", 1));
  assert_false(shows(s.ns[0], "k", "old"));
  lrd_larder_tick(s.cache[0]);
  assert_false(shows(s.ns[0], "k", "old"));
  assert_false(shows(s.ns[1], "k", "old"));
  scene_close(&s);
}

static void push_out(larder_ns *ns) {
  char name[32];
  for (unsigned i = 0; i < 40; i++) {
    (void)snprintf(name, sizeof name, "filler-%u", i);
    put_ok(ns, name, "filler", LARDER_OK);
  }
}

/* A queued put, and a newer value elsewhere that has come and gone before the queue is written, however late. */
static bool swept_lets_older_in(const char *root, const char *tier, unsigned mutation) {
  scene s;
  char config[200];
  (void)snprintf(config, sizeof config,
                 "cache:\n  memory: {size_mb: 8}\n  namespaces:\n    n: {tiers: [memory, %s], ttl: 10h, durability: behind}\n",
                 tier);
  char *place = scene_folder(root, tier);
  scene_open(&s, place, config, 2, mutation);
  put_ok(s.ns[0], "k", "old", LARDER_OK);
  larder_put_options brief = {.size = sizeof brief, .ttl_ms = 20};
  assert_ok(larder_put(s.ns[1], "k", 1, "new", 3, &brief));
  assert_ok(larder_flush(s.cache[1]));
  assert_true(shows(s.ns[0], "k", "new"));
  lrd_clock_moved_advance_ms(&s.clock, 3600000);
  assert_ok(larder_sweep(s.cache[1], NULL));
  lrd_larder_tick(s.cache[0]);
  bool old_shown = shows(s.ns[0], "k", "old") || shows(s.ns[1], "k", "old");
  scene_close(&s);
  free(place);
  return old_shown;
}

static void a_removal_without_a_trace_is_found(void **state) {
  static const char *const tiers[] = {"sqlite", "files"};
  for (size_t i = 0; i < 2; i++) {
    assert_true(swept_lets_older_in(*state, tiers[i], LRD_MUTATE_NO_TRACE));
    assert_false(swept_lets_older_in(*state, tiers[i], 0));
  }
}

/* Likewise, but the newer value went for lack of room, which is no reason to be forgotten. */
static bool evicted_lets_older_in(const char *root, unsigned mutation) {
  scene s;
  scene_open(&s, root,
             "cache:\n  memory: {size_mb: 8}\n  sqlite: {max_entries: 3}\n  namespaces:\n"
             "    n: {tiers: [memory, sqlite], ttl: 1h, durability: behind}\n",
             3, mutation);
  put_ok(s.ns[0], "k", "old", LARDER_OK);
  put_ok(s.ns[1], "k", "new", LARDER_OK);
  assert_ok(larder_flush(s.cache[1]));
  lrd_clock_moved_advance_ms(&s.clock, 60000);
  for (int i = 0; i < 60; i++) { /* one by one: what is written together can't make room for each other */
    char name[16];
    (void)snprintf(name, sizeof name, "filler-%d", i);
    put_ok(s.ns[1], name, "filler", LARDER_OK);
    assert_ok(larder_flush(s.cache[1]));
  }
  assert_false(shows(s.ns[2], "k", "new"));
  assert_ok(larder_flush(s.cache[0]));
  bool old_shown = false;
  for (int i = 0; i < 3; i++) old_shown = old_shown || shows(s.ns[i], "k", "old");
  scene_close(&s);
  return old_shown;
}

static void an_eviction_without_a_trace_is_found(void **state) {
  assert_true(evicted_lets_older_in(*state, LRD_MUTATE_NO_TRACE));
  assert_false(evicted_lets_older_in(*state, 0));
}

/* A delete on a full disk marks the slot; who writes a queued value there first deletes the slot's range, and all traces. */
static void what_a_cleaned_slot_had_is_not_replaced_by_what_was_queued(void **state) {
  scene s;
  scene_open(&s, *state, MEMORY_SQLITE_BEHIND, 2, 0);
  put_ok(s.ns[0], "k", "old", LARDER_OK);
  put_ok(s.ns[0], "other", "kept", LARDER_OK);
  support_fs_fail_from(LRD_FS_WRITE, 1, ENOSPC);
  assert_err(larder_delete(s.ns[1], "k", 1), LARDER_DEGRADED);
  assert_true(larder_flush(s.cache[0]) < 0);
  assert_true(shows(s.ns[0], "other", "kept")); /* it stays queued meanwhile */
  (void)support_fs_end();
  lrd_clock_moved_advance_ms(&s.clock, 60000);
  assert_err(larder_flush(s.cache[0]), LARDER_NOT_KEPT);
  for (int i = 0; i < 2; i++) {
    assert_false(shows(s.ns[i], "k", "old"));
    assert_true(shows(s.ns[i], "other", "kept"));
  }
  scene_close(&s);
}

/* So many deletes that not all can be remembered: what may have been overtaken is given up, and that is told. */
static void can_not_be_told(const char *root, const char *tier) {
  enum { QUEUED = 40, DELETED = 2000 };
  scene s;
  char name[32], config[200];
  (void)snprintf(config, sizeof config,
                 "cache:\n  memory: {size_mb: 8}\n  %s: {size_mb: 1}\n  namespaces:\n"
                 "    n: {tiers: [memory, %s], ttl: 1h, durability: behind}\n",
                 tier, tier);
  char *place = scene_folder(root, tier);
  scene_open(&s, place, config, 2, 0);
  put_ok(s.ns[0], "other", "kept", LARDER_OK);
  for (unsigned i = 0; i < QUEUED; i++) {
    (void)snprintf(name, sizeof name, "k-%u", i);
    put_ok(s.ns[0], name, "old", LARDER_OK);
    assert_err(larder_delete(s.ns[1], name, strlen(name)), LARDER_MISS);
  }
  for (unsigned i = 0; i < DELETED; i++) {
    (void)snprintf(name, sizeof name, "gone-%u", i);
    assert_err(larder_delete(s.ns[1], name, strlen(name)), LARDER_MISS);
  }
  for (int i = 0; i < 40; i++) assert_ok(larder_sweep(s.cache[1], NULL)); /* forgets five of six */
  assert_err(larder_flush(s.cache[0]), LARDER_NOT_KEPT);
  assert_ok(larder_flush(s.cache[0]));
  for (int i = 0; i < 2; i++) {
    for (unsigned k = 0; k < QUEUED; k++) {
      (void)snprintf(name, sizeof name, "k-%u", k);
      assert_false(shows(s.ns[i], name, "old"));
    }
    assert_true(shows(s.ns[i], "other", "kept"));
  }
  scene_close(&s);
  free(place);
}

static void what_can_not_be_told_is_given_up(void **state) {
  can_not_be_told(*state, "sqlite");
  can_not_be_told(*state, "files");
}

/*
 * Process 0 reads the old value from the cold tier and means to hand it to the warm one. Before it comes to that, process
 * 1 writes a newer value, and the warm tier of two entries loses it again: there is nothing there to lose against.
 */
static bool late_hand_over_brings_old_back(const char *root, unsigned mutation) {
  scene s;
  char config[400];
  (void)snprintf(config, sizeof config, WARM_COLD, 2u);
  scene_open(&s, root, config, 3, mutation);
  put_ok(s.ns[1], "k", "old", LARDER_OK);
  push_out(s.ns[1]);
  assert_true(shows(s.ns[0], "k", "old"));
  put_ok(s.ns[1], "k", "new", LARDER_OK);
  push_out(s.ns[1]);
  lrd_larder_tick(s.cache[0]);
  bool old_shown = shows(s.ns[2], "k", "old");
  scene_close(&s);
  return old_shown;
}

static void an_unowned_hand_over_is_found(void **state) {
  bool found = false;
  /* Which of the entries the warm tier keeps is a matter of the root's random seed: it may be the very one. */
  for (int i = 0; i < 20 && !found; i++) {
    char name[16];
    (void)snprintf(name, sizeof name, "root-%d", i);
    char *place = scene_folder(*state, name);
    found = late_hand_over_brings_old_back(place, LRD_MUTATE_DEMOTE_UNCHECKED);
    assert_false(late_hand_over_brings_old_back(place, 0));
    free(place);
  }
  assert_true(found);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      SUPPORT_DIR_TEST(a_hit_that_ignores_the_owner_is_found),
      SUPPORT_DIR_TEST(a_hit_that_ignores_the_version_is_found),
      SUPPORT_DIR_TEST(an_unchecked_fill_is_found),
      SUPPORT_DIR_TEST(an_unmoved_slot_is_found),
      SUPPORT_DIR_TEST(a_stolen_slot_is_found),
      SUPPORT_DIR_TEST(a_writer_that_retags_its_own_keys_is_found),
      SUPPORT_DIR_TEST(an_upper_tier_that_does_not_forget_is_found),
      SUPPORT_DIR_TEST(a_missing_dirty_mark_is_found),
      SUPPORT_DIR_TEST(a_pending_value_over_a_moved_slot_is_found),
      SUPPORT_DIR_TEST(a_delete_elsewhere_beats_what_is_queued),
      SUPPORT_DIR_TEST(a_removal_without_a_trace_is_found),
      SUPPORT_DIR_TEST(an_eviction_without_a_trace_is_found),
      SUPPORT_DIR_TEST(what_a_cleaned_slot_had_is_not_replaced_by_what_was_queued),
      SUPPORT_DIR_TEST(what_can_not_be_told_is_given_up),
      SUPPORT_DIR_TEST(an_unowned_hand_over_is_found),
  };
  return cmocka_run_group_tests_name("race_mutations", tests, NULL, NULL);
}
