/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A namespace that learns which key is asked for after which, and makes what will probably come next before somebody asks. It
 * is switched on by `predict: {enable: true}` of a namespace that has a maker; what it learns with is larder/predict.h, what it
 * wishes for goes the way of larder/prefetch.h.
 *
 * What larder_get_or_make and the gets (larder_get, _get_into, _get_many) hand out is heard, over a bounded queue without
 * locks: a caller never waits, and what has no room is not learned from. Who asks is the session that his thread has named, or
 * the thread itself. A wish is made for a key that follows with enough probability, unless it is there, too many were made
 * lately (`rate`), or too much stands unread (`budget`); not while memory is too full (`prefetch.max_fill`), and not while too
 * many bytes were made for nothing (`max_waste`): then it only learns for five minutes, and tries again.
 */
#ifndef LARDER_FORETELL_H
#define LARDER_FORETELL_H

#include <larder/larder.h>
#include <larder/predict.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LARDER_FORETELL_KEY_MAX LARDER_ENDPOINT_MAX /* bytes; a longer key is not learned from */

/* Who asks by this thread from now on, in all namespaces; copied. id NULL: nobody is named, the thread itself is a session.
 * user_type may be NULL, as one of more than LARDER_USER_TYPE_MAX bytes is taken to be. A server names its user at the
 * beginning of each request. */
LARDER_API void larder_foretell_session(const void *id, size_t id_len, const char *user_type);
/* A key that was asked for otherwise, and is not handed out by the cache. LARDER_OK: it is heard; LARDER_NOT_KEPT: there was no
 * room, or the key is too long; LARDER_EUNSUPPORTED: the namespace does not predict; LARDER_EINVAL. Never blocks. */
LARDER_API LARDER_MUST_CHECK larder_err larder_foretell_asked(larder_ns *ns, const void *key, size_t key_len);
/* Adds what a predictor has learned, whose endpoints are keys of the namespace: trained from a file, say, or saved when the
 * program ended last. LARDER_EUNSUPPORTED, LARDER_ENOMEM, LARDER_EINVAL, LARDER_EFORKED. */
LARDER_API LARDER_MUST_CHECK larder_err larder_foretell_learn(larder_ns *ns, larder_predictor *from);
/* As larder_predict_save, of what the namespace has learned. LARDER_EUNSUPPORTED, LARDER_EFORKED. */
LARDER_API LARDER_MUST_CHECK larder_err larder_foretell_save(larder_ns *ns, const char *path, larder_predict_format format,
                                                             larder_error *err);

/* Since the namespace was opened, by this cache handle. */
typedef struct larder_foretell_figures {
  uint64_t heard;       /* and learned from */
  uint64_t missed;      /* what was handed out and could not be: no room, or a key that is too long */
  uint64_t wished;      /* keys that were probable enough, and not there */
  uint64_t held_rate;   /* of such, those that were let go: by `rate`, */
  uint64_t held_budget; /* by `budget`, */
  uint64_t held_waste;  /* and while it had stopped */
  uint64_t used;        /* read after they were made; what others wished for in the namespace counts, too */
  uint64_t used_bytes;
  uint64_t wasted; /* gone unread */
  uint64_t wasted_bytes;
  uint64_t late; /* waited for, since they were not made yet; those whose making was under way are used as well */
  uint64_t late_bytes;
  uint64_t unread_bytes; /* now */
  uint64_t stops;
  bool stopped;     /* now: it only learns */
  double precision; /* used of all that is judged; 0 without any */
} larder_foretell_figures;
LARDER_API LARDER_MUST_CHECK larder_err larder_foretell_figures_get(larder_ns *ns, larder_foretell_figures *out);

#ifdef __cplusplus
}
#endif
#endif
