/* SPDX-License-Identifier: Apache-2.0 */
/* Wishes in the order in which they are to be made, each key once, no more than so many. The caller locks. */
#ifndef LRD_CORE_PREFETCH_QUEUE_H
#define LRD_CORE_PREFETCH_QUEUE_H

#include "cache.h"

#define LRD_WISH_CHAINS 1024u

typedef struct lrd_wish lrd_wish;
struct lrd_wish {
  lrd_wish *chain;
  larder_ns *ns;
  uint64_t hash;
  double priority;
  bool late;       /* somebody has asked for it meanwhile */
  uint64_t number; /* in the order in which they came */
  int64_t queued_ns;
  int64_t stale_ns; /* monotonic; then it is not wanted any more */
  size_t key_len;
  uint8_t key[];
};

typedef struct lrd_wishes {
  lrd_wish **sorted; /* the most urgent last */
  size_t len;
  size_t max;
  uint64_t numbers;
  lrd_wish *chains[LRD_WISH_CHAINS];
} lrd_wishes;

LARDER_MUST_CHECK larder_err lrd_wishes_init(lrd_wishes *wishes, size_t max);
void lrd_wishes_fini(lrd_wishes *wishes);
lrd_wish *lrd_wishes_find(const lrd_wishes *wishes, const lrd_op *op);
/* Takes it. What it was less urgent than and had no room for is freed: false when that is itself. *full_out: something was. */
bool lrd_wishes_put(lrd_wishes *wishes, lrd_wish *wish, bool *full_out);
/* To another place in the order; among equals it stays where it came. */
void lrd_wishes_reorder(lrd_wishes *wishes, lrd_wish *wish, double priority);
/* Takes out the most urgent that is ready, of the first `looks`; NULL: none. The caller frees it. */
lrd_wish *lrd_wishes_take(lrd_wishes *wishes, size_t looks, bool (*ready)(void *context, const lrd_wish *wish), void *context);
/* Frees those of a namespace, or (NULL) all; how many. */
size_t lrd_wishes_clear(lrd_wishes *wishes, const larder_ns *ns);

#endif
