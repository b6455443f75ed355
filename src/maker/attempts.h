/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How often a maker is tried, and how fast: its rate, further attempts after failures that may pass, and waits between them of
 * which a random part is slept, so that many who failed together don't come back together. By any thread.
 */
#ifndef LRD_MAKER_ATTEMPTS_H
#define LRD_MAKER_ATTEMPTS_H

#include "base/rate.h"
#include "config/configuration.h"
#include <larder/ext/maker.h>

#define LRD_RETRY_AFTER_MAX_MS INT64_C(3600000) /* however long an origin or a maker asks to be left alone */

typedef struct lrd_attempts {
  const lrd_clock *clock;
  lrd_rate rate;
  uint64_t retries;
  int64_t retry_delay_ms;
  /* For sentences; borrowed. */
  const char *ns;
  const char *secrets; /* for base/redact.h */
} lrd_attempts;

/* config is not kept; ns, secrets and clock are borrowed. */
void lrd_attempts_init(lrd_attempts *attempts, const lrd_config_maker *config, const char *ns, const char *secrets,
                       const lrd_clock *clock);
void lrd_attempts_fini(lrd_attempts *attempts); /* also of a zeroed one */

/*
 * The making, in as many attempts as it may take. LARDER_EAWAY: the deadline passed while it waited, or would have;
 * LARDER_ECANCELLED: nobody wants it any more. Else what the last attempt said. An attempt that failed with retry_after_ms
 * keeps everybody from the maker for so long, at most LRD_RETRY_AFTER_MAX_MS.
 */
LARDER_MUST_CHECK larder_err lrd_attempts_make(lrd_attempts *attempts, larder_make make, void *context,
                                               const larder_making *making, larder_made *made, larder_error *err);

/* How long to wait before the attempt that follows: a random part of what doubles with each, so that those who failed together
 * do not come back together; all of it where there is no chance to be had. */
int64_t lrd_backoff_ns(int64_t delay_ms, uint64_t attempt, int64_t longest_ms);

/* Whether the making is wanted: LARDER_OK; LARDER_EAWAY where its deadline has passed; LARDER_ECANCELLED. */
LARDER_MUST_CHECK larder_err lrd_making_look(const larder_making *making, const lrd_clock *clock);

/* Fills err with `NS: KEY: …`, the key as lrd_key_shown has it; returns the code. */
LARDER_PRINTF(6, 7)
larder_err lrd_making_fail(const lrd_attempts *attempts, const larder_making *making, larder_err code, int os_errno,
                           larder_error *err, const char *format, ...);

#endif
