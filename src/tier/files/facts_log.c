/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of the log. All numbers are little-endian.
 *
 *   header   8 magic | 8 seed | 8 id | 8 generation | 4 format | … | at 56: 8 XXH3-64 of the 56 bytes before
 *   frame    4 magic | 4 payload length | 8 XXH3-64 of the payload, seeded by log id and offset | payload | to 8 bytes
 *   record   1 type | body
 *
 *   ENTRY    hash stamp put_stamp soft hard created value_len raw_len sum used uses (8 or 16 each) | nonce space head_len (4)
 *            | key_len (2) | kind ending shard flags (1 each) | 32 SHA-256 when known | key | head
 *   REMOVE   hash        TOUCH hash stamp soft hard        ACCESS hash used uses        SHA hash put_stamp 32
 *   SPACE    number (4) | created (8) | length (2) | name            SYNCED a length of the log (8)
 *
 * A frame's checksum knows where it stands, so neither what an older log has left nor a copied piece passes for one.
 * head: see tier/facts_head.h.
 */
#include "files_inner.h"

#define LOG_MAGIC   0x314c65666c64724cull
#define FRAME_MAGIC 0x7246664cu
#define FRAME_HEAD  16u
#define FRAME_MAX   (1u << 30)

/* --- writing ------------------------------------------------------------------------------------------------------------ */

static uint8_t *put64(uint8_t *at, uint64_t value) {
  lrd_put_u64(at, value);
  return at + 8;
}

static uint8_t *put32(uint8_t *at, uint32_t value) {
  lrd_put_u32(at, value);
  return at + 4;
}

larder_err lrd_files_record_entry(lrd_buf *out, const files_entry *entry) {
  uint8_t fixed[160];
  uint8_t *at = fixed;
  *at++ = FILES_RECORD_ENTRY;
  uint64_t const words[12] = {entry->hash,
                              entry->stamp,
                              entry->put_stamp,
                              (uint64_t)entry->soft_ms,
                              (uint64_t)entry->hard_ms,
                              (uint64_t)entry->created_ms,
                              entry->value_len,
                              entry->raw_len,
                              entry->sum.low,
                              entry->sum.high,
                              (uint64_t)atomic_load_explicit(&entry->used_ms, memory_order_relaxed),
                              atomic_load_explicit(&entry->uses, memory_order_relaxed)};
  for (int i = 0; i < 12; i++) at = put64(at, words[i]);
  at = put32(at, entry->nonce);
  at = put32(at, entry->space);
  at = put32(at, entry->head_len);
  lrd_put_u16(at, entry->key_len);
  at += 2;
  *at++ = entry->kind;
  *at++ = entry->ending;
  *at++ = entry->shard;
  *at++ = entry->flags;
  if (entry->flags & FILES_SHA_KNOWN) {
    memcpy(at, entry->sha, sizeof entry->sha);
    at += sizeof entry->sha;
  }
  larder_err err = lrd_buf_append(out, fixed, (size_t)(at - fixed));
  if (err == LARDER_OK) err = lrd_buf_append(out, files_key(entry), (size_t)entry->key_len + entry->head_len);
  return err;
}

larder_err lrd_files_record_short(lrd_buf *out, files_record_type type, const files_entry *entry) {
  uint8_t fixed[64];
  uint8_t *at = fixed;
  *at++ = (uint8_t)type;
  at = put64(at, entry->hash);
  if (type == FILES_RECORD_TOUCH) {
    at = put64(at, entry->stamp);
    at = put64(at, (uint64_t)entry->soft_ms);
    at = put64(at, (uint64_t)entry->hard_ms);
  } else if (type == FILES_RECORD_ACCESS) {
    at = put64(at, (uint64_t)atomic_load_explicit(&entry->used_ms, memory_order_relaxed));
    at = put64(at, atomic_load_explicit(&entry->uses, memory_order_relaxed));
  } else if (type == FILES_RECORD_SHA) {
    at = put64(at, entry->put_stamp);
    memcpy(at, entry->sha, sizeof entry->sha);
    at += sizeof entry->sha;
  }
  return lrd_buf_append(out, fixed, (size_t)(at - fixed));
}

larder_err lrd_files_record_space(lrd_buf *out, uint32_t number, int64_t created_ms, const char *name) {
  uint8_t fixed[15];
  fixed[0] = FILES_RECORD_SPACE;
  lrd_put_u32(fixed + 1, number);
  lrd_put_u64(fixed + 5, (uint64_t)created_ms);
  lrd_put_u16(fixed + 13, (uint16_t)strlen(name));
  larder_err const err = lrd_buf_append(out, fixed, sizeof fixed);
  return err == LARDER_OK ? lrd_buf_append_str(out, name) : err;
}

larder_err lrd_files_record_synced(lrd_buf *out, uint64_t length) {
  uint8_t fixed[9];
  fixed[0] = FILES_RECORD_SYNCED;
  lrd_put_u64(fixed + 1, length);
  return lrd_buf_append(out, fixed, sizeof fixed);
}

/* --- reading ------------------------------------------------------------------------------------------------------------ */

typedef struct reader {
  const uint8_t *at;
  const uint8_t *end;
  bool bad;
} reader;

static const uint8_t *take(reader *r, size_t len) {
  static const uint8_t zero[LRD_SHA256_LEN];
  if (r->bad || (size_t)(r->end - r->at) < len) {
    r->bad = true;
    return zero;
  }
  r->at += len;
  return r->at - len;
}

static uint64_t take64(reader *r) { return lrd_get_u64(take(r, 8)); }
static uint32_t take32(reader *r) { return lrd_get_u32(take(r, 4)); }
static uint16_t take16(reader *r) { return lrd_get_u16(take(r, 2)); }

static lrd_span take_span(reader *r, size_t len) {
  if (r->bad || (size_t)(r->end - r->at) < len) {
    r->bad = true;
    return (lrd_span){NULL, 0};
  }
  r->at += len;
  return lrd_span_of(r->at - len, len);
}

static void read_entry(reader *r, files_record *out) {
  files_entry *facts = &out->facts;
  facts->hash = take64(r);
  facts->stamp = take64(r);
  facts->put_stamp = take64(r);
  facts->soft_ms = (int64_t)take64(r);
  facts->hard_ms = (int64_t)take64(r);
  facts->created_ms = (int64_t)take64(r);
  facts->value_len = take64(r);
  facts->raw_len = take64(r);
  facts->sum.low = take64(r);
  facts->sum.high = take64(r);
  atomic_init(&facts->used_ms, (int64_t)take64(r));
  atomic_init(&facts->uses, take64(r));
  facts->nonce = take32(r);
  facts->space = take32(r);
  facts->head_len = take32(r);
  facts->key_len = take16(r);
  facts->kind = *take(r, 1);
  facts->ending = *take(r, 1);
  facts->shard = *take(r, 1);
  facts->flags = *take(r, 1);
  if (facts->flags & FILES_SHA_KNOWN) memcpy(facts->sha, take(r, LRD_SHA256_LEN), LRD_SHA256_LEN);
  out->key = take_span(r, facts->key_len);
  out->head = take_span(r, facts->head_len);
  larder_facts unpacked;
  if (r->bad || facts->key_len == 0 || facts->key_len > LARDER_KEY_MAX || facts->value_len > LARDER_VALUE_MAX * 2 ||
      facts->kind > LARDER_KIND_ABSENT || facts->ending >= LRD_ENDING_COUNT || facts->shard > 3 ||
      (facts->flags & ~(FILES_TOMBSTONE | FILES_FRAMED | FILES_SHA_KNOWN)) != 0 || facts->space == 0 ||
      facts->space >= LRD_FILES_SPACES_MAX || !lrd_facts_head_unpack(out->head.data, out->head.len, &unpacked))
    r->bad = true;
}

static void read_space(reader *r, files_record *out) {
  out->facts.space = take32(r);
  out->facts.created_ms = (int64_t)take64(r);
  out->key = take_span(r, take16(r));
  if (r->bad || out->facts.space == 0 || out->facts.space >= LRD_FILES_SPACES_MAX || out->key.len == 0 ||
      memchr(out->key.data, 0, out->key.len) != NULL)
    r->bad = true;
}

larder_err lrd_files_record_read(const uint8_t **at, const uint8_t *end, files_record *out) {
  reader r = {*at, end, false};
  if (r.at == r.end) return LARDER_END;
  memset(out, 0, sizeof *out);
  out->type = (files_record_type)*take(&r, 1);
  switch (out->type) {
  case FILES_RECORD_ENTRY:
    read_entry(&r, out);
    break;
  case FILES_RECORD_REMOVE:
    out->facts.hash = take64(&r);
    break;
  case FILES_RECORD_TOUCH:
    out->facts.hash = take64(&r);
    out->facts.stamp = take64(&r);
    out->facts.soft_ms = (int64_t)take64(&r);
    out->facts.hard_ms = (int64_t)take64(&r);
    break;
  case FILES_RECORD_ACCESS:
    out->facts.hash = take64(&r);
    atomic_init(&out->facts.used_ms, (int64_t)take64(&r));
    atomic_init(&out->facts.uses, take64(&r));
    break;
  case FILES_RECORD_SHA:
    out->facts.hash = take64(&r);
    out->facts.put_stamp = take64(&r);
    memcpy(out->facts.sha, take(&r, LRD_SHA256_LEN), LRD_SHA256_LEN);
    break;
  case FILES_RECORD_SPACE:
    read_space(&r, out);
    break;
  case FILES_RECORD_SYNCED:
    out->synced = take64(&r);
    break;
  default:
    r.bad = true;
    break;
  }
  if (r.bad) return LARDER_ECORRUPT;
  *at = r.at;
  return LARDER_OK;
}

/* --- frames ------------------------------------------------------------------------------------------------------------- */

larder_err lrd_files_frame_begin(lrd_buf *frame) {
  static const uint8_t room[FRAME_HEAD];
  lrd_buf_clear(frame);
  return lrd_buf_append(frame, room, sizeof room);
}

larder_err lrd_files_frame_end(lrd_buf *frame, uint64_t log_id, uint64_t offset) {
  static const uint8_t padding[8];
  size_t const len = frame->len - FRAME_HEAD;
  if (len > FRAME_MAX) return LARDER_ETOOBIG;
  lrd_put_u32(frame->data, FRAME_MAGIC);
  lrd_put_u32(frame->data + 4, (uint32_t)len);
  lrd_put_u64(frame->data + 8, lrd_hash64(frame->data + FRAME_HEAD, len, log_id ^ offset));
  return lrd_buf_append(frame, padding, -frame->len & 7);
}

size_t lrd_files_frame_check(const uint8_t *at, size_t len, uint64_t log_id, uint64_t offset, lrd_span *payload_out) {
  if (len < FRAME_HEAD || lrd_get_u32(at) != FRAME_MAGIC) return 0;
  size_t const payload = lrd_get_u32(at + 4);
  if (payload > FRAME_MAX || payload > len - FRAME_HEAD) return 0;
  if (lrd_hash64(at + FRAME_HEAD, payload, log_id ^ offset) != lrd_get_u64(at + 8)) return 0;
  size_t const whole = (FRAME_HEAD + payload + 7) & ~(size_t)7;
  if (whole > len) return 0;
  *payload_out = lrd_span_of(at + FRAME_HEAD, payload);
  return whole;
}

void lrd_files_header_make(uint8_t out[LRD_FILES_LOG_HEADER], uint64_t seed, uint64_t id, uint64_t generation) {
  memset(out, 0, LRD_FILES_LOG_HEADER);
  lrd_put_u64(out, LOG_MAGIC);
  lrd_put_u64(out + 8, seed);
  lrd_put_u64(out + 16, id);
  lrd_put_u64(out + 24, generation);
  lrd_put_u32(out + 32, LRD_FILES_FORMAT);
  lrd_put_u64(out + 56, lrd_sum64(out, 56));
}

bool lrd_files_header_read(const uint8_t in[LRD_FILES_LOG_HEADER], uint64_t *seed, uint64_t *id, uint64_t *generation) {
  if (lrd_get_u64(in) != LOG_MAGIC || lrd_get_u64(in + 56) != lrd_sum64(in, 56)) return false;
  if (lrd_get_u32(in + 32) != LRD_FILES_FORMAT) return false;
  *seed = lrd_get_u64(in + 8);
  *id = lrd_get_u64(in + 16);
  *generation = lrd_get_u64(in + 24);
  return true;
}
