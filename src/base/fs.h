/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file seam. Every open, read, write, sync, rename, map and unlink of the library passes here (SQLite's own go
 * through the VFS of tier/sqlite, which consults the same gate). A test installs a gate that fails the Nth operation,
 * shortens a write, or drops what was not synced.
 *
 * Calls mean what their system calls mean: -1 and errno on failure. Whole-transfer forms retry EINTR and short counts.
 */
#ifndef LRD_BASE_FS_H
#define LRD_BASE_FS_H

#include <larder/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

typedef enum lrd_fs_op {
  LRD_FS_OPEN,
  LRD_FS_READ,
  LRD_FS_WRITE,
  LRD_FS_SYNC,
  LRD_FS_RENAME,
  LRD_FS_UNLINK,
  LRD_FS_MAP,
  LRD_FS_ALLOCATE,
  LRD_FS_TRUNCATE,
  LRD_FS_MKDIR,
  LRD_FS_LOCK,
  LRD_FS_STAT,
  LRD_FS_OP_COUNT
} lrd_fs_op;

/*
 * Test gate, called before each operation when set: returns 0 to let it pass or an errno to fail with. For WRITE it may
 * lower *len, which makes the write short. For STAT it may set *len to the magic number that lrd_fs_kind_of is to find. The
 * gate may also _exit, which is the crash. NULL in production.
 */
typedef int (*lrd_fs_gate)(void *context, lrd_fs_op op, const char *path, size_t *len);
void lrd_fs_set_gate(lrd_fs_gate gate, void *context);
/* For seams outside fs.c (the SQLite VFS). 0, or the errno to fail with. */
int lrd_fs_pass(lrd_fs_op op, const char *path, size_t *len);

int lrd_fs_open(const char *path, int flags, mode_t mode);                        /* O_CLOEXEC is always added */
void lrd_fs_close(int fd);                                                        /* accepts -1 */
int lrd_fs_read_full(int fd, void *out, size_t len, int64_t offset, size_t *got); /* pread until len or end of file */
/* read, for what has no offsets: a pipe, a terminal. Waits for what comes; 0: nothing does any more. */
int64_t lrd_fs_read_next(int fd, void *out, size_t len);
int lrd_fs_write_full(int fd, const char *path, const void *data, size_t len, int64_t offset);
int lrd_fs_sync(int fd, const char *path); /* fdatasync */
int lrd_fs_sync_dir(const char *path);
int lrd_fs_rename(const char *from, const char *to);
int lrd_fs_unlink(const char *path);
int lrd_fs_mkdir(const char *path, mode_t mode);  /* 0 also when it is there already */
int lrd_fs_mkdirs(const char *path, mode_t mode); /* with its parents */
int lrd_fs_stat(const char *path, struct stat *out);
int lrd_fs_allocate(int fd, const char *path, int64_t len); /* fallocate; the blocks exist afterwards, or ENOSPC now */
int lrd_fs_allocate_range(int fd, const char *path, int64_t offset, int64_t len);
int lrd_fs_truncate(int fd, const char *path, int64_t len);
void *lrd_fs_map(int fd, const char *path, size_t len, bool writable); /* MAP_SHARED; NULL and errno */
void lrd_fs_unmap(void *at, size_t len);

/* Whether no other descriptor and no mapping of any process has the file open; false where that can't be told. The file
 * has to be ours; changes who is signalled for the descriptor. */
bool lrd_fs_alone(int fd);

/* By a name within an open folder; the gate sees the name alone. */
int lrd_fs_open_at(int folder, const char *name, int flags, mode_t mode); /* O_CLOEXEC is always added */
/* With `exchange` the two files trade names at once; ENOENT when either is missing. */
int lrd_fs_rename_at(int folder, const char *from, const char *to, bool exchange);
int lrd_fs_unlink_at(int folder, const char *name);
int lrd_fs_mkdir_at(int folder, const char *name, mode_t mode); /* 0 also when the name is taken already */
int lrd_fs_sync_all(int fd, const char *path);                  /* syncfs: all that the file system of fd has not written */

/*
 * Publishes data at path: a temporary file beside it, written, synced when `sync`, renamed over it, the directory synced
 * when `sync`. The old file or the new one is there at every moment.
 */
int lrd_fs_publish(const char *path, const void *data, size_t len, mode_t mode, bool sync);
/* The same without syncing, and with exactly this mode, whatever the umask says. */
int lrd_fs_publish_as(const char *path, const void *data, size_t len, mode_t mode);
/* Reads a whole file of at most `limit` bytes into an allocated buffer; EFBIG above it. *out is NUL-terminated. */
int lrd_fs_slurp(const char *path, size_t limit, char **out, size_t *len_out);

/* Open-file-description locks on one byte; they go when the last descriptor of the open file does, also by kill -9. */
typedef enum lrd_fs_lock { LRD_FS_UNLOCK, LRD_FS_SHARED, LRD_FS_EXCLUSIVE } lrd_fs_lock;
int lrd_fs_lock_try(int fd, int64_t offset, int64_t len, lrd_fs_lock kind);  /* EAGAIN when somebody holds it */
int lrd_fs_lock_wait(int fd, int64_t offset, int64_t len, lrd_fs_lock kind); /* blocks; retried on EINTR */
/* Whether an exclusive lock on the range would be refused now, that is, whether somebody else holds it. */
bool lrd_fs_lock_held(int fd, int64_t offset, int64_t len);

/* What kind of file system a path lies on. */
typedef enum lrd_fs_kind { LRD_FS_LOCAL, LRD_FS_NETWORK, LRD_FS_UNKNOWN } lrd_fs_kind;
/* `name_out` gets a static name such as "ext4" or "nfs". */
lrd_fs_kind lrd_fs_kind_of(const char *path, const char **name_out);
/* The rule behind it, by statfs magic number; apart so that a test needs no NFS. */
lrd_fs_kind lrd_fs_kind_of_magic(uint64_t magic, const char **name_out);
/* Whether the file system counts who has a file open or mapped, so that a lease tells. */
bool lrd_fs_counts_openings(int fd);

#endif
