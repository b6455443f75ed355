/* SPDX-License-Identifier: Apache-2.0 */
/* What is known later comes in its order, whatever the order in which it was told. */
#include "support/support.h"

#include "traffic/arrivals.h"

static void all_come_by_their_moments(void **state) {
  (void)state;
  lrd_arrivals arrivals = {0};
  lrd_arrival one;
  uint32_t seed = 1;
  for (uint32_t i = 0; i < 1000; i++) {
    seed = seed * 1664525u + 1013904223u;
    assert_int_equal(lrd_arrivals_add(&arrivals, &(lrd_arrival){.at_ms = seed >> 24, .service = i}), LARDER_OK);
  }
  assert_false(lrd_arrivals_take(&arrivals, -1, &one));
  lrd_arrival before = {.at_ms = -1};
  uint32_t count = 0;
  for (double now_ms = 0; now_ms < 256; now_ms++)
    for (; lrd_arrivals_take(&arrivals, now_ms, &one); before = one, count++) {
      assert_true(one.at_ms == now_ms);
      assert_true(one.at_ms > before.at_ms || one.service > before.service); /* of one moment as they were added */
    }
  assert_int_equal(count, 1000);
  lrd_arrivals_fini(&arrivals);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(all_come_by_their_moments),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
