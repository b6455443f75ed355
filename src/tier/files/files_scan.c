/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scans, ranges and figures. A scan's window is taken under the lock, entries are fetched without. Tags are looked for in the
 * index, which is in memory; no file is opened for them.
 */
#include "files_inner.h"

#include "tier/hash_scan.h"

static bool has_tag(const files_entry *entry, const char *tag, size_t tag_len) {
  larder_facts facts;
  if (!lrd_facts_head_unpack(files_head(entry), entry->head_len, &facts)) return false;
  for (size_t at = 0; at < facts.tags_len; at += 1u + (uint8_t)facts.tags[at])
    if ((uint8_t)facts.tags[at] == tag_len && memcmp(facts.tags + at + 1, tag, tag_len) == 0) return true;
  return false;
}

static larder_err window_read(const lrd_hash_scan *scan, uint64_t position, size_t limit, lrd_hash_candidate *out,
                              size_t *count_out) {
  files_tier *tier = scan->tier;
  larder_err const err = lrd_files_read_lock(tier);
  if (err != LARDER_OK) return err == LARDER_EBUSY ? LARDER_EAWAY : err;
  int64_t const now_ms = files_wall_ms(tier);
  size_t count = 0;
  while (count < limit) {
    const files_entry *entry = lrd_files_find_from(&tier->index, position);
    if (entry == NULL) break;
    bool const shown = entry->space == scan->space && !files_dead(entry) && !files_expired(entry->hard_ms, now_ms) &&
                       (scan->tag == NULL || has_tag(entry, scan->tag, scan->tag_len));
    out[count++] = (lrd_hash_candidate){entry->hash, shown};
    if (entry->hash == UINT64_MAX) break;
    position = entry->hash + 1;
  }
  pthread_rwlock_unlock(&tier->lock);
  *count_out = count;
  return LARDER_OK;
}

static lrd_hash_scan scan_of(files_tier *tier, uint32_t space) {
  return (lrd_hash_scan){
      .tier = tier, .space = space, .window = window_read, .fetch = lrd_files_fetch, .release = lrd_files_release};
}

larder_err lrd_files_scan(void *self, uint32_t space, larder_tier_cursor *cursor, uint64_t limit, bool values,
                          larder_tier_visit visit, void *context) {
  files_tier *tier = lrd_files_tier_of(self);
  lrd_hash_scan scan = scan_of(tier, space);
  scan.values = values;
  return atomic_load(&tier->away) ? LARDER_EAWAY : lrd_hash_scan_run(&scan, cursor, limit, visit, context);
}

larder_err lrd_files_scan_tag(void *self, uint32_t space, const char *tag, size_t tag_len, larder_tier_cursor *cursor,
                              uint64_t limit, larder_tier_visit visit, void *context) {
  files_tier *tier = lrd_files_tier_of(self);
  lrd_hash_scan scan = scan_of(tier, space);
  if (tag == NULL || tag_len == 0 || tag_len > LARDER_TAG_MAX) return LARDER_EINVAL;
  scan.tag = tag;
  scan.tag_len = tag_len;
  return atomic_load(&tier->away) ? LARDER_EAWAY : lrd_hash_scan_run(&scan, cursor, limit, visit, context);
}

larder_err lrd_files_forget_range(void *self, uint64_t first, uint64_t last, uint64_t *removed_out) {
  files_tier *tier = lrd_files_tier_of(self);
  uint64_t removed = 0;
  larder_err err = lrd_files_turn_begin(tier);
  if (err != LARDER_OK) return err;
  files_entry *entry = first > last ? NULL : lrd_files_find_from(&tier->index, first);
  while (entry != NULL && entry->hash <= last && err == LARDER_OK) {
    uint64_t const hash = entry->hash;
    err = lrd_files_remove_entry(tier, entry);
    removed++;
    entry = hash == UINT64_MAX ? NULL : lrd_files_find_from(&tier->index, hash + 1);
  }
  err = lrd_files_turn_finish(tier, err);
  if (err == LARDER_OK) *removed_out = removed;
  return err;
}

larder_err lrd_files_usage(void *self, uint32_t space, larder_tier_usage *out) {
  files_tier *tier = lrd_files_tier_of(self);
  bool const all = space == LARDER_TIER_ALL_SPACES;
  if (atomic_load(&tier->away)) return LARDER_EAWAY;
  if (!all && (space == 0 || space >= LRD_FILES_SPACES_MAX)) return LARDER_EINVAL;
  larder_err const err = lrd_files_read_lock(tier);
  if (err != LARDER_OK) return err == LARDER_EBUSY ? LARDER_EAWAY : err;
  const files_totals *totals = all ? &tier->index.all : &tier->index.spaces[space].totals;
  *out = (larder_tier_usage){.entries = totals->entries,
                             .bytes = totals->bytes,
                             .payload_bytes = totals->payload,
                             .bytes_max = all ? tier->bytes_max : tier->index.spaces[space].bytes_max,
                             .entries_max = all ? tier->entries_max : tier->index.spaces[space].entries_max};
  pthread_rwlock_unlock(&tier->lock);
  return LARDER_OK;
}
