/* SPDX-License-Identifier: Apache-2.0 */
/* One spelling for what means the same, and different ones for what does not. */
#include "support/support.h"

#include "mission/canonical_json.h"
#include <string.h>

static larder_err canonical(const char *text, lrd_buf *out, size_t *mistake_at) {
  lrd_json_doc doc = {0};
  larder_err result = lrd_json_parse(&doc, text, strlen(text));
  if (result == LARDER_OK) result = lrd_json_canonical(&doc, 0, out, mistake_at);
  if (result == LARDER_OK) result = lrd_buf_terminate(out);
  lrd_json_doc_fini(&doc);
  return result;
}

static void expect(const char *text, const char *wanted) {
  lrd_buf out = {0};
  size_t at = 0;
  assert_ok(canonical(text, &out, &at));
  assert_string_equal((char *)out.data, wanted);
  /* And it is its own spelling. */
  lrd_buf again = {0};
  assert_ok(canonical(wanted, &again, &at));
  assert_string_equal((char *)again.data, wanted);
  lrd_buf_fini(&again);
  lrd_buf_fini(&out);
}

static void members_are_sorted_and_blanks_go(void **state) {
  (void)state;
  expect(" { \"b\" : 1 , \"a\" : [ true , null , { } , [ ] ] } ", "{\"a\":[true,null,{},[]],\"b\":1}");
  expect("{\"ab\":1,\"a\":2,\"\":3,\"B\":4}", "{\"\":3,\"B\":4,\"a\":2,\"ab\":1}");
  expect("{\"\\u0061\":1,\"A\":2}", "{\"A\":2,\"a\":1}");
}

static void numbers_are_exact_and_short(void **state) {
  (void)state;
  static const char *const cases[][2] = {{"0", "0"},
                                         {"-0", "0"},
                                         {"-0.000e5", "0"},
                                         {"1.0", "1"},
                                         {"10", "10"},
                                         {"1e1", "10"},
                                         {"1E+1", "10"},
                                         {"100e-1", "10"},
                                         {"1.50e1", "15"},
                                         {"0.1", "0.1"},
                                         {"1e-1", "0.1"},
                                         {"0.10", "0.1"},
                                         {"123.456", "123.456"},
                                         {"-2.5e-3", "-0.0025"},
                                         {"1e-7", "1e-7"},
                                         {"12e-9", "1.2e-8"},
                                         {"1e21", "1e21"},
                                         {"1e20", "100000000000000000000"},
                                         {"123456789012345678901234", "1.23456789012345678901234e23"},
                                         {"0.1000000000000000055511151231257827", "0.1000000000000000055511151231257827"},
                                         {"9007199254740993", "9007199254740993"},
                                         {"1e400", "1e400"},
                                         {"1e0000000000000000000001", "10"},
                                         {"1e99999999999999999999", "1e99999999999999999999"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) expect(cases[i][0], cases[i][1]);
}

static void strings_have_the_fewest_escapes(void **state) {
  (void)state;
  expect("\"\\u00e9\\/\\n\\u001f\\\"\\\\\\ud83d\\ude00\"", "\"\xc3\xa9/\\u000a\\u001f\\\"\\\\\xf0\x9f\x98\x80\"");
}

static void a_name_twice_is_told(void **state) {
  (void)state;
  lrd_buf out = {0};
  size_t at = 0;
  assert_err(canonical("{\"a\":1,\"b\":{\"x\":1,\"\\u0078\":2}}", &out, &at), LARDER_EINVAL);
  assert_int_equal(at, 19);
  lrd_buf_fini(&out);
}

static void any_allocation_may_fail(void **state) {
  (void)state;
  for (uint64_t n = 1;; n++) {
    lrd_buf out = {0};
    size_t at = 0;
    int64_t live = support_alloc_live();
    support_alloc_fail_at(n);
    larder_err result = canonical("{\"b\":[1.50,\"x\\n\"],\"a\":{\"c\":1e30}}", &out, &at);
    bool failed = support_alloc_end() >= n;
    assert_err(result, failed ? LARDER_ENOMEM : LARDER_OK);
    lrd_buf_fini(&out);
    assert_int_equal(support_alloc_live(), live);
    if (!failed) break;
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(members_are_sorted_and_blanks_go), cmocka_unit_test(numbers_are_exact_and_short),
      cmocka_unit_test(strings_have_the_fewest_escapes),  cmocka_unit_test(a_name_twice_is_told),
      cmocka_unit_test(any_allocation_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
