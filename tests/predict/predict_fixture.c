/* SPDX-License-Identifier: Apache-2.0 */
#include "predict_fixture.h"

#include <stdio.h>
#include <string.h>

larder_predictor *predictor_of(larder_predictor_options options) {
  larder_predictor *predictor = NULL;
  larder_error err = {0};
  options.size = sizeof options;
  if (larder_predictor_new(&options, &predictor, &err) != LARDER_OK) fail_msg("%s", err.message);
  return predictor;
}

void train_word(larder_predictor *predictor, const char *word, const char *user_type, int64_t wall_ms) {
  larder_predict_event events[256];
  size_t len = strlen(word);
  assert_true(len <= 256);
  for (size_t i = 0; i < len; i++)
    events[i] = (larder_predict_event){.endpoint = word + i, .endpoint_len = 1, .user_type = user_type, .wall_ms = wall_ms};
  assert_ok(larder_predict_train(predictor, events, len));
}

larder_predict_past past_of(const char *word) {
  size_t len = strlen(word);
  larder_predict_past past = {0};
  if (len > 0) past = (larder_predict_past){.last = word + len - 1, .last_len = 1};
  if (len > 1) past.before = word + len - 2, past.before_len = 1;
  return past;
}

double probability_after(larder_predictor *predictor, const char *word, larder_predict_model model, const char *endpoint) {
  larder_predict_past past = past_of(word);
  double p = -1;
  assert_ok(larder_predict_probability(predictor, &past, model, endpoint, strlen(endpoint), &p));
  return p;
}

const char *letters_after(larder_predictor *predictor, const char *word, larder_predict_model model, size_t most) {
  static char letters[LARDER_PREDICT_TOP_MAX + 1];
  larder_predict_guess guesses[LARDER_PREDICT_TOP_MAX];
  larder_predict_past past = past_of(word);
  assert_ok(larder_predict_after(predictor, &past, model, guesses, &most));
  for (size_t i = 0; i < most; i++) {
    assert_int_equal(guesses[i].endpoint_len, 1);
    assert_true(i == 0 || guesses[i].probability <= guesses[i - 1].probability);
    assert_near(probability_after(predictor, word, model, guesses[i].endpoint), guesses[i].probability);
    letters[i] = guesses[i].endpoint[0];
  }
  letters[most] = '\0';
  return letters;
}

void train_walks(larder_predictor *predictor, uint64_t seed, unsigned sessions, unsigned endpoints) {
  static const char *const types[] = {"guest", "member", "admin", NULL};
  support_random random = {seed};
  for (unsigned s = 0; s < sessions; s++) {
    char names[40][24];
    larder_predict_event events[40];
    unsigned at = (unsigned)support_random_below(&random, endpoints), len = 1 + (unsigned)support_random_below(&random, 40);
    const char *type = types[support_random_below(&random, 4)];
    int64_t wall_ms = (int64_t)support_random_below(&random, 60 * INT64_C(86400000));
    for (unsigned i = 0; i < len; i++) {
      snprintf(names[i], sizeof names[i], "/service/%u", at);
      events[i] = (larder_predict_event){
          .endpoint = names[i], .endpoint_len = strlen(names[i]), .user_type = type, .wall_ms = wall_ms + (int64_t)i * 1000};
      uint64_t habit = support_random_below(&random, 10);
      at = habit < 6   ? (at * 7 + 3) % endpoints
           : habit < 9 ? (at * 5 + (unsigned)support_random_below(&random, 4)) % endpoints
                       : (unsigned)support_random_below(&random, endpoints);
    }
    assert_ok(larder_predict_train(predictor, events, len));
  }
}

void *packed(larder_predictor *predictor, larder_predict_format format, size_t *len) {
  void *bytes = NULL;
  assert_ok(larder_predict_pack(predictor, format, &bytes, len));
  return bytes;
}
