/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small correct tier, and ways to break it: what the conformance suite is tested with. It keeps its entries in the
 * process, under the path it was opened with, and calls that durable: good enough for one test process.
 */
#ifndef LRD_TESTS_FAULTY_TIER_H
#define LRD_TESTS_FAULTY_TIER_H

#include <larder/ext/tier.h>

#define FAULTS(X)                                                                                                              \
  X(NONE)                                                                                                                      \
  X(STAMPS_IGNORED)                                                                                                            \
  X(STORED_STAMP_UNSET)                                                                                                        \
  X(SHARED_BUFFER)                                                                                                             \
  X(OVERWRITES_IN_PLACE)                                                                                                       \
  X(TORN)                                                                                                                      \
  X(TOMBSTONES_DROPPED)                                                                                                        \
  X(FORGET_LEAVES_TOMBSTONE)                                                                                                   \
  X(EXPIRES_LATE)                                                                                                              \
  X(EXPIRES_EARLY)                                                                                                             \
  X(EXPIRES_SOFTLY)                                                                                                            \
  X(SCAN_SKIPS)                                                                                                                \
  X(SCAN_REPEATS)                                                                                                              \
  X(SCAN_SHOWS_DEAD)                                                                                                           \
  X(SCAN_IGNORES_SPACE)                                                                                                        \
  X(SCAN_IGNORES_LIMIT)                                                                                                        \
  X(TAG_BY_PREFIX)                                                                                                             \
  X(NOT_ATOMIC)                                                                                                                \
  X(EXISTED_WRONG)                                                                                                             \
  X(PIN_LEAKED)                                                                                                                \
  X(ONLY_STAMP_IGNORED)                                                                                                        \
  X(RANGE_SHORT)                                                                                                               \
  X(RANGE_WIDE)                                                                                                                \
  X(RANGE_SIGNED)                                                                                                              \
  X(BIND_UNSTABLE)                                                                                                             \
  X(SPACES_MIXED)                                                                                                              \
  X(KEY_BY_HASH)                                                                                                               \
  X(KEY_CUT)                                                                                                                   \
  X(LIMIT_IGNORED)                                                                                                             \
  X(EVICTS_UNOWNED)                                                                                                            \
  X(EVICTION_UNCOUNTED)                                                                                                        \
  X(SLOT_KEPT)                                                                                                                 \
  X(FRAME_UNMARKED)                                                                                                            \
  X(RAW_LENGTH_LOST)                                                                                                           \
  X(FACTS_LOST)                                                                                                                \
  X(VALUE_WITH_FACTS_ONLY)                                                                                                     \
  X(TOUCH_KEEPS_STAMP)                                                                                                         \
  X(TOUCH_MAKES)                                                                                                               \
  X(LOST_ON_CLOSE)                                                                                                             \
  X(USAGE_STALE)                                                                                                               \
  X(SWEEP_IGNORES_FLAG)                                                                                                        \
  X(SWEEP_LEAVES)                                                                                                              \
  X(SEED_UNCHECKED)                                                                                                            \
  X(LEAKS_WHEN_OUT_OF_MEMORY)                                                                                                  \
  X(CHECK_SEES_GHOSTS)                                                                                                         \
  X(CHECK_ASKS_NOBODY)                                                                                                         \
  X(CHECK_KEEPS_WHAT_IS_JUDGED)

typedef enum tier_fault {
#define FAULT_ENUM(name) FAULT_##name,
  FAULTS(FAULT_ENUM)
#undef FAULT_ENUM
      FAULT_COUNT
} tier_fault;

extern tier_fault faulty_tier_fault; /* set before open */
extern const larder_tier_ops faulty_tier;

#endif
