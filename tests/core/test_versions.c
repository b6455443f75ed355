/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of an entry's source, and the version of a namespace: what was written under another one is stale at once, in
 * every process that has the new one, and fresh where the old one is still configured.
 */
#include "support/support.h"

#include "larder_testing.h"
#include <larder/ext/maker.h>
#include <larder/keys.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define START_MS INT64_C(1700000000000)
#define POLICY   "ttl: 1h, stale_while_revalidate: 30s, stale_if_error: 10m"

typedef struct fixture {
  char *root;
  lrd_clock_moved clock;
} fixture;

/* One process's view of the root. */
typedef struct view {
  larder *cache;
  larder_ns *ns;
} view;

static int setup(void **state) {
  fixture *f = calloc(1, sizeof *f);
  f->root = support_dir_make();
  lrd_clock_moved_init(&f->clock, START_MS);
  *state = f;
  return 0;
}

static int teardown(void **state) {
  fixture *f = *state;
  support_dir_remove(&f->root);
  free(f);
  return 0;
}

static view open_view(fixture *f, const char *tiers, const char *more) {
  view v = {0};
  char text[1024];
  larder_error err = {0};
  (void)snprintf(text, sizeof text,
                 "cache:\n  slots: 1024\n  key_file: %s/keys\n  memory: {size_mb: 4}\n  namespaces:\n    n: {tiers: %s, " POLICY
                 "%s}\n",
                 f->root, tiers, more);
  larder_options options = {.size = sizeof options, .root = f->root, .config_text = text};
  larder_err result = lrd_larder_open_with_clock(&options, &f->clock.clock, &v.cache, &err);
  if (result != LARDER_OK) print_error("%s\n", err.message);
  assert_ok(result);
  assert_ok(larder_ns_open(v.cache, "n", &v.ns, &err));
  return v;
}

static void close_view(view *v) { assert_ok(larder_close(&v->cache)); }

static void put(view *v, const char *key, const char *value) {
  assert_ok(larder_put(v->ns, key, strlen(key), value, strlen(value), NULL));
}

/* By the ways of looking: NULL is nothing fresh. */
static void expect(view *v, const char *key, const char *wanted) {
  larder_value value = {0};
  larder_err const as = wanted ? LARDER_OK : LARDER_MISS;
  for (int twice = 0; twice < 2; twice++) { /* the second time memory may have it */
    larder_item item = {.key = key, .key_len = strlen(key)};
    assert_err(larder_exists(v->ns, key, strlen(key)), as);
    assert_err(larder_get(v->ns, key, strlen(key), NULL, &value), as);
    if (wanted) {
      assert_int_equal(value.len, strlen(wanted));
      assert_memory_equal(value.data, wanted, value.len);
      larder_value_release(&value);
    }
    assert_ok(larder_get_many(v->ns, &item, 1, NULL));
    assert_err(item.result, as);
    larder_value_release(&item.found);
  }
}

static void expect_stale(view *v, const char *key, const char *wanted) {
  larder_get_options const how = {.size = sizeof how, .allow_stale = true};
  for (int twice = 0; twice < 2; twice++) {
    larder_value value = {0};
    expect(v, key, NULL);
    assert_ok(larder_get(v->ns, key, strlen(key), &how, &value));
    assert_true(value.stale);
    assert_memory_equal(value.data, wanted, strlen(wanted));
    larder_value_release(&value);
  }
}

static const char *const chains[] = {"[sqlite]", "[files]", "[memory, sqlite]", "[memory, files]"};
#define EACH_CHAIN(tiers) for (size_t at = 0; at < 4 && ((tiers) = chains[at]); at++)

/* --- when the source changed it --------------------------------------------------------------------------------------------
 */

static void when_the_source_changed_it_is_kept(void **state) {
  fixture *f = *state;
  static const char *const all[] = {"[memory]", "[sqlite]", "[files]", "[memory, sqlite]"};
  for (size_t at = 0; at < 4; at++) {
    view v = open_view(f, all[at], "");
    larder_put_options how = {.size = sizeof how, .modified_ms = 1690000000123, .version = at % 2 ? "v1" : NULL};
    assert_ok(larder_put(v.ns, "k", 1, "value", 5, &how));
    larder_stat stat;
    larder_value value = {0};
    larder_facts facts;
    assert_ok(larder_touch(v.ns, "k", 1, 5000));
    assert_ok(larder_stat_get(v.ns, "k", 1, &stat));
    assert_true(stat.facts.modified_ms == how.modified_ms);
    assert_int_equal(stat.facts.version_len, at % 2 ? 2 : 0);
    larder_stat_free(&stat);
    assert_ok(larder_get(v.ns, "k", 1, NULL, &value));
    assert_ok(larder_value_facts(&value, &facts));
    assert_true(facts.modified_ms == how.modified_ms);
    larder_value_release(&value);
    how.modified_ms = -1;
    assert_err(larder_put(v.ns, "k", 1, "value", 5, &how), LARDER_EINVAL);
    close_view(&v);
  }
}

/* --- the namespace's version -----------------------------------------------------------------------------------------------
 */

static void a_new_version_makes_the_older_stale_and_the_former_one_makes_it_fresh(void **state) {
  fixture *f = *state;
  const char *tiers;
  EACH_CHAIN(tiers) {
    view v = open_view(f, tiers, "");
    put(&v, "none", "under none");
    close_view(&v);
    v = open_view(f, tiers, ", version: '1'");
    expect_stale(&v, "none", "under none");
    put(&v, "k", "under one");
    expect(&v, "k", "under one");
    close_view(&v);
    v = open_view(f, tiers, ", version: '2'");
    expect_stale(&v, "k", "under one");
    close_view(&v);
    v = open_view(f, tiers, ", version: '1'");
    expect(&v, "k", "under one");
    assert_ok(larder_expire(v.ns, "k", 1));
    expect_stale(&v, "k", "under one");
    close_view(&v);
    v = open_view(f, tiers, "");
    expect(&v, "none", "under none");
    expect_stale(&v, "k", "under one");
    assert_ok(larder_clear(v.ns, NULL));
    close_view(&v);
  }
}

static void the_queue_keeps_the_version_it_was_put_under(void **state) {
  fixture *f = *state;
  view v = open_view(f, "[memory, sqlite]", ", version: '1', durability: behind");
  put(&v, "k", "queued");
  expect(&v, "k", "queued");
  close_view(&v);
  v = open_view(f, "[memory, sqlite]", ", version: '2', durability: behind");
  expect_stale(&v, "k", "queued");
  close_view(&v);
}

static bool row_count(void *context, const larder_listed *entry) {
  (void)entry;
  ++*(unsigned *)context;
  return true;
}

static unsigned listed(view *v, const larder_match *match) {
  unsigned count = 0;
  assert_ok(larder_list(v->ns, match, false, 0, NULL, row_count, &count));
  return count;
}

static void two_processes_see_each_their_own(void **state) {
  fixture *f = *state;
  const char *tiers;
  EACH_CHAIN(tiers) {
    view one = open_view(f, tiers, ", version: one");
    view two = open_view(f, tiers, ", version: two");
    larder_match const expired = {.size = sizeof expired, .expired_only = true};
    put(&one, "a", "of one");
    put(&two, "b", "of two");
    expect(&one, "a", "of one");
    expect_stale(&two, "a", "of one");
    expect_stale(&one, "b", "of two");
    assert_int_equal(listed(&two, NULL), 1);
    assert_int_equal(listed(&two, &expired), 1);
    assert_err(larder_touch(two.ns, "a", 1, 5000), LARDER_MISS);
    put(&two, "a", "made anew");
    expect(&two, "a", "made anew");
    expect_stale(&one, "a", "made anew");
    larder_bulk done;
    assert_ok(larder_delete_matching(two.ns, &expired, &done));
    assert_int_equal(done.entries, 0);
    assert_ok(larder_clear(one.ns, &done));
    assert_int_equal(done.entries, 2);
    close_view(&one);
    close_view(&two);
  }
}

static void child_of_another_version(void *context) {
  view v = open_view(context, "[memory, sqlite]", ", version: two");
  expect_stale(&v, "k", "of one");
  put(&v, "k", "of two");
  expect(&v, "k", "of two");
  close_view(&v);
}

static void a_real_process_with_another_configuration(void **state) {
  fixture *f = *state;
#ifdef __SANITIZE_THREAD__
  skip(); /* a child of a process with threads may start none under that sanitizer, and a new cache does */
#endif
  view v = open_view(f, "[memory, sqlite]", ", version: one");
  put(&v, "k", "of one");
  expect(&v, "k", "of one");
  assert_int_equal(support_in_child(child_of_another_version, f), 0);
  expect_stale(&v, "k", "of two");
  close_view(&v);
}

static void what_is_handed_up_keeps_its_version(void **state) {
  fixture *f = *state;
  larder_value value = {0};
  view v = open_view(f, "[files]", ", version: one");
  put(&v, "k", "of one");
  close_view(&v);
  v = open_view(f, "[sqlite, files]", ", version: two");
  expect_stale(&v, "k", "of one");
  lrd_larder_tick(v.cache); /* it is promoted as it is */
  close_view(&v);
  v = open_view(f, "[sqlite, files]", ", version: one");
  assert_ok(larder_get(v.ns, "k", 1, NULL, &value));
  assert_string_equal(value.tier, "sqlite");
  larder_value_release(&value);
  close_view(&v);
}

static void sealing_anew_keeps_the_version(void **state) {
  fixture *f = *state;
  char id[LARDER_KEY_ID_LEN + 1];
  char *path = support_path(f->root, "keys");
  larder_rotation done;
  larder_error err = {0};
  assert_ok(larder_key_file_new(path, false, id, &err));
  view v = open_view(f, "[sqlite]", ", version: one, seal: aes-256-gcm");
  assert_ok(larder_put(v.ns, "k", 1, "of one", 6, &(larder_put_options){.size = sizeof(larder_put_options), .modified_ms = 7}));
  close_view(&v);
  assert_ok(larder_key_file_new(path, true, id, &err));
  v = open_view(f, "[sqlite]", ", version: two, seal: aes-256-gcm");
  assert_ok(larder_keys_rotate(v.cache, NULL, NULL, NULL, &done));
  assert_int_equal(done.resealed, 1);
  expect_stale(&v, "k", "of one");
  close_view(&v);
  v = open_view(f, "[sqlite]", ", version: one, seal: aes-256-gcm");
  larder_stat stat;
  assert_ok(larder_stat_get(v.ns, "k", 1, &stat));
  assert_false(stat.stale);
  assert_int_equal(stat.facts.modified_ms, 7);
  larder_stat_free(&stat);
  close_view(&v);
  free(path);
}

/* --- makers ----------------------------------------------------------------------------------------------------------------
 */

typedef struct maker {
  const char *text;
  unsigned calls;
  bool offered;
} maker;

static larder_err make(void *context, const larder_making *making, larder_made *made, larder_error *err) {
  maker *m = context;
  (void)err;
  m->calls++;
  m->offered = making->kept != NULL;
  made->value = m->text;
  made->len = strlen(m->text);
  made->modified_ms = 1690000000123;
  return LARDER_OK;
}

static void ask(view *v, maker *m, const char *wanted, bool stale) {
  larder_value value = {0};
  larder_make_options const how = {.size = sizeof how, .make = make, .context = m};
  assert_ok(larder_get_or_make(v->ns, "k", 1, &how, &value, NULL));
  assert_int_equal(value.len, strlen(wanted));
  assert_memory_equal(value.data, wanted, value.len);
  assert_int_equal(value.stale, stale);
  larder_value_release(&value);
}

static void what_is_of_another_version_is_made_and_not_offered_as_kept(void **state) {
  fixture *f = *state;
  const char *tiers;
  EACH_CHAIN(tiers) {
    maker m = {.text = "of one"};
    view v = open_view(f, tiers, ", version: one");
    ask(&v, &m, "of one", false);
    ask(&v, &m, "of one", false);
    assert_int_equal(m.calls, 1);
    larder_stat stat;
    assert_ok(larder_stat_get(v.ns, "k", 1, &stat));
    assert_true(stat.facts.modified_ms == 1690000000123);
    larder_stat_free(&stat);
    assert_ok(larder_expire(v.ns, "k", 1));
    ask(&v, &m, "of one", false);
    assert_true(m.offered);
    close_view(&v);
    v = open_view(f, tiers, ", version: two");
    m.text = "of two";
    expect(&v, "k", NULL); /* memory has it now, as stale */
    ask(&v, &m, "of two", false);
    assert_int_equal(m.calls, 3);
    assert_false(m.offered);
    assert_ok(larder_clear(v.ns, NULL));
    close_view(&v);
  }
}

static larder_err is_down(void *context, const larder_making *making, larder_made *made, larder_error *err) {
  (void)context;
  (void)making;
  (void)made;
  (void)err;
  return LARDER_EAWAY;
}

static void the_windows_are_counted_from_when_it_was_written(void **state) {
  fixture *f = *state;
  larder_value value = {0};
  larder_make_options const how = {.size = sizeof how, .make = is_down};
  view v = open_view(f, "[memory, sqlite]", ", version: one");
  put(&v, "k", "of one");
  close_view(&v);
  v = open_view(f, "[memory, sqlite]", ", version: two, error_ttl: 0");
  lrd_clock_moved_advance_ms(&f->clock, 599000);
  assert_ok(larder_get_or_make(v.ns, "k", 1, &how, &value, NULL));
  assert_true(value.stale);
  larder_value_release(&value);
  lrd_clock_moved_advance_ms(&f->clock, 2000);
  assert_err(larder_get_or_make(v.ns, "k", 1, &how, &value, NULL), LARDER_EAWAY);
  close_view(&v);
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {
      CASE(when_the_source_changed_it_is_kept),
      CASE(a_new_version_makes_the_older_stale_and_the_former_one_makes_it_fresh),
      CASE(the_queue_keeps_the_version_it_was_put_under),
      CASE(two_processes_see_each_their_own),
      CASE(a_real_process_with_another_configuration),
      CASE(what_is_handed_up_keeps_its_version),
      CASE(sealing_anew_keeps_the_version),
      CASE(what_is_of_another_version_is_made_and_not_offered_as_kept),
      CASE(the_windows_are_counted_from_when_it_was_written),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
