/* SPDX-License-Identifier: Apache-2.0 */
/* Wrong calls, full disks, crashes and no memory: the old file or the new one, an error, and nothing lost. */
#include "transfer_rig.h"

#include <errno.h>
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

static void wrong_calls_are_refused(void **state) {
  transfer_rig *f = *state;
  larder_export_options out = {.size = sizeof out};
  larder_import_options in = {.size = sizeof in};
  larder_error error = {0};
  assert_err(larder_export(f->cache, NULL, &out, NULL, &error), LARDER_EINVAL);
  assert_err(larder_export(NULL, "x", &out, NULL, NULL), LARDER_EINVAL);
  out.size = 0;
  assert_err(larder_export(f->cache, "x", &out, NULL, NULL), LARDER_EINVAL);
  assert_err(larder_import(f->cache, NULL, &in, NULL, &error), LARDER_EINVAL);
  in.ttl_ms = -1;
  assert_err(larder_import(f->cache, "x", &in, NULL, NULL), LARDER_EINVAL);
  char *path = support_path(f->dir, "absent.jsonl");
  assert_err(transfer_import(f->cache, path, NULL, NULL), LARDER_MISS);
  assert_err(transfer_import(f->cache, f->dir, NULL, NULL), LARDER_EINVAL);
  free(path);
  path = support_path(f->dir, "no/such/folder.jsonl");
  assert_err(transfer_export(f, path, false, NULL), LARDER_EIO);
  free(path);
}

static void links_are_followed_and_devices_left_alone(void **state) {
  transfer_rig *f = *state;
  char *path = support_path(f->dir, "real.jsonl"), *name = support_path(f->dir, "link.jsonl");
  char *fifo = support_path(f->dir, "fifo.jsonl");
  struct stat info;
  transfer_put_text(f->ns, "a", "1");
  support_file_write(path, "old", 3);
  assert_int_equal(symlink("real.jsonl", name), 0);
  assert_ok(transfer_export(f, name, false, NULL));
  assert_int_equal(lstat(name, &info), 0);
  assert_true(S_ISLNK(info.st_mode));
  assert_int_equal(stat(path, &info), 0);
  assert_true(info.st_size > 3);
  assert_int_equal(mkfifo(fifo, 0600), 0);
  assert_err(transfer_export(f, fifo, false, NULL), LARDER_EINVAL);
  assert_err(transfer_import(f->cache, fifo, NULL, NULL), LARDER_EINVAL);
  assert_err(transfer_import(f->cache, path, &(larder_import_options){.rejects = name}, NULL), LARDER_EINVAL);
  assert_err(transfer_import(f->cache, path, &(larder_import_options){.ns = ""}, NULL), LARDER_EINVAL);
  free(path);
  free(name);
  free(fifo);
}

static void a_cancelled_export_leaves_the_old_file(void **state) {
  transfer_rig *f = *state;
  char *path = support_path(f->dir, "x.jsonl");
  size_t len;
  stop_at stop = {.entries = 0};
  support_file_write(path, "old", 3);
  transfer_put_text(f->ns, "a", "1");
  larder_export_options how = {.size = sizeof how, .progress = progress_stop, .context = &stop};
  assert_err(larder_export(f->cache, path, &how, NULL, NULL), LARDER_ECANCELLED);
  char *text = support_file_read(path, &len);
  assert_string_equal(text, "old");
  free(text);
  free(path);
}

/* Each file operation of an export fails once: the old file or the new one is there, whole, and nothing lies beside it. */
static void an_export_is_whole_or_not_there(void **state) {
  transfer_rig *f = *state;
  transfer_fill(f->ns);
  for (size_t i = 0; i < 3; i++) {
    char name[32];
    snprintf(name, sizeof name, "e.%s", transfer_endings[i]);
    char *folder = support_path(f->dir, transfer_endings[i]);
    assert_int_equal(mkdir(folder, 0700), 0);
    char *path = support_path(folder, name);
    for (uint64_t n = 1;; n++) {
      larder_transfer_counts counts;
      support_file_write(path, "old", 3);
      support_fs_fail_at(SUPPORT_ANY_OP, n, ENOSPC);
      support_fs_only_path(folder);
      larder_err err = transfer_export(f, path, true, NULL);
      bool failed = support_fs_end() >= n;
      size_t len;
      char *text = support_file_read(path, &len);
      bool old = strcmp(text, "old") == 0;
      free(text);
      if (!old) assert_ok(transfer_import(f->cache, path, &(larder_import_options){.dry_run = true}, &counts));
      if (!old) assert_int_equal(counts.skipped, 12);
      if (err == LARDER_OK) assert_false(old);
      if (!failed) {
        assert_ok(err);
        break;
      }
    }
    free(path);
    free(folder);
  }
}

/* Whatever can't be written: the table that is there, old or new, has its checksum. */
static void a_csv_that_fails_keeps_its_checksum(void **state) {
  transfer_rig *f = *state;
  static const lrd_fs_op ops[] = {LRD_FS_OPEN, LRD_FS_WRITE, LRD_FS_SYNC};
  char *folder = support_path(f->dir, "csv");
  assert_int_equal(mkdir(folder, 0700), 0);
  char *path = support_path(folder, "x.csv");
  transfer_fill(f->ns);
  assert_ok(transfer_export(f, path, true, NULL));
  for (size_t i = 0; i < 3; i++) {
    for (uint64_t n = 1;; n++) {
      larder_transfer_counts counts;
      support_fs_fail_at(ops[i], n, ENOSPC);
      support_fs_only_path(folder);
      larder_err err = transfer_export(f, path, true, NULL);
      bool failed = support_fs_end() >= n;
      assert_ok(transfer_import(f->cache, path, &(larder_import_options){.dry_run = true}, &counts));
      assert_true(counts.verified);
      assert_err(err, failed ? LARDER_ENOSPC : LARDER_OK);
      if (!failed) break;
    }
  }
  free(path);
  free(folder);
}

typedef struct crash {
  transfer_rig *f;
  const char *path;
  uint64_t at;
} crash;

static void crash_body(void *context) {
  crash *c = context;
  larder *cache = transfer_open_at(c->f, c->f->root);
  larder_export_options how = {.size = sizeof how, .include_secrets = true};
  support_fs_crash_at(SUPPORT_ANY_OP, c->at);
  support_fs_only_path("crash.");
  (void)!larder_export(cache, c->path, &how, NULL, NULL);
  support_fs_end();
  (void)larder_close(&cache);
}

static void a_crash_leaves_the_old_export_or_the_new_one(void **state) {
  transfer_rig *f = *state;
  transfer_fill(f->ns);
  for (size_t i = 0; i < 3; i++) {
    char name[32];
    snprintf(name, sizeof name, "crash.%s", transfer_endings[i]);
    char *path = support_path(f->dir, name);
    for (crash c = {f, path, 1};; c.at++) {
      larder_transfer_counts counts;
      size_t len;
      support_file_write(path, "old", 3);
      int status = support_in_child(crash_body, &c);
      char *text = support_file_read(path, &len);
      if (strcmp(text, "old") != 0) {
        assert_ok(transfer_import(f->cache, path, &(larder_import_options){.dry_run = true}, &counts));
        assert_int_equal(counts.skipped, 12);
      }
      free(text);
      if (status != SUPPORT_CRASHED) break;
    }
    free(path);
  }
}

static void import_body(void *context) {
  crash *c = context;
  larder *cache = transfer_open_at(c->f, c->f->root);
  larder_import_options how = {.size = sizeof how, .ns = "n", .resume = true};
  support_fs_crash_at(SUPPORT_ANY_OP, c->at);
  support_fs_only_path("import-");
  (void)!larder_import(cache, c->path, &how, NULL, NULL);
  support_fs_end();
  (void)larder_close(&cache);
}

/* Killed at each operation on its checkpoint, an import that goes on loses nothing. */
static void a_crash_at_the_checkpoint_loses_nothing(void **state) {
  transfer_rig *f = *state;
  char *path = support_path(f->dir, "x.jsonl");
  larder_transfer_counts counts;
  transfer_lines_write(path, 20000);
  for (crash c = {f, path, 1}; c.at < 40; c.at++)
    if (support_in_child(import_body, &c) != SUPPORT_CRASHED) break;
  assert_ok(transfer_import(f->cache, path, &(larder_import_options){.ns = "n", .resume = true}, &counts));
  assert_int_equal(counts.entries, 20000);
  assert_int_equal(counts.done + counts.skipped, 19999);
  transfer_expect(f->ns, "k0", "0");
  transfer_expect(f->ns, "k19999", "19999");
  free(path);
}

/* Reading and checkpointing fail at each place once: an error, and the next import does it all. */
static void a_failing_disk_ends_an_import_and_resume_mends_it(void **state) {
  transfer_rig *f = *state;
  char *path = support_path(f->dir, "slow.jsonl"), *rejects = support_path(f->dir, "slow.rejects");
  larder_transfer_counts counts;
  transfer_lines_write(path, 300);
  for (uint64_t n = 1;; n++) {
    larder_import_options how = {.ns = "n", .rejects = rejects};
    support_fs_fail_at(SUPPORT_ANY_OP, n, EIO);
    support_fs_only_path("slow.");
    larder_err err = transfer_import(f->cache, path, &how, &counts);
    bool failed = support_fs_end() >= n;
    if (!failed) assert_ok(err);
    if (!failed) break;
    assert_true(err != LARDER_OK);
  }
  assert_int_equal(counts.done + counts.skipped, 299);
  free(path);
  free(rejects);
}

static void out_of_memory_is_an_error_and_leaks_nothing(void **state) {
  transfer_rig *f = *state;
  transfer_fill(f->ns);
  char *path = support_path(f->dir, "x.json");
  assert_ok(transfer_export(f, path, true, NULL));
  for (unsigned way = 0; way < 2; way++) {
    for (uint64_t n = 1;; n++) {
      int64_t live = support_alloc_live();
      larder_transfer_counts counts;
      larder_export_options out = {.size = sizeof out};
      larder_import_options in = {.size = sizeof in, .dry_run = true};
      support_alloc_fail_at(n);
      larder_err err =
          way == 0 ? larder_export(f->cache, path, &out, &counts, NULL) : larder_import(f->cache, path, &in, &counts, NULL);
      bool failed = support_alloc_end() >= n;
      if (!failed) {
        assert_ok(err);
        break;
      }
      /* A tier that lacks memory is worked around; then all of it came through. */
      if (err == LARDER_OK)
        assert_int_equal(counts.done + counts.skipped, 12);
      else
        assert_err(err, LARDER_ENOMEM);
      assert_int_equal(support_alloc_live(), live);
    }
  }
  free(path);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      CASE(wrong_calls_are_refused),
      CASE(links_are_followed_and_devices_left_alone),
      CASE(a_cancelled_export_leaves_the_old_file),
      CASE(an_export_is_whole_or_not_there),
      CASE(a_csv_that_fails_keeps_its_checksum),
      CASE(a_crash_leaves_the_old_export_or_the_new_one),
      CASE(a_crash_at_the_checkpoint_loses_nothing),
      CASE(a_failing_disk_ends_an_import_and_resume_mends_it),
      CASE(out_of_memory_is_an_error_and_leaks_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
