/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls behind one gate. Each call asks the gate first; what the gate refuses never reaches the kernel. Publishing
 * and slurping are built of the small calls, so that a gate sees each of their steps. Locks and file system kinds are in
 * fs_lock.c and fs_kind.c.
 */
#include "fs.h"

#include "bytes.h"
#include "hash.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static _Atomic(lrd_fs_gate) fs_gate;
static _Atomic(void *) fs_gate_context;

void lrd_fs_set_gate(lrd_fs_gate gate, void *context) {
  /* Closed while the context changes, so that no call meets the new gate with the old context. */
  atomic_store(&fs_gate, NULL);
  atomic_store(&fs_gate_context, context);
  atomic_store(&fs_gate, gate);
}

int lrd_fs_pass(lrd_fs_op op, const char *path, size_t *len) {
  lrd_fs_gate gate = atomic_load_explicit(&fs_gate, memory_order_acquire);
  if (!gate) return 0;
  size_t none = 0;
  return gate(atomic_load_explicit(&fs_gate_context, memory_order_relaxed), op, path ? path : "", len ? len : &none);
}

/* True when the gate refuses, with errno set. */
static bool fs_refused(lrd_fs_op op, const char *path, size_t *len) {
  int refused = lrd_fs_pass(op, path, len);
  if (refused) errno = refused;
  return refused != 0;
}

int lrd_fs_open(const char *path, int flags, mode_t mode) {
  int fd;
  do {
    fd = fs_refused(LRD_FS_OPEN, path, NULL) ? -1 : open(path, flags | O_CLOEXEC, mode);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

void lrd_fs_close(int fd) {
  if (fd < 0) return;
  int before = errno;
  (void)close(fd);
  errno = before;
}

int lrd_fs_read_full(int fd, void *out, size_t len, int64_t offset, size_t *got) {
  uint8_t *at = out;
  size_t done = 0;
  while (done < len) {
    size_t want = len - done;
    ssize_t n = fs_refused(LRD_FS_READ, NULL, &want) ? -1 : pread(fd, at + done, want, (off_t)(offset + (int64_t)done));
    if (n < 0) {
      if (errno == EINTR) continue;
      return -1;
    }
    if (n == 0) break;
    done += (size_t)n;
  }
  *got = done;
  return 0;
}

int64_t lrd_fs_read_next(int fd, void *out, size_t len) {
  ssize_t got;
  do {
    got = fs_refused(LRD_FS_READ, NULL, &len) ? -1 : read(fd, out, len);
  } while (got < 0 && errno == EINTR);
  return got;
}

int lrd_fs_write_full(int fd, const char *path, const void *data, size_t len, int64_t offset) {
  const uint8_t *at = data;
  size_t done = 0;
  while (done < len) {
    size_t want = len - done;
    ssize_t n = fs_refused(LRD_FS_WRITE, path, &want) ? -1 : pwrite(fd, at + done, want, (off_t)(offset + (int64_t)done));
    if (n < 0) {
      if (errno == EINTR) continue;
      return -1;
    }
    if (n == 0) {
      /* A disk that takes nothing and says nothing would keep us here for ever. */
      errno = EIO;
      return -1;
    }
    done += (size_t)n;
  }
  return 0;
}

int lrd_fs_sync(int fd, const char *path) {
  int result;
  do {
    result = fs_refused(LRD_FS_SYNC, path, NULL) ? -1 : fdatasync(fd);
  } while (result && errno == EINTR);
  return result;
}

int lrd_fs_sync_dir(const char *path) {
  int fd = lrd_fs_open(path, O_RDONLY | O_DIRECTORY, 0);
  if (fd < 0) return -1;
  int result;
  do {
    result = fs_refused(LRD_FS_SYNC, path, NULL) ? -1 : fsync(fd);
  } while (result && errno == EINTR);
  lrd_fs_close(fd);
  return result;
}

int lrd_fs_rename(const char *from, const char *to) { return fs_refused(LRD_FS_RENAME, to, NULL) ? -1 : rename(from, to); }

int lrd_fs_unlink(const char *path) { return fs_refused(LRD_FS_UNLINK, path, NULL) ? -1 : unlink(path); }

int lrd_fs_mkdir(const char *path, mode_t mode) {
  if (fs_refused(LRD_FS_MKDIR, path, NULL)) return -1;
  if (mkdir(path, mode) == 0) return 0;
  if (errno != EEXIST) return -1;
  struct stat found;
  if (stat(path, &found)) return -1;
  if (S_ISDIR(found.st_mode)) return 0;
  errno = ENOTDIR;
  return -1;
}

int lrd_fs_mkdirs(const char *path, mode_t mode) {
  char *copy = lrd_strdup(path);
  if (!copy) {
    errno = ENOMEM;
    return -1;
  }
  int result = 0;
  for (char *slash = copy; !result && (slash = strchr(slash + 1, '/')) != NULL;) {
    *slash = '\0';
    struct stat found;
    /* Parents that are there are not made: they may lie on media where we may not write. */
    if (stat(copy, &found) || !S_ISDIR(found.st_mode)) result = lrd_fs_mkdir(copy, mode);
    *slash = '/';
    while (slash[1] == '/') slash++;
    if (!slash[1]) break;
  }
  if (!result) result = lrd_fs_mkdir(copy, mode);
  int saved = errno;
  lrd_dealloc(copy);
  errno = saved;
  return result;
}

int lrd_fs_stat(const char *path, struct stat *out) { return fs_refused(LRD_FS_STAT, path, NULL) ? -1 : stat(path, out); }

int lrd_fs_allocate(int fd, const char *path, int64_t len) { return lrd_fs_allocate_range(fd, path, 0, len); }

int lrd_fs_allocate_range(int fd, const char *path, int64_t offset, int64_t len) {
  int result;
  do {
    result = fs_refused(LRD_FS_ALLOCATE, path, NULL) ? -1 : fallocate(fd, 0, (off_t)offset, (off_t)len);
  } while (result && errno == EINTR);
  return result;
}

int lrd_fs_truncate(int fd, const char *path, int64_t len) {
  int result;
  do {
    result = fs_refused(LRD_FS_TRUNCATE, path, NULL) ? -1 : ftruncate(fd, (off_t)len);
  } while (result && errno == EINTR);
  return result;
}

void *lrd_fs_map(int fd, const char *path, size_t len, bool writable) {
  if (fs_refused(LRD_FS_MAP, path, NULL)) return NULL;
  void *at = mmap(NULL, len, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);
  return at == MAP_FAILED ? NULL : at;
}

void lrd_fs_unmap(void *at, size_t len) {
  if (at) (void)munmap(at, len);
}

/* The folder that holds path, as an allocated string. */
static char *fs_parent(const char *path) {
  const char *slash = strrchr(path, '/');
  if (!slash) return lrd_strdup(".");
  return slash == path ? lrd_strdup("/") : lrd_strndup(path, (size_t)(slash - path));
}

/* How a file is published. */
typedef struct fs_publishing {
  mode_t mode;
  bool exactly; /* the mode is not the umask's business */
  bool sync;
} fs_publishing;

static int fs_write_new(const char *path, const void *data, size_t len, fs_publishing how) {
  int fd = lrd_fs_open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, how.mode);
  if (fd < 0) return -1;
  int result = lrd_fs_write_full(fd, path, data, len, 0);
  if (!result && how.exactly) result = fchmod(fd, how.mode);
  if (!result && how.sync) result = lrd_fs_sync(fd, path);
  lrd_fs_close(fd);
  return result;
}

static int fs_publish(const char *path, const void *data, size_t len, fs_publishing how) {
  int result = -1;
  lrd_buf temporary = {0};
  char *parent = NULL;
  uint64_t mark;
  if (lrd_random(&mark, sizeof mark)) return -1;
  if (lrd_buf_printf(&temporary, "%s.%016llx.tmp", path, (unsigned long long)mark) || lrd_buf_terminate(&temporary) ||
      !(parent = fs_parent(path))) {
    errno = ENOMEM;
    goto out;
  }
  const char *name = (const char *)temporary.data;
  result = fs_write_new(name, data, len, how);
  if (!result) result = lrd_fs_rename(name, path);
  if (result) {
    int saved = errno;
    (void)unlink(name);
    errno = saved;
    goto out;
  }
  if (how.sync) result = lrd_fs_sync_dir(parent);
out:;
  int saved = errno;
  lrd_buf_fini(&temporary);
  lrd_dealloc(parent);
  errno = saved;
  return result;
}

int lrd_fs_publish(const char *path, const void *data, size_t len, mode_t mode, bool sync) {
  return fs_publish(path, data, len, (fs_publishing){.mode = mode, .sync = sync});
}

int lrd_fs_publish_as(const char *path, const void *data, size_t len, mode_t mode) {
  return fs_publish(path, data, len, (fs_publishing){.mode = mode, .exactly = true});
}

int lrd_fs_slurp(const char *path, size_t limit, char **out, size_t *len_out) {
  int result = -1;
  int failure = 0;
  lrd_buf content = {0};
  int fd = lrd_fs_open(path, O_RDONLY, 0);
  if (fd < 0) return -1;
  /* Read to the end rather than trusting a size: files in /proc have none, and files grow. */
  for (;;) {
    if (lrd_buf_reserve(&content, 4096 + 1)) {
      failure = ENOMEM;
      goto out;
    }
    size_t room = content.cap - content.len - 1;
    size_t got;
    if (lrd_fs_read_full(fd, content.data + content.len, room, (int64_t)content.len, &got)) {
      failure = errno;
      goto out;
    }
    content.len += got;
    if (content.len > limit) {
      failure = EFBIG;
      goto out;
    }
    if (got < room) break;
  }
  content.data[content.len] = '\0';
  *out = (char *)content.data;
  *len_out = content.len;
  content = (lrd_buf){0};
  result = 0;
out:
  lrd_fs_close(fd);
  lrd_buf_fini(&content);
  if (result) errno = failure;
  return result;
}
