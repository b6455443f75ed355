/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A row for each key that was left or asked for: how often it was, and the keys that came next with their counts. A row that is
 * full lets the newcomer take the place of the rarest, which begins anew; counts are halved now and then, so that old ways
 * fade.
 */
#include "next_guess.h"

#include "base/bytes.h"

#define FOLLOWERS 16u
#define AGE_AT    1024u
#define SMOOTHING 1.0

typedef struct row {
  uint32_t asked;
  uint32_t keys[FOLLOWERS];
  uint32_t counts[FOLLOWERS]; /* 0: free */
} row;

struct lrd_guesser {
  uint32_t keys;
  row **rows; /* by key; NULL: never asked for */
};

larder_err lrd_guesser_open(uint32_t keys, lrd_guesser **out) {
  lrd_guesser *guesser = lrd_alloc_zero(1, sizeof *guesser);
  row **rows = lrd_alloc_zero(keys, sizeof(row *));
  if (guesser == NULL || rows == NULL) {
    lrd_dealloc(guesser);
    lrd_dealloc(rows);
    return LARDER_ENOMEM;
  }
  *guesser = (lrd_guesser){.keys = keys, .rows = rows};
  *out = guesser;
  return LARDER_OK;
}

void lrd_guesser_close(lrd_guesser *guesser) {
  if (guesser == NULL) return;
  for (uint32_t i = 0; i < guesser->keys; i++) lrd_dealloc(guesser->rows[i]);
  lrd_dealloc(guesser->rows);
  lrd_dealloc(guesser);
}

static void row_age(row *r) {
  r->asked /= 2;
  for (unsigned i = 0; i < FOLLOWERS; i++) r->counts[i] /= 2;
}

static void row_follow(row *r, uint32_t key) {
  unsigned rarest = 0, at = 0;
  while (at < FOLLOWERS && (r->counts[at] == 0 || r->keys[at] != key)) {
    if (r->counts[at] < r->counts[rarest]) rarest = at;
    at++;
  }
  if (at == FOLLOWERS) {
    at = rarest;
    r->counts[at] = 0;
    r->keys[at] = key;
  }
  r->counts[at]++;
}

larder_err lrd_guesser_learn(lrd_guesser *guesser, const lrd_request *request) {
  row **now = &guesser->rows[request->key];
  if (request->before != LRD_TRAFFIC_NONE) row_follow(guesser->rows[request->before], request->key);
  if (*now == NULL && (*now = lrd_alloc_zero(1, sizeof(row))) == NULL) return LARDER_ENOMEM;
  if (++(*now)->asked >= AGE_AT) row_age(*now);
  return LARDER_OK;
}

size_t lrd_guesser_next(const lrd_guesser *guesser, const lrd_request *request, lrd_guess *out, size_t most) {
  const row *r = guesser->rows[request->key];
  size_t count = 0;
  for (unsigned i = 0; r != NULL && i < FOLLOWERS; i++) {
    if (r->counts[i] == 0) continue;
    lrd_guess guess = {r->keys[i], r->counts[i] / (r->asked + SMOOTHING)};
    size_t at = count < most ? count++ : most;
    while (at > 0 && out[at - 1].probability < guess.probability) {
      if (at < most) out[at] = out[at - 1];
      at--;
    }
    if (at < most) out[at] = guess;
  }
  return count;
}
