/* SPDX-License-Identifier: Apache-2.0 */
/* The calls of the seam that name a file within an open folder, and the one that brings a whole file system to the disk. */
#include "fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static bool at_refused(lrd_fs_op op, const char *name) {
  int const refused = lrd_fs_pass(op, name, NULL);
  if (refused != 0) errno = refused;
  return refused != 0;
}

int lrd_fs_open_at(int folder, const char *name, int flags, mode_t mode) {
  int fd;
  do {
    fd = at_refused(LRD_FS_OPEN, name) ? -1 : openat(folder, name, flags | O_CLOEXEC, mode);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

int lrd_fs_rename_at(int folder, const char *from, const char *to, bool exchange) {
  if (at_refused(LRD_FS_RENAME, to)) return -1;
  return renameat2(folder, from, folder, to, exchange ? RENAME_EXCHANGE : 0);
}

int lrd_fs_unlink_at(int folder, const char *name) { return at_refused(LRD_FS_UNLINK, name) ? -1 : unlinkat(folder, name, 0); }

int lrd_fs_mkdir_at(int folder, const char *name, mode_t mode) {
  if (at_refused(LRD_FS_MKDIR, name)) return -1;
  return mkdirat(folder, name, mode) == 0 || errno == EEXIST ? 0 : -1;
}

int lrd_fs_sync_all(int fd, const char *path) {
  int result;
  do {
    result = at_refused(LRD_FS_SYNC, path) ? -1 : syncfs(fd);
  } while (result != 0 && errno == EINTR);
  return result;
}
