/* SPDX-License-Identifier: Apache-2.0 */
/* A file that can't be read as entries at all is none; what is wrong with it is told by who reads it in earnest. */
#include "own_export.h"

#define ENTRIES_TRIED 16u /* of which the first that has a key tells; one above may be damaged */

/* --- reading ahead ------------------------------------------------------------------------------------------------------- */

static int64_t ahead_read(void *context, void *out, size_t room) {
  lrd_read_ahead *ahead = context;
  int64_t const got = ahead->read(ahead->context, out, room);
  ahead->ended = got == 0;
  if (got <= 0 || (uint64_t)got > room) return got;
  return lrd_buf_append(&ahead->bytes, out, (size_t)got) == LARDER_OK ? got : -1;
}

int64_t lrd_read_ahead_next(void *context, void *out, size_t room) {
  lrd_read_ahead *ahead = context;
  size_t const left = ahead->bytes.len - ahead->at, len = left < room ? left : room;
  if (left == 0) {
    lrd_buf_fini(&ahead->bytes);
    ahead->at = 0;
    return ahead->ended ? 0 : ahead->read(ahead->context, out, room);
  }
  memcpy(out, ahead->bytes.data + ahead->at, len);
  ahead->at += len;
  return (int64_t)len;
}

void lrd_read_ahead_fini(lrd_read_ahead *ahead) { lrd_buf_fini(&ahead->bytes); }

/* --- looking ------------------------------------------------------------------------------------------------------------- */

static bool columns_are_ours(const lrd_reader_file *reader) {
  static const char *const ours[] = {"ns", "key", "key_encoding", "value", "kind", "fresh_until_ms", "stamp"};
  for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
    size_t at = 0;
    while (at < reader->columns_len && strcmp((const char *)reader->names.data + reader->columns[at], ours[i]) != 0) at++;
    if (at == reader->columns_len) return false;
  }
  return true;
}

static bool entry_is_ours(const lrd_entry *entry) {
  return entry->ns.data && entry->key.data && entry->value.data && entry->kind_given && entry->stamp != 0 &&
         (entry->ttl_ms != 0 || entry->fresh_until_ms != 0);
}

static larder_err entries_look(lrd_reader_file *reader, bool *own_out) {
  lrd_entry entry = {0};
  larder_err err = LARDER_OK;
  for (unsigned tries = 0; err == LARDER_OK && !entry.key.data && tries < ENTRIES_TRIED; tries++)
    err = lrd_reader_next(reader, &entry);
  *own_out = err == LARDER_OK ? entry_is_ours(&entry) : err == LARDER_END && reader->trailer.met;
  lrd_entry_fini(&entry);
  return err == LARDER_END ? LARDER_OK : err;
}

larder_err lrd_own_export_check(int fd, lrd_read_ahead *ahead, larder_format format, bool *own_out) {
  lrd_source source = {.fd = -1};
  lrd_reader_file reader;
  *own_out = false;
  larder_err err = lrd_source_init(&source, ahead ? -1 : fd, ahead_read, ahead);
  lrd_reader_init(&reader, &source, format, false);
  if (err == LARDER_OK) err = lrd_reader_begin(&reader);
  if (err == LARDER_OK && reader.format == LARDER_FORMAT_CSV)
    *own_out = columns_are_ours(&reader);
  else if (err == LARDER_OK)
    err = entries_look(&reader, own_out);
  lrd_reader_fini(&reader);
  lrd_source_fini(&source);
  return err == LARDER_EFORMAT ? LARDER_OK : err;
}
