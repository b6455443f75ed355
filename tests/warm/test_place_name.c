/* SPDX-License-Identifier: Apache-2.0 */
/* Names of cities as they stand in tables, and as people type them. */
#include "support/support.h"

#include "warm/place_name.h"
#include <string.h>

typedef struct pair {
  const char *name;
  const char *other;
} pair;

static void likeness_is(const pair *pairs, size_t count, lrd_name_likeness wanted) {
  for (size_t i = 0; i < count; i++) {
    lrd_name_likeness const there = lrd_names_compare(pairs[i].name, pairs[i].other);
    lrd_name_likeness const back = lrd_names_compare(pairs[i].other, pairs[i].name);
    if (there != wanted || back != wanted) fail_msg("%s, %s: %d, %d", pairs[i].name, pairs[i].other, (int)there, (int)back);
  }
}

#define LIKENESS_IS(pairs, wanted) likeness_is(pairs, sizeof(pairs) / sizeof *(pairs), wanted)

static void case_is_no_difference_in_the_scripts_that_have_it(void **state) {
  (void)state;
  static const pair pairs[] = {{"Boulder", "BOULDER"},
                               {"Zürich", "ZÜRICH"},
                               {"Łódź", "ŁÓDŹ"},
                               {"Český Krumlov", "ČESKÝ KRUMLOV"},
                               {"Kęstutis", "KĘSTUTIS"},
                               {"Čačak", "ČAČAK"},
                               {"Žilina", "ŽILINA"},
                               {"Győr", "GYŐR"},
                               {"Șimleu Silvaniei", "ȘIMLEU SILVANIEI"},
                               {"Đà Nẵng", "ĐÀ NẴNG"},
                               {"Thủ Dầu Một", "THỦ DẦU MỘT"},
                               {"L'Haÿ-les-Roses", "L'HAŸ-LES-ROSES"},
                               {"Þorlákshöfn", "ÞORLÁKSHÖFN"},
                               {"Αθήνα", "ΑΘΉΝΑ"},
                               {"Πάτρας", "ΠΆΤΡΑΣ"}, /* a sigma at the end */
                               {"Ναύπλιο", "ΝΑΎΠΛΙΟ"},
                               {"Москва", "МОСКВА"},
                               {"Орёл", "ОРЁЛ"},
                               {"Київ", "КИЇВ"},
                               {"Ђаковица", "ЂАКОВИЦА"},
                               {"Өскемен", "ӨСКЕМЕН"},
                               {"Երևան", "ԵՐևԱՆ"},
                               {"Gießen", "GIEẞEN"}};
  LIKENESS_IS(pairs, LRD_NAMES_CASE);
}

static void marks_may_be_left_out(void **state) {
  (void)state;
  static const pair pairs[] = {{"Zürich", "Zurich"},
                               {"Łódź", "lodz"},
                               {"São Paulo", "SAO PAULO"},
                               {"Bogotá", "Bogota"},
                               {"Malmö", "Malmo"},
                               {"Ålesund", "Alesund"},
                               {"Tromsø", "Tromso"},
                               {"Győr", "Gyor"},
                               {"Đà Nẵng", "Da Nang"},
                               {"Hồ Chí Minh", "Ho Chi Minh"},
                               {"Sơn La", "Son La"},
                               {"Iași", "Iasi"},
                               {"İzmir", "izmir"},
                               {"Diyarbakır", "Diyarbakir"},
                               {"Reykjavík", "Reykjavik"},
                               {"Hafnarfjörður", "Hafnarfjordur"},
                               {"Gießen", "Giessen"},
                               {"GIEẞEN", "giessen"},
                               {"Ærøskøbing", "Aeroskobing"},
                               {"Þorlákshöfn", "Thorlakshofn"},
                               {"Αθήνα", "ΑΘΗΝΑ"},
                               {"Орёл", "Орел"},
                               {"Zu\xCC\x88rich", "Z\xC3\xBCrich"}, /* the mark as a character of its own */
                               {"Zu\xCC\x88rich", "ZURICH"}};
  LIKENESS_IS(pairs, LRD_NAMES_LETTERS);
}

static void what_is_another_name_differs(void **state) {
  (void)state;
  static const pair pairs[] = {{"Boulder", "Bolder"},  {"Boulder", "Boulder City"}, {"", "B"},
                               {"Köln", "Kolnn"},      {"Москва", "Moskva"},        {"Ο", "O"}, /* an omicron */
                               {"5 × 5", "5 ÷ 5"},     {"Gießen", "Giesen"},        {"a\xCC", "a\xCD"},
                               {"Z\xFCrich", "Zürich"} /* Latin-1 is no UTF-8 */};
  LIKENESS_IS(pairs, LRD_NAMES_DIFFER);
}

static void a_byte_that_is_no_character_is_like_itself(void **state) {
  (void)state;
  static const pair pairs[] = {{"Z\xFCrich", "z\xFCRICH"}, {"a\xE1", "A\xE1"}, {"\xF0\x9F", "\xF0\x9F"}};
  assert_int_equal(lrd_names_compare(pairs[0].name, pairs[0].other), LRD_NAMES_CASE);
  assert_int_equal(lrd_names_compare(pairs[1].name, pairs[1].other), LRD_NAMES_CASE);
  assert_int_equal(lrd_names_compare(pairs[2].name, pairs[2].other), LRD_NAMES_SAME);
  assert_int_equal(lrd_names_compare("", ""), LRD_NAMES_SAME);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(case_is_no_difference_in_the_scripts_that_have_it),
                                     cmocka_unit_test(marks_may_be_left_out), cmocka_unit_test(what_is_another_name_differs),
                                     cmocka_unit_test(a_byte_that_is_no_character_is_like_itself)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
