/* SPDX-License-Identifier: Apache-2.0 */
/* One listed entry as text in each format, its secrets hidden. */
#ifndef LRD_WARM_WRITE_ENTRY_H
#define LRD_WARM_WRITE_ENTRY_H

#include "base/json_read.h"
#include "base/redact.h"
#include <larder/transfer.h>

typedef struct lrd_entry_writer {
  larder_format format;
  const char *secrets; /* names of secrets; borrowed */
  bool include_secrets;
  bool hide_unless_json; /* members are sealed: what has none is sealed whole, and all of it is a secret */
  /* Scratch, kept from one entry to the next. */
  lrd_json_doc doc;
  lrd_buf key, value, meta, cell;
} lrd_entry_writer;

void lrd_entry_writer_fini(lrd_entry_writer *writer);
/* The row of names, with its line end. */
LARDER_MUST_CHECK larder_err lrd_entry_write_header(lrd_buf *out);
/*
 * Appends an entry: an object without a line end, or a record with one. `hide_value`: all of its value is a secret.
 * LARDER_ETOOBIG, and nothing appended, when an import would not read it back.
 */
LARDER_MUST_CHECK larder_err lrd_entry_write(lrd_entry_writer *writer, const char *ns, bool hide_value,
                                             const larder_listed *entry, lrd_buf *out, bool *redacted_out);

#endif
