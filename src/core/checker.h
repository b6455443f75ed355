/* SPDX-License-Identifier: Apache-2.0 */
/* `health.check` of a namespace: tries its entries and reports how that went, on a thread of its own. */
#ifndef LRD_CORE_CHECKER_H
#define LRD_CORE_CHECKER_H

#include "cache.h"

typedef struct lrd_checker lrd_checker;

/* Own; *out stays NULL where the policy wants none. LARDER_ECONFIG with a sentence, LARDER_ENOMEM. */
LARDER_MUST_CHECK larder_err lrd_checker_new(larder_ns *ns, lrd_checker **out, larder_error *err);
/* Not running. Of a forked child's cache too. */
void lrd_checker_free(lrd_checker *checker);
/* Starts the thread, where the cache has the machine's clock; with another lrd_checkers_tick does its work. */
void lrd_checker_start(lrd_checker *checker);

/* All of a cache are told to end, and waited for; lrd_checkers_resume takes it back. */
void lrd_checkers_quiet(larder *cache);
void lrd_checkers_resume(larder *cache);
/* What is tried is ended, and nothing more is tried; for larder_makings_cancel, by a signal handler. Likewise taken back. */
void lrd_checkers_cancel(larder *cache);
/* In a forked child. */
void lrd_checkers_abandon(larder *cache);
void lrd_checkers_tick(larder *cache);

#endif
