/* SPDX-License-Identifier: Apache-2.0 */
/* Draws that are the same for the same seed, on every machine that computes doubles alike. */
#ifndef LRD_TRAFFIC_RANDOM_DRAW_H
#define LRD_TRAFFIC_RANDOM_DRAW_H

#include <math.h>
#include <stdint.h>

/* A state of 64 bits that counts on by an odd constant; each number is its state, well mixed. */
typedef struct lrd_draw {
  uint64_t state;
} lrd_draw;

static inline uint64_t lrd_draw_mix(uint64_t v) {
  v = (v ^ v >> 32) * UINT64_C(0xd6e8feb86659fd93);
  v = (v ^ v >> 32) * UINT64_C(0xd6e8feb86659fd93);
  return v ^ v >> 32;
}
static inline lrd_draw lrd_draw_of(uint64_t seed, uint64_t of) {
  return (lrd_draw){lrd_draw_mix(seed ^ lrd_draw_mix(of + UINT64_C(0x9e3779b97f4a7c15)))};
}
static inline uint64_t lrd_draw_bits(lrd_draw *draw) {
  draw->state += UINT64_C(0x9e3779b97f4a7c15);
  return lrd_draw_mix(draw->state);
}
/* At least 0, below 1. */
static inline double lrd_draw_part(lrd_draw *draw) { return (double)(lrd_draw_bits(draw) >> 11) * 0x1p-53; }
/* At least 0, below `count`, which is above 0. */
static inline uint64_t lrd_draw_below(lrd_draw *draw, uint64_t count) {
  return (uint64_t)(lrd_draw_part(draw) * (double)count);
}
static inline double lrd_draw_exponential(lrd_draw *draw, double mean) { return -mean * log1p(-lrd_draw_part(draw)); }
/* Mean 0, deviation 1. */
static inline double lrd_draw_normal(lrd_draw *draw) {
  double radius = sqrt(-2 * log1p(-lrd_draw_part(draw)));
  return radius * cos(6.283185307179586 * lrd_draw_part(draw));
}

#endif
