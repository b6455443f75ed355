/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What will probably be asked for next: Markov chains over *endpoints*, learned from sessions while they go on or from files
 * of them. An endpoint is what a request asks for, with what differs from user to user taken out (`/users/123` becomes
 * `/users/{id}`); a *session* is one user's requests in their order, known by an id.
 *
 * Four models share one memory. *First*: what came after the last endpoint. *Second*: after the last two, and as First where
 * these are new. *Context*: after the last endpoint for such a user at such a time, in the nearest context where that was
 * seen; as First where it never was. *Blend*: Second over Context over First over how often endpoints come at all, each as
 * much as it has evidence. First, Second and Context are smoothed additively; all four are distributions over the known
 * endpoints and one more, which stands for all that are not known.
 *
 * Memory is bounded and taken at once. A state remembers its 15 strongest successors; what else followed counts as evidence
 * without a name. Counts are halved as they add up, so that old habits fade; where there is no room, the state goes that was
 * met least. The same events in the same order give the same predictor, to the last bit.
 *
 * A predictor may be used by several threads; calls are short and take turns. Files and merging hold them up.
 */
#ifndef LARDER_PREDICT_H
#define LARDER_PREDICT_H

#include <larder/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LARDER_ENDPOINT_MAX          255u /* bytes */
#define LARDER_PREDICT_SUCCESSORS    15u  /* of a state */
#define LARDER_PREDICT_TOP_MAX       64u
#define LARDER_PREDICT_STEPS_MAX     64u
#define LARDER_PREDICT_USER_TYPES    13u /* that are told apart; others count as none */
#define LARDER_USER_TYPE_MAX         63u /* bytes */
#define LARDER_PREDICT_PATTERN_MAX   1023u
#define LARDER_PREDICT_FILE_MAX      ((size_t)1 << 30) /* bytes of a file that is loaded */
#define LARDER_PREDICT_ENDPOINTS_MAX ((UINT32_C(1) << 20) - 1)

/* Numbers of one to many digits, UUIDs, and hexadecimal names of 16 and more digits. */
#define LARDER_ENDPOINT_PATTERN "id=# id=%{8}-%{4}-%{4}-%{4}-%{12} hash=%{16,}"

typedef enum larder_predict_model {
  LARDER_PREDICT_BLEND,
  LARDER_PREDICT_FIRST,
  LARDER_PREDICT_SECOND,
  LARDER_PREDICT_CONTEXT
} larder_predict_model;
#define LARDER_PREDICT_MODELS 4u
/* `blend`, `first`, `second`, `context`; NULL beyond. */
LARDER_API const char *larder_predict_model_name(larder_predict_model model);

/* --- a predictor ------------------------------------------------------------------------------------------------------- */

typedef struct larder_predictor larder_predictor;

/* Zero: the default in brackets. */
typedef struct larder_predictor_options {
  size_t size;
  uint32_t endpoints_max;  /* known at a time [4096]; 8 to LARDER_PREDICT_ENDPOINTS_MAX. An eighth, the least asked for, makes
                              room for new ones */
  uint32_t states_max;     /* [32768], rounded up to a power of two; 8 to 2^20; 136 bytes each */
  uint32_t sessions_max;   /* that go on at a time [4096], likewise; 8 to 2^20; 48 bytes each */
  uint32_t order;          /* endpoints back that are looked at, 1 or 2 [2]; with 1 Second is as First */
  bool no_contexts;        /* Context is as First */
  uint32_t age_at;         /* a state's counts are halved when they add up to so many [1024]; 16 to 60000 */
  uint32_t evidence_min;   /* events after which Second and Context use a state [2]; to 60000 */
  double smoothing;        /* added to the count of each endpoint [0.01]; 1e-9 to 1000 */
  int64_t session_idle_ms; /* after such a pause a session begins anew [30 min] */
  int32_t utc_offset_minutes; /* of the clock by which mornings and weekends are told; -1440 to 1440 */
  /*
   * What is taken out of endpoints; NULL: LARDER_ENDPOINT_PATTERN, "": nothing. Rules NAME=FORM separated by blanks; a part of
   * an endpoint, between any of / ? & = | : ; , and its ends, that has the form of a rule becomes {NAME}, by the first that
   * fits. In a form # is a run of decimal and % one of hexadecimal digits with at least one decimal among them, with {N} or
   * {N,} behind it of N digits or of at least N, * is all that is left, at least one byte; a backslash takes the next byte as
   * it is, and everything else stands for itself.
   */
  const char *pattern;
} larder_predictor_options;

/* options may be NULL. LARDER_EINVAL with a sentence, LARDER_ENOMEM. Own. */
LARDER_API LARDER_MUST_CHECK larder_err larder_predictor_new(const larder_predictor_options *options, larder_predictor **out,
                                                             larder_error *err);
/* *predictor becomes NULL. NULL is fine. */
LARDER_API void larder_predictor_free(larder_predictor **predictor);
/* Forgets all it has learned, and its sessions. */
LARDER_API void larder_predictor_clear(larder_predictor *predictor);

typedef struct larder_predictor_figures {
  uint64_t events;     /* learned */
  uint64_t endpoints;  /* known now */
  uint64_t states;     /* now, of all orders */
  uint64_t sessions;   /* now */
  uint64_t user_types; /* told apart */
  uint64_t endpoints_replaced;
  uint64_t states_replaced;
  uint64_t sessions_replaced;
  uint64_t bytes; /* of memory, without the endpoints' texts */
} larder_predictor_figures;
LARDER_API void larder_predictor_figures_get(larder_predictor *predictor, larder_predictor_figures *out);

/* --- learning ------------------------------------------------------------------------------------------------------------ */

/* A request. All is borrowed. */
typedef struct larder_predict_event {
  const void *session; /* its id, any bytes; not looked at by larder_predict_train */
  size_t session_len;
  const void *endpoint; /* as it was asked for */
  size_t endpoint_len;
  const char *user_type; /* NULL: not known */
  int64_t wall_ms;       /* when; 0: not known */
} larder_predict_event;

/* Learns what followed in its session. LARDER_ETOOBIG: the endpoint is too long, and is not learned; LARDER_EINVAL,
 * LARDER_ENOMEM. */
LARDER_API LARDER_MUST_CHECK larder_err larder_predict_observe(larder_predictor *predictor, const larder_predict_event *event);
/* A whole session, in its order, apart from those that go on. Endpoints that are too long are passed over. */
LARDER_API LARDER_MUST_CHECK larder_err larder_predict_train(larder_predictor *predictor, const larder_predict_event *events,
                                                             size_t count);
/* The session is over; false: it was not known. */
LARDER_API bool larder_predict_session_end(larder_predictor *predictor, const void *session, size_t session_len);
/* Adds what another one has learned; sessions stay where they are. LARDER_EINVAL: it is the same one; LARDER_ENOMEM, then a
 * part is added. */
LARDER_API LARDER_MUST_CHECK larder_err larder_predict_merge(larder_predictor *into, larder_predictor *from);

/* --- predicting ---------------------------------------------------------------------------------------------------------- */

typedef struct larder_predict_guess {
  double probability;
  uint32_t endpoint_len;
  char endpoint[LARDER_ENDPOINT_MAX + 1]; /* NUL-terminated */
} larder_predict_guess;

/* Where a session stands. */
typedef struct larder_predict_past {
  const void *last; /* the endpoint asked for last; NULL: nothing yet */
  size_t last_len;
  const void *before; /* the one before that, or NULL */
  size_t before_len;
  const char *user_type;
  int64_t wall_ms;
} larder_predict_past;

/*
 * The most probable endpoints, most probable first; only such as the model has evidence of.
 * *count is how many there is room for, at most LARDER_PREDICT_TOP_MAX, and becomes how many there are. LARDER_MISS: the
 * session is not known; LARDER_EINVAL.
 */
LARDER_API LARDER_MUST_CHECK larder_err larder_predict_next(larder_predictor *predictor, const void *session,
                                                            size_t session_len, larder_predict_model model,
                                                            larder_predict_guess *out, size_t *count);
/* For a request that comes: larder_predict_observe and larder_predict_next of its session, at once. Where it is not learned
 * *count stays as it is. */
LARDER_API LARDER_MUST_CHECK larder_err larder_predict_request(larder_predictor *predictor, const larder_predict_event *event,
                                                               larder_predict_model model, larder_predict_guess *out,
                                                               size_t *count);
LARDER_API LARDER_MUST_CHECK larder_err larder_predict_after(larder_predictor *predictor, const larder_predict_past *past,
                                                             larder_predict_model model, larder_predict_guess *out,
                                                             size_t *count);
/* What the model gives an endpoint; one that is not known has the share of all that are not. */
LARDER_API LARDER_MUST_CHECK larder_err larder_predict_probability(larder_predictor *predictor, const larder_predict_past *past,
                                                                   larder_predict_model model, const void *endpoint,
                                                                   size_t endpoint_len, double *out);
/*
 * The way on, always by the most probable step, until one is less probable than `least`, or comes to what has been on the way
 * already twice: up to *count steps, each with the probability of the way up to it.
 */
LARDER_API LARDER_MUST_CHECK larder_err larder_predict_path(larder_predictor *predictor, const larder_predict_past *past,
                                                            larder_predict_model model, double least, larder_predict_guess *out,
                                                            size_t *count);

/* An endpoint as it is learned: LARDER_ENDPOINT_MAX + 1 bytes of room, NUL-terminated. LARDER_ETOOBIG, LARDER_EINVAL. */
LARDER_API LARDER_MUST_CHECK larder_err larder_predict_normalise(const larder_predictor *predictor, const void *endpoint,
                                                                 size_t len, char *out, size_t *len_out);

/* --- files --------------------------------------------------------------------------------------------------------------- */

typedef enum larder_predict_format {
  LARDER_PREDICT_BINARY, /* versioned, with a checksum */
  LARDER_PREDICT_JSON    /* the same as text, without */
} larder_predict_format;

/*
 * All it has learned and its options, not the sessions that go on. What is loaded is the same predictor: it answers the same
 * and is saved as the same bytes. The file is published whole. LARDER_EIO and its kin, LARDER_ENOMEM.
 */
LARDER_API LARDER_MUST_CHECK larder_err larder_predict_save(larder_predictor *predictor, const char *path,
                                                            larder_predict_format format, larder_error *err);
/* Either format, known by its first byte. LARDER_MISS: no such file; LARDER_EFORMAT: no predictor, or of a newer build;
 * LARDER_ECORRUPT: damaged; LARDER_ETOOBIG, LARDER_EIO, LARDER_ENOMEM. Own. */
LARDER_API LARDER_MUST_CHECK larder_err larder_predict_load(const char *path, larder_predictor **out, larder_error *err);
/* The same in memory. Own: release with larder_predict_bytes_free. */
LARDER_API LARDER_MUST_CHECK larder_err larder_predict_pack(larder_predictor *predictor, larder_predict_format format,
                                                            void **out, size_t *len_out);
LARDER_API LARDER_MUST_CHECK larder_err larder_predict_unpack(const void *data, size_t len, larder_predictor **out,
                                                              larder_error *err);
LARDER_API void larder_predict_bytes_free(void *bytes);

#ifdef __cplusplus
}
#endif
#endif
