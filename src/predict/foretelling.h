/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `predict` of a namespace (larder/foretell.h). Callers leave what they ask for in a ring; a thread of the cache empties it
 * fifty times a second, learns, guesses and wishes (larder/prefetch.h).
 */
#ifndef LRD_PREDICT_FORETELLING_H
#define LRD_PREDICT_FORETELLING_H

#include "core/cache.h"
#include <larder/predict.h>

#define LRD_FORETELL_PERIOD_NS INT64_C(20000000)
#define LRD_FORETELL_REST_NS   INT64_C(300000000000) /* it only learns for so long, when too much was wasted */
#define LRD_FORETELL_JUDGED    16u                   /* entries, before it can be stopped */
#define LRD_FORETELL_HALVED    256u                  /* entries, after which what was judged counts half */

/* For the cache, once. LARDER_ENOMEM. */
LARDER_MUST_CHECK larder_err lrd_foretell_init(larder *cache);
/* For a namespace whose policy says so. `threads`: by a thread of its own; else by the keeper's alone. */
LARDER_MUST_CHECK larder_err lrd_foretell_open(larder_ns *ns, bool threads, larder_error *err);
void lrd_foretell_tick(larder *cache);
/* NULL: it does not predict. */
larder_predictor *lrd_foretell_predictor(const larder_ns *ns, larder_predict_model *chain_out);
/* Nothing is taken from now on, and nothing is being taken. */
void lrd_foretell_quiet(larder *cache);
void lrd_foretell_resume(larder *cache);
/* Ends the thread; in a forked child, where there is none, only forgets it. */
void lrd_foretell_stop(larder *cache);
void lrd_foretell_close(larder_ns *ns);
void lrd_foretell_free(larder *cache);

/* A batch under way is waited for, and none begins until lrd_foretell_go_on. */
void lrd_foretell_pause(larder *cache);
void lrd_foretell_go_on(larder *cache);

/* --- for who decides instead ---------------------------------------------------------------------------------------------- */

struct lrd_hosted;
/* The namespace's agent; NULL: it has none. */
struct lrd_hosted *lrd_foretell_hosted(const larder_ns *ns);
bool lrd_foretell_is_there(larder_ns *ns, const larder_predict_guess *guess);
/* Within rate, budget and waste; false: it is let go. */
bool lrd_foretell_wish(larder_ns *ns, const larder_predict_guess *guess);

#endif
