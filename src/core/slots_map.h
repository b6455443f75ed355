/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What slots.c (the protocol), slots_file.c (joining and leaving) and slots_map.c (the map's file) share: the map's layout on
 * disk and the handle.
 *
 *   0       head      magic, format, number of slots, root id, seed, sum of these
 *   128     clock     the last stamp given out on this host
 *   1024    tiers     8 × 128 bytes: name, trust, generation, number of dirty slots
 *   4096    rows      256 × 64 bytes: one per process
 *   24576   traces    8 × 512 words: of a tier and the slots of one number modulo 512, the highest stamp that went without
 *                     leaving the tombstone that was wanted
 *   65536   slots     2^n words: 48 bits version, 16 bits owner (row + 1)
 *   …       dirty     8 bitmaps of 2^n bits
 */
#ifndef LRD_CORE_SLOTS_MAP_H
#define LRD_CORE_SLOTS_MAP_H

#include "base/fs.h"
#include "slots.h"
#include <pthread.h>

#define MAP_MAGIC        UINT64_C(0x3150414d4452414c) /* "LARDMAP1" */
#define MAP_FORMAT       1u
#define MAP_TRACES_AT    24576u
#define MAP_TRACES       512u /* per tier */
#define MAP_SLOTS_AT     65536u
#define MAP_TRUST_BROKEN UINT32_C(0x4b4f5242) /* any other word means trusted, so that one flipped bit costs nothing */
#define MAP_ROW_USED     UINT32_C(0x44455355)

typedef struct map_head {
  uint64_t magic;
  uint32_t format;
  uint32_t slots_log2;
  char root_id[32];
  uint64_t seed;
  uint64_t sum; /* of all above */
} map_head;

typedef struct map_tier {
  char name[64];
  _Atomic uint32_t trust;
  uint32_t reserved;
  _Atomic uint64_t generation;
  _Atomic uint64_t dirty;
  uint8_t pad[128 - 88];
} map_tier;

typedef struct map_row {
  _Atomic uint32_t used; /* MAP_ROW_USED from claim to orderly close */
  uint32_t pid;
  char program[32];
  _Atomic uint64_t queued_from; /* the lowest stamp that the process may have queued; 0: none */
  _Atomic uint64_t leases;      /* inode of the table of leases that the process has; 0: none */
  uint8_t pad[8];
} map_row;

/* Bytes of LOCK, far behind its text. */
#define LOCK_JOINING_AT 0x100001
#define LOCK_ROWS_AT    0x100100
#define LOCK_TIERS_AT   0x100400

struct lrd_slots {
  uint8_t *map;
  size_t map_len;
  _Atomic uint64_t *words;
  _Atomic uint64_t *clock_word;
  _Atomic uint64_t own_clock; /* an onlooker's */
  map_tier *map_tiers;
  map_row *map_rows;
  _Atomic uint64_t *traces;
  _Atomic uint64_t queued_from; /* as it stands in our row */
  unsigned log2;
  unsigned shift;
  unsigned row;
  bool row_claimed;
  bool joining;
  bool onlooker;             /* LOCK and map can only be read: no row, and nothing of the map is ever written */
  _Atomic bool mapless;      /* an onlooker whose map is its own, since there was none */
  _Atomic uint32_t owned;    /* slots that threads of this process own or are about to own */
  _Atomic uint64_t attempts; /* to own one, ever */
  _Atomic uint64_t replaced; /* owners, since they were last asked for */
  _Atomic bool lost;
  int lock_fd;
  int map_fd;
  char *map_path;
  char *lock_path;
  char root_id[33];
  uint64_t seed;
  const lrd_clock *clock;
  const lrd_log *log;
  _Atomic unsigned tier_index[LRD_SHARED_TIERS_MAX]; /* our number to the map's; an onlooker's may come later */
  unsigned entered_at[LRD_SHARED_TIERS_MAX];         /* the map's number when we entered */
  char tier_names[LRD_SHARED_TIERS_MAX][64];
  size_t tiers_len;
  uint64_t map_inode;
  uint64_t lock_inode;
  uint64_t lock_device;
};

#define MAP_TIER_UNKNOWN LRD_SHARED_TIERS_MAX /* an onlooker has asked for it, and no writer ever has */

static inline unsigned slots_tier_at(const lrd_slots *slots, unsigned tier) {
  return atomic_load_explicit(&slots->tier_index[tier], memory_order_acquire);
}

/* `at`: the map's number. */
static inline _Atomic uint64_t *slots_dirty_words(const lrd_slots *slots, unsigned at) {
  size_t words = ((size_t)1 << slots->log2) / 64;
  return slots->words + ((size_t)1 << slots->log2) + at * (words ? words : 1);
}

static inline _Atomic uint64_t *slots_trace(const lrd_slots *slots, unsigned tier, uint64_t slot) {
  return slots->traces + slots_tier_at(slots, tier) * MAP_TRACES + slot % MAP_TRACES;
}

static inline size_t slots_map_len(unsigned log2) {
  size_t count = (size_t)1 << log2;
  return MAP_SLOTS_AT + count * 8 + LRD_SHARED_TIERS_MAX * (count / 64) * 8;
}

/*
 * Maps the map, made where it is missing or damaged; at_fixed: over the one that is mapped there. MISS to an onlooker that has
 * one and finds no other: what it has goes on being true.
 */
LARDER_MUST_CHECK larder_err lrd_slots_map_open(lrd_slots *slots, uint64_t count, void *at_fixed, larder_error *err);
/* No token equals any word from now on. Not of a map that others use. */
void lrd_slots_void_words(lrd_slots *slots);

/* Whatever a tier held may have been newer than anything that is queued. */
void lrd_slots_traceless_all(lrd_slots *slots, unsigned tier);

/* One version further for every slot that `row` (or, LRD_ROWS_MAX, anybody at all) owns, and nobody's. */
void lrd_slots_release_row(lrd_slots *slots, unsigned row);

#endif
