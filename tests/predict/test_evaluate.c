/* SPDX-License-Identifier: Apache-2.0 */
/* Files of sessions in all their forms, and figures worked out by hand. */
#include "predict_fixture.h"

#include <errno.h>
#include <larder/evaluate.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static larder_sessions *sessions_of(const char *dir, const char *text) {
  char *path = support_path(dir, "sessions.jsonl");
  larder_sessions *sessions = NULL;
  larder_error err = {0};
  support_file_write(path, text, strlen(text));
  if (larder_sessions_read(path, &sessions, &err) != LARDER_OK) fail_msg("%s", err.message);
  free(path);
  return sessions;
}

static void session_is(larder_sessions *sessions, size_t n, const char *name, const char *endpoints) {
  size_t count;
  const larder_predict_event *events = larder_sessions_get(sessions, n, &count);
  char found[256] = "";
  for (size_t i = 0; i < count; i++) {
    if (name) assert_int_equal(events[i].session_len, strlen(name));
    if (name) assert_memory_equal(events[i].session, name, strlen(name));
    if (i > 0) strcat(found, " ");
    strncat(found, events[i].endpoint, events[i].endpoint_len);
  }
  assert_string_equal(found, endpoints);
}

static void sessions_come_in_many_forms(void **state) {
  larder_sessions *s =
      sessions_of(*state, "\xef\xbb\xbf{\"session\":\"a\",\"user_type\":\"guest\",\"requests\":[{\"endpoint\":\"/1\",\"at\":"
                          "1764150000.25},\"/b\",{\"key\":\"/c\",\"at_ms\":5,\"user_type\":\"admin\"}]}\n"
                          "\n"
                          "{\"session\":7,\"endpoint\":\"/x\"}\r\n"
                          "{\"session\":\"a\",\"key\":\"\\u002fd\",\"user_type\":null}\n"
                          "{\"keys\":[\"/m\",1]}\n"
                          "{\"keys\":[\"/n\"]}\n"
                          "{\"session\":\"empty\",\"requests\":[]}\n"
                          "{\"session\":\"7\",\"endpoint\":\"/y\"}");
  assert_int_equal(larder_sessions_count(s), 5);
  assert_int_equal(larder_sessions_requests(s), 9);
  session_is(s, 0, "a", "/1 /b /c /d");
  session_is(s, 1, "7", "/x /y");
  session_is(s, 2, NULL, "/m 1");
  session_is(s, 3, NULL, "/n");
  session_is(s, 4, "empty", "");
  size_t count;
  const larder_predict_event *events = larder_sessions_get(s, 0, &count);
  assert_string_equal(events[0].user_type, "guest");
  assert_string_equal(events[2].user_type, "admin");
  assert_null(events[3].user_type);
  assert_true(events[0].wall_ms == INT64_C(1764150000250) && events[1].wall_ms == 0 && events[2].wall_ms == 5);
  assert_null(larder_sessions_get(s, 5, &count));
  assert_int_equal(count, 0);
  /* More of it. */
  char *path = support_path(*state, "more");
  support_file_write(path, "{\"session\":\"a\",\"endpoint\":\"/e\"}\n", 32);
  assert_ok(larder_sessions_read(path, &s, NULL));
  session_is(s, 0, "a", "/1 /b /c /d /e");
  free(path);
  larder_sessions_close(&s);
  assert_null(s);
}

static void what_is_no_session_is_told_with_its_line(void **state) {
  static const struct {
    const char *text, *says;
  } wrong[] = {{"{\"session\":1,\"endpoint\":\"a\"}\n[]\n", ":2: a line is an object"},
               {"{\n", ":1: no JSON"},
               {"\n\n{\"endpoint\":\"a\"}\n", ":3: a request has no session"},
               {"{\"session\":\"s\"}\n", ":1: a request has no endpoint"},
               {"{\"session\":\"s\",\"requests\":[{\"at\":1}]}\n", ":1: a request has no endpoint"},
               {"{\"session\":\"s\",\"requests\":7}\n", ":1: the requests of a session are a list"},
               {"{\"session\":\"s\",\"requests\":[\"\"]}\n", ":1: an endpoint has 1 to"},
               {"{\"session\":\"s\",\"requests\":[true]}\n", ":1: an endpoint is a text or a number"},
               {"{\"session\":[],\"requests\":[]}\n", ":1: session is a text or a number"},
               {"{\"session\":\"s\",\"endpoint\":\"a\",\"at\":-1}\n", ":1: at is a number of seconds"},
               {"{\"session\":\"s\",\"endpoint\":\"a\",\"at_ms\":\"x\"}\n", ":1: at_ms is a number of milliseconds"},
               {"{\"session\":\"s\",\"endpoint\":\"a\",\"user_type\":{}}\n", ":1: user_type is a text"}};
  char *path = support_path(*state, "wrong");
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    larder_sessions *s = NULL;
    larder_error err = {0};
    support_file_write(path, wrong[i].text, strlen(wrong[i].text));
    assert_err(larder_sessions_read(path, &s, &err), LARDER_EFORMAT);
    if (strstr(err.message, wrong[i].says) == NULL) fail_msg("%s: %s", wrong[i].text, err.message);
    larder_sessions_close(&s);
  }
  larder_sessions *s = NULL;
  larder_error err = {0};
  support_fs_fail_at(LRD_FS_READ, 1, EIO);
  assert_err(larder_sessions_read(path, &s, &err), LARDER_EIO);
  support_fs_end();
  assert_err(larder_sessions_read("/nowhere/at/all", &s, &err), LARDER_MISS);
  assert_err(larder_sessions_read(*state, &s, &err), LARDER_EIO); /* a folder */
  assert_err(larder_sessions_read(NULL, &s, &err), LARDER_EINVAL);
  larder_sessions_close(&s);
  larder_sessions_close(NULL);
  free(path);
}

/* --- figures ---------------------------------------------------------------------------------------------------------------
 */

static void near_to(double found, double wanted) {
  if (!(fabs(found - wanted) < 1e-9)) fail_msg("%.12f is not %.12f", found, wanted);
}

static void figures_by_hand(void **state) {
  /* a was followed by b three times, by c once; then three steps: b (first), c (second), z (nowhere). */
  larder_predictor *p = predictor_of((larder_predictor_options){.smoothing = 0.5, .evidence_min = 1});
  for (int i = 0; i < 3; i++) train_word(p, "ab", NULL, 0);
  train_word(p, "ac", NULL, 0);
  larder_sessions *s = sessions_of(*state, "{\"keys\":[\"a\",\"b\"]}\n{\"keys\":[\"a\",\"c\"]}\n{\"keys\":[\"a\",\"z\"]}\n"
                                           "{\"keys\":[\"z\",\"a\"]}\n");
  larder_evaluation all[LARDER_PREDICT_MODELS];
  assert_ok(larder_evaluate(s, p, NULL, all, NULL));
  const larder_evaluation *first = &all[LARDER_PREDICT_FIRST];
  assert_int_equal(first->model, LARDER_PREDICT_FIRST);
  assert_int_equal(first->folds_len, 0);
  assert_int_equal(first->all.steps, 4);
  assert_int_equal(first->all.covered, 3); /* of z nothing is known */
  assert_int_equal(first->all.hits[0], 1);
  assert_int_equal(first->all.hits[1], 2);
  near_to(larder_score_share(&first->all, 3), 0.5);
  near_to(larder_score_mrr(&first->all), (1 + 0.5) / 4);
  near_to(larder_score_coverage(&first->all), 0.75);
  /* 3.5/6, 1.5/6 and 0.5/6 after a; a quarter after z. */
  near_to(larder_score_perplexity(&first->all), pow(3.5 / 6 * 1.5 / 6 * 0.5 / 6 * 0.25, -0.25));
  /* The first guess was said with 3.5/6 each time and came true once in three. */
  assert_int_equal(first->bins[5].guesses, 3);
  assert_int_equal(first->bins[5].right, 1);
  near_to(first->bins[5].predicted, 3 * 3.5 / 6);
  assert_int_equal(first->endpoints_len, 2);
  assert_string_equal(first->endpoints[0].name, "a");
  assert_int_equal(first->endpoints[0].score.steps, 3);
  assert_string_equal(first->endpoints[1].name, "z");
  assert_int_equal(first->contexts_len, 1);
  assert_string_equal(first->contexts[0].name, "any user");
  char *text = NULL;
  size_t len = 0;
  assert_ok(larder_evaluation_plot(all, "<by hand>", &text, &len));
  assert_non_null(strstr(text, "&lt;by hand&gt;"));
  assert_non_null(strstr(text, "first first 3: 50.00 %"));
  larder_predict_bytes_free(text);
  larder_evaluation_clear(all);
  assert_null(all[0].endpoints);
  larder_sessions_close(&s);
  larder_predictor_free(&p);
}

static void nobody_is_judged_by_what_it_was_taught(void **state) {
  /* Each session alone knows its endpoints: nothing that the others teach helps. */
  larder_sessions *s = sessions_of(*state, "{\"keys\":[\"a\",\"b\",\"a\",\"b\"]}\n{\"keys\":[\"c\",\"d\",\"c\"]}\n"
                                           "{\"keys\":[\"e\",\"f\"]}\n{\"keys\":[\"g\"]}\n");
  const larder_evaluate_options how = {.size = sizeof how, .folds = 4};
  larder_evaluation all[LARDER_PREDICT_MODELS];
  assert_ok(larder_evaluate(s, NULL, &how, all, NULL));
  assert_int_equal(all[LARDER_PREDICT_FIRST].all.steps, 6);
  assert_int_equal(all[LARDER_PREDICT_FIRST].all.covered, 0);
  assert_int_equal(all[LARDER_PREDICT_BLEND].all.hits[3], 0);
  assert_int_equal(all[LARDER_PREDICT_BLEND].folds_len, 4);
  assert_int_equal(all[LARDER_PREDICT_BLEND].folds[0].steps, 3);
  assert_int_equal(all[LARDER_PREDICT_BLEND].folds[3].steps, 0);
  larder_evaluation_clear(all);
  larder_sessions_close(&s);
}

static void pauses_and_long_endpoints_are_as_in_learning(void **state) {
  char text[1000];
  larder_predictor *p = predictor_of((larder_predictor_options){.session_idle_ms = 1000, .evidence_min = 1});
  train_word(p, "abc", NULL, 0);
  snprintf(text, sizeof text,
           "{\"requests\":[{\"endpoint\":\"a\",\"at\":1},{\"endpoint\":\"b\",\"at\":2},{\"endpoint\":\"c\",\"at\":3.5}]}\n"
           "{\"requests\":[\"a\",\"%0300d/x\",\"b\"]}\n",
           0);
  for (char *zero = strstr(text, "0000"); *zero == '0'; zero++) *zero = 'x'; /* or it were a number */
  larder_sessions *s = sessions_of(*state, text);
  larder_evaluation all[LARDER_PREDICT_MODELS];
  assert_ok(larder_evaluate(s, p, NULL, all, NULL));
  assert_int_equal(all[LARDER_PREDICT_FIRST].all.steps, 2); /* a b, and a b with something between that is no endpoint */
  assert_int_equal(all[LARDER_PREDICT_FIRST].all.hits[0], 2);
  larder_evaluation_clear(all);
  larder_sessions_close(&s);
  larder_predictor_free(&p);
}

static bool stop_at_once(void *context, uint64_t done, uint64_t total) {
  assert_true(done <= total);
  ++*(int *)context;
  return false;
}

static void it_can_be_stopped_and_refused(void **state) {
  larder_sessions *s = sessions_of(*state, "{\"keys\":[\"a\",\"b\"]}\n{\"keys\":[\"a\",\"b\"]}\n");
  larder_evaluation all[LARDER_PREDICT_MODELS];
  larder_error err = {0};
  int asked = 0;
  larder_evaluate_options how = {.size = sizeof how, .progress = stop_at_once, .context = &asked};
  assert_err(larder_evaluate(s, NULL, &how, all, &err), LARDER_ECANCELLED);
  assert_int_equal(asked, 1);
  how = (larder_evaluate_options){.size = sizeof how, .folds = 1};
  assert_err(larder_evaluate(s, NULL, &how, all, &err), LARDER_EINVAL);
  how.folds = LARDER_EVALUATE_FOLDS_MAX + 1;
  assert_err(larder_evaluate(s, NULL, &how, all, &err), LARDER_EINVAL);
  const larder_predictor_options wrong = {.size = sizeof wrong, .age_at = 1};
  how = (larder_evaluate_options){.size = sizeof how, .learning = &wrong};
  assert_err(larder_evaluate(s, NULL, &how, all, &err), LARDER_EINVAL);
  assert_non_null(strstr(err.message, "age_at"));
  assert_err(larder_evaluate(NULL, NULL, NULL, all, &err), LARDER_EINVAL);
  assert_err(larder_evaluation_plot(NULL, "", NULL, NULL), LARDER_EINVAL);
  larder_sessions_close(&s);
}

static void without_memory_nothing_is_left(void **state) {
  char *path = support_path(*state, "some");
  static const char text[] =
      "{\"session\":\"s\",\"user_type\":\"g\",\"requests\":[\"a\",\"b\",\"a\"]}\n{\"keys\":[\"a\",\"b\"]}\n";
  support_file_write(path, text, sizeof text - 1);
  for (uint64_t n = 1;; n++) {
    larder_sessions *s = NULL;
    larder_evaluation all[LARDER_PREDICT_MODELS] = {{0}};
    int64_t live = support_alloc_live();
    support_alloc_fail_at(n);
    larder_err err = larder_sessions_read(path, &s, NULL);
    if (err == LARDER_OK) err = larder_evaluate(s, NULL, NULL, all, NULL);
    bool failed = support_alloc_end() >= n;
    assert_true(err == LARDER_OK ? !failed : err == LARDER_ENOMEM);
    larder_evaluation_clear(all);
    larder_sessions_close(&s);
    assert_int_equal(support_alloc_live(), live);
    if (!failed) break;
  }
  free(path);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      SUPPORT_DIR_TEST(sessions_come_in_many_forms),
      SUPPORT_DIR_TEST(what_is_no_session_is_told_with_its_line),
      SUPPORT_DIR_TEST(figures_by_hand),
      SUPPORT_DIR_TEST(nobody_is_judged_by_what_it_was_taught),
      SUPPORT_DIR_TEST(pauses_and_long_endpoints_are_as_in_learning),
      SUPPORT_DIR_TEST(it_can_be_stopped_and_refused),
      SUPPORT_DIR_TEST(without_memory_nothing_is_left),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
