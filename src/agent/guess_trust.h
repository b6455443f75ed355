/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How often guesses come true, by the probability with which they were said. A predictor that has seen little is often too
 * sure, and where there is nothing to predict it always is; this is seen from what is asked next, without anything made ahead.
 */
#ifndef LRD_AGENT_GUESS_TRUST_H
#define LRD_AGENT_GUESS_TRUST_H

#include <stdbool.h>

#define LRD_TRUST_BINS 10u /* of probability */

typedef struct lrd_guess_trust {
  double said[LRD_TRUST_BINS]; /* guesses, lately */
  double came[LRD_TRUST_BINS]; /* those that came true */
} lrd_guess_trust;             /* zeros: as probabilities say */

void lrd_guess_trust_tell(lrd_guess_trust *trust, double probability, bool came);
/* What a guess of that probability is worth; nothing is learned of one outside 0 to 1. */
double lrd_guess_trust_of(const lrd_guess_trust *trust, double probability);

#endif
