/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table is an array of buckets. A bucket's places change under its lock, a word that names the row of who has it; what is
 * done under it takes a moment, and one that belongs to the dead is taken over. Each step leaves a bucket that anybody can go
 * on with: a place counts by its owner word, which is written last.
 *
 *   0      head
 *   4096   buckets: lock, hashes, owner words; then, apart, what is only looked at once a hash was found
 */
#include "lease.h"

#include "base/bytes.h"
#include "base/fail.h"
#include "base/fs.h"
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define ROOM       "leases"
#define MAGIC      UINT64_C(0x3141454c4452414c) /* "LARDLEA1" */
#define FORMAT     1u
#define BUCKETS    1024u
#define PLACES     8u /* of a bucket */
#define HEAD_BYTES 4096u
#define ROW_MASK   UINT64_C(0xffff)
#define LOCK_SPINS 64u
/* With a holder that lives and does not go on: it has been stopped. On a host with a thousand threads more than processors, one
 * that was only put off can take half a second to come back, and who gives up on it makes what is being made. */
#define LOCK_PATIENCE INT64_C(2000000000)

typedef struct map_place {
  _Atomic int64_t deadline_ns;
  _Atomic int64_t failed_until_ns;
  _Atomic uint32_t turn; /* moves whenever a lease of this place ends */
  _Atomic uint32_t overtaken;
  _Atomic int32_t failure;
  _Atomic uint32_t reserved;
  char reason[LRD_LEASE_REASON];
} map_place;

typedef struct map_bucket {
  _Atomic uint64_t lock; /* row + 1; 0: free */
  _Atomic uint64_t hash[PLACES];
  _Atomic uint64_t owner[PLACES]; /* ticket in the upper 48 bits, row + 1 in the lower 16; no row: nobody's */
  map_place place[PLACES];
} map_bucket;

typedef struct map_head {
  uint64_t magic;
  uint32_t format;
  uint32_t bucket_bytes;
  uint32_t buckets;
  char boot_id[LRD_BOOT_ID_ROOM];
  _Atomic uint64_t held;
  _Atomic uint64_t tickets;
} map_head;

struct lrd_leases {
  uint8_t *map;
  map_head *head;
  map_bucket *buckets;
  uint64_t inode;
  lrd_leases_params with;
};

#define MAP_BYTES (HEAD_BYTES + BUCKETS * sizeof(map_bucket))

/* --- the file ---------------------------------------------------------------------------------------------------------- */

static bool head_right(const map_head *head, const char *boot_id) {
  return head->magic == MAGIC && head->format == FORMAT && head->bucket_bytes == sizeof(map_bucket) &&
         head->buckets == BUCKETS && memcmp(head->boot_id, boot_id, LRD_BOOT_ID_ROOM) == 0;
}

/* One that is not of this boot and build is replaced: who has the old one mapped is of another build, and keeps to himself. */
static int file_open(const char *path, const char *boot_id) {
  map_head head;
  size_t got = 0;
  struct stat facts;
  int fd = lrd_fs_open(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
  if (fd < 0) return -1;
  if (fstat(fd, &facts) == 0 && (uint64_t)facts.st_size == MAP_BYTES &&
      lrd_fs_read_full(fd, &head, sizeof head, 0, &got) == 0 && got == sizeof head && head_right(&head, boot_id))
    return fd;
  lrd_fs_close(fd);
  if (lrd_fs_unlink(path) != 0) return -1;
  fd = lrd_fs_open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  if (fd < 0) return -1;
  head = (map_head){.magic = MAGIC, .format = FORMAT, .bucket_bytes = sizeof(map_bucket), .buckets = BUCKETS};
  memcpy(head.boot_id, boot_id, LRD_BOOT_ID_ROOM);
  if (lrd_fs_allocate(fd, path, (int64_t)MAP_BYTES) == 0 && lrd_fs_write_full(fd, path, &head, sizeof head, 0) == 0) return fd;
  int const why = errno;
  lrd_fs_close(fd);
  (void)lrd_fs_unlink(path);
  errno = why;
  return -1;
}

static bool owned(uint64_t owner) { return (owner & ROW_MASK) != 0; }

static void turn_move(map_place *place) {
  atomic_fetch_add(&place->turn, 1);
  (void)syscall(SYS_futex, &place->turn, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

/* What is our row's was left by one who had it before and died: with us the row lives again, and nobody else would free it. */
static void predecessor_release(lrd_leases *leases) {
  uint64_t const mine = leases->with.row + 1;
  for (map_bucket *bucket = leases->buckets; bucket < leases->buckets + BUCKETS; bucket++) {
    uint64_t lock = mine;
    (void)atomic_compare_exchange_strong(&bucket->lock, &lock, 0);
    for (unsigned at = 0; at < PLACES; at++) {
      uint64_t owner = atomic_load(&bucket->owner[at]);
      if ((owner & ROW_MASK) != mine || !atomic_compare_exchange_strong(&bucket->owner[at], &owner, 0)) continue;
      atomic_fetch_sub(&leases->head->held, 1);
      turn_move(&bucket->place[at]);
    }
  }
}

larder_err lrd_leases_open(const lrd_leases_params *params, lrd_leases **out, larder_error *err) {
  char boot_id[LRD_BOOT_ID_ROOM];
  LRD_ASSERT(params->row < ROW_MASK);
  lrd_leases *leases = lrd_alloc_zero(1, sizeof *leases);
  char *path = lrd_path_join(params->root, LRD_LEASES_FILE);
  if (leases == NULL || path == NULL) {
    lrd_dealloc(leases);
    lrd_dealloc(path);
    return lrd_fail(err, LARDER_ENOMEM, 0, ROOM, "out of memory");
  }
  lrd_boot_id(boot_id);
  leases->with = *params;
  leases->with.root = NULL;
  int const fd = file_open(path, boot_id);
  leases->map = fd < 0 ? NULL : lrd_fs_map(fd, path, MAP_BYTES, true);
  struct stat facts;
  leases->inode = fd >= 0 && fstat(fd, &facts) == 0 ? (uint64_t)facts.st_ino : 0;
  larder_err result = LARDER_OK;
  if (leases->map == NULL)
    result = lrd_fail(err, lrd_err_from_errno(errno), errno, ROOM,
                      "cannot open %s; it may be deleted while nobody uses the root", path);
  lrd_fs_close(fd);
  lrd_dealloc(path);
  if (result != LARDER_OK) {
    lrd_dealloc(leases);
    return result;
  }
  leases->head = (map_head *)(void *)leases->map;
  leases->buckets = (map_bucket *)(void *)(leases->map + HEAD_BYTES);
  predecessor_release(leases);
  *out = leases;
  return LARDER_OK;
}

uint64_t lrd_leases_inode(const lrd_leases *leases) { return leases->inode; }

void lrd_leases_close(lrd_leases *leases) {
  if (leases == NULL) return;
  lrd_fs_unmap(leases->map, MAP_BYTES);
  lrd_dealloc(leases);
}

/* --- a bucket ---------------------------------------------------------------------------------------------------------- */

static map_bucket *bucket_of(const lrd_leases *leases, uint64_t hash) { return &leases->buckets[hash % BUCKETS]; }

static bool lives(const lrd_leases *leases, uint64_t row_and_one) {
  uint64_t const row = (row_and_one & ROW_MASK) - 1;
  return row == leases->with.row || leases->with.row_lives(leases->with.context, (uint32_t)row);
}

/* False when a holder lives and has been stopped: then nothing is said about the bucket's keys. */
static bool bucket_lock(lrd_leases *leases, map_bucket *bucket) {
  uint64_t const mine = leases->with.row + 1;
  int64_t until_ns = 0;
  for (unsigned tries = 0;; tries++) {
    uint64_t seen = 0;
    if (atomic_compare_exchange_strong(&bucket->lock, &seen, mine)) return true;
    if (tries < LOCK_SPINS) continue;
    int64_t const now_ns = lrd_mono_ns(leases->with.clock);
    if (until_ns == 0) until_ns = now_ns + LOCK_PATIENCE;
    if (!lives(leases, seen) && atomic_compare_exchange_strong(&bucket->lock, &seen, mine)) return true;
    if (now_ns >= until_ns) return false;
    (void)sched_yield();
  }
}

static void bucket_unlock(map_bucket *bucket) { atomic_store(&bucket->lock, 0); }

/* Somebody's who lives. One of the dead is nobody's from now on. */
static bool held(lrd_leases *leases, map_bucket *bucket, unsigned at) {
  uint64_t const owner = atomic_load(&bucket->owner[at]);
  if (!owned(owner) || lives(leases, owner)) return owned(owner);
  atomic_store(&bucket->place[at].failed_until_ns, 0);
  atomic_store(&bucket->owner[at], 0);
  atomic_fetch_sub(&leases->head->held, 1);
  return false;
}

/* The place of the hash, else one that is free: before any that still tells of a failure, the one that tells longest ago. */
static unsigned place_find(lrd_leases *leases, map_bucket *bucket, uint64_t hash) {
  unsigned best = PLACES;
  int64_t best_until_ns = INT64_MAX;
  for (unsigned at = 0; at < PLACES; at++) {
    if (atomic_load(&bucket->hash[at]) == hash) return at;
    if (held(leases, bucket, at)) continue;
    int64_t const until_ns = atomic_load(&bucket->place[at].failed_until_ns);
    if (best == PLACES || until_ns < best_until_ns) {
      best = at;
      best_until_ns = until_ns;
    }
  }
  return best;
}

static void place_take(lrd_leases *leases, map_bucket *bucket, unsigned at, uint64_t hash, int64_t deadline_ns,
                       lrd_lease *out) {
  map_place *place = &bucket->place[at];
  out->ticket = (atomic_fetch_add(&leases->head->tickets, 1) + 1) << 16 | (leases->with.row + 1);
  atomic_store(&bucket->hash[at], hash);
  atomic_store(&place->deadline_ns, deadline_ns);
  atomic_store(&place->failed_until_ns, 0);
  atomic_store(&place->overtaken, 0);
  atomic_fetch_add(&leases->head->held, 1);
  atomic_store(&bucket->owner[at], out->ticket);
}

static void failure_read(const map_place *place, lrd_lease *out) {
  out->failure = (larder_err)atomic_load(&place->failure);
  out->failed_until_ns = atomic_load(&place->failed_until_ns);
  memcpy(out->reason, place->reason, sizeof out->reason);
  out->reason[sizeof out->reason - 1] = '\0';
}

lrd_lease_answer lrd_lease_take(lrd_leases *leases, uint64_t hash, int64_t deadline_ns, bool again, lrd_lease *out) {
  map_bucket *bucket = bucket_of(leases, hash);
  lrd_lease_answer answer = LRD_LEASE_TAKEN;
  if (!bucket_lock(leases, bucket)) return LRD_LEASE_NONE;
  unsigned const at = place_find(leases, bucket, hash);
  *out = (lrd_lease){.hash = hash, .place = at};
  if (at == PLACES) {
    answer = LRD_LEASE_NONE;
  } else if (atomic_load(&bucket->hash[at]) == hash && held(leases, bucket, at)) {
    out->turn = atomic_load(&bucket->place[at].turn);
    out->deadline_ns = atomic_load(&bucket->place[at].deadline_ns);
    answer = LRD_LEASE_HELD;
  } else if (!again && atomic_load(&bucket->hash[at]) == hash &&
             atomic_load(&bucket->place[at].failed_until_ns) > lrd_boot_ns(leases->with.clock)) {
    failure_read(&bucket->place[at], out);
    answer = LRD_LEASE_FAILED;
  } else {
    place_take(leases, bucket, at, hash, deadline_ns, out);
  }
  bucket_unlock(bucket);
  return answer;
}

void lrd_lease_wait(lrd_leases *leases, const lrd_lease *held_lease, int64_t ns) {
  map_place *place = &bucket_of(leases, held_lease->hash)->place[held_lease->place];
  int64_t const most_ns = ns < LRD_LEASE_LOOK_NS ? ns : LRD_LEASE_LOOK_NS;
  struct timespec const time = {.tv_sec = 0, .tv_nsec = (long)most_ns};
  if (most_ns <= 0) return;
  (void)syscall(SYS_futex, &place->turn, FUTEX_WAIT, held_lease->turn, &time, NULL, 0);
}

void lrd_lease_end(lrd_leases *leases, const lrd_lease *mine, larder_err failure, const char *reason, int64_t failed_until_ns) {
  map_bucket *bucket = bucket_of(leases, mine->hash);
  map_place *place = &bucket->place[mine->place];
  bool const locked = failed_until_ns != 0 && bucket_lock(leases, bucket);
  if (locked) {
    atomic_store(&place->failure, (int32_t)failure);
    memset(place->reason, 0, sizeof place->reason);
    if (reason != NULL) memcpy(place->reason, reason, strnlen(reason, sizeof place->reason - 1));
    atomic_store(&place->failed_until_ns, failed_until_ns);
  }
  uint64_t owner = mine->ticket;
  if (atomic_compare_exchange_strong(&bucket->owner[mine->place], &owner, 0)) atomic_fetch_sub(&leases->head->held, 1);
  if (locked) bucket_unlock(bucket);
  turn_move(place);
}

bool lrd_lease_overtaken(const lrd_leases *leases, const lrd_lease *mine) {
  const map_bucket *bucket = bucket_of(leases, mine->hash);
  return atomic_load(&bucket->owner[mine->place]) != mine->ticket || atomic_load(&bucket->place[mine->place].overtaken) != 0;
}

void lrd_leases_overtake(lrd_leases *leases, uint64_t hash) {
  if (atomic_load_explicit(&leases->head->held, memory_order_acquire) == 0) return;
  map_bucket *bucket = bucket_of(leases, hash);
  for (unsigned at = 0; at < PLACES; at++) {
    if (atomic_load(&bucket->hash[at]) != hash || !owned(atomic_load(&bucket->owner[at]))) continue;
    atomic_store(&bucket->place[at].overtaken, 1);
  }
}

void lrd_leases_overtake_all(lrd_leases *leases) {
  if (atomic_load_explicit(&leases->head->held, memory_order_acquire) == 0) return;
  for (map_bucket *bucket = leases->buckets; bucket < leases->buckets + BUCKETS; bucket++) {
    for (unsigned at = 0; at < PLACES; at++) {
      if (owned(atomic_load(&bucket->owner[at]))) atomic_store(&bucket->place[at].overtaken, 1);
    }
  }
}

bool lrd_lease_failed(const lrd_leases *leases, uint64_t hash) {
  const map_bucket *bucket = bucket_of(leases, hash);
  for (unsigned at = 0; at < PLACES; at++) {
    if (atomic_load(&bucket->hash[at]) != hash) continue;
    return !owned(atomic_load(&bucket->owner[at])) &&
           atomic_load(&bucket->place[at].failed_until_ns) > lrd_boot_ns(leases->with.clock);
  }
  return false;
}

bool lrd_lease_look(const lrd_leases *leases, uint64_t hash, lrd_lease_seen *out) {
  const map_bucket *bucket = bucket_of(leases, hash);
  unsigned at = 0;
  while (at < PLACES && atomic_load(&bucket->hash[at]) != hash) at++;
  if (at == PLACES) return false;
  const map_place *place = &bucket->place[at];
  uint64_t const owner = atomic_load(&bucket->owner[at]);
  if (owned(owner) && lives(leases, owner)) {
    *out = (lrd_lease_seen){.held = true,
                            .row = (uint32_t)((owner & ROW_MASK) - 1),
                            .overtaken = atomic_load(&place->overtaken) != 0,
                            .deadline_ns = atomic_load(&place->deadline_ns)};
    return true;
  }
  lrd_lease told = {0};
  failure_read(place, &told);
  *out = (lrd_lease_seen){.failure = told.failure, .failed_until_ns = told.failed_until_ns};
  memcpy(out->reason, told.reason, sizeof out->reason);
  return told.failed_until_ns > lrd_boot_ns(leases->with.clock);
}

void lrd_leases_clean(lrd_leases *leases) {
  if (atomic_load_explicit(&leases->head->held, memory_order_acquire) == 0) return;
  for (map_bucket *bucket = leases->buckets; bucket < leases->buckets + BUCKETS; bucket++) {
    for (unsigned at = 0; at < PLACES; at++) {
      uint64_t const owner = atomic_load(&bucket->owner[at]);
      if (!owned(owner) || lives(leases, owner) || !bucket_lock(leases, bucket)) continue;
      (void)held(leases, bucket, at);
      bucket_unlock(bucket);
      turn_move(&bucket->place[at]);
    }
  }
}

uint64_t lrd_leases_held(const lrd_leases *leases) { return atomic_load(&leases->head->held); }
