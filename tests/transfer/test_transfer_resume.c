/* SPDX-License-Identifier: Apache-2.0 */
/* An import goes on where it ended, and only in the file that it was. */
#include "transfer_rig.h"

#include "core/cache.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static void an_import_goes_on_where_it_was_stopped(void **state) {
  transfer_rig *f = *state;
  char *path = support_path(f->dir, "x.jsonl"), *rejects = support_path(f->dir, "rejects");
  larder_transfer_counts counts;
  size_t len;
  transfer_stop stop = {.entries = 1000};
  transfer_lines_write(path, 3000);
  larder_import_options how = {.ns = "n", .rejects = rejects, .progress = transfer_progress_stop, .context = &stop};
  assert_err(transfer_import(f->cache, path, &how, &counts), LARDER_ECANCELLED);
  assert_true(counts.entries >= 1000 && counts.entries < 3000);
  transfer_expect(f->ns, "k999", "999");
  transfer_expect(f->ns, "k2999", NULL);
  uint64_t until = counts.entries;
  how.progress = NULL;
  how.resume = true;
  assert_ok(transfer_import(f->cache, path, &how, &counts));
  assert_int_equal(counts.resumed, until);
  assert_int_equal(counts.entries, 3000);
  assert_int_equal(counts.done, 2999);
  assert_int_equal(counts.skipped, 0);
  assert_int_equal(counts.failed, 1);
  transfer_expect(f->ns, "k2999", "2999");
  char *kept = support_file_read(rejects, &len);
  assert_string_equal(kept, "{\"key\":7}\n");
  free(kept);
  /* Nothing to go on with: from the front, all of it known. */
  assert_ok(transfer_import(f->cache, path, &how, &counts));
  assert_int_equal(counts.resumed, 0);
  assert_int_equal(counts.skipped, 2999);
  free(path);
  free(rejects);
}

static void leftover_write(const transfer_rig *f, const char *name, int days_old) {
  char *path = support_path(f->root, name);
  struct timespec const when = {.tv_sec = START_MS / 1000 - days_old * 86400L}, times[2] = {when, when};
  support_file_write(path, "{}", 2);
  assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
  free(path);
}

static bool leftover_there(const transfer_rig *f, const char *name) {
  char *path = support_path(f->root, name);
  bool const there = access(path, F_OK) == 0;
  free(path);
  return there;
}

static void what_nobody_goes_on_with_is_removed_in_the_end(void **state) {
  transfer_rig *f = *state;
  static const char *const old[] = {"import-0123456789abcdef.json", "warm-0123456789abcdef.json",
                                    "rejects-fedcba9876543210.json", "import-0123456789abcdef.json.0123456789abcdef.tmp"};
  static const char *const others[] = {"import-0123456789abcdef.json~", "import-0123456789abcde.json", "warm.json",
                                       "rejects-0123456789ABCDEF.json"};
  static const char young[] = "import-00000000000000aa.json";
  char *path = support_path(f->dir, "x.jsonl");
  transfer_lines_write(path, 3);
  for (unsigned way = 0; way < 3; way++) {
    for (size_t i = 0; i < 4; i++) leftover_write(f, old[i], 91);
    for (size_t i = 0; i < 4; i++) leftover_write(f, others[i], 1000);
    leftover_write(f, young, 80);
    if (way == 0)
      assert_ok(transfer_import(f->cache, path, &(larder_import_options){.ns = "n"}, NULL));
    else if (way == 1)
      assert_ok(larder_sweep(f->cache, NULL));
    else
      lrd_clock_moved_advance_ms(&f->clock, INT64_C(86400000));
    if (way == 2) lrd_keeper_tick(f->cache);
    for (size_t i = 0; i < 4; i++) assert_false(leftover_there(f, old[i]));
    for (size_t i = 0; i < 4; i++) assert_true(leftover_there(f, others[i]));
    assert_true(leftover_there(f, young));
  }
  leftover_write(f, old[0], 91);
  lrd_keeper_tick(f->cache); /* which has looked today */
  assert_true(leftover_there(f, old[0]));
  free(path);
}

/* The one that an import left on the root; own. */
static char *checkpoint_find(const transfer_rig *f) {
  char *path = NULL;
  DIR *folder = opendir(f->root);
  assert_non_null(folder);
  for (const struct dirent *entry; !path && (entry = readdir(folder)) != NULL;)
    if (strncmp(entry->d_name, "import-", 7) == 0) path = support_path(f->root, entry->d_name);
  closedir(folder);
  return path;
}

static bool checkpoint_stays(void *context, const larder_transfer_counts *counts) {
  (void)counts;
  char *path = checkpoint_find(context);
  bool const there = path != NULL;
  free(path);
  return there;
}

static void what_is_gone_on_with_late_is_not_lost(void **state) {
  transfer_rig *f = *state;
  char *path = support_path(f->dir, "x.jsonl");
  larder_transfer_counts counts;
  transfer_stop stop = {.entries = 1000};
  struct timespec const when = {.tv_sec = START_MS / 1000 - 91 * 86400L}, times[2] = {when, when};
  transfer_lines_write(path, 3000);
  larder_import_options how = {.ns = "n", .progress = transfer_progress_stop, .context = &stop};
  assert_err(transfer_import(f->cache, path, &how, NULL), LARDER_ECANCELLED);
  char *checkpoint = checkpoint_find(f);
  assert_non_null(checkpoint);
  assert_int_equal(utimensat(AT_FDCWD, checkpoint, times, 0), 0);
  how = (larder_import_options){.ns = "n", .progress = checkpoint_stays, .context = f, .resume = true};
  larder *late = transfer_open_at(f, f->root); /* which has cleared nothing yet */
  assert_ok(transfer_import(late, path, &how, &counts));
  assert_true(counts.resumed >= 1000);
  assert_int_equal(access(checkpoint, F_OK), -1);
  assert_ok(larder_close(&late));
  free(checkpoint);
  free(path);
}

static void another_file_under_the_same_name_is_begun_anew(void **state) {
  transfer_rig *f = *state;
  char *path = support_path(f->dir, "x.jsonl");
  larder_transfer_counts counts;
  transfer_stop stop = {.entries = 1000};
  transfer_lines_write(path, 3000);
  larder_import_options how = {.ns = "n", .progress = transfer_progress_stop, .context = &stop};
  assert_err(transfer_import(f->cache, path, &how, &counts), LARDER_ECANCELLED);
  transfer_lines_write(path, 2500);
  how.progress = NULL;
  how.resume = true;
  assert_ok(transfer_import(f->cache, path, &how, &counts));
  assert_int_equal(counts.resumed, 0);
  assert_int_equal(counts.entries, 2500);
  free(path);
}

static void each_format_can_be_gone_on_with(void **state) {
  transfer_rig *f = *state;
  char key[16];
  for (unsigned i = 0; i < 1500; i++) {
    snprintf(key, sizeof key, "k%u", i);
    transfer_put_text(f->ns, key, key);
  }
  for (size_t i = 0; i < 3; i++) {
    char name[32];
    larder_transfer_counts counts;
    transfer_stop stop = {.entries = 500};
    larder_ns *ns = NULL;
    snprintf(name, sizeof name, "r.%s", transfer_endings[i]);
    char *path = support_path(f->dir, name), *root = support_path(f->dir, transfer_endings[i]);
    assert_ok(transfer_export(f, path, false, NULL));
    larder *cache = transfer_open_at(f, root);
    larder_import_options how = {.progress = transfer_progress_stop, .context = &stop};
    assert_err(transfer_import(cache, path, &how, &counts), LARDER_ECANCELLED);
    how.progress = NULL;
    how.resume = true;
    assert_ok(transfer_import(cache, path, &how, &counts));
    assert_int_equal(counts.entries, 1500);
    assert_int_equal(counts.done, 1500);
    assert_true(counts.resumed >= 500);
    assert_true(counts.verified);
    assert_ok(larder_ns_open(cache, "n", &ns, NULL));
    transfer_expect(ns, "k1499", "k1499");
    assert_ok(larder_close(&cache));
    free(path);
    free(root);
  }
}

/* Refused with a sentence that has these words, and nothing of the checkpoint is lost. */
static void expect_refused(larder *cache, const char *path, const char *mark, larder_import_options how, const char *words) {
  larder_error err = {0};
  larder_transfer_counts counts;
  size_t len, new_len;
  char *before = support_file_read(mark, &len);
  how.size = sizeof how;
  how.resume = true;
  assert_err(larder_import(cache, path, &how, &counts, &err), LARDER_EINVAL);
  assert_int_equal(counts.entries, 0);
  if (!strstr(err.message, words)) fail_msg("%s", err.message);
  assert_non_null(strstr(err.message, "--resume"));
  char *after = support_file_read(mark, &new_len);
  assert_string_equal(after, before);
  free(before);
  free(after);
}

static void a_checkpoint_is_of_one_namespace_and_one_root(void **state) {
  transfer_rig *f = *state;
  char *path = support_path(f->dir, "x.jsonl"), *other = support_path(f->dir, "y.jsonl"), *mark = support_path(f->dir, "mark"),
       *root = support_path(f->dir, "another");
  static const char *const newer[] = {"\"root\":", "\"into\":"};
  larder_transfer_counts counts;
  transfer_stop stop = {.entries = 1000};
  size_t len;
  transfer_lines_write(path, 3000);
  transfer_lines_write(other, 2500);
  larder_import_options how = {.ns = "n", .checkpoint = mark, .progress = transfer_progress_stop, .context = &stop};
  assert_err(transfer_import(f->cache, path, &how, NULL), LARDER_ECANCELLED);
  how.progress = NULL;
  how.ns = "m";
  expect_refused(f->cache, path, mark, how, "into another namespace");
  how.ns = NULL;
  expect_refused(f->cache, path, mark, how, "into another namespace");
  how.ns = "n";
  larder *cache = transfer_open_at(f, root);
  expect_refused(cache, path, mark, how, "into another root");
  assert_ok(larder_close(&cache));
  cache = transfer_open_at(f, NULL);
  expect_refused(cache, path, mark, how, "into another root");
  assert_ok(larder_close(&cache));
  expect_refused(f->cache, other, mark, how, "of another file");
  how.value_row = true;
  expect_refused(f->cache, path, mark, how, "with other fields");
  how.value_row = false;
  /* As it was before it knew where its entries go. */
  char *right = support_file_read(mark, &len);
  for (size_t i = 0; i < 2; i++) {
    char *old = support_file_read(mark, &len), *at = strstr(old, newer[i]);
    assert_non_null(at);
    at[1] = 'x';
    support_file_write(mark, old, len);
    expect_refused(f->cache, path, mark, how, "of an older version");
    support_file_write(mark, right, len);
    free(old);
  }
  free(right);
  how.resume = true;
  assert_ok(transfer_import(f->cache, path, &how, &counts));
  assert_true(counts.resumed >= 1000);
  assert_int_equal(access(mark, F_OK), -1);
  free(path);
  free(other);
  free(mark);
  free(root);
}

static void what_is_refused_takes_no_checkpoint_away(void **state) {
  transfer_rig *f = *state;
  char *path = support_path(f->dir, "x.jsonl"), *rejects = support_path(f->dir, "rejects");
  larder_transfer_counts counts;
  transfer_stop stop = {.entries = 1000};
  struct stat info;
  transfer_lines_write(path, 3000);
  assert_int_equal(stat(path, &info), 0);
  struct timespec const times[2] = {info.st_mtim, info.st_mtim};
  larder_import_options how = {.ns = "n", .progress = transfer_progress_stop, .context = &stop};
  assert_err(transfer_import(f->cache, path, &how, NULL), LARDER_ECANCELLED);
  char *mark = checkpoint_find(f);
  assert_non_null(mark);
  how = (larder_import_options){.ns = "n", .value_row = true};
  expect_refused(f->cache, path, mark, how, "with other fields");
  /* Another file would be begun anew, if its rejects could go where they shall. */
  support_file_write(rejects, "mine", 4);
  transfer_lines_write(path, 2500);
  how = (larder_import_options){.ns = "n", .rejects = rejects, .resume = true};
  assert_err(transfer_import(f->cache, path, &how, NULL), LARDER_EINVAL);
  assert_int_equal(access(mark, F_OK), 0);
  transfer_lines_write(path, 3000);
  assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
  how.rejects = NULL;
  assert_ok(transfer_import(f->cache, path, &how, &counts));
  assert_true(counts.resumed >= 1000);
  free(mark);
  free(path);
  free(rejects);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      CASE(an_import_goes_on_where_it_was_stopped),   CASE(what_nobody_goes_on_with_is_removed_in_the_end),
      CASE(what_is_gone_on_with_late_is_not_lost),    CASE(another_file_under_the_same_name_is_begun_anew),
      CASE(each_format_can_be_gone_on_with),          CASE(a_checkpoint_is_of_one_namespace_and_one_root),
      CASE(what_is_refused_takes_no_checkpoint_away),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
