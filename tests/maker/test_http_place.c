/* SPDX-License-Identifier: Apache-2.0 */
/* Where URLs lead, and that nothing secret of them is shown. */
#include "maker/http_place.h"

#include "support/support.h"
#include <stdio.h>
#include <string.h>

static lrd_http_place place(const char *url) {
  lrd_http_place found;
  if (lrd_http_place_of(url, &found) != LARDER_OK) fail_msg("`%s` is refused", url);
  return found;
}

static void a_place_is_a_host_and_a_port(void **state) {
  (void)state;
  lrd_http_place const plain = place("http://user:pass@Example.ORG/path/secret?token=1#x");
  assert_string_equal(plain.host, "example.org:80");
  assert_string_equal(plain.shown, "http://Example.ORG");
  assert_false(plain.https);
  lrd_http_place const other = place("https://example.org:8443");
  assert_string_equal(other.host, "example.org:8443");
  assert_string_equal(other.shown, "https://example.org:8443");
  assert_true(other.https);
  assert_string_equal(place("HTTPS://[::1]/").host, "[::1]:443");
}

static void what_is_meant_for_one_goes_to_no_other(void **state) {
  (void)state;
  lrd_http_place const mine = place("https://example.org/a");
  static const char *const same[] = {"https://EXAMPLE.org/b?c", "https://example.org:443/"};
  static const char *const others[] = {"http://example.org/a", "https://example.org:444/a", "https://www.example.org/a",
                                       "http://example.org:443/a"};
  for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
    lrd_http_place const found = place(same[i]);
    assert_true(lrd_http_place_same(&mine, &found));
  }
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    lrd_http_place const found = place(others[i]);
    assert_false(lrd_http_place_same(&mine, &found));
  }
}

static void what_is_no_url_of_http_is_refused(void **state) {
  (void)state;
  static const char *const none[] = {"",        "example.org",          "ftp://example.org/",       "file:///etc/passwd",
                                     "http://", "http://exa mple.org/", "http://example.org:99999/"};
  for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
    lrd_http_place found = {.https = true};
    if (lrd_http_place_of(none[i], &found) != LARDER_EINVAL) fail_msg("`%s` was taken", none[i]);
    assert_true(found.https);
  }
  char url[400] = "http://";
  memset(url + 7, 'a', 300);
  lrd_http_place found;
  assert_err(lrd_http_place_of(url, &found), LARDER_EINVAL);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(a_place_is_a_host_and_a_port),
                                     cmocka_unit_test(what_is_meant_for_one_goes_to_no_other),
                                     cmocka_unit_test(what_is_no_url_of_http_is_refused)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
