/* SPDX-License-Identifier: Apache-2.0 */
#include "codec_rig.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define HEX_OF_A "730ff4c7af3d46923e8ed451ee813c87f790b0a226bc96a92de49b5e9c05e1ee"

static int setup(void **state) {
  codec_rig *rig = malloc(sizeof *rig);
  rig_init(rig, RIG_KEY_A);
  *state = rig;
  return 0;
}

static int teardown(void **state) {
  (void)unsetenv("LARDER_KEY");
  (void)unsetenv("LARDER_KEY_PREVIOUS");
  rig_fini(*state);
  free(*state);
  return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static larder_err reopened(codec_rig *rig, larder_error *error) {
  lrd_codec_free(rig->codec);
  lrd_keyring_close(rig->keyring);
  rig->codec = NULL;
  rig->keyring = NULL;
  return lrd_keyring_open(rig->key_file, &rig->clock.clock, &rig->keyring, error);
}

static void keys_come_from_the_environment_and_the_file_in_order(void **state) {
  codec_rig *rig = *state;
  larder_error error = {0};
  uint64_t const id_a = lrd_keyring_at(rig->keyring, 0).id;
  assert_string_equal(lrd_keyring_at(rig->keyring, 0).source, rig->key_file);
  (void)setenv("LARDER_KEY", RIG_KEY_B, 1);
  (void)setenv("LARDER_KEY_PREVIOUS", HEX_OF_A, 1);
  assert_ok(reopened(rig, &error));
  assert_int_equal(lrd_keyring_len(rig->keyring), 2); /* the same key twice is one */
  assert_string_equal(lrd_keyring_at(rig->keyring, 0).source, "LARDER_KEY");
  assert_int_not_equal(lrd_keyring_at(rig->keyring, 0).id, id_a);
  assert_int_equal(lrd_keyring_at(rig->keyring, 1).id, id_a);
  assert_string_equal(lrd_keyring_at(rig->keyring, 1).source, rig->key_file);
  assert_int_equal(unlink(rig->key_file), 0);
  assert_ok(reopened(rig, &error));
  assert_int_equal(lrd_keyring_at(rig->keyring, 1).id, id_a); /* in hexadecimal it has the same id */
  assert_string_equal(lrd_keyring_at(rig->keyring, 1).source, "LARDER_KEY_PREVIOUS");
}

static void a_key_file_may_have_comments_and_several_keys(void **state) {
  codec_rig *rig = *state;
  rig_keys(rig, "# the present one\n" RIG_KEY_B " # since spring\n\n\t" RIG_KEY_A "\r\n#" RIG_KEY_A);
  assert_int_equal(lrd_keyring_len(rig->keyring), 2);
}

static void no_key_file_is_no_key(void **state) {
  codec_rig *rig = *state;
  larder_error error = {0};
  assert_int_equal(unlink(rig->key_file), 0);
  assert_ok(reopened(rig, &error));
  assert_int_equal(lrd_keyring_len(rig->keyring), 0);
  assert_int_equal(lrd_keyring_len(NULL), 0);
}

static void a_key_file_that_others_may_read_is_refused(void **state) {
  codec_rig *rig = *state;
  static const mode_t loose[] = {0640, 0604, 0644, 0660, 0601, 0777};
  for (size_t i = 0; i < sizeof loose / sizeof *loose; i++) {
    larder_error error = {0};
    assert_int_equal(chmod(rig->key_file, loose[i]), 0);
    assert_err(reopened(rig, &error), LARDER_EACCES);
    assert_non_null(strstr(error.message, "chmod 600"));
  }
  larder_error error = {0};
  assert_int_equal(chmod(rig->key_file, 0400), 0);
  assert_ok(reopened(rig, &error));
}

static void what_is_no_key_is_refused_and_not_repeated(void **state) {
  codec_rig *rig = *state;
  static const char *const bad[] = {"hunter2-hunter2",
                                    "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4",
                                    HEX_OF_A "0",
                                    "cw+0x689RpI/jtRR7oE8h/eQsKImvJapLeSbXpwF4e4=",
                                    "730ff4c7af3d46923e8ed451ee813c87f790b0a226bc96a92de49b5e9c05e1eg",
                                    "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4A"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    larder_error error = {0};
    support_file_write(rig->key_file, bad[i], strlen(bad[i]));
    assert_err(reopened(rig, &error), LARDER_ECONFIG);
    assert_null(strstr(error.message, bad[i]));
    assert_non_null(strstr(error.message, "larder keys new"));
  }
  larder_error error = {0};
  assert_int_equal(unlink(rig->key_file), 0);
  (void)setenv("LARDER_KEY", "hunter2", 1);
  assert_err(reopened(rig, &error), LARDER_ECONFIG);
  assert_null(strstr(error.message, "hunter2"));
}

static void more_keys_than_a_ring_holds_are_refused(void **state) {
  codec_rig *rig = *state;
  lrd_buf text = {0};
  larder_error error = {0};
  for (unsigned i = 0; i <= LRD_KEYS_MAX; i++) assert_ok(lrd_buf_printf(&text, "%064x\n", i + 1));
  support_file_write(rig->key_file, text.data, text.len);
  assert_err(reopened(rig, &error), LARDER_ECONFIG);
  lrd_buf_fini(&text);
}

static void a_new_key_is_a_key(void **state) {
  codec_rig *rig = *state;
  char text[LRD_KEY_TEXT_LEN + 1], other[LRD_KEY_TEXT_LEN + 1];
  uint64_t id = 0, other_id = 0;
  assert_ok(lrd_key_text_new(text, &id));
  assert_ok(lrd_key_text_new(other, &other_id));
  assert_string_not_equal(text, other);
  rig_keys(rig, text);
  assert_int_equal(lrd_keyring_at(rig->keyring, 0).id, id);
}

static void no_nonce_comes_twice(void **state) {
  codec_rig *rig = *state;
  uint8_t first[LRD_SEAL_NONCE_LEN], next[LRD_SEAL_NONCE_LEN], anew[LRD_SEAL_NONCE_LEN];
  uint64_t id = 0;
  assert_ok(lrd_gcm_nonce_next(rig->keyring, &id, first));
  for (int i = 0; i < 1000; i++) {
    assert_ok(lrd_gcm_nonce_next(rig->keyring, &id, next));
    assert_memory_not_equal(first, next, sizeof first);
    assert_memory_equal(first, next, LRD_SEAL_SALT_LEN);
    memcpy(first, next, sizeof first);
  }
  rig_keys(rig, RIG_KEY_A);
  assert_ok(lrd_gcm_nonce_next(rig->keyring, &id, anew));
  assert_memory_not_equal(first, anew, LRD_SEAL_SALT_LEN);
}

static int child_tries(codec_rig *rig, const lrd_buf *frame) {
  lrd_codec_policy const gcm = {.seal = LRD_SEAL_AES_256_GCM}, fernet = {.seal = LRD_SEAL_FERNET};
  lrd_buf out = {0};
  bool is_frame = false;
  larder_err by_gcm = lrd_frame_encode(rig->codec, &gcm, &rig->place, lrd_span_str("v"), 0, &out, &is_frame, NULL);
  larder_err by_fernet = lrd_frame_encode(rig->codec, &fernet, &rig->place, lrd_span_str("v"), 0, &out, &is_frame, NULL);
  lrd_buf_fini(&out);
  if (by_gcm != LARDER_EFORKED) return 2;
  if (by_fernet != LARDER_EFORKED) return 3;
  if (rig_decode_err(rig, frame->data, frame->len, 100) != LARDER_EFORKED) return 4;
  larder_error error = {0};
  if (reopened(rig, &error) != LARDER_OK || lrd_codec_new(rig->keyring, &rig->codec) != LARDER_OK) return 5;
  return rig_decode_err(rig, frame->data, frame->len, 100) == LARDER_OK ? 0 : 6;
}

static void a_forked_child_has_no_keys_until_it_opens_its_own(void **state) {
  codec_rig *rig = *state;
  lrd_codec_policy const policy = {.seal = LRD_SEAL_AES_256_GCM};
  lrd_buf frame = {0};
  rig_encode(rig, &policy, lrd_span_str("secret"), 0, &frame);
  pid_t const child = fork();
  assert_true(child >= 0);
  if (child == 0) _exit(child_tries(rig, &frame));
  int status = 0;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_int_equal(status, 0);
  rig_decodes_to(rig, &frame, lrd_span_str("secret"));
  lrd_buf_fini(&frame);
}

static void every_allocation_and_file_operation_may_fail(void **state) {
  codec_rig *rig = *state;
  for (int files = 0; files < 2; files++)
    for (uint64_t n = 1;; n++) {
      lrd_keyring *keyring = NULL;
      int64_t const live = support_alloc_live();
      if (files)
        support_fs_fail_at(SUPPORT_ANY_OP, n, EIO);
      else
        support_alloc_fail_at(n);
      larder_err const err = lrd_keyring_open(rig->key_file, &rig->clock.clock, &keyring, NULL);
      bool const reached = (files ? support_fs_end() : support_alloc_end()) >= n;
      if (err == LARDER_OK) lrd_keyring_close(keyring);
      assert_int_equal(err == LARDER_OK, !reached);
      assert_int_equal(support_alloc_live(), live);
      if (!reached) break;
    }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(keys_come_from_the_environment_and_the_file_in_order),
      TEST(a_key_file_may_have_comments_and_several_keys),
      TEST(no_key_file_is_no_key),
      TEST(a_key_file_that_others_may_read_is_refused),
      TEST(what_is_no_key_is_refused_and_not_repeated),
      TEST(more_keys_than_a_ring_holds_are_refused),
      TEST(a_new_key_is_a_key),
      TEST(no_nonce_comes_twice),
      TEST(a_forked_child_has_no_keys_until_it_opens_its_own),
      TEST(every_allocation_and_file_operation_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
