/* SPDX-License-Identifier: Apache-2.0 */
/* The public functions: what `show` prints reads as the same, the schema and the page hold every key, check and notices. */
#include "support/support.h"

#include "config/config_load.h"
#include "config/config_show.h"
#include "config/option_value.h"
#include "config_texts.h"
#include <dirent.h>
#include <larder/config.h>
#include <libfyaml.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *shown(const char *text, bool as_json) {
  static const char *const extra[] = {"tape", NULL};
  lrd_config_look look;
  larder_error err = {0};
  char *out = NULL;
  assert_ok(lrd_config_look_at(&(lrd_config_source){.text = text, .extra_types = extra}, &look, &err));
  if (look.mistakes.first != NULL) print_error("%s\n", look.mistakes.first->message);
  assert_int_equal(look.mistakes.count, 0);
  assert_ok(lrd_config_show_text(look.settings, as_json, &out));
  lrd_config_look_fini(&look);
  return out;
}

static const char text_extra[] =
    "cache: {root: /srv/larder, sqlite: {enable: false}, namespaces: {\"a: b\": {tiers: [memory, {tape: "
    "{path: reel, options: {speed: '$${fast}', \"quo\\\"te\": 2}}}]}, yes: {ttl: 5s}}}";

static void what_show_prints_reads_as_the_same(void **state) {
  (void)state;
  const char *const texts[] = {config_text_everything, text_extra, "cache: {root: /srv/larder}",
                               "cache: {root: /srv/larder, defaults: {import: {key_field: sku, value_row: true}}, namespaces: "
                               "{inherits: {ttl: 1h}, reads_entries: {import: {}}, others: {import: {key_field: id}}}}",
                               "cache: {root: /srv/larder, defaults: {maker: {recipe: kernel}, predict: {enable: true}}, "
                               "namespaces: {learns: {ttl: 1h}, does_not: {predict: {enable: false}}}}"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    char *yaml = shown(texts[i], false), *json = shown(texts[i], true);
    char *from_yaml = shown(yaml, false), *from_json = shown(json, false);
    assert_string_equal(from_yaml, yaml);
    assert_string_equal(from_json, yaml);
    larder_text_free(from_json);
    larder_text_free(from_yaml);
    larder_text_free(json);
    larder_text_free(yaml);
  }
}

static void show_says_what_is_in_force(void **state) {
  (void)state;
  char *yaml = shown(config_text_everything, false);
  static const char *const parts[] = {
      "cache:\n  root: \"/srv/larder\"\n",
      "  memory:\n    enable: true\n    size_mb: 64MiB\n    max_entries: 1000\n    policy: lru\n",
      "    password: \"(hidden)\"\n",
      "    ttl_default: never\n",
      "  secrets: [\"licence_number\", \"=pin\", \"-token\", \"$${x\"]\n",
      "    min_probability: 0.4\n",
      "      ttl: 1h\n",
      "\"/mnt/$${cold}.db\"",
      "\"sqlite:warm.db\": {max_entries: 100, max_mb: 0B}",
      "        http: \"https://h/{1}?{query}\"\n        separator: \"/\"\n        parallel: 3\n        rate: 5/s\n",
      "        headers: {Authorization: \"***\", Accept: \"***\"}\n",
      "        host_rate: 1000/h\n",
      "        command: [\"sh\", \"-c\", \"echo \\\"$1\\\" $${HOME}\", \"{key}\", \"--password\", \"***\", \"5\"]\n",
      "        environment: {API_KEY: \"***\", EMPTY: \"***\"}\n",
      "        callback: \"ours\"\n        separator: \":\"\n",
      "      import:\n        key: \"county:{state}:{fips}\"\n        value_row: true\n        ttl_field: \"lasts\"\n",
      "      import:\n        key_field: \"sku\"\n        value_field: \"price\"\n        value_row: false\n",
  };
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    if (strstr(yaml, parts[i]) == NULL) print_error("%s\nnot in\n%s\n", parts[i], yaml);
    assert_non_null(strstr(yaml, parts[i]));
  }
  assert_non_null(strstr(yaml, "    \"two words\": "));
  assert_null(strstr(yaml, "hunter2"));
  larder_text_free(yaml);
}

#define TEXT_VARIABLES                                                                                                         \
  "cache:\n  root: /srv/larder\n  secrets: ['badge ${LARDER_TEST_HELD}']\n  namespaces:\n"                                     \
  "    a: {version: 'of ${LARDER_TEST_HELD}', maker: {http: 'https://h/{1}?sig=x&k=${LARDER_TEST_HELD}', proxy: "              \
  "'http://u:${LARDER_TEST_HELD}@h:1'}}\n"                                                                                     \
  "    b: {maker: {command: [curl, -u, 'bob:${LARDER_TEST_HELD}', 'a$${b}${LARDER_TEST_UNSET:-c}'], environment: {P: "         \
  "'${LARDER_TEST_HELD}'}}}\n"                                                                                                 \
  "    c: {health: {check: {command: [test, '${LARDER_TEST_HELD}']}}, warm: [{recipe: kernel, n: ['1${LARDER_TEST_HELD}', "    \
  "2]}]}\n"                                                                                                                    \
  "    d: {maker: {recipe: kernel}, nearby: {places: /dev/null, key: '${LARDER_TEST_HELD}:{id}'}, seal: {fields: "             \
  "['${LARDER_TEST_HELD}']}}\n"

/* The way back leads to the same, with the variables as they are. */
static void what_a_variable_holds_is_not_shown(void **state) {
  (void)state;
  static const char text[] =
      TEXT_VARIABLES "    e: {tiers: [memory, {tape: {path: reel, options: {o: '${LARDER_TEST_HELD}', p: '$${q}'}}}]}\n";
  static const char *const parts[] = {
      "secrets: [\"badge ${LARDER_TEST_HELD}\"]",
      "version: \"of ${LARDER_TEST_HELD}\"",
      "http: \"https://h/{1}?sig=***&k=${LARDER_TEST_HELD}\"",
      "proxy: \"http://u:***@h:1\"",
      "command: [\"curl\", \"-u\", \"bob:${LARDER_TEST_HELD}\", \"a$${b}${LARDER_TEST_UNSET:-c}\"]",
      "command: [\"test\", \"${LARDER_TEST_HELD}\"]",
      "{recipe: \"kernel\", \"n\": \"1${LARDER_TEST_HELD},2\"}",
      "key: \"${LARDER_TEST_HELD}:{id}\"",
      "fields: [\"${LARDER_TEST_HELD}\"]",
      "options: {o: \"${LARDER_TEST_HELD}\", p: \"$${q}\"}",
  };
  setenv("LARDER_TEST_HELD", "horse{1}staple", 1);
  unsetenv("LARDER_TEST_UNSET");
  char *yaml = shown(text, false), *json = shown(text, true), *again = shown(yaml, false), *from_json = shown(json, false);
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
    if (strstr(yaml, parts[i]) == NULL) fail_msg("%s\nnot in\n%s\n", parts[i], yaml);
  assert_null(strstr(yaml, "horse"));
  assert_null(strstr(json, "horse"));
  assert_string_equal(again, yaml);
  assert_string_equal(from_json, yaml);
  larder_text_free(from_json);
  larder_text_free(again);
  larder_text_free(json);
  larder_text_free(yaml);
}

static struct fy_document *json_read(const char *text) {
  const struct fy_parse_cfg cfg = {.flags = FYPCF_JSON_FORCE | FYPCF_QUIET};
  struct fy_document *document = fy_document_build_from_string(&cfg, text, FY_NT);
  assert_non_null(document);
  return document;
}

static bool has_path(struct fy_document *document, const char *path) {
  return fy_node_by_path(fy_document_root(document), path, FY_NT, FYNWF_DONT_FOLLOW) != NULL;
}

static void the_schema_is_json_and_holds_every_key(void **state) {
  (void)state;
  char *schema = NULL, path[256];
  assert_ok(larder_config_schema(&schema));
  struct fy_document *document = json_read(schema);
  assert_true(has_path(document, "/properties/cache"));
  for (size_t i = 0; i < lrd_options_len; i++) {
    const lrd_option *row = &lrd_options[i];
    snprintf(path, sizeof path, "/$defs/%s/properties/%s/description", lrd_scope_infos[row->scope].name, row->name);
    if (!has_path(document, path)) print_error("%s\n", path);
    assert_true(has_path(document, path));
    if (row->other == NULL) continue;
    snprintf(path, sizeof path, "/$defs/%s/properties/%s", lrd_scope_infos[row->scope].name, row->other);
    assert_true(has_path(document, path));
  }
  assert_false(has_path(document, "/$defs/cache/properties/nothing"));
  fy_document_destroy(document);
  larder_text_free(schema);
}

static void the_page_holds_every_key_and_is_the_one_in_docs(void **state) {
  (void)state;
  char *page = NULL, cell[128];
  assert_ok(larder_config_reference(&page));
  for (size_t i = 0; i < lrd_options_len; i++) {
    snprintf(cell, sizeof cell, "| `%s`", lrd_options[i].name);
    assert_non_null(strstr(page, cell));
  }
  const char *source = getenv("LARDER_SOURCE_DIR");
  if (source != NULL) {
    char *path = support_path(source, "docs/configuration.md");
    char *kept = support_file_read(path, NULL);
    assert_string_equal(kept, page); /* `make docs` writes it anew */
    free(kept);
    free(path);
  }
  larder_text_free(page);
}

static void defaults_of_the_table_are_within_its_limits(void **state) {
  (void)state;
  for (size_t i = 0; i < lrd_options_len; i++) {
    const lrd_option *row = &lrd_options[i];
    assert_non_null(row->sentence);
    assert_non_null(row->since);
    assert_ptr_equal(lrd_option_find(row->scope, row->name), row); /* no name twice */
    if (row->other != NULL) assert_ptr_equal(lrd_option_find(row->scope, row->other), row);
  }
  lrd_settings_cache cache = {0};
  lrd_option_set_defaults(LRD_SCOPE_CACHE, &cache); /* asserts on a default that is refused */
  assert_int_equal(cache.redis.port, 6379);
}

typedef struct seen {
  unsigned count;
  int line;
  int column;
  char message[256];
} seen;

static void note(void *context, const larder_config_mistake *mistake) {
  seen *s = context;
  assert_non_null(mistake->file);
  if (s->count++ > 0) return;
  s->line = mistake->line;
  s->column = mistake->column;
  snprintf(s->message, sizeof s->message, "%s", mistake->message);
}

static void check_visits_mistakes_and_notices(void **state) {
  char *path = support_path(*state, "l.yaml"), *found = NULL;
  larder_error err = {0};
  seen mistakes = {0}, notices = {0};
  static const char text[] =
      "cache:\n  slots: 7\n  nope: 1\n  sqlite: {enable: false}\n  defaults: {tiers: [memory, sqlite]}\n";
  support_file_write(path, text, sizeof text - 1);
  assert_err(larder_config_check(path, note, &mistakes, &found, &err), LARDER_ECONFIG);
  assert_int_equal(mistakes.count, 2);
  assert_int_equal(mistakes.line, 2);
  assert_int_equal(mistakes.column, 10);
  assert_string_equal(found, path);
  assert_string_equal(err.room, "config");
  larder_text_free(found);
  assert_err(larder_config_check(path, NULL, NULL, NULL, NULL), LARDER_ECONFIG);
  assert_ok(larder_config_notices(path, note, &notices, NULL));
  assert_int_equal(notices.count, 1);
  assert_int_equal(notices.line, 5);
  char *out = NULL;
  assert_err(larder_config_show(path, 0, &out, &err), LARDER_ECONFIG);
  assert_null(out);
  free(path);
}

static void the_examples_are_right(void **state) {
  (void)state;
  const char *source = getenv("LARDER_SOURCE_DIR");
  if (source == NULL) skip();
  char *folder = support_path(source, "examples");
  DIR *dir = opendir(folder);
  assert_non_null(dir);
  unsigned found = 0;
  for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
    size_t len = strlen(entry->d_name);
    if (len < 5 || strcmp(entry->d_name + len - 5, ".yaml") != 0) continue;
    char *path = support_path(folder, entry->d_name);
    larder_error err = {0};
    seen notices = {0};
    if (larder_config_check(path, NULL, NULL, NULL, &err) != LARDER_OK) fail_msg("%s", err.message);
    assert_ok(larder_config_notices(path, note, &notices, NULL));
    assert_int_equal(notices.count, 0);
    found++;
    free(path);
  }
  closedir(dir);
  free(folder);
  assert_true(found >= 3);
}

static void check_without_a_file_is_a_miss(void **state) {
  setenv("HOME", *state, 1);
  setenv("XDG_CONFIG_HOME", *state, 1);
  unsetenv("LARDER_CONFIG");
  assert_int_equal(chdir(*state), 0);
  char *found = NULL, *out = NULL;
  seen mistakes = {0};
  assert_err(larder_config_check(NULL, note, &mistakes, &found, NULL), LARDER_MISS);
  assert_int_equal(mistakes.count, 0);
  assert_null(found);
  assert_ok(larder_config_show(NULL, 1, &out, NULL));
  fy_document_destroy(json_read(out));
  larder_text_free(out);
  assert_int_equal(chdir("/"), 0);
}

static void texts_survive_a_failed_allocation_anywhere(void **state) {
  (void)state;
  larder_err (*const makers[])(char **) = {larder_config_schema, larder_config_reference};
  for (size_t i = 0; i < 2; i++) {
    char *out = NULL;
    int64_t live = support_alloc_live();
    support_alloc_count();
    assert_ok(makers[i](&out));
    uint64_t asked = support_alloc_end();
    larder_text_free(out);
    /* Each name and sentence is an allocation: the first hundred and the last few stand for all. */
    for (uint64_t n = 1; n <= asked; n += n < 100 || n + 10 > asked ? 1 : 7) {
      out = NULL;
      support_alloc_fail_at(n);
      larder_err result = makers[i](&out);
      (void)support_alloc_end();
      assert_err(result, LARDER_ENOMEM);
      assert_null(out);
      assert_int_equal(support_alloc_live(), live);
    }
  }
}

static void show_survives(const char *dir, const char *text) {
  char *path = support_path(dir, "l.yaml");
  support_file_write(path, text, strlen(text));
  for (uint64_t n = 1;; n++) {
    int64_t live = support_alloc_live();
    char *out = NULL;
    support_alloc_fail_at(n);
    larder_err result = larder_config_show(path, 0, &out, NULL);
    bool failed = support_alloc_end() >= n;
    larder_text_free(out);
    assert_err(result, failed ? LARDER_ENOMEM : LARDER_OK);
    assert_int_equal(support_alloc_live(), live);
    if (!failed) break;
  }
  free(path);
}

static void show_survives_a_failed_allocation_anywhere(void **state) {
  setenv("LARDER_TEST_HELD", "horse{1}staple", 1);
  show_survives(*state, config_text_everything);
  show_survives(*state, TEXT_VARIABLES);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_show_prints_reads_as_the_same),
      cmocka_unit_test(show_says_what_is_in_force),
      cmocka_unit_test(what_a_variable_holds_is_not_shown),
      cmocka_unit_test(the_schema_is_json_and_holds_every_key),
      cmocka_unit_test(the_page_holds_every_key_and_is_the_one_in_docs),
      cmocka_unit_test(defaults_of_the_table_are_within_its_limits),
      SUPPORT_DIR_TEST(check_visits_mistakes_and_notices),
      cmocka_unit_test(the_examples_are_right),
      SUPPORT_DIR_TEST(check_without_a_file_is_a_miss),
      cmocka_unit_test(texts_survive_a_failed_allocation_anywhere),
      SUPPORT_DIR_TEST(show_survives_a_failed_allocation_anywhere),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
