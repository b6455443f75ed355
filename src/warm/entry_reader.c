/* SPDX-License-Identifier: Apache-2.0 */
/* What the three formats share: finding out which one it is, and the order of calls. */
#include "entry_file.h"

#include <stdarg.h>
#include <stdio.h>

void lrd_reader_init(lrd_reader_file *reader, lrd_source *source, larder_format format, bool keep_raw) {
  *reader = (lrd_reader_file){.source = source, .format = format, .keep_raw = keep_raw};
}

larder_format lrd_format_of_path(larder_format format, const char *path) {
  const char *dot = path ? strrchr(path, '.') : NULL;
  if (format != LARDER_FORMAT_AUTO || !dot) return format;
  if (strcmp(dot, ".json") == 0) return LARDER_FORMAT_JSON;
  if (strcmp(dot, ".csv") == 0) return LARDER_FORMAT_CSV;
  return strcmp(dot, ".jsonl") == 0 || strcmp(dot, ".ndjson") == 0 ? LARDER_FORMAT_JSONL : format;
}

void lrd_reader_pick(lrd_reader_file *reader, lrd_picks *picks) { reader->picks = picks; }

larder_err lrd_reader_object(lrd_reader_file *reader, lrd_entry *entry, size_t text_len) {
  larder_err err;
  if (reader->picks) {
    lrd_picks_clear(reader->picks);
    err = lrd_picks_object(reader->picks, &reader->doc, 0);
    return err == LARDER_OK ? reader->picks->finish(reader->picks->context, reader->picks, entry) : err;
  }
  err = lrd_entry_room(entry, text_len);
  if (err == LARDER_OK) err = lrd_entry_from_object(entry, &reader->doc, 0);
  return err == LARDER_OK ? lrd_entry_finish(entry) : err;
}

void lrd_reader_fini(lrd_reader_file *reader) {
  lrd_json_doc_fini(&reader->doc);
  lrd_buf_fini(&reader->header);
  lrd_buf_fini(&reader->names);
  lrd_buf_fini(&reader->cell);
}

larder_err lrd_reader_mistaken(lrd_reader_file *reader, const char *format, ...) {
  va_list args;
  va_start(args, format);
  (void)vsnprintf(reader->mistake, sizeof reader->mistake, format, args);
  va_end(args);
  return LARDER_EFORMAT;
}

#define GUESS_BYTES_MAX ((size_t)1 << 20)

static size_t blanks_at(const char *text, size_t len) {
  size_t at = 0;
  while (at < len && (text[at] == ' ' || text[at] == '\t' || text[at] == '\r' || text[at] == '\n')) at++;
  return at;
}

/* Whether enough is in the window: what comes first, and where it is a `{` its line. */
static bool guess_ready(const lrd_source *source) {
  const char *text = lrd_source_text(source);
  size_t len = lrd_source_left(source), at = blanks_at(text, len);
  if (source->ended || len >= GUESS_BYTES_MAX) return true;
  return at < len && (text[at] != '{' || memchr(text + at, '\n', len - at));
}

/* A `[` begins a document; a `{` may also begin a line: a whole entry, or a trailer. */
static larder_err format_guess(lrd_reader_file *reader) {
  lrd_source *source = reader->source;
  while (!guess_ready(source)) {
    larder_err more = lrd_source_more(source, LRD_ENTRY_TEXT_MAX);
    if (more != LARDER_OK) return more;
  }
  const char *text = lrd_source_text(source);
  size_t len = lrd_source_left(source) < GUESS_BYTES_MAX ? lrd_source_left(source) : GUESS_BYTES_MAX;
  size_t at = blanks_at(text, len);
  reader->format = at == len ? LARDER_FORMAT_JSONL : text[at] == '[' ? LARDER_FORMAT_JSON : LARDER_FORMAT_CSV;
  if (at == len || text[at] != '{') return LARDER_OK;
  const char *end = memchr(text + at, '\n', len - at);
  size_t line = end ? (size_t)(end - text) - at : len - at;
  larder_err err = lrd_json_parse(&reader->doc, text + at, line);
  /* Where the fields have other names, a whole object in the first line is a record. */
  bool entry = err == LARDER_OK &&
               (lrd_json_member(&reader->doc, 0, "key") != 0 || lrd_json_string_is(&reader->doc, 1, "larder_export") ||
                (reader->picks && !lrd_json_member(&reader->doc, 0, "entries")));
  reader->format = entry ? LARDER_FORMAT_JSONL : LARDER_FORMAT_JSON;
  return err == LARDER_ENOMEM ? err : LARDER_OK;
}

larder_err lrd_reader_begin(lrd_reader_file *reader) {
  larder_err err = lrd_source_mark_skip(reader->source);
  if (err != LARDER_OK) return err;
  if (reader->format == LARDER_FORMAT_AUTO) err = format_guess(reader);
  if (err != LARDER_OK) return err;
  reader->first = true;
  if (reader->format == LARDER_FORMAT_CSV) return lrd_csv_begin(reader);
  if (reader->format == LARDER_FORMAT_JSON) return lrd_json_begin(reader);
  reader->state = LRD_READ_LINES;
  return LARDER_OK;
}

larder_err lrd_reader_next(lrd_reader_file *reader, lrd_entry *entry) {
  lrd_entry_clear(entry);
  switch (reader->state) {
  case LRD_READ_LINES:
    return lrd_jsonl_next(reader, entry);
  case LRD_READ_ROWS:
    return lrd_csv_next(reader, entry);
  case LRD_READ_ARRAY:
  case LRD_READ_ENTRIES:
  case LRD_READ_OBJECT:
    return lrd_json_next(reader, entry);
  case LRD_READ_BEGIN:
  case LRD_READ_END:
    break;
  }
  return LARDER_END;
}

void lrd_trailer_read(lrd_reader_file *reader, uint32_t object) {
  lrd_trailer *trailer = &reader->trailer;
  uint32_t node = lrd_json_member(&reader->doc, object, "xxh128");
  trailer->met = true;
  (void)lrd_json_u64_of(&reader->doc, lrd_json_member(&reader->doc, object, "entries"), &trailer->entries);
  if (node != 0 && reader->doc.nodes[node].len < sizeof trailer->sum && !reader->doc.nodes[node].escaped)
    memcpy(trailer->sum, reader->doc.text + reader->doc.nodes[node].at, reader->doc.nodes[node].len);
  if (reader->source->sum) lrd_sum_format(lrd_summing_sum(reader->source->sum), trailer->sum_found);
}
