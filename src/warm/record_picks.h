/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fields of a record by the names that somebody else gave them: what a reader gathers instead of an entry's own members, for
 * tables of places and for entries whose key and value stand in fields of other names.
 */
#ifndef LRD_WARM_RECORD_PICKS_H
#define LRD_WARM_RECORD_PICKS_H

#include "base/json_read.h"

#define LRD_PICKS_MAX 32u

struct lrd_entry;

typedef struct lrd_pick {
  const char *name;  /* borrowed */
  const char *shown; /* instead of the name, which may hold a variable's value; borrowed */
  bool configured;   /* not by an option */
  bool known;        /* some record had it */
  bool met;
  lrd_json_type type; /* LRD_JSON_STRING for a cell of a table */
  size_t at, len;     /* in texts; a NUL follows */
} lrd_pick;

typedef struct lrd_picks {
  lrd_pick picks[LRD_PICKS_MAX];
  size_t len;
  bool row_wanted;
  bool row_broken; /* the row is no JSON: a cell of it is no UTF-8 */
  lrd_buf texts;   /* texts without quotes and escapes; numbers, lists and so on as they stand */
  lrd_buf row;     /* the whole record as an object; cells are texts in it */
  /* A record's fields are all met: fills the entry, or gives it a problem. */
  larder_err (*finish)(void *context, struct lrd_picks *picks, struct lrd_entry *entry);
  void *context;
} lrd_picks;

void lrd_picks_fini(lrd_picks *picks);
/* The number of a pick of that name, an old one or a new one. LARDER_ETOOBIG when there are too many. */
LARDER_MUST_CHECK larder_err lrd_picks_add(lrd_picks *picks, const char *name, size_t *index_out);
/* For the next record. */
void lrd_picks_clear(lrd_picks *picks);
/* A cell, or every member of an object. */
LARDER_MUST_CHECK larder_err lrd_picks_cell(lrd_picks *picks, const char *name, const void *text, size_t len);
LARDER_MUST_CHECK larder_err lrd_picks_object(lrd_picks *picks, const lrd_json_doc *doc, uint32_t object);
/* A cell was the last one. */
LARDER_MUST_CHECK larder_err lrd_picks_cells_end(lrd_picks *picks);

/* NUL-terminated; NULL where the record has no such field, or null there. */
const char *lrd_pick_text(const lrd_picks *picks, size_t index, size_t *len_out);

#endif
