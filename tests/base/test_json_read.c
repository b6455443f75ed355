/* SPDX-License-Identifier: Apache-2.0 */
#include "support/support.h"

#include "base/json_read.h"
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct text_case {
  const char *text;
  size_t len; /* 0: strlen */
} text_case;

#define T(literal)                                                                                                             \
  { literal, sizeof(literal) - 1 }

/* Copies to the end of an allocation of its own, so that a sanitizer sees a read beyond. */
static char *exact_copy(const char *text, size_t len) {
  char *copy = malloc(len ? len : 1);
  assert_non_null(copy);
  if (len) memcpy(copy, text, len);
  return copy;
}

static larder_err parse_both(lrd_json_doc *doc, const char *text, size_t len) {
  size_t at;
  const char *mistake;
  larder_err parsed = lrd_json_parse(doc, text, len), checked = lrd_json_check(text, len, &at, &mistake);
  assert_int_equal(parsed, checked);
  if (parsed == LARDER_EFORMAT) {
    assert_int_equal(doc->mistake_at, at);
    assert_non_null(mistake);
    assert_string_equal(doc->mistake, mistake);
    assert_int_equal(doc->nodes_len, 0);
  }
  return parsed;
}

static void what_is_json_is_taken(void **state) {
  (void)state;
  static const text_case good[] = {T("null"),
                                   T("true"),
                                   T("false"),
                                   T("0"),
                                   T("-0"),
                                   T("12"),
                                   T("-1.5e+10"),
                                   T("1E5"),
                                   T("0.0"),
                                   T("1e-999999"),
                                   T("\"\""),
                                   T("\"a\""),
                                   T("[]"),
                                   T("{}"),
                                   T(" \t\r\n[ ] \n"),
                                   T("[[],[[]],{}]"),
                                   T("{\"\":0}"),
                                   T("{\"a\":{\"b\":[1,2,{\"c\":null}]}}"),
                                   T("[1 , 2\n,3]"),
                                   T("{ \"a\" : 1 , \"a\" : 2 }"),
                                   T("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""),
                                   T("\"\\u0000\\uFFFF\\u00e9\""),
                                   T("\"\\uD834\\uDD1E\""),
                                   T("\"\xC3\xA9\xE2\x82\xAC\xF0\x9D\x84\x9E\""),
                                   T("\"\xF4\x8F\xBF\xBF\""),
                                   T("\"\x7F\""),
                                   T("\"a string that is longer than sixteen bytes and \xC3\xA9 then some\""),
                                   T("                                        1                                        "),
                                   T("[\"abcdefghijklmno\",\"abcdefghijklmnop\",\"abcdefghijklmnopq\"]"),
                                   T("123456789012345678901234567890.1234567890"),
                                   T("\"\xED\x9F\xBF\xEE\x80\x80\"")};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    lrd_json_doc doc = {0};
    char *text = exact_copy(good[i].text, good[i].len);
    if (parse_both(&doc, text, good[i].len) != LARDER_OK) fail_msg("%s: %s at %zu", good[i].text, doc.mistake, doc.mistake_at);
    assert_int_equal(doc.nodes[0].next, doc.nodes_len);
    lrd_json_doc_fini(&doc);
    free(text);
  }
}

static void what_is_no_json_is_refused_with_its_place(void **state) {
  (void)state;
  static const struct {
    text_case text;
    size_t at;
    const char *mistake;
  } bad[] = {
      {T(""), 0, "a value is expected"},
      {T("  "), 2, "a value is expected"},
      {T("\xEF\xBB\xBF{}"), 0, "a value is expected"},
      {T("'a'"), 0, "a value is expected"},
      {T("nul"), 0, "true, false or null is expected"},
      {T("trUe"), 0, "true, false or null is expected"},
      {T("nullx"), 4, "nothing may follow the value"},
      {T("1 2"), 2, "nothing may follow the value"},
      {T("{}}"), 2, "nothing may follow the value"},
      {T("1\0"), 1, "nothing may follow the value"},
      {T("[1,]"), 3, "a value is expected"},
      {T("[,1]"), 1, "a value is expected"},
      {T("[1 2]"), 3, "a comma or ] is expected"},
      {T("[1"), 2, "a comma or ] is expected"},
      {T("[1}"), 2, "a comma or ] is expected"},
      {T("["), 1, "a value is expected"},
      {T("{"), 1, "a name in quotes or } is expected"},
      {T("{a:1}"), 1, "a name in quotes or } is expected"},
      {T("{1:1}"), 1, "a name in quotes or } is expected"},
      {T("{]"), 1, "a name in quotes or } is expected"},
      {T("{\"a\""), 4, "a colon is expected"},
      {T("{\"a\" 1}"), 5, "a colon is expected"},
      {T("{\"a\":}"), 5, "a value is expected"},
      {T("{\"a\":1"), 6, "a comma or } is expected"},
      {T("{\"a\":1]"), 6, "a comma or } is expected"},
      {T("{\"a\":1,}"), 7, "a name in quotes is expected"},
      {T("{\"a\":1,"), 7, "a name in quotes is expected"},
      {T("\"a"), 2, "the text ends inside a string"},
      {T("\"a\\"), 3, "the text ends inside a string"},
      {T("\"a\\\""), 4, "the text ends inside a string"},
      {T("\"\n\""), 1, "a control character in a string has to be escaped"},
      {T("\"abcdefghijklmnopqrst\x1Fxyz uvwxyz\""), 21, "a control character in a string has to be escaped"},
      {T("\"\0\""), 1, "a control character in a string has to be escaped"},
      {T("\"\\x\""), 1, "there is no such escape"},
      {T("\"\\u12\""), 1, "\\u needs four hexadecimal digits"},
      {T("\"\\u12G4\""), 1, "\\u needs four hexadecimal digits"},
      {T("\"\\uDC00\""), 1, "half of a surrogate pair"},
      {T("\"\\uD800\""), 1, "half of a surrogate pair"},
      {T("\"\\uD800\\n0000\""), 1, "half of a surrogate pair"},
      {T("\"\\uD800\\u0041\""), 1, "half of a surrogate pair"},
      {T("\"\xFF\""), 1, "this is not UTF-8"},
      {T("\"\x80\""), 1, "this is not UTF-8"},
      {T("\"\xC0\x80\""), 1, "this is not UTF-8"},
      {T("\"\xC3\""), 1, "this is not UTF-8"},
      {T("\"\xC3"), 1, "this is not UTF-8"},
      {T("\"\xE0\x80\x80\""), 1, "this is not UTF-8"},
      {T("\"\xED\xA0\x80\""), 1, "this is not UTF-8"},
      {T("\"\xE2\x82\""), 1, "this is not UTF-8"},
      {T("\"\xF0\x80\x80\x80\""), 1, "this is not UTF-8"},
      {T("\"\xF4\x90\x80\x80\""), 1, "this is not UTF-8"},
      {T("\"\xF5\x80\x80\x80\""), 1, "this is not UTF-8"},
      {T("\"\xF0\x9D\x84"), 1, "this is not UTF-8"},
      {T("-"), 1, "a digit is expected"},
      {T("-a"), 1, "a digit is expected"},
      {T("+1"), 0, "a value is expected"},
      {T(".5"), 0, "a value is expected"},
      {T("1."), 2, "a digit is expected"},
      {T("1.e5"), 2, "a digit is expected"},
      {T("1e"), 2, "a digit is expected"},
      {T("1e+"), 3, "a digit is expected"},
      {T("01"), 1, "no digit may follow a leading 0"},
      {T("-00"), 2, "no digit may follow a leading 0"},
      {T("0x10"), 1, "nothing may follow the value"},
      {T("NaN"), 0, "a value is expected"},
      {T("Infinity"), 0, "a value is expected"},
      {T("[1,\n/* c */2]"), 4, "a value is expected"},
      {T("\xA0{}"), 0, "a value is expected"},
      {T("\f1"), 0, "a value is expected"},
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    lrd_json_doc doc = {0};
    char *text = exact_copy(bad[i].text.text, bad[i].text.len);
    if (parse_both(&doc, text, bad[i].text.len) != LARDER_EFORMAT) fail_msg("%s was taken", bad[i].text.text);
    if (doc.mistake_at != bad[i].at || strcmp(doc.mistake, bad[i].mistake) != 0)
      fail_msg("%s: %s at %zu", bad[i].text.text, doc.mistake, doc.mistake_at);
    lrd_json_doc_fini(&doc);
    free(text);
  }
}

static void no_text_is_no_value(void **state) {
  (void)state;
  lrd_json_doc doc = {0};
  assert_err(parse_both(&doc, NULL, 0), LARDER_EFORMAT);
  assert_int_equal(lrd_json_member(&doc, 0, "a"), 0);
  assert_int_equal(lrd_json_first(&doc, 0), 0);
  lrd_json_doc_fini(&doc);
}

static void more_than_two_gibibytes_are_too_big(void **state) {
  (void)state;
  lrd_json_doc doc = {0};
  assert_err(parse_both(&doc, "1", (size_t)1 + 0x80000000u), LARDER_ETOOBIG);
  lrd_json_doc_fini(&doc);
}

static void depth_has_a_limit(void **state) {
  (void)state;
  char text[4 * LRD_JSON_READ_DEPTH_MAX + 8];
  for (unsigned depth = LRD_JSON_READ_DEPTH_MAX; depth <= LRD_JSON_READ_DEPTH_MAX + 1; depth++) {
    lrd_json_doc doc = {0};
    memset(text, '[', depth);
    memset(text + depth, ']', depth);
    larder_err err = parse_both(&doc, text, 2 * (size_t)depth);
    if (depth <= LRD_JSON_READ_DEPTH_MAX) {
      assert_ok(err);
      assert_int_equal(doc.nodes_len, depth);
    } else {
      assert_err(err, LARDER_EFORMAT);
      assert_int_equal(doc.mistake_at, LRD_JSON_READ_DEPTH_MAX);
      assert_string_equal(doc.mistake, "nested deeper than 128 levels");
    }
    lrd_json_doc_fini(&doc);
  }
}

static void nodes_stand_in_the_order_of_the_text(void **state) {
  (void)state;
  static const char text[] = " {\"a\" : [1, \"x\\ny\", {}], \"b\":{\"c\":true}, \"a\":null} ";
  lrd_json_doc doc = {0};
  assert_ok(parse_both(&doc, text, strlen(text)));
  assert_int_equal(doc.nodes_len, 12);
  assert_int_equal(lrd_json_type_of(&doc, 0), LRD_JSON_OBJECT);
  assert_int_equal(doc.nodes[0].count, 3);
  assert_int_equal(doc.nodes[0].at, 1);
  assert_int_equal(doc.nodes[0].len, strlen(text) - 2);
  uint32_t key = lrd_json_first(&doc, 0);
  assert_int_equal(key, 1);
  assert_true(lrd_json_string_is(&doc, key, "a"));
  uint32_t array = key + 1;
  assert_int_equal(lrd_json_type_of(&doc, array), LRD_JSON_ARRAY);
  assert_int_equal(doc.nodes[array].count, 3);
  assert_memory_equal(text + doc.nodes[array].at, "[1, \"x\\ny\", {}]", doc.nodes[array].len);
  uint32_t one = lrd_json_first(&doc, array), two = doc.nodes[one].next, three = doc.nodes[two].next;
  assert_int_equal(lrd_json_type_of(&doc, one), LRD_JSON_NUMBER);
  assert_true(doc.nodes[two].escaped);
  assert_true(lrd_json_string_is(&doc, two, "x\ny"));
  assert_false(lrd_json_string_is(&doc, two, "x\nyz"));
  assert_false(lrd_json_string_is(&doc, two, "x\n"));
  assert_int_equal(lrd_json_type_of(&doc, three), LRD_JSON_OBJECT);
  assert_int_equal(lrd_json_first(&doc, three), 0);
  assert_int_equal(doc.nodes[three].next, doc.nodes[array].next);
  assert_int_equal(lrd_json_type_of(&doc, 4711), LRD_JSON_NULL);
  lrd_json_doc_fini(&doc);
}

static void of_repeated_names_the_last_counts(void **state) {
  (void)state;
  static const char text[] = "{\"a\":1,\"b\":{\"a\":2},\"\\u0061\":3}";
  lrd_json_doc doc = {0};
  assert_ok(parse_both(&doc, text, strlen(text)));
  uint64_t number;
  assert_true(lrd_json_u64_of(&doc, lrd_json_member(&doc, 0, "a"), &number));
  assert_int_equal(number, 3);
  assert_true(lrd_json_u64_of(&doc, lrd_json_member(&doc, lrd_json_member(&doc, 0, "b"), "a"), &number));
  assert_int_equal(number, 2);
  assert_int_equal(lrd_json_member(&doc, 0, "c"), 0);
  assert_int_equal(lrd_json_member(&doc, 1, "a"), 0);
  assert_int_equal(lrd_json_member(&doc, 4711, "a"), 0);
  lrd_json_doc_fini(&doc);
}

static void escapes_are_undone(void **state) {
  (void)state;
  static const struct {
    const char *text;
    text_case plain;
  } cases[] = {{"\"\"", T("")},
               {"\"plain\"", T("plain")},
               {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", T("\"\\/\b\f\n\r\t")},
               {"\"a\\u0000b\"", T("a\0b")},
               {"\"\\u0041\\u00e9\\u20AC\\uD834\\uDD1E.\"", T("A\xC3\xA9\xE2\x82\xAC\xF0\x9D\x84\x9E.")},
               {"\"\\uDBFF\\uDFFF\\uffff\"", T("\xF4\x8F\xBF\xBF\xEF\xBF\xBF")}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    lrd_json_doc doc = {0};
    lrd_buf out = {0};
    assert_ok(parse_both(&doc, cases[i].text, strlen(cases[i].text)));
    assert_ok(lrd_buf_append_str(&out, "<"));
    assert_ok(lrd_json_string_append(&doc, 0, &out));
    assert_int_equal(out.len, cases[i].plain.len + 1);
    assert_memory_equal(out.data + 1, cases[i].plain.text, cases[i].plain.len);
    if (!memchr(cases[i].plain.text, 0, cases[i].plain.len)) assert_true(lrd_json_string_is(&doc, 0, cases[i].plain.text));
    lrd_buf_fini(&out);
    lrd_json_doc_fini(&doc);
  }
}

static void integers_are_exact_or_refused(void **state) {
  (void)state;
  static const struct {
    const char *text;
    bool is_u64, is_i64;
    uint64_t u64;
    int64_t i64;
  } cases[] = {{"0", true, true, 0, 0},
               {"-0", true, true, 0, 0},
               {"0e99999999999999999999", true, true, 0, 0},
               {"1.0", true, true, 1, 1},
               {"1e3", true, true, 1000, 1000},
               {"1200e-2", true, true, 12, 12},
               {"-7", false, true, 0, -7},
               {"1.5", false, false, 0, 0},
               {"1e-1", false, false, 0, 0},
               {"9223372036854775807", true, true, INT64_MAX, INT64_MAX},
               {"9223372036854775808", true, false, UINT64_C(1) << 63, 0},
               {"-9223372036854775808", false, true, 0, INT64_MIN},
               {"-9223372036854775809", false, false, 0, 0},
               {"18446744073709551615", true, false, UINT64_MAX, 0},
               {"18446744073709551616", false, false, 0, 0},
               {"1e19", true, false, UINT64_C(10000000000000000000), 0},
               {"1e20", false, false, 0, 0},
               {"1e9999999999999999999999", false, false, 0, 0},
               {"\"1\"", false, false, 0, 0},
               {"true", false, false, 0, 0}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    lrd_json_doc doc = {0};
    uint64_t u64 = 4711;
    int64_t i64 = 4711;
    assert_ok(parse_both(&doc, cases[i].text, strlen(cases[i].text)));
    if (lrd_json_u64_of(&doc, 0, &u64) != cases[i].is_u64) fail_msg("%s", cases[i].text);
    if (lrd_json_i64_of(&doc, 0, &i64) != cases[i].is_i64) fail_msg("%s", cases[i].text);
    assert_true(u64 == (cases[i].is_u64 ? cases[i].u64 : 4711));
    assert_true(i64 == (cases[i].is_i64 ? cases[i].i64 : 4711));
    lrd_json_doc_fini(&doc);
  }
}

static bool double_read(const char *text, double *out) {
  lrd_json_doc doc = {0};
  assert_ok(parse_both(&doc, text, strlen(text)));
  bool is = lrd_json_double_of(&doc, 0, out);
  lrd_json_doc_fini(&doc);
  return is;
}

static void doubles_are_the_nearest(void **state) {
  (void)state;
  static const char *const texts[] = {"0",
                                      "-0.0",
                                      "1",
                                      "0.1",
                                      "-12.75e-3",
                                      "1e22",
                                      "1e23",
                                      "123456789012345678901234567890",
                                      "5e-324",
                                      "2.2250738585072011e-308",
                                      "1.7976931348623157e308",
                                      "1e-400",
                                      "9007199254740993",
                                      "0.000000000000000000000000000000000000000000000001e48",
                                      "100000000000000000000000000000e-29"};
  double value;
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    assert_true(double_read(texts[i], &value));
    double wanted = strtod(texts[i], NULL);
    if (memcmp(&value, &wanted, sizeof value) != 0) fail_msg("%s gave %.17g", texts[i], value);
  }
  value = 1;
  assert_false(double_read("1e309", &value));
  assert_false(double_read("-1e99999999999999999999999", &value));
  assert_false(double_read("\"1\"", &value));
  assert_true(value == 1);
}

/* Half way between two doubles in 900 digits: only the last digit says which is nearer. */
static void the_last_of_a_thousand_digits_counts(void **state) {
  (void)state;
  char text[1024] = "9007199254740993.";
  size_t len = strlen(text);
  memset(text + len, '0', 900);
  text[len + 900] = '\0';
  double value;
  assert_true(double_read(text, &value));
  assert_true(value == 9007199254740992.0);
  text[len + 899] = '1';
  assert_true(double_read(text, &value));
  assert_true(value == 9007199254740994.0);
}

static void the_locale_does_not_matter(void **state) {
  (void)state;
  static const char *const commas[] = {"de_DE.UTF-8", "de_DE", "fr_FR.UTF-8", "fr_FR"};
  for (size_t i = 0; i < sizeof commas / sizeof *commas; i++)
    if (setlocale(LC_NUMERIC, commas[i])) break;
  double value = 0;
  bool is = double_read("-1.25", &value);
  setlocale(LC_NUMERIC, "C");
  assert_true(is);
  assert_true(value == -1.25);
}

static void places_are_told_by_line_and_column(void **state) {
  (void)state;
  static const char text[] = "{\n  \"\xC3\xA9\": x}";
  unsigned line, column;
  lrd_json_place(text, strlen(text), 0, &line, &column);
  assert_int_equal(line, 1);
  assert_int_equal(column, 1);
  lrd_json_doc doc = {0};
  assert_err(parse_both(&doc, text, strlen(text)), LARDER_EFORMAT);
  lrd_json_place(text, strlen(text), doc.mistake_at, &line, &column);
  assert_int_equal(line, 2);
  assert_int_equal(column, 8);
  lrd_json_place(text, strlen(text), 4711, &line, &column);
  assert_int_equal(line, 2);
  assert_int_equal(column, 10);
  lrd_json_doc_fini(&doc);
}

static void out_of_memory_leaves_an_empty_document(void **state) {
  (void)state;
  lrd_buf text = {0};
  assert_ok(lrd_buf_append_str(&text, "[0"));
  for (unsigned i = 1; i < 200; i++) assert_ok(lrd_buf_printf(&text, ",%u", i));
  assert_ok(lrd_buf_append_str(&text, "]"));
  for (uint64_t n = 1;; n++) {
    int64_t live = support_alloc_live();
    lrd_json_doc doc = {0};
    support_alloc_fail_at(n);
    larder_err err = lrd_json_parse(&doc, (const char *)text.data, text.len);
    bool failed = support_alloc_end() >= n;
    if (err != LARDER_OK) {
      assert_err(err, LARDER_ENOMEM);
      assert_int_equal(doc.nodes_len, 0);
    }
    lrd_json_doc_fini(&doc);
    assert_int_equal(support_alloc_live(), live);
    if (!failed) {
      assert_ok(err);
      assert_true(n > 3);
      break;
    }
  }
  lrd_buf_fini(&text);
}

static void a_document_used_again_allocates_nothing(void **state) {
  (void)state;
  lrd_json_doc doc = {0};
  assert_ok(lrd_json_parse(&doc, "[1,2,3]", 7));
  support_alloc_count();
  for (unsigned i = 0; i < 100; i++) assert_ok(lrd_json_parse(&doc, "{\"a\":[1,2,{}]}", 14));
  assert_int_equal(lrd_json_parse(&doc, "[1,", 3), LARDER_EFORMAT);
  assert_int_equal(support_alloc_end(), 0);
  lrd_json_doc_fini(&doc);
}

/* Every prefix of a document is none, and every change of a byte gets one verdict from both. */
static void what_is_cut_short_is_refused(void **state) {
  (void)state;
  static const char text[] =
      "{\"key\":\"a\\u00e9\\uD834\\uDD1E\xE2\x82\xAC\",\"value\":[1.5e3,true,null,{\"x\":\"\"}],\"n\":-0.1}";
  size_t len = strlen(text);
  for (size_t cut = 0; cut < len; cut++) {
    lrd_json_doc doc = {0};
    char *copy = exact_copy(text, cut);
    assert_err(parse_both(&doc, copy, cut), LARDER_EFORMAT);
    assert_true(doc.mistake_at <= cut);
    lrd_json_doc_fini(&doc);
    free(copy);
  }
  support_random random = {5};
  lrd_json_doc doc = {0};
  for (unsigned i = 0; i < 20000; i++) {
    char *copy = exact_copy(text, len);
    copy[support_random_below(&random, len)] = (char)support_random_next(&random);
    (void)parse_both(&doc, copy, len);
    free(copy);
  }
  lrd_json_doc_fini(&doc);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_json_is_taken),
      cmocka_unit_test(what_is_no_json_is_refused_with_its_place),
      cmocka_unit_test(no_text_is_no_value),
      cmocka_unit_test(more_than_two_gibibytes_are_too_big),
      cmocka_unit_test(depth_has_a_limit),
      cmocka_unit_test(nodes_stand_in_the_order_of_the_text),
      cmocka_unit_test(of_repeated_names_the_last_counts),
      cmocka_unit_test(escapes_are_undone),
      cmocka_unit_test(integers_are_exact_or_refused),
      cmocka_unit_test(doubles_are_the_nearest),
      cmocka_unit_test(the_last_of_a_thousand_digits_counts),
      cmocka_unit_test(the_locale_does_not_matter),
      cmocka_unit_test(places_are_told_by_line_and_column),
      cmocka_unit_test(out_of_memory_leaves_an_empty_document),
      cmocka_unit_test(a_document_used_again_allocates_nothing),
      cmocka_unit_test(what_is_cut_short_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
