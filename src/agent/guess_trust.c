/* SPDX-License-Identifier: Apache-2.0 */
/* Probabilities are believed as if so many guesses had come true as they say, before any was seen. */
#include "guess_trust.h"

#define BELIEVED 20.0
#define MOST     2000.0 /* guesses of a bin that come true, if they do as they say; older ones fade */

static unsigned bin_of(double probability) {
  double at = probability * LRD_TRUST_BINS;
  return at < LRD_TRUST_BINS - 1 ? (unsigned)at : LRD_TRUST_BINS - 1;
}

void lrd_guess_trust_tell(lrd_guess_trust *trust, double probability, bool came) {
  if (!(probability >= 0 && probability <= 1)) return;
  unsigned bin = bin_of(probability);
  if (trust->said[bin] >= MOST) {
    trust->said[bin] *= 1 - 1 / MOST;
    trust->came[bin] *= 1 - 1 / MOST;
  }
  trust->said[bin] += probability;
  trust->came[bin] += came;
}

double lrd_guess_trust_of(const lrd_guess_trust *trust, double probability) {
  if (!(probability >= 0 && probability <= 1)) return 0;
  unsigned bin = bin_of(probability);
  double worth = probability * (trust->came[bin] + BELIEVED) / (trust->said[bin] + BELIEVED);
  return worth < 1 ? worth : 1;
}

void lrd_guessed_add(lrd_guessed *guessed, uint64_t key, double probability) {
  if (guessed->len == LARDER_AGENT_GUESSES) return;
  guessed->of[guessed->len].key = key;
  guessed->of[guessed->len++].probability = probability;
}

void lrd_guessed_judge(lrd_guessed *guessed, lrd_guess_trust *trust, uint64_t session, uint32_t place, uint64_t key) {
  if (guessed->session != session) return;
  for (uint32_t i = 0; i < guessed->len && place > 0; i++)
    lrd_guess_trust_tell(trust, guessed->of[i].probability, guessed->of[i].key == key);
  guessed->len = 0;
}

void lrd_guess_rank(lrd_guess_ranks *ranks, size_t number, double worth) {
  if (ranks->len == LARDER_AGENT_GUESSES) return;
  size_t at = ranks->len++;
  for (; at > 0 && ranks->of[at - 1].worth < worth; at--) ranks->of[at] = ranks->of[at - 1];
  ranks->of[at].number = number;
  ranks->of[at].worth = worth;
}
