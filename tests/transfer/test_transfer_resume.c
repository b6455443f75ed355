/* SPDX-License-Identifier: Apache-2.0 */
/* An import goes on where it ended, and only in the file that it was. */
#include "transfer_rig.h"

#include "core/cache.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

typedef struct stop_at {
  uint64_t entries;
  uint64_t calls;
} stop_at;

static bool progress_stop(void *context, const larder_transfer_counts *counts) {
  stop_at *stop = context;
  stop->calls++;
  return counts->entries < stop->entries;
}

static void an_import_goes_on_where_it_was_stopped(void **state) {
  transfer_rig *f = *state;
  char *path = support_path(f->dir, "x.jsonl"), *rejects = support_path(f->dir, "rejects");
  larder_transfer_counts counts;
  size_t len;
  stop_at stop = {.entries = 1000};
  transfer_lines_write(path, 3000);
  larder_import_options how = {.ns = "n", .rejects = rejects, .progress = progress_stop, .context = &stop};
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

/* The rejects that were written before the stop have been seen to since: the file is gone, or shorter. */
static void rejects_that_were_mended_are_left_alone(void **state) {
  transfer_rig *f = *state;
  char *path = support_path(f->dir, "x.jsonl"), *rejects = support_path(f->dir, "rejects");
  static const char *const mended[] = {NULL, "{}\n"};
  for (size_t i = 0; i < 2; i++) {
    stop_at stop = {.entries = 1000};
    size_t len;
    char wanted[64];
    transfer_lines_write(path, 3000);
    FILE *out = fopen(path, "a");
    assert_non_null(out);
    fputs("{\"key\":8}\n", out);
    fclose(out);
    larder_import_options how = {.ns = "n", .rejects = rejects, .progress = progress_stop, .context = &stop};
    assert_err(transfer_import(f->cache, path, &how, NULL), LARDER_ECANCELLED);
    if (mended[i])
      support_file_write(rejects, mended[i], strlen(mended[i]));
    else
      assert_int_equal(unlink(rejects), 0);
    how.progress = NULL;
    how.resume = true;
    assert_ok(transfer_import(f->cache, path, &how, NULL));
    snprintf(wanted, sizeof wanted, "%s{\"key\":8}\n", mended[i] ? mended[i] : "");
    char *kept = support_file_read(rejects, &len);
    assert_string_equal(kept, wanted);
    free(kept);
  }
  free(path);
  free(rejects);
}

static void rejects_are_of_this_import_alone(void **state) {
  transfer_rig *f = *state;
  static const char good[] = "{\"key\":\"a\",\"value\":\"1\"}\n";
  char *path = support_path(f->dir, "y.jsonl"), *rejects = support_path(f->dir, "rejects"),
       *none = support_path(f->dir, "none");
  size_t len;
  support_file_write(path, "{\"key\":9}\n", 10);
  larder_import_options how = {.ns = "n", .rejects = rejects};
  assert_ok(transfer_import(f->cache, path, &how, NULL));
  assert_int_equal(access(rejects, F_OK), 0);
  support_file_write(path, good, sizeof good - 1);
  assert_ok(transfer_import(f->cache, path, &how, NULL));
  char *kept = support_file_read(rejects, &len);
  assert_string_equal(kept, "");
  free(kept);
  how.rejects = none;
  assert_ok(transfer_import(f->cache, path, &how, NULL));
  assert_int_equal(access(none, F_OK), -1);
  /* A file that is something else stays as it is. */
  how.checkpoint = none;
  assert_err(transfer_import(f->cache, path, &how, NULL), LARDER_EINVAL);
  how.rejects = rejects;
  assert_int_equal(link(rejects, none), 0);
  assert_err(transfer_import(f->cache, path, &how, NULL), LARDER_EINVAL);
  how.checkpoint = NULL;
  how.rejects = f->dir;
  assert_err(transfer_import(f->cache, path, &how, NULL), LARDER_EINVAL);
  how.rejects = path;
  assert_err(transfer_import(f->cache, path, &how, NULL), LARDER_EINVAL);
  free(path);
  free(rejects);
  free(none);
}

typedef struct killed {
  transfer_rig *f;
  const char *path, *rejects;
  uint64_t at;
} killed;

static void killed_body(void *context) {
  const killed *k = context;
  larder *cache = transfer_open_at(k->f, k->f->root);
  larder_import_options how = {.size = sizeof how, .ns = "n", .rejects = k->rejects};
  support_fs_crash_at(SUPPORT_ANY_OP, k->at);
  support_fs_only_path("rejects");
  (void)!larder_import(cache, k->path, &how, NULL, NULL);
  support_fs_end();
  (void)larder_close(&cache);
}

/* Whatever it had come to, the same import takes its own file for its own. */
static void an_import_that_was_killed_knows_its_rejects(void **state) {
  transfer_rig *f = *state;
  char *path = support_path(f->dir, "x.jsonl"), *rejects = support_path(f->dir, "rejects");
  size_t len;
  int crashes = 0;
  transfer_lines_write(path, 300);
  for (killed k = {f, path, rejects, 1}; k.at < 25 && support_in_child(killed_body, &k) == SUPPORT_CRASHED; k.at++, crashes++) {
    larder_import_options how = {.ns = "n", .rejects = rejects};
    assert_ok(transfer_import(f->cache, path, &how, NULL));
    char *kept = support_file_read(rejects, &len);
    assert_string_equal(kept, "{\"key\":7}\n");
    free(kept);
  }
  assert_true(crashes > 3);
  free(path);
  free(rejects);
}

static void a_file_that_is_something_else_is_refused_before_anything_is_done(void **state) {
  transfer_rig *f = *state;
  char *path = support_path(f->dir, "x.jsonl"), *rejects = support_path(f->dir, "rejects"),
       *other = support_path(f->dir, "other");
  larder_error err = {0};
  larder_transfer_counts counts;
  size_t len;
  stop_at stop = {.entries = 1000};
  transfer_lines_write(path, 3000);
  support_file_write(other, "mine", 4);
  larder_import_options how = {.size = sizeof how, .ns = "n", .rejects = rejects, .progress = progress_stop, .context = &stop};
  assert_err(transfer_import(f->cache, path, &how, NULL), LARDER_ECANCELLED);
  how.rejects = other;
  assert_err(larder_import(f->cache, path, &how, &counts, &err), LARDER_EINVAL);
  assert_non_null(strstr(err.message, "move it away, or name another file"));
  assert_int_equal(counts.entries, 0);
  how.dry_run = true;
  assert_err(transfer_import(f->cache, path, &how, NULL), LARDER_EINVAL);
  how = (larder_import_options){.ns = "n", .rejects = rejects, .resume = true};
  assert_ok(transfer_import(f->cache, path, &how, &counts)); /* what it could go on with is there still */
  assert_true(counts.resumed > 0);
  how.rejects = other;
  assert_err(transfer_import(f->cache, path, &how, NULL), LARDER_EINVAL); /* nothing to go on with: as without it */
  char *kept = support_file_read(other, &len);
  assert_string_equal(kept, "mine");
  free(kept);
  free(path);
  free(rejects);
  free(other);
}

/* A checkpoint says that they are there. */
static void rejects_are_synced_before_a_checkpoint(void **state) {
  transfer_rig *f = *state;
  char *path = support_path(f->dir, "x.jsonl"), *rejects = support_path(f->dir, "rejects");
  larder_transfer_counts counts;
  stop_at stop = {.entries = 1000};
  transfer_lines_write(path, 3000);
  larder_import_options how = {.ns = "n", .rejects = rejects, .progress = progress_stop, .context = &stop};
  support_fs_fail_at(LRD_FS_SYNC, 1, EIO);
  support_fs_only_path("rejects");
  assert_err(transfer_import(f->cache, path, &how, NULL), LARDER_EIO);
  assert_int_equal(support_fs_end(), 1);
  how.progress = NULL;
  how.resume = true;
  assert_ok(transfer_import(f->cache, path, &how, &counts));
  assert_int_equal(counts.resumed, 0);
  assert_int_equal(counts.failed, 1);
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

static void another_file_under_the_same_name_is_begun_anew(void **state) {
  transfer_rig *f = *state;
  char *path = support_path(f->dir, "x.jsonl");
  larder_transfer_counts counts;
  stop_at stop = {.entries = 1000};
  transfer_lines_write(path, 3000);
  larder_import_options how = {.ns = "n", .progress = progress_stop, .context = &stop};
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
    stop_at stop = {.entries = 500};
    larder_ns *ns = NULL;
    snprintf(name, sizeof name, "r.%s", transfer_endings[i]);
    char *path = support_path(f->dir, name), *root = support_path(f->dir, transfer_endings[i]);
    assert_ok(transfer_export(f, path, false, NULL));
    larder *cache = transfer_open_at(f, root);
    larder_import_options how = {.progress = progress_stop, .context = &stop};
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

int main(void) {
  const struct CMUnitTest tests[] = {
      CASE(an_import_goes_on_where_it_was_stopped),
      CASE(rejects_that_were_mended_are_left_alone),
      CASE(rejects_are_of_this_import_alone),
      CASE(an_import_that_was_killed_knows_its_rejects),
      CASE(a_file_that_is_something_else_is_refused_before_anything_is_done),
      CASE(rejects_are_synced_before_a_checkpoint),
      CASE(what_nobody_goes_on_with_is_removed_in_the_end),
      CASE(another_file_under_the_same_name_is_begun_anew),
      CASE(each_format_can_be_gone_on_with),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
