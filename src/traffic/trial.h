/* SPDX-License-Identifier: Apache-2.0 */
/* One contestant before the requests of one seed. */
#ifndef LRD_TRAFFIC_TRIAL_H
#define LRD_TRAFFIC_TRIAL_H

#include "contestants.h"
#include "session_stream.h"
#include <stdatomic.h>

/* What a trial under way tells and is told. */
typedef struct lrd_trial_watch {
  _Atomic uint64_t done; /* runs */
  _Atomic bool stop;
} lrd_trial_watch;

/* LARDER_ENOMEM, LARDER_ECANCELLED. */
LARDER_MUST_CHECK larder_err lrd_trial_run(const larder_traffic *traffic, const lrd_request_list *requests,
                                           const lrd_rule *rule, uint64_t seed, larder_traffic_figures *out,
                                           lrd_trial_watch *watch);

#endif
