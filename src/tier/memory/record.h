/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A record: one entry in a shard's arena. Also the head that every block of the arena shares, so that a block can be
 * told free from used and its size be derived without a header of the allocator's own.
 *
 *   offset  0  u64  token 48 | slack 4 | pins 12      readers add to pins; slack is the block's unused tail in units
 *           8  u64  stamp
 *          16  u32  low 32 bits of the life            life: hard expiry less the stamp's milliseconds, 40 bits,
 *          20  u8   high 8 bits of the life            all ones: never, all ones less one: kept as an extra
 *          21  u8   touch: log 1 | cap 2 | left 2      the only byte readers write besides pins; frequency = cap - left
 *          22  u16  space
 *          24  u16  value length (0 when large)
 *          26  u16  key length 11 | kind 3 | large 1 | extras 1
 *          28  u32  prev link 29 | free 1 | previous block is free 1 | retired 1
 *          32  u32  next link 29 | queue 2 | plain (no record: part of the index) 1
 *          36  key, value, extras
 *
 * Extras, in this order, when their bit is in the mask byte they begin with: word u32 (a policy's own), soft expiry i64,
 * hard expiry i64, hash u64 (when it is not what the seed gives), large pointer and length u64 each, version u8 + bytes
 * + when the source changed it i64, metadata u16 + bytes, tags u16 + bytes. Handles count units of 8 bytes from the arena's
 * start; 0 is none.
 */
#ifndef LRD_TIER_MEMORY_RECORD_H
#define LRD_TIER_MEMORY_RECORD_H

#include "base/bytes.h"
#include <larder/ext/tier.h>
#include <stdatomic.h>

#define LRD_UNIT          8u
#define LRD_HANDLE_MASK   0x1fffffffu
#define LRD_RECORD_HEAD   36u
#define LRD_BLOCK_MIN     5u /* units: a free block's head, flags and footer */
#define LRD_SLACK_MAX     15u
#define LRD_TOKEN_MASK    (((uint64_t)1 << 48) - 1)
#define LRD_SLACK_SHIFT   48
#define LRD_PIN_ONE       ((uint64_t)1 << 52)
#define LRD_PIN_SHIFT     52
#define LRD_PINS_MAX      4000u /* below 4095, so that readers that meet at the limit cannot carry over */
#define LRD_LIFE_NEVER    (((uint64_t)1 << 40) - 1)
#define LRD_LIFE_APART    (LRD_LIFE_NEVER - 1)
#define LRD_TOUCH_LOG     0x80u
#define LRD_TOUCH_LEFT    0x03u
#define LRD_TOUCH_CAP(n)  ((uint8_t)((n) << 2 | (n))) /* a new record's: nothing of the cap used up */
#define LRD_SHAPE_KEY     0x07ffu
#define LRD_SHAPE_KIND    11
#define LRD_SHAPE_LARGE   0x4000u
#define LRD_SHAPE_EXTRAS  0x8000u
#define LRD_BLOCK_FREE    0x20000000u /* in prev */
#define LRD_PREV_IS_FREE  0x40000000u /* in prev */
#define LRD_BLOCK_RETIRED 0x80000000u /* in prev */
#define LRD_QUEUE_SHIFT   29          /* in next */
#define LRD_QUEUE_MASK    0x60000000u
#define LRD_BLOCK_PLAIN   0x80000000u /* in next */

enum {
  LRD_EXTRA_WORD = 1u << 0,
  LRD_EXTRA_SOFT = 1u << 1,
  LRD_EXTRA_HARD = 1u << 2,
  LRD_EXTRA_HASH = 1u << 3,
  LRD_EXTRA_LARGE = 1u << 4,
  LRD_EXTRA_VERSION = 1u << 5,
  LRD_EXTRA_META = 1u << 6,
  LRD_EXTRA_TAGS = 1u << 7
};

typedef struct lrd_record {
  _Atomic uint64_t token_pins;
  uint64_t stamp;
  uint32_t life_low;
  uint8_t life_high;
  _Atomic uint8_t touch;
  uint16_t space;
  uint16_t value_len;
  uint16_t shape;
  uint32_t prev;
  uint32_t next;
  uint8_t body[4]; /* the key begins here; 4 so that the struct is 40 bytes */
} lrd_record;

_Static_assert(offsetof(lrd_record, body) == LRD_RECORD_HEAD, "the record's head is 36 bytes");

/* Everything in the extras, decoded, but for the policy's word. */
typedef struct lrd_extras {
  unsigned mask;
  int64_t soft_ms;
  int64_t hard_ms;
  uint64_t hash;
  void *large;
  uint64_t large_len;
  lrd_span version;
  int64_t modified_ms; /* with the version's bit, which is set for either */
  lrd_span meta;
  lrd_span tags;
} lrd_extras;

static inline size_t lrd_record_key_len(const lrd_record *record) { return record->shape & LRD_SHAPE_KEY; }
static inline const uint8_t *lrd_record_key(const lrd_record *record) { return (const uint8_t *)record + LRD_RECORD_HEAD; }
static inline larder_kind lrd_record_kind(const lrd_record *record) {
  return (larder_kind)(record->shape >> LRD_SHAPE_KIND & 7);
}
static inline uint64_t lrd_record_life(const lrd_record *record) {
  return (uint64_t)record->life_high << 32 | record->life_low;
}
/* Without extras: whether it never expires, softly or hard. */
static inline bool lrd_record_immortal(const lrd_record *record) {
  /* Two statements: the compiler would make one load of one condition, over the touch byte that others write. */
  if (record->life_low != (uint32_t)LRD_LIFE_NEVER) return false;
  return record->life_high == LRD_LIFE_NEVER >> 32;
}
/* Without extras, of one that is not immortal: when it expires, softly and hard. */
static inline int64_t lrd_record_end_ms(const lrd_record *record) {
  return (int64_t)(record->stamp >> 16) + (int64_t)lrd_record_life(record);
}
static inline uint64_t lrd_record_token(const lrd_record *record) {
  return atomic_load_explicit(&record->token_pins, memory_order_relaxed) & LRD_TOKEN_MASK;
}
static inline unsigned lrd_record_pins(const lrd_record *record) {
  return (unsigned)(atomic_load_explicit(&record->token_pins, memory_order_acquire) >> LRD_PIN_SHIFT);
}
static inline bool lrd_record_retired(const lrd_record *record) { return (record->prev & LRD_BLOCK_RETIRED) != 0; }

/* Bytes of the mask and of what it announces, for extras that are about to be written. */
size_t lrd_extras_size(const lrd_extras *extras);
void lrd_extras_write(const lrd_extras *extras, uint8_t *at);
/* Decodes a record's extras (all empty without any); returns the bytes they take. */
size_t lrd_extras_read(const lrd_record *record, lrd_extras *out);
/* The policy's own word: where it lies, or NULL. */
uint8_t *lrd_record_word(lrd_record *record);

/* Units of the whole block, slack included. */
uint32_t lrd_record_units(const lrd_record *record);
/* Value and its full length, wherever it lies. */
lrd_span lrd_record_value(const lrd_record *record);
/* Expiries as they were put; 0: never. */
int64_t lrd_record_hard_ms(const lrd_record *record);
int64_t lrd_record_soft_ms(const lrd_record *record);
void lrd_record_facts(const lrd_record *record, larder_facts *out);

/* A cheap and steady figure of what a pin holds, for the pin limit. */
static inline size_t lrd_record_pin_bytes(const lrd_record *record) {
  size_t bytes = LRD_RECORD_HEAD + lrd_record_key_len(record) + record->value_len;
  return record->shape & LRD_SHAPE_LARGE ? bytes + lrd_record_value(record).len : bytes;
}

#endif
