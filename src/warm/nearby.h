/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `nearby` of a namespace: when the key of a place has been asked for, the keys of the places around it are wished for
 * (larder/prefetch.h), the nearest most urgently. Who asks only leaves the place's number; the keeper finds the neighbours.
 */
#ifndef LRD_WARM_NEARBY_H
#define LRD_WARM_NEARBY_H

#include "core/cache.h"

#define LRD_NEARBY_ASKED   256u                 /* places that wait for the keeper; more are let go */
#define LRD_NEARBY_AGAIN   INT64_C(60000000000) /* a place is not looked around again before */
#define LRD_NEARBY_LOOK_NS INT64_C(10000000000) /* how often it is looked whether the file is another */

/* Reads the namespace's places, if it says so. LARDER_ECONFIG with a sentence. */
LARDER_MUST_CHECK larder_err lrd_nearby_open(larder_ns *ns, larder_error *err);
/* Once a second. */
void lrd_nearby_tick(larder *cache);
/* Nobody asks any more. NULL is fine. */
void lrd_nearby_close(larder_ns *ns);

#endif
