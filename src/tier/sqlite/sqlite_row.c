/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One row: its checksum, its cost, and its packed head.
 *
 * `sum` covers hash, space, stamp, both expiries, flags, lengths, the blob's name, the key, the head and `vsum`, the
 * checksum of the value. So the facts are verified without the value, and a touch needs no re-reading of it. Access
 * time and count are not covered: they are written in place and harm nobody.
 *
 * head: one byte of version length, the version, two bytes of metadata length, the metadata, then the tags as they come.
 */
#include "sqlite_inner.h"

uint64_t lrd_sqlite_row_sum(const sqlite_row *row) {
  uint64_t part[12] = {row->hash,
                       row->space,
                       row->stamp,
                       (uint64_t)row->soft_ms,
                       (uint64_t)row->hard_ms,
                       row->flags,
                       row->value_len,
                       row->value_sum,
                       row->blob_stamp,
                       lrd_sum64(row->key, row->key_len),
                       lrd_sum64(row->head, row->head_len),
                       row->key_len};
  return lrd_sum64(part, sizeof part);
}

/*
 * What a row takes from the disk. 90 bytes of row and cell header; a quarter on top for what B-tree pages leave free when
 * keys arrive in random order (measured: 77 % full), half for rows of which few fit a page; rows beyond a page take whole
 * pages, files whole blocks.
 */
uint64_t lrd_sqlite_row_cost(const sqlite_row *row) {
  uint64_t cell = 90 + row->key_len + row->head_len;
  uint64_t file = 0;
  if (row->flags & ROW_BLOB)
    file = (row->value_len + 4095) / 4096 * 4096;
  else
    cell += row->value_len;
  uint64_t const page = LRD_SQLITE_PAGE_BYTES;
  if (cell > page - 35)
    cell = (cell + page - 1) / page * page + page / 4;
  else
    cell += cell > page / 5 ? cell / 2 : cell / 4;
  if (row->flags & ROW_TAGGED) cell += row->head_len + 128;
  return cell + file;
}

/* The columns that every statement over entries begins with, in this order. */
void lrd_sqlite_row_from_statement(sqlite3_stmt *s, sqlite_row *row) {
  row->hash = hash_of(sqlite3_column_int64(s, 0));
  row->space = (uint32_t)sqlite3_column_int64(s, 1);
  row->stamp = (uint64_t)sqlite3_column_int64(s, 2);
  row->soft_ms = sqlite3_column_int64(s, 3);
  row->hard_ms = sqlite3_column_int64(s, 4);
  row->flags = (uint64_t)sqlite3_column_int64(s, 5);
  row->used_ms = sqlite3_column_int64(s, 6);
  row->uses = (uint64_t)sqlite3_column_int64(s, 7);
  row->sum = (uint64_t)sqlite3_column_int64(s, 8);
  row->value_sum = (uint64_t)sqlite3_column_int64(s, 9);
  row->value_len = (uint64_t)sqlite3_column_int64(s, 10);
  row->blob_stamp = (uint64_t)sqlite3_column_int64(s, 11);
  row->key = sqlite3_column_blob(s, 12);
  row->key_len = (size_t)sqlite3_column_bytes(s, 12);
  row->head = sqlite3_column_blob(s, 13);
  row->head_len = (size_t)sqlite3_column_bytes(s, 13);
}

larder_err lrd_sqlite_row_head_pack(const larder_facts *facts, uint8_t **out, size_t *len_out) {
  if (facts->version_len > LARDER_VERSION_MAX || facts->meta_len > LARDER_META_MAX) return LARDER_EINVAL;
  if (facts->version_len + facts->meta_len + facts->tags_len == 0) {
    *out = NULL;
    *len_out = 0;
    return LARDER_OK;
  }
  size_t const len = 3 + facts->version_len + facts->meta_len + facts->tags_len;
  uint8_t *head = lrd_alloc(len);
  if (head == NULL) return LARDER_ENOMEM;
  uint8_t *at = head;
  *at++ = (uint8_t)facts->version_len;
  if (facts->version_len != 0) memcpy(at, facts->version, facts->version_len);
  at += facts->version_len;
  lrd_put_u16(at, (uint16_t)facts->meta_len);
  at += 2;
  if (facts->meta_len != 0) memcpy(at, facts->meta, facts->meta_len);
  at += facts->meta_len;
  if (facts->tags_len != 0) memcpy(at, facts->tags, facts->tags_len);
  *out = head;
  *len_out = len;
  return LARDER_OK;
}

/* Fills version, meta and tags with pointers into head; false when its lengths do not fit. */
bool lrd_sqlite_row_head_unpack(const void *head, size_t len, larder_facts *facts) {
  facts->version = NULL;
  facts->meta = NULL;
  facts->tags = NULL;
  facts->version_len = facts->meta_len = facts->tags_len = 0;
  if (len == 0) return true;
  const uint8_t *at = head;
  const uint8_t *end = at + len;
  if (len < 3 || (size_t)at[0] + 3 > len) return false;
  facts->version_len = at[0];
  if (facts->version_len != 0) facts->version = (const char *)at + 1;
  at += 1 + facts->version_len;
  facts->meta_len = lrd_get_u16(at);
  at += 2;
  if (facts->meta_len > (size_t)(end - at)) return false;
  if (facts->meta_len != 0) facts->meta = at;
  at += facts->meta_len;
  facts->tags_len = (size_t)(end - at);
  if (facts->tags_len != 0) facts->tags = (const char *)at;
  for (size_t tag = 0; tag < facts->tags_len; tag += 1u + (uint8_t)facts->tags[tag])
    if ((uint8_t)facts->tags[tag] == 0 || tag + 1u + (uint8_t)facts->tags[tag] > facts->tags_len) return false;
  return true;
}

bool lrd_sqlite_row_facts(const sqlite_row *row, larder_facts *facts) {
  *facts = (larder_facts){.stamp = row->stamp,
                          .expires_soft_ms = row->soft_ms,
                          .expires_hard_ms = row->hard_ms,
                          .value_len = row->value_len,
                          .kind = (larder_kind)(row->flags & ROW_KIND_MASK),
                          .tombstone = (row->flags & ROW_TOMBSTONE) != 0,
                          .framed = (row->flags & ROW_FRAMED) != 0,
                          .raw_len = row->flags & ROW_FRAMED ? row->flags >> ROW_RAW_SHIFT : row->value_len,
                          .access_count = row->uses,
                          .accessed_ms = row->used_ms};
  return lrd_sqlite_row_head_unpack(row->head, row->head_len, facts);
}
