/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log of the files tier, and names of files that somebody else chose. A frame's checksum is made right, so that what lies
 * behind it is reached. What is read lies within what was given, is in bounds, and is written back as the same bytes; a name
 * that tells a key is the name that this key gets.
 */
#include "tier/files/files_inner.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HOLDS(condition)                                                                                                       \
  do {                                                                                                                         \
    if (!(condition)) abort();                                                                                                 \
  } while (0)

static bool within(lrd_span span, const uint8_t *data, size_t size) {
  const uint8_t *from = span.data;
  return span.len == 0 || (from >= data && span.len <= size && (size_t)(from - data) <= size - span.len);
}

static void try_entry(const files_record *record, const uint8_t *bytes, size_t len) {
  files_entry *entry = NULL;
  larder_facts facts;
  lrd_buf again = {0};
  HOLDS(lrd_files_entry_new(&record->facts, record->key, record->head, &entry) == LARDER_OK);
  HOLDS(lrd_files_facts(entry, &facts));
  HOLDS(entry->name_len < LRD_FILES_NAME_MAX && files_name(entry)[0] != '/' &&
        strstr(files_name(entry), "..") != files_name(entry));
  HOLDS(lrd_files_record_entry(&again, entry) == LARDER_OK);
  HOLDS(again.len == len && memcmp(again.data, bytes, len) == 0);
  lrd_buf_fini(&again);
  lrd_dealloc(entry);
}

static void try_records(const uint8_t *data, size_t size) {
  const uint8_t *at = data;
  files_record record;
  for (;;) {
    const uint8_t *before = at;
    larder_err const err = lrd_files_record_read(&at, data + size, &record);
    if (err != LARDER_OK) {
      HOLDS(err == LARDER_END || err == LARDER_ECORRUPT);
      return;
    }
    HOLDS(at > before && within(record.key, data, size) && within(record.head, data, size));
    HOLDS(record.facts.space < LRD_FILES_SPACES_MAX);
    if (record.type == FILES_RECORD_ENTRY) try_entry(&record, before, (size_t)(at - before));
  }
}

static void try_frame(const uint8_t *data, size_t size) {
  lrd_buf frame = {0};
  lrd_span payload = {0};
  HOLDS(lrd_files_frame_begin(&frame) == LARDER_OK && lrd_buf_append(&frame, data, size) == LARDER_OK);
  HOLDS(lrd_files_frame_end(&frame, 7, 64) == LARDER_OK);
  HOLDS(lrd_files_frame_check(frame.data, frame.len, 7, 64, &payload) == frame.len && payload.len == size);
  HOLDS(lrd_files_frame_check(frame.data, frame.len, 7, 72, &payload) == 0); /* not where it was written */
  lrd_buf_fini(&frame);
  if (lrd_files_frame_check(data, size, 7, 64, &payload) != 0) HOLDS(within(payload, data, size));
}

static void try_name(const uint8_t *data, size_t size) {
  lrd_buf key = {0}, stem = {0};
  lrd_ending ending;
  size_t stem_len = 0;
  const char *name = (const char *)data;
  if (lrd_ending_find(name, size, &ending, &stem_len)) HOLDS(stem_len > 0 && stem_len < size);
  if (lrd_files_unstem(&key, name, size) == LARDER_OK) {
    HOLDS(lrd_files_stem(&stem, key.data, key.len) == LARDER_OK);
    HOLDS(size > 200 || (stem.len == size && memcmp(stem.data, name, size) == 0));
  }
  lrd_buf_clear(&stem);
  if (size > 0 && size <= LARDER_KEY_MAX) {
    HOLDS(lrd_files_stem(&stem, data, size) == LARDER_OK);
    HOLDS(stem.len > 0 && stem.len <= 200 && stem.data[0] != '.' && memchr(stem.data, '/', stem.len) == NULL);
    HOLDS(memchr(stem.data, 0, stem.len) == NULL);
  }
  lrd_buf_fini(&key);
  lrd_buf_fini(&stem);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  uint8_t header[LRD_FILES_LOG_HEADER] = {0};
  uint64_t seed = 0, id = 0, generation = 0;
  memcpy(header, data, size < sizeof header ? size : sizeof header);
  (void)lrd_files_header_read(header, &seed, &id, &generation);
  try_records(data, size);
  try_frame(data, size);
  try_name(data, size);
  return 0;
}
