/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Grünwald-Letnikov weights of the fractional derivative of order alpha, one array of n doubles:
 *
 *   w_k = (-1)^k binom(alpha, k),  k = 0 … n-1,  by  w_0 = 1,  w_k = w_(k-1) · (1 - (alpha + 1) / k)
 *
 * multiplied by dt^-alpha (scale derivative: the weights then give D^alpha f = Σ w_k f(t - k·dt)), by dt^alpha (scale
 * simulation: what a simulation keeps that multiplies the memory term by the kernel), or by 1 (scale none). Each step of the
 * recurrence multiplies by a factor known to half a unit in the last place, so errors add up to at most some k units, while
 * the binomials themselves would overflow.
 */
#include "maker/made_arrays.h"
#include "recipes.h"
#include <math.h>

enum { ALPHA, DT, N, SCALE };
enum { SCALE_SIMULATION, SCALE_DERIVATIVE, SCALE_NONE };

static const larder_recipe_param params[] = {
    [ALPHA] = {.name = "alpha",
               .type = LARDER_RECIPE_REAL,
               .min = -10,
               .max = 10,
               .sentence = "Order of the derivative; below 0 of the integral."},
    [DT] = {.name = "dt", .type = LARDER_RECIPE_REAL, .min = 1e-300, .max = 1e300, .sentence = "Time step."},
    [N] = {.name = "n", .type = LARDER_RECIPE_WHOLE, .min = 1, .max = 2e8, .sentence = "Number of weights."},
    [SCALE] = {.name = "scale",
               .type = LARDER_RECIPE_CHOICE,
               .fallback = "simulation",
               .choices = "simulation derivative none",
               .sentence = "Factor of all weights: `simulation` dt^alpha, `derivative` dt^-alpha, `none` 1."},
};

static uint64_t kernel_bytes(const lrd_params *given) { return lrd_made_bytes(sizeof(double), 1, &given->at[N].whole); }

static larder_err kernel_make(const lrd_params *given, const lrd_patience *patience, lrd_buf *out, lrd_buf *version_out,
                              lrd_buf *meta_out, larder_error *err) {
  lrd_made_set made = {0};
  void *data = NULL;
  double alpha = given->at[ALPHA].real;
  uint64_t n = given->at[N].whole;
  (void)version_out;
  (void)meta_out;
  larder_err result = lrd_made_set_add(&made, NULL, LRD_MADE_F8, sizeof(double), 1, &n, &data);
  if (result != LARDER_OK) goto out;
  double *weights = data;
  double factor = given->at[SCALE].whole == SCALE_NONE         ? 1
                  : given->at[SCALE].whole == SCALE_DERIVATIVE ? pow(given->at[DT].real, -alpha)
                                                               : pow(given->at[DT].real, alpha);
  double weight = 1;
  weights[0] = factor;
  for (uint64_t k = 1; k < n; k++) {
    if ((result = lrd_patience_look_at(patience, k)) != LARDER_OK) goto out;
    weight *= 1 - (alpha + 1) / (double)k;
    weights[k] = weight * factor;
  }
  result = lrd_made_set_write(&made, out, err);
out:
  lrd_made_set_fini(&made);
  return result;
}

const lrd_maker lrd_recipe_kernel = {
    .shown = {.name = "kernel",
              .sentence = "Grünwald-Letnikov weights of a fractional derivative.",
              .formula = "One array: w_k = (-1)^k binom(alpha, k) for k = 0 … n-1, by the recurrence w_0 = 1, "
                         "w_k = w_(k-1) · (1 - (alpha + 1) / k), times dt^alpha (`simulation`), dt^-alpha (`derivative`: the "
                         "textbook's operator) or 1 (`none`).",
              .kind = LARDER_KIND_ARRAY,
              .params = params,
              .params_count = sizeof params / sizeof params[0]},
    .bytes = kernel_bytes,
    .make = kernel_make};
