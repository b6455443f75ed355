/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Least, greatest and mean of an array in one pass. Each type's loop is made from one macro; elements may lie anywhere and
 * in either byte order. The mean is summed in a long double, so that it neither drifts nor overflows.
 */
#include "formats.h"

#include <math.h>

typedef struct sums {
  double min, max;
  long double sum;
  uint64_t finite, nans, infinities;
} sums;

static inline uint8_t same8(uint8_t bits) { return bits; }

static inline double half_of(uint16_t bits) {
  unsigned exponent = bits >> 10 & 31, fraction = bits & 1023;
  double value = exponent == 31 ? (fraction ? NAN : INFINITY)
                 : exponent     ? ldexp(1024 + fraction, (int)exponent - 25)
                                : ldexp(fraction, -24);
  return bits & 0x8000 ? -value : value;
}

/* Loads a word of `bits`, turns it round where it is of the other order, and reads it as `type`. */
#define FIGURES_LOOP(name, word, swap, type, read)                                                                             \
  static void name(const uint8_t *at, uint64_t count, bool other, sums *into) {                                                \
    for (uint64_t i = 0; i < count; i++, at += sizeof(word)) {                                                                 \
      word bits;                                                                                                               \
      type element;                                                                                                            \
      memcpy(&bits, at, sizeof bits);                                                                                          \
      if (other) bits = swap(bits);                                                                                            \
      read;                                                                                                                    \
      double value = (double)element;                                                                                          \
      if (!isfinite(value)) {                                                                                                  \
        *(isnan(value) ? &into->nans : &into->infinities) += 1;                                                                \
        continue;                                                                                                              \
      }                                                                                                                        \
      into->sum += value;                                                                                                      \
      into->finite++;                                                                                                          \
      if (value < into->min) into->min = value;                                                                                \
      if (value > into->max) into->max = value;                                                                                \
    }                                                                                                                          \
  }

#define AS_IT_IS memcpy(&element, &bits, sizeof element)
FIGURES_LOOP(of_bool, uint8_t, same8, uint8_t, element = bits != 0)
FIGURES_LOOP(of_i1, uint8_t, same8, int8_t, AS_IT_IS)
FIGURES_LOOP(of_i2, uint16_t, __builtin_bswap16, int16_t, AS_IT_IS)
FIGURES_LOOP(of_i4, uint32_t, __builtin_bswap32, int32_t, AS_IT_IS)
FIGURES_LOOP(of_i8, uint64_t, __builtin_bswap64, int64_t, AS_IT_IS)
FIGURES_LOOP(of_u1, uint8_t, same8, uint8_t, AS_IT_IS)
FIGURES_LOOP(of_u2, uint16_t, __builtin_bswap16, uint16_t, AS_IT_IS)
FIGURES_LOOP(of_u4, uint32_t, __builtin_bswap32, uint32_t, AS_IT_IS)
FIGURES_LOOP(of_u8, uint64_t, __builtin_bswap64, uint64_t, AS_IT_IS)
FIGURES_LOOP(of_f2, uint16_t, __builtin_bswap16, double, element = half_of(bits))
FIGURES_LOOP(of_f4, uint32_t, __builtin_bswap32, float, AS_IT_IS)
FIGURES_LOOP(of_f8, uint64_t, __builtin_bswap64, double, AS_IT_IS)

/* The longdouble of this kind of machine: 10 bytes of 16. */
typedef struct word16 {
  uint64_t low, high;
} word16;
static inline word16 swap16(word16 bits) { return (word16){__builtin_bswap64(bits.high), __builtin_bswap64(bits.low)}; }
FIGURES_LOOP(of_f16, word16, swap16, long double, AS_IT_IS)

static const struct {
  char kind;
  uint8_t itemsize;
  void (*loop)(const uint8_t *at, uint64_t count, bool other, sums *into);
} loops[] = {{'b', 1, of_bool}, {'i', 1, of_i1}, {'i', 2, of_i2},  {'i', 4, of_i4}, {'i', 8, of_i8},
             {'u', 1, of_u1},   {'u', 2, of_u2}, {'u', 4, of_u4},  {'u', 8, of_u8}, {'f', 2, of_f2},
             {'f', 4, of_f4},   {'f', 8, of_f8}, {'f', 16, of_f16}};

void lrd_figures_make(const larder_array *array, larder_part *out) {
  sums made = {.min = INFINITY, .max = -INFINITY};
  out->figures = LARDER_FIGURES_NO_NUMBERS;
  for (size_t i = 0; i < sizeof loops / sizeof *loops; i++) {
    if (loops[i].kind != array->kind || loops[i].itemsize != array->itemsize) continue;
    loops[i].loop(array->data, array->count, array->order == '>', &made);
    out->nans = made.nans;
    out->infinities = made.infinities;
    if (made.finite == 0) return;
    out->figures = LARDER_FIGURES_MADE;
    out->min = made.min;
    out->max = made.max;
    out->mean = (double)(made.sum / (long double)made.finite);
  }
}
