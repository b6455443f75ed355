/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sums as bytes. All numbers are varints unless said:
 *
 *   "LST1", cells, then for each cell:
 *     namespace length and bytes, tier length and bytes
 *     pairs, then for each: counter number, value
 *     operations, then for each: operation number, sum in ns, buckets, then for each: distance from the last one, count
 *   XXH3-64 of all before, 8 bytes
 *
 * Numbers that this build does not know (a later one's) are read over.
 */
#include "base/hash.h"
#include "sums.h"

#define BLOB_MAGIC     "LST1"
#define BLOB_MAGIC_LEN 4u
#define BLOB_SUM_LEN   8u

static larder_err put_name(lrd_buf *out, const char *name) {
  size_t len = strlen(name);
  larder_err err = lrd_varint_append(out, len);
  return err != LARDER_OK ? err : lrd_buf_append(out, name, len);
}

static larder_err put_counters(lrd_buf *out, const stats_sum *sum) {
  uint64_t pairs = 0;
  for (size_t i = 0; i < LRD_STAT_COUNT; i++) pairs += sum->counters[i] != 0;
  larder_err err = lrd_varint_append(out, pairs);
  for (size_t i = 0; i < LRD_STAT_COUNT && err == LARDER_OK; i++) {
    if (!sum->counters[i]) continue;
    err = lrd_varint_append(out, i);
    if (err == LARDER_OK) err = lrd_varint_append(out, sum->counters[i]);
  }
  return err;
}

static larder_err put_buckets(lrd_buf *out, const uint64_t *buckets) {
  uint64_t used = 0, last = 0;
  for (size_t i = 0; i < LRD_HISTOGRAM_BUCKETS; i++) used += buckets[i] != 0;
  larder_err err = lrd_varint_append(out, used);
  for (size_t i = 0; i < LRD_HISTOGRAM_BUCKETS && err == LARDER_OK; i++) {
    if (!buckets[i]) continue;
    err = lrd_varint_append(out, i - last);
    if (err == LARDER_OK) err = lrd_varint_append(out, buckets[i]);
    last = i;
  }
  return err;
}

static larder_err put_operations(lrd_buf *out, const stats_sum *sum) {
  uint64_t used = 0;
  for (size_t op = 0; op < LRD_OP_COUNT; op++) used += sum->buckets[op] != NULL;
  larder_err err = lrd_varint_append(out, used);
  for (size_t op = 0; op < LRD_OP_COUNT && err == LARDER_OK; op++) {
    if (!sum->buckets[op]) continue;
    err = lrd_varint_append(out, op);
    if (err == LARDER_OK) err = lrd_varint_append(out, sum->sum_ns[op]);
    if (err == LARDER_OK) err = put_buckets(out, sum->buckets[op]);
  }
  return err;
}

larder_err lrd_sums_encode(const stats_sums *sums, lrd_buf *out) {
  size_t before = out->len;
  larder_err err = lrd_buf_append(out, BLOB_MAGIC, BLOB_MAGIC_LEN);
  if (err == LARDER_OK) err = lrd_varint_append(out, sums->count);
  for (size_t i = 0; i < sums->count && err == LARDER_OK; i++) {
    const stats_sum *sum = sums->cells[i];
    err = put_name(out, sum->ns);
    if (err == LARDER_OK) err = put_name(out, sum->tier);
    if (err == LARDER_OK) err = put_counters(out, sum);
    if (err == LARDER_OK) err = put_operations(out, sum);
  }
  if (err == LARDER_OK) {
    uint8_t check[BLOB_SUM_LEN];
    lrd_put_u64(check, lrd_sum64(out->data + before, out->len - before));
    err = lrd_buf_append(out, check, sizeof check);
  }
  if (err != LARDER_OK) out->len = before;
  return err;
}

typedef struct blob_reader {
  const uint8_t *at;
  const uint8_t *end;
  larder_err err; /* the first failure; numbers read as 0 after it */
} blob_reader;

static uint64_t get_number(blob_reader *reader) {
  uint64_t number = 0;
  if (reader->err == LARDER_OK) reader->err = lrd_varint_read(&reader->at, reader->end, &number);
  return reader->err == LARDER_OK ? number : 0;
}

static void get_name(blob_reader *reader, char *out, size_t room) {
  uint64_t len = get_number(reader);
  out[0] = '\0';
  if (reader->err != LARDER_OK) return;
  if (len >= room || len > (size_t)(reader->end - reader->at) || memchr(reader->at, '\0', (size_t)len)) {
    reader->err = LARDER_ECORRUPT;
    return;
  }
  memcpy(out, reader->at, (size_t)len);
  out[len] = '\0';
  reader->at += len;
}

static void get_operation(blob_reader *reader, stats_sum *sum) {
  uint64_t op = get_number(reader);
  uint64_t sum_ns = get_number(reader);
  uint64_t used = get_number(reader);
  bool known = op < LRD_OP_COUNT;
  if (known && reader->err == LARDER_OK && !sum->buckets[op]) {
    sum->buckets[op] = lrd_alloc_zero(LRD_HISTOGRAM_BUCKETS, sizeof(uint64_t));
    if (!sum->buckets[op]) reader->err = LARDER_ENOMEM;
  }
  uint64_t bucket = 0;
  for (uint64_t i = 0; i < used && reader->err == LARDER_OK; i++) {
    uint64_t step = get_number(reader);
    uint64_t count = get_number(reader);
    if (step >= LRD_HISTOGRAM_BUCKETS || bucket + step >= LRD_HISTOGRAM_BUCKETS) reader->err = LARDER_ECORRUPT;
    if (reader->err != LARDER_OK) return;
    bucket += step;
    if (known) sum->buckets[op][bucket] += count;
  }
  if (known && reader->err == LARDER_OK) sum->sum_ns[op] += sum_ns;
}

static void get_cell(blob_reader *reader, stats_sums *to) {
  char ns[STATS_NS_ROOM], tier[STATS_TIER_ROOM];
  get_name(reader, ns, sizeof ns);
  get_name(reader, tier, sizeof tier);
  if (reader->err != LARDER_OK) return;
  stats_sum *sum = lrd_sums_cell(to, ns, tier);
  if (!sum) {
    reader->err = LARDER_ENOMEM;
    return;
  }
  uint64_t pairs = get_number(reader);
  for (uint64_t i = 0; i < pairs && reader->err == LARDER_OK; i++) {
    uint64_t counter = get_number(reader);
    uint64_t value = get_number(reader);
    if (reader->err == LARDER_OK && counter < LRD_STAT_COUNT) sum->counters[counter] += value;
  }
  uint64_t operations = get_number(reader);
  for (uint64_t i = 0; i < operations && reader->err == LARDER_OK; i++) get_operation(reader, sum);
}

larder_err lrd_sums_decode(stats_sums *to, lrd_span blob) {
  if (blob.len < BLOB_MAGIC_LEN + 1 + BLOB_SUM_LEN || memcmp(blob.data, BLOB_MAGIC, BLOB_MAGIC_LEN) != 0)
    return LARDER_ECORRUPT;
  const uint8_t *data = blob.data;
  size_t len = blob.len - BLOB_SUM_LEN;
  if (lrd_sum64(data, len) != lrd_get_u64(data + len)) return LARDER_ECORRUPT;
  blob_reader reader = {.at = data + BLOB_MAGIC_LEN, .end = data + len};
  uint64_t cells = get_number(&reader);
  for (uint64_t i = 0; i < cells && reader.err == LARDER_OK; i++) get_cell(&reader, to);
  if (reader.err == LARDER_OK && reader.at != reader.end) reader.err = LARDER_ECORRUPT;
  return reader.err;
}
