/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How often guesses come true, by the probability with which they were said. A predictor that has seen little is often too
 * sure, and where there is nothing to predict it always is; this is seen from what is asked next, without anything made ahead.
 */
#ifndef LRD_AGENT_GUESS_TRUST_H
#define LRD_AGENT_GUESS_TRUST_H

#include <larder/agent.h>

#define LRD_TRUST_BINS 10u /* of probability */

typedef struct lrd_guess_trust {
  double said[LRD_TRUST_BINS]; /* guesses, lately */
  double came[LRD_TRUST_BINS]; /* those that came true */
} lrd_guess_trust;             /* zeros: as probabilities say */

void lrd_guess_trust_tell(lrd_guess_trust *trust, double probability, bool came);
/* What a guess of that probability is worth; nothing is learned of one outside 0 to 1. */
double lrd_guess_trust_of(const lrd_guess_trust *trust, double probability);

/* What was guessed for a session, until it asks for something. */
typedef struct lrd_guessed {
  uint64_t session;
  uint32_t len;
  struct {
    uint64_t key; /* its number, or hash */
    double probability;
  } of[LARDER_AGENT_GUESSES];
} lrd_guessed;

/* One more, as it was said; not where there is no place. */
void lrd_guessed_add(lrd_guessed *guessed, uint64_t key, double probability);
/* A session asks for a key: what was guessed for it has come true, or has not, and is done with. Nothing is learned of a
 * session's first request (place 0), nor where the guesses are another's. */
void lrd_guessed_judge(lrd_guessed *guessed, lrd_guess_trust *trust, uint64_t session, uint32_t place, uint64_t key);

/* Guesses by their worth, falling. */
typedef struct lrd_guess_ranks {
  size_t len;
  struct {
    size_t number; /* of the guess, as the host counts them */
    double worth;
  } of[LARDER_AGENT_GUESSES];
} lrd_guess_ranks; /* zeros: none */

/* Behind those that are worth as much; not where there is no place. */
void lrd_guess_rank(lrd_guess_ranks *ranks, size_t number, double worth);

#endif
