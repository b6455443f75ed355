/* SPDX-License-Identifier: Apache-2.0 */
#include "refresh_list.h"

#include "base/fail.h"

/* One page under way. */
typedef struct page_visit {
  lrd_refresh_list *list;
  larder_err result;
} page_visit;

bool lrd_refresh_is_due(const larder *cache, int64_t made_ms, int64_t due_before_ms) {
  return made_ms < due_before_ms || made_ms > lrd_wall_ms(cache->clock) + LRD_CLOCK_STEP_MS;
}

void lrd_refresh_list_begin(lrd_refresh_list *list, larder_ns *ns, int64_t due_before_ms, uint64_t limit, lrd_key_list *keys) {
  *list =
      (lrd_refresh_list){.ns = ns, .due_before_ms = due_before_ms, .limit = limit, .keys = keys, .oldest_left_ms = INT64_MAX};
}

void lrd_refresh_list_resume(lrd_refresh_list *list, int64_t due_before_ms, lrd_key_list *keys) {
  LRD_ASSERT(list->ended && !list->whole);
  list->due_before_ms = due_before_ms;
  list->keys = keys;
  list->ended = false;
  list->looked = 0;
}

static bool entry_look(void *context, const larder_listed *entry) {
  page_visit *visit = context;
  lrd_refresh_list *list = visit->list;
  int64_t made_ms = lrd_stamp_wall_ms(entry->facts->stamp);
  list->looked++;
  if (!list->all && !lrd_refresh_is_due(list->ns->cache, made_ms, list->due_before_ms)) {
    if (made_ms < list->oldest_left_ms) list->oldest_left_ms = made_ms;
    return true;
  }
  visit->result = lrd_key_list_add(list->keys, entry->key, entry->key_len);
  list->ended = list->keys->len >= list->limit;
  return visit->result == LARDER_OK && !list->ended;
}

larder_err lrd_refresh_list_page(lrd_refresh_list *list, uint64_t entries) {
  larder_match match = {.size = sizeof match, .stale_too = true};
  page_visit visit = {.list = list};
  if (list->keys->len >= list->limit) list->ended = true;
  if (list->ended) return LARDER_OK;
  larder_err result = larder_list(list->ns, &match, false, entries, &list->cursor, entry_look, &visit);
  if (visit.result != LARDER_OK) return visit.result;
  if (result == LARDER_END) list->ended = list->whole = true;
  return result < 0 ? result : LARDER_OK;
}
