/* SPDX-License-Identifier: Apache-2.0 */
/* What is taken out of endpoints, and patterns that are none. */
#include "predict_fixture.h"

#include <stdlib.h>
#include <string.h>

static void expect(larder_predictor *predictor, const char *endpoint, const char *wanted) {
  char out[LARDER_ENDPOINT_MAX + 1];
  size_t len = 0;
  assert_ok(larder_predict_normalise(predictor, endpoint, strlen(endpoint), out, &len));
  assert_string_equal(out, wanted);
  assert_int_equal(len, strlen(wanted));
}

static void numbers_uuids_and_long_hexadecimal_names_go(void **state) {
  (void)state;
  larder_predictor *predictor = predictor_of((larder_predictor_options){0});
  expect(predictor, "/users/123", "/users/{id}");
  expect(predictor, "/users/123/orders/7?page=2&sort=asc", "/users/{id}/orders/{id}?page={id}&sort=asc");
  expect(predictor, "123", "{id}");
  expect(predictor, "/v2/items", "/v2/items");
  expect(predictor, "/a/550e8400-e29b-41d4-a716-446655440000/b", "/a/{id}/b");
  expect(predictor, "/a/550e8400-e29b-41d4-a716-44665544000/b", "/a/550e8400-e29b-41d4-a716-44665544000/b");
  expect(predictor, "/blob/d41d8cd98f00b204e9800998ecf8427e", "/blob/{hash}");
  expect(predictor, "/blob/d41d8cd98f00b20", "/blob/d41d8cd98f00b20");
  expect(predictor, "/feedfeedfeedfeedfeed", "/feedfeedfeedfeedfeed"); /* a word, for all we know */
  expect(predictor, "census:acs:2022|state=14", "census:acs:{id}|state={id}");
  expect(predictor, "//", "//");
  expect(predictor, "/users/12a", "/users/12a");
  larder_predictor_free(&predictor);
}

static void a_pattern_of_ones_own(void **state) {
  (void)state;
  larder_predictor *predictor = predictor_of((larder_predictor_options){.pattern = "order=o-#{4} any=x\\* tail=q*  n=#{2,}"});
  expect(predictor, "/o-1234/o-123/o-12345", "/{order}/o-123/o-12345");
  expect(predictor, "/x*/xy", "/{any}/xy");
  expect(predictor, "/query/q", "/{tail}/q");
  expect(predictor, "/1/12/123", "/1/{n}/{n}");
  larder_predictor_free(&predictor);
  /* Plain numbers have a way of their own; not before a rule that comes first. */
  predictor = predictor_of((larder_predictor_options){.pattern = "year=20#{2} id=# late=19#{2}"});
  expect(predictor, "/2026/202/1984/20x", "/{year}/{id}/{id}/20x");
  larder_predictor_free(&predictor);
  predictor = predictor_of((larder_predictor_options){.pattern = "seven=7 id=#"});
  expect(predictor, "/7/77/8", "/{seven}/{id}/{id}");
  larder_predictor_free(&predictor);
  predictor = predictor_of((larder_predictor_options){.pattern = "id=# all=*"});
  expect(predictor, "/7/7a/", "/{id}/{all}/");
  larder_predictor_free(&predictor);
  predictor = predictor_of((larder_predictor_options){.pattern = ""});
  expect(predictor, "/users/123", "/users/123");
  larder_predictor_free(&predictor);
}

static void what_is_no_pattern_is_told(void **state) {
  (void)state;
  static const char *const wrong[] = {"id",     "=#",    "id=",   "id=#{",     "id=#{0}", "id=#{999}",
                                      "id=#{3", "id=*x", "id=\\", "id=#{1,2}", "id=\xff", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=#"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    larder_predictor_options options = {.size = sizeof options, .pattern = wrong[i]};
    larder_predictor *predictor = NULL;
    larder_error err = {0};
    assert_err(larder_predictor_new(&options, &predictor, &err), LARDER_EINVAL);
    assert_non_null(strstr(err.message, "pattern of endpoints"));
    assert_null(predictor);
  }
  char *text = malloc(LARDER_PREDICT_PATTERN_MAX + 2);
  assert_non_null(text);
  memset(text, ' ', LARDER_PREDICT_PATTERN_MAX + 1);
  text[LARDER_PREDICT_PATTERN_MAX + 1] = '\0';
  larder_predictor_options options = {.size = sizeof options, .pattern = text};
  larder_predictor *predictor = NULL;
  assert_err(larder_predictor_new(&options, &predictor, NULL), LARDER_EINVAL);
  text[LARDER_PREDICT_PATTERN_MAX] = '\0';
  assert_ok(larder_predictor_new(&options, &predictor, NULL));
  larder_predictor_free(&predictor);
  /* One rule more than there may be, and forms that are too long together. */
  text[0] = '\0';
  for (int i = 0; i < 33; i++) strcat(text, "a=# ");
  assert_err(larder_predictor_new(&options, &predictor, NULL), LARDER_EINVAL);
  strcpy(text, "a=");
  for (int i = 0; i < 257; i++) strcat(text, "x");
  assert_err(larder_predictor_new(&options, &predictor, NULL), LARDER_EINVAL);
  free(text);
}

static void what_gets_too_long_is_refused(void **state) {
  (void)state;
  char endpoint[600], out[LARDER_ENDPOINT_MAX + 1];
  size_t len;
  larder_predictor *plain = predictor_of((larder_predictor_options){.pattern = ""});
  larder_predictor *usual = predictor_of((larder_predictor_options){0});
  memset(endpoint, 'x', sizeof endpoint);
  assert_ok(larder_predict_normalise(plain, endpoint, LARDER_ENDPOINT_MAX, out, &len));
  assert_int_equal(len, LARDER_ENDPOINT_MAX);
  assert_err(larder_predict_normalise(plain, endpoint, LARDER_ENDPOINT_MAX + 1, out, &len), LARDER_ETOOBIG);
  assert_ok(larder_predict_normalise(usual, endpoint, LARDER_ENDPOINT_MAX, out, &len));
  assert_err(larder_predict_normalise(usual, endpoint, LARDER_ENDPOINT_MAX + 1, out, &len), LARDER_ETOOBIG);
  memset(endpoint, '1', sizeof endpoint); /* short again once it is taken out */
  assert_ok(larder_predict_normalise(usual, endpoint, sizeof endpoint, out, &len));
  assert_string_equal(out, "{id}");
  for (size_t i = 1; i < sizeof endpoint; i += 2) endpoint[i] = '/';
  assert_err(larder_predict_normalise(usual, endpoint, sizeof endpoint, out, &len), LARDER_ETOOBIG);
  assert_err(larder_predict_normalise(usual, endpoint, 0, out, &len), LARDER_EINVAL);
  assert_err(larder_predict_normalise(usual, NULL, 1, out, &len), LARDER_EINVAL);
  larder_predict_event event = {.session = "s", .session_len = 1, .endpoint = endpoint, .endpoint_len = sizeof endpoint};
  assert_err(larder_predict_observe(usual, &event), LARDER_ETOOBIG);
  larder_predictor_free(&plain);
  larder_predictor_free(&usual);
}

/* The same by the letter: parts between borders, those of digits alone become {id}. */
static size_t plainly(const char *endpoint, size_t len, char *out) {
  size_t used = 0;
  for (size_t at = 0, to; at <= len; at = to + 1) {
    for (to = at; to < len && !memchr("/?&=|:;,", endpoint[to], 8);) to++;
    size_t digits = 0;
    while (at + digits < to && endpoint[at + digits] >= '0' && endpoint[at + digits] <= '9') digits++;
    bool id = digits > 0 && digits == to - at;
    memcpy(out + used, id ? "{id}" : endpoint + at, id ? 4 : to - at);
    used += id ? 4 : to - at;
    if (to < len) out[used++] = endpoint[to];
  }
  return used;
}

static void every_border_counts_wherever_it_stands(void **state) {
  (void)state;
  static const char likely[] = "/?&=|:;,0123456789abxz";
  larder_predictor *predictor = predictor_of((larder_predictor_options){.pattern = "id=#"});
  uint32_t chance = 1;
  unsigned refused = 0;
  for (unsigned round = 0; round < 20000; round++) {
    char out[LARDER_ENDPOINT_MAX + 1], wanted[1600];
    size_t len = 1 + round % 270, out_len = 0;
    char *endpoint = malloc(len); /* of its own, so that a byte too far is seen */
    assert_non_null(endpoint);
    for (size_t i = 0; i < len; i++) {
      chance = chance * 1664525 + 1013904223;
      endpoint[i] = round % 3 ? likely[(chance >> 16) % (sizeof likely - 1)] : (char)(chance >> 24);
    }
    size_t wanted_len = plainly(endpoint, len, wanted);
    larder_err err = larder_predict_normalise(predictor, endpoint, len, out, &out_len);
    if (wanted_len > LARDER_ENDPOINT_MAX) {
      assert_err(err, LARDER_ETOOBIG);
      refused++;
    } else {
      assert_ok(err);
      assert_int_equal(out_len, wanted_len);
      assert_memory_equal(out, wanted, wanted_len);
      assert_int_equal(out[out_len], 0);
    }
    free(endpoint);
  }
  assert_true(refused > 100);
  larder_predictor_free(&predictor);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(numbers_uuids_and_long_hexadecimal_names_go),
      cmocka_unit_test(a_pattern_of_ones_own),
      cmocka_unit_test(every_border_counts_wherever_it_stands),
      cmocka_unit_test(what_is_no_pattern_is_told),
      cmocka_unit_test(what_gets_too_long_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
