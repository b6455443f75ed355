/* SPDX-License-Identifier: Apache-2.0 */
/* Two counts that fade, one soon and one late. What a count would be if it went on like this for ever is told by how long it
 * has been fading. What is usual fades by the time in which something is asked for: after a silence nobody is in a rush. */
#include "load_watch.h"

#include <math.h>

#define NOW_MS   4000.0
#define USUAL_MS 200000.0
#define KNOWN_MS 20000.0
#define QUIET_MS 5000.0 /* without a request; then time stands still for what is usual */
#define SURE     2.0    /* standard deviations */

/* The weight that a count has gathered of what it would have for ever. */
static double gathered(double fades_ms, double lived_ms) { return fades_ms * (1 - exp(-lived_ms / fades_ms)); }

static double heard(double since_ms) { return since_ms < QUIET_MS ? since_ms : QUIET_MS; }

void lrd_load_tell(lrd_load_watch *watch, double now_ms) {
  double since_ms = watch->begun ? now_ms - watch->at_ms : 0;
  watch->now = watch->now * exp(-since_ms / NOW_MS) + 1;
  watch->usual = watch->usual * exp(-heard(since_ms) / USUAL_MS) + 1;
  watch->lived_ms += heard(since_ms);
  watch->at_ms = now_ms;
  watch->begun = true;
}

double lrd_load_of(const lrd_load_watch *watch, double now_ms) {
  if (!watch->begun || watch->lived_ms < KNOWN_MS) return 1;
  double since_ms = now_ms - watch->at_ms, lived_ms = watch->lived_ms + heard(since_ms);
  double now = watch->now * exp(-since_ms / NOW_MS), usual = watch->usual * exp(-heard(since_ms) / USUAL_MS);
  now -= SURE * sqrt(now / 2); /* the variance of a count that fades is half of it */
  return now / gathered(NOW_MS, lived_ms) / (usual / gathered(USUAL_MS, lived_ms));
}
