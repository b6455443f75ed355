/* SPDX-License-Identifier: Apache-2.0 */
/* One contestant before the requests of one seed. */
#ifndef LRD_TRAFFIC_TRIAL_H
#define LRD_TRAFFIC_TRIAL_H

#include "contestants.h"
#include "session_stream.h"
#include "simulate/crew.h"

/* What an agent learned earlier, or nothing; of one that learns, what it has learned then takes its place. */
typedef struct lrd_learned {
  void *data; /* own, by larder_agent_bytes_free */
  size_t len;
} lrd_learned;

/* One contestant before one seed. */
typedef struct lrd_trial_task {
  const larder_traffic *traffic;
  const lrd_request_list *requests;
  const lrd_rule *rule;
  uint64_t seed;
  const lrd_learned *before; /* may be NULL */
  lrd_learned *after;        /* may be NULL, or the same */
} lrd_trial_task;

/* LARDER_ENOMEM, LARDER_ECANCELLED. */
LARDER_MUST_CHECK larder_err lrd_trial_run(const lrd_trial_task *task, larder_traffic_figures *out, larder_agent_figures *agent,
                                           lrd_run_watch *watch);

#endif
