/* SPDX-License-Identifier: Apache-2.0 */
#include "trace_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int64_t trace_drip_read(void *context, void *out, size_t room) {
  trace_drip *d = context;
  size_t left = d->len - d->at, give = d->step < left ? d->step : left;
  if (give > room) give = room;
  if (give > 0) memcpy(out, (const char *)d->data + d->at, give);
  d->at += give;
  return (int64_t)give;
}

larder_err trace_open_bytes(const char *called, const void *data, size_t len, size_t step, const larder_trace_options *options,
                            larder_trace **out, larder_error *err) {
  trace_drip d = {data, len, 0, step};
  larder_trace_options how = options ? *options : (larder_trace_options){0};
  how.size = sizeof how;
  how.read = trace_drip_read;
  how.read_context = &d;
  return larder_trace_open(called, &how, out, err);
}

larder_trace *trace_of_text(const char *called, const char *text, const larder_trace_options *options) {
  larder_trace *trace = NULL;
  larder_error err = {0};
  static const size_t steps[] = {1, 7, 1000000};
  char *told[3];
  for (size_t i = 0; i < 3; i++) {
    larder_trace_close(&trace);
    if (trace_open_bytes(called, text, strlen(text), steps[i], options, &trace, &err) != LARDER_OK) fail_msg("%s", err.message);
    told[i] = trace_told(trace);
  }
  assert_string_equal(told[0], told[2]);
  assert_string_equal(told[1], told[2]);
  for (size_t i = 0; i < 3; i++) free(told[i]);
  return trace;
}

void trace_refused(const char *called, const char *text, const larder_trace_options *options, larder_err result,
                   const char *wanted) {
  larder_trace *trace = NULL;
  larder_error err = {0};
  assert_err(trace_open_bytes(called, text, strlen(text), 3, options, &trace, &err), result);
  assert_string_equal(err.message, wanted);
  assert_int_equal(err.code, result);
  assert_null(trace);
}

char *trace_told(const larder_trace *trace) {
  lrd_buf out = {0};
  for (uint64_t i = 0; i < trace->requests; i++) {
    assert_ok(lrd_buf_printf(&out, "%s%u", i > 0 ? " " : "", trace->ids[i]));
    if (trace->sizes) assert_ok(lrd_buf_printf(&out, ":%llu", (unsigned long long)trace->sizes[trace->ids[i]]));
  }
  assert_ok(lrd_buf_terminate(&out));
  char *told = strdup((const char *)out.data);
  lrd_buf_fini(&out);
  return told;
}

void trace_ltrc(lrd_buf *out, const uint32_t *ids, const uint32_t *sizes, uint64_t count) {
  uint32_t has_size = sizes != NULL;
  assert_ok(lrd_buf_append(out, LRD_LTRC_MAGIC, LRD_LTRC_MAGIC_LEN));
  assert_ok(lrd_buf_append(out, &count, sizeof count));
  assert_ok(lrd_buf_append(out, &has_size, sizeof has_size));
  assert_ok(lrd_buf_append(out, ids, count * sizeof *ids));
  if (sizes) assert_ok(lrd_buf_append(out, sizes, count * sizeof *sizes));
}

larder_trace *trace_of_ids(const uint32_t *ids, const uint32_t *sizes, uint64_t count) {
  lrd_buf bytes = {0};
  larder_trace *trace = NULL;
  larder_error err = {0};
  trace_ltrc(&bytes, ids, sizes, count);
  if (trace_open_bytes("ids", bytes.data, bytes.len, bytes.len, NULL, &trace, &err) != LARDER_OK) fail_msg("%s", err.message);
  lrd_buf_fini(&bytes);
  return trace;
}

larder_trace *trace_of_letters(const char *letters) {
  uint32_t ids[256];
  size_t len = strlen(letters);
  assert_true(len <= sizeof ids / sizeof *ids);
  for (size_t i = 0; i < len; i++) ids[i] = (uint32_t)letters[i];
  trace_densify(ids, len);
  return trace_of_ids(ids, NULL, len);
}

void trace_densify(uint32_t *ids, uint64_t count) {
  uint32_t most = 0, next = 0;
  for (uint64_t i = 0; i < count; i++)
    if (ids[i] > most) most = ids[i];
  uint32_t *numbers = calloc((size_t)most + 1, sizeof *numbers); /* number + 1 */
  assert_non_null(numbers);
  for (uint64_t i = 0; i < count; i++) {
    if (numbers[ids[i]] == 0) numbers[ids[i]] = ++next;
    ids[i] = numbers[ids[i]] - 1;
  }
  free(numbers);
}

static larder_simulate_run run_one(const larder_trace *trace, larder_simulate_run run) {
  larder_error err = {0};
  if (larder_simulate(trace, NULL, &run, 1, &err) != LARDER_OK) fail_msg("%s", err.message);
  return run;
}

larder_simulate_run run_objects(const larder_trace *trace, const char *policy, uint64_t objects) {
  return run_one(trace, (larder_simulate_run){.policy = policy, .objects = objects});
}

larder_simulate_run run_bytes(const larder_trace *trace, const char *policy, uint64_t bytes) {
  return run_one(trace, (larder_simulate_run){.policy = policy, .bytes = bytes});
}
