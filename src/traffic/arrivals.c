/* SPDX-License-Identifier: Apache-2.0 */
#include "arrivals.h"

#include "base/bytes.h"
#include <string.h>

#define ROOM_FIRST 64u

static bool before(const lrd_arrival *a, const lrd_arrival *b) {
  return a->at_ms < b->at_ms || (a->at_ms == b->at_ms && a->order < b->order);
}

static void swap(lrd_arrival *a, lrd_arrival *b) {
  lrd_arrival kept = *a;
  *a = *b;
  *b = kept;
}

void lrd_arrivals_fini(lrd_arrivals *arrivals) {
  lrd_dealloc(arrivals->items);
  *arrivals = (lrd_arrivals){0};
}

static larder_err arrivals_grow(lrd_arrivals *arrivals) {
  uint64_t room = arrivals->room ? arrivals->room * 2 : ROOM_FIRST;
  lrd_arrival *items = lrd_alloc((size_t)room * sizeof *items);
  if (items == NULL) return LARDER_ENOMEM;
  if (arrivals->len > 0) memcpy(items, arrivals->items, (size_t)arrivals->len * sizeof *items);
  lrd_dealloc(arrivals->items);
  arrivals->items = items;
  arrivals->room = room;
  return LARDER_OK;
}

larder_err lrd_arrivals_add(lrd_arrivals *arrivals, const lrd_arrival *arrival) {
  if (arrivals->len == arrivals->room && arrivals_grow(arrivals) != LARDER_OK) return LARDER_ENOMEM;
  uint64_t at = arrivals->len++;
  arrivals->items[at] = *arrival;
  arrivals->items[at].order = arrivals->added++;
  for (; at > 0 && before(&arrivals->items[at], &arrivals->items[(at - 1) / 2]); at = (at - 1) / 2)
    swap(&arrivals->items[at], &arrivals->items[(at - 1) / 2]);
  return LARDER_OK;
}

bool lrd_arrivals_take(lrd_arrivals *arrivals, double now_ms, lrd_arrival *out) {
  if (arrivals->len == 0 || arrivals->items[0].at_ms > now_ms) return false;
  *out = arrivals->items[0];
  arrivals->items[0] = arrivals->items[--arrivals->len];
  for (uint64_t at = 0, next; (next = 2 * at + 1) < arrivals->len; at = next) {
    if (next + 1 < arrivals->len && before(&arrivals->items[next + 1], &arrivals->items[next])) next++;
    if (!before(&arrivals->items[next], &arrivals->items[at])) break;
    swap(&arrivals->items[next], &arrivals->items[at]);
  }
  return true;
}
