/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Removing what the dead have left. A writer holds its file's lock from before the file says what it is until it ends, also
 * by kill -9: whoever gets that lock knows that nobody writes there, in this container or in another.
 *
 * The counts of the dead are still wanted where their root is: the next one to open it adds them up. So only such files go
 * whose root is gone, and that is believed only where the writer saw the same files as we do, and where the file system that
 * the root lay on is still there. Of all others it is not known; they go a week after their writer was last heard of.
 *
 * Whoever removes a file that is not his own holds its lock, and has seen with the lock held that the path still names it.
 * So what another process makes in its place meanwhile is never removed: that one needs the lock of the old file first.
 *
 * It costs little: some names are looked at, at each opening others.
 */
#include "segment.h"

#include "base/fs.h"
#include "base/hash.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define WEEK_MS   INT64_C(604800000)
#define NAMES_MAX 4096u
#define LOOKS_MAX 32u

typedef enum root_state { ROOT_THERE, ROOT_GONE, ROOT_UNKNOWN } root_state;

uint64_t lrd_segment_mount_space(void) {
  struct stat space, top;
  if (stat("/proc/self/ns/mnt", &space) || stat("/", &top)) return 0;
  const uint64_t parts[] = {(uint64_t)space.st_ino, (uint64_t)top.st_dev, (uint64_t)top.st_ino};
  return lrd_sum64(parts, sizeof parts);
}

/* Of a path that is not there: gone for good, if the folder that would lead to it lies where the root lay. */
static root_state gone_from(char *path, uint64_t device) {
  struct stat found;
  for (char *slash; (slash = strrchr(path, '/')) != NULL;) {
    slash[slash == path] = '\0';
    if (lrd_fs_stat(path, &found) == 0) return (uint64_t)found.st_dev == device ? ROOT_GONE : ROOT_UNKNOWN;
    if ((errno != ENOENT && errno != ENOTDIR) || slash == path) break;
  }
  return ROOT_UNKNOWN;
}

/* Of a head of another root. Its path is used up. */
static root_state root_look(stats_head *head, const lrd_segment_here *here) {
  struct stat found;
  if (head->mount_space == 0 || head->mount_space != here->mount_space || head->root_path[0] != '/') return ROOT_UNKNOWN;
  if (lrd_fs_stat(head->root_path, &found) == 0) {
    if ((uint64_t)found.st_dev != head->device) return ROOT_UNKNOWN;
    return here->root && strcmp(head->root_path, here->root) == 0 ? ROOT_GONE : ROOT_THERE; /* ours has taken its place */
  }
  return errno == ENOENT || errno == ENOTDIR ? gone_from(head->root_path, head->device) : ROOT_UNKNOWN;
}

static int64_t last_heard_ms(const stats_head *head) {
  int64_t heard_ms = head->started_ms;
  for (size_t i = 0; i < STATS_MARKS; i++)
    if (head->recent[i].wall_ms > heard_ms) heard_ms = head->recent[i].wall_ms;
  return heard_ms;
}

/* Whether nobody wants the file, once its writer is dead. */
static bool is_left(int fd, const lrd_segment_here *here, stats_head *head) {
  struct stat found;
  stats_source source = {.fd = fd};
  if (!lrd_segment_read(&source, 0, head, sizeof *head)) return false;
  if (head->magic == 0) /* was never finished, or is being made */
    return fstat(fd, &found) == 0 && here->now_ms - (int64_t)found.st_mtim.tv_sec * 1000 >= WEEK_MS;
  if (head->magic != STATS_MAGIC || head->version != STATS_VERSION || head->head_size != sizeof *head) return false;
  if (memchr(head->root_path, '\0', sizeof head->root_path) == NULL) return false;
  root_state state = root_look(head, here);
  return state == ROOT_GONE || (state == ROOT_UNKNOWN && here->now_ms - last_heard_ms(head) >= WEEK_MS);
}

/* The marks of a reset are about rows: without any they mean nothing. */
static void marks_clean(const lrd_segment_here *here, const char *root_id) {
  uint8_t present[LRD_STATS_ROWS];
  lrd_segment_list(here->folder, root_id, present);
  char *path = memchr(present, 1, sizeof present) ? NULL : lrd_segment_path(here->folder, root_id, LRD_STATS_ROWS);
  if (path) (void)lrd_fs_unlink(path);
  lrd_dealloc(path);
}

static void row_clean(const lrd_segment_here *here, const char *root_id, uint32_t row, stats_head *head) {
  char *path = lrd_segment_path(here->folder, root_id, row);
  int fd = path ? lrd_segment_open_file(path, true) : -1;
  bool removed = fd >= 0 && is_left(fd, here, head) && lrd_segment_lock(fd, path) && lrd_fs_unlink(path) == 0;
  lrd_fs_close(fd);
  lrd_dealloc(path);
  if (removed) marks_clean(here, root_id);
}

/* The root's id between prefix and last dash, and what is behind that; NULL when there is no id, or ours. */
static const char *name_split(const char *name, size_t prefix_len, const lrd_segment_here *here, char id[72]) {
  const char *last = strrchr(name, '-');
  size_t len = last < name + prefix_len ? 0 : (size_t)(last - name) - prefix_len;
  if (len == 0 || len >= 72) return NULL;
  memcpy(id, name + prefix_len, len);
  id[len] = '\0';
  return strcmp(id, here->root_id) == 0 ? NULL : last + 1;
}

static void name_clean(const lrd_segment_here *here, const char *name, size_t prefix_len, stats_head *head) {
  char id[72];
  const char *rest = name_split(name, prefix_len, here, id);
  if (!rest) return;
  uint32_t row = lrd_segment_row_of_name(rest);
  if (row < LRD_STATS_ROWS)
    row_clean(here, id, row, head);
  else if (strcmp(rest, "reset") == 0)
    marks_clean(here, id);
}

/* Calls name_clean for LOOKS_MAX of the names from number `first` on, round the end; without a head it only counts. */
static size_t names_walk(DIR *listing, const lrd_segment_here *here, size_t count, size_t first, stats_head *head) {
  char prefix[40];
  size_t len = (size_t)snprintf(prefix, sizeof prefix, "larder-%lu-", (unsigned long)geteuid());
  size_t at = 0, read = 0;
  for (struct dirent *entry; read < NAMES_MAX && (entry = readdir(listing)) != NULL; read++) {
    if (strncmp(entry->d_name, prefix, len) != 0) continue;
    if (head && (at + count - first) % count < LOOKS_MAX) name_clean(here, entry->d_name, len, head);
    at++;
  }
  return at;
}

void lrd_segment_clean(const lrd_segment_here *here) {
  stats_head *head = lrd_alloc(sizeof *head);
  DIR *listing = !head || lrd_fs_pass(LRD_FS_OPEN, here->folder, NULL) ? NULL : opendir(here->folder);
  if (listing) {
    uint64_t chance = 0;
    size_t count = names_walk(listing, here, 0, 0, NULL);
    if (count > LOOKS_MAX && lrd_random(&chance, sizeof chance)) chance = 0;
    rewinddir(listing);
    if (count > 0) (void)names_walk(listing, here, count, (size_t)(chance % count), head);
    (void)closedir(listing);
  }
  lrd_dealloc(head);
}
