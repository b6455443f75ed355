/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Figures of a state that are "lately": each moves by a part with what happens. Percentiles are those of the last requests,
 * looked up now and then.
 */
#ifndef LRD_AGENT_LATELY_H
#define LRD_AGENT_LATELY_H

#include <larder/agent.h>

#define LRD_LATELY_LATENCIES 256u

typedef struct lrd_lately {
  double hit_rate, eviction_rate, error_rate;
  double p50_ms, p95_ms, p99_ms;
  float latencies[LRD_LATELY_LATENCIES];
  uint64_t requests;
} lrd_lately;

/* A request that is done, and how many entries had to go since the one before. */
void lrd_lately_request(lrd_lately *lately, bool hit, uint64_t evictions, double took_ms);
/* The origin answered, or did not. */
void lrd_lately_answer(lrd_lately *lately, bool failed);
void lrd_lately_fill(const lrd_lately *lately, larder_agent_state *out);

/* How long something takes: lately, and while nothing threatened. */
typedef struct lrd_pace {
  double now_ms, usual_ms;
  uint32_t first; /* of the first ones, which set both */
} lrd_pace;

void lrd_pace_move(lrd_pace *pace, double took_ms, bool calm);
/* It takes much longer than is usual. */
bool lrd_pace_slow(const lrd_pace *pace);
/* By how much something took longer than what counts as slow; 0 where it did not. */
double lrd_pace_too_long(const lrd_pace *pace, double took_ms);

#endif
