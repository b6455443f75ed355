/* SPDX-License-Identifier: Apache-2.0 */
/* The file for rejects: replaced, cut and gone on with only where it is this import's own, and written by one at a time. */
#include "transfer_rig.h"

#include "base/fs.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static void expect_file(const char *path, const char *wanted) {
  size_t len;
  char *kept = support_file_read(path, &len);
  assert_string_equal(kept, wanted);
  free(kept);
}

static void append(const char *path, const char *text) {
  FILE *out = fopen(path, "a");
  assert_non_null(out);
  fputs(text, out);
  fclose(out);
}

/* Cancelled after a good many entries and all rejects but the last, which is `{"key":8}`. */
static void cancelled_import(transfer_rig *f, const char *path, const char *rejects, unsigned wide) {
  transfer_stop stop = {.entries = 1000};
  transfer_lines_write(path, 3000);
  FILE *out = fopen(path, "r+");
  assert_non_null(out);
  for (unsigned i = 0; i < wide; i++) fprintf(out, "{\"key\":%d,\"filler\":\"%0900u\"}\n", 7, i);
  if (wide > 0) {
    fclose(out);
    out = fopen(path, "a");
    assert_non_null(out);
    for (unsigned i = 0; i < 2000; i++) fprintf(out, "{\"key\":\"w%u\",\"value\":\"%u\"}\n", i, i);
  }
  fclose(out);
  append(path, "{\"key\":8}\n");
  larder_import_options how = {.ns = "n", .rejects = rejects, .progress = transfer_progress_stop, .context = &stop};
  assert_err(transfer_import(f->cache, path, &how, NULL), LARDER_ECANCELLED);
}

/* The rejects that were written before the stop have been seen to since: the file is gone, or shorter. */
static void rejects_that_were_mended_are_left_alone(void **state) {
  transfer_rig *f = *state;
  char *path = support_path(f->dir, "x.jsonl"), *rejects = support_path(f->dir, "rejects"), wanted[64];
  static const char *const mended[] = {NULL, "{}\n", "{}"}, *const kept[] = {"", "{}\n", "{}\n"};
  for (size_t i = 0; i < 3; i++) {
    larder_import_options how = {.ns = "n", .rejects = rejects, .resume = true};
    cancelled_import(f, path, rejects, 0);
    if (mended[i])
      support_file_write(rejects, mended[i], strlen(mended[i]));
    else
      assert_int_equal(unlink(rejects), 0);
    assert_ok(transfer_import(f->cache, path, &how, NULL));
    snprintf(wanted, sizeof wanted, "%s{\"key\":8}\n", kept[i]);
    expect_file(rejects, wanted);
    assert_int_equal(unlink(rejects), 0);
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

/* What it left is known to be its own, and replaced. */
static void an_import_that_was_killed_loses_no_rejects(void **state) {
  transfer_rig *f = *state;
  char *path = support_path(f->dir, "x.jsonl"), *rejects = support_path(f->dir, "rejects");
  int crashes = 0;
  transfer_lines_write(path, 300);
  for (killed k = {f, path, rejects, 1}; k.at < 40 && support_in_child(killed_body, &k) == SUPPORT_CRASHED; k.at++, crashes++) {
    larder_import_options how = {.ns = "n", .rejects = rejects};
    assert_ok(transfer_import(f->cache, path, &how, NULL));
    expect_file(rejects, "{\"key\":7}\n");
    assert_int_equal(unlink(rejects), 0);
    transfer_notes_unlink(f);
  }
  assert_true(crashes > 3);
  free(path);
  free(rejects);
}

static void what_was_mended_after_a_kill_stays(void **state) {
  transfer_rig *f = *state;
  char *path = support_path(f->dir, "x.jsonl"), *rejects = support_path(f->dir, "rejects"), wanted[100];
  static const char mended[] = "{\"key\":\"k7\",\"value\":\"7\"}\n";
  int grown = 0, replaced = 0;
  transfer_lines_write(path, 300);
  for (killed k = {f, path, rejects, 1}; k.at < 40 && support_in_child(killed_body, &k) == SUPPORT_CRASHED; k.at++) {
    larder_import_options how = {.ns = "n", .rejects = rejects};
    struct stat info;
    if (stat(rejects, &info) != 0) continue;
    if (info.st_size > 0) {
      append(rejects, mended);
      snprintf(wanted, sizeof wanted, "{\"key\":7}\n%s", mended);
      grown++;
    } else {
      support_file_write(rejects, mended, sizeof mended - 1);
      snprintf(wanted, sizeof wanted, "%s", mended);
      replaced++;
    }
    for (how.resume = false;; how.resume = true) {
      assert_err(transfer_import(f->cache, path, &how, NULL), LARDER_EINVAL);
      expect_file(rejects, wanted);
      if (how.resume) break;
    }
    assert_int_equal(unlink(rejects), 0);
    transfer_notes_unlink(f);
  }
  assert_true(grown > 0 && replaced > 0);
  free(path);
  free(rejects);
}

static void who_goes_on_appends_to_what_was_mended_anywhere(void **state) {
  transfer_rig *f = *state;
  char *path = support_path(f->dir, "x.jsonl"), *rejects = support_path(f->dir, "rejects");
  larder_import_options how = {.ns = "n", .rejects = rejects, .resume = true};
  size_t len, new_len;
  larder_transfer_counts counts;
  FILE *out;
  cancelled_import(f, path, rejects, 200);
  char *left = support_file_read(rejects, &len);
  assert_true(len > 100000);
  left[len - 200] = 'm'; /* far behind its beginning, and longer by what has no line break */
  out = fopen(rejects, "w");
  assert_non_null(out);
  assert_int_equal(fwrite(left, 1, len, out), len);
  fputs("{\"key\":", out);
  fclose(out);
  assert_ok(transfer_import(f->cache, path, &how, &counts));
  assert_true(counts.resumed > 0);
  char *kept = support_file_read(rejects, &new_len);
  assert_true(new_len > len);
  assert_memory_equal(kept, left, len);
  assert_non_null(strstr(kept + len, "{\"key\":\n{\"key\""));
  assert_string_equal(kept + new_len - 10, "{\"key\":8}\n");
  /* Nobody has imported that work yet. */
  how.resume = false;
  assert_err(transfer_import(f->cache, path, &how, NULL), LARDER_EINVAL);
  free(kept);
  free(left);
  free(path);
  free(rejects);
}

static void who_goes_on_leaves_the_rejects_of_others_alone(void **state) {
  transfer_rig *f = *state;
  char *path = support_path(f->dir, "x.jsonl"), *rejects = support_path(f->dir, "rejects"),
       *second = support_path(f->dir, "y.jsonl"), *other = support_path(f->dir, "other");
  larder_import_options how = {.ns = "n", .rejects = rejects};
  larder_transfer_counts counts;
  larder_error err = {0};
  cancelled_import(f, path, rejects, 0);
  support_file_write(second, "{\"key\":9}\n", 10);
  assert_ok(transfer_import(f->cache, second, &how, NULL)); /* it was as an import left it */
  how.size = sizeof how;
  how.resume = true;
  assert_err(larder_import(f->cache, path, &how, NULL, &err), LARDER_EINVAL);
  assert_non_null(strstr(err.message, "holds no rejects of this import"));
  expect_file(rejects, "{\"key\":9}\n");
  support_file_write(other, "mine", 4);
  how.rejects = other;
  assert_err(transfer_import(f->cache, path, &how, NULL), LARDER_EINVAL);
  expect_file(other, "mine");
  assert_int_equal(unlink(other), 0);
  assert_ok(transfer_import(f->cache, path, &how, &counts)); /* which it still can */
  assert_true(counts.resumed > 0);
  expect_file(other, "{\"key\":8}\n");
  free(path);
  free(rejects);
  free(second);
  free(other);
}

typedef struct meanwhile {
  transfer_rig *f;
  const char *path, *rejects;
  larder_error err;
} meanwhile;

static bool import_meanwhile(void *context, const larder_transfer_counts *counts) {
  meanwhile *m = context;
  larder_import_options how = {.size = sizeof how, .ns = "n", .rejects = m->rejects};
  (void)counts;
  if (m->err.code == LARDER_OK) (void)!larder_import(m->f->cache, m->path, &how, NULL, &m->err);
  return true;
}

static void two_imports_do_not_share_their_rejects(void **state) {
  transfer_rig *f = *state;
  char *path = support_path(f->dir, "x.jsonl"), *rejects = support_path(f->dir, "rejects"),
       *second = support_path(f->dir, "y.jsonl");
  meanwhile m = {.f = f, .path = second, .rejects = rejects};
  transfer_lines_write(path, 600);
  append(path, "{\"key\":8}\n");
  support_file_write(second, "{\"key\":9}\n", 10);
  larder_import_options how = {.ns = "n", .rejects = rejects, .progress = import_meanwhile, .context = &m};
  assert_ok(transfer_import(f->cache, path, &how, NULL));
  assert_int_equal(m.err.code, LARDER_EBUSY);
  assert_non_null(strstr(m.err.message, "another import writes its rejects to"));
  expect_file(rejects, "{\"key\":7}\n{\"key\":8}\n");
  assert_ok(transfer_import(f->cache, second, &(larder_import_options){.ns = "n", .rejects = rejects}, NULL));
  expect_file(rejects, "{\"key\":9}\n");
  free(path);
  free(rejects);
  free(second);
}

static bool mend_meanwhile(void *context, const larder_transfer_counts *counts) {
  meanwhile *m = context;
  if (counts->entries < 300) append(m->rejects, "mine");
  return true;
}

static void what_is_written_into_it_meanwhile_is_no_reject(void **state) {
  transfer_rig *f = *state;
  char *path = support_path(f->dir, "x.jsonl"), *rejects = support_path(f->dir, "rejects");
  meanwhile m = {.f = f, .rejects = rejects};
  transfer_lines_write(path, 600);
  append(path, "{\"key\":8}\n");
  larder_import_options how = {.ns = "n", .rejects = rejects, .progress = mend_meanwhile, .context = &m};
  assert_ok(transfer_import(f->cache, path, &how, NULL));
  how.progress = NULL;
  assert_err(transfer_import(f->cache, path, &how, NULL), LARDER_EINVAL);
  expect_file(rejects, "{\"key\":7}\nmine\n{\"key\":8}\n");
  free(path);
  free(rejects);
}

static void rejects_are_known_by_what_is_in_them(void **state) {
  transfer_rig *f = *state;
  char *path = support_path(f->dir, "x.jsonl"), *rejects = support_path(f->dir, "rejects");
  struct timespec const when = {.tv_sec = START_MS / 1000}, times[2] = {when, when};
  larder_import_options how = {.ns = "n", .rejects = rejects};
  struct stat info;
  cancelled_import(f, path, rejects, 200);
  assert_int_equal(utimensat(AT_FDCWD, rejects, times, 0), 0);
  assert_ok(transfer_import(f->cache, path, &how, NULL));
  assert_int_equal(stat(rejects, &info), 0);
  assert_true(info.st_size > 100000);
  struct timespec const left[2] = {info.st_mtim, info.st_mtim};
  FILE *out = fopen(rejects, "r+");
  assert_non_null(out);
  assert_int_equal(fseek(out, -50, SEEK_END), 0);
  fputc('m', out);
  fclose(out);
  assert_int_equal(utimensat(AT_FDCWD, rejects, left, 0), 0);
  assert_err(transfer_import(f->cache, path, &how, NULL), LARDER_EINVAL);
  free(path);
  free(rejects);
}

/* The second line gets four bytes. */
static int full_in_a_line(void *context, lrd_fs_op op, const char *path, size_t *len) {
  unsigned *writes = context;
  const char *name = strrchr(path, '/');
  if (op != LRD_FS_WRITE || !name || strcmp(name, "/rejects") != 0) return 0;
  ++*writes;
  if (*writes == 2) *len = 4;
  return *writes == 3 ? ENOSPC : 0;
}

/* A disk that is full for a moment leaves no piece of a line. */
static void half_a_reject_does_not_stay(void **state) {
  transfer_rig *f = *state;
  char *path = support_path(f->dir, "x.jsonl"), *rejects = support_path(f->dir, "rejects");
  transfer_lines_write(path, 300);
  append(path, "{\"key\":8}\n");
  larder_import_options how = {.ns = "n", .rejects = rejects};
  unsigned writes = 0;
  lrd_fs_set_gate(full_in_a_line, &writes);
  larder_err err = transfer_import(f->cache, path, &how, NULL);
  lrd_fs_set_gate(NULL, NULL);
  assert_err(err, LARDER_ENOSPC);
  expect_file(rejects, "{\"key\":7}\n");
  assert_ok(transfer_import(f->cache, path, &how, NULL));
  expect_file(rejects, "{\"key\":7}\n{\"key\":8}\n");
  free(path);
  free(rejects);
}

static void a_dry_run_writes_no_rejects(void **state) {
  transfer_rig *f = *state;
  char *path = support_path(f->dir, "x.jsonl"), *rejects = support_path(f->dir, "rejects"),
       *second = support_path(f->dir, "y.jsonl");
  larder_import_options how = {.ns = "n", .rejects = rejects, .dry_run = true};
  larder_transfer_counts counts;
  transfer_lines_write(path, 300);
  assert_ok(transfer_import(f->cache, path, &how, &counts));
  assert_int_equal(counts.failed, 1);
  assert_int_equal(access(rejects, F_OK), -1);
  how.dry_run = false;
  assert_ok(transfer_import(f->cache, path, &how, NULL));
  support_file_write(second, "{\"key\":9}\n", 10);
  how.dry_run = true;
  assert_ok(transfer_import(f->cache, second, &how, &counts));
  assert_int_equal(counts.failed, 1);
  expect_file(rejects, "{\"key\":7}\n");
  free(path);
  free(rejects);
  free(second);
}

/* Both refused, in the same words. */
static larder_err refused_either_way(larder *cache, const char *path, larder_import_options how) {
  larder_error dry = {0}, real = {0};
  how.size = sizeof how;
  how.dry_run = true;
  larder_err err = larder_import(cache, path, &how, NULL, &dry);
  how.dry_run = false;
  assert_err(larder_import(cache, path, &how, NULL, &real), err);
  assert_int_not_equal(err, LARDER_OK);
  assert_string_equal(dry.message, real.message);
  return err;
}

static bool refused_meanwhile(void *context, const larder_transfer_counts *counts) {
  const meanwhile *m = context;
  (void)counts;
  assert_err(refused_either_way(m->f->cache, m->path, (larder_import_options){.ns = "n", .rejects = m->rejects}), LARDER_EBUSY);
  return true;
}

static void a_dry_run_says_what_the_real_one_would(void **state) {
  transfer_rig *f = *state;
  char *path = support_path(f->dir, "x.jsonl"), *rejects = support_path(f->dir, "rejects"),
       *second = support_path(f->dir, "y.jsonl"), *other = support_path(f->dir, "other"),
       *nowhere = support_path(f->dir, "nowhere/rejects");
  meanwhile m = {.f = f, .path = second, .rejects = rejects};
  larder_import_options how = {.ns = "n", .rejects = nowhere};
  larder_transfer_counts dry, real;
  support_file_write(second, "{\"key\":9}\n", 10);
  (void)refused_either_way(f->cache, second, how);
  how.rejects = rejects;
  how.progress = refused_meanwhile;
  how.context = &m;
  transfer_lines_write(path, 600);
  assert_ok(transfer_import(f->cache, path, &how, NULL));
  assert_int_equal(unlink(rejects), 0);
  /* One that would be gone on with. */
  cancelled_import(f, path, rejects, 0);
  support_file_write(other, "mine", 4);
  how = (larder_import_options){.ns = "n", .rejects = other, .resume = true};
  assert_err(refused_either_way(f->cache, path, how), LARDER_EINVAL);
  how.value_row = true;
  assert_err(refused_either_way(f->cache, path, how), LARDER_EINVAL);
  how = (larder_import_options){.ns = "n", .rejects = rejects, .resume = true, .dry_run = true};
  assert_ok(transfer_import(f->cache, path, &how, &dry));
  expect_file(rejects, "{\"key\":7}\n");
  how.dry_run = false;
  assert_ok(transfer_import(f->cache, path, &how, &real));
  assert_true(real.resumed > 0);
  assert_int_equal(dry.resumed, real.resumed);
  assert_int_equal(dry.failed, real.failed);
  expect_file(rejects, "{\"key\":7}\n{\"key\":8}\n");
  free(path);
  free(rejects);
  free(second);
  free(other);
  free(nowhere);
}

static void a_file_that_is_something_else_is_refused_before_anything_is_done(void **state) {
  transfer_rig *f = *state;
  char *path = support_path(f->dir, "x.jsonl"), *rejects = support_path(f->dir, "rejects"),
       *other = support_path(f->dir, "other");
  larder_error err = {0};
  larder_transfer_counts counts;
  size_t len;
  transfer_stop stop = {.entries = 1000};
  transfer_lines_write(path, 3000);
  support_file_write(other, "mine", 4);
  larder_import_options how = {
      .size = sizeof how, .ns = "n", .rejects = rejects, .progress = transfer_progress_stop, .context = &stop};
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
  transfer_stop stop = {.entries = 1000};
  transfer_lines_write(path, 3000);
  larder_import_options how = {.ns = "n", .rejects = rejects, .progress = transfer_progress_stop, .context = &stop};
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

int main(void) {
  const struct CMUnitTest tests[] = {
      CASE(rejects_that_were_mended_are_left_alone),
      CASE(rejects_are_of_this_import_alone),
      CASE(an_import_that_was_killed_loses_no_rejects),
      CASE(what_was_mended_after_a_kill_stays),
      CASE(who_goes_on_appends_to_what_was_mended_anywhere),
      CASE(who_goes_on_leaves_the_rejects_of_others_alone),
      CASE(two_imports_do_not_share_their_rejects),
      CASE(what_is_written_into_it_meanwhile_is_no_reject),
      CASE(rejects_are_known_by_what_is_in_them),
      CASE(half_a_reject_does_not_stay),
      CASE(a_dry_run_writes_no_rejects),
      CASE(a_dry_run_says_what_the_real_one_would),
      CASE(a_file_that_is_something_else_is_refused_before_anything_is_done),
      CASE(rejects_are_synced_before_a_checkpoint),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
