/* SPDX-License-Identifier: Apache-2.0 */
#include "support/support.h"

#include "base/path.h"

static void paths_join_with_one_slash(void **state) {
  (void)state;
  static const char *const cases[][3] = {
      {"a", "b", "a/b"}, {"a/", "b", "a/b"}, {"/", "b", "/b"}, {"", "b", "b"}, {"a", "", "a/"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char *path = lrd_path_join(cases[i][0], cases[i][1]);
    assert_string_equal(path, cases[i][2]);
    lrd_dealloc(path);
  }
}

static void names_cannot_leave_their_folder(void **state) {
  (void)state;
  static const struct {
    const char *name, *encoded;
  } cases[] = {{"plain-Name_1.txt", "plain-Name_1.txt"},
               {"..", "%2E."},
               {".", "%2E"},
               {".hidden", "%2Ehidden"},
               {"a/b", "a%2Fb"},
               {"100%", "100%25"},
               {"", "%"},
               {"k=v,w+@", "k=v,w+@"},
               {"a b\n", "a%20b%0A"},
               {"\xc3\xa9", "%C3%A9"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    lrd_buf out = {0}, back = {0};
    assert_ok(lrd_path_encode(&out, cases[i].name, strlen(cases[i].name)));
    assert_int_equal(out.len, strlen(cases[i].encoded));
    assert_memory_equal(out.data, cases[i].encoded, out.len);
    assert_ok(lrd_path_decode(&back, (char *)out.data, out.len));
    assert_int_equal(back.len, strlen(cases[i].name));
    if (back.len) assert_memory_equal(back.data, cases[i].name, back.len);
    lrd_buf_fini(&out);
    lrd_buf_fini(&back);
  }
}

static void one_name_has_one_spelling(void **state) {
  (void)state;
  static const char *const bad[] = {"", "%4", "%", "a%", "%2e", "%41", "a%2E", "..", ".x", "a/b", "a b", "%G0", "%%", "a\n"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    if (strcmp(bad[i], "%") == 0) continue; /* the empty name */
    lrd_buf out = {0};
    assert_ok(lrd_buf_append_str(&out, "before"));
    assert_err(lrd_path_decode(&out, bad[i], strlen(bad[i])), LARDER_EINVAL);
    assert_int_equal(out.len, 6);
    lrd_buf_fini(&out);
  }
}

static void random_names_come_back(void **state) {
  (void)state;
  support_random random = {5};
  for (unsigned round = 0; round < 20000; round++) {
    uint8_t name[24];
    size_t len = support_random_below(&random, sizeof name + 1);
    for (size_t i = 0; i < len; i++) name[i] = (uint8_t)support_random_next(&random);
    lrd_buf out = {0}, back = {0};
    assert_ok(lrd_path_encode(&out, name, len));
    assert_null(memchr(out.data, '/', out.len));
    assert_int_not_equal(out.data[0], '.');
    assert_ok(lrd_path_decode(&back, (char *)out.data, out.len));
    assert_int_equal(back.len, len);
    if (len) assert_memory_equal(back.data, name, len);
    /* What decodes at all decodes to something that encodes to it. */
    if (len) {
      lrd_buf strange = {0}, again = {0};
      out.data[support_random_below(&random, out.len)] = "%.aA2/"[support_random_below(&random, 6)];
      if (lrd_path_decode(&strange, (char *)out.data, out.len) == LARDER_OK) {
        assert_ok(lrd_path_encode(&again, strange.data, strange.len));
        assert_int_equal(again.len, out.len);
        assert_memory_equal(again.data, out.data, out.len);
      }
      lrd_buf_fini(&strange);
      lrd_buf_fini(&again);
    }
    lrd_buf_fini(&out);
    lrd_buf_fini(&back);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(paths_join_with_one_slash),
      cmocka_unit_test(names_cannot_leave_their_folder),
      cmocka_unit_test(one_name_has_one_spelling),
      cmocka_unit_test(random_names_come_back),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
