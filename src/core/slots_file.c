/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Joining and leaving a root. LOCK holds the root's identity as text (it is never deleted, so the seed of the key hash
 * survives the loss of the map) and, far behind it, the bytes on which processes hold open-file-description locks: one
 * per row (its holder is alive), one per shared tier (its holder has it open), one for joining. They vanish with the
 * process, whatever ends it. The map is made, or made anew when damaged, under the joining lock.
 *
 * An onlooker opens LOCK for reading, which shared locks need no more than: it waits for who is joining, and whoever wants a
 * tier alone waits for it.
 */
#include "base/bytes.h"
#include "base/fail.h"
#include "base/hash.h"
#include "base/path.h"
#include "slots_map.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define ROOM               "coherence"
#define JOIN_WAIT_S        60 /* whoever opens after an unclean stop may check for 10 s and salvage for 10 more */
#define JOIN_NAP_NS        2000000
#define CLOCK_AHEAD_MS_MAX (24 * 3600 * 1000)
#define LOCK_TEXT          "larder root %32s seed %16llx\n"

static larder_err lock_joining(lrd_slots *slots, larder_error *err) {
  int64_t began_ns = lrd_mono_ns(slots->clock);
  lrd_fs_lock kind = slots->onlooker ? LRD_FS_SHARED : LRD_FS_EXCLUSIVE;
  while (lrd_fs_lock_try(slots->lock_fd, LOCK_JOINING_AT, 1, kind) != 0) {
    if (errno != EAGAIN && errno != EACCES) {
      return lrd_fail(err, lrd_err_from_errno(errno), errno, ROOM, "%s can't be locked", slots->lock_path);
    }
    if (lrd_mono_ns(slots->clock) - began_ns > JOIN_WAIT_S * INT64_C(1000000000)) {
      return lrd_fail(err, LARDER_EBUSY, 0, ROOM,
                      "%s: another process has been opening this root for more than %d s; end it or wait", slots->lock_path,
                      JOIN_WAIT_S);
    }
    slots->clock->sleep_ns(slots->clock, JOIN_NAP_NS);
  }
  slots->joining = true;
  return LARDER_OK;
}

/* For reading and writing, else as an onlooker. */
static larder_err lock_open(lrd_slots *slots, larder_error *err) {
  struct stat facts;
  slots->lock_fd = lrd_fs_open(slots->lock_path, O_RDWR | O_CREAT, 0600);
  int refused = errno;
  if (slots->lock_fd < 0 && lrd_err_from_errno(refused) == LARDER_EACCES) {
    slots->lock_fd = lrd_fs_open(slots->lock_path, O_RDONLY, 0);
    if (slots->lock_fd < 0 && errno == ENOENT) {
      return lrd_fail(err, LARDER_EACCES, refused, ROOM,
                      "%s can't be made, and no cache is there to be read; give a root that you may write", slots->lock_path);
    }
    slots->onlooker = slots->lock_fd >= 0;
  }
  if (slots->lock_fd < 0 || fstat(slots->lock_fd, &facts) != 0) {
    return lrd_fail(err, lrd_err_from_errno(refused), refused, ROOM, "%s can't be opened; give a root that you may write",
                    slots->lock_path);
  }
  slots->lock_inode = (uint64_t)facts.st_ino;
  if (slots->onlooker) {
    lrd_log_write(slots->log, LRD_LOG_INFO, "root.read_only", "%s can't be written: what is kept is read, nothing is changed",
                  slots->lock_path);
  }
  return LARDER_OK;
}

/* The identity in LOCK, written when it is new or unreadable (then the durable tiers find a foreign seed and say so). */
static larder_err identity_load(lrd_slots *slots, larder_error *err) {
  char text[128] = {0};
  size_t got = 0;
  unsigned long long seed = 0;
  if (lrd_fs_read_full(slots->lock_fd, text, sizeof text - 1, 0, &got) != 0) {
    return lrd_fail(err, lrd_err_from_errno(errno), errno, ROOM, "%s can't be read", slots->lock_path);
  }
  if (got > 0 && sscanf(text, "larder root %32[0-9a-f] seed %16llx", slots->root_id, &seed) == 2 &&
      strlen(slots->root_id) == 32) {
    slots->seed = seed;
    return LARDER_OK;
  }
  if (slots->onlooker) {
    return lrd_fail(err, LARDER_EFORMAT, 0, ROOM, "%s is damaged or empty; open the root where it can be written",
                    slots->lock_path);
  }
  uint8_t random[24];
  if (lrd_random(random, sizeof random) != 0) {
    return lrd_fail(err, LARDER_EIO, errno, ROOM, "the kernel gave no random bytes");
  }
  for (int i = 0; i < 16; i++) {
    (void)snprintf(slots->root_id + 2 * i, 3, "%02x", random[i]);
  }
  memcpy(&slots->seed, random + 16, 8);
  int len = snprintf(text, sizeof text, LOCK_TEXT, slots->root_id, (unsigned long long)slots->seed);
  for (char *c = text; c < text + len; c++) {
    if (*c == ' ' && c > strstr(text, "seed ") + 4) {
      *c = '0';
    }
  }
  if (lrd_fs_write_full(slots->lock_fd, slots->lock_path, text, (size_t)len, 0) != 0 ||
      lrd_fs_sync(slots->lock_fd, slots->lock_path) != 0) {
    return lrd_fail(err, lrd_err_from_errno(errno), errno, ROOM, "%s can't be written", slots->lock_path);
  }
  return LARDER_OK;
}

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

/* Opens the map file; MISS when it is not there or not ours to use. */
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
    return LARDER_MISS;
  }
  if (at_fixed && slots_map_len(head.slots_log2) != slots->map_len) { /* whole, and others use it: not ours to replace */
    lrd_fs_close(fd);
    return LARDER_EFORMAT;
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

/* Nobody has made a map, so nobody has marked anything in it; whoever comes to write makes one, which is then joined. */
static larder_err map_of_onlooker(lrd_slots *slots, unsigned log2) {
  void *map = mmap(NULL, slots_map_len(log2), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (map == MAP_FAILED) {
    return LARDER_ENOMEM;
  }
  map_place(slots, map, log2);
  return LARDER_OK;
}

static larder_err map_open(lrd_slots *slots, uint64_t count, void *at_fixed, larder_error *err) {
  larder_err result = map_attach(slots, at_fixed);
  if (result == LARDER_MISS && slots->onlooker) {
    result = at_fixed ? LARDER_MISS : map_of_onlooker(slots, log2_of(count));
    if (result == LARDER_MISS) {
      return result; /* what it has goes on being true */
    }
  } else if (result == LARDER_MISS) {
    unsigned log2 = at_fixed ? slots->log2 : log2_of(count);
    char *tmp_path = lrd_alloc(strlen(slots->map_path) + 8);
    if (!tmp_path) {
      return lrd_fail(err, LARDER_ENOMEM, 0, ROOM, "out of memory");
    }
    (void)sprintf(tmp_path, "%s.new", slots->map_path);
    result = map_create(slots, log2, tmp_path) == 0 ? map_attach(slots, at_fixed) : lrd_err_from_errno(errno);
    lrd_dealloc(tmp_path);
  }
  if (result != LARDER_OK) {
    return lrd_fail(err, result == LARDER_MISS ? LARDER_EIO : result, errno, ROOM,
                    "%s can't be made or mapped; it needs %zu KiB on a disk that can be written", slots->map_path,
                    slots_map_len(log2_of(count)) / 1024);
  }
  return LARDER_OK;
}

/* A clock far ahead of the wall is a flipped bit, not a history; stored stamps above it are stepped over one by one. */
static void clock_check(lrd_slots *slots) {
  int64_t wall_ms = lrd_wall_ms(slots->clock);
  uint64_t last = atomic_load(slots->clock_word);
  if (lrd_stamp_wall_ms(last) > wall_ms + CLOCK_AHEAD_MS_MAX) {
    atomic_store(slots->clock_word, lrd_stamp_from_wall_ms(wall_ms));
  }
}

static void dirty_recount(lrd_slots *slots) {
  for (unsigned tier = 0; tier < slots->tiers_len; tier++) {
    uint64_t count = 0;
    uint64_t slot = 0;
    while (lrd_slots_dirty_next(slots, tier, slot, &slot)) {
      count++;
      slot++;
    }
    atomic_store(&slots->map_tiers[slots->tier_index[tier]].dirty, count);
  }
}

/* Each tier's number in the map, by name; new names take a free place, or none for an onlooker. */
static larder_err tiers_find(lrd_slots *slots, larder_error *err) {
  for (size_t i = 0; i < slots->tiers_len; i++) {
    unsigned at = LRD_SHARED_TIERS_MAX;
    const char *name = slots->tier_names[i];
    for (unsigned k = 0; k < LRD_SHARED_TIERS_MAX; k++) {
      if (memcmp(slots->map_tiers[k].name, name, 64) == 0) {
        at = k;
        break;
      }
      if (at == LRD_SHARED_TIERS_MAX && slots->map_tiers[k].name[0] == 0) {
        at = k;
      }
    }
    bool known = at < LRD_SHARED_TIERS_MAX && slots->map_tiers[at].name[0] != 0;
    if (!known && slots->onlooker && slots->map_fd >= 0) { /* not its map to write */
      at = LRD_SHARED_TIERS_MAX;
    } else if (at == LRD_SHARED_TIERS_MAX) {
      return lrd_fail(err, LARDER_EUNSUPPORTED, 0, ROOM,
                      "this root has known %u shared tiers already; remove %s while no program uses the root",
                      LRD_SHARED_TIERS_MAX, slots->map_path);
    }
    if (!known && at < LRD_SHARED_TIERS_MAX) {
      memcpy(slots->map_tiers[at].name, name, 64);
    }
    slots->tier_index[i] = at;
  }
  return LARDER_OK;
}

/* A long name keeps its end, which tells instances apart. */
static void tiers_name(lrd_slots *slots, const lrd_slots_params *params) {
  slots->tiers_len = params->tiers_len;
  for (size_t i = 0; i < params->tiers_len; i++) {
    size_t len = strlen(params->tiers[i]);
    size_t cut = len > 63 ? len - 63 : 0;
    memcpy(slots->tier_names[i], params->tiers[i] + cut, len - cut);
  }
}

static larder_err row_claim(lrd_slots *slots, larder_error *err) {
  if (slots->onlooker) {
    slots->row = LRD_ROWS_MAX;
    return LARDER_OK;
  }
  for (unsigned row = 0; row < LRD_ROWS_MAX; row++) {
    if (lrd_fs_lock_try(slots->lock_fd, LOCK_ROWS_AT + row, 1, LRD_FS_EXCLUSIVE) != 0) {
      continue;
    }
    slots->row = row;
    slots->row_claimed = true;
    /* Who held the row before may have died owning slots: they are given back before the row lives again. */
    if (atomic_load(&slots->map_rows[row].used) != 0) {
      lrd_slots_release_row(slots, row);
    }
    slots->map_rows[row].pid = (uint32_t)getpid();
    atomic_store(&slots->map_rows[row].queued_from, 0);
    atomic_store(&slots->map_rows[row].used, MAP_ROW_USED);
    return LARDER_OK;
  }
  return lrd_fail(err, LARDER_EBUSY, 0, ROOM, "%u processes use this root already; end one of them", LRD_ROWS_MAX);
}

/* Under the joining lock: nobody can join meanwhile. What others may be changing now is not to be set right. */
static bool nobody_else(lrd_slots *slots) { return !lrd_fs_lock_held(slots->lock_fd, LOCK_ROWS_AT, LRD_ROWS_MAX); }

larder_err lrd_slots_open(const lrd_slots_params *params, lrd_slots **out, larder_error *err) {
  larder_err result = LARDER_ENOMEM;
  lrd_slots *slots = lrd_alloc_zero(1, sizeof *slots);
  if (!slots) {
    return lrd_fail(err, LARDER_ENOMEM, 0, ROOM, "out of memory");
  }
  slots->clock = params->clock;
  slots->log = params->log;
  slots->lock_fd = slots->map_fd = -1;
  tiers_name(slots, params);
  slots->map_path = lrd_path_join(params->root, "coherence.map");
  slots->lock_path = lrd_path_join(params->root, "LOCK");
  if (!slots->map_path || !slots->lock_path) {
    (void)lrd_fail(err, LARDER_ENOMEM, 0, ROOM, "out of memory");
    goto out;
  }
  if ((result = lock_open(slots, err)) != LARDER_OK || (result = lock_joining(slots, err)) != LARDER_OK ||
      (result = identity_load(slots, err)) != LARDER_OK || (result = map_open(slots, params->slots, NULL, err)) != LARDER_OK ||
      (result = tiers_find(slots, err)) != LARDER_OK || (result = row_claim(slots, err)) != LARDER_OK) {
    goto out;
  }
  if (!slots->onlooker && nobody_else(slots)) { /* so nothing is queued */
    clock_check(slots);
    dirty_recount(slots);
    for (unsigned i = 0; i < LRD_SHARED_TIERS_MAX * MAP_TRACES; i++) {
      if (atomic_load(&slots->traces[i]) != 0) { /* mostly a hole of the file, which a store would fill */
        atomic_store(&slots->traces[i], 0);
      }
    }
  }
  *out = slots;
  slots = NULL;
  result = LARDER_OK;
out:
  if (slots) {
    lrd_slots_close(slots);
  }
  return result;
}

void lrd_slots_joined(lrd_slots *slots) {
  if (slots->joining) {
    (void)lrd_fs_lock_try(slots->lock_fd, LOCK_JOINING_AT, 1, LRD_FS_UNLOCK);
  }
  slots->joining = false;
}

static void slots_free(lrd_slots *slots) {
  if (slots->map) {
    lrd_fs_unmap(slots->map, slots->map_len);
  }
  lrd_fs_close(slots->map_fd);
  lrd_fs_close(slots->lock_fd); /* drops every lock that is left */
  lrd_dealloc(slots->map_path);
  lrd_dealloc(slots->lock_path);
  lrd_dealloc(slots);
}

void lrd_slots_close(lrd_slots *slots) {
  if (!slots) {
    return;
  }
  if (slots->row_claimed && slots->map) {
    atomic_store(&slots->map_rows[slots->row].used, 0);
  }
  slots_free(slots);
}

void lrd_slots_abandon(lrd_slots *slots) {
  if (slots) {
    slots_free(slots);
  }
}

/* Whether the path still leads to the file; what can't be told now is asked again in a second. */
static bool same_file(const char *path, uint64_t inode) {
  struct stat facts;
  if (lrd_fs_stat(path, &facts) != 0) {
    return errno != ENOENT && errno != ENOTDIR;
  }
  return (uint64_t)facts.st_ino == inode;
}

/*
 * Nobody else sees our slots any more. A private copy takes the map's place, so that the file is left as it is for who
 * may still use it, and words that no token equals end every memory hit.
 */
static void slots_void(lrd_slots *slots) {
  atomic_store(&slots->lost, true);
  void *map = mmap(slots->map, slots->map_len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  LRD_ASSERT(map == slots->map); /* of the same size at the same place: the kernel has no reason to refuse */
  for (uint64_t slot = 0; slot < lrd_slot_count(slots); slot++) {
    atomic_store(&slots->words[slot], LRD_TOKEN_NONE);
  }
}

/* In a new map nobody has seen so far from where on we have something queued, and it has forgotten the lost traces. */
static void queue_told_anew(lrd_slots *slots) {
  _Atomic uint64_t *own = &slots->map_rows[slots->row].queued_from;
  lrd_stamp from;
  do {
    from = atomic_load(&slots->queued_from);
    atomic_store(own, from);
  } while (from != atomic_load(&slots->queued_from));
  if (from == 0) {
    return;
  }
  (void)lrd_stamp_next(slots->clock_word, lrd_wall_ms(slots->clock), 0);
  for (unsigned tier = 0; tier < slots->tiers_len; tier++) {
    lrd_slots_traceless_all(slots, tier);
  }
}

/* Our row in a new map. */
static void row_retell(lrd_slots *slots) {
  if (slots->onlooker) {
    return;
  }
  atomic_store(&slots->map_rows[slots->row].used, MAP_ROW_USED);
  queue_told_anew(slots);
  slots->map_rows[slots->row].pid = (uint32_t)getpid();
}

bool lrd_slots_still_there(lrd_slots *slots) {
  if (atomic_load(&slots->lost)) {
    return false;
  }
  if (!same_file(slots->lock_path, slots->lock_inode)) {
    slots_void(slots);
    return false;
  }
  if (same_file(slots->map_path, slots->map_inode)) {
    return true;
  }
  larder_error why = {0};
  larder_err result = lock_joining(slots, &why);
  if (result == LARDER_OK) {
    result = map_open(slots, lrd_slot_count(slots), slots->map, &why);
  }
  if (result == LARDER_OK) {
    result = tiers_find(slots, &why);
  }
  if (result == LARDER_OK) {
    row_retell(slots);
    lrd_log_write(slots->log, LRD_LOG_WARN, "coherence.map_replaced", "%s was replaced; joined the new one", slots->map_path);
  } else if (result < 0) {
    slots_void(slots);
    lrd_log_write(slots->log, LRD_LOG_ERROR, "coherence.map_lost", "%s", why.message);
  }
  lrd_slots_joined(slots);
  return result >= 0;
}
