/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Health of entries: whoever uses an entry reports whether it worked. So many failures in a row (`health.failures`, 3) evict
 * it everywhere; a success begins anew; without a report for a while (`health.decay`, 1h) its health is unknown again
 * (docs/health.md).
 *
 * The record of an entry's health lies beside it in the tiers of its namespace, sealed where that is, and outlives it: an
 * evicted one is told to be unhealthy until the record decays or the key is deleted. Processes may report at once; no report
 * is lost. Any thread may call.
 */
#ifndef LARDER_HEALTH_H
#define LARDER_HEALTH_H

#include <larder/larder.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum larder_health_status {
  LARDER_HEALTH_UNKNOWN,  /* nothing was reported, or not lately */
  LARDER_HEALTH_HEALTHY,  /* the last report was a success */
  LARDER_HEALTH_DEGRADED, /* the last reports were failures, fewer than evict it */
  LARDER_HEALTH_UNHEALTHY /* so many failures in a row */
} larder_health_status;

#define LARDER_HEALTH_ERROR_MAX 255u /* bytes of an error's text that are kept */

/* Times are wall milliseconds; 0: never. */
typedef struct larder_health {
  size_t size; /* sizeof(larder_health), set by the caller */
  larder_health_status status;
  uint32_t failures_in_row;
  uint32_t successes_in_row;
  uint32_t recovery_attempts; /* failures since it became unhealthy that came when a check was due, or later */
  uint64_t failures;          /* ever reported */
  uint64_t successes;
  int64_t reported_ms;
  int64_t succeeded_ms;
  int64_t failed_ms;
  int64_t next_check_ms;                   /* of an unhealthy one: when it should be tried again */
  bool evicted;                            /* by this report */
  char error[LARDER_HEALTH_ERROR_MAX + 1]; /* of the last failure; its secrets hidden, control characters blanks */
} larder_health;

/* `unknown`, `healthy`, `degraded`, `unhealthy`; NULL for a number that is none. */
LARDER_API const char *larder_health_status_name(larder_health_status status);

/*
 * Reports that the entry worked, or failed and why (error may be NULL). The entry need not be there. *out, which may be NULL,
 * is its health now. Blocks as a put does. LARDER_OK; LARDER_DEGRADED or LARDER_NOT_KEPT when the record could not be kept
 * as a put could not; LARDER_EBUSY when too many others report on it at once; LARDER_EINVAL, also for a namespace whose name
 * has more than 120 bytes; LARDER_EACCES; LARDER_EKEY or LARDER_EFORMAT when there is a record that can't be read here. What
 * the eviction failed with, when the report is kept and that failed.
 */
LARDER_API LARDER_MUST_CHECK larder_err larder_health_report(larder_ns *ns, const void *key, size_t key_len, bool ok,
                                                             const char *error, larder_health *out);
/*
 * Tries the entry now, as `health.check` of its namespace says, and reports how that went; *worked_out says it, and *out, which
 * may be NULL, is its health then. Blocks for at most the check's timeout. LARDER_EUNSUPPORTED: the namespace has no check;
 * LARDER_EINVAL also for a key that has not what the check's template wants. Else as
 * larder_health_report. err, which may be NULL, says what went wrong with the try, also where that was found out.
 */
LARDER_API LARDER_MUST_CHECK larder_err larder_health_check(larder_ns *ns, const void *key, size_t key_len, bool *worked_out,
                                                            larder_health *out, larder_error *err);
/* LARDER_MISS when nothing was ever reported on it. Else as larder_get. */
LARDER_API LARDER_MUST_CHECK larder_err larder_health_get(larder_ns *ns, const void *key, size_t key_len, larder_health *out);
/* Forgets what was reported. LARDER_OK when there was something, LARDER_MISS when not. Else as larder_delete. */
LARDER_API LARDER_MUST_CHECK larder_err larder_health_reset(larder_ns *ns, const void *key, size_t key_len);

#define LARDER_HEALTH_BIT(status) (1u << (status))
/*
 * Visits the keys on which something was reported whose status is one of `statuses` (bits by LARDER_HEALTH_BIT; 0: any), at
 * most `limit` (0: all), in no order that means anything; cursor as in larder_list. The visit must not call back into the
 * cache; what it is shown is borrowed; false stops after it.
 */
LARDER_API LARDER_MUST_CHECK larder_err
larder_health_each(larder_ns *ns, unsigned statuses, uint64_t limit, larder_cursor *cursor,
                   bool (*visit)(void *context, const void *key, size_t key_len, const larder_health *health), void *context);

#ifdef __cplusplus
}
#endif
#endif
