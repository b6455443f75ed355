/* SPDX-License-Identifier: Apache-2.0 */
#include "support/support.h"

#include "agent/guess_trust.h"
#include <math.h>

static void probabilities_are_believed_at_first(void **state) {
  (void)state;
  lrd_guess_trust trust = {{0}, {0}};
  for (double p = 0; p <= 1; p += 0.125) assert_true(fabs(lrd_guess_trust_of(&trust, p) - p) < 1e-12);
}

static void what_never_comes_true_is_worth_nothing_soon(void **state) {
  (void)state;
  lrd_guess_trust trust = {{0}, {0}};
  for (unsigned i = 0; i < 400; i++) lrd_guess_trust_tell(&trust, 0.5, false);
  assert_true(lrd_guess_trust_of(&trust, 0.5) < 0.06);
  assert_true(lrd_guess_trust_of(&trust, 0.85) == 0.85); /* of others nothing is known yet */
  for (unsigned i = 0; i < 100000; i++) lrd_guess_trust_tell(&trust, 0.5, i % 2);
  assert_true(fabs(lrd_guess_trust_of(&trust, 0.5) - 0.5) < 0.02); /* and it is forgotten */
}

static void what_comes_true_more_often_is_worth_more_but_never_more_than_sure(void **state) {
  (void)state;
  lrd_guess_trust trust = {{0}, {0}};
  for (unsigned i = 0; i < 1000; i++) lrd_guess_trust_tell(&trust, 0.62, true);
  assert_true(lrd_guess_trust_of(&trust, 0.62) > 0.9);
  assert_true(lrd_guess_trust_of(&trust, 0.62) < lrd_guess_trust_of(&trust, 0.64));
  assert_true(lrd_guess_trust_of(&trust, 0.69) == 1);
}

static void what_is_no_probability_is_worth_nothing(void **state) {
  (void)state;
  lrd_guess_trust trust = {{0}, {0}};
  const double none[] = {-0.1, 1.1, NAN, INFINITY};
  for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
    lrd_guess_trust_tell(&trust, none[i], true);
    assert_true(lrd_guess_trust_of(&trust, none[i]) == 0);
  }
  assert_true(lrd_guess_trust_of(&trust, 1) == 1);
}

static void a_session_tells_what_was_guessed_for_it(void **state) {
  (void)state;
  lrd_guess_trust trust = {{0}, {0}};
  lrd_guessed guessed = {.session = 7};
  lrd_guessed_add(&guessed, 11, 0.55);
  lrd_guessed_add(&guessed, 12, 0.25);
  lrd_guessed_judge(&guessed, &trust, 8, 3, 11); /* another's */
  assert_int_equal(guessed.len, 2);
  assert_true(lrd_guess_trust_of(&trust, 0.55) == 0.55);
  lrd_guessed_judge(&guessed, &trust, 7, 3, 11);
  assert_true(lrd_guess_trust_of(&trust, 0.55) > 0.55);
  assert_true(lrd_guess_trust_of(&trust, 0.25) < 0.25);
  assert_int_equal(guessed.len, 0);
  double after = lrd_guess_trust_of(&trust, 0.55);
  lrd_guessed_judge(&guessed, &trust, 7, 4, 11); /* they are done with */
  assert_true(lrd_guess_trust_of(&trust, 0.55) == after);
  lrd_guessed_add(&guessed, 11, 0.55);
  lrd_guessed_judge(&guessed, &trust, 7, 0, 11); /* a session of the same name that begins */
  assert_int_equal(guessed.len, 0);
  assert_true(lrd_guess_trust_of(&trust, 0.55) == after);
  for (uint64_t key = 0; key < 9; key++) lrd_guessed_add(&guessed, key, 0.1);
  assert_int_equal(guessed.len, LARDER_AGENT_GUESSES);
}

static void guesses_stand_by_what_they_are_worth(void **state) {
  (void)state;
  lrd_guess_ranks ranks = {0};
  const double worth[] = {0.2, 0.5, 0.2, 0.9, 0.5, 1};
  const size_t order[LARDER_AGENT_GUESSES] = {3, 1, 4, 0, 2};         /* of equals, the earlier first */
  for (size_t i = 0; i < 6; i++) lrd_guess_rank(&ranks, i, worth[i]); /* the last one has no place */
  assert_int_equal(ranks.len, LARDER_AGENT_GUESSES);
  for (size_t i = 0; i < ranks.len; i++) {
    assert_int_equal(ranks.of[i].number, order[i]);
    assert_true(ranks.of[i].worth == worth[order[i]]);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(probabilities_are_believed_at_first),
      cmocka_unit_test(what_never_comes_true_is_worth_nothing_soon),
      cmocka_unit_test(what_comes_true_more_often_is_worth_more_but_never_more_than_sure),
      cmocka_unit_test(what_is_no_probability_is_worth_nothing),
      cmocka_unit_test(a_session_tells_what_was_guessed_for_it),
      cmocka_unit_test(guesses_stand_by_what_they_are_worth),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
