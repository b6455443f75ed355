/* SPDX-License-Identifier: Apache-2.0 */
/* Health from inside: what the rest of the cache does for it, and the checker reports by. */
#ifndef LRD_CORE_HEALTH_H
#define LRD_CORE_HEALTH_H

#include "cache.h"
#include "health_record.h"

/* After a namespace was opened: whether it has records is known from now on. */
void lrd_health_begin(larder_ns *ns);
/* Once a second: likewise, where other processes have begun to keep records of namespaces that are open here. */
void lrd_health_look(larder *cache);

/* The caller has deleted these: their records go too. Returns how many could not. Changes of one namespace. */
size_t lrd_health_forget(larder_ns *ns, const lrd_change *changes, size_t count);

#define LRD_HEALTH_NOTHING UINT64_MAX /* for a stamp: no entry was there */

/* The stamp of the entry that is there now, stale or not, LRD_HEALTH_NOTHING where there is none. */
LARDER_MUST_CHECK larder_err lrd_health_stamp_now(larder_ns *ns, const void *key, size_t key_len, uint64_t *out);
/* As larder_health_report; seen_stamp: of the entry that was tried, or 0: what is there now. A newer one is not evicted. */
LARDER_MUST_CHECK larder_err lrd_health_report_on(larder_ns *ns, const void *key, size_t key_len, uint64_t seen_stamp, bool ok,
                                                  const char *error, larder_health *out);

#endif
