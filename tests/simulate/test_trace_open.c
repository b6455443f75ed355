/* SPDX-License-Identifier: Apache-2.0 */
/* Traces in each format, and every mistake with its place. */
#include "trace_fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void reads(const char *called, const char *text, const larder_trace_options *options, const char *wanted) {
  larder_trace *trace = trace_of_text(called, text, options);
  char *told = trace_told(trace);
  assert_string_equal(told, wanted);
  free(told);
  larder_trace_close(&trace);
}

#define FIELDS(key, bytes)                                                                                                     \
  &(larder_trace_options) { .key_field = key, .size_field = bytes }
#define FORMAT(name)                                                                                                           \
  &(larder_trace_options) { .format = LARDER_TRACE_##name }

/* --- keys ---------------------------------------------------------------------------------------------------------------- */

static void keys_are_lines_as_they_stand(void **state) {
  (void)state;
  reads("t", "a\nb\na\n", NULL, "0 1 0");
  reads("t", "a\r\nb\n\n\na", NULL, "0 1 0");
  reads("t", " a\na\n", NULL, "0 1");
  reads("t",
        "\xEF\xBB\xBF"
        "a\na\n",
        NULL, "0 0");
  reads("t", "", NULL, "");
  reads("t", "{\n}\n{\n", FORMAT(KEYS), "0 1 0");
  reads("t.txt", "key,size\nkey,size\n", NULL, "0 0");
}

static void a_key_that_is_too_long_is_told(void **state) {
  (void)state;
  char *text = malloc(LARDER_TRACE_KEY_MAX + 10);
  assert_non_null(text);
  memcpy(text, "a\n", 2);
  memset(text + 2, 'k', LARDER_TRACE_KEY_MAX + 1);
  strcpy(text + 2 + LARDER_TRACE_KEY_MAX, "\n");
  reads("t", text, NULL, "0 1");
  strcpy(text + 2 + LARDER_TRACE_KEY_MAX, "k\n");
  trace_refused("t", text, NULL, LARDER_EFORMAT, "t:2: a key has 1 to 65536 bytes; this one has 65537");
  free(text);
}

static void no_more_is_read_than_was_asked_for(void **state) {
  (void)state;
  const larder_trace_options two = {.requests_max = 2};
  reads("t", "a\nb\nc\n", &two, "0 1");
  reads("t.csv", "key,size\na,1\nb,2\nc,!\n", &two, "0:1 1:2");
  reads("t.jsonl", "{\"keys\": [\"a\", \"b\", \"c\"]}\n!", &two, "0 1");
  reads("t", "a\n", &two, "0");
}

/* --- tables -------------------------------------------------------------------------------------------------------------- */

static void a_table_is_read_by_the_names_of_its_first_row(void **state) {
  (void)state;
  reads("t.csv", "time,key,size\n1,a,10\n2,b,20\n3,a,10\n", NULL, "0:10 1:20 0:10");
  reads("t.csv", "key\r\na\r\n\r\nb\r\na", NULL, "0 1 0");
  reads("t.CSV.gz", "size,key\n5,\"a,b\"\n6,\"a\"\"b\"\n7,\"two\nlines\"\n5,\"a,b\"\n", NULL, "0:5 1:6 2:7 0:5");
  reads("t.csv", "url,bytes\nx,3\ny,4\n", FIELDS("url", "bytes"), "0:3 1:4");
  reads("t.csv", "url,key\nx,k\ny,k\n", FIELDS("url", NULL), "0 1");
  reads("t", "key\na\nb\n", FORMAT(CSV), "0 1");
}

static void a_table_without_names_has_its_keys_in_front(void **state) {
  (void)state;
  reads("t.csv", "a,1\nb,2\na,3\n", NULL, "0 1 0");
  reads("t.csv", "a,1\nb,2\na,3\n", FIELDS("1", "2"), "0:3 1:2 0:3");
  reads("t.csv", "1,a\n2,b\n3,a\n", FIELDS("2", NULL), "0 1 0");
  reads("t.csv", "a,1\nb,2\n", FIELDS(NULL, "2"), "0:1 1:2");
}

static void an_entry_is_as_large_as_the_largest_said_and_never_nothing(void **state) {
  (void)state;
  larder_trace *trace = trace_of_text("t.csv", "key,size\na,0\nb,5\na,0\nb,9\nb,3\n", NULL);
  larder_trace_facts facts;
  larder_trace_facts_get(trace, &facts);
  assert_true(facts.sized);
  assert_int_equal(facts.requests, 5);
  assert_int_equal(facts.unique, 2);
  assert_int_equal(facts.once, 0);
  assert_int_equal(facts.unique_bytes, 10);
  assert_int_equal(facts.bytes, 29);
  larder_trace_close(&trace);
  trace = trace_of_text("t.csv", "a\nb\nb\n", NULL);
  larder_trace_facts_get(trace, &facts);
  assert_false(facts.sized);
  assert_int_equal(facts.once, 1);
  assert_int_equal(facts.bytes, 0);
  larder_trace_close(&trace);
}

static void mistakes_in_a_table_are_told_with_their_line(void **state) {
  (void)state;
  trace_refused("t.csv", "key,size\na,1\nb\n", NULL, LARDER_EFORMAT, "t.csv:3: the row has 1 cell; column 2 is wanted");
  trace_refused("t.csv", "key,size\na,1\nb,x1\n", NULL, LARDER_EFORMAT,
                "t.csv:3: \"x1\" is no size; expected a whole number of bytes up to 1099511627776");
  trace_refused("t.csv", "key,size\na,\n", NULL, LARDER_EFORMAT,
                "t.csv:2: \"\" is no size; expected a whole number of bytes up to 1099511627776");
  trace_refused("t.csv", "key,size\na,1099511627777\n", NULL, LARDER_EFORMAT,
                "t.csv:2: \"1099511627777\" is no size; expected a whole number of bytes up to 1099511627776");
  trace_refused("t.csv", "key\n\"a\nb\n", NULL, LARDER_EFORMAT, "t.csv:2: the quotes of a field do not end");
  trace_refused("t.csv", "key\n\"a\"b\n", NULL, LARDER_EFORMAT, "t.csv:2: something follows the closing quote of a field");
  trace_refused("t.csv", "key\na\"b\nc\n", NULL, LARDER_EFORMAT,
                "t.csv:2: a quote stands inside a field that does not begin with one");
  trace_refused("t.csv", "key,size\n\"l1\nl2\",1\n,2\n", NULL, LARDER_EFORMAT,
                "t.csv:4: a key has 1 to 65536 bytes; this one has 0");
  trace_refused("t.csv", "url,bytes\nx,3\n", FIELDS("ulr", NULL), LARDER_EFORMAT,
                "t.csv:1: the first row has to name the columns, and has no ulr; is url meant?");
  trace_refused("t.csv", "url,bytes\nx,3\n", FIELDS("url", "octets"), LARDER_EFORMAT,
                "t.csv:1: the first row has to name the columns, and has no octets");
  trace_refused("t.csv", "url,bytes\nx,3\n", FIELDS("url", "2"), LARDER_EINVAL,
                "give both columns by number, or both by name: \"url\" and \"2\"");
  trace_refused("t", "a\n", FIELDS("url", NULL), LARDER_EINVAL, "t is no table: only CSV and JSON Lines have fields");
}

/* Begins as a table with a quote that stands where none may, and goes on for ever. */
static int64_t endless_read(void *context, void *out, size_t room) {
  static const char begin[] = "key\na\"b\n";
  size_t *at = context;
  for (size_t i = 0; i < room; i++, (*at)++) ((char *)out)[i] = *at < sizeof begin - 1 ? begin[*at] : *at % 8 ? 'k' : '\n';
  return (int64_t)room;
}

static void a_quote_out_of_place_does_not_take_the_next_rows_along(void **state) {
  (void)state;
  size_t at = 0;
  larder_trace *trace = NULL;
  larder_error err = {0};
  const larder_trace_options how = {.size = sizeof how, .format = LARDER_TRACE_CSV, .read = endless_read, .read_context = &at};
  assert_err(larder_trace_open("t", &how, &trace, &err), LARDER_EFORMAT);
  assert_string_equal(err.message, "t:2: a quote stands inside a field that does not begin with one");
  assert_true(at < 1000000);
}

/* --- sessions ------------------------------------------------------------------------------------------------------------- */

static void sessions_and_requests_are_lines_of_json(void **state) {
  (void)state;
  reads("t", "{\"key\": \"a\"}\n{\"key\": \"b\", \"size\": 7}\n{\"key\": \"a\"}\n", NULL, "0:1 1:7 0:1");
  reads(
      "t.jsonl",
      "{\"session\": \"s\", \"keys\": [\"a\", \"b\", 12]}\n\n {\"session\": 2, \"keys\": [\"12\", \"a\"]}\r\n{\"keys\": []}\n",
      NULL, "0 1 2 2 0");
  reads(
      "t.ndjson",
      "{\"session\": \"s\", \"user_type\": \"u\", \"requests\": [{\"endpoint\": \"/a\", \"at\": 1}, {\"endpoint\": \"/b\"}]}\n"
      "{\"session\": \"s\", \"endpoint\": \"/a\", \"at\": 3}\n",
      NULL, "0 1 0");
  reads("t.jsonl", "{\"key\": \"a\\u0062\"}\n{\"key\": \"ab\"}\n", NULL, "0 0");
  reads("t.jsonl.zst", "{\"id\": \"a\", \"n\": 2, \"key\": 1}\n{\"id\": \"b\", \"n\": 3, \"key\": 1}\n", FIELDS("id", "n"),
        "0:2 1:3");
  reads("t.jsonl", "{\"keys\": [{\"key\": \"a\", \"size\": null}, \"a\"]}", NULL, "0 0");
}

static void mistakes_in_sessions_are_told_with_their_line(void **state) {
  (void)state;
  trace_refused("t.jsonl", "{\"key\": 1}\n{\"key\": 1\n", NULL, LARDER_EFORMAT,
                "t.jsonl:2: no JSON: column 10: a comma or } is expected");
  trace_refused("t.jsonl", "[1]\n", NULL, LARDER_EFORMAT,
                "t.jsonl:1: a line is an object: {\"key\": …} or {\"session\": …, \"keys\": […]}");
  trace_refused("t.jsonl", "\n\n{\"name\": 1}\n", NULL, LARDER_EFORMAT, "t.jsonl:3: a request has no key");
  trace_refused("t.jsonl", "{\"key\": null}\n", NULL, LARDER_EFORMAT, "t.jsonl:1: a key is a text or a number");
  trace_refused("t.jsonl", "{\"key\": \"\"}\n", NULL, LARDER_EFORMAT, "t.jsonl:1: a key has 1 to 65536 bytes; this one has 0");
  trace_refused("t.jsonl", "{\"keys\": \"a\"}\n", NULL, LARDER_EFORMAT, "t.jsonl:1: the keys of a session are a list");
  trace_refused("t.jsonl", "{\"keys\": [[1]]}\n", NULL, LARDER_EFORMAT, "t.jsonl:1: a key is a text or a number");
  trace_refused("t.jsonl", "{\"key\": 1, \"size\": -1}\n", NULL, LARDER_EFORMAT,
                "t.jsonl:1: a size is a whole number of bytes up to 1099511627776");
  trace_refused("t.jsonl", "{\"key\": 1}\n", FIELDS(NULL, "bytes"), LARDER_EFORMAT, "t.jsonl:1: a request has no bytes");
}

/* --- the binary format -----------------------------------------------------------------------------------------------------
 */

static void ltrc_refused(const void *data, size_t len, const char *wanted) {
  larder_trace *trace = NULL;
  larder_error err = {0};
  assert_err(trace_open_bytes("t", data, len, 5, FORMAT(LTRC), &trace, &err), LARDER_EFORMAT);
  assert_string_equal(err.message, wanted);
}

static void the_binary_format_is_read(void **state) {
  (void)state;
  static const uint32_t ids[] = {0, 1, 0, 2}, sizes[] = {5, 6, 7, 0};
  lrd_buf bytes = {0};
  larder_trace *trace = trace_of_ids(ids, NULL, 4);
  char *told = trace_told(trace);
  assert_string_equal(told, "0 1 0 2");
  free(told);
  larder_trace_close(&trace);
  trace = trace_of_ids(ids, sizes, 4);
  told = trace_told(trace);
  assert_string_equal(told, "0:7 1:6 0:7 2:1");
  free(told);
  larder_trace_close(&trace);
  for (int sized = 0; sized < 2; sized++) {
    larder_error err = {0};
    lrd_buf_clear(&bytes);
    trace_ltrc(&bytes, ids, sized ? sizes : NULL, 4);
    const larder_trace_options two = {.requests_max = 2};
    assert_ok(trace_open_bytes("t", bytes.data, bytes.len, 3, &two, &trace, &err));
    told = trace_told(trace);
    assert_string_equal(told, sized ? "0:5 1:6" : "0 1");
    free(told);
    larder_trace_close(&trace);
  }
  lrd_buf_fini(&bytes);
  trace = trace_of_ids(ids, NULL, 0);
  larder_trace_close(&trace);
}

static void a_binary_file_that_lies_is_told(void **state) {
  (void)state;
  static const uint32_t ids[] = {0, 2}, fine[] = {0, 1};
  lrd_buf bytes = {0};
  ltrc_refused("LTRC0002", 8, "t: it does not begin with LTRC0001");
  ltrc_refused("LTRC0001\1\0\0\0\0\0\0\0\0\0\0", 19, "t: it breaks off within its head");
  ltrc_refused("LTRC0001\1\0\0\0\0\0\0\0\2\0\0\0", 20, "t: its head says 2 where 0 or 1 says whether sizes follow");
  /* A count that nothing could hold costs no memory. */
  ltrc_refused("LTRC0001\377\377\377\377\377\377\377\377\0\0\0\0\0\0\0\0", 24,
               "t: it breaks off after 1 of 18446744073709551615 requests");
  trace_ltrc(&bytes, ids, NULL, 2);
  ltrc_refused(bytes.data, bytes.len, "t: request 2 is for key 2 before there was a key 1");
  lrd_buf_clear(&bytes);
  trace_ltrc(&bytes, fine, fine, 2);
  ltrc_refused(bytes.data, bytes.len - 1, "t: it breaks off after 1 of 2 sizes");
  assert_ok(lrd_buf_append_byte(&bytes, 0));
  ltrc_refused(bytes.data, bytes.len, "t: something follows its 2 requests");
  lrd_buf_fini(&bytes);
}

/* --- files, streams, faults --------------------------------------------------------------------------------------------------
 */

static void a_file_is_read_and_what_is_none_is_told(void **state) {
  char *path = support_path(*state, "t.csv");
  larder_trace *trace = NULL;
  larder_error err = {0};
  support_file_write(path, "key,size\na,1\n", 13);
  assert_ok(larder_trace_open(path, NULL, &trace, &err));
  assert_int_equal(trace->requests, 1);
  larder_trace_close(&trace);
  larder_trace_close(&trace);
  larder_trace_close(NULL);
  assert_err(larder_trace_open(*state, NULL, &trace, &err), LARDER_EINVAL);
  assert_non_null(strstr(err.message, "is no ordinary file"));
  assert_err(larder_trace_open("/nowhere/t.csv", NULL, &trace, &err), LARDER_MISS);
  assert_string_equal(err.message, "/nowhere/t.csv can't be read: No such file or directory");
  assert_err(larder_trace_open(NULL, NULL, &trace, &err), LARDER_EINVAL);
  const larder_trace_options other = {.size = 3};
  assert_err(larder_trace_open(path, &other, &trace, &err), LARDER_EINVAL);
  assert_err(larder_trace_open(path, &other, &trace, NULL), LARDER_EINVAL);
  free(path);
}

static void every_fault_of_the_disk_is_told(void **state) {
  char *path = support_path(*state, "t.csv");
  larder_error err = {0};
  support_file_write(path, "key,size\na,1\n", 13);
  for (uint64_t n = 1;; n++) {
    larder_trace *trace = NULL;
    int64_t live = support_alloc_live();
    support_fs_fail_at(SUPPORT_ANY_OP, n, EIO);
    larder_err result = larder_trace_open(path, NULL, &trace, &err);
    bool failed = support_fs_end() >= n;
    assert_err(result, failed ? LARDER_EIO : LARDER_OK);
    if (failed) assert_non_null(strstr(err.message, "read"));
    larder_trace_close(&trace);
    assert_int_equal(support_alloc_live(), live);
    if (!failed) break;
    assert_true(n < 20);
  }
  free(path);
}

static int64_t broken_read(void *context, void *out, size_t room) {
  (void)context;
  (void)out;
  return room > 0 ? -1 : 0;
}

static void a_broken_stream_is_told(void **state) {
  (void)state;
  larder_trace *trace = NULL;
  larder_error err = {0};
  const larder_trace_options how = {.size = sizeof how, .read = broken_read};
  assert_err(larder_trace_open("it", &how, &trace, &err), LARDER_EIO);
  assert_string_equal(err.message, "it: it can't be read");
}

static bool progress_stops(void *context, uint64_t bytes, uint64_t bytes_total) {
  assert_true(bytes_total == 0 || bytes <= bytes_total);
  return (*(int *)context)-- > 0;
}

static void reading_can_be_cancelled(void **state) {
  (void)state;
  int left = 0;
  larder_trace *trace = NULL;
  larder_error err = {0};
  const larder_trace_options how = {.progress = progress_stops, .context = &left};
  assert_err(trace_open_bytes("t", "a\nb\n", 4, 1, &how, &trace, &err), LARDER_ECANCELLED);
  assert_null(trace);
  left = 100;
  assert_ok(trace_open_bytes("t", "a\nb\n", 4, 4, &how, &trace, &err));
  assert_int_equal(left, 99);
  larder_trace_close(&trace);
}

static void without_memory_nothing_is_left_behind(void **state) {
  (void)state;
  static const struct {
    const char *called;
    const char *text;
  } files[] = {{"t", "a\nb\na\n"},
               {"t.csv", "key,size\n\"a\",1\nb,2\n"},
               {"t.jsonl", "{\"key\": \"a\\u0062\"}\n{\"keys\": [{\"key\": \"c\", \"size\": 9}]}\n"}};
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    for (uint64_t n = 1;; n++) {
      larder_trace *trace = NULL;
      larder_error err = {0};
      int64_t live = support_alloc_live();
      support_alloc_fail_at(n);
      larder_err result = trace_open_bytes(files[i].called, files[i].text, strlen(files[i].text), 5, NULL, &trace, &err);
      bool failed = support_alloc_end() >= n;
      if (result != LARDER_OK) {
        assert_err(result, LARDER_ENOMEM);
        assert_non_null(strstr(err.message, "out of memory"));
        assert_null(trace);
      }
      larder_trace_close(&trace);
      assert_int_equal(support_alloc_live(), live);
      if (!failed) break;
    }
  }
}

static void many_keys_keep_their_numbers(void **state) {
  (void)state;
  lrd_trace_keys keys = {0};
  char key[16];
  uint32_t number;
  for (unsigned i = 0; i < 50000; i++) {
    int len = snprintf(key, sizeof key, "%u", i * 7);
    assert_ok(lrd_trace_keys_number(&keys, key, (size_t)len, &number));
    assert_int_equal(number, i);
  }
  for (unsigned i = 0; i < 50000; i++) {
    int len = snprintf(key, sizeof key, "%u", i * 7);
    assert_ok(lrd_trace_keys_number(&keys, key, (size_t)len, &number));
    assert_int_equal(number, i);
  }
  lrd_trace_keys_fini(&keys);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(keys_are_lines_as_they_stand),
      cmocka_unit_test(a_key_that_is_too_long_is_told),
      cmocka_unit_test(no_more_is_read_than_was_asked_for),
      cmocka_unit_test(a_table_is_read_by_the_names_of_its_first_row),
      cmocka_unit_test(a_table_without_names_has_its_keys_in_front),
      cmocka_unit_test(an_entry_is_as_large_as_the_largest_said_and_never_nothing),
      cmocka_unit_test(mistakes_in_a_table_are_told_with_their_line),
      cmocka_unit_test(a_quote_out_of_place_does_not_take_the_next_rows_along),
      cmocka_unit_test(sessions_and_requests_are_lines_of_json),
      cmocka_unit_test(mistakes_in_sessions_are_told_with_their_line),
      cmocka_unit_test(the_binary_format_is_read),
      cmocka_unit_test(a_binary_file_that_lies_is_told),
      SUPPORT_DIR_TEST(a_file_is_read_and_what_is_none_is_told),
      SUPPORT_DIR_TEST(every_fault_of_the_disk_is_told),
      cmocka_unit_test(a_broken_stream_is_told),
      cmocka_unit_test(reading_can_be_cancelled),
      cmocka_unit_test(without_memory_nothing_is_left_behind),
      cmocka_unit_test(many_keys_keep_their_numbers),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
