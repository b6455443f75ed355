/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The straight way: a get that the memory tier answers from a record with nothing special about it. Hash, one load of the
 * slot, the lookup, copy or pin, count; no lock, no system call, no allocation.
 *
 * Each get here is followed by the next, and the processor works on as many of them at once as it has room for their
 * instructions (docs/performance.md). So these functions call nothing but what ends them: whatever they can't answer goes
 * to a function out of line that does the rest, and they keep all they have in registers.
 */
#include "hit.h"
#include "base/bytes.h"
#include "base/hash_inline.h"
#include "tier/memory/memory_inline.h"

#define likely(x)   LRD_LIKELY(x)
#define unlikely(x) LRD_UNLIKELY(x)

#define KEY_SHORT LRD_HASH_SHORT /* longer keys go the other ways */

/* A look into memory under way, within an epoch. */
typedef struct hit_look {
  larder_tier_key key;
  const _Atomic uint64_t *slot;
  lrd_memory *memory;
  lrd_reader *reader;
} hit_look;

/* Begins a look and its epoch, or says what else is to be done; the arguments have been checked. `heard`: somebody is told of
 * it afterwards. */
LRD_HOT bool look_begin(larder_ns *ns, bool heard, const void *key, size_t key_len, _Atomic uint64_t *scratch, hit_look *out,
                        lrd_look *else_out) {
  *else_out = LRD_LOOK_TIMED;
  if (unlikely(!lrd_stats_unsampled())) {
    return false;
  }
  *else_out = LRD_LOOK;
  out->memory = atomic_load_explicit(heard ? &ns->straight_heard : &ns->straight, memory_order_relaxed);
  out->reader = lrd_reader_mine;
  if (unlikely(!out->memory || !out->reader || (ns->queued && atomic_load_explicit(ns->queued, memory_order_acquire) != 0))) {
    return false;
  }
  out->key = (larder_tier_key){key, key_len, lrd_hash64_short(key, key_len, ns->seed), ns->memory_space};
  out->slot = lrd_hit_word(ns, out->key.hash, scratch);
  if (out->slot) {
    __builtin_prefetch((const void *)(uintptr_t)out->slot);
  }
  lrd_epoch_enter_own(out->reader);
  return true;
}

/* The rest of a look, from the record that was found in its home line or NULL. Ends the epoch. */
static __attribute__((noinline)) larder_err get_unusual(larder_ns *ns, uint64_t hash, const void *key, size_t key_len,
                                                        lrd_record *record, const larder_get_options *options,
                                                        larder_value *out) {
  lrd_memory_pin pin;
  _Atomic uint64_t scratch;
  lrd_op op = {ns, key, key_len, hash};
  larder_tier_key memory_key = lrd_op_memory_key(&op);
  bool stale = options && options->allow_stale;
  lrd_reader *reader = lrd_reader_mine;
  larder_err result =
      lrd_memory_pin_found(ns->memory, reader, record, &memory_key, lrd_hit_word(ns, hash, &scratch), stale, &pin);
  lrd_epoch_leave_own(reader);
  if (result != LARDER_OK) {
    return lrd_get_slowly(&op, LRD_LOOKED, stale, out);
  }
  lrd_get_answer(ns, &pin, stale, out);
  lrd_foreseen_read(&op);
  return LARDER_OK;
}

static __attribute__((noinline)) larder_err get_into_unusual(larder_ns *ns, uint64_t hash, const void *key, size_t key_len,
                                                             lrd_record *record, void *out, size_t room, size_t *len_out) {
  _Atomic uint64_t scratch;
  larder_value value;
  lrd_op op = {ns, key, key_len, hash};
  larder_tier_key memory_key = lrd_op_memory_key(&op);
  lrd_reader *reader = lrd_reader_mine;
  larder_err result = lrd_memory_copy_found(ns->memory, reader, record, &memory_key, lrd_hit_word(ns, hash, &scratch), false,
                                            out, room, len_out);
  lrd_epoch_leave_own(reader);
  if (result != LARDER_OK && result != LARDER_ETOOBIG) {
    return lrd_get_copied(lrd_get_slowly(&op, LRD_LOOKED, false, &value), &value, out, room, len_out);
  }
  lrd_stats_add_hits(ns->cell, 1);
  lrd_foreseen_read(&op);
  return result;
}

/* The record's value pinned, counted and handed out, which ends the epoch, where nothing about it is special. */
LRD_HOT bool get_usual(larder_ns *ns, const hit_look *look, lrd_record *record, larder_value *out) {
  if (unlikely(!record || !lrd_record_is_usual(record, look->slot) || !lrd_record_is_fresh(record, ns->cache->clock) ||
               lrd_memory_pins_full(look->memory))) {
    return false;
  }
  _Atomic uintptr_t *place = lrd_epoch_hold_here(look->reader, record);
  if (unlikely(!place)) {
    return false;
  }
  lrd_touch_raise(record);
  lrd_memory_pinned_add(look->memory, look->reader, (int64_t)lrd_record_pin_bytes(record));
  lrd_epoch_leave_own(look->reader);
  *out = (larder_value){.data = lrd_record_key(record) + look->key.len,
                        .len = record->value_len,
                        .tier = "memory",
                        .pin = {ns, record, (void *)place}};
  (void)lrd_stats_add_hit(ns->cell);
  return true;
}

__attribute__((flatten)) bool lrd_get_straight(larder_ns *ns, const void *key, size_t key_len, larder_value *out) {
  _Atomic uint64_t scratch;
  hit_look look;
  lrd_look instead = LRD_LOOK;
  if (unlikely(!ns || !key || key_len - 1 >= KEY_SHORT || !out) ||
      unlikely(!look_begin(ns, true, key, key_len, &scratch, &look, &instead))) {
    if (instead == LRD_LOOK_TIMED) { /* what goes on from here is not timed as a hit */
      lrd_stats_sample_next();
    }
    return false;
  }
  if (likely(get_usual(ns, &look, lrd_memory_find_inline(look.memory, &look.key), out))) {
    return true;
  }
  lrd_epoch_leave_own(look.reader);
  return false;
}

__attribute__((flatten)) larder_err larder_get(larder_ns *ns, const void *key, size_t key_len,
                                               const larder_get_options *options, larder_value *out) {
  _Atomic uint64_t scratch;
  hit_look look;
  lrd_look instead = LRD_LOOK;
  if (unlikely(!ns || !key || key_len - 1 >= KEY_SHORT || !out || (options && options->fresh)) ||
      unlikely(!look_begin(ns, false, key, key_len, &scratch, &look, &instead))) {
    return lrd_get_any(ns, key, key_len, instead, options, out);
  }
  lrd_record *record = lrd_memory_find_inline(look.memory, &look.key);
  if (likely(get_usual(ns, &look, record, out))) {
    return LARDER_OK;
  }
  return get_unusual(ns, look.key.hash, key, key_len, record, options, out);
}

__attribute__((flatten)) larder_err larder_get_into(larder_ns *ns, const void *key, size_t key_len, void *out, size_t room,
                                                    size_t *len_out) {
  _Atomic uint64_t scratch;
  hit_look look;
  lrd_look instead = LRD_LOOK;
  if (unlikely(!ns || !key || key_len - 1 >= KEY_SHORT || !out || !len_out) ||
      unlikely(!look_begin(ns, false, key, key_len, &scratch, &look, &instead))) {
    return lrd_get_into_any(ns, key, key_len, instead, out, room, len_out);
  }
  lrd_record *record = lrd_memory_find_inline(look.memory, &look.key);
  LRD_MOMENT(LRD_MOMENT_HIT_FOUND);
  if (likely(record && lrd_record_is_usual(record, look.slot) && lrd_record_is_fresh(record, ns->cache->clock))) {
    size_t len = record->value_len;
    if (likely(len <= LRD_COPY_SHORT && len <= room)) {
      lrd_touch_raise(record);
      lrd_copy_guessed(look.reader, out, lrd_record_key(record) + key_len, len);
      lrd_epoch_leave_own(look.reader);
      *len_out = len;
      return lrd_stats_add_hit(ns->cell);
    }
  }
  return get_into_unusual(ns, look.key.hash, key, key_len, record, out, room, len_out);
}

void larder_value_release(larder_value *value) {
  if (!value || !value->pin[0]) {
    return;
  }
  uintptr_t owner = (uintptr_t)value->pin[0];
  if (owner & LRD_VALUE_FOUND) {
    lrd_value_free_found(value);
  } else {
    lrd_memory_unpin_inline(((larder_ns *)owner)->memory, value->pin[1], value->pin[2]);
  }
  *value = (larder_value){0};
}
