/* SPDX-License-Identifier: Apache-2.0 */
#include "lately.h"

#include "base/bytes.h"
#include <stdlib.h>

#define PART       0.01
#define LOOK_EACH  64u
#define NOW_PART   0.05
#define USUAL_PART 0.002
#define FIRST      20u
#define SLOW_TIMES 2.5 /* what is usual */

static int latency_order(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return x < y ? -1 : x > y;
}

static void percentiles_look(lrd_lately *lately) {
  float sorted[LRD_LATELY_LATENCIES];
  size_t len = lately->requests < LRD_LATELY_LATENCIES ? (size_t)lately->requests : LRD_LATELY_LATENCIES;
  memcpy(sorted, lately->latencies, len * sizeof *sorted);
  qsort(sorted, len, sizeof *sorted, latency_order);
  lately->p50_ms = sorted[(len - 1) * 50 / 100];
  lately->p95_ms = sorted[(len - 1) * 95 / 100];
  lately->p99_ms = sorted[(len - 1) * 99 / 100];
}

void lrd_lately_request(lrd_lately *lately, bool hit, uint64_t evictions, double took_ms) {
  lately->hit_rate += PART * ((hit ? 1.0 : 0.0) - lately->hit_rate);
  lately->eviction_rate += PART * ((double)evictions - lately->eviction_rate);
  lately->latencies[lately->requests++ % LRD_LATELY_LATENCIES] = (float)took_ms;
  if (lately->requests % LOOK_EACH == 0) percentiles_look(lately);
}

void lrd_lately_answer(lrd_lately *lately, bool failed) {
  lately->error_rate += PART * ((failed ? 1.0 : 0.0) - lately->error_rate);
}

void lrd_lately_fill(const lrd_lately *lately, larder_agent_state *out) {
  out->hit_rate = lately->hit_rate;
  out->eviction_rate = lately->eviction_rate;
  out->error_rate = lately->error_rate;
  out->p50_ms = lately->p50_ms;
  out->p95_ms = lately->p95_ms;
  out->p99_ms = lately->p99_ms;
}

void lrd_pace_move(lrd_pace *pace, double took_ms, bool calm) {
  if (pace->first < FIRST) {
    pace->first++;
    pace->now_ms = pace->usual_ms += (took_ms - pace->usual_ms) / pace->first;
    return;
  }
  pace->now_ms += NOW_PART * (took_ms - pace->now_ms);
  if (calm) pace->usual_ms += USUAL_PART * (took_ms - pace->usual_ms);
}

bool lrd_pace_slow(const lrd_pace *pace) { return pace->now_ms > SLOW_TIMES * pace->usual_ms; }

double lrd_pace_too_long(const lrd_pace *pace, double took_ms) {
  double too_long = took_ms - SLOW_TIMES * pace->usual_ms;
  return too_long > 0 ? too_long : 0;
}
