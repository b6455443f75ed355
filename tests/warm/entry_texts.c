/* SPDX-License-Identifier: Apache-2.0 */
#include "entry_texts.h"

#include "support/support.h"
#include <string.h>

int64_t entry_drip_read(void *context, void *out, size_t room) {
  entry_drip *d = context;
  size_t left = d->len - d->at, give = d->step < left ? d->step : left;
  if (give > room) give = room;
  memcpy(out, d->text + d->at, give);
  d->at += give;
  return (int64_t)give;
}

static void span_put(lrd_buf *out, const char *name, lrd_span text) {
  if (!text.data) return;
  assert_ok(lrd_buf_printf(out, " %s=", name));
  for (size_t i = 0; i < text.len; i++) {
    uint8_t c = ((const uint8_t *)text.data)[i];
    if (c >= 0x20 && c < 0x7f)
      assert_ok(lrd_buf_append_byte(out, c));
    else
      assert_ok(lrd_buf_printf(out, "\\%02x", c));
  }
}

/* All that a file holds, as text: a line for each entry. */
char *entries_told(const char *text, size_t len, larder_format format, lrd_picks *picks, size_t step) {
  static const char *const kinds[] = {"bytes", "text", "json", "array", "model", "wisdom"};
  entry_drip d = {text, len, 0, step};
  lrd_source source;
  lrd_reader_file reader;
  lrd_entry entry = {0};
  lrd_buf out = {0};
  assert_ok(lrd_source_init(&source, -1, entry_drip_read, &d));
  lrd_reader_init(&reader, &source, format, true);
  if (picks) lrd_reader_pick(&reader, picks);
  larder_err err = lrd_reader_begin(&reader);
  while (err == LARDER_OK) {
    err = lrd_reader_next(&reader, &entry);
    if (err != LARDER_OK) break;
    assert_ok(lrd_buf_printf(&out, "%llu:", (unsigned long long)entry.line));
    if (entry.problem[0]) {
      assert_ok(lrd_buf_printf(&out, " ! %s\n", entry.problem));
      continue;
    }
    span_put(&out, "ns", entry.ns);
    span_put(&out, "key", entry.key);
    span_put(&out, "value", entry.value);
    span_put(&out, "meta", entry.meta);
    if (entry.version) assert_ok(lrd_buf_printf(&out, " version=%s", entry.version));
    for (size_t i = 0; i < entry.tags_count; i++) assert_ok(lrd_buf_printf(&out, " tag=%s", entry.tags[i]));
    if (entry.kind != LARDER_KIND_BYTES) assert_ok(lrd_buf_printf(&out, " %s", kinds[entry.kind]));
    if (entry.ttl_ms == LARDER_TTL_NEVER)
      assert_ok(lrd_buf_append_str(&out, " never"));
    else if (entry.ttl_ms)
      assert_ok(lrd_buf_printf(&out, " ttl=%lld", (long long)entry.ttl_ms));
    if (entry.fresh_until_ms) assert_ok(lrd_buf_printf(&out, " fresh=%lld", (long long)entry.fresh_until_ms));
    if (entry.keep_until_ms) assert_ok(lrd_buf_printf(&out, " keep=%lld", (long long)entry.keep_until_ms));
    if (entry.stamp) assert_ok(lrd_buf_printf(&out, " stamp=%llu", (unsigned long long)entry.stamp));
    assert_ok(lrd_buf_append_str(&out, "\n"));
  }
  if (err == LARDER_EFORMAT)
    assert_ok(lrd_buf_printf(&out, "!! %s\n", reader.mistake));
  else
    assert_err(err, LARDER_END);
  if (reader.trailer.met)
    assert_ok(lrd_buf_printf(&out, "trailer %llu %s\n", (unsigned long long)reader.trailer.entries,
                             strcmp(reader.trailer.sum, reader.trailer.sum_found) == 0 ? "right" : "wrong"));
  assert_ok(lrd_buf_terminate(&out));
  lrd_entry_fini(&entry);
  lrd_reader_fini(&reader);
  lrd_source_fini(&source);
  return (char *)out.data;
}

void entries_expect(const char *text, size_t len, larder_format format, lrd_picks *picks, const char *wanted) {
  static const size_t steps[] = {1, 2, 3, 7, 64, 1 << 20};
  for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
    char *found = entries_told(text, len, format, picks, steps[i]);
    if (strcmp(found, wanted) != 0) fail_msg("%s\ngave\n%s\nnot\n%s", text, found, wanted);
    lrd_dealloc(found);
  }
}
