/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON Lines. A line is a request, `{"key": …, "size": …}`, or a session, `{"session": …, "keys": […]}`, whose requests are
 * keys or such objects again, in their order. `endpoint` may stand for `key` and `requests` for `keys`, as files of sessions
 * have them; other members are passed over. A key is a text, or a number as it is written.
 */
#include "trace_inner.h"

#include "base/fail.h"

typedef struct sessions {
  lrd_trace_reading *reading;
  lrd_json_doc doc;
  lrd_buf key;
  const char *key_names[2];  /* those that are given, ended by NULL */
  const char *size_names[2]; /* likewise */
} sessions;

static larder_err key_add(sessions *s, uint32_t node, uint64_t size) {
  const lrd_json_node *at = &s->doc.nodes[node];
  lrd_json_type type = lrd_json_type_of(&s->doc, node);
  const char *text = s->doc.text + at->at;
  size_t len = at->len;
  if (type != LRD_JSON_STRING && type != LRD_JSON_NUMBER) return lrd_trace_mistaken(s->reading, "a key is a text or a number");
  if (at->escaped) {
    lrd_buf_clear(&s->key);
    larder_err err = lrd_json_string_append(&s->doc, node, &s->key);
    if (err != LARDER_OK) return err;
    text = (const char *)s->key.data;
    len = s->key.len;
  }
  return lrd_trace_add_key(s->reading, text, len, size);
}

static uint32_t member_of(const sessions *s, uint32_t object, const char *const names[2]) {
  uint32_t node = names[0] ? lrd_json_member(&s->doc, object, names[0]) : 0;
  return node == 0 && names[1] ? lrd_json_member(&s->doc, object, names[1]) : node;
}

static larder_err size_of(sessions *s, uint32_t object, uint64_t *out) {
  uint32_t node = member_of(s, object, s->size_names);
  *out = 0;
  if (node == 0 && s->reading->options->size_field)
    return lrd_trace_mistaken(s->reading, "a request has no %.60s", s->size_names[0]);
  if (node == 0 || lrd_json_type_of(&s->doc, node) == LRD_JSON_NULL) return LARDER_OK;
  if (!lrd_json_u64_of(&s->doc, node, out) || *out > LARDER_TRACE_SIZE_MAX)
    return lrd_trace_mistaken(s->reading, "a size is a whole number of bytes up to %llu",
                              (unsigned long long)LARDER_TRACE_SIZE_MAX);
  if (*out == 0) *out = 1;
  return LARDER_OK;
}

/* A request as an object, or a key alone. */
static larder_err request_add(sessions *s, uint32_t node) {
  uint64_t size = 0;
  if (lrd_json_type_of(&s->doc, node) != LRD_JSON_OBJECT) return key_add(s, node, 0);
  uint32_t key = member_of(s, node, s->key_names);
  if (key == 0) return lrd_trace_mistaken(s->reading, "a request has no %.60s", s->key_names[0]);
  larder_err err = size_of(s, node, &size);
  return err == LARDER_OK ? key_add(s, key, size) : err;
}

static larder_err line_take(sessions *s, const char *text, size_t len) {
  static const char *const lists[2] = {"keys", "requests"};
  larder_err err = lrd_json_parse(&s->doc, text, len);
  if (err == LARDER_ENOMEM) return err;
  if (err != LARDER_OK) {
    unsigned line, column;
    lrd_json_place(text, len, s->doc.mistake_at, &line, &column);
    return lrd_trace_mistaken(s->reading, "no JSON: column %u: %s", column, s->doc.mistake ? s->doc.mistake : "too long");
  }
  if (lrd_json_type_of(&s->doc, 0) != LRD_JSON_OBJECT)
    return lrd_trace_mistaken(s->reading, "a line is an object: {\"key\": …} or {\"session\": …, \"keys\": […]}");
  uint32_t list = member_of(s, 0, s->key_names) == 0 ? member_of(s, 0, lists) : 0;
  if (list == 0) return request_add(s, 0);
  if (lrd_json_type_of(&s->doc, list) != LRD_JSON_ARRAY)
    return lrd_trace_mistaken(s->reading, "the keys of a session are a list");
  uint32_t end = s->doc.nodes[list].next;
  for (uint32_t at = lrd_json_first(&s->doc, list); err == LARDER_OK && at != 0 && at < end; at = s->doc.nodes[at].next)
    err = request_add(s, at);
  return err;
}

static bool is_blank(const char *text, size_t len) {
  for (size_t i = 0; i < len; i++)
    if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r') return false;
  return true;
}

larder_err lrd_trace_read_sessions(lrd_trace_reading *reading) {
  const larder_trace_options *options = reading->options;
  sessions s = {.reading = reading,
                .key_names = {options->key_field ? options->key_field : "key", options->key_field ? NULL : "endpoint"},
                .size_names = {options->size_field ? options->size_field : "size", NULL}};
  larder_err err = LARDER_OK;
  while (err == LARDER_OK && !reading->enough) {
    size_t len = 0, end = 0;
    err = lrd_trace_line(reading, &len, &end);
    if (err != LARDER_OK || end == 0) break;
    const char *text = lrd_source_text(reading->source);
    if (!is_blank(text, len)) err = line_take(&s, text, len);
    if (err == LARDER_OK) lrd_source_use(reading->source, end);
  }
  lrd_json_doc_fini(&s.doc);
  lrd_buf_fini(&s.key);
  return err;
}
