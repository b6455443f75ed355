/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scans of a tier that finds its entries by hash. The position is the next hash to examine, so it survives restarts and needs
 * nothing held. A window of hashes is read; then each entry is fetched by itself and shown, so a slow visitor holds nothing
 * back.
 */
#ifndef LRD_TIER_HASH_SCAN_H
#define LRD_TIER_HASH_SCAN_H

#include <larder/ext/tier.h>

typedef struct lrd_hash_candidate {
  uint64_t hash;
  bool shown; /* of the space, live, with the tag */
} lrd_hash_candidate;

typedef struct lrd_hash_scan {
  void *tier;
  uint32_t space;
  const char *tag; /* NULL: any */
  size_t tag_len;
  bool values;
  /* Fills at most `limit` hashes from `position` on; fewer: there are no more. Holds nothing when it returns. */
  larder_err (*window)(const struct lrd_hash_scan *scan, uint64_t position, size_t limit, lrd_hash_candidate *out,
                       size_t *count_out);
  /* Whatever lies at the hash; its key points into the entry. */
  larder_err (*fetch)(void *tier, uint64_t hash, bool facts_only, larder_tier_key *key_out, larder_tier_entry *out);
  void (*release)(void *tier, larder_tier_entry *entry);
} lrd_hash_scan;

/* As the contract's scan. */
LARDER_MUST_CHECK larder_err lrd_hash_scan_run(const lrd_hash_scan *scan, larder_tier_cursor *cursor, uint64_t limit,
                                               larder_tier_visit visit, void *context);

#endif
