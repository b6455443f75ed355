/* SPDX-License-Identifier: Apache-2.0 */
/*
 * liburcu's lock-free hash table (cds_lfht, default flavour), one node an entry with key and value behind it, the value
 * copied out inside the read-side section. A program of its own, so that the bench builds where liburcu is not there.
 * Answers each line "FROM COUNT THREADS MIX" with the nanoseconds a get; one thread, no writes.
 *
 * usage: peer_lfht TRACE KEY_LEN VALUE_LEN
 */
#define XXH_INLINE_ALL
#define _LGPL_SOURCE 1 /* the inlined read side, which is how it is fastest */
#include "../bench.h"
#include "../trace.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <urcu.h>
#include <urcu/rculfhash.h>
#include <xxhash.h>

typedef struct lfht_entry {
  struct cds_lfht_node node;
  uint8_t data[]; /* key, then value */
} lfht_entry;

#define LFHT_SEED 0x6c61726465720001u

static int match_8(struct cds_lfht_node *node, const void *key) {
  return memcmp(caa_container_of(node, lfht_entry, node)->data, key, 8) == 0;
}

static int match_32(struct cds_lfht_node *node, const void *key) {
  return memcmp(caa_container_of(node, lfht_entry, node)->data, key, 32) == 0;
}

static struct cds_lfht *fill(const bench_trace *trace, size_t value_len) {
  size_t buckets = 1;
  while (buckets < trace->keys) buckets *= 2;
  struct cds_lfht *table = cds_lfht_new(buckets, buckets, 0, 0, NULL);
  if (!table) bench_die("out of memory for cds_lfht");
  for (uint32_t id = 0; id < trace->keys; id++) {
    lfht_entry *entry = bench_alloc(sizeof *entry + trace->key_len + value_len);
    cds_lfht_node_init(&entry->node);
    bench_key(id, trace->key_len, entry->data);
    bench_value(id, entry->data + trace->key_len, value_len);
    rcu_read_lock();
    cds_lfht_add(table, XXH3_64bits_withSeed(entry->data, trace->key_len, LFHT_SEED), &entry->node);
    rcu_read_unlock();
  }
  return table;
}

static double gets(struct cds_lfht *table, const bench_trace *trace, size_t from, size_t count, size_t value_len) {
  uint8_t value[4096];
  int64_t begin = bench_cpu_ns();
  for (size_t i = from; i < from + count; i++) {
    const uint8_t *key = trace->asked + i * trace->key_len;
    struct cds_lfht_iter iter;
    rcu_read_lock();
    if (trace->key_len == 8)
      cds_lfht_lookup(table, XXH3_64bits_withSeed(key, 8, LFHT_SEED), match_8, key, &iter);
    else
      cds_lfht_lookup(table, XXH3_64bits_withSeed(key, 32, LFHT_SEED), match_32, key, &iter);
    struct cds_lfht_node *node = cds_lfht_iter_get_node(&iter);
    if (node) memcpy(value, caa_container_of(node, lfht_entry, node)->data + trace->key_len, value_len);
    rcu_read_unlock();
    if (!node || memcmp(value, &trace->ids[i], 4) != 0) bench_die("cds_lfht lost a key");
  }
  return (double)(bench_cpu_ns() - begin) / (double)count;
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  bench_trace trace;
  size_t value_len = strtoul(argv[3], NULL, 10);
  bench_trace_load(&trace, argv[1], strtoul(argv[2], NULL, 10));
  rcu_register_thread();
  struct cds_lfht *table = fill(&trace, value_len);
  puts("ready");
  fflush(stdout);
  char line[128];
  while (fgets(line, sizeof line, stdin)) {
    char *end;
    size_t from = strtoul(line, &end, 10), count = strtoul(end, NULL, 10);
    printf("%.4f\n", gets(table, &trace, from, count, value_len));
    fflush(stdout);
  }
  rcu_unregister_thread();
  return 0;
}
