/* SPDX-License-Identifier: Apache-2.0 */
/* What tests need beyond the public API: a cache on a clock that they move, and its keeper run by hand. */
#ifndef LARDER_TESTING_H
#define LARDER_TESTING_H

#include "base/clock.h"
#include <larder/larder.h>

/* As larder_open, on a clock of the caller's; without background threads: call lrd_larder_tick. */
LARDER_MUST_CHECK larder_err lrd_larder_open_with_clock(const larder_options *options, const lrd_clock *clock, larder **out,
                                                        larder_error *err);
/* One turn of the keeper (errands, recovery, dirty slots, sweep when due) and one of the queue's flusher. */
void lrd_larder_tick(larder *cache);

#endif
