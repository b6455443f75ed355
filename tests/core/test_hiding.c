/* SPDX-License-Identifier: Apache-2.0 */
#include "support/support.h"

#include "core/hiding.h"
#include <larder/config.h>
#include <larder/redact.h>
#include <string.h>

static void expect_hidden(const char *text, const char *clean, unsigned now, unsigned before) {
  lrd_buf out = {0};
  lrd_json_doc doc = {0};
  lrd_hidden hidden = {0};
  assert_ok(lrd_hide_value(NULL, &doc, text, strlen(text), &out, &hidden));
  assert_ok(lrd_buf_terminate(&out));
  assert_string_equal((char *)out.data, clean);
  assert_int_equal(hidden.now, now);
  assert_int_equal(hidden.before, before);
  size_t at;
  const char *mistake;
  if (lrd_json_check(text, strlen(text), &at, &mistake) == LARDER_OK)
    assert_ok(lrd_json_check((const char *)out.data, out.len, &at, &mistake));
  lrd_buf_fini(&out);
  lrd_json_doc_fini(&doc);
}

static void json_stays_json(void **state) {
  (void)state;
  expect_hidden("{\"password\": 12, \"n\" : [1, {\"api_key\":{\"a\":[1]}, \"b\":2}]}",
                "{\"password\": \"***\", \"n\" : [1, {\"api_key\":\"***\", \"b\":2}]}", 2, 0);
  expect_hidden(" [ {\"token\":[1,2]} , {\"token\":null}, {\"token\":\"***\"} ] ",
                " [ {\"token\":\"***\"} , {\"token\":null}, {\"token\":\"***\"} ] ", 1, 1);
  expect_hidden("\"password\"", "\"password\"", 0, 0);
  expect_hidden("[\"password\",\"x\"]", "[\"password\",\"x\"]", 0, 0);
  expect_hidden("{\"a\":{\"password\":\"x\"},\"token\":{},\"z\":[]}",
                "{\"a\":{\"password\":\"***\"},\"token\":\"***\",\"z\":[]}", 2, 0);
}

static void an_escaped_name_is_no_way_around(void **state) {
  (void)state;
  expect_hidden("{\"pass\\u0077ord\":\"x\"}", "{\"pass\\u0077ord\":\"***\"}", 1, 0);
}

static void strings_are_looked_through(void **state) {
  (void)state;
  expect_hidden("{\"url\":\"https:\\/\\/u:p:w@h\\/x\",\"cmd\":\"run --password=a\\\"b\\n\"}",
                "{\"url\":\"https://u:***@h/x\",\"cmd\":\"run --password=***\\\"b\\u000a\"}", 2, 0);
  expect_hidden("{\"note\":\"caf\\u00e9\"}", "{\"note\":\"caf\\u00e9\"}", 0, 0);
}

static void what_is_no_json_is_text(void **state) {
  (void)state;
  expect_hidden("password: x\n{", "password: ***\n{", 1, 0);
  expect_hidden("", "", 0, 0);
}

static void the_configuration_adds_names(void **state) {
  const char text[] = "cache: {memory: {size_mb: 1}, sqlite: {enable: false}, secrets: [badge, '-token']}";
  larder *cache = NULL;
  char *out = NULL;
  size_t len = 0;
  (void)state;
  larder_options options = {.size = sizeof options, .config_text = text};
  assert_ok(larder_open(&options, &cache, NULL));
  assert_true(larder_name_is_secret(cache, "badgeNumber", 11));
  assert_false(larder_name_is_secret(cache, "token", 5));
  assert_true(larder_name_is_secret(NULL, "token", 5));
  assert_ok(larder_redact(cache, "{\"badge\":1,\"token\":2}", 21, false, &out, &len));
  assert_string_equal(out, "{\"badge\":\"***\",\"token\":2}");
  assert_int_equal(len, strlen(out));
  larder_text_free(out);
  assert_ok(larder_redact(NULL, "token: ab", 9, true, &out, NULL));
  assert_string_equal(out, "token: ***");
  larder_text_free(out);
  assert_err(larder_redact(cache, NULL, 1, false, &out, NULL), LARDER_EINVAL);
  assert_err(larder_redact(cache, "x", 1, false, NULL, NULL), LARDER_EINVAL);
  assert_ok(larder_close(&cache));
}

static void out_of_memory_shows_nothing(void **state) {
  (void)state;
  static const char text[] = "{\"password\":1,\"url\":\"https://a:b@c\",\"x\":[\"token: y\"]}";
  for (uint64_t n = 1;; n++) {
    int64_t live = support_alloc_live();
    char *out = NULL;
    support_alloc_fail_at(n);
    larder_err err = larder_redact(NULL, text, sizeof text - 1, false, &out, NULL);
    bool failed = support_alloc_end() >= n;
    if (failed) {
      assert_err(err, LARDER_ENOMEM);
      assert_null(out);
    }
    larder_text_free(out);
    assert_int_equal(support_alloc_live(), live);
    if (!failed) {
      assert_ok(err);
      break;
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(json_stays_json),
      cmocka_unit_test(an_escaped_name_is_no_way_around),
      cmocka_unit_test(strings_are_looked_through),
      cmocka_unit_test(what_is_no_json_is_text),
      cmocka_unit_test(the_configuration_adds_names),
      cmocka_unit_test(out_of_memory_shows_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
