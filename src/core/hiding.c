/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A JSON document is walked node by node in the order of the text: the value of a member with a secret's name is replaced
 * whole, and every other string is unescaped and looked through as text, since it may hold a URL or `password=…`. What
 * lies between is copied as it stands.
 */
#include "hiding.h"

#include "cache.h"
#include "stats/json_writer.h"
#include <larder/config.h>
#include <larder/redact.h>

typedef struct hiding {
  const char *secrets;
  const lrd_json_doc *doc;
  size_t copied; /* of the text, into out */
  lrd_buf *out;
  lrd_hidden *hidden;
  lrd_buf plain, clean; /* a string without escapes, before and after */
} hiding;

static larder_err replace(hiding *h, size_t from, size_t to, const void *text, size_t len) {
  lrd_json json;
  larder_err err = lrd_buf_append(h->out, h->doc->text + h->copied, from - h->copied);
  if (err != LARDER_OK) return err;
  h->copied = to;
  lrd_json_init(&json, h->out, false);
  lrd_json_bytes(&json, text, len);
  return json.err;
}

static void raw_of(const lrd_json_node *node, size_t *from, size_t *to) {
  size_t quote = node->type == LRD_JSON_STRING ? 1 : 0;
  *from = node->at - quote;
  *to = node->at + node->len + quote;
}

static larder_err member_hide(hiding *h, uint32_t value) {
  const lrd_json_node *node = &h->doc->nodes[value];
  size_t from, to;
  raw_of(node, &from, &to);
  if (node->type == LRD_JSON_NULL) return LARDER_OK;
  if (lrd_json_string_is(h->doc, value, LRD_REDACTED)) {
    h->hidden->before++;
    return LARDER_OK;
  }
  h->hidden->now++;
  return replace(h, from, to, LRD_REDACTED, strlen(LRD_REDACTED));
}

static larder_err string_clean(hiding *h, uint32_t at) {
  const lrd_json_node *node = &h->doc->nodes[at];
  size_t from, to;
  uint64_t before = h->hidden->now;
  raw_of(node, &from, &to);
  lrd_buf_clear(&h->plain);
  lrd_buf_clear(&h->clean);
  larder_err err = lrd_json_string_append(h->doc, at, &h->plain);
  if (err == LARDER_OK)
    err = lrd_redact_text(h->secrets, (const char *)h->plain.data, h->plain.len, false, &h->clean, h->hidden);
  if (err != LARDER_OK || h->hidden->now == before) return err;
  return replace(h, from, to, h->clean.data, h->clean.len);
}

static larder_err node_hide(hiding *h, uint32_t at, bool is_name, uint32_t *next) {
  const lrd_json_node *node = &h->doc->nodes[at];
  *next = at + 1;
  if (node->type != LRD_JSON_STRING) return LARDER_OK;
  if (!is_name) return string_clean(h, at);
  lrd_buf_clear(&h->plain);
  larder_err err = lrd_json_string_append(h->doc, at, &h->plain);
  if (err != LARDER_OK || !lrd_secret_name(h->secrets, (const char *)h->plain.data, h->plain.len)) return err;
  *next = h->doc->nodes[at + 1].next;
  return member_hide(h, at + 1);
}

static larder_err document_hide(hiding *h) {
  uint32_t ends[LRD_JSON_READ_DEPTH_MAX + 1];
  uint32_t names[LRD_JSON_READ_DEPTH_MAX + 1]; /* the next name of an object that is open; 0 in an array */
  unsigned depth = 0;
  larder_err err = LARDER_OK;
  ends[0] = h->doc->nodes_len;
  names[0] = 0;
  for (uint32_t at = 0; at < h->doc->nodes_len && err == LARDER_OK;) {
    const lrd_json_node *node = &h->doc->nodes[at];
    while (depth > 0 && at >= ends[depth]) depth--;
    bool is_name = depth > 0 && names[depth] == at;
    if (is_name) names[depth] = h->doc->nodes[at + 1].next;
    if (node->type == LRD_JSON_OBJECT || node->type == LRD_JSON_ARRAY) {
      depth++;
      ends[depth] = node->next;
      names[depth] = node->type == LRD_JSON_OBJECT ? at + 1 : 0;
    }
    err = node_hide(h, at, is_name, &at);
  }
  if (err == LARDER_OK) err = lrd_buf_append(h->out, h->doc->text + h->copied, h->doc->len - h->copied);
  return err;
}

larder_err lrd_hide_value(const char *secrets, lrd_json_doc *doc, const char *text, size_t len, lrd_buf *out,
                          lrd_hidden *hidden) {
  larder_err err = lrd_json_parse(doc, text, len);
  if (err == LARDER_ENOMEM) return err;
  if (err != LARDER_OK) return lrd_redact_text(secrets, text, len, false, out, hidden);
  hiding h = {.secrets = secrets, .doc = doc, .out = out, .hidden = hidden};
  err = document_hide(&h);
  lrd_buf_fini(&h.plain);
  lrd_buf_fini(&h.clean);
  return err;
}

/* --- public ------------------------------------------------------------------------------------------------------------ */

static const char *secrets_of(const larder *cache) { return cache ? cache->log.secrets : NULL; }

bool larder_name_is_secret(const larder *cache, const char *name, size_t len) {
  return name && lrd_secret_name(secrets_of(cache), name, len);
}

larder_err larder_redact(const larder *cache, const void *text, size_t len, bool cut, char **out, size_t *len_out) {
  if (!out || (!text && len > 0)) return LARDER_EINVAL;
  lrd_buf redacted = {0};
  lrd_json_doc doc = {0};
  lrd_hidden hidden = {0};
  larder_err err = cut ? lrd_redact_text(secrets_of(cache), text, len, true, &redacted, &hidden)
                       : lrd_hide_value(secrets_of(cache), &doc, text, len, &redacted, &hidden);
  lrd_json_doc_fini(&doc);
  if (err == LARDER_OK) err = lrd_buf_terminate(&redacted);
  if (err != LARDER_OK) {
    lrd_buf_fini(&redacted);
    return err;
  }
  *out = (char *)redacted.data;
  if (len_out) *len_out = redacted.len;
  return LARDER_OK;
}
