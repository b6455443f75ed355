/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The binary format, little-endian:
 *
 *   8 bytes "LTRC0001" | u64 count | u32 has_size | count x u32 key | count x u32 size, if has_size is 1
 *
 * Keys are numbered in the order in which they come first, so the first key is 0 and none is above the greatest before it by
 * more than one. That and the length are all that can be wrong; count itself is believed only as far as bytes follow.
 */
#include "base/fail.h"
#include "trace_inner.h"

#include <stdarg.h>
#include <stdio.h>

#define HEAD_LEN (LRD_LTRC_MAGIC_LEN + 8u + 4u)
#define WORD     ((size_t)4)

LARDER_PRINTF(2, 3) static larder_err ltrc_mistaken(lrd_trace_reading *reading, const char *format, ...) {
  char what[200];
  va_list args;
  va_start(args, format);
  (void)vsnprintf(what, sizeof what, format, args);
  va_end(args);
  return lrd_fail(reading->err, LARDER_EFORMAT, 0, LRD_TRACE_ROOM, "%s: %s", reading->called, what);
}

/* At least `len` bytes in front, or the end. */
static larder_err bytes_wait(lrd_source *source, size_t len) {
  larder_err err = LARDER_OK;
  while (err == LARDER_OK && lrd_source_left(source) < len && !source->ended) err = lrd_source_more(source, LRD_TRACE_LINE_MAX);
  return err;
}

/* Gives `count` words to `take`, in order. */
static larder_err words_each(lrd_trace_reading *reading, uint64_t count, const char *what,
                             larder_err (*take)(lrd_trace_reading *reading, uint64_t index, uint32_t word)) {
  lrd_source *source = reading->source;
  for (uint64_t done = 0; done < count;) {
    larder_err err = bytes_wait(source, WORD);
    if (err != LARDER_OK) return err;
    size_t words = lrd_source_left(source) / WORD;
    if (words == 0)
      return ltrc_mistaken(reading, "it breaks off after %llu of %llu %s", (unsigned long long)done, (unsigned long long)count,
                           what);
    if (words > count - done) words = (size_t)(count - done);
    const char *text = lrd_source_text(source);
    for (size_t i = 0; i < words && err == LARDER_OK; i++) err = take(reading, done + i, lrd_get_u32(text + i * WORD));
    if (err != LARDER_OK) return err;
    lrd_source_use(source, words * WORD);
    done += words;
  }
  return LARDER_OK;
}

static larder_err key_take(lrd_trace_reading *reading, uint64_t index, uint32_t word) {
  if (reading->enough) return LARDER_OK;
  if (word > reading->trace->unique)
    return ltrc_mistaken(reading, "request %llu is for key %u before there was a key %u", (unsigned long long)index + 1, word,
                         reading->trace->unique);
  return lrd_trace_add(reading, word, 0);
}

static larder_err size_take(lrd_trace_reading *reading, uint64_t index, uint32_t word) {
  larder_trace *trace = reading->trace;
  return index < trace->requests ? lrd_trace_size(trace, trace->ids[index], word) : LARDER_OK;
}

larder_err lrd_trace_read_ltrc(lrd_trace_reading *reading) {
  lrd_source *source = reading->source;
  larder_err err = bytes_wait(source, HEAD_LEN);
  if (err != LARDER_OK) return err;
  const char *head = lrd_source_text(source);
  size_t left = lrd_source_left(source);
  if (left < LRD_LTRC_MAGIC_LEN || memcmp(head, LRD_LTRC_MAGIC, LRD_LTRC_MAGIC_LEN) != 0)
    return ltrc_mistaken(reading, "it does not begin with " LRD_LTRC_MAGIC);
  if (left < HEAD_LEN) return ltrc_mistaken(reading, "it breaks off within its head");
  uint64_t count = lrd_get_u64(head + LRD_LTRC_MAGIC_LEN);
  uint32_t has_size = lrd_get_u32(head + LRD_LTRC_MAGIC_LEN + 8);
  if (has_size > 1) return ltrc_mistaken(reading, "its head says %u where 0 or 1 says whether sizes follow", has_size);
  lrd_source_use(source, HEAD_LEN);
  /* What is not wanted is passed over where sizes follow, and else not even read. */
  uint64_t keys = !has_size && reading->requests_max > 0 && reading->requests_max < count ? reading->requests_max : count;
  err = words_each(reading, keys, "requests", key_take);
  if (err == LARDER_OK && has_size) err = words_each(reading, count, "sizes", size_take);
  if (err != LARDER_OK || keys < count) return err;
  err = bytes_wait(source, 1);
  if (err == LARDER_OK && lrd_source_left(source) > 0)
    err = ltrc_mistaken(reading, "something follows its %llu requests", (unsigned long long)count);
  return err;
}
