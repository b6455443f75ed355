/* SPDX-License-Identifier: Apache-2.0 */
#include "support/support.h"

#include <larder/nearest.h>
#include <string.h>

/* The best of the names for what was wanted; they are parted by blanks. */
static const char *best_of(larder_nearest *nearest, const char *wanted, const char *names) {
  char one[LARDER_NEAREST_MAX * 2];
  *nearest = (larder_nearest){.wanted = wanted};
  for (const char *at = names; *at != '\0'; at += strspn(at, " ")) {
    size_t const len = strcspn(at, " ");
    memcpy(one, at, len);
    one[len] = '\0';
    larder_nearest_offer(nearest, one);
    at += len;
  }
  return larder_nearest_best(nearest);
}

static void meant(const char *wanted, const char *names, const char *expected) {
  larder_nearest nearest;
  const char *found = best_of(&nearest, wanted, names);
  if (!expected) {
    if (found) fail_msg("%s of {%s} gave %s", wanted, names, found);
  } else if (!found || strcmp(found, expected) != 0) {
    fail_msg("%s of {%s} gave %s, not %s", wanted, names, found ? found : "none", expected);
  }
}

static void a_third_of_the_letters_may_be_wrong(void **state) {
  (void)state;
  meant("memroy", "memory sqlite", "memory");          /* swapped */
  meant("mmory", "memory sqlite", "memory");           /* missing */
  meant("memoryyy", "sqlite mamory memory", "memory"); /* too many */
  meant("Memory", "memory", "memory");
  meant("gte", "get put", "get");
  meant("tl", "ttl", "ttl");
  meant("sqlite", "memory", NULL);
  meant("xyz", "abc", NULL);
  meant("retxxxx", "retries", NULL);                   /* four of seven */
  meant("abcdefghijklmnop", "abcdefghijklWXYZ", NULL); /* three at most */
  meant("a", "b", NULL);
  meant("", "b", NULL);
}

static void what_begins_alike_is_meant_if_it_is_the_only_one(void **state) {
  (void)state;
  meant("val", "validate versions", "validate");
  meant("benchmark", "bench bad", "bench");
  meant("co", "config completion", NULL);
  meant("lsblk", "ls", NULL);
  meant("p", "put", NULL);
  meant("FAIL", "failures", "failures");
}

static void one_letter_off_outweighs_a_common_beginning(void **state) {
  (void)state;
  meant("tagx", "tag tags", "tag"); /* both are one off: the first */
  meant("alpha", "alphabet alphb", "alphb");
  meant("alpha", "alphabet alXXX", "alphabet");
}

static void of_equally_near_ones_the_first_is_told(void **state) {
  (void)state;
  meant("cat", "bat rat", "bat");
  meant("cats", "rat bats", "bats");
}

static void long_names_are_not_near_and_do_no_harm(void **state) {
  char name[LARDER_NEAREST_MAX + 3];
  char other[LARDER_NEAREST_MAX + 3];
  larder_nearest nearest = {.wanted = name};
  (void)state;
  for (size_t len = LARDER_NEAREST_MAX - 1; len < sizeof name; len++) {
    memset(name, 'n', len);
    name[len] = '\0';
    memcpy(other, name, len + 1);
    other[0] = 'm';
    nearest = (larder_nearest){.wanted = name};
    larder_nearest_offer(&nearest, other);
    assert_int_equal(larder_nearest_best(&nearest) != NULL, len <= LARDER_NEAREST_MAX);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_third_of_the_letters_may_be_wrong),
      cmocka_unit_test(what_begins_alike_is_meant_if_it_is_the_only_one),
      cmocka_unit_test(one_letter_off_outweighs_a_common_beginning),
      cmocka_unit_test(of_equally_near_ones_the_first_is_told),
      cmocka_unit_test(long_names_are_not_near_and_do_no_harm),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
