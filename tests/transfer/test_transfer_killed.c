/* SPDX-License-Identifier: Apache-2.0 */
/* The file for rejects after kill -9: an import that is gone on with loses nobody's work, and tells each reject once. */
#include "transfer_rig.h"

#include <signal.h>
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

/* 3000 entries, of which `{"key":7}`, `{"key":2000}` and `{"key":2999}` are refused. */
static void lines_write(const char *path, unsigned width) {
  FILE *out = fopen(path, "w");
  assert_non_null(out);
  for (unsigned i = 0; i < 3000; i++)
    if (i == 7 || i == 2000 || i == 2999)
      fprintf(out, "{\"key\":%*u}\n", (int)width, i);
    else
      fprintf(out, "{\"key\":\"k%u\",\"value\":\"%u\"}\n", i, i);
  fclose(out);
}

/* The refused ones, each in `width` bytes at least. */
static char *refused_text(unsigned width) {
  static const unsigned numbers[] = {7, 2000, 2999};
  char *text = NULL;
  size_t len;
  FILE *out = open_memstream(&text, &len);
  assert_non_null(out);
  for (size_t i = 0; i < 3; i++) fprintf(out, "{\"key\":%*u}\n", (int)width, numbers[i]);
  fclose(out);
  return text;
}

typedef struct run {
  transfer_rig *f;
  const char *path, *rejects;
  uint64_t append_at, kill_at; /* once so many entries are met */
  unsigned width;
  uint64_t crash_at; /* 0: nowhere */
  bool resume, appended;
} run;

static bool progress(void *context, const larder_transfer_counts *counts) {
  run *r = context;
  if (r->append_at > 0 && !r->appended && counts->entries >= r->append_at) {
    append(r->rejects, "mine");
    r->appended = true;
  }
  if (counts->entries >= r->kill_at) (void)raise(SIGKILL);
  return true;
}

static void import_body(void *context) {
  run *r = context;
  larder *cache = transfer_open_at(r->f, r->f->root);
  larder_import_options how = {
      .size = sizeof how, .ns = "n", .rejects = r->rejects, .resume = r->resume, .progress = progress, .context = r};
  if (r->crash_at > 0) {
    support_fs_crash_at(SUPPORT_ANY_OP, r->crash_at);
    support_fs_only_path("rejects");
  }
  (void)!larder_import(cache, r->path, &how, NULL, NULL);
  support_fs_end();
  (void)larder_close(&cache);
}

/* Broken off after about a thousand entries, with a checkpoint and one reject. */
static void import_cancel(const run *r) {
  transfer_stop stop = {.entries = 1000};
  larder_import_options how = {.ns = "n", .rejects = r->rejects, .progress = transfer_progress_stop, .context = &stop};
  lines_write(r->path, r->width);
  assert_err(transfer_import(r->f->cache, r->path, &how, NULL), LARDER_ECANCELLED);
}

static void import_kill(run r, uint64_t append_at, uint64_t kill_at) {
  r.append_at = append_at;
  r.kill_at = kill_at;
  assert_int_equal(support_in_child(import_body, &r), SUPPORT_CRASHED);
}

static void what_was_mended_stays_however_often_it_is_killed(void **state) {
  transfer_rig *f = *state;
  char *path = support_path(f->dir, "x.jsonl"), *rejects = support_path(f->dir, "rejects");
  static const char mended[] = "{\"key\":\"k7\",\"value\":\"mended by hand\"}\n";
  char wanted[200];
  run const r = {.f = f, .path = path, .rejects = rejects, .resume = true};
  import_cancel(&r);
  support_file_write(rejects, mended, sizeof mended - 1);
  import_kill(r, 0, 1200);
  expect_file(rejects, mended);
  import_kill(r, 0, 2400);
  larder_import_options how = {.ns = "n", .rejects = rejects, .resume = true};
  assert_ok(transfer_import(f->cache, path, &how, NULL));
  snprintf(wanted, sizeof wanted, "%s{\"key\":2000}\n{\"key\":2999}\n", mended);
  expect_file(rejects, wanted);
  how.resume = false;
  assert_err(transfer_import(f->cache, path, &how, NULL), LARDER_EINVAL);
  free(path);
  free(rejects);
}

static void what_was_written_meanwhile_stays_when_it_is_killed(void **state) {
  transfer_rig *f = *state;
  char *path = support_path(f->dir, "x.jsonl"), *rejects = support_path(f->dir, "rejects");
  run const r = {.f = f, .path = path, .rejects = rejects, .resume = true};
  import_cancel(&r);
  import_kill(r, 1200, 2400);
  expect_file(rejects, "{\"key\":7}\nmine\n{\"key\":2000}\n");
  larder_import_options how = {.ns = "n", .rejects = rejects, .resume = true};
  assert_ok(transfer_import(f->cache, path, &how, NULL));
  expect_file(rejects, "{\"key\":7}\nmine\n{\"key\":2000}\n{\"key\":2999}\n");
  free(path);
  free(rejects);
}

/* Killed at each operation on the file and on what is noted of it, also where a single reject is more than is gathered. */
static void each_reject_is_there_once_however_it_was_killed(void **state) {
  transfer_rig *f = *state;
  char *path = support_path(f->dir, "x.jsonl"), *rejects = support_path(f->dir, "rejects");
  static const unsigned widths[] = {1, 300000};
  for (size_t i = 0; i < 2; i++) {
    char *wanted = refused_text(widths[i]);
    unsigned crashes = 0;
    for (bool from_front = true;; from_front = false) {
      run r = {.f = f, .path = path, .rejects = rejects, .width = widths[i], .kill_at = UINT64_MAX, .crash_at = 1};
      for (;; r.crash_at++, crashes++) {
        (void)unlink(rejects);
        transfer_notes_unlink(f);
        lines_write(path, widths[i]);
        r.resume = !from_front;
        if (r.resume) import_cancel(&r);
        if (support_in_child(import_body, &r) != SUPPORT_CRASHED) break;
        larder_import_options how = {.ns = "n", .rejects = rejects, .resume = r.resume};
        assert_ok(transfer_import(f->cache, path, &how, NULL));
        expect_file(rejects, wanted);
        how.resume = false;
        assert_ok(transfer_import(f->cache, path, &how, NULL)); /* it is known as its own */
        expect_file(rejects, wanted);
      }
      if (!from_front) break;
    }
    assert_true(crashes > 20);
    free(wanted);
  }
  free(path);
  free(rejects);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      CASE(what_was_mended_stays_however_often_it_is_killed),
      CASE(what_was_written_meanwhile_stays_when_it_is_killed),
      CASE(each_reject_is_there_once_however_it_was_killed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
