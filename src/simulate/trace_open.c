/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening a trace: a file or a stream, unpacked where it is compressed, as a window over which the reader of its format goes
 * (trace_ltrc.c, trace_table.c, trace_lines.c, trace_sessions.c). Memory grows with what has come, never with what is
 * announced.
 */
#include "base/fail.h"
#include "base/fs.h"
#include "codec/unpack_stream.h"
#include "trace_inner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

#define IDS_FIRST     UINT64_C(16384)
#define PROGRESS_EACH ((uint64_t)1 << 20) /* bytes */

/* --- what readers call ------------------------------------------------------------------------------------------------ */

larder_err lrd_trace_mistaken(lrd_trace_reading *reading, const char *format, ...) {
  char what[320];
  va_list args;
  va_start(args, format);
  (void)vsnprintf(what, sizeof what, format, args);
  va_end(args);
  return lrd_fail(reading->err, LARDER_EFORMAT, 0, LRD_TRACE_ROOM, "%s:%llu: %s", reading->called,
                  (unsigned long long)reading->source->line, what);
}

static larder_err ids_grow(larder_trace *trace) {
  uint64_t cap = trace->ids_cap > 0 ? trace->ids_cap * 2 : IDS_FIRST;
  uint32_t *ids = lrd_realloc(trace->ids, (size_t)cap * sizeof *ids);
  if (ids == NULL) return LARDER_ENOMEM;
  trace->ids = ids;
  trace->ids_cap = cap;
  return LARDER_OK;
}

larder_err lrd_trace_add(lrd_trace_reading *reading, uint32_t id, uint64_t size) {
  larder_trace *trace = reading->trace;
  if (reading->enough) return LARDER_OK;
  if (trace->requests == LARDER_TRACE_REQUESTS_MAX)
    return lrd_fail(reading->err, LARDER_ETOOBIG, 0, LRD_TRACE_ROOM, "%s has more than %llu requests; read a part of it",
                    reading->called, (unsigned long long)LARDER_TRACE_REQUESTS_MAX);
  larder_err err = trace->requests == trace->ids_cap ? ids_grow(trace) : LARDER_OK;
  if (err == LARDER_OK && id >= trace->unique) trace->unique = id + 1;
  if (err == LARDER_OK && size > 0) err = lrd_trace_size(trace, id, size);
  if (err != LARDER_OK) return err;
  trace->ids[trace->requests++] = id;
  reading->enough = trace->requests == reading->requests_max;
  return LARDER_OK;
}

larder_err lrd_trace_add_key(lrd_trace_reading *reading, const void *key, size_t len, uint64_t size) {
  uint32_t id = 0;
  if (reading->enough) return LARDER_OK;
  if (len == 0 || len > LARDER_TRACE_KEY_MAX)
    return lrd_trace_mistaken(reading, "a key has 1 to %u bytes; this one has %zu", LARDER_TRACE_KEY_MAX, len);
  larder_err err = lrd_trace_keys_number(&reading->keys, key, len, &id);
  return err == LARDER_OK ? lrd_trace_add(reading, id, size) : err;
}

larder_err lrd_trace_size(larder_trace *trace, uint32_t id, uint64_t size) {
  if (id >= trace->unique_cap) {
    uint64_t cap = trace->unique_cap > 0 ? trace->unique_cap : IDS_FIRST;
    while (cap <= id) cap *= 2;
    uint64_t *sizes = lrd_realloc(trace->sizes, (size_t)cap * sizeof *sizes);
    if (sizes == NULL) return LARDER_ENOMEM;
    memset(sizes + trace->unique_cap, 0, (size_t)(cap - trace->unique_cap) * sizeof *sizes);
    trace->sizes = sizes;
    trace->unique_cap = cap;
  }
  if (size > trace->sizes[id]) trace->sizes[id] = size;
  return LARDER_OK;
}

larder_err lrd_trace_size_parse(lrd_trace_reading *reading, const char *text, size_t len, uint64_t *out) {
  uint64_t size = 0;
  size_t at = 0;
  for (; at < len && text[at] >= '0' && text[at] <= '9' && size <= LARDER_TRACE_SIZE_MAX; at++)
    size = size * 10 + (uint64_t)(text[at] - '0');
  if (len == 0 || at < len || size > LARDER_TRACE_SIZE_MAX)
    return lrd_trace_mistaken(reading, "\"%.*s\" is no size; expected a whole number of bytes up to %llu",
                              len > 40 ? 40 : (int)len, text, (unsigned long long)LARDER_TRACE_SIZE_MAX);
  *out = size;
  return LARDER_OK;
}

larder_err lrd_trace_line(lrd_trace_reading *reading, size_t *len_out, size_t *end_out) {
  larder_err err = lrd_source_line(reading->source, LRD_TRACE_LINE_MAX, len_out, end_out);
  if (err == LARDER_ETOOBIG) return lrd_trace_mistaken(reading, "the line is longer than %zu MiB", LRD_TRACE_LINE_MAX >> 20);
  return err;
}

/* --- the stream ------------------------------------------------------------------------------------------------------- */

/* Where bytes come from, before they are unpacked. */
typedef struct trace_input {
  const larder_trace_options *options;
  int fd; /* -1: options->read */
  uint64_t offset;
  uint64_t total;
  uint64_t told;
  bool cancelled;
} trace_input;

static int64_t input_read(void *context, void *out, size_t room) {
  trace_input *input = context;
  const larder_trace_options *options = input->options;
  size_t got = 0;
  if (options->progress && (input->offset == 0 || input->offset - input->told >= PROGRESS_EACH)) {
    input->told = input->offset;
    input->cancelled = !options->progress(options->context, input->offset, input->total);
    if (input->cancelled) return -1;
  }
  if (input->fd >= 0) {
    if (lrd_fs_read_full(input->fd, out, room, (int64_t)input->offset, &got) != 0) return -1;
  } else {
    int64_t answer = options->read(options->read_context, out, room);
    if (answer < 0 || (uint64_t)answer > room) return -1;
    got = (size_t)answer;
  }
  input->offset += got;
  return (int64_t)got;
}

/* --- the format ------------------------------------------------------------------------------------------------------- */

static bool name_ends(const char *name, size_t len, const char *ending) {
  size_t ending_len = strlen(ending);
  return len > ending_len && strncasecmp(name + len - ending_len, ending, ending_len) == 0;
}

static larder_trace_format format_of_name(const char *name) {
  size_t len = strlen(name);
  if (name_ends(name, len, ".zst")) len -= 4;
  if (name_ends(name, len, ".gz")) len -= 3;
  if (name_ends(name, len, ".csv")) return LARDER_TRACE_CSV;
  if (name_ends(name, len, ".jsonl") || name_ends(name, len, ".ndjson")) return LARDER_TRACE_JSONL;
  return LARDER_TRACE_AUTO;
}

static larder_err format_find(lrd_trace_reading *reading, larder_trace_format *out) {
  lrd_source *source = reading->source;
  larder_err err = LARDER_OK;
  *out = reading->options->format;
  while (err == LARDER_OK && lrd_source_left(source) < LRD_LTRC_MAGIC_LEN && !source->ended)
    err = lrd_source_more(source, LRD_TRACE_LINE_MAX);
  if (err != LARDER_OK || *out != LARDER_TRACE_AUTO) return err;
  const char *text = lrd_source_text(source);
  size_t left = lrd_source_left(source);
  *out = format_of_name(reading->called);
  if (left >= LRD_LTRC_MAGIC_LEN && memcmp(text, LRD_LTRC_MAGIC, LRD_LTRC_MAGIC_LEN) == 0) *out = LARDER_TRACE_LTRC;
  if (*out == LARDER_TRACE_AUTO) *out = left > 0 && text[0] == '{' ? LARDER_TRACE_JSONL : LARDER_TRACE_KEYS;
  return LARDER_OK;
}

static larder_err reader_run(lrd_trace_reading *reading) {
  larder_trace_format format;
  larder_err err = format_find(reading, &format);
  if (err != LARDER_OK) return err;
  bool fields = reading->options->key_field || reading->options->size_field;
  if (fields && format != LARDER_TRACE_CSV && format != LARDER_TRACE_JSONL)
    return lrd_fail(reading->err, LARDER_EINVAL, 0, LRD_TRACE_ROOM, "%s is no table: only CSV and JSON Lines have fields",
                    reading->called);
  switch (format) {
  case LARDER_TRACE_LTRC:
    return lrd_trace_read_ltrc(reading);
  case LARDER_TRACE_CSV:
    return lrd_trace_read_table(reading);
  case LARDER_TRACE_JSONL:
    return lrd_trace_read_sessions(reading);
  case LARDER_TRACE_KEYS:
  case LARDER_TRACE_AUTO:
    break;
  }
  return lrd_trace_read_keys(reading);
}

/* --- facts ------------------------------------------------------------------------------------------------------------ */

static larder_err facts_count(larder_trace *trace) {
  larder_trace_facts *facts = &trace->facts;
  *facts = (larder_trace_facts){.requests = trace->requests, .unique = trace->unique, .sized = trace->sizes != NULL};
  uint8_t *met = lrd_alloc_zero(trace->unique + (size_t)1, 1); /* 0, 1 or more times */
  if (met == NULL) return LARDER_ENOMEM;
  if (trace->sizes && trace->unique > 0) {
    larder_err err = lrd_trace_size(trace, trace->unique - 1, 1); /* as long as there are keys */
    for (uint32_t id = 0; err == LARDER_OK && id < trace->unique; id++) err = lrd_trace_size(trace, id, 1);
    if (err != LARDER_OK) {
      lrd_dealloc(met);
      return err;
    }
  }
  for (uint64_t i = 0; i < trace->requests; i++) {
    uint32_t id = trace->ids[i];
    if (met[id] < 2) met[id]++;
    if (trace->sizes) facts->bytes += trace->sizes[id];
  }
  for (uint32_t id = 0; id < trace->unique; id++) {
    facts->once += met[id] == 1;
    if (trace->sizes) facts->unique_bytes += trace->sizes[id];
  }
  lrd_dealloc(met);
  return LARDER_OK;
}

void larder_trace_facts_get(const larder_trace *trace, larder_trace_facts *out) { *out = trace->facts; }

/* --- open, close ------------------------------------------------------------------------------------------------------ */

/* What the readers left untold. */
static larder_err failure_tell(const lrd_trace_reading *reading, const trace_input *input, const lrd_unpacking *unpacking,
                               larder_err result) {
  const char *why = NULL;
  larder_err unpacked = lrd_unpacking_failure(unpacking, &why);
  if (input->cancelled) return lrd_fail(reading->err, LARDER_ECANCELLED, 0, LRD_TRACE_ROOM, "%s: cancelled", reading->called);
  if (result == LARDER_EIO && unpacked != LARDER_OK)
    return lrd_fail(reading->err, unpacked, unpacked == LARDER_EIO ? errno : 0, LRD_TRACE_ROOM, "%s: %s", reading->called, why);
  if (result == LARDER_ENOMEM)
    return lrd_fail(reading->err, result, 0, LRD_TRACE_ROOM, "%s: out of memory after %llu requests", reading->called,
                    (unsigned long long)reading->trace->requests);
  return result;
}

static larder_err trace_read(lrd_trace_reading *reading, trace_input *input) {
  lrd_unpacking *unpacking = NULL;
  larder_err result = lrd_unpacking_new(input_read, input, &unpacking);
  if (result != LARDER_OK) return lrd_fail(reading->err, result, 0, LRD_TRACE_ROOM, "out of memory");
  result = lrd_source_init(reading->source, -1, lrd_unpacking_read, unpacking);
  if (result == LARDER_OK) result = lrd_source_mark_skip(reading->source);
  if (result == LARDER_OK) result = reader_run(reading);
  if (result == LARDER_OK) result = facts_count(reading->trace);
  if (result != LARDER_OK) result = failure_tell(reading, input, unpacking, result);
  lrd_source_fini(reading->source);
  lrd_unpacking_free(unpacking);
  return result;
}

static larder_err input_open(const char *path, trace_input *input, larder_error *err) {
  struct stat facts;
  if (input->options->read) return LARDER_OK;
  if (path == NULL) return lrd_fail(err, LARDER_EINVAL, 0, LRD_TRACE_ROOM, "a trace needs a path or something to read from");
  input->fd = lrd_fs_open(path, O_RDONLY | O_NONBLOCK, 0);
  if (input->fd < 0) {
    int os_errno = errno;
    larder_err result = os_errno == ENOENT ? LARDER_MISS : lrd_err_from_errno(os_errno);
    return lrd_fail(err, result, os_errno, LRD_TRACE_ROOM, "%s can't be read: %s", path, strerror(os_errno));
  }
  if (fstat(input->fd, &facts) != 0 || !S_ISREG(facts.st_mode))
    return lrd_fail(err, LARDER_EINVAL, 0, LRD_TRACE_ROOM, "%s is no ordinary file that could be a trace", path);
  input->total = (uint64_t)facts.st_size;
  return LARDER_OK;
}

larder_err larder_trace_open(const char *path, const larder_trace_options *options, larder_trace **out, larder_error *err) {
  static const larder_trace_options usual = {.size = sizeof usual};
  if (options == NULL) options = &usual;
  if (out == NULL || options->size != sizeof *options || (unsigned)options->format > LARDER_TRACE_JSONL)
    return lrd_fail(err, LARDER_EINVAL, 0, LRD_TRACE_ROOM, "the options of a trace are of another version");
  trace_input input = {.options = options, .fd = -1};
  larder_trace *trace = lrd_alloc_zero(1, sizeof *trace);
  if (trace == NULL) return lrd_fail(err, LARDER_ENOMEM, 0, LRD_TRACE_ROOM, "out of memory");
  lrd_source source;
  lrd_trace_reading reading = {.trace = trace,
                               .options = options,
                               .called = path ? path : "the trace",
                               .source = &source,
                               .requests_max = options->requests_max,
                               .err = err};
  larder_err result = input_open(path, &input, err);
  if (result == LARDER_OK) result = trace_read(&reading, &input);
  if (result == LARDER_OK) {
    *out = trace;
    trace = NULL;
  }
  larder_trace_close(&trace);
  lrd_trace_keys_fini(&reading.keys);
  lrd_fs_close(input.fd);
  return result;
}

void larder_trace_close(larder_trace **trace) {
  if (trace == NULL || *trace == NULL) return;
  lrd_dealloc((*trace)->ids);
  lrd_dealloc((*trace)->sizes);
  lrd_dealloc(*trace);
  *trace = NULL;
}
