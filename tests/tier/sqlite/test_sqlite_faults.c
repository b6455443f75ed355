/* SPDX-License-Identifier: Apache-2.0 */
/* Failing memory, failing files, full and read-only disks: typed errors, no half entry, and back to work by itself. */
#include "sqlite_rig.h"

#include "tier/sqlite/sqlite_inner.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

static int setup(void **state) {
  sqlite_rig *rig = calloc(1, sizeof *rig);
  if (rig == NULL) return -1;
  rig_init(rig);
  rig->options = "sync_ms=60000"; /* the ticker is not to meet the faults meant for others */
  *state = rig;
  return 0;
}

static int teardown(void **state) {
  sqlite_rig *rig = *state;
  (void)support_fs_end();
  rig_fini(rig);
  free(rig);
  return 0;
}

static void assert_answers(sqlite_rig *rig, const char *key, const char *a, const char *b) {
  char *found = rig_get(rig, key);
  bool const right = found == NULL || (a != NULL && strcmp(found, a) == 0) || (b != NULL && strcmp(found, b) == 0);
  if (!right) print_error("%s holds \"%.40s\"\n", key, found);
  assert_true(right);
  free(found);
}

static void show(void *context, const larder_tier_key *key, const char *sentence) {
  (void)context;
  print_error("%.*s: %s\n", key == NULL ? 0 : (int)key->len, key == NULL ? "" : (const char *)key->data, sentence);
}

/* Opens, puts, gets and closes while the nth operation fails. What was acknowledged is there afterwards. */
static bool one_fault(sqlite_rig *rig, lrd_fs_op op, uint64_t n, int os_errno, const char *large, const char *large_old) {
  support_fs_fail_at(op, n, os_errno);
  larder_err opened = rig_open(rig);
  larder_err small = LARDER_EAWAY, big = LARDER_EAWAY, removed = LARDER_EAWAY;
  if (opened == LARDER_OK) {
    larder_tier_write item = rig_write(rig, LARDER_TIER_PUT, "small", rig_stamp(rig, 1), "new", 3);
    small = rig_do(rig, &item, n % 2 ? LARDER_DURABILITY_SYNC : LARDER_DURABILITY_COMMIT);
    big = rig_put_result(rig, "large", rig_stamp(rig, 1), large, strlen(large));
    removed = rig_delete(rig, "gone", rig_stamp(rig, 1));
    (void)rig_get_err(rig, "small");
    (void)rig_get_err(rig, "large");
    larder_err const flushed = lrd_sqlite_tier.flush(rig->tier);
    assert_true(flushed == LARDER_OK || flushed == LARDER_EIO || flushed == LARDER_ENOSPC || flushed == LARDER_EACCES);
  }
  rig_close(rig);
  bool const reached = support_fs_end() >= n;
  rig_must_open(rig);
  assert_answers(rig, "small", "new", small == LARDER_OK ? NULL : "old");
  assert_answers(rig, "large", large, big == LARDER_OK ? NULL : large_old);
  if (small == LARDER_OK) rig_assert_value(rig, "small", "new");
  if (big == LARDER_OK) rig_assert_value(rig, "large", large);
  if (removed == LARDER_OK) rig_assert_miss(rig, "gone");
  larder_tier_report report = {0};
  assert_ok(lrd_sqlite_tier.check(rig->tier, false, &report, show, NULL, NULL));
  if (report.damaged != 0) print_error("with errno %d at operation %llu\n", os_errno, (unsigned long long)n);
  assert_int_equal(report.damaged, 0);
  /* Works again. */
  lrd_clock_moved_advance_ms(&rig->clock, 10);
  rig_put(rig, "small", rig_stamp(rig, 0), "old");
  rig_put(rig, "gone", rig_stamp(rig, 0), "there");
  rig_put(rig, "large", rig_stamp(rig, 0), large_old);
  lrd_clock_moved_advance_ms(&rig->clock, 10);
  rig_close(rig);
  return reached;
}

static void any_file_operation_may_fail(void **state) {
  sqlite_rig *rig = *state;
  char *large = rig_value(1, 100000);
  char *large_old = rig_value(2, 90000);
  int const errors[] = {EIO, ENOSPC};
  for (size_t e = 0; e < 2; e++) {
    uint64_t n = 1;
    /* The first time there is nothing yet; then everything is. */
    while (one_fault(rig, SUPPORT_ANY_OP, n, errors[e], large, large_old)) n++;
    print_message("%llu operations failed in turn with errno %d\n", (unsigned long long)n - 1, errors[e]);
    assert_true(n > 30);
  }
  free(large);
  free(large_old);
}

static void any_operation_may_fail_while_the_database_is_made(void **state) {
  sqlite_rig *rig = *state;
  for (uint64_t n = 1;; n++) {
    support_fs_fail_at(SUPPORT_ANY_OP, n, EIO);
    larder_err err = rig_open(rig);
    if (err == LARDER_OK) err = rig_put_result(rig, "k", 1, "v", 1);
    bool const reached = support_fs_end() >= n;
    rig_close(rig);
    rig_must_open(rig);
    if (err == LARDER_OK) rig_assert_value(rig, "k", "v");
    rig_close(rig);
    char path[600];
    const char *const names[] = {"", "-wal", "-shm", ".queue"};
    for (size_t i = 0; i < 4; i++) {
      (void)snprintf(path, sizeof path, "%s%s", rig->path, names[i]);
      (void)unlink(path);
    }
    if (!reached) break;
  }
}

static void any_allocation_may_fail(void **state) {
  sqlite_rig *rig = *state;
  char *large = rig_value(1, 100000);
  for (uint64_t n = 1;; n++) {
    int64_t const live = support_alloc_live();
    support_alloc_fail_at(n);
    larder_err err = rig_open(rig);
    if (err == LARDER_OK) {
      larder_tier_write items[2] = {rig_write(rig, LARDER_TIER_PUT, "a", rig_stamp(rig, n), "x", 1),
                                    rig_write(rig, LARDER_TIER_PUT, "b", rig_stamp(rig, n), large, 100000)};
      items[0].facts.tags = "\3red";
      items[0].facts.tags_len = 4;
      err = lrd_sqlite_tier.write(rig->tier, items, 2, LARDER_DURABILITY_COMMIT);
      assert_true(err == LARDER_OK || err == LARDER_ENOMEM);
      larder_err const got = rig_get_err(rig, "b");
      assert_true(got == LARDER_OK || got == LARDER_MISS || got == LARDER_ENOMEM);
      if (err == LARDER_OK) assert_true(got != LARDER_MISS);
      err = lrd_sqlite_tier.flush(rig->tier);
      assert_true(err == LARDER_OK || err == LARDER_ENOMEM);
      rig_close(rig);
    } else {
      assert_err(err, LARDER_ENOMEM);
    }
    bool const failed = support_alloc_end() >= n;
    assert_int_equal(support_alloc_live(), live);
    if (!failed) break;
  }
  free(large);
}

static void a_full_disk_is_said_and_got_over(void **state) {
  sqlite_rig *rig = *state;
  rig_must_open(rig);
  rig_put(rig, "k", 1, "old");
  support_fs_fail_from(LRD_FS_WRITE, 1, ENOSPC);
  assert_err(rig_put_result(rig, "k", 2, "new", 3), LARDER_ENOSPC);
  char *large = rig_value(1, 200000);
  assert_err(rig_put_result(rig, "large", 2, large, 200000), LARDER_ENOSPC);
  rig_assert_value(rig, "k", "old");
  rig_assert_miss(rig, "large");
  assert_int_equal(rig_usage(rig).entries, 1);
  (void)support_fs_end();
  rig_put(rig, "k", 2, "new");
  assert_ok(rig_put_result(rig, "large", 2, large, 200000));
  rig_assert_value(rig, "k", "new");
  rig_assert_value(rig, "large", large);
  assert_int_equal(atomic_load(&rig->distrusts), 0);
  free(large);
}

static void a_commit_that_broke_off_is_of_unknown_outcome(void **state) {
  sqlite_rig *rig = *state;
  rig_must_open(rig);
  rig_put(rig, "k", 1, "old");
  support_fs_fail_from(LRD_FS_WRITE, 1, EIO);
  support_fs_only_path("-wal");
  larder_err const err = rig_put_result(rig, "k", 2, "new", 3);
  (void)support_fs_end();
  assert_err(err, LARDER_EUNKNOWN);
  assert_answers(rig, "k", "old", "new");
  rig_put(rig, "k", 3, "newest");
  rig_assert_value(rig, "k", "newest");
}

static void a_sync_that_failed_is_no_sync(void **state) {
  sqlite_rig *rig = *state;
  rig_must_open(rig);
  support_fs_fail_from(LRD_FS_SYNC, 1, EIO);
  larder_tier_write item = rig_write(rig, LARDER_TIER_PUT, "k", 1, "v", 1);
  assert_err(rig_do(rig, &item, LARDER_DURABILITY_SYNC), LARDER_EUNKNOWN);
  (void)support_fs_end();
  item.facts.stamp = 2;
  assert_ok(rig_do(rig, &item, LARDER_DURABILITY_SYNC));
}

static void read_only_media_serve_gets(void **state) {
  sqlite_rig *rig = *state;
  char *folder = rig->dir;
  if (geteuid() != 0 || mount("tmpfs", folder, "tmpfs", 0, "size=8m") != 0) skip();
  rig_must_open(rig);
  char *large = rig_value(1, 100000);
  rig_put(rig, "k", 1, "v");
  assert_ok(rig_put_result(rig, "large", 1, large, 100000));
  /* While it is open: writes are refused with a reason, gets go on. */
  rig_close(rig);
  /* As an older build left it: not to be migrated here, and readable all the same. */
  (void)rig_sql(rig->path, "PRAGMA user_version = 2; UPDATE meta SET value = 2 WHERE name = 'format'");
  int const made_so = mount("tmpfs", folder, "tmpfs", MS_REMOUNT | MS_RDONLY, "size=8m");
  larder_err const opened = rig_open(rig);
  larder_err got = LARDER_EAWAY, put = LARDER_OK, deleted = LARDER_OK;
  larder_tier_usage usage = {0};
  if (opened == LARDER_OK) {
    got = rig_get_err(rig, "k");
    if (got == LARDER_OK) got = rig_get_err(rig, "large");
    put = rig_put_result(rig, "k", 2, "w", 1);
    deleted = rig_delete(rig, "k", 3);
    usage = rig_usage(rig);
  }
  rig_close(rig);
  (void)mount("tmpfs", folder, "tmpfs", MS_REMOUNT, "size=8m");
  larder_err const again = rig_open(rig);
  larder_err const put_again = again == LARDER_OK ? rig_put_result(rig, "k", 2, "w", 1) : again;
  rig_close(rig);
  (void)umount(folder);
  free(large);
  assert_int_equal(made_so, 0);
  if (opened != LARDER_OK) print_error("%s\n", rig->error.message);
  assert_ok(opened);
  assert_ok(got);
  assert_err(put, LARDER_EACCES);
  assert_err(deleted, LARDER_EACCES);
  assert_int_equal(usage.entries, 2);
  assert_ok(put_again);
}

static void a_disk_that_is_really_full_loses_nothing(void **state) {
  sqlite_rig *rig = *state;
  char *folder = rig->dir;
  if (geteuid() != 0 || mount("tmpfs", folder, "tmpfs", 0, "size=3m") != 0) skip();
  char *value = rig_value(1, 20000);
  larder_err err = rig_open(rig);
  uint64_t stored = 0;
  char key[24];
  while (err == LARDER_OK && stored < 1000) {
    (void)snprintf(key, sizeof key, "k%llu", (unsigned long long)stored);
    err = rig_put_result(rig, key, 5, value, 20000);
    stored += err == LARDER_OK;
  }
  larder_err const full = err;
  uint64_t there = 0;
  for (uint64_t i = 0; i < stored; i++) {
    (void)snprintf(key, sizeof key, "k%llu", (unsigned long long)i);
    there += rig_get_err(rig, key) == LARDER_OK;
  }
  int const grown = mount("tmpfs", folder, "tmpfs", MS_REMOUNT, "size=32m");
  err = rig_put_result(rig, "after", 5, value, 20000);
  rig_close(rig);
  (void)umount(folder);
  free(value);
  assert_int_equal(grown, 0);
  assert_err(full, LARDER_ENOSPC);
  assert_true(stored > 20);
  assert_int_equal(there, stored);
  assert_ok(err);
}

/* A file that takes what the disk has left, to the last byte. False when it could not. */
static bool disk_fill(const char *folder) {
  char path[600];
  (void)snprintf(path, sizeof path, "%s/filler", folder);
  int const fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  char *junk = calloc(1, 65536);
  size_t len = 65536;
  while (fd >= 0 && junk != NULL && len > 0)
    if (write(fd, junk, len) <= 0) len /= 2;
  bool const full = fd >= 0 && fsync(fd) == 0 && write(fd, "x", 1) < 0 && errno == ENOSPC;
  if (fd >= 0) (void)close(fd);
  free(junk);
  return full;
}

static bool count_shown(void *context, const larder_tier_key *key, const larder_facts *facts, const void *value) {
  uint64_t *count = context;
  (void)key;
  (void)facts;
  (void)value;
  (*count)++;
  return true;
}

static uint64_t shown(sqlite_rig *rig) {
  uint64_t count = 0;
  larder_tier_cursor cursor = {0};
  assert_err(lrd_sqlite_tier.scan(rig->tier, rig->space, &cursor, 1000, false, count_shown, &count), LARDER_END);
  return count;
}

#define FEW 40

/* One after the other, so that the log has a frame of each. */
static void put_few(sqlite_rig *rig) {
  char *value = rig_value(1, 3000), *large = rig_value(2, 100000);
  char key[24];
  for (int i = 0; i < FEW; i++) {
    (void)snprintf(key, sizeof key, "k%d", i);
    assert_ok(rig_put_result(rig, key, 5, value, 3000));
  }
  assert_ok(rig_put_result(rig, "large", 5, large, 100000));
  free(value);
  free(large);
}

static void put_few_and_die(void *context) {
  rig_must_open(context);
  put_few(context);
  _exit(9); /* no close: the log stays as it is */
}

/* Serves what it holds from a disk without a free byte, and goes on by itself when there is room again. */
static void serve_full(sqlite_rig *rig, bool starved) {
  char *value = rig_value(1, 3000), *large = rig_value(2, 100000);
  char key[24];
  bool const full = disk_fill(rig->dir);
  larder_err const opened = rig_open(rig);
  if (opened != LARDER_OK) print_error("open: %s\n", rig->error.message);
  assert_true(full);
  assert_ok(opened);
  sqlite_tier *tier = rig->tier;
  assert_int_equal(tier->starved, starved);
  for (int i = 0; i < FEW; i++) {
    (void)snprintf(key, sizeof key, "k%d", i);
    rig_assert_value(rig, key, value);
  }
  rig_assert_value(rig, "large", large);
  assert_int_equal(shown(rig), FEW + 1);
  assert_int_equal(rig_usage(rig).entries, FEW + 1);
  assert_err(rig_put_result(rig, "k0", 6, value, 3000), LARDER_ENOSPC);
  assert_err(rig_put_result(rig, "large", 6, large, 100000), LARDER_ENOSPC);
  assert_err(rig_delete(rig, "k1", 6), LARDER_ENOSPC);
  rig_assert_value(rig, "k0", value);
  rig_assert_value(rig, "k1", value);
  rig_assert_value(rig, "large", large);
  (void)snprintf(key, sizeof key, "filler");
  char *filler = support_path(rig->dir, key);
  assert_int_equal(unlink(filler), 0);
  free(filler);
  if (starved) {
    atomic_store(&tier->looked_ns, INT64_MIN / 2);
    rig_tick(rig);
  }
  rig_put(rig, "k0", 6, "new");
  assert_ok(rig_delete(rig, "k1", 6));
  assert_ok(rig_put_result(rig, "large", 6, large, 99999));
  rig_assert_value(rig, "k0", "new");
  rig_assert_miss(rig, "k1");
  assert_int_equal(rig_usage(rig).entries, FEW);
  assert_int_equal(atomic_load(&rig->distrusts), 0);
  rig_close(rig);
  rig_must_open(rig);
  rig_assert_value(rig, "k0", "new");
  free(value);
  free(large);
}

static int setup_small_disk(void **state) {
  if (setup(state) != 0) return -1;
  sqlite_rig *rig = *state;
  rig->mounted = geteuid() == 0 && mount("tmpfs", rig->dir, "tmpfs", 0, "size=6m") == 0;
  return 0;
}

static int teardown_small_disk(void **state) {
  sqlite_rig *rig = *state;
  rig_close(rig);
  if (rig->mounted) (void)umount(rig->dir);
  return teardown(state);
}

static void a_disk_full_before_opening_is_served_from(void **state) {
  sqlite_rig *rig = *state;
  if (!rig->mounted) skip();
  rig_must_open(rig);
  put_few(rig);
  rig_close(rig);
  serve_full(rig, false);
}

static void a_disk_full_after_a_kill_is_served_from(void **state) {
  sqlite_rig *rig = *state;
  if (!rig->mounted) skip();
  assert_int_equal(support_in_child(put_few_and_die, rig), 9);
  serve_full(rig, false);
}

static void beside(const sqlite_rig *rig, const char *suffix, char out[600]) {
  (void)snprintf(out, 600, "%s%s", rig->path, suffix);
}

static void log_and_index_remove(const sqlite_rig *rig) {
  char path[600];
  beside(rig, "-wal", path);
  assert_int_equal(unlink(path), 0);
  beside(rig, "-shm", path);
  assert_int_equal(unlink(path), 0);
}

/* As builds before this one left it, and as any other program does that is the last to close it. */
static void a_disk_full_without_log_and_index_is_served_from(void **state) {
  sqlite_rig *rig = *state;
  if (!rig->mounted) skip();
  rig_must_open(rig);
  put_few(rig);
  rig_close(rig);
  log_and_index_remove(rig);
  serve_full(rig, true);
}

/* The one who came first has no index for the second to share. */
static void a_full_disk_serves_two_processes(void **state) {
  sqlite_rig *rig = *state;
  if (!rig->mounted) skip();
  rig_must_open(rig);
  rig_put(rig, "k", 1, "v");
  rig_close(rig);
  log_and_index_remove(rig);
  assert_true(disk_fill(rig->dir));
  int ready[2], leave[2];
  assert_int_equal(pipe(ready), 0);
  assert_int_equal(pipe(leave), 0);
  pid_t const child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    char byte = 0;
    (void)close(leave[1]);
    byte = rig_open(rig) == LARDER_OK && ((sqlite_tier *)rig->tier)->starved ? 'y' : 'n';
    if (write(ready[1], &byte, 1) == 1) (void)read(leave[0], &byte, 1);
    _exit(0);
  }
  char first = 0;
  (void)close(ready[1]);
  assert_int_equal(read(ready[0], &first, 1), 1);
  larder_err const opened = rig_open(rig);
  larder_err const got = opened == LARDER_OK ? rig_get_err(rig, "k") : opened;
  (void)close(leave[1]);
  (void)close(leave[0]);
  (void)close(ready[0]);
  assert_int_equal(waitpid(child, NULL, 0), child);
  assert_int_equal(first, 'y');
  assert_ok(opened);
  assert_ok(got);
}

/* Somebody took the blocks between SQLite's cutting of the index and its growing. */
static void a_disk_full_with_a_log_and_half_an_index_is_served_from(void **state) {
  sqlite_rig *rig = *state;
  if (!rig->mounted) skip();
  assert_int_equal(support_in_child(put_few_and_die, rig), 9);
  char path[600];
  beside(rig, "-shm", path);
  assert_int_equal(truncate(path, 3), 0);
  serve_full(rig, true);
}

/* Where the index would be half there: touching the other half is a SIGBUS. */
static void a_full_disk_of_small_blocks_kills_nobody(void **state) {
  sqlite_rig *rig = *state;
  char image[600], command[2600];
  (void)snprintf(image, sizeof image, "%s.image", rig->dir);
  (void)snprintf(
      command, sizeof command,
      "exec >/dev/null 2>&1; truncate -s 16m %s && mkfs.ext4 -q -F -b 1024 %s && mount -o loop %s %s; rc=$?; rm -f %s; "
      "exit $rc",
      image, image, image, rig->dir, image);
  rig->mounted = geteuid() == 0 && system(command) == 0;
  if (!rig->mounted) skip();
  rig_must_open(rig);
  put_few(rig);
  rig_close(rig);
  serve_full(rig, true);
}

static void a_strangers_lock_is_waited_for_briefly(void **state) {
  sqlite_rig *rig = *state;
  rig->options = "busy_ms=50\nsync_ms=60000";
  rig_must_open(rig);
  rig_put(rig, "k", 1, "old");
  int ready[2], leave[2];
  assert_int_equal(pipe(ready), 0);
  assert_int_equal(pipe(leave), 0);
  pid_t const child = fork();
  if (child == 0) {
    char script[700];
    (void)close(leave[1]);
    (void)dup2(leave[0], 9);
    (void)dup2(ready[1], 8);
    (void)snprintf(script, sizeof script,
                   "exec python3 -c \"import sqlite3,os; c=sqlite3.connect('%s',isolation_level=None); c.execute('BEGIN "
                   "IMMEDIATE'); os.write(8,b'x'); os.read(9,1); c.execute('COMMIT')\"",
                   rig->path);
    (void)execl("/bin/sh", "sh", "-c", script, (char *)NULL);
    _exit(127);
  }
  (void)close(ready[1]);
  (void)close(leave[0]);
  char byte = 0;
  if (read(ready[0], &byte, 1) != 1) {
    (void)close(leave[1]);
    skip();
  }
  assert_err(rig_put_result(rig, "k", 2, "new", 3), LARDER_EBUSY);
  rig_assert_value(rig, "k", "old"); /* gets are not kept waiting */
  (void)close(leave[1]);
  (void)close(ready[0]);
  larder_err err = LARDER_EBUSY;
  for (int i = 0; i < 200 && err == LARDER_EBUSY; i++) err = rig_put_result(rig, "k", 2, "new", 3);
  assert_ok(err);
}

int main(void) {
#define TEST(function)            cmocka_unit_test_setup_teardown(function, setup, teardown)
#define SMALL_DISK_TEST(function) cmocka_unit_test_setup_teardown(function, setup_small_disk, teardown_small_disk)
  const struct CMUnitTest tests[] = {
      TEST(any_file_operation_may_fail),
      TEST(any_operation_may_fail_while_the_database_is_made),
      TEST(any_allocation_may_fail),
      TEST(a_full_disk_is_said_and_got_over),
      TEST(a_commit_that_broke_off_is_of_unknown_outcome),
      TEST(a_sync_that_failed_is_no_sync),
      TEST(read_only_media_serve_gets),
      TEST(a_disk_that_is_really_full_loses_nothing),
      SMALL_DISK_TEST(a_disk_full_before_opening_is_served_from),
      SMALL_DISK_TEST(a_disk_full_after_a_kill_is_served_from),
      SMALL_DISK_TEST(a_disk_full_without_log_and_index_is_served_from),
      SMALL_DISK_TEST(a_full_disk_serves_two_processes),
      SMALL_DISK_TEST(a_disk_full_with_a_log_and_half_an_index_is_served_from),
      cmocka_unit_test_setup_teardown(a_full_disk_of_small_blocks_kills_nobody, setup, teardown_small_disk),
      TEST(a_strangers_lock_is_waited_for_briefly),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
