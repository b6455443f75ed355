/* SPDX-License-Identifier: Apache-2.0 */
/* What Cache-Control, Expires and Age make of a lifetime. */
#include "maker/http_lifetime.h"

#include "support/support.h"
#include <string.h>

#define NOW INT64_C(784111777000) /* Sun, 06 Nov 1994 08:49:37 GMT */

typedef struct row {
  const char *control;
  lrd_lifetime_headers headers;
  lrd_http_lifetime wanted;
} row;

static lrd_http_lifetime lifetime(const char *control_text, lrd_lifetime_headers headers) {
  lrd_cache_control control = LRD_CACHE_CONTROL_NONE;
  if (control_text) lrd_cache_control_read(control_text, strlen(control_text), &control);
  return lrd_http_lifetime_of(&control, headers, NOW);
}

static void check(const row *rows, size_t count) {
  for (size_t i = 0; i < count; i++) {
    lrd_http_lifetime const found = lifetime(rows[i].control, rows[i].headers);
    if (found.not_kept != rows[i].wanted.not_kept || found.ttl_ms != rows[i].wanted.ttl_ms ||
        found.stale_ms != rows[i].wanted.stale_ms)
      fail_msg("`%s` gives %d %lld %lld", rows[i].control ? rows[i].control : "", found.not_kept, (long long)found.ttl_ms,
               (long long)found.stale_ms);
  }
}

static void directives_give_a_lifetime(void **state) {
  (void)state;
  static const row rows[] = {
      {NULL, {0}, {false, 0, 0}},
      {"", {0}, {false, 0, 0}},
      {"public, immutable", {0}, {false, 0, 0}},
      {"max-age=60", {0}, {false, 60000, 0}},
      {"MAX-AGE=60", {0}, {false, 60000, 0}},
      {" , ,max-age = 60 ,", {0}, {false, 60000, 0}},
      {"max-age=\"60\"", {0}, {false, 60000, 0}},
      {"max-age=60, max-age=20", {0}, {false, 20000, 0}},
      {"max-age=60, s-maxage=600", {0}, {false, 600000, 0}},
      {"max-age=0", {0}, {false, 1, 0}},
      {"max-age=soon", {0}, {false, 1, 0}},
      {"max-age", {0}, {false, 1, 0}},
      {"max-age=-5", {0}, {false, 1, 0}},
      {"max-age=99999999999999999999", {0}, {false, INT64_C(2147483648000), 0}},
      {"no-store", {0}, {true, 0, 0}},
      {"no-store, max-age=5", {0}, {true, 5000, 0}},
      {"no-cache, max-age=60", {0}, {false, 1, -1}},
      {"no-cache=\"Set-Cookie\", max-age=60", {0}, {false, 60000, 0}},
      {"max-age=60, must-revalidate", {0}, {false, 60000, -1}},
      {"max-age=60, stale-while-revalidate=30", {0}, {false, 60000, 30000}},
      {"max-age=60, stale-if-error=90, stale-while-revalidate=30", {0}, {false, 60000, 90000}},
      {"max-age=60, stale-if-error=90, must-revalidate", {0}, {false, 60000, -1}},
      {"max-age=60, stale-while-revalidate=0", {0}, {false, 60000, -1}},
      {"private=\"a, max-age=7\", max-age=60", {0}, {false, 60000, 0}},
      {"private=\"a\\\", max-age=7\", max-age=60", {0}, {false, 60000, 0}},
      {"x=\"never closed, max-age=60", {0}, {false, 0, 0}},
      {"=60, max-age=5", {0}, {false, 5000, 0}},
      {"max-age-of-all=5", {0}, {false, 0, 0}},
  };
  check(rows, sizeof rows / sizeof *rows);
}

static void headers_beside_it_count(void **state) {
  (void)state;
  static const row rows[] = {
      {NULL, {.expires = "Sun, 06 Nov 1994 08:50:37 GMT"}, {false, 60000, 0}},
      /* the origin's clock is an hour behind ours */
      {NULL, {.expires = "Sun, 06 Nov 1994 07:50:37 GMT", .date = "Sun, 06 Nov 1994 07:49:37 GMT"}, {false, 60000, 0}},
      {NULL, {.expires = "Sun, 06 Nov 1994 08:50:37 GMT", .date = "yesterday"}, {false, 60000, 0}},
      {NULL, {.expires = "Sun, 06 Nov 1994 08:40:37 GMT"}, {false, 1, 0}},
      {NULL, {.expires = "0"}, {false, 1, 0}},
      {"max-age=5", {.expires = "0"}, {false, 5000, 0}},
      {"max-age=60", {.age = "20"}, {false, 40000, 0}},
      {"max-age=60", {.age = "60"}, {false, 1, 0}},
      {"max-age=60", {.age = "9999999999999"}, {false, 1, 0}},
      {"max-age=60", {.age = "old"}, {false, 60000, 0}},
      {NULL, {.age = "20"}, {false, 0, 0}},
  };
  check(rows, sizeof rows / sizeof *rows);
}

static void lines_add_up(void **state) {
  (void)state;
  lrd_cache_control control = LRD_CACHE_CONTROL_NONE;
  lrd_cache_control_read("max-age=60", 10, &control);
  lrd_cache_control_read("must-revalidate, max-age=70", 27, &control);
  assert_int_equal(control.max_age_s, 60);
  assert_true(control.must_revalidate);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(directives_give_a_lifetime), cmocka_unit_test(headers_beside_it_count),
                                     cmocka_unit_test(lines_add_up)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
