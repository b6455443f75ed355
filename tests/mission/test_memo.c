/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memos: each command appends a line to a log, so that its runs can be counted. What is recorded comes back byte for byte;
 * what must not be kept is not; whatever the cache can't do, the command runs and its output is whole.
 */
#include "mission/flight_lock.h"
#include "mission_fixture.h"

#include "larder_testing.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static larder_memo_result memo(fixture *f, const larder_memo_options *options) {
  larder_memo_result result = {0};
  larder_error err = {0};
  fixture_forget_seen(f);
  assert_ok(larder_memo(f->ns, options, &result, &err));
  return result;
}

static void expect_seen(const fixture *f, const char *out, const char *err) {
  assert_string_equal(f->seen[0].data ? (char *)f->seen[0].data : "", out);
  assert_string_equal(f->seen[1].data ? (char *)f->seen[1].data : "", err);
}

static void the_second_time_the_record_answers(void **state) {
  fixture *f = *state;
  FIXTURE_SCRIPT(script, "echo x >> log; printf 'out\\n'; printf 'err\\n' >&2");
  larder_memo_options options = fixture_memo(f, script);
  larder_memo_result first = memo(f, &options);
  assert_false(first.hit);
  assert_true(first.kept);
  expect_seen(f, "out\n", "err\n");
  larder_memo_result second = memo(f, &options);
  assert_true(second.hit && second.kept);
  assert_int_equal(second.exit_code, 0);
  assert_string_equal(second.key, first.key);
  expect_seen(f, "out\n", "err\n");
  assert_int_equal(fixture_lines(f, "log"), 1);
  options.fresh = true;
  assert_false(memo(f, &options).hit);
  assert_int_equal(fixture_lines(f, "log"), 2);
}

static void files_come_back_with_their_mode(void **state) {
  fixture *f = *state;
  const char *const outputs[] = {"deep/er/out", "empty"};
  FIXTURE_SCRIPT(script, "echo x >> log; mkdir -p deep/er; printf 'made' > deep/er/out; chmod 764 deep/er/out; : > empty");
  larder_memo_options options = fixture_memo(f, script);
  struct stat found;
  char *out = support_path(f->dir, "deep/er/out");
  char *empty = support_path(f->dir, "empty");
  options.outputs = outputs;
  options.outputs_count = 2;
  assert_true(memo(f, &options).kept);
  for (int i = 0; i < 3; i++) {
    if (i == 0) { /* gone, with their folders */
      char *deep = support_path(f->dir, "deep");
      support_dir_remove(&deep);
      assert_int_equal(unlink(empty), 0);
    }
    if (i == 1) fixture_write(f, "deep/er/out", "edit"); /* as long as the right one */
    if (i == 2) assert_int_equal(chmod(out, 0600), 0);
    assert_true(memo(f, &options).hit);
    fixture_expect_file(f, "deep/er/out", "made");
    fixture_expect_file(f, "empty", "");
    assert_int_equal(stat(out, &found), 0);
    assert_int_equal(found.st_mode & 07777, 0764);
  }
  /* What is right already is left alone. */
  ino_t before = found.st_ino;
  assert_true(memo(f, &options).hit);
  assert_int_equal(stat(out, &found), 0);
  assert_int_equal(found.st_ino, before);
  assert_int_equal(fixture_lines(f, "log"), 1);
  free(out);
  free(empty);
}

static void a_changed_input_or_variable_runs_it_again(void **state) {
  fixture *f = *state;
  const char *const inputs[] = {"in"};
  const char *const names[] = {"LARDER_TEST_SEASON"};
  FIXTURE_SCRIPT(script, "echo x >> log; cat in; echo $LARDER_TEST_SEASON");
  larder_memo_options options = fixture_memo(f, script);
  options.inputs = inputs;
  options.environment = names;
  options.inputs_count = options.environment_count = 1;
  assert_int_equal(setenv("LARDER_TEST_SEASON", "spring", 1), 0);
  fixture_write(f, "in", "one\n");
  assert_false(memo(f, &options).hit);
  fixture_write(f, "in", "two\n");
  assert_false(memo(f, &options).hit);
  assert_int_equal(setenv("LARDER_TEST_SEASON", "autumn", 1), 0);
  assert_false(memo(f, &options).hit);
  fixture_write(f, "in", "one\n");
  assert_int_equal(setenv("LARDER_TEST_SEASON", "spring", 1), 0);
  assert_true(memo(f, &options).hit);
  expect_seen(f, "one\nspring\n", "");
  assert_int_equal(fixture_lines(f, "log"), 3);
}

static void what_is_not_kept_says_why(void **state) {
  fixture *f = *state;
  const char *const in[] = {"in"};
  const char *const out[] = {"nothing"};
  FIXTURE_SCRIPT(fails, "echo half; exit 3");
  FIXTURE_SCRIPT(changes, "echo more >> in");
  FIXTURE_SCRIPT(leaves, "exit 0");
  FIXTURE_SCRIPT(large, "head -c 3000000 /dev/zero");
  FIXTURE_SCRIPT(folder, "mkdir nothing");
  larder_memo_options options = fixture_memo(f, fails);
  larder_memo_result r = memo(f, &options);
  assert_int_equal(r.exit_code, 3);
  assert_false(r.kept);
  assert_string_equal(r.why, "exit code 3");
  assert_false(memo(f, &options).hit);

  fixture_write(f, "in", "one\n");
  options = fixture_memo(f, changes);
  options.inputs = in;
  options.inputs_count = 1;
  r = memo(f, &options);
  assert_false(r.kept);
  assert_string_equal(r.why, "an input changed while it ran");

  options = fixture_memo(f, leaves);
  options.outputs = out;
  options.outputs_count = 1;
  r = memo(f, &options);
  assert_false(r.kept);
  assert_non_null(strstr(r.why, "nothing was not made: No such file"));
  options.argv = folder;
  assert_non_null(strstr(memo(f, &options).why, "Is a directory"));

  options = fixture_memo(f, large); /* above max_entry of the namespace */
  r = memo(f, &options);
  assert_int_equal(f->seen[0].len, 3000000);
  assert_false(r.kept);
  assert_non_null(strstr(r.why, "standard output: is larger"));
  options.stream_bytes_max = 1000;
  r = memo(f, &options);
  assert_int_equal(f->seen[0].len, 3000000); /* passed on whole all the same */
  assert_false(r.kept);
}

static void failures_are_kept_where_asked_for(void **state) {
  fixture *f = *state;
  FIXTURE_SCRIPT(script, "echo x >> log; echo out; exit 5");
  larder_memo_options options = fixture_memo(f, script);
  options.failures = true;
  assert_true(memo(f, &options).kept);
  larder_memo_result r = memo(f, &options);
  assert_true(r.hit);
  assert_int_equal(r.exit_code, 5);
  expect_seen(f, "out\n", "");
  options.failures = false; /* who does not ask for failures is not given one */
  assert_false(memo(f, &options).hit);
  assert_int_equal(fixture_lines(f, "log"), 2);
}

static void the_folder_counts_unless_it_is_said_not_to(void **state) {
  fixture *f = *state;
  FIXTURE_SCRIPT(script, "pwd");
  larder_memo_options options = fixture_memo(f, script);
  assert_false(memo(f, &options).hit);
  options.folder = f->root;
  assert_false(memo(f, &options).hit);
  options.any_folder = true;
  assert_false(memo(f, &options).hit);
  options.folder = f->dir;
  assert_true(memo(f, &options).hit);
}

#define RECORD_KEY_LEN 64u

static bool part_visit(void *context, const larder_listed *entry) {
  lrd_buf *key = context;
  if (entry->key_len <= RECORD_KEY_LEN) return true;
  assert_ok(lrd_buf_append(key, entry->key, entry->key_len));
  return false;
}

static void a_part_that_is_gone_makes_it_a_miss(void **state) {
  fixture *f = *state;
  FIXTURE_SCRIPT(script, "echo x >> log; echo out");
  lrd_buf part = {0};
  larder_memo_options options = fixture_memo(f, script);
  assert_true(memo(f, &options).kept);
  assert_ok(larder_list(f->ns, NULL, false, 0, NULL, part_visit, &part));
  assert_true(part.len > RECORD_KEY_LEN);
  assert_ok(larder_delete(f->ns, part.data, part.len));
  assert_false(memo(f, &options).hit);
  expect_seen(f, "out\n", "");
  lrd_buf_fini(&part);
}

static bool count_visit(void *context, const larder_listed *entry) {
  (void)entry;
  (*(size_t *)context)++;
  return true;
}

static void a_new_result_leaves_nothing_of_the_old(void **state) {
  fixture *f = *state;
  FIXTURE_SCRIPT(script, "echo x >> log; cat log; echo same >&2");
  larder_memo_options options = fixture_memo(f, script);
  options.fresh = true;
  for (int i = 0; i < 3; i++) {
    size_t entries = 0;
    assert_true(memo(f, &options).kept);
    assert_ok(larder_list(f->ns, NULL, false, 0, NULL, count_visit, &entries));
    assert_int_equal(entries, 3); /* the record and two streams */
  }
}

static void a_foreign_entry_under_the_key_is_no_record(void **state) {
  fixture *f = *state;
  static const char *const texts[] = {"",
                                      "{}",
                                      "[1]",
                                      "{\"larder\":1,\"exit\":0,\"took_ms\":1,\"made_ms\":1,\"parts\":[]}",
                                      "{\"larder\":1,\"exit\":0,\"took_ms\":1,\"made_ms\":1,\"parts\":[{},{}]}",
                                      "not JSON"};
  FIXTURE_SCRIPT(script, "echo out");
  larder_memo_options options = fixture_memo(f, script);
  larder_memo_result r = memo(f, &options);
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    assert_ok(larder_put(f->ns, r.key, strlen(r.key), texts[i], strlen(texts[i]), NULL));
    assert_false(memo(f, &options).hit);
    expect_seen(f, "out\n", "");
  }
}

static void results_expire(void **state) {
  fixture *f = *state;
  FIXTURE_SCRIPT(script, "echo x >> log");
  larder_memo_options options = fixture_memo(f, script);
  options.ttl_ms = 60000;
  assert_true(memo(f, &options).kept);
  lrd_clock_moved_advance_ms(&f->clock, 59000);
  assert_true(memo(f, &options).hit);
  lrd_clock_moved_advance_ms(&f->clock, 2000);
  assert_false(memo(f, &options).hit);
  assert_int_equal(fixture_lines(f, "log"), 2);
}

static void without_a_cache_it_runs(void **state) {
  fixture *f = *state;
  FIXTURE_SCRIPT(script, "echo out; exit 4");
  larder_memo_options options = fixture_memo(f, script);
  larder_memo_result r = {0};
  assert_ok(larder_memo(NULL, &options, &r, NULL));
  assert_int_equal(r.exit_code, 4);
  assert_false(r.hit || r.kept);
  assert_string_equal(r.key, "");
  expect_seen(f, "out\n", "");
}

static void who_would_wait_for_himself_is_told(void **state) {
  fixture *f = *state;
  FIXTURE_SCRIPT(script, "echo $LARDER_MAKING");
  larder_memo_options options = fixture_memo(f, script);
  larder_error err = {0};
  larder_memo_result r = memo(f, &options);
  assert_memory_equal(f->seen[0].data, r.key, 64); /* a command knows what is made above it */
  lrd_job_key key = {0};
  for (size_t i = 0; i < sizeof key.digest; i++) {
    char pair[3] = {r.key[2 * i], r.key[2 * i + 1], 0};
    key.digest[i] = (uint8_t)strtoul(pair, NULL, 16);
  }
  lrd_job_flight flight;
  assert_ok(lrd_job_flight_take(f->ns, &key, (lrd_job_flight_wait){-1, -1}, &flight, NULL)); /* whoever makes it above */
  assert_int_equal(setenv("LARDER_MAKING", r.key, 1), 0);
  options.fresh = true;
  assert_err(larder_memo(f->ns, &options, &r, &err), LARDER_EBUSY);
  assert_non_null(strstr(err.message, "wait for itself"));
  lrd_job_flight_end(&flight);
  (void)memo(f, &options); /* a name that was inherited hinders nobody once it is made */
  assert_int_equal(unsetenv("LARDER_MAKING"), 0);
}

static void wrong_calls_are_refused(void **state) {
  fixture *f = *state;
  FIXTURE_SCRIPT(script, "exit 0");
  const char *const none[] = {NULL};
  const char *const empty[] = {""};
  larder_memo_result r = {0};
  for (int i = 0; i < 8; i++) {
    larder_memo_options options = fixture_memo(f, script);
    if (i == 0) options.size = 0;
    if (i == 1) options.argv = NULL;
    if (i == 2) options.argv = none;
    if (i == 3) options.inputs = empty, options.inputs_count = 1;
    if (i == 4) options.outputs_count = 1;
    if (i == 5) options.environment = empty, options.environment_count = LARDER_MISSION_NAMES_MAX + 1;
    if (i == 6) options.ttl_ms = -1;
    if (i == 7) options.timeout_ms = -1;
    assert_err(larder_memo(f->ns, &options, &r, NULL), LARDER_EINVAL);
  }
  larder_memo_options options = fixture_memo(f, script);
  assert_err(larder_memo(f->ns, &options, NULL, NULL), LARDER_EINVAL);
  assert_err(larder_memo(f->ns, NULL, &r, NULL), LARDER_EINVAL);
}

/* --- faults --------------------------------------------------------------------------------------------------------------- */

static FIXTURE_SCRIPT(sweep_script, "printf out; printf err >&2; printf file > out");
static const char *const sweep_outputs[] = {"out"};

static larder_memo_options sweep_memo(fixture *f) {
  larder_memo_options options = fixture_memo(f, sweep_script);
  options.outputs = sweep_outputs;
  options.outputs_count = 1;
  return options;
}

static void any_allocation_may_fail(void **state) {
  fixture *f = *state;
  for (int warm = 0; warm < 2; warm++) {
    for (uint64_t n = 1;; n++) {
      larder_memo_options options = sweep_memo(f);
      larder_memo_result r = {0};
      options.fresh = !warm;
      support_alloc_fail_at(n);
      larder_err result = larder_memo(f->ns, &options, &r, NULL);
      bool failed = support_alloc_end() >= n;
      if (result == LARDER_OK) {
        expect_seen(f, "out", "err");
        fixture_expect_file(f, "out", "file");
      } else {
        assert_err(result, LARDER_ENOMEM);
      }
      if (!failed) break;
    }
  }
}

/* Memory of the library alone: the tiers keep what they were given. */
static void nothing_leaks_when_allocations_fail(void **state) {
  fixture *f = *state;
  for (uint64_t n = 1;; n++) {
    larder_memo_options options = sweep_memo(f);
    larder_memo_result r = {0};
    int64_t live = support_alloc_live();
    support_alloc_fail_at(n);
    larder_err result = larder_memo(NULL, &options, &r, NULL);
    bool failed = support_alloc_end() >= n;
    assert_true(result == LARDER_OK || (failed && result == LARDER_ENOMEM));
    assert_int_equal(support_alloc_live(), live);
    if (!failed) break;
  }
}

static void whatever_file_operation_fails_the_output_is_whole(void **state) {
  fixture *f = *state;
  for (int warm = 0; warm < 2; warm++) {
    for (uint64_t n = 1;; n += n < 40 ? 1 : 7) {
      larder_memo_options options = sweep_memo(f);
      larder_memo_result r = {0};
      options.fresh = !warm;
      fixture_write(f, "out", "old");
      support_fs_fail_at(SUPPORT_ANY_OP, n, EIO);
      larder_err result = larder_memo(f->ns, &options, &r, NULL);
      bool failed = support_fs_end() >= n;
      lrd_larder_tick(f->cache);
      if (result == LARDER_OK) {
        assert_int_equal(r.exit_code, 0);
        expect_seen(f, "out", "err");
        fixture_expect_file(f, "out", "file");
      } else {
        assert_err(result, LARDER_EIO); /* /dev/null could not be opened, so no command could be run */
      }
      if (!failed) break;
    }
  }
}

typedef struct crash {
  fixture *f;
  uint64_t n;
} crash;

static void memo_and_crash(void *context) {
  crash *c = context;
  fixture *f = c->f;
  larder_ns *ns = NULL;
  larder_memo_result r = {0};
  larder_memo_options options = sweep_memo(f);
  larder *cache = fixture_open(f, f->root);
  if (!cache || larder_ns_open(cache, "m", &ns, NULL) != LARDER_OK) _exit(2);
  options.fresh = true;
  support_fs_crash_at(SUPPORT_ANY_OP, c->n);
  (void)!larder_memo(ns, &options, &r, NULL);
  _exit(support_fs_end() >= c->n ? 3 : 0);
}

static void a_crash_leaves_a_whole_result_or_none(void **state) {
  fixture *f = *state;
  for (uint64_t n = 1;; n += n < 20 ? 1 : 5) {
    crash c = {f, n};
    int status = support_in_child(memo_and_crash, &c);
    larder_memo_options options = sweep_memo(f);
    (void)memo(f, &options);
    expect_seen(f, "out", "err");
    fixture_expect_file(f, "out", "file");
    assert_true(memo(f, &options).hit);
    if (status == 0) break;
    assert_int_equal(status, SUPPORT_CRASHED);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      FIXTURE_TEST(the_second_time_the_record_answers),
      FIXTURE_TEST(files_come_back_with_their_mode),
      FIXTURE_TEST(a_changed_input_or_variable_runs_it_again),
      FIXTURE_TEST(what_is_not_kept_says_why),
      FIXTURE_TEST(failures_are_kept_where_asked_for),
      FIXTURE_TEST(the_folder_counts_unless_it_is_said_not_to),
      FIXTURE_TEST(a_part_that_is_gone_makes_it_a_miss),
      FIXTURE_TEST(a_new_result_leaves_nothing_of_the_old),
      FIXTURE_TEST(a_foreign_entry_under_the_key_is_no_record),
      FIXTURE_TEST(results_expire),
      FIXTURE_TEST(without_a_cache_it_runs),
      FIXTURE_TEST(who_would_wait_for_himself_is_told),
      FIXTURE_TEST(wrong_calls_are_refused),
      FIXTURE_TEST(any_allocation_may_fail),
      PLAIN_TEST(nothing_leaks_when_allocations_fail),
      FIXTURE_TEST(whatever_file_operation_fails_the_output_is_whole),
      FIXTURE_TEST(a_crash_leaves_a_whole_result_or_none),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
