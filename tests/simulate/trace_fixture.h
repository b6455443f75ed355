/* SPDX-License-Identifier: Apache-2.0 */
/* Traces from texts and from numbers, and runs over them. */
#ifndef LRD_TESTS_SIMULATE_TRACE_FIXTURE_H
#define LRD_TESTS_SIMULATE_TRACE_FIXTURE_H

#include "support/support.h"

#include "base/bytes.h"
#include "simulate/trace_inner.h"

/* A stream that gives at most `step` bytes at a time. */
typedef struct trace_drip {
  const void *data;
  size_t len, at, step;
} trace_drip;
int64_t trace_drip_read(void *context, void *out, size_t room);

/* From bytes, by steps of so many; `called` is the file's name. */
larder_err trace_open_bytes(const char *called, const void *data, size_t len, size_t step, const larder_trace_options *options,
                            larder_trace **out, larder_error *err);
/* A file of this text that is fine; and one that is told with exactly this sentence. */
larder_trace *trace_of_text(const char *called, const char *text, const larder_trace_options *options);
void trace_refused(const char *called, const char *text, const larder_trace_options *options, larder_err result,
                   const char *wanted);
/* What was read: `0 1 0 2`, behind a colon of each with a size that. Own, by free. */
char *trace_told(const larder_trace *trace);

/* LTRC of these keys, with sizes where there are some. */
void trace_ltrc(lrd_buf *out, const uint32_t *ids, const uint32_t *sizes, uint64_t count);
/* A letter is a key. */
larder_trace *trace_of_letters(const char *letters);
/* Numbers in the order of their first appearance; sizes by request, may be NULL. */
larder_trace *trace_of_ids(const uint32_t *ids, const uint32_t *sizes, uint64_t count);
/* Renumbers keys in the order of their first appearance, in place. */
void trace_densify(uint32_t *ids, uint64_t count);

larder_simulate_run run_objects(const larder_trace *trace, const char *policy, uint64_t objects);
larder_simulate_run run_bytes(const larder_trace *trace, const char *policy, uint64_t bytes);

#endif
