/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open-file-description locks. Unlike process-owned locks they don't vanish when some other descriptor of the same file is
 * closed, they work between threads, and the kernel drops them with the last descriptor, also after kill -9. And a lease, by
 * which it is told whether a file is somebody else's, too.
 */
#include "fs.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

static struct flock lock_of(int64_t offset, int64_t len, lrd_fs_lock kind) {
  struct flock lock = {.l_whence = SEEK_SET, .l_start = (off_t)offset, .l_len = (off_t)len};
  lock.l_type = (short)(kind == LRD_FS_UNLOCK ? F_UNLCK : kind == LRD_FS_SHARED ? F_RDLCK : F_WRLCK);
  return lock;
}

static int lock_call(int fd, int command, int64_t offset, int64_t len, lrd_fs_lock kind) {
  for (;;) {
    int refused = lrd_fs_pass(LRD_FS_LOCK, "", NULL);
    struct flock lock = lock_of(offset, len, kind);
    if (refused)
      errno = refused;
    else if (fcntl(fd, command, &lock) == 0)
      return 0;
    if (errno == EINTR) continue;
    if (errno == EACCES && !refused) errno = EAGAIN; /* POSIX allows either for "held" */
    return -1;
  }
}

int lrd_fs_lock_try(int fd, int64_t offset, int64_t len, lrd_fs_lock kind) {
  return lock_call(fd, F_OFD_SETLK, offset, len, kind);
}

int lrd_fs_lock_wait(int fd, int64_t offset, int64_t len, lrd_fs_lock kind) {
  return lock_call(fd, F_OFD_SETLKW, offset, len, kind);
}

bool lrd_fs_lock_held(int fd, int64_t offset, int64_t len) {
  struct flock lock = lock_of(offset, len, LRD_FS_EXCLUSIVE);
  /* Where we can't tell, somebody may hold it: taking a living owner for dead would be worse. */
  if (fcntl(fd, F_OFD_GETLK, &lock)) return true;
  return lock.l_type != F_UNLCK;
}

/*
 * A lease for writing is given to the only one that has the file open. Who opens it before we give the lease back would have us
 * told by a signal: by one that is ignored unless somebody wants it.
 */
bool lrd_fs_alone(int fd) {
  struct f_owner_ex const me = {.type = F_OWNER_TID, .pid = gettid()};
  if (lrd_fs_pass(LRD_FS_LOCK, "", NULL) != 0 || !lrd_fs_counts_openings(fd)) return false;
  if (fcntl(fd, F_SETSIG, SIGURG) != 0 || fcntl(fd, F_SETOWN_EX, &me) != 0 || fcntl(fd, F_SETLEASE, F_WRLCK) != 0) return false;
  return fcntl(fd, F_SETLEASE, F_UNLCK) == 0;
}
