/* SPDX-License-Identifier: Apache-2.0 */
/*
 * larder_get_or_make with callbacks: what is kept and for how long, what is served stale and when, what reaches those who
 * wait. Once over a memory-only namespace and once over one with a shared tier, where flights hold leases. Time is moved by
 * hand; who has to wait for another thread waits on a count.
 */
#include "make_rig.h"

#include "core/mutation.h"
#include <larder/stats.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* No stale windows: what has a version is kept for its maker alone. */
static void what_has_a_version_is_there_to_be_found_unchanged_and_for_nothing_else(void **state) {
  fixture f;
  larder_value value;
  (void)state;
  EACH_CHAIN(&f, "ttl: 60s, revalidate: 10min, error_ttl: 0s") {
    f.maker.version = "v1";
    expect(&f, "k", "one", false);
    lrd_clock_moved_advance_ms(&f.clock, 100000);
    assert_err(larder_get(f.ns, "k", 1, NULL, &value), LARDER_MISS);
    f.maker.result = LARDER_EAWAY;
    expect_failure(&f, "k", LARDER_EAWAY, NULL);
    f.maker.result = LARDER_OK;
    f.maker.what = LARDER_MADE_UNCHANGED;
    expect(&f, "k", "one", false);
    assert_string_equal(f.maker.kept_version, "v1");
    lrd_clock_moved_advance_ms(&f.clock, 59000);
    expect(&f, "k", "one", false);
    assert_int_equal(f.maker.began, 3);
    lrd_clock_moved_advance_ms(&f.clock, 602000); /* not for longer than that */
    expect_failure(&f, "k", LARDER_EINVAL, "unchanged");
  }
}

/* Though it has a version, and the namespace would allow more. */
static void what_its_maker_allows_to_be_stale_for_less_is_gone_by_then(void **state) {
  fixture f;
  (void)state;
  EACH_CHAIN(&f, "ttl: 60s, stale_if_error: 1h, error_ttl: 0s") {
    f.maker.version = "v1";
    f.maker.stale_ms = 1000;
    expect(&f, "k", "one", false);
    lrd_clock_moved_advance_ms(&f.clock, 62000);
    f.maker.result = LARDER_EAWAY;
    expect_failure(&f, "k", LARDER_EAWAY, NULL);
  }
}

static void an_absence_that_is_not_kept_is_asked_for_each_time(void **state) {
  fixture f;
  (void)state;
  EACH_CHAIN(&f, POLICY) {
    f.maker.what = LARDER_MADE_ABSENT;
    f.maker.not_kept = true;
    expect_failure(&f, "k", LARDER_MISS, NULL);
    expect_failure(&f, "k", LARDER_MISS, NULL);
    assert_int_equal(f.maker.began, 2);
    assert_int_equal(counted(&f, "absent_told"), 0);
  }
}

static void what_is_unchanged_and_not_kept_goes_once_it_is_handed_out(void **state) {
  fixture f;
  larder_value value;
  (void)state;
  EACH_CHAIN(&f, POLICY) {
    expect(&f, "k", "one", false);
    lrd_clock_moved_advance_ms(&f.clock, 91000);
    f.maker.what = LARDER_MADE_UNCHANGED;
    f.maker.not_kept = true;
    expect(&f, "k", "one", false);
    larder_get_options const how = {.size = sizeof how, .allow_stale = true};
    assert_err(larder_get(f.ns, "k", 1, &how, &value), LARDER_MISS);
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

/* What others have made on a busy host is found, not made again. */
static void a_tier_that_does_not_answer_is_asked_again(void **state) {
  fixture f;
  (void)state;
  open_with(&f, "[{shelf: {path: s.db}}]", POLICY);
  assert_ok(larder_put(f.ns, "k", 1, "there", 5, NULL));
  atomic_store(&shelf_silent, 2); /* the call's own look, and the leader's first */
  expect(&f, "k", "there", false);
  assert_int_equal(f.maker.began, 0);
  shut(&f);
}

/* Promise: nothing fails because a tier does. */
static void *others_read(void *context) {
  fixture *f = context;
  larder_value value = {0};
  while (atomic_load(&shelf_fails) != LARDER_OK) {
    if (larder_get(f->ns, "other", 5, NULL, &value) == LARDER_OK) larder_value_release(&value);
  }
  return NULL;
}

/* While others are answered the tier is not switched off. */
static void a_tier_that_fails_for_one_key_is_asked_a_few_times_at_most(void **state) {
  static const larder_err failures[] = {LARDER_EAWAY, LARDER_EBUSY, LARDER_EIO, LARDER_EINVAL, LARDER_ETOOBIG};
  (void)state;
  for (size_t i = 0; i < sizeof failures / sizeof *failures; i++) {
    fixture f;
    pthread_t reader;
    open_with(&f, "[{shelf: {path: s.db}}]", POLICY);
    assert_ok(larder_put(f.ns, "other", 5, "there", 5, NULL));
    atomic_store(&shelf_failed, 0);
    atomic_store(&shelf_fails, failures[i]);
    assert_int_equal(pthread_create(&reader, NULL, others_read, &f), 0);
    int64_t const began_ms = lrd_wall_ms(&f.clock.clock);
    larder_make_options options = by(&f);
    larder_error err = {0};
    char got[64] = "";
    bool stale;
    options.hard_timeout_ms = 3000;
    assert_ok(ask_with(&f, &options, "k", got, &stale, &err));
    assert_string_equal(got, "one");
    assert_int_equal(f.maker.began, 1);
    assert_true(lrd_wall_ms(&f.clock.clock) - began_ms < 1000);
    bool const passes = failures[i] == LARDER_EAWAY || failures[i] == LARDER_EBUSY;
    assert_true(atomic_load(&shelf_failed) <= (passes ? 4 : 2)); /* of which one is the call's own */
    atomic_store(&shelf_fails, LARDER_OK);
    assert_int_equal(pthread_join(reader, NULL), 0);
    shut(&f);
  }
}

static void a_tier_that_never_answers_is_not_waited_for(void **state) {
  fixture f;
  (void)state;
  open_with(&f, "[{shelf: {path: s.db}}]", POLICY);
  assert_ok(larder_put(f.ns, "k", 1, "there", 5, NULL));
  atomic_store(&shelf_silent, 1000000);
  int64_t const began_ms = lrd_wall_ms(&f.clock.clock);
  expect(&f, "k", "one", false);
  assert_int_equal(f.maker.began, 1);
  assert_true(lrd_wall_ms(&f.clock.clock) - began_ms < 1000); /* three failures in a row switch it off */
  expect(&f, "other", "one", false);
  assert_true(lrd_wall_ms(&f.clock.clock) - began_ms < 1000);
  atomic_store(&shelf_silent, 0);
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
      cmocka_unit_test(a_tier_that_does_not_answer_is_asked_again),
      cmocka_unit_test(a_tier_that_fails_for_one_key_is_asked_a_few_times_at_most),
      cmocka_unit_test(a_tier_that_never_answers_is_not_waited_for),
      cmocka_unit_test(an_absence_takes_the_place_of_what_was_stale),
      cmocka_unit_test(what_is_unchanged_lives_on),
      cmocka_unit_test(what_its_maker_allows_to_be_stale_for_less_is_gone_by_then),
      cmocka_unit_test(what_has_a_version_is_there_to_be_found_unchanged_and_for_nothing_else),
      cmocka_unit_test(an_absence_that_is_not_kept_is_asked_for_each_time),
      cmocka_unit_test(what_is_unchanged_and_not_kept_goes_once_it_is_handed_out),
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
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
