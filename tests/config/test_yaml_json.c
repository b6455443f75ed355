/* SPDX-License-Identifier: Apache-2.0 */
/* YAML as JSON: every kind of scalar as YAML 1.2's core schema reads it, places that lead back, and bounds. */
#include "support/support.h"

#include "base/json_read.h"
#include "config/yaml_json.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct turned {
  lrd_config_arena arena;
  lrd_mistakes mistakes;
  lrd_buf json;
  lrd_buf origins;
} turned;

static larder_err turn(turned *t, const char *text, size_t len) {
  *t = (turned){0};
  lrd_mistakes_init(&t->mistakes, &t->arena);
  larder_err result = lrd_yaml_to_json(text, len, &t->mistakes, &t->json, &t->origins);
  return result == LARDER_OK ? lrd_buf_terminate(&t->json) : result;
}

static void turned_fini(turned *t) {
  lrd_buf_fini(&t->json);
  lrd_buf_fini(&t->origins);
  lrd_config_arena_fini(&t->arena);
}

static void expect(const char *yaml, const char *json) {
  turned t;
  assert_ok(turn(&t, yaml, strlen(yaml)));
  assert_int_equal(t.mistakes.count, 0);
  assert_string_equal((char *)t.json.data, json);
  size_t at = 0;
  const char *mistake = NULL;
  assert_ok(lrd_json_check((char *)t.json.data, t.json.len, &at, &mistake));
  turned_fini(&t);
}

static void expect_mistake(const char *yaml, int line, int column, const char *part) {
  turned t;
  assert_ok(turn(&t, yaml, strlen(yaml)));
  assert_int_equal(t.mistakes.count, 1);
  assert_non_null(strstr(t.mistakes.first->message, part));
  assert_int_equal(t.mistakes.first->place.line, line);
  assert_int_equal(t.mistakes.first->place.column, column);
  turned_fini(&t);
}

static void scalars_are_what_they_look_like(void **state) {
  (void)state;
  expect("[null, ~, Null, 'null']", "[null,null,null,\"null\"]");
  expect("a:\nb:\n", "{\"a\":null,\"b\":null}");
  expect("[true, True, FALSE, 'true', yes]", "[true,true,false,\"true\",\"yes\"]");
  expect("[1, -2, +3, 007, -0, '1', 1_000]", "[1,-2,3,7,-0,\"1\",\"1_000\"]");
  expect("[1.5, .5, -.5, 5., 00.25, 1e3, 1.E+3, .e3, .]", "[1.5,0.5,-0.5,5,0.25,1e3,1E+3,\".e3\",\".\"]");
  expect("[0x1F, 0o17, 0x, 0xg, -0x1]", "[31,15,\"0x\",\"0xg\",\"-0x1\"]");
  expect("[!!str 1, ! 2, \"3\", 2026-11-25]", "[\"1\",\"2\",\"3\",\"2026-11-25\"]");
}

static void text_is_escaped(void **state) {
  (void)state;
  expect("\"a\\tb\\\"c\\\\d\\n\"", "\"a\\u0009b\\\"c\\\\d\\u000a\"");
  expect("a b: |\n  one\n  two\n", "{\"a b\":\"one\\u000atwo\\u000a\"}");
  expect("{1: a, ~: b, true: c}", "{\"1\":\"a\",\"~\":\"b\",\"true\":\"c\"}");
}

static void collections_aliases_and_merges(void **state) {
  (void)state;
  expect("base: &b {x: 1}\nmore:\n  <<: *b\n  y: [*b, {}, []]\n",
         "{\"base\":{\"x\":1},\"more\":{\"y\":[{\"x\":1},{},[]],\"x\":1}}");
  expect("", "null");
}

static void what_json_cannot_say_is_told_where_it_is(void **state) {
  (void)state;
  expect_mistake("a:\n  b: .inf\n", 2, 6, "not finite");
  expect_mistake("a: 0xfffffffffffffffff\n", 1, 4, "above 64 bits");
  expect_mistake("a: !ours 5\n", 1, 10, "tag of its own");
  expect_mistake("{[1]: 2}", 1, 2, "key that is no text");
  expect_mistake("a: [1\n", 2, 1, "not YAML");
}

static void places_lead_back(void **state) {
  (void)state;
  static const char yaml[] = "first: 1\nsteps:\n  - id: a\n  - id: bee\n";
  turned t;
  assert_ok(turn(&t, yaml, sizeof yaml - 1));
  const char *bee = strstr((char *)t.json.data, "\"bee\"");
  lrd_place place = lrd_yaml_origin_of(&t.origins, (size_t)(bee - (char *)t.json.data));
  assert_int_equal(place.line, 4);
  assert_int_equal(place.column, 9);
  place = lrd_yaml_origin_of(&t.origins, 0);
  assert_int_equal(place.line, 1);
  turned_fini(&t);
  place = lrd_yaml_origin_of(&(lrd_buf){0}, 7);
  assert_int_equal(place.line, 1);
}

static void aliases_of_a_long_text_are_bounded(void **state) {
  (void)state;
  const size_t room = (size_t)700 << 10;
  char *text = malloc(room + 2000);
  assert_non_null(text);
  size_t len = (size_t)sprintf(text, "a: &a \"");
  memset(text + len, 'x', room);
  len += room;
  len += (size_t)sprintf(text + len, "\"\nb: [");
  for (int i = 0; i < 60; i++) len += (size_t)sprintf(text + len, "%s*a", i ? ", " : "");
  len += (size_t)sprintf(text + len, "]\n");
  turned t;
  assert_ok(turn(&t, text, len));
  assert_int_equal(t.mistakes.count, 1);
  assert_non_null(strstr(t.mistakes.first->message, "16 MiB"));
  assert_true(t.json.len < LRD_YAML_JSON_MAX + room + 100);
  turned_fini(&t);
  free(text);
}

static void any_allocation_may_fail(void **state) {
  (void)state;
  static const char yaml[] = "a: &x {n: 1.5, t: \"q\\n\"}\nb: [*x, 0x10, true, ~]\n";
  for (uint64_t n = 1;; n++) {
    turned t;
    int64_t live = support_alloc_live();
    support_alloc_fail_at(n);
    larder_err result = turn(&t, yaml, sizeof yaml - 1);
    bool failed = support_alloc_end() >= n;
    assert_true(result == LARDER_OK ? t.mistakes.count == 0 : result == LARDER_ENOMEM && failed);
    turned_fini(&t);
    assert_int_equal(support_alloc_live(), live);
    if (!failed) break;
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(scalars_are_what_they_look_like),
      cmocka_unit_test(text_is_escaped),
      cmocka_unit_test(collections_aliases_and_merges),
      cmocka_unit_test(what_json_cannot_say_is_told_where_it_is),
      cmocka_unit_test(places_lead_back),
      cmocka_unit_test(aliases_of_a_long_text_are_bounded),
      cmocka_unit_test(any_allocation_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
