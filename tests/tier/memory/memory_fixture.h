/* SPDX-License-Identifier: Apache-2.0 */
/* A memory tier with a clock that the test moves, keys by text, and a record of what the host was told. */
#ifndef LRD_TESTS_TIER_MEMORY_FIXTURE_H
#define LRD_TESTS_TIER_MEMORY_FIXTURE_H

#include "support/support.h"

#include "tier/memory/memory_open.h"

typedef struct fixture {
  lrd_memory *memory;
  uint32_t space;
  uint64_t seed;
  _Atomic int64_t now_ms;
  uint64_t stamp;
  _Atomic uint64_t evicted[LARDER_EVICT_REASON_COUNT];
  _Atomic uint64_t evicted_bytes;
  _Atomic uint64_t demoted;
  char demoted_last[64];
  bool demote;
} fixture;

typedef struct fixture_options {
  uint64_t bytes_max;
  uint64_t instance_entries_max;
  const char *options;
  const char *policy;
  uint64_t space_bytes_max;
  uint64_t space_entries_max;
  bool demote;
} fixture_options;

#define FIXTURE_SEED UINT64_C(4242)

void fixture_open(fixture *fix, const fixture_options *options);
/* Checks the whole tier for consistency first. */
void fixture_close(fixture *fix);
void fixture_check(fixture *fix);
uint32_t fixture_bind(fixture *fix, const char *name, const char *policy, uint64_t bytes_max, uint64_t entries_max);
/* The key's hash, by the seed of the fixture's space. */
larder_tier_key fixture_key(const fixture *fix, const char *text);
larder_tier_key fixture_key_in(uint32_t space, const char *name, const void *data, size_t len);
/* Puts `value` (NUL-terminated) for ever, with the next stamp. */
larder_err fixture_put(fixture *fix, const char *key, const char *value);
/* Whether it is there; counts as a reading. */
bool fixture_get(fixture *fix, const char *key);
/* Whether it is there, by a walk that no policy notices. */
bool fixture_has(fixture *fix, const char *key);
/* The one-letter keys that are there, in alphabetical order. */
const char *fixture_letters(fixture *fix);
larder_tier_usage fixture_usage(fixture *fix, uint32_t space);

#endif
