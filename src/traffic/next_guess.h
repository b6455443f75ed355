/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a session will probably ask for next, as all contestants of a trial are told: larder/predict.h over keys by their
 * numbers, by its blend.
 */
#ifndef LRD_TRAFFIC_NEXT_GUESS_H
#define LRD_TRAFFIC_NEXT_GUESS_H

#include "session_stream.h"

#define LRD_GUESSES_MAX 8u

typedef struct lrd_guess {
  uint32_t key;
  double probability;
} lrd_guess;

typedef struct lrd_guesser lrd_guesser;

/* traffic is borrowed. Own. LARDER_ENOMEM. */
LARDER_MUST_CHECK larder_err lrd_guesser_open(const larder_traffic *traffic, lrd_guesser **out);
/* What it takes at most. */
uint64_t lrd_guesser_bytes(const larder_traffic *traffic);
/* NULL is fine. */
void lrd_guesser_close(lrd_guesser *guesser);
/* A request has come. LARDER_ENOMEM: it is not learned from. */
LARDER_MUST_CHECK larder_err lrd_guesser_learn(lrd_guesser *guesser, const lrd_request *request);
/* The likeliest `most` keys, likeliest first, that the request's session asks for next; how many. */
size_t lrd_guesser_next(const lrd_guesser *guesser, const lrd_request *request, lrd_guess *out, size_t most);

#endif
