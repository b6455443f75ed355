/* SPDX-License-Identifier: Apache-2.0 */
/* Saved and loaded: the same predictor, that learns on as the first one would; damage, lies and broken disks. */
#include "predict_fixture.h"

#include "base/hash.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static larder_predictor *walked(void) {
  larder_predictor *p = predictor_of((larder_predictor_options){
      .pattern = "n=#", .endpoints_max = 40, .states_max = 128, .age_at = 64, .smoothing = 0.1, .utc_offset_minutes = -300});
  train_walks(p, 21, 300, 60);
  train_word(p, "\xff\xfe/\"\n", "a \"type\"", 0); /* no UTF-8 */
  return p;
}

static larder_predictor *unpacked(const void *bytes, size_t len) {
  larder_predictor *p = NULL;
  larder_error err = {0};
  if (larder_predict_unpack(bytes, len, &p, &err) != LARDER_OK) fail_msg("%s", err.message);
  return p;
}

static void same(larder_predictor *a, larder_predictor *b) {
  size_t a_len, b_len;
  void *a_bytes = packed(a, LARDER_PREDICT_BINARY, &a_len), *b_bytes = packed(b, LARDER_PREDICT_BINARY, &b_len);
  assert_int_equal(a_len, b_len);
  assert_memory_equal(a_bytes, b_bytes, a_len);
  larder_predict_bytes_free(a_bytes);
  larder_predict_bytes_free(b_bytes);
}

static void what_is_loaded_is_the_same_and_learns_on_the_same(void **state) {
  (void)state;
  for (int format = LARDER_PREDICT_BINARY; format <= LARDER_PREDICT_JSON; format++) {
    larder_predictor *p = walked();
    size_t len;
    void *bytes = packed(p, (larder_predict_format)format, &len);
    larder_predictor *again = unpacked(bytes, len);
    same(p, again);
    for (uint64_t seed = 1; seed <= 10; seed++) {
      train_walks(p, seed, 60, 80);
      train_walks(again, seed, 60, 80);
      same(p, again);
    }
    larder_predict_bytes_free(bytes);
    larder_predictor_free(&p);
    larder_predictor_free(&again);
  }
}

static void numbers_that_are_free_are_given_in_the_same_order(void **state) {
  (void)state;
  larder_predictor *p = predictor_of((larder_predictor_options){.endpoints_max = 24});
  train_word(p, "abcdefghijklmnopqrstuvwx", NULL, 0);
  for (int i = 0; i < 3; i++) train_word(p, "abcefghijlmnopqrstuvw", NULL, 0);
  train_word(p, "y", NULL, 0); /* d, k and x go, and y is where d was */
  size_t len;
  void *bytes = packed(p, LARDER_PREDICT_BINARY, &len);
  larder_predictor *again = unpacked(bytes, len);
  train_word(p, "yz", NULL, 0); /* where k was */
  train_word(again, "yz", NULL, 0);
  same(p, again);
  larder_predict_bytes_free(bytes);
  larder_predictor_free(&p);
  larder_predictor_free(&again);
}

static void an_empty_one_too(void **state) {
  (void)state;
  for (int format = LARDER_PREDICT_BINARY; format <= LARDER_PREDICT_JSON; format++) {
    larder_predictor *p = predictor_of((larder_predictor_options){0});
    size_t len;
    void *bytes = packed(p, (larder_predict_format)format, &len);
    larder_predictor *again = unpacked(bytes, len);
    same(p, again);
    larder_predict_bytes_free(bytes);
    larder_predictor_free(&p);
    larder_predictor_free(&again);
  }
}

/* --- files ---------------------------------------------------------------------------------------------------------------- */

static void files_are_published_and_read(void **state) {
  char *path = support_path(*state, "model.lrd");
  larder_predictor *p = walked(), *again = NULL;
  larder_error err = {0};
  assert_err(larder_predict_load(path, &again, &err), LARDER_MISS);
  assert_ok(larder_predict_save(p, path, LARDER_PREDICT_JSON, NULL));
  assert_ok(larder_predict_save(p, path, LARDER_PREDICT_BINARY, NULL));
  assert_ok(larder_predict_load(path, &again, &err));
  same(p, again);
  larder_predictor_free(&again);
  /* A full disk leaves the old file. */
  train_word(p, "abc", NULL, 0);
  support_fs_fail_at(LRD_FS_WRITE, 1, ENOSPC);
  assert_err(larder_predict_save(p, path, LARDER_PREDICT_BINARY, &err), LARDER_ENOSPC);
  assert_non_null(strstr(err.message, path));
  support_fs_end();
  assert_ok(larder_predict_load(path, &again, NULL));
  larder_predictor_free(&again);
  support_fs_fail_at(LRD_FS_READ, 1, EIO);
  assert_err(larder_predict_load(path, &again, &err), LARDER_EIO);
  support_fs_end();
  char *nowhere = support_path(*state, "no/such/folder");
  assert_err(larder_predict_save(p, nowhere, LARDER_PREDICT_BINARY, &err), LARDER_EIO);
  assert_err(larder_predict_save(p, path, (larder_predict_format)7, &err), LARDER_EINVAL);
  assert_err(larder_predict_load(NULL, &again, &err), LARDER_EINVAL);
  free(nowhere);
  free(path);
  larder_predictor_free(&p);
}

static void without_memory_nothing_is_saved_or_loaded(void **state) {
  (void)state;
  larder_predictor *p = predictor_of((larder_predictor_options){0});
  train_word(p, "abcabd", "guest", 0);
  for (int format = LARDER_PREDICT_BINARY; format <= LARDER_PREDICT_JSON; format++) {
    for (uint64_t n = 1;; n++) {
      void *bytes = NULL;
      size_t len;
      larder_predictor *again = NULL;
      int64_t live = support_alloc_live();
      support_alloc_fail_at(n);
      larder_err err = larder_predict_pack(p, (larder_predict_format)format, &bytes, &len);
      if (err == LARDER_OK) err = larder_predict_unpack(bytes, len, &again, NULL);
      bool failed = support_alloc_end() >= n;
      assert_true(err == LARDER_OK ? !failed : err == LARDER_ENOMEM);
      larder_predict_bytes_free(bytes);
      larder_predictor_free(&again);
      assert_int_equal(support_alloc_live(), live);
      if (!failed) break;
    }
  }
  larder_predictor_free(&p);
}

/* --- damage -------------------------------------------------------------------------------------------------------------- */

static void a_flipped_bit_or_a_cut_is_found(void **state) {
  (void)state;
  larder_predictor *p = walked(), *again = NULL;
  size_t len;
  uint8_t *bytes = packed(p, LARDER_PREDICT_BINARY, &len);
  support_random random = {9};
  for (int i = 0; i < 500; i++) {
    size_t at = (size_t)support_random_below(&random, len);
    uint8_t bit = (uint8_t)(1u << support_random_below(&random, 8));
    bytes[at] ^= bit;
    larder_err err = larder_predict_unpack(bytes, len, &again, NULL);
    assert_true(err == LARDER_ECORRUPT || (err == LARDER_EFORMAT && at < 8));
    bytes[at] ^= bit;
    size_t cut = (size_t)support_random_below(&random, len);
    err = larder_predict_unpack(bytes, cut, &again, NULL);
    assert_true(err == LARDER_ECORRUPT || (err == LARDER_EFORMAT && cut < 8));
  }
  assert_null(again);
  assert_err(larder_predict_unpack(NULL, 0, &again, NULL), LARDER_EFORMAT);
  assert_err(larder_predict_unpack(NULL, 1, &again, NULL), LARDER_EINVAL);
  larder_predict_bytes_free(bytes);
  larder_predictor_free(&p);
}

/* With a checksum that is right: whatever is taken is a predictor that can be used and saved. */
static void a_lie_with_a_right_checksum_does_no_harm(void **state) {
  (void)state;
  larder_predictor *p = walked();
  size_t len;
  uint8_t *bytes = packed(p, LARDER_PREDICT_BINARY, &len);
  support_random random = {10};
  unsigned taken = 0, refused = 0;
  for (int i = 0; i < 3000; i++) {
    size_t at = 8 + (size_t)support_random_below(&random, len - 8 - sizeof(lrd_sum));
    uint8_t was = bytes[at];
    bytes[at] = (uint8_t)support_random_below(&random, 256);
    lrd_sum sum = lrd_sum128(bytes, len - sizeof sum);
    memcpy(bytes + len - sizeof sum, &sum, sizeof sum);
    larder_predictor *again = NULL;
    larder_err err = larder_predict_unpack(bytes, len, &again, NULL);
    if (err == LARDER_OK) {
      train_walks(again, 1, 3, 60);
      taken++;
    } else {
      assert_true(err == LARDER_ECORRUPT);
      refused++;
    }
    larder_predictor_free(&again);
    bytes[at] = was;
  }
  assert_true(taken > 100 && refused > 100);
  larder_predict_bytes_free(bytes);
  larder_predictor_free(&p);
}

#define OPTIONS                                                                                                                \
  "\"options\":{\"endpoints_max\":8,\"states_max\":8,\"sessions_max\":8,\"order\":2,\"no_contexts\":false,\"age_at\":16,"      \
  "\"evidence_min\":1,\"smoothing\":0.5,"                                                                                      \
  "\"session_idle_ms\":1,\"utc_offset_minutes\":0,\"pattern\":\"\"}"
#define HEAD "{\"format\":\"larder-predictor\",\"version\":1," OPTIONS ",\"events\":3,\"user_types\":[\"guest\"],"
#define A    "{\"number\":0,\"endpoint\":\"a\",\"count\":1,\"seen\":1,\"contexts\":[\"0\",\"0\"]}"
#define B    "{\"number\":1,\"endpoint\":\"b\",\"count\":2,\"seen\":3,\"contexts\":[\"0\",\"0\"]}"
#define AB   "\"endpoints\":[" A "," B "],\"states\":"

static void json_by_hand_is_read(void **state) {
  (void)state;
  static const char text[] = HEAD AB "[{\"kind\":\"first\",\"last\":0,\"heat\":3,\"total\":2,\"next\":[[1,2,0]]}]}";
  larder_predictor *p = unpacked(text, sizeof text - 1);
  assert_string_equal(letters_after(p, "a", LARDER_PREDICT_FIRST, 5), "b");
  assert_near(probability_after(p, "a", LARDER_PREDICT_FIRST, "b"), 2.5 / 3.5);
  larder_predictor_free(&p);
}

static void json_that_is_none_or_lies_is_refused(void **state) {
  (void)state;
  static const struct {
    const char *text;
    larder_err err;
  } wrong[] = {
      {"{", LARDER_EFORMAT},
      {"{}", LARDER_EFORMAT},
      {"{\"format\":\"something\",\"version\":1}", LARDER_EFORMAT},
      {"{\"format\":\"larder-predictor\",\"version\":2}", LARDER_EFORMAT},
      {"{\"format\":\"larder-predictor\",\"version\":1}", LARDER_EFORMAT},
      {HEAD "\"endpoints\":[]}", LARDER_EFORMAT},
      {HEAD "\"endpoints\":[1],\"states\":[]}", LARDER_EFORMAT},
      {HEAD "\"endpoints\":[" B "," A "],\"states\":[]}", LARDER_ECORRUPT}, /* not in order */
      {HEAD "\"endpoints\":[" A "," A "],\"states\":[]}", LARDER_ECORRUPT},
      {HEAD
       "\"endpoints\":[{\"number\":8,\"endpoint\":\"a\",\"count\":1,\"seen\":1,\"contexts\":[\"0\",\"0\"]}],\"states\":[]}",
       LARDER_ECORRUPT},
      {HEAD
       "\"endpoints\":[{\"number\":0,\"endpoint\":\"a\",\"count\":1,\"seen\":4,\"contexts\":[\"0\",\"0\"]}],\"states\":[]}",
       LARDER_ECORRUPT}, /* seen after the last event */
      {HEAD
       "\"endpoints\":[{\"number\":0,\"endpoint\":\"a\",\"count\":1,\"seen\":1,\"contexts\":[\"x\",\"0\"]}],\"states\":[]}",
       LARDER_EFORMAT},
      {HEAD
       "\"endpoints\":[{\"number\":0,\"endpoint\":\"a\",\"count\":1,\"seen\":1,\"contexts\":[\"1\",\"0\"]}],\"states\":[]}",
       LARDER_ECORRUPT}, /* the context that is none */
      {HEAD "\"endpoints\":[{\"number\":0,\"endpoint_hex\":\"6\",\"count\":1,\"seen\":1,\"contexts\":[\"0\",\"0\"]}],"
            "\"states\":[]}",
       LARDER_EFORMAT},
      {HEAD AB "[{\"kind\":\"third\",\"last\":0,\"heat\":3,\"total\":2,\"next\":[]}]}", LARDER_EFORMAT},
      {HEAD AB "[{\"kind\":\"first\",\"last\":2,\"heat\":3,\"total\":2,\"next\":[]}]}", LARDER_ECORRUPT},
      {HEAD AB "[{\"kind\":\"second\",\"before\":2,\"last\":0,\"heat\":3,\"total\":2,\"next\":[]}]}", LARDER_ECORRUPT},
      {HEAD AB "[{\"kind\":\"context\",\"context\":0,\"last\":0,\"heat\":3,\"total\":2,\"next\":[]}]}", LARDER_ECORRUPT},
      {HEAD AB "[{\"kind\":\"context\",\"context\":18,\"last\":0,\"heat\":3,\"total\":2,\"next\":[]}]}", LARDER_ECORRUPT},
      {HEAD AB "[{\"kind\":\"first\",\"last\":0,\"heat\":3,\"total\":16,\"next\":[]}]}", LARDER_ECORRUPT}, /* past age_at */
      {HEAD AB "[{\"kind\":\"first\",\"last\":0,\"heat\":3,\"total\":2,\"next\":[[1,3,0]]}]}", LARDER_ECORRUPT},
      {HEAD AB "[{\"kind\":\"first\",\"last\":0,\"heat\":3,\"total\":2,\"next\":[[1,1,2]]}]}", LARDER_ECORRUPT},
      {HEAD AB "[{\"kind\":\"first\",\"last\":0,\"heat\":3,\"total\":2,\"next\":[[1,0,0]]}]}", LARDER_ECORRUPT},
      {HEAD AB "[{\"kind\":\"first\",\"last\":0,\"heat\":3,\"total\":9,\"next\":[[1,1,0],[0,2,0]]}]}", LARDER_ECORRUPT},
      {HEAD AB "[{\"kind\":\"first\",\"last\":0,\"heat\":3,\"total\":9,\"next\":[[1,1,0],[1,1,0]]}]}", LARDER_ECORRUPT},
      {HEAD AB "[{\"kind\":\"first\",\"last\":0,\"heat\":3,\"total\":9,\"next\":[[2,1,0]]}]}", LARDER_ECORRUPT},
      {HEAD AB "[{\"kind\":\"first\",\"last\":0,\"heat\":3,\"total\":9,\"next\":[[1,1]]}]}", LARDER_EFORMAT},
      {HEAD AB "[{\"kind\":\"first\",\"last\":0,\"heat\":3,\"total\":9,\"next\":[]},{\"kind\":\"first\",\"last\":0,\"heat\":3,"
               "\"total\":9,\"next\":[]}]}",
       LARDER_ECORRUPT},
  };
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    larder_predictor *p = NULL;
    larder_error err = {0};
    larder_err found = larder_predict_unpack(wrong[i].text, strlen(wrong[i].text), &p, &err);
    if (found != wrong[i].err) fail_msg("%s: %s", larder_err_name(found), wrong[i].text);
    assert_true(strlen(err.message) > 0);
    assert_null(p);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_loaded_is_the_same_and_learns_on_the_same),
      cmocka_unit_test(numbers_that_are_free_are_given_in_the_same_order),
      cmocka_unit_test(an_empty_one_too),
      SUPPORT_DIR_TEST(files_are_published_and_read),
      cmocka_unit_test(without_memory_nothing_is_saved_or_loaded),
      cmocka_unit_test(a_flipped_bit_or_a_cut_is_found),
      cmocka_unit_test(a_lie_with_a_right_checksum_does_no_harm),
      cmocka_unit_test(json_by_hand_is_read),
      cmocka_unit_test(json_that_is_none_or_lies_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
