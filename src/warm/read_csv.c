/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CSV as RFC 4180 has it: the first record names the columns; a field in quotes may hold commas, line ends and doubled
 * quotes; lines end with LF or CRLF. A record with a wrong number of fields, or a quote where none may be, costs itself.
 */
#include "config/mistakes.h"
#include "csv_field.h"
#include "entry_file.h"
#include <larder/nearest.h>

static bool has_column(const lrd_reader_file *reader, const char *name) {
  for (size_t i = 0; i < reader->columns_len; i++)
    if (strcmp((const char *)reader->names.data + reader->columns[i], name) == 0) return true;
  return false;
}

static larder_err column_add(lrd_reader_file *reader) {
  if (reader->columns_len == LRD_FILE_FIELDS)
    return lrd_reader_mistaken(reader, "it has more than %u columns", LRD_FILE_FIELDS);
  if (reader->cell.len > 0 && memchr(reader->cell.data, 0, reader->cell.len))
    return lrd_reader_mistaken(reader, "the name of column %zu holds a NUL", reader->columns_len + 1);
  reader->columns[reader->columns_len] = (uint32_t)reader->names.len;
  larder_err err = lrd_buf_append(&reader->names, reader->cell.data, reader->cell.len);
  if (err == LARDER_OK) err = lrd_buf_append_byte(&reader->names, 0);
  if (err != LARDER_OK) return err;
  const char *name = (const char *)reader->names.data + reader->columns[reader->columns_len];
  /* Spreadsheets leave columns without a name behind. */
  if (*name && has_column(reader, name)) return lrd_reader_mistaken(reader, "two columns are named %.60s", name);
  reader->columns_len++;
  return LARDER_OK;
}

static larder_err pick_missed(lrd_reader_file *reader, const lrd_pick *pick) {
  larder_nearest near = {.wanted = pick->name};
  /* What is near to a variable's value would tell it. */
  for (size_t i = 0; i < reader->columns_len && pick->shown == pick->name; i++)
    larder_nearest_offer(&near, (const char *)reader->names.data + reader->columns[i]);
  const char *name = larder_nearest_best(&near);
  return lrd_reader_mistaken(reader, "the first row has to name the columns, and has no %.60s%s%.60s%s%s", pick->shown,
                             name ? "; is " : "", name ? name : "", name ? " meant?" : "",
                             pick->configured ? " (so the configuration says; options or --entries say otherwise)" : "");
}

/* Every field that is wanted by name has to be a column. */
static larder_err picks_check(lrd_reader_file *reader) {
  for (size_t i = 0; i < reader->picks->len; i++)
    if (!has_column(reader, reader->picks->picks[i].name)) return pick_missed(reader, &reader->picks->picks[i]);
  return LARDER_OK;
}

static larder_err columns_check(lrd_reader_file *reader) {
  const char *header = reader->header.data ? (const char *)reader->header.data : "";
  size_t len = reader->header.len;
  /* Lines of a kind that nobody has written for twenty years, which make one row of all. */
  if (memchr(header, '\r', len))
    return lrd_reader_mistaken(reader, "a carriage return stands in the row of names; lines end with LF or CRLF");
  if (reader->columns_len == 1 && (memchr(header, ';', len) || memchr(header, '\t', len)))
    return lrd_reader_mistaken(reader, "the row of names holds no comma; fields are parted by commas");
  if (reader->picks) return picks_check(reader);
  if (has_column(reader, "key") && has_column(reader, "value")) return LARDER_OK;
  return lrd_reader_mistaken(reader, "the first row has to name the columns, key and value among them");
}

larder_err lrd_csv_begin(lrd_reader_file *reader) {
  lrd_source *source = reader->source;
  size_t len = 0, end = 0;
  larder_err err = lrd_source_record(source, LRD_ENTRY_TEXT_MAX, &len, &end);
  if (err == LARDER_ETOOBIG) return lrd_reader_mistaken(reader, "the row of names is longer than 1 GiB");
  if (err == LARDER_OK) err = lrd_buf_append(&reader->header, lrd_source_text(source), len);
  if (err != LARDER_OK) return err;
  const char *at = lrd_source_text(source), *stop = at + len, *mistake = NULL;
  bool more = len > 0;
  while (more && err == LARDER_OK) {
    err = lrd_csv_field(&at, stop, &reader->cell, &more, &mistake);
    if (err == LARDER_EFORMAT) err = lrd_reader_mistaken(reader, "the row of names: %s", mistake);
    if (err == LARDER_OK) err = column_add(reader);
  }
  if (err == LARDER_OK) err = columns_check(reader);
  if (err != LARDER_OK) return err;
  lrd_source_use(source, end);
  reader->state = LRD_READ_ROWS;
  return LARDER_OK;
}

static larder_err cell_take(lrd_reader_file *reader, lrd_entry *entry, size_t column) {
  const char *name = (const char *)reader->names.data + reader->columns[column];
  const char *cell = reader->cell.len > 0 ? (const char *)reader->cell.data : "";
  if (reader->picks) return lrd_picks_cell(reader->picks, name, cell, reader->cell.len);
  return lrd_entry_set_cell(entry, name, cell, reader->cell.len);
}

static larder_err record_finish(lrd_reader_file *reader, lrd_entry *entry) {
  if (!reader->picks) return lrd_entry_finish(entry);
  larder_err err = lrd_picks_cells_end(reader->picks);
  if (err != LARDER_OK || entry->problem[0] != '\0') return err;
  return reader->picks->finish(reader->picks->context, reader->picks, entry);
}

static larder_err record_read(lrd_reader_file *reader, lrd_entry *entry, const char *text, size_t len) {
  const char *at = text, *end = text + len, *mistake = NULL;
  bool more = true;
  size_t column = 0;
  larder_err err = reader->picks ? LARDER_OK : lrd_entry_room(entry, len);
  if (reader->picks) lrd_picks_clear(reader->picks);
  while (more && err == LARDER_OK) {
    err = lrd_csv_field(&at, end, &reader->cell, &more, &mistake);
    if (err == LARDER_EFORMAT) {
      lrd_entry_problem(entry, "%s", mistake);
      return LARDER_OK;
    }
    if (err == LARDER_OK && column < reader->columns_len) err = cell_take(reader, entry, column);
    column++;
  }
  if (err == LARDER_OK && column != reader->columns_len)
    lrd_entry_problem(entry, "it has %zu fields; there are %zu columns", column, reader->columns_len);
  return err == LARDER_OK ? record_finish(reader, entry) : err;
}

larder_err lrd_csv_next(lrd_reader_file *reader, lrd_entry *entry) {
  lrd_source *source = reader->source;
  for (;;) {
    size_t len = 0, end = 0;
    larder_err err = lrd_source_record(source, LRD_ENTRY_TEXT_MAX, &len, &end);
    if (err == LARDER_ETOOBIG)
      return lrd_reader_mistaken(reader,
                                 "line %llu: a record is longer than an entry may be (1 GiB); do the quotes of its fields end?",
                                 (unsigned long long)source->line);
    if (err != LARDER_OK) return err;
    if (end == 0) {
      reader->state = LRD_READ_END;
      return LARDER_END;
    }
    const char *text = lrd_source_text(source);
    entry->line = source->line;
    if (len > 0) {
      if (reader->keep_raw) err = lrd_entry_keep_raw(entry, text, len);
      if (err == LARDER_OK) err = record_read(reader, entry, text, len);
      lrd_source_use(source, end);
      return err;
    }
    lrd_source_use(source, end);
  }
}
