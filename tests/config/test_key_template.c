/* SPDX-License-Identifier: Apache-2.0 */
/* What a key fills into a URL or an argument, and what it cannot do to it. */
#include "support/support.h"

#include "config/key_template.h"
#include <stdio.h>
#include <stdlib.h>

static lrd_key_template *template_of(const char *text, lrd_template_form form) {
  lrd_key_template *template = NULL;
  larder_error err = {0};
  if (lrd_key_template_new(text, form, ':', &template, &err) != LARDER_OK) fail_msg("%s: %s", text, err.message);
  return template;
}

static larder_err fill(const char *text, lrd_template_form form, const void *key, size_t len, char out[512],
                       larder_error *err) {
  lrd_key_template *template = template_of(text, form);
  lrd_buf buf = {0};
  assert_ok(lrd_buf_append_str(&buf, "before "));
  larder_err result = lrd_key_template_fill(template, "weather", key, len, &buf, err);
  assert_memory_equal(buf.data, "before ", 7);
  if (result != LARDER_OK) assert_int_equal(buf.len, 7); /* as it was */
  assert_true(buf.len - 7 < 512);
  memcpy(out, buf.data + 7, buf.len - 7);
  out[buf.len - 7] = '\0';
  lrd_buf_fini(&buf);
  lrd_key_template_free(template);
  return result;
}

static void gives(lrd_template_form form, const char *text, const char *key, const char *wanted) {
  char found[512];
  larder_error err = {0};
  if (fill(text, form, key, strlen(key), found, &err) != LARDER_OK) fail_msg("%s with %s: %s", text, key, err.message);
  assert_string_equal(found, wanted);
}

static void lacks(lrd_template_form form, const char *text, const char *key, const char *part) {
  char found[512];
  larder_error err = {0};
  if (fill(text, form, key, strlen(key), found, &err) != LARDER_EINVAL) fail_msg("%s with %s gave %s", text, key, found);
  if (!strstr(err.message, part)) fail_msg("%s: no word of `%s`", err.message, part);
}

static void refused(lrd_template_form form, const char *text, const char *part) {
  lrd_key_template *template = NULL;
  larder_error err = {0};
  if (lrd_key_template_new(text, form, ':', &template, &err) != LARDER_EINVAL) fail_msg("%s was taken", text);
  assert_null(template);
  if (!strstr(err.message, part)) fail_msg("%s: %s: no word of `%s`", text, err.message, part);
}

static void plain_places_take_bytes_as_they_are(void **state) {
  (void)state;
  lrd_template_form const form = LRD_TEMPLATE_PLAIN;
  gives(form, "", "k", "");
  gives(form, "--no-places", "k", "--no-places");
  gives(form, "{key}", "a:b|x=1", "a:b|x=1");
  gives(form, "{path}", "a:b|x=1", "a:b");
  gives(form, "{path}", "a b/../c", "a b/../c");
  gives(form, "{1}-{2}-{1}", "a:b", "a-b-a");
  gives(form, "{2}", "a::c", "");
  gives(form, "{query}", "a|x=1&y=%26", "x=1&y=%26");
  gives(form, "<{query}>", "a", "<>");
  gives(form, "{y}+{x}", "a|x=1&y=a%26b%3dc", "a&b=c+1");
  gives(form, "{x}", "a|x=%zz%4", "%zz%4"); /* no encoding, so taken as it stands */
  gives(form, "{x}", "a|x=1&x=2", "1");
  gives(form, "{flag}.", "a|flag", ".");
  gives(form, "{a.b-c_d}", "|a.b-c_d=v", "v");
  gives(form, "{ns}/{key}", "k", "weather/k");
  gives(form, "{{{key}}} {{}}", "k", "{k} {}");
  gives(form, "{9}", "1:2:3:4:5:6:7:8:9:10", "9");
  gives(form, "{x}", "a|%78=1", "1");
}

static void a_key_without_the_part_is_told(void **state) {
  (void)state;
  lacks(LRD_TEMPLATE_PLAIN, "{3}", "a:b|c:d", "no part {3}: its path has 2 at `:`");
  lacks(LRD_TEMPLATE_PLAIN, "{city}", "a:b|town=x", "no pair `city=`");
  lacks(LRD_TEMPLATE_PLAIN, "{city}", "city=x", "no pair `city=`");
  lacks(LRD_TEMPLATE_URL, "https://h/{1}/{2}", "a|b:c", "no part {2}");
}

static void an_argument_holds_no_nul(void **state) {
  (void)state;
  char found[512];
  larder_error err = {0};
  assert_int_equal(fill("x{key}", LRD_TEMPLATE_PLAIN, "a\0b", 3, found, &err), LARDER_EINVAL);
  assert_non_null(strstr(err.message, "NUL"));
  assert_int_equal(fill("x{y}", LRD_TEMPLATE_PLAIN, "a|y=%00", 7, found, &err), LARDER_EINVAL);
  assert_int_equal(fill("x{1}", LRD_TEMPLATE_PLAIN, "a:b\0", 4, found, &err), LARDER_OK);
}

/* What argument `at` of a command becomes; false: it is refused. */
static bool argument_taken(const char *const *texts, size_t at, const char *key, const char *wanted) {
  lrd_key_template *argv[8] = {NULL};
  lrd_buf out = {0};
  larder_error err = {0};
  size_t count = 0;
  for (; texts[count]; count++) argv[count] = template_of(texts[count], LRD_TEMPLATE_PLAIN);
  larder_err const result = lrd_key_argument_fill(argv, at, "weather", key, strlen(key), &out, &err);
  if (result == LARDER_OK) {
    assert_int_equal(out.len, strlen(wanted));
    if (out.len > 0) assert_memory_equal(out.data, wanted, out.len);
  } else {
    assert_err(result, LARDER_EINVAL);
    assert_int_equal(out.len, 0);
    assert_non_null(strstr(err.message, "would begin with - and be read as an option"));
    assert_true(strlen(key) == 1 || !strstr(err.message, key));
  }
  lrd_buf_fini(&out);
  for (size_t i = 0; i < count; i++) lrd_key_template_free(argv[i]);
  return result == LARDER_OK;
}

static void a_key_is_no_option_of_the_program(void **state) {
  (void)state;
  const char *const plain[] = {"sort", "{key}", "{1}{2}", "--key={key}", "-{key}", "-r", NULL};
  assert_false(argument_taken(plain, 1, "-opwned", ""));
  assert_false(argument_taken(plain, 1, "-", ""));
  assert_true(argument_taken(plain, 1, "o-p", "o-p"));
  assert_false(argument_taken(plain, 2, ":--output=x", "")); /* by its second place, since the first is empty */
  assert_true(argument_taken(plain, 2, "a:-b", "a-b"));
  assert_true(argument_taken(plain, 3, "-opwned", "--key=-opwned"));
  assert_true(argument_taken(plain, 4, "-opwned", "--opwned")); /* as whoever wrote it wants it */
  assert_true(argument_taken(plain, 5, "-opwned", "-r"));
  const char *const ended[] = {"sort", "{key}", "--", "{key}", NULL};
  assert_false(argument_taken(ended, 1, "-opwned", ""));
  assert_true(argument_taken(ended, 3, "-opwned", "-opwned"));
  const char *const by_key[] = {"{1}", "{2}", "{key}", NULL};
  assert_false(argument_taken(by_key, 0, "-sh:x", ""));
  assert_false(argument_taken(by_key, 1, "rm:--:-x", ""));
  const char *const kept[] = {"--", "{key}", NULL}; /* a program of that name ends no options */
  assert_false(argument_taken(kept, 1, "-x", ""));
}

static void url_places_are_encoded(void **state) {
  (void)state;
  lrd_template_form const form = LRD_TEMPLATE_URL;
  gives(form, "https://h/{path}", "a/b c", "https://h/a%2Fb%20c");
  gives(form, "https://h/{+path}", "a/b c?d#e%", "https://h/a/b%20c%3Fd%23e%25");
  gives(form, "https://h/{+1}/{2}", "a/b:c/d", "https://h/a/b/c%2Fd");
  gives(form, "http://h/x?{query}", "p|a=1%262&b=%3D&c&d=%C3%BC ;", "http://h/x?a=1%262&b=%3D&c&d=%C3%BC%20%3B");
  gives(form, "http://h/x?q={q}", "p|q=a%26admin%3D1%0d%0aX: y", "http://h/x?q=a%26admin%3D1%0D%0AX%3A%20y");
  gives(form, "http://h/{key}", "-._~AZaz09", "http://h/-._~AZaz09");
  gives(form, "http://h/{key}", "\x01\x7f\xff", "http://h/%01%7F%FF");
  gives(form, "http://h/{+key}", "a:b|c=d/e", "http://h/a%3Ab%7Cc%3Dd/e");
  gives(form, "http://h:8080?{ns}", "k", "http://h:8080?weather");
  gives(form, "HTTPS://u:p@h/%7B{{{1}}}", "k", "HTTPS://u:p@h/%7B{k}");
  gives(form, "http://h", "k", "http://h");
  gives(form, "http://h/{+f}", "k|f=a%2Fb", "http://h/a/b");
}

static void a_key_cannot_climb_out_of_the_path(void **state) {
  (void)state;
  static const char *const climbing[] = {"..",    ".",      "../x", "x/..",     "x/../y", "a/./b",  "..\\x",
                                         "x\\..", "..;x/y", "..;",  "a/..;v=1", ".;/x",   "a\\.\\b"};
  lrd_template_form const form = LRD_TEMPLATE_URL;
  for (size_t i = 0; i < sizeof climbing / sizeof *climbing; i++) {
    lacks(form, "https://h/v1/{+path}", climbing[i], "would be . or ..");
    lacks(form, "https://h/v1/{path}", climbing[i], "would be . or .."); /* some decode %2F first */
    lacks(form, "https://h/v1/{path}/end", climbing[i], "would be . or ..");
    lacks(form, "https://h/v1/{+f}?x", "k|f=..", "would be . or ..");
  }
  lacks(form, "https://h/v1/.{1}", ".", "would be . or ..");
  lacks(form, "https://h/v1/.{1}", "", "would be . or ..");
  lacks(form, "https://h/v1/{1}{2}/x", ".:.", "would be . or ..");
  lacks(form, "https://h/{f}", "k|f=%2e%2e", "would be . or ..");
  lacks(form, "https://h/%2e{1}", ".", "would be . or ..");
  gives(form, "https://h/{+path}", "...", "https://h/...");
  gives(form, "https://h/{+path}", "..a/b../.c", "https://h/..a/b../.c");
  gives(form, "https://h/{+path}", "x;../y", "https://h/x%3B../y");
  gives(form, "https://h/?p={+path}", "../..", "https://h/?p=../.."); /* a query has no segments */
  gives(form, "https://h/{path}", "%2e%2e", "https://h/%252e%252e");  /* decoded once it is what the key says */
}

static void a_host_is_never_the_keys(void **state) {
  (void)state;
  lrd_template_form const form = LRD_TEMPLATE_URL;
  refused(form, "{key}", "begins with https:// or http://");
  refused(form, "{1}://h/", "begins with https:// or http://");
  refused(form, "ftp://h/", "begins with https:// or http://");
  refused(form, "h/x", "begins with https:// or http://");
  refused(form, "https:///x", "no host");
  refused(form, "https://", "no host");
  refused(form, "https://{1}", "a place in the URL's host");
  refused(form, "http://{1}/up", "a place in the URL's host");
  refused(form, "https://{1}/x", "a place in the URL's host");
  refused(form, "https://h{1}/x", "behind the host's /");
  refused(form, "https://h.example.org{+path}", "behind the host's /");
  refused(form, "https://h:{1}/", "behind the host's /");
  refused(form, "https://{ns}.example.org/", "a place in the URL's host");
  refused(form, "https://h/../x", ". or ..");
  refused(form, "https://h/x/%2E%2e?y", ". or ..");
  refused(form, "https://h/a b", "blank");
  refused(form, "https://h/a#b", "#");
  refused(form, "https://h/a\r\nX: y", "control character");
}

static void places_that_are_none_are_told(void **state) {
  (void)state;
  lrd_template_form const forms[] = {LRD_TEMPLATE_PLAIN, LRD_TEMPLATE_URL};
  char text[128];
  static const char *const cases[][2] = {
      {"{pth}}", "} that closes nothing"},
      {"{path", "not closed"},
      {"{path{1}", "not closed"},
      {"a}b", "} that closes nothing; expected }}"},
      {"{", "not closed"},
      {"{}", "expected {key}, {path}, {1} to {9}"},
      {"{0}", "{1} to {9}"},
      {"{10}", "{1} to {9}"},
      {"{1a}", "{1} to {9}"},
      {"{Path}", "the nearest is {path}"},
      {"{pa th}", "the nearest is {path}"},
      {"{path }", "the nearest is {path}"},
      {"{$query}", "the nearest is {query}"},
      {"{+query}", "the nearest is {query}"},
      {"{+ns}", "the nearest is {ns}"},
      {"{\"json\": 1}", "{{ for a brace"},
      {"{+}", "expected"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    for (size_t f = 0; f < 2; f++) {
      (void)snprintf(text, sizeof text, "http://h/%s", cases[i][0]);
      refused(forms[f], text, cases[i][1]);
    }
  }
  refused(LRD_TEMPLATE_PLAIN, "{+path}", "the nearest is {path}");
  refused(LRD_TEMPLATE_URL, "http://h/{+Path}", "the nearest is {+path}");
  refused(LRD_TEMPLATE_PLAIN, "ab{12}", "at character 3");
}

static void pairs_of_a_key_come_one_after_the_other(void **state) {
  (void)state;
  static const char key[] = "p|a=1&&b=2%26=&c&=d&%65=";
  static const char *const wanted[][2] = {{"a", "1"}, {"b", "2&="}, {"c", ""}, {"", "d"}, {"e", ""}};
  lrd_buf name = {0}, value = {0};
  size_t at = 0, found = 0;
  while (lrd_key_pair_next(key, sizeof key - 1, &at, &name, &value) == LARDER_OK) {
    assert_true(found < 5);
    assert_string_equal((char *)name.data, wanted[found][0]);
    assert_string_equal((char *)value.data, wanted[found++][1]);
  }
  assert_int_equal(found, 5);
  at = 0;
  assert_int_equal(lrd_key_pair_next("a=1", 3, &at, &name, &value), LARDER_MISS);
  assert_int_equal(lrd_key_pair_next("p|", 2, &at, &name, &value), LARDER_MISS);
  assert_int_equal(lrd_key_pair_next(NULL, 0, &at, &name, &value), LARDER_MISS);
  lrd_buf_fini(&name);
  lrd_buf_fini(&value);
}

static const char *shown(const char *secrets, const void *key, size_t len) {
  static char out[LRD_KEY_SHOWN_ROOM];
  assert_ptr_equal(lrd_key_shown(secrets, key, len, out), out);
  assert_true(strlen(out) <= 82);
  return out;
}

static void a_shown_key_hides_and_escapes(void **state) {
  (void)state;
  char wide[600];
  memset(wide, 'w', sizeof wide);
  assert_string_equal(shown(NULL, "a:b|x=1", 7), "`a:b|x=1`");
  assert_string_equal(shown(NULL, "a\0\n\xff\xc3\xbc", 6), "`a\\x00\\x0a\\xff\xc3\xbc`");
  assert_string_equal(shown(NULL, "a|token=hush&x=1", 16), "`a|token=***&x=1`");
  assert_string_equal(shown("shoesize\n", "a|shoe_size=46", 14), "`a|shoe_size=***`");
  assert_int_equal(strlen(shown(NULL, wide, sizeof wide)), 82);
  assert_non_null(strstr(shown(NULL, wide, sizeof wide), "ww...`"));
  assert_int_equal(strlen(shown(NULL, wide, 80)), 82);
  assert_null(strstr(shown(NULL, wide, 80), "..."));
  memset(wide, 0, sizeof wide);
  assert_non_null(strstr(shown(NULL, wide, sizeof wide), "\\x00...`"));
  memset(wide, 'w', sizeof wide);
  memcpy(wide + 500, "&password=verysecretindeed", 26);
  assert_null(strstr(shown(NULL, wide + 460, 140), "very"));
}

static void failing_allocations_leave_nothing(void **state) {
  (void)state;
  for (uint64_t n = 1;; n++) {
    int64_t live = support_alloc_live();
    lrd_key_template *template = NULL;
    lrd_buf out = {0};
    larder_error err = {0};
    support_alloc_fail_at(n);
    larder_err result =
        lrd_key_template_new("https://host/{1}/{+path}?{query}&a={name}&b={{{ns}}}", LRD_TEMPLATE_URL, ':', &template, &err);
    if (result == LARDER_OK) result = lrd_key_template_fill(template, "n", "a:b|name=value", 14, &out, &err);
    bool failed = support_alloc_end() >= n;
    assert_int_equal(result, failed ? LARDER_ENOMEM : LARDER_OK);
    if (failed) assert_int_equal(err.code, LARDER_ENOMEM);
    lrd_key_template_free(template);
    lrd_buf_fini(&out);
    assert_int_equal(support_alloc_live(), live);
    if (!failed) break;
  }
  support_alloc_fail_at(1);
  assert_string_equal(shown(NULL, "k", 1), "`...`");
  (void)support_alloc_end();
  lrd_key_template_free(NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(plain_places_take_bytes_as_they_are),
      cmocka_unit_test(a_key_without_the_part_is_told),
      cmocka_unit_test(an_argument_holds_no_nul),
      cmocka_unit_test(a_key_is_no_option_of_the_program),
      cmocka_unit_test(url_places_are_encoded),
      cmocka_unit_test(a_key_cannot_climb_out_of_the_path),
      cmocka_unit_test(a_host_is_never_the_keys),
      cmocka_unit_test(places_that_are_none_are_told),
      cmocka_unit_test(pairs_of_a_key_come_one_after_the_other),
      cmocka_unit_test(a_shown_key_hides_and_escapes),
      cmocka_unit_test(failing_allocations_leave_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
