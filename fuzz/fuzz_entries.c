/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entry files: the first byte says the format, and whether the fields of records are named; the second the size of the pieces
 * that the file comes in. Beside memory errors it looks for broken promises: the pieces make no difference, nor does reading
 * ahead to see whether it is an export, a good entry has a key and a value within the limits and points into its own scratch,
 * lines only grow, every byte before the end of a good file is used.
 */
#include "base/hash.h"
#include "warm/field_map.h"
#include "warm/own_export.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HOLDS(condition)                                                                                                       \
  do {                                                                                                                         \
    if (!(condition)) abort();                                                                                                 \
  } while (0)

typedef struct drip {
  const uint8_t *data;
  size_t len, at, step;
} drip;

static int64_t drip_read(void *context, void *out, size_t room) {
  drip *d = context;
  size_t left = d->len - d->at, give = d->step < left ? d->step : left;
  if (give > room) give = room;
  if (give > 0) memcpy(out, d->data + d->at, give);
  d->at += give;
  return (int64_t)give;
}

static void span_check(const lrd_entry *entry, lrd_span span, uint64_t *sum) {
  if (!span.data) return;
  const uint8_t *from = entry->scratch.data, *at = span.data;
  HOLDS(at >= from && at + span.len <= from + entry->scratch.len);
  *sum = lrd_hash64(span.data, span.len, *sum);
}

static void entry_check(const lrd_entry *entry, uint64_t *sum) {
  *sum = lrd_hash64(&entry->line, sizeof entry->line, *sum);
  *sum = lrd_hash64(entry->problem, strlen(entry->problem), *sum);
  span_check(entry, entry->raw, sum);
  if (entry->problem[0]) return;
  HOLDS(entry->key.len > 0 && entry->key.len <= LARDER_KEY_MAX && entry->value.data && entry->meta.len <= LARDER_META_MAX);
  HOLDS(entry->tags_count <= LARDER_TAGS_MAX && !entry->redacted);
  span_check(entry, entry->ns, sum);
  span_check(entry, entry->key, sum);
  span_check(entry, entry->value, sum);
  span_check(entry, entry->meta, sum);
  for (size_t i = 0; i < entry->tags_count; i++) {
    size_t len = strlen(entry->tags[i]);
    HOLDS(len > 0 && len <= LARDER_TAG_MAX);
    span_check(entry, lrd_span_of(entry->tags[i], len), sum);
  }
  if (entry->version) span_check(entry, lrd_span_of(entry->version, strlen(entry->version)), sum);
  *sum = lrd_hash64(&entry->ttl_ms, sizeof entry->ttl_ms, *sum);
  *sum = lrd_hash64(&entry->stamp, sizeof entry->stamp, *sum);
}

/* A sum of all that the file came to. */
static uint64_t read_all(const uint8_t *data, size_t size, larder_format format, bool mapped, size_t step) {
  drip d = {data, size, 0, step};
  lrd_read_ahead ahead = {.read = drip_read, .context = &d};
  bool own = false;
  lrd_source source;
  lrd_reader_file reader;
  lrd_entry entry = {0};
  lrd_field_map map = {0};
  const larder_import_options how = {.size = sizeof how,
                                     .ns = "n",
                                     .key_template = "{a}:{b}",
                                     .value_row = true,
                                     .ttl_field = "ttl",
                                     .version_field = "version",
                                     .tags_field = "tags"};
  uint64_t sum = 0, line = 1;
  if (mapped) HOLDS(lrd_field_map_init(&map, &how, NULL, NULL) == LARDER_OK);
  HOLDS(lrd_own_export_check(-1, &ahead, format, &own) == LARDER_OK);
  HOLDS(lrd_source_init(&source, -1, lrd_read_ahead_next, &ahead) == LARDER_OK);
  lrd_reader_init(&reader, &source, format, true);
  if (mapped) lrd_reader_pick(&reader, &map.picks);
  larder_err err = lrd_reader_begin(&reader);
  while (err == LARDER_OK && (err = lrd_reader_next(&reader, &entry)) == LARDER_OK) {
    HOLDS(entry.line >= line);
    line = entry.line;
    entry_check(&entry, &sum);
  }
  HOLDS(err == LARDER_END || (err == LARDER_EFORMAT && reader.mistake[0]));
  if (err == LARDER_END) HOLDS(lrd_source_offset(&source) == size);
  sum = lrd_hash64(&err, sizeof err, sum + own);
  lrd_entry_fini(&entry);
  lrd_reader_fini(&reader);
  lrd_source_fini(&source);
  lrd_read_ahead_fini(&ahead);
  lrd_field_map_fini(&map);
  return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 2) return 0;
  larder_format format = (larder_format)(data[0] % 4);
  bool mapped = data[0] & 4;
  uint64_t whole = read_all(data + 2, size - 2, format, mapped, size);
  HOLDS(read_all(data + 2, size - 2, format, mapped, 1 + (size_t)data[1]) == whole);
  return 0;
}
