/* SPDX-License-Identifier: Apache-2.0 */
#include "time_context.h"

#define MINUTE_MS  INT64_C(60000)
#define DAY_MS     (24 * 60 * MINUTE_MS)
#define QUARTER_MS (DAY_MS / 4)

_Static_assert(LRD_CONTEXTS <= 128, "contexts are bits of two words");

unsigned lrd_time_of(int64_t wall_ms, int32_t utc_offset_minutes) {
  if (wall_ms <= 0) return 0;
  uint64_t local =
      (uint64_t)wall_ms + (uint64_t)(DAY_MS + utc_offset_minutes * MINUTE_MS); /* a day on, so that none is below 0 */
  uint64_t quarter = local % DAY_MS / QUARTER_MS;
  uint64_t weekday = (local / DAY_MS + 2) % 7; /* 0: Monday; day 0, a day on, was a Thursday */
  return 1 + (unsigned)quarter + (weekday >= 5 ? 4 : 0);
}

static unsigned time_distance(unsigned a, unsigned b) {
  if (a == b) return 0;
  if (a == 0 || b == 0) return 2;
  unsigned round = ((a - 1) % 4 + 4 - (b - 1) % 4) % 4;
  return (round == 3 ? 1 : round) + ((a > 4) != (b > 4));
}

unsigned lrd_context_distance(unsigned a, unsigned b) {
  return time_distance(a % LRD_TIMES, b % LRD_TIMES) + (a / LRD_TIMES == b / LRD_TIMES ? 0 : 4);
}

unsigned lrd_context_nearest(unsigned context, const uint64_t there[2]) {
  unsigned nearest = LRD_CONTEXTS, least = 100;
  for (unsigned word = 0; word < 2; word++) {
    for (uint64_t left = there[word]; left != 0; left &= left - 1) {
      unsigned other = word * 64 + (unsigned)__builtin_ctzll(left), distance = lrd_context_distance(context, other);
      if (distance >= least) continue;
      least = distance;
      nearest = other;
    }
  }
  return nearest;
}
