/* SPDX-License-Identifier: Apache-2.0 */
#include "support/support.h"

#include "kind/npy.h"
#include <larder/array.h>
#include <stdlib.h>
#include <string.h>

/* An `.npy` of version 1.0 with that text and so many bytes of elements; own. */
static uint8_t *npy_of(const char *text, size_t elements, size_t *len_out) {
  size_t text_len = strlen(text);
  uint8_t *made = calloc(1, 10 + text_len + elements);
  assert_non_null(made);
  memcpy(made, "\x93NUMPY\x01", 7);
  lrd_put_u16(made + 8, (uint16_t)text_len);
  memcpy(made + 10, text, text_len);
  *len_out = 10 + text_len + elements;
  return made;
}

static void headers_that_lie_or_are_no_literals_are_refused_with_the_reason(void **state) {
  (void)state;
  static const struct {
    const char *text, *why;
    size_t elements;
  } cases[] = {
      {"{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }", "speaks of 24 bytes of elements, and 16", 16},
      {"{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }", "speaks of 24 bytes of elements, and 25", 25},
      {"{'descr': '<f8', 'fortran_order': False, 'shape': (4611686018427387904, 4), }", "more than any memory", 0},
      {"{'descr': '<f8', 'fortran_order': False, 'shape': (0, 9223372036854775807, 9), }", "more than any memory", 0},
      {"{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999999999,), }", "a number is too large", 0},
      {"{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }", "not below 0", 8},
      {"{'descr': '<f8', 'fortran_order': False, 'shape': (1), }", "has a comma", 8},
      {"{'descr': '<f8', 'fortran_order': False, 'shape': [1], }", "in brackets", 8},
      {"{'descr': '<f8', 'fortran_order': 0, 'shape': (1,), }", "True or False", 8},
      {"{'descr': '<f8', 'fortran_order': False, }", "missing", 8},
      {"{'descr': '<f8', 'descr': '<f8', 'fortran_order': False, 'shape': (1,)}", "there twice", 8},
      {"{'descr': '<f8', 'fortran_order': False, 'shape': (1,), 'x': 1}", "a key other than", 8},
      {"{'descr': '<f8', 'fortran_order': False, 'shape': (1,)} or 1", "follows the header's }", 8},
      {"__import__('os').system('true')", "does not begin with {", 8},
      {"{'descr': '<f3', 'fortran_order': False, 'shape': (1,)}", "no type of that letter and size", 3},
      {"{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", "Python objects", 8},
      {"{'descr': [('a', '|O8')], 'fortran_order': False, 'shape': (1,)}", "Python objects", 8},
      {"{'descr': '<x8', 'fortran_order': False, 'shape': (1,)}", "is not known", 8},
      {"{'descr': '', 'fortran_order': False, 'shape': (1,)}", "the type is empty", 8},
      {"{'descr': '<f8 ', 'fortran_order': False, 'shape': (1,)}", "goes on behind its end", 8},
      {"{'descr': '<M8[ns', 'fortran_order': False, 'shape': (1,)}", "unit of a time", 8},
      {"{'descr': [('a', '<f8', 'b')], 'fortran_order': False, 'shape': (1,)}", "a whole number", 8},
      {"{'descr': [('a', '<f8', (2000000000,))], 'fortran_order': False, 'shape': (0,)}", "an element is too large", 0},
      {"{'descr': '<f8, 'fortran_order': False, 'shape': (1,)}", "goes on behind its end", 8},
      {"{'descr': '<f8' 'fortran_order': False, 'shape': (1,)}", "a comma or }", 8},
      {"{'descr': '<f8", "a quote is not closed", 8},
      {"{'descr': [[[[", "a field in brackets", 8},
      {"{'descr': '<f8', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1)}",
       "more than 32", 8},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    size_t len;
    larder_array array = {0};
    larder_error err = {0};
    uint8_t *made = npy_of(cases[i].text, cases[i].elements, &len);
    assert_err(larder_array_view(made, len, NULL, true, &array, &err), LARDER_EFORMAT);
    if (!strstr(err.message, cases[i].why)) fail_msg("%s: %s", cases[i].text, err.message);
    assert_null(array.data);
    assert_int_equal(lrd_array_itemsize(made, len), 0);
    free(made);
  }
}

static void types_nest_only_so_deep(void **state) {
  (void)state;
  for (size_t depth = 1; depth < 40; depth++) {
    lrd_buf text = {0};
    size_t len;
    larder_array array = {0};
    assert_ok(lrd_buf_append_str(&text, "{'fortran_order': False, 'shape': (), 'descr': "));
    for (size_t i = 0; i < depth; i++) assert_ok(lrd_buf_append_str(&text, "[('a', "));
    assert_ok(lrd_buf_append_str(&text, "'<f8'"));
    for (size_t i = 0; i < depth; i++) assert_ok(lrd_buf_append_str(&text, ")]"));
    assert_ok(lrd_buf_append_str(&text, "}"));
    assert_ok(lrd_buf_terminate(&text));
    uint8_t *made = npy_of((const char *)text.data, 8, &len);
    assert_err(larder_array_view(made, len, NULL, true, &array, NULL), depth <= 16 ? LARDER_OK : LARDER_EFORMAT);
    free(made);
    lrd_buf_fini(&text);
  }
}

static const double SOME[6] = {1, 2, 3, 4, 5, 6};

static larder_array plain(const char *name) {
  return (larder_array){.name = name, .dtype = "<f8", .dims = 2, .shape = {2, 3}, .data = SOME, .len = sizeof SOME};
}

static void a_view_says_what_lies_where_without_a_copy(void **state) {
  (void)state;
  void *built = NULL;
  size_t len = 0;
  larder_array array = plain(NULL), seen = {0};
  array.fortran = true;
  assert_ok(larder_array_build(&array, 1, NULL, &built, &len, NULL));
  assert_ok(larder_array_view(built, len, NULL, true, &seen, NULL));
  assert_int_equal(seen.kind, 'f');
  assert_int_equal(seen.order, '<');
  assert_int_equal(seen.itemsize, 8);
  assert_int_equal(seen.count, 6);
  assert_int_equal(seen.dims, 2);
  assert_int_equal(seen.shape[0], 2);
  assert_int_equal(seen.shape[1], 3);
  assert_true(seen.fortran);
  assert_int_equal(seen.dtype_len, 3);
  assert_memory_equal(seen.dtype, "<f8", 3);
  assert_memory_equal(seen.data, SOME, sizeof SOME);
  assert_ptr_equal(seen.data, (uint8_t *)built + len - sizeof SOME);
  assert_int_equal(((uint8_t *)seen.data - (uint8_t *)built) % 64, 0);
  assert_null(seen.own);
  assert_int_equal(lrd_array_itemsize(built, len), 8);
  assert_err(larder_array_view(built, len, "a", true, &seen, NULL), LARDER_MISS);
  larder_array_release(&seen);
  larder_array_release(&seen);
  larder_array_free(built);
}

static void stored_members_are_viewed_in_place_at_multiples_of_64_and_deflated_ones_unpacked(void **state) {
  (void)state;
  static const char *const names[] = {"a", "bcd", "a_name_that_is_rather_longer_than_the_others", "folder/x", "é"};
  enum { COUNT = sizeof names / sizeof *names };
  for (unsigned deflate = 0; deflate <= 12; deflate += 6) {
    larder_array arrays[COUNT], seen = {0};
    larder_array_options options = {.size = sizeof options, .deflate = deflate};
    static double zeros[6000];
    void *built = NULL;
    size_t len = 0;
    for (size_t i = 0; i < COUNT; i++) arrays[i] = plain(names[i]);
    arrays[1] =
        (larder_array){.name = names[1], .dtype = "<f8", .dims = 1, .shape = {6000}, .data = zeros, .len = sizeof zeros};
    assert_ok(larder_array_build(arrays, COUNT, &options, &built, &len, NULL));
    for (size_t i = 0; i < COUNT; i++) {
      assert_ok(larder_array_view(built, len, names[i], true, &seen, NULL));
      assert_int_equal(seen.name_len, strlen(names[i]));
      assert_int_equal(seen.len, arrays[i].len);
      assert_memory_equal(seen.data, arrays[i].data, seen.len);
      if (deflate == 0) assert_int_equal(((uint8_t *)seen.data - (uint8_t *)built) % 64, 0);
      if (seen.own) assert_int_equal((uintptr_t)seen.data % 64, 0);
      assert_int_equal(seen.own != NULL, deflate > 0 && ((uint8_t *)seen.data < (uint8_t *)built ||
                                                         (uint8_t *)seen.data >= (uint8_t *)built + len));
      larder_array_release(&seen);
    }
    assert_err(larder_array_view(built, len, "nobody", true, &seen, NULL), LARDER_MISS);
    assert_err(larder_array_view(built, len, NULL, true, &seen, NULL), LARDER_EINVAL);
    assert_true(deflate == 0 || len < sizeof zeros / 2);
    larder_array_free(built);
  }
}

static void what_can_not_be_written_is_refused(void **state) {
  (void)state;
  void *built = NULL;
  size_t len = 0;
  larder_error err = {0};
  larder_array_options options = {.size = sizeof options, .deflate = 13};
  larder_array array = plain(NULL);
  assert_err(larder_array_build(&array, 1, &options, &built, &len, &err), LARDER_EINVAL);
  array.len--;
  assert_err(larder_array_build(&array, 1, NULL, &built, &len, &err), LARDER_EINVAL);
  array = plain(NULL);
  array.dtype = "|O";
  assert_err(larder_array_build(&array, 1, NULL, &built, &len, &err), LARDER_EINVAL);
  array.dtype = "<f8', 'shape': (1,)}";
  assert_err(larder_array_build(&array, 1, NULL, &built, &len, &err), LARDER_EINVAL);
  array.dtype = NULL;
  assert_err(larder_array_build(&array, 1, NULL, &built, &len, &err), LARDER_EINVAL);
  array = plain(NULL);
  array.dims = 33;
  assert_err(larder_array_build(&array, 1, NULL, &built, &len, &err), LARDER_EINVAL);
  static const char *const names[] = {"../x", "/x", "a/../b", "..", "a\\b", "a\nb", ""};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    array = plain(names[i]);
    assert_err(larder_array_build(&array, 1, NULL, &built, &len, &err), LARDER_EINVAL);
  }
  larder_array twice[2] = {plain("same"), plain("same")};
  assert_err(larder_array_build(twice, 2, NULL, &built, &len, &err), LARDER_EINVAL);
  assert_non_null(strstr(err.message, "there twice"));
  larder_array nameless[2] = {plain("a"), plain(NULL)};
  assert_err(larder_array_build(nameless, 2, NULL, &built, &len, &err), LARDER_EINVAL);
  static uint8_t nothing;
  array = (larder_array){.dtype = "|u1", .dims = 1, .shape = {(uint64_t)3 << 30}, .data = &nothing, .len = (size_t)3 << 30};
  assert_err(larder_array_build(&array, 1, NULL, &built, &len, &err), LARDER_ETOOBIG);
  assert_null(built);
}

static void field_names_keep_their_encoding(void **state) {
  (void)state;
  for (int latin1 = 0; latin1 < 2; latin1++) {
    const char *dtype = latin1 ? "[('\xe9', '<f4'), ('b', '<f4')]" : "[('\xce\xbb', '<f4'), ('b', '<f4')]";
    void *built = NULL;
    size_t len = 0;
    larder_array seen = {0};
    larder_array array = {.dtype = dtype, .dtype_latin1 = latin1, .dims = 1, .shape = {6}, .data = SOME, .len = sizeof SOME};
    assert_ok(larder_array_build(&array, 1, NULL, &built, &len, NULL));
    assert_int_equal(((uint8_t *)built)[6], latin1 ? 1 : 3);
    assert_ok(larder_array_view(built, len, NULL, true, &seen, NULL));
    assert_int_equal(seen.dtype_latin1, latin1);
    assert_int_equal(seen.dtype_len, strlen(dtype));
    assert_memory_equal(seen.dtype, dtype, seen.dtype_len);
    assert_int_equal(seen.kind, 'V');
    assert_int_equal(seen.itemsize, 8);
    larder_array_free(built);
  }
}

/* Whatever is cut off or flipped: an error, or an array whose elements lie within the value. */
static void cut_and_flipped_values_are_errors_or_whole_arrays(void **state) {
  (void)state;
  larder_array arrays[2] = {plain("a"), plain("b")};
  for (unsigned deflate = 0; deflate < 2; deflate++) {
    for (size_t count = 1; count <= 2; count++) {
      larder_array_options options = {.size = sizeof options, .deflate = deflate};
      void *built = NULL;
      size_t len = 0;
      arrays[0].name = count == 1 ? NULL : "a";
      assert_ok(larder_array_build(arrays, count, &options, &built, &len, NULL));
      for (size_t cut = 0; cut < len; cut++) {
        uint8_t *part = malloc(cut ? cut : 1);
        larder_array seen = {0};
        assert_non_null(part);
        memcpy(part, built, cut);
        assert_err(larder_array_view(part, cut, count == 1 ? NULL : "a", true, &seen, NULL), LARDER_EFORMAT);
        free(part);
      }
      for (size_t bit = 0; bit < len * 8; bit++) {
        larder_array seen = {0};
        ((uint8_t *)built)[bit / 8] ^= (uint8_t)(1u << bit % 8);
        larder_err result = larder_array_view(built, len, count == 1 ? NULL : "a", true, &seen, NULL);
        if (result == LARDER_OK) assert_int_equal(seen.len, seen.count * seen.itemsize);
        if (result == LARDER_OK && count == 2) assert_memory_equal(seen.data, SOME, sizeof SOME);
        larder_array_release(&seen);
        ((uint8_t *)built)[bit / 8] ^= (uint8_t)(1u << bit % 8);
      }
      larder_array_free(built);
    }
  }
}

static void building_and_viewing_survive_every_failed_allocation(void **state) {
  (void)state;
  static double zeros[600];
  larder_array arrays[2] = {plain("a"),
                            {.name = "b", .dtype = "<f8", .dims = 1, .shape = {600}, .data = zeros, .len = sizeof zeros}};
  larder_array_options options = {.size = sizeof options, .deflate = 6};
  for (uint64_t n = 1;; n++) {
    int64_t live = support_alloc_live();
    void *built = NULL;
    size_t len = 0;
    larder_array seen = {0};
    larder_error err = {0};
    support_alloc_fail_at(n);
    larder_err result = larder_array_build(arrays, 2, &options, &built, &len, &err);
    if (result == LARDER_OK) result = larder_array_view(built, len, "b", true, &seen, &err);
    bool failed = support_alloc_end() >= n;
    if (result != LARDER_OK) {
      assert_err(result, LARDER_ENOMEM);
      assert_int_equal(err.code, LARDER_ENOMEM);
    }
    larder_array_release(&seen);
    larder_array_free(built);
    assert_int_equal(support_alloc_live(), live);
    if (!failed) break;
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(headers_that_lie_or_are_no_literals_are_refused_with_the_reason),
      cmocka_unit_test(types_nest_only_so_deep),
      cmocka_unit_test(a_view_says_what_lies_where_without_a_copy),
      cmocka_unit_test(stored_members_are_viewed_in_place_at_multiples_of_64_and_deflated_ones_unpacked),
      cmocka_unit_test(what_can_not_be_written_is_refused),
      cmocka_unit_test(field_names_keep_their_encoding),
      cmocka_unit_test(cut_and_flipped_values_are_errors_or_whole_arrays),
      cmocka_unit_test(building_and_viewing_survive_every_failed_allocation),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
