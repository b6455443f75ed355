/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CSV as RFC 4180 has it, a row a request. The first row names the columns if one of them is the key's name (`key`, where none
 * is given); else it is a request like the others and its first cell the key. Columns may also be given by their number,
 * from 1: then there is no row of names. A row with fewer cells than are wanted is a mistake; more are no harm.
 */
#include "base/fail.h"
#include "trace_inner.h"
#include "warm/csv_field.h"
#include <larder/nearest.h>

#define CELLS_MAX 1024u
#define ABSENT    UINT32_MAX

typedef struct table {
  lrd_trace_reading *reading;
  uint32_t key;  /* column, from 0 */
  uint32_t size; /* likewise, or ABSENT */
  lrd_buf key_cell;
  lrd_buf size_cell;
  lrd_buf cell;
} table;

/* --- cells ------------------------------------------------------------------------------------------------------------ */

/* Length of the record in front with its line end, and without; both 0 at the end of the file. */
static larder_err record_find(lrd_trace_reading *reading, size_t *len_out, size_t *end_out) {
  larder_err err = lrd_source_record(reading->source, LRD_TRACE_LINE_MAX, len_out, end_out);
  if (err != LARDER_ETOOBIG) return err;
  return lrd_trace_mistaken(reading, "the row is longer than %zu MiB; do its quotes end?", LRD_TRACE_LINE_MAX >> 20);
}

/* Takes a cell off the front; *more: another one follows. */
static larder_err cell_take(lrd_trace_reading *reading, const char **at, const char *end, lrd_buf *out, bool *more) {
  const char *mistake = NULL;
  larder_err err = lrd_csv_field(at, end, out, more, &mistake);
  return err == LARDER_EFORMAT ? lrd_trace_mistaken(reading, "%s", mistake) : err;
}

/* --- columns ---------------------------------------------------------------------------------------------------------- */

/* Whether a field is a number of a column; *out counts from 0. */
static bool column_number(const char *field, uint32_t *out) {
  uint32_t number = 0;
  for (const char *at = field; *at; at++) {
    if (*at < '0' || *at > '9' || number > CELLS_MAX) return false;
    number = number * 10 + (uint32_t)(*at - '0');
  }
  if (number == 0 || number > CELLS_MAX) return false;
  *out = number - 1;
  return true;
}

typedef struct header {
  uint32_t key;
  uint32_t size;
  larder_nearest near_key;
  larder_nearest near_size;
} header;

/* Looks for the names in the row in front. */
static larder_err header_search(table *t, const char *text, size_t len, const char *key, const char *size, header *found) {
  const char *at = text, *end = text + len;
  bool more = true;
  *found = (header){.key = ABSENT, .size = ABSENT};
  found->near_key.wanted = key;
  found->near_size.wanted = size;
  for (uint32_t column = 0; more && column < CELLS_MAX; column++) {
    larder_err err = cell_take(t->reading, &at, end, &t->cell, &more);
    if (err == LARDER_OK) err = lrd_buf_terminate(&t->cell);
    if (err != LARDER_OK) return err;
    const char *name = (const char *)t->cell.data;
    if (found->key == ABSENT && strcmp(name, key) == 0) found->key = column;
    if (found->size == ABSENT && strcmp(name, size) == 0) found->size = column;
    larder_nearest_offer(&found->near_key, name);
    larder_nearest_offer(&found->near_size, name);
  }
  return LARDER_OK;
}

static larder_err column_missing(const table *t, const char *wanted, const larder_nearest *near) {
  const char *name = larder_nearest_best(near);
  return lrd_trace_mistaken(t->reading, "the first row has to name the columns, and has no %.60s%s%.60s%s", wanted,
                            name ? "; is " : "", name ? name : "", name ? " meant?" : "");
}

/* Which columns are meant, from the options and the row in front; *names_out: it is a row of names. */
static larder_err columns_find(table *t, const char *text, size_t len, bool *names_out) {
  const larder_trace_options *options = t->reading->options;
  bool by_number = options->key_field && column_number(options->key_field, &t->key);
  *names_out = false;
  if (by_number || (options->size_field && column_number(options->size_field, &t->size))) {
    bool key_named = options->key_field && !by_number;
    if (key_named || (options->size_field && !column_number(options->size_field, &t->size)))
      return lrd_fail(t->reading->err, LARDER_EINVAL, 0, LRD_TRACE_ROOM,
                      "give both columns by number, or both by name: \"%s\" and \"%s\"", options->key_field,
                      options->size_field);
    return LARDER_OK;
  }
  const char *key = options->key_field ? options->key_field : "key";
  const char *size = options->size_field ? options->size_field : "size";
  header found;
  larder_err err = header_search(t, text, len, key, size, &found);
  if (err != LARDER_OK) return err;
  if (found.key == ABSENT && (options->key_field || options->size_field)) return column_missing(t, key, &found.near_key);
  if (found.key == ABSENT) return LARDER_OK;
  if (found.size == ABSENT && options->size_field) return column_missing(t, size, &found.near_size);
  t->key = found.key;
  t->size = found.size;
  *names_out = true;
  return LARDER_OK;
}

/* --- rows ------------------------------------------------------------------------------------------------------------- */

static larder_err row_take(table *t, const char *text, size_t len) {
  const char *at = text, *end = text + len;
  uint32_t last = t->size != ABSENT && t->size > t->key ? t->size : t->key;
  uint64_t size = 0;
  bool more = true;
  for (uint32_t column = 0; column <= last; column++) {
    if (!more)
      return lrd_trace_mistaken(t->reading, "the row has %u %s; column %u is wanted", column, column == 1 ? "cell" : "cells",
                                last + 1);
    lrd_buf *cell = column == t->key ? &t->key_cell : column == t->size ? &t->size_cell : &t->cell;
    larder_err err = cell_take(t->reading, &at, end, cell, &more);
    if (err != LARDER_OK) return err;
  }
  if (t->size != ABSENT) {
    const char *digits = t->size_cell.len > 0 ? (const char *)t->size_cell.data : "";
    larder_err err = lrd_trace_size_parse(t->reading, digits, t->size_cell.len, &size);
    if (err != LARDER_OK) return err;
    if (size == 0) size = 1;
  }
  return lrd_trace_add_key(t->reading, t->key_cell.data, t->key_cell.len, size);
}

larder_err lrd_trace_read_table(lrd_trace_reading *reading) {
  table t = {.reading = reading, .size = ABSENT};
  larder_err err = LARDER_OK;
  bool first = true;
  while (err == LARDER_OK && !reading->enough) {
    size_t len = 0, end = 0;
    bool names = false;
    err = record_find(reading, &len, &end);
    if (err != LARDER_OK || end == 0) break;
    const char *text = lrd_source_text(reading->source);
    if (len > 0 && first) {
      err = columns_find(&t, text, len, &names);
      first = false;
    }
    if (err == LARDER_OK && len > 0 && !names) err = row_take(&t, text, len);
    if (err == LARDER_OK) lrd_source_use(reading->source, end);
  }
  lrd_buf_fini(&t.key_cell);
  lrd_buf_fini(&t.size_cell);
  lrd_buf_fini(&t.cell);
  return err;
}
