/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SQLite's files through the seam of base/fs.h: a VFS "larder-seam" over the default one that asks lrd_fs_pass before each
 * open, read, write, sync, truncate and delete, so that tests make the Nth fail. Used by testing builds only; it offers no
 * xFetch, so nothing is mapped and every read can fail.
 */
#include "sqlite_inner.h"

#include <errno.h>
#include <stdio.h>

typedef struct seam_file {
  sqlite3_file base;
  const char *name; /* SQLite keeps it for the life of the file */
  sqlite3_file *real;
} seam_file;

static sqlite3_file *real_of(sqlite3_file *file) { return ((seam_file *)file)->real; }

static _Thread_local int seam_errno;

/* SQLITE_OK, or what the operation fails with. */
static int pass(lrd_fs_op op, sqlite3_file *file, size_t *len, int failure) {
  const char *name = ((seam_file *)file)->name;
  int const why = lrd_fs_pass(op, name == NULL ? "" : name, len);
  if (why == 0) return SQLITE_OK;
  seam_errno = why;
  if (op == LRD_FS_WRITE && (why == ENOSPC || why == EDQUOT)) return SQLITE_FULL;
  return failure;
}

static int seam_close(sqlite3_file *file) {
  int const rc = real_of(file)->pMethods != NULL ? real_of(file)->pMethods->xClose(real_of(file)) : SQLITE_OK;
  file->pMethods = NULL;
  return rc;
}

static int seam_read(sqlite3_file *file, void *out, int len, sqlite3_int64 at) {
  size_t size = (size_t)len;
  int const rc = pass(LRD_FS_READ, file, &size, SQLITE_IOERR_READ);
  return rc == SQLITE_OK ? real_of(file)->pMethods->xRead(real_of(file), out, len, at) : rc;
}

/* A shortened write leaves its beginning behind and fails like a full disk, which is what shortens writes. */
static int seam_write(sqlite3_file *file, const void *data, int len, sqlite3_int64 at) {
  size_t size = (size_t)len;
  int const rc = pass(LRD_FS_WRITE, file, &size, SQLITE_IOERR_WRITE);
  if (rc != SQLITE_OK) return rc;
  int const written = real_of(file)->pMethods->xWrite(real_of(file), data, (int)size, at);
  return written == SQLITE_OK && size < (size_t)len ? SQLITE_FULL : written;
}

static int seam_truncate(sqlite3_file *file, sqlite3_int64 len) {
  size_t size = 0;
  int const rc = pass(LRD_FS_TRUNCATE, file, &size, SQLITE_IOERR_TRUNCATE);
  return rc == SQLITE_OK ? real_of(file)->pMethods->xTruncate(real_of(file), len) : rc;
}

static int seam_sync(sqlite3_file *file, int flags) {
  size_t size = 0;
  int const rc = pass(LRD_FS_SYNC, file, &size, SQLITE_IOERR_FSYNC);
  return rc == SQLITE_OK ? real_of(file)->pMethods->xSync(real_of(file), flags) : rc;
}

static int seam_size(sqlite3_file *file, sqlite3_int64 *out) { return real_of(file)->pMethods->xFileSize(real_of(file), out); }
static int seam_lock(sqlite3_file *file, int kind) { return real_of(file)->pMethods->xLock(real_of(file), kind); }
static int seam_unlock(sqlite3_file *file, int kind) { return real_of(file)->pMethods->xUnlock(real_of(file), kind); }
static int seam_reserved(sqlite3_file *file, int *out) {
  return real_of(file)->pMethods->xCheckReservedLock(real_of(file), out);
}
static int seam_control(sqlite3_file *file, int op, void *arg) {
  return real_of(file)->pMethods->xFileControl(real_of(file), op, arg);
}
static int seam_sector(sqlite3_file *file) { return real_of(file)->pMethods->xSectorSize(real_of(file)); }
static int seam_device(sqlite3_file *file) { return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file)); }
static int seam_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **out) {
  return real_of(file)->pMethods->xShmMap(real_of(file), page, size, extend, out);
}
static int seam_shm_lock(sqlite3_file *file, int offset, int n, int flags) {
  return real_of(file)->pMethods->xShmLock(real_of(file), offset, n, flags);
}
static void seam_shm_barrier(sqlite3_file *file) { real_of(file)->pMethods->xShmBarrier(real_of(file)); }
static int seam_shm_unmap(sqlite3_file *file, int remove) { return real_of(file)->pMethods->xShmUnmap(real_of(file), remove); }

static const sqlite3_io_methods seam_methods = {
    .iVersion = 2,
    .xClose = seam_close,
    .xRead = seam_read,
    .xWrite = seam_write,
    .xTruncate = seam_truncate,
    .xSync = seam_sync,
    .xFileSize = seam_size,
    .xLock = seam_lock,
    .xUnlock = seam_unlock,
    .xCheckReservedLock = seam_reserved,
    .xFileControl = seam_control,
    .xSectorSize = seam_sector,
    .xDeviceCharacteristics = seam_device,
    .xShmMap = seam_shm_map,
    .xShmLock = seam_shm_lock,
    .xShmBarrier = seam_shm_barrier,
    .xShmUnmap = seam_shm_unmap,
};

static sqlite3_vfs *real_vfs(sqlite3_vfs *vfs) { return vfs->pAppData; }

static int seam_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out_flags) {
  seam_file *seam = (seam_file *)file;
  seam->base.pMethods = NULL;
  seam->name = name;
  seam->real = (sqlite3_file *)(seam + 1);
  seam->real->pMethods = NULL;
  size_t len = 0;
  int rc = pass(LRD_FS_OPEN, file, &len, SQLITE_CANTOPEN);
  if (rc == SQLITE_OK) rc = real_vfs(vfs)->xOpen(real_vfs(vfs), name, seam->real, flags, out_flags);
  if (rc == SQLITE_OK) seam->base.pMethods = &seam_methods;
  return rc;
}

static int seam_delete(sqlite3_vfs *vfs, const char *name, int sync_dir) {
  size_t len = 0;
  int const why = lrd_fs_pass(LRD_FS_UNLINK, name, &len);
  if (why != 0) seam_errno = why;
  return why != 0 ? SQLITE_IOERR_DELETE : real_vfs(vfs)->xDelete(real_vfs(vfs), name, sync_dir);
}

static int seam_access(sqlite3_vfs *vfs, const char *name, int flags, int *out) {
  return real_vfs(vfs)->xAccess(real_vfs(vfs), name, flags, out);
}
static int seam_full_name(sqlite3_vfs *vfs, const char *name, int room, char *out) {
  return real_vfs(vfs)->xFullPathname(real_vfs(vfs), name, room, out);
}
static int seam_random(sqlite3_vfs *vfs, int len, char *out) { return real_vfs(vfs)->xRandomness(real_vfs(vfs), len, out); }
static int seam_sleep(sqlite3_vfs *vfs, int us) { return real_vfs(vfs)->xSleep(real_vfs(vfs), us); }
static int seam_time(sqlite3_vfs *vfs, double *out) { return real_vfs(vfs)->xCurrentTime(real_vfs(vfs), out); }
static int seam_time64(sqlite3_vfs *vfs, sqlite3_int64 *out) { return real_vfs(vfs)->xCurrentTimeInt64(real_vfs(vfs), out); }

static int seam_last_error(sqlite3_vfs *vfs, int room, char *out) {
  if (seam_errno == 0) return real_vfs(vfs)->xGetLastError(real_vfs(vfs), room, out);
  int const why = seam_errno;
  seam_errno = 0;
  return why;
}

const char *lrd_sqlite_seam(void) {
  static sqlite3_vfs seam;
  static pthread_mutex_t once = PTHREAD_MUTEX_INITIALIZER;
  static const char *name;
  pthread_mutex_lock(&once);
  sqlite3_vfs *below = sqlite3_vfs_find(NULL);
  if (name == NULL && below != NULL) {
    seam = (sqlite3_vfs){.iVersion = 2,
                         .szOsFile = (int)sizeof(seam_file) + below->szOsFile,
                         .mxPathname = below->mxPathname,
                         .zName = "larder-seam",
                         .pAppData = below,
                         .xOpen = seam_open,
                         .xDelete = seam_delete,
                         .xAccess = seam_access,
                         .xFullPathname = seam_full_name,
                         .xRandomness = seam_random,
                         .xSleep = seam_sleep,
                         .xCurrentTime = seam_time,
                         .xGetLastError = seam_last_error,
                         .xCurrentTimeInt64 = seam_time64};
    if (sqlite3_vfs_register(&seam, 0) == SQLITE_OK) name = seam.zName;
  }
  pthread_mutex_unlock(&once);
  return name;
}
