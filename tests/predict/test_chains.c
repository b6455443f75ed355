/* SPDX-License-Identifier: Apache-2.0 */
/* Every chain by hand, on sessions that are words. */
#include "predict_fixture.h"

#include "predict/time_context.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOUR   INT64_C(3600000)
#define DAY    (24 * HOUR)
#define MONDAY (4 * DAY) /* 5 January 1970 */

static const larder_predictor_options plain = {.smoothing = 0.5, .evidence_min = 1};

/* --- first -------------------------------------------------------------------------------------------------------------- */

static void first_counts_what_followed_and_smooths(void **state) {
  (void)state;
  larder_predictor *p = predictor_of(plain);
  train_word(p, "ab", NULL, 0);
  train_word(p, "ab", NULL, 0);
  train_word(p, "abac", NULL, 0);
  /* a was followed by b three times, by c once; a, b, c and the unknown are four. */
  assert_near(probability_after(p, "a", LARDER_PREDICT_FIRST, "b"), 3.5 / 6);
  assert_near(probability_after(p, "a", LARDER_PREDICT_FIRST, "c"), 1.5 / 6);
  assert_near(probability_after(p, "a", LARDER_PREDICT_FIRST, "a"), 0.5 / 6);
  assert_near(probability_after(p, "a", LARDER_PREDICT_FIRST, "z"), 0.5 / 6);
  assert_string_equal(letters_after(p, "a", LARDER_PREDICT_FIRST, 5), "bc");
  assert_string_equal(letters_after(p, "a", LARDER_PREDICT_FIRST, 1), "b");
  assert_string_equal(letters_after(p, "a", LARDER_PREDICT_FIRST, 0), "");
  /* Nothing has followed c, and nobody knows z: all alike, and no guess. */
  assert_near(probability_after(p, "c", LARDER_PREDICT_FIRST, "a"), 0.25);
  assert_near(probability_after(p, "z", LARDER_PREDICT_FIRST, "a"), 0.25);
  assert_string_equal(letters_after(p, "c", LARDER_PREDICT_FIRST, 5), "");
  assert_string_equal(letters_after(p, "", LARDER_PREDICT_FIRST, 5), "");
  larder_predictor_free(&p);
}

static void sessions_at_once_do_not_mix(void **state) {
  (void)state;
  larder_predictor *p = predictor_of(plain);
  const char *const steps[] = {"1a", "2x", "1b", "2y", "3a", "1c", "3b"};
  for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
    larder_predict_event event = {.session = steps[i], .session_len = 1, .endpoint = steps[i] + 1, .endpoint_len = 1};
    assert_ok(larder_predict_observe(p, &event));
  }
  assert_string_equal(letters_after(p, "a", LARDER_PREDICT_FIRST, 5), "b");
  assert_string_equal(letters_after(p, "x", LARDER_PREDICT_FIRST, 5), "y");
  larder_predict_guess guesses[4];
  size_t count = 4;
  assert_ok(larder_predict_next(p, "3", 1, LARDER_PREDICT_FIRST, guesses, &count));
  assert_int_equal(count, 1);
  assert_string_equal(guesses[0].endpoint, "c");
  assert_near(guesses[0].probability, 1.5 / (1 + 0.5 * 6)); /* a, b, c, x, y and the unknown */
  count = 4;
  assert_err(larder_predict_next(p, "4", 1, LARDER_PREDICT_FIRST, guesses, &count), LARDER_MISS);
  assert_true(larder_predict_session_end(p, "3", 1));
  assert_false(larder_predict_session_end(p, "3", 1));
  assert_err(larder_predict_next(p, "3", 1, LARDER_PREDICT_FIRST, guesses, &count), LARDER_MISS);
  larder_predictor_free(&p);
}

static void after_a_pause_a_session_begins_anew(void **state) {
  (void)state;
  larder_predictor_options options = plain;
  options.session_idle_ms = 1000;
  larder_predictor *p = predictor_of(options);
  const struct {
    const char *endpoint;
    int64_t wall_ms;
  } steps[] = {{"a", 5000}, {"b", 6000}, {"c", 7001}, {"d", 0}, {"e", 8001}, {"f", 100}};
  for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
    larder_predict_event event = {
        .session = "s", .session_len = 1, .endpoint = steps[i].endpoint, .endpoint_len = 1, .wall_ms = steps[i].wall_ms};
    assert_ok(larder_predict_observe(p, &event));
  }
  assert_string_equal(letters_after(p, "a", LARDER_PREDICT_FIRST, 5), "b"); /* to the millisecond */
  assert_string_equal(letters_after(p, "b", LARDER_PREDICT_FIRST, 5), "");  /* and one more */
  assert_string_equal(letters_after(p, "c", LARDER_PREDICT_FIRST, 5), "d"); /* no time, no pause */
  assert_string_equal(letters_after(p, "d", LARDER_PREDICT_FIRST, 5), "e");
  assert_string_equal(letters_after(p, "e", LARDER_PREDICT_FIRST, 5), "f"); /* a clock that goes back */
  larder_predictor_free(&p);
}

/* --- second -----------------------------------------------------------------------------------------------------------------
 */

static void second_knows_where_one_came_from(void **state) {
  (void)state;
  larder_predictor *p = predictor_of(plain);
  train_word(p, "xab", NULL, 0);
  train_word(p, "xab", NULL, 0);
  train_word(p, "yac", NULL, 0);
  /* x y a b c and the unknown: six. */
  assert_near(probability_after(p, "xa", LARDER_PREDICT_SECOND, "b"), 2.5 / 5);
  assert_near(probability_after(p, "xa", LARDER_PREDICT_SECOND, "c"), 0.5 / 5);
  assert_near(probability_after(p, "ya", LARDER_PREDICT_SECOND, "c"), 1.5 / 4);
  assert_string_equal(letters_after(p, "ya", LARDER_PREDICT_SECOND, 5), "c");
  /* What came before is new: as first. */
  assert_near(probability_after(p, "ba", LARDER_PREDICT_SECOND, "b"), 2.5 / 6);
  assert_near(probability_after(p, "a", LARDER_PREDICT_SECOND, "b"), 2.5 / 6);
  assert_string_equal(letters_after(p, "ba", LARDER_PREDICT_SECOND, 5), "bc");
  larder_predictor_free(&p);
}

static void second_wants_evidence(void **state) {
  (void)state;
  larder_predictor_options options = plain;
  options.evidence_min = 2;
  larder_predictor *p = predictor_of(options);
  train_word(p, "xab", NULL, 0);
  train_word(p, "yac", NULL, 0);
  train_word(p, "yac", NULL, 0);
  assert_string_equal(letters_after(p, "ya", LARDER_PREDICT_SECOND, 5), "c");
  assert_string_equal(letters_after(p, "xa", LARDER_PREDICT_SECOND, 5), "cb"); /* once is not enough: as first */
  larder_predictor_free(&p);
}

/* --- context -----------------------------------------------------------------------------------------------------------------
 */

static const char *in_context(larder_predictor *p, const char *type, int64_t wall_ms, double *of_b) {
  static char found[2];
  larder_predict_past past = past_of("a");
  larder_predict_guess guess;
  size_t count = 1;
  past.user_type = type;
  past.wall_ms = wall_ms;
  assert_ok(larder_predict_after(p, &past, LARDER_PREDICT_CONTEXT, &guess, &count));
  assert_ok(larder_predict_probability(p, &past, LARDER_PREDICT_CONTEXT, "b", 1, of_b));
  found[0] = count > 0 ? guess.endpoint[0] : '\0';
  found[1] = '\0';
  return found;
}

static void context_is_the_users_and_the_hours_or_the_nearest(void **state) {
  (void)state;
  larder_predictor *p = predictor_of(plain);
  double of_b;
  train_word(p, "ab", "guest", MONDAY + 9 * HOUR);
  train_word(p, "ac", "guest", MONDAY + 20 * HOUR);
  train_word(p, "ac", "guest", MONDAY + 20 * HOUR);
  train_word(p, "ad", "admin", MONDAY + 9 * HOUR);
  /* a, b, c, d and the unknown: five. The very context. */
  assert_string_equal(in_context(p, "guest", MONDAY + DAY + 6 * HOUR, &of_b), "b");
  assert_near(of_b, 1.5 / 3.5);
  assert_string_equal(in_context(p, "guest", MONDAY + 23 * HOUR, &of_b), "c");
  assert_near(of_b, 0.5 / 4.5);
  /* A guest at the weekend: the same hours of a weekday are nearest. */
  assert_string_equal(in_context(p, "guest", MONDAY + 5 * DAY + 9 * HOUR, &of_b), "b");
  /* An admin in the evening: rather what admins do in the morning than what guests do now. */
  assert_string_equal(in_context(p, "admin", MONDAY + 20 * HOUR, &of_b), "d");
  /* Somebody else in the evening: as a guest does then. */
  assert_string_equal(in_context(p, "robot", MONDAY + 20 * HOUR, &of_b), "c");
  /* Nothing is known of who and when: as first. */
  assert_string_equal(in_context(p, NULL, 0, &of_b), "c");
  assert_near(of_b, 1.5 / 6.5);
  larder_predictor_free(&p);
}

static void a_context_without_evidence_is_passed_over(void **state) {
  (void)state;
  larder_predictor_options options = plain;
  options.evidence_min = 2;
  larder_predictor *p = predictor_of(options);
  double of_b;
  train_word(p, "ab", "guest", MONDAY + 9 * HOUR);
  train_word(p, "ac", "guest", MONDAY + 13 * HOUR);
  train_word(p, "ac", "guest", MONDAY + 13 * HOUR);
  assert_string_equal(in_context(p, "guest", MONDAY + 9 * HOUR, &of_b), "c");
  assert_near(of_b, 0.5 / 4);
  larder_predictor_free(&p);
}

static void times_and_their_distances(void **state) {
  (void)state;
  assert_int_equal(lrd_time_of(0, 0), 0);
  assert_int_equal(lrd_time_of(1, 0), 1); /* a Thursday's night */
  assert_int_equal(lrd_time_of(MONDAY, 0), 1);
  assert_int_equal(lrd_time_of(MONDAY + 6 * HOUR, 0), 2);
  assert_int_equal(lrd_time_of(MONDAY + 24 * HOUR - 1, 0), 4);
  assert_int_equal(lrd_time_of(MONDAY - 1, 0), 8);           /* Sunday evening */
  assert_int_equal(lrd_time_of(MONDAY - 2 * DAY, 0), 5);     /* Saturday's night */
  assert_int_equal(lrd_time_of(MONDAY - 2 * DAY - 1, 0), 4); /* Friday evening */
  assert_int_equal(lrd_time_of(MONDAY - 1, 1), 1);           /* where Monday has begun */
  assert_int_equal(lrd_time_of(MONDAY, -1), 8);
  assert_int_equal(lrd_time_of(1, -1), 4); /* before the clock began */
  assert_int_equal(lrd_time_of(1, -1440), 1);
  for (unsigned a = 0; a < LRD_CONTEXTS; a++) {
    for (unsigned b = 0; b < LRD_CONTEXTS; b++) {
      assert_int_equal(lrd_context_distance(a, b), lrd_context_distance(b, a));
      assert_true((lrd_context_distance(a, b) == 0) == (a == b));
      assert_true((lrd_context_distance(a, b) >= 4) == (a / LRD_TIMES != b / LRD_TIMES));
    }
  }
  assert_int_equal(lrd_context_distance(1, 2), 1);
  assert_int_equal(lrd_context_distance(1, 4), 1); /* night and evening */
  assert_int_equal(lrd_context_distance(1, 3), 2);
  assert_int_equal(lrd_context_distance(1, 7), 3);
  assert_int_equal(lrd_context_nearest(5, (uint64_t[2]){0, 0}), LRD_CONTEXTS);
  assert_int_equal(lrd_context_nearest(125, (uint64_t[2]){2, UINT64_C(1) << 61}), 125);
  assert_int_equal(lrd_context_nearest(124, (uint64_t[2]){2, UINT64_C(1) << 61}), 125);
}

/* --- blend -----------------------------------------------------------------------------------------------------------------
 */

static void blend_weighs_by_evidence(void **state) {
  (void)state;
  larder_predictor *p = predictor_of(plain);
  train_word(p, "xab", NULL, 0);
  train_word(p, "yac", NULL, 0);
  train_word(p, "yac", NULL, 0);
  /* Of nine events b is one, c two; five endpoints and the unknown, smoothed by a half. */
  double any_b = 1.5 / 12, any_c = 2.5 / 12, any_z = 0.5 / 12;
  /* After a: three events, two successors. */
  double first_b = (1 + 2 * any_b) / 5, first_c = (2 + 2 * any_c) / 5, first_z = 2 * any_z / 5;
  assert_near(probability_after(p, "", LARDER_PREDICT_BLEND, "b"), any_b);
  assert_near(probability_after(p, "a", LARDER_PREDICT_BLEND, "b"), first_b);
  assert_near(probability_after(p, "a", LARDER_PREDICT_BLEND, "z"), first_z);
  /* After x a: one event, one successor. */
  assert_near(probability_after(p, "xa", LARDER_PREDICT_BLEND, "b"), (1 + first_b) / 2);
  assert_near(probability_after(p, "xa", LARDER_PREDICT_BLEND, "c"), first_c / 2);
  assert_near(probability_after(p, "ya", LARDER_PREDICT_BLEND, "c"), (2 + first_c) / 3);
  assert_string_equal(letters_after(p, "xa", LARDER_PREDICT_BLEND, 2), "bc");
  assert_string_equal(letters_after(p, "ya", LARDER_PREDICT_BLEND, 2), "cb");
  /* Where nothing is known of the past, what comes at all is guessed. */
  assert_string_equal(letters_after(p, "", LARDER_PREDICT_BLEND, 1), "a");
  larder_predictor_free(&p);
}

static void blend_has_the_context_between(void **state) {
  (void)state;
  larder_predictor *p = predictor_of(plain);
  train_word(p, "ab", "guest", 0);
  train_word(p, "ac", "admin", 0);
  larder_predict_past past = past_of("a");
  double found;
  past.user_type = "guest";
  double any_b = 1.5 / 6, first_b = (1 + 2 * any_b) / 4; /* three endpoints and the unknown */
  assert_ok(larder_predict_probability(p, &past, LARDER_PREDICT_BLEND, "b", 1, &found));
  assert_near(found, (1 + first_b) / 2);
  past.user_type = "admin";
  assert_ok(larder_predict_probability(p, &past, LARDER_PREDICT_BLEND, "b", 1, &found));
  assert_near(found, first_b / 2);
  larder_predictor_free(&p);
}

static void every_model_is_a_distribution(void **state) {
  (void)state;
  enum { ENDPOINTS = 50 };
  larder_predictor *p = predictor_of((larder_predictor_options){.age_at = 32, .states_max = 64, .pattern = ""});
  train_walks(p, 11, 300, ENDPOINTS);
  for (unsigned model = 0; model < LARDER_PREDICT_MODELS; model++) {
    for (unsigned last = 0; last < ENDPOINTS; last++) {
      char name[32], before[32];
      int len = snprintf(name, sizeof name, "/service/%u", last);
      int before_len = snprintf(before, sizeof before, "/service/%u", (last + 3) % ENDPOINTS);
      larder_predict_past past = {name, (size_t)len, before, (size_t)before_len, "guest", MONDAY + last * HOUR};
      double sum = 0, one;
      assert_ok(larder_predict_probability(p, &past, (larder_predict_model)model, "nobody knows it", 15, &sum));
      assert_true(sum > 0);
      for (unsigned i = 0; i < ENDPOINTS; i++) {
        char each[32];
        int each_len = snprintf(each, sizeof each, "/service/%u", i);
        assert_ok(larder_predict_probability(p, &past, (larder_predict_model)model, each, (size_t)each_len, &one));
        assert_true(one > 0 && one < 1);
        sum += one;
      }
      assert_true(sum > 1 - 1e-9 && sum < 1 + 1e-9);
    }
  }
  larder_predictor_free(&p);
}

static int downwards(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x > y ? -1 : x < y;
}

static void the_best_are_the_best_of_all(void **state) {
  (void)state;
  enum { ENDPOINTS = 50, MOST = 12 };
  larder_predictor *p = predictor_of((larder_predictor_options){.age_at = 40, .states_max = 128, .pattern = ""});
  train_walks(p, 12, 200, ENDPOINTS);
  for (unsigned last = 0; last < ENDPOINTS; last++) {
    char names[ENDPOINTS][24];
    double all[ENDPOINTS];
    larder_predict_guess guesses[MOST];
    for (unsigned i = 0; i < ENDPOINTS; i++) snprintf(names[i], sizeof names[i], "/service/%u", i);
    const char *before = names[last * 11 % ENDPOINTS];
    larder_predict_past past = {names[last], strlen(names[last]), before, strlen(before), "member", MONDAY + last * HOUR};
    for (unsigned i = 0; i < ENDPOINTS; i++)
      assert_ok(larder_predict_probability(p, &past, LARDER_PREDICT_BLEND, names[i], strlen(names[i]), &all[i]));
    qsort(all, ENDPOINTS, sizeof *all, downwards);
    for (size_t most = 1; most <= MOST; most++) {
      size_t count = most;
      assert_ok(larder_predict_after(p, &past, LARDER_PREDICT_BLEND, guesses, &count));
      assert_int_equal(count, most);
      for (size_t i = 0; i < count; i++) assert_near(guesses[i].probability, all[i]);
      for (size_t i = 0; i < count; i++)
        for (size_t other = 0; other < i; other++) assert_string_not_equal(guesses[i].endpoint, guesses[other].endpoint);
    }
  }
  larder_predictor_free(&p);
}

/* --- roll-out ------------------------------------------------------------------------------------------------------------ */

static void the_way_on_is_followed(void **state) {
  (void)state;
  larder_predictor *p = predictor_of((larder_predictor_options){.smoothing = 1e-9, .evidence_min = 1});
  for (int i = 0; i < 3; i++) train_word(p, "abcd", NULL, 0);
  train_word(p, "abx", NULL, 0);
  larder_predict_past past = past_of("a");
  larder_predict_guess way[8];
  size_t count = 8;
  assert_ok(larder_predict_path(p, &past, LARDER_PREDICT_FIRST, 0.5, way, &count));
  assert_int_equal(count, 3);
  assert_string_equal(way[0].endpoint, "b");
  assert_string_equal(way[1].endpoint, "c");
  assert_string_equal(way[2].endpoint, "d"); /* from which nothing leads on */
  assert_true(way[0].probability > 0.999 && way[1].probability > 0.749 && way[1].probability < 0.751);
  assert_true(way[2].probability > 0.749 && way[2].probability < 0.751);
  count = 8;
  assert_ok(larder_predict_path(p, &past, LARDER_PREDICT_FIRST, 0.8, way, &count)); /* c is less probable than that */
  assert_int_equal(count, 1);
  count = 2;
  assert_ok(larder_predict_path(p, &past, LARDER_PREDICT_FIRST, 0, way, &count));
  assert_int_equal(count, 2);
  /* Round and round: twice, and no more. */
  train_word(p, "mnmnmnmn", NULL, 0);
  past = past_of("m");
  count = 8;
  assert_ok(larder_predict_path(p, &past, LARDER_PREDICT_SECOND, 0, way, &count));
  assert_int_equal(count, 4);
  larder_predictor_free(&p);
}

/* More successors than a state names, so that newcomers have errors; then one of them alone, while the others fade. */
static void what_fades_is_never_less_than_nothing(void **state) {
  (void)state;
  for (unsigned rounds = 1; rounds < 40; rounds++) {
    larder_predictor *p = predictor_of((larder_predictor_options){.age_at = 512}), *again = NULL;
    for (unsigned i = 0; i < rounds * 17; i++) train_word(p, (char[3]){'.', (char)('a' + i % 17), '\0'}, NULL, 0);
    for (unsigned i = 0; i < 1600; i++) {
      train_word(p, ".a", NULL, 0);
      double sum = probability_after(p, ".", LARDER_PREDICT_FIRST, "?");
      for (const char *c = "abcdefghijklmnopq"; *c; c++)
        sum += probability_after(p, ".", LARDER_PREDICT_FIRST, (char[2]){*c, '\0'});
      assert_true(sum <= 1 + 1e-9);
      if (i % 256 != 0) continue;
      size_t len = 0;
      void *bytes = packed(p, LARDER_PREDICT_BINARY, &len);
      assert_ok(larder_predict_unpack(bytes, len, &again, NULL));
      larder_predict_bytes_free(bytes);
      larder_predictor_free(&again);
    }
    larder_predictor_free(&p);
  }
}

/* The same where two predictors that are full are added up. */
static void what_fades_in_a_merge_is_never_less_than_nothing(void **state) {
  (void)state;
  larder_predictor *p = predictor_of((larder_predictor_options){.age_at = 64});
  for (unsigned rounds = 1; rounds < 60; rounds++) {
    larder_predictor *other = predictor_of((larder_predictor_options){.age_at = 2048});
    for (unsigned i = 0; i < rounds * 17; i++) train_word(other, (char[3]){'.', (char)('a' + i % 17), '\0'}, NULL, 0);
    assert_ok(larder_predict_merge(p, other));
    double sum = probability_after(p, ".", LARDER_PREDICT_FIRST, "?");
    for (const char *c = "abcdefghijklmnopq"; *c; c++)
      sum += probability_after(p, ".", LARDER_PREDICT_FIRST, (char[2]){*c, '\0'});
    assert_true(sum <= 1 + 1e-9);
    larder_predictor_free(&other);
  }
  larder_predictor_free(&p);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(first_counts_what_followed_and_smooths),
      cmocka_unit_test(sessions_at_once_do_not_mix),
      cmocka_unit_test(after_a_pause_a_session_begins_anew),
      cmocka_unit_test(second_knows_where_one_came_from),
      cmocka_unit_test(second_wants_evidence),
      cmocka_unit_test(context_is_the_users_and_the_hours_or_the_nearest),
      cmocka_unit_test(a_context_without_evidence_is_passed_over),
      cmocka_unit_test(times_and_their_distances),
      cmocka_unit_test(blend_weighs_by_evidence),
      cmocka_unit_test(blend_has_the_context_between),
      cmocka_unit_test(every_model_is_a_distribution),
      cmocka_unit_test(the_best_are_the_best_of_all),
      cmocka_unit_test(the_way_on_is_followed),
      cmocka_unit_test(what_fades_is_never_less_than_nothing),
      cmocka_unit_test(what_fades_in_a_merge_is_never_less_than_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
