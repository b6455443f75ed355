/* SPDX-License-Identifier: Apache-2.0 */
/* Files of entries, cut up and read: each format, what is wrong with an entry, what is wrong with the whole. */
#include "support/support.h"

#include "entry_texts.h"
#include "warm/base64.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void expect(const char *text, larder_format format, const char *wanted) {
  entries_expect(text, strlen(text), format, NULL, wanted);
}

static void json_lines_are_entries(void **state) {
  (void)state;
  expect(
      "{\"key\":\"a\",\"value\":\"x\"}\n\n  \n{\"value\": {\"n\": [1, 2]} , "
      "\"key\":\"b\",\"ttl\":60,\"tags\":[\"t\",\"u\"]}\r\n"
      "{\"key\":\"c\",\"value\":12.50,\"ns\":\"n\",\"version\":\"v\",\"meta\":\"m\",\"kind\":\"text\",\"other\":[1]}",
      LARDER_FORMAT_JSONL,
      "1: key=a value=x\n4: key=b value={\"n\": [1, 2]} tag=t tag=u json ttl=60000\n5: ns=n key=c value=12.50 meta=m version=v "
      "text\n");
}

static void every_member_is_understood(void **state) {
  (void)state;
  expect("{\"key\":\"a2I=\",\"key_encoding\":\"base64\",\"value\":\"AAH/\",\"value_encoding\":\"base64\",\"meta\":\"bQ==\","
         "\"meta_encoding\":\"base64\",\"ttl\":\"never\"}\n"
         "{\"key\":\"k\",\"value\":\"\",\"ttl\":\"1h30m\",\"fresh_until_ms\":5,\"keep_until_ms\":6,\"stamp\":"
         "\"18446744073709551615\","
         "\"tags\":\"one\",\"redacted\":false}\n"
         "{\"key\":\"k\",\"value\":null,\"version\":null,\"tags\":null,\"ttl\":null,\"kind\":\"json\",\"key_encoding\":\"utf-"
         "8\"}\n",
         LARDER_FORMAT_JSONL,
         "1: key=kb value=\\00\\01\\ff meta=m never\n"
         "2: key=k value= tag=one ttl=5400000 fresh=5 keep=6 stamp=18446744073709551615\n"
         "3: key=k value=null json\n");
}

static void a_bad_line_costs_itself(void **state) {
  (void)state;
  expect("{\"key\":\"a\"}\n{\"value\":1}\n[1]\n{\"key\":\"a\",\n{\"key\":1,\"value\":1}\n{\"key\":\"\",\"value\":1}\n"
         "{\"key\":\"a\",\"value\":1,\"ttl\":\"soon\"}\n{\"key\":\"a\",\"value\":1,\"kind\":\"lamp\"}\n"
         "{\"key\":\"a\",\"value\":1,\"tags\":[\"\"]}\n{\"key\":\"a\",\"value\":1,\"tags\":[1]}\n"
         "{\"key\":\"a\",\"value\":\"?\",\"value_encoding\":\"base64\"}\n{\"key\":\"a\",\"value\":1,\"value_encoding\":"
         "\"rot13\"}\n"
         "{\"key\":\"a\",\"value\":1,\"stamp\":\"-1\"}\n{\"key\":\"a\",\"value\":1,\"ns\":\"\"}\n"
         "{\"key\":\"a\",\"value\":\"***\",\"redacted\":true}\n{\"key\":\"a\",\"value\":1,\"ns\":{}}\n"
         "{\"key\":\"good\",\"value\":1}\n",
         LARDER_FORMAT_JSONL,
         "1: ! it has no value\n2: ! it has no key\n3: ! a line is an object with key and value\n"
         "4: ! no JSON: column 12: a name in quotes is expected\n5: ! key is a text\n6: ! it has no key\n"
         "7: ! ttl is a time such as 90s or 7d, a number of seconds, or never, not soon\n"
         "8: ! kind is one of bytes text json array model wisdom, not lamp\n9: ! a tag has 1 to 128 bytes\n"
         "10: ! tags is a list of texts\n11: ! value is no base64\n12: ! value_encoding is utf-8 or base64, not rot13\n"
         "13: ! stamp is a whole number, not -1\n14: ! its namespace's name has to have 1 to 128 bytes\n"
         "15: ! its secrets were hidden by the export; export it with --include-secrets\n16: ! ns is a text\n"
         "17: key=good value=1 json\n");
}

static void limits_of_an_entry_are_kept(void **state) {
  (void)state;
  lrd_buf text = {0};
  assert_ok(lrd_buf_printf(&text, "{\"key\":\"%0*d\",\"value\":1}\n", 1025, 0));
  assert_ok(lrd_buf_printf(&text, "{\"key\":\"a\",\"value\":1,\"version\":\"%0*d\"}\n", 256, 0));
  assert_ok(lrd_buf_printf(&text, "{\"key\":\"a\",\"value\":1,\"meta\":\"%0*d\"}\n", 4097, 0));
  assert_ok(lrd_buf_printf(&text, "{\"key\":\"a\",\"value\":1,\"tags\":[\"%0*d\"]}\n", 129, 0));
  assert_ok(
      lrd_buf_printf(&text, "{\"key\":\"a\",\"value\":1,\"ns\":\"%0*d\"}\n{\"key\":\"a\",\"value\":1,\"tags\":[", 129, 0));
  for (unsigned i = 0; i < 17; i++) assert_ok(lrd_buf_printf(&text, "%s\"t%u\"", i ? "," : "", i));
  assert_ok(lrd_buf_append_str(&text, "]}\n"));
  assert_ok(lrd_buf_terminate(&text));
  expect((const char *)text.data, LARDER_FORMAT_JSONL,
         "1: ! its key has 1025 bytes; at most 1024 are allowed\n2: ! version has at most 255 bytes\n"
         "3: ! its meta has more than 4096 bytes\n4: ! a tag has 1 to 128 bytes\n"
         "5: ! its namespace's name has to have 1 to 128 bytes\n6: ! more than 16 tags\n");
  lrd_buf_fini(&text);
}

static void json_documents_of_each_shape_are_read(void **state) {
  (void)state;
  expect(" [ {\"key\":\"a\",\"value\":\"x]\\\"}\"} ,\n{\"key\":\"b\",\"value\":[1,\n{\"c\":\"]\"}]} ]\n ", LARDER_FORMAT_JSON,
         "1: key=a value=x]\"}\n2: key=b value=[1,\\0a{\"c\":\"]\"}] json\n");
  expect("{\"note\":\"x\",\n\"entries\":[\n{\"key\":\"a\",\"value\":1}\n,{\"key\":\"b\",\"value\":2}],\"more\":{\"value\":3}}",
         LARDER_FORMAT_JSON,
         "1: key=note value=x\n3: key=a value=1 json\n4: key=b value=2 json\n4: key=more value={\"value\":3} json\n");
  expect("{\"a\":\"text\", \"b\\n\": [1, 2],\n\"c\":null, \"d\": -1.5}", LARDER_FORMAT_JSON,
         "1: key=a value=text\n1: key=b\\0a value=[1, 2] json\n2: key=c value=null json\n2: key=d value=-1.5 json\n");
  expect("[]", LARDER_FORMAT_JSON, "");
  expect("{}", LARDER_FORMAT_JSON, "");
  expect("{\"entries\":[]}", LARDER_FORMAT_JSON, "");
  expect("\xEF\xBB\xBF[{\"key\":\"a\",\"value\":1}]", LARDER_FORMAT_JSON, "1: key=a value=1 json\n");
}

static void a_mistake_inside_an_element_costs_that_one(void **state) {
  (void)state;
  expect(
      "[{\"key\":\"a\",\n\"value\":tru},{\"key\":\"b\",\"value\":1}, 5, [1]]", LARDER_FORMAT_JSON,
      "1: ! no JSON: line 2: true, false or null is expected\n2: key=b value=1 json\n2: ! an entry is an object with key and "
      "value\n2: ! an entry is an object with key and value\n");
  expect("{\"a\":tru,\"b\":1}", LARDER_FORMAT_JSON,
         "1: ! no JSON: line 1: true, false or null is expected\n1: key=b value=1 json\n");
}

static void a_mistake_between_elements_ends_it(void **state) {
  (void)state;
  expect("", LARDER_FORMAT_JSON, "!! line 1: an array of entries, or an object, is expected\n");
  expect("5", LARDER_FORMAT_JSON, "!! line 1: an array of entries, or an object, is expected\n");
  expect("[{\"key\":\"a\",\"value\":1}\n{\"key\":\"b\",\"value\":1}]", LARDER_FORMAT_JSON,
         "1: key=a value=1 json\n!! line 2: a comma or ] is expected\n");
  expect("[{\"key\":\"a\",\"value\":1},]", LARDER_FORMAT_JSON, "1: key=a value=1 json\n!! line 1: an entry is expected\n");
  expect("[{\"key\":\"a\",\"value\":1}", LARDER_FORMAT_JSON, "1: key=a value=1 json\n!! line 1: a comma or ] is expected\n");
  expect("[{\"key\":\"a\",\"val", LARDER_FORMAT_JSON,
         "1: ! no JSON: line 1: the text ends inside a string\n!! line 1: a comma or ] is expected\n");
  expect("[] 1", LARDER_FORMAT_JSON, "!! line 1: the end of the file is expected\n");
  expect("{\"a\" 1}", LARDER_FORMAT_JSON, "!! line 1: a colon is expected\n");
  expect("{1:1}", LARDER_FORMAT_JSON, "!! line 1: a name in quotes is expected\n");
  expect("{\"\\x\":1}", LARDER_FORMAT_JSON, "!! line 1: a name in quotes is expected\n");
}

static void csv_is_read_as_its_rfc_says(void **state) {
  (void)state;
  expect("key,value\r\na,1\r\n\r\n\"b,\"\"c\"\"\",\"x\r\ny\"\r\nd,\n", LARDER_FORMAT_CSV,
         "2: key=a value=1\n4: key=b,\"c\" value=x\\0d\\0ay\n6: key=d value=\n");
  expect("\"value\",extra,\"key\",tags,ttl,kind,value_encoding\n1,z,a,t;u,2h,json,\neHk=,,b,\"[\"\"x;y\"\",\"\"z\"\"]\",,,"
         "base64\n",
         LARDER_FORMAT_CSV, "2: key=a value=1 tag=t tag=u json ttl=7200000\n3: key=b value=xy tag=x;y tag=z\n");
}

static void a_bad_record_costs_itself(void **state) {
  (void)state;
  expect("key,value\na\na,b,c\na\"b,1\n\"a\"b,1\n,1\ngood,1\n\"a,1\nrest", LARDER_FORMAT_CSV,
         "2: ! it has 1 fields; there are 2 columns\n3: ! it has 3 fields; there are 2 columns\n"
         "4: ! a quote stands inside a field that does not begin with one\n"
         "5: ! something follows the closing quote of a field\n6: ! it has no key\n7: key=good value=1\n"
         "8: ! the quotes of a field do not end\n");
}

static void a_table_without_names_is_refused(void **state) {
  (void)state;
  expect("", LARDER_FORMAT_CSV, "!! the first row has to name the columns, key and value among them\n");
  expect("a,b\n1,2\n", LARDER_FORMAT_CSV, "!! the first row has to name the columns, key and value among them\n");
  expect("key,value,key\n", LARDER_FORMAT_CSV, "!! two columns are named key\n");
  expect("key,\"value\n", LARDER_FORMAT_CSV, "!! the row of names: the quotes of a field do not end\n");
  lrd_buf text = {0};
  assert_ok(lrd_buf_append_str(&text, "key,value"));
  for (unsigned i = 0; i < LRD_FILE_FIELDS - 1; i++) assert_ok(lrd_buf_printf(&text, ",c%u", i));
  assert_ok(lrd_buf_terminate(&text));
  expect((const char *)text.data, LARDER_FORMAT_CSV, "!! it has more than 1024 columns\n");
  lrd_buf_fini(&text);
}

static void the_format_is_found_out(void **state) {
  (void)state;
  expect("\n {\"key\":\"a\",\"value\":1}\n{\"key\":\"b\",\"value\":1}", LARDER_FORMAT_AUTO,
         "2: key=a value=1 json\n3: key=b value=1 json\n");
  expect("{\"key\":\"a\",\"value\":1}", LARDER_FORMAT_AUTO, "1: key=a value=1 json\n");
  expect("[{\"key\":\"a\",\"value\":1}]", LARDER_FORMAT_AUTO, "1: key=a value=1 json\n");
  expect("{\"entries\":[{\"key\":\"a\",\"value\":1}]}", LARDER_FORMAT_AUTO, "1: key=a value=1 json\n");
  expect("{\n\"x\":1}", LARDER_FORMAT_AUTO, "2: key=x value=1 json\n");
  expect("key,value\na,1\n", LARDER_FORMAT_AUTO, "2: key=a value=1\n");
  expect("", LARDER_FORMAT_AUTO, "");
}

static void a_streams_trailer_is_held_against_what_came(void **state) {
  static const char line[] = "{\"key\":\"a\",\"value\":1}\n", whole[] = "{\"entries\":[\n{\"key\":\"a\",\"value\":1}\n],\n";
  char sum[LRD_SUM_TEXT], text[512];
  (void)state;
  lrd_sum_format(lrd_sum128(line, strlen(line)), sum);
  snprintf(text, sizeof text, "%s{\"larder_export\":{\"version\":1,\"entries\":1,\"xxh128\":\"%s\"}}\n", line, sum);
  expect(text, LARDER_FORMAT_JSONL, "1: key=a value=1 json\ntrailer 1 right\n");
  text[8] = 'b';
  expect(text, LARDER_FORMAT_JSONL, "1: key=b value=1 json\ntrailer 1 wrong\n");
  lrd_sum_format(lrd_sum128(whole, strlen(whole)), sum);
  snprintf(text, sizeof text, "%s\"larder_export\":{\"version\":1,\"entries\":1,\"xxh128\":\"%s\"}}\n", whole, sum);
  expect(text, LARDER_FORMAT_JSON, "2: key=a value=1 json\ntrailer 1 right\n");
  text[21] = 'b';
  expect(text, LARDER_FORMAT_JSON, "2: key=b value=1 json\ntrailer 1 wrong\n");
}

static void base64_is_strict(void **state) {
  (void)state;
  static const char *const bad[] = {"a", "ab", "abc", "ab=c", "a===", "====", "ab c", "abc=\n", "YQ==YQ==", "a-b_"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    char text[16];
    size_t len = strlen(bad[i]);
    memcpy(text, bad[i], len);
    if (lrd_base64_undo((uint8_t *)text, &len) != LARDER_EINVAL) fail_msg("%s was taken", bad[i]);
  }
  support_random random = {7};
  for (size_t len = 0; len < 200000; len = len < 40 ? len + 1 : len * 3 + 1) {
    lrd_buf text = {0};
    uint8_t *plain = malloc(len + 1);
    assert_non_null(plain);
    for (size_t i = 0; i < len; i++) plain[i] = (uint8_t)support_random_next(&random);
    assert_ok(lrd_base64_append(&text, plain, len));
    assert_int_equal(text.len, (len + 2) / 3 * 4);
    size_t back = text.len;
    if (back > 0) assert_ok(lrd_base64_undo(text.data, &back));
    assert_int_equal(back, len);
    if (len > 0) assert_memory_equal(text.data, plain, len);
    free(plain);
    lrd_buf_fini(&text);
  }
}

static void out_of_memory_is_told_and_leaks_nothing(void **state) {
  static const struct {
    larder_format format;
    const char *text;
  } files[] = {{LARDER_FORMAT_JSONL,
                "{\"key\":\"a\",\"value\":{\"x\":[1,2,3]},\"tags\":[\"t\"]}\n{\"larder_export\":{\"entries\":1}}\n"},
               {LARDER_FORMAT_JSON, "{\"k\":\"v\",\"entries\":[{\"key\":\"a\",\"value\":1}]}"},
               {LARDER_FORMAT_CSV, "key,value,tags\na,1,\"[\"\"x\"\"]\"\nb,2,x;y\n"}};
  (void)state;
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    for (uint64_t n = 1;; n++) {
      int64_t live = support_alloc_live();
      entry_drip d = {files[i].text, strlen(files[i].text), 0, 1000};
      lrd_source source = {0};
      lrd_reader_file reader = {0};
      lrd_entry entry = {0};
      support_alloc_fail_at(n);
      larder_err err = lrd_source_init(&source, -1, entry_drip_read, &d);
      lrd_reader_init(&reader, &source, files[i].format, true);
      if (err == LARDER_OK) err = lrd_reader_begin(&reader);
      while (err == LARDER_OK) err = lrd_reader_next(&reader, &entry);
      bool failed = support_alloc_end() >= n;
      lrd_entry_fini(&entry);
      lrd_reader_fini(&reader);
      lrd_source_fini(&source);
      assert_int_equal(support_alloc_live(), live);
      assert_err(err, failed ? LARDER_ENOMEM : LARDER_END);
      if (!failed) break;
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(json_lines_are_entries),
      cmocka_unit_test(every_member_is_understood),
      cmocka_unit_test(a_bad_line_costs_itself),
      cmocka_unit_test(limits_of_an_entry_are_kept),
      cmocka_unit_test(json_documents_of_each_shape_are_read),
      cmocka_unit_test(a_mistake_inside_an_element_costs_that_one),
      cmocka_unit_test(a_mistake_between_elements_ends_it),
      cmocka_unit_test(csv_is_read_as_its_rfc_says),
      cmocka_unit_test(a_bad_record_costs_itself),
      cmocka_unit_test(a_table_without_names_is_refused),
      cmocka_unit_test(the_format_is_found_out),
      cmocka_unit_test(a_streams_trailer_is_held_against_what_came),
      cmocka_unit_test(base64_is_strict),
      cmocka_unit_test(out_of_memory_is_told_and_leaks_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
