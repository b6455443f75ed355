/* SPDX-License-Identifier: Apache-2.0 */
/* Records of other programs as entries: which fields are the key, the value and the lifetime. */
#include "entry_texts.h"
#include "support/support.h"
#include "warm/field_map.h"

#include <string.h>

static void mapped(const larder_import_options *options, larder_format format, const char *text, const char *wanted) {
  lrd_field_map map = {0};
  larder_error err = {0};
  if (lrd_field_map_init(&map, options, NULL, &err) != LARDER_OK) fail_msg("%s", err.message);
  entries_expect(text, strlen(text), format, &map.picks, wanted);
  lrd_field_map_fini(&map);
}

static const char counties[] =
    "state,fips,name,kind,value\n08,013,Boulder,county,1\n08,,Denver,county,2\n36,061,\"New \"\"York\"\"\",\"a,b\",\n";
static const char counties_json[] = "[{\"state\":\"08\",\"fips\":\"013\",\"name\":\"Boulder\",\"area\":{\"km2\": 1919.6}},\n"
                                    "{\"state\":8,\"fips\":14,\"area\":null},{\"state\":\"08\",\"area\":\"x\"},\n"
                                    "{\"state\":[8],\"fips\":\"1\",\"area\":1}]";

static void keys_come_from_fields_and_templates(void **state) {
  (void)state;
  larder_import_options how = {.size = sizeof how, .ns = "n", .key_template = "county:{state}:{fips}", .value_field = "name"};
  mapped(&how, LARDER_FORMAT_CSV, counties,
         "2: key=county:08:013 value=Boulder\n3: ! its fips is empty, and its key is made of that\n"
         "4: key=county:36:061 value=New \"York\"\n");
  how.value_field = "area";
  mapped(
      &how, LARDER_FORMAT_JSON, counties_json,
      "1: key=county:08:013 value={\"km2\": 1919.6} json\n2: ! it has no area, which is its value\n"
      "2: ! it has no fips, which its key is made of\n3: ! its state is no text and no number; no key can be made of that\n");
  larder_import_options one = {.size = sizeof one, .ns = "n", .key_field = "name"};
  mapped(&one, LARDER_FORMAT_CSV, counties, "2: key=Boulder value=1\n3: key=Denver value=2\n4: key=New \"York\" value=\n");
}

static void a_whole_row_is_an_object(void **state) {
  (void)state;
  larder_import_options how = {.size = sizeof how, .ns = "n", .key_field = "name", .value_row = true};
  mapped(
      &how, LARDER_FORMAT_CSV, counties,
      "2: key=Boulder value={\"state\":\"08\",\"fips\":\"013\",\"name\":\"Boulder\",\"kind\":\"county\",\"value\":\"1\"} json\n"
      "3: key=Denver value={\"state\":\"08\",\"fips\":\"\",\"name\":\"Denver\",\"kind\":\"county\",\"value\":\"2\"} json\n"
      "4: key=New \"York\" value={\"state\":\"36\",\"fips\":\"061\",\"name\":\"New "
      "\\\"York\\\"\",\"kind\":\"a,b\",\"value\":\"\"} json\n");
  mapped(&how, LARDER_FORMAT_JSON, "{\"entries\":[ {\"name\" : \"A\", \"n\":[1, 2]} ],\"more\":{\"name\":\"B\"}}",
         "1: key=A value={\"name\" : \"A\", \"n\":[1, 2]} json\n");
  mapped(&how, LARDER_FORMAT_AUTO, "{\"name\":\"A\",\"kind\":\"lamp\",\"ttl\":\"x\"}\n{\"name\":\"B\"}\n",
         "1: key=A value={\"name\":\"A\",\"kind\":\"lamp\",\"ttl\":\"x\"} json\n2: key=B value={\"name\":\"B\"} json\n");
  mapped(&how, LARDER_FORMAT_CSV, "name,x\nA,\xFF\n\xFF,1\nB,\x01\n",
         "2: ! a field of it is no UTF-8, so that the row is no JSON\n3: ! a field of it is no UTF-8, so that the row is no "
         "JSON\n4: key=B value={\"name\":\"B\",\"x\":\"\\u0001\"} json\n");
}

static void a_lifetime_may_be_a_field(void **state) {
  (void)state;
  larder_import_options how = {.size = sizeof how, .ns = "n", .key_field = "k", .value_field = "v", .ttl_field = "t"};
  mapped(&how, LARDER_FORMAT_CSV, "k,v,t,ttl\na,1,7d,1\nb,2,,1\nc,3,soon,1\nd,4,never,1\n",
         "2: key=a value=1 ttl=604800000\n3: key=b value=2\n"
         "4: ! ttl is a time such as 90s or 7d, a number of seconds, or never, not soon\n5: key=d value=4 never\n");
  mapped(&how, LARDER_FORMAT_JSONL, "{\"k\":\"a\",\"v\":1,\"t\":60}\n{\"k\":\"a\",\"v\":1,\"t\":null}\n{\"k\":\"a\",\"v\":1}",
         "1: key=a value=1 json ttl=60000\n2: key=a value=1 json\n3: key=a value=1 json\n");
}

static void a_version_and_tags_may_be_fields(void **state) {
  (void)state;
  larder_import_options how = {
      .size = sizeof how, .ns = "n", .key_field = "k", .value_field = "v", .version_field = "r", .tags_field = "m"};
  mapped(&how, LARDER_FORMAT_CSV, "k,v,r,m,tags\na,1,r1,x;y,z\nb,2,,,z\nc,3,,;,z\n",
         "2: key=a value=1 version=r1 tag=x tag=y\n3: key=b value=2\n4: ! a tag has 1 to 128 bytes\n");
  mapped(&how, LARDER_FORMAT_JSONL,
         "{\"k\":\"a\",\"v\":1,\"r\":7,\"m\":[\"x;y\",\"\\u00fc\"]}\n{\"k\":\"a\",\"v\":1,\"r\":null,\"m\":\"x;y\"}\n"
         "{\"k\":\"a\",\"v\":1,\"m\":[1]}",
         "1: key=a value=1 version=7 tag=x;y tag=ü json\n2: key=a value=1 tag=x tag=y json\n3: ! tags is a list of texts\n");
}

static void what_is_not_named_is_as_configured(void **state) {
  (void)state;
  static const lrd_config_import rows = {.key = "{a}:{b}", .value_row = true, .ttl_field = "t"};
  larder_import_options none = {.ns = "n"}, some = {.ns = "n", .key_field = "k", .value_field = "v", .ttl_field = "u"},
                        entries = {.ns = "n", .entries = true}, both = {.ns = "n", .entries = true, .tags_field = "m"};
  larder_error err = {0};
  assert_ok(lrd_field_map_complete(&none, &rows, &err));
  assert_string_equal(none.key_template, "{a}:{b}");
  assert_true(none.key_field == NULL && none.value_row && none.value_field == NULL);
  assert_string_equal(none.ttl_field, "t");
  assert_ok(lrd_field_map_complete(&some, &rows, &err));
  assert_true(some.key_template == NULL && !some.value_row);
  assert_string_equal(some.ttl_field, "u");
  assert_ok(lrd_field_map_complete(&entries, &rows, &err));
  assert_false(lrd_field_map_wanted(&entries));
  assert_err(lrd_field_map_complete(&both, &rows, &err), LARDER_EINVAL);
  assert_non_null(strstr(err.message, "not both"));
}

static void a_column_that_is_named_has_to_be_there(void **state) {
  (void)state;
  larder_import_options how = {.size = sizeof how, .ns = "n", .key_field = "fips", .value_row = true};
  mapped(&how, LARDER_FORMAT_CSV, "name,fibs\nA,1\n",
         "!! the first row has to name the columns, and has no fips; is fibs meant?\n");
  how.ttl_field = "lasts";
  mapped(&how, LARDER_FORMAT_CSV, "fips,x\nA,1\n", "!! the first row has to name the columns, and has no lasts\n");
  mapped(&how, LARDER_FORMAT_JSON, "{\"A\":{\"fips\":1}}",
         "!! it is an object without the array \"entries\"; an array of records is expected\n");
}

static void limits_hold_for_made_keys_too(void **state) {
  (void)state;
  lrd_buf text = {0};
  larder_import_options how = {.size = sizeof how, .ns = "n", .key_template = "{k}{k}", .value_row = true};
  assert_ok(lrd_buf_printf(&text, "k\n%0*d\n%0*d\n", 512, 0, 513, 0));
  lrd_field_map map = {0};
  assert_ok(lrd_field_map_init(&map, &how, NULL, NULL));
  char *found = entries_told((const char *)text.data, text.len, LARDER_FORMAT_CSV, &map.picks, 100);
  assert_non_null(strstr(found, "2: key=000"));
  assert_non_null(strstr(found, "3: ! its key has 1026 bytes; at most 1024 are allowed\n"));
  lrd_dealloc(found);
  lrd_field_map_fini(&map);
  lrd_buf_fini(&text);
}

static void options_that_contradict_are_refused(void **state) {
  (void)state;
  static const struct {
    larder_import_options how;
    const char *says;
  } bad[] = {{{.ns = "n", .key_field = "a", .key_template = "{a}"}, "not both"},
             {{.ns = "n", .value_field = "a", .value_row = true}, "not both"},
             {{.key_field = "a"}, "the namespace is named too"},
             {{.ns = "n", .key_template = "a{"}, "a { without its }"},
             {{.ns = "n", .key_template = "all"}, "names no field"}};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    lrd_field_map map = {0};
    larder_error err = {0};
    assert_err(lrd_field_map_init(&map, &bad[i].how, NULL, &err), LARDER_EINVAL);
    assert_non_null(strstr(err.message, bad[i].says));
    lrd_field_map_fini(&map);
  }
  larder_import_options one = {.key_field = "a"}, other = {.key_template = "a"}, none = {.ns = "x"};
  assert_true(lrd_field_map_sum(&one) != lrd_field_map_sum(&other));
  assert_true(lrd_field_map_sum(&none) == 0);
}

static void out_of_memory_is_told_and_leaks_nothing(void **state) {
  static const char text[] = "a,b\n1,2\n3,4\n";
  (void)state;
  larder_import_options how = {.size = sizeof how,
                               .ns = "n",
                               .key_template = "{a}:{b}",
                               .value_row = true,
                               .ttl_field = "b",
                               .version_field = "a",
                               .tags_field = "b"};
  static const char *const variables[] = {"HELD=horsestaple", NULL};
  const lrd_config_import configured = {.given = true, .variables = variables};
  for (uint64_t n = 1;; n++) {
    int64_t live = support_alloc_live();
    entry_drip d = {text, sizeof text - 1, 0, 100};
    lrd_source source = {0};
    lrd_reader_file reader = {0};
    lrd_entry entry = {0};
    lrd_field_map map = {0};
    support_alloc_fail_at(n);
    larder_err err = lrd_field_map_init(&map, &how, &configured, NULL);
    if (err == LARDER_OK) err = lrd_source_init(&source, -1, entry_drip_read, &d);
    lrd_reader_init(&reader, &source, LARDER_FORMAT_CSV, true);
    lrd_reader_pick(&reader, &map.picks);
    if (err == LARDER_OK) err = lrd_reader_begin(&reader);
    while (err == LARDER_OK) err = lrd_reader_next(&reader, &entry);
    bool failed = support_alloc_end() >= n;
    lrd_entry_fini(&entry);
    lrd_reader_fini(&reader);
    lrd_source_fini(&source);
    lrd_field_map_fini(&map);
    assert_int_equal(support_alloc_live(), live);
    assert_err(err, failed ? LARDER_ENOMEM : LARDER_END);
    if (!failed) break;
  }
}

/* Names are those of the file, and shown as the configuration has them. */
static void what_variables_hold_is_in_no_name_that_is_shown(void **state) {
  (void)state;
  static const char *const variables[] = {"HELD=horsestaple", NULL};
  const lrd_config_import configured = {
      .given = true, .key = "{in horsestaple}", .ttl_field = "horsestaple", .tags_field = "plain", .variables = variables};
  larder_import_options how = {.size = sizeof how, .ns = "n", .value_row = true, .version_field = "horsestaple"};
  lrd_field_map map = {0};
  assert_ok(lrd_field_map_complete(&how, &configured, NULL));
  assert_ok(lrd_field_map_init(&map, &how, &configured, NULL));
  assert_int_equal(map.picks.len, 3);
  assert_string_equal(map.picks.picks[0].name, "in horsestaple");
  assert_string_equal(map.picks.picks[0].shown, "in *** (key)");
  assert_true(map.picks.picks[0].configured);
  /* One field for two things is told once. */
  map.read = true;
  assert_string_equal(lrd_field_map_missing(&map, 0), "*** (ttl_field)");
  assert_string_equal(lrd_field_map_missing(&map, 1), "plain");
  assert_null(lrd_field_map_missing(&map, 2));
  map.picks.picks[map.tags].known = true;
  assert_null(lrd_field_map_missing(&map, 1));
  lrd_field_map_fini(&map);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_variables_hold_is_in_no_name_that_is_shown),
      cmocka_unit_test(keys_come_from_fields_and_templates),
      cmocka_unit_test(a_whole_row_is_an_object),
      cmocka_unit_test(a_lifetime_may_be_a_field),
      cmocka_unit_test(a_version_and_tags_may_be_fields),
      cmocka_unit_test(what_is_not_named_is_as_configured),
      cmocka_unit_test(a_column_that_is_named_has_to_be_there),
      cmocka_unit_test(limits_hold_for_made_keys_too),
      cmocka_unit_test(options_that_contradict_are_refused),
      cmocka_unit_test(out_of_memory_is_told_and_leaks_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
