/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a job's command while its output is gathered and passed on. What memos and steps share. */
#ifndef LRD_MISSION_JOB_RUN_H
#define LRD_MISSION_JOB_RUN_H

#include "maker/command_run.h"
#include "mission/kept_result.h"
#include <larder/mission.h>

typedef struct lrd_job_run {
  const lrd_job *job;
  const lrd_job_key *key;         /* NULL: there is no cache, so nobody above makes it */
  const char *const *environment; /* more `NAME=value` for the command, ended by NULL; or NULL */
  int64_t timeout_ms;             /* 0: none */
  uint64_t stream_bytes_max;      /* gathered of each stream; 0: the default */
  int held_fd;                    /* of the flight, for the command to keep open; 0: none */
  int stop_fd;                    /* -1: none */
  int signal_fd;                  /* -1: none */
  larder_stream_take take;        /* NULL: nobody */
  void *context;
} lrd_job_run;

/*
 * LARDER_OK and *made to fini, whatever the exit code; *whole_out is false where the result must not be kept: it was ended from
 * outside, could not be started, or nobody read all of it; `why` says so. LARDER_ENOMEM, LARDER_EIO.
 */
LARDER_MUST_CHECK larder_err lrd_job_run_command(const lrd_job_run *run, lrd_made *made, bool *whole_out,
                                                 char why[LRD_WHY_MAX]);

#endif
