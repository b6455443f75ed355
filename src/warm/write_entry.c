/* SPDX-License-Identifier: Apache-2.0 */
/*
 * First what is shown is worked out: the entry with its secrets hidden. Then it is written. A value of kind json stands in
 * JSON as itself where its very bytes can (one line, no white space around it, not a text); else every value is a text
 * where it is UTF-8, and base64 where not. So each comes back bit by bit, and jq and spreadsheets can read what can be read.
 */
#include "write_entry.h"

#include "base64.h"
#include "core/hiding.h"
#include "entry_file.h"
#include "stats/json_writer.h"
#include <inttypes.h>
#include <stdio.h>

static const char *const kinds[] = {"bytes", "text", "json", "array", "model", "wisdom"};

typedef struct shown {
  const char *ns;
  const larder_facts *facts;
  lrd_span key, value, version, meta;
  bool redacted;
  bool key_base64, value_base64, meta_base64;
  bool embedded; /* the value, as JSON */
} shown;

void lrd_entry_writer_fini(lrd_entry_writer *writer) {
  lrd_json_doc_fini(&writer->doc);
  lrd_buf_fini(&writer->key);
  lrd_buf_fini(&writer->value);
  lrd_buf_fini(&writer->meta);
  lrd_buf_fini(&writer->cell);
}

static bool is_utf8(lrd_span text) {
  const uint8_t *at = text.data, *end = at + text.len;
  while (at < end) {
    uint64_t word;
    if (end - at >= 8) {
      memcpy(&word, at, 8);
      if (!(word & UINT64_C(0x8080808080808080))) {
        at += 8;
        continue;
      }
    }
    size_t size = lrd_utf8_char(at, (size_t)(end - at));
    if (size == 0) return false;
    at += size;
  }
  return true;
}

/* What a spreadsheet or an editor would not carry. */
static bool has_controls(lrd_span text) {
  const uint8_t *at = text.data;
  for (size_t i = 0; i < text.len; i++)
    if (at[i] < 0x20 && at[i] != '\t' && at[i] != '\n' && at[i] != '\r') return true;
  return false;
}

/* --- what is shown ---------------------------------------------------------------------------------------------------- */

/* URLs alone: the names in a key are the key's own. */
static larder_err url_hide(lrd_span *text, lrd_buf *room, bool *redacted) {
  lrd_hidden hidden = {0};
  if (text->len < 4 || !memmem(text->data, text->len, "://", 3)) return LARDER_OK;
  lrd_buf_clear(room);
  larder_err err = lrd_redact_text("", text->data, text->len, false, room, &hidden);
  if (err != LARDER_OK || hidden.now == 0) return err;
  *text = lrd_span_of(room->data, room->len);
  *redacted = true;
  return LARDER_OK;
}

/* Also in another encoding than UTF-8; `binary` is no text then, and changed bytes would only break it. */
static larder_err text_hide(lrd_entry_writer *writer, bool binary, lrd_span *text, lrd_buf *room, bool *redacted) {
  lrd_hidden hidden = {0};
  if (text->len == 0 || (binary && !is_utf8(*text))) return LARDER_OK;
  lrd_buf_clear(room);
  larder_err err = lrd_hide_value(writer->secrets, &writer->doc, text->data, text->len, room, &hidden);
  if (err != LARDER_OK || hidden.now == 0) return err;
  *text = lrd_span_of(room->data, room->len);
  *redacted = true;
  return LARDER_OK;
}

static bool is_binary(larder_kind kind) {
  return kind == LARDER_KIND_ARRAY || kind == LARDER_KIND_MODEL || kind == LARDER_KIND_WISDOM;
}

static bool is_json(lrd_span text) {
  size_t mistake_at;
  const char *mistake;
  return lrd_json_check(text.data, text.len, &mistake_at, &mistake) == LARDER_OK;
}

static larder_err hide(lrd_entry_writer *writer, bool hide_value, shown *s) {
  larder_err err = LARDER_OK;
  if (writer->include_secrets) return LARDER_OK;
  if (!hide_value && writer->hide_unless_json) hide_value = !is_json(s->value);
  if (hide_value) {
    s->value = lrd_span_str(LRD_REDACTED);
    s->redacted = true;
  } else {
    err = text_hide(writer, is_binary(s->facts->kind), &s->value, &writer->value, &s->redacted);
  }
  if (err == LARDER_OK) err = text_hide(writer, false, &s->meta, &writer->meta, &s->redacted);
  if (err == LARDER_OK) err = url_hide(&s->key, &writer->key, &s->redacted);
  return err;
}

static bool deep(const lrd_json_doc *doc) {
  uint32_t ends[LRD_JSON_READ_DEPTH_MAX + 1];
  unsigned depth = 0;
  for (uint32_t at = 0; at < doc->nodes_len; at++) {
    while (depth > 0 && at >= ends[depth]) depth--;
    if (doc->nodes[at].type != LRD_JSON_ARRAY && doc->nodes[at].type != LRD_JSON_OBJECT) continue;
    ends[++depth] = doc->nodes[at].next;
    /* It will stand in an entry, in an array, in a document. */
    if (depth > LRD_JSON_READ_DEPTH_MAX - 3) return true;
  }
  return false;
}

static larder_err embedded_find(lrd_entry_writer *writer, shown *s) {
  const char *text = s->value.data;
  if (s->facts->kind != LARDER_KIND_JSON || s->value.len == 0 || text[0] == '"') return LARDER_OK;
  if (memchr(text, '\n', s->value.len) || memchr(text, '\r', s->value.len)) return LARDER_OK;
  larder_err err = lrd_json_parse(&writer->doc, text, s->value.len);
  if (err == LARDER_ENOMEM) return err;
  const lrd_json_node *whole = writer->doc.nodes;
  s->embedded = err == LARDER_OK && whole->at == 0 && whole->len == s->value.len && !deep(&writer->doc);
  return LARDER_OK;
}

/* --- JSON ------------------------------------------------------------------------------------------------------------- */

static void json_bytes(lrd_json *json, lrd_entry_writer *writer, const char *name, const char *encoding, lrd_span text,
                       bool base64) {
  lrd_json_key(json, name);
  if (!base64) {
    lrd_json_bytes(json, text.data, text.len);
    return;
  }
  lrd_buf_clear(&writer->cell);
  larder_err err = lrd_base64_append(&writer->cell, text.data, text.len);
  if (json->err == LARDER_OK) json->err = err;
  lrd_json_bytes(json, writer->cell.data, writer->cell.len);
  lrd_json_key(json, encoding);
  lrd_json_string(json, "base64");
}

static void json_tags(lrd_json *json, const larder_facts *facts) {
  if (facts->tags_len == 0) return;
  lrd_json_key(json, "tags");
  lrd_json_array_begin(json);
  for (size_t at = 0; at < facts->tags_len; at += 1 + (uint8_t)facts->tags[at])
    lrd_json_bytes(json, facts->tags + at + 1, (uint8_t)facts->tags[at]);
  lrd_json_array_end(json);
}

static void json_times(lrd_json *json, const larder_facts *facts) {
  char stamp[24];
  if (facts->expires_soft_ms == 0) {
    lrd_json_key(json, "ttl");
    lrd_json_string(json, "never");
  } else {
    lrd_json_key(json, "fresh_until_ms");
    lrd_json_i64(json, facts->expires_soft_ms);
  }
  if (facts->expires_hard_ms > facts->expires_soft_ms) {
    lrd_json_key(json, "keep_until_ms");
    lrd_json_i64(json, facts->expires_hard_ms);
  }
  /* A text: numbers above 2^53 are not safe everywhere. */
  (void)snprintf(stamp, sizeof stamp, "%" PRIu64, facts->stamp);
  lrd_json_key(json, "stamp");
  lrd_json_string(json, stamp);
}

/* A value that is `***` all the same is told apart from a hidden one. */
static bool looks_redacted(const shown *s) {
  return s->redacted || (!s->embedded && lrd_span_equal(s->value, lrd_span_str(LRD_REDACTED)));
}

static larder_err json_write(lrd_entry_writer *writer, const shown *s, lrd_buf *out) {
  const larder_facts *facts = s->facts;
  lrd_json json;
  lrd_json_init(&json, out, false);
  lrd_json_object_begin(&json);
  lrd_json_key(&json, "ns");
  lrd_json_string(&json, s->ns);
  json_bytes(&json, writer, "key", "key_encoding", s->key, s->key_base64);
  if (s->embedded) {
    lrd_json_key(&json, "value");
    lrd_json_raw(&json, s->value.data, s->value.len);
  } else {
    json_bytes(&json, writer, "value", "value_encoding", s->value, s->value_base64);
  }
  lrd_json_key(&json, "kind");
  lrd_json_string(&json, kinds[facts->kind]);
  if (facts->version_len > 0) {
    lrd_json_key(&json, "version");
    lrd_json_bytes(&json, facts->version, facts->version_len);
  }
  if (facts->modified_ms > 0) {
    lrd_json_key(&json, "modified");
    lrd_json_i64(&json, facts->modified_ms);
  }
  json_tags(&json, facts);
  if (s->meta.len > 0) json_bytes(&json, writer, "meta", "meta_encoding", s->meta, s->meta_base64);
  json_times(&json, facts);
  if (looks_redacted(s)) {
    lrd_json_key(&json, "redacted");
    lrd_json_bool(&json, s->redacted);
  }
  lrd_json_object_end(&json);
  return json.err;
}

/* --- CSV -------------------------------------------------------------------------------------------------------------- */

static const char csv_header[] = "ns,key,key_encoding,value,value_encoding,kind,version,tags,meta,meta_encoding,ttl,"
                                 "fresh_until_ms,keep_until_ms,stamp,redacted,modified\r\n";

larder_err lrd_entry_write_header(lrd_buf *out) { return lrd_buf_append_str(out, csv_header); }

static larder_err csv_text(lrd_buf *out, lrd_span text) {
  const char *at = text.data, *end = at + text.len;
  bool quotes = false;
  for (size_t i = 0; i < text.len && !quotes; i++) quotes = strchr(",\"\r\n", at[i]) != NULL && at[i] != '\0';
  if (text.len > 0 && (at[0] == ' ' || end[-1] == ' ')) quotes = true;
  if (!quotes) return lrd_buf_append(out, at, text.len);
  larder_err err = lrd_buf_append_byte(out, '"');
  while (err == LARDER_OK && at < end) {
    const char *quote = memchr(at, '"', (size_t)(end - at));
    const char *stop = quote ? quote + 1 : end;
    err = lrd_buf_append(out, at, (size_t)(stop - at));
    if (err == LARDER_OK && quote) err = lrd_buf_append_byte(out, '"');
    at = stop;
  }
  return err == LARDER_OK ? lrd_buf_append_byte(out, '"') : err;
}

/* A field and its encoding, each with the comma behind it. */
static larder_err csv_bytes(lrd_entry_writer *writer, lrd_buf *out, lrd_span text, bool base64) {
  larder_err err = LARDER_OK;
  if (base64) {
    lrd_buf_clear(&writer->cell);
    err = lrd_base64_append(&writer->cell, text.data, text.len);
    text = lrd_span_of(writer->cell.data, writer->cell.len);
  }
  if (err == LARDER_OK) err = csv_text(out, text);
  return err == LARDER_OK ? lrd_buf_append_str(out, base64 ? ",base64," : ",,") : err;
}

/* `a;b`, or a JSON list where a tag could be taken for more or less than itself. */
static larder_err csv_tags(lrd_entry_writer *writer, lrd_buf *out, const larder_facts *facts) {
  lrd_buf *cell = &writer->cell;
  bool plain = facts->tags_len > 0 && facts->tags[1] != '[';
  larder_err err = LARDER_OK;
  lrd_buf_clear(cell);
  for (size_t at = 0; at < facts->tags_len && err == LARDER_OK; at += 1 + (uint8_t)facts->tags[at]) {
    if (memchr(facts->tags + at + 1, ';', (uint8_t)facts->tags[at])) plain = false;
    if (at > 0) err = lrd_buf_append_byte(cell, ';');
    if (err == LARDER_OK) err = lrd_buf_append(cell, facts->tags + at + 1, (uint8_t)facts->tags[at]);
  }
  if (err == LARDER_OK && !plain && facts->tags_len > 0) {
    lrd_json json;
    lrd_buf_clear(cell);
    lrd_json_init(&json, cell, false);
    lrd_json_array_begin(&json);
    for (size_t at = 0; at < facts->tags_len; at += 1 + (uint8_t)facts->tags[at])
      lrd_json_bytes(&json, facts->tags + at + 1, (uint8_t)facts->tags[at]);
    lrd_json_array_end(&json);
    err = json.err;
  }
  return err == LARDER_OK ? csv_text(out, lrd_span_of(cell->data, cell->len)) : err;
}

static larder_err csv_write(lrd_entry_writer *writer, const shown *s, lrd_buf *out) {
  const larder_facts *facts = s->facts;
  larder_err err = csv_text(out, lrd_span_str(s->ns));
  if (err == LARDER_OK) err = lrd_buf_append_byte(out, ',');
  if (err == LARDER_OK) err = csv_bytes(writer, out, s->key, s->key_base64);
  if (err == LARDER_OK) err = csv_bytes(writer, out, s->value, s->value_base64);
  if (err == LARDER_OK) err = lrd_buf_printf(out, "%s,", kinds[facts->kind]);
  if (err == LARDER_OK) err = csv_text(out, s->version);
  if (err == LARDER_OK) err = lrd_buf_append_byte(out, ',');
  if (err == LARDER_OK) err = csv_tags(writer, out, facts);
  if (err == LARDER_OK) err = lrd_buf_append_byte(out, ',');
  if (err == LARDER_OK) err = csv_bytes(writer, out, s->meta, s->meta_base64 && s->meta.len > 0);
  if (err == LARDER_OK && facts->expires_soft_ms == 0) err = lrd_buf_append_str(out, "never,,");
  if (err == LARDER_OK && facts->expires_soft_ms != 0) err = lrd_buf_printf(out, ",%" PRId64 ",", facts->expires_soft_ms);
  if (err == LARDER_OK && facts->expires_hard_ms > facts->expires_soft_ms)
    err = lrd_buf_printf(out, "%" PRId64, facts->expires_hard_ms);
  if (err == LARDER_OK) err = lrd_buf_printf(out, ",%" PRIu64 ",", facts->stamp);
  if (err == LARDER_OK && looks_redacted(s)) err = lrd_buf_append_str(out, s->redacted ? "true" : "false");
  if (err == LARDER_OK) err = lrd_buf_append_byte(out, ',');
  if (err == LARDER_OK && facts->modified_ms > 0) err = lrd_buf_printf(out, "%" PRId64, facts->modified_ms);
  return err == LARDER_OK ? lrd_buf_append_str(out, "\r\n") : err;
}

larder_err lrd_entry_write(lrd_entry_writer *writer, const char *ns, bool hide_value, const larder_listed *entry, lrd_buf *out,
                           bool *redacted_out) {
  const larder_facts *facts = entry->facts;
  bool csv = writer->format == LARDER_FORMAT_CSV;
  size_t before = out->len;
  shown s = {.ns = ns,
             .facts = facts,
             .key = lrd_span_of(entry->key, entry->key_len),
             .value = lrd_span_of(entry->value ? entry->value : "", entry->value ? (size_t)facts->value_len : 0),
             .version = lrd_span_of(facts->version, facts->version_len),
             .meta = lrd_span_of(facts->meta, facts->meta_len)};
  /* Six characters a byte are the most that escaping makes of it. */
  if (s.value.len > LRD_ENTRY_TEXT_MAX / 8) return LARDER_ETOOBIG;
  larder_err err = hide(writer, hide_value, &s);
  if (err != LARDER_OK) return err;
  s.key_base64 = !is_utf8(s.key) || (csv && has_controls(s.key));
  s.value_base64 = !is_utf8(s.value) || (csv && has_controls(s.value));
  s.meta_base64 = !is_utf8(s.meta) || (csv && has_controls(s.meta));
  if (!csv) err = embedded_find(writer, &s);
  if (err == LARDER_OK) err = csv ? csv_write(writer, &s, out) : json_write(writer, &s, out);
  if (err != LARDER_OK) out->len = before;
  *redacted_out = s.redacted;
  return err;
}
