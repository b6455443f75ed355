/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deterministic keys. Proves: the order of parameters does not matter, no two sets of parameters share a key, long keys
 * keep a readable front and the digest that `sha256sum` gives, and bad arguments are refused.
 */
#include "support/support.h"

#include <larder/larder.h>
#include <string.h>

static char key[256];
static size_t len;

static void parameters_are_sorted_by_name_and_value(void **state) {
  (void)state;
  const larder_param one[] = {{"b", "2"}, {"a", "1"}, {"b", "1"}};
  const larder_param two[] = {{"b", "1"}, {"b", "2"}, {"a", "1"}};
  assert_ok(larder_key_for_endpoint("/users", one, 3, key, sizeof key, &len));
  assert_string_equal(key, "/users|a=1&b=1&b=2");
  assert_int_equal(len, strlen(key));
  assert_ok(larder_key_for_endpoint("/users", two, 3, key, sizeof key, &len));
  assert_string_equal(key, "/users|a=1&b=1&b=2");
  assert_ok(larder_key_for_source("census:acs:5yr", one, 3, key, sizeof key, &len));
  assert_string_equal(key, "census:acs:5yr:a=1&b=1&b=2");
  assert_ok(larder_key_for_source("census:acs:5yr:2022:cbsa:14500:B01001", NULL, 0, key, sizeof key, &len));
  assert_string_equal(key, "census:acs:5yr:2022:cbsa:14500:B01001");
}

static void separators_inside_values_do_not_merge_keys(void **state) {
  (void)state;
  const larder_param one[] = {{"a", "1&b=2"}};
  const larder_param two[] = {{"a", "1"}, {"b", "2"}};
  char other[256];
  assert_ok(larder_key_for_endpoint("/e", one, 1, key, sizeof key, &len));
  assert_string_equal(key, "/e|a=1%26b%3D2");
  assert_ok(larder_key_for_endpoint("/e", two, 2, other, sizeof other, &len));
  assert_string_not_equal(key, other);
  const larder_param percent[] = {{"a", "1%26b"}, {"c", "|\n"}};
  assert_ok(larder_key_for_endpoint("/e", percent, 2, key, sizeof key, &len));
  assert_string_equal(key, "/e|a=1%2526b&c=%7C%0A");
}

static void above_200_characters_a_digest_stands_for_the_rest(void **state) {
  (void)state;
  char value[300];
  memset(value, 'x', sizeof value - 1);
  value[299] = 0;
  larder_param params[] = {{"v", value}};
  /* printf '/e|v=xxx…' | sha256sum, with 299 x */
  assert_ok(larder_key_for_endpoint("/e", params, 1, key, sizeof key, &len));
  assert_int_equal(len, 167 + 1 + 32);
  assert_memory_equal(key, "/e|v=xxx", 8);
  assert_string_equal(key + 167, "#7aa6d6ee190f9fd2ef5775d745a0ecb8");
  assert_ok(larder_key_for_source("src", params, 1, key, sizeof key, &len));
  assert_string_equal(key, "src:c351af6b421af251");
  value[195] = 0; /* "/e|v=" and 195: exactly 200 */
  assert_ok(larder_key_for_endpoint("/e", params, 1, key, sizeof key, &len));
  assert_int_equal(len, 200);
  assert_null(strchr(key, '#'));
}

static void bad_arguments_are_refused(void **state) {
  (void)state;
  const larder_param good[] = {{"a", "1"}};
  const larder_param nameless[] = {{"", "1"}};
  const larder_param valueless[] = {{"a", NULL}};
  assert_err(larder_key_for_endpoint(NULL, good, 1, key, sizeof key, &len), LARDER_EINVAL);
  assert_err(larder_key_for_endpoint("", good, 1, key, sizeof key, &len), LARDER_EINVAL);
  assert_err(larder_key_for_endpoint("/e", NULL, 1, key, sizeof key, &len), LARDER_EINVAL);
  assert_err(larder_key_for_endpoint("/e", nameless, 1, key, sizeof key, &len), LARDER_EINVAL);
  assert_err(larder_key_for_endpoint("/e", valueless, 1, key, sizeof key, &len), LARDER_EINVAL);
  assert_err(larder_key_for_endpoint("/e", good, 1, key, 255, &len), LARDER_ETOOBIG);
}

static void building_survives_every_failed_allocation(void **state) {
  (void)state;
  const larder_param params[] = {{"b", "2"}, {"a", "1"}};
  for (uint64_t n = 1;; n++) {
    int64_t live = support_alloc_live();
    support_alloc_fail_at(n);
    larder_err result = larder_key_for_endpoint("/e", params, 2, key, sizeof key, &len);
    bool failed = support_alloc_end() >= n;
    assert_int_equal(support_alloc_live(), live);
    if (!failed) {
      assert_ok(result);
      break;
    }
    assert_err(result, LARDER_ENOMEM);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(parameters_are_sorted_by_name_and_value),
      cmocka_unit_test(separators_inside_values_do_not_merge_keys),
      cmocka_unit_test(above_200_characters_a_digest_stands_for_the_rest),
      cmocka_unit_test(bad_arguments_are_refused),
      cmocka_unit_test(building_survives_every_failed_allocation),
  };
  return cmocka_run_group_tests_name("keys", tests, NULL, NULL);
}
