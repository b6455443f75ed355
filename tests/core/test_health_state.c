/* SPDX-License-Identifier: Apache-2.0 */
/* The state machine of health, by hand-written cases, and the record in which a state is kept. */
#include "support/support.h"

#include "core/health_record.h"
#include <string.h>

#define MINUTE     INT64_C(60000)
#define HOUR       INT64_C(3600000)
#define NOW        INT64_C(1700000000000)
#define MIDDLE(ms) ((uint64_t)(ms) / 5) /* the chance that leaves a wait of ms as it is */

static const lrd_health_rules rules = {.failures = 3, .decay_ms = HOUR, .retry_ms = MINUTE, .retry_max_ms = 30 * MINUTE};

/* --- sequences of reports ------------------------------------------------------------------------------------------------- */

typedef struct step {
  char what; /* f: fail, o: ok, or nothing: only a look */
  int64_t after_ms;
  larder_health_status status;
  uint32_t failures_in_row;
  uint32_t successes_in_row;
  uint32_t attempts;
  int64_t next_in_ms; /* 0: none is due */
} step;

#define U LARDER_HEALTH_UNKNOWN
#define H LARDER_HEALTH_HEALTHY
#define D LARDER_HEALTH_DEGRADED
#define X LARDER_HEALTH_UNHEALTHY

static void run(const lrd_health_rules *by, const step *steps, size_t count) {
  lrd_health_state state = {0};
  int64_t now_ms = NOW;
  uint64_t failures = 0, successes = 0;
  assert_int_equal(lrd_health_status(&state, by), U);
  for (size_t i = 0; i < count; i++) {
    const step *s = &steps[i];
    now_ms += s->after_ms;
    /* a chance by which the wait that is expected stays as it is */
    uint64_t const chance = MIDDLE(s->next_in_ms);
    if (s->what == 'f') {
      lrd_health_fail(&state, by, now_ms, chance);
      failures++;
      assert_true(state.failed_ms == now_ms && state.reported_ms == now_ms);
    } else if (s->what == 'o') {
      lrd_health_succeed(&state, by, now_ms);
      successes++;
      assert_true(state.succeeded_ms == now_ms && state.reported_ms == now_ms);
    }
    lrd_health_decay(&state, by, now_ms);
    if (lrd_health_status(&state, by) != s->status) print_error("step %zu\n", i);
    assert_int_equal(lrd_health_status(&state, by), s->status);
    assert_int_equal(state.failures_in_row, s->failures_in_row);
    assert_int_equal(state.successes_in_row, s->successes_in_row);
    assert_int_equal(state.recovery_attempts, s->attempts);
    assert_true(state.next_check_ms == (s->next_in_ms ? now_ms + s->next_in_ms : 0));
    assert_true(state.failures == failures && state.successes == successes);
  }
}

#define RUN(by, ...)                                                                                                           \
  do {                                                                                                                         \
    static const step steps[] = {__VA_ARGS__};                                                                                 \
    run(by, steps, sizeof steps / sizeof *steps);                                                                              \
  } while (0)

static void failures_in_a_row_lead_from_unknown_to_unhealthy(void **state) {
  (void)state;
  RUN(&rules, {'f', 0, D, 1, 0, 0, 0}, {'f', 1000, D, 2, 0, 0, 0}, {'f', 1000, X, 3, 0, 0, MINUTE});
}

static void a_success_begins_anew_from_anywhere(void **state) {
  (void)state;
  RUN(&rules, {'o', 0, H, 0, 1, 0, 0});
  RUN(&rules, {'f', 0, D, 1, 0, 0, 0}, {'o', 1, H, 0, 1, 0, 0}, {'o', 1, H, 0, 2, 0, 0});
  RUN(&rules, {'f', 0, D, 1, 0, 0, 0}, {'f', 1, D, 2, 0, 0, 0}, {'o', 1, H, 0, 1, 0, 0}, {'f', 1, D, 1, 0, 0, 0},
      {'f', 1, D, 2, 0, 0, 0});
  RUN(&rules, {'f', 0, D, 1, 0, 0, 0}, {'f', 0, D, 2, 0, 0, 0}, {'f', 0, X, 3, 0, 0, MINUTE}, {'o', 1, H, 0, 1, 0, 0},
      {'f', 1, D, 1, 0, 0, 0});
}

static void a_single_failure_suffices_where_the_rule_is_one(void **state) {
  (void)state;
  static const lrd_health_rules strict = {.failures = 1, .decay_ms = HOUR, .retry_ms = MINUTE, .retry_max_ms = HOUR};
  RUN(&strict, {'f', 0, X, 1, 0, 0, MINUTE}, {'o', 1, H, 0, 1, 0, 0}, {'f', 1, X, 1, 0, 0, MINUTE});
}

static void silence_decays_every_status_to_unknown(void **state) {
  (void)state;
  RUN(&rules, {'o', 0, H, 0, 1, 0, 0}, {' ', HOUR - 1, H, 0, 1, 0, 0}, {' ', 1, U, 0, 0, 0, 0});
  RUN(&rules, {'f', 0, D, 1, 0, 0, 0}, {' ', HOUR, U, 0, 0, 0, 0});
  RUN(&rules, {'f', 0, D, 1, 0, 0, 0}, {'f', 0, D, 2, 0, 0, 0}, {'f', 0, X, 3, 0, 0, MINUTE}, {' ', HOUR, U, 0, 0, 0, 0},
      {'f', 0, D, 1, 0, 0, 0});
  /* each report puts it off */
  RUN(&rules, {'f', 0, D, 1, 0, 0, 0}, {'f', HOUR - 1, D, 2, 0, 0, 0}, {' ', HOUR - 1, D, 2, 0, 0, 0},
      {'f', 0, X, 3, 0, 0, MINUTE});
  /* what comes after it begins anew */
  RUN(&rules, {'f', 0, D, 1, 0, 0, 0}, {'f', 0, D, 2, 0, 0, 0}, {'f', HOUR, D, 1, 0, 0, 0});
  RUN(&rules, {'o', 0, H, 0, 1, 0, 0}, {'o', HOUR, H, 0, 1, 0, 0});
}

static void without_decay_nothing_is_forgotten(void **state) {
  (void)state;
  static const lrd_health_rules lasting = {.failures = 3, .decay_ms = INT64_MAX, .retry_ms = MINUTE, .retry_max_ms = HOUR};
  RUN(&lasting, {'f', 0, D, 1, 0, 0, 0}, {'f', 1000 * 24 * HOUR, D, 2, 0, 0, 0}, {' ', 1000 * 24 * HOUR, D, 2, 0, 0, 0});
}

static void a_clock_that_steps_back_decays_nothing(void **state) {
  (void)state;
  RUN(&rules, {'f', 0, D, 1, 0, 0, 0}, {' ', -5 * HOUR, D, 1, 0, 0, 0}, {'f', 0, D, 2, 0, 0, 0});
}

static void the_wait_doubles_with_each_attempt_up_to_its_limit(void **state) {
  (void)state;
  RUN(&rules, {'f', 0, D, 1, 0, 0, 0}, {'f', 0, D, 2, 0, 0, 0}, {'f', 0, X, 3, 0, 0, MINUTE},
      {'f', MINUTE, X, 4, 0, 1, 2 * MINUTE}, {'f', 2 * MINUTE, X, 5, 0, 2, 4 * MINUTE},
      {'f', 4 * MINUTE, X, 6, 0, 3, 8 * MINUTE}, {'f', 8 * MINUTE, X, 7, 0, 4, 16 * MINUTE},
      {'f', 16 * MINUTE, X, 8, 0, 5, 30 * MINUTE}, {'f', 31 * MINUTE, X, 9, 0, 6, 30 * MINUTE}, {'o', 1, H, 0, 1, 0, 0},
      {'f', 0, D, 1, 0, 0, 0}, {'f', 0, D, 2, 0, 0, 0}, {'f', 0, X, 3, 0, 0, MINUTE});
}

static void failures_before_an_attempt_is_due_are_none(void **state) {
  (void)state;
  lrd_health_state health = {0};
  for (int i = 0; i < 3; i++) lrd_health_fail(&health, &rules, NOW, MIDDLE(MINUTE));
  for (int i = 0; i < 50; i++) lrd_health_fail(&health, &rules, NOW + MINUTE - 1, 0);
  assert_int_equal(health.recovery_attempts, 0);
  assert_int_equal(health.failures_in_row, 53);
  assert_true(health.next_check_ms == NOW + MINUTE);
  lrd_health_fail(&health, &rules, NOW + MINUTE, MIDDLE(2 * MINUTE));
  assert_int_equal(health.recovery_attempts, 1);
  assert_true(health.next_check_ms == NOW + 3 * MINUTE);
}

static void chance_moves_the_wait_by_a_fifth_at_most(void **state) {
  (void)state;
  int64_t low = INT64_MAX, high = 0;
  for (uint64_t chance = 0; chance < 100000; chance += 7) {
    lrd_health_state health = {.failures_in_row = 2, .reported_ms = NOW};
    lrd_health_fail(&health, &rules, NOW, chance);
    int64_t const wait_ms = health.next_check_ms - NOW;
    low = wait_ms < low ? wait_ms : low;
    high = wait_ms > high ? wait_ms : high;
  }
  assert_true(low >= 48000 && low < 48010);
  assert_true(high <= 72000 && high > 71990);
  lrd_health_state health = {.failures_in_row = 2, .reported_ms = NOW};
  lrd_health_fail(&health, &rules, NOW, UINT64_MAX);
  assert_true(health.next_check_ms >= NOW + 48000 && health.next_check_ms <= NOW + 72000);
}

/* A configuration that became stricter meanwhile: the next failure plans the attempt. */
static void a_stricter_rule_counts_what_was_reported_before(void **state) {
  (void)state;
  static const lrd_health_rules strict = {.failures = 2, .decay_ms = HOUR, .retry_ms = MINUTE, .retry_max_ms = HOUR};
  lrd_health_state health = {0};
  lrd_health_fail(&health, &rules, NOW, 0);
  lrd_health_fail(&health, &rules, NOW, 0);
  assert_int_equal(lrd_health_status(&health, &rules), D);
  assert_int_equal(lrd_health_status(&health, &strict), X);
  assert_true(health.next_check_ms == 0);
  lrd_health_fail(&health, &strict, NOW, MIDDLE(MINUTE));
  assert_true(health.next_check_ms == NOW + MINUTE && health.recovery_attempts == 0);
}

static void counts_in_a_row_stop_at_their_highest(void **state) {
  (void)state;
  lrd_health_state health = {
      .failures_in_row = UINT32_MAX, .recovery_attempts = UINT32_MAX, .reported_ms = NOW, .next_check_ms = NOW};
  lrd_health_fail(&health, &rules, NOW, 0);
  assert_true(health.failures_in_row == UINT32_MAX && health.recovery_attempts == UINT32_MAX);
  assert_true(health.next_check_ms <= NOW + 36 * MINUTE);
  health = (lrd_health_state){.successes_in_row = UINT32_MAX, .reported_ms = NOW};
  lrd_health_succeed(&health, &rules, NOW);
  assert_true(health.successes_in_row == UINT32_MAX);
}

static void the_longest_times_do_not_overflow(void **state) {
  (void)state;
  int64_t const years = INT64_C(100) * 365 * 24 * HOUR;
  lrd_health_rules const longest = {.failures = 1, .decay_ms = years, .retry_ms = years, .retry_max_ms = years};
  lrd_health_state health = {0};
  for (int i = 0; i < 100; i++) {
    lrd_health_fail(&health, &longest, NOW, UINT64_MAX - (uint64_t)i);
    assert_true(health.next_check_ms > NOW && health.next_check_ms <= NOW + years + years / 5);
  }
}

/* --- records -------------------------------------------------------------------------------------------------------------- */

static const lrd_health_record sample = {.state = {.failures_in_row = 1,
                                                   .successes_in_row = 2,
                                                   .recovery_attempts = 3,
                                                   .failures = 4,
                                                   .successes = 5,
                                                   .reported_ms = 6,
                                                   .succeeded_ms = 7,
                                                   .failed_ms = 8,
                                                   .next_check_ms = 9},
                                         .error = "connection refused"};

static void a_record_comes_back_as_it_was(void **state) {
  (void)state;
  uint8_t bytes[LRD_HEALTH_RECORD_MAX];
  lrd_health_record back, longest = sample;
  size_t len = lrd_health_record_write(&sample, bytes);
  assert_int_equal(len, 72 + 18 + 8);
  assert_ok(lrd_health_record_read(bytes, len, &back));
  assert_memory_equal(&back.state, &sample.state, sizeof back.state);
  assert_string_equal(back.error, sample.error);
  memset(longest.error, 'x', LARDER_HEALTH_ERROR_MAX);
  len = lrd_health_record_write(&longest, bytes);
  assert_int_equal(len, LRD_HEALTH_RECORD_MAX);
  assert_ok(lrd_health_record_read(bytes, len, &back));
  assert_string_equal(back.error, longest.error);
}

static void damage_anywhere_in_a_record_is_seen(void **state) {
  (void)state;
  uint8_t bytes[LRD_HEALTH_RECORD_MAX];
  lrd_health_record back;
  size_t const len = lrd_health_record_write(&sample, bytes);
  for (size_t i = 0; i < len; i++) {
    for (unsigned bit = 0; bit < 8; bit++) {
      bytes[i] ^= (uint8_t)(1u << bit);
      assert_err(lrd_health_record_read(bytes, len, &back), LARDER_ECORRUPT);
      bytes[i] ^= (uint8_t)(1u << bit);
    }
    assert_err(lrd_health_record_read(bytes, i, &back), LARDER_ECORRUPT);
  }
  assert_err(lrd_health_record_read(NULL, 0, &back), LARDER_ECORRUPT);
}

static void errors_are_kept_without_secrets_and_control_characters(void **state) {
  (void)state;
  char out[LARDER_HEALTH_ERROR_MAX + 1], text[600];
  assert_ok(lrd_health_error_clean(NULL, "a\tb\nc\x1b[2Jd\x7f \r\n", out));
  assert_string_equal(out, "a b c [2Jd");
  assert_ok(lrd_health_error_clean(NULL, "GET http://u:hunter2@host/ failed; password=hunter2", out));
  assert_null(strstr(out, "hunter2"));
  assert_non_null(strstr(out, "host"));
  assert_ok(lrd_health_error_clean(NULL, NULL, out));
  assert_string_equal(out, "");
  /* two bytes a character, behind one: the limit falls into one */
  text[0] = 'x';
  for (size_t i = 1; i + 1 < sizeof text; i += 2) memcpy(text + i, "\xc3\xa9", 2);
  text[sizeof text - 1] = 0;
  assert_ok(lrd_health_error_clean(NULL, text, out));
  assert_int_equal(strlen(out), 255);
  memmove(text, text + 1, sizeof text - 1);
  assert_ok(lrd_health_error_clean(NULL, text, out));
  assert_int_equal(strlen(out), 254);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(failures_in_a_row_lead_from_unknown_to_unhealthy),
      cmocka_unit_test(a_success_begins_anew_from_anywhere),
      cmocka_unit_test(a_single_failure_suffices_where_the_rule_is_one),
      cmocka_unit_test(silence_decays_every_status_to_unknown),
      cmocka_unit_test(without_decay_nothing_is_forgotten),
      cmocka_unit_test(a_clock_that_steps_back_decays_nothing),
      cmocka_unit_test(the_wait_doubles_with_each_attempt_up_to_its_limit),
      cmocka_unit_test(failures_before_an_attempt_is_due_are_none),
      cmocka_unit_test(chance_moves_the_wait_by_a_fifth_at_most),
      cmocka_unit_test(a_stricter_rule_counts_what_was_reported_before),
      cmocka_unit_test(counts_in_a_row_stop_at_their_highest),
      cmocka_unit_test(the_longest_times_do_not_overflow),
      cmocka_unit_test(a_record_comes_back_as_it_was),
      cmocka_unit_test(damage_anywhere_in_a_record_is_seen),
      cmocka_unit_test(errors_are_kept_without_secrets_and_control_characters),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
