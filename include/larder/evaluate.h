/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How well a predictor does (larder/predict.h): files of sessions are read, and every request that follows another one in its
 * session is compared with what was guessed for it.
 *
 * A *step* is such a request. It is *covered* when anything was guessed; a *hit* among the first N when it was one of these.
 * The reciprocal rank is 1 for the first guess, 1/2 for the second, 0 for what was not guessed. Perplexity is e to the mean of
 * -ln of what the model gave to what came: as many equally likely choices would be as hard.
 */
#ifndef LARDER_EVALUATE_H
#define LARDER_EVALUATE_H

#include <larder/predict.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LARDER_SESSIONS_REQUESTS_MAX (UINT64_C(1) << 27)
#define LARDER_EVALUATE_FOLDS_MAX    20u
#define LARDER_EVALUATE_BINS         10u
#define LARDER_EVALUATE_TOPS         4u /* among the first 1, 3, 5 and 10 */
#define LARDER_EVALUATE_TOP(i)       ((i) == 0 ? 1u : (i) == 1 ? 3u : (i) == 2 ? 5u : 10u)

/* --- files of sessions --------------------------------------------------------------------------------------------------- */

typedef struct larder_sessions larder_sessions;

/*
 * Reads JSON Lines, also packed by zstd or gzip: a line a session,
 *
 *     {"session": "s-1", "user_type": "member", "requests": [{"endpoint": "/users/1", "at": 1764150000.25}, "/cart"]}
 *
 * or a line a request, {"session": "s-1", "endpoint": "/cart", "user_type": "member", "at": 1764150007}. `keys` may stand for
 * `requests` and `key` for `endpoint`; a request may be its endpoint alone. `at` is seconds since 1970, `at_ms` milliseconds;
 * both and user_type may be left out. What has the same session is one, in the order of the file; a session without a name is
 * one of its own. *sessions is NULL, or what the file is added to. LARDER_EFORMAT: told as `FILE:LINE: what`; LARDER_MISS: no
 * such file; LARDER_ETOOBIG, LARDER_EIO, LARDER_ENOMEM; a failure leaves what was read before it, to be closed. Own.
 */
LARDER_API LARDER_MUST_CHECK larder_err larder_sessions_read(const char *path, larder_sessions **sessions, larder_error *err);
/* *sessions becomes NULL. NULL is fine. */
LARDER_API void larder_sessions_close(larder_sessions **sessions);
LARDER_API size_t larder_sessions_count(larder_sessions *sessions);
LARDER_API uint64_t larder_sessions_requests(const larder_sessions *sessions);
/* The n-th, in the order in which they begin. Borrowed until more is read. */
LARDER_API const larder_predict_event *larder_sessions_get(larder_sessions *sessions, size_t n, size_t *count_out);

/* --- evaluation ---------------------------------------------------------------------------------------------------------- */

typedef struct larder_score {
  uint64_t steps;
  uint64_t covered;
  uint64_t hits[LARDER_EVALUATE_TOPS];
  double reciprocal_ranks; /* their sum */
  double surprise;         /* sum of -ln p */
} larder_score;
/* 0 without steps; perplexity 1. */
LARDER_API double larder_score_share(const larder_score *score, unsigned top);
LARDER_API double larder_score_coverage(const larder_score *score);
LARDER_API double larder_score_mrr(const larder_score *score);
LARDER_API double larder_score_perplexity(const larder_score *score);

/* First guesses whose probability was from a tenth to the next. */
typedef struct larder_evaluate_bin {
  uint64_t guesses;
  uint64_t right;
  double predicted; /* sum of their probabilities */
} larder_evaluate_bin;

typedef struct larder_evaluate_part {
  const char *name; /* of an endpoint, normalised, or of a context */
  larder_score score;
} larder_evaluate_part;

typedef struct larder_evaluation {
  larder_predict_model model;
  larder_score all;
  larder_evaluate_bin bins[LARDER_EVALUATE_BINS];
  larder_score folds[LARDER_EVALUATE_FOLDS_MAX];
  unsigned folds_len;              /* 0: by a predictor that was given */
  larder_evaluate_part *endpoints; /* by what was asked for before the step; most steps first */
  size_t endpoints_len;
  larder_evaluate_part *contexts; /* by who asked, and when */
  size_t contexts_len;
} larder_evaluation;

typedef struct larder_evaluate_options {
  size_t size;
  unsigned folds;                           /* [5], 2 to LARDER_EVALUATE_FOLDS_MAX */
  const larder_predictor_options *learning; /* of the predictors of folds; NULL: defaults */
  /* Now and then; false ends it with LARDER_ECANCELLED. */
  bool (*progress)(void *context, uint64_t done, uint64_t total);
  void *context;
} larder_evaluate_options;

/*
 * All four models. With a predictor, which is not changed, that one; without, sessions are dealt out to folds in turn, and each
 * fold is judged by a predictor that was taught with the others. `out` has room for LARDER_PREDICT_MODELS; release with
 * larder_evaluation_clear. The same sessions and options give the same figures.
 */
LARDER_API LARDER_MUST_CHECK larder_err larder_evaluate(larder_sessions *sessions, larder_predictor *predictor,
                                                        const larder_evaluate_options *options, larder_evaluation *out,
                                                        larder_error *err);
LARDER_API void larder_evaluation_clear(larder_evaluation *evaluations);
/* Hits over how many guesses are taken, and how often what was said with a probability came true, as an SVG document. Own:
 * release with larder_predict_bytes_free. */
LARDER_API LARDER_MUST_CHECK larder_err larder_evaluation_plot(const larder_evaluation *evaluations, const char *title,
                                                               char **text_out, size_t *len_out);

#ifdef __cplusplus
}
#endif
#endif
