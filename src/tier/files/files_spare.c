/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that were replaced, once their successors are on the disk.
 *
 * First such a file gets a name that nobody looks for, before anybody in this process is told that the successor is durable:
 * should that one be deleted next and the power fail, the older value must not be found and put back. Names reach the disk in
 * their order.
 *
 * Then, at leisure, it is unlinked; or, where it is small, emptied and kept as a spare to be written anew. Making a file is
 * dear where many have just gone: ext4 gives no inode out again for a while, and looks through all of those each time. Emptying
 * is ordered with names, too, so that no old value shows through under a new name. A spare must be nobody's: it has no second
 * name, the mode we gave it, no descriptor or mapping of any process, which a lease tells, and is so small that this tier never
 * maps it. (What else somebody hung on the file, such as extended attributes, goes along.) Spares are few, and gone when none
 * was wanted for a while.
 */
#include "files_inner.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define SPARES_MAX     4096u
#define SPARE_BYTES    (256u << 10)
#define SPARE_LOOKS    8u /* at the last ones, for one of the wanted space */
#define SPARES_IDLE_NS (5000ll * 1000000)

/* Own: beside the file, of a name that no other process gives. */
static char *spare_path(files_tier *tier, const char *path) {
  lrd_buf out = {0};
  const char *slash = strrchr(path, '/');
  larder_err err = lrd_buf_append(&out, path, (size_t)(slash - path) + 1);
  if (err == LARDER_OK)
    err = lrd_buf_printf(&out, LRD_FILES_TEMPORARY "spare-%016llx-%llu", (unsigned long long)tier->spares_id,
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

static bool asides_room(files_tier *tier) {
  lrd_lock(&tier->leaving);
  bool const room = tier->asides.bytes <= LRD_FILES_LEAVES_BYTES;
  lrd_unlock(&tier->leaving);
  return room;
}

void lrd_files_set_aside(files_tier *tier, const files_leave *old) {
  files_leave one = *old;
  one.path = asides_room(tier) ? spare_path(tier, old->path) : NULL;
  if (one.path == NULL || lrd_fs_rename(old->path, one.path) != 0)
    (void)lrd_fs_unlink(old->path);
  else if (push(tier, &tier->asides, &one, LRD_FILES_LEAVES_MAX))
    one.path = NULL;
  else
    (void)lrd_fs_unlink(one.path);
  lrd_dealloc(one.path);
}

static bool as_we_made_it(const files_tier *tier, int fd, uint64_t bytes) {
  struct stat facts;
  return fstat(fd, &facts) == 0 && S_ISREG(facts.st_mode) && (facts.st_mode & 07777) == 0600 && facts.st_uid == geteuid() &&
         facts.st_nlink == tier->spare_names && (uint64_t)facts.st_size == bytes;
}

/* Closed after that, or ext4 would write out at once what is put into it next. */
static bool emptied(const files_tier *tier, const files_leave *old) {
  int const fd = lrd_fs_open(old->path, O_WRONLY | O_NOFOLLOW | O_NONBLOCK, 0);
  bool const done =
      fd >= 0 && as_we_made_it(tier, fd, old->bytes) && lrd_fs_alone(fd) && lrd_fs_truncate(fd, old->path, 0) == 0;
  lrd_fs_close(fd);
  return done;
}

static bool small_enough(const files_tier *tier, uint64_t bytes) {
  uint64_t const mapped_from = tier->options.mmap_bytes_min;
  return bytes != 0 && bytes <= SPARE_BYTES && (mapped_from == 0 || bytes < mapped_from);
}

/* Of too many spares the first goes, lest those that nobody wants any more keep out the others. */
static void spare_keep(files_tier *tier, const files_leave *one) {
  files_leave gone = *one;
  files_leaves *spares = &tier->spares;
  lrd_lock(&tier->leaving);
  if (spares->len == 0) tier->spares_wanted_ns = lrd_mono_ns(lrd_clock_real());
  if (lrd_files_leaves_push(spares, one, SPARES_MAX)) {
    gone.path = NULL;
  } else if (spares->len == SPARES_MAX) {
    gone = spares->list[0];
    spares->list[0] = *one;
    spares->bytes += one->bytes - gone.bytes;
  }
  lrd_unlock(&tier->leaving);
  if (gone.path != NULL) (void)lrd_fs_unlink(gone.path);
  lrd_dealloc(gone.path);
}

bool lrd_files_asides_end(files_tier *tier, int64_t until_ns) {
  for (files_leave one; lrd_mono_ns(lrd_clock_real()) < until_ns;) {
    if (!pop(tier, &tier->asides, &one)) return true;
    if (small_enough(tier, one.bytes) && emptied(tier, &one)) {
      spare_keep(tier, &one);
      continue;
    }
    (void)lrd_fs_unlink(one.path);
    lrd_dealloc(one.path);
  }
  return false;
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
    tier->spares_wanted_ns = lrd_mono_ns(lrd_clock_real());
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
  int fd = renamed ? lrd_fs_open_at(folder, name, O_WRONLY | O_NOFOLLOW | O_NONBLOCK, 0600) : -1;
  if (fd >= 0 && !as_we_made_it(tier, fd, 0)) {
    lrd_fs_close(fd);
    fd = -1;
  }
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

void lrd_files_spares_tick(files_tier *tier, int64_t now_ns) {
  lrd_lock(&tier->leaving);
  bool const unwanted = now_ns - tier->spares_wanted_ns >= SPARES_IDLE_NS;
  lrd_unlock(&tier->leaving);
  if (unwanted) lrd_files_spares_drop(tier);
}
