/* SPDX-License-Identifier: Apache-2.0 */
#include "support/support.h"

#include "base/bytes.h"
#include "base/fail.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static void buffer_grows_and_keeps_its_content(void **state) {
  (void)state;
  lrd_buf buf = {0};
  for (unsigned i = 0; i < 5000; i++) assert_ok(lrd_buf_append_byte(&buf, (uint8_t)(i * 7)));
  assert_int_equal(buf.len, 5000);
  for (unsigned i = 0; i < 5000; i++) assert_int_equal(buf.data[i], (uint8_t)(i * 7));
  lrd_buf_clear(&buf);
  assert_int_equal(buf.len, 0);
  assert_ok(lrd_buf_printf(&buf, "%s-%d", "key", 42));
  assert_ok(lrd_buf_append_str(&buf, "!"));
  assert_int_equal(buf.len, 7);
  assert_ok(lrd_buf_terminate(&buf));
  assert_string_equal((char *)buf.data, "key-42!");
  assert_int_equal(buf.len, 7);
  assert_ok(lrd_buf_append(&buf, NULL, 0));
  lrd_buf_fini(&buf);
  lrd_buf_fini(&buf);
}

static void short_copies_copy_every_byte_and_no_other(void **state) {
  (void)state;
  uint8_t from[LRD_COPY_SHORT], to[LRD_COPY_SHORT + 2];
  for (size_t i = 0; i < sizeof from; i++) from[i] = (uint8_t)(i + 1);
  for (size_t len = 0; len <= LRD_COPY_SHORT; len++) {
    memset(to, 0, sizeof to);
    lrd_copy_short(to + 1, from, len);
    assert_memory_equal(to + 1, from, len);
    assert_int_equal(to[0], 0);
    for (size_t i = len + 1; i < sizeof to; i++) assert_int_equal(to[i], 0);
  }
}

static void a_length_that_overflows_is_refused(void **state) {
  (void)state;
  lrd_buf buf = {0};
  assert_ok(lrd_buf_append_str(&buf, "abc"));
  assert_err(lrd_buf_reserve(&buf, SIZE_MAX), LARDER_ENOMEM);
  assert_err(lrd_buf_reserve(&buf, SIZE_MAX - 2), LARDER_ENOMEM);
  assert_int_equal(buf.len, 3);
  assert_memory_equal(buf.data, "abc", 3);
  lrd_buf_fini(&buf);
  assert_null(lrd_alloc_zero(SIZE_MAX / 2, 3));
  assert_null(lrd_strndup("x", SIZE_MAX));
}

static void varints_come_back(void **state) {
  (void)state;
  lrd_buf buf = {0};
  support_random random = {1};
  uint64_t values[200] = {0, 1, 127, 128, 16383, 16384, UINT32_MAX, UINT64_MAX - 1, UINT64_MAX};
  for (size_t i = 9; i < 200; i++) values[i] = support_random_next(&random) >> support_random_below(&random, 64);
  for (size_t i = 0; i < 200; i++) assert_ok(lrd_varint_append(&buf, values[i]));
  const uint8_t *at = buf.data;
  for (size_t i = 0; i < 200; i++) {
    uint64_t value;
    assert_ok(lrd_varint_read(&at, buf.data + buf.len, &value));
    assert_true(value == values[i]);
  }
  assert_ptr_equal(at, buf.data + buf.len);
  lrd_buf_fini(&buf);
}

static void bad_varints_are_corrupt_and_move_nothing(void **state) {
  (void)state;
  static const uint8_t cut[] = {0x80, 0x80};
  static const uint8_t over[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02};
  static const uint8_t endless[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01};
  static const uint8_t most[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01};
  uint64_t value = 77;
  const uint8_t *at = cut;
  assert_err(lrd_varint_read(&at, cut + sizeof cut, &value), LARDER_ECORRUPT);
  assert_ptr_equal(at, cut);
  at = cut;
  assert_err(lrd_varint_read(&at, cut, &value), LARDER_ECORRUPT);
  at = over;
  assert_err(lrd_varint_read(&at, over + sizeof over, &value), LARDER_ECORRUPT);
  at = endless;
  assert_err(lrd_varint_read(&at, endless + sizeof endless, &value), LARDER_ECORRUPT);
  assert_true(value == 77);
  at = most;
  assert_ok(lrd_varint_read(&at, most + sizeof most, &value));
  assert_true(value == UINT64_MAX);
}

static larder_err make_things(void) {
  lrd_buf buf = {0};
  larder_err err = LARDER_ENOMEM;
  char *a = NULL, *b = lrd_strdup("some text");
  if (!b) goto out;
  a = lrd_strndup(b, 4);
  if (!a) goto out;
  assert_string_equal(a, "some");
  err = lrd_buf_printf(&buf, "%0200d", 1);
  if (err == LARDER_OK) err = lrd_buf_append(&buf, b, 5);
  if (err == LARDER_OK) err = lrd_varint_append(&buf, UINT64_MAX);
  if (err == LARDER_OK) err = lrd_buf_reserve(&buf, 5000);
out:
  lrd_dealloc(a);
  lrd_dealloc(b);
  lrd_buf_fini(&buf);
  return err;
}

static void every_allocation_may_fail_and_nothing_leaks(void **state) {
  (void)state;
  uint64_t n = 1;
  for (;; n++) {
    int64_t live = support_alloc_live();
    support_alloc_fail_at(n);
    larder_err err = make_things();
    bool failed = support_alloc_end() >= n;
    assert_err(err, failed ? LARDER_ENOMEM : LARDER_OK);
    assert_int_equal(support_alloc_live(), live);
    if (!failed) break;
  }
  assert_true(n > 3);
}

static void a_failed_growth_leaves_the_buffer_as_it_was(void **state) {
  (void)state;
  lrd_buf buf = {0};
  assert_ok(lrd_buf_append_str(&buf, "kept"));
  support_alloc_fail_from(1);
  assert_err(lrd_buf_reserve(&buf, 100000), LARDER_ENOMEM);
  assert_int_equal(support_alloc_end(), 1);
  assert_int_equal(buf.len, 4);
  assert_memory_equal(buf.data, "kept", 4);
  lrd_buf_fini(&buf);
}

static void errors_have_names_texts_and_classes(void **state) {
  (void)state;
  assert_string_equal(larder_err_name(LARDER_EBUSY), "LARDER_EBUSY");
  assert_string_equal(larder_err_name((larder_err)-999), "LARDER_E?");
  assert_string_equal(larder_err_text(LARDER_MISS), "not found");
  assert_string_equal(larder_err_text((larder_err)-999), "an unknown result");
  assert_int_equal(larder_err_classify(LARDER_OK), LARDER_CLASS_NONE);
  assert_int_equal(larder_err_classify(LARDER_EIO), LARDER_CLASS_RETRY);
  assert_int_equal(larder_err_classify(LARDER_ECORRUPT), LARDER_CLASS_PERMANENT);
  assert_int_equal(larder_err_classify(LARDER_EINVAL), LARDER_CLASS_MISUSE);
  assert_int_equal(larder_err_classify((larder_err)-999), LARDER_CLASS_PERMANENT);
  assert_err(lrd_err_from_errno(0), LARDER_OK);
  assert_err(lrd_err_from_errno(ENOSPC), LARDER_ENOSPC);
  assert_err(lrd_err_from_errno(EDQUOT), LARDER_ENOSPC);
  assert_err(lrd_err_from_errno(EROFS), LARDER_EACCES);
  assert_err(lrd_err_from_errno(ENOMEM), LARDER_ENOMEM);
  assert_err(lrd_err_from_errno(EPIPE), LARDER_EIO);
}

static void a_long_sentence_is_cut_and_the_code_returned(void **state) {
  (void)state;
  larder_error error = {0};
  assert_err(lrd_fail(NULL, LARDER_EIO, EIO, "base", "%s", "nobody listens"), LARDER_EIO);
  assert_err(lrd_fail(&error, LARDER_EIO, EIO, "base", "%0900d", 1), LARDER_EIO);
  assert_err(error.code, LARDER_EIO);
  assert_int_equal(error.os_errno, EIO);
  assert_string_equal(error.room, "base");
  assert_int_equal(strlen(error.message), sizeof error.message - 1);
}

static void break_an_assumption(void *context) {
  (void)context;
  (void)!freopen("/dev/null", "w", stderr);
  LRD_ASSERT(1 + 1 == 3);
}

static void a_broken_assumption_aborts_in_every_build(void **state) {
  (void)state;
  int status = support_in_child(break_an_assumption, NULL);
  assert_int_equal(status, 128 + 6);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(buffer_grows_and_keeps_its_content),
      cmocka_unit_test(short_copies_copy_every_byte_and_no_other),
      cmocka_unit_test(a_length_that_overflows_is_refused),
      cmocka_unit_test(varints_come_back),
      cmocka_unit_test(bad_varints_are_corrupt_and_move_nothing),
      cmocka_unit_test(every_allocation_may_fail_and_nothing_leaks),
      cmocka_unit_test(a_failed_growth_leaves_the_buffer_as_it_was),
      cmocka_unit_test(errors_have_names_texts_and_classes),
      cmocka_unit_test(a_long_sentence_is_cut_and_the_code_returned),
      cmocka_unit_test(a_broken_assumption_aborts_in_every_build),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
