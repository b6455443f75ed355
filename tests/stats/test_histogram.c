/* SPDX-License-Identifier: Apache-2.0 */
#include "support/support.h"

#include "stats/histogram.h"
#include <stdlib.h>

static double error_of(uint64_t ns) {
  double found = (double)lrd_histogram_middle(lrd_histogram_bucket(ns));
  return (found > (double)ns ? found - (double)ns : (double)ns - found) / (double)ns;
}

static double larger(double a, double b) { return a > b ? a : b; }

static void every_duration_is_told_within_one_percent(void **state) {
  (void)state;
  double worst = 0;
  for (uint64_t ns = 16; ns < 100000; ns++) worst = larger(worst, error_of(ns));
  /* Above, the edges of all buckets and what lies between them, to over 100 seconds. */
  support_random random = {1};
  for (uint64_t ns = 100000; ns <= UINT64_C(137000000000); ns += 1 + ns / 1000) {
    worst = larger(worst, error_of(ns));
    worst = larger(worst, error_of(ns + support_random_below(&random, 1 + ns / 1000)));
  }
  for (uint32_t doubling = 7; doubling <= 36; doubling++)
    for (uint64_t part = 64; part < 128; part++) {
      uint64_t low = part << (doubling - 6);
      worst = larger(worst, error_of(low));
      worst = larger(worst, error_of(low + (UINT64_C(1) << (doubling - 6)) - 1));
    }
  print_message("worst error %.4f %%\n", worst * 100);
  assert_true(worst <= 0.01);
  assert_true(worst > 0.005);
}

static void buckets_are_in_order_and_all_used(void **state) {
  (void)state;
  uint32_t last = 0;
  for (uint64_t ns = 0; ns < UINT64_C(1) << 38; ns += 1 + ns / 256) {
    uint32_t bucket = lrd_histogram_bucket(ns);
    assert_true(bucket == last || bucket == last + 1);
    last = bucket;
  }
  assert_int_equal(last, LRD_HISTOGRAM_BUCKETS - 1);
  assert_int_equal(lrd_histogram_bucket(0), 0);
  assert_int_equal(lrd_histogram_bucket(127), 127);
  assert_int_equal(lrd_histogram_bucket(128), 128);
  assert_int_equal(lrd_histogram_bucket(UINT64_MAX), LRD_HISTOGRAM_BUCKETS - 1);
  for (uint32_t i = 0; i < LRD_HISTOGRAM_BUCKETS; i++) assert_int_equal(lrd_histogram_bucket(lrd_histogram_middle(i)), i);
  assert_int_equal(lrd_histogram_middle(UINT32_MAX), lrd_histogram_middle(LRD_HISTOGRAM_BUCKETS - 1));
}

static int order(const void *a, const void *b) {
  uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
  return left < right ? -1 : left > right;
}

static void percentiles_agree_with_sorting(void **state) {
  (void)state;
  enum { COUNT = 10001 };
  static uint64_t values[COUNT], buckets[LRD_HISTOGRAM_BUCKETS];
  support_random random = {7};
  for (size_t i = 0; i < COUNT; i++) {
    values[i] = 16 + (support_random_next(&random) >> (27 + support_random_below(&random, 30)));
    buckets[lrd_histogram_bucket(values[i])]++;
  }
  qsort(values, COUNT, sizeof *values, order);
  static const double shares[] = {0.001, 0.1, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0};
  for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
    size_t rank = (size_t)(shares[i] * COUNT + 0.999999);
    double exact = (double)values[rank - 1];
    double found = (double)lrd_histogram_percentile(buckets, shares[i]);
    if (found > exact * 1.01 || found < exact * 0.99) fail_msg("%g: %g, not %g", shares[i], found, exact);
  }
  assert_int_equal(lrd_histogram_total(buckets), COUNT);
}

static void empty_and_overflowing_ones_are_harmless(void **state) {
  (void)state;
  static uint64_t buckets[LRD_HISTOGRAM_BUCKETS];
  assert_int_equal(lrd_histogram_percentile(buckets, 0.5), 0);
  buckets[3] = UINT64_MAX;
  buckets[900] = UINT64_MAX;
  assert_true(lrd_histogram_total(buckets) == UINT64_MAX);
  assert_int_equal(lrd_histogram_percentile(buckets, 0.5), 3);
  assert_true(lrd_histogram_percentile(buckets, 1.0) >= 3);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_duration_is_told_within_one_percent),
      cmocka_unit_test(buckets_are_in_order_and_all_used),
      cmocka_unit_test(percentiles_agree_with_sorting),
      cmocka_unit_test(empty_and_overflowing_ones_are_harmless),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
