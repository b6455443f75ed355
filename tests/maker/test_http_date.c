/* SPDX-License-Identifier: Apache-2.0 */
/* Dates in the three forms of HTTP, what is none, and Retry-After. */
#include "maker/attempts.h"
#include "maker/http_date.h"

#include "support/support.h"
#include <string.h>

#define NOV_6_1994 INT64_C(784111777000)

static void the_three_forms_say_the_same(void **state) {
  (void)state;
  static const char *const same[] = {"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
                                     "Sun Nov  6 08:49:37 1994", "  Sun, 06 Nov 1994 08:49:37 GMT\t"};
  for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
    int64_t ms = 0;
    assert_true(lrd_http_date_read(same[i], strlen(same[i]), &ms));
    assert_int_equal(ms, NOV_6_1994);
  }
}

static void days_are_counted_over_leap_years(void **state) {
  (void)state;
  static const struct {
    const char *text;
    int64_t s;
  } dates[] = {{"Thu, 01 Jan 1970 00:00:00 GMT", 0},
               {"Wed, 31 Dec 1969 23:59:59 GMT", -1},
               {"Tue, 29 Feb 2000 12:00:00 GMT", 951825600},
               {"Wed, 01 Mar 2000 00:00:00 GMT", 951868800},
               {"Sun, 28 Feb 2100 00:00:00 GMT", INT64_C(4107456000)},
               {"Mon, 01 Mar 2100 00:00:00 GMT", INT64_C(4107542400)},
               {"Fri, 31 Dec 9999 23:59:59 GMT", INT64_C(253402300799)},
               {"Sat, 31 Dec 2016 23:59:60 GMT", 1483228800},
               {"Thu Feb 29 00:00:00 2024", 1709164800},
               {"Saturday, 01-Jan-00 00:00:00 GMT", 946684800}};
  for (size_t i = 0; i < sizeof dates / sizeof *dates; i++) {
    int64_t ms = 1;
    assert_true(lrd_http_date_read(dates[i].text, strlen(dates[i].text), &ms));
    assert_int_equal(ms, dates[i].s * 1000);
  }
}

static void what_is_no_date_is_refused(void **state) {
  (void)state;
  static const char *const none[] = {"",
                                     "0",
                                     "-1",
                                     "Sun",
                                     "Sun,",
                                     "Sun, 06 Nov 1994 08:49:37",
                                     "Sun, 06 Nov 1994 08:49:37 CET",
                                     "Sun, 06 Nov 1994 08:49:37 GMT or so",
                                     "Sun, 6 Nov 1994 08:49:37 GMT",
                                     "Sun, 32 Nov 1994 08:49:37 GMT",
                                     "Sun, 31 Nov 1994 08:49:37 GMT",
                                     "Sun, 00 Nov 1994 08:49:37 GMT",
                                     "Sun, 29 Feb 2100 08:49:37 GMT",
                                     "Sun, 06 Now 1994 08:49:37 GMT",
                                     "Sun, 06 Nov 1994 24:49:37 GMT",
                                     "Sun, 06 Nov 1994 08:60:37 GMT",
                                     "Sun, 06 Nov 1994 08:49:61 GMT",
                                     "Sun, 06 Nov 1600 08:49:37 GMT",
                                     "Sun, 06 Nov -994 08:49:37 GMT",
                                     "1994-11-06T08:49:37Z",
                                     "Sun Nov 6 08:49:37 1994",
                                     "Sunday, 06 Nov 1994 08:49:37 GMT"};
  for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
    int64_t ms = 77;
    if (lrd_http_date_read(none[i], strlen(none[i]), &ms)) fail_msg("`%s` was taken", none[i]);
    assert_int_equal(ms, 77);
  }
  int64_t ms = 77;
  assert_false(lrd_http_date_read("Sun, 06 Nov 1994 08:49:37 GMT", 28, &ms)); /* one byte short */
}

static void an_origin_asks_for_a_pause(void **state) {
  (void)state;
  static const struct {
    const char *text;
    int64_t ms; /* -1: it is none */
  } pauses[] = {{"0", 0},
                {"120", 120000},
                {" 7 ", 7000},
                {"99999999999999999999999999", LRD_RETRY_AFTER_MAX_MS},
                {"Sun, 06 Nov 1994 08:49:47 GMT", 10000},
                {"Sun, 06 Nov 1994 08:49:27 GMT", 0},
                {"Fri, 31 Dec 9999 23:59:59 GMT", LRD_RETRY_AFTER_MAX_MS},
                {"", -1},
                {"-5", -1},
                {"5.5", -1},
                {"soon", -1}};
  for (size_t i = 0; i < sizeof pauses / sizeof *pauses; i++) {
    int64_t ms = -1;
    bool read = lrd_http_retry_after_read(pauses[i].text, strlen(pauses[i].text), NOV_6_1994, &ms);
    assert_int_equal(read, pauses[i].ms >= 0);
    assert_int_equal(ms, pauses[i].ms);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_three_forms_say_the_same), cmocka_unit_test(days_are_counted_over_leap_years),
      cmocka_unit_test(what_is_no_date_is_refused), cmocka_unit_test(an_origin_asks_for_a_pause)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
