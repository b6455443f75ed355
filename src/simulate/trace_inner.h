/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of a trace, and what its readers share. A reader takes a source from its first byte to its end and adds requests; a
 * mistake ends it, told with its line.
 */
#ifndef LRD_SIMULATE_TRACE_INNER_H
#define LRD_SIMULATE_TRACE_INNER_H

#include "base/json_read.h"
#include "trace_keys.h"
#include "warm/entry_source.h"
#include <larder/simulate.h>

#define LRD_TRACE_ROOM     "simulate"
#define LRD_TRACE_LINE_MAX ((size_t)64 << 20) /* a session is a line */

struct larder_trace {
  uint32_t *ids; /* requests of them, numbered in the order in which keys come first */
  uint64_t requests;
  uint64_t ids_cap;
  uint32_t unique;
  uint64_t *sizes; /* by id, as long as unique_cap; NULL: none was said */
  uint64_t unique_cap;
  larder_trace_facts facts;
};

/* A trace while it is read. */
typedef struct lrd_trace_reading {
  larder_trace *trace;
  const larder_trace_options *options;
  const char *called; /* the file's name */
  lrd_source *source;
  lrd_trace_keys keys;
  uint64_t requests_max;
  bool enough; /* requests_max were asked for, and are there */
  larder_error *err;
} lrd_trace_reading;

/* Tells `FILE:LINE: …` of the line in front; LARDER_EFORMAT. */
LARDER_PRINTF(2, 3) larder_err lrd_trace_mistaken(lrd_trace_reading *reading, const char *format, ...);

/* A request; `size` 0: none is said. Sets `enough`; LARDER_ETOOBIG, told, above the limit. LARDER_ENOMEM is not told. */
LARDER_MUST_CHECK larder_err lrd_trace_add(lrd_trace_reading *reading, uint32_t id, uint64_t size);
/* The same of a key's bytes; told when it is none. */
LARDER_MUST_CHECK larder_err lrd_trace_add_key(lrd_trace_reading *reading, const void *key, size_t len, uint64_t size);
/* What was said of a key that is there. LARDER_ENOMEM. */
LARDER_MUST_CHECK larder_err lrd_trace_size(larder_trace *trace, uint32_t id, uint64_t size);
/* The decimal number of a text, of an entry's bytes; told when it is none. */
LARDER_MUST_CHECK larder_err lrd_trace_size_parse(lrd_trace_reading *reading, const char *text, size_t len, uint64_t *out);

/* The line in front as lrd_source_line has it, told when it is too long. *end_out 0: there is none. */
LARDER_MUST_CHECK larder_err lrd_trace_line(lrd_trace_reading *reading, size_t *len_out, size_t *end_out);

#define LRD_LTRC_MAGIC     "LTRC0001"
#define LRD_LTRC_MAGIC_LEN 8u

/* The readers. Failures of the source and of memory come back untold. */
LARDER_MUST_CHECK larder_err lrd_trace_read_ltrc(lrd_trace_reading *reading);
LARDER_MUST_CHECK larder_err lrd_trace_read_table(lrd_trace_reading *reading);
LARDER_MUST_CHECK larder_err lrd_trace_read_keys(lrd_trace_reading *reading);
LARDER_MUST_CHECK larder_err lrd_trace_read_sessions(lrd_trace_reading *reading);

#endif
