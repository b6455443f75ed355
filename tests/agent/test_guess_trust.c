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

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(probabilities_are_believed_at_first),
      cmocka_unit_test(what_never_comes_true_is_worth_nothing_soon),
      cmocka_unit_test(what_comes_true_more_often_is_worth_more_but_never_more_than_sure),
      cmocka_unit_test(what_is_no_probability_is_worth_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
