/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making, growing and reading rows. A row's file is made anew by each holder (the former one is read, then unlinked), so a
 * reader with an open descriptor keeps a consistent dead row and never sees two holders mixed. Removing what others have left
 * is in segment_clean.c.
 */
#include "segment.h"

#include "base/fail.h"
#include "base/fs.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define CLAIM_WAITS 50 /* of a millisecond */

char *lrd_segment_path(const char *folder, const char *root_id, uint32_t row) {
  lrd_buf path = {0};
  larder_err err = lrd_buf_printf(&path, "%s/larder-%lu-%s-", folder, (unsigned long)geteuid(), root_id);
  if (err == LARDER_OK) err = row < LRD_STATS_ROWS ? lrd_buf_printf(&path, "%u", row) : lrd_buf_append_str(&path, "reset");
  if (err == LARDER_OK) err = lrd_buf_terminate(&path);
  if (err != LARDER_OK) {
    lrd_buf_fini(&path);
    return NULL;
  }
  return (char *)path.data;
}

uint32_t lrd_segment_row_of_name(const char *text) {
  size_t digits = strspn(text, "0123456789");
  if (digits == 0 || digits > 3 || text[digits] || (text[0] == '0' && digits > 1)) return LRD_STATS_ROWS;
  unsigned long row = strtoul(text, NULL, 10);
  return row < LRD_STATS_ROWS ? (uint32_t)row : LRD_STATS_ROWS;
}

void lrd_segment_list(const char *folder, const char *root_id, uint8_t present[LRD_STATS_ROWS]) {
  memset(present, 0, LRD_STATS_ROWS);
  char prefix[128];
  size_t len = (size_t)snprintf(prefix, sizeof prefix, "larder-%lu-%s-", (unsigned long)geteuid(), root_id);
  LRD_ASSERT(len < sizeof prefix);
  DIR *listing = lrd_fs_pass(LRD_FS_OPEN, folder, NULL) ? NULL : opendir(folder);
  if (!listing) return;
  for (struct dirent *entry; (entry = readdir(listing)) != NULL;) {
    if (strncmp(entry->d_name, prefix, len) != 0) continue;
    uint32_t row = lrd_segment_row_of_name(entry->d_name + len);
    if (row < LRD_STATS_ROWS) present[row] = 1;
  }
  (void)closedir(listing);
}

int lrd_segment_open_file(const char *path, bool writable) {
  int fd = lrd_fs_open(path, (writable ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_NONBLOCK, 0);
  if (fd < 0) return -1;
  struct stat found;
  /* The folder is everybody's: what is not ours is not read. */
  if (fstat(fd, &found) == 0 && S_ISREG(found.st_mode) && found.st_uid == geteuid()) return fd;
  lrd_fs_close(fd);
  return -1;
}

static bool names_it(const char *path, int fd) {
  struct stat named, open;
  return lrd_fs_stat(path, &named) == 0 && fstat(fd, &open) == 0 && named.st_ino == open.st_ino && named.st_dev == open.st_dev;
}

bool lrd_segment_lock(int fd, const char *path) {
  return lrd_fs_lock_try(fd, STATS_LOCK_AT, 1, LRD_FS_EXCLUSIVE) == 0 && names_it(path, fd);
}

int lrd_segment_claim(const char *path) {
  for (int waits = 0;; waits++) {
    int fd = lrd_segment_open_file(path, true);
    if (fd < 0 || lrd_segment_lock(fd, path) || waits == CLAIM_WAITS) return fd;
    lrd_fs_close(fd);
    (void)nanosleep(&(struct timespec){0, 1000000}, NULL);
  }
}

static int segment_make_private(stats_segment *segment) {
  int refused = lrd_fs_pass(LRD_FS_MAP, "(private)", NULL);
  if (refused) return refused;
  void *at = mmap(NULL, STATS_LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) return errno;
  *segment = (stats_segment){.at = at, .fd = -1};
  return 0;
}

int lrd_segment_make(stats_segment *segment, const char *path) {
  if (!path) return segment_make_private(segment);
  stats_segment made = {.fd = -1};
  int failure = 0;
  made.path = lrd_strdup(path);
  if (!made.path) return ENOMEM;
  made.fd = lrd_fs_open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  if (made.fd < 0) {
    failure = errno;
    lrd_dealloc(made.path);
    return failure;
  }
  if (lrd_fs_lock_try(made.fd, STATS_LOCK_AT, 1, LRD_FS_EXCLUSIVE) || lrd_fs_truncate(made.fd, path, (int64_t)STATS_LEN) ||
      lrd_fs_allocate(made.fd, path, STATS_CELLS_AT))
    failure = errno;
  if (!failure) {
    made.at = lrd_fs_map(made.fd, path, STATS_LEN, true);
    if (!made.at) failure = errno;
  }
  if (failure) {
    (void)lrd_fs_unlink(path);
    lrd_segment_fini(&made);
    return failure;
  }
  *segment = made;
  return 0;
}

void lrd_segment_fini(stats_segment *segment) {
  if (segment->at) lrd_fs_unmap(segment->at, STATS_LEN);
  lrd_fs_close(segment->fd);
  lrd_dealloc(segment->path);
  *segment = (stats_segment){.fd = -1};
}

static bool segment_back(stats_segment *segment, size_t offset, size_t len) {
  LRD_ASSERT(offset + len <= STATS_LEN);
  if (segment->fd < 0) return true;
  return lrd_fs_allocate_range(segment->fd, segment->path, (int64_t)offset, (int64_t)len) == 0;
}

bool lrd_segment_back_cell(stats_segment *segment, uint32_t index) {
  return segment_back(segment, STATS_CELLS_AT + index * sizeof(stats_cell), sizeof(stats_cell));
}

bool lrd_segment_back_histogram(stats_segment *segment, uint32_t number) {
  return segment_back(segment, STATS_HISTOGRAMS_AT + number * STATS_HISTOGRAM_LEN, STATS_HISTOGRAM_LEN);
}

bool lrd_segment_read(const stats_source *source, size_t offset, void *out, size_t len) {
  LRD_ASSERT(offset + len <= STATS_LEN && offset % 8 == 0 && len % 8 == 0);
  if (source->own) {
    /* Word by word, as the words are written. */
    const _Atomic uint64_t *from = (const _Atomic uint64_t *)(const void *)(source->own->at + offset);
    uint8_t *to = out;
    for (size_t i = 0; i < len / 8; i++) lrd_put_u64(to + i * 8, atomic_load_explicit(&from[i], memory_order_relaxed));
    return true;
  }
  size_t got;
  if (lrd_fs_read_full(source->fd, out, len, (int64_t)offset, &got)) return false;
  memset((uint8_t *)out + got, 0, len - got);
  return true;
}

static bool text_ends(const char *text, size_t room) { return memchr(text, '\0', room) != NULL; }

bool lrd_segment_read_head(const stats_source *source, const char *root_id, const char *boot_id, uint32_t row,
                           stats_head *out) {
  if (!lrd_segment_read(source, 0, out, sizeof *out)) return false;
  if (out->magic != STATS_MAGIC || out->version != STATS_VERSION || out->head_size != sizeof(stats_head) ||
      out->cell_size != sizeof(stats_cell) || out->row != row)
    return false;
  if (!text_ends(out->root_id, sizeof out->root_id) || strcmp(out->root_id, root_id) != 0) return false;
  if (!text_ends(out->boot_id, sizeof out->boot_id) || strcmp(out->boot_id, boot_id) != 0) return false;
  if (!text_ends(out->program, sizeof out->program)) return false;
  if (out->namespaces > LRD_STATS_NAMESPACES || out->tiers > LRD_STATS_TIERS) return false;
  for (uint32_t i = 0; i < out->namespaces; i++)
    if (!text_ends(out->ns_names[i], STATS_NS_ROOM)) return false;
  for (uint32_t i = 0; i < out->tiers; i++)
    if (!text_ends(out->tier_names[i], STATS_TIER_ROOM)) return false;
  return true;
}
