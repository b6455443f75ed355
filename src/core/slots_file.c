/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Joining and leaving a root. LOCK holds the root's identity as text (it is never deleted, so the seed of the key hash
 * survives the loss of the map) and, far behind it, the bytes on which processes hold open-file-description locks: one
 * per row (its holder is alive), one per shared tier (its holder has it open), one for joining. They vanish with the
 * process, whatever ends it.
 *
 * An onlooker opens LOCK for reading and makes nothing, so it needs nobody to wait for it: it never takes the joining lock,
 * which it might be stopped with. A tier's byte it takes like everybody, and whoever wants the tier alone waits for it.
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
#define IDENTITY_WAIT_S    2
#define CLOCK_AHEAD_MS_MAX (24 * 3600 * 1000)
#define LOCK_TEXT          "larder root %32s seed %16llx\n"

static larder_err lock_joining(lrd_slots *slots, larder_error *err) {
  int64_t began_ns = lrd_mono_ns(slots->clock);
  if (slots->onlooker) {
    return LARDER_OK;
  }
  while (lrd_fs_lock_try(slots->lock_fd, LOCK_JOINING_AT, 1, LRD_FS_EXCLUSIVE) != 0) {
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
  slots->lock_device = (uint64_t)facts.st_dev;
  if (slots->onlooker) {
    lrd_log_write(slots->log, LRD_LOG_INFO, "root.read_only", "%s can't be written: what is kept is read, nothing is changed",
                  slots->lock_path);
  }
  return LARDER_OK;
}

static larder_err identity_read(lrd_slots *slots, larder_error *err) {
  char text[128] = {0};
  size_t got = 0;
  unsigned long long seed = 0;
  if (lrd_fs_read_full(slots->lock_fd, text, sizeof text - 1, 0, &got) != 0) {
    return lrd_fail(err, lrd_err_from_errno(errno), errno, ROOM, "%s can't be read", slots->lock_path);
  }
  if (sscanf(text, "larder root %32[0-9a-f] seed %16llx", slots->root_id, &seed) != 2 || strlen(slots->root_id) != 32) {
    return LARDER_MISS;
  }
  slots->seed = seed;
  return LARDER_OK;
}

/* An onlooker may come while the root is made: then there will be an identity in a moment. */
static larder_err identity_await(lrd_slots *slots, larder_error *err) {
  int64_t began_ns = lrd_mono_ns(slots->clock);
  larder_err result;
  while ((result = identity_read(slots, err)) == LARDER_MISS) {
    if (lrd_mono_ns(slots->clock) - began_ns > IDENTITY_WAIT_S * INT64_C(1000000000)) {
      return lrd_fail(err, LARDER_EFORMAT, 0, ROOM, "%s is damaged or empty; open the root where it can be written",
                      slots->lock_path);
    }
    slots->clock->sleep_ns(slots->clock, JOIN_NAP_NS);
  }
  return result;
}

/* The identity in LOCK, written when it is new or unreadable (then the durable tiers find a foreign seed and say so). */
static larder_err identity_load(lrd_slots *slots, larder_error *err) {
  char text[128] = {0};
  larder_err result = slots->onlooker ? identity_await(slots, err) : identity_read(slots, err);
  if (result != LARDER_MISS) {
    return result;
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
    atomic_store(&slots->map_tiers[slots_tier_at(slots, tier)].dirty, count);
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
      at = MAP_TIER_UNKNOWN;
    } else if (at == LRD_SHARED_TIERS_MAX) {
      return lrd_fail(err, LARDER_EUNSUPPORTED, 0, ROOM,
                      "this root has known %u shared tiers already; remove %s while no program uses the root",
                      LRD_SHARED_TIERS_MAX, slots->map_path);
    }
    if (!known && at != MAP_TIER_UNKNOWN) {
      memcpy(slots->map_tiers[at].name, name, 64);
    }
    atomic_store(&slots->tier_index[i], at);
  }
  atomic_store(&slots->mapless, slots->map_fd < 0);
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
      (result = identity_load(slots, err)) != LARDER_OK ||
      (result = lrd_slots_map_open(slots, params->slots, NULL, err)) != LARDER_OK ||
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

void lrd_slots_root_here(const lrd_slots *slots, char out[LRD_ROOT_HERE_MAX + 1]) {
  uint64_t parts[] = {slots->lock_device, slots->lock_inode};
  (void)snprintf(out, LRD_ROOT_HERE_MAX + 1, "%s%016llx", slots->root_id, (unsigned long long)lrd_sum64(parts, sizeof parts));
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
  lrd_slots_void_words(slots);
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

/* An onlooker may have come before the first who writes with a tier. */
static void tiers_find_late(lrd_slots *slots) {
  for (size_t i = 0; slots->onlooker && i < slots->tiers_len; i++) {
    if (slots_tier_at(slots, (unsigned)i) == MAP_TIER_UNKNOWN) {
      (void)tiers_find(slots, NULL); /* what is not there yet stays unknown */
      return;
    }
  }
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
    tiers_find_late(slots);
    return true;
  }
  larder_error why = {0};
  larder_err result = lock_joining(slots, &why);
  if (result == LARDER_OK) {
    result = lrd_slots_map_open(slots, lrd_slot_count(slots), slots->map, &why);
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
