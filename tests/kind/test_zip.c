/* SPDX-License-Identifier: Apache-2.0 */
#include "support/support.h"

#include "kind/zip.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static const char TEXT[] = "what was expensive to make, what was expensive to make, what was expensive to make";

static lrd_buf archive_of(const char *const *names, size_t count, unsigned deflate) {
  lrd_zip_writer writer = {0};
  for (size_t i = 0; i < count; i++)
    assert_ok(lrd_zip_add(&writer, names[i], strlen(names[i]), lrd_span_of(TEXT, 4), lrd_span_of(TEXT + 4, sizeof TEXT - 4),
                          deflate));
  assert_ok(lrd_zip_finish(&writer));
  lrd_buf out = writer.out;
  writer.out = (lrd_buf){0};
  lrd_zip_writer_fini(&writer);
  return out;
}

static larder_err opened(const void *data, size_t len, larder_error *err) {
  lrd_zip zip = {0};
  larder_err result = lrd_zip_open(&zip, data, len, err);
  if (result == LARDER_OK) result = lrd_zip_verify(&zip, err);
  lrd_zip_fini(&zip);
  return result;
}

static void members_come_back_stored_and_deflated(void **state) {
  (void)state;
  static const char *const names[] = {"a", "b/c", "d"};
  for (unsigned deflate = 0; deflate <= 12; deflate++) {
    lrd_buf made = archive_of(names, 3, deflate);
    lrd_zip zip = {0};
    assert_true(lrd_zip_is(made.data, made.len));
    assert_ok(lrd_zip_open(&zip, made.data, made.len, NULL));
    assert_int_equal(zip.members_len, 3);
    assert_ok(lrd_zip_verify(&zip, NULL));
    const lrd_zip_member *member = lrd_zip_find(&zip, "b/c", 3);
    assert_non_null(member);
    assert_int_equal(member->method, deflate ? LRD_ZIP_DEFLATED : LRD_ZIP_STORED);
    assert_int_equal(member->len, sizeof TEXT);
    if (!deflate) assert_int_equal((member->packed - made.data) % 64, 0);
    char out[sizeof TEXT];
    assert_ok(lrd_zip_extract(member, (uint8_t *)out, NULL));
    assert_string_equal(out, TEXT);
    assert_null(lrd_zip_find(&zip, "b", 1));
    lrd_zip_fini(&zip);
    lrd_buf_fini(&made);
  }
}

/* One flipped bit is seen, or was in a field that nobody reads; then every member is still what it was. */
static void no_flipped_bit_changes_what_is_read(void **state) {
  (void)state;
  static const char *const names[] = {"ab", "cd"};
  for (unsigned deflate = 0; deflate < 2; deflate++) {
    lrd_buf made = archive_of(names, 2, deflate);
    size_t refused = 0;
    for (size_t bit = 0; bit < made.len * 8; bit++) {
      lrd_zip zip = {0};
      char out[sizeof TEXT];
      made.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
      larder_err result = lrd_zip_open(&zip, made.data, made.len, NULL);
      if (result == LARDER_OK) result = lrd_zip_verify(&zip, NULL);
      if (result == LARDER_OK) {
        assert_int_equal(zip.members_len, 2);
        for (size_t i = 0; i < 2; i++) {
          const lrd_zip_member *member = lrd_zip_find(&zip, names[i], 2);
          assert_non_null(member);
          assert_int_equal(member->len, sizeof TEXT);
          assert_ok(lrd_zip_extract(member, (uint8_t *)out, NULL));
          assert_string_equal(out, TEXT);
        }
      } else {
        refused++;
      }
      lrd_zip_fini(&zip);
      made.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_true(refused > made.len * 4);
    lrd_buf_fini(&made);
  }
}

static void a_cut_archive_is_none(void **state) {
  (void)state;
  static const char *const names[] = {"ab", "cd"};
  lrd_buf made = archive_of(names, 2, 1);
  for (size_t len = 0; len < made.len; len++) {
    uint8_t *part = malloc(len ? len : 1);
    assert_non_null(part);
    memcpy(part, made.data, len);
    assert_err(opened(part, len, NULL), LARDER_EFORMAT);
    free(part);
  }
  lrd_buf_fini(&made);
}

/* Others take the last end record there is; an archive that hides in another one's comment is not two. */
static void two_archives_in_one_are_none(void **state) {
  (void)state;
  static const char *const outer[] = {"a"}, *const inner[] = {"b"};
  lrd_buf made = archive_of(outer, 1, 0);
  lrd_buf hidden = archive_of(inner, 1, 0);
  hidden.data[hidden.len - 2] = 1; /* its comment would be longer than what is there */
  lrd_put_u16(made.data + made.len - 2, (uint16_t)hidden.len);
  assert_ok(lrd_buf_append(&made, hidden.data, hidden.len));
  assert_err(opened(made.data, made.len, NULL), LARDER_EFORMAT);
  lrd_buf_fini(&made);
  lrd_buf_fini(&hidden);
}

static void names_that_lead_out_of_their_folder_are_refused(void **state) {
  (void)state;
  static const char *const bad[] = {"../a", "..", "/a", "a/..", "a/../b", "a\\b", "c:a", "a\nb", "\x7f", ""};
  static const char *const good[] = {"a", "a/b", "..a", "a..", "a/...", "a/.hidden", "\xc3\xa9"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    larder_error err = {0};
    assert_false(lrd_zip_name_stays(bad[i], strlen(bad[i])));
    lrd_buf made = archive_of(&bad[i], 1, 0); /* the writer's callers check; here it shall write them */
    assert_err(opened(made.data, made.len, &err), LARDER_EFORMAT);
    assert_non_null(strstr(err.message, "leads out of its folder"));
    lrd_buf_fini(&made);
  }
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) assert_true(lrd_zip_name_stays(good[i], strlen(good[i])));
  assert_false(lrd_zip_name_stays("a\0b", 3));
}

static size_t find(const lrd_buf *in, const char *magic, size_t from) {
  for (size_t at = from; at + 4 <= in->len; at++)
    if (memcmp(in->data + at, magic, 4) == 0) return at;
  fail_msg("there is no such header");
  return 0;
}

static void refused_for(const lrd_buf *made, const char *why) {
  larder_error err = {0};
  larder_err result = opened(made->data, made->len, &err);
  assert_err(result, LARDER_EFORMAT);
  if (!strstr(err.message, why)) fail_msg("%s, not %s", err.message, why);
}

/* Fields of both headers of the first member, changed together or apart. */
static void archives_that_lie_are_refused_with_the_reason(void **state) {
  (void)state;
  static const char *const names[] = {"ab", "cd"};
  static const char *const same[] = {"ab", "ab"};
  lrd_buf made = archive_of(same, 2, 0);
  refused_for(&made, "is there twice");
  lrd_buf_fini(&made);

  made = archive_of(names, 2, 1);
  size_t central = find(&made, "PK\x01\x02", 0), second = find(&made, "PK\x01\x02", central + 4);
  lrd_buf as_made = {0};
  assert_ok(lrd_buf_append(&as_made, made.data, made.len));
#define AGAIN() memcpy(made.data, as_made.data, made.len)
  made.data[central + 46] = 'x';
  refused_for(&made, "is another one in the directory");
  AGAIN();
  lrd_put_u32(made.data + second + 42, 0); /* both entries speak of the first member */
  made.data[second + 46] = 'a', made.data[second + 47] = 'b';
  refused_for(&made, "lies on another one");
  AGAIN();
  lrd_put_u32(made.data + central + 24, 90); /* unpacked, in the directory only */
  refused_for(&made, "has other lengths");
  lrd_put_u32(made.data + 22, 90);
  refused_for(&made, "does not unpack to what it claims");
  lrd_put_u32(made.data + 22, 0x7fffffff);
  lrd_put_u32(made.data + central + 24, 0x7fffffff);
  refused_for(&made, "more than its bytes can hold");
  AGAIN();
  made.data[6] |= 1, made.data[central + 8] |= 1;
  refused_for(&made, "is encrypted");
  AGAIN();
  made.data[8] = 12, made.data[central + 10] = 12;
  refused_for(&made, "another method than deflate");
  AGAIN();
  lrd_put_u32(made.data + central + 42, (uint32_t)made.len);
  refused_for(&made, "is not where the directory says");
  AGAIN();
  made.data[6] |= 8, made.data[central + 8] |= 8;
  refused_for(&made, "no data descriptor");
  AGAIN();
  lrd_put_u32(made.data + 14, 1), lrd_put_u32(made.data + central + 16, 1);
  refused_for(&made, "another checksum");
  AGAIN();
  size_t end = find(&made, "PK\x05\x06", 0);
  lrd_put_u16(made.data + end + 8, 3), lrd_put_u16(made.data + end + 10, 3);
  refused_for(&made, "too short for its members");
  lrd_put_u16(made.data + end + 8, 1), lrd_put_u16(made.data + end + 10, 1);
  refused_for(&made, "goes on behind its members");
  lrd_put_u16(made.data + end + 8, 0xffff), lrd_put_u16(made.data + end + 10, 0xffff);
  refused_for(&made, "zip64 end that is not there");
  AGAIN();
  lrd_put_u32(made.data + end + 16, 0);
  refused_for(&made, "not where its end says");
  lrd_buf_fini(&as_made);
  lrd_buf_fini(&made);
}

/* A member of 5 GiB and one behind it, in memory that is never touched but at the headers. */
static void members_above_and_behind_4_gib_are_found_by_zip64(void **state) {
  (void)state;
  const uint64_t big = (uint64_t)5 << 30, room = big + 4096;
  uint8_t *at = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) skip();
  const uint64_t second = 30 + 1 + 20 + big, central = second + 31;
  const uint64_t sizes[2] = {big, 0}, begins[2] = {0, second};
  uint8_t *entry = at + central;
  for (size_t i = 0; i < 2; i++) {
    uint8_t *local = at + begins[i];
    memcpy(local, "PK\x03\x04\x2d", 5);
    lrd_put_u32(local + 18, i ? 0 : UINT32_MAX), lrd_put_u32(local + 22, i ? 0 : UINT32_MAX);
    lrd_put_u16(local + 26, 1), lrd_put_u16(local + 28, i ? 0 : 20);
    local[30] = (uint8_t)('a' + i);
    if (i == 0) {
      lrd_put_u16(local + 31, 1), lrd_put_u16(local + 33, 16);
      lrd_put_u64(local + 35, big), lrd_put_u64(local + 43, big);
    }
    memcpy(entry, "PK\x01\x02\x2d\x03\x2d", 7);
    lrd_put_u32(entry + 20, UINT32_MAX), lrd_put_u32(entry + 24, UINT32_MAX), lrd_put_u32(entry + 42, UINT32_MAX);
    lrd_put_u16(entry + 28, 1), lrd_put_u16(entry + 30, 28);
    entry[46] = (uint8_t)('a' + i);
    lrd_put_u16(entry + 47, 1), lrd_put_u16(entry + 49, 24);
    lrd_put_u64(entry + 51, sizes[i]), lrd_put_u64(entry + 59, sizes[i]), lrd_put_u64(entry + 67, begins[i]);
    entry += 75;
  }
  memcpy(entry, "PK\x06\x06", 4);
  lrd_put_u64(entry + 4, 44), lrd_put_u64(entry + 24, 2), lrd_put_u64(entry + 32, 2);
  lrd_put_u64(entry + 40, 150), lrd_put_u64(entry + 48, central);
  memcpy(entry + 56, "PK\x06\x07", 4);
  lrd_put_u64(entry + 64, central + 150), lrd_put_u32(entry + 72, 1);
  memcpy(entry + 76, "PK\x05\x06", 4);
  memset(entry + 84, 0xff, 12); /* entries, length and place: all in the zip64 end */
  lrd_zip zip = {0};
  larder_error err = {0};
  size_t len = (size_t)(entry + 98 - at);
  if (lrd_zip_open(&zip, at, len, &err) != LARDER_OK) fail_msg("%s", err.message);
  assert_int_equal(zip.members_len, 2);
  assert_int_equal(zip.members[0].len, big);
  assert_int_equal(zip.members[1].begin, second);
  assert_err(lrd_zip_len_check(&zip.members[0], &err), LARDER_ETOOBIG);
  lrd_zip_fini(&zip);
  lrd_put_u64(at + 35, big + 4096), lrd_put_u64(at + 43, big + 4096);
  lrd_put_u64(at + central + 51, big + 4096), lrd_put_u64(at + central + 59, big + 4096);
  assert_err(lrd_zip_open(&zip, at, len, &err), LARDER_EFORMAT);
  assert_non_null(strstr(err.message, "is longer than the archive"));
  (void)munmap(at, room);
}

static void opening_and_verifying_survive_every_failed_allocation(void **state) {
  (void)state;
  static const char *const names[] = {"ab", "cd"};
  lrd_buf made = archive_of(names, 2, 1);
  for (uint64_t n = 1;; n++) {
    int64_t live = support_alloc_live();
    support_alloc_fail_at(n);
    larder_err result = opened(made.data, made.len, NULL);
    bool failed = support_alloc_end() >= n;
    assert_err(result, failed ? LARDER_ENOMEM : LARDER_OK);
    assert_int_equal(support_alloc_live(), live);
    if (!failed) break;
  }
  lrd_buf_fini(&made);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(members_come_back_stored_and_deflated),
      cmocka_unit_test(no_flipped_bit_changes_what_is_read),
      cmocka_unit_test(a_cut_archive_is_none),
      cmocka_unit_test(two_archives_in_one_are_none),
      cmocka_unit_test(names_that_lead_out_of_their_folder_are_refused),
      cmocka_unit_test(archives_that_lie_are_refused_with_the_reason),
      cmocka_unit_test(members_above_and_behind_4_gib_are_found_by_zip64),
      cmocka_unit_test(opening_and_verifying_survive_every_failed_allocation),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
