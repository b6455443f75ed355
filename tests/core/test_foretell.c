/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A namespace that predicts: what is heard, what is wished for and what is let go, what came of it, and that it stops when that
 * was for nothing. Time is moved by hand; makings are waited for by counts.
 */
#include "support/support.h"

#include "base/clock.h"
#include "larder_testing.h"
#include <larder/evict.h>
#include <larder/ext/maker.h>
#include <larder/foretell.h>
#include <larder/prefetch.h>
#include <larder/stats.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define WAIT_MS 20000

static void nap(void) { nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL); }

#define WAIT_FOR(condition)                                                                                                    \
  do {                                                                                                                         \
    for (unsigned naps = 0; !(condition); naps++) {                                                                            \
      if (naps > WAIT_MS) fail_msg("waited in vain for %s", #condition);                                                       \
      nap();                                                                                                                   \
    }                                                                                                                          \
  } while (0)

typedef struct fixture {
  char *root;
  lrd_clock_moved clock;
  larder *cache;
  larder_ns *ns;
  atomic_uint made, inside;
  atomic_bool held;
} fixture;

static larder_err origin_make(void *context, const larder_making *making, larder_made *made, larder_error *err) {
  static char value[1000];
  fixture *f = context;
  (void)err;
  if (*(const char *)making->key == 'M') { /* made of another one */
    larder_value part = {0};
    assert_ok(larder_get_or_make(making->ns, "part", 4, NULL, &part, NULL));
    larder_value_release(&part);
  }
  atomic_fetch_add(&f->inside, 1);
  while (atomic_load(&f->held) && !larder_making_cancelled(making)) nap();
  atomic_fetch_sub(&f->inside, 1);
  atomic_fetch_add(&f->made, 1);
  made->value = value;
  made->len = sizeof value;
  return LARDER_OK;
}

static void open_with(fixture *f, const char *predict) {
  char text[768];
  larder_error err = {0};
  memset(f, 0, sizeof *f);
  f->root = support_dir_make();
  lrd_clock_moved_init(&f->clock, INT64_C(1700000000000));
  snprintf(
      text, sizeof text,
      "cache:\n  slots: 1024\n  memory: {size_mb: 4, policy: lru}\n  namespaces:\n"
      "    n: {tiers: [memory], ttl: 60s, maker: {callback: origin, parallel: 8}, predict: {%s}}\n    plain: {tiers: [memory], "
      "maker: {callback: origin}}\n",
      predict);
  larder_options options = {.size = sizeof options, .root = f->root, .config_text = text};
  if (lrd_larder_open_with_clock(&options, &f->clock.clock, &f->cache, &err) != LARDER_OK) fail_msg("%s", err.message);
  assert_ok(larder_maker_register(f->cache, "origin", origin_make, f));
  assert_ok(larder_ns_open(f->cache, "n", &f->ns, NULL));
}

static void shut(fixture *f) {
  larder_foretell_session(NULL, 0, NULL);
  assert_ok(larder_close(&f->cache));
  support_dir_remove(&f->root);
}

static larder_foretell_figures figures(fixture *f) {
  larder_foretell_figures now = {0};
  assert_ok(larder_foretell_figures_get(f->ns, &now));
  return now;
}

static void ask(fixture *f, const char *key) {
  larder_value value = {0};
  assert_ok(larder_get_or_make(f->ns, key, strlen(key), NULL, &value, NULL));
  larder_value_release(&value);
}

/* What was asked for is learned from and acted on, until nothing is left to do. */
static void settle(fixture *f) {
  lrd_larder_tick(f->cache);
  for (larder_prefetch_figures now = {0};;) {
    larder_prefetch_figures_get(f->cache, &now);
    if (now.queued == 0 && now.running == 0) break;
    nap();
  }
}

static bool is_there(fixture *f, const char *key) { return larder_exists(f->ns, key, strlen(key)) == LARDER_OK; }

static void forget(fixture *f, const char *keys) {
  for (; *keys; keys++) assert_true(larder_delete(f->ns, keys, 1) >= 0);
}

/* A new session that asks for the letters of a word. */
static void session(fixture *f, const char *word) {
  static uint64_t number;
  number++;
  larder_foretell_session(&number, sizeof number, NULL);
  for (; *word; word++) ask(f, (char[2]){*word, '\0'});
}

/* --- what is made ----------------------------------------------------------------------------------------------------------
 */

static void what_comes_next_is_made_before_it_is_asked_for(void **state) {
  fixture f;
  (void)state;
  open_with(&f, "enable: true, chain: first");
  for (int i = 0; i < 5; i++) session(&f, "abc");
  settle(&f);
  assert_int_equal(figures(&f).heard, 15);
  assert_int_equal(figures(&f).wished, 0); /* all of it was there */
  assert_int_equal(atomic_load(&f.made), 3);
  forget(&f, "abc");
  session(&f, "a");
  settle(&f);
  assert_true(is_there(&f, "b"));
  assert_false(is_there(&f, "c")); /* one step at a time */
  larder_foretell_figures now = figures(&f);
  assert_int_equal(now.wished, 1);
  assert_int_equal(now.unread_bytes, 1000);
  ask(&f, "b");
  now = figures(&f);
  assert_true(now.used == 1 && now.used_bytes == 1000 && now.wasted == 0 && now.late == 0 && now.unread_bytes == 0);
  assert_true(now.precision == 1);
  assert_int_equal(atomic_load(&f.made), 5); /* a by who asked, b ahead */
  shut(&f);
}

static void sessions_are_told_apart_on_one_thread(void **state) {
  fixture f;
  (void)state;
  open_with(&f, "enable: true, chain: first");
  for (int i = 0; i < 4; i++) {
    larder_foretell_session("one", 3, NULL);
    ask(&f, "a");
    larder_foretell_session("two", 3, NULL);
    ask(&f, "x");
    larder_foretell_session("one", 3, NULL);
    ask(&f, "b");
    larder_foretell_session("two", 3, NULL);
    ask(&f, "y");
    lrd_larder_tick(f.cache);
  }
  forget(&f, "abxy");
  session(&f, "a");
  settle(&f);
  assert_true(is_there(&f, "b"));
  assert_false(is_there(&f, "x"));
  shut(&f);
}

static void what_a_program_reads_otherwise_it_may_tell(void **state) {
  fixture f;
  larder_ns *plain = NULL;
  larder_foretell_figures now;
  char long_key[LARDER_FORETELL_KEY_MAX + 1];
  (void)state;
  open_with(&f, "enable: true");
  assert_ok(larder_foretell_asked(f.ns, "a", 1));
  memset(long_key, 'x', sizeof long_key);
  assert_int_equal(larder_foretell_asked(f.ns, long_key, sizeof long_key), LARDER_NOT_KEPT);
  assert_err(larder_foretell_asked(f.ns, "", 0), LARDER_EINVAL);
  /* Nobody takes them meanwhile: what has no room is let go. */
  for (int i = 1; i <= 2000; i++) assert_err(larder_foretell_asked(f.ns, "b", 1), i < 1024 ? LARDER_OK : LARDER_NOT_KEPT);
  lrd_larder_tick(f.cache);
  now = figures(&f);
  assert_int_equal(now.heard, 1024);
  assert_int_equal(now.heard + now.missed, 2002);
  assert_ok(larder_ns_open(f.cache, "plain", &plain, NULL));
  assert_err(larder_foretell_asked(plain, "a", 1), LARDER_EUNSUPPORTED);
  assert_err(larder_foretell_figures_get(plain, &now), LARDER_EUNSUPPORTED);
  assert_err(larder_foretell_figures_get(NULL, &now), LARDER_EINVAL);
  assert_err(larder_foretell_save(plain, "x", LARDER_PREDICT_BINARY, NULL), LARDER_EUNSUPPORTED);
  shut(&f);
}

static void what_a_maker_asks_for_is_nobodys_step(void **state) {
  fixture f;
  (void)state;
  open_with(&f, "enable: true, chain: first");
  session(&f, "aMb");
  settle(&f);
  assert_int_equal(atomic_load(&f.made), 4);
  assert_int_equal(figures(&f).heard, 3);
  shut(&f);
}

/* --- what is let go ----------------------------------------------------------------------------------------------------------
 */

static void teach_three(fixture *f) {
  for (int i = 0; i < 6; i++) session(f, "ab");
  for (int i = 0; i < 3; i++) session(f, "ac");
  session(f, "ad");
  settle(f);
  forget(f, "abcd");
  session(f, "a");
  settle(f);
}

static void only_what_is_probable_enough_and_only_so_many(void **state) {
  fixture f;
  (void)state;
  open_with(&f, "enable: true, chain: first, min_probability: 25%");
  teach_three(&f);
  assert_true(is_there(&f, "b") && is_there(&f, "c") && !is_there(&f, "d"));
  shut(&f);
  open_with(&f, "enable: true, chain: first, min_probability: 1%, top: 1");
  teach_three(&f);
  assert_true(is_there(&f, "b") && !is_there(&f, "c") && !is_there(&f, "d"));
  shut(&f);
  open_with(&f, "enable: true, chain: first"); /* prefetch.min_probability, 30 % */
  teach_three(&f);
  assert_true(is_there(&f, "b") && !is_there(&f, "c") && !is_there(&f, "d"));
  shut(&f);
}

static void not_more_than_the_rate_and_the_budget(void **state) {
  fixture f;
  (void)state;
  open_with(&f, "enable: true, chain: first, min_probability: 1%, rate: 1/s");
  teach_three(&f);
  assert_true(is_there(&f, "b") && !is_there(&f, "c"));
  assert_int_equal(figures(&f).held_rate, 2);
  lrd_clock_moved_advance_ms(&f.clock, 1000);
  session(&f, "a");
  settle(&f);
  assert_true(is_there(&f, "c"));
  shut(&f);
  open_with(&f, "enable: true, chain: first, min_probability: 1%, budget_mb: 0");
  teach_three(&f);
  assert_false(is_there(&f, "b"));
  assert_int_equal(figures(&f).held_budget, 3);
  assert_int_equal(figures(&f).wished, 0);
  shut(&f);
}

static void after_too_much_waste_it_only_learns_for_a_while(void **state) {
  fixture f;
  (void)state;
  open_with(&f, "enable: true, chain: first, min_probability: 30%, rate: 0, max_waste: 50%");
  for (int i = 0; i < 4; i++) session(&f, "ab");
  settle(&f);
  larder_foretell_figures now = figures(&f);
  for (int i = 0; i < 30 && !now.stopped; i++) {
    forget(&f, "ab");
    session(&f, "a");
    settle(&f);
    lrd_clock_moved_advance_ms(&f.clock, 61000); /* b is over, and nobody has read it */
    settle(&f);
    now = figures(&f);
  }
  assert_true(now.stopped);
  assert_int_equal(now.stops, 1);
  assert_int_equal(now.wasted, 16);
  assert_true(now.used == 0 && now.precision == 0 && now.wasted_bytes == 16000 && now.unread_bytes == 0);
  forget(&f, "ab");
  session(&f, "a");
  settle(&f);
  assert_false(is_there(&f, "b"));
  assert_int_equal(figures(&f).held_waste, 1);
  assert_int_equal(figures(&f).wished, 16);
  lrd_clock_moved_advance_ms(&f.clock, 300000);
  settle(&f);
  assert_false(figures(&f).stopped);
  session(&f, "a");
  settle(&f);
  assert_true(is_there(&f, "b"));
  shut(&f);
}

static void waste_may_be_allowed(void **state) {
  fixture f;
  (void)state;
  open_with(&f, "enable: true, chain: first, rate: 0, max_waste: 100%");
  for (int i = 0; i < 4; i++) session(&f, "ab");
  settle(&f);
  for (int i = 0; i < 20; i++) {
    forget(&f, "ab");
    session(&f, "a");
    settle(&f);
    lrd_clock_moved_advance_ms(&f.clock, 61000);
    settle(&f);
  }
  assert_int_equal(figures(&f).stops, 0);
  assert_int_equal(figures(&f).wasted, 20);
  shut(&f);
}

/* --- too late ------------------------------------------------------------------------------------------------------------ */

static void *ask_b(void *context) {
  ask(context, "b");
  return NULL;
}

static void what_is_asked_for_while_it_is_made_is_late_and_used(void **state) {
  fixture f;
  pthread_t asker;
  (void)state;
  open_with(&f, "enable: true, chain: first");
  for (int i = 0; i < 4; i++) session(&f, "ab");
  settle(&f);
  forget(&f, "b");
  session(&f, "a");
  atomic_store(&f.held, true);
  lrd_larder_tick(f.cache);
  WAIT_FOR(atomic_load(&f.inside) == 1);
  assert_int_equal(pthread_create(&asker, NULL, ask_b, &f), 0);
  larder_stats *stats = NULL;
  uint64_t joined = 0;
  WAIT_FOR((larder_stats_free(&stats), larder_stats_take(f.cache, &stats, NULL) == LARDER_OK &&
                                           larder_stats_value(stats, "n", "all", "make_joined", &joined) && joined == 1));
  larder_stats_free(&stats);
  atomic_store(&f.held, false);
  pthread_join(asker, NULL);
  settle(&f);
  larder_foretell_figures now = figures(&f);
  assert_int_equal(atomic_load(&f.made), 3); /* once, for both */
  assert_true(now.late == 1 && now.late_bytes == 1000 && now.used == 1);
  shut(&f);
}

/* --- what was learned --------------------------------------------------------------------------------------------------- */

static void what_was_learned_is_saved_and_learned_again(void **state) {
  fixture f;
  (void)state;
  open_with(&f, "enable: true, chain: first");
  for (int i = 0; i < 4; i++) session(&f, "ab");
  settle(&f);
  char *path = support_path(f.root, "learned");
  larder_predictor *learned = NULL;
  assert_ok(larder_foretell_save(f.ns, path, LARDER_PREDICT_BINARY, NULL));
  assert_ok(larder_predict_load(path, &learned, NULL));
  shut(&f);
  free(path);
  open_with(&f, "enable: true, chain: first");
  assert_ok(larder_foretell_learn(f.ns, learned));
  assert_err(larder_foretell_learn(f.ns, NULL), LARDER_EINVAL);
  larder_predictor_free(&learned);
  session(&f, "a");
  settle(&f);
  assert_true(is_there(&f, "b"));
  shut(&f);
}

/* --- evicting ------------------------------------------------------------------------------------------------------------- */

static void put_words(fixture *f, const char *letters) {
  for (; *letters; letters++) assert_ok(larder_put(f->ns, letters, 1, "value", 5, NULL));
}

static const char *there_of(fixture *f, const char *letters) {
  static char found[32];
  size_t len = 0;
  for (; *letters; letters++)
    if (is_there(f, (char[2]){*letters, '\0'})) found[len++] = *letters;
  found[len] = '\0';
  return found;
}

static uint64_t evictions(fixture *f) {
  larder_stats *stats = NULL;
  uint64_t value = 0;
  assert_ok(larder_stats_take(f->cache, &stats, NULL));
  assert_true(larder_stats_value(stats, "n", "memory", "evicted_asked", &value));
  larder_stats_free(&stats);
  return value;
}

static void what_is_least_likely_goes_first(void **state) {
  fixture f;
  uint64_t evicted = 0;
  (void)state;
  open_with(&f, "");
  put_words(&f, "abcdefgh");
  const larder_evict_likely likely[] = {{"b", 1, 0.2}, {"d", 1, 0.5}, {"b", 1, 0.4}, {"none", 4, 1}, {"c", 1, 0.1}};
  assert_ok(larder_evict_low_probability(f.ns, likely, 5, 4, &evicted));
  assert_int_equal(evicted, 4);
  assert_string_equal(there_of(&f, "abcdefgh"), "bcdh"); /* nobody expects a e f g h, of which h is the newest */
  assert_int_equal(evictions(&f), 4);
  assert_ok(larder_evict_low_probability(f.ns, likely, 5, 2, NULL));
  assert_string_equal(there_of(&f, "abcdefgh"), "bd");
  assert_ok(larder_evict_low_probability(f.ns, likely, 5, 1, NULL));
  assert_string_equal(there_of(&f, "abcdefgh"), "b"); /* twice named: 0.6 */
  assert_ok(larder_evict_low_probability(f.ns, likely, 0, 9, &evicted));
  assert_int_equal(evicted, 1);
  assert_ok(larder_evict_low_probability(f.ns, likely, 0, 9, &evicted));
  assert_int_equal(evicted, 0);
  assert_err(larder_evict_low_probability(f.ns, NULL, 0, 1, NULL), LARDER_EUNSUPPORTED);
  assert_err(larder_evict_low_probability(NULL, NULL, 0, 1, NULL), LARDER_EINVAL);
  assert_err(larder_evict_low_probability(f.ns, &(larder_evict_likely){0}, 1, 1, NULL), LARDER_EINVAL);
  put_words(&f, "ab");
  for (uint64_t n = 1;; n++) {
    int64_t live = support_alloc_live();
    support_alloc_fail_at(n);
    larder_err err = larder_evict_low_probability(f.ns, likely, 5, 0, NULL);
    bool failed = support_alloc_end() >= n;
    assert_true(err == LARDER_OK ? !failed : err == LARDER_ENOMEM);
    assert_int_equal(support_alloc_live(), live);
    if (!failed) break;
  }
  shut(&f);
}

static void of_equals_the_next_of_the_policy_goes_first(void **state) {
  static const struct { const char *again, *left; } cases[] = {{"ea", "ae"}, {"gh", "gh"}, {"bf", "bf"}, {"dc", "cd"}};
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    fixture f;
    open_with(&f, "");
    put_words(&f, "abcdefgh");
    put_words(&f, cases[i].again);
    assert_ok(larder_evict_low_probability(f.ns, &(larder_evict_likely){0}, 0, 6, NULL));
    assert_string_equal(there_of(&f, "abcdefgh"), cases[i].left);
    shut(&f);
  }
}

static void what_nobody_is_about_to_ask_for_goes_first(void **state) {
  fixture f;
  (void)state;
  open_with(&f, "enable: true, chain: first");
  for (int i = 0; i < 4; i++) session(&f, "abcxyz");
  session(&f, "a");
  settle(&f);
  larder_foretell_session(NULL, 0, NULL);
  uint64_t evicted = 0;
  assert_ok(larder_evict_low_probability(f.ns, NULL, 0, 5, &evicted));
  assert_int_equal(evicted, 5);
  assert_string_equal(there_of(&f, "abcxyz"), "b");
  shut(&f);
}

static void by_its_policy_the_least_recently_used_go(void **state) {
  fixture f;
  uint64_t evicted = 0;
  (void)state;
  open_with(&f, "");
  put_words(&f, "abcdefgh");
  for (const char *read = "aceg"; *read; read++) ask(&f, (char[2]){*read, '\0'});
  assert_ok(larder_evict_lru(f.ns, 4, &evicted));
  assert_int_equal(evicted, 4);
  assert_string_equal(there_of(&f, "abcdefgh"), "aceg");
  assert_ok(larder_evict_lru(f.ns, 0, &evicted));
  assert_int_equal(evicted, 0);
  assert_ok(larder_evict_lru(f.ns, 100, &evicted));
  assert_int_equal(evicted, 4);
  assert_int_equal(evictions(&f), 8);
  assert_err(larder_evict_lru(NULL, 1, NULL), LARDER_EINVAL);
  shut(&f);
}

/* --- with threads of its own -------------------------------------------------------------------------------------------------
 */

static void in_a_child(void *context) {
  fixture *f = context;
  larder_predictor *other = NULL;
  larder_foretell_figures now;
  bool well = larder_predictor_new(NULL, &other, NULL) == LARDER_OK && larder_foretell_asked(f->ns, "a", 1) == LARDER_EFORKED &&
              larder_foretell_learn(f->ns, other) == LARDER_EFORKED &&
              larder_foretell_save(f->ns, "x", LARDER_PREDICT_JSON, NULL) == LARDER_EFORKED &&
              larder_foretell_figures_get(f->ns, &now) == LARDER_OK && larder_evict_lru(f->ns, 1, NULL) == LARDER_EFORKED &&
              larder_evict_low_probability(f->ns, NULL, 0, 1, NULL) == LARDER_EFORKED;
  larder_predictor_free(&other);
  well = larder_close(&f->cache) == LARDER_OK && well;
  _exit(well ? 0 : 1);
}

static void by_the_clock_it_goes_on_by_itself(void **state) {
  fixture f = {.root = support_dir_make()};
  static const char text[] =
      "cache: {slots: 1024, memory: {size_mb: 4}, namespaces: {n: {tiers: [memory], maker: {callback: origin}, "
      "predict: {enable: true, chain: first}}}}\n";
  larder_options options = {.size = sizeof options, .root = f.root, .config_text = text};
  (void)state;
  assert_ok(larder_open(&options, &f.cache, NULL));
  assert_ok(larder_maker_register(f.cache, "origin", origin_make, &f));
  assert_ok(larder_ns_open(f.cache, "n", &f.ns, NULL));
  for (int i = 0; i < 4; i++) session(&f, "ab");
  WAIT_FOR(figures(&f).heard == 8);
  forget(&f, "ab");
  session(&f, "a");
  WAIT_FOR(is_there(&f, "b"));
  assert_int_equal(support_in_child(in_a_child, &f), 0);
  shut(&f);
}

static void off_is_off(void **state) {
  static const char *const off[] = {"", "enable: false", "top: 5"};
  (void)state;
  for (size_t i = 0; i < sizeof off / sizeof *off; i++) {
    fixture f;
    larder_foretell_figures now;
    open_with(&f, off[i]);
    session(&f, "ab");
    assert_err(larder_foretell_figures_get(f.ns, &now), LARDER_EUNSUPPORTED);
    shut(&f);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_comes_next_is_made_before_it_is_asked_for),
      cmocka_unit_test(sessions_are_told_apart_on_one_thread),
      cmocka_unit_test(what_a_program_reads_otherwise_it_may_tell),
      cmocka_unit_test(what_a_maker_asks_for_is_nobodys_step),
      cmocka_unit_test(only_what_is_probable_enough_and_only_so_many),
      cmocka_unit_test(not_more_than_the_rate_and_the_budget),
      cmocka_unit_test(after_too_much_waste_it_only_learns_for_a_while),
      cmocka_unit_test(waste_may_be_allowed),
      cmocka_unit_test(what_is_asked_for_while_it_is_made_is_late_and_used),
      cmocka_unit_test(what_was_learned_is_saved_and_learned_again),
      cmocka_unit_test(what_is_least_likely_goes_first),
      cmocka_unit_test(of_equals_the_next_of_the_policy_goes_first),
      cmocka_unit_test(what_nobody_is_about_to_ask_for_goes_first),
      cmocka_unit_test(by_its_policy_the_least_recently_used_go),
      cmocka_unit_test(by_the_clock_it_goes_on_by_itself),
      cmocka_unit_test(off_is_off),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
