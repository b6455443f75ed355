/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes from a disk that may have changed under us: the head of a row (version, metadata, tags), the stored sums of the
 * statistics, the record of an entry's health, the list of former values, and the coherence map that a root is joined by.
 * Decoders answer or refuse; what they hand out lies within what they were given, and a map that is believed can be used.
 */
#include "base/bytes.h"
#include "base/clock.h"
#include "base/hash.h"
#include "core/health_record.h"
#include "core/history.h"
#include "core/slots_map.h"
#include "stats/sums.h"
#include "tier/sqlite/sqlite_inner.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HOLDS(condition)                                                                                                       \
  do {                                                                                                                         \
    if (!(condition)) abort();                                                                                                 \
  } while (0)

static bool within(const void *at, size_t len, const uint8_t *data, size_t size) {
  const uint8_t *from = at;
  return len == 0 || (from >= data && len <= size && (size_t)(from - data) <= size - len);
}

static void try_row_head(const uint8_t *data, size_t size) {
  larder_facts facts = {0};
  if (!lrd_facts_head_unpack(data, size, &facts)) return;
  HOLDS(within(facts.version, facts.version_len, data, size));
  HOLDS(within(facts.meta, facts.meta_len, data, size));
  HOLDS(within(facts.tags, facts.tags_len, data, size));
  HOLDS(facts.version_len <= LARDER_VERSION_MAX);
  const uint8_t *tag = (const uint8_t *)facts.tags;
  for (size_t at = 0; at < facts.tags_len; at += 1u + tag[at]) HOLDS(tag[at] > 0 && at + 1 + tag[at] <= facts.tags_len);
  uint8_t *packed = NULL;
  size_t packed_len = 0;
  if (lrd_facts_head_pack(&facts, &packed, &packed_len) != LARDER_OK) return;
  larder_facts again = {0};
  HOLDS(lrd_facts_head_unpack(packed, packed_len, &again));
  HOLDS(again.modified_ms == facts.modified_ms && again.ns_version == facts.ns_version && again.tags_len == facts.tags_len);
  lrd_dealloc(packed);
}

/* With a checksum that is right, so that what lies behind it is reached too. */
static void try_sums(const uint8_t *data, size_t size, bool summed) {
  stats_sums sums = {0};
  lrd_buf blob = {0};
  lrd_buf out = {0};
  uint64_t sum = lrd_sum64(data, size);
  HOLDS(lrd_buf_append(&blob, data, size) == LARDER_OK);
  if (summed) HOLDS(lrd_buf_append(&blob, &sum, sizeof sum) == LARDER_OK);
  if (lrd_sums_decode(&sums, lrd_span_of(blob.data, blob.len)) == LARDER_OK) HOLDS(lrd_sums_encode(&sums, &out) == LARDER_OK);
  lrd_buf_fini(&out);
  lrd_buf_fini(&blob);
  lrd_sums_fini(&sums);
}

/* The list of an entry's former values; likewise. */
static void try_history(const uint8_t *data, size_t size, bool summed) {
  lrd_history_index index = {0};
  lrd_buf bytes = {0};
  lrd_buf again = {0};
  uint64_t sum = lrd_sum64(data, size);
  HOLDS(lrd_buf_append(&bytes, data, size) == LARDER_OK);
  if (summed) HOLDS(lrd_buf_append(&bytes, &sum, sizeof sum) == LARDER_OK);
  if (lrd_history_index_decode(bytes.data, bytes.len, &index) == LARDER_OK) {
    HOLDS(lrd_history_index_encode(&index, &again) == LARDER_OK);
    HOLDS(again.len == bytes.len && memcmp(again.data, bytes.data, again.len) == 0);
  }
  lrd_history_index_fini(&index);
  lrd_buf_fini(&again);
  lrd_buf_fini(&bytes);
}

/* The input is laid over the front of a map that was whole. */
static void try_map(const uint8_t *data, size_t size, bool summed) {
  static char root[] = "/tmp/larder-fuzz-XXXXXX";
  static char path[64];
  static char *whole;
  static size_t whole_len;
  static const char *const tiers[] = {"sqlite"};
  lrd_log silent = {0};
  lrd_slots *slots = NULL;
  lrd_slots_params params = {
      .root = root, .slots = 1024, .clock = lrd_clock_real(), .log = &silent, .tiers = tiers, .tiers_len = 1};
  if (!path[0]) {
    HOLDS(mkdtemp(root));
    (void)snprintf(path, sizeof path, "%s/coherence.map", root);
    HOLDS(lrd_slots_open(&params, &slots, NULL) == LARDER_OK);
    lrd_slots_joined(slots);
    lrd_slots_close(slots);
    HOLDS(lrd_fs_slurp(path, 1u << 24, &whole, &whole_len) == 0);
  }
  int fd = open(path, O_RDWR | O_CREAT, 0600);
  HOLDS(fd >= 0);
  if (size > whole_len) size = whole_len;
  HOLDS(ftruncate(fd, (off_t)whole_len) == 0 && pwrite(fd, whole, whole_len, 0) == (ssize_t)whole_len);
  HOLDS(pwrite(fd, data, size, 0) == (ssize_t)size);
  if (summed) {
    map_head head;
    HOLDS(pread(fd, &head, sizeof head, 0) == (ssize_t)sizeof head);
    head.sum = lrd_sum64(&head, offsetof(map_head, sum));
    HOLDS(pwrite(fd, &head, sizeof head, 0) == (ssize_t)sizeof head);
  }
  (void)close(fd);
  if (lrd_slots_open(&params, &slots, NULL) != LARDER_OK) return;
  lrd_slots_joined(slots);
  uint64_t version;
  uint64_t slot = lrd_slot_count(slots) - 1;
  if (lrd_slot_own(slots, slot, 1000000, &version) == LARDER_OK) {
    HOLDS(lrd_slot_token(slots, slot) == LRD_TOKEN_NONE);
    uint64_t token = lrd_slot_release(slots, slot, true);
    HOLDS(lrd_slot_token(slots, slot) == token);
  }
  (void)lrd_slots_trust(slots, 0, NULL);
  lrd_slots_close(slots);
}

/* With a checksum that is right. */
static void try_health(const uint8_t *data, size_t size) {
  uint8_t bytes[LRD_HEALTH_RECORD_MAX], again[LRD_HEALTH_RECORD_MAX];
  lrd_health_record record, back;
  if (size > sizeof bytes - 8) size = sizeof bytes - 8;
  memcpy(bytes, data, size);
  uint64_t const sum = lrd_sum64(data, size);
  memcpy(bytes + size, &sum, sizeof sum);
  if (lrd_health_record_read(bytes, size + 8, &record) != LARDER_OK) return;
  HOLDS(strlen(record.error) <= LARDER_HEALTH_ERROR_MAX);
  size_t const len = lrd_health_record_write(&record, again);
  HOLDS(len == size + 8 && lrd_health_record_read(again, len, &back) == LARDER_OK);
  HOLDS(memcmp(&back.state, &record.state, sizeof back.state) == 0 && strcmp(back.error, record.error) == 0);
}

static void try_varint(const uint8_t *data, size_t size) {
  const uint8_t *at = data;
  uint64_t value;
  while (at < data + size && lrd_varint_read(&at, data + size, &value) == LARDER_OK) HOLDS(at <= data + size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) return 0;
  switch (data[0] % 8) {
  case 0:
    try_map(data + 1, size - 1, (data[0] & 8) != 0);
    break;
  case 1:
  case 2:
    try_sums(data + 1, size - 1, data[0] % 8 == 2);
    break;
  case 3:
    try_varint(data + 1, size - 1);
    break;
  case 5:
    try_health(data + 1, size - 1);
    break;
  case 6:
    try_history(data + 1, size - 1, (data[0] & 8) != 0);
    break;
  default:
    try_row_head(data + 1, size - 1);
    break;
  }
  return 0;
}
