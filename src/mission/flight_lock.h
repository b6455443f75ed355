/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One making of a key at a time on the host: a lock on a byte of `<root>/FLIGHTS`, chosen by 62 bits of the key. The file
 * stays empty; locks reach beyond its end. The command inherits the descriptor, so when its runner dies the kernel lets go once
 * no process of the command is left that could still write. Keys that share a byte would only wait for each other.
 *
 * What a command makes may itself ask for keys, so a command is told which keys are being made above it (LARDER_MAKING),
 * and asking for one of those is refused instead of waiting for ever.
 */
#ifndef LRD_MISSION_FLIGHT_LOCK_H
#define LRD_MISSION_FLIGHT_LOCK_H

#include "mission/job.h"
#include <larder/larder.h>

#define LRD_FLIGHTS_FILE    "FLIGHTS"
#define LRD_MAKING_VARIABLE "LARDER_MAKING"

typedef struct lrd_job_flight {
  int fd; /* -1: no lock was to be had, and everybody makes for himself */
  int64_t byte;
} lrd_job_flight;

/* What may end the waiting: descriptors that become readable; -1: none. */
typedef struct lrd_job_flight_wait {
  int stop_fd;
  int signal_fd;
} lrd_job_flight_wait;

/*
 * Takes the key's lock, polling while somebody else has it. *waited (may be NULL) tells whether somebody had. LARDER_OK also
 * where the root takes no lock file; LARDER_ECLOSED when stop_fd or signal_fd became readable meanwhile; LARDER_EBUSY when
 * a process above this one is making the key.
 */
LARDER_MUST_CHECK larder_err lrd_job_flight_take(larder_ns *ns, const lrd_job_key *key, lrd_job_flight_wait wait,
                                                 lrd_job_flight *out, bool *waited);
void lrd_job_flight_end(lrd_job_flight *flight);
/* `LARDER_MAKING=` and the keys above this process and this one; own, NULL when out of memory. */
char *lrd_job_flight_environment(const lrd_job_key *key);

#endif
