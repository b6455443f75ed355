/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lies in a folder beside the files of entries: metadata for people, damaged files on their way to quarantine, and
 * temporary files. These hold a value that is not published yet or one that was replaced, and are named by hash, stamp and a
 * number: `.larder-<hash>-<stamp>-<number>`. After a power cut the one or the other may be what the log speaks of.
 */
#include "base/json_read.h"
#include "files_inner.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SHARDS_DEPTH 4

int lrd_files_publish_view(files_tier *tier, const char *folder, const char *name, const void *data, size_t len) {
  char base[48];
  (void)snprintf(base, sizeof base, LRD_FILES_TEMPORARY "view-%08x", atomic_fetch_add(&tier->nonce, 1));
  char *from = lrd_path_join(folder, base);
  char *to = lrd_path_join(folder, name);
  int rc = -1;
  errno = ENOMEM;
  int const fd = from == NULL || to == NULL ? -1 : lrd_fs_open(from, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
  if (fd >= 0) {
    rc = lrd_fs_write_full(fd, from, data, len, 0);
    lrd_fs_close(fd);
    if (rc == 0) rc = lrd_fs_rename(from, to);
    int const why = errno;
    if (rc != 0) (void)lrd_fs_unlink(from);
    errno = why;
  }
  lrd_dealloc(from);
  lrd_dealloc(to);
  return rc;
}

static bool is_json(const void *text, size_t len) {
  size_t at = 0;
  const char *mistake = NULL;
  return len != 0 && lrd_json_check(text, len, &at, &mistake) == LARDER_OK;
}

/* The path of the metadata beside an entry's file; own, NULL when there is none to be had. */
static char *meta_path(files_tier *tier, const files_entry *entry) {
  lrd_buf name = {0};
  char *path = NULL;
  const char *folder = tier->index.spaces[entry->space].folder;
  if (folder != NULL && lrd_files_meta_name(&name, entry) == LARDER_OK) path = lrd_path_join(folder, (const char *)name.data);
  lrd_buf_fini(&name);
  return path;
}

static void meta_unlink(files_tier *tier, const files_entry *entry) {
  char *path = meta_path(tier, entry);
  if (path != NULL) (void)lrd_fs_unlink(path);
  lrd_dealloc(path);
}

void lrd_files_remove_meta(files_tier *tier, const files_entry *entry) {
  if (lrd_files_has_meta(entry) && entry->head_len != 0) meta_unlink(tier, entry);
}

/* A view for people: a failure costs no more than that, and is told. Sealed metadata stays in the index. */
void lrd_files_publish_meta(files_tier *tier, const files_entry *entry, bool old_there) {
  larder_facts facts;
  if (!lrd_files_has_meta(entry)) return;
  if (!lrd_facts_head_unpack(files_head(entry), entry->head_len, &facts) || !is_json(facts.meta, facts.meta_len)) {
    if (old_there) meta_unlink(tier, entry);
    return;
  }
  char *path = meta_path(tier, entry);
  if (path == NULL) return;
  char *name = strrchr(path, '/');
  *name++ = 0;
  int rc = lrd_files_publish_view(tier, path, name, facts.meta, facts.meta_len);
  if (rc != 0 && errno == ENOENT && lrd_fs_mkdirs(path, 0700) == 0)
    rc = lrd_files_publish_view(tier, path, name, facts.meta, facts.meta_len);
  if (rc != 0) lrd_files_log(tier, LRD_LOG_WARN, "files.no_metadata", "cannot write %s/%s", path, name);
  lrd_dealloc(path);
}

bool lrd_files_quarantine(files_tier *tier, uint32_t space, const char *name) {
  const files_space *from = &tier->index.spaces[space];
  lrd_buf to = {0};
  char *path = from->folder == NULL ? NULL : lrd_path_join(from->folder, name);
  const char *base = strrchr(name, '/') == NULL ? name : strrchr(name, '/') + 1;
  const char *folder = from->folder == NULL ? "" : strrchr(from->folder, '/') + 1;
  larder_err err = path == NULL ? LARDER_ENOMEM : LARDER_OK;
  /* In the folder's name twice the time would collide; a number of ours does not. */
  if (err == LARDER_OK)
    err = lrd_buf_printf(&to, "%s%llx-%x-%.60s-%.150s", tier->quarantine, (unsigned long long)files_wall_ms(tier),
                         atomic_fetch_add(&tier->nonce, 1), folder, base);
  if (err == LARDER_OK) err = lrd_buf_terminate(&to);
  bool const moved =
      err == LARDER_OK && lrd_fs_mkdirs(tier->quarantine, 0700) == 0 && lrd_fs_rename(path, (char *)to.data) == 0;
  lrd_dealloc(path);
  lrd_buf_fini(&to);
  return moved;
}

/* --- temporary files ---------------------------------------------------------------------------------------------------------
 */

static bool is_temporary(const char *name) { return strncmp(name, LRD_FILES_TEMPORARY, strlen(LRD_FILES_TEMPORARY)) == 0; }

/* The folder within a space's folder in which the entry's file lies, opened for reading; NULL and errno. */
static DIR *folder_open(int space_fd, const char *within) {
  int const fd = lrd_fs_open_at(space_fd, within, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
  DIR *dir = fd < 0 ? NULL : fdopendir(fd);
  if (dir == NULL) lrd_fs_close(fd);
  return dir;
}

/*
 * The entry's own temporary file always counts. What was replaced, and lies under the name of its successor, counts only where
 * the machine has stopped and lost the end of the log: else the successor was acknowledged, and only the log is damaged.
 */
larder_err lrd_files_mend(files_tier *tier, const files_entry *entry) {
  char within[LRD_FILES_NAME_MAX], prefix[LRD_FILES_NAME_MAX], found[LRD_FILES_NAME_MAX], own[LRD_FILES_NAME_MAX];
  bool const cut = atomic_load(&tier->board->cut) != 0;
  const char *name = files_name(entry);
  const char *slash = strrchr(name, '/');
  int const fd = lrd_files_space_fd(tier, entry->space);
  if (fd < 0) return lrd_err_from_errno(errno);
  (void)snprintf(within, sizeof within, "%.*s", slash == NULL ? 1 : (int)(slash - name), slash == NULL ? "." : name);
  int const prefix_len = snprintf(prefix, sizeof prefix, LRD_FILES_TEMPORARY "%016llx-", (unsigned long long)entry->hash);
  lrd_files_temporary(entry, own);
  const char *own_base = strrchr(own, '/') == NULL ? own : strrchr(own, '/') + 1;
  DIR *dir = folder_open(fd, within);
  if (dir == NULL) return LARDER_MISS;
  larder_err err = LARDER_MISS;
  for (struct dirent *at = NULL; err == LARDER_MISS && (at = readdir(dir)) != NULL;) {
    if (strncmp(at->d_name, prefix, (size_t)prefix_len) != 0 || (!cut && strcmp(at->d_name, own_base) != 0)) continue;
    if (snprintf(found, sizeof found, "%s/%s", within, at->d_name) >= (int)sizeof found) continue;
    if (lrd_files_file_matches(tier, entry, found, false) != LARDER_OK) continue;
    err = lrd_fs_rename_at(fd, found, name, false) == 0 ? LARDER_OK : lrd_err_from_errno(errno);
  }
  (void)closedir(dir);
  return err;
}

typedef void (*temporary_visit)(void *context, int folder, const char *name);

/* Every temporary file in the folder and those of shards below it. */
static void each_temporary(int fd, const char *within, int depth, temporary_visit visit, void *context) {
  DIR *dir = folder_open(fd, within);
  if (dir == NULL) return;
  for (struct dirent *at = NULL; (at = readdir(dir)) != NULL;) {
    char below[LRD_FILES_NAME_MAX];
    if (is_temporary(at->d_name)) {
      visit(context, dirfd(dir), at->d_name);
      continue;
    }
    if (depth == 0 || at->d_name[0] == '.' || strchr(at->d_name, '.') != NULL)
      continue; /* files have an ending, folders none */
    if (snprintf(below, sizeof below, "%s/%s", within, at->d_name) < (int)sizeof below)
      each_temporary(fd, below, depth - 1, visit, context);
  }
  (void)closedir(dir);
}

/* Unlinks what is old. The time of the last renaming counts: a replaced file has kept its time of writing. */
static void sweep_one(void *context, int folder, const char *name) {
  const int64_t *older_than_ms = context;
  struct stat facts;
  if (fstatat(folder, name, &facts, AT_SYMLINK_NOFOLLOW) != 0) return;
  int64_t const changed_ms = (int64_t)facts.st_ctim.tv_sec * 1000 + facts.st_ctim.tv_nsec / 1000000;
  if (S_ISREG(facts.st_mode) && changed_ms < *older_than_ms) (void)lrd_fs_unlink_at(folder, name);
}

larder_err lrd_files_sweep_temporary(files_tier *tier) {
  if (tier->read_only) return LARDER_OK;
  /* By the machine's clock, which is the files'. */
  int64_t older_than_ms = lrd_wall_ms(lrd_clock_real()) - LRD_FILES_TOMBSTONE_MS;
  for (uint32_t space = 1; space < LRD_FILES_SPACES_MAX; space++) {
    larder_err const err = lrd_files_turn_begin(tier); /* nobody is between writing one and publishing it for that long */
    if (err != LARDER_OK) return err;
    bool const last = space >= tier->index.spaces_end;
    int const fd = last || tier->index.spaces[space].folder == NULL ? -1 : lrd_files_space_fd(tier, space);
    int const mine = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
    larder_err const done = lrd_files_turn_finish(tier, LARDER_OK);
    if (mine >= 0) {
      each_temporary(mine, ".", SHARDS_DEPTH, sweep_one, &older_than_ms);
      lrd_fs_close(mine);
    }
    if (last || done != LARDER_OK) {
      each_temporary(tier->folder_fd, ".", 0, sweep_one, &older_than_ms);
      return done;
    }
  }
  return LARDER_OK;
}

/* `.larder-<hash>-…` */
static void mend_for(void *context, int folder, const char *name) {
  files_tier *tier = context;
  (void)folder;
  const char *digits = name + strlen(LRD_FILES_TEMPORARY);
  char *end = NULL;
  uint64_t const hash = strtoull(digits, &end, 16);
  const files_entry *entry = end == digits + 16 && *end == '-' ? lrd_files_find(&tier->index, hash) : NULL;
  if (entry != NULL && !files_dead(entry)) (void)lrd_files_to_be_had(tier, entry);
}

void lrd_files_mend_aside(files_tier *tier) {
  for (uint32_t space = 1; space < tier->index.spaces_end; space++) {
    int const fd = tier->index.spaces[space].folder == NULL ? -1 : lrd_files_space_fd(tier, space);
    if (fd >= 0) each_temporary(fd, ".", SHARDS_DEPTH, mend_for, tier);
  }
}

void lrd_files_folders_open(files_tier *tier) {
  pthread_rwlock_wrlock(&tier->lock);
  for (uint32_t space = 1; space < tier->index.spaces_end; space++) (void)lrd_files_space_fd(tier, space);
  pthread_rwlock_unlock(&tier->lock);
}
