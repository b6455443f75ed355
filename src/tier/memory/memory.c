/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The get paths. Inside an epoch: directory, line, record, compare; then the token against the slot, the expiry against
 * the clock; then copy out, or pin. Three dependent cache misses at most (line, record, its further lines), and pin_many
 * overlaps them over many keys.
 */
#include "memory.h"
#include "base/fail.h"
#include "shard.h"

#define MANY_MAX 16u /* keys in flight at once */

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

typedef struct lookup {
  lrd_line *lines;
  lrd_line *home;
  uint32_t lines_len;
  uint32_t fraction;
} lookup;

/* False: the segment is empty. */
static inline bool lookup_begin(const lrd_memory *memory, uint64_t hash, lookup *out) {
  size_t segment = lrd_index_segment(&memory->index, hash);
  uint64_t entry = atomic_load_explicit(&memory->index.directory[segment], memory_order_acquire);
  out->fraction = lrd_index_fraction(&memory->index, hash);
  out->lines = lrd_directory_lines(entry);
  out->lines_len = lrd_directory_count(entry);
  out->home = out->lines + lrd_line_home(out->fraction, out->lines_len);
  return entry != 0;
}

static inline bool record_is(const lrd_record *record, const larder_tier_key *key) {
  if ((record->shape & LRD_SHAPE_KEY) != key->len || record->space != key->space) return false;
  const uint8_t *stored = lrd_record_key(record), *asked = key->data;
  size_t len = key->len;
  if (len < 8 || len > 64) return memcmp(stored, asked, len) == 0;
  /* Words, the last one overlapping: without a call, and without a branch but for the length. */
  uint64_t differs = lrd_get_u64(stored + len - 8) ^ lrd_get_u64(asked + len - 8);
  for (size_t at = 0; at + 8 < len; at += 8) differs |= lrd_get_u64(stored + at) ^ lrd_get_u64(asked + at);
  return differs == 0;
}

static inline lrd_record *line_find(lrd_line *line, uint32_t tag, const uint8_t *base, const larder_tier_key *key,
                                    uint32_t *reach) {
  uint64_t last, match = lrd_line_match(line, tag, &last);
  *reach = lrd_line_reach(last);
  while (match) {
    uint32_t handle = atomic_load_explicit(&line->handles[lrd_match_lane(&match)], memory_order_acquire);
    lrd_record *record = (lrd_record *)(uintptr_t)(base + (size_t)handle * LRD_UNIT);
    /* The value's lines are on their way before the key's has come. */
    __builtin_prefetch((const uint8_t *)record + 64);
    __builtin_prefetch((const uint8_t *)record + 128);
    if (handle != 0 && record_is(record, key)) return record;
  }
  return NULL;
}

static __attribute__((noinline)) lrd_record *lookup_stray(const lookup *at, const uint8_t *base, const larder_tier_key *key,
                                                          uint32_t reach) {
  lrd_line *line = at->home;
  for (uint32_t i = 0; i < reach; i++) {
    uint32_t unused;
    if (++line == at->lines + at->lines_len) line = at->lines;
    lrd_record *record = line_find(line, at->fraction >> 16, base, key, &unused);
    if (record) return record;
  }
  return NULL;
}

static inline const uint8_t *memory_base_for(const lrd_memory *memory, uint64_t hash) {
  return memory->base + ((hash >> 1 >> (63 - memory->shard_bits)) << memory->shard_shift);
}

/* The record, whatever its token and expiry. Within an epoch. */
static inline lrd_record *lookup_finish(const lrd_memory *memory, const lookup *at, const larder_tier_key *key) {
  const uint8_t *base = memory_base_for(memory, key->hash);
  uint32_t reach;
  lrd_record *record = line_find(at->home, at->fraction >> 16, base, key, &reach);
  if (likely(record != NULL) || reach == 0) return record;
  return lookup_stray(at, base, key, reach);
}

static __attribute__((noinline)) bool record_fresh_slowly(const lrd_memory *memory, const lrd_record *record,
                                                          bool allow_stale) {
  int64_t hard = lrd_record_hard_ms(record), soft = lrd_record_soft_ms(record);
  if (hard == 0 && soft == 0) return true;
  int64_t now = lrd_memory_now(memory);
  if (hard != 0 && now >= hard) return false;
  return allow_stale || soft == 0 || now < soft;
}

/* Whether it counts: by the slot's word, then by the clock. */
static inline bool record_counts(const lrd_memory *memory, const lrd_record *record, const _Atomic uint64_t *slot,
                                 bool allow_stale) {
  if (slot != NULL) {
    uint64_t word = atomic_load_explicit(slot, memory_order_acquire);
    if (unlikely(word != (atomic_load_explicit(&record->token_pins, memory_order_acquire) & LRD_TOKEN_MASK))) return false;
  }
  if (likely(lrd_record_life(record) == LRD_LIFE_NEVER && !(record->shape & LRD_SHAPE_EXTRAS))) return true;
  return record_fresh_slowly(memory, record, allow_stale);
}

/* Remembers the reading where the policy wants its order. A full log is drained by whoever gets the lock at once; else
 * this reading is lost, which costs the policy a little and the reader nothing. */
static __attribute__((noinline)) void record_log(lrd_memory *memory, const lrd_record *record, uint64_t hash) {
  lrd_shard *shard = lrd_memory_shard(memory, hash);
  uint32_t at = atomic_fetch_add_explicit(&shard->log_head, 1, memory_order_acq_rel) % LRD_LOG_LEN;
  uint32_t handle = lrd_arena_handle(&shard->arena, record);
  atomic_store_explicit(&shard->log[at], handle, memory_order_release);
  if (at % (LRD_LOG_LEN / 2) != LRD_LOG_LEN / 2 - 1 || pthread_mutex_trylock(&shard->lock) != 0) return;
  lrd_shard_drain(memory, shard);
  lrd_unlock(&shard->lock);
}

static inline void record_touch(lrd_memory *memory, lrd_record *record, uint64_t hash) {
  uint8_t touch = atomic_load_explicit(&record->touch, memory_order_relaxed);
  if (likely(!(touch & LRD_TOUCH_LOG))) {
    if ((touch & LRD_TOUCH_FREQ) < (touch >> 2 & LRD_TOUCH_FREQ)) {
      atomic_store_explicit(&record->touch, (uint8_t)(touch + 1), memory_order_relaxed);
    }
    return;
  }
  record_log(memory, record, hash);
}

static inline lrd_record *memory_hit(lrd_memory *memory, const larder_tier_key *key, const _Atomic uint64_t *slot,
                                     bool allow_stale) {
  lookup at;
  if (slot != NULL) __builtin_prefetch((const void *)(uintptr_t)slot);
  if (!lookup_begin(memory, key->hash, &at)) return NULL;
  lrd_record *record = lookup_finish(memory, &at, key);
  if (record == NULL || !record_counts(memory, record, slot, allow_stale)) return NULL;
  record_touch(memory, record, key->hash);
  return record;
}

larder_err lrd_memory_copy(lrd_memory *memory, const larder_tier_key *key, const _Atomic uint64_t *slot, bool allow_stale,
                           void *out, size_t room, size_t *len_out) {
  lrd_reader *reader = lrd_epoch_enter();
  const lrd_record *record = memory_hit(memory, key, slot, allow_stale);
  larder_err result = LARDER_MISS;
  if (likely(record != NULL)) {
    /* By the caller's key length, which equals the record's: so the address waits for no load. */
    lrd_span value = {lrd_record_key(record) + key->len, record->value_len};
    if (unlikely(record->shape & LRD_SHAPE_LARGE)) value = lrd_record_value(record);
    *len_out = value.len;
    result = value.len <= room ? LARDER_OK : LARDER_ETOOBIG;
    if (likely(result == LARDER_OK && value.len != 0)) memcpy(out, value.data, value.len);
  }
  lrd_epoch_leave(reader);
  return result;
}

/* Adds to the bytes pinned. The thread's own stripe is only spilled in chunks, so the sum is that much behind. */
static inline void memory_pinned_add(lrd_memory *memory, const lrd_reader *reader, int64_t bytes) {
  if (unlikely(reader == NULL || reader->number >= memory->stripes_len)) {
    atomic_fetch_add_explicit(&memory->pinned, bytes, memory_order_relaxed);
    return;
  }
  _Atomic int64_t *own = &memory->stripes[reader->number].pinned;
  int64_t now = atomic_load_explicit(own, memory_order_relaxed) + bytes;
  if (unlikely(now > memory->pin_chunk || now < -memory->pin_chunk)) {
    atomic_fetch_add_explicit(&memory->pinned, now, memory_order_relaxed);
    now = 0;
  }
  atomic_store_explicit(own, now, memory_order_relaxed);
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

static inline larder_err record_pin(lrd_memory *memory, lrd_reader *reader, lrd_record *record, lrd_memory_pin *out) {
  bool copy = atomic_load_explicit(&memory->pinned, memory_order_relaxed) > memory->pin_max;
  _Atomic uintptr_t *place = copy ? NULL : lrd_epoch_hold(reader, record);
  if (unlikely(place == NULL && !copy)) {
    uint64_t before = atomic_fetch_add_explicit(&record->token_pins, LRD_PIN_ONE, memory_order_acquire);
    copy = unlikely(before >> LRD_PIN_SHIFT >= LRD_PINS_MAX);
    if (copy) atomic_fetch_sub_explicit(&record->token_pins, LRD_PIN_ONE, memory_order_release);
  }
  if (unlikely(copy)) {
    larder_err result = pin_copy(record, out);
    if (result == LARDER_OK) out->expires_soft_ms = lrd_record_soft_ms(record);
    return result;
  }
  lrd_span value = {lrd_record_key(record) + (record->shape & LRD_SHAPE_KEY), record->value_len};
  if (unlikely(record->shape & LRD_SHAPE_LARGE)) value = lrd_record_value(record);
  out->value = value.data;
  out->len = value.len;
  out->expires_soft_ms = 0;
  if (lrd_record_life(record) != LRD_LIFE_NEVER || record->shape & LRD_SHAPE_EXTRAS) {
    out->expires_soft_ms = lrd_record_soft_ms(record);
  }
  out->pin[0] = record;
  out->pin[1] = (void *)place;
  memory_pinned_add(memory, reader, (int64_t)lrd_record_pin_bytes(record));
  return LARDER_OK;
}

/*
 * What pin[1] says of pin[0]: the record itself: it is a copy and owned; NULL: counted in the record; else the place in a
 * thread's row.
 */
larder_err lrd_memory_pin_get(lrd_memory *memory, const larder_tier_key *key, const _Atomic uint64_t *slot, bool allow_stale,
                              lrd_memory_pin *out) {
  lrd_reader *reader = lrd_epoch_enter();
  lrd_record *record = memory_hit(memory, key, slot, allow_stale);
  larder_err result = likely(record != NULL) ? record_pin(memory, reader, record, out) : LARDER_MISS;
  lrd_epoch_leave(reader);
  return result;
}

void lrd_memory_pin_release(lrd_memory *memory, lrd_memory_pin *pin) {
  lrd_record *record = pin->pin[0];
  if (record == NULL) return;
  if (unlikely(pin->pin[1] == record)) {
    lrd_dealloc(record);
  } else {
    memory_pinned_add(memory, lrd_reader_mine, -(int64_t)lrd_record_pin_bytes(record));
    if (likely(pin->pin[1] != NULL))
      lrd_epoch_let_go(pin->pin[1]);
    else
      atomic_fetch_sub_explicit(&record->token_pins, LRD_PIN_ONE, memory_order_release);
  }
  pin->pin[0] = NULL;
  pin->value = NULL;
}

void lrd_memory_pin_facts(const lrd_memory_pin *pin, larder_facts *out) { lrd_record_facts(pin->pin[0], out); }

/* Starts the loads of the first record whose tag matches. */
static inline void lookup_prefetch_record(const lrd_memory *memory, const lookup *at, uint64_t hash) {
  uint64_t last, match = lrd_line_match(at->home, at->fraction >> 16, &last);
  if (match == 0) return;
  uint32_t handle = atomic_load_explicit(&at->home->handles[lrd_match_lane(&match)], memory_order_relaxed);
  const uint8_t *record = memory_base_for(memory, hash) + (size_t)handle * LRD_UNIT;
  __builtin_prefetch(record);
  __builtin_prefetch(record + 64);
}

void lrd_memory_pin_many(lrd_memory *memory, const larder_tier_key *keys, const _Atomic uint64_t *const *slots, size_t count,
                         bool allow_stale, lrd_memory_pin *out, larder_err *results) {
  lookup at[MANY_MAX];
  for (size_t done = 0; done < count; done += MANY_MAX) {
    size_t n = count - done < MANY_MAX ? count - done : MANY_MAX;
    lrd_reader *reader = lrd_epoch_enter();
    for (size_t i = 0; i < n; i++) {
      if (!lookup_begin(memory, keys[done + i].hash, &at[i])) at[i].home = NULL;
      __builtin_prefetch(at[i].home);
      if (slots) __builtin_prefetch((const void *)slots[done + i]);
    }
    for (size_t i = 0; i < n; i++) {
      if (at[i].home) lookup_prefetch_record(memory, &at[i], keys[done + i].hash);
    }
    for (size_t i = 0; i < n; i++) {
      const larder_tier_key *key = &keys[done + i];
      lrd_record *record = at[i].home ? lookup_finish(memory, &at[i], key) : NULL;
      results[done + i] = LARDER_MISS;
      if (record == NULL || !record_counts(memory, record, slots ? slots[done + i] : NULL, allow_stale)) continue;
      record_touch(memory, record, key->hash);
      results[done + i] = record_pin(memory, reader, record, &out[done + i]);
    }
    lrd_epoch_leave(reader);
  }
}

larder_err lrd_memory_put(lrd_memory *memory, const larder_tier_key *key, const void *value, const larder_facts *facts,
                          uint64_t token) {
  lrd_change change = {.key = key, .value = value, .facts = facts, .token = token, .verb = LARDER_TIER_PUT};
  return lrd_memory_change(memory, &change);
}

larder_err lrd_memory_forget(lrd_memory *memory, const larder_tier_key *key) {
  lrd_change change = {.key = key, .verb = LARDER_TIER_FORGET};
  return lrd_memory_change(memory, &change);
}

typedef struct retag_run {
  uint64_t from;
  uint64_t to;
} retag_run;

static void retag_one(void *context, lrd_memory *memory, lrd_shard *shard, uint32_t handle) {
  (void)memory;
  const retag_run *run = context;
  lrd_record *record = lrd_arena_at(&shard->arena, handle);
  if (lrd_record_token(record) != run->from) return;
  /* Pins change meanwhile, the token does not: adding the difference changes the low 48 bits alone. */
  atomic_fetch_add_explicit(&record->token_pins, run->to - run->from, memory_order_release);
}

void lrd_memory_retag(lrd_memory *memory, uint64_t first, uint64_t last, uint64_t from, uint64_t to) {
  retag_run run = {.from = from & LRD_TOKEN_MASK, .to = to & LRD_TOKEN_MASK};
  lrd_shard *shard = lrd_memory_shard(memory, first), *end = lrd_memory_shard(memory, last);
  for (; shard <= end; shard++) {
    lrd_lock(&shard->lock);
    lrd_shard_each_in(memory, shard, first, last, retag_one, &run);
    lrd_unlock(&shard->lock);
  }
}
