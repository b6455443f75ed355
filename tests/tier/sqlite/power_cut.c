/* SPDX-License-Identifier: Apache-2.0 */
#include "power_cut.h"

#include "base/fs.h"
#include <dirent.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECTOR 512
enum { FILES_MAX = 8, SYNCED_MAX = 4096 };

typedef struct record {
  sqlite3_int64 at;
  int len; /* below 0: a truncation to `at` */
  uint8_t *data;
} record;

typedef struct tracked {
  char name[512];
  uint8_t *base;
  size_t base_len;
  record *records;
  size_t count;
  size_t cap;
} tracked;

typedef struct cut_file {
  sqlite3_file base;
  tracked *of; /* NULL: not followed */
  sqlite3_file *real;
} cut_file;

static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static tracked files[FILES_MAX];
static size_t files_count;
static char *synced[SYNCED_MAX];
static size_t synced_count;

static tracked *find(const char *name) {
  for (size_t i = 0; i < files_count; i++)
    if (strcmp(files[i].name, name) == 0) return &files[i];
  if (files_count == FILES_MAX) abort();
  tracked *fresh = &files[files_count++];
  memset(fresh, 0, sizeof *fresh);
  (void)snprintf(fresh->name, sizeof fresh->name, "%s", name);
  return fresh;
}

static void records_drop(tracked *of) {
  for (size_t i = 0; i < of->count; i++) free(of->records[i].data);
  of->count = 0;
}

static void record_add(tracked *of, sqlite3_int64 at, const void *data, int len) {
  if (of->count == of->cap) {
    of->cap = of->cap == 0 ? 256 : of->cap * 2;
    of->records = realloc(of->records, of->cap * sizeof *of->records);
    if (of->records == NULL) abort();
  }
  record *r = &of->records[of->count++];
  *r = (record){.at = at, .len = len};
  if (len >= 0) {
    r->data = malloc((size_t)len + 1);
    if (r->data == NULL) abort();
    memcpy(r->data, data, (size_t)len);
  }
}

/* Does what the record says to an image, only in sectors for which the coin says so when there is one. */
static void apply(uint8_t **image, size_t *len, const record *r, support_random *coin) {
  if (r->len < 0) {
    if ((size_t)r->at < *len) *len = (size_t)r->at;
    return;
  }
  size_t const end = (size_t)r->at + (size_t)r->len;
  size_t torn_at = coin != NULL && support_random_below(coin, 3) == 0 ? (size_t)support_random_below(coin, (uint64_t)r->len + 1)
                                                                      : (size_t)r->len;
  torn_at = torn_at == (size_t)r->len ? torn_at : torn_at / SECTOR * SECTOR;
  if (torn_at == 0) return;
  if (end > *len) {
    *image = realloc(*image, end);
    if (*image == NULL) abort();
    memset(*image + *len, 0, end - *len);
    *len = end;
  }
  memcpy(*image + r->at, r->data, torn_at);
}

static sqlite3_file *real_of(sqlite3_file *file) { return ((cut_file *)file)->real; }
#define REAL(call, ...) real_of(file)->pMethods->call(real_of(file), __VA_ARGS__)

static int cut_close(sqlite3_file *file) { return real_of(file)->pMethods->xClose(real_of(file)); }
static int cut_read(sqlite3_file *file, void *out, int len, sqlite3_int64 at) { return REAL(xRead, out, len, at); }

static int cut_write(sqlite3_file *file, const void *data, int len, sqlite3_int64 at) {
  pthread_mutex_lock(&guard);
  int const rc = REAL(xWrite, data, len, at);
  if (((cut_file *)file)->of != NULL && rc == SQLITE_OK) record_add(((cut_file *)file)->of, at, data, len);
  pthread_mutex_unlock(&guard);
  return rc;
}

static int cut_truncate(sqlite3_file *file, sqlite3_int64 len) {
  pthread_mutex_lock(&guard);
  int const rc = REAL(xTruncate, len);
  if (((cut_file *)file)->of != NULL && rc == SQLITE_OK) record_add(((cut_file *)file)->of, len, NULL, -1);
  pthread_mutex_unlock(&guard);
  return rc;
}

static int cut_sync(sqlite3_file *file, int flags) {
  tracked *of = ((cut_file *)file)->of;
  pthread_mutex_lock(&guard);
  (void)flags; /* what the real disk does takes time and proves nothing here */
  if (of != NULL) {
    for (size_t i = 0; i < of->count; i++) apply(&of->base, &of->base_len, &of->records[i], NULL);
    records_drop(of);
  }
  pthread_mutex_unlock(&guard);
  return SQLITE_OK;
}

static int cut_size(sqlite3_file *file, sqlite3_int64 *out) { return REAL(xFileSize, out); }
static int cut_lock(sqlite3_file *file, int kind) { return REAL(xLock, kind); }
static int cut_unlock(sqlite3_file *file, int kind) { return REAL(xUnlock, kind); }
static int cut_reserved(sqlite3_file *file, int *out) { return REAL(xCheckReservedLock, out); }
static int cut_control(sqlite3_file *file, int op, void *arg) { return REAL(xFileControl, op, arg); }
static int cut_sector(sqlite3_file *file) {
  (void)file;
  return SECTOR;
}
/* No promise of the device is relied on. */
static int cut_device(sqlite3_file *file) {
  (void)file;
  return 0;
}
static int cut_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **out) {
  return REAL(xShmMap, page, size, extend, out);
}
static int cut_shm_lock(sqlite3_file *file, int offset, int n, int flags) { return REAL(xShmLock, offset, n, flags); }
static void cut_shm_barrier(sqlite3_file *file) { real_of(file)->pMethods->xShmBarrier(real_of(file)); }
static int cut_shm_unmap(sqlite3_file *file, int remove) { return REAL(xShmUnmap, remove); }

static const sqlite3_io_methods cut_methods = {
    .iVersion = 2,
    .xClose = cut_close,
    .xRead = cut_read,
    .xWrite = cut_write,
    .xTruncate = cut_truncate,
    .xSync = cut_sync,
    .xFileSize = cut_size,
    .xLock = cut_lock,
    .xUnlock = cut_unlock,
    .xCheckReservedLock = cut_reserved,
    .xFileControl = cut_control,
    .xSectorSize = cut_sector,
    .xDeviceCharacteristics = cut_device,
    .xShmMap = cut_shm_map,
    .xShmLock = cut_shm_lock,
    .xShmBarrier = cut_shm_barrier,
    .xShmUnmap = cut_shm_unmap,
};

static int cut_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out_flags) {
  sqlite3_vfs *below = vfs->pAppData;
  cut_file *mine = (cut_file *)file;
  mine->base.pMethods = NULL;
  mine->of = NULL;
  mine->real = (sqlite3_file *)(mine + 1);
  int const rc = below->xOpen(below, name, mine->real, flags, out_flags);
  if (rc != SQLITE_OK) return rc;
  mine->base.pMethods = &cut_methods;
  if (name != NULL && (flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL))) {
    pthread_mutex_lock(&guard);
    mine->of = find(name);
    pthread_mutex_unlock(&guard);
  }
  return rc;
}

static int cut_delete(sqlite3_vfs *vfs, const char *name, int sync_dir) {
  sqlite3_vfs *below = vfs->pAppData;
  pthread_mutex_lock(&guard);
  tracked *of = find(name);
  records_drop(of);
  of->base_len = 0;
  pthread_mutex_unlock(&guard);
  return below->xDelete(below, name, sync_dir);
}

static int remember_sync(void *context, lrd_fs_op op, const char *path, size_t *len) {
  (void)context;
  (void)len;
  if (op != LRD_FS_SYNC || path == NULL) return 0;
  pthread_mutex_lock(&guard);
  if (synced_count < SYNCED_MAX) synced[synced_count++] = strdup(path);
  pthread_mutex_unlock(&guard);
  return 0;
}

void power_cut_begin(void) {
  static sqlite3_vfs cut;
  static struct { sqlite3_vfs *below; } once;
  if (once.below == NULL) {
    once.below = sqlite3_vfs_find(NULL);
    cut = *once.below;
    cut.szOsFile = (int)sizeof(cut_file) + once.below->szOsFile;
    cut.zName = "power-cut";
    cut.pAppData = once.below;
    cut.pNext = NULL;
    cut.xOpen = cut_open;
    cut.xDelete = cut_delete;
    assert_int_equal(sqlite3_vfs_register(&cut, 0), SQLITE_OK);
  }
  lrd_fs_set_gate(remember_sync, NULL);
}

void power_cut_end(void) {
  lrd_fs_set_gate(NULL, NULL);
  for (size_t i = 0; i < files_count; i++) {
    records_drop(&files[i]);
    free(files[i].records);
    free(files[i].base);
  }
  for (size_t i = 0; i < synced_count; i++) free(synced[i]);
  files_count = synced_count = 0;
}

uint64_t power_cut_unsynced(void) {
  uint64_t count = 0;
  pthread_mutex_lock(&guard);
  for (size_t i = 0; i < files_count; i++) count += files[i].count;
  pthread_mutex_unlock(&guard);
  return count;
}

static bool was_synced(const char *path) {
  size_t const len = strlen(path);
  for (size_t i = 0; i < synced_count; i++)
    if (strncmp(synced[i], path, len) == 0 && (synced[i][len] == 0 || synced[i][len] == '.')) return true;
  return false;
}

/* What the VFS does not see: whole when synced, else whole, torn, empty or gone. */
static void copy_tree(const char *from, const char *to, support_random *random) {
  DIR *dir = opendir(from);
  if (dir == NULL) return;
  assert_int_equal(lrd_fs_mkdir(to, 0700), 0);
  struct dirent *at = NULL;
  while ((at = readdir(dir)) != NULL) {
    if (at->d_name[0] == '.') continue;
    char *source = support_path(from, at->d_name);
    char *target = support_path(to, at->d_name);
    if (at->d_type == DT_DIR) {
      copy_tree(source, target, random);
    } else {
      size_t len = 0;
      char *content = support_file_read(source, &len);
      uint64_t const fate = was_synced(source) ? 0 : support_random_below(random, 4);
      if (fate == 1) len = len / 2;
      if (fate == 2) memset(content + len / 2, 0, len - len / 2);
      if (fate != 3) support_file_write(target, content, len);
      free(content);
    }
    free(source);
    free(target);
  }
  (void)closedir(dir);
}

void power_cut_image(const char *from, const char *to, support_random *random) {
  pthread_mutex_lock(&guard);
  for (size_t i = 0; i < files_count; i++) {
    tracked *of = &files[i];
    if (strncmp(of->name, from, strlen(from)) != 0) continue;
    uint8_t *image = malloc(of->base_len + 1);
    size_t len = of->base_len;
    if (image == NULL) abort();
    if (len != 0) memcpy(image, of->base, len);
    uint64_t const lucky = support_random_below(random, 4); /* of four writes so many arrive, on the average */
    for (size_t r = 0; r < of->count; r++)
      if (support_random_below(random, 4) < lucky) apply(&image, &len, &of->records[r], random);
    char *target = support_path(to, strrchr(of->name, '/') + 1);
    if (len != 0) support_file_write(target, image, len);
    free(target);
    free(image);
  }
  char *source = support_path(from, "blobs");
  char *target = support_path(to, "blobs");
  copy_tree(source, target, random);
  free(source);
  free(target);
  pthread_mutex_unlock(&guard);
}
