/* SPDX-License-Identifier: Apache-2.0 */
/* Which entries of a namespace are due, page by page, so that a thread with other things to do can do it in pieces. */
#ifndef LRD_WARM_REFRESH_LIST_H
#define LRD_WARM_REFRESH_LIST_H

#include "core/cache.h"
#include "key_list.h"

typedef struct lrd_refresh_list {
  larder_ns *ns;
  bool all;               /* whatever its age */
  int64_t due_before_ms;  /* due is what was made before this wall time; `all`: only a bound for lrd_refresh_is_due */
  uint64_t limit;         /* keys in the list; reached: the rest is left for another time */
  lrd_key_list *keys;     /* the caller's; due ones are added */
  larder_cursor cursor;   /* behind what has been looked at */
  bool ended;             /* nothing is behind the cursor, or the limit is reached */
  bool whole;             /* nothing is behind the cursor */
  uint64_t looked;        /* entries */
  int64_t oldest_left_ms; /* of those that are not due, when the oldest was made; INT64_MAX: none */
} lrd_refresh_list;

void lrd_refresh_list_begin(lrd_refresh_list *list, larder_ns *ns, int64_t due_before_ms, uint64_t limit, lrd_key_list *keys);
/* Ended by its limit: goes on behind what has been looked at, with keys of the caller's that are empty. What could not be made
 * is due still, and would else be all that is ever listed. */
void lrd_refresh_list_resume(lrd_refresh_list *list, int64_t due_before_ms, lrd_key_list *keys);
/* At most so many entries further (0: to the end). */
LARDER_MUST_CHECK larder_err lrd_refresh_list_page(lrd_refresh_list *list, uint64_t entries);
/* Whether what was made at made_ms is due. What seems to have been made in time still to come was made before the clock stepped
 * back, and is. */
bool lrd_refresh_is_due(const larder *cache, int64_t made_ms, int64_t due_before_ms);

#endif
