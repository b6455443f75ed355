/* SPDX-License-Identifier: Apache-2.0 */
/* What the checks of the suite share: an instance on a host of ours, keys, short forms of the calls. */
#ifndef LRD_TESTS_CONFORMANCE_RIG_H
#define LRD_TESTS_CONFORMANCE_RIG_H

#include "support/support.h"

#include "conformance.h"
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RIG_START_MS INT64_C(1700000000000)
#define RIG_SEED     UINT64_C(0x1234567)

typedef struct rig {
  const larder_tier_ops *ops;
  const char *root;
  void *self;
  uint64_t bytes_max, entries_max;
  uint32_t space, other;
  _Atomic int64_t now_ms;
  _Atomic uint64_t evicted[LARDER_EVICT_REASON_COUNT];
  _Atomic uint64_t demoted;
  _Atomic uint64_t owned, released;
  bool slots_refused; /* no slot is to be had */
} rig;

/* Ends the process when the tier did not do what the contract says. */
#define REQUIRE(condition)                                                                                                     \
  do {                                                                                                                         \
    if (!(condition)) rig_broken(#condition, __FILE__, __LINE__);                                                              \
  } while (0)
_Noreturn void rig_broken(const char *what, const char *file, int line);

void rig_open(rig *r, const larder_tier_ops *ops, const char *root);
void rig_open_limited(rig *r, const larder_tier_ops *ops, const char *root, uint64_t bytes_max, uint64_t entries_max);
larder_err rig_try_open(rig *r, uint64_t seed);
void rig_close(rig *r);
void rig_reopen(rig *r);
bool rig_can(const rig *r, uint32_t capability);
bool rig_shared(const rig *r);

larder_tier_key rig_key(const rig *r, const char *text);
larder_facts rig_facts(uint64_t stamp, size_t len);
/* A write of one item; the item's result, or the call's failure. */
larder_err rig_write(rig *r, larder_tier_write *item);
larder_err rig_put(rig *r, const char *key, const char *value, uint64_t stamp);
larder_err rig_delete(rig *r, const char *key, uint64_t stamp, bool *existed);
larder_err rig_get(rig *r, const char *key, larder_tier_entry *out);
bool rig_shows(rig *r, const char *key, const char *value); /* NULL: a miss */
uint64_t rig_entries(rig *r, uint32_t space);

#endif
