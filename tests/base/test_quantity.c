/* SPDX-License-Identifier: Apache-2.0 */
#include "support/support.h"

#include "base/quantity.h"
#include <string.h>

#define S INT64_C(1000)
#define M (60 * S)
#define H (60 * M)
#define D (24 * H)

static void durations_are_understood(void **state) {
  (void)state;
  static const struct {
    const char *text;
    int64_t ms;
  } cases[] = {{"365d", 365 * D},   {"30d", 30 * D},
               {"2w", 14 * D},      {"1.5h", 90 * M},
               {"1h30m", 90 * M},   {"1h 30m 5s 250ms", 90 * M + 5250},
               {"90s", 90 * S},     {"250ms", 250},
               {"PT1H", H},         {"P30D", 30 * D},
               {"P1DT12H", 36 * H}, {"PT1H30M15.5S", 90 * M + 15500},
               {"P2W", 14 * D},     {"0", 0},
               {"0s", 0},           {"7", 7 * D},
               {" 5 m ", 5 * M},    {".5s", 500},
               {"5min", 5 * M},     {"10sec", 10 * S},
               {"0.0001s", 0},      {"9223372036854775807ms", INT64_MAX},
               {"1.999s", 1999}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    int64_t ms = -1;
    if (lrd_duration_parse(cases[i].text, D, &ms) != LARDER_OK) fail_msg("%s was refused", cases[i].text);
    if (ms != cases[i].ms) fail_msg("%s gave %lld", cases[i].text, (long long)ms);
  }
}

static void what_is_no_duration_is_refused(void **state) {
  (void)state;
  static const char *const bad[] = {"",
                                    " ",
                                    "d",
                                    "1x",
                                    "-1d",
                                    "+1d",
                                    "1d-",
                                    "1 d x",
                                    "1..5h",
                                    "1.h",
                                    ".",
                                    "30m1h",
                                    "1h1h",
                                    "1h5",
                                    "5 1h",
                                    "1D",
                                    "1MS",
                                    "P",
                                    "PT",
                                    "P1DT",
                                    "P1Y",
                                    "P1M",
                                    "PT1D",
                                    "P1H",
                                    "PT1M1H",
                                    "PTT1H",
                                    "1e3s",
                                    "0x10s",
                                    "1,5h",
                                    "P-1D",
                                    "nan",
                                    "9223372036854775808ms",
                                    "106751991168d",
                                    "18446744073709551616",
                                    "1.0000000000000000001s",
                                    "P99999999999999D"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    int64_t ms = 4711;
    if (lrd_duration_parse(bad[i], D, &ms) != LARDER_EINVAL) fail_msg("%s was taken for %lld ms", bad[i], (long long)ms);
    assert_int_equal(ms, 4711);
  }
  int64_t ms;
  assert_err(lrd_duration_parse(NULL, D, &ms), LARDER_EINVAL);
}

static void sizes_are_understood(void **state) {
  (void)state;
  static const struct {
    const char *text;
    uint64_t bytes;
  } cases[] = {{"256MiB", UINT64_C(256) << 20},
               {"10KB", 10000},
               {"64k", 65536},
               {"1.5GB", 1500000000},
               {"1.5GiB", UINT64_C(3) << 29},
               {"0.1GB", 100000000},
               {"2M", 2097152},
               {"1G", 1073741824},
               {"1T", UINT64_C(1) << 40},
               {"12B", 12},
               {"3", 3 * 1024},
               {"0", 0},
               {"10 kb", 10000},
               {"1mib", 1048576},
               {"18446744073709551615B", UINT64_MAX},
               {"16777215TiB", UINT64_C(16777215) << 40}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    uint64_t bytes = 1;
    if (lrd_size_parse(cases[i].text, 1024, &bytes) != LARDER_OK) fail_msg("%s was refused", cases[i].text);
    if (bytes != cases[i].bytes) fail_msg("%s gave %llu", cases[i].text, (unsigned long long)bytes);
  }
  static const char *const bad[] = {"",    "MB", "1Q", "-1", "1 2", "1KB2", "1.KB", "16777216TiB", "18446744073709551616B",
                                    "1PB", "1e3"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    uint64_t bytes = 4711;
    if (lrd_size_parse(bad[i], 1024, &bytes) != LARDER_EINVAL) fail_msg("%s was taken", bad[i]);
    assert_true(bytes == 4711);
  }
}

static void exact_forms_read_back_as_the_same_number(void **state) {
  (void)state;
  char text[40];
  assert_string_equal(lrd_duration_format(7 * D, text, sizeof text), "7d");
  assert_string_equal(lrd_duration_format(90 * S, text, sizeof text), "90s");
  assert_string_equal(lrd_duration_format(90 * M, text, sizeof text), "90m");
  assert_string_equal(lrd_duration_format(0, text, sizeof text), "0s");
  assert_string_equal(lrd_duration_format(1001, text, sizeof text), "1001ms");
  assert_string_equal(lrd_duration_format(-D, text, sizeof text), "-1d");
  assert_string_equal(lrd_duration_format(INT64_MIN, text, sizeof text), "-9223372036854775808ms");
  assert_string_equal(lrd_size_format(UINT64_C(256) << 20, text, sizeof text), "256MiB");
  assert_string_equal(lrd_size_format(10000, text, sizeof text), "10KB");
  assert_string_equal(lrd_size_format(0, text, sizeof text), "0B");
  assert_string_equal(lrd_size_format(1023, text, sizeof text), "1023B");
  support_random random = {3};
  for (unsigned i = 0; i < 20000; i++) {
    uint64_t number = support_random_next(&random) >> support_random_below(&random, 64);
    number <<= support_random_below(&random, 20);
    if (support_random_below(&random, 2)) number = number / 1000 * 1000;
    uint64_t bytes = ~number;
    assert_ok(lrd_size_parse(lrd_size_format(number, text, 32), 7, &bytes));
    assert_true(bytes == number);
    int64_t ms = -1;
    assert_ok(lrd_duration_parse(lrd_duration_format((int64_t)(number >> 1), text, 32), 7, &ms));
    assert_true(ms == (int64_t)(number >> 1));
  }
}

static void forms_for_people_are_rounded(void **state) {
  (void)state;
  static const struct {
    int64_t ms;
    const char *text;
  } durations[] = {
      {0, "0ms"},        {999, "999ms"}, {1000, "1s"},         {1500, "1.5s"},        {9960, "10.0s"},
      {12345, "12s"},    {59999, "1m"},  {90 * S, "1m 30s"},   {7 * D - H, "6d 23h"}, {D - S, "1d"},
      {25 * H, "1d 1h"}, {3 * H, "3h"},  {-90 * S, "-1m 30s"}, {400 * D, "400d"},     {INT64_MAX, "106751991167d 7h"}};
  char text[40];
  for (size_t i = 0; i < sizeof durations / sizeof *durations; i++)
    assert_string_equal(lrd_duration_human(durations[i].ms, text, sizeof text), durations[i].text);
  static const struct {
    uint64_t bytes;
    const char *text;
  } sizes[] = {{0, "0 B"},           {1023, "1023 B"},        {1024, "1.0 KiB"},       {1536, "1.5 KiB"},
               {1048575, "1.0 MiB"}, {1288490189, "1.2 GiB"}, {UINT64_MAX, "16.0 EiB"}};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
    assert_string_equal(lrd_size_human(sizes[i].bytes, text, sizeof text), sizes[i].text);
}

static void random_text_never_harms(void **state) {
  (void)state;
  static const char alphabet[] = "0123456789.dhmswPT KiBMG-";
  support_random random = {9};
  for (unsigned i = 0; i < 200000; i++) {
    char text[16] = {0};
    size_t len = support_random_below(&random, sizeof text);
    for (size_t c = 0; c < len; c++) text[c] = alphabet[support_random_below(&random, sizeof alphabet - 1)];
    int64_t ms = -1;
    if (lrd_duration_parse(text, 1, &ms) == LARDER_OK) assert_true(ms >= 0);
    uint64_t bytes;
    (void)!lrd_size_parse(text, 1, &bytes);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(durations_are_understood),     cmocka_unit_test(what_is_no_duration_is_refused),
      cmocka_unit_test(sizes_are_understood),         cmocka_unit_test(exact_forms_read_back_as_the_same_number),
      cmocka_unit_test(forms_for_people_are_rounded), cmocka_unit_test(random_text_never_harms),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
