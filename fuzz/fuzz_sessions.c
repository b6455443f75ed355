/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of sessions: what is taken has each request once, in sessions that have some or none, and can be learned and judged;
 * what is refused says why and where.
 */
#include "predict/predictor.h"

#include "base/fail.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HOLDS(condition)                                                                                                       \
  do {                                                                                                                         \
    if (!(condition)) abort();                                                                                                 \
  } while (0)

typedef struct drops {
  const uint8_t *data;
  size_t len, at;
} drops;

static int64_t drops_read(void *context, void *out, size_t room) {
  drops *d = context;
  size_t left = d->len - d->at, give = left < room ? left : room;
  if (give > 0) memcpy(out, d->data + d->at, give);
  d->at += give;
  return (int64_t)give;
}

static void judged(larder_sessions *sessions) {
  const larder_predictor_options small = {
      .size = sizeof small, .endpoints_max = 16, .states_max = 64, .sessions_max = 8, .age_at = 16};
  const larder_evaluate_options how = {.size = sizeof how, .folds = 2, .learning = &small};
  larder_evaluation all[LARDER_PREDICT_MODELS];
  HOLDS(larder_evaluate(sessions, NULL, &how, all, NULL) == LARDER_OK);
  for (unsigned m = 0; m < LARDER_PREDICT_MODELS; m++) {
    const larder_score *score = &all[m].all;
    HOLDS(score->steps <= larder_sessions_requests(sessions) && score->covered <= score->steps);
    for (unsigned i = 1; i < LARDER_EVALUATE_TOPS; i++) HOLDS(score->hits[i - 1] <= score->hits[i]);
    HOLDS(larder_score_perplexity(score) >= 1 && larder_score_mrr(score) <= 1);
  }
  char *text = NULL;
  size_t len = 0;
  HOLDS(larder_evaluation_plot(all, "fuzz", &text, &len) == LARDER_OK && len > 0);
  larder_predict_bytes_free(text);
  larder_evaluation_clear(all);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  larder_sessions *sessions = NULL;
  larder_error err = {0};
  HOLDS(larder_sessions_read("/dev/null", &sessions, &err) == LARDER_OK);
  drops input = {.data = data, .len = size};
  larder_err result = lrd_sessions_take(sessions, "fuzz", drops_read, &input, &err);
  HOLDS(result == LARDER_OK || err.message[0] != '\0');
  uint64_t requests = 0;
  for (size_t i = 0; i < larder_sessions_count(sessions); i++) {
    size_t count;
    const larder_predict_event *events = larder_sessions_get(sessions, i, &count);
    for (size_t e = 0; e < count; e++) HOLDS(events[e].endpoint_len > 0 && events[e].wall_ms >= 0);
    requests += count;
  }
  HOLDS(requests == larder_sessions_requests(sessions));
  if (requests < 500) judged(sessions);
  larder_sessions_close(&sessions);
  return 0;
}
