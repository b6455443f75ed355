/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Traces in every format, packed or not: the first byte says the format and which fields are named, the rest is the file. What
 * is accepted numbers its keys in the order in which they come and adds up; every policy misses each key at least once and no
 * less than the optimum; the same trace in the binary format is the same trace.
 */
#include "simulate/trace_inner.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HOLDS(condition)                                                                                                       \
  do {                                                                                                                         \
    if (!(condition)) abort();                                                                                                 \
  } while (0)

#define REQUESTS_MAX 2000u

typedef struct drip {
  const uint8_t *data;
  size_t len, at;
} drip;

static int64_t drip_read(void *context, void *out, size_t room) {
  drip *d = context;
  size_t left = d->len - d->at, give = left < room ? left : room;
  if (give > 0) memcpy(out, d->data + d->at, give);
  d->at += give;
  return (int64_t)give;
}

static larder_trace *trace_of(const uint8_t *data, size_t len, const larder_trace_options *options) {
  drip d = {data, len, 0};
  larder_trace_options how = *options;
  how.size = sizeof how;
  how.requests_max = REQUESTS_MAX;
  how.read = drip_read;
  how.read_context = &d;
  larder_trace *trace = NULL;
  larder_error err = {0};
  larder_err result = larder_trace_open("it", &how, &trace, &err);
  HOLDS((result == LARDER_OK) == (trace != NULL));
  HOLDS(result == LARDER_OK || result == LARDER_EFORMAT || result == LARDER_EINVAL);
  HOLDS(result == LARDER_OK || err.message[0] != '\0');
  return trace;
}

static void facts_check(const larder_trace *trace) {
  larder_trace_facts facts;
  uint32_t next = 0;
  uint64_t bytes = 0;
  larder_trace_facts_get(trace, &facts);
  HOLDS(facts.requests <= REQUESTS_MAX && facts.unique <= facts.requests && facts.once <= facts.unique);
  for (uint64_t i = 0; i < facts.requests; i++) {
    HOLDS(trace->ids[i] <= next);
    next += trace->ids[i] == next;
    if (facts.sized) bytes += trace->sizes[trace->ids[i]];
  }
  HOLDS(next == facts.unique && bytes == facts.bytes && facts.unique_bytes <= bytes);
}

/* What each policy misses with room for `room` entries, or bytes. */
static void runs_check(const larder_trace *trace, uint64_t room, bool by_bytes) {
  larder_simulate_run runs[32];
  const char *policy, *wrong = by_bytes ? LARDER_SIMULATE_OPT : LARDER_SIMULATE_OPT_BOUND;
  size_t count = 0;
  for (size_t i = 0; (policy = larder_simulate_policy(i)) != NULL && count < 32; i++)
    if (strcmp(policy, wrong) != 0)
      runs[count++] = (larder_simulate_run){.policy = policy, .objects = by_bytes ? 0 : room, .bytes = by_bytes ? room : 0};
  const larder_simulate_options how = {.size = sizeof how, .parallel = 1};
  HOLDS(larder_simulate(trace, &how, runs, count, NULL) == LARDER_OK);
  const larder_simulate_run *least = &runs[count - 1];
  for (size_t i = 0; i < count; i++) {
    HOLDS(runs[i].misses >= least->misses && runs[i].misses <= trace->facts.requests);
    HOLDS(runs[i].misses >= trace->facts.unique);
  }
}

static void same_in_binary(const larder_trace *trace) {
  lrd_buf bytes = {0};
  uint32_t has_size = 0;
  HOLDS(lrd_buf_append(&bytes, LRD_LTRC_MAGIC, LRD_LTRC_MAGIC_LEN) == LARDER_OK);
  HOLDS(lrd_buf_append(&bytes, &trace->requests, sizeof trace->requests) == LARDER_OK);
  HOLDS(lrd_buf_append(&bytes, &has_size, sizeof has_size) == LARDER_OK);
  HOLDS(lrd_buf_append(&bytes, trace->ids, (size_t)trace->requests * sizeof *trace->ids) == LARDER_OK);
  larder_trace *again = trace_of(bytes.data, bytes.len, &(larder_trace_options){.format = LARDER_TRACE_LTRC});
  HOLDS(again != NULL && again->requests == trace->requests && again->unique == trace->unique);
  HOLDS(trace->requests == 0 || memcmp(again->ids, trace->ids, (size_t)trace->requests * sizeof *trace->ids) == 0);
  larder_trace_close(&again);
  lrd_buf_fini(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const char *const keys[] = {NULL, "url", "2", "key"}, *const sizes[] = {NULL, "bytes", "1", "size"};
  if (size == 0) return 0;
  const larder_trace_options how = {.format = (larder_trace_format)(data[0] % (LARDER_TRACE_JSONL + 1)),
                                    .key_field = keys[data[0] / 8 % 4],
                                    .size_field = sizes[data[0] / 32 % 4]};
  larder_trace *trace = trace_of(data + 1, size - 1, &how);
  if (trace == NULL) return 0;
  facts_check(trace);
  bool by_bytes = trace->facts.sized && data[0] >= 128;
  runs_check(trace, 1 + (by_bytes ? trace->facts.unique_bytes : trace->unique) / 3, by_bytes);
  same_in_binary(trace);
  larder_trace_close(&trace);
  return 0;
}
