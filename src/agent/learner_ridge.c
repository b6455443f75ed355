/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A linear value for each action, by recursive least squares: with each target the weights are what a ridge regression over all
 * targets so far would give, older ones counting less. For each action lie weights, then the inverse of the regression's
 * matrix.
 *
 * Forgetting makes that inverse grow where states never go. It may not grow beyond what it began with, so nothing is forgotten
 * while its trace is there.
 *
 * An inverse is symmetric and positive definite. Rounding may take that from it, where states are all but alike for long, and a
 * file may never have had it; then weights would be led away from their targets instead of towards them. Such an inverse begins
 * anew, the weights stay.
 */
#include "learner.h"

#include <math.h>

#define N    LRD_FEATURES
#define EACH (N + N * N)

static void inverse_begin(double *inverse, const larder_agent_options *how) {
  for (unsigned i = 0; i < N * N; i++) inverse[i] = 0;
  for (unsigned i = 0; i < N; i++) inverse[i * N + i] = 1 / how->ridge;
}

static void ridge_init(double *learned, const larder_agent_options *how) {
  for (unsigned a = 0; a < LARDER_AGENT_ACTIONS; a++) {
    for (unsigned i = 0; i < N; i++) learned[a * EACH + i] = 0;
    inverse_begin(learned + a * EACH + N, how);
  }
}

/* Whether a matrix is symmetric and has a Cholesky factor, row by row. */
static bool positive_definite(const double *matrix) {
  double factor[N][N];
  for (unsigned i = 0; i < N; i++) {
    for (unsigned j = 0; j <= i; j++) {
      double left = matrix[i * N + j];
      if (left != matrix[j * N + i]) return false;
      for (unsigned k = 0; k < j; k++) left -= factor[i][k] * factor[j][k];
      if (i == j && !(left > 0)) return false;
      factor[i][j] = i == j ? sqrt(left) : left / factor[j][j];
    }
  }
  return true;
}

static unsigned ridge_mend(double *learned, const larder_agent_options *how) {
  unsigned mended = 0;
  for (unsigned a = 0; a < LARDER_AGENT_ACTIONS; a++) {
    double *inverse = learned + a * EACH + N;
    if (positive_definite(inverse)) continue;
    inverse_begin(inverse, how);
    mended++;
  }
  return mended;
}

static double ridge_value(const double *learned, unsigned action, const double *state) {
  const double *weights = learned + action * EACH;
  double value = 0;
  for (unsigned i = 0; i < N; i++) value += weights[i] * state[i];
  return value;
}

static void ridge_learn(double *learned, const larder_agent_options *how, unsigned action, const double *state, double target) {
  double *weights = learned + action * EACH, *inverse = weights + N, gain[N], sum = 1, trace = 0;
  for (unsigned i = 0; i < N; i++) {
    gain[i] = 0;
    for (unsigned j = 0; j < N; j++) gain[i] += inverse[i * N + j] * state[j];
    sum += gain[i] * state[i];
    trace += inverse[i * N + i];
  }
  if (!(sum >= 1)) {
    inverse_begin(inverse, how);
    return;
  }
  double error = target - ridge_value(learned, action, state);
  double grown = trace * how->ridge < N ? 1 / how->forget : 1;
  for (unsigned i = 0; i < N; i++) weights[i] = lrd_within(weights[i] + gain[i] / sum * error, LRD_LEARNED_MAX);
  for (unsigned i = 0; i < N; i++)
    for (unsigned j = 0; j <= i; j++)
      inverse[i * N + j] = inverse[j * N + i] = (inverse[i * N + j] - gain[i] * gain[j] / sum) * grown;
}

const lrd_learner_ops lrd_learner_ridge = {
    .doubles = LARDER_AGENT_ACTIONS * EACH, .init = ridge_init, .value = ridge_value, .learn = ridge_learn, .mend = ridge_mend};
