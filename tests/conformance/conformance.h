/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One suite for every implementation of larder_tier_ops. A check is a function that ends the process with status 1 and a
 * line on stderr when the tier breaks the contract of ext/tier.h; each runs in a child of its own on a fresh folder. What a
 * tier does not declare (durable, tombstones, tags, …) is not asked of it.
 */
#ifndef LRD_TESTS_CONFORMANCE_H
#define LRD_TESTS_CONFORMANCE_H

#include <larder/ext/tier.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct conformance_check {
  const char *name;
  void (*run)(const larder_tier_ops *ops, const char *root);
} conformance_check;

extern const conformance_check conformance_checks[];
extern const size_t conformance_checks_len;

/* Runs one check in a child. True when the tier stood it. `quiet` drops what the child writes to stderr. */
bool conformance_stands(const larder_tier_ops *ops, const conformance_check *check, bool quiet);

#endif
