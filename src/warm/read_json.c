/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A JSON document of any size. Only its outermost level is walked here; each element is delimited by counting brackets
 * outside strings, and read like a line of JSON Lines. So a mistake inside an element costs that one; a mistake between
 * elements ends the import, since there is no telling where the next one begins.
 *
 *   [ entry, entry, … ]                                   an array of entries
 *   { "entries": [ entry, … ], "larder_export": {…} }     what an export writes
 *   { "key": value, "key": value, … }                     else names are keys; passed over where records are read
 */
#include "entry_file.h"

#include "stats/json_writer.h"

/* Where the element that begins in front ends. */
typedef struct element_scan {
  size_t at;
  unsigned depth;
  bool in_string;
  bool escape;
  bool scalar;
} element_scan;

static bool ends_scalar(char c) { return c == ',' || c == ']' || c == '}' || c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

/* True when the element ends before scan->at. */
static bool element_go(element_scan *scan, const char *text, size_t len) {
  if (scan->at == 0 && len > 0) scan->scalar = text[0] != '{' && text[0] != '[' && text[0] != '"';
  for (; scan->at < len; scan->at++) {
    char c = text[scan->at];
    if (scan->scalar) {
      if (ends_scalar(c)) return true;
    } else if (scan->in_string) {
      if (scan->escape)
        scan->escape = false;
      else if (c == '\\')
        scan->escape = true;
      else if (c == '"')
        scan->in_string = false;
      if (!scan->in_string && scan->depth == 0) {
        scan->at++;
        return true;
      }
    } else if (c == '"') {
      scan->in_string = true;
    } else if (c == '{' || c == '[') {
      scan->depth++;
    } else if ((c == '}' || c == ']') && --scan->depth == 0) {
      scan->at++;
      return true;
    }
  }
  return false;
}

/* The length of the element in front, which the end of the file may cut short. */
static larder_err element_find(lrd_source *source, size_t *len_out) {
  element_scan scan = {0};
  while (!element_go(&scan, lrd_source_text(source), lrd_source_left(source))) {
    if (source->ended) break;
    larder_err err = lrd_source_more(source, LRD_ENTRY_TEXT_MAX);
    if (err != LARDER_OK) return err;
  }
  *len_out = scan.at;
  return LARDER_OK;
}

/* Uses white space; *c_out is what comes then, 0 at the end. */
static larder_err space_use(lrd_source *source, char *c_out) {
  for (;;) {
    const char *text = lrd_source_text(source);
    size_t left = lrd_source_left(source), at = 0;
    while (at < left && (text[at] == ' ' || text[at] == '\n' || text[at] == '\r' || text[at] == '\t')) at++;
    lrd_source_use(source, at);
    if (at < left || source->ended) {
      *c_out = at < left ? text[at] : '\0';
      return LARDER_OK;
    }
    larder_err err = lrd_source_more(source, LRD_ENTRY_TEXT_MAX);
    if (err != LARDER_OK) return err;
  }
}

static larder_err expected(lrd_reader_file *reader, const char *what) {
  return lrd_reader_mistaken(reader, "line %llu: %s is expected", (unsigned long long)reader->source->line, what);
}

larder_err lrd_json_begin(lrd_reader_file *reader) {
  char c = 0;
  larder_err err = space_use(reader->source, &c);
  if (err != LARDER_OK) return err;
  if (c != '[' && c != '{') return expected(reader, "an array of entries, or an object,");
  reader->state = c == '[' ? LRD_READ_ARRAY : LRD_READ_OBJECT;
  lrd_source_use(reader->source, 1);
  return LARDER_OK;
}

/* Behind the last bracket there is nothing. */
static larder_err document_end(lrd_reader_file *reader) {
  char c = 0;
  larder_err err = space_use(reader->source, &c);
  if (err != LARDER_OK) return err;
  if (c != '\0' || lrd_source_left(reader->source) > 0) return expected(reader, "the end of the file");
  reader->state = LRD_READ_END;
  return LARDER_END;
}

/* Before an element: the comma, or the closing bracket. LARDER_OK, or LARDER_MISS when the container has ended. */
static larder_err element_begin(lrd_reader_file *reader, char closer) {
  char c = 0;
  larder_err err = space_use(reader->source, &c);
  if (err != LARDER_OK) return err;
  if (c == closer) {
    lrd_source_use(reader->source, 1);
    return LARDER_MISS;
  }
  if (!reader->first) {
    if (c != ',') return expected(reader, closer == ']' ? "a comma or ]" : "a comma or }");
    lrd_source_use(reader->source, 1);
    err = space_use(reader->source, &c);
  }
  reader->first = false;
  if (err == LARDER_OK && (c == '\0' || c == closer || c == ',')) return expected(reader, "an entry");
  return err;
}

static larder_err element_parse(lrd_reader_file *reader, lrd_entry *entry, size_t len) {
  const char *text = lrd_source_text(reader->source);
  lrd_json_doc *doc = &reader->doc;
  larder_err err = lrd_json_parse(doc, text, len);
  if (err == LARDER_OK || err == LARDER_ENOMEM) return err;
  unsigned line, column;
  lrd_json_place(text, len, doc->mistake_at, &line, &column);
  lrd_entry_problem(entry, "no JSON: line %llu: %s", (unsigned long long)reader->source->line + line - 1,
                    doc->mistake ? doc->mistake : "too long");
  return LARDER_MISS;
}

/* The element in front, as an entry. */
static larder_err entry_read(lrd_reader_file *reader, lrd_entry *entry) {
  lrd_source *source = reader->source;
  size_t len = 0;
  larder_err err = element_find(source, &len);
  entry->line = source->line;
  if (err == LARDER_ETOOBIG) return lrd_reader_mistaken(reader, "an entry is longer than may be (1 GiB)");
  if (err == LARDER_OK && reader->keep_raw) err = lrd_entry_keep_raw(entry, lrd_source_text(source), len);
  if (err == LARDER_OK) err = element_parse(reader, entry, len);
  if (err == LARDER_OK && lrd_json_type_of(&reader->doc, 0) != LRD_JSON_OBJECT) {
    lrd_entry_problem(entry, reader->picks ? "a record is an object" : "an entry is an object with key and value");
    err = LARDER_MISS;
  }
  if (err == LARDER_OK) err = lrd_reader_object(reader, entry, len);
  if (err == LARDER_OK || err == LARDER_MISS) lrd_source_use(source, len);
  return err == LARDER_MISS ? LARDER_OK : err;
}

/* The value of a member whose name is in entry->key already. */
static larder_err value_read(lrd_reader_file *reader, lrd_entry *entry) {
  lrd_json_doc *doc = &reader->doc;
  size_t at = entry->scratch.len;
  larder_err err;
  if (lrd_json_type_of(doc, 0) == LRD_JSON_STRING) {
    err = lrd_json_string_append(doc, 0, &entry->scratch);
  } else {
    err = lrd_buf_append(&entry->scratch, doc->text + doc->nodes[0].at, doc->nodes[0].len);
    entry->kind = LARDER_KIND_JSON;
  }
  if (err != LARDER_OK) return err;
  entry->value = lrd_span_of(entry->scratch.data + at, entry->scratch.len - at);
  return lrd_entry_finish(entry);
}

/* A member as a line of JSON Lines, for the rejects. The name and the value still stand in front. */
static larder_err member_keep_raw(lrd_reader_file *reader, lrd_entry *entry, size_t len) {
  lrd_json json;
  lrd_buf line = {0};
  lrd_json_init(&json, &line, false);
  lrd_json_object_begin(&json);
  lrd_json_key(&json, "key");
  lrd_json_bytes(&json, reader->cell.data, reader->cell.len);
  lrd_json_key(&json, "value");
  lrd_json_raw(&json, lrd_source_text(reader->source), len);
  lrd_json_object_end(&json);
  larder_err err = json.err == LARDER_OK ? lrd_entry_keep_raw(entry, (const char *)line.data, line.len) : json.err;
  lrd_buf_fini(&line);
  return err;
}

/* Uses `"name" :`; the name goes into the reader's cell. */
static larder_err name_read(lrd_reader_file *reader) {
  lrd_source *source = reader->source;
  size_t len = 0;
  char c = 0;
  larder_err err = space_use(source, &c);
  if (err == LARDER_OK && c != '"') return expected(reader, "a name in quotes");
  if (err == LARDER_OK) err = element_find(source, &len);
  if (err == LARDER_ETOOBIG) return lrd_reader_mistaken(reader, "a name is longer than an entry may be (1 GiB)");
  if (err != LARDER_OK) return err;
  err = lrd_json_parse(&reader->doc, lrd_source_text(source), len);
  if (err == LARDER_ENOMEM) return err;
  if (err != LARDER_OK) return expected(reader, "a name in quotes");
  lrd_buf_clear(&reader->cell);
  err = lrd_json_string_append(&reader->doc, 0, &reader->cell);
  if (err != LARDER_OK) return err;
  lrd_source_use(source, len);
  err = space_use(source, &c);
  if (err == LARDER_OK && c != ':') return expected(reader, "a colon");
  if (err != LARDER_OK) return err;
  lrd_source_use(source, 1);
  return space_use(source, &c);
}

static bool name_is(const lrd_reader_file *reader, const char *text) {
  return lrd_span_equal(lrd_span_of(reader->cell.data, reader->cell.len), lrd_span_str(text));
}

/* A member of the outermost object. LARDER_MISS: it was none of the entries. */
static larder_err member_read(lrd_reader_file *reader, lrd_entry *entry) {
  lrd_source *source = reader->source;
  size_t len = 0;
  lrd_trailer before = reader->trailer;
  if (source->sum) lrd_sum_format(lrd_summing_sum(source->sum), before.sum_found);
  entry->line = source->line;
  larder_err err = name_read(reader);
  if (err != LARDER_OK) return err;
  bool trailer = name_is(reader, "larder_export");
  if (name_is(reader, "entries") && lrd_source_left(source) > 0 && *lrd_source_text(source) == '[') {
    lrd_source_use(source, 1);
    reader->state = LRD_READ_ENTRIES;
    reader->first = true;
    return LARDER_MISS;
  }
  err = element_find(source, &len);
  if (err == LARDER_ETOOBIG) return lrd_reader_mistaken(reader, "a value is longer than an entry may be (1 GiB)");
  if (err != LARDER_OK) return err;
  if (reader->keep_raw && !trailer && !reader->picks) err = member_keep_raw(reader, entry, len);
  if (err == LARDER_OK) err = lrd_entry_room(entry, len + reader->cell.len);
  size_t at = entry->scratch.len;
  if (err == LARDER_OK) err = lrd_buf_append(&entry->scratch, reader->cell.data, reader->cell.len);
  if (err != LARDER_OK) return err;
  entry->key = lrd_span_of(entry->scratch.data + at, reader->cell.len);
  err = element_parse(reader, entry, len);
  if (reader->picks && !trailer && (err == LARDER_OK || err == LARDER_MISS)) {
    lrd_source_use(source, len);
    return LARDER_MISS;
  }
  if (err == LARDER_OK && trailer) {
    lrd_trailer_read(reader, 0);
    memcpy(reader->trailer.sum_found, before.sum_found, sizeof before.sum_found);
  } else if (err == LARDER_OK) {
    err = value_read(reader, entry);
  } else if (err == LARDER_MISS) {
    err = LARDER_OK; /* told as the entry's problem */
  }
  if (err == LARDER_OK) lrd_source_use(source, len);
  return err == LARDER_OK && trailer ? LARDER_MISS : err;
}

larder_err lrd_json_next(lrd_reader_file *reader, lrd_entry *entry) {
  for (;;) {
    larder_err err = element_begin(reader, reader->state == LRD_READ_OBJECT ? '}' : ']');
    if (err == LARDER_OK && reader->state != LRD_READ_OBJECT) return entry_read(reader, entry);
    if (err == LARDER_OK) {
      err = member_read(reader, entry);
      if (err != LARDER_MISS) return err;
      lrd_entry_clear(entry);
      continue;
    }
    if (err != LARDER_MISS) return err;
    if (reader->state != LRD_READ_ENTRIES) {
      if (reader->picks && reader->state == LRD_READ_OBJECT && !reader->entries_met)
        return lrd_reader_mistaken(reader, "it is an object without the array \"entries\"; an array of records is expected");
      return document_end(reader);
    }
    reader->entries_met = true;
    reader->state = LRD_READ_OBJECT;
    reader->first = false;
  }
}
