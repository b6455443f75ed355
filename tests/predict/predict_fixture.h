/* SPDX-License-Identifier: Apache-2.0 */
/* Endpoints that are letters, sessions that are words. */
#ifndef LRD_TESTS_PREDICT_FIXTURE_H
#define LRD_TESTS_PREDICT_FIXTURE_H

#include "support/support.h"

#include <larder/predict.h>

/* With these options (size is filled in; NULL: none). */
larder_predictor *predictor_of(larder_predictor_options options);
/* A session whose endpoints are the letters of a word, by a user of that type (or NULL) at that time (or 0). */
void train_word(larder_predictor *predictor, const char *word, const char *user_type, int64_t wall_ms);
/* Where a word ends. */
larder_predict_past past_of(const char *word);
double probability_after(larder_predictor *predictor, const char *word, larder_predict_model model, const char *endpoint);
/* The letters that are guessed after a word, most probable first: static. */
const char *letters_after(larder_predictor *predictor, const char *word, larder_predict_model model, size_t most);
/* Sessions by chance: a walk over `endpoints` of them with habits, users of three types, at all hours. */
void train_walks(larder_predictor *predictor, uint64_t seed, unsigned sessions, unsigned endpoints);
/* Saved in a format; own, release with larder_predict_bytes_free. */
void *packed(larder_predictor *predictor, larder_predict_format format, size_t *len);

#define assert_near(found, wanted) assert_true((found) > (wanted)-1e-12 && (found) < (wanted) + 1e-12)

#endif
