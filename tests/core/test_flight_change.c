/* SPDX-License-Identifier: Apache-2.0 */
/* Changes of keys that are being made, in a namespace that has memory alone: who waits for whom, and what is not stored. */
#include "support/support.h"

#include "core/cache.h"
#include "core/flight.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define KEYS     4000u
#define PATIENCE 20000

static void nap(void) { nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL); }

typedef struct fixture {
  larder *cache;
  larder_ns *ns;
  char text[16];
} fixture;

static int begin(void **state) {
  fixture *f = calloc(1, sizeof *f);
  larder_options const options = {.size = sizeof options,
                                  .config_text = "cache: {memory: {size_mb: 4}, namespaces: {n: {tiers: [memory]}}}"};
  assert_non_null(f);
  assert_ok(larder_open(&options, &f->cache, NULL));
  assert_ok(larder_ns_open(f->cache, "n", &f->ns, NULL));
  *state = f;
  return 0;
}

static int end(void **state) {
  fixture *f = *state;
  assert_ok(larder_close(&f->cache));
  free(f);
  return 0;
}

static lrd_op op_of(const fixture *f, const char *key) {
  lrd_op op;
  assert_ok(lrd_op_begin(f->ns, key, strlen(key), &op));
  return op;
}

static lrd_flight *board(const fixture *f, const lrd_op *op, int64_t deadline_ns) {
  lrd_flight *flight = NULL;
  lrd_boarding how;
  assert_ok(lrd_flight_board(f->cache->flights, op, deadline_ns, &flight, &how));
  assert_int_equal(how, LRD_FLIGHT_LEADS);
  return flight;
}

static void land(lrd_flight *flight) {
  lrd_landing const landing = {.result = LARDER_MISS, .reason = ""};
  (void)lrd_flight_land(flight, &landing, NULL, 0);
  lrd_flight_leave(flight);
}

/* Another thread would store what it made. */
typedef struct keeper {
  pthread_t thread;
  lrd_flight *flight;
  atomic_bool answered;
  bool held;
} keeper;

static void *keeper_run(void *context) {
  keeper *k = context;
  k->held = lrd_flight_hold(k->flight);
  if (k->held) lrd_flight_let_go(k->flight);
  atomic_store(&k->answered, true);
  return NULL;
}

static void keeper_start(keeper *k, lrd_flight *flight) {
  *k = (keeper){.flight = flight};
  assert_int_equal(pthread_create(&k->thread, NULL, keeper_run, k), 0);
}

static bool keeper_end(keeper *k) {
  for (unsigned naps = 0; !atomic_load(&k->answered); naps++) {
    if (naps > PATIENCE) fail_msg("it waits for ever");
    nap();
  }
  pthread_join(k->thread, NULL);
  return k->held;
}

/* A while later: that somebody does nothing cannot be waited for. */
static bool waits_still(const keeper *k) {
  for (unsigned naps = 0; naps < 10; naps++) nap();
  return !atomic_load(&k->answered);
}

static void what_began_before_a_change_is_not_stored_over_it(void **state) {
  fixture *f = *state;
  lrd_op const op = op_of(f, "k");
  lrd_changing changing;
  lrd_flight *flight = board(f, &op, LRD_NO_DEADLINE);
  lrd_flights_change_begin(f->cache->flights, &op, &changing);
  assert_false(changing.quick);
  assert_false(lrd_flight_hold(flight)); /* at once: whoever changes is known */
  lrd_flights_change_end(f->cache->flights, &changing);
  assert_false(lrd_flight_hold(flight));
  land(flight);
}

static void what_begins_amid_a_change_waits_for_its_end_and_is_not_stored(void **state) {
  fixture *f = *state;
  lrd_op const op = op_of(f, "k");
  lrd_changing changing;
  keeper k;
  lrd_flights_change_begin(f->cache->flights, &op, &changing);
  assert_true(changing.quick);
  lrd_flight *flight = board(f, &op, LRD_NO_DEADLINE);
  keeper_start(&k, flight);
  assert_true(waits_still(&k));
  lrd_flights_change_end(f->cache->flights, &changing);
  assert_false(keeper_end(&k));
  land(flight);
}

/* Of keys that share a chain none is told apart while it changes. */
static void the_change_of_another_key_is_waited_for_only(void **state) {
  fixture *f = *state;
  lrd_op const op = op_of(f, "k");
  for (unsigned i = 0; i < KEYS; i++) {
    (void)snprintf(f->text, sizeof f->text, "other%u", i);
    if (op_of(f, f->text).hash % 64 == op.hash % 64) break;
  }
  lrd_op const other = op_of(f, f->text);
  lrd_changing changing, later;
  keeper k;
  lrd_flights_change_begin(f->cache->flights, &other, &changing);
  lrd_flight *flight = board(f, &op, LRD_NO_DEADLINE);
  keeper_start(&k, flight);
  assert_true(waits_still(&k));
  lrd_flights_change_begin(f->cache->flights, &other, &later); /* one that comes now is no reason to wait */
  assert_false(later.quick);
  lrd_flights_change_end(f->cache->flights, &changing);
  assert_true(keeper_end(&k));
  lrd_flights_change_end(f->cache->flights, &later);
  assert_true(lrd_flight_hold(flight));
  lrd_flight_let_go(flight);
  land(flight);
}

static void one_that_was_cut_waits_for_nobody(void **state) {
  fixture *f = *state;
  lrd_op const op = op_of(f, "k");
  lrd_changing changing;
  lrd_flights_change_begin(f->cache->flights, &op, &changing);
  lrd_flight *flight = board(f, &op, 1);
  assert_int_equal(lrd_flights_cut(f->cache->flights), 1);
  assert_false(lrd_flight_hold(flight));
  lrd_flights_change_end(f->cache->flights, &changing);
  lrd_flight_leave(flight);
}

/* And who would change a key waits while it is stored. */
typedef struct changer {
  pthread_t thread;
  fixture *f;
  atomic_bool began;
} changer;

static void *changer_run(void *context) {
  changer *c = context;
  lrd_op const op = op_of(c->f, "k");
  lrd_changing changing;
  lrd_flights_change_begin(c->f->cache->flights, &op, &changing);
  atomic_store(&c->began, true);
  lrd_flights_change_end(c->f->cache->flights, &changing);
  return NULL;
}

static void a_change_waits_while_it_is_stored(void **state) {
  changer c = {.f = *state};
  lrd_op const op = op_of(c.f, "k");
  lrd_flight *flight = board(c.f, &op, LRD_NO_DEADLINE);
  assert_true(lrd_flight_hold(flight));
  assert_int_equal(pthread_create(&c.thread, NULL, changer_run, &c), 0);
  for (unsigned naps = 0; naps < 10; naps++) nap();
  assert_false(atomic_load(&c.began));
  lrd_flight_let_go(flight);
  pthread_join(c.thread, NULL);
  assert_true(atomic_load(&c.began));
  land(flight);
}

static void what_is_being_stored_is_not_cut(void **state) {
  fixture *f = *state;
  lrd_op const op = op_of(f, "k");
  lrd_flight *flight = board(f, &op, 1); /* long past */
  assert_true(lrd_flight_hold(flight));
  assert_int_equal(lrd_flights_cut(f->cache->flights), 0);
  assert_false(lrd_flight_has_landed(flight));
  lrd_flight_let_go(flight);
  assert_int_equal(lrd_flights_cut(f->cache->flights), 1);
  lrd_flight_leave(flight);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)

int main(void) {
  const struct CMUnitTest tests[] = {TEST(what_began_before_a_change_is_not_stored_over_it),
                                     TEST(what_begins_amid_a_change_waits_for_its_end_and_is_not_stored),
                                     TEST(the_change_of_another_key_is_waited_for_only),
                                     TEST(one_that_was_cut_waits_for_nobody),
                                     TEST(a_change_waits_while_it_is_stored),
                                     TEST(what_is_being_stored_is_not_cut)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
