/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of a predictor. All of it is behind the mutex but the pattern and the options, which stay as they are made. */
#ifndef LRD_PREDICT_PREDICTOR_H
#define LRD_PREDICT_PREDICTOR_H

#include "base/thread.h"
#include "endpoint_pattern.h"
#include "endpoints.h"
#include "live_sessions.h"
#include "time_context.h"
#include "transitions.h"
#include <larder/evaluate.h>

#define LRD_PREDICT_ROOM   "predict"
#define LRD_PREDICT_EVENTS (UINT64_C(1) << 53) /* that anybody claims to have learned */

struct larder_predictor {
  lrd_mutex mutex;
  larder_predictor_options options; /* with defaults filled in; pattern is the text in `pattern` */
  lrd_pattern pattern;
  lrd_endpoints endpoints;
  lrd_transitions table;
  lrd_live_sessions sessions;
  char user_types[LARDER_PREDICT_USER_TYPES][LARDER_USER_TYPE_MAX + 1]; /* number - 1 */
  unsigned user_types_len;
  uint64_t events;
};

/* --- predictor.c; the mutex is held --------------------------------------------------------------------------------------- */

/* The number of a normalised endpoint, given one where it is new, for which others may have to go. LARDER_ENOMEM. */
LARDER_MUST_CHECK larder_err lrd_predictor_number(larder_predictor *predictor, const char *text, size_t len, uint32_t *out);
/* 0 where there is none, or (with `learn`) no room for another one. Looks at `likely` first; 0: at none. */
unsigned lrd_predictor_user_type(larder_predictor *predictor, const char *name, unsigned likely, bool learn);

/* The number of who asks, and of the request in its session, from 0; both 0 where they are not known. Takes the mutex. */
void lrd_predictor_asker(larder_predictor *predictor, const void *session, size_t session_len, const char *user_type,
                         unsigned *user_out, uint32_t *place_out);

/* As larder_predict_observe, and where the session stands now: the mutex is taken, and still held after LARDER_OK. */
LARDER_MUST_CHECK larder_err lrd_predictor_observe(larder_predictor *predictor, const larder_predict_event *event,
                                                   const lrd_standing **out);

/* --- guessing.c -------------------------------------------------------------------------------------------------------------
 */

/* The most probable; how many. */
size_t lrd_guess(const larder_predictor *predictor, const lrd_standing *standing, larder_predict_model model, size_t most,
                 uint32_t *numbers, double *probabilities);
double lrd_guess_probability(const larder_predictor *predictor, const lrd_standing *standing, larder_predict_model model,
                             uint32_t number);

/* --- predict_image.c: a predictor from what somebody else wrote --------------------------------------------------------- */

typedef struct lrd_image_endpoint {
  uint64_t number;
  const char *text;
  size_t len;
  uint64_t count;
  uint64_t seen;
  uint64_t contexts[2];
} lrd_image_endpoint;

/* As written, in this order; LARDER_ECORRUPT: what no predictor holds; LARDER_ENOMEM. */
LARDER_MUST_CHECK larder_err lrd_image_user_type(larder_predictor *predictor, const char *name, size_t len);
LARDER_MUST_CHECK larder_err lrd_image_endpoint_put(larder_predictor *predictor, const lrd_image_endpoint *endpoint);
LARDER_MUST_CHECK larder_err lrd_image_state_put(larder_predictor *predictor, uint64_t key, uint32_t heat,
                                                 const lrd_state *state);
/* At the end. */
LARDER_MUST_CHECK larder_err lrd_image_done(larder_predictor *predictor, uint64_t events);

/* predict_file.c, predict_json.c; the mutex is held, or nobody else knows the predictor yet. */
LARDER_MUST_CHECK larder_err lrd_predict_write_binary(const larder_predictor *predictor, lrd_buf *out);
LARDER_MUST_CHECK larder_err lrd_predict_read_binary(const uint8_t *data, size_t len, larder_predictor **out,
                                                     larder_error *err);
LARDER_MUST_CHECK larder_err lrd_predict_write_json(const larder_predictor *predictor, lrd_buf *out);
LARDER_MUST_CHECK larder_err lrd_predict_read_json(const char *text, size_t len, larder_predictor **out, larder_error *err);

/* sessions_read.c: as larder_sessions_read, of a stream that is called that. */
LARDER_MUST_CHECK larder_err lrd_sessions_take(larder_sessions *all, const char *called,
                                               int64_t (*read)(void *context, void *out, size_t room), void *context,
                                               larder_error *err);

#endif
