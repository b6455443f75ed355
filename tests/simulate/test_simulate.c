/* SPDX-License-Identifier: Apache-2.0 */
/* Runs side by side: the same figures whatever the threads, what is refused, the end of memory and of patience; and drawings.
 */
#include "trace_fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static larder_trace *trace_usual(void) {
  support_random random = {11};
  uint32_t ids[3000];
  for (size_t i = 0; i < 3000; i++) {
    uint64_t a = support_random_below(&random, 300), b = support_random_below(&random, 300);
    ids[i] = (uint32_t)(a * b / 300);
  }
  trace_densify(ids, 3000);
  return trace_of_ids(ids, ids, 3000);
}

/* Every policy at some sizes; how many. */
static size_t runs_make(larder_simulate_run runs[64]) {
  const char *policy;
  size_t count = 0;
  for (size_t n = 0; (policy = larder_simulate_policy(n)) != NULL; n++) {
    if (strcmp(policy, LARDER_SIMULATE_OPT_BOUND) != 0)
      for (uint64_t objects = 3; objects < 100; objects *= 5)
        runs[count++] = (larder_simulate_run){.policy = policy, .objects = objects};
    if (strcmp(policy, LARDER_SIMULATE_OPT) != 0) runs[count++] = (larder_simulate_run){.policy = policy, .bytes = 2000};
  }
  assert_true(count <= 64);
  return count;
}

static void threads_change_no_figure(void **state) {
  (void)state;
  larder_trace *trace = trace_usual();
  larder_simulate_run first[64] = {{0}}, again[64] = {{0}};
  size_t count = runs_make(first);
  for (unsigned threads = 1; threads <= 8; threads++) {
    const larder_simulate_options how = {.size = sizeof how, .parallel = threads};
    (void)runs_make(again);
    assert_ok(larder_simulate(trace, &how, threads == 1 ? first : again, count, NULL));
    for (size_t i = 0; i < count; i++) assert_true(first[i].misses >= trace->unique && first[i].miss_ratio > 0);
    for (size_t i = 0; threads > 1 && i < count; i++) {
      assert_int_equal(again[i].misses, first[i].misses);
      assert_int_equal(again[i].evictions, first[i].evictions);
      assert_int_equal(again[i].miss_bytes, first[i].miss_bytes);
    }
  }
  larder_trace_close(&trace);
}

static void refused(const larder_trace *trace, larder_simulate_run run, const char *part) {
  larder_error err = {0};
  assert_err(larder_simulate(trace, NULL, &run, 1, &err), LARDER_EINVAL);
  if (strstr(err.message, part) == NULL) fail_msg("%s", err.message);
}

static void what_cannot_be_run_is_refused(void **state) {
  (void)state;
  larder_trace *trace = trace_usual(), *plain = trace_of_letters("aba");
  larder_simulate_run run = {.policy = "lru", .objects = 1};
  refused(trace, (larder_simulate_run){.policy = "lifo", .objects = 1}, "there is no policy \"lifo\"");
  refused(trace, (larder_simulate_run){.policy = "", .objects = 1}, "there is no policy");
  refused(trace, (larder_simulate_run){.objects = 1}, "there is no policy");
  refused(trace, (larder_simulate_run){.policy = "lru"}, "above 0");
  refused(trace, (larder_simulate_run){.policy = "lru", .objects = 1, .bytes = 1}, "entries or of bytes");
  refused(trace, (larder_simulate_run){.policy = "opt", .bytes = 1}, "opt-bound is a bound");
  refused(trace, (larder_simulate_run){.policy = "opt-bound", .objects = 1}, "opt is exact");
  refused(plain, (larder_simulate_run){.policy = "lru", .bytes = 1}, "does not say how large");
  assert_err(larder_simulate(NULL, NULL, &run, 1, NULL), LARDER_EINVAL);
  assert_err(larder_simulate(trace, NULL, NULL, 1, NULL), LARDER_EINVAL);
  assert_err(larder_simulate(trace, NULL, &run, LARDER_SIMULATE_RUNS_MAX + 1, NULL), LARDER_EINVAL);
  const larder_simulate_options other = {.size = 1};
  assert_err(larder_simulate(trace, &other, &run, 1, NULL), LARDER_EINVAL);
  assert_ok(larder_simulate(trace, NULL, NULL, 0, NULL));
  larder_trace_close(&plain);
  larder_trace_close(&trace);
}

static void an_empty_trace_misses_nothing(void **state) {
  (void)state;
  larder_trace *trace = trace_of_ids(NULL, NULL, 0);
  larder_simulate_run runs[64] = {{0}};
  size_t count = runs_make(runs), objects = 0;
  for (size_t i = 0; i < count; i++)
    if (runs[i].objects > 0) runs[objects++] = runs[i];
  assert_ok(larder_simulate(trace, NULL, runs, objects, NULL));
  for (size_t i = 0; i < objects; i++) assert_true(runs[i].misses == 0 && runs[i].miss_ratio == 0);
  larder_trace_close(&trace);
}

typedef struct patience {
  unsigned calls;
  unsigned most;
  uint64_t total;
} patience;

static bool patience_lasts(void *context, uint64_t done, uint64_t total) {
  patience *p = context;
  assert_true(done <= total);
  p->total = total;
  return ++p->calls < p->most;
}

static void a_run_can_be_cancelled(void **state) {
  (void)state;
  /* Long enough that somebody asks before it is over: half a million requests, again and again. */
  enum { LEN = 500000, RUNS = 200 };
  uint32_t *ids = malloc(LEN * sizeof *ids);
  larder_simulate_run *runs = calloc(RUNS, sizeof *runs);
  assert_true(ids && runs);
  for (uint32_t i = 0; i < LEN; i++) ids[i] = i;
  larder_trace *trace = trace_of_ids(ids, NULL, LEN);
  for (size_t i = 0; i < RUNS; i++) runs[i] = (larder_simulate_run){.policy = i % 2 ? "opt" : "lru", .objects = 100};
  patience p = {.most = 1};
  larder_error err = {0};
  const larder_simulate_options how = {.size = sizeof how, .parallel = 1, .progress = patience_lasts, .context = &p};
  assert_err(larder_simulate(trace, &how, runs, RUNS, &err), LARDER_ECANCELLED);
  assert_string_equal(err.message, "cancelled");
  assert_int_equal(p.total, (uint64_t)LEN * RUNS);
  larder_trace_close(&trace);
  free(ids);
  free(runs);
}

static void without_memory_a_run_fails_and_leaves_nothing(void **state) {
  (void)state;
  larder_trace *trace = trace_usual();
  const char *policy;
  for (size_t at = 0; (policy = larder_simulate_policy(at)) != NULL; at++) {
    bool bound = strcmp(policy, LARDER_SIMULATE_OPT_BOUND) == 0;
    for (uint64_t n = 1;; n++) {
      larder_simulate_run run = {.policy = policy, .objects = bound ? 0 : 20, .bytes = bound ? 2000 : 0};
      larder_error err = {0};
      const larder_simulate_options how = {.size = sizeof how, .parallel = 1};
      int64_t live = support_alloc_live();
      support_alloc_fail_at(n);
      larder_err result = larder_simulate(trace, &how, &run, 1, &err);
      bool failed = support_alloc_end() >= n;
      /* Ghosts and sketches that are not to be had make a policy worse, not impossible. */
      if (result != LARDER_OK) assert_err(result, LARDER_ENOMEM);
      assert_int_equal(support_alloc_live(), live);
      if (!failed) break;
      assert_true(n < 1000);
    }
  }
  larder_trace_close(&trace);
}

/* --- drawings ---------------------------------------------------------------------------------------------------------------
 */

static size_t count_of(const char *text, const char *part) {
  size_t count = 0;
  for (const char *at = strstr(text, part); at != NULL; at = strstr(at + 1, part)) count++;
  return count;
}

static void a_drawing_has_a_curve_for_each_policy_and_a_point_for_each_run(void **state) {
  (void)state;
  static const larder_simulate_run objects[] = {{.policy = "lru", .objects = 1000, .miss_ratio = 0.5},
                                                {.policy = "opt", .objects = 1000, .miss_ratio = 0.25},
                                                {.policy = "lru", .objects = 10, .miss_ratio = 0.75}};
  static const larder_simulate_run bytes[] = {{.policy = "a<b>&", .bytes = 65536, .miss_ratio = 1}};
  const larder_simulate_panel panels[] = {{"first", objects, 3}, {"<second> \xff & \x01", bytes, 1}};
  char *text = NULL, *again = NULL;
  size_t len = 0, again_len = 0;
  assert_ok(larder_simulate_plot(panels, 2, &text, &len));
  assert_int_equal(strlen(text), len);
  assert_int_equal(count_of(text, "<circle"), 4);
  assert_int_equal(count_of(text, " stroke-dasharray"), 6); /* three curves, and each in a legend */
  assert_int_equal(count_of(text, ">first<"), 1);
  assert_int_equal(count_of(text, "&lt;second&gt; ? &amp; ?"), 1);
  assert_int_equal(count_of(text, "a&lt;b&gt;&amp;"), 2);
  assert_int_equal(count_of(text, "64.0 KiB"), 2);
  assert_int_equal(count_of(text, "lru at 10: 75.00 %"), 1);
  assert_int_equal(count_of(text, "prefers-color-scheme:dark"), 1);
  assert_int_equal(count_of(text, "nan"), 0);
  assert_ok(larder_simulate_plot(panels, 2, &again, &again_len));
  assert_string_equal(text, again);
  larder_simulate_text_free(text);
  larder_simulate_text_free(again);
  larder_simulate_text_free(NULL);
}

static void what_cannot_be_drawn_is_refused(void **state) {
  (void)state;
  static const larder_simulate_run mixed[] = {{.policy = "lru", .objects = 10}, {.policy = "lru", .bytes = 10}};
  static const larder_simulate_run none[] = {{.objects = 10}}, empty[] = {{.policy = "lru"}},
                                   above[] = {{"lru", 1, 0, 0, 0, 0, 1.5}};
  const larder_simulate_panel panels[] = {{"a", mixed, 2}, {NULL, mixed, 1}, {"a", NULL, 1}, {"a", mixed, 0},
                                          {"a", none, 1},  {"a", empty, 1},  {"a", above, 1}};
  char *text = NULL;
  size_t len = 0;
  for (size_t i = 0; i < sizeof panels / sizeof *panels; i++)
    assert_err(larder_simulate_plot(&panels[i], 1, &text, &len), LARDER_EINVAL);
  assert_err(larder_simulate_plot(panels, 0, &text, &len), LARDER_EINVAL);
  assert_null(text);
}

static void without_memory_nothing_is_drawn(void **state) {
  (void)state;
  static const larder_simulate_run runs[] = {{.policy = "lru", .objects = 1, .miss_ratio = 1}};
  const larder_simulate_panel panel = {"a", runs, 1};
  for (uint64_t n = 1;; n++) {
    char *text = NULL;
    size_t len = 0;
    int64_t live = support_alloc_live();
    support_alloc_fail_at(n);
    larder_err result = larder_simulate_plot(&panel, 1, &text, &len);
    bool failed = support_alloc_end() >= n;
    assert_err(result, failed ? LARDER_ENOMEM : LARDER_OK);
    larder_simulate_text_free(text);
    assert_int_equal(support_alloc_live(), live);
    if (!failed) break;
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(threads_change_no_figure),
      cmocka_unit_test(what_cannot_be_run_is_refused),
      cmocka_unit_test(an_empty_trace_misses_nothing),
      cmocka_unit_test(a_run_can_be_cancelled),
      cmocka_unit_test(without_memory_a_run_fails_and_leaves_nothing),
      cmocka_unit_test(a_drawing_has_a_curve_for_each_policy_and_a_point_for_each_run),
      cmocka_unit_test(what_cannot_be_drawn_is_refused),
      cmocka_unit_test(without_memory_nothing_is_drawn),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
