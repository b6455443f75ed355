/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes, extras and facts of a record. Extras lie unaligned behind the value and are copied in and out by memcpy. */
#include "record.h"

size_t lrd_extras_size(const lrd_extras *extras) {
  if (extras->mask == 0) return 0;
  size_t size = 1;
  if (extras->mask & LRD_EXTRA_WORD) size += 4;
  if (extras->mask & LRD_EXTRA_SOFT) size += 8;
  if (extras->mask & LRD_EXTRA_HARD) size += 8;
  if (extras->mask & LRD_EXTRA_HASH) size += 8;
  if (extras->mask & LRD_EXTRA_LARGE) size += 16;
  if (extras->mask & LRD_EXTRA_VERSION) size += 1 + extras->version.len + 8;
  if (extras->mask & LRD_EXTRA_META) size += 2 + extras->meta.len;
  if (extras->mask & LRD_EXTRA_TAGS) size += 2 + extras->tags.len;
  return size;
}

static uint8_t *extras_put_u64(uint8_t *at, uint64_t value) {
  lrd_put_u64(at, value);
  return at + 8;
}

static uint8_t *extras_put_span(uint8_t *at, lrd_span span) {
  if (span.len != 0) memcpy(at, span.data, span.len);
  return at + span.len;
}

void lrd_extras_write(const lrd_extras *extras, uint8_t *at) {
  if (extras->mask == 0) return;
  *at++ = (uint8_t)extras->mask;
  if (extras->mask & LRD_EXTRA_WORD) {
    lrd_put_u32(at, 0);
    at += 4;
  }
  if (extras->mask & LRD_EXTRA_SOFT) at = extras_put_u64(at, (uint64_t)extras->soft_ms);
  if (extras->mask & LRD_EXTRA_HARD) at = extras_put_u64(at, (uint64_t)extras->hard_ms);
  if (extras->mask & LRD_EXTRA_HASH) at = extras_put_u64(at, extras->hash);
  if (extras->mask & LRD_EXTRA_LARGE) {
    at = extras_put_u64(at, (uint64_t)(uintptr_t)extras->large);
    at = extras_put_u64(at, extras->large_len);
  }
  if (extras->mask & LRD_EXTRA_VERSION) {
    *at++ = (uint8_t)extras->version.len;
    at = extras_put_span(at, extras->version);
    at = extras_put_u64(at, (uint64_t)extras->modified_ms);
  }
  if (extras->mask & LRD_EXTRA_META) {
    lrd_put_u16(at, (uint16_t)extras->meta.len);
    at = extras_put_span(at + 2, extras->meta);
  }
  if (extras->mask & LRD_EXTRA_TAGS) {
    lrd_put_u16(at, (uint16_t)extras->tags.len);
    (void)extras_put_span(at + 2, extras->tags);
  }
}

static const uint8_t *record_extras_at(const lrd_record *record) {
  return lrd_record_key(record) + lrd_record_key_len(record) + record->value_len;
}

static const uint8_t *extras_get_u64(const uint8_t *at, uint64_t *out) {
  *out = lrd_get_u64(at);
  return at + 8;
}

static const uint8_t *extras_get_span(const uint8_t *at, size_t len, lrd_span *out) {
  *out = lrd_span_of(at, len);
  return at + len;
}

size_t lrd_extras_read(const lrd_record *record, lrd_extras *out) {
  *out = (lrd_extras){0};
  if (!(record->shape & LRD_SHAPE_EXTRAS)) return 0;
  const uint8_t *begin = record_extras_at(record);
  const uint8_t *at = begin;
  uint64_t word;
  out->mask = *at++;
  if (out->mask & LRD_EXTRA_WORD) at += 4; /* the policy changes it under its lock, so readers leave it alone */
  if (out->mask & LRD_EXTRA_SOFT) {
    at = extras_get_u64(at, &word);
    out->soft_ms = (int64_t)word;
  }
  if (out->mask & LRD_EXTRA_HARD) {
    at = extras_get_u64(at, &word);
    out->hard_ms = (int64_t)word;
  }
  if (out->mask & LRD_EXTRA_HASH) at = extras_get_u64(at, &out->hash);
  if (out->mask & LRD_EXTRA_LARGE) {
    at = extras_get_u64(at, &word);
    out->large = (void *)(uintptr_t)word;
    at = extras_get_u64(at, &out->large_len);
  }
  if (out->mask & LRD_EXTRA_VERSION) {
    at = extras_get_span(at + 1, *at, &out->version);
    at = extras_get_u64(at, &word);
    out->modified_ms = (int64_t)word;
  }
  if (out->mask & LRD_EXTRA_META) at = extras_get_span(at + 2, lrd_get_u16(at), &out->meta);
  if (out->mask & LRD_EXTRA_TAGS) at = extras_get_span(at + 2, lrd_get_u16(at), &out->tags);
  return (size_t)(at - begin);
}

uint8_t *lrd_record_word(lrd_record *record) {
  if (!(record->shape & LRD_SHAPE_EXTRAS)) return NULL;
  uint8_t *at = record->body + lrd_record_key_len(record) + record->value_len;
  return *at & LRD_EXTRA_WORD ? at + 1 : NULL;
}

uint32_t lrd_record_units(const lrd_record *record) {
  size_t bytes = LRD_RECORD_HEAD + lrd_record_key_len(record) + record->value_len;
  if (record->shape & LRD_SHAPE_EXTRAS) {
    lrd_extras extras;
    bytes += lrd_extras_read(record, &extras);
  }
  uint64_t word = atomic_load_explicit(&record->token_pins, memory_order_relaxed);
  return (uint32_t)((bytes + LRD_UNIT - 1) / LRD_UNIT) + (uint32_t)(word >> LRD_SLACK_SHIFT & LRD_SLACK_MAX);
}

lrd_span lrd_record_value(const lrd_record *record) {
  if (record->shape & LRD_SHAPE_LARGE) {
    lrd_extras extras;
    (void)lrd_extras_read(record, &extras);
    return lrd_span_of(extras.large, extras.large_len);
  }
  return lrd_span_of(lrd_record_key(record) + lrd_record_key_len(record), record->value_len);
}

int64_t lrd_record_hard_ms(const lrd_record *record) {
  uint64_t life = lrd_record_life(record);
  if (life < LRD_LIFE_APART) return (int64_t)(record->stamp >> 16) + (int64_t)life;
  if (life == LRD_LIFE_NEVER) return 0;
  lrd_extras extras;
  (void)lrd_extras_read(record, &extras);
  return extras.hard_ms;
}

int64_t lrd_record_soft_ms(const lrd_record *record) {
  if (record->shape & LRD_SHAPE_EXTRAS) {
    lrd_extras extras;
    (void)lrd_extras_read(record, &extras);
    if (extras.mask & LRD_EXTRA_SOFT) return extras.soft_ms;
  }
  return lrd_record_hard_ms(record);
}

void lrd_record_facts(const lrd_record *record, larder_facts *out) {
  lrd_extras extras;
  (void)lrd_extras_read(record, &extras);
  *out = (larder_facts){
      .stamp = record->stamp,
      .expires_hard_ms = lrd_record_hard_ms(record),
      .value_len = lrd_record_value(record).len,
      .raw_len = lrd_record_value(record).len,
      .kind = (larder_kind)(record->shape >> LRD_SHAPE_KIND & 7),
      .version = extras.version.data,
      .version_len = extras.version.len,
      .meta = extras.meta.data,
      .meta_len = extras.meta.len,
      .tags = extras.tags.data,
      .tags_len = extras.tags.len,
      .modified_ms = extras.modified_ms,
  };
  out->expires_soft_ms = extras.mask & LRD_EXTRA_SOFT ? extras.soft_ms : out->expires_hard_ms;
}
