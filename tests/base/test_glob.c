/* SPDX-License-Identifier: Apache-2.0 */
#include "support/support.h"

#include "base/glob.h"

static bool match(const char *pattern, const char *text) {
  return lrd_glob_match(pattern, strlen(pattern), text, strlen(text));
}

/*
 * The reference: plain recursion, exponential and obviously right. `ok` is cleared for a pattern that is not well formed
 * where the walk meets it; then nothing is compared.
 */
static bool class_has(const char **p, const char *end, unsigned char c, bool *ok) {
  const char *at = *p;
  bool negated = at < end && *at == '!';
  if (negated) at++;
  bool has = false;
  const char *begin = at;
  for (;;) {
    if (at >= end) {
      *ok = false;
      return false;
    }
    if (*at == ']' && at != begin) break;
    if (*at == '\\' && ++at >= end) continue;
    unsigned char low = (unsigned char)*at++;
    unsigned char high = low;
    if (end - at >= 2 && at[0] == '-' && at[1] != ']') {
      at++;
      if (*at == '\\' && ++at >= end) continue;
      high = (unsigned char)*at++;
    }
    has = has || (low <= c && c <= high);
  }
  *p = at + 1;
  return has != negated;
}

static bool naive(const char *p, const char *p_end, const char *t, const char *t_end, bool *ok) {
  if (p == p_end) return t == t_end;
  if (*p == '*') return naive(p + 1, p_end, t, t_end, ok) || (t < t_end && naive(p, p_end, t + 1, t_end, ok));
  if (t == t_end) return false;
  if (*p == '?') return naive(p + 1, p_end, t + 1, t_end, ok);
  if (*p == '[') {
    const char *after = p + 1;
    bool has = class_has(&after, p_end, (unsigned char)*t, ok);
    return has && naive(after, p_end, t + 1, t_end, ok);
  }
  if (*p == '\\' && ++p == p_end) {
    *ok = false;
    return false;
  }
  return *p == *t && naive(p + 1, p_end, t + 1, t_end, ok);
}

static void each_element_matches_what_it_says(void **state) {
  (void)state;
  assert_true(match("", ""));
  assert_false(match("", "a"));
  assert_true(match("*", ""));
  assert_true(match("***", "abc"));
  assert_true(match("a*c", "abbbc"));
  assert_true(match("a*c", "ac"));
  assert_false(match("a*c", "abcd"));
  assert_true(match("a*b*c", "a_b_b_c"));
  assert_false(match("?", ""));
  assert_true(match("??", "xy"));
  assert_true(match("[a-c]x", "bx"));
  assert_false(match("[a-c]x", "dx"));
  assert_true(match("[!a-c]", "d"));
  assert_false(match("[!a-c]", "a"));
  assert_true(match("[]x]", "]"));
  assert_true(match("[!]x]", "a"));
  assert_false(match("[!]x]", "]"));
  assert_true(match("[a-]", "-"));
  assert_true(match("[\\]]", "]"));
  assert_false(match("[z-a]", "m"));
  assert_true(match("\\*", "*"));
  assert_false(match("\\*", "x"));
  assert_true(lrd_glob_match("a?c", 3, "a\0c", 3));
  assert_true(match("[\xe0-\xff]", "\xf0"));
  assert_false(match("a", "A"));
}

static void broken_patterns_are_told_and_match_nothing(void **state) {
  (void)state;
  static const char *const broken[] = {"[", "[a", "[!", "[]", "[a-", "a[b", "x\\", "[a\\", "*[", "[!]"};
  for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
    assert_err(lrd_glob_check(broken[i], strlen(broken[i])), LARDER_EINVAL);
    assert_false(match(broken[i], broken[i]));
  }
  static const char *const good[] = {"", "*", "[]]", "[!]]", "[a-]", "\\[", "[\\]]", "a]b", "-", "[--9]"};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) assert_ok(lrd_glob_check(good[i], strlen(good[i])));
}

static void agrees_with_a_naive_matcher_on_random_patterns(void **state) {
  (void)state;
  static const char pattern_alphabet[] = "aab**?[]!-\\c";
  static const char text_alphabet[] = "aabc]-!\\[";
  support_random random = {20};
  unsigned compared = 0, matched = 0;
  for (unsigned round = 0; round < 400000; round++) {
    char pattern[10], text[9];
    size_t p_len = support_random_below(&random, sizeof pattern + 1);
    size_t t_len = support_random_below(&random, sizeof text + 1);
    for (size_t i = 0; i < p_len; i++)
      pattern[i] = pattern_alphabet[support_random_below(&random, sizeof pattern_alphabet - 1)];
    for (size_t i = 0; i < t_len; i++) text[i] = text_alphabet[support_random_below(&random, sizeof text_alphabet - 1)];
    bool found = lrd_glob_match(pattern, p_len, text, t_len);
    if (lrd_glob_check(pattern, p_len) != LARDER_OK) continue;
    bool ok = true;
    bool wanted = naive(pattern, pattern + p_len, text, text + t_len, &ok);
    assert_true(ok);
    if (found != wanted) fail_msg("%.*s against %.*s: %d, not %d", (int)p_len, pattern, (int)t_len, text, found, wanted);
    compared++;
    matched += wanted;
  }
  assert_true(compared > 100000 && matched > 1000);
}

static void many_stars_stay_cheap(void **state) {
  (void)state;
  char pattern[200], text[4000];
  for (size_t i = 0; i + 1 < sizeof pattern; i += 2) {
    pattern[i] = 'a';
    pattern[i + 1] = '*';
  }
  pattern[sizeof pattern - 1] = 'b';
  memset(text, 'a', sizeof text);
  /* A backtracking matcher would need longer than the universe has. */
  assert_false(lrd_glob_match(pattern, sizeof pattern, text, sizeof text));
}

static void the_prefix_is_what_every_match_begins_with(void **state) {
  (void)state;
  static const struct {
    const char *pattern, *prefix;
  } cases[] = {{"", ""}, {"abc", "abc"}, {"abc*d", "abc"}, {"a?c", "a"}, {"[ab]", ""}, {"a\\*b*", "a*b"}, {"ab\\", "ab"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char prefix[16] = {0};
    size_t len = lrd_glob_prefix(cases[i].pattern, strlen(cases[i].pattern), prefix);
    assert_int_equal(len, strlen(cases[i].prefix));
    assert_memory_equal(prefix, cases[i].prefix, len);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_element_matches_what_it_says),
      cmocka_unit_test(broken_patterns_are_told_and_match_nothing),
      cmocka_unit_test(agrees_with_a_naive_matcher_on_random_patterns),
      cmocka_unit_test(many_stars_stay_cheap),
      cmocka_unit_test(the_prefix_is_what_every_match_begins_with),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
