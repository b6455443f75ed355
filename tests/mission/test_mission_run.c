/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Missions as they run: by callbacks, whose calls are counted, and by commands, which append to a log. What is kept is not made
 * again, a failure stops only what comes after it, and what is said beforehand is what happens.
 */
#include "mission_fixture.h"

#include "mission/mission_graph.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static _Atomic unsigned calls;
static _Atomic unsigned meeting; /* how many are inside a meeting step at once */
static const char *_Atomic failing;
static larder_mission *_Atomic to_stop;

static larder_err make(void *context, const larder_mission_call *call) {
  (void)context;
  atomic_fetch_add(&calls, 1);
  const char *fails = atomic_load(&failing);
  if (larder_mission_write(call, call->params, strlen(call->params)) != LARDER_OK) return LARDER_ENOMEM;
  return fails && strcmp(fails, call->id) == 0 ? LARDER_EUNSUPPORTED : LARDER_OK;
}

/* Comes back only when two of its kind have been in here at once. */
static larder_err meet(void *context, const larder_mission_call *call) {
  (void)context;
  (void)call;
  atomic_fetch_add(&meeting, 1);
  while (atomic_load(&meeting) < 2) (void)usleep(100);
  return LARDER_OK;
}

static larder_err stop_it(void *context, const larder_mission_call *call) {
  (void)context;
  (void)call;
  larder_mission_stop(atomic_load(&to_stop));
  return LARDER_OK;
}

static const larder_mission_maker makers[] = {{"t", make, NULL}, {"meet", meet, NULL}, {"stop", stop_it, NULL}};

static larder_mission *open_text(fixture *f, const char *text) {
  larder_mission *m = NULL;
  larder_error err = {0};
  const larder_mission_options options = {.size = sizeof options, .makers = makers, .makers_count = 3};
  char *path = support_path(f->dir, "m.yaml");
  support_file_write(path, text, strlen(text));
  if (larder_mission_open(path, &options, NULL, NULL, &m, &err) != LARDER_OK) fail_msg("%s", err.message);
  free(path);
  return m;
}

/* States in the order of the file, by their first letters: hit made failed skipped waiting; will run: W, may run: M. */
static const char *states(larder_mission *m) {
  static char text[64];
  static const char letters[] = "wrhmfsWM";
  larder_mission_step step;
  size_t len = 0;
  for (; larder_mission_step_at(m, len, &step); len++) text[len] = letters[step.state];
  text[len] = '\0';
  return text;
}

static const char *why_of(larder_mission *m, size_t index) {
  static larder_mission_step step;
  assert_true(larder_mission_step_at(m, index, &step));
  return step.why;
}

static const char *run(fixture *f, larder_mission *m) {
  assert_ok(larder_mission_run(m, f->ns, NULL));
  return states(m);
}

static const char *plan(fixture *f, larder_mission *m) {
  assert_ok(larder_mission_plan(m, f->ns, false));
  return states(m);
}

static void begin(void) {
  atomic_store(&calls, 0);
  atomic_store(&meeting, 0);
  atomic_store(&failing, NULL);
}

static void expect_output(fixture *f, larder_mission *m, size_t index, const char *text) {
  larder_value value = {0};
  assert_ok(larder_mission_output(m, f->ns, index, &value));
  assert_int_equal(value.len, strlen(text));
  assert_memory_equal(value.data, text, value.len);
  larder_value_release(&value);
}

#define DIAMOND                                                                                                                \
  "steps:\n- {id: a, type: t, params: {n: 1}}\n- {id: b, type: t, after: [a]}\n- {id: c, type: t, params: {n: 3}, after: "     \
  "[a]}\n"                                                                                                                     \
  "- {id: d, type: t, after: [b, c]}\n- {id: e, type: t, params: {n: 5}}\n"

static void what_is_kept_is_not_made_again(void **state) {
  fixture *f = *state;
  begin();
  larder_mission *m = open_text(f, DIAMOND);
  assert_string_equal(plan(f, m), "WWWWW");
  assert_string_equal(why_of(m, 0), "never made");
  assert_string_equal(run(f, m), "mmmmm");
  assert_int_equal(calls, 5);
  assert_string_equal(run(f, m), "hhhhh");
  assert_string_equal(plan(f, m), "hhhhh");
  assert_int_equal(calls, 5);
  expect_output(f, m, 2, "{\"n\":3}");
  larder_mission_close(&m);
  m = open_text(f, DIAMOND);
  assert_string_equal(run(f, m), "hhhhh");
  assert_int_equal(calls, 5);
  larder_mission_close(&m);
}

static bool part_visit(void *context, const larder_listed *entry) {
  lrd_buf *key = context;
  if (memchr(entry->key, '/', entry->key_len) == NULL || memcmp(entry->key, "last/", 5) == 0) return true;
  assert_ok(lrd_buf_append(key, entry->key, entry->key_len));
  return false;
}

static void a_step_whose_output_is_gone_is_made_again(void **state) {
  fixture *f = *state;
  lrd_buf part = {0};
  begin();
  larder_mission *m = open_text(f, "steps: [{id: a, type: t}]");
  assert_string_equal(run(f, m), "m");
  assert_ok(larder_list(f->ns, NULL, false, 0, NULL, part_visit, &part));
  assert_ok(larder_delete(f->ns, part.data, part.len));
  assert_string_equal(plan(f, m), "W");
  assert_string_equal(run(f, m), "m");
  assert_int_equal(calls, 2);
  lrd_buf_fini(&part);
  larder_mission_close(&m);
}

static void a_change_reaches_what_comes_after_it(void **state) {
  fixture *f = *state;
  begin();
  larder_mission *m = open_text(f, DIAMOND);
  assert_string_equal(run(f, m), "mmmmm");
  larder_mission_close(&m);
  m = open_text(f, "steps:\n- {id: a, type: t, params: {n: 1.0}}\n- {id: b, type: t, after: [a]}\n"
                   "- {id: c, type: t, params: {n: 4}, after: [a]}\n- {id: d, type: t, after: [c, b]}\n"
                   "- {id: e, type: t, params: {n: 5}}\n");
  assert_string_equal(plan(f, m), "hhWWh");
  assert_string_equal(why_of(m, 2), "its parameters changed");
  assert_string_equal(why_of(m, 3), "c, which it comes after, changed");
  assert_string_equal(run(f, m), "hhmmh");
  assert_int_equal(calls, 7);
  larder_mission_close(&m);
  m = open_text(f, DIAMOND); /* and back: the old results are still there */
  assert_string_equal(run(f, m), "hhhhh");
  larder_mission_close(&m);
}

static void the_order_of_the_file_does_not_matter(void **state) {
  fixture *f = *state;
  begin();
  larder_mission *m = open_text(f, DIAMOND);
  assert_string_equal(run(f, m), "mmmmm");
  larder_mission_close(&m);
  m = open_text(f, "steps:\n- {id: d, type: t, after: [c, b]}\n- {id: c, type: t, params: {n: 3}, after: [a]}\n"
                   "- {id: b, type: t, after: [a]}\n- {id: a, type: t, params: {n: 1}}\n");
  assert_string_equal(run(f, m), "hhhh");
  larder_mission_close(&m);
}

static void a_failure_stops_only_what_comes_after_it(void **state) {
  fixture *f = *state;
  begin();
  atomic_store(&failing, "b");
  larder_mission *m = open_text(f, DIAMOND);
  assert_string_equal(run(f, m), "mfmsm");
  assert_string_equal(why_of(m, 1), "its callback answered LARDER_EUNSUPPORTED: not supported here");
  assert_string_equal(why_of(m, 3), "b failed");
  assert_string_equal(run(f, m), "hfhsh");
  atomic_store(&failing, NULL);
  assert_string_equal(run(f, m), "hmhmh");
  larder_mission_close(&m);
}

static void skipping_reaches_far(void **state) {
  fixture *f = *state;
  begin();
  atomic_store(&failing, "t-1");
  larder_mission *m = open_text(f, "commands: [{type: t}, {type: t}, {type: t}, {type: t}]");
  assert_string_equal(run(f, m), "fsss");
  assert_string_equal(why_of(m, 3), "t-1 failed");
  larder_mission_close(&m);
}

static void independent_steps_run_at_the_same_time(void **state) {
  fixture *f = *state;
  begin();
  larder_mission *m = open_text(f, "steps: [{id: a, type: meet, params: {n: 1}}, {id: b, type: meet, params: {n: 2}}]");
  const larder_mission_run_options options = {.size = sizeof options, .parallel = 2};
  assert_ok(larder_mission_run(m, f->ns, &options)); /* else neither would ever come back */
  assert_string_equal(states(m), "mm");
  larder_mission_close(&m);
}

static void the_same_step_twice_is_made_once(void **state) {
  fixture *f = *state;
  begin();
  larder_mission *m = open_text(f, "steps: [{id: a, type: t}, {id: b, type: t}, {id: c, type: t}]");
  const larder_mission_run_options options = {.size = sizeof options, .parallel = 3};
  assert_ok(larder_mission_run(m, f->ns, &options));
  assert_int_equal(calls, 1);
  larder_mission_close(&m);
}

static void stopping_begins_nothing_more(void **state) {
  fixture *f = *state;
  begin();
  larder_mission *m = open_text(f, "commands: [{type: t}, {type: stop}, {type: t, params: {n: 2}}, {type: t}]");
  atomic_store(&to_stop, m);
  assert_string_equal(run(f, m), "mmss");
  assert_string_equal(why_of(m, 2), "stopped");
  assert_string_equal(why_of(m, 3), "t-3 was skipped");
  assert_int_equal(calls, 1);
  larder_mission_close(&m);
  m = open_text(f, "commands: [{type: t}, {type: stop}, {type: t, params: {n: 2}}, {type: t}]");
  assert_string_equal(run(f, m), "hhmm"); /* it goes on where it stood */
  larder_mission_close(&m);
}

static void forcing_and_forgetting(void **state) {
  fixture *f = *state;
  size_t count = 0;
  begin();
  larder_mission *m = open_text(f, DIAMOND);
  assert_string_equal(run(f, m), "mmmmm");
  const larder_mission_run_options force = {.size = sizeof force, .force = true};
  assert_ok(larder_mission_plan(m, f->ns, true));
  assert_string_equal(states(m), "WWWWW");
  assert_string_equal(why_of(m, 0), "it is asked for");
  assert_ok(larder_mission_run(m, f->ns, &force));
  assert_string_equal(states(m), "mmmmm");
  assert_int_equal(calls, 10);
  assert_ok(larder_mission_forget(m, f->ns, "c", &count));
  assert_int_equal(count, 2);
  assert_string_equal(plan(f, m), "hhWWh");
  assert_string_equal(why_of(m, 2), "its result is gone: forgotten, expired or evicted");
  assert_string_equal(run(f, m), "hhmmh");
  assert_err(larder_mission_forget(m, f->ns, "z", &count), LARDER_MISS);
  larder_mission_close(&m);
}

#define FILES                                                                                                                  \
  "steps:\n- {id: a, run: [sh, -c, 'echo a >> log; cat source > mid'], inputs: [source], outputs: [mid]}\n"                    \
  "- {id: b, after: [a], run: [sh, -c, 'echo b >> log; cat mid mid > d/end'], inputs: [mid], outputs: [d/end]}\n"

static void files_flow_from_step_to_step(void **state) {
  fixture *f = *state;
  fixture_write(f, "source", "x\n");
  larder_mission *m = open_text(f, FILES);
  assert_string_equal(plan(f, m), "WM");
  assert_string_equal(why_of(m, 1), "known once a has run");
  assert_string_equal(run(f, m), "mf"); /* there is no folder d yet */
  char *d = support_path(f->dir, "d/end");
  *strrchr(d, '/') = '\0';
  assert_int_equal(access(d, F_OK), -1);
  fixture_write(f, "make-d", "");
  larder_mission_close(&m);
  m = open_text(f, "steps:\n- {id: a, run: [sh, -c, 'echo a >> log; cat source > mid'], inputs: [source], outputs: [mid]}\n"
                   "- {id: b, after: [a], run: [sh, -c, 'echo b >> log; mkdir -p d; cat mid mid > d/end'], inputs: [mid], "
                   "outputs: [d/end]}\n");
  assert_string_equal(run(f, m), "hm");
  fixture_expect_file(f, "d/end", "x\nx\n");
  /* Edited and lost by hand: put back. */
  fixture_write(f, "mid", "y\n");
  support_dir_remove(&d);
  assert_string_equal(plan(f, m), "hh");
  fixture_expect_file(f, "mid", "y\n"); /* a plan changes nothing */
  assert_string_equal(run(f, m), "hh");
  fixture_expect_file(f, "mid", "x\n");
  fixture_expect_file(f, "d/end", "x\nx\n");
  assert_int_equal(fixture_lines(f, "log"), 3);
  fixture_write(f, "source", "z\n");
  assert_string_equal(plan(f, m), "WM");
  assert_string_equal(why_of(m, 0), "the input source changed");
  assert_string_equal(run(f, m), "mm");
  fixture_expect_file(f, "d/end", "z\nz\n");
  larder_mission_close(&m);
}

static void what_goes_wrong_with_commands_is_told(void **state) {
  fixture *f = *state;
  larder_mission *m =
      open_text(f, "steps:\n- {id: a, run: [sh, -c, 'echo oh >&2; exit 3']}\n- {id: b, run: [larder-no-such-program]}\n"
                   "- {id: c, run: ['true'], outputs: [none]}\n- {id: d, run: [sleep, '1000'], timeout: 50ms}\n"
                   "- {id: e, run: ['true'], inputs: [absent]}\n"
                   "- {id: g, run: [sh, -c, 'head -c 3000000 /dev/zero']}\n");
  larder_mission_step step;
  assert_string_equal(run(f, m), "fffffm");
  assert_true(larder_mission_step_at(m, 0, &step));
  assert_string_equal(step.why, "exit code 3");
  assert_int_equal(step.exit_code, 3);
  assert_int_equal(step.errors_len, 3);
  assert_memory_equal(step.errors, "oh\n", 3);
  assert_string_equal(why_of(m, 1), "could not be started: No such file or directory");
  assert_non_null(strstr(why_of(m, 2), "none was not made"));
  assert_string_equal(why_of(m, 3), "ended because its time was up");
  assert_non_null(strstr(why_of(m, 4), "absent can't be read"));
  assert_true(larder_mission_step_at(m, 5, &step));
  assert_false(step.kept);
  assert_non_null(strstr(step.why, "standard output: is larger"));
  assert_string_equal(plan(f, m), "WWWWfW");
  larder_mission_close(&m);
}

static void a_command_knows_its_type_and_parameters(void **state) {
  fixture *f = *state;
  larder_mission *m =
      open_text(f, "steps: [{id: a, type: evolve, params: {b: 2, a: [x]}, run: [sh, -c, 'echo $LARDER_TYPE $LARDER_PARAMS']}]");
  assert_string_equal(run(f, m), "m");
  expect_output(f, m, 0, "evolve {\"a\":[\"x\"],\"b\":2}\n");
  larder_mission_close(&m);
}

static void without_a_cache_everything_runs(void **state) {
  fixture *f = *state;
  begin();
  larder_mission *m = open_text(f, DIAMOND);
  for (unsigned i = 1; i <= 2; i++) {
    assert_ok(larder_mission_run(m, NULL, NULL));
    assert_string_equal(states(m), "mmmmm");
    assert_int_equal(calls, 5 * i);
  }
  assert_ok(larder_mission_plan(m, NULL, false));
  assert_string_equal(states(m), "WWWWW");
  larder_mission_close(&m);
}

typedef struct told {
  larder_mission *m;
  unsigned running;
  unsigned ended;
} told;

static void tell(void *context, size_t index, larder_step_state state) {
  told *t = context;
  larder_mission_step step;
  assert_true(larder_mission_step_at(t->m, index, &step));
  if (state == LARDER_STEP_RUNNING) t->running++;
  if (state != LARDER_STEP_RUNNING) t->ended++;
}

static void every_change_is_told(void **state) {
  fixture *f = *state;
  begin();
  atomic_store(&failing, "b");
  told t = {.m = open_text(f, DIAMOND)};
  const larder_mission_run_options options = {.size = sizeof options, .parallel = 4, .changed = tell, .context = &t};
  assert_ok(larder_mission_run(t.m, f->ns, &options));
  assert_int_equal(t.running, 4); /* d was skipped */
  assert_int_equal(t.ended, 5);
  larder_mission_close(&t.m);
}

static void many_steps_over_many_threads(void **state) {
  fixture *f = *state;
  lrd_buf text = {0};
  begin();
  assert_ok(lrd_buf_append_str(&text, "steps:\n"));
  for (int i = 0; i < 300; i++) {
    assert_ok(lrd_buf_printf(&text, "- {id: s%d, type: t, params: {n: %d}", i, i));
    if (i % 7) assert_ok(lrd_buf_printf(&text, ", after: [s%d]", i / 2));
    assert_ok(lrd_buf_append_str(&text, "}\n"));
  }
  assert_ok(lrd_buf_terminate(&text));
  larder_mission *m = open_text(f, (char *)text.data);
  const larder_mission_run_options options = {.size = sizeof options, .parallel = 16};
  for (int i = 0; i < 2; i++) {
    assert_ok(larder_mission_run(m, f->ns, &options));
    assert_int_equal(calls, 300);
  }
  larder_mission_step step;
  for (size_t i = 0; larder_mission_step_at(m, i, &step); i++) assert_int_equal(step.state, LARDER_STEP_HIT);
  larder_mission_close(&m);
  lrd_buf_fini(&text);
}

static void wrong_calls_are_refused(void **state) {
  fixture *f = *state;
  larder_mission *m = open_text(f, "steps: []");
  const larder_mission_run_options wrong = {.size = 1};
  larder_value value = {0};
  char *text = NULL;
  assert_string_equal(run(f, m), "");
  assert_err(larder_mission_run(NULL, f->ns, NULL), LARDER_EINVAL);
  assert_err(larder_mission_run(m, f->ns, &wrong), LARDER_EINVAL);
  assert_err(larder_mission_plan(NULL, f->ns, false), LARDER_EINVAL);
  assert_err(larder_mission_forget(m, NULL, "a", NULL), LARDER_EINVAL);
  assert_err(larder_mission_output(m, f->ns, 0, &value), LARDER_EINVAL);
  assert_err(larder_mission_plot(NULL, &text, NULL), LARDER_EINVAL);
  assert_err(larder_mission_write(NULL, "x", 1), LARDER_EINVAL);
  larder_mission_stop(NULL);
  larder_mission_close(&m);
}

static void any_allocation_may_fail(void **state) {
  fixture *f = *state;
  begin();
  larder_mission *m = open_text(f, "commands: [{type: t, params: {n: 1}}, {type: t, run: [sh, -c, 'echo out']}]");
  const larder_mission_run_options options = {.size = sizeof options, .parallel = 1};
  for (uint64_t n = 1; n < 3000; n += n < 60 ? 1 : 9) {
    support_alloc_fail_at(n);
    larder_err result = larder_mission_run(m, f->ns, &options);
    bool failed = support_alloc_end() >= n;
    assert_true(result == LARDER_OK || (failed && result == LARDER_ENOMEM));
    if (result == LARDER_OK && !failed) assert_string_equal(states(m), "hh");
    if (!failed) break;
    support_alloc_fail_at(n);
    result = larder_mission_plan(m, f->ns, false);
    (void)support_alloc_end();
    assert_true(result == LARDER_OK || result == LARDER_ENOMEM);
  }
  larder_mission_close(&m);
}

static void expect_well_formed(const char *svg) {
  int depth = 0;
  for (const char *at = svg; (at = strchr(at, '<')) != NULL; at++) {
    const char *end = strchr(at, '>');
    assert_non_null(end);
    if (at[1] == '/')
      depth--;
    else if (end[-1] != '/')
      depth++;
    assert_true(depth >= 0);
  }
  assert_int_equal(depth, 0);
}

static void the_plot_shows_states_and_escapes_names(void **state) {
  fixture *f = *state;
  char *first = NULL, *again = NULL;
  size_t len = 0;
  begin();
  atomic_store(&failing, "<b>&\"");
  larder_mission *m =
      open_text(f, "name: 'a < b & c'\nsteps:\n- {id: a, type: t}\n- {id: '<b>&\"', type: t, after: [a], params: {n: 1}}\n"
                   "- {id: c, type: t, after: ['<b>&\"']}\n"
                   "- {id: 'x\xc3\xa4xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\xef\xbf\xbf', type: t, params: {n: 2}}\n");
  assert_string_equal(run(f, m), "mfsm");
  assert_ok(larder_mission_plot(m, &first, &len));
  assert_int_equal(len, strlen(first));
  assert_ok(larder_mission_plot(m, &again, NULL));
  assert_string_equal(first, again);
  expect_well_formed(first);
  assert_non_null(strstr(first, "a &lt; b &amp; c"));
  assert_non_null(strstr(first, "&lt;b&gt;&amp;&quot;"));
  assert_non_null(strstr(first, "x\xc3\xa4xxxxxxxxxxxxxxxxxxxxxx\xe2\x80\xa6<"));
  assert_null(strstr(first, "\xef\xbf\xbf"));
  assert_non_null(strstr(first, "failed: 1</text>"));
  assert_non_null(strstr(first, "skipped: 1</text>"));
  assert_ok(larder_close(&f->cache)); /* its threads would allocate too */
  for (uint64_t n = 1;; n++) {
    char *svg = NULL;
    int64_t live = support_alloc_live();
    support_alloc_fail_at(n);
    larder_err result = larder_mission_plot(m, &svg, NULL);
    bool failed = support_alloc_end() >= n;
    assert_err(result, failed ? LARDER_ENOMEM : LARDER_OK);
    larder_mission_text_free(svg);
    assert_int_equal(support_alloc_live(), live);
    if (!failed) break;
  }
  larder_mission_text_free(first);
  larder_mission_text_free(again);
  larder_mission_close(&m);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      REAL_TIME_TEST(what_is_kept_is_not_made_again),
      REAL_TIME_TEST(a_step_whose_output_is_gone_is_made_again),
      REAL_TIME_TEST(a_change_reaches_what_comes_after_it),
      REAL_TIME_TEST(the_order_of_the_file_does_not_matter),
      REAL_TIME_TEST(a_failure_stops_only_what_comes_after_it),
      REAL_TIME_TEST(skipping_reaches_far),
      REAL_TIME_TEST(independent_steps_run_at_the_same_time),
      REAL_TIME_TEST(the_same_step_twice_is_made_once),
      REAL_TIME_TEST(stopping_begins_nothing_more),
      REAL_TIME_TEST(forcing_and_forgetting),
      REAL_TIME_TEST(files_flow_from_step_to_step),
      REAL_TIME_TEST(what_goes_wrong_with_commands_is_told),
      REAL_TIME_TEST(a_command_knows_its_type_and_parameters),
      REAL_TIME_TEST(without_a_cache_everything_runs),
      REAL_TIME_TEST(every_change_is_told),
      REAL_TIME_TEST(many_steps_over_many_threads),
      REAL_TIME_TEST(wrong_calls_are_refused),
      FIXTURE_TEST(any_allocation_may_fail),
      REAL_TIME_TEST(the_plot_shows_states_and_escapes_names),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
