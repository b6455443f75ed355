/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The map's file: made, or made anew when damaged, by who may write, under the joining lock; mapped by everybody. A head is
 * whole before the file has its name, so an onlooker needs no lock to map it.
 */
#include "slots_map.h"

#include "base/bytes.h"
#include "base/fail.h"
#include "base/hash.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>

#define ROOM "coherence"

static uint64_t head_sum(const map_head *head) { return lrd_sum64(head, offsetof(map_head, sum)); }

static bool head_valid(const lrd_slots *slots, const map_head *head, uint64_t file_len) {
  return head->magic == MAP_MAGIC && head->format == MAP_FORMAT && head->sum == head_sum(head) && head->slots_log2 >= 6 &&
         head->slots_log2 <= 32 && file_len == slots_map_len(head->slots_log2) && head->seed == slots->seed &&
         memcmp(head->root_id, slots->root_id, 32) == 0;
}

static unsigned log2_of(uint64_t count) {
  unsigned log2 = 6;
  while (log2 < 32 && (UINT64_C(1) << log2) < count) {
    log2++;
  }
  return log2;
}

/* A new map beside the old, filled, renamed over it. Versions begin at random, so no token of an older map can be met. */
static int map_create(lrd_slots *slots, unsigned log2, const char *tmp_path) {
  size_t len = slots_map_len(log2);
  uint8_t *map = NULL;
  uint64_t base = 0;
  int failed = -1;
  int fd = lrd_fs_open(tmp_path, O_RDWR | O_CREAT | O_TRUNC, 0600);
  if (fd < 0) {
    return -1;
  }
  if (lrd_random(&base, sizeof base) != 0 || lrd_fs_allocate(fd, tmp_path, (int64_t)len) != 0) {
    goto out;
  }
  map = lrd_fs_map(fd, tmp_path, len, true);
  if (!map) {
    goto out;
  }
  base &= LRD_SLOT_VERSION_MASK >> 1;
  uint64_t *words = (uint64_t *)(void *)(map + MAP_SLOTS_AT);
  for (uint64_t i = 0; i < (UINT64_C(1) << log2); i++) {
    words[i] = base;
  }
  map_head head = {.magic = MAP_MAGIC, .format = MAP_FORMAT, .slots_log2 = log2, .seed = slots->seed};
  memcpy(head.root_id, slots->root_id, 32);
  head.sum = head_sum(&head);
  memcpy(map, &head, sizeof head);
  failed = lrd_fs_rename(tmp_path, slots->map_path);
out:
  if (failed != 0) {
    int saved = errno;
    (void)lrd_fs_unlink(tmp_path);
    errno = saved;
  }
  if (map) {
    lrd_fs_unmap(map, len);
  }
  lrd_fs_close(fd);
  return failed;
}

/* The parts of the map that lies at `map`. */
static void map_place(lrd_slots *slots, uint8_t *map, unsigned log2) {
  slots->map = map;
  slots->map_len = slots_map_len(log2);
  slots->log2 = log2;
  slots->shift = 64 - log2;
  slots->words = (_Atomic uint64_t *)(void *)(map + MAP_SLOTS_AT);
  slots->clock_word = (_Atomic uint64_t *)(void *)(map + 128);
  slots->map_tiers = (map_tier *)(void *)(map + 1024);
  slots->map_rows = (map_row *)(void *)(map + 4096);
  slots->traces = (_Atomic uint64_t *)(void *)(map + MAP_TRACES_AT);
}

/* Opens the map file. MISS when it is not there, or not ours to use; an onlooker can't make another: EFORMAT. */
static larder_err map_attach(lrd_slots *slots, void *at_fixed) {
  map_head head;
  struct stat facts;
  size_t got = 0;
  int fd = lrd_fs_open(slots->map_path, slots->onlooker ? O_RDONLY : O_RDWR, 0);
  if (fd < 0) {
    return errno == ENOENT ? LARDER_MISS : lrd_err_from_errno(errno);
  }
  if (fstat(fd, &facts) != 0 || lrd_fs_read_full(fd, &head, sizeof head, 0, &got) != 0 || got != sizeof head ||
      !head_valid(slots, &head, (uint64_t)facts.st_size)) {
    lrd_fs_close(fd);
    return slots->onlooker && !at_fixed ? LARDER_EFORMAT : LARDER_MISS;
  }
  if (at_fixed && slots_map_len(head.slots_log2) != slots->map_len) { /* whole, and others use it: not ours to replace */
    lrd_fs_close(fd);
    return LARDER_EUNSUPPORTED;
  }
  size_t len = slots_map_len(head.slots_log2);
  int protection = slots->onlooker ? PROT_READ : PROT_READ | PROT_WRITE;
  uint8_t *map = at_fixed ? mmap(at_fixed, len, protection, MAP_SHARED | MAP_FIXED, fd, 0)
                          : lrd_fs_map(fd, slots->map_path, len, !slots->onlooker);
  if (!map || map == MAP_FAILED) {
    lrd_fs_close(fd);
    return lrd_err_from_errno(errno);
  }
  if (slots->map_fd >= 0) {
    lrd_fs_close(slots->map_fd);
  }
  slots->map_fd = fd;
  slots->map_inode = (uint64_t)facts.st_ino;
  map_place(slots, map, head.slots_log2);
  return LARDER_OK;
}

/*
 * An onlooker's, where nobody has made one: then nobody writes, and nothing is marked. Its words are nobody's token, for they
 * would not move with the first change of who comes to write.
 */
static larder_err map_of_onlooker(lrd_slots *slots, unsigned log2) {
  void *map = mmap(NULL, slots_map_len(log2), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (map == MAP_FAILED) {
    return LARDER_ENOMEM;
  }
  map_place(slots, map, log2);
  lrd_slots_void_words(slots);
  atomic_store(&slots->mapless, true);
  return LARDER_OK;
}

static larder_err map_make(lrd_slots *slots, unsigned log2, void *at_fixed) {
  char *tmp_path = lrd_alloc(strlen(slots->map_path) + 8);
  if (!tmp_path) {
    return LARDER_ENOMEM;
  }
  (void)sprintf(tmp_path, "%s.new", slots->map_path);
  larder_err result = map_create(slots, log2, tmp_path) == 0 ? map_attach(slots, at_fixed) : lrd_err_from_errno(errno);
  lrd_dealloc(tmp_path);
  return result == LARDER_MISS ? LARDER_EIO : result;
}

static larder_err map_refuse(const lrd_slots *slots, larder_err result, unsigned log2, larder_error *err) {
  if (result == LARDER_EFORMAT) {
    return lrd_fail(err, result, 0, ROOM, "%s is damaged; open the root where it can be written, which makes it anew",
                    slots->map_path);
  }
  if (result == LARDER_EUNSUPPORTED) {
    return lrd_fail(err, result, 0, ROOM, "%s has another number of slots than this process began with; open the cache anew",
                    slots->map_path);
  }
  if (slots->onlooker) {
    return lrd_fail(err, result, errno, ROOM, "%s can't be read; give a root whose files you may read", slots->map_path);
  }
  return lrd_fail(err, result, errno, ROOM, "%s can't be made or mapped; it needs %zu KiB on a disk that can be written",
                  slots->map_path, slots_map_len(log2) / 1024);
}

larder_err lrd_slots_map_open(lrd_slots *slots, uint64_t count, void *at_fixed, larder_error *err) {
  unsigned log2 = at_fixed ? slots->log2 : log2_of(count);
  larder_err result = map_attach(slots, at_fixed);
  if (result == LARDER_MISS && slots->onlooker && at_fixed) {
    return LARDER_MISS;
  }
  if (result == LARDER_MISS) {
    result = slots->onlooker ? map_of_onlooker(slots, log2) : map_make(slots, log2, at_fixed);
  }
  return result == LARDER_OK ? LARDER_OK : map_refuse(slots, result, log2, err);
}

void lrd_slots_void_words(lrd_slots *slots) {
  for (uint64_t slot = 0; slot < lrd_slot_count(slots); slot++) {
    atomic_store_explicit(&slots->words[slot], LRD_TOKEN_NONE, memory_order_relaxed);
  }
}
