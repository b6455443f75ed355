/* SPDX-License-Identifier: Apache-2.0 */
#include "support/support.h"

#include "base/log.h"
#include "base/redact.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void names_of_secrets_are_known_by_whole_words(void **state) {
  (void)state;
  static const char *const secret[] = {"password",
                                       "PASSWORD",
                                       "userPassword",
                                       "db_password",
                                       "password2",
                                       "passwd",
                                       "api_key",
                                       "apiKey",
                                       "X-API-Key",
                                       "APIKEY",
                                       "my.api.keys",
                                       "token",
                                       "authTokens",
                                       "accessToken",
                                       "secret",
                                       "AWS_SECRET",
                                       "credentials",
                                       "credential",
                                       "private_key",
                                       "PrivateKey",
                                       "ssh-private-key",
                                       "Authorization",
                                       "proxy-authorization",
                                       "cookie",
                                       "Set-Cookie",
                                       "session_id",
                                       "pass",
                                       "HTTPToken",
                                       "client-secret",
                                       "access_key"};
  static const char *const open_names[] = {"user",      "key",          "keyboard", "tokenize",  "compass",       "passenger",
                                           "secretary", "passwordless", "author",   "authority", "api",           "monkey",
                                           "sessions",  "pass_count",   "",         "-",         "accessing_keys"};
  for (size_t i = 0; i < sizeof secret / sizeof *secret; i++)
    if (!lrd_secret_name(NULL, secret[i], strlen(secret[i]))) fail_msg("%s is no secret", secret[i]);
  for (size_t i = 0; i < sizeof open_names / sizeof *open_names; i++)
    if (lrd_secret_name(NULL, open_names[i], strlen(open_names[i]))) fail_msg("%s is a secret", open_names[i]);
}

static void of_a_very_long_name_the_end_counts(void **state) {
  (void)state;
  char name[300];
  memset(name, 'a', sizeof name);
  memcpy(name + sizeof name - 9, ".password", 9);
  assert_true(lrd_secret_name(NULL, name, sizeof name));
  assert_false(lrd_secret_name(NULL, name, sizeof name - 1));
}

static void more_names_can_be_given_and_built_in_ones_taken_out(void **state) {
  (void)state;
  char *secrets = NULL;
  assert_ok(lrd_secrets_make("licence-Number\n-token\n=pin\n-pass\n", &secrets));
  static const struct {
    const char *name;
    bool secret;
  } cases[] = {
      {"licenceNumber", true}, {"the_licence_number", true}, {"licence", false}, {"max_tokens", false}, {"authToken", true},
      {"PIN", true},           {"pin_count", false},         {"pass", false},    {"password", true}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    if (lrd_secret_name(secrets, cases[i].name, strlen(cases[i].name)) != cases[i].secret) fail_msg("%s", cases[i].name);
  lrd_dealloc(secrets);
  assert_ok(lrd_secrets_make(NULL, &secrets));
  assert_null(secrets);
  assert_err(lrd_secrets_make("ok\n--\n", &secrets), LARDER_EINVAL);
}

static void secrets_in_text_are_hidden(void **state) {
  (void)state;
  static const struct {
    const char *text, *clean;
    unsigned now, before;
  } cases[] = {
      {"", "", 0, 0},
      {"nothing here", "nothing here", 0, 0},
      {"{\"user\":\"ann\",\"password\":\"a\\\"b\",\"n\":1}", "{\"user\":\"ann\",\"password\":\"***\",\"n\":1}", 1, 0},
      {"{\"password\":\"***\"}", "{\"password\":\"***\"}", 0, 1},
      {"{\"token\":null,\"secret\":12}", "{\"token\":null,\"secret\":***}", 1, 0},
      {"{\"secret\":{\"a\":[\"}\"]},\"b\":1}", "{\"secret\":***,\"b\":1}", 1, 0},
      {"password: hunter2\nuser: ann", "password: ***\nuser: ann", 1, 0},
      {"Authorization: Bearer abc.def\r\nHost: x", "Authorization: ***\r\nHost: x", 1, 0},
      {"a=1&api_key=zz%20&b=2", "a=1&api_key=***&b=2", 1, 0},
      {"'token' => 'x', 'b' => 'y'", "'token' => '***', 'b' => 'y'", 1, 0},
      {"password=", "password=", 0, 0},
      {"https://ann:s3@cret@example.org:80/x?y=1", "https://ann:***@example.org:80/x?y=1", 1, 0},
      {"https://ann:***@example.org", "https://ann:***@example.org", 0, 1},
      {"https://ann@example.org:80/ and redis://:pw@h", "https://ann@example.org:80/ and redis://:***@h", 1, 0},
      {"https://example.org:80/a@b", "https://example.org:80/a@b", 0, 0},
      {"the token bucket", "the token bucket", 0, 0},
      {"token://x", "token://x", 0, 0},
      {"password = \"never ended", "password = \"***\"", 1, 0},
      {"token=null&a=1 secret: null", "token=null&a=1 secret: null", 0, 0},
      {"token=null7secret a=1", "token=*** a=1", 1, 0},
      {"token: nullify", "token: ***", 1, 0},
      {"{\"body\":\"{\\\"password\\\":\\\"hunter3\\\",\\\"n\\\":1}\"}",
       "{\"body\":\"{\\\"password\\\":\\\"***\\\",\\\"n\\\":1}\"}", 1, 0},
      {"{\\\"password\\\": \\\"a\\\\\\\"b\\\", \\\"n\\\": 1}", "{\\\"password\\\": \\\"***\\\", \\\"n\\\": 1}", 1, 0},
      {"{\\\\\\\"pwd\\\\\\\":\\\\\\\"a\\\\\\\",b", "{\\\\\\\"pwd\\\\\\\":\\\\\\\"***\\\\\\\",b", 1, 0},
      {"{\"log\":\"password=\\\"x y\\\" b\"}", "{\"log\":\"password=\\\"***\\\" b\"}", 1, 0},
      {"{\"log\":\"password=\\\"x y\",\"n\":1}", "{\"log\":\"password=\\\"***\",\"n\":1}", 1, 0},
      {"{\\\"password\\\":\\\"***\\\"}", "{\\\"password\\\":\\\"***\\\"}", 0, 1},
      {"password=\\\"never ended\\", "password=\\\"***", 1, 0},
      {"{\\\"token\\\":null,\\\"n\\\":1}", "{\\\"token\\\":null,\\\"n\\\":1}", 0, 0},
      {"{\"log\":\"a\\npassword=x y\"}", "{\"log\":\"a\\npassword=*** y\"}", 1, 0},
      {"a\\u000apwd=q&b\\\\ttoken: w", "a\\u000apwd=***&b\\\\ttoken: ***", 2, 0},
      {"C:\\token=a C:\\note=b", "C:\\token=*** C:\\note=b", 1, 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    lrd_buf out = {0};
    lrd_hidden hidden = {0};
    assert_ok(lrd_redact_text(NULL, cases[i].text, strlen(cases[i].text), false, &out, &hidden));
    assert_ok(lrd_buf_terminate(&out));
    assert_string_equal((char *)out.data, cases[i].clean);
    assert_int_equal(hidden.now, cases[i].now);
    assert_int_equal(hidden.before, cases[i].before);
    lrd_buf_fini(&out);
  }
}

static void what_is_cut_off_is_hidden_too(void **state) {
  (void)state;
  static const char text[] = "see https://ann:hunter2@example.org";
  size_t sign = (size_t)(strchr(text, '@') - text);
  for (size_t len = 0; len <= sign; len++) {
    lrd_buf out = {0};
    lrd_hidden hidden = {0};
    assert_ok(lrd_redact_text(NULL, text, len, true, &out, &hidden));
    assert_ok(lrd_buf_terminate(&out));
    if (strstr((char *)out.data, "h") && strstr((char *)out.data, "hun")) fail_msg("%s", (char *)out.data);
    lrd_buf_fini(&out);
  }
}

/* What follows `null` is not known where the text was cut. */
static void a_null_that_may_go_on_is_hidden(void **state) {
  (void)state;
  for (unsigned cut = 0; cut < 2; cut++) {
    lrd_buf out = {0};
    lrd_hidden hidden = {0};
    assert_ok(lrd_redact_text(NULL, "token=null", 10, cut == 1, &out, &hidden));
    assert_ok(lrd_buf_terminate(&out));
    assert_string_equal((char *)out.data, cut == 1 ? "token=***" : "token=null");
    lrd_buf_fini(&out);
  }
}

/* Whatever the bytes: nothing is read beyond. */
static void random_text_never_harms(void **state) {
  (void)state;
  static const char *const pieces[] = {"password", "token", "\"", "'", ":",  "=", "=>",  "{", "}",    "[",    "]", "\\",
                                       "://",      "@",     "a",  " ", "\n", ",", "***", "&", "\xff", "null", "/"};
  support_random random = {11};
  for (unsigned i = 0; i < 20000; i++) {
    lrd_buf text = {0}, once = {0};
    lrd_hidden hidden = {0};
    for (uint64_t n = support_random_below(&random, 12); n > 0; n--)
      assert_ok(lrd_buf_append_str(&text, pieces[support_random_below(&random, sizeof pieces / sizeof *pieces)]));
    assert_ok(lrd_buf_append_str(&text, "."));
    char *exact = malloc(text.len);
    assert_non_null(exact);
    memcpy(exact, text.data, text.len);
    assert_ok(lrd_redact_text(NULL, exact, text.len, (i & 1) != 0, &once, &hidden));
    free(exact);
    lrd_buf_fini(&text);
    lrd_buf_fini(&once);
  }
}

static void out_of_memory_is_told(void **state) {
  (void)state;
  for (uint64_t n = 1;; n++) {
    int64_t live = support_alloc_live();
    char *secrets = NULL;
    lrd_buf out = {0};
    lrd_hidden hidden = {0};
    support_alloc_fail_at(n);
    larder_err err = lrd_secrets_make("abc\n-token\nxyz\n", &secrets);
    if (err == LARDER_OK) err = lrd_redact_text(secrets, "abc=1 password=2 xyz: 3", 23, false, &out, &hidden);
    bool failed = support_alloc_end() >= n;
    lrd_dealloc(secrets);
    lrd_buf_fini(&out);
    assert_int_equal(support_alloc_live(), live);
    if (!failed) {
      assert_ok(err);
      break;
    }
    assert_err(err, LARDER_ENOMEM);
  }
}

static void what_is_cut_off_of_a_value_is_hidden_too(void **state) {
  (void)state;
  static const char *const pairs[] = {"A=correct horse battery", "B=staple\n", "C=https://h", NULL};
  static const char *const texts[][2] = {{"found \"correct h...\"; expected", "found \"***...\"; expected"},
                                         {"n cannot be 'correct horse b'", "n cannot be '***'"},
                                         {"the command `staple\\x0a` failed", "the command `***\\x0a` failed"},
                                         {"it ends with correct ho", "it ends with ***"},
                                         {"it is correct", "it is correct"},
                                         {"a correct horse cart", "a correct horse cart"},
                                         {"'http' or 'staples'", "'http' or 'staples'"}};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    char text[64];
    snprintf(text, sizeof text, "%s", texts[i][0]);
    lrd_redact_values_in(pairs, NULL, text);
    assert_string_equal(text, texts[i][1]);
  }
}

static void values_are_hidden_wherever_they_stand(void **state) {
  (void)state;
  static const char *const pairs[] = {"A=horse", "B=horse staple", "C=abc", "D=", "E=====", NULL}, *const more[] = {"F=pony",
                                                                                                                    NULL};
  static const struct {
    const char *text, *wanted;
  } texts[] = {{"", ""},
               {"horse", "***"},
               {"a horse staple, a horse stable", "a ***, a *** stable"},
               {"horsehorse horspony", "****** hors***"},
               {"abc hors", "abc ***"},
               {"abc ho, hor", "abc ho, hor"},
               {"====", "***"}};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    char text[64];
    strcpy(text, texts[i].text);
    text[lrd_redact_values(pairs, more, text, strlen(text))] = '\0';
    assert_string_equal(text, texts[i].wanted);
  }
  char text[64] = "a horse, a pony";
  lrd_redact_values_in(pairs, NULL, text);
  assert_string_equal(text, "a ***, a pony");
  lrd_redact_values_in(NULL, NULL, text);
  assert_string_equal(text, "a ***, a pony");
  strcpy(text, "horse staple at ====");
  lrd_redact_values_in(pairs, "white horses", text); /* which says so anyway */
  assert_string_equal(text, "*** at ***");
  strcpy(text, "horses at ====");
  lrd_redact_values_in(pairs, "white horses", text);
  assert_string_equal(text, "horses at ***");
}

static void keep_line(void *context, int level, const char *id, const char *message) {
  (void)level;
  (void)id;
  strcpy(context, message);
}

static void a_log_line_holds_no_secret(void **state) {
  (void)state;
  char line[1100] = "", long_part[2000];
  lrd_log log = {.sink = keep_line, .context = line, .level_max = LRD_LOG_DEBUG};
  lrd_log_write(&log, LRD_LOG_WARN, "x", "tried %s with password=%s", "redis://:hunter2@host:6379", "hunter2");
  assert_string_equal(line, "tried redis://:***@host:6379 with password=***");
  char *secrets = NULL;
  assert_ok(lrd_secrets_make("badge\n", &secrets));
  log.secrets = secrets;
  lrd_log_write(&log, LRD_LOG_WARN, "x", "badge: hunter2");
  assert_string_equal(line, "badge: ***");
  memset(long_part, 'x', sizeof long_part - 1);
  long_part[sizeof long_part - 1] = '\0';
  lrd_log_write(&log, LRD_LOG_WARN, "x", "%.*s https://u:%s", 1000, long_part, long_part);
  assert_null(strstr(line, "u:x"));
  support_alloc_fail_from(1);
  lrd_log_write(&log, LRD_LOG_WARN, "x", "badge: hunter2");
  support_alloc_end();
  assert_null(strstr(line, "hunter2"));
  lrd_dealloc(secrets);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(names_of_secrets_are_known_by_whole_words),
      cmocka_unit_test(of_a_very_long_name_the_end_counts),
      cmocka_unit_test(more_names_can_be_given_and_built_in_ones_taken_out),
      cmocka_unit_test(secrets_in_text_are_hidden),
      cmocka_unit_test(what_is_cut_off_is_hidden_too),
      cmocka_unit_test(a_null_that_may_go_on_is_hidden),
      cmocka_unit_test(random_text_never_harms),
      cmocka_unit_test(out_of_memory_is_told),
      cmocka_unit_test(what_is_cut_off_of_a_value_is_hidden_too),
      cmocka_unit_test(values_are_hidden_wherever_they_stand),
      cmocka_unit_test(a_log_line_holds_no_secret),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
