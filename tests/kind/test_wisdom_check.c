/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader that stands before FFTW's own. Proves: what FFTW writes is taken, and every cut, every wrong field and everything
 * behind the end is refused with a sentence; nothing is read beyond the text's length.
 */
#include "support/support.h"

#include "kind/wisdom.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAD  "(fftw-3.3.10 fftw_wisdom #x3c273403 #x192df114 #x4d08727c #xe98e9b9d\n"
#define ENTRY "  (fftw_codelet_r2cfII_8_avx 0 #x11048 #x10bdd #x0 #x360d236b #xb0156408 #x6eade8be #xce88309a)\n"

/* In a block of exactly its length, so that a sanitizer sees what is read beyond it. */
static larder_err check(const char *text, lrd_wisdom_head *head, larder_error *err) {
  size_t len = strlen(text);
  char *exact = malloc(len + 1);
  memcpy(exact, text, len);
  char *tight = realloc(exact, len > 0 ? len : 1);
  larder_err result = lrd_wisdom_check(tight, len, head, err);
  free(tight);
  return result;
}

static void what_fftw_writes_is_taken(void **state) {
  (void)state;
  lrd_wisdom_head head;
  assert_ok(check(HEAD ENTRY ENTRY ")\n", &head, NULL));
  assert_string_equal(head.version, "fftw-3.3.10");
  assert_false(head.single);
  assert_int_equal(head.configuration[0], 0x3c273403);
  assert_int_equal(head.configuration[3], 0xe98e9b9d);
  assert_int_equal(head.entries, 2);
  assert_ok(check(HEAD ")\n", &head, NULL));
  assert_int_equal(head.entries, 0);
  assert_ok(check("(fftw-3.3.10 fftwf_wisdom #x00000000 #x00000001 #x00000002 #x00000003\n)\n", &head, NULL));
  assert_true(head.single);
}

static void every_cut_is_refused(void **state) {
  (void)state;
  static const char whole[] = HEAD ENTRY ENTRY ")\n";
  char text[sizeof whole];
  lrd_wisdom_head head = {.entries = 77};
  for (size_t len = 0; len < sizeof whole - 1; len++) {
    larder_error err = {0};
    memcpy(text, whole, len);
    text[len] = '\0';
    assert_err(check(text, &head, &err), LARDER_EFORMAT);
    assert_true(err.message[0] != '\0');
    assert_int_equal(head.entries, 77);
  }
}

static void wrong_fields_are_refused(void **state) {
  (void)state;
  static const char *const bad[] = {
      "",
      "x",
      "\n",
      HEAD ")",
      HEAD ")\n\n",
      HEAD ")\n" HEAD ")\n",
      " " HEAD ")\n",
      HEAD ")\n ",
      "(fftw-3.3.10 fftwl_wisdom #x00000000 #x00000001 #x00000002 #x00000003\n)\n",
      "(fftw-3.3.10 fftw_wisdom #x0000000 #x00000001 #x00000002 #x00000003\n)\n",
      "(fftw-3.3.10 fftw_wisdom #x000000000 #x00000001 #x00000002 #x00000003\n)\n",
      "(fftw-3.3.10 fftw_wisdom #x0000000G #x00000001 #x00000002 #x00000003\n)\n",
      "(fftw-3.3.10 fftw_wisdom #x0000000A #x00000001 #x00000002 #x00000003\n)\n",
      "(fftw-3.3.10 fftw_wisdom #x00000000 #x00000001 #x00000002\n)\n",
      "(fftw- fftw_wisdom #x00000000 #x00000001 #x00000002 #x00000003\n)\n",
      "(fftw-3.3.10-sse2 fftw_wisdom #x00000000 #x00000001 #x00000002 #x00000003\n)\n",
      "(fftw-33333333333333333333333333333333333333 fftw_wisdom #x00000000 #x00000001 #x00000002 #x00000003\n)\n",
      /* flags beyond FFTW's fields: its reader would assert */
      HEAD "  (fftw_codelet_n1_8 0 #x100000 #x11048 #x0 #x360d236b #xb0156408 #x6eade8be #xce88309a)\n)\n",
      HEAD "  (fftw_codelet_n1_8 0 #x11048 #x100000 #x0 #x360d236b #xb0156408 #x6eade8be #xce88309a)\n)\n",
      HEAD "  (fftw_codelet_n1_8 0 #xffffffff #x11048 #x0 #x360d236b #xb0156408 #x6eade8be #xce88309a)\n)\n",
      HEAD "  (fftw_codelet_n1_8 0 #x11048 #x11048 #x1 #x360d236b #xb0156408 #x6eade8be #xce88309a)\n)\n",
      HEAD "  (fftw_codelet_n1_8 0 #x11048 #x11048 #x200 #x360d236b #xb0156408 #x6eade8be #xce88309a)\n)\n",
      HEAD "  (TIMEOUT 0 #x11048 #x11048 #x0 #x360d236b #xb0156408 #x6eade8be #xce88309a)\n)\n",
      HEAD "  (fftw_codelet_n1_8 -1 #x11048 #x11048 #x0 #x360d236b #xb0156408 #x6eade8be #xce88309a)\n)\n",
      HEAD "  (fftw_codelet_n1_8 10000 #x11048 #x11048 #x0 #x360d236b #xb0156408 #x6eade8be #xce88309a)\n)\n",
      HEAD "  (fftw_codelet_n1_8 #x11048 #x11048 #x0 #x360d236b #xb0156408 #x6eade8be #xce88309a)\n)\n",
      HEAD "  (fftw_codelet_n1_8 0 #x11048 #x11048 #x0 #x360d236b #xb0156408 #x6eade8be)\n)\n",
      HEAD "  (fftw_codelet_n1_8 0 #x11048 #x11048 #x0 #x360d236b #xb0156408 #x6eade8be #xce88309a))\n)\n",
      HEAD "  (fftw 0 #x11048 #x11048 #x0 #x360d236b #xb0156408 #x6eade8be #xce88309a)\n)\n",
      HEAD "  (fftw_a_name_of_sixty_four_letters_is_one_more_than_there_is_room_for 0 #x1 #x1 #x0 #x360d236b #xb0156408 "
           "#x6eade8be #xce88309a)\n)\n",
      HEAD " (fftw_codelet_n1_8 0 #x11048 #x11048 #x0 #x360d236b #xb0156408 #x6eade8be #xce88309a)\n)\n",
      HEAD "  (fftw_codelet_n1_8  0 #x11048 #x11048 #x0 #x360d236b #xb0156408 #x6eade8be #xce88309a)\n)\n",
      HEAD "  (fftw_codelet%n_8 0 #x11048 #x11048 #x0 #x360d236b #xb0156408 #x6eade8be #xce88309a)\n)\n",
  };
  lrd_wisdom_head head;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    larder_error err = {0};
    if (check(bad[i], &head, &err) != LARDER_EFORMAT) fail_msg("taken: %s", bad[i]);
    assert_true(err.message[0] != '\0');
  }
  static const char with_nul[] = HEAD ENTRY ")\n\0";
  assert_err(lrd_wisdom_check(with_nul, sizeof with_nul - 1, &head, NULL), LARDER_EFORMAT);
}

static void single_bytes_changed_are_refused_or_harmless(void **state) {
  (void)state;
  static const char whole[] = HEAD ENTRY ")\n";
  support_random random = {7};
  for (int i = 0; i < 20000; i++) {
    char text[sizeof whole];
    lrd_wisdom_head head;
    memcpy(text, whole, sizeof whole);
    size_t at = support_random_below(&random, sizeof whole - 1);
    text[at] = (char)support_random_below(&random, 256);
    if (lrd_wisdom_check(text, sizeof whole - 1, &head, NULL) != LARDER_OK) continue;
    /* What is taken has the same form: only digits, letters of a name, or the version changed. */
    assert_int_equal(head.entries, 1);
    assert_int_equal(text[sizeof whole - 2], '\n');
  }
}

static void more_than_the_limit_is_refused_unread(void **state) {
  (void)state;
  lrd_wisdom_head head;
  larder_error err;
  assert_err(lrd_wisdom_check("(", LRD_WISDOM_BYTES_MAX + 1, &head, &err), LARDER_EFORMAT);
  assert_non_null(strstr(err.message, "are the most"));
}

static void heads_fit_when_all_is_the_same(void **state) {
  (void)state;
  lrd_wisdom_head a;
  lrd_wisdom_head b;
  assert_ok(lrd_wisdom_head_read(HEAD "whatever", strlen(HEAD) + 8, &a));
  b = a;
  assert_true(lrd_wisdom_head_fits(&a, &b));
  b.entries = 9;
  assert_true(lrd_wisdom_head_fits(&a, &b));
  b.configuration[3] ^= 1;
  assert_false(lrd_wisdom_head_fits(&a, &b));
  b = a;
  b.single = true;
  assert_false(lrd_wisdom_head_fits(&a, &b));
  b = a;
  memcpy(b.version, "fftw-3.3.11", 12);
  assert_false(lrd_wisdom_head_fits(&a, &b));
  assert_err(lrd_wisdom_head_read("(fftw", 5, &a), LARDER_EFORMAT);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_fftw_writes_is_taken),
      cmocka_unit_test(every_cut_is_refused),
      cmocka_unit_test(wrong_fields_are_refused),
      cmocka_unit_test(single_bytes_changed_are_refused_or_harmless),
      cmocka_unit_test(more_than_the_limit_is_refused_unread),
      cmocka_unit_test(heads_fit_when_all_is_the_same),
  };
  return cmocka_run_group_tests_name("wisdom_check", tests, NULL, NULL);
}
