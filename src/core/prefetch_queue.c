/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sorted array: putting one in moves at most some thousand pointers, the most urgent is at the end, the least urgent at the
 * beginning. Chains by hash find a key.
 */
#include "prefetch_queue.h"

#include "base/bytes.h"
#include "base/fail.h"

larder_err lrd_wishes_init(lrd_wishes *wishes, size_t max) {
  *wishes = (lrd_wishes){.max = max};
  wishes->sorted = lrd_alloc(max * sizeof *wishes->sorted);
  return wishes->sorted ? LARDER_OK : LARDER_ENOMEM;
}

void lrd_wishes_fini(lrd_wishes *wishes) {
  (void)lrd_wishes_clear(wishes, NULL);
  lrd_dealloc(wishes->sorted);
  wishes->sorted = NULL;
}

static lrd_wish **chain_of(lrd_wishes *wishes, uint64_t hash) { return &wishes->chains[hash % LRD_WISH_CHAINS]; }

lrd_wish *lrd_wishes_find(const lrd_wishes *wishes, const lrd_op *op) {
  lrd_wish *at = wishes->chains[op->hash % LRD_WISH_CHAINS];
  while (at && !(at->hash == op->hash && at->ns == op->ns && at->key_len == op->key_len &&
                 memcmp(at->key, op->key, op->key_len) == 0)) {
    at = at->chain;
  }
  return at;
}

static void chain_remove(lrd_wishes *wishes, const lrd_wish *wish) {
  lrd_wish **at = chain_of(wishes, wish->hash);
  while (*at != wish) {
    at = &(*at)->chain;
  }
  *at = wish->chain;
}

static bool less_urgent(const lrd_wish *a, const lrd_wish *b) {
  return a->priority < b->priority || (a->priority <= b->priority && a->number > b->number);
}

/* Where it stands, or would. */
static size_t place_of(const lrd_wishes *wishes, const lrd_wish *wish) {
  size_t low = 0;
  size_t high = wishes->len;
  while (low < high) {
    size_t const middle = low + (high - low) / 2;
    if (less_urgent(wishes->sorted[middle], wish)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

static void sorted_insert(lrd_wishes *wishes, lrd_wish *wish) {
  size_t const at = place_of(wishes, wish);
  memmove(wishes->sorted + at + 1, wishes->sorted + at, (wishes->len - at) * sizeof *wishes->sorted);
  wishes->sorted[at] = wish;
  wishes->len++;
}

static void sorted_remove(lrd_wishes *wishes, size_t at) {
  wishes->len--;
  memmove(wishes->sorted + at, wishes->sorted + at + 1, (wishes->len - at) * sizeof *wishes->sorted);
}

bool lrd_wishes_put(lrd_wishes *wishes, lrd_wish *wish, bool *full_out) {
  wish->number = ++wishes->numbers;
  *full_out = wishes->len == wishes->max;
  if (*full_out) {
    lrd_wish *least = wishes->sorted[0];
    if (!less_urgent(least, wish)) {
      lrd_dealloc(wish);
      return false;
    }
    sorted_remove(wishes, 0);
    chain_remove(wishes, least);
    lrd_dealloc(least);
  }
  lrd_wish **chain = chain_of(wishes, wish->hash);
  wish->chain = *chain;
  *chain = wish;
  sorted_insert(wishes, wish);
  return true;
}

void lrd_wishes_reorder(lrd_wishes *wishes, lrd_wish *wish, double priority) {
  size_t const at = place_of(wishes, wish);
  LRD_ASSERT(at < wishes->len && wishes->sorted[at] == wish);
  sorted_remove(wishes, at);
  wish->priority = priority;
  sorted_insert(wishes, wish);
}

lrd_wish *lrd_wishes_take(lrd_wishes *wishes, size_t looks, bool (*ready)(void *context, const lrd_wish *wish), void *context) {
  size_t const end = wishes->len > looks ? wishes->len - looks : 0;
  for (size_t at = wishes->len; at-- > end;) {
    lrd_wish *wish = wishes->sorted[at];
    if (ready(context, wish)) {
      sorted_remove(wishes, at);
      chain_remove(wishes, wish);
      return wish;
    }
  }
  return NULL;
}

size_t lrd_wishes_clear(lrd_wishes *wishes, const larder_ns *ns) {
  size_t kept = 0;
  size_t const before = wishes->len;
  for (size_t at = 0; at < before; at++) {
    lrd_wish *wish = wishes->sorted[at];
    if (ns && wish->ns != ns) {
      wishes->sorted[kept++] = wish;
      continue;
    }
    chain_remove(wishes, wish);
    lrd_dealloc(wish);
  }
  wishes->len = kept;
  return before - kept;
}
