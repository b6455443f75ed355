/* SPDX-License-Identifier: Apache-2.0 */
/*
 * larder_get_or_make with callbacks: what is kept and for how long, what is served stale and when, what reaches those who
 * wait. Once over a memory-only namespace and once over one with a shared tier, where flights hold leases. Time is moved by
 * hand; who has to wait for another thread waits on a count.
 */
#include "support/support.h"

#include "core/mutation.h"
#include "larder_testing.h"
#include <larder/ext/maker.h>
#include <larder/stats.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATIENCE_MS 20000

/* --- a maker that does as it is told -------------------------------------------------------------------------------------- */

typedef struct maker {
  larder_err result;
  larder_made_what what;
  const char *text;
  const char *version;
  const char *reason;
  int64_t ttl_ms;
  int64_t retry_after_ms;
  bool not_kept;
  _Atomic unsigned began;
  _Atomic unsigned ended;
  _Atomic bool hold;  /* it goes on once this is false */
  _Atomic bool heeds; /* while it holds it ends when nobody wants it any more */
  void (*meanwhile)(void *context, const larder_making *making);
  void *context;
  char kept[32];
  char kept_version[32];
  bool behind;
} maker;

static void wait_for(_Atomic unsigned *count, unsigned wanted) {
  for (unsigned i = 0; atomic_load(count) < wanted; i++) {
    assert_true(i < PATIENCE_MS);
    usleep(1000);
  }
}

static larder_err make(void *context, const larder_making *making, larder_made *made, larder_error *err) {
  static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
  maker *m = context;
  (void)pthread_mutex_lock(&one_at_a_time);
  m->kept[0] = m->kept_version[0] = 0;
  if (making->kept) {
    (void)snprintf(m->kept, sizeof m->kept, "%.*s", (int)making->kept_len, (const char *)making->kept);
    (void)snprintf(m->kept_version, sizeof m->kept_version, "%.*s", (int)making->kept_facts->version_len,
                   making->kept_facts->version_len > 0 ? making->kept_facts->version : "");
  }
  m->behind = making->behind;
  (void)pthread_mutex_unlock(&one_at_a_time);
  atomic_fetch_add(&m->began, 1);
  if (m->meanwhile) m->meanwhile(m->context, making);
  while (atomic_load(&m->hold) && !(atomic_load(&m->heeds) && larder_making_cancelled(making))) usleep(1000);
  made->what = m->what;
  if (m->what == LARDER_MADE_VALUE && m->text) {
    made->value = m->text;
    made->len = strlen(m->text);
  }
  made->put.version = m->version;
  made->put.ttl_ms = m->ttl_ms;
  made->retry_after_ms = m->retry_after_ms;
  made->not_kept = m->not_kept;
  if (m->reason) (void)snprintf(err->message, sizeof err->message, "%s", m->reason);
  atomic_fetch_add(&m->ended, 1);
  return m->result;
}

/* --- a cache ---------------------------------------------------------------------------------------------------------------
 */

typedef struct fixture {
  char *root;
  lrd_clock_moved clock;
  larder *cache;
  larder_ns *ns;
  maker maker;
} fixture;

#define POLICY "ttl: 60s, stale_while_revalidate: 30s, stale_if_error: 300s, negative_ttl: 20s, error_ttl: 5s"

static void open_with(fixture *f, const char *tiers, const char *policy) {
  char text[1024];
  larder_error err = {0};
  memset(f, 0, sizeof *f);
  f->root = support_dir_make();
  lrd_clock_moved_init(&f->clock, INT64_C(1700000000000));
  (void)snprintf(text, sizeof text, "cache:\n  slots: 1024\n  memory: {size_mb: 4}\n  namespaces:\n    n: {tiers: %s, %s}\n",
                 tiers, policy);
  larder_options options = {.size = sizeof options, .root = f->root, .config_text = text};
  larder_err result = lrd_larder_open_with_clock(&options, &f->clock.clock, &f->cache, &err);
  if (result != LARDER_OK) print_error("%s\n", err.message);
  assert_ok(result);
  assert_ok(larder_ns_open(f->cache, "n", &f->ns, &err));
  f->maker.text = "one";
}

static void shut(fixture *f) {
  assert_ok(larder_close(&f->cache));
  support_dir_remove(&f->root);
}

static larder_make_options by(fixture *f) {
  return (larder_make_options){.size = sizeof(larder_make_options), .make = make, .context = &f->maker, .lasting = true};
}

static larder_err ask_with(fixture *f, const larder_make_options *options, const char *key, char *out, bool *stale_out,
                           larder_error *err) {
  larder_value value = {0};
  larder_err result = larder_get_or_make(f->ns, key, strlen(key), options, &value, err);
  if (result == LARDER_OK) {
    (void)snprintf(out, 64, "%.*s", (int)value.len, (const char *)value.data);
    *stale_out = value.stale;
    larder_value_release(&value);
  }
  return result;
}

static void expect(fixture *f, const char *key, const char *wanted, bool stale) {
  char got[64];
  bool is_stale = false;
  larder_error err = {0};
  larder_make_options options = by(f);
  larder_err result = ask_with(f, &options, key, got, &is_stale, &err);
  if (result != LARDER_OK) print_error("%s: %s\n", larder_err_name(result), err.message);
  assert_ok(result);
  assert_string_equal(got, wanted);
  assert_int_equal(is_stale, stale);
}

static void expect_failure(fixture *f, const char *key, larder_err wanted, const char *reason) {
  char got[64];
  bool stale;
  larder_error err = {0};
  larder_make_options options = by(f);
  assert_err(ask_with(f, &options, key, got, &stale, &err), wanted);
  if (reason) assert_non_null(strstr(err.message, reason));
}

static uint64_t counted(fixture *f, const char *name) {
  larder_stats *stats = NULL;
  uint64_t value = 0;
  assert_ok(larder_stats_take(f->cache, &stats, NULL));
  assert_true(larder_stats_value(stats, "n", "all", name, &value));
  larder_stats_free(&stats);
  return value;
}

static const char *chains[] = {"[memory]", "[memory, sqlite]", "[memory, files]", "[sqlite]"};
#define EACH_CHAIN(f, policy)                                                                                                  \
  for (size_t chain = 0; chain < sizeof chains / sizeof *chains && (open_with(f, chains[chain], policy), true);                \
       shut(f), chain++)

/* --- one after the other ---------------------------------------------------------------------------------------------------
 */

static void a_missing_value_is_made_once_and_kept(void **state) {
  fixture f;
  (void)state;
  EACH_CHAIN(&f, POLICY) {
    expect(&f, "k", "one", false);
    f.maker.text = "two";
    expect(&f, "k", "one", false);
    assert_int_equal(f.maker.began, 1);
    assert_int_equal(counted(&f, "made"), 1);
    assert_int_equal(counted(&f, "lookups"), counted(&f, "hits") + counted(&f, "misses"));
    assert_int_equal(counted(&f, "hits"), 1);
  }
}

static void what_is_past_both_windows_is_made_anew(void **state) {
  fixture f;
  (void)state;
  EACH_CHAIN(&f, POLICY) {
    expect(&f, "k", "one", false);
    lrd_clock_moved_advance_ms(&f.clock, 91000); /* past the first window, inside the second */
    f.maker.text = "two";
    expect(&f, "k", "two", false);
    assert_string_equal(f.maker.kept, "one");
    lrd_clock_moved_advance_ms(&f.clock, 400000);
    f.maker.text = "three";
    expect(&f, "k", "three", false);
    assert_string_equal(f.maker.kept, "");
  }
}

static void within_the_first_window_stale_is_served_and_made_behind(void **state) {
  fixture f;
  (void)state;
  EACH_CHAIN(&f, POLICY) {
    expect(&f, "k", "one", false);
    lrd_clock_moved_advance_ms(&f.clock, 61000);
    f.maker.text = "two";
    atomic_store(&f.maker.hold, true);
    expect(&f, "k", "one", true);
    wait_for(&f.maker.began, 2);
    expect(&f, "k", "one", true); /* and nobody makes it a second time */
    atomic_store(&f.maker.hold, false);
    wait_for(&f.maker.ended, 2);
    for (unsigned i = 0; counted(&f, "puts") < 2; i++) {
      assert_true(i < PATIENCE_MS);
      usleep(1000);
    }
    expect(&f, "k", "two", false);
    assert_int_equal(f.maker.began, 2);
    assert_true(f.maker.behind);
    assert_int_equal(counted(&f, "make_behind"), 1);
    assert_int_equal(counted(&f, "stale_hits"), 2);
  }
}

static void a_callback_that_does_not_last_makes_it_in_its_own_call(void **state) {
  fixture f;
  char got[64];
  bool stale = true;
  (void)state;
  open_with(&f, "[memory]", POLICY);
  expect(&f, "k", "one", false);
  lrd_clock_moved_advance_ms(&f.clock, 61000);
  f.maker.text = "two";
  larder_make_options options = by(&f);
  options.lasting = false;
  assert_ok(ask_with(&f, &options, "k", got, &stale, NULL));
  assert_string_equal(got, "two");
  assert_false(stale);
  assert_false(f.maker.behind);
  shut(&f);
}

static void when_it_fails_stale_is_served_within_the_second_window(void **state) {
  fixture f;
  (void)state;
  EACH_CHAIN(&f, POLICY) {
    expect(&f, "k", "one", false);
    f.maker.result = LARDER_EAWAY;
    f.maker.reason = "the origin is down";
    lrd_clock_moved_advance_ms(&f.clock, 100000);
    expect(&f, "k", "one", true);
    assert_int_equal(f.maker.began, 2);
    expect(&f, "k", "one", true); /* the failure is remembered */
    assert_int_equal(f.maker.began, 2);
    assert_int_equal(counted(&f, "stale_on_error"), 2);
    assert_int_equal(counted(&f, "failures_told"), 1);
    lrd_clock_moved_advance_ms(&f.clock, 300000);
    expect_failure(&f, "k", LARDER_EAWAY, "the origin is down");
    f.maker.result = LARDER_OK;
    f.maker.text = "two";
    lrd_clock_moved_advance_ms(&f.clock, 6000);
    expect(&f, "k", "two", false);
  }
}

static void a_failure_is_told_with_its_reason_for_error_ttl(void **state) {
  fixture f;
  (void)state;
  EACH_CHAIN(&f, POLICY) {
    f.maker.result = LARDER_EAWAY;
    f.maker.reason = "it answered 503";
    expect_failure(&f, "k", LARDER_EAWAY, "it answered 503");
    f.maker.result = LARDER_OK;
    expect_failure(&f, "k", LARDER_EAWAY, "it answered 503");
    expect(&f, "another", "one", false);
    lrd_clock_moved_advance_ms(&f.clock, 5001);
    expect(&f, "k", "one", false);
    assert_int_equal(counted(&f, "make_failed"), 1);
  }
}

static void retry_after_goes_before_error_ttl(void **state) {
  fixture f;
  (void)state;
  EACH_CHAIN(&f, POLICY) {
    f.maker.result = LARDER_EAWAY;
    f.maker.retry_after_ms = 30000;
    expect_failure(&f, "k", LARDER_EAWAY, "failed");
    f.maker.result = LARDER_OK;
    lrd_clock_moved_advance_ms(&f.clock, 29000);
    expect_failure(&f, "k", LARDER_EAWAY, NULL);
    lrd_clock_moved_advance_ms(&f.clock, 1500);
    expect(&f, "k", "one", false);
  }
}

static bool listed_any(void *context, const larder_listed *entry) {
  (void)entry;
  ++*(unsigned *)context;
  return true;
}

static void an_absence_is_kept_for_negative_ttl_and_seen_by_nobody_else(void **state) {
  fixture f;
  larder_value value = {0};
  larder_stat stat;
  (void)state;
  EACH_CHAIN(&f, POLICY) {
    unsigned listed = 0;
    char room[8];
    size_t len;
    f.maker.what = LARDER_MADE_ABSENT;
    expect_failure(&f, "k", LARDER_MISS, NULL);
    expect_failure(&f, "k", LARDER_MISS, NULL);
    assert_int_equal(f.maker.began, 1);
    assert_int_equal(counted(&f, "absent_told"), 1);
    assert_err(larder_get(f.ns, "k", 1, NULL, &value), LARDER_MISS);
    assert_err(larder_get_into(f.ns, "k", 1, room, sizeof room, &len), LARDER_MISS);
    assert_err(larder_exists(f.ns, "k", 1), LARDER_MISS);
    assert_err(larder_stat_get(f.ns, "k", 1, &stat), LARDER_MISS);
    assert_err(larder_touch(f.ns, "k", 1, 1000), LARDER_MISS);
    larder_item item = {.key = "k", .key_len = 1};
    assert_ok(larder_get_many(f.ns, &item, 1, NULL));
    assert_err(item.result, LARDER_MISS);
    assert_ok(larder_list(f.ns, NULL, false, 0, NULL, listed_any, &listed));
    assert_int_equal(listed, 0);
    expect_failure(&f, "l", LARDER_MISS, NULL); /* touch has forgotten the first */
    f.maker.what = LARDER_MADE_VALUE;
    expect_failure(&f, "l", LARDER_MISS, NULL);
    lrd_clock_moved_advance_ms(&f.clock, 20500);
    expect(&f, "l", "one", false);
  }
}

static void clearing_takes_absences_along(void **state) {
  fixture f;
  (void)state;
  EACH_CHAIN(&f, POLICY) {
    f.maker.what = LARDER_MADE_ABSENT;
    expect_failure(&f, "k", LARDER_MISS, NULL);
    assert_ok(larder_clear(f.ns, NULL));
    f.maker.what = LARDER_MADE_VALUE;
    expect(&f, "k", "one", false);
  }
}

static void an_absence_takes_the_place_of_what_was_stale(void **state) {
  fixture f;
  (void)state;
  EACH_CHAIN(&f, "ttl: 60s, stale_if_error: 300s") { /* without negative_ttl nothing is remembered */
    expect(&f, "k", "one", false);
    lrd_clock_moved_advance_ms(&f.clock, 61000);
    f.maker.what = LARDER_MADE_ABSENT;
    expect_failure(&f, "k", LARDER_MISS, NULL);
    f.maker.what = LARDER_MADE_VALUE;
    f.maker.result = LARDER_EAWAY;
    expect_failure(&f, "k", LARDER_EAWAY, NULL); /* and it does not come back */
  }
}

static void what_is_unchanged_lives_on(void **state) {
  fixture f;
  (void)state;
  EACH_CHAIN(&f, POLICY) {
    f.maker.version = "v1";
    expect(&f, "k", "one", false);
    lrd_clock_moved_advance_ms(&f.clock, 100000);
    f.maker.what = LARDER_MADE_UNCHANGED;
    expect(&f, "k", "one", false);
    assert_string_equal(f.maker.kept_version, "v1");
    assert_int_equal(counted(&f, "made_unchanged"), 1);
    lrd_clock_moved_advance_ms(&f.clock, 59000);
    expect(&f, "k", "one", false);
    assert_int_equal(f.maker.began, 2);
    larder_stat stat;
    assert_ok(larder_stat_get(f.ns, "k", 1, &stat));
    assert_int_equal(stat.facts.version_len, 2);
    larder_stat_free(&stat);
    expect_failure(&f, "never seen", LARDER_EINVAL, "unchanged");
  }
}

static void not_kept_is_handed_out_and_takes_the_old_along(void **state) {
  fixture f;
  larder_value value = {0};
  larder_get_options any = {.size = sizeof any, .allow_stale = true};
  (void)state;
  EACH_CHAIN(&f, POLICY) {
    expect(&f, "k", "one", false);
    lrd_clock_moved_advance_ms(&f.clock, 100000);
    f.maker.text = "two";
    f.maker.not_kept = true;
    expect(&f, "k", "two", false);
    assert_err(larder_get(f.ns, "k", 1, &any, &value), LARDER_MISS);
  }
}

static void fresh_makes_it_whatever_is_kept(void **state) {
  fixture f;
  char got[64];
  bool stale;
  (void)state;
  EACH_CHAIN(&f, POLICY) {
    larder_make_options options = by(&f);
    expect(&f, "k", "one", false);
    options.fresh = true;
    f.maker.text = "two";
    assert_ok(ask_with(&f, &options, "k", got, &stale, NULL));
    assert_string_equal(got, "two");
    assert_string_equal(f.maker.kept, "one");
    f.maker.result = LARDER_EAWAY; /* a failure leaves it, and serves it */
    assert_ok(ask_with(&f, &options, "k", got, &stale, NULL));
    assert_string_equal(got, "two");
    expect(&f, "k", "two", false);
  }
}

static void what_is_not_what_its_kind_says_is_a_failure(void **state) {
  fixture f;
  (void)state;
  open_with(&f, "[memory, sqlite]", POLICY ", kind: json");
  f.maker.text = "{\"a\": ";
  expect_failure(&f, "k", LARDER_EFORMAT, NULL);
  f.maker.text = "{\"a\": 1}";
  expect(&f, "another", "{\"a\": 1}", false);
  shut(&f);
}

static void what_is_locked_is_not_made_over(void **state) {
  fixture f;
  larder_error err = {0};
  char text[512];
  (void)state;
  (void)setenv("LARDER_KEY", "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=", 1);
  open_with(&f, "[sqlite]", POLICY ", seal: aes-256-gcm");
  expect(&f, "k", "one", false);
  assert_ok(larder_close(&f.cache));
  (void)setenv("LARDER_KEY", "YTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=", 1);
  (void)snprintf(text, sizeof text,
                 "cache:\n  slots: 1024\n  namespaces:\n    n: {tiers: [sqlite], " POLICY ", seal: aes-256-gcm}\n");
  larder_options options = {.size = sizeof options, .root = f.root, .config_text = text};
  assert_ok(lrd_larder_open_with_clock(&options, &f.clock.clock, &f.cache, &err));
  assert_ok(larder_ns_open(f.cache, "n", &f.ns, &err));
  f.maker.text = "two";
  expect_failure(&f, "k", LARDER_EKEY, NULL);
  assert_int_equal(f.maker.began, 1);
  (void)unsetenv("LARDER_KEY");
  shut(&f);
}

static void without_a_maker_it_says_what_to_do(void **state) {
  fixture f;
  larder_value value = {0};
  larder_error err = {0};
  (void)state;
  open_with(&f, "[memory]", POLICY);
  assert_err(larder_get_or_make(f.ns, "k", 1, NULL, &value, &err), LARDER_EUNSUPPORTED);
  assert_non_null(strstr(err.message, "configure `maker`"));
  assert_ok(larder_put(f.ns, "k", 1, "here", 4, NULL));
  assert_ok(larder_get_or_make(f.ns, "k", 1, NULL, &value, &err));
  larder_value_release(&value);
  shut(&f);
}

static void a_registered_callback_is_found_by_its_name(void **state) {
  fixture f;
  larder_value value = {0};
  larder_error err = {0};
  (void)state;
  open_with(&f, "[memory]", "ttl: 60s, maker: {callback: census}");
  assert_err(larder_get_or_make(f.ns, "k", 1, NULL, &value, &err), LARDER_EUNSUPPORTED);
  assert_non_null(strstr(err.message, "census"));
  assert_ok(larder_maker_register(f.cache, "census", make, &f.maker));
  assert_err(larder_maker_register(f.cache, "census", make, &f.maker), LARDER_EBUSY);
  assert_ok(larder_get_or_make(f.ns, "k", 1, NULL, &value, &err));
  assert_string_equal(value.tier, "made");
  larder_value_release(&value);
  shut(&f);
}

static void wrong_arguments_are_told(void **state) {
  fixture f;
  larder_value value = {0};
  (void)state;
  open_with(&f, "[memory]", POLICY);
  larder_make_options options = by(&f);
  assert_err(larder_get_or_make(f.ns, "", 0, &options, &value, NULL), LARDER_EINVAL);
  assert_err(larder_get_or_make(NULL, "k", 1, &options, &value, NULL), LARDER_EINVAL);
  assert_err(larder_get_or_make(f.ns, "k", 1, &options, NULL, NULL), LARDER_EINVAL);
  options.hard_timeout_ms = -2;
  assert_err(larder_get_or_make(f.ns, "k", 1, &options, &value, NULL), LARDER_EINVAL);
  options = by(&f);
  options.size = 0;
  assert_err(larder_get_or_make(f.ns, "k", 1, &options, &value, NULL), LARDER_EINVAL);
  assert_int_equal(f.maker.began, 0);
  shut(&f);
}

/* --- what happens meanwhile ------------------------------------------------------------------------------------------------
 */

static void put_meanwhile(void *context, const larder_making *making) {
  (void)context;
  assert_ok(larder_put(making->ns, making->key, making->key_len, "put", 3, NULL));
}

static void delete_meanwhile(void *context, const larder_making *making) {
  (void)context;
  assert_err(larder_delete(making->ns, making->key, making->key_len), LARDER_MISS);
}

static void expire_meanwhile(void *context, const larder_making *making) {
  (void)context;
  larder_err result = larder_expire(making->ns, making->key, making->key_len);
  assert_true(result == LARDER_OK || result == LARDER_MISS);
}

static void clear_meanwhile(void *context, const larder_making *making) {
  (void)context;
  assert_ok(larder_clear(making->ns, NULL));
}

static void neighbour_meanwhile(void *context, const larder_making *making) {
  char key[16];
  (void)context;
  for (int i = 0; i < 3000; i++) { /* of 1024 slots: also in the key's own */
    (void)snprintf(key, sizeof key, "n%d", i);
    assert_ok(larder_put(making->ns, key, strlen(key), "x", 1, NULL));
  }
}

static void a_key_changed_meanwhile_is_not_overwritten(void **state) {
  static void (*const changes[])(void *, const larder_making *) = {put_meanwhile, delete_meanwhile, expire_meanwhile,
                                                                   clear_meanwhile};
  fixture f;
  larder_value value = {0};
  (void)state;
  for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
    EACH_CHAIN(&f, POLICY) {
      f.maker.meanwhile = changes[i];
      expect(&f, "k", "one", false); /* it is handed out all the same */
      if (i == 0) {
        assert_ok(larder_get(f.ns, "k", 1, NULL, &value));
        assert_memory_equal(value.data, "put", 3);
        larder_value_release(&value);
      } else {
        assert_err(larder_get(f.ns, "k", 1, NULL, &value), LARDER_MISS);
      }
      assert_int_equal(counted(&f, "make_overtaken"), 1);
    }
  }
}

/* The same with the protocol broken: what was put is lost. */
static void without_the_check_it_would_be_overwritten(void **state) {
  fixture f;
  larder_value value = {0};
  (void)state;
  open_with(&f, "[memory, sqlite]", POLICY);
  f.maker.meanwhile = put_meanwhile;
  atomic_store(&lrd_mutations, LRD_MUTATE_MADE_UNCHECKED);
  expect(&f, "k", "one", false);
  atomic_store(&lrd_mutations, 0);
  assert_ok(larder_get(f.ns, "k", 1, NULL, &value));
  assert_memory_equal(value.data, "one", 3);
  larder_value_release(&value);
  shut(&f);
}

static void neighbours_that_change_do_not_matter(void **state) {
  fixture f;
  (void)state;
  open_with(&f, "[memory, sqlite]", POLICY);
  f.maker.meanwhile = neighbour_meanwhile;
  expect(&f, "k", "one", false);
  f.maker.meanwhile = NULL;
  expect(&f, "k", "one", false);
  assert_int_equal(f.maker.began, 1);
  assert_int_equal(counted(&f, "make_overtaken"), 0);
  shut(&f);
}

static void behind_puts_overtake_too(void **state) {
  fixture f;
  larder_value value = {0};
  (void)state;
  open_with(&f, "[memory, sqlite]", POLICY ", durability: behind");
  f.maker.meanwhile = put_meanwhile;
  expect(&f, "k", "one", false);
  assert_ok(larder_get(f.ns, "k", 1, NULL, &value));
  assert_memory_equal(value.data, "put", 3);
  larder_value_release(&value);
  lrd_larder_tick(f.cache);
  assert_ok(larder_get(f.ns, "k", 1, NULL, &value));
  assert_memory_equal(value.data, "put", 3);
  larder_value_release(&value);
  shut(&f);
}

static void ask_own_key(void *context, const larder_making *making) {
  fixture *f = context;
  larder_value value = {0};
  larder_error err = {0};
  larder_make_options options = by(f);
  assert_err(larder_get_or_make(making->ns, making->key, making->key_len, &options, &value, &err), LARDER_EBUSY);
  assert_non_null(strstr(err.message, "circle"));
}

static void a_circle_of_keys_is_noticed(void **state) {
  fixture f;
  (void)state;
  EACH_CHAIN(&f, POLICY) {
    f.maker.meanwhile = ask_own_key;
    f.maker.context = &f;
    expect(&f, "k", "one", false);
  }
}

static void ask_another_key(void *context, const larder_making *making) {
  fixture *f = context;
  if (making->key_len == 1) {
    f->maker.meanwhile = NULL;
    expect(f, "other", "one", false);
  }
}

static void a_maker_may_ask_for_another_key(void **state) {
  fixture f;
  (void)state;
  EACH_CHAIN(&f, POLICY ", maker: {callback: none, parallel: 1, hard_timeout: 10s}") {
    f.maker.meanwhile = ask_another_key;
    f.maker.context = &f;
    expect(&f, "k", "one", false); /* though there is one place only */
    assert_int_equal(f.maker.began, 2);
  }
}

/* --- several at once -------------------------------------------------------------------------------------------------------
 */

typedef struct asker {
  fixture *f;
  const char *key;
  larder_make_options options;
  pthread_t thread;
  larder_err result;
  char got[64];
  bool stale;
  larder_error err;
} asker;

static void *asker_run(void *context) {
  asker *a = context;
  a->result = ask_with(a->f, &a->options, a->key, a->got, &a->stale, &a->err);
  return NULL;
}

static void asker_start(asker *a, fixture *f, const char *key) {
  *a = (asker){.f = f, .key = key, .options = by(f)};
  assert_int_equal(pthread_create(&a->thread, NULL, asker_run, a), 0);
}

static void wait_counted(fixture *f, const char *name, uint64_t wanted) {
  for (unsigned i = 0; counted(f, name) < wanted; i++) {
    assert_true(i < PATIENCE_MS);
    usleep(1000);
  }
}

#define ASKERS 32

static void all_who_wait_get_what_one_made(void **state) {
  fixture f;
  asker askers[ASKERS];
  (void)state;
  for (int outcome = 0; outcome < 3; outcome++) {
    EACH_CHAIN(&f, POLICY) {
      if (outcome == 1) f.maker.what = LARDER_MADE_ABSENT;
      if (outcome == 2) f.maker.result = LARDER_EAWAY;
      f.maker.reason = "no answer";
      atomic_store(&f.maker.hold, true);
      for (int i = 0; i < ASKERS; i++) asker_start(&askers[i], &f, "k");
      wait_counted(&f, "make_joined", ASKERS - 1);
      atomic_store(&f.maker.hold, false);
      for (int i = 0; i < ASKERS; i++) {
        (void)pthread_join(askers[i].thread, NULL);
        assert_err(askers[i].result, outcome == 0 ? LARDER_OK : outcome == 1 ? LARDER_MISS : LARDER_EAWAY);
        if (outcome == 0) assert_string_equal(askers[i].got, "one");
        if (outcome == 2) assert_non_null(strstr(askers[i].err.message, "no answer"));
      }
      assert_int_equal(f.maker.began, 1);
    }
  }
}

/* Who comes after a delete was acknowledged does not get what was begun before it. */
static void who_comes_after_a_delete_does_not_join(void **state) {
  fixture f;
  asker before;
  asker after;
  (void)state;
  EACH_CHAIN(&f, POLICY) {
    atomic_store(&f.maker.hold, true);
    asker_start(&before, &f, "k");
    wait_for(&f.maker.began, 1);
    f.maker.text = "one";
    assert_err(larder_delete(f.ns, "k", 1), LARDER_MISS);
    asker_start(&after, &f, "k");
    wait_counted(&f, "make_joined", 1);
    atomic_store(&f.maker.hold, false);
    (void)pthread_join(before.thread, NULL);
    (void)pthread_join(after.thread, NULL);
    assert_ok(before.result);
    assert_ok(after.result);
    assert_int_equal(f.maker.began, 2);
    assert_int_equal(counted(&f, "made"), 2);
  }
}

static void past_the_soft_time_out_stale_is_served(void **state) {
  fixture f;
  asker one;
  (void)state;
  EACH_CHAIN(&f, POLICY) {
    expect(&f, "k", "one", false);
    lrd_clock_moved_advance_ms(&f.clock, 100000);
    f.maker.text = "two";
    atomic_store(&f.maker.hold, true);
    one = (asker){.f = &f, .key = "k", .options = by(&f)};
    one.options.soft_timeout_ms = 300;
    assert_int_equal(pthread_create(&one.thread, NULL, asker_run, &one), 0);
    wait_for(&f.maker.began, 2);
    lrd_clock_moved_advance_ms(&f.clock, 301);
    (void)pthread_join(one.thread, NULL);
    assert_ok(one.result);
    assert_string_equal(one.got, "one");
    assert_true(one.stale);
    atomic_store(&f.maker.hold, false);
    wait_counted(&f, "puts", 2);
    expect(&f, "k", "two", false); /* what went on was kept */
    assert_int_equal(f.maker.began, 2);
  }
}

static void past_the_hard_time_out_it_is_cut(void **state) {
  fixture f;
  asker one;
  larder_value value = {0};
  (void)state;
  EACH_CHAIN(&f, POLICY ", maker: {callback: none, hard_timeout: 2s}") {
    atomic_store(&f.maker.hold, true);
    asker_start(&one, &f, "k");
    wait_for(&f.maker.began, 1);
    lrd_clock_moved_advance_ms(&f.clock, 2001);
    (void)pthread_join(one.thread, NULL);
    assert_err(one.result, LARDER_EAWAY);
    expect_failure(&f, "k", LARDER_EAWAY, NULL); /* remembered */
    assert_int_equal(f.maker.began, 1);
    atomic_store(&f.maker.hold, false);
    wait_for(&f.maker.ended, 1);
    wait_counted(&f, "make_overtaken", 1); /* what it still brought is dropped */
    assert_err(larder_get(f.ns, "k", 1, NULL, &value), LARDER_MISS);
    assert_int_equal(counted(&f, "make_cut"), 1);
    lrd_clock_moved_advance_ms(&f.clock, 5001);
    expect(&f, "k", "one", false);
  }
}

static void a_making_behind_past_its_deadline_is_cut_by_the_keeper(void **state) {
  fixture f;
  (void)state;
  EACH_CHAIN(&f, POLICY ", maker: {callback: none, hard_timeout: 2s}") {
    expect(&f, "k", "one", false);
    lrd_clock_moved_advance_ms(&f.clock, 61000);
    atomic_store(&f.maker.hold, true);
    expect(&f, "k", "one", true);
    wait_for(&f.maker.began, 2);
    lrd_clock_moved_advance_ms(&f.clock, 2001);
    lrd_larder_tick(f.cache);
    assert_int_equal(counted(&f, "make_cut"), 1);
    atomic_store(&f.maker.hold, false);
  }
}

static void no_wait_says_that_somebody_makes_it(void **state) {
  fixture f;
  asker one;
  char got[64];
  bool stale;
  (void)state;
  EACH_CHAIN(&f, POLICY) {
    atomic_store(&f.maker.hold, true);
    asker_start(&one, &f, "k");
    wait_for(&f.maker.began, 1);
    larder_make_options options = by(&f);
    options.no_wait = true;
    assert_err(ask_with(&f, &options, "k", got, &stale, NULL), LARDER_EBUSY);
    atomic_store(&f.maker.hold, false);
    (void)pthread_join(one.thread, NULL);
    assert_ok(one.result);
  }
}

static void no_more_than_parallel_are_made_at_once(void **state) {
  fixture f;
  asker askers[6];
  char keys[6][4];
  (void)state;
  for (int on_pool = 0; on_pool < 2; on_pool++) {
    open_with(&f, "[memory]",
              on_pool ? POLICY ", maker: {callback: none, parallel: 2, hard_timeout: 1h}"
                      : POLICY ", maker: {callback: none, parallel: 2}");
    atomic_store(&f.maker.hold, true);
    for (int i = 0; i < 6; i++) {
      (void)snprintf(keys[i], sizeof keys[i], "k%d", i);
      asker_start(&askers[i], &f, keys[i]);
    }
    wait_for(&f.maker.began, 2);
    usleep(50000); /* a third would have begun */
    assert_int_equal(f.maker.began, 2);
    atomic_store(&f.maker.hold, false);
    for (int i = 0; i < 6; i++) {
      (void)pthread_join(askers[i].thread, NULL);
      assert_ok(askers[i].result);
    }
    shut(&f);
  }
}

static void closing_ends_what_runs_behind(void **state) {
  fixture f;
  (void)state;
  for (size_t chain = 0; chain < sizeof chains / sizeof *chains; chain++) {
    open_with(&f, chains[chain], POLICY);
    expect(&f, "k", "one", false);
    lrd_clock_moved_advance_ms(&f.clock, 61000);
    atomic_store(&f.maker.heeds, true);
    atomic_store(&f.maker.hold, true);
    f.maker.result = LARDER_ECANCELLED;
    expect(&f, "k", "one", true);
    wait_for(&f.maker.began, 2);
    shut(&f); /* it heeds larder_making_cancelled */
    assert_int_equal(f.maker.ended, 2);
  }
}

static void closing_waits_for_values_in_hand(void **state) {
  fixture f;
  larder_value value = {0};
  (void)state;
  open_with(&f, "[memory]", POLICY);
  larder_make_options options = by(&f);
  assert_ok(larder_get_or_make(f.ns, "k", 1, &options, &value, NULL));
  assert_err(larder_close(&f.cache), LARDER_EBUSY);
  larder_value_release(&value);
  expect(&f, "l", "one", false); /* it goes on */
  shut(&f);
}

/* Hits near the end of the lifetime are drawn, the likelier the longer a making takes. */
static void advance_meanwhile(void *context, const larder_making *making) {
  (void)making;
  lrd_clock_moved_advance_ms(context, 1000);
}

static void early_refresh_draws_before_the_end(void **state) {
  fixture f;
  (void)state;
  open_with(&f, "[memory]", "ttl: 60s, early_refresh: 1");
  f.maker.meanwhile = advance_meanwhile;
  f.maker.context = &f.clock;
  expect(&f, "k", "one", false);
  for (int i = 0; i < 100; i++) expect(&f, "k", "one", false); /* 59 s before the end, at a cost of 1 s */
  assert_int_equal(f.maker.began, 1);
  f.maker.meanwhile = NULL;
  lrd_clock_moved_advance_ms(&f.clock, 59500);
  for (unsigned i = 0; f.maker.began < 2; i++) {
    assert_true(i < PATIENCE_MS);
    expect(&f, "k", "one", false);
    usleep(1000); /* it is made on another thread */
  }
  assert_true(counted(&f, "make_early") >= 1);
  shut(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_missing_value_is_made_once_and_kept),
      cmocka_unit_test(what_is_past_both_windows_is_made_anew),
      cmocka_unit_test(within_the_first_window_stale_is_served_and_made_behind),
      cmocka_unit_test(a_callback_that_does_not_last_makes_it_in_its_own_call),
      cmocka_unit_test(when_it_fails_stale_is_served_within_the_second_window),
      cmocka_unit_test(a_failure_is_told_with_its_reason_for_error_ttl),
      cmocka_unit_test(retry_after_goes_before_error_ttl),
      cmocka_unit_test(an_absence_is_kept_for_negative_ttl_and_seen_by_nobody_else),
      cmocka_unit_test(clearing_takes_absences_along),
      cmocka_unit_test(an_absence_takes_the_place_of_what_was_stale),
      cmocka_unit_test(what_is_unchanged_lives_on),
      cmocka_unit_test(not_kept_is_handed_out_and_takes_the_old_along),
      cmocka_unit_test(fresh_makes_it_whatever_is_kept),
      cmocka_unit_test(what_is_not_what_its_kind_says_is_a_failure),
      cmocka_unit_test(what_is_locked_is_not_made_over),
      cmocka_unit_test(without_a_maker_it_says_what_to_do),
      cmocka_unit_test(a_registered_callback_is_found_by_its_name),
      cmocka_unit_test(wrong_arguments_are_told),
      cmocka_unit_test(a_key_changed_meanwhile_is_not_overwritten),
      cmocka_unit_test(without_the_check_it_would_be_overwritten),
      cmocka_unit_test(neighbours_that_change_do_not_matter),
      cmocka_unit_test(behind_puts_overtake_too),
      cmocka_unit_test(a_circle_of_keys_is_noticed),
      cmocka_unit_test(a_maker_may_ask_for_another_key),
      cmocka_unit_test(all_who_wait_get_what_one_made),
      cmocka_unit_test(who_comes_after_a_delete_does_not_join),
      cmocka_unit_test(past_the_soft_time_out_stale_is_served),
      cmocka_unit_test(past_the_hard_time_out_it_is_cut),
      cmocka_unit_test(a_making_behind_past_its_deadline_is_cut_by_the_keeper),
      cmocka_unit_test(no_wait_says_that_somebody_makes_it),
      cmocka_unit_test(no_more_than_parallel_are_made_at_once),
      cmocka_unit_test(closing_ends_what_runs_behind),
      cmocka_unit_test(closing_waits_for_values_in_hand),
      cmocka_unit_test(early_refresh_draws_before_the_end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
