/* SPDX-License-Identifier: Apache-2.0 */
/* Zipf by Vose's alias table: exact for the given exponent, two random numbers a draw. */
#include "trace.h"
#include "bench.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t bench_scramble(uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

static uint64_t random_next(uint64_t *state) { return bench_scramble((*state)++); }

static double random_unit(uint64_t *state) { return (double)(random_next(state) >> 11) * 0x1p-53; }

void bench_key(uint32_t id, size_t key_len, uint8_t *out) {
  uint64_t low = bench_scramble(id);
  if (key_len == 8) {
    memcpy(out, &low, 8);
    return;
  }
  uint64_t high = bench_scramble(low);
  for (size_t i = 0; i < 16; i++) {
    out[i] = (uint8_t) "0123456789abcdef"[(low >> (60 - 4 * i)) & 15];
    out[16 + i] = (uint8_t) "0123456789abcdef"[(high >> (60 - 4 * i)) & 15];
  }
}

void bench_value(uint32_t id, uint8_t *out, size_t len) {
  for (size_t i = 0; i < len; i += 8) {
    uint64_t word = i ? bench_scramble(id + i) : id;
    memcpy(out + i, &word, len - i < 8 ? len - i : 8);
  }
}

typedef struct alias {
  double *keep;
  uint32_t *other;
} alias;

static void alias_init(alias *table, size_t n, double theta) {
  double *weight = bench_alloc(n * sizeof *weight), sum = 0;
  uint32_t *small = bench_alloc(n * sizeof *small), *large = bench_alloc(n * sizeof *large);
  size_t smalls = 0, larges = 0;
  table->keep = bench_alloc(n * sizeof *table->keep);
  table->other = bench_alloc(n * sizeof *table->other);
  for (size_t i = 0; i < n; i++) sum += weight[i] = pow((double)(i + 1), -theta);
  for (size_t i = 0; i < n; i++) {
    weight[i] *= (double)n / sum;
    table->keep[i] = 1;
    table->other[i] = (uint32_t)i;
    if (weight[i] < 1)
      small[smalls++] = (uint32_t)i;
    else
      large[larges++] = (uint32_t)i;
  }
  while (smalls && larges) {
    uint32_t s = small[--smalls], l = large[larges - 1];
    table->keep[s] = weight[s];
    table->other[s] = l;
    weight[l] -= 1 - weight[s];
    if (weight[l] < 1) {
      larges--;
      small[smalls++] = l;
    }
  }
  free(weight);
  free(small);
  free(large);
}

void bench_trace_init(bench_trace *trace, size_t keys, size_t ops, size_t key_len, double theta) {
  *trace = (bench_trace){.keys = keys, .ops = ops, .key_len = key_len};
  trace->ids = bench_alloc(ops * sizeof *trace->ids);
  trace->writes = bench_alloc(ops);
  trace->asked = bench_alloc(ops * key_len);
  uint32_t *key_of_rank = bench_alloc(keys * sizeof *key_of_rank);
  alias table;
  uint64_t state = 1;
  for (size_t i = 0; i < keys; i++) key_of_rank[i] = (uint32_t)i;
  for (size_t i = keys - 1; i > 0; i--) {
    size_t j = random_next(&state) % (i + 1);
    uint32_t swap = key_of_rank[i];
    key_of_rank[i] = key_of_rank[j];
    key_of_rank[j] = swap;
  }
  alias_init(&table, keys, theta);
  for (size_t i = 0; i < ops; i++) {
    size_t rank = random_next(&state) % keys;
    if (random_unit(&state) >= table.keep[rank]) rank = table.other[rank];
    trace->ids[i] = key_of_rank[rank];
    trace->writes[i] = random_next(&state) % 10 == 0;
    bench_key(trace->ids[i], key_len, trace->asked + i * key_len);
  }
  free(key_of_rank);
  free(table.keep);
  free(table.other);
}

void bench_trace_fini(bench_trace *trace) {
  free(trace->ids);
  free(trace->writes);
  free(trace->asked);
  *trace = (bench_trace){0};
}

void bench_trace_save(const bench_trace *trace, const char *path) {
  FILE *file = fopen(path, "we");
  uint64_t head[2] = {trace->keys, trace->ops};
  if (!file || fwrite(head, sizeof head, 1, file) != 1 || fwrite(trace->ids, 4, trace->ops, file) != trace->ops ||
      fwrite(trace->writes, 1, trace->ops, file) != trace->ops || fclose(file) != 0)
    bench_die("%s cannot be written", path);
}

void bench_trace_load(bench_trace *trace, const char *path, size_t key_len) {
  FILE *file = fopen(path, "re");
  uint64_t head[2];
  if (!file || fread(head, sizeof head, 1, file) != 1) bench_die("%s cannot be read", path);
  *trace = (bench_trace){.keys = head[0], .ops = head[1], .key_len = key_len};
  trace->ids = bench_alloc(trace->ops * sizeof *trace->ids);
  trace->writes = bench_alloc(trace->ops);
  trace->asked = bench_alloc(trace->ops * key_len);
  if (fread(trace->ids, 4, trace->ops, file) != trace->ops || fread(trace->writes, 1, trace->ops, file) != trace->ops)
    bench_die("%s is cut short", path);
  fclose(file);
  for (size_t i = 0; i < trace->ops; i++) bench_key(trace->ids[i], key_len, trace->asked + i * key_len);
}

size_t bench_trace_from(const bench_trace *trace, size_t round, size_t count) {
  size_t stretches = trace->ops / count;
  return stretches ? round % stretches * count : 0;
}
