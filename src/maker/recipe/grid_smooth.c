/* SPDX-License-Identifier: Apache-2.0 */
/* Each line along an axis is copied out, continued beyond both ends, and convolved back into its place. */
#include "grid_smooth.h"

#include <math.h>

#define PRODUCTS (UINT64_C(1) << 20) /* between two looks: about a millisecond */

/* Where the field continues for an index beyond its ends, however far. */
static int64_t edge_index(int64_t at, int64_t n, lrd_grid_edge edge) {
  int64_t period = edge == LRD_GRID_WRAP ? n : 2 * n;
  at %= period;
  if (at < 0) at += period;
  return at < n ? at : period - 1 - at;
}

/* What is the same for all lines. */
typedef struct smoothing {
  const double *weights;
  int64_t radius;
  lrd_grid_edge edge;
  double *padded;
  const lrd_patience *patience;
  uint64_t done; /* products since the last look */
} smoothing;

static larder_err line_smooth(smoothing *s, double *line, size_t stride, int64_t n) {
  int64_t const radius = s->radius;
  for (int64_t i = -radius; i < n + radius; i++) s->padded[i + radius] = line[(size_t)edge_index(i, n, s->edge) * stride];
  for (int64_t i = 0; i < n; i++) {
    double sum = 0;
    for (int64_t j = 0; j <= 2 * radius; j++) sum += s->weights[j] * s->padded[i + j];
    line[(size_t)i * stride] = sum;
    s->done += (uint64_t)(2 * radius + 1);
    if (s->done < PRODUCTS) continue;
    s->done = 0;
    larder_err const asked = lrd_patience_look(s->patience);
    if (asked != LARDER_OK) return asked;
  }
  return LARDER_OK;
}

static larder_err axis_smooth(smoothing *s, double *field, const uint64_t shape[3], unsigned axis) {
  larder_err result = LARDER_OK;
  size_t stride = axis == 2 ? 1 : axis == 1 ? shape[2] : shape[1] * shape[2];
  size_t total = shape[0] * shape[1] * shape[2];
  for (size_t first = 0; first < total && result == LARDER_OK; first++) {
    if (first / stride % shape[axis] != 0) {
      first += stride * (shape[axis] - 1) - 1; /* on to the next block of lines */
      continue;
    }
    result = line_smooth(s, field + first, stride, (int64_t)shape[axis]);
  }
  return result;
}

larder_err lrd_grid_smooth(double *field, const uint64_t shape[3], double sigma, lrd_grid_edge edge, double *norm_out,
                           const lrd_patience *patience) {
  int64_t radius = (int64_t)(4 * sigma + 0.5);
  uint64_t longest = shape[0] > shape[1] ? shape[0] : shape[1];
  double norm = 1;
  double sum = 0;
  double squares = 0;
  if (norm_out != NULL) *norm_out = 1;
  if (sigma <= 0) return LARDER_OK;
  if (shape[2] > longest) longest = shape[2];
  double *weights = lrd_alloc_zero((size_t)(2 * radius + 1), sizeof *weights);
  double *padded = lrd_alloc_zero((size_t)longest + 2 * (size_t)radius, sizeof *padded);
  if (weights == NULL || padded == NULL) {
    lrd_dealloc(weights);
    lrd_dealloc(padded);
    return LARDER_ENOMEM;
  }
  for (int64_t j = -radius; j <= radius; j++) {
    weights[j + radius] = exp(-0.5 * (double)(j * j) / (sigma * sigma));
    sum += weights[j + radius];
  }
  for (int64_t j = 0; j <= 2 * radius; j++) {
    weights[j] /= sum;
    squares += weights[j] * weights[j];
  }
  smoothing s = {.weights = weights, .radius = radius, .edge = edge, .padded = padded, .patience = patience};
  larder_err result = LARDER_OK;
  for (unsigned axis = 0; axis < 3 && result == LARDER_OK; axis++) {
    if (shape[axis] < 2) continue;
    result = axis_smooth(&s, field, shape, axis);
    norm *= sqrt(squares);
  }
  if (norm_out != NULL) *norm_out = norm;
  lrd_dealloc(weights);
  lrd_dealloc(padded);
  return result;
}
