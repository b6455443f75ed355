/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A field on a regular grid of one to three axes around the origin: point i of an axis of n points lies at
 * x = (i - (n - 1) / 2) · spacing. With r² = x² + y² + z², A the amplitude and w the width:
 *
 *   gaussian   A exp(-r² / (2 w²))
 *   soliton    A / cosh(r / w)
 *   spherical  A where r² <= w², else 0
 *   compact    A exp(1 - 1 / (1 - r²/w²)) where r² < w², else 0: smooth everywhere, A at the origin
 *   random     A · z smoothed by a periodic Gaussian of sigma = w / spacing points (grid_smooth.h; w = 0: not at all) and
 *              divided by the smoothing's norm, so that each value has the standard deviation A
 *
 * The noise z is a function of the seed and the point's number p in C order alone, the same everywhere:
 *   m(x): x ^= x >> 30; x *= 0xBF58476D1CE4E5B9; x ^= x >> 27; x *= 0x94D049BB133111EB; x ^= x >> 31    (modulo 2^64)
 *   u_q = ((m(seed + (q + 1) · 0x9E3779B97F4A7C15) >> 11) + 1/2) / 2^53                              (SplitMix64)
 *   z_p = sqrt(-2 ln u_2p) · cos(2 pi u_(2p+1))                                                     (Box and Muller)
 */
#include "base/fail.h"
#include "grid_smooth.h"
#include "maker/made_arrays.h"
#include "recipes.h"
#include <math.h>

#define TWO_PI 6.283185307179586476925286766559

enum { SHAPE, N, WIDTH, AMPLITUDE, SPACING, SEED };
enum { GAUSSIAN, SOLITON, SPHERICAL, COMPACT, RANDOM };

static const larder_recipe_param params[] = {
    [SHAPE] = {.name = "shape",
               .type = LARDER_RECIPE_CHOICE,
               .choices = "gaussian soliton spherical compact random",
               .sentence = "Which field."},
    [N] =
        {.name = "n", .type = LARDER_RECIPE_SIZES, .min = 1, .max = 2e8, .sentence = "Points along each of one to three axes."},
    [WIDTH] = {.name = "width",
               .type = LARDER_RECIPE_REAL,
               .min = 0,
               .max = 1e150,
               .sentence =
                   "Width w in the unit of the spacing: the standard deviation, the radius, or how far noise is smoothed."},
    [AMPLITUDE] = {.name = "amplitude",
                   .type = LARDER_RECIPE_REAL,
                   .fallback = "1",
                   .min = -1e300,
                   .max = 1e300,
                   .sentence = "Value at the origin; of `random` the standard deviation."},
    [SPACING] = {.name = "spacing",
                 .type = LARDER_RECIPE_REAL,
                 .fallback = "1",
                 .min = 1e-150,
                 .max = 1e150,
                 .sentence = "Distance of the grid's points."},
    [SEED] =
        {.name = "seed", .type = LARDER_RECIPE_WHOLE, .fallback = "0", .max = 9e14, .sentence = "Of `random`: which noise."},
};

static larder_err profile_check(const lrd_params *given, larder_error *err) {
  bool random = given->at[SHAPE].whole == RANDOM;
  double width = given->at[WIDTH].real;
  if (!random && given->at[SEED].whole != 0)
    return lrd_fail(err, LARDER_EINVAL, 0, "recipe", "profile: seed is of shape random only; leave it out");
  if (!random && width == 0) return lrd_fail(err, LARDER_EINVAL, 0, "recipe", "profile: width must be above 0 for this shape");
  if (random && width / given->at[SPACING].real > 1e5)
    return lrd_fail(err, LARDER_EINVAL, 0, "recipe", "profile: width of random is at most 100000 points");
  return LARDER_OK;
}

static double shape_at(uint64_t shape, double r2, double w) {
  switch (shape) {
  case GAUSSIAN:
    return exp(-r2 / (2 * w * w));
  case SOLITON:
    return 1 / cosh(sqrt(r2) / w);
  case SPHERICAL:
    return r2 <= w * w ? 1 : 0;
  default: /* COMPACT */
    return r2 < w * w ? exp(1 - 1 / (1 - r2 / (w * w))) : 0;
  }
}

static larder_err shape_fill(double *field, const uint64_t size[3], const lrd_params *given, const lrd_patience *patience) {
  double spacing = given->at[SPACING].real;
  size_t p = 0;
  for (uint64_t i = 0; i < size[0]; i++) {
    double x = ((double)i - (double)(size[0] - 1) / 2) * spacing;
    for (uint64_t j = 0; j < size[1]; j++) {
      double y = ((double)j - (double)(size[1] - 1) / 2) * spacing;
      for (uint64_t k = 0; k < size[2]; k++) {
        larder_err const asked = lrd_patience_look_at(patience, p);
        if (asked != LARDER_OK) return asked;
        double z = ((double)k - (double)(size[2] - 1) / 2) * spacing;
        double r2 = x * x + y * y + z * z;
        field[p++] = given->at[AMPLITUDE].real * shape_at(given->at[SHAPE].whole, r2, given->at[WIDTH].real);
      }
    }
  }
  return LARDER_OK;
}

static double uniform(uint64_t seed, uint64_t q) {
  uint64_t x = seed + (q + 1) * UINT64_C(0x9E3779B97F4A7C15);
  x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
  x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
  x ^= x >> 31;
  return ((double)(x >> 11) + 0.5) * 0x1p-53;
}

static larder_err random_fill(double *field, const uint64_t size[3], const lrd_params *given, const lrd_patience *patience) {
  uint64_t seed = given->at[SEED].whole;
  size_t total = size[0] * size[1] * size[2];
  double norm = 1;
  larder_err result = LARDER_OK;
  for (size_t p = 0; p < total; p++) {
    if ((result = lrd_patience_look_at(patience, p)) != LARDER_OK) return result;
    field[p] = sqrt(-2 * log(uniform(seed, 2 * p))) * cos(TWO_PI * uniform(seed, 2 * p + 1));
  }
  result = lrd_grid_smooth(field, size, given->at[WIDTH].real / given->at[SPACING].real, LRD_GRID_WRAP, &norm, patience);
  for (size_t p = 0; p < total && result == LARDER_OK; p++) field[p] *= given->at[AMPLITUDE].real / norm;
  return result;
}

static uint64_t profile_bytes(const lrd_params *given) {
  return lrd_made_bytes(sizeof(double), given->at[N].axes, given->at[N].sizes);
}

static larder_err profile_make(const lrd_params *given, const lrd_patience *patience, lrd_buf *out, lrd_buf *version_out,
                               lrd_buf *meta_out, larder_error *err) {
  lrd_made_set made = {0};
  const lrd_param_value *n = &given->at[N];
  uint64_t size[3] = {1, 1, 1};
  void *field = NULL;
  (void)version_out;
  (void)meta_out;
  memcpy(size, n->sizes, n->axes * sizeof size[0]);
  larder_err result = lrd_made_set_add(&made, NULL, LRD_MADE_F8, sizeof(double), n->axes, n->sizes, &field);
  if (result != LARDER_OK) goto out;
  result =
      given->at[SHAPE].whole == RANDOM ? random_fill(field, size, given, patience) : shape_fill(field, size, given, patience);
  if (result == LARDER_OK) result = lrd_made_set_write(&made, out, err);
out:
  lrd_made_set_fini(&made);
  return result;
}

const lrd_maker lrd_recipe_profile = {
    .shown = {.name = "profile",
              .sentence = "A state on a grid in one to three dimensions: gaussian, soliton, spherical, compact or random.",
              .formula =
                  "Point i of an axis lies at x = (i - (n - 1) / 2) · spacing; r² = x² + y² + z², A the amplitude, w the "
                  "width. `gaussian`: A exp(-r² / (2 w²)). `soliton`: A / cosh(r / w). `spherical`: A where r² <= w², "
                  "else 0. `compact`: A exp(1 - 1 / (1 - r²/w²)) where r² < w², else 0. `random`: A · z, z standard "
                  "normal noise, smoothed by a periodic Gaussian of sigma = w / spacing points (cut at 4 sigma) and "
                  "scaled back to the standard deviation A. Of the point number p in C order z_p = sqrt(-2 ln u_2p) · "
                  "cos(2 pi u_(2p+1)) with u_q = ((x_q >> 11) + 1/2) / 2^53, x_q being the q-th number of SplitMix64 "
                  "that starts from the seed. One array.",
              .kind = LARDER_KIND_ARRAY,
              .params = params,
              .params_count = sizeof params / sizeof params[0]},
    .check = profile_check,
    .bytes = profile_bytes,
    .make = profile_make};
