/* SPDX-License-Identifier: Apache-2.0 */
#include "support/support.h"

#include "base/bytes.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void whole_transfers_survive_interruptions_and_short_counts(void **state) {
  char *path = support_path(*state, "file");
  char data[5000], back[6000];
  for (size_t i = 0; i < sizeof data; i++) data[i] = (char)(i * 31);
  int fd = lrd_fs_open(path, O_RDWR | O_CREAT, 0600);
  assert_true(fd >= 0);
  support_fs_fail_at(LRD_FS_WRITE, 1, EINTR);
  assert_int_equal(lrd_fs_write_full(fd, path, data, 2000, 0), 0);
  assert_int_equal(support_fs_end(), 2);
  support_fs_short_at(1, 10);
  assert_int_equal(lrd_fs_write_full(fd, path, data + 2000, 3000, 2000), 0);
  assert_int_equal(support_fs_end(), 2);
  size_t got = 0;
  support_fs_fail_at(LRD_FS_READ, 1, EINTR);
  assert_int_equal(lrd_fs_read_full(fd, back, sizeof back, 0, &got), 0);
  assert_true(support_fs_end() >= 2);
  assert_int_equal(got, sizeof data);
  assert_memory_equal(back, data, sizeof data);
  assert_int_equal(lrd_fs_read_full(fd, back, 100, 4990, &got), 0);
  assert_int_equal(got, 10);
  support_fs_fail_at(LRD_FS_SYNC, 1, EINTR);
  assert_int_equal(lrd_fs_sync(fd, path), 0);
  support_fs_end();
  lrd_fs_close(fd);
  lrd_fs_close(-1);
  free(path);
}

static void a_write_of_nothing_is_a_failure_not_a_loop(void **state) {
  char *path = support_path(*state, "file");
  int fd = lrd_fs_open(path, O_RDWR | O_CREAT, 0600);
  support_fs_short_at(1, 0);
  assert_int_equal(lrd_fs_write_full(fd, path, "abc", 3, 0), -1);
  assert_int_equal(errno, EIO);
  support_fs_end();
  lrd_fs_close(fd);
  free(path);
}

static void every_operation_passes_the_gate(void **state) {
  char *path = support_path(*state, "file");
  char *other = support_path(*state, "other");
  struct stat found;
  const char *name;
  int fd = lrd_fs_open(path, O_RDWR | O_CREAT, 0600);
  for (lrd_fs_op op = 0; op < LRD_FS_OP_COUNT; op++) {
    int result = 0;
    size_t got;
    char byte;
    support_fs_fail_at(op, 1, EDQUOT);
    errno = 0;
    switch (op) {
    case LRD_FS_OPEN:
      result = lrd_fs_open(path, O_RDONLY, 0);
      break;
    case LRD_FS_READ:
      result = lrd_fs_read_full(fd, &byte, 1, 0, &got);
      break;
    case LRD_FS_WRITE:
      result = lrd_fs_write_full(fd, path, "x", 1, 0);
      break;
    case LRD_FS_SYNC:
      result = lrd_fs_sync(fd, path);
      break;
    case LRD_FS_RENAME:
      result = lrd_fs_rename(path, other);
      break;
    case LRD_FS_UNLINK:
      result = lrd_fs_unlink(path);
      break;
    case LRD_FS_MAP:
      result = lrd_fs_map(fd, path, 4096, true) ? 0 : -1;
      break;
    case LRD_FS_ALLOCATE:
      result = lrd_fs_allocate(fd, path, 4096);
      break;
    case LRD_FS_TRUNCATE:
      result = lrd_fs_truncate(fd, path, 10);
      break;
    case LRD_FS_MKDIR:
      result = lrd_fs_mkdir(other, 0700);
      break;
    case LRD_FS_LOCK:
      result = lrd_fs_lock_try(fd, 0, 1, LRD_FS_EXCLUSIVE);
      break;
    case LRD_FS_STAT:
      result = lrd_fs_stat(path, &found);
      break;
    case LRD_FS_OP_COUNT:
      break;
    }
    assert_int_equal(result, -1);
    assert_int_equal(errno, EDQUOT);
    assert_int_equal(support_fs_end(), 1);
  }
  support_fs_fail_at(LRD_FS_STAT, 1, EIO);
  assert_int_equal(lrd_fs_kind_of(path, &name), LRD_FS_UNKNOWN);
  support_fs_end();
  support_fs_fail_at(LRD_FS_SYNC, 1, EIO);
  assert_int_equal(lrd_fs_sync_dir(*state), -1);
  support_fs_end();
  lrd_fs_close(fd);
  free(path);
  free(other);
}

static void the_gate_can_be_narrowed_to_a_path(void **state) {
  char *path = support_path(*state, "wanted");
  char *other = support_path(*state, "other");
  support_fs_fail_from(LRD_FS_OPEN, 1, EIO);
  support_fs_only_path("wanted");
  int fd = lrd_fs_open(other, O_RDWR | O_CREAT, 0600);
  assert_true(fd >= 0);
  assert_int_equal(lrd_fs_open(path, O_RDWR | O_CREAT, 0600), -1);
  assert_int_equal(support_fs_end(), 1);
  lrd_fs_close(fd);
  free(path);
  free(other);
}

static void folders_are_made_with_their_parents(void **state) {
  char *deep = support_path(*state, "a//b/c/");
  struct stat found;
  assert_int_equal(lrd_fs_mkdirs(deep, 0700), 0);
  assert_int_equal(lrd_fs_mkdirs(deep, 0700), 0);
  assert_int_equal(lrd_fs_stat(deep, &found), 0);
  assert_true(S_ISDIR(found.st_mode));
  assert_int_equal(found.st_mode & 0777, 0700);
  char *file = support_path(*state, "file");
  support_file_write(file, "x", 1);
  assert_int_equal(lrd_fs_mkdir(file, 0700), -1);
  assert_int_equal(errno, ENOTDIR);
  char *below = support_path(file, "below");
  assert_int_equal(lrd_fs_mkdirs(below, 0700), -1);
  assert_int_equal(errno, ENOTDIR);
  free(deep);
  free(file);
  free(below);
}

static size_t count_files(const char *dir) {
  char command[600];
  snprintf(command, sizeof command, "ls -A '%s' | wc -l", dir);
  FILE *pipe = popen(command, "r");
  size_t count = 0;
  if (fscanf(pipe, "%zu", &count) != 1) fail();
  pclose(pipe);
  return count;
}

static void publishing_leaves_the_old_or_the_new_whatever_fails(void **state) {
  char *path = support_path(*state, "published");
  assert_int_equal(lrd_fs_publish(path, "old", 3, 0600, false), 0);
  for (lrd_fs_op op = 0; op < LRD_FS_OP_COUNT; op++) {
    for (uint64_t n = 1;; n++) {
      support_file_write(path, "old", 3);
      support_fs_fail_at(op, n, ENOSPC);
      int result = lrd_fs_publish(path, "newer", 5, 0600, true);
      int failure = errno;
      bool failed = support_fs_end() >= n;
      size_t len;
      char *content = support_file_read(path, &len);
      bool is_new = len == 5 && memcmp(content, "newer", 5) == 0;
      bool is_old = len == 3 && memcmp(content, "old", 3) == 0;
      free(content);
      assert_true(is_new || is_old);
      assert_int_equal(count_files(*state), 1);
      if (!failed) {
        assert_int_equal(result, 0);
        assert_true(is_new);
        break;
      }
      assert_int_equal(result, -1);
      assert_int_equal(failure, ENOSPC);
    }
  }
  free(path);
}

typedef struct crash {
  const char *path;
  uint64_t n;
} crash;

static void publish_and_crash(void *context) {
  crash *c = context;
  support_fs_crash_at(SUPPORT_ANY_OP, c->n);
  if (lrd_fs_publish(c->path, "newer", 5, 0600, true)) _exit(1);
}

static void publishing_leaves_the_old_or_the_new_after_a_crash(void **state) {
  char *path = support_path(*state, "published");
  unsigned old_seen = 0, new_seen = 0;
  for (uint64_t n = 1;; n++) {
    support_file_write(path, "old", 3);
    crash c = {path, n};
    int status = support_in_child(publish_and_crash, &c);
    size_t len;
    char *content = support_file_read(path, &len);
    assert_true(strcmp(content, "old") == 0 || strcmp(content, "newer") == 0);
    old_seen += len == 3;
    new_seen += len == 5;
    free(content);
    if (status == 0) break;
    assert_int_equal(status, SUPPORT_CRASHED);
  }
  assert_true(old_seen >= 3 && new_seen >= 2);
  free(path);
}

static void publishing_and_slurping_survive_every_failed_allocation(void **state) {
  char *path = support_path(*state, "published");
  for (uint64_t n = 1;; n++) {
    int64_t live = support_alloc_live();
    support_alloc_fail_at(n);
    char *content = NULL;
    size_t len;
    bool made = lrd_fs_publish(path, "text", 4, 0600, false) == 0;
    if (!made) assert_int_equal(errno, ENOMEM);
    bool read = made && lrd_fs_slurp(path, 100, &content, &len) == 0;
    if (made && !read) assert_int_equal(errno, ENOMEM);
    bool failed = support_alloc_end() >= n;
    assert_true(failed != read);
    if (read) assert_string_equal(content, "text");
    lrd_dealloc(content);
    assert_int_equal(support_alloc_live(), live);
    if (!failed) break;
  }
  free(path);
}

static void an_exact_mode_is_not_the_umasks_business(void **state) {
  char *path = support_path(*state, "published");
  struct stat found;
  mode_t before = umask(077);
  assert_int_equal(lrd_fs_publish_as(path, "old", 3, 0755), 0);
  assert_int_equal(lrd_fs_publish_as(path, "newer", 5, 0666), 0);
  umask(before);
  assert_int_equal(stat(path, &found), 0);
  assert_int_equal(found.st_mode & 07777, 0666);
  assert_int_equal(found.st_size, 5);
  assert_int_equal(count_files(*state), 1);
  free(path);
}

static void slurping_has_a_limit(void **state) {
  char *path = support_path(*state, "file");
  char *data = calloc(1, 20000);
  char *content = NULL;
  size_t len = 0;
  memset(data, 'z', 20000);
  support_file_write(path, data, 20000);
  assert_int_equal(lrd_fs_slurp(path, 20000, &content, &len), 0);
  assert_int_equal(len, 20000);
  assert_int_equal(strlen(content), 20000);
  lrd_dealloc(content);
  assert_int_equal(lrd_fs_slurp(path, 19999, &content, &len), -1);
  assert_int_equal(errno, EFBIG);
  support_file_write(path, "", 0);
  assert_int_equal(lrd_fs_slurp(path, 0, &content, &len), 0);
  assert_int_equal(len, 0);
  assert_string_equal(content, "");
  lrd_dealloc(content);
  assert_int_equal(lrd_fs_slurp("/nonexistent/x", 10, &content, &len), -1);
  assert_int_equal(errno, ENOENT);
  assert_int_equal(lrd_fs_slurp("/proc/self/status", 100000, &content, &len), 0);
  assert_true(len > 100);
  lrd_dealloc(content);
  free(data);
  free(path);
}

static void maps_share_what_is_written(void **state) {
  char *path = support_path(*state, "map");
  int fd = lrd_fs_open(path, O_RDWR | O_CREAT, 0600);
  assert_int_equal(lrd_fs_truncate(fd, path, 8192), 0);
  assert_int_equal(lrd_fs_allocate_range(fd, path, 4096, 4096), 0);
  char *at = lrd_fs_map(fd, path, 8192, true);
  assert_non_null(at);
  memcpy(at + 5000, "hello", 5);
  char back[5];
  size_t got;
  assert_int_equal(lrd_fs_read_full(fd, back, 5, 5000, &got), 0);
  assert_memory_equal(back, "hello", 5);
  lrd_fs_unmap(at, 8192);
  lrd_fs_unmap(NULL, 0);
  assert_null(lrd_fs_map(-1, path, 8192, true));
  lrd_fs_close(fd);
  free(path);
}

static void locks_exclude_between_descriptors_and_vanish_with_them(void **state) {
  char *path = support_path(*state, "lock");
  int a = lrd_fs_open(path, O_RDWR | O_CREAT, 0600);
  int b = lrd_fs_open(path, O_RDWR, 0);
  assert_int_equal(lrd_fs_lock_try(a, 5, 1, LRD_FS_EXCLUSIVE), 0);
  assert_true(lrd_fs_lock_held(b, 5, 1));
  assert_false(lrd_fs_lock_held(b, 6, 1));
  assert_false(lrd_fs_lock_held(a, 5, 1));
  assert_int_equal(lrd_fs_lock_try(b, 5, 1, LRD_FS_SHARED), -1);
  assert_int_equal(errno, EAGAIN);
  assert_int_equal(lrd_fs_lock_try(b, 6, 1, LRD_FS_EXCLUSIVE), 0);
  /* Closing another descriptor of the file drops nothing, unlike with POSIX locks. */
  lrd_fs_close(lrd_fs_open(path, O_RDONLY, 0));
  assert_true(lrd_fs_lock_held(b, 5, 1));
  assert_int_equal(lrd_fs_lock_try(a, 5, 1, LRD_FS_SHARED), 0);
  assert_int_equal(lrd_fs_lock_wait(b, 5, 1, LRD_FS_SHARED), 0);
  assert_int_equal(lrd_fs_lock_try(a, 5, 1, LRD_FS_UNLOCK), 0);
  assert_true(lrd_fs_lock_held(a, 5, 1));
  lrd_fs_close(b);
  assert_false(lrd_fs_lock_held(a, 5, 1));
  lrd_fs_close(a);
  assert_true(lrd_fs_lock_held(-1, 0, 1));
  free(path);
}

static void lock_and_die(void *context) {
  int fd = lrd_fs_open(context, O_RDWR, 0);
  if (lrd_fs_lock_try(fd, 0, 1, LRD_FS_EXCLUSIVE)) _exit(1);
  raise(SIGKILL);
}

static void the_dead_hold_no_lock(void **state) {
  char *path = support_path(*state, "lock");
  int fd = lrd_fs_open(path, O_RDWR | O_CREAT, 0600);
  assert_int_equal(support_in_child(lock_and_die, path), 128 + SIGKILL);
  assert_false(lrd_fs_lock_held(fd, 0, 1));
  lrd_fs_close(fd);
  free(path);
}

static void file_systems_are_told_by_their_magic(void **state) {
  (void)state;
  static const struct {
    uint64_t magic;
    lrd_fs_kind kind;
    const char *name;
  } cases[] = {{0xEF53, LRD_FS_LOCAL, "ext4"},
               {0x58465342, LRD_FS_LOCAL, "xfs"},
               {0x9123683E, LRD_FS_LOCAL, "btrfs"},
               {0x01021994, LRD_FS_LOCAL, "tmpfs"},
               {0x794C7630, LRD_FS_LOCAL, "overlayfs"},
               {0xF2F52010, LRD_FS_LOCAL, "f2fs"},
               {0x2FC12FC1, LRD_FS_LOCAL, "zfs"},
               {0x6969, LRD_FS_NETWORK, "nfs"},
               {0xFF534D42, LRD_FS_NETWORK, "cifs"},
               {0xFE534D42, LRD_FS_NETWORK, "smb2"},
               {0x0BD00BD0, LRD_FS_NETWORK, "lustre"},
               {0x47504653, LRD_FS_NETWORK, "gpfs"},
               {0x00C36400, LRD_FS_NETWORK, "ceph"},
               {0x65735546, LRD_FS_UNKNOWN, "fuse"},
               {0x12345678, LRD_FS_UNKNOWN, "an unknown file system"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const char *name = NULL;
    assert_int_equal(lrd_fs_kind_of_magic(cases[i].magic, &name), cases[i].kind);
    assert_string_equal(name, cases[i].name);
    assert_int_equal(lrd_fs_kind_of_magic(cases[i].magic, NULL), cases[i].kind);
  }
  const char *name = NULL;
  assert_int_equal(lrd_fs_kind_of("/dev/shm", &name), LRD_FS_LOCAL);
  assert_string_equal(name, "tmpfs");
  assert_int_equal(lrd_fs_kind_of("/nonexistent", &name), LRD_FS_UNKNOWN);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      SUPPORT_DIR_TEST(whole_transfers_survive_interruptions_and_short_counts),
      SUPPORT_DIR_TEST(a_write_of_nothing_is_a_failure_not_a_loop),
      SUPPORT_DIR_TEST(every_operation_passes_the_gate),
      SUPPORT_DIR_TEST(the_gate_can_be_narrowed_to_a_path),
      SUPPORT_DIR_TEST(folders_are_made_with_their_parents),
      SUPPORT_DIR_TEST(publishing_leaves_the_old_or_the_new_whatever_fails),
      SUPPORT_DIR_TEST(publishing_leaves_the_old_or_the_new_after_a_crash),
      SUPPORT_DIR_TEST(publishing_and_slurping_survive_every_failed_allocation),
      SUPPORT_DIR_TEST(an_exact_mode_is_not_the_umasks_business),
      SUPPORT_DIR_TEST(slurping_has_a_limit),
      SUPPORT_DIR_TEST(maps_share_what_is_written),
      SUPPORT_DIR_TEST(locks_exclude_between_descriptors_and_vanish_with_them),
      SUPPORT_DIR_TEST(the_dead_hold_no_lock),
      cmocka_unit_test(file_systems_are_told_by_their_magic),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
