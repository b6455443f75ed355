/* SPDX-License-Identifier: Apache-2.0 */
/* Lifecycle and walks of the memory tier, for memory_tier.c to put behind the contract. */
#ifndef LRD_TIER_MEMORY_MEMORY_OPEN_H
#define LRD_TIER_MEMORY_MEMORY_OPEN_H

#include "base/fail.h"
#include "shard.h"

static inline lrd_memory *lrd_memory_of(void *self) {
  lrd_memory *memory = self;
  LRD_ASSERT(memory->magic == LRD_MEMORY_MAGIC);
  return memory;
}

LARDER_MUST_CHECK larder_err lrd_memory_open(const larder_tier_params *params, void **self_out, larder_error *err);
void lrd_memory_close(void *self);
void lrd_memory_abandon(void *self);
LARDER_MUST_CHECK larder_err lrd_memory_bind(void *self, const larder_tier_space *asked, uint32_t *space_out);

LARDER_MUST_CHECK larder_err lrd_memory_scan(void *self, uint32_t space, larder_tier_cursor *cursor, uint64_t limit,
                                             bool values, larder_tier_visit visit, void *context);
LARDER_MUST_CHECK larder_err lrd_memory_sweep(void *self, uint64_t limit, bool expire_physically, uint64_t *removed_out);
LARDER_MUST_CHECK larder_err lrd_memory_check(void *self, bool repair, larder_tier_report *out, larder_tier_finding finding,
                                              larder_tier_judge judge, void *context);
LARDER_MUST_CHECK larder_err lrd_memory_forget_range(void *self, uint64_t first, uint64_t last, uint64_t *removed_out);

#endif
