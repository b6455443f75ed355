/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who waits for a reader: as long as readers answer others, or a host is short of time, nobody gives up; where a reader failed,
 * soon. The one reader is held by the test; spans are such that a slow machine changes nothing.
 */
#include "sqlite_rig.h"

#include "tier/sqlite/sqlite_inner.h"
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

typedef struct waiter {
  sqlite_rig *rig;
  pthread_t thread;
  larder_err result;
} waiter;

static int setup(void **state) {
  sqlite_rig *rig = calloc(1, sizeof *rig);
  rig_init(rig);
  *state = rig;
  return 0;
}

static int teardown(void **state) {
  rig_close(*state);
  rig_fini(*state);
  free(*state);
  return 0;
}

static void *wait_run(void *context) {
  waiter *w = context;
  w->result = rig_get_err(w->rig, "k");
  return NULL;
}

/* Somebody waits for the reader, which the test has. */
static sqlite_reader *hold_and_wait(waiter *w, sqlite_rig *rig, const char *options) {
  sqlite_reader *reader = NULL;
  rig->options = options;
  rig_must_open(rig);
  rig_put(rig, "k", 1, "kept");
  sqlite_tier *tier = lrd_sqlite_tier_of(rig->tier);
  assert_ok(lrd_sqlite_reader_claim(tier, &reader));
  *w = (waiter){.rig = rig};
  assert_int_equal(pthread_create(&w->thread, NULL, wait_run, w), 0);
  for (int i = 0; atomic_load(&tier->pool_waiters) == 0; i++) {
    assert_true(i < 60000);
    (void)usleep(1000);
  }
  return reader;
}

static bool ends_within(waiter *w, int seconds) {
  struct timespec until;
  (void)clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += seconds;
  return pthread_timedjoin_np(w->thread, NULL, &until) == 0;
}

/* Beyond what a get puts up with from a reader that fails. */
static void a_reader_that_is_only_slow_is_waited_for(void **state) {
  sqlite_rig *rig = *state;
  waiter w;
  sqlite_reader *reader = hold_and_wait(&w, rig, "readers_max=1\npool_ms=600000");
  (void)usleep(2500000);
  lrd_sqlite_reader_return(lrd_sqlite_tier_of(rig->tier), reader);
  assert_true(ends_within(&w, 60));
  assert_ok(w.result);
}

static void while_others_are_answered_nobody_gives_up(void **state) {
  sqlite_rig *rig = *state;
  waiter w;
  sqlite_reader *reader = hold_and_wait(&w, rig, "readers_max=1\npool_ms=3000");
  sqlite_tier *tier = lrd_sqlite_tier_of(rig->tier);
  for (int i = 0; i < 45; i++) { /* as if a reader had answered and been taken by somebody faster */
    (void)usleep(100000);
    lrd_lock(&tier->pool);
    tier->pool_served++;
    lrd_unlock(&tier->pool);
  }
  lrd_sqlite_reader_return(tier, reader);
  assert_true(ends_within(&w, 60));
  assert_ok(w.result);
}

static void where_none_answers_the_wait_ends(void **state) {
  sqlite_rig *rig = *state;
  waiter w;
  sqlite_reader *reader = hold_and_wait(&w, rig, "readers_max=1\npool_ms=200");
  assert_true(ends_within(&w, 60));
  assert_int_equal(w.result, LARDER_EAWAY);
  lrd_sqlite_reader_return(lrd_sqlite_tier_of(rig->tier), reader);
  rig_assert_value(rig, "k", "kept");
}

static void where_one_failed_the_wait_ends_soon(void **state) {
  sqlite_rig *rig = *state;
  waiter w;
  sqlite_reader *reader = hold_and_wait(&w, rig, "readers_max=1\npool_ms=600000");
  sqlite_tier *tier = lrd_sqlite_tier_of(rig->tier);
  lrd_lock(&tier->pool);
  tier->pool_failed++;
  lrd_unlock(&tier->pool);
  assert_true(ends_within(&w, 60));
  assert_int_equal(w.result, LARDER_EAWAY);
  lrd_sqlite_reader_return(tier, reader);
  rig_assert_value(rig, "k", "kept");
}

static void what_a_reader_did_is_told_when_it_comes_back(void **state) {
  sqlite_rig *rig = *state;
  waiter w;
  sqlite_reader *reader = hold_and_wait(&w, rig, "readers_max=1\npool_ms=600000");
  sqlite_tier *tier = lrd_sqlite_tier_of(rig->tier);
  reader->failed = true;
  lrd_sqlite_reader_return(tier, reader);
  assert_true(ends_within(&w, 60));
  assert_ok(w.result); /* it came free all the same */
  assert_int_equal(tier->pool_failed, 1);
  assert_int_equal(tier->pool_served, 0); /* nobody waited for the second answer */
}

int main(void) {
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
  const struct CMUnitTest tests[] = {
      TEST(a_reader_that_is_only_slow_is_waited_for),
      TEST(while_others_are_answered_nobody_gives_up),
      TEST(where_none_answers_the_wait_ends),
      TEST(where_one_failed_the_wait_ends_soon),
      TEST(what_a_reader_did_is_told_when_it_comes_back),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
