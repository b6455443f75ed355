/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making anew what is kept, by hand and while a cache is open. Proves: due is what was made before its time came, and only what
 * is there; what is good still begins anew; a failure leaves what was kept; who came first has made it for all; a process does
 * it behind, alone on the host, and closing ends it. Time is moved by hand; threads are waited for by counts.
 */
#include "support/support.h"

#include "base/clock.h"
#include "core/cache.h"
#include "larder_testing.h"
#include "maker/lease.h"
#include "warm/refresh_behind.h"
#include <larder/refresh.h>
#include <larder/stats.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WAIT_MS 60000
#define HOURS   INT64_C(3600000)
#define DAYS    (24 * HOURS)

static void nap(void) { nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL); }

#define WAIT_FOR(condition)                                                                                                    \
  do {                                                                                                                         \
    for (unsigned naps = 0; !(condition); naps++) {                                                                            \
      if (naps > WAIT_MS) fail_msg("waited in vain for %s", #condition);                                                       \
      nap();                                                                                                                   \
    }                                                                                                                          \
  } while (0)

/* --- an origin whose edition the test sets -----------------------------------------------------------------------------------
 */

typedef struct origin {
  atomic_uint calls;
  atomic_uint edition; /* version of all that it makes */
  atomic_bool held;    /* makings wait within, until nobody wants them */
  atomic_bool away;
} origin;

static larder_err origin_make(void *context, const larder_making *making, larder_made *made, larder_error *err) {
  static _Thread_local char version[16];
  origin *o = context;
  atomic_fetch_add(&o->calls, 1);
  while (atomic_load(&o->held) && !larder_making_cancelled(making)) nap();
  if (atomic_load(&o->held)) return LARDER_ECANCELLED;
  if (atomic_load(&o->away)) {
    snprintf(err->message, sizeof err->message, "the origin is away");
    return LARDER_EAWAY;
  }
  if (making->key_len >= 4 && memcmp(making->key, "bad-", 4) == 0) return LARDER_EIO;
  if (making->key_len >= 3 && memcmp(making->key, "ex-", 3) == 0 && atomic_load(&o->edition) > 1) {
    made->what = LARDER_MADE_ABSENT;
    return LARDER_OK;
  }
  snprintf(version, sizeof version, "v%u", atomic_load(&o->edition));
  if (making->kept_facts && making->kept_facts->version_len == strlen(version) &&
      memcmp(making->kept_facts->version, version, strlen(version)) == 0) {
    made->what = LARDER_MADE_UNCHANGED;
    return LARDER_OK;
  }
  made->value = version;
  made->len = strlen(version);
  made->put.version = version;
  return LARDER_OK;
}

/* --- a cache -----------------------------------------------------------------------------------------------------------------
 */

typedef struct fixture {
  char *root;
  lrd_clock_moved clock;
  larder *cache;
  larder_ns *ns;
  origin origin;
  pthread_mutex_t mutex; /* of what was heard */
  unsigned heard[LARDER_REFRESH_NOTHING + 1];
  char last_from[16], last_to[16], last_reason[80];
} fixture;

static larder *cache_open(fixture *f, const char *tiers, const char *refresh) {
  char text[512];
  larder *cache = NULL;
  larder_error err = {0};
  snprintf(text, sizeof text,
           "cache:\n  slots: 1024\n  memory: {size_mb: 4}\n  namespaces:\n"
           "    n: {tiers: %s, error_ttl: 0s, refresh: %s, maker: {callback: origin, parallel: 4}}\n    plain: {}\n"
           "    mute: {refresh: every 1h}\n",
           tiers, refresh);
  larder_options options = {.size = sizeof options, .root = f->root, .config_text = text};
  if (lrd_larder_open_with_clock(&options, &f->clock.clock, &cache, &err) != LARDER_OK) fail_msg("%s", err.message);
  assert_ok(larder_maker_register(cache, "origin", origin_make, &f->origin));
  return cache;
}

static void open_with(fixture *f, const char *tiers, const char *refresh) {
  memset(f, 0, sizeof *f);
  f->root = support_dir_make();
  pthread_mutex_init(&f->mutex, NULL);
  lrd_clock_moved_init(&f->clock, INT64_C(1700000000000));
  atomic_store(&f->origin.edition, 1);
  f->cache = cache_open(f, tiers, refresh);
  assert_ok(larder_ns_open(f->cache, "n", &f->ns, NULL));
}

static void shut(fixture *f) {
  assert_ok(larder_close(&f->cache));
  pthread_mutex_destroy(&f->mutex);
  support_dir_remove(&f->root);
}

static void keep(fixture *f, const char *key) {
  larder_value value = {0};
  assert_ok(larder_get_or_make(f->ns, key, strlen(key), NULL, &value, NULL));
  larder_value_release(&value);
}

static bool is(fixture *f, const char *key, const char *wanted) {
  char value[32] = "";
  size_t len = 0;
  if (larder_get_into(f->ns, key, strlen(key), value, sizeof value - 1, &len) != LARDER_OK) fail_msg("%s is not there", key);
  return strcmp(value, wanted) == 0;
}

static void has(fixture *f, const char *key, const char *wanted) { assert_true(is(f, key, wanted)); }

static void dealt(void *context, const larder_refresh_result *r) {
  fixture *f = context;
  pthread_mutex_lock(&f->mutex);
  f->heard[r->what]++;
  if (r->version_changed) {
    snprintf(f->last_from, sizeof f->last_from, "%s", r->version_from);
    snprintf(f->last_to, sizeof f->last_to, "%s", r->version_to);
  }
  if (r->reason) snprintf(f->last_reason, sizeof f->last_reason, "%s", r->reason);
  pthread_mutex_unlock(&f->mutex);
}

static larder_refresh_options options_of(fixture *f) {
  return (larder_refresh_options){.size = sizeof(larder_refresh_options), .dealt = dealt, .context = f};
}

static larder_refresh_counts run(fixture *f, larder_ns *ns, const larder_refresh_options *options) {
  larder_job *job = NULL;
  larder_error err = {0};
  larder_refresh_counts counts;
  if (larder_refresh_due(f->cache, ns, options, &job, &err) != LARDER_OK) fail_msg("%s", err.message);
  assert_true(larder_job_wait(job, WAIT_MS));
  assert_ok(larder_refresh_counts_get(job, &counts));
  larder_job_free(&job);
  return counts;
}

/* --- by hand
 * ------------------------------------------------------------------------------------------------------------------ */

static void what_is_old_is_made_and_only_that(void **state) {
  fixture f;
  open_with(&f, *state, "every 7d");
  larder_refresh_options options = options_of(&f);
  keep(&f, "a");
  keep(&f, "b");
  keep(&f, "gone");
  lrd_clock_moved_advance_ms(&f.clock, 6 * DAYS);
  keep(&f, "c");
  assert_ok(larder_delete(f.ns, "gone", 4));
  assert_int_equal(run(&f, f.ns, &options).due, 0);
  lrd_clock_moved_advance_ms(&f.clock, DAYS + 1000);
  atomic_store(&f.origin.edition, 2);
  larder_refresh_counts counts = run(&f, NULL, &options);
  assert_int_equal(counts.looked, 3);
  assert_int_equal(counts.due, 2);
  assert_int_equal(counts.made, 2);
  assert_int_equal(counts.versions, 2);
  assert_int_equal(f.heard[LARDER_REFRESH_MADE], 2);
  assert_string_equal(f.last_from, "v1");
  assert_string_equal(f.last_to, "v2");
  has(&f, "a", "v2");
  has(&f, "c", "v1");
  assert_int_equal(larder_exists(f.ns, "gone", 4), LARDER_MISS);
  assert_int_equal(run(&f, f.ns, &options).due, 0);
  shut(&f);
}

static void what_is_good_still_begins_anew(void **state) {
  fixture f;
  open_with(&f, *state, "every 7d");
  larder_refresh_options options = options_of(&f);
  keep(&f, "a");
  lrd_clock_moved_advance_ms(&f.clock, 8 * DAYS);
  larder_refresh_counts counts = run(&f, f.ns, &options);
  assert_int_equal(counts.unchanged, 1);
  assert_int_equal(counts.made, 0);
  assert_int_equal(counts.versions, 0);
  assert_int_equal(run(&f, f.ns, &options).due, 0);
  lrd_clock_moved_advance_ms(&f.clock, 8 * DAYS);
  assert_int_equal(run(&f, f.ns, &options).unchanged, 1);
  shut(&f);
}

static void a_failure_leaves_what_is_kept_and_says_why(void **state) {
  fixture f;
  open_with(&f, *state, "every 7d");
  larder_refresh_options options = options_of(&f);
  keep(&f, "a");
  keep(&f, "ex-b");
  lrd_clock_moved_advance_ms(&f.clock, 8 * DAYS);
  atomic_store(&f.origin.edition, 2);
  atomic_store(&f.origin.away, true);
  larder_refresh_counts counts = run(&f, f.ns, &options);
  assert_int_equal(counts.errors, 2);
  assert_string_equal(f.last_reason, "the origin is away");
  has(&f, "a", "v1");
  atomic_store(&f.origin.away, false);
  counts = run(&f, f.ns, &options);
  assert_int_equal(counts.made, 1);
  assert_int_equal(counts.absent, 1);
  assert_int_equal(larder_exists(f.ns, "ex-b", 4), LARDER_MISS);
  shut(&f);
}

static void a_dry_run_makes_nothing_and_limits_hold(void **state) {
  fixture f;
  open_with(&f, *state, "'@daily'");
  larder_refresh_options options = options_of(&f);
  char key[8];
  for (unsigned i = 0; i < 20; i++) {
    snprintf(key, sizeof key, "k%u", i);
    keep(&f, key);
  }
  lrd_clock_moved_advance_ms(&f.clock, DAYS + HOURS);
  options.dry_run = true;
  assert_int_equal(run(&f, f.ns, &options).due, 20);
  assert_int_equal(f.heard[LARDER_REFRESH_NOTHING], 20);
  assert_int_equal(atomic_load(&f.origin.calls), 20);
  options.dry_run = false;
  options.limit = 5;
  assert_int_equal(run(&f, f.ns, &options).due, 5);
  assert_int_equal(atomic_load(&f.origin.calls), 25);
  options.limit = 0;
  assert_int_equal(run(&f, f.ns, &options).due, 15);
  assert_int_equal(run(&f, f.ns, &options).due, 0);
  options.all = true;
  assert_int_equal(run(&f, f.ns, &options).unchanged, 20);
  shut(&f);
}

/* Two jobs over the same entries: each is made by one of them. */
static void who_comes_first_makes_it_for_all(void **state) {
  fixture f;
  open_with(&f, *state, "every 7d");
  larder_refresh_options options = options_of(&f);
  larder_job *jobs[2] = {0};
  larder_refresh_counts counts[2];
  char key[8];
  for (unsigned i = 0; i < 40; i++) {
    snprintf(key, sizeof key, "k%u", i);
    keep(&f, key);
  }
  lrd_clock_moved_advance_ms(&f.clock, 8 * DAYS);
  atomic_store(&f.origin.edition, 2);
  atomic_store(&f.origin.calls, 0);
  atomic_store(&f.origin.held, true);
  for (unsigned i = 0; i < 2; i++) assert_ok(larder_refresh_due(f.cache, f.ns, &options, &jobs[i], NULL));
  atomic_store(&f.origin.held, false);
  for (unsigned i = 0; i < 2; i++) {
    assert_true(larder_job_wait(jobs[i], WAIT_MS));
    assert_ok(larder_refresh_counts_get(jobs[i], &counts[i]));
    larder_job_free(&jobs[i]);
    assert_int_equal(counts[i].made + counts[i].fresh, 40);
  }
  assert_int_equal(atomic_load(&f.origin.calls), 40);
  shut(&f);
}

static void what_can_not_be_refreshed_is_refused(void **state) {
  fixture f;
  larder_job *job = NULL;
  larder_ns *ns = NULL;
  larder_error err = {0};
  larder_refresh_options options = {.size = sizeof options};
  larder_refresh_counts counts;
  (void)state;
  open_with(&f, "[memory]", "never");
  assert_int_equal(larder_refresh_due(f.cache, f.ns, NULL, &job, &err), LARDER_EINVAL);
  assert_non_null(strstr(err.message, "refresh: every 7d"));
  assert_ok(larder_ns_open(f.cache, "mute", &ns, NULL));
  assert_int_equal(larder_refresh_due(f.cache, ns, &options, &job, &err), LARDER_EUNSUPPORTED);
  assert_int_equal(run(&f, NULL, &options).looked, 0);
  options.per_second = -1;
  assert_int_equal(larder_refresh_due(f.cache, f.ns, &options, &job, &err), LARDER_EINVAL);
  options.per_second = 0;
  options.size = 1;
  assert_int_equal(larder_refresh_due(f.cache, f.ns, &options, &job, &err), LARDER_EINVAL);
  assert_int_equal(larder_refresh_counts_get(NULL, &counts), LARDER_EINVAL);
  options = (larder_refresh_options){.size = sizeof options, .all = true};
  keep(&f, "a");
  assert_int_equal(run(&f, f.ns, &options).due, 1);
  shut(&f);
}

/* --- while a cache is open
 * ------------------------------------------------------------------------------------------------------ */

static void ticks(larder *cache, unsigned count) {
  for (unsigned i = 0; i < count; i++) lrd_larder_tick(cache);
}

static void it_is_done_behind(void **state) {
  fixture f;
  open_with(&f, *state, "every 7d");
  keep(&f, "a");
  keep(&f, "b");
  ticks(f.cache, 3);
  lrd_clock_moved_advance_ms(&f.clock, 6 * DAYS);
  ticks(f.cache, 3);
  assert_int_equal(atomic_load(&f.origin.calls), 2);
  atomic_store(&f.origin.edition, 2);
  lrd_clock_moved_advance_ms(&f.clock, DAYS);
  WAIT_FOR((lrd_larder_tick(f.cache), atomic_load(&f.origin.calls) == 4));
  WAIT_FOR((lrd_larder_tick(f.cache), is(&f, "a", "v2") && is(&f, "b", "v2")));
  for (unsigned i = 0; i < 50; i++) { /* nothing is due again before its time */
    lrd_clock_moved_advance_ms(&f.clock, 3 * HOURS);
    ticks(f.cache, 3);
  }
  assert_int_equal(atomic_load(&f.origin.calls), 4);
  shut(&f);
}

/* While one process makes them no other does, and afterwards there is nothing left to make. */
static void one_process_of_the_host_does_it(void **state) {
  fixture f;
  (void)state;
  open_with(&f, "[memory, sqlite]", "every 7d");
  keep(&f, "a");
  keep(&f, "b");
  keep(&f, "c");
  larder *other = cache_open(&f, "[memory, sqlite]", "every 7d");
  lrd_clock_moved_advance_ms(&f.clock, 8 * DAYS);
  atomic_store(&f.origin.calls, 0);
  atomic_store(&f.origin.held, true);
  WAIT_FOR((lrd_larder_tick(f.cache), atomic_load(&f.origin.calls) == 2)); /* half of four places */
  for (unsigned i = 0; i < 20; i++) {
    lrd_clock_moved_advance_ms(&f.clock, 11000);
    ticks(other, 2);
  }
  assert_int_equal(atomic_load(&f.origin.calls), 2);
  atomic_store(&f.origin.held, false);
  WAIT_FOR((lrd_larder_tick(f.cache), atomic_load(&f.origin.calls) == 3));
  WAIT_FOR((lrd_larder_tick(f.cache), lrd_leases_held(f.cache->leases) == 0));
  for (unsigned i = 0; i < 20; i++) {
    lrd_clock_moved_advance_ms(&f.clock, 11000);
    ticks(other, 2);
  }
  assert_int_equal(atomic_load(&f.origin.calls), 3);
  assert_ok(larder_close(&other));
  shut(&f);
}

/* What fails is tried again, ever more rarely. */
static void failures_are_tried_again_but_not_at_once(void **state) {
  fixture f;
  (void)state;
  open_with(&f, "[memory, sqlite]", "every 7d");
  keep(&f, "a");
  lrd_clock_moved_advance_ms(&f.clock, 8 * DAYS);
  atomic_store(&f.origin.calls, 0);
  atomic_store(&f.origin.away, true);
  WAIT_FOR((lrd_larder_tick(f.cache), atomic_load(&f.origin.calls) == 1));
  WAIT_FOR((lrd_larder_tick(f.cache), lrd_leases_held(f.cache->leases) == 0));
  lrd_clock_moved_advance_ms(&f.clock, 59000);
  ticks(f.cache, 5);
  assert_int_equal(atomic_load(&f.origin.calls), 1);
  lrd_clock_moved_advance_ms(&f.clock, 2000);
  WAIT_FOR((lrd_larder_tick(f.cache), atomic_load(&f.origin.calls) == 2));
  WAIT_FOR((lrd_larder_tick(f.cache), lrd_leases_held(f.cache->leases) == 0));
  lrd_clock_moved_advance_ms(&f.clock, 61000);
  ticks(f.cache, 5);
  assert_int_equal(atomic_load(&f.origin.calls), 2);
  shut(&f);
}

/* So many that always fail that no round has room for another. */
#define BAD  (LRD_REFRESH_KEYS + LRD_REFRESH_KEYS / 5)
#define GOOD 200u

static void entries_put(fixture *f, const char *name, unsigned count) {
  larder_put_options how = {.size = sizeof how, .version = "v0"};
  char key[24];
  for (unsigned i = 0; i < count; i++) {
    snprintf(key, sizeof key, "%s-%u", name, i);
    assert_ok(larder_put(f->ns, key, strlen(key), "v0", 2, &how));
  }
}

static unsigned good_left(fixture *f) {
  unsigned left = 0;
  char key[24];
  for (unsigned i = 0; i < GOOD; i++) {
    snprintf(key, sizeof key, "good-%u", i);
    left += is(f, key, "v0");
  }
  return left;
}

static void what_fails_again_and_again_holds_up_nobody_behind(void **state) {
  fixture f;
  (void)state;
  open_with(&f, "[memory]", "every 7d");
  entries_put(&f, "bad", BAD);
  entries_put(&f, "good", GOOD);
  lrd_clock_moved_advance_ms(&f.clock, 8 * DAYS);
  atomic_store(&f.origin.calls, 0);
  ticks(f.cache, 1);
  WAIT_FOR((lrd_larder_tick(f.cache), lrd_clock_moved_advance_ms(&f.clock, 1000), good_left(&f) == 0));
  assert_true(atomic_load(&f.origin.calls) <= BAD + GOOD); /* one pass */
  shut(&f);
}

static void a_limit_leaves_out_nobody_for_good(void **state) {
  fixture f;
  (void)state;
  open_with(&f, "[memory]", "every 7d");
  entries_put(&f, "bad", 50);
  entries_put(&f, "good", GOOD);
  lrd_clock_moved_advance_ms(&f.clock, 8 * DAYS);
  larder_refresh_options options = options_of(&f);
  options.limit = 20;
  for (unsigned i = 0; good_left(&f) > 0; i++) {
    lrd_clock_moved_advance_ms(&f.clock, 1);
    assert_int_equal(run(&f, f.ns, &options).due, 20);
    assert_true(i < 500);
  }
  shut(&f);
}

static void closing_ends_what_is_under_way(void **state) {
  fixture f;
  open_with(&f, *state, "every 7d");
  keep(&f, "a");
  lrd_clock_moved_advance_ms(&f.clock, 8 * DAYS);
  atomic_store(&f.origin.calls, 0);
  atomic_store(&f.origin.held, true);
  WAIT_FOR((lrd_larder_tick(f.cache), atomic_load(&f.origin.calls) == 1));
  shut(&f); /* the making is told */
  assert_int_equal(atomic_load(&f.origin.calls), 1);
}

static void a_close_that_is_refused_leaves_it_able_to_go_on(void **state) {
  fixture f;
  larder_value value = {0};
  (void)state;
  open_with(&f, "[sqlite]", "every 7d");
  keep(&f, "a");
  lrd_clock_moved_advance_ms(&f.clock, 8 * DAYS);
  keep(&f, "b");
  atomic_store(&f.origin.calls, 0);
  atomic_store(&f.origin.held, true);
  WAIT_FOR((lrd_larder_tick(f.cache), atomic_load(&f.origin.calls) == 1));
  assert_ok(larder_get(f.ns, "b", 1, NULL, &value));
  assert_err(larder_close(&f.cache), LARDER_EBUSY);
  larder_value_release(&value);
  atomic_store(&f.origin.held, false);
  atomic_store(&f.origin.edition, 2);
  WAIT_FOR((lrd_larder_tick(f.cache), lrd_clock_moved_advance_ms(&f.clock, 1000), is(&f, "a", "v2")));
  shut(&f);
}

static void out_of_memory_while_it_is_set_up_leaks_nothing(void **state) {
  fixture f;
  (void)state;
  open_with(&f, "[memory, sqlite]", "every 7d");
  lrd_refresh_close(f.cache);
  for (uint64_t n = 1;; n++) {
    int64_t const live = support_alloc_live();
    support_alloc_fail_at(n);
    larder_err const result = lrd_refresh_open(f.cache);
    bool const failed = support_alloc_end() >= n;
    assert_err(result, failed ? LARDER_ENOMEM : LARDER_OK);
    if (!failed) break;
    assert_null(f.cache->refresher);
    assert_int_equal(support_alloc_live(), live);
  }
  shut(&f);
}

/* Up to the job's threads: what they need is theirs, and a key that got none is an error of its own. */
static void out_of_memory_before_it_begins_leaks_nothing(void **state) {
  fixture f;
  (void)state;
  open_with(&f, "[memory, sqlite]", "every 7d");
  keep(&f, "a");
  keep(&f, "b");
  lrd_clock_moved_advance_ms(&f.clock, 8 * DAYS);
  larder_refresh_options options = options_of(&f);
  unsigned refused = 0;
  for (uint64_t n = 1;; n++) {
    larder_job *job = NULL;
    larder_error err = {0};
    int64_t const live = support_alloc_live();
    support_alloc_fail_at(n);
    larder_err const result = larder_refresh_due(f.cache, f.ns, &options, &job, &err);
    if (result == LARDER_OK) {
      (void)support_alloc_end();
      assert_true(larder_job_wait(job, WAIT_MS));
      larder_job_free(&job);
      break;
    }
    assert_true(support_alloc_end() >= n);
    assert_err(result, LARDER_ENOMEM);
    assert_string_equal(err.message[0] ? "told" : "not told", "told");
    assert_null(job);
    assert_int_equal(support_alloc_live(), live);
    refused++;
    assert_true(n < 1000);
  }
  assert_true(refused > 3);
  assert_true(run(&f, f.ns, &options).due <= 1); /* the one whose memory was missing */
  assert_int_equal(run(&f, f.ns, &options).due, 0);
  shut(&f);
}

int main(void) {
  static char both[] = "[memory, sqlite]", alone[] = "[memory]";
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_prestate(what_is_old_is_made_and_only_that, both),
      cmocka_unit_test_prestate(what_is_old_is_made_and_only_that, alone),
      cmocka_unit_test_prestate(what_is_good_still_begins_anew, both),
      cmocka_unit_test_prestate(what_is_good_still_begins_anew, alone),
      cmocka_unit_test_prestate(a_failure_leaves_what_is_kept_and_says_why, both),
      cmocka_unit_test_prestate(a_failure_leaves_what_is_kept_and_says_why, alone),
      cmocka_unit_test_prestate(a_dry_run_makes_nothing_and_limits_hold, both),
      cmocka_unit_test_prestate(who_comes_first_makes_it_for_all, both),
      cmocka_unit_test(what_can_not_be_refreshed_is_refused),
      cmocka_unit_test_prestate(it_is_done_behind, both),
      cmocka_unit_test_prestate(it_is_done_behind, alone),
      cmocka_unit_test(one_process_of_the_host_does_it),
      cmocka_unit_test(out_of_memory_while_it_is_set_up_leaks_nothing),
      cmocka_unit_test(out_of_memory_before_it_begins_leaks_nothing),
      cmocka_unit_test(failures_are_tried_again_but_not_at_once),
      cmocka_unit_test(a_close_that_is_refused_leaves_it_able_to_go_on),
      cmocka_unit_test(what_fails_again_and_again_holds_up_nobody_behind),
      cmocka_unit_test(a_limit_leaves_out_nobody_for_good),
      cmocka_unit_test_prestate(closing_ends_what_is_under_way, both),
      cmocka_unit_test_prestate(closing_ends_what_is_under_way, alone),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
