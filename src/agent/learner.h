/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a learner is: a value for each action in each state, moved towards targets. A state is a row of LRD_FEATURES doubles,
 * the first of which is 1, the others about as large.
 *
 * All that was learned is one row of doubles, so that it can be saved whatever the learner is.
 */
#ifndef LRD_AGENT_LEARNER_H
#define LRD_AGENT_LEARNER_H

#include <larder/agent.h>

#define LRD_FEATURES 44u

/* Weights about 0 to begin with. */
typedef struct lrd_learner_ops {
  const char *name;
  bool follows; /* learns from what comes next, by replay */
  size_t doubles;
  void (*init)(double *learned, const larder_agent_options *how);
  double (*value)(const double *learned, unsigned action, const double *state);
  void (*learn)(double *learned, const larder_agent_options *how, unsigned action, const double *state, double target);
} lrd_learner_ops;

extern const lrd_learner_ops lrd_learner_ridge;
extern const lrd_learner_ops lrd_learner_linear;
extern const lrd_learner_ops lrd_learner_network;

/* A state as a learner sees it. */
void lrd_features_of(const larder_agent_state *state, double out[LRD_FEATURES]);

#endif
