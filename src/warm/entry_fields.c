/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One entry's members. Texts are unescaped into the entry's scratch, in which room for all of them has been made before, so
 * that spans stay where they are. What is wrong is kept as the entry's problem and reading goes on: the first one counts.
 */
#include "entry_file.h"

#include "base/quantity.h"
#include "base/redact.h"
#include "base64.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define SCRATCH_KEPT ((size_t)64 << 10)

typedef enum field {
  FIELD_NS,
  FIELD_KEY,
  FIELD_VALUE,
  FIELD_KIND,
  FIELD_VERSION,
  FIELD_TAGS,
  FIELD_META,
  FIELD_TTL,
  FIELD_FRESH,
  FIELD_KEEP,
  FIELD_STAMP,
  FIELD_MODIFIED,
  FIELD_REDACTED,
  FIELD_KEY_ENCODING,
  FIELD_VALUE_ENCODING,
  FIELD_META_ENCODING,
  FIELD_OTHER
} field;

static const char *const field_names[] = {"ns",       "key",          "value",          "kind",          "version", "tags",
                                          "meta",     "ttl",          "fresh_until_ms", "keep_until_ms", "stamp",   "modified",
                                          "redacted", "key_encoding", "value_encoding", "meta_encoding"};

static const char *const kinds[] = {"bytes", "text", "json", "array", "model", "wisdom"};

void lrd_entry_fini(lrd_entry *entry) { lrd_buf_fini(&entry->scratch); }

void lrd_entry_clear(lrd_entry *entry) {
  lrd_buf scratch = entry->scratch;
  if (scratch.cap > SCRATCH_KEPT) lrd_buf_fini(&scratch);
  lrd_buf_clear(&scratch);
  *entry = (lrd_entry){.scratch = scratch};
}

larder_err lrd_entry_room(lrd_entry *entry, size_t text_len) {
  /* Unescaping never lengthens; each text may get a NUL; a number or the raw text may be copied beside it. */
  return lrd_buf_reserve(&entry->scratch, 2 * text_len + 4 * LRD_FILE_FIELDS);
}

larder_err lrd_entry_grow(lrd_entry *entry, size_t more) {
  larder_err err = lrd_buf_reserve(&entry->scratch, more);
  /* The raw text stands at the front. */
  if (err == LARDER_OK && entry->raw.data) entry->raw.data = entry->scratch.data;
  return err;
}

larder_err lrd_entry_keep_raw(lrd_entry *entry, const char *text, size_t len) {
  /* Twice the room, so that making room again moves nothing. */
  larder_err err = lrd_entry_room(entry, 2 * len + 4 * LRD_FILE_FIELDS);
  if (err == LARDER_OK) err = lrd_buf_append(&entry->scratch, text, len);
  if (err == LARDER_OK) entry->raw = lrd_span_of(entry->scratch.data, len);
  return err;
}

void lrd_entry_problem(lrd_entry *entry, const char *format, ...) {
  va_list args;
  if (entry->problem[0] != '\0') return;
  va_start(args, format);
  (void)vsnprintf(entry->problem, sizeof entry->problem, format, args);
  va_end(args);
}

/* Bits of entry->base64, in the order of the fields of encodings. */
enum { KEY_BASE64 = 1, VALUE_BASE64 = 2, META_BASE64 = 4 };

static void encoding_set(lrd_entry *entry, field which, const char *text) {
  uint8_t bit = (uint8_t)(1u << (which - FIELD_KEY_ENCODING));
  entry->base64 &= (uint8_t)~bit;
  if (strcmp(text, "base64") == 0)
    entry->base64 |= bit;
  else if (strcmp(text, "utf-8") != 0 && *text)
    lrd_entry_problem(entry, "%s is utf-8 or base64, not %.40s", field_names[which], text);
}

void lrd_entry_set_ttl(lrd_entry *entry, const char *text) {
  int64_t ms = 0;
  if (strcmp(text, "never") == 0)
    entry->ttl_ms = LARDER_TTL_NEVER;
  else if (lrd_duration_parse(text, 1000, &ms) == LARDER_OK && ms > 0)
    entry->ttl_ms = ms;
  else
    lrd_entry_problem(entry, "ttl is a time such as 90s or 7d, a number of seconds, or never, not %.40s", text);
}

static void kind_set(lrd_entry *entry, const char *text) {
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    if (strcmp(text, kinds[i]) != 0) continue;
    entry->kind = (larder_kind)i;
    entry->kind_given = true;
    return;
  }
  lrd_entry_problem(entry, "kind is one of bytes text json array model wisdom, not %.40s", text);
}

static void number_set(lrd_entry *entry, field which, const char *text) {
  char *end = NULL;
  errno = 0;
  unsigned long long number = strtoull(text, &end, 10);
  if (errno != 0 || *text < '0' || *text > '9' || *end || (which != FIELD_STAMP && number > INT64_MAX)) {
    lrd_entry_problem(entry, "%s is a whole number, not %.40s", field_names[which], text);
    return;
  }
  if (which == FIELD_STAMP)
    entry->stamp = number;
  else if (which == FIELD_FRESH)
    entry->fresh_until_ms = (int64_t)number;
  else if (which == FIELD_MODIFIED)
    entry->modified_ms = (int64_t)number;
  else
    entry->keep_until_ms = (int64_t)number;
}

static void redacted_set(lrd_entry *entry, const char *text) {
  entry->redacted_given = true;
  entry->redacted = strcmp(text, "true") == 0;
  if (!entry->redacted && strcmp(text, "false") != 0) lrd_entry_problem(entry, "redacted is true or false, not %.40s", text);
}

static void tag_add(lrd_entry *entry, const char *tag, size_t len) {
  if (len == 0 || len > LARDER_TAG_MAX || memchr(tag, 0, len))
    lrd_entry_problem(entry, "a tag has 1 to %u bytes", LARDER_TAG_MAX);
  else if (entry->tags_count == LARDER_TAGS_MAX)
    lrd_entry_problem(entry, "more than %u tags", LARDER_TAGS_MAX);
  else
    entry->tags[entry->tags_count++] = tag;
}

/* A text that lies in the scratch, a NUL behind it. */
static void text_set(lrd_entry *entry, field which, const char *text, size_t len) {
  switch (which) {
  case FIELD_NS:
    entry->ns = lrd_span_of(text, len);
    break;
  case FIELD_KEY:
    entry->key = lrd_span_of(text, len);
    break;
  case FIELD_VALUE:
    entry->value = lrd_span_of(text, len);
    break;
  case FIELD_META:
    entry->meta = lrd_span_of(text, len);
    break;
  case FIELD_VERSION:
    entry->version = len > 0 ? text : NULL;
    if (len > LARDER_VERSION_MAX || memchr(text, 0, len))
      lrd_entry_problem(entry, "version has at most %u bytes", LARDER_VERSION_MAX);
    break;
  case FIELD_KIND:
    kind_set(entry, text);
    break;
  case FIELD_TTL:
    lrd_entry_set_ttl(entry, text);
    break;
  case FIELD_FRESH:
  case FIELD_KEEP:
  case FIELD_STAMP:
  case FIELD_MODIFIED:
    number_set(entry, which, text);
    break;
  case FIELD_REDACTED:
    redacted_set(entry, text);
    break;
  case FIELD_KEY_ENCODING:
  case FIELD_VALUE_ENCODING:
  case FIELD_META_ENCODING:
    encoding_set(entry, which, text);
    break;
  default:
    break;
  }
}

larder_err lrd_entry_copy(lrd_entry *entry, const void *text, size_t len, const char **out) {
  size_t at = entry->scratch.len;
  larder_err err = lrd_buf_append(&entry->scratch, text, len);
  if (err == LARDER_OK) err = lrd_buf_append_byte(&entry->scratch, 0);
  if (err == LARDER_OK) *out = (const char *)entry->scratch.data + at;
  return err;
}

static larder_err string_in(lrd_entry *entry, const lrd_json_doc *doc, uint32_t node, const char **out, size_t *len_out) {
  size_t at = entry->scratch.len;
  larder_err err = lrd_json_string_append(doc, node, &entry->scratch);
  *len_out = entry->scratch.len - at;
  if (err == LARDER_OK) err = lrd_buf_append_byte(&entry->scratch, 0);
  if (err == LARDER_OK) *out = (const char *)entry->scratch.data + at;
  return err;
}

static larder_err tags_set_json(lrd_entry *entry, const lrd_json_doc *doc, uint32_t value) {
  const char *text = NULL;
  size_t len = 0;
  larder_err err = LARDER_OK;
  entry->tags_count = 0;
  if (lrd_json_type_of(doc, value) == LRD_JSON_STRING) {
    err = string_in(entry, doc, value, &text, &len);
    if (err == LARDER_OK) tag_add(entry, text, len);
    return err;
  }
  if (lrd_json_type_of(doc, value) != LRD_JSON_ARRAY) lrd_entry_problem(entry, "tags is a list of texts");
  uint32_t end = doc->nodes[value].next;
  for (uint32_t at = lrd_json_first(doc, value); at != 0 && at < end && err == LARDER_OK; at = doc->nodes[at].next) {
    if (lrd_json_type_of(doc, at) != LRD_JSON_STRING) {
      lrd_entry_problem(entry, "tags is a list of texts");
      break;
    }
    err = string_in(entry, doc, at, &text, &len);
    if (err == LARDER_OK) tag_add(entry, text, len);
  }
  return err;
}

static field field_of_json(const lrd_json_doc *doc, uint32_t name) {
  for (int i = 0; i < FIELD_OTHER; i++)
    if (lrd_json_string_is(doc, name, field_names[i])) return (field)i;
  return FIELD_OTHER;
}

larder_err lrd_entry_set_json(lrd_entry *entry, const lrd_json_doc *doc, uint32_t name, uint32_t value) {
  field which = field_of_json(doc, name);
  const lrd_json_node *node = &doc->nodes[value];
  lrd_json_type type = lrd_json_type_of(doc, value);
  const char *text = NULL;
  size_t len = node->len;
  if (which == FIELD_OTHER) return LARDER_OK;
  if (which == FIELD_TAGS) return type == LRD_JSON_NULL ? LARDER_OK : tags_set_json(entry, doc, value);
  if (type == LRD_JSON_STRING) {
    larder_err err = string_in(entry, doc, value, &text, &len);
    if (err == LARDER_OK) text_set(entry, which, text, len);
    /* Of repeated names the last counts, and takes back what an earlier one said. */
    if (which == FIELD_VALUE && !entry->kind_given) entry->kind = LARDER_KIND_BYTES;
    return err;
  }
  bool as_it_stands = which == FIELD_VALUE || type == LRD_JSON_NUMBER || type == LRD_JSON_TRUE || type == LRD_JSON_FALSE;
  if (type == LRD_JSON_NULL && which != FIELD_VALUE) return LARDER_OK;
  if (!as_it_stands || which == FIELD_KEY) {
    lrd_entry_problem(entry, "%s is a text", field_names[which]);
    return LARDER_OK;
  }
  larder_err err = lrd_entry_copy(entry, doc->text + node->at, len, &text);
  if (err != LARDER_OK) return err;
  text_set(entry, which, text, len);
  /* A value that is no text is the JSON that stands there. */
  if (which == FIELD_VALUE && !entry->kind_given) entry->kind = LARDER_KIND_JSON;
  return LARDER_OK;
}

/* `["a","b"]`, or `a;b`. What begins as a list is one. */
static larder_err tags_set_cell(lrd_entry *entry, const char *cell, size_t len) {
  lrd_json_doc doc = {0};
  larder_err err = LARDER_OK;
  if (len > 0 && cell[0] == '[') {
    err = lrd_json_parse(&doc, cell, len);
    if (err == LARDER_OK)
      err = tags_set_json(entry, &doc, 0);
    else if (err != LARDER_ENOMEM) {
      lrd_entry_problem(entry, "tags begins as a list, and is no JSON: %s", doc.mistake ? doc.mistake : "too long");
      err = LARDER_OK;
    }
    lrd_json_doc_fini(&doc);
    return err;
  }
  for (size_t at = 0; at < len && err == LARDER_OK;) {
    const char *text = NULL;
    const char *stop = memchr(cell + at, ';', len - at);
    size_t size = stop ? (size_t)(stop - cell) - at : len - at;
    err = lrd_entry_copy(entry, cell + at, size, &text);
    if (err == LARDER_OK) tag_add(entry, text, size);
    at += size + 1;
  }
  return err;
}

larder_err lrd_entry_set_cell(lrd_entry *entry, const char *name, const char *cell, size_t len) {
  field which = FIELD_OTHER;
  for (int i = 0; i < FIELD_OTHER; i++)
    if (strcmp(name, field_names[i]) == 0) which = (field)i;
  /* An empty cell says nothing, save that the value is empty. */
  if (which == FIELD_OTHER || (len == 0 && which != FIELD_VALUE)) return LARDER_OK;
  if (which == FIELD_TAGS) return tags_set_cell(entry, cell, len);
  const char *text = NULL;
  larder_err err = lrd_entry_copy(entry, cell, len, &text);
  if (err == LARDER_OK) text_set(entry, which, text, len);
  return err;
}

larder_err lrd_entry_from_object(lrd_entry *entry, const lrd_json_doc *doc, uint32_t object) {
  larder_err err = LARDER_OK;
  uint32_t end = doc->nodes[object].next;
  for (uint32_t name = lrd_json_first(doc, object); name != 0 && name < end && err == LARDER_OK;
       name = doc->nodes[name + 1].next)
    err = lrd_entry_set_json(entry, doc, name, name + 1);
  return err;
}

static void undo(lrd_entry *entry, unsigned bit, lrd_span *span, const char *what) {
  size_t len = span->len;
  if (!(entry->base64 & bit)) return;
  if (len > 0 && lrd_base64_undo((uint8_t *)(uintptr_t)span->data, &len) != LARDER_OK)
    lrd_entry_problem(entry, "%s is no base64", what);
  span->len = len;
}

larder_err lrd_entry_finish(lrd_entry *entry) {
  undo(entry, KEY_BASE64, &entry->key, "key");
  undo(entry, VALUE_BASE64, &entry->value, "value");
  undo(entry, META_BASE64, &entry->meta, "meta");
  if (!entry->key.data || entry->key.len == 0)
    lrd_entry_problem(entry, "it has no key");
  else if (entry->key.len > LARDER_KEY_MAX)
    lrd_entry_problem(entry, "its key has %zu bytes; at most %u are allowed", entry->key.len, LARDER_KEY_MAX);
  if (!entry->value.data) lrd_entry_problem(entry, "it has no value");
  if (entry->meta.len > LARDER_META_MAX) lrd_entry_problem(entry, "its meta has more than %u bytes", LARDER_META_MAX);
  if (entry->ns.data && (entry->ns.len == 0 || entry->ns.len > 128 || memchr(entry->ns.data, 0, entry->ns.len)))
    lrd_entry_problem(entry, "its namespace's name has to have 1 to 128 bytes");
  if (entry->redacted) lrd_entry_problem(entry, "its secrets were hidden by the export; export it with --include-secrets");
  return LARDER_OK;
}
