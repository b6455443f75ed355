/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sqlite tier with a host that tests watch: a clock they move, slots they can hold, counts of what was reported.
 * Keys hash by FNV unless a test names the hash, so that it can aim at one.
 */
#ifndef LRD_TESTS_SQLITE_RIG_H
#define LRD_TESTS_SQLITE_RIG_H

#include "support/support.h"

#include "base/clock.h"
#include "base/stamp.h"
#include "tier/sqlite/sqlite_tier.h"
#include <stdatomic.h>

#define RIG_HELD_MAX 64

typedef struct sqlite_rig {
  char *dir;
  char path[512];
  bool mounted; /* dir is a small disk of its own */
  lrd_clock_moved clock;
  void *tier; /* NULL: closed */
  uint32_t space;
  _Atomic uint64_t evicted[LARDER_EVICT_REASON_COUNT];
  _Atomic int distrusts;
  _Atomic larder_err distrust_why;
  _Atomic uint64_t owned; /* slots owned now */
  _Atomic uint64_t owned_ever;
  _Atomic bool refuse_all;
  uint64_t held[RIG_HELD_MAX]; /* hashes whose slot somebody else holds */
  size_t held_count;
  larder_error error;
  /* For the next open. */
  uint64_t seed;
  uint64_t bytes_max;
  uint64_t entries_max;
  uint64_t space_bytes_max;
  uint64_t space_entries_max;
  uint64_t generation;
  bool read_only;
  const char *options;
} sqlite_rig;

void rig_init(sqlite_rig *rig);
void rig_fini(sqlite_rig *rig);
larder_err rig_open(sqlite_rig *rig);
void rig_must_open(sqlite_rig *rig);
void rig_close(sqlite_rig *rig);

uint64_t rig_hash(const char *key);
larder_tier_key rig_key(const sqlite_rig *rig, const char *key);
/* A stamp of the rig's clock with a counter. */
uint64_t rig_stamp(sqlite_rig *rig, uint64_t counter);

larder_tier_write rig_write(const sqlite_rig *rig, larder_tier_verb verb, const char *key, uint64_t stamp, const void *value,
                            size_t len);
larder_err rig_do(sqlite_rig *rig, larder_tier_write *item, larder_durability durability);
/* Puts text under key and wants it stored. */
void rig_put(sqlite_rig *rig, const char *key, uint64_t stamp, const char *text);
/* The result of put, delete and so on, of one item with COMMIT; a failure of the call is returned too. */
larder_err rig_put_result(sqlite_rig *rig, const char *key, uint64_t stamp, const void *value, size_t len);
larder_err rig_delete(sqlite_rig *rig, const char *key, uint64_t stamp);
/* What is stored under key, as text; own (free), NULL on a miss. Any failure fails the test. */
char *rig_get(sqlite_rig *rig, const char *key);
larder_err rig_get_err(sqlite_rig *rig, const char *key);
void rig_assert_value(sqlite_rig *rig, const char *key, const char *text);
void rig_assert_miss(sqlite_rig *rig, const char *key);
larder_tier_usage rig_usage(sqlite_rig *rig);
/* Returns when a tick has begun and ended since the call. It is the ticker's: nobody else may tick. */
void rig_tick(sqlite_rig *rig);
/* Opens the database beside the tier and runs SQL; the first integer it answers, or -1. In a child: POSIX locks. */
int64_t rig_sql(const char *path, const char *sql);
/* A value of len bytes that depends on seed alone; own (free). */
char *rig_value(uint64_t seed, size_t len);

#endif
