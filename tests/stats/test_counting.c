/* SPDX-License-Identifier: Apache-2.0 */
#include "support/support.h"

#include "stats/lanes.h"
#include "stats/stats.h"
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static lrd_stats *open_private(void) {
  lrd_stats *stats = NULL;
  lrd_stats_params params = {.program = "test"};
  assert_ok(lrd_stats_open(&params, &stats, NULL));
  assert_false(lrd_stats_is_shared(stats));
  return stats;
}

static uint64_t value_of(lrd_stats *stats, const char *ns, const char *tier, const char *name) {
  larder_stats *shot = NULL;
  uint64_t value = 0;
  assert_ok(lrd_stats_snapshot(stats, &shot));
  assert_true(larder_stats_value(shot, ns, tier, name, &value));
  larder_stats_free(&shot);
  return value;
}

typedef struct worker {
  lrd_stats_cell *cell;
  pthread_barrier_t *together;
  unsigned adds;
} worker;

static void *work(void *argument) {
  worker *w = argument;
  if (w->together) pthread_barrier_wait(w->together);
  for (unsigned i = 0; i < w->adds; i++) {
    lrd_stats_add(w->cell, LRD_STAT_HITS, 1);
    lrd_stats_add(w->cell, LRD_STAT_BYTES_READ, 3);
  }
  /* All hold their lanes until all are done. */
  if (w->together) pthread_barrier_wait(w->together);
  return NULL;
}

static void run_workers(lrd_stats_cell *cell, unsigned count, unsigned adds) {
  pthread_t threads[100];
  pthread_barrier_t together;
  assert_true(count <= 100);
  pthread_barrier_init(&together, NULL, count);
  worker w = {cell, &together, adds};
  for (unsigned i = 0; i < count; i++) assert_int_equal(pthread_create(&threads[i], NULL, work, &w), 0);
  for (unsigned i = 0; i < count; i++) pthread_join(threads[i], NULL);
  pthread_barrier_destroy(&together);
}

static void two_threads_add_up_exactly(void **state) {
  (void)state;
  lrd_stats *stats = open_private();
  lrd_stats_cell *cell = lrd_stats_cell_of(stats, "ns", "memory");
  run_workers(cell, 2, 500000);
  assert_int_equal(value_of(stats, "ns", "memory", "hits"), 1000000);
  assert_int_equal(value_of(stats, NULL, "memory", "bytes_read"), 3000000);
  lrd_stats_close(stats);
}

static void a_hundred_threads_share_what_lanes_there_are(void **state) {
  (void)state;
  lrd_stats *stats = open_private();
  lrd_stats_cell *cell = lrd_stats_cell_of(stats, "ns", "memory");
  uint32_t before = lrd_stats_lanes_claimed();
  run_workers(cell, 100, 100000);
  assert_int_equal(value_of(stats, "ns", "memory", "hits"), 10000000);
  assert_int_equal(value_of(stats, "ns", "memory", "bytes_read"), 30000000);
  /* They gave their lanes back, and what they counted stays. */
  assert_int_equal(lrd_stats_lanes_claimed(), before);
  run_workers(cell, 100, 1000);
  assert_int_equal(value_of(stats, "ns", "memory", "hits"), 10100000);
  assert_true(lrd_stats_lanes_claimed() <= 1);
  lrd_stats_close(stats);
}

static void *count_lanes(void *argument) {
  worker *w = argument;
  lrd_stats_add(w->cell, LRD_STAT_PUTS, 1);
  pthread_barrier_wait(w->together);
  pthread_barrier_wait(w->together);
  return NULL;
}

static void lanes_are_claimed_up_to_the_bound(void **state) {
  (void)state;
  lrd_stats *stats = open_private();
  pthread_t threads[50];
  pthread_barrier_t together;
  pthread_barrier_init(&together, NULL, 51);
  worker w = {lrd_stats_cell_of(stats, "ns", "memory"), &together, 0};
  for (unsigned i = 0; i < 50; i++) assert_int_equal(pthread_create(&threads[i], NULL, count_lanes, &w), 0);
  pthread_barrier_wait(&together);
  assert_int_equal(lrd_stats_lanes_claimed(), LRD_STATS_LANES);
  pthread_barrier_wait(&together);
  for (unsigned i = 0; i < 50; i++) pthread_join(threads[i], NULL);
  pthread_barrier_destroy(&together);
  assert_int_equal(value_of(stats, "ns", "memory", "puts"), 50);
  lrd_stats_close(stats);
}

static void child_counts(void *context) {
  /* The parent's other threads are not here: their lanes are free, the own one is kept. */
  lrd_stats *stats = NULL;
  lrd_stats_params params = {0};
  if (lrd_stats_lanes_claimed() != 1) _exit(1);
  lrd_stats_abandon(context);
  if (lrd_stats_open(&params, &stats, NULL) != LARDER_OK) _exit(2);
  lrd_stats_cell *cell = lrd_stats_cell_of(stats, "child", "memory");
  lrd_stats_add(cell, LRD_STAT_HITS, 5);
  larder_stats *shot = NULL;
  uint64_t hits = 0;
  if (lrd_stats_snapshot(stats, &shot) != LARDER_OK) _exit(3);
  if (!larder_stats_value(shot, "child", "memory", "hits", &hits) || hits != 5) _exit(4);
  larder_stats_free(&shot);
  lrd_stats_close(stats);
}

static void a_forked_child_starts_anew(void **state) {
  (void)state;
  lrd_stats *stats = open_private();
  lrd_stats_cell *cell = lrd_stats_cell_of(stats, "ns", "memory");
  lrd_stats_add(cell, LRD_STAT_HITS, 1);
  pthread_t thread;
  pthread_barrier_t together;
  pthread_barrier_init(&together, NULL, 2);
  worker w = {cell, &together, 0};
  assert_int_equal(pthread_create(&thread, NULL, count_lanes, &w), 0);
  pthread_barrier_wait(&together);
  assert_int_equal(lrd_stats_lanes_claimed(), 2);
  assert_int_equal(support_in_child(child_counts, stats), 0);
  pthread_barrier_wait(&together);
  pthread_join(thread, NULL);
  pthread_barrier_destroy(&together);
  assert_int_equal(value_of(stats, "ns", "memory", "hits"), 1);
  lrd_stats_close(stats);
}

static void *hit_from_a_new_thread(void *argument) {
  for (unsigned i = 0; i < 1000; i++) lrd_stats_add_hits(argument, 1);
  return NULL;
}

static void a_hit_is_counted_in_tier_and_namespace(void **state) {
  (void)state;
  lrd_stats *stats = open_private();
  lrd_stats_cell *all = lrd_stats_cell_of(stats, "ns", LRD_STATS_ALL);
  pthread_t threads[2];
  for (unsigned i = 0; i < 2; i++) assert_int_equal(pthread_create(&threads[i], NULL, hit_from_a_new_thread, all), 0);
  for (unsigned i = 0; i < 2; i++) pthread_join(threads[i], NULL);
  assert_int_equal(value_of(stats, "ns", "memory", "hits"), 2000);
  assert_int_equal(value_of(stats, "ns", "all", "hits"), 2000);
  assert_int_equal(value_of(stats, "ns", "all", "lookups"), 2000);
  assert_int_equal(value_of(stats, "ns", "memory", "lookups"), 0);
  lrd_stats_add(lrd_stats_cell_of(stats, "ns", "memory"), LRD_STAT_HITS, 3);
  assert_int_equal(value_of(stats, "ns", "memory", "hits"), 2003);
  assert_int_equal(value_of(stats, "ns", "all", "hits"), 2000);
  assert_ok(lrd_stats_reset(stats));
  lrd_stats_add_hits(all, 16);
  assert_int_equal(value_of(stats, "ns", "memory", "hits"), 16);
  assert_int_equal(value_of(stats, "ns", "all", "lookups"), 16);
  lrd_stats_close(stats);
}

static void samples_come_about_every_thousandth_time(void **state) {
  (void)state;
  unsigned samples = 0, distance = 0, first = 0, same = 0;
  for (unsigned i = 0; i < 1024 * 1000; i++) {
    distance++;
    if (lrd_stats_unsampled()) continue;
    lrd_stats_sample_next();
    if (samples == 5) first = distance;
    same += samples > 5 && distance == first;
    samples++;
    distance = 0;
  }
  if (samples < 900 || samples > 1100) fail_msg("%u samples", samples);
  /* Not always at the same distance. */
  assert_true(same < samples / 10);
}

static void names_beyond_the_bounds_share_a_cell(void **state) {
  (void)state;
  lrd_stats *stats = open_private();
  char name[32];
  for (unsigned i = 0; i < 100; i++) {
    snprintf(name, sizeof name, "ns-%u", i);
    lrd_stats_cell *cell = lrd_stats_cell_of(stats, name, "memory");
    assert_non_null(cell);
    assert_ptr_equal(cell, lrd_stats_cell_of(stats, name, "memory"));
    lrd_stats_add(cell, LRD_STAT_HITS, 1);
  }
  for (unsigned i = 0; i < 20; i++) {
    snprintf(name, sizeof name, "tier-%u", i);
    lrd_stats_add(lrd_stats_cell_of(stats, "ns-0", name), LRD_STAT_MISSES, 1);
  }
  assert_int_equal(value_of(stats, "ns-63", "memory", "hits"), 1);
  assert_int_equal(value_of(stats, "ns-64", "memory", "hits"), 0);
  assert_int_equal(value_of(stats, "(other)", "memory", "hits"), 36);
  assert_int_equal(value_of(stats, NULL, "memory", "hits"), 100);
  assert_int_equal(value_of(stats, "ns-0", "tier-6", "misses"), 1);
  assert_int_equal(value_of(stats, "ns-0", "(other)", "misses"), 13);
  /* Longer names than there is room for are cut, and cut the same way each time. */
  char longest[400];
  memset(longest, 'x', sizeof longest);
  longest[sizeof longest - 1] = '\0';
  assert_ptr_equal(lrd_stats_cell_of(stats, longest, "memory"), lrd_stats_cell_of(stats, longest, "memory"));
  lrd_stats_close(stats);
}

static void impossible_params_are_refused(void **state) {
  (void)state;
  lrd_stats *stats = NULL;
  larder_error error;
  assert_err(lrd_stats_open(&(lrd_stats_params){.row = LRD_STATS_ROWS}, &stats, &error), LARDER_EINVAL);
  assert_err(lrd_stats_open(&(lrd_stats_params){.root_id_hex = ""}, &stats, &error), LARDER_EINVAL);
  assert_err(lrd_stats_open(&(lrd_stats_params){.root_id_hex = "../x"}, &stats, &error), LARDER_EINVAL);
  char longest[66];
  memset(longest, 'a', 65);
  longest[65] = '\0';
  assert_err(lrd_stats_open(&(lrd_stats_params){.root_id_hex = longest}, &stats, &error), LARDER_EINVAL);
  assert_null(stats);
  lrd_stats_close(NULL);
  lrd_stats_abandon(NULL);
}

typedef struct timer {
  lrd_stats_cell *cell;
  unsigned seed;
} timer;

static void *time_things(void *argument) {
  timer *t = argument;
  for (unsigned i = 0; i < 20000; i++) lrd_stats_time(t->cell, LRD_OP_GET, 1000 + (int64_t)(i % 10));
  lrd_stats_time_n(t->cell, LRD_OP_GET, 100, 1000);
  lrd_stats_time(t->cell, LRD_OP_PUT, -5);
  return NULL;
}

static void latencies_add_up_from_many_threads(void **state) {
  (void)state;
  lrd_stats *stats = open_private();
  timer t = {lrd_stats_cell_of(stats, "ns", "sqlite"), 0};
  pthread_t threads[4];
  for (unsigned i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, time_things, &t), 0);
  for (unsigned i = 0; i < 4; i++) pthread_join(threads[i], NULL);
  larder_stats *shot = NULL;
  larder_stats_latency latency;
  assert_ok(lrd_stats_snapshot(stats, &shot));
  assert_true(larder_stats_latency_of(shot, "ns", "sqlite", "get", &latency));
  assert_int_equal(latency.count, 84000);
  assert_true(latency.p50_ms > 0.00099 && latency.p50_ms < 0.00102);
  assert_true(latency.p999_ms < 0.00102);
  double mean_ns = (80000 * 1004.5 + 4000 * 100) / 84000;
  assert_true(latency.mean_ms * 1e6 > mean_ns - 0.01 && latency.mean_ms * 1e6 < mean_ns + 0.01);
  assert_true(larder_stats_latency_of(shot, "ns", "sqlite", "put", &latency));
  assert_int_equal(latency.count, 4);
  assert_false(larder_stats_latency_of(shot, "ns", "sqlite", "flush", &latency));
  assert_false(larder_stats_latency_of(shot, "ns", "memory", "get", &latency));
  assert_int_equal(latency.count, 0);
  larder_stats_free(&shot);
  lrd_stats_close(stats);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && defined(__x86_64__)
/* Steps a child through `adds` counts and returns how many instructions that took; 0 where stepping is not allowed. */
static uint64_t instructions_of(lrd_stats_cell *cell, unsigned adds) {
  pid_t child = fork();
  if (child == 0) {
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL)) _exit(1);
    raise(SIGSTOP);
    for (unsigned i = 0; i < adds; i++) lrd_stats_add(cell, LRD_STAT_HITS, 1);
    _exit(0);
  }
  uint64_t steps = 0;
  int status;
  waitpid(child, &status, 0);
  while (WIFSTOPPED(status) && steps < 1000000) {
    if (ptrace(PTRACE_SINGLESTEP, child, NULL, NULL)) break;
    waitpid(child, &status, 0);
    steps++;
  }
  bool ended = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  if (!WIFEXITED(status)) {
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
  }
  return ended ? steps : 0;
}

static void a_count_takes_few_instructions(void **state) {
  (void)state;
  lrd_stats *stats = open_private();
  lrd_stats_cell *cell = lrd_stats_cell_of(stats, "ns", "memory");
  lrd_stats_add(cell, LRD_STAT_HITS, 1);
  uint64_t none = instructions_of(cell, 0);
  uint64_t thousand = instructions_of(cell, 1000);
  lrd_stats_close(stats);
  if (!none || !thousand) {
    print_message("stepping through a child is not allowed here\n");
    skip();
  }
  double each = (double)(thousand - none) / 1000;
  print_message("%.1f instructions, loop included\n", each);
  assert_true(each > 2 && each <= 20);
}
#endif

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(two_threads_add_up_exactly),
    cmocka_unit_test(a_hundred_threads_share_what_lanes_there_are),
    cmocka_unit_test(lanes_are_claimed_up_to_the_bound),
    cmocka_unit_test(a_forked_child_starts_anew),
    cmocka_unit_test(a_hit_is_counted_in_tier_and_namespace),
    cmocka_unit_test(samples_come_about_every_thousandth_time),
    cmocka_unit_test(names_beyond_the_bounds_share_a_cell),
    cmocka_unit_test(impossible_params_are_refused),
    cmocka_unit_test(latencies_add_up_from_many_threads),
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && defined(__x86_64__)
    cmocka_unit_test(a_count_takes_few_instructions),
#endif
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
