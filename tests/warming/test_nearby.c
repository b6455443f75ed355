/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is nearby is made ahead. Proves: the keys of the places within the radius are wished for when one of them has been made
 * or hit, the nearest first and no more than the limit; keys of no place, and the same place again, ask for nothing; a changed
 * table is read again, a broken one leaves the one before; what is wrong with the configuration is told at opening.
 */
#include "support/support.h"

#include "base/clock.h"
#include "larder_testing.h"
#include <larder/ext/maker.h>
#include <larder/prefetch.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define WAIT_MS 20000

#define WAIT_FOR(condition)                                                                                                    \
  do {                                                                                                                         \
    for (unsigned naps = 0; !(condition); naps++) {                                                                            \
      if (naps > WAIT_MS) fail_msg("waited in vain for %s", #condition);                                                       \
      nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);                                                                 \
    }                                                                                                                          \
  } while (0)

static const char colorado[] = "name,lat,lon,cbsa\nBoulder,40.0150,-105.2705,14500\nDenver,39.7392,-104.9903,19740\n"
                               "Fort Collins,40.5853,-105.0844,22660\nLongmont,40.1672,-105.1019,30010\n"
                               "Golden,39.7555,-105.2211,\nPueblo,38.2544,-104.6091,39380\n";

typedef struct fixture {
  char *root;
  char *places;
  lrd_clock_moved clock;
  larder *cache;
  larder_ns *ns;
  pthread_mutex_t mutex;
  char made[512]; /* keys, in the order in which they began, a blank behind each */
  atomic_uint count;
} fixture;

static larder_err origin_make(void *context, const larder_making *making, larder_made *made, larder_error *err) {
  fixture *f = context;
  (void)err;
  pthread_mutex_lock(&f->mutex);
  size_t len = strlen(f->made);
  snprintf(f->made + len, sizeof f->made - len, "%.*s ", (int)making->key_len, (const char *)making->key);
  pthread_mutex_unlock(&f->mutex);
  atomic_fetch_add(&f->count, 1);
  made->value = "v";
  made->len = 1;
  return LARDER_OK;
}

static larder_err try_open(fixture *f, const char *nearby, larder_error *err) {
  char text[1024];
  snprintf(text, sizeof text,
           "cache:\n  slots: 1024\n  prefetch: {max_parallel_requests: 1}\n  namespaces:\n"
           "    n: {tiers: [memory], maker: {callback: origin}, nearby: {places: %s, %s}}\n",
           f->places, nearby);
  larder_options options = {.size = sizeof options, .root = f->root, .config_text = text};
  larder_err const opened = lrd_larder_open_with_clock(&options, &f->clock.clock, &f->cache, err);
  if (opened != LARDER_OK) return opened;
  assert_ok(larder_maker_register(f->cache, "origin", origin_make, f));
  return larder_ns_open(f->cache, "n", &f->ns, err);
}

static void open_with(fixture *f, const char *table, const char *nearby) {
  larder_error err = {0};
  memset(f, 0, sizeof *f);
  pthread_mutex_init(&f->mutex, NULL);
  f->root = support_dir_make();
  f->places = support_path(f->root, "places.csv");
  support_file_write(f->places, table, strlen(table));
  lrd_clock_moved_init(&f->clock, INT64_C(1700000000000));
  if (try_open(f, nearby, &err) != LARDER_OK) fail_msg("%s", err.message);
}

static void shut(fixture *f) {
  assert_ok(larder_close(&f->cache));
  pthread_mutex_destroy(&f->mutex);
  free(f->places);
  support_dir_remove(&f->root);
}

static void ask(fixture *f, const char *key) {
  larder_value value = {0};
  assert_ok(larder_get_or_make(f->ns, key, strlen(key), NULL, &value, NULL));
  larder_value_release(&value);
}

static bool idle(fixture *f) {
  larder_prefetch_figures now = {0};
  larder_prefetch_figures_get(f->cache, &now);
  return now.queued == 0 && now.running == 0;
}

static uint64_t asked(fixture *f) {
  larder_prefetch_figures now = {0};
  larder_prefetch_figures_get(f->cache, &now);
  return now.asked;
}

static void settle(fixture *f) {
  lrd_larder_tick(f->cache);
  WAIT_FOR((lrd_larder_tick(f->cache), idle(f)));
}

static void what_is_within_the_radius_is_made_the_nearest_first(void **state) {
  fixture f;
  (void)state;
  open_with(&f, colorado, "key: 'acs:{cbsa}', radius: 50mi");
  ask(&f, "acs:14500");
  settle(&f);
  assert_string_equal(f.made, "acs:14500 acs:30010 acs:19740 acs:22660 ");
  ask(&f, "acs:14500"); /* just now */
  ask(&f, "another");
  settle(&f);
  assert_int_equal(asked(&f), 3);
  lrd_clock_moved_advance_ms(&f.clock, 61000);
  ask(&f, "acs:14500"); /* a hit; what is around is there */
  settle(&f);
  assert_int_equal(asked(&f), 6);
  assert_int_equal(atomic_load(&f.count), 5);
  shut(&f);
}

static void radius_and_limit_hold(void **state) {
  fixture f;
  (void)state;
  open_with(&f, colorado, "key: 'acs:{cbsa}', radius: 200mi, limit: 2");
  ask(&f, "acs:14500");
  settle(&f);
  assert_string_equal(f.made, "acs:14500 acs:30010 acs:19740 ");
  shut(&f);
  open_with(&f, colorado, "key: 'acs:{cbsa}', radius: 20km");
  ask(&f, "acs:14500");
  settle(&f);
  assert_int_equal(atomic_load(&f.count), 1);
  shut(&f);
}

static void a_changed_table_is_read_again(void **state) {
  static const char two[] = "name,lat,lon,cbsa\nA,10,10,1\nB,10.1,10,2\n", broken[] = "nothing of the kind\n";
  fixture f;
  (void)state;
  open_with(&f, colorado, "key: 'acs:{cbsa}'");
  support_file_write(f.places, two, strlen(two));
  lrd_clock_moved_advance_ms(&f.clock, 11000);
  settle(&f);
  ask(&f, "acs:1");
  settle(&f);
  assert_string_equal(f.made, "acs:1 acs:2 ");
  support_file_write(f.places, broken, strlen(broken));
  lrd_clock_moved_advance_ms(&f.clock, 61000);
  settle(&f);
  ask(&f, "acs:2");
  settle(&f);
  assert_int_equal(asked(&f), 2);
  shut(&f);
}

static void what_is_wrong_is_told_at_opening(void **state) {
  static const char *const wrong[][2] = {{"key: 'acs'", "the {name} of a field"},
                                         {"key: 'acs:{cbsa', radius: 5mi", "cbsa"},
                                         {"key: 'acs:{cbsa}', radius: near", "near"}};
  fixture f;
  larder_error err = {0};
  (void)state;
  open_with(&f, colorado, "key: 'acs:{cbsa}'");
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    if (f.cache) assert_ok(larder_close(&f.cache));
    assert_int_equal(try_open(&f, wrong[i][0], &err), LARDER_ECONFIG);
    if (!strstr(err.message, wrong[i][1])) fail_msg("%s", err.message);
  }
  assert_int_equal(unlink(f.places), 0);
  assert_int_equal(mkfifo(f.places, 0600), 0);
  assert_int_equal(try_open(&f, "key: '{cbsa}'", &err), LARDER_ECONFIG);
  assert_non_null(strstr(err.message, "no ordinary file"));
  shut(&f);
}

static void a_table_may_come_later(void **state) {
  static const char two[] = "name,lat,lon,cbsa\nA,10,10,1\nB,10.1,10,2\n";
  fixture f;
  larder_error err = {0};
  (void)state;
  open_with(&f, colorado, "key: 'acs:{cbsa}'");
  assert_ok(larder_close(&f.cache));
  assert_int_equal(unlink(f.places), 0);
  if (try_open(&f, "key: 'acs:{cbsa}'", &err) != LARDER_OK) fail_msg("%s", err.message);
  ask(&f, "acs:1");
  settle(&f);
  assert_string_equal(f.made, "acs:1 ");
  support_file_write(f.places, two, strlen(two));
  lrd_clock_moved_advance_ms(&f.clock, 61000);
  settle(&f);
  ask(&f, "acs:1");
  settle(&f);
  assert_string_equal(f.made, "acs:1 acs:2 ");
  shut(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_within_the_radius_is_made_the_nearest_first),
      cmocka_unit_test(radius_and_limit_hold),
      cmocka_unit_test(a_changed_table_is_read_again),
      cmocka_unit_test(what_is_wrong_is_told_at_opening),
      cmocka_unit_test(a_table_may_come_later),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
