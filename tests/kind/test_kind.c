/* SPDX-License-Identifier: Apache-2.0 */
#include "support/support.h"

#include "kind/formats.h"
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --- safetensors --------------------------------------------------------------------------------------------------------- */

/* A header and so many bytes behind it; own. */
static uint8_t *safetensors_of(const char *header, size_t data_len, size_t *len_out) {
  size_t header_len = strlen(header);
  uint8_t *made = calloc(1, 8 + header_len + data_len);
  assert_non_null(made);
  lrd_put_u64(made, header_len);
  memcpy(made + 8, header, header_len);
  *len_out = 8 + header_len + data_len;
  return made;
}

static larder_err model_of(const char *header, size_t data_len, larder_format *format, larder_error *err) {
  size_t len;
  uint8_t *made = safetensors_of(header, data_len, &len);
  larder_err result = larder_kind_check(LARDER_KIND_MODEL, made, len, format, err);
  free(made);
  return result;
}

static void whole_safetensors_pass(void **state) {
  (void)state;
  static const struct {
    const char *header;
    size_t data_len;
  } cases[] = {{"{}", 0},
               {"{\"__metadata__\": {\"format\": \"pt\"}}   ", 0},
               {"{\"a\": {\"dtype\": \"F32\", \"shape\": [2, 3], \"data_offsets\": [0, 24]}}", 24},
               {"{\"b\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[1,5]},\"a\":{\"dtype\":\"BOOL\",\"shape\":[],"
                "\"data_offsets\":[0,1]},\"none\":{\"dtype\":\"F64\",\"shape\":[0,7],\"data_offsets\":[5,5]}}",
                5}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    larder_format format = LARDER_FORMAT_BYTES;
    larder_error err = {0};
    if (model_of(cases[i].header, cases[i].data_len, &format, &err) != LARDER_OK)
      fail_msg("%s: %s", cases[i].header, err.message);
    assert_int_equal(format, LARDER_FORMAT_SAFETENSORS);
  }
}

static void broken_safetensors_are_refused_with_the_reason(void **state) {
  (void)state;
#define A "\"a\": {\"dtype\": \"F32\", \"shape\": [2], \"data_offsets\": [0, 8]}"
  static const struct {
    const char *header, *why;
    size_t data_len;
  } cases[] = {
      {"{" A "}", "lies outside of the file", 7},
      {"{" A "}", "bytes follow its last tensor", 9},
      {"{" A ", \"b\": {\"dtype\": \"F32\", \"shape\": [2], \"data_offsets\": [4, 12]}}", "lies on another one", 12},
      {"{" A ", \"b\": {\"dtype\": \"F32\", \"shape\": [2], \"data_offsets\": [9, 17]}}", "has a hole before it", 17},
      {"{" A ", \"\\u0061\": {\"dtype\": \"F32\", \"shape\": [2], \"data_offsets\": [8, 16]}}", "a name is there twice", 16},
      {"{\"\": {\"dtype\": \"F32\", \"shape\": [2], \"data_offsets\": [0, 8]}, \"\": {\"dtype\": \"F32\", \"shape\": [2], "
       "\"data_offsets\": [8, 16]}}",
       "a name is there twice", 16},
      {"{\"a\": {\"dtype\": \"F32\", \"shape\": [3], \"data_offsets\": [0, 8]}}", "not as long as its dtype and shape say", 8},
      {"{\"a\": {\"dtype\": \"F99\", \"shape\": [2], \"data_offsets\": [0, 8]}}", "a dtype that is not known", 8},
      {"{\"a\": {\"dtype\": 7, \"shape\": [2], \"data_offsets\": [0, 8]}}", "a dtype that is not known", 8},
      {"{\"a\": {\"dtype\": \"F32\", \"shape\": [-2], \"data_offsets\": [0, 8]}}", "a shape that is no list", 8},
      {"{\"a\": {\"dtype\": \"F32\", \"shape\": 2, \"data_offsets\": [0, 8]}}", "a shape that is no list", 8},
      {"{\"a\": {\"dtype\": \"F32\", \"shape\": [9223372036854775807, 9], \"data_offsets\": [0, 8]}}", "no memory holds", 8},
      {"{\"a\": {\"dtype\": \"F32\", \"shape\": [2], \"data_offsets\": [0]}}", "no two whole numbers", 8},
      {"{\"a\": {\"dtype\": \"F32\", \"shape\": [2], \"data_offsets\": [0, 8.5]}}", "no two whole numbers", 8},
      {"{\"a\": {\"dtype\": \"F32\", \"shape\": [2], \"data_offsets\": [8, 0]}}", "lies outside", 8},
      {"{\"a\": {\"dtype\": \"F32\", \"shape\": [2], \"data_offsets\": [0, 8], \"x\": 1}}", "is not described by", 8},
      {"{\"a\": [1]}", "is not described by", 0},
      {"{\"__metadata__\": {\"a\": 1}}", "metadata hold more than texts", 0},
      {"{\"__metadata__\": []}", "metadata are no object", 0},
      {"{\"__metadata__\": {}, \"__metadata__\": {}}", "metadata twice", 0},
      {"{\"a\": }", "of its header", 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    larder_error err = {0};
    assert_err(model_of(cases[i].header, cases[i].data_len, NULL, &err), LARDER_EFORMAT);
    if (!strstr(err.message, cases[i].why)) fail_msg("%s: %s", cases[i].header, err.message);
  }
  uint8_t long_header[32] = {0xff, 0xff, 0, 0, 0, 0, 0, 0, '{', '}'};
  assert_err(larder_kind_check(LARDER_KIND_MODEL, long_header, sizeof long_header, NULL, NULL), LARDER_EFORMAT);
}

/* --- PyTorch ------------------------------------------------------------------------------------------------------------- */

static lrd_buf torch_of(const char *const *names, size_t count, unsigned deflate) {
  lrd_zip_writer writer = {0};
  for (size_t i = 0; i < count; i++)
    assert_ok(lrd_zip_add(&writer, names[i], strlen(names[i]), lrd_span_str(names[i]),
                          lrd_span_str("aaaaaaaaaaaaaaaaaaaaaaaaa"), deflate));
  assert_ok(lrd_zip_finish(&writer));
  lrd_buf out = writer.out;
  writer.out = (lrd_buf){0};
  lrd_zip_writer_fini(&writer);
  return out;
}

static void a_model_of_pytorch_is_a_whole_zip_of_one_folder_with_a_pickle(void **state) {
  (void)state;
  static const char *const good[] = {"net/data.pkl", "net/version", "net/data/0"};
  static const char *const none[] = {"net/data.txt", "net/data/0"};
  static const char *const two[] = {"net/data.pkl", "other/data/0"};
  static const char *const bare[] = {"data.pkl"};
  static const char *const out[] = {"net/data.pkl", "net/../../x"};
  const struct {
    const char *const *names;
    size_t count;
    const char *why;
  } cases[] = {{good, 3, NULL},
               {none, 2, "no data.pkl"},
               {two, 2, "not all in one folder"},
               {bare, 1, "not all in one folder"},
               {out, 2, "leads out"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    for (unsigned deflate = 0; deflate < 2; deflate++) {
      lrd_buf made = torch_of(cases[i].names, cases[i].count, deflate);
      larder_format format = LARDER_FORMAT_BYTES;
      larder_error err = {0};
      larder_err result = larder_kind_check(LARDER_KIND_MODEL, made.data, made.len, &format, &err);
      assert_err(result, cases[i].why ? LARDER_EFORMAT : LARDER_OK);
      if (cases[i].why && !strstr(err.message, cases[i].why)) fail_msg("%s", err.message);
      if (!cases[i].why) {
        assert_int_equal(format, LARDER_FORMAT_TORCH);
        made.data[64]++; /* within the first content */
        assert_err(larder_kind_check(LARDER_KIND_MODEL, made.data, made.len, NULL, &err), LARDER_EFORMAT);
      }
      lrd_buf_fini(&made);
    }
  }
}

static void a_pickle_passes_unread_and_other_bytes_do_not(void **state) {
  (void)state;
  larder_format format = LARDER_FORMAT_BYTES;
  larder_error err = {0};
  assert_ok(larder_kind_check(LARDER_KIND_MODEL, "\x80\x02}q\x00.", 6, &format, NULL));
  assert_int_equal(format, LARDER_FORMAT_PICKLE);
  assert_err(larder_kind_check(LARDER_KIND_MODEL, "hello", 5, &format, &err), LARDER_EFORMAT);
  assert_non_null(strstr(err.message, "it is no model"));
  assert_err(larder_kind_check(LARDER_KIND_MODEL, NULL, 0, &format, &err), LARDER_EFORMAT);
  assert_err(larder_kind_check(LARDER_KIND_MODEL, NULL, 1, &format, &err), LARDER_EINVAL);
}

/* --- JSON, text, arrays -------------------------------------------------------------------------------------------------- */

static void json_is_refused_with_line_and_column(void **state) {
  (void)state;
  larder_format format = LARDER_FORMAT_BYTES;
  larder_error err = {0};
  assert_ok(larder_kind_check(LARDER_KIND_JSON, "{\"a\": [1, 2]}\n", 14, &format, NULL));
  assert_int_equal(format, LARDER_FORMAT_JSON);
  assert_err(larder_kind_check(LARDER_KIND_JSON, "{\"a\":\n  [1, 2}", 14, NULL, &err), LARDER_EFORMAT);
  assert_non_null(strstr(err.message, "line 2, column 8"));
  assert_err(larder_kind_check(LARDER_KIND_JSON, NULL, 0, NULL, &err), LARDER_EFORMAT);
  assert_string_equal(larder_format_name(LARDER_FORMAT_SAFETENSORS), "safetensors");
  assert_string_equal(larder_format_name((larder_format)99), "bytes");
}

static void wisdom_is_what_fftw_has_written(void **state) {
  (void)state;
  static const char whole[] = "(fftw-3.3.10 fftw_wisdom #x00000000 #x00000001 #x00000002 #x00000003\n)\n";
  larder_format format = LARDER_FORMAT_BYTES;
  larder_error err = {0};
  assert_ok(larder_kind_check(LARDER_KIND_WISDOM, whole, sizeof whole - 1, &format, NULL));
  assert_int_equal(format, LARDER_FORMAT_TEXT);
  assert_err(larder_kind_check(LARDER_KIND_WISDOM, whole, sizeof whole - 2, NULL, &err), LARDER_EFORMAT);
  assert_non_null(strstr(err.message, "at byte"));
  assert_err(larder_kind_check(LARDER_KIND_WISDOM, NULL, 0, NULL, NULL), LARDER_EFORMAT);
}

static void text_is_utf_8_without_control_characters(void **state) {
  (void)state;
  static const char *const good[] = {
      "", "plain\ttext\r\n", "\xc3\xa9", "\xe2\x82\xac", "\xed\x9f\xbf", "\xf0\x9f\x8d\xb0", "\xf4\x8f\xbf\xbf"};
  static const char *const bad[] = {"\x80",
                                    "\xc3",
                                    "\xc0\xaf",
                                    "\xe0\x80\xaf",
                                    "\xed\xa0\x80",
                                    "\xf0\x80\x80\xaf",
                                    "\xf4\x90\x80\x80",
                                    "\xf5\x80\x80\x80",
                                    "\xc3(",
                                    "\x1b[31m",
                                    "\x7f",
                                    "\x01"};
  larder_format format = LARDER_FORMAT_JSON;
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    assert_true(lrd_text_is(good[i], strlen(good[i])));
    assert_ok(larder_kind_check(LARDER_KIND_TEXT, good[i], strlen(good[i]), &format, NULL));
    assert_int_equal(format, LARDER_FORMAT_TEXT);
  }
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    assert_false(lrd_text_is(bad[i], strlen(bad[i])));
    assert_ok(larder_kind_check(LARDER_KIND_TEXT, bad[i], strlen(bad[i]), &format, NULL));
    assert_int_equal(format, LARDER_FORMAT_BYTES);
  }
  assert_false(lrd_text_is("a\0b", 3));
}

static void *npz_of(unsigned deflate, size_t *len_out) {
  static const float numbers[4] = {1, 2, 3, 4};
  void *built = NULL;
  larder_array arrays[2] = {{.name = "a", .dtype = "<f4", .dims = 1, .shape = {4}, .data = numbers, .len = sizeof numbers},
                            {.name = "b", .dtype = "|S16", .data = numbers, .len = 16}};
  larder_array_options options = {.size = sizeof options, .deflate = deflate};
  assert_ok(larder_array_build(arrays, 2, &options, &built, len_out, NULL));
  return built;
}

static void an_array_is_checked_with_its_checksums(void **state) {
  (void)state;
  for (unsigned deflate = 0; deflate < 2; deflate++) {
    size_t len = 0;
    larder_format format = LARDER_FORMAT_BYTES;
    uint8_t *built = npz_of(deflate, &len);
    assert_ok(larder_kind_check(LARDER_KIND_ARRAY, built, len, &format, NULL));
    assert_int_equal(format, LARDER_FORMAT_NPZ);
    built[64 + 40]++;
    assert_err(larder_kind_check(LARDER_KIND_ARRAY, built, len, &format, NULL), LARDER_EFORMAT);
    larder_array_free(built);
  }
  larder_error err = {0};
  static const char *const names[] = {"a.txt"};
  lrd_buf other = torch_of(names, 1, 0);
  assert_err(larder_kind_check(LARDER_KIND_ARRAY, other.data, other.len, NULL, &err), LARDER_EFORMAT);
  assert_non_null(strstr(err.message, "is no .npy"));
  lrd_buf_fini(&other);
}

/* --- parts and figures ---------------------------------------------------------------------------------------------------- */

typedef struct seen {
  larder_part parts[8];
  char names[8][32];
  size_t count, most;
} seen;

static bool part_note(void *context, const larder_part *part) {
  seen *s = context;
  assert_true(s->count < 8 && part->name_len < 32);
  s->parts[s->count] = *part;
  if (part->name) memcpy(s->names[s->count], part->name, part->name_len);
  return ++s->count != s->most;
}

static void parts_are_arrays_tensors_and_files(void **state) {
  (void)state;
  size_t len = 0;
  for (unsigned deflate = 0; deflate < 2; deflate++) {
    seen all = {0}, first = {.most = 1}, small = {0};
    larder_format format = LARDER_FORMAT_BYTES;
    void *built = npz_of(deflate, &len);
    assert_ok(larder_parts(LARDER_KIND_ARRAY, built, len, 1 << 20, part_note, &all, &format, NULL));
    assert_int_equal(format, LARDER_FORMAT_NPZ);
    assert_int_equal(all.count, 2);
    assert_string_equal(all.names[0], "a");
    assert_int_equal(all.parts[0].figures, LARDER_FIGURES_MADE);
    assert_float_equal(all.parts[0].mean, 2.5, 0);
    assert_int_equal(all.parts[1].figures, LARDER_FIGURES_NO_NUMBERS);
    assert_ok(larder_parts(LARDER_KIND_BYTES, built, len, 1 << 20, part_note, &first, &format, NULL));
    assert_int_equal(format, LARDER_FORMAT_NPZ);
    assert_int_equal(first.count, 1);
    assert_ok(larder_parts(LARDER_KIND_ARRAY, built, len, 8, part_note, &small, NULL, NULL));
    assert_int_equal(small.parts[0].figures, LARDER_FIGURES_NOT_ASKED);
    assert_int_equal(small.parts[0].dtype != NULL, deflate == 0 || small.parts[0].bytes == 16);
    larder_array_free(built);
  }
  uint8_t *tensors =
      safetensors_of("{\"b\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[1,5]},\"a\":{\"dtype\":\"BOOL\","
                     "\"shape\":[],\"data_offsets\":[0,1]}}",
                     5, &len);
  seen all = {0};
  larder_format format = LARDER_FORMAT_BYTES;
  assert_ok(larder_parts(LARDER_KIND_MODEL, tensors, len, 0, part_note, &all, &format, NULL));
  assert_int_equal(format, LARDER_FORMAT_SAFETENSORS);
  assert_int_equal(all.count, 2);
  assert_string_equal(all.names[0], "a");
  assert_string_equal(all.names[1], "b");
  assert_int_equal(all.parts[1].dims, 1);
  assert_int_equal(all.parts[1].shape[0], 2);
  assert_int_equal(all.parts[1].bytes, 4);
  free(tensors);
  static const char *const names[] = {"net/data.pkl", "net/data/0"};
  lrd_buf torch = torch_of(names, 2, 1);
  all = (seen){0};
  assert_ok(larder_parts(LARDER_KIND_MODEL, torch.data, torch.len, 0, part_note, &all, &format, NULL));
  assert_int_equal(format, LARDER_FORMAT_TORCH);
  assert_int_equal(all.count, 2);
  assert_string_equal(all.names[1], "net/data/0");
  assert_null(all.parts[1].dtype);
  lrd_buf_fini(&torch);
  all = (seen){0};
  assert_ok(larder_parts(LARDER_KIND_BYTES, "PK\x03\x04 but no zip", 16, 0, part_note, &all, &format, NULL));
  assert_int_equal(format, LARDER_FORMAT_BYTES);
  assert_err(larder_parts(LARDER_KIND_ARRAY, "PK\x03\x04 but no zip", 16, 0, part_note, &all, &format, NULL), LARDER_EFORMAT);
  assert_ok(larder_parts(LARDER_KIND_MODEL, "\x80\x02.", 3, 0, part_note, &all, &format, NULL));
  assert_int_equal(format, LARDER_FORMAT_PICKLE);
  assert_int_equal(all.count, 0);
}

static larder_part figures_of(const char *dtype, uint64_t count, const void *data, size_t itemsize) {
  larder_array array = {.kind = dtype[1], .order = dtype[0], .itemsize = itemsize, .count = count, .data = data};
  larder_part part = {0};
  lrd_figures_make(&array, &part);
  return part;
}

#define FIGURES(dtype, type, least, most, middle, ...)                                                                         \
  do {                                                                                                                         \
    const type numbers[] = {__VA_ARGS__};                                                                                      \
    larder_part got = figures_of(dtype, sizeof numbers / sizeof *numbers, numbers, sizeof *numbers);                           \
    assert_int_equal(got.figures, LARDER_FIGURES_MADE);                                                                        \
    assert_true(got.min == (least) && got.max == (most) && got.mean == (middle));                                              \
  } while (0)

static void figures_are_right_for_every_type_of_number(void **state) {
  (void)state;
  FIGURES("|b1", uint8_t, 0, 1, 0.75, 1, 0, 1, 1);
  FIGURES("|i1", int8_t, -128, 127, -0.5, -128, 127);
  FIGURES("<i2", int16_t, -300, 300, 0, -300, 300);
  FIGURES("<i4", int32_t, -70000, 70000, 0, -70000, 70000, 0);
  FIGURES("<i8", int64_t, -5e12, 5e12, 0, -5000000000000, 5000000000000);
  FIGURES("|u1", uint8_t, 1, 255, 128, 1, 255);
  FIGURES("<u2", uint16_t, 1, 65535, 32768, 1, 65535);
  FIGURES("<u4", uint32_t, 0, 4294967295., 2147483647.5, 0, 4294967295u);
  FIGURES("<u8", uint64_t, 0, 1e19, 5e18, 0, 10000000000000000000u);
  FIGURES("<f4", float, -1.5, 2.5, 0.5, -1.5f, 2.5f);
  FIGURES("<f8", double, -1e300, 1e300, 0, -1e300, 1e300);
  FIGURES("<f16", long double, 1, 3, 2, 1, 3);
  FIGURES("<f2", uint16_t, -2, 65504, 32751, 0xc000, 0x7bff);    /* -2, the greatest */
  FIGURES("<f2", uint16_t, 0, 0x1p-24, 0x1p-25, 0x0001, 0x8000); /* the least above zero, -0 */
  FIGURES(">i2", uint16_t, 1, 258, 129.5, 0x0100, 0x0201);
  FIGURES(">f4", uint32_t, 1, 2, 1.5, 0x0000803f, 0x00000040);
  FIGURES(">f8", uint64_t, 1, 1, 1, 0x000000000000f03f);
  if (getenv("LARDER_UNDER_VALGRIND")) return; /* it computes long doubles with 64 bits, whose sum is infinite here */
  FIGURES("<f8", double, DBL_MAX, DBL_MAX, DBL_MAX, DBL_MAX, DBL_MAX, DBL_MAX);
}

static void what_is_not_finite_is_counted_apart(void **state) {
  (void)state;
  const double numbers[] = {1, NAN, INFINITY, -INFINITY, 3};
  larder_part got = figures_of("<f8", 5, numbers, 8);
  assert_true(got.min == 1 && got.max == 3 && got.mean == 2 && got.nans == 1 && got.infinities == 2);
  got = figures_of("<f8", 3, numbers + 1, 8);
  assert_int_equal(got.figures, LARDER_FIGURES_NO_NUMBERS);
  assert_int_equal(got.nans, 1);
  got = figures_of("<f8", 0, numbers, 8);
  assert_int_equal(got.figures, LARDER_FIGURES_NO_NUMBERS);
  got = figures_of("<c16", 1, numbers, 16);
  assert_int_equal(got.figures, LARDER_FIGURES_NO_NUMBERS);
  /* Anywhere, and the mean of many does not drift. */
  enum { MANY = 100003 };
  uint8_t *shifted = malloc(MANY * sizeof(double) + 1);
  assert_non_null(shifted);
  for (size_t i = 0; i < MANY; i++) {
    double tenth = 0.1;
    memcpy(shifted + 1 + i * sizeof tenth, &tenth, sizeof tenth);
  }
  got = figures_of("<f8", MANY, shifted + 1, 8);
  assert_float_equal(got.mean, 0.1, 1e-15);
  free(shifted);
}

static void checks_survive_every_failed_allocation(void **state) {
  (void)state;
  size_t lens[3];
  lrd_buf torch;
  static const char *const names[] = {"net/data.pkl", "net/data/0"};
  torch = torch_of(names, 2, 1);
  lens[0] = torch.len;
  void *npz = npz_of(1, &lens[1]);
  uint8_t *tensors = safetensors_of("{\"a\":{\"dtype\":\"I8\",\"shape\":[1],\"data_offsets\":[0,1]},\"b\":{\"dtype\":\"BOOL\","
                                    "\"shape\":[],\"data_offsets\":[1,2]}}",
                                    2, &lens[2]);
  const void *values[3] = {torch.data, npz, tensors};
  for (size_t i = 0; i < 3; i++) {
    for (uint64_t n = 1;; n++) {
      int64_t live = support_alloc_live();
      seen all = {0};
      larder_kind kind = i == 1 ? LARDER_KIND_ARRAY : LARDER_KIND_MODEL;
      support_alloc_fail_at(n);
      larder_err result = larder_kind_check(kind, values[i], lens[i], NULL, NULL);
      if (result == LARDER_OK) result = larder_parts(kind, values[i], lens[i], 1000, part_note, &all, NULL, NULL);
      bool failed = support_alloc_end() >= n;
      assert_err(result, failed ? LARDER_ENOMEM : LARDER_OK);
      assert_int_equal(support_alloc_live(), live);
      if (!failed) break;
    }
  }
  lrd_buf_fini(&torch);
  larder_array_free(npz);
  free(tensors);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(whole_safetensors_pass),
      cmocka_unit_test(broken_safetensors_are_refused_with_the_reason),
      cmocka_unit_test(a_model_of_pytorch_is_a_whole_zip_of_one_folder_with_a_pickle),
      cmocka_unit_test(a_pickle_passes_unread_and_other_bytes_do_not),
      cmocka_unit_test(json_is_refused_with_line_and_column),
      cmocka_unit_test(text_is_utf_8_without_control_characters),
      cmocka_unit_test(wisdom_is_what_fftw_has_written),
      cmocka_unit_test(an_array_is_checked_with_its_checksums),
      cmocka_unit_test(parts_are_arrays_tensors_and_files),
      cmocka_unit_test(figures_are_right_for_every_type_of_number),
      cmocka_unit_test(what_is_not_finite_is_counted_apart),
      cmocka_unit_test(checks_survive_every_failed_allocation),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
