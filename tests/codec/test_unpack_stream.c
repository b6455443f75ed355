/* SPDX-License-Identifier: Apache-2.0 */
/* Streams that are compressed as a whole, by pieces of any length, whole and broken. */
#include "support/support.h"

#include "base/bytes.h"
#include "codec/unpack_stream.h"
#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#define CONTENT_LEN 300000u

typedef struct drip {
  const uint8_t *data;
  size_t len, at, step;
} drip;

static int64_t drip_read(void *context, void *out, size_t room) {
  drip *d = context;
  size_t left = d->len - d->at, give = d->step < left ? d->step : left;
  if (give > room) give = room;
  if (give > 0) memcpy(out, d->data + d->at, give);
  d->at += give;
  return (int64_t)give;
}

static uint8_t *content_make(void) {
  uint8_t *content = malloc(CONTENT_LEN);
  support_random random = {5};
  assert_non_null(content);
  for (size_t i = 0; i < CONTENT_LEN; i++) content[i] = (uint8_t)(support_random_next(&random) % 5 * (i % 7));
  return content;
}

static void zstd_append(lrd_buf *out, const uint8_t *data, size_t len) {
  assert_ok(lrd_buf_reserve(out, ZSTD_compressBound(len)));
  size_t packed = ZSTD_compress(out->data + out->len, out->cap - out->len, data, len, 3);
  assert_false(ZSTD_isError(packed));
  out->len += packed;
}

static void gzip_append(lrd_buf *out, const uint8_t *data, size_t len) {
  struct libdeflate_compressor *packer = libdeflate_alloc_compressor(6);
  assert_non_null(packer);
  assert_ok(lrd_buf_reserve(out, libdeflate_gzip_compress_bound(packer, len)));
  size_t packed = libdeflate_gzip_compress(packer, data, len, out->data + out->len, out->cap - out->len);
  assert_true(packed > 0);
  out->len += packed;
  libdeflate_free_compressor(packer);
}

/* Reads all; the stream's own failure, and its phrase in *why. */
static larder_err unpack(const void *data, size_t len, size_t step, size_t room, lrd_buf *out, const char **why) {
  drip d = {data, len, 0, step};
  lrd_unpacking *unpacking = NULL;
  assert_ok(lrd_unpacking_new(drip_read, &d, &unpacking));
  lrd_buf_clear(out);
  int64_t got;
  do {
    assert_ok(lrd_buf_reserve(out, room));
    got = lrd_unpacking_read(unpacking, out->data + out->len, room);
    if (got > 0) out->len += (size_t)got;
  } while (got > 0);
  larder_err result = lrd_unpacking_failure(unpacking, why);
  assert_int_equal(got < 0, result != LARDER_OK);
  assert_int_equal(lrd_unpacking_read(unpacking, out->data + out->len, 0) < 0, result != LARDER_OK); /* a failure stays */
  lrd_unpacking_free(unpacking);
  return result;
}

static void same(const void *data, size_t len, const uint8_t *content, size_t content_len) {
  static const size_t steps[] = {1, 7, 65536, 1000000}, rooms[] = {1000000, 65536, 4096, 11};
  lrd_buf out = {0};
  const char *why;
  for (size_t i = 0; i < 4; i++) {
    assert_ok(unpack(data, len, steps[i], rooms[i], &out, &why));
    assert_int_equal(out.len, content_len);
    if (content_len > 0) assert_memory_equal(out.data, content, content_len);
  }
  lrd_buf_fini(&out);
}

static void what_is_not_compressed_passes_as_it_is(void **state) {
  (void)state;
  uint8_t *content = content_make();
  memcpy(content, "\x28\xb5\x2f\xfe", 4); /* nearly zstd's first bytes */
  same(content, CONTENT_LEN, content, CONTENT_LEN);
  memcpy(content, "\x1f\x8b\x07", 3); /* nearly gzip's */
  same(content, CONTENT_LEN, content, CONTENT_LEN);
  for (size_t len = 0; len < 6; len++) same(content, len, content, len);
  same("\x28\xb5\x2f", 3, (const uint8_t *)"\x28\xb5\x2f", 3);
  free(content);
}

static void frames_and_members_in_a_row_are_one_stream(void **state) {
  (void)state;
  static const size_t cuts[] = {0, 1, 100000, 100000, CONTENT_LEN};
  uint8_t *content = content_make();
  lrd_buf zstd = {0}, gzip = {0};
  for (size_t i = 0; i + 1 < sizeof cuts / sizeof *cuts; i++) {
    zstd_append(&zstd, content + cuts[i], cuts[i + 1] - cuts[i]);
    gzip_append(&gzip, content + cuts[i], cuts[i + 1] - cuts[i]);
  }
  same(zstd.data, zstd.len, content, CONTENT_LEN);
  same(gzip.data, gzip.len, content, CONTENT_LEN);
  lrd_buf_clear(&zstd);
  lrd_buf_clear(&gzip);
  zstd_append(&zstd, content, 0);
  gzip_append(&gzip, content, 0);
  same(zstd.data, zstd.len, content, 0);
  same(gzip.data, gzip.len, content, 0);
  lrd_buf_fini(&zstd);
  lrd_buf_fini(&gzip);
  free(content);
}

static void what_breaks_off_anywhere_is_told(void **state) {
  (void)state;
  uint8_t *content = content_make();
  lrd_buf packed[2] = {{0}, {0}}, out = {0};
  const char *why = NULL;
  zstd_append(&packed[0], content, 2000);
  gzip_append(&packed[1], content, 2000);
  for (size_t kind = 0; kind < 2; kind++) {
    for (size_t len = 4; len < packed[kind].len; len++) {
      assert_err(unpack(packed[kind].data, len, 100, 64, &out, &why), LARDER_EFORMAT);
      assert_string_equal(why, "it breaks off within its compressed data");
    }
    lrd_buf_fini(&packed[kind]);
  }
  lrd_buf_fini(&out);
  free(content);
}

static void what_is_damaged_is_told(void **state) {
  (void)state;
  uint8_t *content = content_make();
  lrd_buf packed = {0}, out = {0};
  const char *why = NULL;
  gzip_append(&packed, content, 2000);
  packed.data[packed.len / 2] ^= 0x55;
  assert_err(unpack(packed.data, packed.len, 100, 64, &out, &why), LARDER_EFORMAT);
  lrd_buf_clear(&packed);
  gzip_append(&packed, content, 2000);
  assert_ok(lrd_buf_append_str(&packed, "something else"));
  assert_err(unpack(packed.data, packed.len, 100, 64, &out, &why), LARDER_EFORMAT);
  assert_string_equal(why, "its gzip data is damaged");
  lrd_buf_clear(&packed);
  zstd_append(&packed, content, 2000);
  assert_ok(lrd_buf_append_str(&packed, "something else"));
  assert_err(unpack(packed.data, packed.len, 100, 64, &out, &why), LARDER_EFORMAT);
  assert_string_equal(why, "its zstd data is damaged");
  /* A frame whose head wants a window of 2 GiB. */
  assert_err(unpack("\x28\xb5\x2f\xfd\x00\xa8\x00\x00\x00\x00\x00\x00", 12, 100, 64, &out, &why), LARDER_EFORMAT);
  assert_string_equal(why, "its zstd window is above 128 MiB; compress it with --long=27 or less");
  lrd_buf_fini(&packed);
  lrd_buf_fini(&out);
  free(content);
}

static int64_t broken_read(void *context, void *out, size_t room) {
  (void)context;
  (void)out;
  return room > 0 ? -1 : 0;
}

static void a_source_that_fails_is_told(void **state) {
  (void)state;
  lrd_unpacking *unpacking = NULL;
  uint8_t out[8];
  const char *why;
  assert_ok(lrd_unpacking_new(broken_read, NULL, &unpacking));
  assert_int_equal(lrd_unpacking_read(unpacking, out, sizeof out), -1);
  assert_err(lrd_unpacking_failure(unpacking, &why), LARDER_EIO);
  lrd_unpacking_free(unpacking);
  lrd_unpacking_free(NULL);
}

static void without_memory_nothing_is_left_behind(void **state) {
  (void)state;
  uint8_t *content = content_make();
  lrd_buf packed = {0}, out = {0};
  gzip_append(&packed, content, 2000);
  assert_ok(lrd_buf_reserve(&out, 4096));
  for (uint64_t n = 1;; n++) {
    int64_t live = support_alloc_live();
    drip d = {packed.data, packed.len, 0, 100};
    lrd_unpacking *unpacking = NULL;
    const char *why;
    support_alloc_fail_at(n);
    larder_err result = lrd_unpacking_new(drip_read, &d, &unpacking);
    if (result == LARDER_OK && lrd_unpacking_read(unpacking, out.data, 4096) < 0)
      result = lrd_unpacking_failure(unpacking, &why);
    bool failed = support_alloc_end() >= n;
    assert_err(result, failed ? LARDER_ENOMEM : LARDER_OK);
    lrd_unpacking_free(unpacking);
    assert_int_equal(support_alloc_live(), live);
    if (!failed) break;
  }
  lrd_buf_fini(&packed);
  lrd_buf_fini(&out);
  free(content);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_not_compressed_passes_as_it_is),
      cmocka_unit_test(frames_and_members_in_a_row_are_one_stream),
      cmocka_unit_test(what_breaks_off_anywhere_is_told),
      cmocka_unit_test(what_is_damaged_is_told),
      cmocka_unit_test(a_source_that_fails_is_told),
      cmocka_unit_test(without_memory_nothing_is_left_behind),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
