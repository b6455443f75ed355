/* SPDX-License-Identifier: Apache-2.0 */
/* Learning, guessing, saving and merging at once; for the thread sanitizer, and that no event is lost. */
#include "predict_fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define LEARNERS 4
#define EVENTS   3000

static larder_predictor *shared, *aside;
static _Atomic bool over;

static void *learn(void *context) {
  unsigned number = *(const unsigned *)context;
  larder_predict_guess guesses[5];
  for (unsigned i = 0; i < EVENTS; i++) {
    char session[24], endpoint[32];
    int session_len = snprintf(session, sizeof session, "%u/%u", number, i % 11);
    int len = snprintf(endpoint, sizeof endpoint, "/part%u", (i / 11 + number) % 37);
    larder_predict_event event = {session, (size_t)session_len, endpoint, (size_t)len, i % 2 ? "guest" : "admin", 1 + i};
    size_t count = 5;
    if (larder_predict_observe(shared, &event) != LARDER_OK) return &shared;
    if (larder_predict_next(shared, session, (size_t)session_len, (larder_predict_model)(i % 4), guesses, &count) < 0)
      return &shared;
  }
  return NULL;
}

static void *look(void *context) {
  (void)context;
  while (!atomic_load(&over)) {
    larder_predictor_figures figures;
    larder_predictor *again = NULL;
    void *bytes = NULL;
    size_t len;
    larder_predictor_figures_get(shared, &figures);
    if (larder_predict_pack(shared, LARDER_PREDICT_BINARY, &bytes, &len) != LARDER_OK) return &shared;
    if (larder_predict_unpack(bytes, len, &again, NULL) != LARDER_OK) return &shared;
    larder_predict_bytes_free(bytes);
    if (larder_predict_merge(aside, shared) != LARDER_OK || larder_predict_merge(again, aside) != LARDER_OK) return &shared;
    larder_predictor_free(&again);
  }
  return NULL;
}

static void many_learn_while_others_look(void **state) {
  (void)state;
  pthread_t learners[LEARNERS], looker;
  unsigned numbers[LEARNERS];
  void *failed = NULL;
  shared = predictor_of((larder_predictor_options){.endpoints_max = 32, .states_max = 256, .sessions_max = 64});
  aside = predictor_of((larder_predictor_options){.endpoints_max = 64, .states_max = 256});
  assert_int_equal(pthread_create(&looker, NULL, look, NULL), 0);
  for (unsigned i = 0; i < LEARNERS; i++) {
    numbers[i] = i;
    assert_int_equal(pthread_create(&learners[i], NULL, learn, &numbers[i]), 0);
  }
  for (unsigned i = 0; i < LEARNERS; i++) {
    pthread_join(learners[i], &failed);
    assert_null(failed);
  }
  atomic_store(&over, true);
  pthread_join(looker, &failed);
  assert_null(failed);
  larder_predictor_figures figures;
  larder_predictor_figures_get(shared, &figures);
  assert_int_equal(figures.events, LEARNERS * EVENTS);
  larder_predictor_free(&shared);
  larder_predictor_free(&aside);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(many_learn_while_others_look)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
