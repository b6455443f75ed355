/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both parts come from mmap with huge pages asked for, as Larder's own arena does: the comparison is one of work, not of
 * page tables. The key length is turned into a constant (8 or 32) at the top of each operation, so that comparing is a few
 * instructions and no call.
 */
#define XXH_INLINE_ALL
#include "peer_flat.h"
#include "bench.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <xxhash.h>

struct flat {
  uint64_t *index; /* low half: record number + 1, high half: high half of the hash; 0: free */
  uint8_t *records;
  size_t mask;
  size_t key_len;
  size_t value_len;
  size_t stride;
  size_t entries;
  size_t entries_max;
};

#define FLAT_SEED 0x6c61726465720001u

static void *pages_new(size_t bytes) {
  void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) bench_die("out of memory (%zu bytes)", bytes);
  if (!getenv("BENCH_SMALL_PAGES")) (void)madvise(at, bytes, MADV_HUGEPAGE);
  return at;
}

static size_t index_size(size_t entries_max) {
  size_t size = 16;
  while (size < entries_max * 2) size *= 2;
  return size;
}

flat *flat_new(size_t entries_max, size_t key_len, size_t value_len) {
  flat *table = bench_alloc(sizeof *table);
  size_t size = index_size(entries_max);
  *table = (flat){.mask = size - 1, .key_len = key_len, .value_len = value_len, .entries_max = entries_max};
  table->stride = (key_len + value_len + 7) & ~(size_t)7;
  table->index = pages_new(size * sizeof *table->index);
  table->records = pages_new(entries_max * table->stride);
  return table;
}

void flat_free(flat *table) {
  if (!table) return;
  munmap(table->index, (table->mask + 1) * sizeof *table->index);
  munmap(table->records, table->entries_max * table->stride);
  free(table);
}

/* The record of the key, or NULL and the free place of the index. */
static inline __attribute__((always_inline)) uint8_t *flat_find(const flat *table, const void *key, size_t key_len,
                                                                uint64_t hash, size_t *free_out) {
  for (size_t at = hash & table->mask;; at = (at + 1) & table->mask) {
    uint64_t word = table->index[at];
    if (word == 0) {
      *free_out = at;
      return NULL;
    }
    if (word >> 32 == hash >> 32) {
      uint8_t *record = table->records + ((uint32_t)word - 1) * table->stride;
      if (memcmp(record, key, key_len) == 0) return record;
    }
  }
}

static inline __attribute__((always_inline)) uint8_t *flat_lookup(const flat *table, const void *key) {
  size_t free_at;
  if (table->key_len == 8) return flat_find(table, key, 8, XXH3_64bits_withSeed(key, 8, FLAT_SEED), &free_at);
  return flat_find(table, key, 32, XXH3_64bits_withSeed(key, 32, FLAT_SEED), &free_at);
}

void flat_put(flat *table, const void *key, const void *value) {
  size_t free_at = 0;
  uint64_t hash = XXH3_64bits_withSeed(key, table->key_len, FLAT_SEED);
  uint8_t *record = flat_find(table, key, table->key_len, hash, &free_at);
  if (!record) {
    if (table->entries == table->entries_max) bench_die("the flat table is full");
    record = table->records + table->entries++ * table->stride;
    memcpy(record, key, table->key_len);
    table->index[free_at] = (hash >> 32 << 32) | table->entries;
  }
  memcpy(record + table->key_len, value, table->value_len);
}

const void *flat_get_pinned(const flat *table, const void *key) {
  const uint8_t *record = flat_lookup(table, key);
  return record ? record + table->key_len : NULL;
}

bool flat_get_copy(const flat *table, const void *key, void *out) {
  const uint8_t *record = flat_lookup(table, key);
  if (!record) return false;
  memcpy(out, record + table->key_len, table->value_len);
  return true;
}

size_t flat_get_many(const flat *table, const uint8_t *keys, size_t count, const void **out) {
  uint64_t hashes[64];
  size_t found = 0, free_at;
  for (size_t i = 0; i < count; i++) {
    hashes[i] = XXH3_64bits_withSeed(keys + i * table->key_len, table->key_len, FLAT_SEED);
    __builtin_prefetch(&table->index[hashes[i] & table->mask]);
  }
  for (size_t i = 0; i < count; i++) {
    uint64_t word = table->index[hashes[i] & table->mask];
    if (word) __builtin_prefetch(table->records + ((uint32_t)word - 1) * table->stride);
  }
  for (size_t i = 0; i < count; i++) {
    const uint8_t *record = flat_find(table, keys + i * table->key_len, table->key_len, hashes[i], &free_at);
    out[i] = record ? record + table->key_len : NULL;
    found += record != NULL;
  }
  return found;
}

size_t flat_bytes(const flat *table) { return (table->mask + 1) * sizeof *table->index + table->entries * table->stride; }
