/* SPDX-License-Identifier: Apache-2.0 */
#include "support/support.h"

#include "base/clock.h"
#include "base/thread.h"
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#define HOUR_NS INT64_C(3600000000000)

typedef struct counted {
  lrd_mutex mutex;
  lrd_cond cond;
  unsigned ticks;
  bool blocked_signals;
} counted;

static void counted_init(counted *c) {
  *c = (counted){0};
  lrd_mutex_init(&c->mutex);
  lrd_cond_init(&c->cond);
}

static void counted_fini(counted *c) {
  lrd_cond_fini(&c->cond);
  lrd_mutex_fini(&c->mutex);
}

static void count(void *context) {
  counted *c = context;
  sigset_t mask;
  pthread_sigmask(SIG_SETMASK, NULL, &mask);
  lrd_lock(&c->mutex);
  c->ticks++;
  c->blocked_signals = sigismember(&mask, SIGTERM) == 1 && sigismember(&mask, SIGINT) == 1;
  pthread_cond_broadcast(&c->cond);
  lrd_unlock(&c->mutex);
}

/* Waits on the counter, with a bound. */
static void wait_for_ticks(counted *c, unsigned ticks) {
  lrd_lock(&c->mutex);
  for (int i = 0; i < 100 && c->ticks < ticks; i++) (void)lrd_cond_wait_ns(&c->cond, &c->mutex, 100000000);
  assert_true(c->ticks >= ticks);
  lrd_unlock(&c->mutex);
}

static void a_ticker_ticks_by_its_period(void **state) {
  (void)state;
  counted c;
  counted_init(&c);
  lrd_ticker *ticker = NULL;
  assert_ok(lrd_ticker_start(&ticker, "a name that is rather long", 1000000, count, &c));
  wait_for_ticks(&c, 3);
  lrd_ticker_stop(ticker);
  unsigned ticks = c.ticks;
  assert_true(c.blocked_signals);
  lrd_clock_real()->sleep_ns(lrd_clock_real(), 3000000);
  assert_int_equal(c.ticks, ticks);
  counted_fini(&c);
  lrd_ticker_stop(NULL);
}

static void a_wake_makes_it_tick_at_once(void **state) {
  (void)state;
  counted c;
  counted_init(&c);
  lrd_ticker *ticker = NULL;
  assert_ok(lrd_ticker_start(&ticker, "ticker", HOUR_NS, count, &c));
  for (unsigned i = 1; i <= 20; i++) {
    lrd_ticker_wake(ticker);
    wait_for_ticks(&c, i);
  }
  /* Stopping waits for no period. */
  lrd_ticker_stop(ticker);
  assert_int_equal(c.ticks, 20);
  counted_fini(&c);
}

static void abandon_in_child(void *context) { lrd_ticker_abandon(context); }

static void a_forked_child_abandons_without_waiting(void **state) {
  (void)state;
  counted c;
  counted_init(&c);
  lrd_ticker *ticker = NULL;
  assert_ok(lrd_ticker_start(&ticker, "ticker", HOUR_NS, count, &c));
  assert_int_equal(support_in_child(abandon_in_child, ticker), 0);
  lrd_ticker_wake(ticker);
  wait_for_ticks(&c, 1);
  lrd_ticker_stop(ticker);
  counted_fini(&c);
}

typedef struct busy {
  lrd_mutex mutex; /* held by each tick for all its time */
  _Atomic unsigned ticks;
  _Atomic bool stays;
  lrd_ticker *ticker;
} busy;

static void be_busy(void *context) {
  busy *b = context;
  lrd_lock(&b->mutex);
  b->ticks++;
  do lrd_clock_real()->sleep_ns(lrd_clock_real(), 200000);
  while (atomic_load(&b->stays));
  lrd_unlock(&b->mutex);
}

static void lock_or_fail(void *context) {
  busy *b = context;
  int held = pthread_mutex_trylock(&b->mutex) != 0;
  lrd_ticker_abandon(b->ticker);
  _exit(held);
}

static void busy_start(busy *b) {
  lrd_mutex_init(&b->mutex);
  assert_ok(lrd_ticker_start(&b->ticker, "busy", 1, be_busy, b));
  while (b->ticks == 0) lrd_clock_real()->sleep_ns(lrd_clock_real(), 100000);
}

static void a_fork_meets_no_tick_under_way(void **state) {
  (void)state;
  busy b = {.stays = false};
  busy_start(&b);
  for (int i = 0; i < 50; i++) assert_int_equal(support_in_child(lock_or_fail, &b), 0);
  lrd_ticker_stop(b.ticker);
  lrd_mutex_fini(&b.mutex);
}

static void a_tick_that_takes_for_ever_keeps_no_fork_waiting(void **state) {
  (void)state;
  busy b = {.stays = true};
  busy_start(&b);
  assert_int_equal(support_in_child(lock_or_fail, &b), 1);
  atomic_store(&b.stays, false);
  lrd_ticker_stop(b.ticker);
  lrd_mutex_fini(&b.mutex);
}

static void nothing(void *context) { (void)context; }

static void fork_once(void *context) {
  counted *c = context;
  if (c->ticks == 0 && support_in_child(nothing, NULL) != 0) return; /* no tick is counted then */
  count(context);
}

static void a_tick_may_fork(void **state) {
  (void)state;
  counted c;
  counted_init(&c);
  lrd_ticker *ticker = NULL;
  assert_ok(lrd_ticker_start(&ticker, "forks", 1000000, fork_once, &c));
  wait_for_ticks(&c, 2);
  lrd_ticker_stop(ticker);
  counted_fini(&c);
}

static void a_ticker_without_memory_is_refused(void **state) {
  (void)state;
  lrd_ticker *ticker = NULL;
  support_alloc_fail_at(1);
  assert_err(lrd_ticker_start(&ticker, "ticker", HOUR_NS, count, NULL), LARDER_ENOMEM);
  support_alloc_end();
  assert_null(ticker);
}

static void a_wait_ends_when_the_time_is_over(void **state) {
  (void)state;
  counted c;
  counted_init(&c);
  const lrd_clock *clock = lrd_clock_real();
  lrd_lock(&c.mutex);
  int64_t before = lrd_mono_ns(clock);
  /* Wake-ups without reason are allowed; the end of time is not missed. */
  while (lrd_cond_wait_ns(&c.cond, &c.mutex, 2000000)) {
  }
  assert_true(lrd_mono_ns(clock) - before >= 2000000);
  assert_false(lrd_cond_wait_ns(&c.cond, &c.mutex, -1));
  lrd_unlock(&c.mutex);
  counted_fini(&c);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_ticker_ticks_by_its_period),
      cmocka_unit_test(a_wake_makes_it_tick_at_once),
      cmocka_unit_test(a_forked_child_abandons_without_waiting),
      cmocka_unit_test(a_fork_meets_no_tick_under_way),
      cmocka_unit_test(a_tick_that_takes_for_ever_keeps_no_fork_waiting),
      cmocka_unit_test(a_tick_may_fork),
      cmocka_unit_test(a_ticker_without_memory_is_refused),
      cmocka_unit_test(a_wait_ends_when_the_time_is_over),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
