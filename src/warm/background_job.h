/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What jobs of every kind share: a run of numbers, threads that each take the next one, a limit to how many begin in a second,
 * counts, and one more thread that watches: it measures the pace, remembers how far all is, and tells the end.
 */
#ifndef LRD_WARM_BACKGROUND_JOB_H
#define LRD_WARM_BACKGROUND_JOB_H

#include "core/cache.h"
#include <larder/warm.h>

typedef enum lrd_job_outcome {
  LRD_JOB_HIT,
  LRD_JOB_MADE,
  LRD_JOB_UNCHANGED,
  LRD_JOB_ABSENT,
  LRD_JOB_ERROR,
  LRD_JOB_LEFT /* cancelled before its turn came */
} lrd_job_outcome;

typedef struct lrd_job_work {
  uint64_t first; /* the numbers before it were dealt with by a job that was broken off */
  uint64_t total;
  uint64_t rejected;
  unsigned parallel; /* 0: the default */
  double per_second; /* 0: no limit */
  /* Deals with a number, on a thread of the job; lrd_job_turn before it makes anything. *bytes_out is 0. */
  lrd_job_outcome (*deal)(void *context, larder_job *job, uint64_t number, uint64_t *bytes_out);
  /* All numbers below are dealt with; `last`: nothing comes any more. Now and then, by the watching thread. May be NULL. */
  void (*remember)(void *context, uint64_t below, bool last);
  void (*free)(void *context); /* with the job, or when it can't be started */
  void *context;
} lrd_job_work;

/* Takes the context, also when it fails. */
LARDER_MUST_CHECK larder_err lrd_job_start(larder *cache, const lrd_job_work *work, larder_job **out, larder_error *err);
/* The context of a job of this kind, known by its deal; NULL: of another. */
void *lrd_job_context(const larder_job *job,
                      lrd_job_outcome (*deal)(void *context, larder_job *job, uint64_t number, uint64_t *bytes_out));
/* Waits until one more may begin; false: the job has been cancelled meanwhile. */
LARDER_MUST_CHECK bool lrd_job_turn(larder_job *job);

#endif
