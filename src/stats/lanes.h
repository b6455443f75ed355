/* SPDX-License-Identifier: Apache-2.0 */
/* For tests: how many threads of the process hold a lane of their own. */
#ifndef LRD_STATS_LANES_H
#define LRD_STATS_LANES_H

#include <stdint.h>

uint32_t lrd_stats_lanes_claimed(void);

#endif
