/* SPDX-License-Identifier: Apache-2.0 */
/* Many trials side by side: what is refused, how the tuned rule is found, what is told of training, how many threads there are.
 */
#include "traffic_fixture.h"

#include "traffic/trial_room.h"

static void a_trial_that_fails_changes_no_run(void **state) {
  (void)state;
  larder_traffic *t = traffic_of(traffic_small);
  larder_error err = {0};
  larder_traffic_run runs[] = {{.contestant = "lru", .seed = 1}, {.contestant = "magic", .seed = 1}}, before[2];
  memcpy(before, runs, sizeof runs);
  assert_int_equal(larder_traffic_trial(t, NULL, runs, 2, &err), LARDER_EINVAL);
  assert_memory_equal(runs, before, sizeof runs);
  larder_traffic_close(&t);
}

static void the_seeds_of_tuning_are_not_those_of_a_trial(void **state) {
  (void)state;
  larder_traffic *t = traffic_of(traffic_small);
  larder_error err = {0};
  larder_traffic_run run = {.contestant = "lru", .seed = LARDER_TRAFFIC_SEED_MAX + 1};
  assert_int_equal(larder_traffic_trial(t, NULL, &run, 1, &err), LARDER_EINVAL);
  assert_non_null(strstr(err.message, "2^62"));
  run.seed--;
  larder_traffic_facts facts = {.keys = 3};
  larder_traffic_facts_get(NULL, &facts);
  larder_traffic_facts_get(t, NULL);
  assert_int_equal(facts.keys, 0);
  assert_int_equal(larder_traffic_trial(t, NULL, &run, 1, &err), LARDER_OK);
  larder_traffic_close(&t);
}

/* Hits are slow and failures fast: by mean latency alone, who keeps least would be best. */
static void failing_fast_does_not_win(void **state) {
  (void)state;
  larder_traffic *t =
      traffic_of("length: 10m\nsessions: 3\ncache: {entries: 60, hit: 900ms}\n"
                 "services: {s: {latency: 10ms, errors: 0.5, retries: 0, timeout: 2s}}\n"
                 "endpoints: {e: {service: s, ids: 300, skew: 1}}\nusers: {u: {start: {e: 1}, moves: {e: {e: 0.8}}}}\n");
  larder_traffic_run runs[] = {
      {.contestant = "tuned", .seed = 1}, {.contestant = "lru", .seed = 1}, {.contestant = "s3-fifo", .seed = 1}};
  assert_int_equal(larder_traffic_trial(t, NULL, runs, 3, NULL), LARDER_OK);
  for (size_t i = 1; i < 3; i++) assert_true(runs[0].figures.failed < runs[i].figures.failed);
  larder_traffic_close(&t);
}

typedef struct looks {
  unsigned count;
  uint64_t done;
  uint64_t total;
} looks;

static bool stop_at_the_second(void *context, uint64_t done, uint64_t total) {
  looks *l = context;
  l->done = done;
  l->total = total;
  return ++l->count < 2;
}

static bool go_on(void *context, uint64_t done, uint64_t total) {
  looks *l = context;
  assert_true(done >= l->done && done <= total && (l->count == 0 || total == l->total));
  l->count++;
  l->done = done;
  l->total = total;
  return true;
}

static void training_is_told_and_may_be_stopped(void **state) {
  (void)state;
  larder_traffic *t = traffic_of(traffic_small);
  larder_traffic_run run = {.contestant = "agent-trained", .seed = 1};
  looks told = {0};
  larder_traffic_options how = {.size = sizeof how, .progress = go_on, .context = &told, .tuning_seeds = 2};
  assert_int_equal(larder_traffic_trial(t, &how, &run, 1, NULL), LARDER_OK);
  assert_int_equal(told.total, 2 + 1);
  /* A thousand seeds take longer than the tenth of a second in which it is looked at. */
  looks stopped = {0};
  how = (larder_traffic_options){
      .size = sizeof how, .progress = stop_at_the_second, .context = &stopped, .tuning_seeds = LARDER_TRAFFIC_SEEDS_MAX};
  assert_int_equal(larder_traffic_trial(t, &how, &run, 1, NULL), LARDER_ECANCELLED);
  assert_int_equal(stopped.count, 2);
  assert_int_equal(stopped.total, LARDER_TRAFFIC_SEEDS_MAX + 1);
  assert_true(stopped.done < LARDER_TRAFFIC_SEEDS_MAX);
  larder_traffic_close(&t);
}

static void threads_are_as_many_as_memory_bears(void **state) {
  (void)state;
  larder_traffic *small = traffic_of(traffic_small);
  larder_traffic *large = traffic_of("length: 1h\nsessions: 100\ncache: {entries: 100000}\nservices: {s: {latency: 10ms}}\n"
                                     "endpoints: {e: {service: s, ids: 1000000}}\nusers: {u: {start: {e: 1}}}\n");
  const uint64_t mb = 1000000;
  assert_true(lrd_trial_bytes(small, true) < 8 * mb);
  assert_true(lrd_trial_bytes(large, false) > 200 * mb &&
              lrd_trial_bytes(large, true) > lrd_trial_bytes(large, false) + 150 * mb);
  assert_int_equal(lrd_trial_threads(small, true, 8, 100 * mb), 8);
  assert_int_equal(lrd_trial_threads(large, true, 8, 3 * lrd_trial_bytes(large, true)), 3);
  assert_int_equal(lrd_trial_threads(large, true, 2, 100000 * mb), 2);
  assert_int_equal(lrd_trial_threads(large, true, 8, mb), 1); /* one there must be */
  assert_int_equal(lrd_trial_threads(large, true, 8, 0), 8);  /* nobody knows */
  larder_traffic_close(&small);
  larder_traffic_close(&large);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_trial_that_fails_changes_no_run),   cmocka_unit_test(the_seeds_of_tuning_are_not_those_of_a_trial),
      cmocka_unit_test(failing_fast_does_not_win),           cmocka_unit_test(training_is_told_and_may_be_stopped),
      cmocka_unit_test(threads_are_as_many_as_memory_bears),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
