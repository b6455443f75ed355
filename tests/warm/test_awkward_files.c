/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What files of other programs really look like, each with its one right answer. CSV by RFC 4180, JSON by RFC 8259; the JSON
 * cases follow the list of JSONTestSuite, its names in the comments: y_ must be read, n_ must be refused, i_ is our choice.
 */
#include "entry_texts.h"
#include "support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct awkward {
  const char *text;
  size_t len; /* 0: up to the NUL */
  const char *wanted;
} awkward;

#define WITH_NUL(text) text, sizeof(text) - 1

static void all_are_right(const awkward *cases, size_t count, larder_format format) {
  for (size_t i = 0; i < count; i++)
    entries_expect(cases[i].text, cases[i].len > 0 ? cases[i].len : strlen(cases[i].text), format, NULL, cases[i].wanted);
}

static void tables(void **state) {
  (void)state;
  static const awkward cases[] = {
      /* Quotes. */
      {"key,value\nk,\"say \"\"hi\"\"\"\n", 0, "2: key=k value=say \"hi\"\n"},
      {"key,value\nk,\"\"\n", 0, "2: key=k value=\n"},
      {"key,value\nk,\"\"\"\"\n", 0, "2: key=k value=\"\n"},
      {"key,value\nk,\"\"\"\"\"\"\n", 0, "2: key=k value=\"\"\n"},
      {"key,value\nk,\"a,b\"\n", 0, "2: key=k value=a,b\n"},
      {"key,value\nk,\"\"\"\n", 0, "2: ! the quotes of a field do not end\n"},
      {"key,value\nk, \"a\"\n", 0, "2: ! a quote stands inside a field that does not begin with one\n"},
      {"key,value\nk,\"a\" \n", 0, "2: ! something follows the closing quote of a field\n"},
      {"key,value\nk,a\"b\"\nl,2\n", 0, "2: ! a quote stands inside a field that does not begin with one\n3: key=l value=2\n"},
      {"key,value\nk,'a,b'\n", 0, "2: ! it has 3 fields; there are 2 columns\n"},
      {"key,value\nk,\\\"a\\\"\n", 0, "2: ! a quote stands inside a field that does not begin with one\n"},
      /* Line ends, also inside quotes; lines are counted through them. */
      {"key,value\r\nk,1\r\n", 0, "2: key=k value=1\n"},
      {"key,value\nk,\"a\nb\"\nl,\"c\r\nd\"\nm,1", 0, "2: key=k value=a\\0ab\n4: key=l value=c\\0d\\0ad\n6: key=m value=1\n"},
      {"key,value\nk,\"\n\n\n\"\nl,1", 0, "2: key=k value=\\0a\\0a\\0a\n6: key=l value=1\n"},
      {"\"key\n\",value\nk,1", 0, "!! the first row has to name the columns, key and value among them\n"},
      {"key,value\nk,1", 0, "2: key=k value=1\n"},
      {"key,value\nk,1\r", 0, "2: key=k value=1\n"},
      {"key,value\nk,\"1\"\r", 0, "2: key=k value=1\n"},
      {"key,value\nk,1\r\r\n", 0, "2: key=k value=1\\0d\n"},
      {"key,value\nk,a\rb\n", 0, "2: key=k value=a\\0db\n"},
      {"key,value\rk,1\r", 0, "!! a carriage return stands in the row of names; lines end with LF or CRLF\n"},
      {"key,value\n\n\r\n\nk,1\n\n", 0, "5: key=k value=1\n"},
      {"key,value\n  \nk,1", 0, "2: ! it has 1 fields; there are 2 columns\n3: key=k value=1\n"},
      {"key,value\xE2\x80\xA8k,1\n", 0, "!! the first row has to name the columns, key and value among them\n"},
      /* Marks of byte order: the first says nothing, a later one is part of its field. */
      {"\xEF\xBB\xBFkey,value\nk,1", 0, "2: key=k value=1\n"},
      {"\xEF\xBB\xBF\"key\",value\nk,1", 0, "2: key=k value=1\n"},
      {"\xEF\xBB\xBF\xEF\xBB\xBFkey,value\nk,1", 0, "!! the first row has to name the columns, key and value among them\n"},
      {"key,value\n\xEF\xBB\xBFk,1", 0, "2: key=\\ef\\bb\\bfk value=1\n"},
      {WITH_NUL("\xFF\xFEk\0e\0y\0,\0v\0"), "!! the name of column 1 holds a NUL\n"},
      /* Empty fields and ragged rows. */
      {"key,value,tags,ttl,version\nk,,,,\n", 0, "2: key=k value=\n"},
      {"key,value\n,1\nk,\n,\n", 0, "2: ! it has no key\n3: key=k value=\n4: ! it has no key\n"},
      {"key,value\nk\nk,1,\nk,1,2\n", 0,
       "2: ! it has 1 fields; there are 2 columns\n3: ! it has 3 fields; there are 2 columns\n4: ! it has 3 fields; there are "
       "2 "
       "columns\n"},
      {"key,value,,\nk,1,,\nl,2,3,4\n", 0, "2: key=k value=1\n3: key=l value=2\n"},
      {",key,value\n0,k,1\n", 0, "2: key=k value=1\n"},
      {"key,value,value\nk,1,2\n", 0, "!! two columns are named value\n"},
      {"Key,Value\nk,1\n", 0, "!! the first row has to name the columns, key and value among them\n"},
      {" key,value\nk,1\n", 0, "!! the first row has to name the columns, key and value among them\n"},
      {"key;value\nk;1\n", 0, "!! the row of names holds no comma; fields are parted by commas\n"},
      {"key\tvalue\nk\t1\n", 0, "!! the row of names holds no comma; fields are parted by commas\n"},
      {"key,value\n", 0, ""},
      {"key,value", 0, ""},
      {"\n", 0, "!! the first row has to name the columns, key and value among them\n"},
      /* Bytes: a field is what stands there. */
      {WITH_NUL("key,value\nk\0l,a\0b\n"), "2: key=k\\00l value=a\\00b\n"},
      {"key,value\n\xC3\xBC,\xE2\x82\xAC\n\xFF\xFE,\xC0\x80\n", 0,
       "2: key=\\c3\\bc value=\\e2\\82\\ac\n3: key=\\ff\\fe value=\\c0\\80\n"},
      {"key,value\n  k  , 1 \n", 0, "2: key=  k   value= 1 \n"},
      {"key,value\n-0,-0\n1e400,1e400\n0x1F,+1\n=1+1,@x\n", 0,
       "2: key=-0 value=-0\n3: key=1e400 value=1e400\n4: key=0x1F value=+1\n5: key==1+1 value=@x\n"},
      {"key,value\n00123,007\n", 0, "2: key=00123 value=007\n"},
      {"key,value\nk,null\nl,true\nm,NULL\n", 0, "2: key=k value=null\n3: key=l value=true\n4: key=m value=NULL\n"},
      {"key,value,ttl\nk,1,99999999999999999999999\nl,1,-1\nm,1,1e9\nn,1,0\n", 0,
       "2: ! ttl is a time such as 90s or 7d, a number of seconds, or never, not 99999999999999999999999\n"
       "3: ! ttl is a time such as 90s or 7d, a number of seconds, or never, not -1\n"
       "4: ! ttl is a time such as 90s or 7d, a number of seconds, or never, not 1e9\n"
       "5: ! ttl is a time such as 90s or 7d, a number of seconds, or never, not 0\n"},
      {"key,value,stamp\nk,1,18446744073709551615\nl,1,18446744073709551616\n", 0,
       "2: key=k value=1 stamp=18446744073709551615\n3: ! stamp is a whole number, not 18446744073709551616\n"}};
  all_are_right(cases, sizeof cases / sizeof *cases, LARDER_FORMAT_CSV);
}

static void lines(void **state) {
  (void)state;
  static const awkward cases[] = {
      {"{\"key\":\"k\",\"value\":1}\r\n{\"key\":\"l\",\"value\":2}\r\n", 0, "1: key=k value=1 json\n2: key=l value=2 json\n"},
      {"{\"key\":\"k\",\"value\":1}\r{\"key\":\"l\",\"value\":2}\r", 0,
       "1: ! no JSON: column 23: nothing may follow the value\n"},
      {"{\"key\":\"k\",\"value\":1}", 0, "1: key=k value=1 json\n"},
      {"\xEF\xBB\xBF{\"key\":\"k\",\"value\":1}\n", 0, "1: key=k value=1 json\n"},
      {"{\"key\":\"k\",\"value\":1}\n\xEF\xBB\xBF{\"key\":\"k\",\"value\":1}\n", 0,
       "1: key=k value=1 json\n2: ! no JSON: column 1: a value is expected\n"},
      {"\n\r\n \t\n{\"key\":\"k\",\"value\":1}\n\n", 0, "4: key=k value=1 json\n"},
      {"{\"key\":\"k\",\"value\":1}{\"key\":\"l\",\"value\":2}\n", 0,
       "1: ! no JSON: column 22: nothing may follow the value\n"},
      {"{\"key\":\"k\",\n\"value\":1}\n{\"key\":\"l\",\"value\":2}\n", 0,
       "1: ! no JSON: column 12: a name in quotes is expected\n2: ! no JSON: column 8: nothing may follow the value\n3: key=l "
       "value=2 "
       "json\n"},
      {WITH_NUL("\0\n{\"key\":\"k\0\",\"value\":1}\n{\"key\":\"k\",\"value\":1}\0\n"),
       "1: ! no JSON: column 1: a value is expected\n2: ! no JSON: column 10: a control character in a string has to be "
       "escaped\n"
       "3: ! no JSON: column 22: nothing may follow the value\n"},
      /* Names that come twice: the last one counts, and takes back what the first said. */
      {"{\"key\":\"a\",\"key\":\"b\",\"value\":1,\"value\":\"x\",\"tags\":[\"t\"],\"tags\":[\"u\"]}", 0,
       "1: key=b value=x tag=u\n"},
      {"{\"key\":\"a\",\"value\":\"eA==\",\"value_encoding\":\"base64\",\"value_encoding\":\"utf-8\"}", 0,
       "1: key=a value=eA==\n"},
      {"{\"key\":\"a\",\"value\":\"x\",\"value\":1}", 0, "1: key=a value=1 json\n"},
      {"{\"k\\u0065y\":\"a\",\"value\":1}", 0, "1: key=a value=1 json\n"},
      {"{\"Key\":\"a\",\"value\":1}", 0, "1: ! it has no key\n"},
      /* Texts. */
      {"{\"key\":\"\\ud83d\\ude00\",\"value\":\"\\u0000\\n\\/\\u00e9\"}", 0,
       "1: key=\\f0\\9f\\98\\80 value=\\00\\0a/\\c3\\a9\n"},
      {"{\"key\":\"\\u0000\",\"value\":\"\"}", 0, "1: key=\\00 value=\n"},
      {"{\"key\":\"\",\"value\":1}\n{\"key\":null,\"value\":1}\n{\"key\":5,\"value\":1}\n{\"key\":[],\"value\":1}", 0,
       "1: ! it has no key\n2: ! it has no key\n3: ! key is a text\n4: ! key is a text\n"},
      {"{\"key\":\"k\",\"value\":1,\"ttl\":1e400}\n{\"key\":\"k\",\"value\":1,\"ttl\":-0}", 0,
       "1: ! ttl is a time such as 90s or 7d, a number of seconds, or never, not 1e400\n"
       "2: ! ttl is a time such as 90s or 7d, a number of seconds, or never, not -0\n"},
      {"null\ntrue\n1\n\"x\"\n[]\n{}\n", 0,
       "1: ! a line is an object with key and value\n2: ! a line is an object with key and value\n"
       "3: ! a line is an object with key and value\n4: ! a line is an object with key and value\n"
       "5: ! a line is an object with key and value\n6: ! it has no key\n"}};
  all_are_right(cases, sizeof cases / sizeof *cases, LARDER_FORMAT_JSONL);
}

/* --- values ----------------------------------------------------------------------------------------------------------------
 */

typedef struct json_case {
  const char *text;
  size_t len; /* 0: up to the NUL */
} json_case;

static const json_case good_values[] = {
    {"[]", 0},         /* y_array_empty */
    {"[ ]", 0},        /* y_array_arraysWithSpaces */
    {"[\"\"]", 0},     /* y_array_empty-string */
    {"[1,null,2]", 0}, /* y_array_several_null */
    {"[false] ", 0},   /* y_array_with_trailing_space */
    {"123e65", 0},     /* y_number */
    {"0e+1", 0},       /* y_number_0e+1 */
    {"-0", 0},         /* y_number_negative_zero */
    {"-0.0e-0", 0},    /* ours */
    {"-0.000000000000000000000000000000000000000000000000000000000000000000000000000001",
     0},                                     /* y_number_double_close_to_zero */
    {"1E22", 0},                             /* y_number_real_capital_e */
    {"123.456e78", 0},                       /* y_number_real_exponent */
    {"1e400", 0},                            /* i_number_huge_exp: kept as it stands */
    {"-1e+9999", 0},                         /* i_number_neg_int_huge_exp */
    {"1e-10000", 0},                         /* i_number_double_huge_neg_exp */
    {"123123123123123123123123123123", 0},   /* i_number_too_big_pos_int */
    {"{\"a\":\"b\",\"a\":\"c\"}", 0},        /* y_object_duplicated_key */
    {"{\"\":0}", 0},                         /* y_object_empty_key */
    {"{\"foo\\u0000bar\": 42}", 0},          /* y_object_escaped_null_in_key */
    {"[\"\\u0060\\u012a\\u12AB\"]", 0},      /* y_string_1_2_3_bytes_UTF-8_sequences */
    {"[\"\\uD801\\udc37\"]", 0},             /* y_string_accepted_surrogate_pair */
    {"[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]", 0}, /* y_string_allowed_escapes */
    {"[\"a/*b*/c/*d//e\"]", 0},              /* y_string_comments */
    {"[\"\\uDBFF\\uDFFE\"]", 0},             /* y_string_nonCharacterInUTF-8_U+10FFFF */
    {"[\"\xEF\xBF\xBF\"]", 0},               /* y_string_nonCharacterInUTF-8_U+FFFF */
    {"[\"\xE2\x80\xA8\"]", 0},               /* y_string_u+2028_line_sep */
    {"[\"\x7F\"]", 0},                       /* y_string_unescaped_char_delete */
    {"[\"\xF4\x8F\xBF\xBF\"]", 0},           /* ours: the last character there is */
    {"\" \"", 0},                            /* y_structure_lonely_string */
    {"null", 0},                             /* y_structure_lonely_null */
};

static const json_case bad_values[] = {
    {"[1 true]", 0},                       /* n_array_1_true_without_comma */
    {"[\"\": 1]", 0},                      /* n_array_colon_instead_of_comma */
    {"[,1]", 0},                           /* n_array_comma_and_number */
    {"[1,,2]", 0},                         /* n_array_double_comma */
    {"[\"x\"]]", 0},                       /* n_array_extra_close */
    {"[\"\",]", 0},                        /* n_array_extra_comma */
    {"[x", 0},                             /* n_array_incomplete_invalid_value */
    {"[-]", 0},                            /* n_array_just_minus */
    {"[fals]", 0},                         /* n_incomplete_false */
    {"[++1234]", 0},                       /* n_number_++ */
    {"+1", 0},                             /* n_number_+1 */
    {"-01", 0},                            /* n_number_-01 */
    {"-2.", 0},                            /* n_number_-2. */
    {"-NaN", 0},                           /* n_number_-NaN */
    {".2e-3", 0},                          /* n_number_.2e-3 */
    {"0.e1", 0},                           /* n_number_0.e1 */
    {"0e", 0},                             /* n_number_0e */
    {"1.0e+", 0},                          /* n_number_1.0e+ */
    {"1 000.0", 0},                        /* n_number_1_000 */
    {"1eE2", 0},                           /* n_number_1eE2 */
    {"0x42", 0},                           /* n_number_hex_2_digits */
    {"Infinity", 0},                       /* n_number_infinity */
    {"NaN", 0},                            /* n_number_NaN */
    {"\xEF\xBC\x91", 0},                   /* n_number_U+FF11_fullwidth_digit_one */
    {"1a", 0},                             /* n_number_with_alpha_char */
    {"012", 0},                            /* n_number_with_leading_zero */
    {"{\"x\", null}", 0},                  /* n_object_comma_instead_of_colon */
    {"{\"x\"::\"b\"}", 0},                 /* n_object_double_colon */
    {"{key: \"v\"}", 0},                   /* n_object_unquoted_key */
    {"{'a':0}", 0},                        /* n_object_single_quote */
    {"{\"id\":0,}", 0},                    /* n_object_trailing_comma */
    {"{\"a\":/*comment*/\"b\"}", 0},       /* n_structure_object_with_comment */
    {"{\"a\":\"b\"}#", 0},                 /* n_object_trailing_comment */
    {"[\"\\uD800\\u\"]", 0},               /* n_string_1_surrogate_then_escape_u */
    {"[\"\\uD800\\u1x\"]", 0},             /* n_string_1_surrogate_then_escape_u1x */
    {"[\"\\x00\"]", 0},                    /* n_string_escape_x */
    {"[\"\\\\\\\"]", 0},                   /* n_string_escaped_backslash_bad */
    {"[\"\\a\"]", 0},                      /* n_string_invalid_backslash_esc */
    {"[\"\\u00A\"]", 0},                   /* n_string_incomplete_escaped_character */
    {"[\"\t\"]", 0},                       /* n_string_unescaped_tab */
    {"[\"\x1F\"]", 0},                     /* n_string_unescaped_ctrl_char */
    {WITH_NUL("[\"a\0a\"]")},              /* n_string_unescaped_ctrl_char, NUL */
    {WITH_NUL("[1\0]")},                   /* n_multidigit_number_then_00 */
    {"['single quote']", 0},               /* n_string_single_quote */
    {"[\"\xE5\"]", 0},                     /* n_string_invalid-utf-8-in-escape and kin */
    {"[\"\\uDADA\"]", 0},                  /* i_string_1st_surrogate_but_2nd_missing: refused, it is no character */
    {"[\"\\ud800\\ud800\"]", 0},           /* i_string_1st_valid_surrogate_2nd_invalid */
    {"[\"\\uDd1ea\"]", 0},                 /* i_string_inverted_surrogates and lone ones */
    {"[\"\xFF\"]", 0},                     /* i_string_invalid_utf-8 */
    {"[\"\xED\xA0\x80\"]", 0},             /* i_string_UTF-8_invalid_sequence: a surrogate */
    {"[\"\xC0\xAF\"]", 0},                 /* i_string_overlong_sequence_2_bytes */
    {"[\"\xE0\x80\xAF\"]", 0},             /* ours: three bytes */
    {"[\"\xFC\x83\xBF\xBF\xBF\xBF\"]", 0}, /* i_string_overlong_sequence_6_bytes */
    {"[\"\xF4\xBF\xBF\xBF\"]", 0},         /* i_string_not_in_unicode_range */
    {"[\"\xE2\x82\"]", 0},                 /* i_string_truncated-utf-8 */
    {"[\"\x81\"]", 0},                     /* i_string_lone_utf8_continuation_byte */
    {"\xEF\xBB\xBF{}", 0},                 /* n_structure_UTF8_BOM_no_data and kin: not in the middle */
    {"\xE2\x81\xA0", 0},                   /* n_structure_U+2060_word_joined */
    {"<.>", 0},                            /* n_structure_angle_bracket_. */
    {"TRUE", 0},                           /* n_structure_capitalized_True */
    {"", 0},                               /* n_structure_no_data */
    {"[a]", 0},                            /* n_structure_unclosed_array_unfinished_true and kin */
    {"{]", 0},
    {"[}", 0},
};

static lrd_buf record_of(const json_case *one) {
  lrd_buf text = {0};
  assert_ok(lrd_buf_append_str(&text, "{\"key\":\"k\",\"value\":"));
  assert_ok(lrd_buf_append(&text, one->text, one->len > 0 ? one->len : strlen(one->text)));
  assert_ok(lrd_buf_append_str(&text, "}"));
  return text;
}

static void values_that_are_json_are_kept_as_they_stand(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof good_values / sizeof *good_values; i++) {
    lrd_buf text = record_of(&good_values[i]);
    char *found = entries_told((const char *)text.data, text.len, LARDER_FORMAT_JSONL, NULL, 5);
    size_t len = strlen(good_values[i].text);
    while (good_values[i].text[len - 1] == ' ') len--;
    bool quoted = good_values[i].text[0] == '"';
    bool plain = strncmp(found, "1: key=k value=", 15) == 0 && strchr(found, '\n') == found + strlen(found) - 1;
    if (!plain) fail_msg("%s gave %s", good_values[i].text, found);
    if (!quoted && strstr(found, "\\x") == NULL && strspn(good_values[i].text, "0123456789eE+-.") == len)
      assert_memory_equal(found + 15, good_values[i].text, len);
    assert_true(quoted || strstr(found, " json\n") != NULL);
    lrd_dealloc(found);
    lrd_buf_fini(&text);
  }
}

static void what_is_no_json_costs_its_entry(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof bad_values / sizeof *bad_values; i++) {
    lrd_buf text = record_of(&bad_values[i]);
    char *found = entries_told((const char *)text.data, text.len, LARDER_FORMAT_JSONL, NULL, 5);
    if (strncmp(found, "1: ! no JSON: column ", 21) != 0) fail_msg("number %zu, %s, gave %s", i, bad_values[i].text, found);
    lrd_dealloc(found);
    lrd_buf_fini(&text);
    /* In a document it may leave no telling where the next element begins, and is never taken. */
    assert_ok(lrd_buf_append_str(&text, "["));
    lrd_buf record = record_of(&bad_values[i]);
    assert_ok(lrd_buf_append(&text, record.data, record.len));
    assert_ok(lrd_buf_append_str(&text, "]"));
    found = entries_told((const char *)text.data, text.len, LARDER_FORMAT_JSON, NULL, 5);
    if (strstr(found, "key=k") != NULL || strchr(found, '!') == NULL) fail_msg("%s gave %s", bad_values[i].text, found);
    lrd_dealloc(found);
    lrd_buf_fini(&text);
    lrd_buf_fini(&record);
  }
}

static void depth_has_a_limit(void **state) {
  (void)state;
  for (size_t depth = 100; depth <= 100000; depth *= 10) {
    lrd_buf text = {0};
    assert_ok(lrd_buf_append_str(&text, "{\"key\":\"k\",\"value\":"));
    for (size_t i = 0; i < depth; i++) assert_ok(lrd_buf_append_byte(&text, '['));
    for (size_t i = 0; i < depth; i++) assert_ok(lrd_buf_append_byte(&text, ']'));
    assert_ok(lrd_buf_append_str(&text, "}\n{\"key\":\"l\",\"value\":1}"));
    char *found = entries_told((const char *)text.data, text.len, LARDER_FORMAT_JSONL, NULL, 1 << 16);
    assert_true((strncmp(found, "1: key=k", 8) == 0) == (depth < LRD_JSON_READ_DEPTH_MAX));
    assert_non_null(strstr(found, "2: key=l value=1 json\n"));
    lrd_dealloc(found);
    lrd_buf_fini(&text);
  }
}

/* 64 KiB and what lies around it, in each format, also where the quotes and the pieces meet. */
static void long_fields_are_whole(void **state) {
  (void)state;
  static const size_t sizes[] = {65535, 65536, 65537, 300000};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    for (int csv = 0; csv < 2; csv++) {
      lrd_buf text = {0}, wanted = {0};
      assert_ok(lrd_buf_append_str(&text, csv ? "key,value\nk,\"" : "{\"key\":\"k\",\"value\":\""));
      assert_ok(lrd_buf_append_str(&wanted, csv ? "2: key=k value=" : "1: key=k value="));
      for (size_t j = 0; j < sizes[i]; j++) {
        uint8_t c = j % 1000 == 999 ? '"' : (uint8_t)('a' + j % 26);
        if (c == '"') assert_ok(lrd_buf_append_byte(&text, csv ? '"' : '\\'));
        assert_ok(lrd_buf_append_byte(&text, c));
        assert_ok(lrd_buf_append_byte(&wanted, c));
      }
      assert_ok(lrd_buf_append_str(&text, csv ? "\"\n" : "\"}\n"));
      assert_ok(lrd_buf_append_str(&wanted, "\n"));
      assert_ok(lrd_buf_terminate(&wanted));
      entries_expect((const char *)text.data, text.len, csv ? LARDER_FORMAT_CSV : LARDER_FORMAT_JSONL, NULL,
                     (const char *)wanted.data);
      lrd_buf_fini(&text);
      lrd_buf_fini(&wanted);
    }
  }
}

static void documents(void **state) {
  (void)state;
  static const awkward cases[] = {
      {"\xEF\xBB\xBF \r\n[\r\n{\"key\":\"k\",\"value\":1}\r\n]\r\n", 0, "3: key=k value=1 json\n"},
      {"[{\"key\":\"k\",\"value\":1}", 0, "1: key=k value=1 json\n!! line 1: a comma or ] is expected\n"},
      {"[{\"key\":\"k\",\"value\":1},", 0, "1: key=k value=1 json\n!! line 1: an entry is expected\n"},
      {"[{\"key\":\"k\",\"value\":1}}", 0, "1: key=k value=1 json\n!! line 1: a comma or ] is expected\n"},
      {"[,{\"key\":\"k\",\"value\":1}]", 0, "!! line 1: an entry is expected\n"},
      {WITH_NUL("[{\"key\":\"k\",\"value\":1}]\0"), "1: key=k value=1 json\n!! line 1: the end of the file is expected\n"},
      {"[]]", 0, "!! line 1: the end of the file is expected\n"},
      {"[1,[2],\"x\",null,{\"key\":\"k\",\"value\":1}]", 0,
       "1: ! an entry is an object with key and value\n1: ! an entry is an object with key and value\n"
       "1: ! an entry is an object with key and value\n1: ! an entry is an object with key and value\n1: key=k value=1 json\n"},
      {"{\"a\":1,\"a\":2}", 0, "1: key=a value=1 json\n1: key=a value=2 json\n"},
      {"{\"\":1,\"b\":\"\xFF\",\"c\":3}", 0,
       "1: ! it has no key\n1: ! no JSON: line 1: this is not UTF-8\n1: key=c value=3 json\n"},
      {"{\"a\":{\"b\":[{\"c\":\"}\"}]}}", 0, "1: key=a value={\"b\":[{\"c\":\"}\"}]} json\n"},
      {"", 0, "!! line 1: an array of entries, or an object, is expected\n"},
      {"\"x\"", 0, "!! line 1: an array of entries, or an object, is expected\n"}};
  all_are_right(cases, sizeof cases / sizeof *cases, LARDER_FORMAT_JSON);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(tables),
      cmocka_unit_test(lines),
      cmocka_unit_test(documents),
      cmocka_unit_test(values_that_are_json_are_kept_as_they_stand),
      cmocka_unit_test(what_is_no_json_costs_its_entry),
      cmocka_unit_test(depth_has_a_limit),
      cmocka_unit_test(long_fields_are_whole),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
