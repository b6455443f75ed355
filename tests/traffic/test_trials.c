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
  assert_true(lrd_trial_bytes(small, true) < 16 * mb);
  assert_true(lrd_trial_bytes(large, false) > 200 * mb &&
              lrd_trial_bytes(large, true) > lrd_trial_bytes(large, false) + 150 * mb);
  assert_int_equal(lrd_trial_threads(small, true, 8, 200 * mb), 8);
  assert_int_equal(lrd_trial_threads(large, true, 8, 3 * lrd_trial_bytes(large, true)), 3);
  assert_int_equal(lrd_trial_threads(large, true, 2, 100000 * mb), 2);
  assert_int_equal(lrd_trial_threads(large, true, 8, mb), 1); /* one there must be */
  assert_int_equal(lrd_trial_threads(large, true, 8, 0), 8);  /* nobody knows */
  larder_traffic_close(&small);
  larder_traffic_close(&large);
}

static void what_an_agent_learned_elsewhere_it_begins_with(void **state) {
  (void)state;
  larder_traffic *t = traffic_of(traffic_small);
  void *data = NULL, *again = NULL, *more = NULL;
  size_t len = 0, again_len = 0, more_len = 0;
  larder_traffic_options how = {.size = sizeof how, .parallel = 1};
  assert_int_equal(larder_traffic_train(t, &how, "agent", 5, 3, &data, &len, NULL), LARDER_OK);
  how.parallel = 4;
  assert_int_equal(larder_traffic_train(t, &how, "agent", 5, 3, &again, &again_len, NULL), LARDER_OK);
  assert_true(len == again_len && memcmp(data, again, len) == 0);
  larder_traffic_run runs[] = {{.contestant = "agent", .seed = 1}, {.contestant = "lru", .seed = 1}}, fresh = runs[0];
  assert_int_equal(larder_traffic_trial(t, NULL, &fresh, 1, NULL), LARDER_OK);
  how.learned = data;
  how.learned_len = len;
  assert_int_equal(larder_traffic_trial(t, &how, runs, 2, NULL), LARDER_OK);
  assert_true(runs[0].agent.epsilon < fresh.agent.epsilon);
  assert_int_equal(runs[1].agent.decisions, 0);
  /* It goes on learning. */
  assert_int_equal(larder_traffic_train(t, &how, "agent", 8, 1, &more, &more_len, NULL), LARDER_OK);
  how.learned = more;
  larder_traffic_run later = {.contestant = "agent", .seed = 1};
  assert_int_equal(larder_traffic_trial(t, &how, &later, 1, NULL), LARDER_OK);
  assert_true(later.agent.epsilon < runs[0].agent.epsilon);
  larder_agent_bytes_free(data);
  larder_agent_bytes_free(again);
  larder_agent_bytes_free(more);
  larder_traffic_close(&t);
}

static void training_refuses_who_does_not_learn_and_what_is_no_learning(void **state) {
  (void)state;
  larder_traffic *t = traffic_of(traffic_small);
  larder_error err = {0};
  void *data = NULL, *linear = NULL;
  size_t len = 7, linear_len = 0;
  assert_int_equal(larder_traffic_train(t, NULL, "lru", 1, 1, &data, &len, &err), LARDER_EINVAL);
  assert_non_null(strstr(err.message, "lru"));
  assert_int_equal(larder_traffic_train(t, NULL, "agent-trained", 1, 1, &data, &len, &err), LARDER_EINVAL);
  assert_int_equal(larder_traffic_train(t, NULL, NULL, 1, 1, &data, &len, &err), LARDER_EINVAL);
  assert_int_equal(larder_traffic_train(t, NULL, "agent", LARDER_TRAFFIC_SEED_MAX, 2, &data, &len, &err), LARDER_EINVAL);
  assert_int_equal(larder_traffic_train(t, NULL, "agent", 1, 0, &data, &len, &err), LARDER_EINVAL);
  assert_int_equal(larder_traffic_train(NULL, NULL, "agent", 1, 1, &data, &len, &err), LARDER_EINVAL);
  larder_traffic_options how = {.size = sizeof how, .progress = stop_at_the_second, .context = &(looks){.count = 1}};
  assert_int_equal(larder_traffic_train(t, &how, "agent", 1, 1, &data, &len, &err), LARDER_ECANCELLED);
  assert_true(data == NULL && len == 7);
  assert_int_equal(larder_traffic_train(t, NULL, "agent-linear-q", 1, 1, &linear, &linear_len, &err), LARDER_OK);
  larder_traffic_run runs[] = {{.contestant = "agent-linear-q", .seed = 1}, {.contestant = "agent", .seed = 1}}, before[2];
  memcpy(before, runs, sizeof runs);
  how = (larder_traffic_options){.size = sizeof how, .learned = linear, .learned_len = linear_len};
  assert_int_equal(larder_traffic_trial(t, &how, runs, 2, &err), LARDER_EFORMAT);
  assert_non_null(strstr(err.message, "agent: it was learned by another method"));
  assert_memory_equal(runs, before, sizeof runs);
  assert_int_equal(larder_traffic_trial(t, &how, runs, 1, &err), LARDER_OK);
  larder_agent_bytes_free(linear);
  larder_traffic_close(&t);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_trial_that_fails_changes_no_run),
      cmocka_unit_test(the_seeds_of_tuning_are_not_those_of_a_trial),
      cmocka_unit_test(failing_fast_does_not_win),
      cmocka_unit_test(training_is_told_and_may_be_stopped),
      cmocka_unit_test(threads_are_as_many_as_memory_bears),
      cmocka_unit_test(what_an_agent_learned_elsewhere_it_begins_with),
      cmocka_unit_test(training_refuses_who_does_not_learn_and_what_is_no_learning),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
