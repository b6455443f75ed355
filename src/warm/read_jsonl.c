/* SPDX-License-Identifier: Apache-2.0 */
/* JSON Lines: an entry is a line, so a bad one costs itself and nothing else. Empty lines are passed over. */
#include "entry_file.h"

static bool is_blank(const char *text, size_t len) {
  for (size_t i = 0; i < len; i++)
    if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r') return false;
  return true;
}

static larder_err line_read(lrd_reader_file *reader, lrd_entry *entry, const char *text, size_t len) {
  lrd_json_doc *doc = &reader->doc;
  larder_err err = lrd_json_parse(doc, text, len);
  if (err == LARDER_ENOMEM) return err;
  if (err != LARDER_OK) {
    unsigned line, column;
    lrd_json_place(text, len, doc->mistake_at, &line, &column);
    lrd_entry_problem(entry, "no JSON: column %u: %s", column, doc->mistake ? doc->mistake : "too long");
    return LARDER_OK;
  }
  if (lrd_json_type_of(doc, 0) != LRD_JSON_OBJECT) {
    lrd_entry_problem(entry, reader->picks ? "a line is an object" : "a line is an object with key and value");
    return LARDER_OK;
  }
  uint32_t trailer = lrd_json_member(doc, 0, "larder_export");
  if (trailer != 0 && lrd_json_member(doc, 0, "key") == 0) {
    lrd_trailer_read(reader, trailer);
    return LARDER_MISS;
  }
  return lrd_reader_object(reader, entry, len);
}

larder_err lrd_jsonl_next(lrd_reader_file *reader, lrd_entry *entry) {
  lrd_source *source = reader->source;
  for (;;) {
    size_t len = 0, end = 0;
    larder_err err = lrd_source_line(source, LRD_ENTRY_TEXT_MAX, &len, &end);
    entry->line = source->line;
    if (err == LARDER_ETOOBIG) {
      lrd_entry_problem(entry, "the line is longer than an entry may be (1 GiB)");
      return lrd_source_line_skip(source);
    }
    if (err != LARDER_OK) return err;
    if (end == 0) {
      reader->state = LRD_READ_END;
      return LARDER_END;
    }
    const char *text = lrd_source_text(source);
    if (!is_blank(text, len)) {
      if (reader->keep_raw) err = lrd_entry_keep_raw(entry, text, len);
      if (err == LARDER_OK) err = line_read(reader, entry, text, len);
      lrd_source_use(source, end);
      if (err != LARDER_MISS) return err;
      lrd_entry_clear(entry);
      continue;
    }
    lrd_source_use(source, end);
  }
}
