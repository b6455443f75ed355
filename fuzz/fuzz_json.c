/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON text. Beside memory errors it looks for broken promises: parse and check give one verdict with one place; the nodes
 * tile the text; a string, written again by the house's writer, reads back as itself; an integer reads alike as an integer
 * and as a double.
 */
#include "base/json_read.h"
#include "stats/json_writer.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HOLDS(condition)                                                                                                       \
  do {                                                                                                                         \
    if (!(condition)) abort();                                                                                                 \
  } while (0)

static void try_string(const lrd_json_doc *doc, uint32_t node) {
  lrd_buf plain = {0}, written = {0}, again = {0};
  lrd_json_doc back = {0};
  lrd_json json;
  HOLDS(lrd_json_string_append(doc, node, &plain) == LARDER_OK);
  HOLDS(plain.len <= doc->nodes[node].len);
  lrd_json_init(&json, &written, false);
  lrd_json_bytes(&json, plain.data, plain.len);
  HOLDS(json.err == LARDER_OK);
  HOLDS(lrd_json_parse(&back, (const char *)written.data, written.len) == LARDER_OK);
  HOLDS(lrd_json_string_append(&back, 0, &again) == LARDER_OK);
  HOLDS(lrd_span_equal(lrd_span_of(again.data, again.len), lrd_span_of(plain.data, plain.len)));
  HOLDS(lrd_buf_terminate(&plain) == LARDER_OK);
  bool whole = memchr(plain.data, 0, plain.len) == NULL;
  HOLDS(lrd_json_string_is(doc, node, (const char *)plain.data) == whole);
  lrd_json_doc_fini(&back);
  lrd_buf_fini(&plain);
  lrd_buf_fini(&written);
  lrd_buf_fini(&again);
}

static void try_number(const lrd_json_doc *doc, uint32_t node) {
  uint64_t u64;
  int64_t i64;
  double number;
  bool is_u64 = lrd_json_u64_of(doc, node, &u64), is_i64 = lrd_json_i64_of(doc, node, &i64);
  bool is_double = lrd_json_double_of(doc, node, &number);
  if (is_u64) HOLDS(is_double && number == (double)u64);
  if (is_i64) HOLDS(is_double && number == (double)i64);
  if (is_u64 && is_i64) HOLDS((int64_t)u64 == i64);
}

static void try_container(const lrd_json_doc *doc, uint32_t node) {
  uint32_t count = 0;
  bool object = lrd_json_type_of(doc, node) == LRD_JSON_OBJECT;
  for (uint32_t at = lrd_json_first(doc, node); at != 0 && at < doc->nodes[node].next; at = doc->nodes[at].next) {
    HOLDS(doc->nodes[at].at > doc->nodes[node].at);
    HOLDS(doc->nodes[at].at + doc->nodes[at].len < doc->nodes[node].at + doc->nodes[node].len);
    if (object) {
      HOLDS(lrd_json_type_of(doc, at) == LRD_JSON_STRING);
      at++;
    }
    count++;
  }
  HOLDS(count == doc->nodes[node].count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  lrd_json_doc doc = {0};
  size_t at;
  const char *mistake;
  larder_err parsed = lrd_json_parse(&doc, (const char *)data, size);
  larder_err checked = lrd_json_check((const char *)data, size, &at, &mistake);
  HOLDS(parsed == checked);
  HOLDS(parsed == LARDER_OK || (parsed == LARDER_EFORMAT && doc.mistake_at == at && doc.mistake == mistake && at <= size));
  for (uint32_t node = 0; node < doc.nodes_len; node++) {
    HOLDS(doc.nodes[node].next > node && doc.nodes[node].next <= doc.nodes_len);
    switch (lrd_json_type_of(&doc, node)) {
    case LRD_JSON_STRING:
      try_string(&doc, node);
      break;
    case LRD_JSON_NUMBER:
      try_number(&doc, node);
      break;
    case LRD_JSON_ARRAY:
    case LRD_JSON_OBJECT:
      try_container(&doc, node);
      break;
    default:
      break;
    }
  }
  lrd_json_doc_fini(&doc);
  return 0;
}
