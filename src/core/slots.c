/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The slot protocol. Owning is one compare-and-swap from "nobody" to "me"; releasing is one swap to the next version and
 * nobody. Whoever meets an owner whose byte in LOCK is free has met the dead: it moves the slot on, so every memory copy
 * that the dead writer may have outdated is void. A living owner is waited for, never robbed.
 *
 * The orders: a seq_cst swap to own (nothing of the change may drift before it), release on giving back (all of the
 * change is visible to who sees the new version), acquire on every token.
 */
#include "base/fail.h"
#include "mutation.h"
#include "slots_map.h"
#include <errno.h>
#include <sched.h>
#include <sys/mman.h>

#ifdef LARDER_TESTING
_Atomic unsigned lrd_mutations;
void (*_Atomic lrd_moment_hook)(lrd_moment moment);
#endif

#define SPINS          200
#define YIELDS         20
#define NAP_NS_MIN     20000
#define NAP_NS_MAX     1000000
#define ALIVE_CHECK_NS 5000000

static inline unsigned word_owner(uint64_t word) { return (unsigned)(word >> LRD_SLOT_VERSION_BITS); }
static inline uint64_t word_next(uint64_t word) { return (word + 1) & LRD_SLOT_VERSION_MASK; }
static inline uint64_t word_owned_by(uint64_t version, unsigned row) {
  return version | ((uint64_t)(row + 1) << LRD_SLOT_VERSION_BITS);
}

uint64_t lrd_slots_seed(const lrd_slots *slots) { return slots->seed; }
unsigned lrd_slots_row(const lrd_slots *slots) { return slots->row; }
bool lrd_slots_onlooker(const lrd_slots *slots) { return slots->onlooker; }
uint64_t lrd_slot_of(const lrd_slots *slots, uint64_t hash) { return hash >> slots->shift; }
uint64_t lrd_slot_count(const lrd_slots *slots) { return UINT64_C(1) << slots->log2; }

/* An onlooker's stamps mark nothing but time: they are given by a clock of its own that keeps up with the map's. */
_Atomic uint64_t *lrd_slots_clock(lrd_slots *slots) {
  if (!slots->onlooker) {
    return slots->clock_word;
  }
  uint64_t last = atomic_load(slots->clock_word);
  uint64_t own = atomic_load(&slots->own_clock);
  while (own < last && !atomic_compare_exchange_weak(&slots->own_clock, &own, last)) {
  }
  return &slots->own_clock;
}

uint64_t lrd_slots_replaced_take(lrd_slots *slots) { return atomic_exchange(&slots->replaced, 0); }

void lrd_slot_range(const lrd_slots *slots, uint64_t slot, uint64_t *first_out, uint64_t *last_out) {
  *first_out = slot << slots->shift;
  *last_out = *first_out | ((UINT64_C(1) << slots->shift) - 1);
}

_Atomic uint64_t *lrd_slots_base(lrd_slots *slots, unsigned *shift_out) {
  *shift_out = slots->shift;
  return slots->words;
}

bool lrd_slots_row_alive(lrd_slots *slots, unsigned row) {
  if (row == slots->row) {
    return true;
  }
  return row < LRD_ROWS_MAX && lrd_fs_lock_held(slots->lock_fd, LOCK_ROWS_AT + row, 1);
}

void lrd_slots_leases_tell(lrd_slots *slots, uint64_t inode) {
  if (slots->row < LRD_ROWS_MAX) {
    atomic_store(&slots->map_rows[slots->row].leases, inode);
  }
}

bool lrd_slots_leases_shared(lrd_slots *slots) {
  uint64_t const mine = slots->row < LRD_ROWS_MAX ? atomic_load(&slots->map_rows[slots->row].leases) : 0;
  for (unsigned row = 0; row < LRD_ROWS_MAX; row++) {
    const map_row *at = &slots->map_rows[row];
    if (atomic_load(&at->used) != 0 && atomic_load(&at->leases) != mine && lrd_slots_row_alive(slots, row)) {
      return false;
    }
  }
  return mine != 0;
}

int64_t lrd_slots_row_pid(const lrd_slots *slots, unsigned row) {
  return row < LRD_ROWS_MAX && slots->map_rows ? (int64_t)slots->map_rows[row].pid : 0;
}

bool lrd_slots_row_died(lrd_slots *slots, unsigned row) {
  return row != slots->row && atomic_load(&slots->map_rows[row].used) != 0 && !lrd_slots_row_alive(slots, row);
}

/* First one more, then an attempt, then the swap: names_us_wrongly looks at them in between, the other way round. */
static bool own_by_swap(lrd_slots *slots, uint64_t slot, uint64_t word) {
  atomic_fetch_add(&slots->owned, 1);
  atomic_fetch_add(&slots->attempts, 1);
  if (atomic_compare_exchange_strong(&slots->words[slot], &word, word_owned_by(word & LRD_SLOT_VERSION_MASK, slots->row))) {
    return true;
  }
  atomic_fetch_sub(&slots->owned, 1);
  return false;
}

/*
 * A word that names us although none of our threads can have written it: nothing was owned, nobody tried since, and there it
 * still is. The map was damaged, and nobody would ever give the slot back, for its owner lives.
 */
static bool names_us_wrongly(lrd_slots *slots, uint64_t slot, uint64_t word) {
  uint64_t attempts = atomic_load(&slots->attempts);
  return word_owner(word) - 1 == slots->row && atomic_load(&slots->owned) == 0 && atomic_load(&slots->words[slot]) == word &&
         atomic_load(&slots->attempts) == attempts;
}

/* Whether the word's owner was dead and the slot has been moved on (by us or by another who met it). */
static bool replace_if_dead(lrd_slots *slots, uint64_t slot, uint64_t word) {
  if (lrd_slots_row_alive(slots, word_owner(word) - 1) && !names_us_wrongly(slots, slot, word)) {
    return false;
  }
  if (atomic_compare_exchange_strong(&slots->words[slot], &word, word_next(word))) {
    atomic_fetch_add(&slots->replaced, 1);
    lrd_log_write(slots->log, LRD_LOG_INFO, "slots.owner_replaced", "slot %llu: its owner had died; moved on",
                  (unsigned long long)slot);
  }
  return true;
}

uint64_t lrd_slot_token(lrd_slots *slots, uint64_t slot) {
  uint64_t word = atomic_load_explicit(&slots->words[slot], memory_order_acquire);
  if (word_owner(word) == 0) {
    return word;
  }
  if (LRD_MUTATED(LRD_MUTATE_HIT_IGNORES_OWNER)) {
    return word & LRD_SLOT_VERSION_MASK;
  }
  if (!slots->onlooker && !atomic_load(&slots->lost) && word_owner(word) - 1 != slots->row) {
    (void)replace_if_dead(slots, slot, word);
  }
  return LRD_TOKEN_NONE; /* the next read finds it free: the snapshot of this one may have begun before */
}

static void own_pause(lrd_slots *slots, unsigned round, int64_t *nap_ns) {
  if (round < SPINS) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
    return;
  }
  if (round < SPINS + YIELDS) {
    sched_yield();
    return;
  }
  slots->clock->sleep_ns(slots->clock, *nap_ns);
  if (*nap_ns < NAP_NS_MAX) {
    *nap_ns *= 2;
  }
}

larder_err lrd_slot_own(lrd_slots *slots, uint64_t slot, int64_t wait_ns, uint64_t *version_out) {
  int64_t began_ns = 0;
  int64_t checked_ns = 0;
  int64_t nap_ns = NAP_NS_MIN;
  if (slots->onlooker) {
    return LARDER_EACCES;
  }
  for (unsigned round = 0;; round++) {
    if (atomic_load_explicit(&slots->lost, memory_order_relaxed)) {
      return LARDER_EAWAY;
    }
    uint64_t word = atomic_load_explicit(&slots->words[slot], memory_order_relaxed);
    if (word_owner(word) == 0 || LRD_MUTATED(LRD_MUTATE_OWNER_STOLEN)) {
      if (own_by_swap(slots, slot, word)) {
        *version_out = word & LRD_SLOT_VERSION_MASK;
        return LARDER_OK;
      }
      continue;
    }
    if (round >= SPINS + YIELDS) {
      int64_t now_ns = lrd_mono_ns(slots->clock);
      if (began_ns == 0) {
        began_ns = now_ns;
      }
      if (checked_ns == 0 || now_ns - checked_ns > ALIVE_CHECK_NS) {
        checked_ns = now_ns;
        if (replace_if_dead(slots, slot, word)) {
          continue;
        }
      }
      if (now_ns - began_ns > wait_ns) {
        return LARDER_EBUSY;
      }
    }
    own_pause(slots, round, &nap_ns);
  }
}

bool lrd_slot_own_unmoved(lrd_slots *slots, uint64_t slot, uint64_t token) {
  if (slots->onlooker || token == LRD_TOKEN_NONE || word_owner(token) != 0 || atomic_load(&slots->lost)) {
    return false;
  }
  return own_by_swap(slots, slot, token);
}

uint64_t lrd_slot_release(lrd_slots *slots, uint64_t slot, bool moved) {
  uint64_t word = atomic_load_explicit(&slots->words[slot], memory_order_relaxed);
  uint64_t next;
  if (LRD_MUTATED(LRD_MUTATE_NO_SLOT_MOVE)) {
    moved = false;
  }
  do {
    /* the map was replaced under us */
    if (word_owner(word) != slots->row + 1) {
      next = LRD_TOKEN_NONE;
      break;
    }
    next = moved ? word_next(word) : word & LRD_SLOT_VERSION_MASK;
  } while (
      !atomic_compare_exchange_weak_explicit(&slots->words[slot], &word, next, memory_order_seq_cst, memory_order_relaxed));
  atomic_fetch_sub(&slots->owned, 1);
  return next;
}

void lrd_slots_move_all(lrd_slots *slots) {
  for (uint64_t slot = 0; slot < lrd_slot_count(slots); slot++) {
    uint64_t word = atomic_load_explicit(&slots->words[slot], memory_order_relaxed);
    uint64_t next;
    do {
      next = word_next(word) | (word & ~LRD_SLOT_VERSION_MASK);
    } while (!atomic_compare_exchange_weak(&slots->words[slot], &word, next));
  }
}

void lrd_slots_release_row(lrd_slots *slots, unsigned row) {
  for (uint64_t slot = 0; slot < lrd_slot_count(slots); slot++) {
    uint64_t word = atomic_load_explicit(&slots->words[slot], memory_order_relaxed);
    if (word_owner(word) == row + 1) {
      (void)atomic_compare_exchange_strong(&slots->words[slot], &word, word_next(word));
    }
  }
}

/* --- dirty marks and trust ------------------------------------------------------------------------------------------ */

/* The count is raised before a bit is set and lowered after one is cleared: who dies in between leaves it too high, which
 * costs readers a look at the bits, never too low, which would hide one. */
void lrd_slot_mark_dirty(lrd_slots *slots, unsigned tier, uint64_t slot) {
  if (LRD_MUTATED(LRD_MUTATE_NO_DIRTY_MARK)) {
    return;
  }
  unsigned at = slots_tier_at(slots, tier);
  _Atomic uint64_t *count = &slots->map_tiers[at].dirty;
  _Atomic uint64_t *word = slots_dirty_words(slots, at) + slot / 64;
  uint64_t bit = UINT64_C(1) << (slot % 64);
  atomic_fetch_add(count, 1);
  if (atomic_fetch_or(word, bit) & bit) {
    atomic_fetch_sub(count, 1);
    return;
  }
  /* Rare, and it has to outlive a power cut as the old value in the tier does. */
  uintptr_t page = (uintptr_t)word & ~(uintptr_t)4095;
  (void)msync((void *)page, 4096, MS_SYNC);
}

void lrd_slot_clear_dirty(lrd_slots *slots, unsigned tier, uint64_t slot) {
  unsigned at = slots_tier_at(slots, tier);
  _Atomic uint64_t *word = slots_dirty_words(slots, at) + slot / 64;
  uint64_t bit = UINT64_C(1) << (slot % 64);
  if (atomic_fetch_and(word, ~bit) & bit) {
    atomic_fetch_sub(&slots->map_tiers[at].dirty, 1);
  }
}

static uint64_t dirty_count(const lrd_slots *slots, unsigned at) {
  return at == MAP_TIER_UNKNOWN ? 0 : atomic_load_explicit(&slots->map_tiers[at].dirty, memory_order_acquire);
}

bool lrd_slot_dirty(const lrd_slots *slots, unsigned tier, uint64_t slot) {
  unsigned at = slots_tier_at(slots, tier);
  if (dirty_count(slots, at) == 0) {
    return false;
  }
  uint64_t word = atomic_load_explicit(slots_dirty_words(slots, at) + slot / 64, memory_order_acquire);
  return (word >> (slot % 64)) & 1;
}

uint64_t lrd_slots_dirty_count(const lrd_slots *slots, unsigned tier) { return dirty_count(slots, slots_tier_at(slots, tier)); }

bool lrd_slots_dirty_next(const lrd_slots *slots, unsigned tier, uint64_t from, uint64_t *slot_out) {
  unsigned at = slots_tier_at(slots, tier);
  uint64_t count = lrd_slot_count(slots);
  if (at == MAP_TIER_UNKNOWN) {
    return false;
  }
  const _Atomic uint64_t *words = slots_dirty_words(slots, at);
  for (uint64_t slot = from; slot < count;) {
    uint64_t word = atomic_load(words + slot / 64) >> (slot % 64);
    if (word != 0) {
      *slot_out = slot + (unsigned)__builtin_ctzll(word);
      return *slot_out < count;
    }
    slot = (slot / 64 + 1) * 64;
  }
  return false;
}

void lrd_slots_queue_from(lrd_slots *slots, lrd_stamp stamp) {
  if (atomic_load(&slots->queued_from) != stamp) {
    atomic_store(&slots->queued_from, stamp);
    atomic_store(&slots->map_rows[slots->row].queued_from, stamp);
  }
}

bool lrd_slots_queued_below(lrd_slots *slots, lrd_stamp stamp) {
  for (unsigned row = 0; row < LRD_ROWS_MAX; row++) {
    lrd_stamp from = atomic_load(&slots->map_rows[row].queued_from);
    if (from != 0 && from <= stamp && lrd_slots_row_alive(slots, row)) {
      return true;
    }
  }
  return false;
}

/* Never above what has been given out: a stamp from a damaged row would otherwise be believed for ever. */
void lrd_slots_traceless_raise(lrd_slots *slots, unsigned tier, uint64_t slot, lrd_stamp stamp) {
  _Atomic uint64_t *highest = slots_trace(slots, tier, slot);
  lrd_stamp last = atomic_load(slots->clock_word);
  uint64_t now = atomic_load(highest);
  if (stamp > last) {
    stamp = last;
  }
  while (now < stamp && !atomic_compare_exchange_weak(highest, &now, stamp)) {
  }
}

void lrd_slots_traceless_all(lrd_slots *slots, unsigned tier) {
  for (uint64_t slot = 0; slot < MAP_TRACES; slot++) {
    lrd_slots_traceless_raise(slots, tier, slot, UINT64_MAX);
  }
}

lrd_stamp lrd_slots_traceless(const lrd_slots *slots, unsigned tier, uint64_t slot) {
  lrd_stamp stamp = atomic_load(slots_trace(slots, tier, slot));
  return stamp > atomic_load(slots->clock_word) ? 0 : stamp; /* a flipped bit */
}

lrd_tier_trust lrd_slots_trust(const lrd_slots *slots, unsigned tier, uint64_t *generation_out) {
  struct stat facts;
  unsigned at = slots_tier_at(slots, tier);
  /* What somebody marks in a map that we have not joined yet must not be read past. */
  if (at == MAP_TIER_UNKNOWN || (atomic_load_explicit(&slots->mapless, memory_order_acquire) &&
                                 (lrd_fs_stat(slots->map_path, &facts) == 0 || errno != ENOENT))) {
    return LRD_TRUST_BROKEN;
  }
  map_tier *entry = &slots->map_tiers[at];
  if (generation_out) {
    *generation_out = atomic_load(&entry->generation);
  }
  return atomic_load_explicit(&entry->trust, memory_order_acquire) == MAP_TRUST_BROKEN ? LRD_TRUST_BROKEN : LRD_TRUST_OK;
}

void lrd_slots_distrust(lrd_slots *slots, unsigned tier) {
  if (slots->onlooker) {
    return;
  }
  atomic_store(&slots->map_tiers[slots_tier_at(slots, tier)].trust, MAP_TRUST_BROKEN);
}

bool lrd_slots_tier_enter(lrd_slots *slots, unsigned tier, bool alone) {
  unsigned at = slots_tier_at(slots, tier);
  if (at == MAP_TIER_UNKNOWN ||
      lrd_fs_lock_try(slots->lock_fd, LOCK_TIERS_AT + at, 1, alone ? LRD_FS_EXCLUSIVE : LRD_FS_SHARED) != 0) {
    return false;
  }
  slots->entered_at[tier] = at;
  return true;
}

void lrd_slots_tier_leave(lrd_slots *slots, unsigned tier) {
  (void)lrd_fs_lock_try(slots->lock_fd, LOCK_TIERS_AT + slots->entered_at[tier], 1, LRD_FS_UNLOCK);
}

bool lrd_slots_tier_moved(const lrd_slots *slots, unsigned tier) {
  return slots->entered_at[tier] != slots_tier_at(slots, tier);
}

void lrd_slots_tier_replaced(lrd_slots *slots, unsigned tier) {
  map_tier *entry = &slots->map_tiers[slots_tier_at(slots, tier)];
  /* Dirty marks stay: what was salvaged may hold the very values that the marks are about. */
  lrd_slots_move_all(slots);
  lrd_slots_traceless_all(slots, tier);
  atomic_fetch_add(&entry->generation, 1);
  atomic_store(&entry->trust, 0);
}
