/* SPDX-License-Identifier: Apache-2.0 */
/* How often a maker is tried and how long is waited in between, on a clock that moves only where somebody waits. */
#include "support/support.h"

#include "maker/attempts.h"
#include "maker/making.h"
#include <string.h>

#define MS     INT64_C(1000000)
#define SECOND INT64_C(1000000000)

/* A maker that fails as it is told to, and notes when it was asked. */
typedef struct fake {
  lrd_clock_moved clock;
  lrd_attempts attempts;
  lrd_cancel cancel;
  larder_making making;
  larder_made made;
  larder_error err;
  unsigned fails; /* so often, then it succeeds */
  larder_err failure;
  int64_t retry_after_ms;
  bool closes; /* the cache, while it makes */
  unsigned tries;
  int64_t at_ns[16];
} fake;

static larder_err fake_make(void *context, const larder_making *making, larder_made *made, larder_error *err) {
  fake *f = context;
  assert_ptr_equal(making, &f->making);
  assert_true(made->size == sizeof *made && made->retry_after_ms == 0 && made->what == LARDER_MADE_VALUE);
  assert_true(f->tries < 16);
  f->at_ns[f->tries++] = lrd_boot_ns(&f->clock.clock);
  if (f->closes) f->cancel.closing = true;
  if (f->tries > f->fails) {
    made->value = "made";
    made->len = 4;
    return LARDER_OK;
  }
  made->what = LARDER_MADE_ABSENT; /* counts for nothing with a failure */
  made->retry_after_ms = f->retry_after_ms;
  return lrd_making_fail(&f->attempts, making, f->failure, 0, err, "try %u failed", f->tries);
}

static void begin(fake *f, uint64_t retries, int64_t retry_delay_ms, double per_second) {
  lrd_config_maker const config = {.retries = retries, .retry_delay_ms = retry_delay_ms, .rate_per_s = per_second, .burst = 1};
  *f = (fake){.fails = 100, .failure = LARDER_EAWAY};
  lrd_clock_moved_init(&f->clock, 1000);
  lrd_attempts_init(&f->attempts, &config, "ns", NULL, &f->clock.clock);
  f->cancel.clock = &f->clock.clock;
  f->making =
      (larder_making){.size = sizeof f->making, .key = "k", .key_len = 1, .deadline_ns = INT64_MAX, .cancel = &f->cancel};
}

static larder_err go(fake *f) {
  f->made = (larder_made){.size = sizeof f->made};
  f->err = (larder_error){0};
  f->tries = 0;
  return lrd_attempts_make(&f->attempts, fake_make, f, &f->making, &f->made, &f->err);
}

static void the_last_failure_is_told(void **state) {
  (void)state;
  fake f;
  begin(&f, 2, 100, 0);
  assert_err(go(&f), LARDER_EAWAY);
  assert_int_equal(f.tries, 3);
  assert_string_equal(f.err.message, "ns: `k`: try 3 failed");
  f.fails = 2;
  assert_ok(go(&f));
  assert_int_equal(f.tries, 3);
  assert_int_equal(f.made.what, LARDER_MADE_VALUE);
  lrd_attempts_fini(&f.attempts);
}

static void what_would_fail_again_is_not_tried_again(void **state) {
  (void)state;
  static const larder_err lasting[] = {LARDER_EINVAL,       LARDER_EACCES,  LARDER_ETOOBIG,
                                       LARDER_EUNSUPPORTED, LARDER_EFORMAT, LARDER_ECANCELLED};
  fake f;
  begin(&f, 5, 100, 0);
  for (size_t i = 0; i < sizeof lasting / sizeof *lasting; i++) {
    f.failure = lasting[i];
    assert_err(go(&f), lasting[i]);
    assert_int_equal(f.tries, 1);
  }
  lrd_attempts_fini(&f.attempts);
}

static void waits_are_drawn_from_what_doubles(void **state) {
  (void)state;
  int64_t longest[4] = {0}, shortest[4] = {INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX};
  fake f;
  begin(&f, 4, 100, 0);
  for (int round = 0; round < 200; round++) {
    assert_err(go(&f), LARDER_EAWAY);
    assert_int_equal(f.tries, 5);
    for (int i = 0; i < 4; i++) {
      int64_t waited_ns = f.at_ns[i + 1] - f.at_ns[i];
      longest[i] = waited_ns > longest[i] ? waited_ns : longest[i];
      shortest[i] = waited_ns < shortest[i] ? waited_ns : shortest[i];
    }
  }
  for (int i = 0; i < 4; i++) {
    int64_t most_ns = (INT64_C(100) << i) * MS;
    assert_true(longest[i] <= most_ns && longest[i] > most_ns * 8 / 10 && shortest[i] < most_ns * 2 / 10);
  }
  lrd_attempts_fini(&f.attempts);
}

static void a_maker_that_asks_for_quiet_gets_it(void **state) {
  (void)state;
  fake f;
  begin(&f, 1, 10, 0);
  f.retry_after_ms = 3000;
  f.fails = 1;
  assert_ok(go(&f));
  assert_true(f.at_ns[1] - f.at_ns[0] >= 3 * SECOND);
  begin(&f, 0, 10, 0);
  f.retry_after_ms = 3000;
  assert_err(go(&f), LARDER_EAWAY);
  assert_int_equal(f.made.retry_after_ms, 3000);
  int64_t asked_ns = f.at_ns[0];
  f.fails = 0;
  assert_ok(go(&f)); /* by another making too */
  assert_int_equal(f.at_ns[0] - asked_ns, 3 * SECOND);
  f.fails = 100;
  f.attempts.retries = 1;
  f.retry_after_ms = INT64_MAX; /* nobody waits for that */
  assert_err(go(&f), LARDER_EAWAY);
  assert_int_equal(f.tries, 1);
  assert_int_equal(lrd_boot_ns(&f.clock.clock), f.at_ns[0]);
  f.making.deadline_ns = lrd_boot_ns(&f.clock.clock) + SECOND;
  assert_err(go(&f), LARDER_EAWAY);
  assert_int_equal(f.tries, 0);
  assert_non_null(strstr(f.err.message, "the maker may be asked again in"));
  lrd_attempts_fini(&f.attempts);
}

static void nobody_is_kept_away_for_more_than_an_hour(void **state) {
  (void)state;
  fake f;
  begin(&f, 3, 10, 0);
  f.retry_after_ms = INT64_C(86400000);
  assert_err(go(&f), LARDER_EAWAY);
  assert_int_equal(f.tries, 1); /* so long is not waited for */
  assert_int_equal(f.made.retry_after_ms, 3600000);
  int64_t asked_ns = f.at_ns[0];
  f.fails = 0;
  assert_ok(go(&f));
  assert_int_equal(f.at_ns[0] - asked_ns, 3600 * SECOND);
  lrd_attempts_fini(&f.attempts);
}

static void no_attempt_begins_beyond_the_deadline(void **state) {
  (void)state;
  fake f;
  begin(&f, 9, 1000, 0);
  f.making.deadline_ns = lrd_boot_ns(&f.clock.clock) + 5 * SECOND;
  for (int round = 0; round < 20; round++) {
    int64_t begin_ns = lrd_boot_ns(&f.clock.clock);
    f.making.deadline_ns = begin_ns + 5 * SECOND;
    assert_err(go(&f), LARDER_EAWAY);
    assert_non_null(strstr(f.err.message, "failed")); /* what it said, not that the time is over */
    assert_true(f.at_ns[f.tries - 1] < f.making.deadline_ns && lrd_boot_ns(&f.clock.clock) < f.making.deadline_ns);
  }
  f.making.deadline_ns = lrd_boot_ns(&f.clock.clock);
  assert_err(go(&f), LARDER_EAWAY);
  assert_int_equal(f.tries, 0);
  assert_string_equal(f.err.message, "ns: `k`: its time was over before it could be tried");
  lrd_attempts_fini(&f.attempts);
}

static void who_is_not_wanted_is_not_tried_again(void **state) {
  (void)state;
  fake f;
  begin(&f, 9, 1000, 0);
  f.closes = true;
  assert_err(go(&f), LARDER_EAWAY);
  assert_int_equal(f.tries, 1);
  assert_true(lrd_boot_ns(&f.clock.clock) - f.at_ns[0] <= 50 * MS); /* and nothing more is waited for */
  assert_err(go(&f), LARDER_ECANCELLED);
  assert_int_equal(f.tries, 0);
  lrd_attempts_fini(&f.attempts);
}

static void each_attempt_takes_its_turn(void **state) {
  (void)state;
  fake f;
  begin(&f, 3, 1, 4);
  assert_err(go(&f), LARDER_EAWAY);
  assert_int_equal(f.tries, 4);
  for (int i = 0; i < 3; i++) assert_true(f.at_ns[i + 1] - f.at_ns[i] >= 240 * MS);
  assert_true(f.at_ns[3] - f.at_ns[0] >= 750 * MS);
  lrd_attempts_fini(&f.attempts);
}

static void a_sentence_names_the_making(void **state) {
  (void)state;
  fake f;
  begin(&f, 0, 1, 0);
  f.making.key = "a|token=hush";
  f.making.key_len = 12;
  assert_err(go(&f), LARDER_EAWAY);
  assert_string_equal(f.err.message, "ns: `a|token=***`: try 1 failed");
  assert_string_equal(f.err.room, "maker");
  assert_err(lrd_attempts_make(&f.attempts, fake_make, &f, &f.making, &f.made, NULL), LARDER_EAWAY); /* nobody asks why */
  lrd_attempts_fini(&f.attempts);
  lrd_attempts_fini(&f.attempts);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_last_failure_is_told),
      cmocka_unit_test(what_would_fail_again_is_not_tried_again),
      cmocka_unit_test(waits_are_drawn_from_what_doubles),
      cmocka_unit_test(nobody_is_kept_away_for_more_than_an_hour),
      cmocka_unit_test(a_maker_that_asks_for_quiet_gets_it),
      cmocka_unit_test(no_attempt_begins_beyond_the_deadline),
      cmocka_unit_test(who_is_not_wanted_is_not_tried_again),
      cmocka_unit_test(each_attempt_takes_its_turn),
      cmocka_unit_test(a_sentence_names_the_making),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
