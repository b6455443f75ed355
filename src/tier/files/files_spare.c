/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that were replaced, once their successors are on the disk.
 *
 * First such a file gets a name that nobody looks for, before anybody is told that the successor is durable: should that one
 * be deleted next and the power fail, the older value must not be found and put back. Names reach the disk in their order.
 *
 * Then, at leisure, it is unlinked; or, where it is small, emptied and kept as a spare to be written anew. Making a file is
 * dear where many have just gone: ext4 gives no inode out again for a while, and looks through all of those each time. Emptying
 * is ordered with names, too, so that no old value shows through under a new name. A spare must be nobody's: it has no second
 * name, the mode we gave it, no descriptor or mapping of any process, which a lease tells, and is so small that this tier never
 * maps it. Spares are few, and gone when nothing was written for a while.
 */
#include "files_inner.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define SPARES_MAX     4096u
#define SPARE_BYTES    (256u << 10)
#define SPARE_LOOKS    8u /* at the last ones, for one of the wanted space */
#define SPARES_IDLE_NS (5000ll * 1000000)

nlink_t lrd_files_spare_names = 1;

/* Own: beside the file, of a name that no other process gives. */
static char *spare_path(files_tier *tier, const char *path) {
  lrd_buf out = {0};
  const char *slash = strrchr(path, '/');
  larder_err err = lrd_buf_append(&out, path, (size_t)(slash - path) + 1);
  if (err == LARDER_OK)
    err = lrd_buf_printf(&out, LRD_FILES_TEMPORARY "spare-%016llx-%llu", (unsigned long long)tier->random,
                         (unsigned long long)tier->spares_named++);
  if (err == LARDER_OK) err = lrd_buf_terminate(&out);
  if (err == LARDER_OK) return (char *)out.data;
  lrd_buf_fini(&out);
  return NULL;
}

bool lrd_files_leaves_push(files_leaves *list, const files_leave *one, size_t most) {
  if (list->len >= most) return false;
  if (list->len == list->cap) {
    size_t const cap = list->cap == 0 ? 64 : list->cap * 2;
    files_leave *more = lrd_realloc(list->list, cap * sizeof *more);
    if (more == NULL) return false;
    list->list = more;
    list->cap = cap;
  }
  list->list[list->len++] = *one;
  list->bytes += one->bytes;
  return true;
}

static bool push(files_tier *tier, files_leaves *list, const files_leave *one, size_t most) {
  lrd_lock(&tier->leaving);
  bool const done = lrd_files_leaves_push(list, one, most);
  lrd_unlock(&tier->leaving);
  return done;
}

static bool pop(files_tier *tier, files_leaves *list, files_leave *out) {
  lrd_lock(&tier->leaving);
  bool const any = list->len > 0;
  if (any) {
    *out = list->list[--list->len];
    list->bytes -= out->bytes;
  }
  lrd_unlock(&tier->leaving);
  return any;
}

void lrd_files_set_aside(files_tier *tier, const files_leave *old) {
  files_leave one = *old;
  one.path = spare_path(tier, old->path);
  if (one.path == NULL || lrd_fs_rename(old->path, one.path) != 0)
    (void)lrd_fs_unlink(old->path);
  else if (push(tier, &tier->asides, &one, LRD_FILES_LEAVES_MAX))
    one.path = NULL;
  else
    (void)lrd_fs_unlink(one.path);
  lrd_dealloc(one.path);
}

static bool as_we_made_it(int fd, const files_leave *old) {
  struct stat facts;
  return fstat(fd, &facts) == 0 && S_ISREG(facts.st_mode) && (facts.st_mode & 07777) == 0600 && facts.st_uid == geteuid() &&
         facts.st_nlink == lrd_files_spare_names && (uint64_t)facts.st_size == old->bytes;
}

/* Closed after that, or ext4 would write out at once what is put into it next. */
static bool emptied(const files_leave *old) {
  int const fd = lrd_fs_open(old->path, O_WRONLY | O_NOFOLLOW | O_NONBLOCK, 0);
  bool const done = fd >= 0 && as_we_made_it(fd, old) && lrd_fs_alone(fd) && lrd_fs_truncate(fd, old->path, 0) == 0;
  lrd_fs_close(fd);
  return done;
}

void lrd_files_asides_end(files_tier *tier) {
  for (files_leave one; pop(tier, &tier->asides, &one);) {
    bool const small = one.bytes != 0 && one.bytes <= SPARE_BYTES && one.bytes < tier->options.mmap_bytes_min;
    if (small && emptied(&one) && push(tier, &tier->spares, &one, SPARES_MAX)) continue;
    (void)lrd_fs_unlink(one.path);
    lrd_dealloc(one.path);
  }
}

/* The last one of the space, whose path is the caller's then. */
static bool spare_pop(files_tier *tier, uint32_t space, files_leave *out) {
  files_leaves *spares = &tier->spares;
  lrd_lock(&tier->leaving);
  size_t at = spares->len;
  for (unsigned looks = 0; at > 0 && looks < SPARE_LOOKS && spares->list[at - 1].space != space; looks++) at--;
  bool const found = at > 0 && spares->list[at - 1].space == space;
  if (found) {
    *out = spares->list[at - 1];
    spares->list[at - 1] = spares->list[--spares->len];
    spares->bytes -= out->bytes;
  }
  lrd_unlock(&tier->leaving);
  return found;
}

int lrd_files_spare_take(files_tier *tier, uint32_t space, const char *name) {
  files_leave spare;
  if (!spare_pop(tier, space, &spare)) return -1;
  pthread_rwlock_rdlock(&tier->lock);
  int const folder = tier->index.spaces[space].fd;
  size_t const skip = strlen(tier->index.spaces[space].folder) + 1;
  bool const renamed = folder >= 0 && lrd_fs_rename_at(folder, spare.path + skip, name, false) == 0;
  int const fd = renamed ? lrd_fs_open_at(folder, name, O_WRONLY | O_NOFOLLOW, 0600) : -1;
  if (renamed && fd < 0) (void)lrd_fs_unlink_at(folder, name);
  pthread_rwlock_unlock(&tier->lock);
  if (!renamed) (void)lrd_fs_unlink(spare.path);
  lrd_dealloc(spare.path);
  return fd;
}

void lrd_files_spares_drop(files_tier *tier) {
  for (files_leave spare; pop(tier, &tier->spares, &spare);) {
    (void)lrd_fs_unlink(spare.path);
    lrd_dealloc(spare.path);
  }
}

void lrd_files_spares_tick(files_tier *tier, uint64_t state, int64_t now_ns) {
  if (state != tier->spares_state || tier->spares_since_ns == 0) {
    tier->spares_state = state;
    tier->spares_since_ns = now_ns;
  }
  if (now_ns - tier->spares_since_ns >= SPARES_IDLE_NS) lrd_files_spares_drop(tier);
}
