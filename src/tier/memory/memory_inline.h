/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hit path, compiled into its callers (core/get.c, memory.c). Inside an epoch: directory, line, record, compare; then
 * the token against the slot, the expiry against the clock; then copy out, or pin. Three dependent cache misses at most
 * (line, record, its further lines).
 *
 * What a get costs is how many of them the processor can have under way at once, and that is a matter of instructions and
 * of what waits for what. So here nothing is called and nothing goes through memory that can stay in a register; what is
 * unusual goes to functions out of line, after which the caller has nothing left to do.
 */
#ifndef LRD_TIER_MEMORY_MEMORY_INLINE_H
#define LRD_TIER_MEMORY_MEMORY_INLINE_H

#include "shard.h"

#define LRD_LIKELY(x)   __builtin_expect(!!(x), 1)
#define LRD_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define LRD_HOT         static inline __attribute__((always_inline))

/* --- out of line, in memory.c ----------------------------------------------------------------------------------------- */

/* The rest of a copy, within its epoch, from what lrd_memory_find_inline found. `own`: the thread's own row, or NULL. */
larder_err lrd_memory_copy_found(lrd_memory *memory, lrd_reader *own, lrd_record *record, const larder_tier_key *key,
                                 const _Atomic uint64_t *slot, unsigned want, void *out, size_t room, size_t *len_out);
/* Likewise of a pin. */
larder_err lrd_memory_pin_found(lrd_memory *memory, lrd_reader *reader, lrd_record *record, const larder_tier_key *key,
                                const _Atomic uint64_t *slot, unsigned want, lrd_memory_pin *out);
/* Releases what is not in a thread's row. */
void lrd_memory_unpin_slowly(lrd_memory *memory, lrd_record *record, void *how);

/* --- lookup ---------------------------------------------------------------------------------------------------------- */

typedef struct lrd_lookup {
  lrd_line *lines;
  lrd_line *home;
  uint32_t lines_len;
  uint32_t fraction;
} lrd_lookup;

/* False: the segment is empty. */
LRD_HOT bool lrd_lookup_begin(const lrd_memory *memory, uint64_t hash, lrd_lookup *out) {
  uint64_t turned = lrd_rotl64(hash, memory->index.bits); /* the segment's bits below, the fraction's above */
  uint64_t entry = atomic_load_explicit(&memory->index.directory[turned & memory->index.mask], memory_order_acquire);
  out->fraction = (uint32_t)(turned >> 32);
  out->lines = lrd_directory_lines(entry);
  out->lines_len = lrd_directory_count(entry);
  out->home = out->lines + lrd_line_home(out->fraction, out->lines_len);
  return entry != 0;
}

/* Where handles of the hash's shard count from. */
LRD_HOT const uint8_t *lrd_memory_base(const lrd_memory *memory, uint64_t hash) {
  return memory->base + (lrd_rotl64(hash, memory->shard_turn) & memory->shard_mask);
}

/* Bytes at both ends and in the middle are all bytes of up to three; words that overlap all of more. No call, and hardly a
 * branch but for the length. */
LRD_HOT bool lrd_key_same(const uint8_t *stored, const uint8_t *asked, size_t len) {
  if (LRD_UNLIKELY(len < 4))
    return stored[0] == asked[0] && stored[len / 2] == asked[len / 2] && stored[len - 1] == asked[len - 1];
  if (len < 8)
    return lrd_get_u32(stored) == lrd_get_u32(asked) && lrd_get_u32(stored + len - 4) == lrd_get_u32(asked + len - 4);
  uint64_t differs = lrd_get_u64(stored + len - 8) ^ lrd_get_u64(asked + len - 8);
  for (size_t at = 0; at + 8 < len; at += 8) differs |= lrd_get_u64(stored + at) ^ lrd_get_u64(asked + at);
  return differs == 0;
}

LRD_HOT bool lrd_record_is(const lrd_record *record, const larder_tier_key *key) {
  return (record->shape & LRD_SHAPE_KEY) == key->len && record->space == key->space &&
         lrd_key_same(lrd_record_key(record), key->data, key->len);
}

/* The record in this lane, if it is of the key. */
LRD_HOT lrd_record *lrd_lane_record(lrd_line *line, uint32_t lane, const uint8_t *base, const larder_tier_key *key) {
  uint32_t handle = atomic_load_explicit(&line->handles[lane], memory_order_acquire);
  lrd_record *record = (lrd_record *)(uintptr_t)(base + (size_t)handle * LRD_UNIT);
  /* The value's second line is on its way before the head has come. */
  __builtin_prefetch(lrd_record_key(record) + key->len + 95);
  return LRD_LIKELY(handle != 0 && lrd_record_is(record, key)) ? record : NULL;
}

/* The record, whatever its token and expiry, if it is the first in its home line that has the key's tag, as nearly all are.
 * Within an epoch. */
LRD_HOT lrd_record *lrd_memory_find_inline(const lrd_memory *memory, const larder_tier_key *key) {
  lrd_lookup at;
  uint64_t unused;
  if (LRD_UNLIKELY(!lrd_lookup_begin(memory, key->hash, &at))) return NULL;
  uint64_t match = lrd_line_match(at.home, at.fraction >> 16, &unused);
  if (LRD_UNLIKELY(match == 0)) return NULL;
  return lrd_lane_record(at.home, lrd_match_lane(&match), lrd_memory_base(memory, key->hash), key);
}

LRD_HOT bool lrd_record_token_is(const lrd_record *record, const _Atomic uint64_t *slot) {
  if (slot == NULL) return true;
  uint64_t word = atomic_load_explicit(slot, memory_order_acquire);
  return word == (atomic_load_explicit(&record->token_pins, memory_order_acquire) & LRD_TOKEN_MASK);
}

/*
 * Whether the record answers, unless it has expired, and nothing else about it is special: its token is the slot's word, it
 * has no extras (so is not large either), its policy wants no log of readings, and it bears no mark. False says nothing.
 */
LRD_HOT bool lrd_record_is_usual(const lrd_record *record, const _Atomic uint64_t *slot) {
  return lrd_record_token_is(record, slot) && !(record->shape & LRD_SHAPE_EXTRAS) &&
         !(atomic_load_explicit(&record->touch, memory_order_relaxed) & (LRD_TOUCH_LOG | LRD_TOUCH_MARK));
}

/* Whether a usual record has not expired; the clock is asked only where it may have. */
LRD_HOT bool lrd_record_is_fresh(const lrd_record *record, const lrd_clock *clock) {
  return LRD_LIKELY(lrd_record_immortal(record)) || lrd_wall_ms(clock) < lrd_record_end_ms(record);
}

/*
 * Copies out at most LRD_COPY_SHORT bytes. Stores whose place depends on a length that is still on its way hold back the
 * loads behind them, that is the next get. So the length is guessed to be the thread's last one, and only a branch, which is
 * foreseen, waits for the true one.
 */
LRD_HOT void lrd_copy_guessed(lrd_reader *reader, void *out, const void *value, size_t len) {
  size_t guess = reader->len_guess, same = guess;
  __asm__("" : "+r"(same)); /* so that the compiler does not know it and take len instead */
  if (LRD_LIKELY(len == guess)) {
    lrd_copy_short(out, value, same);
    return;
  }
  reader->len_guess = (uint32_t)len;
  lrd_copy_short(out, value, len);
}

/* --- pins ------------------------------------------------------------------------------------------------------------ */

/* Adds to the bytes pinned. The thread's own stripe is only spilled in chunks, so the sum is that much behind. */
LRD_HOT void lrd_memory_pinned_add(lrd_memory *memory, const lrd_reader *reader, int64_t bytes) {
  if (LRD_UNLIKELY(reader == NULL || reader->number >= memory->stripes_len)) {
    atomic_fetch_add_explicit(&memory->pinned, bytes, memory_order_relaxed);
    return;
  }
  _Atomic int64_t *own = &memory->stripes[reader->number].pinned;
  int64_t now = atomic_load_explicit(own, memory_order_relaxed) + bytes;
  if (LRD_UNLIKELY(now > memory->pin_chunk || now < -memory->pin_chunk)) {
    atomic_fetch_add_explicit(&memory->pinned, now, memory_order_relaxed);
    now = 0;
  }
  atomic_store_explicit(own, now, memory_order_relaxed);
}

/* Whether so much is pinned that gets hand out copies. */
LRD_HOT bool lrd_memory_pins_full(const lrd_memory *memory) {
  return atomic_load_explicit(&memory->pinned, memory_order_relaxed) > memory->pin_max;
}

/* Releases the two words of a pin. */
LRD_HOT void lrd_memory_unpin_inline(lrd_memory *memory, lrd_record *record, void *how) {
  if (LRD_UNLIKELY(how == NULL || how == record)) {
    lrd_memory_unpin_slowly(memory, record, how);
    return;
  }
  lrd_memory_pinned_add(memory, lrd_reader_mine, -(int64_t)lrd_record_pin_bytes(record));
  lrd_epoch_let_go(how);
}

#endif
