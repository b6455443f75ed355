/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sixteen elements at a time, in `width` vectors of 16 bytes. A byte's place among them is a number of 4 bits of element
 * and k bits of byte (2^k = width). Interleaving the first half of the vectors with the second half rotates that number
 * left by one bit; after 4 rounds element and byte have changed sides, which is the shuffle, and k rounds more bring them
 * back. The vectors are GCC's and Clang's own, so the same lines serve every processor. Loops over them are unrolled by
 * request, or the vectors would live in memory instead of registers (a third of the speed).
 */
#include "shuffle.h"

#include "base/fail.h"
#include <string.h>

#define LANES           16u
#define PRAGMA(text)    _Pragma(#text)
#define UNROLLED(times) PRAGMA(GCC unroll times)

typedef uint8_t lanes __attribute__((vector_size(16)));

static inline lanes low_of(lanes a, lanes b) {
  return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

static inline lanes high_of(lanes a, lanes b) {
  return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}

static inline __attribute__((always_inline)) void rounds(lanes *v, unsigned width, unsigned count) {
  lanes next[LANES];
  UNROLLED(4)
  for (unsigned round = 0; round < count; round++) {
    UNROLLED(8)
    for (unsigned i = 0; i < width / 2; i++) {
      next[2 * i] = low_of(v[i], v[i + width / 2]);
      next[2 * i + 1] = high_of(v[i], v[i + width / 2]);
    }
    UNROLLED(16)
    for (unsigned i = 0; i < width; i++) v[i] = next[i];
  }
}

/* Of `count` elements, the whole sixteens; how many elements that were. `width` is a constant where these are inlined. */
static inline __attribute__((always_inline)) size_t wide_shuffle(const uint8_t *in, size_t count, unsigned width,
                                                                 uint8_t *out) {
  lanes v[LANES];
  size_t at = 0;
  for (; at + LANES <= count; at += LANES) {
    UNROLLED(16)
    for (unsigned i = 0; i < width; i++) memcpy(&v[i], in + at * width + (size_t)i * LANES, LANES);
    rounds(v, width, 4);
    UNROLLED(16)
    for (unsigned i = 0; i < width; i++) memcpy(out + (size_t)i * count + at, &v[i], LANES);
  }
  return at;
}

static inline __attribute__((always_inline)) size_t wide_unshuffle(const uint8_t *in, size_t count, unsigned width,
                                                                   unsigned bits, uint8_t *out) {
  lanes v[LANES];
  size_t at = 0;
  for (; at + LANES <= count; at += LANES) {
    UNROLLED(16)
    for (unsigned i = 0; i < width; i++) memcpy(&v[i], in + (size_t)i * count + at, LANES);
    rounds(v, width, bits);
    UNROLLED(16)
    for (unsigned i = 0; i < width; i++) memcpy(out + at * width + (size_t)i * LANES, &v[i], LANES);
  }
  return at;
}

void lrd_shuffle(const void *in, size_t len, unsigned width, void *out) {
  const uint8_t *from = in;
  uint8_t *to = out;
  LRD_ASSERT(width >= 2 && width <= LRD_SHUFFLE_WIDTH_MAX);
  size_t const count = len / width;
  size_t done = 0;
  if (width == 2) done = wide_shuffle(from, count, 2, to);
  if (width == 4) done = wide_shuffle(from, count, 4, to);
  if (width == 8) done = wide_shuffle(from, count, 8, to);
  if (width == 16) done = wide_shuffle(from, count, 16, to);
  for (size_t i = done; i < count; i++)
    for (unsigned byte = 0; byte < width; byte++) to[byte * count + i] = from[i * width + byte];
  memcpy(to + count * width, from + count * width, len - count * width);
}

void lrd_unshuffle(const void *in, size_t len, unsigned width, void *out) {
  const uint8_t *from = in;
  uint8_t *to = out;
  LRD_ASSERT(width >= 2 && width <= LRD_SHUFFLE_WIDTH_MAX);
  size_t const count = len / width;
  size_t done = 0;
  if (width == 2) done = wide_unshuffle(from, count, 2, 1, to);
  if (width == 4) done = wide_unshuffle(from, count, 4, 2, to);
  if (width == 8) done = wide_unshuffle(from, count, 8, 3, to);
  if (width == 16) done = wide_unshuffle(from, count, 16, 4, to);
  for (size_t i = done; i < count; i++)
    for (unsigned byte = 0; byte < width; byte++) to[i * width + byte] = from[byte * count + i];
  memcpy(to + count * width, from + count * width, len - count * width);
}
