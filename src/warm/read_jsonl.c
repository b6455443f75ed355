/* SPDX-License-Identifier: Apache-2.0 */
/* JSON Lines: an entry is a line, so a bad one costs itself and nothing else. Empty lines are passed over. */
#include "entry_file.h"

/* The length of the line in front, without its end. LARDER_ETOOBIG: it does not fit; then it is used up already. */
static larder_err line_find(lrd_source *source, size_t *len_out, size_t *end_out) {
  size_t seen = 0;
  for (;;) {
    const char *text = lrd_source_text(source);
    size_t left = lrd_source_left(source);
    const char *end = left > seen ? memchr(text + seen, '\n', left - seen) : NULL;
    if (end || source->ended) {
      *len_out = end ? (size_t)(end - text) : left;
      *end_out = end ? *len_out + 1 : left;
      return LARDER_OK;
    }
    seen = left;
    larder_err err = lrd_source_more(source, LRD_ENTRY_TEXT_MAX);
    if (err != LARDER_OK) return err;
  }
}

/* Passes over the rest of a line that is too long to be held. */
static larder_err line_skip(lrd_source *source) {
  for (;;) {
    size_t left = lrd_source_left(source);
    const char *text = lrd_source_text(source);
    const char *end = left > 0 ? memchr(text, '\n', left) : NULL;
    lrd_source_use(source, end ? (size_t)(end - text) + 1 : left);
    if (end || source->ended) return LARDER_OK;
    larder_err err = lrd_source_more(source, LRD_ENTRY_TEXT_MAX);
    if (err != LARDER_OK) return err;
  }
}

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
    larder_err err = line_find(source, &len, &end);
    entry->line = source->line;
    if (err == LARDER_ETOOBIG) {
      lrd_entry_problem(entry, "the line is longer than an entry may be (1 GiB)");
      return line_skip(source);
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
