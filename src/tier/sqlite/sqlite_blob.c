/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Large values as files: `blobs/ab/cd/<stamp>-<hash>`, ab and cd the first bytes of the hash, both numbers in 16 hex
 * digits. A name is never used for two values, so what a row names is whole or gone, never another's. The file is renamed
 * into place before its row commits; the old one is unlinked when that commit is on the disk. A crash in between leaves a file
 * that no row names, an orphan: swept once it is old enough and its slot can be owned.
 *
 * What was committed without waiting for the disk goes on the board's ring, from which the ticker of any living process
 * syncs it, before it syncs the log: a row on disk then names a file on disk, even when its writer has died meanwhile.
 */
#include "sqlite_inner.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void lrd_sqlite_blob_name(uint64_t hash, uint64_t stamp, char *out) {
  (void)snprintf(out, LRD_SQLITE_BLOB_NAME_MAX, "%02x/%02x/%016llx-%016llx", (unsigned)(hash >> 56),
                 (unsigned)(hash >> 48) & 0xff, (unsigned long long)stamp, (unsigned long long)hash);
}

static char *blob_path(const sqlite_tier *tier, uint64_t hash, uint64_t stamp) {
  char name[LRD_SQLITE_BLOB_NAME_MAX];
  lrd_sqlite_blob_name(hash, stamp, name);
  return lrd_path_join(tier->blobs_path, name);
}

/* Syncs the folders that lead to a file, since any of them may be new: cd, ab and blobs, the first of them by choice. */
static int folders_sync(const char *path, bool innermost) {
  char *folder = lrd_strdup(path);
  if (folder == NULL) {
    errno = ENOMEM;
    return -1;
  }
  int rc = 0;
  for (int level = 0; level < 3 && rc == 0; level++) {
    *strrchr(folder, '/') = 0;
    if (level > 0 || innermost) rc = lrd_fs_sync_dir(folder);
  }
  lrd_dealloc(folder);
  return rc;
}

larder_err lrd_sqlite_blob_write(sqlite_tier *tier, uint64_t hash, uint64_t stamp, const void *data, size_t len, bool sync) {
  char *path = blob_path(tier, hash, stamp);
  if (path == NULL) return LARDER_ENOMEM;
  int rc = lrd_fs_publish(path, data, len, 0600, sync);
  if (rc != 0 && errno == ENOENT) {
    char *end = strrchr(path, '/');
    *end = 0;
    rc = lrd_fs_mkdirs(path, 0700);
    *end = '/';
    if (rc == 0) rc = lrd_fs_publish(path, data, len, 0600, sync);
  }
  if (rc == 0 && sync) rc = folders_sync(path, false); /* publish has synced cd */
  larder_err const err = rc == 0 ? LARDER_OK : lrd_err_from_errno(errno);
  if (rc != 0) (void)lrd_fs_unlink(path);
  lrd_dealloc(path);
  return err;
}

/* LARDER_EUNKNOWN when there is no such file: the caller looks at the row again. */
larder_err lrd_sqlite_blob_read(sqlite_tier *tier, uint64_t hash, uint64_t stamp, void *out, size_t len) {
  char *path = blob_path(tier, hash, stamp);
  if (path == NULL) return LARDER_ENOMEM;
  larder_err err = LARDER_OK;
  int const fd = lrd_fs_open(path, O_RDONLY, 0);
  if (fd < 0) {
    err = errno == ENOENT ? LARDER_EUNKNOWN : lrd_err_from_errno(errno);
  } else {
    struct stat facts;
    size_t got = 0;
    if (fstat(fd, &facts) != 0 || (uint64_t)facts.st_size != len)
      err = LARDER_ECORRUPT;
    else if (lrd_fs_read_full(fd, out, len, 0, &got) != 0)
      err = lrd_err_from_errno(errno);
    else if (got != len)
      err = LARDER_ECORRUPT;
    lrd_fs_close(fd);
  }
  lrd_dealloc(path);
  return err;
}

void lrd_sqlite_blob_unlink(sqlite_tier *tier, uint64_t hash, uint64_t stamp) {
  char *path = blob_path(tier, hash, stamp);
  if (path != NULL) (void)lrd_fs_unlink(path);
  lrd_dealloc(path);
}

/*
 * A row that replaced another may still be lost in a power cut, and then the older one is what the database says: its file
 * goes only when the change is on the disk. Bounded in number and bytes; files of a process that dies are orphans.
 */
void lrd_sqlite_blob_leave(sqlite_tier *tier, const sqlite_unlink *file) {
  lrd_lock(&tier->leaving);
  bool const waits = tier->leaves_count < LRD_SQLITE_LEAVES_MAX && tier->leaves_bytes + file->bytes <= LRD_SQLITE_LEAVES_BYTES;
  if (waits) {
    tier->leaves[tier->leaves_count++] = *file;
    tier->leaves_bytes += file->bytes;
  }
  lrd_unlock(&tier->leaving);
  if (!waits) lrd_sqlite_blob_unlink(tier, file->hash, file->stamp);
}

void lrd_sqlite_blobs_left(sqlite_tier *tier, uint64_t synced) {
  lrd_lock(&tier->leaving);
  size_t kept = 0;
  for (size_t i = 0; i < tier->leaves_count; i++) {
    if (tier->leaves[i].commit > synced) {
      tier->leaves[kept++] = tier->leaves[i];
      continue;
    }
    tier->leaves_bytes -= tier->leaves[i].bytes;
    lrd_sqlite_blob_unlink(tier, tier->leaves[i].hash, tier->leaves[i].stamp);
  }
  tier->leaves_count = kept;
  lrd_unlock(&tier->leaving);
}

/* One that is gone by now needs no sync. */
int lrd_sqlite_blob_sync(sqlite_tier *tier, uint64_t hash, uint64_t stamp) {
  char *path = blob_path(tier, hash, stamp);
  if (path == NULL) {
    errno = ENOMEM;
    return -1;
  }
  int rc = 0;
  int const fd = lrd_fs_open(path, O_RDONLY, 0);
  if (fd >= 0) {
    rc = lrd_fs_sync(fd, path);
    lrd_fs_close(fd);
    if (rc == 0) rc = folders_sync(path, true);
  } else if (errno != ENOENT) {
    rc = -1;
  }
  lrd_dealloc(path);
  return rc;
}

static bool is_hex2(const char *name) { return strlen(name) == 2 && strspn(name, "0123456789abcdef") == 2; }

/* The numbers in a blob's name; temporary files of a publish that never ended have none but go by age alone. */
static bool name_parse(const char *name, uint64_t *hash, uint64_t *stamp) {
  unsigned long long a = 0, b = 0;
  int used = 0;
  if (sscanf(name, "%16llx-%16llx%n", &a, &b, &used) != 2 || used != 33 || name[33] != 0) return false;
  *stamp = a;
  *hash = b;
  return true;
}

/* Whether a row names this file; asked within a reader's own short transaction. LARDER_MISS: none does. */
static larder_err row_names(sqlite_tier *tier, uint64_t hash, uint64_t stamp) {
  sqlite_reader *reader = NULL;
  larder_err err = lrd_sqlite_reader_claim(tier, &reader);
  if (err != LARDER_OK) return err;
  int rc = sqlite3_bind_int64(reader->facts, 1, key64_of(hash));
  if (rc == SQLITE_OK) rc = sqlite3_step(reader->facts);
  err = LARDER_MISS;
  if (rc == SQLITE_ROW) {
    sqlite_row row;
    lrd_sqlite_row_from_statement(reader->facts, &row);
    if ((row.flags & ROW_BLOB) && row.blob_stamp == stamp) err = LARDER_OK;
  } else if (rc != SQLITE_DONE) {
    err = lrd_sqlite_fault(tier, reader->db, rc);
  }
  (void)sqlite3_reset(reader->facts);
  lrd_sqlite_reader_return(tier, reader);
  return err;
}

static void orphan_judge(sqlite_tier *tier, const char *folder, const char *name, bool remove, uint64_t *found,
                         uint64_t *removed) {
  uint64_t hash = 0, stamp = 0;
  bool const named = name_parse(name, &hash, &stamp);
  bool owned = false;
  if (named) {
    if (row_names(tier, hash, stamp) != LARDER_MISS) return;
    owned = tier->host.slot_try_own == NULL || tier->host.slot_try_own(tier->host.context, hash);
    /* Again under the slot: its writer may have been about to commit. */
    bool const still = owned && row_names(tier, hash, stamp) == LARDER_MISS;
    if (!still) {
      if (owned && tier->host.slot_release != NULL) tier->host.slot_release(tier->host.context, hash);
      return;
    }
  }
  (*found)++;
  char *path = remove ? lrd_path_join(folder, name) : NULL;
  if (path != NULL && lrd_fs_unlink(path) == 0) (*removed)++;
  lrd_dealloc(path);
  if (owned && tier->host.slot_release != NULL) tier->host.slot_release(tier->host.context, hash);
}

static void folder_judge(sqlite_tier *tier, const char *folder, int depth, bool remove, int64_t older_than_ms, uint64_t *found,
                         uint64_t *removed) {
  DIR *dir = opendir(folder);
  if (dir == NULL) return;
  struct dirent *at = NULL;
  while ((at = readdir(dir)) != NULL) {
    if (at->d_name[0] == '.' && (at->d_name[1] == 0 || at->d_name[1] == '.')) continue;
    char *path = lrd_path_join(folder, at->d_name);
    if (path == NULL) break;
    struct stat facts;
    if (depth < 2 && is_hex2(at->d_name)) {
      folder_judge(tier, path, depth + 1, remove, older_than_ms, found, removed);
    } else if (depth == 2 && lrd_fs_stat(path, &facts) == 0 && S_ISREG(facts.st_mode) &&
               (int64_t)facts.st_mtim.tv_sec * 1000 + facts.st_mtim.tv_nsec / 1000000 < older_than_ms) {
      orphan_judge(tier, folder, at->d_name, remove, found, removed);
    }
    lrd_dealloc(path);
  }
  (void)closedir(dir);
}

/* Files last written before older_than_ms (wall clock) that no row names. */
larder_err lrd_sqlite_blob_orphans(sqlite_tier *tier, bool remove, int64_t older_than_ms, uint64_t *found, uint64_t *removed) {
  folder_judge(tier, tier->blobs_path, 0, remove, older_than_ms, found, removed);
  return LARDER_OK;
}
