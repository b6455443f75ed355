/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prime-gap echo templates. With p_1 = 2, p_2 = 3, … the primes and g_k = p_(k+1) - p_k their gaps, k = 1 … count:
 *
 *   delays   tau_k = tau0 · s(g_k),  s(g) = g (linear), ln(1 + g) (logarithmic), g^alpha (power)
 *   times    t_k = tau_1 + … + tau_k
 *   weights  w_k = exp(-alpha · (k - 1)) (exponential), k^-alpha (power), 1 (none)
 *
 * An archive of `gaps` (64-bit whole numbers), `delays`, `times` and `weights` (doubles).
 */
#include "base/fail.h"
#include "maker/made_arrays.h"
#include "recipes.h"
#include <math.h>

enum { ALPHA, TAU0, COUNT, SCALING, DECAY };
enum { SCALING_LINEAR, SCALING_LOGARITHMIC, SCALING_POWER };
enum { DECAY_EXPONENTIAL, DECAY_POWER, DECAY_NONE };

static const larder_recipe_param params[] = {
    [ALPHA] = {.name = "alpha",
               .type = LARDER_RECIPE_REAL,
               .min = -10,
               .max = 10,
               .sentence = "Strength of the decay, and exponent of the power scaling."},
    [TAU0] = {.name = "tau0", .type = LARDER_RECIPE_REAL, .min = 1e-300, .max = 1e300, .sentence = "Unit of the delays."},
    [COUNT] = {.name = "count", .type = LARDER_RECIPE_WHOLE, .min = 1, .max = 5e6, .sentence = "Number of echoes."},
    [SCALING] = {.name = "scaling",
                 .type = LARDER_RECIPE_CHOICE,
                 .fallback = "linear",
                 .choices = "linear logarithmic power",
                 .sentence = "How a gap becomes a delay."},
    [DECAY] = {.name = "decay",
               .type = LARDER_RECIPE_CHOICE,
               .fallback = "exponential",
               .choices = "exponential power none",
               .sentence = "How the weights fall from echo to echo."},
};

/* A bound that holds the first `count` primes: p_n < n (ln n + ln ln n) from n = 6 on. */
static uint64_t primes_bound(uint64_t count) {
  double n = count < 6 ? 6 : (double)count;
  return (uint64_t)(n * (log(n) + log(log(n)))) + 10;
}

/* The sieve of Eratosthenes over the odd numbers: bit i stands for 2i + 1, set means it has a divisor. */
static larder_err gaps_find(int64_t *gaps, uint64_t count, const lrd_patience *patience) {
  uint64_t odds = primes_bound(count + 1) / 2 + 1;
  uint8_t *crossed = lrd_alloc_zero(1, odds / 8 + 1);
  if (crossed == NULL) return LARDER_ENOMEM;
  uint64_t last = 2;
  uint64_t found = 0;
  larder_err result = LARDER_OK;
  for (uint64_t i = 1; i < odds && found < count && result == LARDER_OK; i++) {
    if ((crossed[i / 8] >> (i % 8) & 1) != 0) continue;
    uint64_t prime = 2 * i + 1;
    /* few primes cross out anything, but the smallest take long */
    result = prime * prime < 2 * odds ? lrd_patience_look(patience) : lrd_patience_look_at(patience, found);
    gaps[found++] = (int64_t)(prime - last);
    last = prime;
    for (uint64_t j = (prime * prime - 1) / 2; j < odds; j += prime) crossed[j / 8] |= (uint8_t)(1u << (j % 8));
  }
  lrd_dealloc(crossed);
  LRD_ASSERT(found == count || result != LARDER_OK);
  return result;
}

static double scaled(uint64_t scaling, double gap, double alpha) {
  if (scaling == SCALING_LOGARITHMIC) return log1p(gap);
  return scaling == SCALING_POWER ? pow(gap, alpha) : gap;
}

static double weight_at(uint64_t decay, uint64_t k, double alpha) {
  if (decay == DECAY_NONE) return 1;
  return decay == DECAY_POWER ? pow((double)k, -alpha) : exp(-alpha * (double)(k - 1));
}

static uint64_t echo_bytes(const lrd_params *given) {
  return lrd_made_bytes(sizeof(int64_t) + 3 * sizeof(double), 1, &given->at[COUNT].whole);
}

static larder_err echo_make(const lrd_params *given, const lrd_patience *patience, lrd_buf *out, lrd_buf *version_out,
                            lrd_buf *meta_out, larder_error *err) {
  lrd_made_set made = {0};
  void *gaps = NULL;
  void *delays = NULL;
  void *times = NULL;
  void *weights = NULL;
  double alpha = given->at[ALPHA].real;
  uint64_t count = given->at[COUNT].whole;
  (void)version_out;
  (void)meta_out;
  larder_err result = lrd_made_set_add(&made, "gaps", LRD_MADE_I8, sizeof(int64_t), 1, &count, &gaps);
  if (result == LARDER_OK) result = lrd_made_set_add(&made, "delays", LRD_MADE_F8, sizeof(double), 1, &count, &delays);
  if (result == LARDER_OK) result = lrd_made_set_add(&made, "times", LRD_MADE_F8, sizeof(double), 1, &count, &times);
  if (result == LARDER_OK) result = lrd_made_set_add(&made, "weights", LRD_MADE_F8, sizeof(double), 1, &count, &weights);
  if (result == LARDER_OK) result = gaps_find(gaps, count, patience);
  if (result != LARDER_OK) goto out;
  double time = 0;
  for (uint64_t i = 0; i < count; i++) {
    if ((result = lrd_patience_look_at(patience, i)) != LARDER_OK) goto out;
    double delay = given->at[TAU0].real * scaled(given->at[SCALING].whole, (double)((int64_t *)gaps)[i], alpha);
    time += delay;
    ((double *)delays)[i] = delay;
    ((double *)times)[i] = time;
    ((double *)weights)[i] = weight_at(given->at[DECAY].whole, i + 1, alpha);
  }
  result = lrd_made_set_write(&made, out, err);
out:
  lrd_made_set_fini(&made);
  return result;
}

const lrd_maker lrd_recipe_echo = {
    .shown = {.name = "echo",
              .sentence = "Echo templates whose delays are the gaps between consecutive primes.",
              .formula = "With the primes p_1 = 2, p_2 = 3, … and their gaps g_k = p_(k+1) - p_k, k = 1 … count: delays "
                         "tau_k = tau0 · s(g_k) with s(g) = g (`linear`), ln(1 + g) (`logarithmic`) or g^alpha (`power`); "
                         "times t_k = tau_1 + … + tau_k; weights w_k = exp(-alpha · (k - 1)) (`exponential`), k^-alpha "
                         "(`power`) or 1 (`none`). An archive of `gaps` (int64), `delays`, `times` and `weights`.",
              .kind = LARDER_KIND_ARRAY,
              .params = params,
              .params_count = sizeof params / sizeof params[0]},
    .bytes = echo_bytes,
    .make = echo_make};
