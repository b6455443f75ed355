/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading JSON (RFC 8259), the one reader of the house. A document becomes a flat array of nodes in the order of the text;
 * nothing is copied and nothing is converted until it is asked for. Reusing a doc for the next line of a file allocates
 * nothing once its array has grown.
 *
 * Node 0 is the whole document. An array's elements, or an object's members (a STRING node, its key, then the value's
 * node), follow their container; `next` leads past everything inside. Index 0 is never a member, so it means "there is none".
 */
#ifndef LRD_BASE_JSON_READ_H
#define LRD_BASE_JSON_READ_H

#include "base/bytes.h"

#define LRD_JSON_READ_DEPTH_MAX 128u

typedef enum lrd_json_type {
  LRD_JSON_NULL,
  LRD_JSON_FALSE,
  LRD_JSON_TRUE,
  LRD_JSON_NUMBER,
  LRD_JSON_STRING,
  LRD_JSON_ARRAY,
  LRD_JSON_OBJECT
} lrd_json_type;

typedef struct lrd_json_node {
  uint32_t at;    /* where its raw text begins; STRING: behind the quote */
  uint32_t len;   /* of the raw text; STRING: between the quotes, escapes as written; containers: with their brackets */
  uint32_t next;  /* the node after it and all that is inside */
  uint32_t count; /* ARRAY: elements; OBJECT: members */
  uint8_t type;   /* lrd_json_type */
  bool escaped;   /* STRING: holds a backslash */
} lrd_json_node;

typedef struct lrd_json_doc {
  const char *text; /* borrowed */
  size_t len;
  lrd_json_node *nodes;
  uint32_t nodes_len;
  uint32_t nodes_cap;
  size_t mistake_at;   /* after LARDER_EFORMAT: offset, */
  const char *mistake; /* and a static phrase: "a comma or ] is expected" */
} lrd_json_doc;

/*
 * Zero-initialise a doc; parse as often as wanted; fini. Texts up to 2 GiB. LARDER_EFORMAT (mistake says what and where: also
 * bad UTF-8, lone surrogates, depth above the limit, anything after the document), LARDER_ETOOBIG, LARDER_ENOMEM.
 */
LARDER_MUST_CHECK larder_err lrd_json_parse(lrd_json_doc *doc, const char *text, size_t len);
void lrd_json_doc_fini(lrd_json_doc *doc);
/* The same verdict without nodes and without allocation. */
LARDER_MUST_CHECK larder_err lrd_json_check(const char *text, size_t len, size_t *mistake_at, const char **mistake);

/* The value of an object's member by unescaped name, or 0. Of repeated names the last. `object` may be any node. */
uint32_t lrd_json_member(const lrd_json_doc *doc, uint32_t object, const char *name);
/* First value inside a container (for an object: the first key), or 0 when empty or no container. Next: nodes[i].next while
 * it is below the container's next. */
uint32_t lrd_json_first(const lrd_json_doc *doc, uint32_t container);
lrd_json_type lrd_json_type_of(const lrd_json_doc *doc, uint32_t node);
bool lrd_json_string_is(const lrd_json_doc *doc, uint32_t node, const char *text);
/* Appends the unescaped text of a STRING. */
LARDER_MUST_CHECK larder_err lrd_json_string_append(const lrd_json_doc *doc, uint32_t node, lrd_buf *out);
/* False when the node is no number, or not exactly one of that type. */
bool lrd_json_u64_of(const lrd_json_doc *doc, uint32_t node, uint64_t *out);
bool lrd_json_i64_of(const lrd_json_doc *doc, uint32_t node, int64_t *out);
bool lrd_json_double_of(const lrd_json_doc *doc, uint32_t node, double *out);
/* Line and column, from 1, of an offset: for messages. */
void lrd_json_place(const char *text, size_t len, size_t at, unsigned *line_out, unsigned *column_out);

#endif
