/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A files tier with a host that tests watch: a clock they move, slots they can hold, counts of what was reported. The
 * ticker sleeps unless a test's options say otherwise, so that only what a test calls happens.
 */
#ifndef LRD_TESTS_FILES_RIG_H
#define LRD_TESTS_FILES_RIG_H

#include "support/support.h"

#include "base/clock.h"
#include "base/stamp.h"
#include "tier/files/files_tier.h"
#include <stdatomic.h>

#define RIG_HELD_MAX 64
#define RIG_START_MS 1700000000000

typedef struct files_rig {
  char *dir;
  lrd_clock_moved clock;
  void *tier; /* NULL: closed */
  uint32_t space;
  _Atomic uint64_t evicted[LARDER_EVICT_REASON_COUNT];
  _Atomic int distrusts;
  _Atomic uint64_t taken_back; /* openings that took back what a power cut had torn */
  _Atomic uint64_t owned;      /* slots owned now */
  bool refuse_all;
  uint64_t held[RIG_HELD_MAX]; /* hashes whose slot somebody else holds */
  _Atomic size_t held_count;
  larder_error error;
  /* For the next open. */
  const char *space_name;
  uint64_t seed;
  uint64_t bytes_max;
  uint64_t entries_max;
  uint64_t space_bytes_max;
  uint64_t space_entries_max;
  const char *options;
  bool read_only;
} files_rig;

void rig_init(files_rig *rig);
void rig_fini(files_rig *rig);
/* Another rig on the same folder, as another process would be; fini it first. */
void rig_init_beside(files_rig *rig, const files_rig *first);
larder_err rig_open(files_rig *rig);
void rig_must_open(files_rig *rig);
void rig_close(files_rig *rig);

larder_tier_key rig_key_of(const files_rig *rig, const void *key, size_t len);
larder_tier_key rig_key(const files_rig *rig, const char *key);
/* A stamp of the rig's clock with a counter. */
uint64_t rig_stamp(files_rig *rig, uint64_t counter);
larder_tier_write rig_write(const files_rig *rig, larder_tier_verb verb, const char *key, uint64_t stamp, const void *value,
                            size_t len);
larder_err rig_do(files_rig *rig, larder_tier_write *item, larder_durability durability);
/* Puts text under key and wants it stored. */
void rig_put(files_rig *rig, const char *key, uint64_t stamp, const char *text);
void rig_put_kind(files_rig *rig, const char *key, uint64_t stamp, larder_kind kind, const void *value, size_t len);
larder_err rig_delete(files_rig *rig, const char *key, uint64_t stamp);
/* What is stored under key, as text; own (free), NULL on a miss. Any failure fails the test. */
char *rig_get(files_rig *rig, const char *key);
void rig_assert_value(files_rig *rig, const char *key, const char *text);
void rig_assert_miss(files_rig *rig, const char *key);
larder_tier_usage rig_usage(files_rig *rig);
/* check, and what it found; the sentences go nowhere. */
larder_tier_report rig_check(files_rig *rig, bool repair);
/* A path within the rig's folder, in storage that the next call but seven uses again. */
const char *rig_path(const files_rig *rig, const char *within);
bool rig_there(const files_rig *rig, const char *within);
/* How many files lie below the folder whose name begins so. */
unsigned rig_files(const files_rig *rig, const char *begins);
/* A value of len bytes that depends on seed alone; own (free). */
char *rig_value(uint64_t seed, size_t len);

#endif
