/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Before each operation the gate notes which name leads to which inode; every inode seen gets a second name in a vault, so
 * that its bytes can be had after it was unlinked, and its number is never given to another.
 */
#include "journal_disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { SECTOR = 512, PATH_ROOM = 256 };

typedef struct named {
  char path[PATH_ROOM]; /* below the folder */
  ino_t ino;            /* 0: a folder */
} named;

typedef struct moment {
  named *names;
  size_t len, cap;
} moment;

/* What an inode held at its last sync. */
typedef struct synced {
  ino_t ino;
  char *bytes;
  size_t len;
} synced;

static struct {
  pthread_mutex_t mutex;
  char *folder, *vault;
  moment *moments; /* the first is on the disk */
  size_t moments_len, moments_cap;
  synced *files;
  size_t files_len, files_cap;
  char opened[PATH_ROOM * 2]; /* what the operation before this one opened */
} disk = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void *grown(void *list, size_t len, size_t *cap, size_t size) {
  if (len < *cap) return list;
  *cap = *cap == 0 ? 32 : *cap * 2;
  void *more = realloc(list, *cap * size);
  if (more == NULL) abort();
  return more;
}

static void vault_path(ino_t ino, char out[PATH_ROOM * 2]) {
  (void)snprintf(out, (size_t)PATH_ROOM * 2, "%s/%llu", disk.vault, (unsigned long long)ino);
}

/* A folder before what is in it, by name. */
static void walk(const char *path, size_t skip, moment *out) {
  struct dirent **entries = NULL;
  int const count = scandir(path, &entries, NULL, alphasort);
  for (int i = 0; i < count; i++) {
    char below[PATH_ROOM * 2], kept[PATH_ROOM * 2];
    struct stat facts;
    const char *name = entries[i]->d_name;
    (void)snprintf(below, sizeof below, "%s/%s", path, name);
    if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && lstat(below, &facts) == 0) {
      bool const folder = S_ISDIR(facts.st_mode);
      out->names = grown(out->names, out->len, &out->cap, sizeof *out->names);
      named *at = &out->names[out->len++];
      (void)snprintf(at->path, sizeof at->path, "%s", below + skip);
      at->ino = folder ? 0 : facts.st_ino;
      vault_path(facts.st_ino, kept);
      if (!folder && link(below, kept) != 0 && errno != EEXIST) abort();
      if (folder) walk(below, skip, out);
    }
    free(entries[i]);
  }
  free(entries);
}

static bool same(const moment *a, const moment *b) {
  if (a->len != b->len) return false;
  for (size_t i = 0; i < a->len; i++)
    if (a->names[i].ino != b->names[i].ino || strcmp(a->names[i].path, b->names[i].path) != 0) return false;
  return true;
}

static const moment *now(void) { return &disk.moments[disk.moments_len - 1]; }

static void note(void) {
  moment seen = {0};
  walk(disk.folder, strlen(disk.folder) + 1, &seen);
  if (disk.moments_len != 0 && same(&seen, now())) {
    free(seen.names);
    return;
  }
  disk.moments = grown(disk.moments, disk.moments_len, &disk.moments_cap, sizeof *disk.moments);
  disk.moments[disk.moments_len++] = seen;
}

static char *bytes_of(ino_t ino, size_t *len) {
  char path[PATH_ROOM * 2];
  vault_path(ino, path);
  return support_file_read(path, len);
}

static synced *file_of(ino_t ino) {
  for (size_t i = 0; i < disk.files_len; i++)
    if (disk.files[i].ino == ino) return &disk.files[i];
  disk.files = grown(disk.files, disk.files_len, &disk.files_cap, sizeof *disk.files);
  disk.files[disk.files_len] = (synced){.ino = ino};
  return &disk.files[disk.files_len++];
}

static void bytes_synced(ino_t ino) {
  synced *file = file_of(ino);
  free(file->bytes);
  file->bytes = bytes_of(ino, &file->len);
}

static void names_synced(void) {
  for (size_t i = 0; i + 1 < disk.moments_len; i++) free(disk.moments[i].names);
  disk.moments[0] = disk.moments[disk.moments_len - 1];
  disk.moments_len = 1;
}

/* A path within the folder, or a bare name somewhere in it. */
static bool names_file(const named *at, const char *path) {
  size_t const root = strlen(disk.folder);
  if (strncmp(path, disk.folder, root) == 0) return strcmp(at->path, path + root + 1) == 0;
  size_t const long_len = strlen(at->path), len = strlen(path);
  return long_len >= len && strcmp(at->path + long_len - len, path) == 0 &&
         (long_len == len || at->path[long_len - len - 1] == '/');
}

/* A folder is synced by itself right after it was opened for that; what else syncs a folder's path is syncfs. */
static void sync_seen(const char *path) {
  struct stat facts;
  bool const whole = stat(path, &facts) == 0 && S_ISDIR(facts.st_mode);
  if (whole && strcmp(disk.opened, path) == 0) {
    names_synced();
    return;
  }
  for (size_t i = 0; i < now()->len; i++)
    if (now()->names[i].ino != 0 && (whole || names_file(&now()->names[i], path))) bytes_synced(now()->names[i].ino);
  if (whole) names_synced();
}

/* A file that is emptied under a name aside: that reaches the disk in order with the names. */
static void emptying_seen(const char *path) {
  for (size_t i = 0; i < now()->len; i++) {
    if (now()->names[i].ino == 0 || !names_file(&now()->names[i], path)) continue;
    synced *file = file_of(now()->names[i].ino);
    free(file->bytes);
    *file = (synced){.ino = file->ino};
  }
}

static int gate(void *context, lrd_fs_op op, const char *path, size_t *len) {
  (void)context;
  (void)len;
  if (path == NULL || op == LRD_FS_READ || op == LRD_FS_STAT || op == LRD_FS_LOCK || op == LRD_FS_MAP) return 0;
  pthread_mutex_lock(&disk.mutex);
  note();
  if (op == LRD_FS_SYNC) sync_seen(path);
  if (op == LRD_FS_TRUNCATE && strstr(path, "/.larder-") != NULL) emptying_seen(path);
  (void)snprintf(disk.opened, sizeof disk.opened, "%s", op == LRD_FS_OPEN ? path : "");
  pthread_mutex_unlock(&disk.mutex);
  return 0;
}

void journal_disk_begin(const char *folder) {
  disk.folder = strdup(folder);
  disk.vault = support_dir_make(); /* on the same file system, for links */
  note();
  journal_disk_go_on();
}

void journal_disk_rest(void) { lrd_fs_set_gate(NULL, NULL); }

void journal_disk_go_on(void) { lrd_fs_set_gate(gate, NULL); }

void journal_disk_end(void) {
  journal_disk_rest();
  for (size_t i = 0; i < disk.moments_len; i++) free(disk.moments[i].names);
  for (size_t i = 0; i < disk.files_len; i++) free(disk.files[i].bytes);
  free(disk.moments);
  free(disk.files);
  disk.moments = NULL;
  disk.files = NULL;
  disk.moments_len = disk.moments_cap = disk.files_len = disk.files_cap = 0;
  free(disk.folder);
  support_dir_remove(&disk.vault);
}

size_t journal_disk_moments(void) {
  pthread_mutex_lock(&disk.mutex);
  size_t const moments = disk.moments_len;
  pthread_mutex_unlock(&disk.mutex);
  return moments;
}

typedef enum arrival { NOTHING, ANYTHING, EVERYTHING, ARRIVALS } arrival;

static void file_make(const char *path, ino_t ino, arrival how, support_random *random) {
  const synced *before = file_of(ino);
  size_t live_len, len;
  char *live = bytes_of(ino, &live_len);
  if (how == NOTHING)
    len = before->len;
  else if (how == EVERYTHING)
    len = live_len;
  else
    len = before->len + (live_len > before->len ? (size_t)support_random_below(random, live_len - before->len + 1) : 0);
  char *made = calloc(1, len + 1);
  if (made == NULL) abort();
  for (size_t at = 0; at < len; at += SECTOR) {
    bool const arrived = how == EVERYTHING || (how == ANYTHING && support_random_below(random, 2) == 0);
    const char *from = arrived ? live : before->bytes;
    size_t const from_len = arrived ? live_len : before->len, left = len - at < SECTOR ? len - at : SECTOR;
    if (at < from_len) memcpy(made + at, from + at, from_len - at < left ? from_len - at : left);
  }
  support_file_write(path, made, len);
  struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}}, up;
  (void)clock_gettime(CLOCK_REALTIME, &times[1]);
  (void)clock_gettime(CLOCK_BOOTTIME, &up);
  times[1].tv_sec -= up.tv_sec + 10;
  if (utimensat(AT_FDCWD, path, times, 0) != 0) abort();
  free(made);
  free(live);
}

void journal_disk_image(const char *to, support_random *random) {
  pthread_mutex_lock(&disk.mutex);
  note();
  const moment *found = &disk.moments[support_random_below(random, disk.moments_len)];
  for (size_t i = 0; i < found->len; i++) {
    const named *at = &found->names[i];
    char *path = support_path(to, at->path);
    if (at->ino == 0)
      (void)mkdir(path, 0700);
    else
      file_make(path, at->ino, (arrival)support_random_below(random, ARRIVALS), random);
    free(path);
  }
  pthread_mutex_unlock(&disk.mutex);
}
