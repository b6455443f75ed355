/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an agent costs a request: a decision alone, before anything was learned from, and a decision with one that is learned
 * from, for each method. Processor time of one core; the peer is the time of a decision alone.
 */
#include "bench.h"
#include <larder/agent.h>
#include <stdio.h>

typedef struct deciding {
  larder_agent *agent;
  size_t times;
} deciding;

static larder_agent *agent_make(larder_agent_method method, size_t horizon) {
  larder_agent *agent = NULL;
  const larder_agent_options how = {.size = sizeof how, .method = method, .horizon = (uint32_t)horizon};
  if (larder_agent_open(&how, &agent, NULL) != LARDER_OK) bench_die("no agent");
  return agent;
}

static void decide_some(larder_agent *agent, size_t times) {
  larder_agent_state state = {.guesses = {0.8, 0.4},
                              .kb = 8,
                              .origin_ms = 80,
                              .utilisation = 1,
                              .hit_rate = 0.5,
                              .entries = 700,
                              .request_rate = 30,
                              .p50_ms = 1,
                              .p95_ms = 130,
                              .p99_ms = 200};
  for (size_t i = 0; i < times; i++) {
    larder_agent_decision decision;
    state.user = (unsigned)(i % 3);
    state.place = (uint32_t)(i % 7);
    larder_agent_decide(agent, &state, 0x5f, &decision);
    larder_agent_tell(agent, decision.ticket, LARDER_AGENT_HIT, 1);
  }
}

/* Nanoseconds a decision. Within its horizon nothing is learned from: a fresh agent each round. */
static double round_alone(void *raw, size_t round) {
  deciding *d = raw;
  (void)round;
  larder_agent *agent = agent_make(LARDER_AGENT_BANDIT, d->times);
  int64_t begin = bench_cpu_ns();
  decide_some(agent, d->times);
  double took = (double)(bench_cpu_ns() - begin) / (double)d->times;
  larder_agent_close(&agent);
  return took;
}

static double round_learning(void *raw, size_t round) {
  deciding *d = raw;
  (void)round;
  int64_t begin = bench_cpu_ns();
  decide_some(d->agent, d->times);
  return (double)(bench_cpu_ns() - begin) / (double)d->times;
}

int main(void) {
  static const char *const ids[] = {"agent_bandit", "agent_linear_q", "agent_network_q"};
  static const char *const whats[] = {"a decision of the agent and one learned from, bandit", "likewise, linear Q-learning",
                                      "likewise, Q-learning by a network"};
  bench_pin(bench_core());
  for (size_t method = 0; method < sizeof ids / sizeof *ids; method++) {
    deciding d = {.agent = agent_make((larder_agent_method)method, 256), .times = bench_scale(50000, 500)};
    bench_side sides[] = {{.name = "larder", .round = round_learning, .context = &d},
                          {.name = "a decision alone", .round = round_alone, .context = &d}};
    bench_side *turn[] = {&sides[0], &sides[1]};
    size_t const rounds = bench_rounds();
    decide_some(d.agent, 1000);
    bench_turns(turn, 2, rounds);
    bench_row const row = {ids[method], whats[method], "ns", BENCH_INFORM, 0, false};
    bench_row_sides(&row, &sides[0], &sides[1], rounds);
    larder_agent_close(&d.agent);
  }
  return 0;
}
