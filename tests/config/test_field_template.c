/* SPDX-License-Identifier: Apache-2.0 */
#include "support/support.h"

#include "config/field_template.h"
#include <stdio.h>
#include <string.h>

static void filled_is(const char *text, const char *wanted) {
  static const char *const values[] = {"one", "two", "three"};
  lrd_span spans[LRD_FIELD_TEMPLATE_NAMES];
  lrd_field_template *plate = NULL;
  lrd_buf out = {0};
  larder_error err = {0};
  if (lrd_field_template_new(text, &plate, &err) != LARDER_OK) fail_msg("%s: %s", text, err.message);
  assert_true(lrd_field_template_count(plate) <= 3);
  for (size_t i = 0; i < lrd_field_template_count(plate); i++) spans[i] = lrd_span_str(values[i]);
  assert_ok(lrd_field_template_fill(plate, spans, &out));
  assert_ok(lrd_buf_terminate(&out));
  assert_string_equal(out.data, wanted);
  lrd_buf_fini(&out);
  lrd_field_template_free(plate);
}

static void fields_stand_in_braces(void **state) {
  (void)state;
  filled_is("county:{state}:{fips}", "county:one:two");
  filled_is("{a}{b}{a}", "onetwoone");
  filled_is("plain", "plain");
  filled_is("", "");
  filled_is("{{{a}}}", "{one}");
  filled_is("}}{{", "}{");
  filled_is("{a b}|x={ü}", "one|x=two");
  lrd_field_template *plate = NULL;
  lrd_buf out = {0};
  lrd_span value = lrd_span_str("v");
  assert_ok(lrd_field_template_single("a{b", &plate));
  assert_string_equal(lrd_field_template_name(plate, 0), "a{b");
  assert_ok(lrd_field_template_fill(plate, &value, &out));
  assert_int_equal(out.len, 1);
  lrd_buf_fini(&out);
  lrd_field_template_free(plate);
}

static void mistakes_are_told_with_their_place(void **state) {
  (void)state;
  static const struct {
    const char *text, *says;
  } bad[] = {{"a{b", "at character 2: a { without its }; write {{ for a brace"},
             {"a}b", "at character 2: a } without its {; write }} for a brace"},
             {"{}", "at character 1: the name of a field stands between the braces"},
             {"{a{b}}", "at character 1: a { without its }; write {{ for a brace"},
             {"{a}{b}{c}{d}{e}{f}{g}{h}{i}{j}{k}{l}{m}{n}{o}{p}{q}", "at character 49: more than 16 different fields"}};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    lrd_field_template *plate = NULL;
    larder_error err = {0};
    assert_err(lrd_field_template_new(bad[i].text, &plate, &err), LARDER_EINVAL);
    if (strstr(err.message, bad[i].says) == NULL) fail_msg("%s gave %s", bad[i].text, err.message);
  }
}

static void out_of_memory_is_told_and_leaks_nothing(void **state) {
  (void)state;
  for (uint64_t n = 1;; n++) {
    int64_t live = support_alloc_live();
    lrd_field_template *plate = NULL;
    support_alloc_fail_at(n);
    larder_err err = lrd_field_template_new("county:{state}:{fips}", &plate, NULL);
    bool failed = support_alloc_end() >= n;
    lrd_field_template_free(plate);
    assert_int_equal(support_alloc_live(), live);
    assert_err(err, failed ? LARDER_ENOMEM : LARDER_OK);
    if (!failed) break;
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(fields_stand_in_braces),
      cmocka_unit_test(mistakes_are_told_with_their_place),
      cmocka_unit_test(out_of_memory_is_told_and_leaks_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
