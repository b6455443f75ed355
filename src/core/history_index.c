/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of a key's former values. It is a value like any other in the companion, replaced on condition of its stamp:
 *
 *   4 bytes  "LHI1"
 *   u32      rows
 *   u64      deleted: nothing up to this stamp counts
 *   row      u64 stamp, u64 length, u8 length of the version, the version; newest first
 *   u64      checksum of all before
 *
 * One without rows only says what was deleted, to who has copied a value before that and enters it after. So much later nobody
 * does, and it goes.
 */
#include "history.h"

#include "base/fail.h"
#include "base/hash.h"
#include <inttypes.h>
#include <stdio.h>

#define MAGIC           "LHI1"
#define HEAD            16u
#define ROW_HEAD        17u
#define ROWS_MAX        1000u
#define DELETED_KEPT_MS INT64_C(3600000)

/* --- keys ---------------------------------------------------------------------------------------------------------------- */

static void place_set(larder_ns *history, lrd_history_place *place, size_t len) {
  place->op = (lrd_op){history, place->key, len, lrd_hash64(place->key, len, history->seed)};
}

static void place_of_index(larder_ns *history, const lrd_op *op, lrd_history_place *out) {
  LRD_ASSERT(op->key_len <= LRD_HISTORY_KEY_MAX);
  out->key[0] = 'i';
  memcpy(out->key + 1, op->key, op->key_len);
  place_set(history, out, 1 + op->key_len);
}

void lrd_history_place_of_value(larder_ns *history, const lrd_op *op, lrd_stamp stamp, lrd_history_place *out) {
  char digits[17];
  LRD_ASSERT(op->key_len <= LRD_HISTORY_KEY_MAX);
  (void)snprintf(digits, sizeof digits, "%016" PRIx64, stamp);
  out->key[0] = 'v';
  memcpy(out->key + 1, op->key, op->key_len);
  out->key[1 + op->key_len] = 0;
  memcpy(out->key + 2 + op->key_len, digits, 16);
  place_set(history, out, op->key_len + 18);
}

static void place_of_cleared(larder_ns *history, lrd_history_place *out) {
  out->key[0] = 'f';
  place_set(history, out, 1);
}

/* --- bytes --------------------------------------------------------------------------------------------------------------- */

void lrd_history_index_fini(lrd_history_index *index) {
  lrd_buf_fini(&index->bytes);
  lrd_dealloc(index->rows);
  *index = (lrd_history_index){0};
}

larder_err lrd_history_index_encode(const lrd_history_index *index, lrd_buf *out) {
  uint8_t head[HEAD] = MAGIC;
  uint8_t sum[8];
  size_t const from = out->len;
  lrd_put_u32(head + 4, (uint32_t)index->len);
  lrd_put_u64(head + 8, index->deleted);
  larder_err err = lrd_buf_append(out, head, sizeof head);
  for (size_t i = 0; i < index->len && err == LARDER_OK; i++) {
    const lrd_history_row *row = &index->rows[i];
    uint8_t fixed[ROW_HEAD];
    lrd_put_u64(fixed, row->stamp);
    lrd_put_u64(fixed + 8, row->len);
    fixed[16] = (uint8_t)row->version.len;
    err = lrd_buf_append(out, fixed, sizeof fixed);
    if (err == LARDER_OK && row->version.len > 0) err = lrd_buf_append(out, row->version.data, row->version.len);
  }
  if (err != LARDER_OK) return err;
  lrd_put_u64(sum, lrd_sum64(out->data + from, out->len - from));
  return lrd_buf_append(out, sum, sizeof sum);
}

/* The rows of bytes whose checksum is right; false when they are none all the same. */
static bool rows_read(lrd_history_index *index, size_t count) {
  const uint8_t *at = index->bytes.data + HEAD;
  const uint8_t *end = index->bytes.data + index->bytes.len - 8;
  for (size_t i = 0; i < count; i++) {
    lrd_history_row *row = &index->rows[i];
    if ((size_t)(end - at) < ROW_HEAD || (size_t)(end - at) < ROW_HEAD + (size_t)at[16]) return false;
    *row = (lrd_history_row){lrd_get_u64(at), lrd_get_u64(at + 8), lrd_span_of(at + ROW_HEAD, at[16])};
    at += ROW_HEAD + at[16];
    if (row->stamp == 0 || (i > 0 && row->stamp >= index->rows[i - 1].stamp)) return false;
  }
  index->len = count;
  return at == end;
}

larder_err lrd_history_index_decode(const void *bytes, size_t len, lrd_history_index *out) {
  lrd_history_index index = {0};
  larder_err err = LARDER_EFORMAT;
  const uint8_t *head = bytes;
  if (len < HEAD + 8 || memcmp(head, MAGIC, 4) != 0 || lrd_sum64(bytes, len - 8) != lrd_get_u64(head + len - 8)) return err;
  uint32_t const count = lrd_get_u32(head + 4);
  if (count > ROWS_MAX) return err;
  err = lrd_buf_append(&index.bytes, bytes, len);
  if (err == LARDER_OK && !(index.rows = lrd_alloc_zero(count + 1, sizeof *index.rows))) err = LARDER_ENOMEM;
  index.deleted = lrd_get_u64(head + 8);
  if (err == LARDER_OK && !rows_read(&index, count)) err = LARDER_EFORMAT;
  if (err == LARDER_OK) {
    *out = index;
    index = (lrd_history_index){0};
  }
  lrd_history_index_fini(&index);
  return err;
}

/* --- in the companion ---------------------------------------------------------------------------------------------------- */

/* What was deleted is newest last in a list that is newest first. */
static void drop_deleted(lrd_history_index *index) {
  while (index->len > 0 && index->rows[index->len - 1].stamp <= index->deleted) index->len--;
}

static larder_err cleared_get(larder_ns *history, lrd_stamp *out) {
  lrd_history_place place;
  larder_value value = {0};
  larder_facts facts;
  *out = 0;
  place_of_cleared(history, &place);
  larder_err err = lrd_look_up(&place.op, &value, &facts);
  if (err == LARDER_OK && value.len == 8) *out = lrd_get_u64(value.data);
  larder_value_release(&value);
  return err == LARDER_MISS ? LARDER_OK : err;
}

larder_err lrd_history_index_read(larder_ns *history, const lrd_op *op, lrd_history_index *out) {
  lrd_history_place place;
  larder_value value = {0};
  larder_facts facts;
  lrd_stamp cleared;
  *out = (lrd_history_index){0};
  larder_err err = cleared_get(history, &cleared);
  if (err != LARDER_OK) return err;
  place_of_index(history, op, &place);
  err = lrd_look_up(&place.op, &value, &facts);
  if (err == LARDER_OK) {
    err = lrd_history_index_decode(value.data, value.len, out);
    if (err == LARDER_EFORMAT) err = LARDER_OK; /* replaced by the next change */
    out->stamp = facts.stamp;
    larder_value_release(&value);
  }
  if (cleared > out->deleted) out->deleted = cleared;
  drop_deleted(out);
  return err == LARDER_MISS ? LARDER_OK : err;
}

static larder_err change_write(lrd_change *change) {
  larder_err const result = lrd_write_batch(change->op.ns, change, 1);
  return result == LARDER_OK ? change->result : result;
}

larder_err lrd_history_index_write(larder_ns *history, const lrd_op *op, const lrd_history_index *index) {
  lrd_history_place place;
  lrd_buf bytes = {0};
  larder_err err = lrd_history_index_encode(index, &bytes);
  if (err == LARDER_OK) {
    place_of_index(history, op, &place);
    lrd_change change = {.verb = LRD_CHANGE_PUT,
                         .op = place.op,
                         .value = bytes.data,
                         .facts = {.value_len = bytes.len},
                         .only_stamp = index->stamp,
                         .only_absent = index->stamp == 0,
                         .again = true};
    if (index->len == 0) {
      lrd_facts_set_lifetime(history, DELETED_KEPT_MS, -1, &change.facts);
    }
    err = change_write(&change);
  }
  lrd_buf_fini(&bytes);
  return err;
}

larder_err lrd_history_cleared_set(larder_ns *history, lrd_stamp stamp) {
  lrd_history_place place;
  uint8_t bytes[8];
  lrd_put_u64(bytes, stamp);
  place_of_cleared(history, &place);
  lrd_change change = {.verb = LRD_CHANGE_PUT, .op = place.op, .value = bytes, .facts = {.value_len = sizeof bytes}};
  return change_write(&change);
}
