/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scheduled refresh while a cache is open: once a second the keeper comes by (lrd_refresh_tick). A namespace is looked at when
 * something may be due, in pages, and what is due is made by a job with few threads: never more than half of the places that
 * its maker has, so that callers find one. One process of the host does it at a time, by a lease on the namespace's name.
 */
#ifndef LRD_WARM_REFRESH_BEHIND_H
#define LRD_WARM_REFRESH_BEHIND_H

#include "core/cache.h"

#define LRD_REFRESH_WAIT_NS  INT64_C(10000000000) /* after opening, for programs that only come by */
#define LRD_REFRESH_ENTRIES  10000u               /* looked at in a tick */
#define LRD_REFRESH_KEYS     10000u               /* in a job; what is more comes after */
#define LRD_REFRESH_THREADS  4u
#define LRD_REFRESH_RETRY_NS INT64_C(60000000000) /* after failures; twice that after more of them, up to an hour */
#define LRD_REFRESH_LOOK_NS  INT64_C(3600000000000)

LARDER_MUST_CHECK larder_err lrd_refresh_open(larder *cache);
void lrd_refresh_tick(larder *cache);
/* Ends what is under way, and waits; makings are told that the cache is closing. Then lrd_refresh_resume takes it back, or
 * lrd_refresh_close frees. Each is fine where there is none. */
void lrd_refresh_quiet(larder *cache);
void lrd_refresh_resume(larder *cache);
void lrd_refresh_close(larder *cache);

#endif
