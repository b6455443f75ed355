/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits, expiry and access counts.
 *
 * A put that takes a space or the instance over its limit evicts within its own transaction until it is under again.
 * Victims are drawn at random, a handful at a time, and the expired or the least recently used of them goes: close to LRU
 * without a list to keep. One goes only if its slot can be owned at once; slots are given back after the transaction.
 */
#include "files_inner.h"

#define SAMPLE      12u
#define DRAWS_MAX   256u
#define SWEEP_BATCH 256u
enum { OVER_NOTHING = -1 };

static bool over(uint64_t value, uint64_t max) { return max != 0 && value > max; }

static uint64_t tombstones_max(const files_tier *tier) {
  uint64_t const by_bytes = tier->bytes_max == 0 ? UINT64_MAX : tier->bytes_max / 16 / 192;
  return by_bytes < tier->options.tombstones_max ? (by_bytes < 16 ? 16 : by_bytes) : tier->options.tombstones_max;
}

static bool tombstone_old(const files_entry *entry, int64_t now_ms) {
  return lrd_stamp_wall_ms(entry->stamp) + LRD_FILES_TOMBSTONE_MS <= now_ms;
}

static bool out_of_bounds(const files_tier *tier, const files_entry *entry) {
  for (size_t i = 0; i < tier->txn.items_len; i++)
    if (tier->txn.items[i].key.hash == entry->hash) return true;
  for (size_t i = 0; i < tier->txn.refused_len; i++)
    if (tier->txn.refused[i] == entry->hash) return true;
  return false;
}

/* xorshift64*: which entries are looked at need not be unforeseeable. */
static uint64_t draw(files_tier *tier, uint64_t below) {
  uint64_t x = tier->random;
  x ^= x >> 12;
  x ^= x << 25;
  x ^= x >> 27;
  tier->random = x;
  return x * UINT64_C(2685821657736338717) % below;
}

/* Any entry of the space, or of all for 0. */
static files_entry *entry_drawn(files_tier *tier, uint32_t space) {
  files_index *index = &tier->index;
  if (space != 0) {
    files_space *of = &index->spaces[space];
    return of->list_len == 0 ? NULL : of->list[draw(tier, of->list_len)];
  }
  if (index->count == 0) return NULL;
  uint64_t at = draw(tier, index->count);
  for (uint32_t i = 1; i < index->spaces_end; i++) {
    if (at < index->spaces[i].list_len) return index->spaces[i].list[at];
    at -= index->spaces[i].list_len;
  }
  return NULL;
}

/* Lower goes first. */
static int64_t worth(const files_entry *entry, int64_t now_ms) {
  if (files_dead(entry) || files_expired(entry->hard_ms, now_ms)) return INT64_MIN;
  return atomic_load_explicit(&entry->used_ms, memory_order_relaxed);
}

static bool eligible(const files_tier *tier, const files_entry *entry, bool tombstones, int64_t now_ms) {
  if (files_dead(entry) != tombstones && !(files_dead(entry) && tombstone_old(entry, now_ms))) return false;
  return !out_of_bounds(tier, entry);
}

/* The best of a sample; when chance finds none, the first of a walk. NULL: there is none. */
static files_entry *victim_find(files_tier *tier, uint32_t space, bool tombstones) {
  int64_t const now_ms = files_wall_ms(tier);
  files_entry *best = NULL;
  for (unsigned draws = 0, seen = 0; draws < DRAWS_MAX && seen < SAMPLE; draws++) {
    files_entry *entry = entry_drawn(tier, space);
    if (entry == NULL) return NULL;
    if (!eligible(tier, entry, tombstones, now_ms)) continue;
    seen++;
    if (best == NULL || worth(entry, now_ms) < worth(best, now_ms)) best = entry;
  }
  for (uint32_t i = space == 0 ? 1 : space; best == NULL && i < (space == 0 ? tier->index.spaces_end : space + 1); i++)
    for (uint32_t k = 0; best == NULL && k < tier->index.spaces[i].list_len; k++)
      if (eligible(tier, tier->index.spaces[i].list[k], tombstones, now_ms)) best = tier->index.spaces[i].list[k];
  return best;
}

/*
 * Whether the entry has to leave a tombstone, since a process may have queued an older value of the key (core's `behind`),
 * which would come back where nothing is. Tells where that is wanted and not to be had.
 */
static bool entry_leaves_trace(files_tier *tier, const files_entry *entry) {
  const larder_tier_host *host = &tier->host;
  if (host->trace_wanted == NULL || !host->trace_wanted(host->context, entry->stamp)) return false;
  if (!files_dead(entry) && !tombstone_old(entry, files_wall_ms(tier)) && tier->index.all.tombstones < tombstones_max(tier))
    return true;
  if (host->traceless != NULL) host->traceless(host->context, entry->hash, entry->stamp);
  return false;
}

/* Removes the victim if its slot is to be had. */
static larder_err victim_take(files_tier *tier, files_entry *victim, larder_evict_reason reason, bool *taken) {
  files_txn *txn = &tier->txn;
  *taken = false;
  if (tier->host.slot_try_own != NULL && !tier->host.slot_try_own(tier->host.context, victim->hash)) {
    if (txn->refused_len < LRD_FILES_REFUSED_MAX) txn->refused[txn->refused_len++] = victim->hash;
    return LARDER_OK;
  }
  bool const expired = files_expired(victim->hard_ms, files_wall_ms(tier));
  files_taken note = {.hash = victim->hash,
                      .owned = true,
                      .evicted = !files_dead(victim),
                      .space = victim->space,
                      .reason = expired ? LARDER_EVICT_EXPIRED : reason,
                      .bytes = victim->key_len + victim->value_len};
  larder_err err = lrd_files_taken_add(tier, note);
  if (err != LARDER_OK) {
    if (tier->host.slot_release != NULL) tier->host.slot_release(tier->host.context, victim->hash);
    return err;
  }
  err = entry_leaves_trace(tier, victim)
            ? lrd_files_bury(tier, victim->space, lrd_span_of(files_key(victim), victim->key_len), victim->hash, victim->stamp)
            : lrd_files_remove_entry(tier, victim);
  *taken = err == LARDER_OK;
  return err;
}

/* Why the space or the instance is over a limit, or OVER_NOTHING; *of where a victim would help. */
static int over_what(const files_tier *tier, uint32_t space, uint32_t *of) {
  const files_space *mine = &tier->index.spaces[space];
  *of = space;
  if (over(mine->totals.entries, mine->entries_max)) return LARDER_EVICT_ENTRIES;
  if (over(mine->totals.bytes, mine->bytes_max)) return LARDER_EVICT_CAPACITY;
  *of = 0;
  if (over(tier->index.all.entries, tier->entries_max)) return LARDER_EVICT_ENTRIES;
  if (over(tier->index.all.bytes, tier->bytes_max)) return LARDER_EVICT_CAPACITY;
  return OVER_NOTHING;
}

larder_err lrd_files_evict_for(files_tier *tier, uint32_t space, bool *fits_out) {
  uint32_t of = 0;
  int why = OVER_NOTHING;
  *fits_out = true;
  tier->txn.refused_len = 0;
  while ((why = over_what(tier, space, &of)) != OVER_NOTHING) {
    bool const more = tier->txn.refused_len < LRD_FILES_REFUSED_MAX;
    files_entry *victim = more ? victim_find(tier, of, false) : NULL;
    /* Deletes that are remembered must not keep what is put from being kept. */
    if (victim == NULL && more) victim = victim_find(tier, of, true);
    if (victim == NULL) {
      *fits_out = false;
      return LARDER_OK;
    }
    bool taken = false;
    larder_err const err = victim_take(tier, victim, (larder_evict_reason)why, &taken);
    if (err != LARDER_OK) return err;
  }
  return LARDER_OK;
}

static larder_err tombstones_bound(files_tier *tier) {
  tier->txn.refused_len = 0;
  while (tier->index.all.tombstones > tombstones_max(tier) && tier->txn.refused_len < LRD_FILES_REFUSED_MAX) {
    files_entry *victim = victim_find(tier, 0, true);
    bool taken = false;
    if (victim == NULL) return LARDER_OK;
    larder_err const err = victim_take(tier, victim, LARDER_EVICT_EXPIRED, &taken);
    if (err != LARDER_OK) return err;
  }
  return LARDER_OK;
}

/* Looks at up to `limit` entries from the tier's own cursor on. */
static larder_err sweep_some(files_tier *tier, uint64_t limit, bool expire, uint64_t *examined, bool *through,
                             uint64_t *removed) {
  int64_t const now_ms = files_wall_ms(tier);
  larder_err err = LARDER_OK;
  for (unsigned n = 0; n < SWEEP_BATCH && *examined < limit && err == LARDER_OK; n++) {
    files_entry *entry = lrd_files_find_from(&tier->index, tier->sweep_hash);
    if (entry == NULL) {
      *through = true;
      tier->sweep_hash = 0;
      return LARDER_OK;
    }
    (*examined)++;
    *through = entry->hash == UINT64_MAX;
    tier->sweep_hash = *through ? 0 : entry->hash + 1;
    bool const goes = expire && (files_dead(entry) ? tombstone_old(entry, now_ms) : files_expired(entry->hard_ms, now_ms));
    bool taken = false;
    if (goes) err = victim_take(tier, entry, LARDER_EVICT_EXPIRED, &taken);
    *removed += taken;
    if (*through) break;
  }
  return err;
}

larder_err lrd_files_sweep(void *self, uint64_t limit, bool expire_physically, uint64_t *removed_out) {
  files_tier *tier = lrd_files_tier_of(self);
  uint64_t removed = 0, examined = 0;
  bool through = false;
  larder_err err = LARDER_OK;
  while (examined < limit && !through && err == LARDER_OK) {
    err = lrd_files_turn_begin(tier);
    if (err != LARDER_OK) break;
    uint64_t const before = removed;
    err = sweep_some(tier, limit, expire_physically, &examined, &through, &removed);
    if (err == LARDER_OK) err = tombstones_bound(tier);
    for (uint32_t space = 1; space < tier->index.spaces_end && err == LARDER_OK && through; space++) {
      bool fits = true;
      if (tier->index.spaces[space].bound) err = lrd_files_evict_for(tier, space, &fits);
    }
    err = lrd_files_turn_finish(tier, err);
    if (err != LARDER_OK) removed = before;
  }
  if (err == LARDER_OK && through) err = lrd_files_sweep_temporary(tier);
  if (err == LARDER_OK) *removed_out = removed;
  return err;
}

/* --- accesses ------------------------------------------------------------------------------------------------------------ */

/* Under the index lock, shared. */
void lrd_files_access_note(files_tier *tier, files_entry *entry, int64_t now_ms) {
  atomic_store_explicit(&entry->used_ms, now_ms, memory_order_relaxed);
  atomic_fetch_add_explicit(&entry->uses, 1, memory_order_relaxed);
  if (atomic_fetch_add_explicit(&entry->fresh_uses, 1, memory_order_relaxed) != 0) return;
  uint32_t const at = atomic_fetch_add_explicit(&tier->noted_len, 1, memory_order_relaxed);
  if (at < LRD_FILES_NOTED_MAX) {
    atomic_store_explicit(&tier->noted[at], entry->hash, memory_order_relaxed);
    return;
  }
  /* Full: counts are a hint. It may be noted again after the next flush. */
  atomic_store_explicit(&tier->noted_len, LRD_FILES_NOTED_MAX, memory_order_relaxed);
  atomic_store_explicit(&entry->fresh_uses, 0, memory_order_relaxed);
}

/* Writes the counted accesses, in one transaction that owns no slot: no value changes. */
larder_err lrd_files_access_flush(files_tier *tier) {
  if (tier->read_only || atomic_load(&tier->noted_len) == 0) return LARDER_OK;
  larder_err err = lrd_files_turn_begin(tier);
  if (err != LARDER_OK) return err;
  uint32_t len = atomic_exchange(&tier->noted_len, 0);
  if (len > LRD_FILES_NOTED_MAX) len = LRD_FILES_NOTED_MAX;
  for (uint32_t i = 0; i < len && err == LARDER_OK; i++) {
    files_entry *entry = lrd_files_find(&tier->index, atomic_load(&tier->noted[i]));
    if (entry == NULL || atomic_exchange(&entry->fresh_uses, 0) == 0) continue;
    tier->index.spaces[entry->space].changed = atomic_load(&tier->board->state) + 1;
    err = lrd_files_record_short(&tier->txn.frame, FILES_RECORD_ACCESS, entry);
  }
  return lrd_files_turn_finish(tier, err);
}
