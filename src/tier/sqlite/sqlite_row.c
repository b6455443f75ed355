/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One row: its checksum and its cost.
 *
 * `sum` covers hash, space, stamp, both expiries, flags, lengths, the blob's name, the key, the head and `vsum`, the
 * checksum of the value. So the facts are verified without the value, and a touch needs no re-reading of it. Access
 * time and count are not covered: they are written in place and harm nobody.
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
  return lrd_facts_head_unpack(row->head, row->head_len, facts);
}
