/* SPDX-License-Identifier: Apache-2.0 */
/* What the policy adaptive tells of itself: who is in charge on requests that are made for one expert, what the others would
 * have missed, the line in the log, the statistics, why; and looks while others write. */
#include "support/support.h"

#include "larder_testing.h"
#include <larder/adaptive.h>
#include <larder/stats.h>
#include <larder/why.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROOM 100u

typedef struct fixture {
  char *root;
  lrd_clock_moved clock;
  larder *cache;
  larder_ns *learns;
  larder_ns *wide; /* in as many shards as there are */
  larder_ns *plain;
  larder_ns *none;
  unsigned changes;
  char changed[256];
} fixture;

static void change_note(void *context, int level, const char *id, const char *message) {
  fixture *f = context;
  if (strcmp(id, "adaptive.changed") != 0) return;
  assert_int_equal(level, LARDER_LOG_INFO);
  f->changes++;
  (void)snprintf(f->changed, sizeof f->changed, "%s", message);
}

static int setup(void **state) {
  fixture *f = calloc(1, sizeof *f);
  larder_error err = {0};
  f->root = support_dir_make();
  lrd_clock_moved_init(&f->clock, INT64_C(1700000000000));
  larder_options options = {.size = sizeof options,
                            .root = f->root,
                            .log = change_note,
                            .log_context = f,
                            .log_level = LARDER_LOG_INFO,
                            .config_text = "cache:\n  slots: 1024\n  memory: {size_mb: 8}\n  namespaces:\n"
                                           "    learns: {tiers: [memory], policy: adaptive, limits: {memory: 100}}\n"
                                           "    wide: {tiers: [memory], policy: adaptive, limits: {memory: 2000}}\n"
                                           "    plain: {tiers: [memory], policy: lru}\n"
                                           "    none: {tiers: [sqlite], policy: adaptive}\n"};
  if (lrd_larder_open_with_clock(&options, &f->clock.clock, &f->cache, &err) != LARDER_OK) fail_msg("%s", err.message);
  assert_ok(larder_ns_open(f->cache, "learns", &f->learns, &err));
  assert_ok(larder_ns_open(f->cache, "wide", &f->wide, &err));
  assert_ok(larder_ns_open(f->cache, "plain", &f->plain, &err));
  assert_ok(larder_ns_open(f->cache, "none", &f->none, &err));
  *state = f;
  return 0;
}

static int teardown(void **state) {
  fixture *f = *state;
  int bad = larder_close(&f->cache) != LARDER_OK;
  support_dir_remove(&f->root);
  free(f);
  return bad;
}

/* Reads it, and puts it if it is missing. */
static void ask(larder_ns *ns, unsigned key) {
  larder_value value = {0};
  larder_err const found = larder_get(ns, &key, sizeof key, NULL, &value);
  if (found == LARDER_OK)
    larder_value_release(&value);
  else
    assert_ok(larder_put(ns, &key, sizeof key, "value", 5, NULL));
}

static void loop(larder_ns *ns, unsigned requests, unsigned keys) {
  for (unsigned i = 0; i < requests; i++) ask(ns, i % keys);
}

/* Keys that come twice soon and never again. */
static void pairs(larder_ns *ns, unsigned first, unsigned count) {
  for (unsigned i = first; i < first + count; i++) {
    ask(ns, i);
    if (i >= first + 40) ask(ns, i - 40);
  }
}

static larder_adaptive look(larder_ns *ns) {
  larder_adaptive now = {.size = sizeof now};
  assert_ok(larder_adaptive_look(ns, &now));
  return now;
}

static void before_anybody_had_to_go_nothing_was_decided(void **state) {
  fixture *f = *state;
  loop(f->learns, 500, ROOM / 10);
  larder_adaptive now = look(f->learns);
  assert_int_equal(now.leader, LARDER_EXPERT_S3_FIFO);
  assert_int_equal(now.asked, 0);
  assert_int_equal(now.switches, 0);
  assert_int_equal(now.experts[LARDER_EXPERT_S3_FIFO].entries, ROOM / 10);
  assert_string_equal(now.experts[LARDER_EXPERT_S3_FIFO].name, "s3-fifo");
  assert_string_equal(now.experts[LARDER_EXPERT_TINYLFU_20].name, "tinylfu-20");
  assert_string_equal(now.experts[LARDER_EXPERT_CLOCK].stays, "read lately");
}

static void who_leads_and_what_the_others_would_have_missed(void **state) {
  fixture *f = *state;
  loop(f->learns, 60000, ROOM * 3 / 2);
  larder_adaptive now = look(f->learns);
  uint64_t led = 0, entries = 0;
  for (unsigned i = 0; i < LARDER_EXPERT_COUNT; i++) {
    led += now.experts[i].led;
    entries += now.experts[i].entries;
    assert_true(now.experts[i].missed <= now.asked);
  }
  assert_int_equal(led, now.asked);
  assert_int_equal(entries, ROOM);
  /* So few keys are followed all of them, until nothing has changed for long. */
  assert_in_range(now.asked, 5000, 30000);
  assert_true(now.experts[now.leader].entries > 0);
  /* Whoever throws out the oldest never hits. */
  assert_true(now.experts[LARDER_EXPERT_CLOCK].missed > now.asked * 9 / 10);
  assert_true(now.experts[now.leader].missed < now.asked * 7 / 10);
  assert_true(now.leader != LARDER_EXPERT_CLOCK && now.leader != LARDER_EXPERT_RECENCY);
  assert_true(now.switches > 0);
}

static void a_change_is_told_once(void **state) {
  fixture *f = *state;
  unsigned n = 0;
  double missed = 0, missed_there = 0;
  char fresh[32] = "", former[32] = "", expected[64];
  loop(f->learns, 60000, ROOM * 3 / 2);
  lrd_larder_tick(f->cache);
  lrd_larder_tick(f->cache);
  f->changes = 0;
  larder_adaptive const before = look(f->learns);
  pairs(f->learns, 1000, 40000);
  lrd_larder_tick(f->cache);
  lrd_larder_tick(f->cache);
  larder_adaptive const now = look(f->learns);
  assert_true(now.leader == LARDER_EXPERT_CLOCK || now.leader == LARDER_EXPERT_RECENCY || now.leader == LARDER_EXPERT_S3_30);
  assert_int_equal(f->changes, 1);
  (void)snprintf(expected, sizeof expected, "namespace learns: %s instead of %s: ", now.experts[now.leader].name,
                 now.experts[before.leader].name);
  assert_memory_equal(f->changed, expected, strlen(expected));
  assert_int_equal(
      sscanf(f->changed,
             "namespace learns: %31s instead of %31[^:]: of the last %u sampled requests it would have missed %lf %% "
             "instead of %lf %%",
             fresh, former, &n, &missed, &missed_there),
      5);
  assert_in_range(n, 1024, now.asked);
  assert_true(missed > 0 && missed < missed_there && missed_there <= 100);
}

static void the_statistics_say_the_same(void **state) {
  fixture *f = *state;
  larder_stats *stats = NULL;
  larder_adaptive seen = {.size = sizeof seen};
  loop(f->learns, 30000, ROOM * 3 / 2);
  larder_adaptive const now = look(f->learns);
  assert_ok(larder_stats_take(f->cache, &stats, NULL));
  assert_true(larder_stats_adaptive_of(stats, "learns", &seen));
  assert_memory_equal(&seen, &now, sizeof seen);
  assert_true(larder_stats_adaptive_of(stats, "wide", &seen));
  assert_int_equal(seen.asked, 0);
  assert_false(larder_stats_adaptive_of(stats, "plain", &seen));
  assert_false(larder_stats_adaptive_of(stats, "none", &seen));
  assert_false(larder_stats_adaptive_of(stats, NULL, &seen));
  assert_false(larder_stats_adaptive_of(stats, "learns", NULL));
  seen.size = 1;
  assert_false(larder_stats_adaptive_of(stats, "learns", &seen));
  larder_stats_free(&stats);
}

static void why_names_the_expert_that_decides_over_a_key(void **state) {
  fixture *f = *state;
  larder_why why = {.size = sizeof why};
  loop(f->learns, 60000, ROOM * 3 / 2);
  larder_adaptive const now = look(f->learns);
  uint64_t matching = 0;
  for (unsigned key = 0; key < ROOM * 3 / 2; key++) {
    assert_ok(larder_why_look(f->learns, &key, sizeof key, &why));
    assert_non_null(why.expert);
    if (strcmp(why.expert, now.experts[now.leader].name) == 0) matching++;
  }
  assert_true(matching > 0 && now.leader != LARDER_EXPERT_S3_FIFO);
  assert_ok(larder_why_look(f->plain, "k", 1, &why));
  assert_null(why.expert);
  assert_ok(larder_why_look(f->none, "k", 1, &why));
  assert_null(why.expert);
}

static void shards_are_added_up(void **state) {
  fixture *f = *state;
  loop(f->wide, 40000, 3000);
  larder_adaptive const now = look(f->wide);
  uint64_t entries = 0, most = 0;
  for (unsigned i = 0; i < LARDER_EXPERT_COUNT; i++) {
    entries += now.experts[i].entries;
    if (now.experts[i].entries > most) most = now.experts[i].entries;
  }
  assert_int_equal(now.experts[now.leader].entries, most);
  assert_true(entries > 1000 && entries <= 2000);
  assert_true(now.asked > 0);
}

static void what_is_not_adaptive_is_refused(void **state) {
  fixture *f = *state;
  larder_adaptive now = {.size = sizeof now, .asked = 7};
  assert_int_equal(larder_adaptive_look(f->plain, &now), LARDER_EUNSUPPORTED);
  assert_int_equal(larder_adaptive_look(f->none, &now), LARDER_EUNSUPPORTED);
  assert_int_equal(larder_adaptive_look(NULL, &now), LARDER_EINVAL);
  assert_int_equal(larder_adaptive_look(f->learns, NULL), LARDER_EINVAL);
  assert_int_equal(now.asked, 7);
  now.size--;
  assert_int_equal(larder_adaptive_look(f->learns, &now), LARDER_EINVAL);
  assert_int_equal(now.asked, 7);
}

typedef struct writer {
  larder_ns *ns;
  unsigned first;
  _Atomic bool *done;
} writer;

static void *write_on(void *argument) {
  writer *w = argument;
  pairs(w->ns, w->first, 10000);
  atomic_store(w->done, true);
  return NULL;
}

static void looks_and_writers_do_not_meet(void **state) {
  fixture *f = *state;
  _Atomic bool done[2] = {false, false};
  writer writers[2] = {{f->learns, 1000, &done[0]}, {f->learns, 100000, &done[1]}};
  pthread_t threads[2];
  uint64_t last = 0;
  for (unsigned i = 0; i < 2; i++) assert_int_equal(pthread_create(&threads[i], NULL, write_on, &writers[i]), 0);
  while (!atomic_load(&done[0]) || !atomic_load(&done[1])) {
    larder_adaptive const now = look(f->learns);
    assert_true(now.asked >= last);
    last = now.asked;
    lrd_larder_tick(f->cache);
  }
  for (unsigned i = 0; i < 2; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
  assert_true(look(f->learns).asked > 10000);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(before_anybody_had_to_go_nothing_was_decided, setup, teardown),
      cmocka_unit_test_setup_teardown(who_leads_and_what_the_others_would_have_missed, setup, teardown),
      cmocka_unit_test_setup_teardown(a_change_is_told_once, setup, teardown),
      cmocka_unit_test_setup_teardown(the_statistics_say_the_same, setup, teardown),
      cmocka_unit_test_setup_teardown(why_names_the_expert_that_decides_over_a_key, setup, teardown),
      cmocka_unit_test_setup_teardown(shards_are_added_up, setup, teardown),
      cmocka_unit_test_setup_teardown(what_is_not_adaptive_is_refused, setup, teardown),
      cmocka_unit_test_setup_teardown(looks_and_writers_do_not_meet, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
