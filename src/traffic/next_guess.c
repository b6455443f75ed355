/* SPDX-License-Identifier: Apache-2.0 */
/* Endpoints are numbers of keys and sessions are numbers, four bytes each; what a file calls a kind of user is a type of user.
 */
#include "next_guess.h"

#include "base/bytes.h"
#include "base/fail.h"
#include <larder/predict.h>

#define NUMBER_LEN      4u
#define STATES_FOR_KEY  4u
#define STATES_LEAST    32768u
#define STATES_MOST     (UINT32_C(1) << 18)
#define ENDPOINTS_LEAST 64u
#define ENDPOINT_BYTES  128u /* with what the allocation of its text costs */
#define STATE_BYTES     140u

struct lrd_guesser {
  const larder_traffic *traffic;
  larder_predictor *predictor;
};

static uint32_t between(uint64_t value, uint32_t least, uint32_t most) {
  return value < least ? least : value > most ? most : (uint32_t)value;
}

static uint32_t states_of(const larder_traffic *traffic) {
  return between((uint64_t)traffic->keys * STATES_FOR_KEY, STATES_LEAST, STATES_MOST);
}

uint64_t lrd_guesser_bytes(const larder_traffic *traffic) {
  return (uint64_t)traffic->keys * ENDPOINT_BYTES + (uint64_t)states_of(traffic) * STATE_BYTES;
}

larder_err lrd_guesser_open(const larder_traffic *traffic, lrd_guesser **out) {
  lrd_guesser *guesser = lrd_alloc_zero(1, sizeof *guesser);
  if (guesser == NULL) return LARDER_ENOMEM;
  const larder_predictor_options how = {.size = sizeof how,
                                        .endpoints_max = between(traffic->keys, ENDPOINTS_LEAST, LARDER_PREDICT_ENDPOINTS_MAX),
                                        .states_max = states_of(traffic),
                                        .pattern = ""};
  guesser->traffic = traffic;
  larder_err err = larder_predictor_new(&how, &guesser->predictor, NULL);
  if (err == LARDER_OK)
    *out = guesser;
  else
    lrd_guesser_close(guesser);
  return err;
}

void lrd_guesser_close(lrd_guesser *guesser) {
  if (guesser == NULL) return;
  larder_predictor_free(&guesser->predictor);
  lrd_dealloc(guesser);
}

larder_err lrd_guesser_learn(lrd_guesser *guesser, const lrd_request *request) {
  uint8_t session[NUMBER_LEN], key[NUMBER_LEN];
  lrd_put_u32(session, request->session);
  lrd_put_u32(key, request->key);
  return larder_predict_observe(guesser->predictor,
                                &(larder_predict_event){.session = session,
                                                        .session_len = sizeof session,
                                                        .endpoint = key,
                                                        .endpoint_len = sizeof key,
                                                        .user_type = guesser->traffic->users[request->user].name});
}

size_t lrd_guesser_next(const lrd_guesser *guesser, const lrd_request *request, lrd_guess *out, size_t most) {
  uint8_t session[NUMBER_LEN];
  larder_predict_guess guesses[LRD_GUESSES_MAX];
  size_t count = most < LRD_GUESSES_MAX ? most : LRD_GUESSES_MAX;
  lrd_put_u32(session, request->session);
  if (larder_predict_next(guesser->predictor, session, sizeof session, LARDER_PREDICT_BLEND, guesses, &count) != LARDER_OK)
    return 0;
  for (size_t i = 0; i < count; i++) {
    LRD_ASSERT(guesses[i].endpoint_len == NUMBER_LEN);
    out[i] = (lrd_guess){lrd_get_u32((const uint8_t *)guesses[i].endpoint), guesses[i].probability};
  }
  return count;
}
