/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the calls of larder.h do, one by one, on a clock that the test moves; each behaviour on three chains: memory alone,
 * sqlite alone, memory over sqlite. Two handles on one root stand for two processes.
 */
#include "support/support.h"

#include "base/hash.h"
#include "core/cache.h"
#include "larder_testing.h"
#include <errno.h>
#include <larder/stats.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_MS INT64_C(1700000000000)

typedef struct fixture {
  char *root;
  lrd_clock_moved clock;
  larder *cache;
  larder_ns *ns;
} fixture;

static const char *chain = "memory, sqlite";
static const char *extra = "";

static larder *open_on(fixture *f) {
  char text[1024];
  larder *cache = NULL;
  larder_error err = {0};
  (void)snprintf(text, sizeof text,
                 "cache:\n  memory: {size_mb: 8}\n  namespaces:\n    n: {tiers: [%s], ttl: 10s, stale_if_error: 20s%s}\n"
                 "    other: {tiers: [%s]}\n",
                 chain, extra, chain);
  larder_options options = {.size = sizeof options, .root = f->root, .config_text = text};
  larder_err result = lrd_larder_open_with_clock(&options, &f->clock.clock, &cache, &err);
  if (result != LARDER_OK) {
    print_message("%s\n", err.message);
  }
  assert_ok(result);
  return cache;
}

static int setup(void **state) {
  fixture *f = calloc(1, sizeof *f);
  f->root = support_dir_make();
  lrd_clock_moved_init(&f->clock, START_MS);
  f->cache = open_on(f);
  assert_ok(larder_ns_open(f->cache, "n", &f->ns, NULL));
  *state = f;
  return 0;
}

static int teardown(void **state) {
  fixture *f = *state;
  int bad = larder_close(&f->cache) != LARDER_OK;
  support_dir_remove(&f->root);
  free(f);
  return bad;
}

static larder_err put(larder_ns *ns, const char *key, const char *value, const larder_put_options *options) {
  return larder_put(ns, key, strlen(key), value, strlen(value), options);
}

static void expect(larder_ns *ns, const char *key, const char *value) {
  char room[64];
  size_t len = 99;
  larder_value pinned = {0};
  larder_err wanted = value ? LARDER_OK : LARDER_MISS;
  assert_err(larder_get(ns, key, strlen(key), NULL, &pinned), wanted);
  assert_err(larder_exists(ns, key, strlen(key)), wanted);
  assert_err(larder_get_into(ns, key, strlen(key), room, sizeof room, &len), wanted);
  if (!value) {
    return;
  }
  assert_int_equal(pinned.len, strlen(value));
  assert_memory_equal(pinned.data, value, pinned.len);
  assert_int_equal(len, strlen(value));
  assert_memory_equal(room, value, len);
  larder_value_release(&pinned);
}

static void what_was_put_is_got_until_deleted(void **state) {
  fixture *f = *state;
  expect(f->ns, "k", NULL);
  assert_ok(put(f->ns, "k", "one", NULL));
  expect(f->ns, "k", "one");
  assert_ok(put(f->ns, "k", "two", NULL));
  expect(f->ns, "k", "two");
  assert_ok(larder_delete(f->ns, "k", 1));
  expect(f->ns, "k", NULL);
  assert_err(larder_delete(f->ns, "k", 1), LARDER_MISS);
  assert_ok(put(f->ns, "k", "three", NULL));
  expect(f->ns, "k", "three");
}

static void empty_values_and_binary_keys_are_kept(void **state) {
  fixture *f = *state;
  static const uint8_t key[4] = {0, 255, '/', 0};
  larder_value value = {0};
  assert_ok(larder_put(f->ns, key, 4, NULL, 0, NULL));
  assert_ok(larder_get(f->ns, key, 4, NULL, &value));
  assert_int_equal(value.len, 0);
  larder_value_release(&value);
  assert_err(larder_get(f->ns, key, 3, NULL, &value), LARDER_MISS);
  char longest[LARDER_KEY_MAX + 1];
  memset(longest, 'k', sizeof longest);
  assert_ok(larder_put(f->ns, longest, LARDER_KEY_MAX, "v", 1, NULL));
  assert_ok(larder_exists(f->ns, longest, LARDER_KEY_MAX));
  assert_err(larder_put(f->ns, longest, LARDER_KEY_MAX + 1, "v", 1, NULL), LARDER_EINVAL);
  assert_err(larder_put(f->ns, longest, 0, "v", 1, NULL), LARDER_EINVAL);
  assert_err(larder_put(f->ns, "k", 1, NULL, 1, NULL), LARDER_EINVAL);
}

static void expiry_is_exact_and_stale_is_for_who_allows_it(void **state) {
  fixture *f = *state;
  larder_get_options stale = {.size = sizeof stale, .allow_stale = true};
  larder_value value = {0};
  assert_ok(put(f->ns, "k", "one", NULL)); /* fresh for 10 s, stale for 20 s more */
  lrd_clock_moved_advance_ms(&f->clock, 9999);
  expect(f->ns, "k", "one");
  lrd_clock_moved_advance_ms(&f->clock, 1);
  expect(f->ns, "k", NULL);
  assert_ok(larder_get(f->ns, "k", 1, &stale, &value));
  assert_true(value.stale);
  larder_value_release(&value);
  lrd_clock_moved_advance_ms(&f->clock, 19999);
  assert_ok(larder_get(f->ns, "k", 1, &stale, &value));
  larder_value_release(&value);
  lrd_clock_moved_advance_ms(&f->clock, 1);
  assert_err(larder_get(f->ns, "k", 1, &stale, &value), LARDER_MISS);
}

static void a_lifetime_of_its_own_overrides_the_namespaces(void **state) {
  fixture *f = *state;
  larder_put_options brief = {.size = sizeof brief, .ttl_ms = 5, .stale_ms = -1};
  larder_put_options never = {.size = sizeof never, .ttl_ms = LARDER_TTL_NEVER};
  assert_ok(put(f->ns, "brief", "v", &brief));
  assert_ok(put(f->ns, "never", "v", &never));
  lrd_clock_moved_advance_ms(&f->clock, 5);
  expect(f->ns, "brief", NULL);
  lrd_clock_moved_advance_ms(&f->clock, INT64_C(1000) * 86400000);
  expect(f->ns, "never", "v");
}

static void touch_renews_and_expire_leaves_stale(void **state) {
  fixture *f = *state;
  larder_get_options stale = {.size = sizeof stale, .allow_stale = true};
  larder_value value = {0};
  assert_err(larder_touch(f->ns, "k", 1, 0), LARDER_MISS);
  assert_err(larder_expire(f->ns, "k", 1), LARDER_MISS);
  assert_ok(put(f->ns, "k", "one", NULL));
  lrd_clock_moved_advance_ms(&f->clock, 9000);
  assert_ok(larder_touch(f->ns, "k", 1, 0));
  lrd_clock_moved_advance_ms(&f->clock, 9999);
  expect(f->ns, "k", "one");
  assert_ok(larder_touch(f->ns, "k", 1, 60000));
  lrd_clock_moved_advance_ms(&f->clock, 59999);
  expect(f->ns, "k", "one");
  assert_ok(larder_expire(f->ns, "k", 1));
  expect(f->ns, "k", NULL);
  assert_ok(larder_get(f->ns, "k", 1, &stale, &value));
  assert_true(value.stale);
  larder_value_release(&value);
  assert_err(larder_touch(f->ns, "k", 1, 0), LARDER_MISS); /* stale is not renewed */
  assert_ok(larder_delete(f->ns, "k", 1));
  assert_err(larder_get(f->ns, "k", 1, &stale, &value), LARDER_MISS);
}

static void fresh_bypasses_what_is_kept(void **state) {
  fixture *f = *state;
  larder_get_options fresh = {.size = sizeof fresh, .fresh = true};
  larder_value value = {0};
  assert_ok(put(f->ns, "k", "one", NULL));
  assert_err(larder_get(f->ns, "k", 1, &fresh, &value), LARDER_MISS);
  expect(f->ns, "k", "one");
}

static void facts_come_back_with_the_value_and_without(void **state) {
  fixture *f = *state;
  const char *tags[] = {"red", "blue", "red"};
  larder_put_options options = {.size = sizeof options,
                                .kind = LARDER_KIND_JSON,
                                .version = "v7",
                                .meta = "m\0n",
                                .meta_len = 3,
                                .tags = tags,
                                .tags_count = 3};
  assert_ok(put(f->ns, "k", "{}", &options));
  larder_stat stat = {0};
  assert_ok(larder_stat_get(f->ns, "k", 1, &stat));
  larder_value value = {0};
  larder_facts facts = {0};
  assert_ok(larder_get(f->ns, "k", 1, NULL, &value));
  assert_ok(larder_value_facts(&value, &facts));
  const larder_facts *both[] = {&stat.facts, &facts};
  for (int i = 0; i < 2; i++) {
    assert_int_equal(both[i]->kind, LARDER_KIND_JSON);
    assert_int_equal(both[i]->value_len, 2);
    assert_int_equal(both[i]->version_len, 2);
    assert_memory_equal(both[i]->version, "v7", 2);
    assert_int_equal(both[i]->meta_len, 3);
    assert_memory_equal(both[i]->meta, "m\0n", 3);
    assert_int_equal(both[i]->tags_len, 9);
    assert_memory_equal(both[i]->tags, "\4blue\3red", 9);
    assert_int_equal(both[i]->expires_soft_ms, START_MS + 10000);
    assert_int_equal(both[i]->expires_hard_ms, START_MS + 30000);
    assert_int_equal(both[i]->stamp >> 16, START_MS);
  }
  larder_value_release(&value);
  larder_stat_free(&stat);
  char meta[LARDER_META_MAX + 1] = {0};
  options.meta = meta;
  options.meta_len = LARDER_META_MAX;
  assert_ok(put(f->ns, "k", "{}", &options));
  options.meta_len = LARDER_META_MAX + 1;
  assert_err(put(f->ns, "k", "{}", &options), LARDER_EINVAL);
}

static void compare_and_put_wants_the_stamp_that_was_seen(void **state) {
  fixture *f = *state;
  larder_stat stat = {0};
  larder_put_options options = {.size = sizeof options};
  assert_ok(put(f->ns, "k", "one", NULL));
  assert_ok(larder_stat_get(f->ns, "k", 1, &stat));
  options.only_stamp = stat.facts.stamp;
  larder_stat_free(&stat);
  assert_ok(put(f->ns, "k", "two", &options));
  assert_err(put(f->ns, "k", "three", &options), LARDER_OLDER);
  expect(f->ns, "k", "two");
  assert_err(put(f->ns, "absent", "v", &options), LARDER_OLDER);
  expect(f->ns, "absent", NULL);
}

static void a_pinned_value_survives_what_happens_to_its_entry(void **state) {
  fixture *f = *state;
  larder_value value = {0};
  assert_ok(put(f->ns, "k", "one", NULL));
  assert_ok(larder_get(f->ns, "k", 1, NULL, &value));
  assert_ok(put(f->ns, "k", "two", NULL));
  assert_ok(larder_delete(f->ns, "k", 1));
  assert_ok(larder_clear(f->ns, NULL));
  assert_memory_equal(value.data, "one", 3);
  larder_value_release(&value);
  larder_value_release(&value);
}

static void room_that_is_short_is_told_with_the_length(void **state) {
  fixture *f = *state;
  char room[2];
  size_t len = 0;
  assert_ok(put(f->ns, "k", "three", NULL));
  assert_err(larder_get_into(f->ns, "k", 1, room, sizeof room, &len), LARDER_ETOOBIG);
  assert_int_equal(len, 5);
}

static void many_have_each_their_result(void **state) {
  fixture *f = *state;
  enum { N = 700 };
  static char keys[N][8];
  larder_item *items = calloc(N, sizeof *items);
  for (int i = 0; i < N; i++) {
    int n = snprintf(keys[i], sizeof keys[i], "k%d", i);
    items[i] = (larder_item){.key = keys[i], .key_len = (size_t)n, .value = keys[i], .value_len = (size_t)n};
  }
  items[5].key_len = 0;
  assert_ok(larder_put_many(f->ns, items, N));
  for (int i = 0; i < N; i++) {
    assert_err(items[i].result, i == 5 ? LARDER_EINVAL : LARDER_OK);
  }
  items[6].key = "absent";
  items[6].key_len = 6;
  assert_ok(larder_get_many(f->ns, items, N, NULL));
  for (int i = 0; i < N; i++) {
    assert_err(items[i].result, i == 5 ? LARDER_EINVAL : i == 6 ? LARDER_MISS : LARDER_OK);
    if (items[i].result != LARDER_OK) {
      continue;
    }
    assert_int_equal(items[i].found.len, items[i].key_len);
    assert_memory_equal(items[i].found.data, keys[i], items[i].key_len);
    larder_value_release(&items[i].found);
  }
  assert_ok(larder_delete_many(f->ns, items, N));
  for (int i = 0; i < N; i++) {
    assert_err(items[i].result, i == 5 ? LARDER_EINVAL : i == 6 ? LARDER_MISS : LARDER_OK);
  }
  expect(f->ns, "k7", NULL);
  expect(f->ns, "k6", "k6");
  free(items);
}

static void of_one_key_twice_in_a_batch_the_later_wins(void **state) {
  fixture *f = *state;
  larder_item items[] = {{.key = "k", .key_len = 1, .value = "one", .value_len = 3},
                         {.key = "k", .key_len = 1, .value = "two", .value_len = 3}};
  assert_ok(larder_put_many(f->ns, items, 2));
  assert_ok(items[0].result);
  assert_ok(items[1].result);
  expect(f->ns, "k", "two");
}

/* --- listing and bulk ---------------------------------------------------------------------------------------------- */

static bool count_entry(void *context, const larder_listed *entry) {
  assert_true(entry->key_len > 0);
  ++*(uint64_t *)context;
  return true;
}

static uint64_t listed(larder_ns *ns, const larder_match *match) {
  uint64_t count = 0;
  assert_ok(larder_list(ns, match, false, 0, NULL, count_entry, &count));
  return count;
}

static void fill(larder_ns *ns, int from, int to, const larder_put_options *options) {
  for (int i = from; i < to; i++) {
    char key[24];
    (void)snprintf(key, sizeof key, "%s%d", i % 2 ? "odd/" : "even/", i);
    assert_ok(put(ns, key, "v", options));
  }
}

static void listing_selects_and_resumes(void **state) {
  fixture *f = *state;
  const char *tags[] = {"t"};
  larder_put_options tagged = {.size = sizeof tagged, .tags = tags, .tags_count = 1};
  fill(f->ns, 0, 500, NULL);
  fill(f->ns, 500, 600, &tagged);
  assert_int_equal(listed(f->ns, NULL), 600);
  assert_int_equal(listed(f->ns, &(larder_match){.size = sizeof(larder_match), .prefix = "odd/", .prefix_len = 4}), 300);
  assert_int_equal(listed(f->ns, &(larder_match){.size = sizeof(larder_match), .glob = "even/1?"}), 5);
  assert_int_equal(listed(f->ns, &(larder_match){.size = sizeof(larder_match), .tag = "t"}), 100);
  assert_int_equal(listed(f->ns, &(larder_match){.size = sizeof(larder_match), .tag = "t", .glob = "odd*"}), 50);
  uint64_t count = 0;
  assert_err(
      larder_list(f->ns, &(larder_match){.size = sizeof(larder_match), .glob = "[a"}, false, 0, NULL, count_entry, &count),
      LARDER_EINVAL);
  larder_cursor cursor = {0};
  int rounds = 0;
  larder_err result;
  do {
    result = larder_list(f->ns, NULL, false, 70, &cursor, count_entry, &count);
    rounds++;
  } while (result == LARDER_OK && rounds < 100);
  assert_err(result, LARDER_END);
  assert_int_equal(count, 600);
  assert_in_range(rounds, 9, 10);
  lrd_clock_moved_advance_ms(&f->clock, 10000);
  assert_int_equal(listed(f->ns, NULL), 0);
  assert_int_equal(listed(f->ns, &(larder_match){.size = sizeof(larder_match), .stale_too = true}), 600);
  assert_int_equal(listed(f->ns, &(larder_match){.size = sizeof(larder_match), .expired_only = true}), 600);
}

static void bulk_changes_what_matches_and_nothing_else(void **state) {
  fixture *f = *state;
  const char *tags[] = {"t", "u"};
  larder_put_options tagged = {.size = sizeof tagged, .tags = tags, .tags_count = 2};
  larder_ns *other;
  larder_bulk done = {0};
  assert_ok(larder_ns_open(f->cache, "other", &other, NULL));
  fill(other, 0, 10, NULL);
  fill(f->ns, 0, 600, NULL);
  lrd_clock_moved_advance_ms(&f->clock, 1000);
  fill(f->ns, 600, 700, &tagged);
  larder_match old = {.size = sizeof old, .before_ms = START_MS + 1000, .glob = "odd/*"};
  assert_ok(larder_delete_matching(f->ns, &old, &done));
  assert_int_equal(done.entries, 300);
  assert_int_equal(done.failed, 0);
  expect(f->ns, "odd/1", NULL);
  expect(f->ns, "even/2", "v");
  expect(f->ns, "odd/601", "v");
  larder_match tag = {.size = sizeof tag, .tag = "u"};
  assert_ok(larder_expire_matching(f->ns, &tag, &done));
  assert_int_equal(done.entries, 100);
  expect(f->ns, "odd/601", NULL);
  larder_get_options stale = {.size = sizeof stale, .allow_stale = true};
  larder_value value = {0};
  assert_ok(larder_get(f->ns, "odd/601", 7, &stale, &value));
  larder_value_release(&value);
  assert_ok(larder_clear(f->ns, &done));
  assert_int_equal(done.entries, 400);
  assert_int_equal(listed(f->ns, NULL), 0);
  assert_int_equal(listed(other, NULL), 10);
  assert_ok(larder_clear_all(f->cache, &done));
  assert_int_equal(done.entries, 10);
}

static void max_entry_hands_nothing_old_back(void **state) {
  fixture *f = *state;
  char big[2048] = {0};
  assert_ok(put(f->ns, "k", "one", NULL));
  assert_err(larder_put(f->ns, "k", 1, big, sizeof big, NULL), LARDER_NOT_KEPT);
  expect(f->ns, "k", NULL);
  assert_ok(larder_put(f->ns, "k", 1, big, 1024, NULL));
  larder_item items[] = {{.key = "k", .key_len = 1, .value = "two", .value_len = 3},
                         {.key = "k", .key_len = 1, .value = big, .value_len = sizeof big}};
  assert_ok(larder_put_many(f->ns, items, 2));
  assert_ok(items[0].result);
  assert_err(items[1].result, LARDER_NOT_KEPT);
  expect(f->ns, "k", NULL);
}

/* --- several handles ------------------------------------------------------------------------------------------------ */

static void two_handles_see_each_others_changes_at_once(void **state) {
  fixture *f = *state;
  larder *second = open_on(f);
  larder_ns *there;
  assert_ok(larder_ns_open(second, "n", &there, NULL));
  for (int round = 0; round < 50; round++) {
    char value[24];
    (void)snprintf(value, sizeof value, "v%d", round);
    assert_ok(put(f->ns, "k", value, NULL));
    expect(there, "k", value);
    expect(there, "k", value); /* from its memory now */
    assert_ok(put(there, "k", "theirs", NULL));
    expect(f->ns, "k", "theirs");
    assert_ok(larder_expire(there, "k", 1));
    expect(f->ns, "k", NULL);
    assert_ok(put(there, "k", "again", NULL));
    expect(f->ns, "k", "again");
    assert_ok(larder_delete(f->ns, "k", 1));
    expect(there, "k", NULL);
    assert_ok(put(there, "k", "bulk", NULL));
    expect(f->ns, "k", "bulk");
    assert_ok(larder_clear(there, NULL));
    expect(f->ns, "k", NULL);
  }
  assert_ok(larder_close(&second));
}

static void closing_loses_nothing(void **state) {
  fixture *f = *state;
  fill(f->ns, 0, 300, NULL);
  assert_ok(larder_close(&f->cache));
  f->cache = open_on(f);
  assert_ok(larder_ns_open(f->cache, "n", &f->ns, NULL));
  assert_int_equal(listed(f->ns, NULL), 300);
  expect(f->ns, "odd/7", "v");
}

static bool collect_name(void *context, const char *name) {
  char *names = context;
  strcat(names, name);
  strcat(names, " ");
  return true;
}

static void namespaces_are_listed_also_by_who_did_not_make_them(void **state) {
  fixture *f = *state;
  char names[256] = "";
  larder_ns *strange;
  assert_ok(larder_ns_open(f->cache, "strange", &strange, NULL));
  assert_ok(put(strange, "k", "v", NULL));
  assert_ok(larder_close(&f->cache));
  f->cache = open_on(f);
  assert_ok(larder_ns_each(f->cache, collect_name, names));
  assert_non_null(strstr(names, "strange"));
  assert_non_null(strstr(names, "n "));
  assert_null(strstr(names, ".larder"));
  assert_err(larder_ns_open(f->cache, ".larder", &strange, NULL), LARDER_EINVAL);
}

static void a_forked_child_is_told_and_harms_nobody(void **state) {
  fixture *f = *state;
#ifdef __SANITIZE_THREAD__
  skip(); /* a child of a process with threads may start none under that sanitizer, and a new cache does */
#endif
  assert_ok(put(f->ns, "k", "one", NULL));
  pid_t pid = fork();
  if (pid == 0) {
    larder_value value = {0};
    int bad = larder_get(f->ns, "k", 1, NULL, &value) != LARDER_EFORKED;
    bad |= larder_put(f->ns, "k", 1, "x", 1, NULL) != LARDER_EFORKED;
    bad |= larder_close(&f->cache) != LARDER_OK;
    larder *own = open_on(f);
    larder_ns *ns;
    bad |= larder_ns_open(own, "n", &ns, NULL) != LARDER_OK;
    bad |= put(ns, "child", "two", NULL) != LARDER_OK;
    bad |= larder_close(&own) != LARDER_OK;
    _exit(bad);
  }
  int status;
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_int_equal(status, 0);
  expect(f->ns, "k", "one");
  if (strstr(chain, "sqlite")) {
    expect(f->ns, "child", "two");
  }
  assert_ok(put(f->ns, "k", "three", NULL));
  expect(f->ns, "k", "three");
}

static void a_stepped_clock_removes_nothing(void **state) {
  fixture *f = *state;
  lrd_larder_tick(f->cache);
  assert_ok(put(f->ns, "k", "one", NULL));
  lrd_clock_moved_step_wall_ms(&f->clock, 3600000);
  lrd_larder_tick(f->cache);
  assert_ok(larder_sweep(f->cache, NULL));
  lrd_clock_moved_step_wall_ms(&f->clock, -3600000);
  lrd_larder_tick(f->cache);
  expect(f->ns, "k", "one");
  lrd_clock_moved_step_wall_ms(&f->clock, -86400000); /* what is written now has to win against what is stored */
  assert_ok(put(f->ns, "k", "two", NULL));
  expect(f->ns, "k", "two");
  assert_ok(larder_delete(f->ns, "k", 1));
  expect(f->ns, "k", NULL);
}

static void count_hits(void *context, int level, const char *id, const char *message) {
  int *hits = context;
  if (strcmp(id, "cache.hit") != 0) return;
  assert_int_equal(level, LARDER_LOG_DEBUG);
  assert_non_null(strstr(message, "a key"));
  *hits += strstr(message, *hits == 0 ? "from sqlite" : "from memory") != NULL;
}

static void hits_are_logged_where_that_is_asked_for(void **state) {
  static const char *const configs[] = {"cache:\n  monitoring: {log_cache_hits: true}\n", "cache: {}\n"};
  const char *root = *state;
  for (int i = 0; i < 2; i++) {
    int hits = 0;
    char room[8];
    size_t len;
    larder *cache = NULL;
    larder_ns *ns = NULL;
    larder_value value = {0};
    larder_item item = {.key = "a key", .key_len = 5};
    larder_options options = {.size = sizeof options,
                              .root = root,
                              .config_text = configs[i],
                              .log = count_hits,
                              .log_context = &hits,
                              .log_level = LARDER_LOG_DEBUG};
    assert_ok(larder_open(&options, &cache, NULL));
    assert_ok(larder_ns_open(cache, "n", &ns, NULL));
    if (i == 0) assert_ok(put(ns, "a key", "v", NULL));
    assert_ok(larder_close(&cache));
    assert_ok(larder_open(&options, &cache, NULL));
    assert_ok(larder_ns_open(cache, "n", &ns, NULL));
    assert_err(larder_get(ns, "absent", 6, NULL, &value), LARDER_MISS);
    for (int k = 0; k < 2; k++) {
      assert_ok(larder_get(ns, "a key", 5, NULL, &value));
      larder_value_release(&value);
    }
    assert_ok(larder_get_into(ns, "a key", 5, room, sizeof room, &len));
    assert_ok(larder_get_many(ns, &item, 1, NULL));
    larder_value_release(&item.found);
    assert_int_equal(hits, i == 0 ? 4 : 0);
    assert_ok(larder_close(&cache));
  }
}

/* --- figures ---------------------------------------------------------------------------------------------------------- */

static uint64_t figure(larder *cache, const char *ns, const char *tier, const char *name) {
  larder_stats *stats = NULL;
  uint64_t found = UINT64_MAX;
  assert_ok(larder_stats_take(cache, &stats, NULL));
  assert_true(larder_stats_value(stats, ns, tier, name, &found));
  larder_stats_free(&stats);
  return found;
}

static void bytes_breakers_sweeps_and_dead_owners_are_counted(void **state) {
  fixture *f = *state;
  larder_stats *stats = NULL;
  larder_stats_latency swept;
  unsigned shift;
  assert_ok(put(f->ns, "key", "value", NULL));
  assert_int_equal(figure(f->cache, "n", "sqlite", "bytes_written"), 8);
  assert_ok(larder_sweep(f->cache, NULL));
  assert_ok(larder_stats_take(f->cache, &stats, NULL));
  assert_true(larder_stats_latency_of(stats, NULL, "sqlite", "sweep", &swept) && swept.count == 1);
  larder_stats_free(&stats);
  /* An owner whose row nobody holds. */
  _Atomic uint64_t *words = lrd_slots_base(f->cache->slots, &shift);
  atomic_fetch_or(&words[lrd_hash64("key", 3, f->ns->seed) >> shift], UINT64_C(200) << LRD_SLOT_VERSION_BITS);
  assert_ok(put(f->ns, "key", "value", NULL));
  assert_int_equal(figure(f->cache, NULL, "all", "owners_replaced"), 1);
  int degraded = 0;
  support_fs_fail_from(LRD_FS_WRITE, 1, EIO);
  for (int i = 0; i < 5; i++) degraded += put(f->ns, "key", "value", NULL) == LARDER_DEGRADED;
  (void)support_fs_end();
  assert_int_equal(degraded, 5);
  assert_int_equal(figure(f->cache, NULL, "sqlite", "breaker_opened"), 1);
}

/* --- behind ----------------------------------------------------------------------------------------------------------- */

static void behind_is_seen_here_at_once_and_there_when_written(void **state) {
  fixture *f = *state;
  larder *second = open_on(f);
  larder_ns *there;
  assert_ok(larder_ns_open(second, "n", &there, NULL));
  assert_ok(put(f->ns, "k", "one", NULL));
  expect(f->ns, "k", "one");
  expect(there, "k", NULL);
  lrd_larder_tick(f->cache);
  expect(f->ns, "k", "one");
  expect(there, "k", "one");
  assert_ok(put(f->ns, "k", "two", NULL)); /* queued; the other writes a newer one */
  assert_ok(put(there, "k", "three", NULL));
  assert_ok(larder_flush(second));
  expect(f->ns, "k", "three"); /* the queued value's slot has moved, and what is stored is newer */
  assert_ok(larder_flush(f->cache));
  expect(f->ns, "k", "three");
  expect(there, "k", "three");
  assert_ok(put(f->ns, "k", "four", NULL));
  assert_ok(larder_delete(f->ns, "k", 1)); /* takes the queued value with it */
  expect(f->ns, "k", NULL);
  lrd_larder_tick(f->cache);
  expect(f->ns, "k", NULL);
  assert_ok(put(f->ns, "k", "five", NULL));
  assert_ok(larder_expire(f->ns, "k", 1));
  expect(f->ns, "k", NULL);
  assert_int_equal(listed(f->ns, NULL), 0);
  assert_ok(put(f->ns, "k", "six", NULL));
  assert_int_equal(listed(f->ns, NULL), 1);
  assert_ok(larder_close(&second));
}

/* What another process finds. */
static uint64_t listed_below(larder *cache) {
  larder_ns *ns;
  assert_ok(larder_ns_open(cache, "n", &ns, NULL));
  return listed(ns, NULL);
}

static void a_full_queue_writes_through(void **state) {
  fixture *f = *state;
  char big[60000] = {0};
  char key[24];
  for (int i = 0; i < 600; i++) { /* 34 MiB against a bound of 32 */
    (void)snprintf(key, sizeof key, "k%d", i);
    assert_ok(larder_put(f->ns, key, strlen(key), big, sizeof big, NULL));
  }
  assert_int_equal(listed(f->ns, NULL), 600);
}

static void a_slot_that_is_not_to_be_had_keeps_no_other_put_waiting(void **state) {
  fixture *f = *state;
  larder *second = open_on(f);
  uint64_t version;
  uint64_t slot = lrd_slot_of(second->slots, lrd_hash64("held", 4, f->ns->seed));
  fill(f->ns, 0, 1000, NULL);
  assert_ok(put(f->ns, "held", "v", NULL));
  assert_ok(lrd_slot_own(second->slots, slot, 0, &version));
  int64_t began_ns = lrd_mono_ns(&f->clock.clock);
  assert_err(larder_flush(f->cache), LARDER_EBUSY);
  assert_true(lrd_mono_ns(&f->clock.clock) - began_ns < 2 * LRD_SLOT_WAIT_NS); /* once for all five batches */
  assert_in_range(listed_below(second), 990, 1000); /* all but what lies in that slot, too, by chance */
  (void)lrd_slot_release(second->slots, slot, false);
  assert_ok(larder_flush(f->cache));
  assert_int_equal(listed_below(second), 1001);
  assert_ok(larder_close(&second));
}

/* Another key of the slot in which `key` lies. */
static void neighbour_of(const larder_ns *ns, const char *key, char out[16]) {
  uint64_t slot = lrd_slot_of(ns->cache->slots, lrd_hash64(key, strlen(key), ns->seed));
  unsigned n = 0;
  do {
    (void)snprintf(out, 16, "near-%u", n++);
  } while (lrd_slot_of(ns->cache->slots, lrd_hash64(out, strlen(out), ns->seed)) != slot);
}

/* On a disk that is slow or away for a while; the neighbour moves the slot meanwhile. */
static void what_was_queued_for_long_in_a_slot_that_moved_is_written(void **state) {
  fixture *f = *state;
  larder *second = open_on(f);
  larder_ns *ns;
  char near[16];
  larder_put_options long_lived = {.size = sizeof long_lived, .ttl_ms = 3600000};
  assert_ok(larder_ns_open(second, "n", &ns, NULL));
  neighbour_of(f->ns, "patient", near);
  assert_ok(put(f->ns, "patient", "v", &long_lived));
  assert_ok(put(ns, near, "w", NULL));
  assert_ok(larder_flush(second));
  lrd_clock_moved_advance_ms(&f->clock, 300000);
  expect(f->ns, "patient", "v");
  assert_ok(put(f->ns, "patient too", "v", &long_lived));
  neighbour_of(f->ns, "patient too", near);
  assert_ok(put(ns, near, "w", NULL));
  assert_ok(larder_flush(second));
  lrd_clock_moved_advance_ms(&f->clock, 300000);
  assert_ok(larder_flush(f->cache));
  expect(ns, "patient", "v");
  expect(ns, "patient too", "v");
  assert_ok(larder_close(&second));
}

/* A full disk: what is queued stays so and is served, other namespaces are not refused, and nothing is lost after. */
static void a_queue_that_waits_disturbs_nobody(void **state) {
  fixture *f = *state;
  larder_ns *other;
  larder_ns *elsewhere;
  assert_ok(larder_ns_open(f->cache, "other", &other, NULL));
  assert_ok(put(other, "x", "1", NULL));
  assert_ok(put(f->ns, "k", "v", NULL));
  support_fs_fail_from(LRD_FS_WRITE, 1, ENOSPC);
  for (int i = 0; i < 6; i++) {
    assert_err(larder_flush(f->cache), LARDER_EAWAY);
    expect(f->ns, "k", "v");
  }
  assert_int_equal(listed(other, NULL), 1);
  assert_int_equal(listed(f->ns, NULL), 0);
  assert_err(larder_clear(f->ns, NULL), LARDER_EAWAY); /* or what is queued would be there after it */
  (void)support_fs_end();
  lrd_clock_moved_advance_ms(&f->clock, 9000);
  lrd_larder_tick(f->cache);
  assert_ok(larder_flush(f->cache));
  larder *second = open_on(f);
  assert_ok(larder_ns_open(second, "n", &elsewhere, NULL));
  expect(elsewhere, "k", "v");
  assert_ok(larder_close(&second));
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

static int run_on(const char *name, const char *tiers, bool shared) {
  const struct CMUnitTest tests[] = {
      EACH(what_was_put_is_got_until_deleted),
      EACH(empty_values_and_binary_keys_are_kept),
      EACH(expiry_is_exact_and_stale_is_for_who_allows_it),
      EACH(a_lifetime_of_its_own_overrides_the_namespaces),
      EACH(touch_renews_and_expire_leaves_stale),
      EACH(fresh_bypasses_what_is_kept),
      EACH(facts_come_back_with_the_value_and_without),
      EACH(compare_and_put_wants_the_stamp_that_was_seen),
      EACH(a_pinned_value_survives_what_happens_to_its_entry),
      EACH(room_that_is_short_is_told_with_the_length),
      EACH(many_have_each_their_result),
      EACH(of_one_key_twice_in_a_batch_the_later_wins),
      EACH(listing_selects_and_resumes),
      EACH(bulk_changes_what_matches_and_nothing_else),
      EACH(a_forked_child_is_told_and_harms_nobody),
      EACH(a_stepped_clock_removes_nothing),
  };
  const struct CMUnitTest shared_tests[] = {
      EACH(two_handles_see_each_others_changes_at_once),
      EACH(closing_loses_nothing),
      EACH(namespaces_are_listed_also_by_who_did_not_make_them),
  };
  const struct CMUnitTest limited[] = {EACH(max_entry_hands_nothing_old_back)};
  const struct CMUnitTest behind[] = {
      EACH(what_was_put_is_got_until_deleted),
      EACH(expiry_is_exact_and_stale_is_for_who_allows_it),
      EACH(touch_renews_and_expire_leaves_stale),
      EACH(compare_and_put_wants_the_stamp_that_was_seen),
      EACH(bulk_changes_what_matches_and_nothing_else),
      EACH(closing_loses_nothing),
      EACH(behind_is_seen_here_at_once_and_there_when_written),
      EACH(a_full_queue_writes_through),
      EACH(a_slot_that_is_not_to_be_had_keeps_no_other_put_waiting),
      EACH(what_was_queued_for_long_in_a_slot_that_moved_is_written),
      EACH(a_queue_that_waits_disturbs_nobody),
  };
  chain = tiers;
  extra = "";
  int failed = cmocka_run_group_tests_name(name, tests, NULL, NULL);
  if (shared) {
    failed += cmocka_run_group_tests_name(name, shared_tests, NULL, NULL);
  }
  extra = ", max_entry: 1KiB";
  failed += cmocka_run_group_tests_name(name, limited, NULL, NULL);
  extra = ", durability: behind";
  if (shared) {
    failed += cmocka_run_group_tests_name(name, behind, NULL, NULL);
  }
  return failed;
}

int main(void) {
  const struct CMUnitTest logged[] = {SUPPORT_DIR_TEST(hits_are_logged_where_that_is_asked_for)};
  const struct CMUnitTest figures[] = {EACH(bytes_breakers_sweeps_and_dead_owners_are_counted)};
  int failed = cmocka_run_group_tests_name("cache: the log", logged, NULL, NULL);
  failed += cmocka_run_group_tests_name("cache: figures", figures, NULL, NULL);
  failed += run_on("cache: memory", "memory", false);
  failed += run_on("cache: sqlite", "sqlite", true);
  failed += run_on("cache: memory over sqlite", "memory, sqlite", true);
  failed += run_on("cache: memory over warm over cold", "memory, {sqlite: {path: warm.db}}, {sqlite: {path: cold.db}}", true);
  return failed;
}
