/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The get paths' callable forms and everything in them that is not usual: entries that strayed from their home line, expiries
 * kept as extras, logs of readings, pins beyond the thread's row. The usual is in memory_inline.h. pin_many overlaps the
 * cache misses of many keys.
 */
#include "base/fail.h"
#include "memory_inline.h"

#define MANY_MAX 16u /* keys in flight at once */

static lrd_record *line_find(lrd_line *line, uint32_t tag, const uint8_t *base, const larder_tier_key *key,
                             uint64_t *last_out) {
  uint64_t match = lrd_line_match(line, tag, last_out);
  while (match) {
    lrd_record *record = lrd_lane_record(line, lrd_match_lane(&match), base, key);
    if (record) return record;
  }
  return NULL;
}

/* In its home line, or as far behind it as entries have strayed. */
static lrd_record *lookup_finish(const lrd_memory *memory, const lrd_lookup *at, const larder_tier_key *key) {
  const uint8_t *base = lrd_memory_base(memory, key->hash);
  uint64_t last, unused;
  lrd_line *line = at->home;
  lrd_record *record = line_find(line, at->fraction >> 16, base, key, &last);
  for (uint32_t i = 0, reach = lrd_line_reach(last); i < reach && record == NULL; i++) {
    if (++line == at->lines + at->lines_len) line = at->lines;
    record = line_find(line, at->fraction >> 16, base, key, &unused);
  }
  return record;
}

static lrd_record *memory_find(const lrd_memory *memory, const larder_tier_key *key) {
  lrd_lookup at;
  return lrd_lookup_begin(memory, key->hash, &at) ? lookup_finish(memory, &at, key) : NULL;
}

static bool memory_fresh(const lrd_memory *memory, const lrd_record *record, unsigned want) {
  int64_t hard = lrd_record_hard_ms(record), soft = lrd_record_soft_ms(record);
  if (hard == 0 && soft == 0) return true;
  int64_t now = lrd_memory_now(memory);
  if (hard != 0 && now >= hard) return false;
  return want || soft == 0 || now < soft;
}

/* For policies that want the order of readings. A full log is drained by whoever gets the lock at once; else this reading
 * is lost, which costs the policy a little and the reader nothing. */
static void memory_log(lrd_memory *memory, const lrd_record *record, uint64_t hash) {
  lrd_shard *shard = lrd_memory_shard(memory, hash);
  uint32_t at = atomic_fetch_add_explicit(&shard->log_head, 1, memory_order_acq_rel) % LRD_LOG_LEN;
  uint32_t handle = lrd_arena_handle(&shard->arena, record);
  atomic_store_explicit(&shard->log[at], handle, memory_order_release);
  if (at % (LRD_LOG_LEN / 2) != LRD_LOG_LEN / 2 - 1 || pthread_mutex_trylock(&shard->lock) != 0) return;
  lrd_shard_drain(memory, shard);
  lrd_unlock(&shard->lock);
}

/* The record that answers, or NULL, from what was found in the home line. Within an epoch. */
static inline lrd_record *memory_hit(lrd_memory *memory, lrd_record *record, const larder_tier_key *key,
                                     const _Atomic uint64_t *slot, unsigned want) {
  if (record == NULL) record = memory_find(memory, key);
  if (record == NULL || !lrd_record_token_is(record, slot)) return NULL;
  if (lrd_record_kind(record) == LARDER_KIND_ABSENT && !(want & LRD_WANT_ABSENT)) return NULL;
  bool mortal = record->shape & LRD_SHAPE_EXTRAS || !lrd_record_immortal(record);
  if (mortal && !memory_fresh(memory, record, (want & LRD_WANT_STALE) != 0)) return NULL;
  if (atomic_load_explicit(&record->touch, memory_order_relaxed) & LRD_TOUCH_LOG)
    memory_log(memory, record, key->hash);
  else
    lrd_touch_raise(record);
  return record;
}

larder_err lrd_memory_copy_found(lrd_memory *memory, lrd_reader *own, lrd_record *record, const larder_tier_key *key,
                                 const _Atomic uint64_t *slot, unsigned want, void *out, size_t room, size_t *len_out) {
  record = memory_hit(memory, record, key, slot, want);
  if (record == NULL) return LARDER_MISS;
  lrd_span value = lrd_record_value(record);
  *len_out = value.len;
  if (value.len > room) return LARDER_ETOOBIG;
  if (own != NULL && value.len <= LRD_COPY_SHORT)
    lrd_copy_guessed(own, out, value.data, value.len);
  else if (value.len != 0)
    memcpy(out, value.data, value.len);
  return LARDER_OK;
}

larder_err lrd_memory_copy(lrd_memory *memory, const larder_tier_key *key, const _Atomic uint64_t *slot, unsigned want,
                           void *out, size_t room, size_t *len_out) {
  lrd_reader *reader = lrd_epoch_enter();
  lrd_record *record = lrd_memory_find_inline(memory, key);
  larder_err result = lrd_memory_copy_found(memory, NULL, record, key, slot, want, out, room, len_out);
  lrd_epoch_leave(reader);
  return result;
}

/* A copy of the whole record, so that its facts can be read like any other's; a large value stands behind it. */
static __attribute__((noinline)) larder_err pin_copy(const lrd_record *record, lrd_memory_pin *out) {
  size_t head = (size_t)lrd_record_units(record) * LRD_UNIT;
  bool large = (record->shape & LRD_SHAPE_LARGE) != 0;
  lrd_span value = lrd_record_value(record);
  uint8_t *copy = lrd_alloc(head + (large ? value.len : 0));
  if (copy == NULL) return LARDER_ENOMEM;
  lrd_record *taken = (lrd_record *)(void *)copy;
  atomic_store_explicit(&taken->token_pins, atomic_load_explicit(&record->token_pins, memory_order_relaxed),
                        memory_order_relaxed);
  taken->stamp = record->stamp;
  taken->life_low = record->life_low;
  taken->life_high = record->life_high;
  atomic_store_explicit(&taken->touch, 0, memory_order_relaxed);
  taken->space = record->space;
  taken->value_len = record->value_len;
  taken->shape = record->shape;
  taken->prev = taken->next = 0;
  const uint8_t *word = lrd_record_word((lrd_record *)(uintptr_t)record);
  size_t before = word ? (size_t)(word - lrd_record_key(record)) : head - LRD_RECORD_HEAD;
  memcpy(copy + LRD_RECORD_HEAD, lrd_record_key(record), before);
  if (word) { /* it may be changing, and a copy has no use for it */
    size_t behind = LRD_RECORD_HEAD + before + 4;
    memset(copy + behind - 4, 0, 4);
    memcpy(copy + behind, (const uint8_t *)record + behind, head - behind);
  }
  if (large) {
    lrd_extras extras;
    (void)lrd_extras_read(taken, &extras);
    extras.large = copy + head;
    memcpy(copy + head, value.data, value.len);
    lrd_extras_write(&extras, copy + LRD_RECORD_HEAD + lrd_record_key_len(taken) + taken->value_len);
  }
  value = lrd_record_value(taken);
  *out = (lrd_memory_pin){.value = value.data, .len = value.len, .pin = {taken, copy}};
  return LARDER_OK;
}

/* Pins by a place in the thread's row, else by counting in the record, else by a copy. What pin[1] says of pin[0]: the record
 * itself: it is a copy and owned; NULL: counted in the record; else the place. */
static larder_err record_pin(lrd_memory *memory, lrd_reader *reader, lrd_record *record, lrd_memory_pin *out) {
  bool copy = lrd_memory_pins_full(memory);
  _Atomic uintptr_t *place = copy ? NULL : lrd_epoch_hold(reader, record);
  if (place == NULL && !copy) {
    uint64_t before = atomic_fetch_add_explicit(&record->token_pins, LRD_PIN_ONE, memory_order_acquire);
    copy = before >> LRD_PIN_SHIFT >= LRD_PINS_MAX;
    if (copy) atomic_fetch_sub_explicit(&record->token_pins, LRD_PIN_ONE, memory_order_release);
  }
  if (copy) {
    larder_err result = pin_copy(record, out);
    if (result == LARDER_OK) out->expires_soft_ms = lrd_record_soft_ms(record);
    return result;
  }
  lrd_span value = lrd_record_value(record);
  out->value = value.data;
  out->len = value.len;
  out->expires_soft_ms = lrd_record_soft_ms(record);
  out->pin[0] = record;
  out->pin[1] = (void *)place;
  lrd_memory_pinned_add(memory, reader, (int64_t)lrd_record_pin_bytes(record));
  return LARDER_OK;
}

larder_err lrd_memory_pin_found(lrd_memory *memory, lrd_reader *reader, lrd_record *record, const larder_tier_key *key,
                                const _Atomic uint64_t *slot, unsigned want, lrd_memory_pin *out) {
  record = memory_hit(memory, record, key, slot, want);
  return record ? record_pin(memory, reader, record, out) : LARDER_MISS;
}

larder_err lrd_memory_pin_get(lrd_memory *memory, const larder_tier_key *key, const _Atomic uint64_t *slot, unsigned want,
                              lrd_memory_pin *out) {
  lrd_reader *reader = lrd_epoch_enter();
  lrd_record *record = lrd_memory_find_inline(memory, key);
  larder_err result = lrd_memory_pin_found(memory, reader, record, key, slot, want, out);
  lrd_epoch_leave(reader);
  return result;
}

void lrd_memory_unpin_slowly(lrd_memory *memory, lrd_record *record, void *how) {
  if (how == record) {
    lrd_dealloc(record);
    return;
  }
  lrd_memory_pinned_add(memory, lrd_reader_mine, -(int64_t)lrd_record_pin_bytes(record));
  atomic_fetch_sub_explicit(&record->token_pins, LRD_PIN_ONE, memory_order_release);
}

void lrd_memory_pin_release(lrd_memory *memory, lrd_memory_pin *pin) {
  if (pin->pin[0] == NULL) return;
  lrd_memory_unpin_inline(memory, pin->pin[0], pin->pin[1]);
  pin->pin[0] = NULL;
  pin->value = NULL;
}

void lrd_memory_pin_facts(const lrd_memory_pin *pin, larder_facts *out) { lrd_record_facts(pin->pin[0], out); }

/* A key of pin_many on its way: the record that is probably its, whose lines are being fetched; NULL: none. */
static inline lrd_record *candidate_fetch(const lrd_memory *memory, const lrd_lookup *at, const larder_tier_key *key) {
  uint64_t unused, match = at->home ? lrd_line_match(at->home, at->fraction >> 16, &unused) : 0;
  if (match == 0) return NULL;
  uint32_t handle = atomic_load_explicit(&at->home->handles[lrd_match_lane(&match)], memory_order_acquire);
  if (handle == 0) return NULL;
  const uint8_t *record = lrd_memory_base(memory, key->hash) + (size_t)handle * LRD_UNIT;
  __builtin_prefetch(record);
  __builtin_prefetch(record + 64);
  return (lrd_record *)(uintptr_t)record;
}

static inline larder_err candidate_pin(lrd_memory *memory, lrd_reader *reader, lrd_record *record, const larder_tier_key *key,
                                       const _Atomic uint64_t *slot, unsigned want, lrd_memory_pin *out) {
  if (record != NULL && !lrd_record_is(record, key)) record = NULL;
  if (LRD_LIKELY(record && lrd_record_is_usual(record, slot) && lrd_record_immortal(record) && !lrd_memory_pins_full(memory))) {
    _Atomic uintptr_t *place = lrd_epoch_hold(reader, record);
    if (LRD_LIKELY(place != NULL)) {
      lrd_touch_raise(record);
      lrd_memory_pinned_add(memory, reader, (int64_t)lrd_record_pin_bytes(record));
      *out = (lrd_memory_pin){
          .value = lrd_record_key(record) + key->len, .len = record->value_len, .pin = {record, (void *)place}};
      return LARDER_OK;
    }
  }
  return lrd_memory_pin_found(memory, reader, record, key, slot, want, out);
}

void lrd_memory_pin_many(lrd_memory *memory, const larder_tier_key *keys, const _Atomic uint64_t *const *slots, size_t count,
                         unsigned want, lrd_memory_pin *out, larder_err *results) {
  lrd_lookup at[MANY_MAX];
  lrd_record *records[MANY_MAX];
  for (size_t done = 0; done < count; done += MANY_MAX) {
    size_t n = count - done < MANY_MAX ? count - done : MANY_MAX;
    lrd_reader *reader = lrd_epoch_enter();
    for (size_t i = 0; i < n; i++) {
      if (!lrd_lookup_begin(memory, keys[done + i].hash, &at[i])) at[i].home = NULL;
      __builtin_prefetch(at[i].home);
      if (slots) __builtin_prefetch((const void *)slots[done + i]);
    }
    for (size_t i = 0; i < n; i++) records[i] = candidate_fetch(memory, &at[i], &keys[done + i]);
    for (size_t i = 0; i < n; i++) {
      const _Atomic uint64_t *slot = slots ? slots[done + i] : NULL;
      results[done + i] = candidate_pin(memory, reader, records[i], &keys[done + i], slot, want, &out[done + i]);
    }
    lrd_epoch_leave(reader);
  }
}

void lrd_memory_mark(lrd_memory *memory, const larder_tier_key *key, bool marked) {
  lrd_reader *reader = lrd_epoch_enter();
  lrd_record *record = memory_find(memory, key);
  if (record != NULL && marked) atomic_fetch_or_explicit(&record->touch, LRD_TOUCH_MARK, memory_order_relaxed);
  if (record != NULL && !marked) atomic_fetch_and_explicit(&record->touch, (uint8_t)~LRD_TOUCH_MARK, memory_order_relaxed);
  lrd_epoch_leave(reader);
}

larder_err lrd_memory_put(lrd_memory *memory, const larder_tier_key *key, const void *value, const larder_facts *facts,
                          uint64_t token) {
  lrd_record_change change = {.key = key, .value = value, .facts = facts, .token = token, .verb = LARDER_TIER_PUT};
  return lrd_memory_change(memory, &change);
}

larder_err lrd_memory_forget(lrd_memory *memory, const larder_tier_key *key) {
  lrd_record_change change = {.key = key, .verb = LARDER_TIER_FORGET};
  return lrd_memory_change(memory, &change);
}

typedef struct retag_run {
  uint64_t from;
  uint64_t to;
  const larder_tier_key *but;
  size_t but_len;
} retag_run;

static void retag_one(void *context, lrd_memory *memory, lrd_shard *shard, uint32_t handle) {
  (void)memory;
  const retag_run *run = context;
  lrd_record *record = lrd_arena_at(&shard->arena, handle);
  if (lrd_record_token(record) != run->from) return;
  for (size_t i = 0; i < run->but_len; i++) {
    if (lrd_record_is(record, &run->but[i])) return;
  }
  /* Pins change meanwhile, the token does not: adding the difference changes the low 48 bits alone. */
  atomic_fetch_add_explicit(&record->token_pins, run->to - run->from, memory_order_release);
}

void lrd_memory_retag(lrd_memory *memory, uint64_t first, uint64_t last, uint64_t from, uint64_t to, const larder_tier_key *but,
                      size_t but_len) {
  retag_run run = {.from = from & LRD_TOKEN_MASK, .to = to & LRD_TOKEN_MASK, .but = but, .but_len = but_len};
  lrd_shard *shard = lrd_memory_shard(memory, first), *end = lrd_memory_shard(memory, last);
  for (; shard <= end; shard++) {
    lrd_lock(&shard->lock);
    lrd_shard_each_in(memory, shard, first, last, retag_one, &run);
    lrd_unlock(&shard->lock);
  }
}
