/* SPDX-License-Identifier: Apache-2.0 */
/*
 * After a power cut, at the first opening. Two files may have traded names without the log's word for it having reached the
 * disk: what lies aside is put back (lrd_files_mend_aside). Or the log has reached the disk where the files it tells of have
 * not: a value that was to replace another is torn, and the other one, which still lies under a temporary name or under its
 * own, is no longer in the index. So what stands behind the log's last mark is compared with the files, and where an entry
 * can't be had, the one before it is taken back, unless something was deleted in between.
 */
#include "files_inner.h"

#include <stdlib.h>

/* Of one hash: what the log tells, the newest first; emptied by a removal. */
typedef struct past {
  uint64_t hash;
  files_entry *newest;
} past;

typedef struct pasts {
  past *list;
  size_t len, cap;
} pasts;

static void past_clear(past *of) {
  while (of->newest != NULL) {
    files_entry *entry = of->newest;
    of->newest = entry->next;
    lrd_dealloc(entry);
  }
}

static void pasts_fini(pasts *all) {
  for (size_t i = 0; i < all->len; i++) past_clear(&all->list[i]);
  lrd_dealloc(all->list);
}

static int hash_order(const void *a, const void *b) {
  uint64_t const x = ((const past *)a)->hash, y = ((const past *)b)->hash;
  return (x > y) - (x < y);
}

typedef larder_err (*visit)(files_tier *tier, pasts *all, const files_record *record);

static larder_err each_record(files_tier *tier, const uint8_t *log, uint64_t from, uint64_t to, visit visit_one, pasts *all) {
  larder_err err = LARDER_OK;
  for (uint64_t at = from; at < to && err == LARDER_OK;) {
    lrd_span payload;
    files_record record;
    size_t const whole = lrd_files_frame_check(log + at, (size_t)(to - at), tier->log.id, at, &payload);
    const uint8_t *here = payload.data;
    at += whole == 0 ? 8 : whole;
    while (whole != 0 && err == LARDER_OK &&
           lrd_files_record_read(&here, (const uint8_t *)payload.data + payload.len, &record) == LARDER_OK)
      err = visit_one(tier, all, &record);
  }
  return err;
}

bool lrd_files_to_be_had(files_tier *tier, const files_entry *entry) {
  larder_err const found = lrd_files_file_matches(tier, entry, files_name(entry), false);
  if (found != LARDER_MISS && found != LARDER_ECORRUPT) return true; /* or it can't be told now: a get will see */
  return lrd_files_mend(tier, entry) == LARDER_OK;
}

/* Entries whose file is not what the log says. */
static larder_err look_for_torn(files_tier *tier, pasts *all, const files_record *record) {
  const files_entry *entry = lrd_files_brought_by(&tier->index, record);
  if (entry == NULL || lrd_files_to_be_had(tier, entry)) return LARDER_OK;
  if (all->len == all->cap) {
    size_t const cap = all->cap == 0 ? 16 : all->cap * 2;
    past *more = lrd_realloc(all->list, cap * sizeof *more);
    if (more == NULL) return LARDER_ENOMEM;
    all->list = more;
    all->cap = cap;
  }
  all->list[all->len++] = (past){.hash = entry->hash};
  return LARDER_OK;
}

static larder_err remember(files_tier *tier, pasts *all, const files_record *record) {
  (void)tier;
  past const wanted = {.hash = record->facts.hash};
  past *of = record->type == FILES_RECORD_SPACE || record->type == FILES_RECORD_SYNCED
                 ? NULL
                 : bsearch(&wanted, all->list, all->len, sizeof *all->list, hash_order);
  if (of == NULL) return LARDER_OK;
  if (record->type == FILES_RECORD_REMOVE || (record->type == FILES_RECORD_ENTRY && (record->facts.flags & FILES_TOMBSTONE)))
    past_clear(of);
  else if (record->type == FILES_RECORD_ENTRY) {
    files_entry *entry = NULL;
    larder_err const err = lrd_files_entry_new(&record->facts, record->key, record->head, &entry);
    if (err != LARDER_OK) return err;
    entry->next = of->newest;
    of->newest = entry;
  } else if (record->type == FILES_RECORD_TOUCH && of->newest != NULL) {
    of->newest->stamp = record->facts.stamp;
    of->newest->soft_ms = record->facts.soft_ms;
    of->newest->hard_ms = record->facts.hard_ms;
  }
  return LARDER_OK;
}

/* Puts the newest that can be had in the place of the torn one. */
static larder_err take_back(files_tier *tier, past *of, size_t *taken) {
  files_entry *torn = lrd_files_find(&tier->index, of->hash);
  files_entry **at = of->newest == NULL ? &of->newest : &of->newest->next;
  while (*at != NULL && !lrd_files_to_be_had(tier, *at)) at = &(*at)->next;
  files_entry *entry = *at;
  if (torn == NULL || entry == NULL) return LARDER_OK;
  *at = entry->next;
  larder_err err = lrd_files_record_entry(&tier->txn.frame, entry);
  if (err == LARDER_OK && !files_same_name(torn, entry)) err = lrd_files_step_add(tier, FILES_STEP_UNLINK, torn, NULL);
  if (err == LARDER_OK) err = lrd_files_index_put(&tier->index, entry);
  if (err != LARDER_OK) {
    lrd_dealloc(entry);
    return err;
  }
  tier->index.spaces[entry->space].changed = atomic_load(&tier->board->state) + 1;
  lrd_files_publish_meta(tier, entry, true);
  (*taken)++;
  return LARDER_OK;
}

static larder_err mend_all(files_tier *tier, const uint8_t *log, uint64_t len, size_t *taken) {
  pasts torn = {0};
  uint64_t const from = tier->log.synced > LRD_FILES_LOG_HEADER ? tier->log.synced : LRD_FILES_LOG_HEADER;
  lrd_files_mend_aside(tier);
  larder_err err = each_record(tier, log, from, len, look_for_torn, &torn);
  if (torn.len != 0) qsort(torn.list, torn.len, sizeof *torn.list, hash_order);
  if (err == LARDER_OK && torn.len != 0) err = each_record(tier, log, LRD_FILES_LOG_HEADER, len, remember, &torn);
  for (size_t i = 0; i < torn.len && err == LARDER_OK; i++) err = take_back(tier, &torn.list[i], taken);
  pasts_fini(&torn);
  return err;
}

void lrd_files_after_cut(files_tier *tier) {
  if (tier->read_only || !tier->first || atomic_load(&tier->board->cut) != FILES_CUT) return;
  size_t taken = 0;
  larder_err err = lrd_files_turn_begin(tier);
  if (err != LARDER_OK) return; /* what is torn is missed */
  uint64_t const len = files_state_length(atomic_load(&tier->board->state));
  uint8_t *log = lrd_fs_map(tier->log.fd, tier->log_path, (size_t)len, false);
  err = log == NULL ? LARDER_ENOMEM : mend_all(tier, log, len, &taken);
  lrd_fs_unmap(log, (size_t)len);
  atomic_store(&tier->board->cut, FILES_CUT_MENDED); /* from here on what can't be had was lost in another way */
  err = lrd_files_turn_finish(tier, err);
  if (err == LARDER_OK && taken != 0)
    lrd_files_log(tier, LRD_LOG_INFO, "files.taken_back",
                  "%zu values in %s are as they were before a change that a power cut has torn", taken, tier->path);
}
