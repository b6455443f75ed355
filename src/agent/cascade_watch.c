/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is usual moves by a part of each calm window; the first ones with answers set it, and what was before the first answer
 * is no window. The load rises where the mean of the last windows is above what is usual by more than the windows differ
 * anyway: a mean by which the newest has the part a differs by the root of a / (2 - a) of what single windows do.
 */
#include "cascade_watch.h"

#include <math.h>

#define FIRST_WINDOWS 5u
#define USUAL_PART    0.01
#define LATELY_PART   (1.0 / 3)
#define BEYOND_CHANCE 4.0 /* standard deviations */

void lrd_cascade_init(lrd_cascade_watch *watch, const lrd_cascade_options *how, double now_ms) {
  *watch = (lrd_cascade_watch){.how = *how};
  if (!(watch->how.window_ms > 0)) watch->how.window_ms = 1000;
  if (!(watch->how.errors > 0)) watch->how.errors = 0.1;
  if (!(watch->how.latency > 0)) watch->how.latency = 3;
  if (!(watch->how.load > 0)) watch->how.load = 1.1;
  if (watch->how.calm == 0) watch->how.calm = 5;
  watch->ends_ms = now_ms + watch->how.window_ms;
}

static double first_part(uint32_t windows) { return windows < FIRST_WINDOWS ? 1.0 / (windows + 1) : USUAL_PART; }

static void usual_learn(lrd_cascade_watch *watch, double mean_ms, double load) {
  double part = first_part(watch->lived), off = load - watch->usual_load;
  if (watch->answers > 0) watch->usual_ms += first_part(watch->windows) * (mean_ms - watch->usual_ms);
  watch->usual_load += part * off;
  watch->load_spread += part * (off * (load - watch->usual_load) - watch->load_spread);
}

static bool load_rises(const lrd_cascade_watch *watch) {
  double chance = sqrt(watch->load_spread * LATELY_PART / (2 - LATELY_PART));
  return watch->load_lately >= watch->how.load * watch->usual_load &&
         watch->load_lately >= watch->usual_load + BEYOND_CHANCE * chance;
}

static void state_move(lrd_cascade_watch *watch, bool slow, bool wrong, bool rising) {
  if (slow && wrong && (rising || watch->state == LRD_CASCADE_THREAT)) {
    if (watch->state != LRD_CASCADE_ON) watch->cascades++;
    watch->state = LRD_CASCADE_ON;
  } else if (slow && rising && watch->state == LRD_CASCADE_CALM) {
    watch->state = LRD_CASCADE_THREAT;
  }
  watch->calm = slow || wrong ? 0 : watch->calm + 1;
  if (watch->state == LRD_CASCADE_CALM || watch->calm < watch->how.calm) return;
  watch->averted += watch->state == LRD_CASCADE_THREAT;
  watch->state = LRD_CASCADE_CALM;
}

static void window_close(lrd_cascade_watch *watch) {
  double answers = (double)watch->answers, mean_ms = watch->answers ? watch->sum_ms / answers : 0;
  bool known = watch->windows >= FIRST_WINDOWS && watch->usual_ms > 0;
  bool slow = known && watch->answers > 0 && mean_ms > watch->how.latency * watch->usual_ms;
  bool wrong = watch->answers > 0 && (double)watch->errors >= watch->how.errors * answers;
  if (watch->lived == 0 && watch->answers == 0) return;
  watch->load_lately += (watch->lived == 0 ? 1 : LATELY_PART) * (answers - watch->load_lately);
  state_move(watch, slow, wrong, load_rises(watch));
  watch->load = known && watch->usual_load > 0 ? answers / watch->usual_load : 0;
  if (watch->state == LRD_CASCADE_CALM && !slow) usual_learn(watch, mean_ms, answers);
  if (watch->windows < FIRST_WINDOWS) watch->windows += watch->answers > 0;
  if (watch->lived < FIRST_WINDOWS) watch->lived++;
  watch->answers = watch->errors = 0;
  watch->sum_ms = 0;
}

void lrd_cascade_look(lrd_cascade_watch *watch, double now_ms) {
  while (now_ms >= watch->ends_ms) {
    window_close(watch);
    watch->ends_ms += watch->how.window_ms;
  }
}

void lrd_cascade_tell(lrd_cascade_watch *watch, double now_ms, double latency_ms, bool failed) {
  lrd_cascade_look(watch, now_ms);
  watch->answers++;
  watch->errors += failed;
  watch->sum_ms += latency_ms;
}
