/* SPDX-License-Identifier: Apache-2.0 */
/* The memory that a trial needs, and how many of them there may be at a time. */
#ifndef LRD_TRAFFIC_TRIAL_ROOM_H
#define LRD_TRAFFIC_TRIAL_ROOM_H

#include "traffic_spec.h"

/* About, and rather too much: what one trial needs besides the traffic, with its requests; of an agent, or of a static rule. */
uint64_t lrd_trial_bytes(const larder_traffic *traffic, bool learns);
/* So many threads as are wanted (0: one for each processor), or fewer, so that their trials fit into so many bytes; 0: nobody
 * knows how many there are. At least one. */
unsigned lrd_trial_threads(const larder_traffic *traffic, bool learns, unsigned wanted, uint64_t bytes);
/* Half of the machine's memory; 0: it does not say. */
uint64_t lrd_trial_memory(void);

#endif
