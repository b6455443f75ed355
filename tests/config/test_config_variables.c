/* SPDX-License-Identifier: Apache-2.0 */
/* What variables hold is told by no sentence about a file, whatever is wrong, and in whichever option. */
#include "support/support.h"

#include "config/config_show.h"
#include "config/options.h"
#include "config_texts.h"
#include <larder/config.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HELD "'${LARDER_TEST_HELD}'"

/* A file in which an option of the scope can stand, around it. */
static const struct {
  const char *before;
  const char *after;
} around[LRD_SCOPE_COUNT] = {
    [LRD_SCOPE_CACHE] = {"", ""},
    [LRD_SCOPE_MEMORY] = {"memory: {", "}"},
    [LRD_SCOPE_SQLITE] = {"namespaces: {a: {tiers: [{sqlite: {path: x.db, ", "}}]}}"},
    [LRD_SCOPE_FILES] = {"namespaces: {a: {tiers: [{files: {path: x, ", "}}]}}"},
    [LRD_SCOPE_EXTRA] = {"namespaces: {a: {tiers: [{tape: {", "}}]}}"},
    [LRD_SCOPE_COMPRESSION] = {"compression: {", "}"},
    [LRD_SCOPE_SEAL] = {"namespaces: {a: {seal: {", "}}}"},
    [LRD_SCOPE_REDIS] = {"redis: {", "}"},
    [LRD_SCOPE_BREAKER] = {"breaker: {", "}"},
    [LRD_SCOPE_POLICY] = {"namespaces: {a: {", "}}"},
    [LRD_SCOPE_LIMIT] = {"namespaces: {a: {limits: {memory: {", "}}}}"},
    [LRD_SCOPE_MAKER] = {"namespaces: {a: {maker: {", "}}}"},
    [LRD_SCOPE_NEARBY] = {"namespaces: {a: {nearby: {", "}}}"},
    [LRD_SCOPE_IMPORT] = {"namespaces: {a: {import: {", "}}}"},
    [LRD_SCOPE_PREDICT] = {"namespaces: {a: {predict: {", "}}}"},
    [LRD_SCOPE_AGENT] = {"namespaces: {a: {agent: {", "}}}"},
    [LRD_SCOPE_HEALTH] = {"namespaces: {a: {health: {", "}}}"},
    [LRD_SCOPE_CHECK] = {"namespaces: {a: {health: {check: {", "}}}}"},
    [LRD_SCOPE_PREFETCH] = {"prefetch: {", "}"},
    [LRD_SCOPE_MONITORING] = {"monitoring: {", "}"},
};

/* The forms in which a variable may stand as the value of an option of any type. */
static const char *const forms[] = {
    HELD,
    "[" HELD "]",
    "[" HELD ", " HELD "]",
    "{a: " HELD "}",
    "{a: [" HELD "]}",
    "{memory: " HELD ", sqlite: " HELD "}",
    "{memory: {max_entries: " HELD ", max_mb: " HELD "}}",
    "[memory, {sqlite: " HELD "}, {tape: {options: {a: " HELD "}, max_mb: " HELD "}}]",
    "[{recipe: " HELD "}]",
    "[{recipe: kernel, n: [" HELD ", 1]}, {recipe: [kernel, " HELD "]}]",
    "{algorithm: " HELD ", fields: [" HELD "]}",
    "{http: 'https://h/{1}"
    "${LARDER_TEST_HELD}', headers: {'a b': " HELD "}, proxy: " HELD "}",
    "{command: [x, " HELD "], retries: " HELD "}",
    "{recipe: " HELD "}",
    "{codec: zlib, level: " HELD "}",
    "{retry: " HELD ", retry_max: " HELD "}",
    "{retry_max: " HELD "}",
};

/* What a variable may hold so that something is wrong with it. */
static const char *const values[] = {"hunter2",        "{hunter2",      "hunter2}{",   "@hunter2",         "",
                                     "17 hunter2 * 3", "every hunter2", "xx\nhunter2", "~/hunter2",        "{1}hunter2",
                                     "918273",         "9182h",         "kernhunter2", "-hunter2=hunter2", "every 918273d"};

static bool holds(const char *text) { return strstr(text, "hunter2") != NULL || strstr(text, "9182") != NULL; }

/* Numbers that are in force are shown as such. */
static bool holds_text(const char *text) { return strstr(text, "hunter2") != NULL; }

/* A folder is no secret, and sentences about files need it. */
static bool names_place(const lrd_option *row) { return row->type == LRD_OPTION_PATH; }

static void is_not_told(const char *text, const char *value) {
  lrd_config_look look;
  larder_error err = {0};
  char *complaints = config_complaints(text), *shown = NULL;
  if (holds(complaints)) fail_msg("%s\nwith \"%s\" is told as\n%s", text, value, complaints);
  assert_ok(lrd_config_look_at(&(lrd_config_source){.text = text, .root = "/srv/larder"}, &look, &err));
  if (look.mistakes.count == 0) {
    assert_ok(lrd_config_show_text(look.settings, false, &shown));
    if (holds_text(shown)) fail_msg("%s\nwith \"%s\" is shown as\n%s", text, value, shown);
    larder_text_free(shown);
  }
  lrd_config_look_fini(&look);
  free(complaints);
}

static void no_mistake_tells_what_a_variable_holds(void **state) {
  (void)state;
  char text[1024];
  for (size_t i = 0; i < lrd_options_len; i++) {
    const lrd_option *row = &lrd_options[i];
    if (names_place(row)) continue;
    assert_non_null(around[row->scope].before);
    for (size_t f = 0; f < sizeof forms / sizeof *forms; f++) {
      snprintf(text, sizeof text, "cache: {%s%s: %s%s}\n", around[row->scope].before, row->name, forms[f],
               around[row->scope].after);
      for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
        setenv("LARDER_TEST_HELD", values[v], 1);
        is_not_told(text, values[v]);
      }
    }
  }
  unsetenv("LARDER_TEST_HELD");
}

/* One option has the variable, the other is wrong beside it, perhaps in another section. */
static void what_contradicts_a_variable_is_told_without_it(void **state) {
  (void)state;
  static const char value[] = "2918s", codec[] = "lz4";
  static const struct {
    const char *text, *value, *told;
  } cases[] = {
      {"cache: {defaults: {health: {retry: " HELD "}}, namespaces: {a: {health: {retry_max: 1s}}}}\n", value,
       "1:98: cache.namespaces.a.health.retry_max: found \"1s\"; expected at least retry of the defaults\n"},
      {"cache: {defaults: {health: {retry_max: " HELD "}}, namespaces: {a: {health: {retry: 9999h}}}}\n", value,
       "1:98: cache.namespaces.a.health.retry_max: found that of the defaults; expected at least \"9999h\", which is retry\n"},
      {"cache: {defaults: {health: {retry_max: 1s, retry: " HELD "}}, namespaces: {a: {health: {failures: 2}}}}\n", value,
       "1:40: cache.defaults.health.retry_max: found \"1s\"; expected at least \"${LARDER_TEST_HELD}\", which is retry\n"},
      {"cache: {defaults: {health: {failures: 2}}, namespaces: {a: {health: {retry: 2h}}}}\n", value,
       "1:77: cache.namespaces.a.health.retry_max: found that of the defaults; expected at least \"2h\", which is retry\n"},
      {"cache: {compression: {enable: true, codec: " HELD "}, namespaces: {a: {compression: {level: 12}}}}\n", codec,
       "1:106: cache.namespaces.a.compression.level: found \"12\"; expected 0 to 9 with its codec\n"},
      {"cache: {compression: {enable: true, codec: " HELD ", level: 12}}\n", codec,
       "1:74: cache.compression.level: found \"12\"; expected 0 to 9 with its codec\n"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    setenv("LARDER_TEST_HELD", cases[i].value, 1);
    char *complaints = config_complaints(cases[i].text);
    assert_string_equal(complaints, cases[i].told);
    free(complaints);
  }
  unsetenv("LARDER_TEST_HELD");
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(no_mistake_tells_what_a_variable_holds),
                                     cmocka_unit_test(what_contradicts_a_variable_is_told_without_it)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
