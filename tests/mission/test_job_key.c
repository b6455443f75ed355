/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys of jobs. The golden ones were computed apart from this code, by Python's hashlib over the items that job.c draws, so
 * that a key means the same in every build. Each ingredient moves the key; the order in which names are given does not.
 */
#include "support/support.h"

#include "mission/job.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define GOLDEN_MEMO "48a42f233794fb8529b3ee4812f6727f5cf9d89e9ac32563b04e1de9cad8a8f8"
#define GOLDEN_STEP "5993cbcd4064689c6c459cf479359cd7dc838cc03303bba953177ef2055fa3ff"

typedef struct sample {
  const char *argv[3];
  const char *inputs[2];
  const char *outputs[2];
  const char *environment[2];
  lrd_job_key after[2];
  lrd_job job;
} sample;

static void sample_make(sample *s, const char *folder) {
  *s = (sample){.argv = {"run", "", NULL},
                .inputs = {"in.txt"},
                .outputs = {"b.out", "a.out"},
                .environment = {"LARDER_TEST_UNSET", "LARDER_TEST_SET"}};
  memset(s->after[0].digest, 1, LRD_SHA256_LEN);
  memset(s->after[1].digest, 2, LRD_SHA256_LEN);
  s->job = (lrd_job){.type = "evolve",
                     .params = lrd_span_str("{\"a\":1}"),
                     .argv = s->argv,
                     .folder = folder,
                     .inputs = {s->inputs, 1},
                     .outputs = {s->outputs, 2},
                     .environment = {s->environment, 2},
                     .after = s->after,
                     .after_len = 2};
  lrd_names_sort(&s->job.outputs);
  lrd_names_sort(&s->job.environment);
  assert_int_equal(setenv("LARDER_TEST_SET", "x", 1), 0);
  assert_int_equal(unsetenv("LARDER_TEST_UNSET"), 0);
}

static void input_write(const char *folder, const char *text) {
  char *path = support_path(folder, "in.txt");
  support_file_write(path, text, strlen(text));
  free(path);
}

static const char *hex_of(const lrd_job *job) {
  static char hex[LRD_SHA256_HEX_LEN + 1];
  lrd_job_key key;
  assert_ok(lrd_job_key_of(job, NULL, NULL, &key, NULL));
  lrd_sha256_hex(key.digest, hex);
  return hex;
}

static void keys_are_those_computed_elsewhere(void **state) {
  const char *argv[] = {"echo", "hello world", NULL};
  const lrd_job memo = {.argv = argv};
  sample s;
  assert_string_equal(hex_of(&memo), GOLDEN_MEMO);
  input_write(*state, "content\n");
  sample_make(&s, *state);
  assert_string_equal(hex_of(&s.job), GOLDEN_STEP);
}

static void names_may_come_in_any_order_and_twice(void **state) {
  (void)state;
  const char *items[] = {"b", "a", "b", "c", "a"};
  lrd_names names = {items, 5};
  lrd_names_sort(&names);
  assert_int_equal(names.len, 3);
  assert_string_equal(items[0], "a");
  assert_string_equal(items[1], "b");
  assert_string_equal(items[2], "c");
  lrd_names none = {0};
  lrd_names_sort(&none);
  assert_int_equal(none.len, 0);
}

#define CHANGES 17

static void change(sample *s, int which, const char *folder) {
  if (which == 0) s->job.type = "evolv";
  if (which == 1) s->job.params = lrd_span_str("{\"a\":2}");
  if (which == 2) s->argv[1] = "x";
  if (which == 3) s->argv[1] = NULL;
  if (which == 4) s->job.inputs.len = 0;
  if (which == 5) input_write(folder, "Content\n");
  if (which == 6) input_write(folder, "content\n\n");
  if (which == 7) s->outputs[0] = "A.out";
  if (which == 8) s->job.outputs.len = 1;
  if (which == 9) s->job.environment.len = 1;
  if (which == 10) assert_int_equal(setenv("LARDER_TEST_SET", "y", 1), 0);
  if (which == 11) assert_int_equal(setenv("LARDER_TEST_UNSET", "", 1), 0); /* empty is not unset */
  if (which == 12) s->after[0].digest[31] ^= 1;
  if (which == 13) s->job.after_len = 1;
  if (which == 14) s->job.folder_counts = true;
  if (which == 15) s->job.argv = NULL;
  if (which == 16) s->job.type = NULL;
}

static void each_ingredient_counts(void **state) {
  char keys[CHANGES + 1][LRD_SHA256_HEX_LEN + 1];
  for (int i = 0; i < CHANGES; i++) {
    sample s;
    input_write(*state, "content\n");
    sample_make(&s, *state);
    change(&s, i, *state);
    memcpy(keys[i], hex_of(&s.job), sizeof keys[i]);
  }
  memcpy(keys[CHANGES], GOLDEN_STEP, sizeof keys[CHANGES]);
  for (int i = 0; i <= CHANGES; i++)
    for (int j = 0; j < i; j++) assert_string_not_equal(keys[i], keys[j]);
}

static void arguments_do_not_run_into_each_other(void **state) {
  (void)state;
  const char *one[] = {"ab", "c", NULL};
  const char *two[] = {"a", "bc", NULL};
  const lrd_job first = {.argv = one};
  const lrd_job second = {.argv = two};
  char hex[LRD_SHA256_HEX_LEN + 1];
  memcpy(hex, hex_of(&first), sizeof hex);
  assert_string_not_equal(hex, hex_of(&second));
}

static void sums_that_are_known_are_not_read_again(void **state) {
  sample s;
  lrd_file_sum sums[1];
  lrd_job_key key;
  lrd_job_key again;
  input_write(*state, "content\n");
  sample_make(&s, *state);
  assert_ok(lrd_job_key_of(&s.job, NULL, sums, &key, NULL));
  assert_int_equal(sums[0].len, 8);
  input_write(*state, "something else");
  assert_ok(lrd_job_key_of(&s.job, sums, NULL, &again, NULL));
  assert_memory_equal(&key, &again, sizeof key);
}

static void an_input_that_cannot_be_read_is_told(void **state) {
  sample s;
  lrd_job_key key;
  larder_error err = {0};
  sample_make(&s, *state);
  assert_err(lrd_job_key_of(&s.job, NULL, NULL, &key, &err), LARDER_EINVAL);
  assert_non_null(strstr(err.message, "in.txt can't be read: No such file"));
  s.inputs[0] = ".";
  assert_err(lrd_job_key_of(&s.job, NULL, NULL, &key, &err), LARDER_EINVAL);
  assert_non_null(strstr(err.message, "Is a directory"));
  s.inputs[0] = "/dev/null";
  assert_err(lrd_job_key_of(&s.job, NULL, NULL, &key, &err), LARDER_EINVAL);
  assert_non_null(strstr(err.message, "no ordinary file"));
  s.job.inputs.len = 0;
  s.job.folder = "/nonexistent";
  s.job.folder_counts = true;
  assert_err(lrd_job_key_of(&s.job, NULL, NULL, &key, &err), LARDER_EINVAL);
}

static void large_files_are_read_piece_by_piece(void **state) {
  const size_t len = (size_t)512 << 10; /* exactly two pieces, and with a rest */
  char *data = malloc(len + 3);
  char *path = support_path(*state, "in.txt");
  lrd_file_sum sum;
  uint8_t digest[LRD_SHA256_LEN];
  assert_non_null(data);
  memset(data, 'z', len + 3);
  for (size_t more = 0; more <= 3; more += 3) {
    support_file_write(path, data, len + more);
    assert_int_equal(lrd_file_sum_of(path, &sum), 0);
    lrd_sha256_of(data, len + more, digest);
    assert_int_equal(sum.len, len + more);
    assert_memory_equal(sum.digest, digest, sizeof digest);
  }
  free(path);
  free(data);
}

static void any_allocation_or_read_may_fail(void **state) {
  sample s;
  lrd_job_key key;
  input_write(*state, "content\n");
  sample_make(&s, *state);
  for (uint64_t n = 1;; n++) {
    int64_t live = support_alloc_live();
    support_alloc_fail_at(n);
    larder_err result = lrd_job_key_of(&s.job, NULL, NULL, &key, NULL);
    bool failed = support_alloc_end() >= n;
    assert_err(result, failed ? LARDER_ENOMEM : LARDER_OK);
    assert_int_equal(support_alloc_live(), live);
    if (!failed) break;
  }
  for (uint64_t n = 1;; n++) {
    support_fs_fail_at(SUPPORT_ANY_OP, n, EIO);
    larder_err result = lrd_job_key_of(&s.job, NULL, NULL, &key, NULL);
    bool failed = support_fs_end() >= n;
    assert_err(result, failed ? LARDER_EINVAL : LARDER_OK);
    if (!failed) break;
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      SUPPORT_DIR_TEST(keys_are_those_computed_elsewhere),
      cmocka_unit_test(names_may_come_in_any_order_and_twice),
      SUPPORT_DIR_TEST(each_ingredient_counts),
      cmocka_unit_test(arguments_do_not_run_into_each_other),
      SUPPORT_DIR_TEST(sums_that_are_known_are_not_read_again),
      SUPPORT_DIR_TEST(an_input_that_cannot_be_read_is_told),
      SUPPORT_DIR_TEST(large_files_are_read_piece_by_piece),
      SUPPORT_DIR_TEST(any_allocation_or_read_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
