/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values that go down the gradient of their squared error: linear ones, and those of a network with one hidden layer that all
 * actions share. Errors are cut, so that one odd reward moves little.
 */
#include "base/hash.h"
#include "learner.h"

#include <math.h>

#define N         LRD_FEATURES
#define HIDDEN    24u
#define ERROR_CUT 5.0

static double cut(double error) { return error > ERROR_CUT ? ERROR_CUT : error < -ERROR_CUT ? -ERROR_CUT : error; }

/* A great rate may lead nowhere, but not out of bounds. */
static void move(double *number, double by) { *number = lrd_within(*number + by, LRD_LEARNED_MAX); }

/* --- linear --------------------------------------------------------------------------------------------------------------- */

static void linear_init(double *learned, const larder_agent_options *how) {
  (void)how;
  for (unsigned i = 0; i < LARDER_AGENT_ACTIONS * N; i++) learned[i] = 0;
}

static double linear_value(const double *learned, unsigned action, const double *state) {
  double value = 0;
  for (unsigned i = 0; i < N; i++) value += learned[action * N + i] * state[i];
  return value;
}

static void linear_learn(double *learned, const larder_agent_options *how, unsigned action, const double *state,
                         double target) {
  double step = how->rate * cut(target - linear_value(learned, action, state));
  for (unsigned i = 0; i < N; i++) move(&learned[action * N + i], step * state[i]);
}

const lrd_learner_ops lrd_learner_linear = {
    .follows = true, .doubles = LARDER_AGENT_ACTIONS * N, .init = linear_init, .value = linear_value, .learn = linear_learn};

/* --- network: HIDDEN rows of N, then for each action HIDDEN weights and a constant ---------------------------------------- */

#define OUT (HIDDEN * N)

static void network_init(double *learned, const larder_agent_options *how) {
  for (uint32_t i = 0; i < HIDDEN * N; i++) {
    double part = (double)(lrd_hash64(&i, sizeof i, how->seed) >> 11) * 0x1p-53;
    learned[i] = (part - 0.5) * 2 / sqrt(N);
  }
  for (unsigned i = 0; i < LARDER_AGENT_ACTIONS * (HIDDEN + 1); i++) learned[OUT + i] = 0;
}

static double network_run(const double *learned, unsigned action, const double *state, double hidden[HIDDEN]) {
  const double *out = learned + OUT + action * (HIDDEN + 1);
  double value = out[HIDDEN];
  for (unsigned h = 0; h < HIDDEN; h++) {
    double sum = 0;
    for (unsigned i = 0; i < N; i++) sum += learned[h * N + i] * state[i];
    hidden[h] = tanh(sum);
    value += out[h] * hidden[h];
  }
  return value;
}

static double network_value(const double *learned, unsigned action, const double *state) {
  double hidden[HIDDEN];
  return network_run(learned, action, state, hidden);
}

static void network_learn(double *learned, const larder_agent_options *how, unsigned action, const double *state,
                          double target) {
  double hidden[HIDDEN], *out = learned + OUT + action * (HIDDEN + 1);
  double step = how->rate * cut(target - network_run(learned, action, state, hidden));
  for (unsigned h = 0; h < HIDDEN; h++) {
    double back = step * out[h] * (1 - hidden[h] * hidden[h]);
    move(&out[h], step * hidden[h]);
    for (unsigned i = 0; i < N; i++) move(&learned[h * N + i], back * state[i]);
  }
  move(&out[HIDDEN], step);
}

const lrd_learner_ops lrd_learner_network = {.follows = true,
                                             .doubles = OUT + LARDER_AGENT_ACTIONS * (HIDDEN + 1),
                                             .init = network_init,
                                             .value = network_value,
                                             .learn = network_learn};
