/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is asked for, made before anything is timed and the same for every side: a sequence of key numbers, zipf-distributed
 * or uniform, with every tenth operation marked as a write. The keys lie in the order in which they are asked for, as a
 * caller has the key at hand; which keys are popular has nothing to do with the order in which they were put.
 *
 * The file has the same for peers in other languages: two 64-bit counts (keys, operations), the key numbers as 32 bits
 * each, then one byte an operation, 1 for a write. All little-endian.
 */
#ifndef BENCH_TRACE_H
#define BENCH_TRACE_H

#include <stddef.h>
#include <stdint.h>

#define BENCH_KEY_MAX 32u

typedef struct bench_trace {
  size_t keys;
  size_t ops;
  size_t key_len;  /* 8 or 32 */
  uint32_t *ids;   /* ops of them */
  uint8_t *writes; /* ops of them */
  uint8_t *asked;  /* ops keys of key_len bytes */
} bench_trace;

/* theta 0: uniform. Ends the bench when there is no memory. */
void bench_trace_init(bench_trace *trace, size_t keys, size_t ops, size_t key_len, double theta);
void bench_trace_fini(bench_trace *trace);
void bench_trace_save(const bench_trace *trace, const char *path);
void bench_trace_load(bench_trace *trace, const char *path, size_t key_len);

/* Key number id: 8 bytes of its scrambled number, or 32 hex digits of two of them. */
void bench_key(uint32_t id, size_t key_len, uint8_t *out);
/* Value number id: its first eight bytes are the number, the rest follows from it. */
void bench_value(uint32_t id, uint8_t *out, size_t len);
uint64_t bench_scramble(uint64_t x);

/* Where round `round` of `count` operations begins. */
size_t bench_trace_from(const bench_trace *trace, size_t round, size_t count);

#endif
