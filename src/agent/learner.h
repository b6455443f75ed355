/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a learner is: a value for each action in each state, moved towards targets. A state is a row of LRD_FEATURES doubles,
 * the first of which is 1, the others about as large.
 *
 * All that was learned is one row of doubles, none of them beyond LRD_LEARNED_MAX, so that it can be saved whatever the learner
 * is.
 */
#ifndef LRD_AGENT_LEARNER_H
#define LRD_AGENT_LEARNER_H

#include <larder/agent.h>

#define LRD_FEATURES    44u
#define LRD_LEARNED_MAX 1e9 /* either way: sums of products stand it */

/* Weights about 0 to begin with. */
typedef struct lrd_learner_ops {
  bool follows; /* learns from what comes next, by replay */
  size_t doubles;
  void (*init)(double *learned, const larder_agent_options *how);
  double (*value)(const double *learned, unsigned action, const double *state);
  void (*learn)(double *learned, const larder_agent_options *how, unsigned action, const double *state, double target);
  /* Begins anew those parts that no learning leaves behind, and says how many they were; NULL where there are none such. */
  unsigned (*mend)(double *learned, const larder_agent_options *how);
} lrd_learner_ops;

/* A number within its bound; what is none is 0. */
static inline double lrd_within(double number, double most) {
  return number >= -most ? number <= most ? number : most : number < 0 ? -most : 0;
}

extern const lrd_learner_ops lrd_learner_ridge;
extern const lrd_learner_ops lrd_learner_linear;
extern const lrd_learner_ops lrd_learner_network;

/* A state as a learner sees it: whatever the numbers are, ten at most either way. */
void lrd_features_of(const larder_agent_state *state, double out[LRD_FEATURES]);

#endif
