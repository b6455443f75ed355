/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies piece by piece: limits, and gzip that is whole, damaged, cut off, or much more than it looks. */
#include "maker/http_body.h"

#include "support/support.h"
#include <stdlib.h>
#include <zlib.h>

#define LIMIT ((uint64_t)1 << 20)

/* Own; compressed `len` bytes that repeat, as a gzip member. */
static uint8_t *pack(const void *data, size_t len, size_t *len_out) {
  z_stream stream = {0};
  size_t const room = compressBound(len) + 64;
  uint8_t *out = malloc(room);
  assert_non_null(out);
  assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
  stream.next_in = (z_const Bytef *)data;
  stream.avail_in = (uInt)len;
  stream.next_out = out;
  stream.avail_out = (uInt)room;
  assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
  *len_out = room - stream.avail_out;
  deflateEnd(&stream);
  return out;
}

static larder_err feed(lrd_http_body *body, const uint8_t *data, size_t len, size_t piece) {
  larder_err result = LARDER_OK;
  for (size_t at = 0; at < len && result == LARDER_OK; at += piece)
    result = lrd_http_body_add(body, data + at, len - at < piece ? len - at : piece);
  return result;
}

static void a_plain_body_is_kept_up_to_the_limit(void **state) {
  (void)state;
  lrd_http_body body = {0};
  assert_ok(lrd_http_body_begin(&body, false, 5));
  lrd_http_body_expect(&body, UINT64_MAX); /* a lie costs nothing */
  assert_ok(lrd_http_body_add(&body, "abc", 3));
  assert_ok(lrd_http_body_add(&body, "de", 2));
  assert_ok(lrd_http_body_end(&body));
  assert_memory_equal(body.data.data, "abcde", 5);
  assert_err(lrd_http_body_add(&body, "f", 1), LARDER_ETOOBIG);
  assert_err(lrd_http_body_add(&body, "", 0), LARDER_ETOOBIG);
  assert_err(lrd_http_body_end(&body), LARDER_ETOOBIG);
  assert_int_equal(body.data.len, 5);
  lrd_http_body_fini(&body);
}

static void gzip_is_unpacked_in_pieces_of_any_size(void **state) {
  (void)state;
  enum { LEN = 300000 };
  uint8_t *data = malloc(LEN);
  size_t len;
  assert_non_null(data);
  for (size_t i = 0; i < LEN; i++) data[i] = (uint8_t)(i * i >> 7);
  uint8_t *packed = pack(data, LEN, &len);
  static size_t const pieces[] = {1, 7, 4096, LEN * 2};
  for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
    lrd_http_body body = {0};
    assert_ok(lrd_http_body_begin(&body, true, LIMIT));
    assert_ok(feed(&body, packed, len, pieces[i]));
    assert_ok(lrd_http_body_end(&body));
    assert_int_equal(body.data.len, LEN);
    assert_memory_equal(body.data.data, data, LEN);
    lrd_http_body_fini(&body);
  }
  free(packed);
  free(data);
}

static void members_in_a_row_are_one_body(void **state) {
  (void)state;
  size_t first_len, second_len;
  uint8_t *first = pack("one ", 4, &first_len), *second = pack("two", 3, &second_len);
  lrd_http_body body = {0};
  assert_ok(lrd_http_body_begin(&body, true, LIMIT));
  assert_ok(feed(&body, first, first_len, first_len));
  assert_ok(feed(&body, second, second_len, 3));
  assert_ok(lrd_http_body_end(&body));
  assert_int_equal(body.data.len, 7);
  assert_memory_equal(body.data.data, "one two", 7);
  lrd_http_body_fini(&body);
  free(first);
  free(second);
}

static void what_breaks_off_is_no_body(void **state) {
  (void)state;
  size_t len;
  uint8_t *packed = pack("a body that is long enough to be cut", 36, &len);
  for (size_t cut = 0; cut < len; cut++) {
    lrd_http_body body = {0};
    assert_ok(lrd_http_body_begin(&body, true, LIMIT));
    assert_ok(feed(&body, packed, cut, 5));
    assert_err(lrd_http_body_end(&body), LARDER_EFORMAT);
    lrd_http_body_fini(&body);
  }
  free(packed);
}

static void what_is_damaged_is_no_body(void **state) {
  (void)state;
  size_t len;
  uint8_t *packed = pack("a body that is long enough to be damaged", 40, &len);
  packed[len - 6] ^= 1; /* its checksum */
  lrd_http_body body = {0};
  assert_ok(lrd_http_body_begin(&body, true, LIMIT));
  assert_err(feed(&body, packed, len, len), LARDER_EFORMAT);
  assert_err(lrd_http_body_end(&body), LARDER_EFORMAT);
  lrd_http_body_fini(&body);
  free(packed);
}

static void a_bomb_is_cut_at_the_limit(void **state) {
  (void)state;
  enum { LEN = 64 << 20 };
  uint8_t *zeros = calloc(1, LEN);
  size_t len;
  assert_non_null(zeros);
  uint8_t *packed = pack(zeros, LEN, &len);
  free(zeros);
  assert_true(len < LIMIT / 8);
  lrd_http_body body = {0};
  assert_ok(lrd_http_body_begin(&body, true, LIMIT));
  assert_err(feed(&body, packed, len, len), LARDER_ETOOBIG);
  assert_true(body.data.len <= LIMIT && body.data.cap < 2 * LIMIT);
  lrd_http_body_fini(&body);
  free(packed);
}

static void no_memory_is_told(void **state) {
  (void)state;
  size_t len;
  uint8_t *packed = pack("body", 4, &len);
  for (uint64_t n = 1;; n++) {
    int64_t const live = support_alloc_live();
    lrd_http_body body = {0};
    support_alloc_fail_at(n);
    larder_err result = lrd_http_body_begin(&body, true, LIMIT);
    if (result == LARDER_OK) result = feed(&body, packed, len, len);
    bool const failed = support_alloc_end() >= n;
    assert_err(result, failed ? LARDER_ENOMEM : LARDER_OK);
    lrd_http_body_fini(&body);
    assert_int_equal(support_alloc_live(), live);
    if (!failed) break;
  }
  free(packed);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(a_plain_body_is_kept_up_to_the_limit),
                                     cmocka_unit_test(gzip_is_unpacked_in_pieces_of_any_size),
                                     cmocka_unit_test(members_in_a_row_are_one_body),
                                     cmocka_unit_test(what_breaks_off_is_no_body),
                                     cmocka_unit_test(what_is_damaged_is_no_body),
                                     cmocka_unit_test(a_bomb_is_cut_at_the_limit),
                                     cmocka_unit_test(no_memory_is_told)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
