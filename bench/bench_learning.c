/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an agent costs a cache: a caller whose hit in memory is heard, beside one in a namespace that predicts and one in a
 * plain one; and the thread behind, for a request that it learns from and decides about, beside one that it only predicts from.
 * Processor time.
 */
#include "bench.h"
#include "ours.h"

#include <larder/ext/maker.h>
#include <larder/foretell.h>
#include <larder/learning.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define KEYS  500u
#define BURST 600u /* the ring holds them */

#define PREDICTS "maker: {command: [false]}, predict: {enable: true}"

typedef struct asking {
  ours side;
  bench_trace trace;
  bool decides;
} asking;

static void asking_init(asking *all, const char *policy, bool decides) {
  bench_trace_init(&all->trace, KEYS, BURST, 32, 0.99);
  ours_open(&all->side, OURS_MEMORY, policy, 16, 100);
  ours_fill(&all->side, KEYS, 32);
  all->decides = decides;
}

static void asking_fini(asking *all) {
  ours_close(&all->side);
  bench_trace_fini(&all->trace);
}

static void burst(const asking *all) {
  for (size_t i = 0; i < BURST; i++) {
    larder_value value = {0};
    if (larder_get_or_make(all->side.ns, all->trace.asked + i * 32, 32, NULL, &value, NULL) != LARDER_OK) bench_die("no hit");
    larder_value_release(&value);
  }
}

/* The caller's time; between bursts what was heard is taken, which is not timed. */
static double round_heard(void *context, size_t round) {
  (void)round;
  nanosleep(&(struct timespec){.tv_nsec = 60000000}, NULL);
  int64_t begin = bench_cpu_ns();
  burst(context);
  return (double)(bench_cpu_ns() - begin) / BURST;
}

static int64_t process_ns(void) {
  struct timespec spent;
  if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent) != 0) bench_die("no clock");
  return (int64_t)spent.tv_sec * 1000000000 + spent.tv_nsec;
}

static uint64_t taken(const asking *all) {
  larder_foretell_figures heard;
  larder_learning_figures decided = {0};
  if (larder_foretell_figures_get(all->side.ns, &heard) != LARDER_OK) bench_die("it does not predict");
  if (all->decides && larder_learning_figures_get(all->side.ns, &decided) != LARDER_OK) bench_die("it has no agent");
  return all->decides ? decided.agent.decisions : heard.heard;
}

/* Of the whole process while what was heard is taken, the caller asleep. */
static double round_behind(void *context, size_t round) {
  const asking *all = context;
  uint64_t from = taken(all);
  (void)round;
  int64_t caller = -bench_cpu_ns(), begin = process_ns();
  burst(all);
  while (taken(all) < from + BURST) nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
  caller += bench_cpu_ns();
  return (double)(process_ns() - begin - caller) / BURST;
}

static void row_of(const char *id, const char *what, const char *ours_policy, const char *peer_name, const char *peer_policy,
                   double (*round)(void *context, size_t round)) {
  asking agent, peer;
  asking_init(&agent, ours_policy, true);
  asking_init(&peer, peer_policy, false);
  bench_side sides[] = {{.name = "agent", .round = round, .context = &agent},
                        {.name = peer_name, .round = round, .context = &peer}};
  bench_side *turn[] = {&sides[0], &sides[1]};
  bench_turns(turn, 2, bench_rounds());
  bench_row row = {id, what, "ns", BENCH_INFORM, 0, false};
  bench_row_sides(&row, &sides[0], &sides[1], bench_rounds());
  asking_fini(&agent);
  asking_fini(&peer);
}

int main(void) {
  static const char agent[] = PREDICTS ", agent: {enable: true}";
  row_of("learning_heard", "get_or_make that hits memory, the namespace has an agent", agent, "without",
         "maker: {command: [false]}", round_heard);
  row_of("learning_heard_predict", "the same", agent, "predict alone", PREDICTS, round_heard);
  row_of("learning_behind", "a request that is decided about, behind", agent, "predict alone", PREDICTS, round_behind);
  return 0;
}
