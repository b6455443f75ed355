/* SPDX-License-Identifier: Apache-2.0 */
#include "hash_scan.h"

#define WINDOW 256

/* Moves the cursor beyond hash. */
static void cursor_pass(larder_tier_cursor *cursor, uint64_t hash) {
  if (hash == UINT64_MAX)
    cursor->ended = true;
  else
    cursor->position = hash + 1;
}

larder_err lrd_hash_scan_run(const lrd_hash_scan *scan, larder_tier_cursor *cursor, uint64_t limit, larder_tier_visit visit,
                             void *context) {
  lrd_hash_candidate window[WINDOW];
  while (limit > 0 && !cursor->ended) {
    size_t const want = limit < WINDOW ? (size_t)limit : WINDOW;
    size_t count = 0;
    larder_err err = scan->window(scan, cursor->position, want, window, &count);
    if (err != LARDER_OK) return err;
    for (size_t i = 0; i < count; i++) {
      larder_tier_key key;
      larder_tier_entry entry;
      err = window[i].shown ? scan->fetch(scan->tier, window[i].hash, !scan->values, &key, &entry) : LARDER_MISS;
      if (err != LARDER_OK && err != LARDER_MISS) return err;
      cursor_pass(cursor, window[i].hash);
      if (err != LARDER_OK) continue;
      bool const go_on = key.space != scan->space || visit(context, &key, &entry.facts, entry.value);
      scan->release(scan->tier, &entry);
      if (!go_on) return LARDER_OK;
    }
    limit -= count;
    if (count < want) cursor->ended = true;
  }
  return cursor->ended ? LARDER_END : LARDER_OK;
}
