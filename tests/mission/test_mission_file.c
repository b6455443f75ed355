/* SPDX-License-Identifier: Apache-2.0 */
/* Mission files: what is read, and every mistake with its place and what would be right, in JSON and in YAML. */
#include "support/support.h"

#include "mission/mission_graph.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAD "{\"steps\": [\n"
#define A    "  {\"id\": \"a\", \"run\": [\"true\"]},\n"

typedef struct heard {
  size_t count;
  int line;
  int column;
  char message[512];
} heard;

static void hear(void *context, const larder_mission_mistake *mistake) {
  heard *h = context;
  if (h->count++ > 0) return;
  h->line = mistake->line;
  h->column = mistake->column;
  (void)snprintf(h->message, sizeof h->message, "%s", mistake->message);
}

static larder_err nothing(void *context, const larder_mission_call *call) {
  (void)context;
  (void)call;
  return LARDER_OK;
}

static larder_mission *mission_of(const char *name, const char *text, const larder_mission_options *options, heard *h) {
  static const larder_mission_options plain = {.size = sizeof plain};
  larder_mission *m = lrd_mission_new(options ? options : &plain);
  assert_non_null(m);
  larder_err result = lrd_mission_parse(m, name, text, strlen(text), hear, h, NULL);
  if (result == LARDER_OK) return m;
  assert_err(result, LARDER_EFORMAT);
  assert_true(h->count > 0);
  larder_mission_close(&m);
  return NULL;
}

static larder_mission *good(const char *name, const char *text, const larder_mission_options *options) {
  heard h = {0};
  larder_mission *m = mission_of(name, text, options, &h);
  if (!m) fail_msg("%s:%d:%d: %s", name, h.line, h.column, h.message);
  return m;
}

static void bad(const char *name, const char *text, int line, int column, const char *part) {
  heard h = {0};
  assert_null(mission_of(name, text, NULL, &h));
  if (!strstr(h.message, part) || h.line != line || h.column != column)
    fail_msg("expected %d:%d %s, heard %d:%d %s", line, column, part, h.line, h.column, h.message);
  assert_int_equal(h.count, 1);
}

static void a_graph_is_read(void **state) {
  (void)state;
  larder_mission *m =
      good("m.json",
           "{\"name\": \"n\", \"steps\": ["
           "{\"id\": \"c\", \"after\": [\"b\", \"a\", \"b\"], \"run\": [\"cat\", \"\"], \"inputs\": [\"./x//y\"]},"
           "{\"id\": \"b\", \"type\": \"t\", \"after\": [\"a\"], \"run\": [\"true\"], \"outputs\": [\"x/y\", \"w\"],"
           " \"timeout\": \"1h30m\", \"env\": [\"B\", \"A\"]},"
           "{\"id\": \"a\", \"params\": {\"z\": 1.0, \"y\": \"\"}, \"run\": [\"true\"]}]}",
           NULL);
  assert_string_equal(larder_mission_name(m), "n");
  assert_int_equal(larder_mission_count(m), 3);
  const lrd_step *c = &m->steps[0], *b = &m->steps[1], *a = &m->steps[2];
  assert_string_equal(a->params.data, "{\"y\":\"\",\"z\":1}");
  assert_string_equal(a->type, "command");
  assert_int_equal(b->timeout_ms, 5400000);
  assert_string_equal(b->outputs.items[0], "w");
  assert_string_equal(b->environment.items[0], "A");
  assert_int_equal(c->after_len, 2);
  assert_string_equal(c->argv[1], "");
  assert_string_equal(c->inputs.items[0], "x/y");
  assert_int_equal(c->input_from[0], 1);
  assert_int_equal(a->depth, 0);
  assert_int_equal(b->depth, 1);
  assert_int_equal(c->depth, 2);
  assert_int_equal(m->order[0], 2);
  assert_int_equal(m->order[2], 0);
  larder_mission_step step;
  size_t index = 9;
  assert_true(larder_mission_find(m, "b", &index));
  assert_int_equal(index, 1);
  assert_false(larder_mission_find(m, "d", &index));
  assert_true(larder_mission_step_at(m, 0, &step));
  assert_int_equal(step.after_len, 2);
  assert_int_equal(step.took_ms, -1);
  assert_false(larder_mission_step_at(m, 3, &step));
  larder_mission_close(&m);
}

static void yaml_says_the_same(void **state) {
  (void)state;
  larder_mission *m = good("m.yml",
                           "steps:\n- id: a\n  type: 7up\n  params: {n: 0x10, t: \"5\"}\n  run: [echo, hi]\n"
                           "- {id: b, after: [a], run: [echo, ho]}\n",
                           NULL);
  assert_string_equal(m->steps[0].params.data, "{\"n\":16,\"t\":\"5\"}");
  assert_string_equal(m->steps[0].type, "7up");
  assert_int_equal(m->steps[1].after[0], 0);
  larder_mission_close(&m);
}

static void commands_are_a_chain(void **state) {
  (void)state;
  const larder_mission_maker maker = {.type = "evolve", .make = nothing};
  const larder_mission_options options = {.size = sizeof options, .makers = &maker, .makers_count = 1, .runner = "./run"};
  larder_mission *m = good("m.json",
                           "{\"commands\": [{\"type\": \"load\", \"params\": {\"n\": 1}}, {\"type\": \"evolve\"},"
                           " {\"type\": \"load\", \"id\": \"last\", \"run\": [\"true\"], \"inputs\": [\"x\"]}]}",
                           &options);
  assert_string_equal(m->steps[0].id, "load-1");
  assert_string_equal(m->steps[1].id, "evolve-2");
  assert_string_equal(m->steps[2].id, "last");
  assert_int_equal(m->steps[2].after[0], 1);
  assert_int_equal(m->steps[2].depth, 2);
  assert_string_equal(m->steps[0].argv[0], "./run");
  assert_string_equal(m->steps[0].argv[1], "load");
  assert_string_equal(m->steps[0].argv[2], "{\"n\":1}");
  assert_null(m->steps[1].argv);
  assert_non_null(m->steps[1].maker);
  assert_string_equal(m->steps[2].argv[0], "true");
  larder_mission_close(&m);
}

static void mistakes_say_where_and_what_instead(void **state) {
  (void)state;
  bad("m.json", "{\"steps\": [\n,]}", 2, 1, "no JSON");
  bad("m.json", "[]", 1, 1, "found a list; expected a mission");
  bad("m.json", "{}", 1, 1, "without steps");
  bad("m.json", "{\"step\": []}", 1, 2, "did you mean steps?");
  bad("m.json", "{\"steps\": 5}", 1, 11, "found a number; expected a list of steps");
  bad("m.json", "{\"steps\": [], \"commands\": []}", 1, 27, "both steps and commands");
  bad("m.json", "{\"steps\": [], \"steps\": []}", 1, 15, "a second time");
  bad("m.json", HEAD "7]}", 2, 1, "found a number; expected a step");
  bad("m.json", HEAD "{\"run\": [\"true\"]}]}", 2, 1, "without id");
  bad("m.json", HEAD "{\"id\": \"x\", \"rum\": [\"true\"], \"run\": [\"true\"]}]}", 2, 13, "did you mean run?");
  bad("m.json", HEAD "{\"id\": \"x\", \"id\": \"y\", \"run\": [\"true\"]}]}", 2, 13, "\"id\" a second time");
  bad("m.json", HEAD "{\"id\": \"x\"}]}", 2, 1, "no way to run it; expected run");
  bad("m.json", HEAD "{\"id\": \"\", \"run\": [\"true\"]}]}", 2, 8, "found \"\"; expected a name of 1 to 128 bytes");
  bad("m.json", HEAD "{\"id\": \"a\\u0000b\", \"run\": [\"true\"]}]}", 2, 8, "without control characters");
  bad("m.json", HEAD "{\"id\": \"x\", \"run\": []}]}", 2, 20, "found no program");
  bad("m.json", HEAD "{\"id\": \"x\", \"run\": \"true\"}]}", 2, 20, "found text; expected a list of arguments");
  bad("m.json", HEAD "{\"id\": \"x\", \"run\": [\"a\", 5]}]}", 2, 26, "found a number; expected argument");
  bad("m.json", HEAD "{\"id\": \"x\", \"run\": [\"a\\u0000\"]}]}", 2, 21, "without NUL characters");
  bad("m.json", HEAD "{\"id\": \"x\", \"run\": [\"a\"], \"params\": []}]}", 2, 37, "an object of parameters");
  bad("m.json", HEAD "{\"id\": \"x\", \"run\": [\"a\"], \"params\": {\"p\": 1, \"p\": 2}}]}", 2, 46, "a second time");
  bad("m.json", HEAD "{\"id\": \"x\", \"run\": [\"a\"], \"env\": [\"A=1\"]}]}", 2, 34, "without =");
  bad("m.json", HEAD "{\"id\": \"x\", \"run\": [\"a\"], \"timeout\": \"90\"}]}", 2, 38, "such as \"90s\"");
  bad("m.json", HEAD "{\"id\": \"x\", \"run\": [\"a\"], \"timeout\": 90}]}", 2, 38, "found a number; expected a time");
  bad("m.json", HEAD A "{\"id\": \"a\", \"run\": [\"true\"]}]}", 3, 1, "second step \"a\"");
  bad("m.json", HEAD "{\"id\": \"prepare\", \"run\": [\"a\"]}, {\"id\": \"x\", \"run\": [\"a\"], \"after\": [\"perpare\"]}]}",
      2, 69, "did you mean \"prepare\"?");
  bad("m.json", HEAD A "{\"id\": \"x\", \"run\": [\"a\"], \"after\": [\"quite-other\"]}]}", 3, 36, "expected the id of one");
  bad("m.json", "{\"commands\": [{\"type\": \"t\", \"run\": [\"a\"], \"after\": []}]}", 1, 52, "after in a command");
  bad("m.yaml", "steps:\n  - id: x\n    runn: [a]\n    run: [a]\n", 3, 5, "did you mean run?");
  bad("m.yaml", "steps:\n  - id: x\n    run: [a]\n    after: [y]\n", 4, 12, "is no step");
  bad("m.yaml", "steps: [", 2, 1, "not YAML");
}

static void circles_are_told_with_their_way(void **state) {
  (void)state;
  bad("m.json",
      HEAD A
      "{\"id\": \"x\", \"after\": [\"y\"], \"run\": [\"t\"]},\n{\"id\": \"y\", \"after\": [\"z\", \"a\"], \"run\": [\"t\"]},\n"
      "{\"id\": \"z\", \"after\": [\"x\"], \"run\": [\"t\"]},\n{\"id\": \"w\", \"after\": [\"z\"], \"run\": [\"t\"]}]}",
      3, 22, "x after y after z after x");
  bad("m.json", HEAD "{\"id\": \"x\", \"after\": [\"x\"], \"run\": [\"t\"]}]}", 2, 22, "x after x");
}

static void files_must_stay_and_belong_to_one_step(void **state) {
  (void)state;
  static const char *const names[] = {"/etc/passwd", "../x", "a/../../x", "a/..", "..", ".", "", "a/", "a/.", "./"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    char text[300];
    heard h = {0};
    (void)snprintf(text, sizeof text, "{\"steps\": [{\"id\": \"x\", \"run\": [\"t\"], \"outputs\": [\"%s\"]}]}", names[i]);
    assert_null(mission_of("m.json", text, NULL, &h));
    assert_int_equal(h.count, 1);
  }
  bad("m.json", HEAD "{\"id\": \"x\", \"run\": [\"t\"], \"outputs\": [\"a/../../b\"]}]}", 2, 38, "not absolute and without ..");
  bad("m.json",
      HEAD
      "{\"id\": \"x\", \"run\": [\"t\"], \"outputs\": [\"f\"]},\n{\"id\": \"y\", \"run\": [\"t\"], \"outputs\": [\"./f\"]}]}",
      3, 38, "each file from one step");
  bad("m.json", HEAD "{\"id\": \"x\", \"run\": [\"t\"], \"outputs\": [\"f\"], \"inputs\": [\"f\"]}]}", 2, 55,
      "as input and output");
  bad("m.json",
      HEAD "{\"id\": \"x\", \"run\": [\"t\"], \"outputs\": [\"f\"]},\n{\"id\": \"y\", \"run\": [\"t\"], \"inputs\": [\"f\"]}]}",
      3, 37, "which \"x\" makes; expected that step in after");
  larder_mission *m = good(
      "m.json",
      HEAD "{\"id\": \"x\", \"run\": [\"t\"], \"inputs\": [\"/usr/x\", \"../y\"], \"outputs\": [\"a..b\", \"...\"]}]}", NULL);
  larder_mission_close(&m);
}

/* text with `count` of a piece in the middle. */
static char *repeated(const char *before, const char *piece, size_t count, const char *after) {
  size_t len = strlen(piece);
  char *text = malloc(strlen(before) + count * (len + 20) + strlen(after) + 1);
  if (!text) abort();
  char *at = text + sprintf(text, "%s", before);
  for (size_t i = 0; i < count; i++) {
    const char *mark = strchr(piece, '#');
    at += sprintf(at, "%s%.*s%zu%s", i ? "," : "", (int)(mark - piece), piece, i, mark + 1);
  }
  (void)sprintf(at, "%s", after);
  return text;
}

static void bounds_hold(void **state) {
  (void)state;
  heard h = {0};
  char *text = repeated("{\"steps\":[", "{\"id\":\"s#\",\"run\":[\"t\"]}", LRD_MISSION_STEPS_MAX, "]}");
  larder_mission *m = good("m.json", text, NULL);
  assert_int_equal(larder_mission_count(m), LRD_MISSION_STEPS_MAX);
  larder_mission_close(&m);
  free(text);
  text = repeated("{\"steps\":[", "{\"id\":\"s#\",\"run\":[\"t\"]}", LRD_MISSION_STEPS_MAX + 1, "]}");
  assert_null(mission_of("m.json", text, NULL, &h));
  assert_non_null(strstr(h.message, "10001 steps; expected at most 10000"));
  free(text);
  text = repeated("{\"steps\":[{\"id\":\"x\",\"run\":[\"t\"],\"outputs\":[", "\"f#\"", LARDER_MISSION_NAMES_MAX + 1, "]}]}");
  bad("m.json", text, 1, 43, "1025 file names; expected at most 1024");
  free(text);
  /* Every mistake is found, the first hundred are shown, and it does not take for ever. */
  h = (heard){0};
  text = repeated("{\"steps\":[", "{\"id\":\"s#\",\"run\":[\"t\"],\"after\":[\"none\"]}", LRD_MISSION_STEPS_MAX, "]}");
  assert_null(mission_of("m.json", text, NULL, &h));
  assert_int_equal(h.count, LRD_MISTAKES_MAX);
  free(text);
}

static void files_that_cannot_be_read_are_told(void **state) {
  larder_mission *m = NULL;
  larder_error err = {0};
  char *path = support_path(*state, "absent.json");
  assert_err(larder_mission_open(path, NULL, NULL, NULL, &m, &err), LARDER_EIO);
  assert_non_null(strstr(err.message, "No such file"));
  support_file_write(path, "{\"steps\": 5}", 12);
  assert_err(larder_mission_open(path, NULL, NULL, NULL, &m, &err), LARDER_EFORMAT);
  assert_non_null(strstr(err.message, "absent.json:1:11: found a number"));
  const larder_mission_options wrong = {.size = 1};
  assert_err(larder_mission_open(path, &wrong, NULL, NULL, &m, &err), LARDER_EINVAL);
  assert_err(larder_mission_open(NULL, NULL, NULL, NULL, &m, &err), LARDER_EINVAL);
  support_file_write(path, HEAD A "{\"id\": \"b\", \"run\": [\"t\"]}]}", strlen(HEAD A) + 27);
  for (uint64_t n = 1;; n++) {
    support_fs_fail_at(SUPPORT_ANY_OP, n, EIO);
    larder_err result = larder_mission_open(path, NULL, NULL, NULL, &m, &err);
    bool failed = support_fs_end() >= n;
    assert_err(result, failed ? LARDER_EIO : LARDER_OK);
    if (!failed) break;
  }
  larder_mission_close(&m);
  larder_mission_close(&m);
  free(path);
}

static void any_allocation_may_fail(void **state) {
  static const char text[] = "steps:\n- {id: a, type: t, params: {p: [1, {q: x}]}, run: [echo, hi], outputs: [f], env: [A]}\n"
                             "- {id: b, after: [a], inputs: [f], run: [cat, f], timeout: 5s}\n- {id: c, after: [b, a]}\n";
  const larder_mission_options options = {.size = sizeof options, .runner = "run"};
  char *path = support_path(*state, "m.yaml");
  support_file_write(path, text, sizeof text - 1);
  for (uint64_t n = 1;; n++) {
    larder_mission *m = NULL;
    int64_t live = support_alloc_live();
    support_alloc_fail_at(n);
    larder_err result = larder_mission_open(path, &options, NULL, NULL, &m, NULL);
    bool failed = support_alloc_end() >= n;
    assert_err(result, failed ? LARDER_ENOMEM : LARDER_OK);
    larder_mission_close(&m);
    assert_int_equal(support_alloc_live(), live);
    if (!failed) break;
  }
  free(path);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_graph_is_read),
      cmocka_unit_test(yaml_says_the_same),
      cmocka_unit_test(commands_are_a_chain),
      cmocka_unit_test(mistakes_say_where_and_what_instead),
      cmocka_unit_test(circles_are_told_with_their_way),
      cmocka_unit_test(files_must_stay_and_belong_to_one_step),
      cmocka_unit_test(bounds_hold),
      SUPPORT_DIR_TEST(files_that_cannot_be_read_are_told),
      SUPPORT_DIR_TEST(any_allocation_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
