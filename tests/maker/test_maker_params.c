/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parameters between text and value, by a table of every type. Proves: what is read is what was meant, whatever the locale;
 * everything else is refused with a sentence that names the parameter; a key is the same however a value was spelled, leaves
 * out defaults, and no two sets of parameters share one.
 */
#include "support/support.h"

#include "maker/made_arrays.h"
#include "maker/maker.h"
#include <locale.h>
#include <string.h>

static const larder_recipe_param rows[] = {
    {.name = "alpha", .type = LARDER_RECIPE_REAL, .min = -10, .max = 10, .sentence = "A number."},
    {.name = "n", .type = LARDER_RECIPE_WHOLE, .min = 1, .max = 1e9, .sentence = "A whole number."},
    {.name = "mode", .type = LARDER_RECIPE_CHOICE, .fallback = "left", .choices = "left right both", .sentence = "A word."},
    {.name = "grid", .type = LARDER_RECIPE_SIZES, .fallback = "", .min = 1, .max = 1000, .sentence = "Sizes."},
    {.name = "zones", .type = LARDER_RECIPE_TEXT, .fallback = "", .sentence = "A text"},
};

static const lrd_maker maker = {
    .shown = {.name = "thing", .sentence = "A thing.", .formula = "1", .params = rows, .params_count = 5}};

static larder_err read_five(const char *alpha, const char *n, const char *mode, const char *grid, const char *zones,
                            lrd_params *out, larder_error *err) {
  larder_param given[5];
  size_t count = 0;
  const char *texts[] = {alpha, n, mode, grid, zones};
  for (size_t i = 0; i < 5; i++) {
    if (texts[i] != NULL) given[count++] = (larder_param){rows[i].name, texts[i]};
  }
  return lrd_maker_params_read(&maker, given, count, out, err);
}

static char *key_of(const lrd_params *params) {
  static lrd_buf key;
  lrd_buf_clear(&key);
  assert_ok(lrd_maker_key(&maker, params, &key));
  assert_ok(lrd_buf_terminate(&key));
  char *copy = test_malloc(key.len + 1);
  memcpy(copy, key.data, key.len + 1);
  lrd_buf_fini(&key);
  return copy;
}

static void assert_key(const char *alpha, const char *n, const char *mode, const char *grid, const char *zones,
                       const char *wanted) {
  lrd_params params;
  assert_ok(read_five(alpha, n, mode, grid, zones, &params, NULL));
  char *key = key_of(&params);
  assert_string_equal(key, wanted);
  test_free(key);
}

static void a_value_has_one_key_however_it_is_spelled(void **state) {
  (void)state;
  assert_key("1.5", "1000", NULL, NULL, NULL, "thing_alpha1.5_n1000");
  assert_key("1.50", "01000", "left", "", "", "thing_alpha1.5_n1000");
  assert_key("15e-1", "1000", NULL, NULL, NULL, "thing_alpha1.5_n1000");
  assert_key("-0.0", "1", NULL, NULL, NULL, "thing_alpha0_n1");
  assert_key("0.1", "1", NULL, NULL, NULL, "thing_alpha0.1_n1");
  assert_key("0.30000000000000004", "1", NULL, NULL, NULL, "thing_alpha0.30000000000000004_n1");
  assert_key("1", "1", "both", "64x32", "a_b c%", "thing_alpha1_n1_modeboth_grid64x32_zonesa%5Fb%20c%25");
}

static void the_order_in_which_parameters_are_given_does_not_matter(void **state) {
  (void)state;
  const larder_param given[] = {{"mode", "right"}, {"n", "3"}, {"alpha", "2"}};
  lrd_params params;
  assert_ok(lrd_maker_params_read(&maker, given, 3, &params, NULL));
  char *key = key_of(&params);
  assert_string_equal(key, "thing_alpha2_n3_moderight");
  test_free(key);
}

static void what_is_no_value_is_refused_by_name(void **state) {
  (void)state;
  static const char *const bad_alpha[] = {"", "x", "1.5x", " 1", "nan", "inf", "0x1p3", "10.5", "-11", "1e400", "1,5", "--1"};
  static const char *const bad_n[] = {"", "0", "-1", "1.5", "1e3", "9999999999999999999", "+1", "1 "};
  static const char *const bad_grid[] = {"x", "4x", "x4", "4xx4", "0x4", "1001", "1x1x1x1", "4X4", "4*4"};
  lrd_params params;
  larder_error err;
  for (size_t i = 0; i < sizeof bad_alpha / sizeof *bad_alpha; i++) {
    assert_err(read_five(bad_alpha[i], "1", NULL, NULL, NULL, &params, &err), LARDER_EINVAL);
    assert_non_null(strstr(err.message, "thing: alpha cannot be"));
    assert_non_null(strstr(err.message, "a number from -10 to 10"));
  }
  for (size_t i = 0; i < sizeof bad_n / sizeof *bad_n; i++) {
    assert_err(read_five("1", bad_n[i], NULL, NULL, NULL, &params, &err), LARDER_EINVAL);
    assert_non_null(strstr(err.message, "thing: n cannot be"));
  }
  for (size_t i = 0; i < sizeof bad_grid / sizeof *bad_grid; i++)
    assert_err(read_five("1", "1", NULL, bad_grid[i], NULL, &params, &err), LARDER_EINVAL);
  assert_err(read_five("1", "1", "lef", NULL, NULL, &params, &err), LARDER_EINVAL);
  assert_non_null(strstr(err.message, "one of: left right both"));
  assert_err(read_five("1", "1", "left right", NULL, NULL, &params, &err), LARDER_EINVAL);
  char long_text[LARDER_RECIPE_TEXT_MAX + 2];
  memset(long_text, 'z', sizeof long_text - 1);
  long_text[sizeof long_text - 1] = '\0';
  assert_err(read_five("1", "1", NULL, NULL, long_text, &params, &err), LARDER_EINVAL);
  long_text[sizeof long_text - 2] = '\0';
  assert_ok(read_five("1", "1", NULL, NULL, long_text, &params, &err));
}

static void missing_unknown_and_repeated_names_are_refused(void **state) {
  (void)state;
  lrd_params params;
  larder_error err;
  assert_err(read_five("1", NULL, NULL, NULL, NULL, &params, &err), LARDER_EINVAL);
  assert_non_null(strstr(err.message, "n must be given"));
  const larder_param unknown[] = {{"alpha", "1"}, {"m", "1"}};
  assert_err(lrd_maker_params_read(&maker, unknown, 2, &params, &err), LARDER_EINVAL);
  assert_non_null(strstr(err.message, "no parameter 'm'; it has: alpha, n, mode"));
  const larder_param twice[] = {{"alpha", "1"}, {"alpha", "1"}};
  assert_err(lrd_maker_params_read(&maker, twice, 2, &params, &err), LARDER_EINVAL);
  const larder_param empty[] = {{"alpha", NULL}};
  assert_err(lrd_maker_params_read(&maker, empty, 1, &params, &err), LARDER_EINVAL);
}

static void a_locale_with_a_decimal_comma_changes_nothing(void **state) {
  (void)state;
  /* Debian's C.UTF-8 is always there; a German one only sometimes, and then this says more. */
  (void)setlocale(LC_ALL, "de_DE.UTF-8");
  assert_key("1.5", "7", NULL, NULL, NULL, "thing_alpha1.5_n7");
  (void)setlocale(LC_ALL, "C");
}

/* Two sets differ in a value, so their keys do; drawn from few values, so that near misses come up. */
static void no_two_sets_share_a_key(void **state) {
  (void)state;
  static const char *const alphas[] = {"1", "1.5", "-1", "1e-5"};
  static const char *const ns[] = {"1", "10", "101"};
  static const char *const modes[] = {"left", "right", "both"};
  static const char *const grids[] = {"", "1", "1x1", "11"};
  static const char *const texts[] = {"", "1", "grid1", "_grid1", "%5Fgrid1", "a b"};
  char *keys[4 * 3 * 3 * 4 * 6];
  size_t count = 0;
  lrd_params params;
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
    assert_ok(read_five(alphas[i % 4], ns[i / 4 % 3], modes[i / 12 % 3], grids[i / 36 % 4], texts[i / 144], &params, NULL));
    keys[count] = key_of(&params);
    for (size_t j = 0; j < count; j++) assert_string_not_equal(keys[j], keys[count]);
    count++;
  }
  for (size_t i = 0; i < count; i++) test_free(keys[i]);
}

static void made_arrays_survive_every_failed_allocation(void **state) {
  (void)state;
  const uint64_t shape[] = {3, 4};
  for (uint64_t n = 1;; n++) {
    lrd_made_set made = {0};
    lrd_buf out = {0};
    void *data = NULL;
    int64_t live = support_alloc_live();
    support_alloc_fail_at(n);
    larder_err result = lrd_made_set_add(&made, "a", LRD_MADE_F8, 8, 2, shape, &data);
    if (result == LARDER_OK) result = lrd_made_set_add(&made, "b", LRD_MADE_I8, 8, 1, shape, &data);
    if (result == LARDER_OK) result = lrd_made_set_write(&made, &out, NULL);
    bool failed = support_alloc_end() >= n;
    lrd_made_set_fini(&made);
    lrd_buf_fini(&out);
    assert_int_equal(support_alloc_live(), live);
    if (!failed) {
      assert_ok(result);
      break;
    }
    assert_err(result, LARDER_ENOMEM);
  }
}

static void arrays_above_the_limit_of_a_value_are_refused(void **state) {
  (void)state;
  lrd_made_set made = {0};
  void *data = NULL;
  const uint64_t large[] = {UINT64_C(1) << 28};
  const uint64_t huge[] = {UINT64_C(1) << 40, UINT64_C(1) << 40};
  assert_err(lrd_made_set_add(&made, NULL, LRD_MADE_F8, 8, 1, large, &data), LARDER_ETOOBIG);
  assert_err(lrd_made_set_add(&made, NULL, LRD_MADE_F8, 8, 2, huge, &data), LARDER_ETOOBIG);
  assert_int_equal(made.count, 0);
  lrd_made_set_fini(&made);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_value_has_one_key_however_it_is_spelled),
      cmocka_unit_test(the_order_in_which_parameters_are_given_does_not_matter),
      cmocka_unit_test(what_is_no_value_is_refused_by_name),
      cmocka_unit_test(missing_unknown_and_repeated_names_are_refused),
      cmocka_unit_test(a_locale_with_a_decimal_comma_changes_nothing),
      cmocka_unit_test(no_two_sets_share_a_key),
      cmocka_unit_test(made_arrays_survive_every_failed_allocation),
      cmocka_unit_test(arrays_above_the_limit_of_a_value_are_refused),
  };
  return cmocka_run_group_tests_name("maker_params", tests, NULL, NULL);
}
