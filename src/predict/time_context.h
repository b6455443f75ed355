/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Contexts: who asks (none, or one of the user types) and when (not known, or a quarter of the day on a weekday or at a
 * weekend). Number 0: nothing is known.
 */
#ifndef LRD_PREDICT_TIME_CONTEXT_H
#define LRD_PREDICT_TIME_CONTEXT_H

#include <larder/predict.h>

#define LRD_TIMES    9u /* not known, 4 quarters of a weekday, 4 of a day of the weekend */
#define LRD_CONTEXTS ((1 + LARDER_PREDICT_USER_TYPES) * LRD_TIMES)

/* Of a wall clock's milliseconds; 0: not known. */
unsigned lrd_time_of(int64_t wall_ms, int32_t utc_offset_minutes);
static inline unsigned lrd_context_of(unsigned user_type, unsigned time) { return user_type * LRD_TIMES + time; }

/*
 * Which of the contexts in `there` (bits) is nearest to one of them; LRD_CONTEXTS: none is. Other users are farther than any
 * other time; a quarter of the day is as far as it is hours, another kind of day as one quarter.
 */
unsigned lrd_context_nearest(unsigned context, const uint64_t there[2]);
/* The distance by which that is told. */
unsigned lrd_context_distance(unsigned a, unsigned b);

#endif
