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
