/* SPDX-License-Identifier: Apache-2.0 */
/* Files of traffic: what they say, and what is told of those that are wrong. */
#include "traffic_fixture.h"

#include <stdio.h>
#include <stdlib.h>

static void what_is_said_is_there(void **state) {
  (void)state;
  larder_traffic *t = traffic_of(traffic_small);
  larder_traffic_facts facts;
  larder_traffic_facts_get(t, &facts);
  assert_int_equal(facts.services, 2);
  assert_int_equal(facts.endpoints, 4);
  assert_int_equal(facts.users, 2);
  assert_int_equal(facts.keys, 1 + 50 + 50 + 11);
  assert_int_equal(facts.cache_entries, 20);
  assert_true(facts.length_s == 60);
  assert_int_equal(t->services[1].needs, 0);
  assert_true(t->services[1].timeout_ms == 2000);
  assert_int_equal(t->endpoints[2].first_key, 51);
  assert_int_equal(t->endpoints[3].keys, 11);
  assert_int_equal(t->users[1].first, 10);
  assert_true(t->users[0].start[0] == 0.5 && t->users[0].start[1] == 1);
  assert_true(t->users[0].moves[1][1] == 0 && t->users[0].moves[1][2] == 0.9);
  assert_true(t->agent_weights[LARDER_AGENT_WASTED] == -3 && t->agent_weights[LARDER_AGENT_KB] == -0.01);
  larder_traffic_close(&t);
  char text[8192];
  snprintf(text, sizeof text, "%sagent: {wasted: -7.5, window: 99}\n", traffic_small);
  t = traffic_of(text);
  assert_true(t->agent_weights[LARDER_AGENT_WASTED] == -7.5 && t->agent_weights[LARDER_AGENT_HIT] == 10);
  assert_int_equal(t->agent_window, 99);
  larder_traffic_close(&t);
}

/* The small shop with one text instead of another. */
static char *small_with(const char *what, const char *instead) {
  static char text[8192];
  const char *at = strstr(traffic_small, what);
  assert_non_null(at);
  snprintf(text, sizeof text, "%.*s%s%s", (int)(at - traffic_small), traffic_small, instead, at + strlen(what));
  return text;
}

static void mistakes_are_told_with_their_place(void **state) {
  (void)state;
  static const struct {
    const char *what, *instead, *told;
  } cases[] = {
      {"length: 60s", "length: soon", "1:9: the file.length: found \"soon\"; expected a duration from 1ms to 365d"},
      {"length: 60s\n", "", "1:1: the file: found no length; expected it"},
      {"sessions: 2", "sesions: 2", "2:1: the file: found \"sesions\", which is no name here; did you mean sessions?"},
      {"entries: 20", "entries: 0", "3:18: cache.entries: found \"0\"; expected a whole number from 1 to 1048576"},
      {"entries: 20", "entries: 1.5", "3:18: cache.entries: found \"1.5\""},
      {"capacity: 100", "capacity: [1]", "5:44: services.db.capacity: found a list; expected a number from 0.01 to 1e+09"},
      {"needs: db", "needs: dc",
       "6:44: services.web.needs: found \"dc\"; expected the name of a service above; did you mean db?"},
      {"needs: db", "needs: web", "expected the name of a service above"},
      {"home: {service: web}", "home: {}", "8:9: endpoints.home: found no service; expected it"},
      {"home: {service: web}", "home: web", "8:9: endpoints.home: found a value; expected a mapping"},
      {"ids: 50, skew: 1", "ids: 50, own: true", "expected one"},
      {"ids: 50, skew: 1", "ids: 50, ids: 50", "found ids a second time; expected it once"},
      {"own: true", "own: yes", "11:28: endpoints.cart.own: found \"yes\"; expected true or false"},
      {"bytes: 100", "bytes: many", "11:41: endpoints.cart.bytes: found \"many\"; expected a size up to"},
      {"home: {item: 0.8}", "home: {item: 0.8, cart: 30%}",
       "18:13: users.guest.moves.home: parts add up to 1.1; expected at most 1"},
      {"home: {item: 0.8}", "home: {item: 2}", "18:20: users.guest.moves.home.it: found \"2\"; expected a part from 0 to 1"},
      {"start: {home: 1, item: 1}", "start: {home: 0}", "expected where sessions begin"},
      {"walks: true", "walk: true", "did you mean walks?"},
      {"  robot:\n", "  guest:\n", "found a second time; expected it once"},
      {"users:\n", "failures: {}\nusers:\n", "12:11: failures: found a mapping; expected a list"},
      {"users:\n", "failures: [{service: db, at: 1s}]\nusers:\n", "12:12: failures: found no length; expected it"},
      {"users:\n", "day: {length: 1h, depth: 2}\nusers:\n", "12:26: day.depth: found \"2\"; expected a part from 0 to 1"},
      {"users:\n", "agent: {hits: 1}\nusers:\n", "12:9: agent: found \"hits\", which is no name here; did you mean hit?"},
      {"users:\n", "agent: {kb: many}\nusers:\n", "12:13: agent.kb: found \"many\"; expected a number from -1e+06 to 1e+06"},
      {"users:\n", "agent: {epsilon: 0}\nusers:\n", "12:18: agent.epsilon: found \"0\"; expected a number from 1e-06 to 1"},
      {"users:\n", "agent: {epsilon: 0.0005}\nusers:\n",
       "12:8: agent: epsilon_last is 0.001 and epsilon 0.0005; expected no more"},
      {"  db:", "  d/b:", "expected a name of letters, digits, - _ and ., of at most 63"},
      {"ids: 50", "ids: 1000000", "found more than 1048576 keys with their ids; expected fewer"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char *told = traffic_mistakes(small_with(cases[i].what, cases[i].instead));
    if (strstr(told, cases[i].told) == NULL) fail_msg("%s -> %s: %s", cases[i].what, cases[i].instead, told);
    free(told);
  }
}

static void all_mistakes_of_a_file_are_told(void **state) {
  (void)state;
  char *told = traffic_mistakes("length: x\nsessions: y\ncache: 1\n");
  size_t lines = 0;
  for (const char *at = told; (at = strchr(at, '\n')) != NULL; at++) lines++;
  assert_int_equal(lines, 6); /* three that are wrong, three that are missing */
  free(told);
  told = traffic_mistakes("");
  assert_string_equal(told, "1:1: found nothing; expected a mapping\n");
  free(told);
}

static void mistake_note(void *context, const larder_traffic_mistake *mistake) { *(int *)context += mistake->line; }

static void files_are_opened(void **state) {
  larder_traffic *t = NULL;
  larder_error err = {0};
  int lines = 0;
  char path[512];
  snprintf(path, sizeof path, "%s/spec.yaml", (const char *)*state);
  assert_int_equal(larder_traffic_open(path, NULL, NULL, &t, &err), LARDER_MISS);
  assert_non_null(strstr(err.message, "there is no such file"));
  assert_int_equal(larder_traffic_open(*state, NULL, NULL, &t, &err), LARDER_EIO);
  assert_int_equal(larder_traffic_open(NULL, NULL, NULL, &t, &err), LARDER_EINVAL);
  assert_int_equal(lrd_fs_publish(path, traffic_small, strlen(traffic_small), 0600, false), 0);
  assert_int_equal(larder_traffic_open(path, NULL, NULL, &t, &err), LARDER_OK);
  larder_traffic_close(&t);
  assert_null(t);
  const char *wrong = small_with("sessions: 2", "sessions: -2");
  assert_int_equal(lrd_fs_publish(path, wrong, strlen(wrong), 0600, false), 0);
  assert_int_equal(larder_traffic_open(path, mistake_note, &lines, &t, &err), LARDER_EFORMAT);
  assert_int_equal(lines, 2);
  assert_non_null(strstr(err.message, "spec.yaml:2:11: the file.sessions: found \"-2\""));
}

static void memory_may_be_short(void **state) {
  (void)state;
  for (uint64_t n = 1;; n++) {
    int64_t live = support_alloc_live();
    support_alloc_fail_at(n);
    larder_traffic *t = lrd_traffic_new();
    lrd_mistakes mistakes;
    larder_err err = LARDER_ENOMEM;
    if (t) {
      lrd_mistakes_init(&mistakes, &t->arena);
      err = lrd_traffic_read(t, traffic_small, strlen(traffic_small), &mistakes);
    }
    bool failed = support_alloc_end() >= n;
    if (!failed) assert_int_equal(err, LARDER_OK);
    if (failed && t && err == LARDER_OK) assert_int_not_equal(mistakes.count, 0); /* libfyaml's own are told as a mistake */
    larder_traffic_close(&t);
    assert_int_equal(support_alloc_live(), live);
    if (!failed) break;
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_said_is_there),
      cmocka_unit_test(mistakes_are_told_with_their_place),
      cmocka_unit_test(all_mistakes_of_a_file_are_told),
      SUPPORT_DIR_TEST(files_are_opened),
      cmocka_unit_test(memory_may_be_short),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
