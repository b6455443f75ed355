/* SPDX-License-Identifier: Apache-2.0 */
/* Options, limits and what goes when they are reached, ageing, merging, and that the same events give the same predictor. */
#include "predict_fixture.h"

#include "predict/predictor.h"
#include <stdio.h>
#include <stdlib.h>

static larder_predictor_figures figures_of(larder_predictor *predictor) {
  larder_predictor_figures figures;
  larder_predictor_figures_get(predictor, &figures);
  return figures;
}

/* --- options ----------------------------------------------------------------------------------------------------------- */

static void refused(larder_predictor_options options, const char *name) {
  larder_predictor *predictor = NULL;
  larder_error err = {0};
  options.size = sizeof options;
  assert_err(larder_predictor_new(&options, &predictor, &err), LARDER_EINVAL);
  assert_non_null(strstr(err.message, name));
  assert_null(predictor);
}

static void options_have_limits(void **state) {
  (void)state;
  refused((larder_predictor_options){.endpoints_max = 7}, "endpoints_max");
  refused((larder_predictor_options){.endpoints_max = LARDER_PREDICT_ENDPOINTS_MAX + 1}, "endpoints_max");
  refused((larder_predictor_options){.states_max = 7}, "states_max");
  refused((larder_predictor_options){.states_max = (1 << 20) + 1}, "states_max");
  refused((larder_predictor_options){.sessions_max = 7}, "sessions_max");
  refused((larder_predictor_options){.order = 3}, "order");
  refused((larder_predictor_options){.age_at = 15}, "age_at");
  refused((larder_predictor_options){.age_at = 60001}, "age_at");
  refused((larder_predictor_options){.evidence_min = 60001}, "evidence_min");
  refused((larder_predictor_options){.smoothing = -1}, "smoothing");
  refused((larder_predictor_options){.smoothing = 1001}, "smoothing");
  refused((larder_predictor_options){.session_idle_ms = -1}, "session_idle_ms");
  refused((larder_predictor_options){.utc_offset_minutes = 1441}, "utc_offset_minutes");
  larder_predictor_options other = {.size = 1};
  larder_predictor *predictor = NULL;
  assert_err(larder_predictor_new(&other, &predictor, NULL), LARDER_EINVAL);
  assert_err(larder_predictor_new(NULL, NULL, NULL), LARDER_EINVAL);
  assert_ok(larder_predictor_new(NULL, &predictor, NULL));
  larder_predictor_free(&predictor);
  assert_null(predictor);
  larder_predictor_free(&predictor);
  larder_predictor_free(NULL);
}

static void calls_are_checked(void **state) {
  (void)state;
  larder_predictor *p = predictor_of((larder_predictor_options){0});
  larder_predict_event event = {.session = "s", .session_len = 1, .endpoint = "a", .endpoint_len = 1};
  larder_predict_past past = past_of("a");
  larder_predict_guess guesses[2];
  size_t count = LARDER_PREDICT_TOP_MAX + 1;
  double found;
  assert_err(larder_predict_after(p, &past, LARDER_PREDICT_BLEND, guesses, &count), LARDER_EINVAL);
  assert_err(larder_predict_path(p, &past, LARDER_PREDICT_BLEND, 0, guesses, &count), LARDER_EINVAL);
  count = 2;
  assert_err(larder_predict_after(p, &past, (larder_predict_model)LARDER_PREDICT_MODELS, guesses, &count), LARDER_EINVAL);
  assert_err(larder_predict_after(p, NULL, LARDER_PREDICT_BLEND, guesses, &count), LARDER_EINVAL);
  assert_err(larder_predict_after(p, &past, LARDER_PREDICT_BLEND, NULL, &count), LARDER_EINVAL);
  assert_err(larder_predict_next(p, NULL, 0, LARDER_PREDICT_BLEND, guesses, &count), LARDER_EINVAL);
  assert_err(larder_predict_probability(p, &past, LARDER_PREDICT_BLEND, NULL, 0, &found), LARDER_EINVAL);
  assert_err(larder_predict_merge(p, p), LARDER_EINVAL);
  assert_err(larder_predict_observe(p, NULL), LARDER_EINVAL);
  event.wall_ms = -1;
  assert_err(larder_predict_observe(p, &event), LARDER_EINVAL);
  assert_err(larder_predict_train(p, &event, 1), LARDER_EINVAL);
  event.wall_ms = 0;
  event.endpoint_len = 0;
  assert_err(larder_predict_observe(p, &event), LARDER_EINVAL);
  assert_int_equal(figures_of(p).events, 0);
  assert_string_equal(larder_predict_model_name(LARDER_PREDICT_SECOND), "second");
  assert_null(larder_predict_model_name((larder_predict_model)LARDER_PREDICT_MODELS));
  larder_predictor_free(&p);
}

static void without_memory_nothing_is_left_behind(void **state) {
  (void)state;
  for (uint64_t n = 1;; n++) {
    larder_predictor *predictor = NULL;
    larder_predict_event event = {.session = "s", .session_len = 1, .endpoint = "a", .endpoint_len = 1};
    int64_t live = support_alloc_live();
    support_alloc_fail_at(n);
    larder_err err = larder_predictor_new(NULL, &predictor, NULL);
    if (err == LARDER_OK && (err = larder_predict_observe(predictor, &event)) == LARDER_OK)
      err = larder_predict_observe(predictor, &event); /* known by now: nothing is allocated */
    bool failed = support_alloc_end() >= n;
    assert_true(err == LARDER_OK ? !failed : err == LARDER_ENOMEM);
    larder_predictor_free(&predictor);
    assert_int_equal(support_alloc_live(), live);
    if (!failed) break;
  }
}

static void what_is_not_learned_takes_no_room(void **state) {
  (void)state;
  larder_predictor *all = predictor_of((larder_predictor_options){.evidence_min = 1});
  larder_predictor *first = predictor_of((larder_predictor_options){.evidence_min = 1, .order = 1, .no_contexts = true});
  train_word(all, "xabyac", "guest", 0);
  train_word(first, "xabyac", "guest", 0);
  assert_string_equal(letters_after(all, "ya", LARDER_PREDICT_SECOND, 5), "c");
  assert_string_equal(letters_after(first, "ya", LARDER_PREDICT_SECOND, 5), "bc");
  assert_string_equal(letters_after(first, "ya", LARDER_PREDICT_CONTEXT, 5), "bc");
  assert_int_equal(figures_of(first).states, 4); /* x, a, b, y */
  assert_int_equal(figures_of(all).states, 4 + 4 + 4);
  larder_predictor_free(&all);
  larder_predictor_free(&first);
}

/* --- limits ------------------------------------------------------------------------------------------------------------- */

static void a_state_keeps_its_strongest_successors(void **state) {
  (void)state;
  larder_predictor *p = predictor_of((larder_predictor_options){.pattern = "", .smoothing = 1e-9});
  for (int round = 0; round < 20; round++) {
    /* b comes each time; between there are forty that come every other time. */
    char word[3] = {'a', (char)(round % 2 ? '0' + round : 'c'), '\0'};
    train_word(p, "ab", NULL, 0);
    train_word(p, word, NULL, 0);
    for (char other = 'A'; other <= 'T'; other++) {
      word[1] = other;
      if (round < 4) train_word(p, word, NULL, 0);
    }
  }
  assert_string_equal(letters_after(p, "a", LARDER_PREDICT_FIRST, 2), "bc");
  assert_int_equal(strlen(letters_after(p, "a", LARDER_PREDICT_FIRST, 64)), LARDER_PREDICT_SUCCESSORS);
  /* Never more than was seen: 20 of 120, whatever made room for whom. */
  double of_b = probability_after(p, "a", LARDER_PREDICT_FIRST, "b");
  assert_true(of_b > 15.0 / 120 && of_b < 20.5 / 120 + 0.02);
  double one_off = probability_after(p, "a", LARDER_PREDICT_FIRST, "C");
  assert_true(one_off < 4.0 / 120 + 0.04);
  larder_predictor_free(&p);
}

static void old_habits_fade(void **state) {
  (void)state;
  larder_predictor *p = predictor_of((larder_predictor_options){.age_at = 64});
  for (int i = 0; i < 1000; i++) train_word(p, "ab", NULL, 0);
  assert_string_equal(letters_after(p, "a", LARDER_PREDICT_FIRST, 1), "b");
  int needed = 0;
  while (letters_after(p, "a", LARDER_PREDICT_FIRST, 1)[0] != 'c') {
    train_word(p, "ac", NULL, 0);
    needed++;
  }
  assert_in_range(needed, 32, 64); /* not a thousand */
  for (int i = 0; i < 1000; i++) train_word(p, "ac", NULL, 0);
  assert_string_equal(letters_after(p, "a", LARDER_PREDICT_FIRST, 5), "c"); /* b is forgotten */
  larder_predictor_free(&p);
}

static void the_least_asked_for_endpoints_make_room(void **state) {
  (void)state;
  larder_predictor *p = predictor_of((larder_predictor_options){.endpoints_max = 16, .smoothing = 1e-9});
  for (int i = 0; i < 3; i++) train_word(p, "abcdefghijklmn", NULL, 0);
  train_word(p, "oa", NULL, 0);
  train_word(p, "ob", NULL, 0);
  train_word(p, "pa", NULL, 0);
  assert_int_equal(figures_of(p).endpoints, 16);
  assert_string_equal(letters_after(p, "p", LARDER_PREDICT_FIRST, 5), "a");
  train_word(p, "aqa", NULL, 0); /* p came once, o twice: they go */
  assert_int_equal(figures_of(p).endpoints, 15);
  assert_int_equal(figures_of(p).endpoints_replaced, 2);
  assert_string_equal(letters_after(p, "p", LARDER_PREDICT_FIRST, 5), "");
  assert_int_equal(strlen(letters_after(p, "", LARDER_PREDICT_BLEND, 64)), 15); /* of those that are there */
  assert_string_equal(letters_after(p, "q", LARDER_PREDICT_FIRST, 5), "a");
  assert_string_equal(letters_after(p, "a", LARDER_PREDICT_FIRST, 5), "bq");
  train_word(p, "ar", NULL, 0); /* under a number that was somebody else's */
  assert_string_equal(letters_after(p, "a", LARDER_PREDICT_FIRST, 5), "bqr");
  for (char c = 'a'; c <= 'n'; c++) {
    char word[2] = {c, '\0'};
    const char *next = letters_after(p, word, LARDER_PREDICT_FIRST, 1);
    assert_true(c == 'n' ? next[0] == '\0' : next[0] == c + 1);
  }
  larder_predictor_free(&p);
}

static void what_went_is_not_among_the_most_frequent(void **state) {
  (void)state;
  larder_predictor *p = predictor_of((larder_predictor_options){.endpoints_max = 16});
  for (int i = 0; i < 3; i++) train_word(p, "abcdefghijklmn", NULL, 0);
  train_word(p, "opap", NULL, 0);
  train_word(p, "q", NULL, 0); /* o and p go, and q is where o was */
  assert_string_equal(letters_after(p, "", LARDER_PREDICT_BLEND, 64), "abcdefghijklmnq");
  /* What is equal when all are halved stands in the order of the numbers, as in one that is loaded. */
  larder_predictor_clear(p);
  for (int i = 0; i < 4; i++) train_word(p, "ab", NULL, 0);
  train_word(p, "bcdefghijklmnop", NULL, 0);
  assert_string_equal(letters_after(p, "", LARDER_PREDICT_BLEND, 2), "ba");
  train_word(p, "q", NULL, 0);
  assert_string_equal(letters_after(p, "", LARDER_PREDICT_BLEND, 2), "ab");
  larder_predictor_free(&p);
}

static void a_session_whose_endpoint_went_begins_anew(void **state) {
  (void)state;
  larder_predictor *p = predictor_of((larder_predictor_options){.endpoints_max = 8});
  larder_predict_event event = {.session = "s", .session_len = 1, .endpoint = "z", .endpoint_len = 1};
  for (int i = 0; i < 3; i++) train_word(p, "abcdefg", NULL, 0);
  assert_ok(larder_predict_observe(p, &event));
  train_word(p, "h", NULL, 0); /* in the place of z */
  event.endpoint = "a";
  assert_ok(larder_predict_observe(p, &event));
  assert_string_equal(letters_after(p, "h", LARDER_PREDICT_FIRST, 5), "");
  larder_predictor_free(&p);
}

static void a_request_is_learned_and_answered_at_once(void **state) {
  (void)state;
  larder_predictor *one = predictor_of((larder_predictor_options){.pattern = ""});
  larder_predictor *two = predictor_of((larder_predictor_options){.pattern = ""});
  support_random random = {9};
  char long_one[LARDER_ENDPOINT_MAX + 2];
  for (unsigned i = 0; i < 2000; i++) {
    larder_predict_guess guesses[2][3];
    size_t counts[2] = {3, 3};
    char session = (char)('0' + support_random_below(&random, 4)), endpoint = (char)('a' + support_random_below(&random, 6));
    larder_predict_event event = {&session, 1, &endpoint, 1, i % 3 ? "guest" : NULL, 1 + (int64_t)i * 60000};
    assert_ok(larder_predict_request(one, &event, LARDER_PREDICT_BLEND, guesses[0], &counts[0]));
    assert_ok(larder_predict_observe(two, &event));
    assert_ok(larder_predict_next(two, &session, 1, LARDER_PREDICT_BLEND, guesses[1], &counts[1]));
    assert_int_equal(counts[0], counts[1]);
    for (size_t g = 0; g < counts[0]; g++) {
      assert_string_equal(guesses[0][g].endpoint, guesses[1][g].endpoint);
      assert_memory_equal(&guesses[0][g].probability, &guesses[1][g].probability, sizeof guesses[0][g].probability);
    }
  }
  larder_predict_guess guess;
  size_t count = 1, most = LARDER_PREDICT_TOP_MAX + 1;
  larder_predict_event event = {.session = "s", .session_len = 1, .endpoint = long_one, .endpoint_len = sizeof long_one};
  memset(long_one, 'x', sizeof long_one);
  assert_err(larder_predict_request(one, &event, LARDER_PREDICT_BLEND, &guess, &count), LARDER_ETOOBIG);
  event.endpoint_len = 0;
  assert_err(larder_predict_request(one, &event, LARDER_PREDICT_BLEND, &guess, &count), LARDER_EINVAL);
  assert_int_equal(count, 1);
  event.endpoint_len = 1;
  assert_err(larder_predict_request(one, &event, LARDER_PREDICT_MODELS, &guess, &count), LARDER_EINVAL);
  assert_err(larder_predict_request(one, &event, LARDER_PREDICT_BLEND, &guess, &most), LARDER_EINVAL);
  assert_err(larder_predict_request(one, &event, LARDER_PREDICT_BLEND, NULL, &count), LARDER_EINVAL);
  assert_err(larder_predict_request(one, &event, LARDER_PREDICT_BLEND, &guess, NULL), LARDER_EINVAL);
  assert_err(larder_predict_request(NULL, &event, LARDER_PREDICT_BLEND, &guess, &count), LARDER_EINVAL);
  assert_int_equal(figures_of(one).events, 2000);
  larder_predictor_free(&one);
  larder_predictor_free(&two);
}

static void sessions_and_states_are_bounded(void **state) {
  (void)state;
  larder_predictor *p = predictor_of((larder_predictor_options){.sessions_max = 64, .states_max = 128, .endpoints_max = 64});
  uint64_t bytes = figures_of(p).bytes;
  for (unsigned i = 0; i < 20000; i++) {
    char session[16], endpoint[24];
    int session_len = snprintf(session, sizeof session, "%u", i / 9 % 700);
    int len = snprintf(endpoint, sizeof endpoint, "/x%u/y", i * 7 % 90);
    larder_predict_event event = {session, (size_t)session_len, endpoint, (size_t)len, i % 3 ? "guest" : NULL, 1 + i * 1000};
    assert_ok(larder_predict_observe(p, &event));
  }
  larder_predictor_figures figures = figures_of(p);
  assert_int_equal(figures.events, 20000);
  assert_true(figures.sessions <= 64 && figures.states <= 128 && figures.endpoints <= 64);
  assert_true(figures.sessions_replaced > 0 && figures.states_replaced > 0 && figures.endpoints_replaced > 0);
  assert_int_equal(figures.bytes, bytes);
  larder_predictor_clear(p);
  figures = figures_of(p);
  assert_int_equal(figures.events + figures.sessions + figures.states + figures.endpoints, 0);
  train_word(p, "ab", NULL, 0);
  assert_string_equal(letters_after(p, "a", LARDER_PREDICT_FIRST, 5), "b");
  larder_predictor_free(&p);
}

static void user_types_are_told_apart_as_long_as_there_is_room(void **state) {
  (void)state;
  larder_predictor *p = predictor_of((larder_predictor_options){.evidence_min = 1});
  char type[LARDER_USER_TYPE_MAX + 2];
  for (int i = 0; i < 20; i++) {
    snprintf(type, sizeof type, "type %d", i);
    train_word(p, "ab", type, 0);
  }
  assert_int_equal(figures_of(p).user_types, LARDER_PREDICT_USER_TYPES);
  larder_predictor_clear(p);
  memset(type, 'x', sizeof type);
  type[sizeof type - 1] = '\0';
  train_word(p, "ab", type, 0); /* too long */
  train_word(p, "ab", "\xff", 0);
  train_word(p, "ab", "", 0);
  assert_int_equal(figures_of(p).user_types, 0);
  larder_predictor_free(&p);
}

/* --- the table of states ------------------------------------------------------------------------------------------------ */

static void the_coldest_of_a_full_set_goes(void **state) {
  (void)state;
  lrd_transitions table;
  assert_ok(lrd_transitions_init(&table, 8, 1024));
  for (uint32_t i = 0; i < 8; i++)
    for (uint32_t times = 0; times <= i; times++) lrd_transitions_learn(&table, lrd_key_first(i), 0, 1);
  lrd_transitions_learn(&table, lrd_key_first(8), 0, 1);
  assert_null(lrd_transitions_find(&table, lrd_key_first(0)));
  lrd_state *newcomer = lrd_transitions_find(&table, lrd_key_first(8));
  assert_int_equal(newcomer->total, 1);
  /* With that of whom it replaced: what is cold for long goes in its turn. */
  assert_int_equal(table.heats[newcomer - table.states], 2);
  lrd_transitions_learn(&table, lrd_key_first(8), 0, 1);
  lrd_transitions_learn(&table, lrd_key_first(9), 0, 1);
  assert_null(lrd_transitions_find(&table, lrd_key_first(1)));
  assert_non_null(lrd_transitions_find(&table, lrd_key_first(8)));
  assert_int_equal(table.len, 8);
  assert_int_equal(table.replaced, 2);
  lrd_transitions_fini(&table);
}

static void what_is_halved_is_never_more_certain(void **state) {
  (void)state;
  lrd_transitions table;
  assert_ok(lrd_transitions_init(&table, 8, 32));
  lrd_state *s = &table.states[lrd_transitions_place(&table, lrd_key_first(0))];
  for (uint32_t id = 0; id < 15; id++)
    for (int times = 0; times < 2; times++) lrd_state_add(&table, s, id);
  lrd_state_add(&table, s, 99); /* in the place of one that came twice: 3, of which 2 are its own error */
  unsigned at = lrd_state_at(s, 99);
  assert_true(at == 0 && s->counts[at] == 3 && s->errors[at] == 2 && lrd_state_certain(s, at) == 1);
  lrd_state_add(&table, s, 98); /* 3 and 2 likewise; the 32nd: all are halved */
  at = lrd_state_at(s, 98);
  assert_true(s->total == 16 && s->counts[at] == 1 && s->errors[at] == 1 && lrd_state_certain(s, at) == 0);
  for (unsigned i = 0, sum = 0; i <= s->len; i++) {
    if (i == s->len)
      assert_int_equal(s->named, sum);
    else
      sum += lrd_state_certain(s, i);
  }
  /* An error of 1 stays one. */
  lrd_transitions_clear(&table);
  s = &table.states[lrd_transitions_place(&table, lrd_key_first(1))];
  for (uint32_t id = 0; id < 15; id++) lrd_state_add(&table, s, id);
  lrd_state_add(&table, s, 50);
  while (s->total != 31) lrd_state_add(&table, s, 3);
  lrd_state_add(&table, s, 3);
  at = lrd_state_at(s, 50);
  assert_true(at < LRD_NEXT_MAX && s->counts[at] == 1 && s->errors[at] == 1);
  lrd_transitions_fini(&table);
}

/* --- merging ------------------------------------------------------------------------------------------------------------- */

static void two_halves_are_the_whole(void **state) {
  (void)state;
  const larder_predictor_options options = {.smoothing = 0.5, .evidence_min = 1};
  larder_predictor *whole = predictor_of(options), *one = predictor_of(options), *other = predictor_of(options);
  static const char *const words[] = {"abcab", "xbcde", "abx", "cab", "cdb", "abc"};
  static const char *const types[] = {"guest", NULL, "admin", "robot", "guest", "robot"};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    train_word(whole, words[i], types[i], 0);
    train_word(i < 3 ? one : other, words[i], types[i], 0);
  }
  assert_ok(larder_predict_merge(one, other));
  assert_int_equal(figures_of(one).events, figures_of(whole).events);
  assert_int_equal(figures_of(one).states, figures_of(whole).states);
  assert_int_equal(figures_of(one).endpoints, figures_of(whole).endpoints);
  static const char *const pasts[] = {"", "a", "b", "c", "ab", "bc", "xb", "ca", "za"};
  for (unsigned model = 0; model < LARDER_PREDICT_MODELS; model++) {
    for (size_t i = 0; i < sizeof pasts / sizeof *pasts; i++) {
      for (const char *next = "abcdexz"; *next; next++) {
        larder_predict_past past = past_of(pasts[i]);
        double found, wanted;
        past.user_type = i % 2 ? "guest" : "robot";
        assert_ok(larder_predict_probability(whole, &past, (larder_predict_model)model, next, 1, &wanted));
        assert_ok(larder_predict_probability(one, &past, (larder_predict_model)model, next, 1, &found));
        assert_near(found, wanted);
      }
    }
  }
  larder_predictor_free(&whole);
  larder_predictor_free(&one);
  larder_predictor_free(&other);
}

static void merging_keeps_the_limits(void **state) {
  (void)state;
  larder_predictor *small = predictor_of((larder_predictor_options){.endpoints_max = 20, .states_max = 64, .age_at = 16});
  larder_predictor *large = predictor_of((larder_predictor_options){.pattern = ""});
  train_walks(large, 3, 400, 60);
  train_word(small, "abab", "guest", 0);
  assert_ok(larder_predict_merge(small, large));
  larder_predictor_figures figures = figures_of(small);
  assert_true(figures.endpoints <= 20 && figures.states <= 64 && figures.endpoints_replaced > 0);
  assert_int_equal(figures.events, 4 + figures_of(large).events);
  /* Whole enough to be saved and read again. */
  size_t len = 0;
  void *bytes = packed(small, LARDER_PREDICT_BINARY, &len);
  larder_predictor *again = NULL;
  assert_ok(larder_predict_unpack(bytes, len, &again, NULL));
  larder_predict_bytes_free(bytes);
  larder_predictor_free(&again);
  support_alloc_fail_at(1);
  assert_err(larder_predict_merge(small, large), LARDER_ENOMEM);
  support_alloc_end();
  larder_predictor_free(&small);
  larder_predictor_free(&large);
}

/* --- determinism --------------------------------------------------------------------------------------------------------- */

static void the_same_events_give_the_same_bytes(void **state) {
  (void)state;
  void *first = NULL;
  size_t first_len = 0;
  for (int round = 0; round < 2; round++) {
    larder_predictor *p =
        predictor_of((larder_predictor_options){.pattern = "", .endpoints_max = 40, .states_max = 128, .age_at = 64});
    size_t len = 0;
    train_walks(p, 5, 500, 60);
    void *bytes = packed(p, LARDER_PREDICT_BINARY, &len);
    if (round > 0) {
      assert_int_equal(len, first_len);
      assert_memory_equal(bytes, first, len);
      larder_predict_bytes_free(bytes);
    } else {
      first = bytes;
      first_len = len;
    }
    larder_predictor_free(&p);
  }
  larder_predict_bytes_free(first);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(options_have_limits),
      cmocka_unit_test(calls_are_checked),
      cmocka_unit_test(without_memory_nothing_is_left_behind),
      cmocka_unit_test(what_is_not_learned_takes_no_room),
      cmocka_unit_test(a_state_keeps_its_strongest_successors),
      cmocka_unit_test(old_habits_fade),
      cmocka_unit_test(the_least_asked_for_endpoints_make_room),
      cmocka_unit_test(what_went_is_not_among_the_most_frequent),
      cmocka_unit_test(a_session_whose_endpoint_went_begins_anew),
      cmocka_unit_test(a_request_is_learned_and_answered_at_once),
      cmocka_unit_test(sessions_and_states_are_bounded),
      cmocka_unit_test(user_types_are_told_apart_as_long_as_there_is_room),
      cmocka_unit_test(the_coldest_of_a_full_set_goes),
      cmocka_unit_test(what_is_halved_is_never_more_certain),
      cmocka_unit_test(two_halves_are_the_whole),
      cmocka_unit_test(merging_keeps_the_limits),
      cmocka_unit_test(the_same_events_give_the_same_bytes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
