/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Health of entries over real tiers, on a clock that the test moves: what reports do, what they leave behind, what becomes of
 * the records, several processes and threads at once, and a process that is killed between record and eviction.
 */
#include "support/support.h"

#include "core/health.h"
#include "core/mutation.h"
#include "larder_testing.h"
#include <larder/health.h>
#include <larder/stats.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_MS INT64_C(1700000000000)
#define MINUTE   INT64_C(60000)
#define HOUR     INT64_C(3600000)
#define KEY      "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4="

typedef struct fixture {
  char *root;
  lrd_clock_moved clock;
  larder *cache;
  larder_ns *ns;
} fixture;

static const char *const chains[] = {"[memory]",         "[sqlite]",        "[files]",
                                     "[memory, sqlite]", "[memory, files]", "[memory, files, sqlite]"};
#define CHAINS (sizeof chains / sizeof *chains)

static void begin(fixture *f) {
  memset(f, 0, sizeof *f);
  f->root = support_dir_make();
  lrd_clock_moved_init(&f->clock, START_MS);
}

static larder *cache_open(fixture *f, const char *policy) {
  char text[1000];
  larder *cache = NULL;
  larder_error err = {0};
  (void)snprintf(text, sizeof text, "cache:\n  slots: 1024\n  memory: {size_mb: 4}\n  namespaces:\n    n: {%s}\n", policy);
  larder_options options = {.size = sizeof options, .root = f->root, .config_text = text};
  larder_err result = lrd_larder_open_with_clock(&options, &f->clock.clock, &cache, &err);
  if (result != LARDER_OK) print_error("%s\n", err.message);
  assert_ok(result);
  return cache;
}

static void open_with(fixture *f, const char *tiers, const char *more) {
  char policy[500];
  if (f->cache) assert_ok(larder_close(&f->cache));
  (void)snprintf(policy, sizeof policy, "tiers: %s, %s", tiers, more);
  f->cache = cache_open(f, policy);
  assert_ok(larder_ns_open(f->cache, "n", &f->ns, NULL));
}

static void end(fixture *f) {
  assert_ok(larder_close(&f->cache));
  support_dir_remove(&f->root);
}

static larder_err put(larder_ns *ns, const char *key) { return larder_put(ns, key, strlen(key), "value", 5, NULL); }

static larder_err get(larder_ns *ns, const char *key) {
  char out[16];
  size_t len;
  return larder_get_into(ns, key, strlen(key), out, sizeof out, &len);
}

static larder_health report(larder_ns *ns, const char *key, bool ok, const char *error) {
  larder_health health = {.size = sizeof health};
  assert_ok(larder_health_report(ns, key, strlen(key), ok, error, &health));
  return health;
}

static larder_health health_of(larder_ns *ns, const char *key) {
  larder_health health = {.size = sizeof health};
  assert_ok(larder_health_get(ns, key, strlen(key), &health));
  return health;
}

static larder_err health_any(larder_ns *ns, const char *key) {
  larder_health health = {.size = sizeof health};
  return larder_health_get(ns, key, strlen(key), &health);
}

/* Of the namespace, which has the evictions of all its tiers. */
static uint64_t figure(fixture *f, const char *name) {
  larder_stats *stats = NULL;
  uint64_t value = 0;
  assert_ok(larder_stats_take(f->cache, &stats, NULL));
  assert_true(larder_stats_value(stats, "n", "all", name, &value));
  larder_stats_free(&stats);
  return value;
}

/* --- reports -------------------------------------------------------------------------------------------------------------- */

static void three_failures_in_a_row_evict_from_every_tier(void **state) {
  (void)state;
  for (size_t i = 0; i < CHAINS; i++) {
    fixture f;
    begin(&f);
    open_with(&f, chains[i], "ttl: 1d");
    assert_ok(put(f.ns, "k"));
    assert_ok(put(f.ns, "other"));
    assert_err(health_any(f.ns, "k"), LARDER_MISS);
    larder_health health = report(f.ns, "k", false, "refused");
    assert_true(health.status == LARDER_HEALTH_DEGRADED && health.failures_in_row == 1 && !health.evicted);
    lrd_clock_moved_advance_ms(&f.clock, 10);
    health = report(f.ns, "k", false, "timed out");
    assert_true(health.failures_in_row == 2 && health.next_check_ms == 0);
    assert_ok(get(f.ns, "k"));
    health = report(f.ns, "k", false, "no answer");
    assert_true(health.status == LARDER_HEALTH_UNHEALTHY && health.evicted);
    assert_err(get(f.ns, "k"), LARDER_MISS);
    assert_ok(get(f.ns, "other"));
    health = health_of(f.ns, "k");
    assert_true(health.status == LARDER_HEALTH_UNHEALTHY && health.failures == 3 && health.successes == 0);
    assert_string_equal(health.error, "no answer");
    assert_true(health.failed_ms == START_MS + 10 && health.reported_ms == START_MS + 10 && health.succeeded_ms == 0);
    assert_true(health.next_check_ms >= START_MS + 48010 && health.next_check_ms <= START_MS + 72010);
    assert_int_equal(figure(&f, "evicted_health"), 1);
    assert_int_equal(figure(&f, "deletes"), 0);
    assert_int_equal(figure(&f, "puts"), 2);
    /* it can be put again, and is evicted for the next failure: it has not recovered */
    assert_ok(put(f.ns, "k"));
    assert_ok(get(f.ns, "k"));
    health = report(f.ns, "k", false, NULL);
    assert_true(health.evicted && health.failures_in_row == 4 && health.error[0] == 0);
    assert_err(get(f.ns, "k"), LARDER_MISS);
    assert_int_equal(figure(&f, "evicted_health"), 2);
    end(&f);
  }
}

static void a_success_resets_and_what_was_last_wrong_is_remembered(void **state) {
  (void)state;
  fixture f;
  begin(&f);
  open_with(&f, "[memory, sqlite]", "health: 2");
  assert_ok(put(f.ns, "k"));
  (void)report(f.ns, "k", false, "refused");
  larder_health health = report(f.ns, "k", true, "not looked at");
  assert_true(health.status == LARDER_HEALTH_HEALTHY && health.failures_in_row == 0 && health.successes_in_row == 1);
  assert_string_equal(health.error, "refused");
  health = report(f.ns, "k", false, "refused again");
  assert_true(health.status == LARDER_HEALTH_DEGRADED && health.failures_in_row == 1 && health.failures == 2);
  assert_ok(get(f.ns, "k"));
  assert_true(report(f.ns, "k", false, "x").evicted);
  health = report(f.ns, "k", true, NULL);
  assert_true(health.status == LARDER_HEALTH_HEALTHY && health.next_check_ms == 0 && health.successes == 2);
  end(&f);
}

static void without_eviction_it_is_only_counted(void **state) {
  (void)state;
  fixture f;
  begin(&f);
  open_with(&f, "[memory, sqlite]", "health: {failures: 2, evict: false}");
  assert_ok(put(f.ns, "k"));
  for (int i = 0; i < 5; i++) assert_false(report(f.ns, "k", false, "refused").evicted);
  assert_ok(get(f.ns, "k"));
  assert_int_equal(health_of(f.ns, "k").status, LARDER_HEALTH_UNHEALTHY);
  assert_int_equal(figure(&f, "evicted_health"), 0);
  end(&f);
}

static void silence_makes_it_unknown_and_in_the_end_forgotten(void **state) {
  (void)state;
  fixture f;
  begin(&f);
  open_with(&f, "[memory, sqlite]", "health: {decay: 10m, retry_max: 10m}");
  for (int i = 0; i < 3; i++) (void)report(f.ns, "k", false, "refused");
  lrd_clock_moved_advance_ms(&f.clock, 10 * MINUTE - 1);
  assert_int_equal(health_of(f.ns, "k").status, LARDER_HEALTH_UNHEALTHY);
  lrd_clock_moved_advance_ms(&f.clock, 1);
  larder_health health = health_of(f.ns, "k");
  assert_true(health.status == LARDER_HEALTH_UNKNOWN && health.failures_in_row == 0 && health.next_check_ms == 0);
  assert_true(health.failures == 3);
  assert_true(report(f.ns, "k", false, NULL).failures_in_row == 1);
  lrd_clock_moved_advance_ms(&f.clock, 31 * 24 * HOUR);
  assert_err(health_any(f.ns, "k"), LARDER_MISS);
  end(&f);
}

static void failed_attempts_to_recover_are_counted_when_they_were_due(void **state) {
  (void)state;
  fixture f;
  begin(&f);
  open_with(&f, "[sqlite]", "health: {failures: 1}");
  (void)report(f.ns, "k", false, NULL);
  assert_int_equal(report(f.ns, "k", false, NULL).recovery_attempts, 0);
  for (unsigned i = 1; i <= 4; i++) {
    int64_t const due_ms = health_of(f.ns, "k").next_check_ms;
    lrd_clock_moved_advance_ms(&f.clock, due_ms - lrd_wall_ms(&f.clock.clock));
    larder_health health = report(f.ns, "k", false, NULL);
    assert_int_equal(health.recovery_attempts, i);
    int64_t const wait_ms = health.next_check_ms - due_ms;
    assert_true(wait_ms >= (MINUTE << i) * 4 / 5 && wait_ms <= (MINUTE << i) * 6 / 5);
  }
  end(&f);
}

/* Who reports has used what was there before; the new value nobody has tried. */
static void a_newer_value_does_not_go_for_the_failures_of_the_old_one(void **state) {
  (void)state;
  for (size_t i = 0; i < CHAINS; i++) {
    fixture f;
    larder_stat stat = {0};
    larder_health health = {.size = sizeof health};
    begin(&f);
    open_with(&f, chains[i], "health: 1");
    assert_ok(put(f.ns, "k"));
    assert_ok(larder_stat_get(f.ns, "k", 1, &stat));
    uint64_t const stamp = stat.facts.stamp;
    larder_stat_free(&stat);
    assert_ok(put(f.ns, "k"));
    assert_ok(lrd_health_report_on(f.ns, "k", 1, stamp, false, "refused", &health));
    assert_true(!health.evicted && health.status == LARDER_HEALTH_UNHEALTHY);
    assert_ok(get(f.ns, "k"));
    assert_int_equal(figure(&f, "evicted_health"), 0);
    end(&f);
  }
}

static void what_is_stale_or_written_behind_is_evicted_too(void **state) {
  (void)state;
  fixture f;
  larder_value value;
  larder_get_options const stale = {.size = sizeof stale, .allow_stale = true};
  begin(&f);
  open_with(&f, "[memory, sqlite]", "ttl: 1m, stale_if_error: 1h, health: 1");
  assert_ok(put(f.ns, "k"));
  lrd_clock_moved_advance_ms(&f.clock, 2 * MINUTE);
  assert_true(report(f.ns, "k", false, NULL).evicted);
  assert_err(larder_get(f.ns, "k", 1, &stale, &value), LARDER_MISS);
  open_with(&f, "[memory, sqlite]", "durability: behind, health: 1");
  assert_ok(put(f.ns, "b"));
  assert_true(report(f.ns, "b", false, NULL).evicted);
  assert_err(get(f.ns, "b"), LARDER_MISS);
  assert_ok(larder_flush(f.cache));
  assert_err(get(f.ns, "b"), LARDER_MISS);
  end(&f);
}

static void wrong_arguments_change_nothing(void **state) {
  (void)state;
  fixture f;
  char name[130];
  larder_ns *ns = NULL;
  larder_health health = {.size = sizeof health};
  begin(&f);
  open_with(&f, "[memory]", "health: 1");
  assert_err(larder_health_report(NULL, "k", 1, true, NULL, NULL), LARDER_EINVAL);
  assert_err(larder_health_report(f.ns, "", 0, true, NULL, NULL), LARDER_EINVAL);
  health.size = 0;
  assert_err(larder_health_report(f.ns, "k", 1, true, NULL, &health), LARDER_EINVAL);
  assert_err(larder_health_get(f.ns, "k", 1, &health), LARDER_EINVAL);
  assert_err(larder_health_get(f.ns, "k", 1, NULL), LARDER_EINVAL);
  assert_err(larder_health_each(f.ns, 0, 0, NULL, NULL, NULL), LARDER_EINVAL);
  assert_err(health_any(f.ns, "k"), LARDER_MISS);
  memset(name, 'n', sizeof name);
  name[121] = 0;
  assert_ok(larder_ns_open(f.cache, name, &ns, NULL));
  assert_err(larder_health_report(ns, "k", 1, true, NULL, NULL), LARDER_EINVAL);
  assert_err(larder_ns_open(f.cache, ".health:n", &ns, NULL), LARDER_EINVAL);
  end(&f);
}

/* --- what becomes of records ------------------------------------------------------------------------------------------------
 */

static void a_record_survives_its_entry_and_a_restart(void **state) {
  (void)state;
  for (size_t i = 1; i < CHAINS; i++) {
    fixture f;
    begin(&f);
    open_with(&f, chains[i], "ttl: 1m");
    assert_ok(put(f.ns, "k"));
    for (int k = 0; k < 3; k++) (void)report(f.ns, "k", false, "refused");
    (void)report(f.ns, "expiring", true, NULL);
    open_with(&f, chains[i], "ttl: 1m");
    larder_health health = health_of(f.ns, "k");
    assert_true(health.status == LARDER_HEALTH_UNHEALTHY && health.failures_in_row == 3);
    assert_string_equal(health.error, "refused");
    lrd_clock_moved_advance_ms(&f.clock, 5 * MINUTE); /* longer than entries live */
    assert_ok(larder_sweep(f.cache, NULL));
    assert_int_equal(health_of(f.ns, "expiring").status, LARDER_HEALTH_HEALTHY);
    end(&f);
  }
}

static void records_go_with_what_the_caller_deletes(void **state) {
  (void)state;
  static const char *const keys[] = {"a:1", "a:2", "b:1", "b:2", "c"};
  for (size_t i = 0; i < CHAINS; i++) {
    fixture f;
    larder_match const begins = {.size = sizeof begins, .prefix = "a:", .prefix_len = 2};
    larder_match const tagged = {.size = sizeof tagged, .tag = "t"};
    const char *tag = "t";
    larder_put_options const with_tag = {.size = sizeof with_tag, .tags = &tag, .tags_count = 1};
    begin(&f);
    open_with(&f, chains[i], "health: 1");
    for (size_t k = 0; k < 5; k++) (void)report(f.ns, keys[k], false, "refused");
    assert_err(larder_delete(f.ns, "c", 1), LARDER_MISS);
    assert_err(health_any(f.ns, "c"), LARDER_MISS);
    assert_ok(larder_delete_matching(f.ns, &begins, NULL));
    assert_err(health_any(f.ns, "a:1"), LARDER_MISS);
    assert_err(health_any(f.ns, "a:2"), LARDER_MISS);
    assert_ok(health_any(f.ns, "b:1"));
    assert_ok(larder_put(f.ns, "b:1", 3, "v", 1, &with_tag));
    assert_ok(larder_delete_matching(f.ns, &tagged, NULL));
    assert_err(health_any(f.ns, "b:1"), LARDER_MISS);
    assert_ok(health_any(f.ns, "b:2"));
    larder_item items[] = {{.key = "b:2", .key_len = 3}, {.key = "zz", .key_len = 2}};
    assert_ok(larder_delete_many(f.ns, items, 2));
    assert_err(health_any(f.ns, "b:2"), LARDER_MISS);
    (void)report(f.ns, "d", false, NULL);
    assert_ok(larder_clear(f.ns, NULL));
    assert_err(health_any(f.ns, "d"), LARDER_MISS);
    (void)report(f.ns, "e", true, NULL);
    assert_ok(larder_health_reset(f.ns, "e", 1));
    assert_err(larder_health_reset(f.ns, "e", 1), LARDER_MISS);
    assert_err(health_any(f.ns, "e"), LARDER_MISS);
    end(&f);
  }
}

static void removing_what_is_expired_leaves_records(void **state) {
  (void)state;
  fixture f;
  larder_match const expired = {.size = sizeof expired, .expired_only = true};
  larder_bulk done = {0};
  begin(&f);
  open_with(&f, "[memory, sqlite]", "ttl: 1m, stale_if_error: 1d, health: 3");
  assert_ok(put(f.ns, "k"));
  (void)report(f.ns, "k", false, "refused");
  lrd_clock_moved_advance_ms(&f.clock, 2 * MINUTE);
  assert_ok(larder_delete_matching(f.ns, &expired, &done));
  assert_int_equal(done.entries, 1);
  assert_int_equal(health_of(f.ns, "k").failures, 1);
  end(&f);
}

/* Another cache on the root has begun to keep records; its neighbour finds out, and takes them along. */
static void deletes_elsewhere_take_records_along(void **state) {
  (void)state;
  fixture f;
  begin(&f);
  open_with(&f, "[memory, sqlite]", "ttl: 1d");
  larder *other = cache_open(&f, "tiers: [memory, sqlite], ttl: 1d");
  larder_ns *ns = NULL;
  assert_ok(larder_ns_open(other, "n", &ns, NULL));
  (void)report(f.ns, "k", false, "refused");
  lrd_larder_tick(other);
  assert_err(larder_delete(ns, "k", 1), LARDER_MISS);
  assert_err(health_any(f.ns, "k"), LARDER_MISS);
  assert_ok(larder_close(&other));
  end(&f);
}

static void an_eviction_is_seen_by_everybody_on_the_root(void **state) {
  (void)state;
  fixture f;
  begin(&f);
  open_with(&f, "[memory, sqlite]", "health: 2");
  larder *other = cache_open(&f, "tiers: [memory, sqlite], health: 2");
  larder_ns *ns = NULL;
  assert_ok(larder_ns_open(other, "n", &ns, NULL));
  assert_ok(put(f.ns, "k"));
  assert_ok(get(ns, "k"));
  assert_ok(get(ns, "k"));
  (void)report(f.ns, "k", false, "here");
  assert_true(report(ns, "k", false, "there").evicted);
  assert_err(get(f.ns, "k"), LARDER_MISS);
  assert_err(get(ns, "k"), LARDER_MISS);
  assert_string_equal(health_of(f.ns, "k").error, "there");
  assert_ok(larder_close(&other));
  end(&f);
}

static bool on_disk(fixture *f, const char *bytes) {
  char command[700];
  (void)snprintf(command, sizeof command, "grep -rqaF -- '%s' %s", bytes, f->root);
  return system(command) == 0;
}

static void an_error_is_sealed_where_the_namespace_is(void **state) {
  (void)state;
  fixture f;
  begin(&f);
  (void)setenv("LARDER_KEY", KEY, 1);
  open_with(&f, "[memory, files, sqlite]", "seal: aes-256-gcm");
  (void)report(f.ns, "k", false, "unmistakable words");
  assert_ok(larder_flush(f.cache));
  assert_false(on_disk(&f, "unmistakable"));
  open_with(&f, "[memory, files, sqlite]", "seal: {fields: [password]}, kind: json");
  (void)report(f.ns, "j", false, "unmistakable words");
  assert_ok(larder_flush(f.cache));
  assert_false(on_disk(&f, "unmistakable"));
  open_with(&f, "[memory, files, sqlite]", "seal: aes-256-gcm");
  assert_string_equal(health_of(f.ns, "k").error, "unmistakable words");
  (void)unsetenv("LARDER_KEY");
  end(&f);
}

static void errors_are_kept_without_secrets(void **state) {
  (void)state;
  fixture f;
  begin(&f);
  open_with(&f, "[sqlite]", "health: 9");
  larder_health health = report(f.ns, "k", false, "GET https://ann:hunter2@h/?token=hunter2\nfailed");
  assert_null(strstr(health.error, "hunter2"));
  assert_null(strchr(health.error, '\n'));
  assert_false(on_disk(&f, "hunter2"));
  end(&f);
}

/* --- listing ----------------------------------------------------------------------------------------------------------------
 */

typedef struct seen {
  unsigned count;
  unsigned by_status[4];
} seen;

static bool see(void *context, const void *key, size_t key_len, const larder_health *health) {
  seen *s = context;
  assert_true(key_len == 1 && ((const char *)key)[0] >= 'a');
  assert_int_equal(health->size, sizeof *health);
  s->count++;
  s->by_status[health->status]++;
  return true;
}

static void records_are_listed_by_status(void **state) {
  (void)state;
  for (size_t i = 0; i < CHAINS; i++) {
    fixture f;
    seen all = {0}, bad = {0}, few = {0}, paged = {0};
    larder_cursor cursor = {{0}};
    begin(&f);
    open_with(&f, chains[i], "health: 2");
    assert_ok(larder_health_each(f.ns, 0, 0, NULL, see, &all));
    assert_int_equal(all.count, 0);
    (void)report(f.ns, "a", true, NULL);
    (void)report(f.ns, "b", true, NULL);
    (void)report(f.ns, "c", false, NULL);
    for (int k = 0; k < 2; k++) (void)report(f.ns, "d", false, NULL);
    assert_ok(larder_health_each(f.ns, 0, 0, NULL, see, &all));
    assert_true(all.count == 4 && all.by_status[LARDER_HEALTH_HEALTHY] == 2 && all.by_status[LARDER_HEALTH_DEGRADED] == 1 &&
                all.by_status[LARDER_HEALTH_UNHEALTHY] == 1);
    assert_ok(larder_health_each(f.ns, LARDER_HEALTH_BIT(LARDER_HEALTH_DEGRADED) | LARDER_HEALTH_BIT(LARDER_HEALTH_UNHEALTHY),
                                 0, NULL, see, &bad));
    assert_true(bad.count == 2 && bad.by_status[LARDER_HEALTH_HEALTHY] == 0);
    assert_ok(larder_health_each(f.ns, 0, 3, NULL, see, &few));
    assert_int_equal(few.count, 3);
    larder_err more = LARDER_OK;
    for (int rounds = 0; more == LARDER_OK && rounds < 20; rounds++) {
      more = larder_health_each(f.ns, 0, 1, &cursor, see, &paged);
    }
    assert_err(more, LARDER_END);
    assert_int_equal(paged.count, 4);
    lrd_clock_moved_advance_ms(&f.clock, HOUR);
    memset(&all, 0, sizeof all);
    assert_ok(larder_health_each(f.ns, LARDER_HEALTH_BIT(LARDER_HEALTH_UNKNOWN), 0, NULL, see, &all));
    assert_int_equal(all.count, 4);
    end(&f);
  }
}

static bool name_is_shown(void *context, const char *name) {
  (void)context;
  assert_true(name[0] != '.');
  return true;
}

static void companions_are_nowhere_to_be_seen(void **state) {
  (void)state;
  fixture f;
  larder_stats *stats = NULL;
  larder_stats_row row;
  begin(&f);
  open_with(&f, "[memory, sqlite]", "health: 2");
  (void)report(f.ns, "a", false, NULL);
  assert_ok(larder_ns_each(f.cache, name_is_shown, NULL));
  assert_ok(larder_stats_take(f.cache, &stats, NULL));
  for (size_t i = 0; larder_stats_row_at(stats, i, &row); i++) {
    assert_true(!row.ns || row.ns[0] != '.');
    assert_int_equal(row.puts, 0);
  }
  larder_stats_free(&stats);
  end(&f);
}

/* --- at once ----------------------------------------------------------------------------------------------------------------
 */

#define REPORTS 40u

static void *report_often(void *context) {
  larder_ns *ns = context;
  for (unsigned i = 0; i < REPORTS; i++) {
    if (larder_health_report(ns, "k", 1, false, "refused", NULL) != LARDER_OK) return context;
  }
  return NULL;
}

static void no_report_of_many_threads_is_lost(void **state) {
  (void)state;
  for (size_t i = 0; i < CHAINS; i++) {
    fixture f;
    pthread_t threads[6];
    begin(&f);
    open_with(&f, chains[i], "health: 1000");
    for (size_t k = 0; k < 6; k++) assert_int_equal(pthread_create(&threads[k], NULL, report_often, f.ns), 0);
    for (size_t k = 0; k < 6; k++) {
      void *failed = NULL;
      assert_int_equal(pthread_join(threads[k], &failed), 0);
      assert_null(failed);
    }
    larder_health health = health_of(f.ns, "k");
    assert_true(health.failures == 6 * REPORTS && health.failures_in_row == 6 * REPORTS);
    end(&f);
  }
}

/* Two who both saw nothing: the second is told, and begins anew from what the first has written. */
static void the_first_report_is_not_written_over(void **state) {
  (void)state;
  for (size_t i = 1; i < CHAINS; i++) {
    fixture f;
    larder_ns *records = NULL;
    uint8_t bytes[LRD_HEALTH_RECORD_MAX];
    lrd_health_record const blank = {.error = "second"};
    begin(&f);
    open_with(&f, chains[i], "health: 9");
    (void)report(f.ns, "k", false, "first");
    assert_ok(lrd_ns_companion(f.ns, LRD_COMPANION_HEALTH, &records));
    lrd_change change = {
        .verb = LRD_CHANGE_PUT, .value = bytes, .facts.value_len = lrd_health_record_write(&blank, bytes), .only_absent = true};
    assert_ok(lrd_op_begin(records, "k", 1, &change.op));
    assert_ok(lrd_write_batch(records, &change, 1));
    assert_err(change.result, LARDER_OLDER);
    assert_string_equal(health_of(f.ns, "k").error, "first");
    assert_int_equal(report(f.ns, "k", false, NULL).failures, 2);
    end(&f);
  }
}

static int process_main(const char *root, const char *config) {
  larder *cache = NULL;
  larder_ns *ns = NULL;
  larder_options options = {.size = sizeof options, .root = root, .config_text = config};
  if (larder_open(&options, &cache, NULL) != LARDER_OK || larder_ns_open(cache, "n", &ns, NULL) != LARDER_OK) return 2;
  if (report_often(ns)) return 3;
  return larder_close(&cache) == LARDER_OK ? 0 : 4;
}

static void no_report_of_many_processes_is_lost(void **state) {
  (void)state;
  for (size_t i = 1; i < CHAINS; i++) {
    fixture f;
    pid_t pids[4];
    char config[300];
    begin(&f);
    (void)snprintf(config, sizeof config,
                   "cache:\n  slots: 1024\n  memory: {size_mb: 4}\n  namespaces:\n    n: {tiers: %s, health: 1000}\n",
                   chains[i]);
    for (size_t k = 0; k < 4; k++) {
      pids[k] = fork();
      assert_true(pids[k] >= 0);
      if (pids[k] == 0) _exit(process_main(f.root, config));
    }
    for (size_t k = 0; k < 4; k++) {
      int status = -1;
      assert_int_equal(waitpid(pids[k], &status, 0), pids[k]);
      assert_int_equal(status, 0);
    }
    larder *cache = NULL;
    larder_ns *ns = NULL;
    larder_options options = {.size = sizeof options, .root = f.root, .config_text = config};
    assert_ok(larder_open(&options, &cache, NULL));
    assert_ok(larder_ns_open(cache, "n", &ns, NULL));
    larder_health health = health_of(ns, "k");
    assert_true(health.failures == 4 * REPORTS && health.failures_in_row == 4 * REPORTS);
    assert_ok(larder_close(&cache));
    support_dir_remove(&f.root);
  }
}

/* --- killed between the record and the eviction -------------------------------------------------------------------------- */

static _Atomic int commits_left;

static void die_at_commit(lrd_moment moment) {
  if (moment == LRD_MOMENT_COMMITTED && atomic_fetch_sub(&commits_left, 1) == 1) (void)raise(SIGKILL);
}

static void report_and_die(void *context) {
  fixture *f = context;
  open_with(f, "[memory, sqlite]", "health: 3");
  for (int i = 0; i < 2; i++) (void)report(f->ns, "k", false, "refused");
  atomic_store(&commits_left, 1);
  atomic_store(&lrd_moment_hook, die_at_commit);
  (void)report(f->ns, "k", false, "and killed");
}

static void a_report_that_was_killed_halfway_is_finished_by_the_next(void **state) {
  (void)state;
  fixture f;
  begin(&f);
  open_with(&f, "[memory, sqlite]", "health: 3");
  assert_ok(put(f.ns, "k"));
  assert_ok(larder_close(&f.cache));
  f.cache = NULL;
  assert_int_equal(support_in_child(report_and_die, &f), SUPPORT_CRASHED);
  open_with(&f, "[memory, sqlite]", "health: 3");
  larder_health health = health_of(f.ns, "k");
  assert_true(health.status == LARDER_HEALTH_UNHEALTHY && health.failures_in_row == 3);
  assert_string_equal(health.error, "and killed");
  assert_ok(get(f.ns, "k")); /* there still */
  health = report(f.ns, "k", false, "refused");
  assert_true(health.evicted && health.failures_in_row == 4);
  assert_err(get(f.ns, "k"), LARDER_MISS);
  end(&f);
}

/* A record of which nothing can be made is begun anew; the tiers' own checks find damage on disk before. */
static void a_damaged_record_is_begun_anew(void **state) {
  (void)state;
  fixture f;
  larder_ns *records = NULL;
  seen all = {0};
  begin(&f);
  open_with(&f, "[memory, sqlite]", "health: 3");
  (void)report(f.ns, "k", false, "refused");
  assert_ok(lrd_ns_companion(f.ns, LRD_COMPANION_HEALTH, &records));
  assert_ok(larder_put(records, "k", 1, "no record", 9, NULL));
  assert_ok(larder_health_each(f.ns, 0, 0, NULL, see, &all));
  assert_int_equal(all.count, 0);
  larder_health health = report(f.ns, "k", false, "refused");
  assert_true(health.failures == 1 && health.failures_in_row == 1);
  end(&f);
}

static void a_failed_allocation_anywhere_loses_no_count(void **state) {
  (void)state;
  fixture f;
  uint64_t kept = 0;
  begin(&f);
  open_with(&f, "[memory, sqlite]", "health: 1000");
  (void)report(f.ns, "k", false, "refused");
  kept = 1;
  for (uint64_t n = 1;; n++) {
    support_alloc_fail_at(n);
    larder_err const err = larder_health_report(f.ns, "k", 1, false, "password=hunter2", NULL);
    bool const failed = support_alloc_end() >= n;
    if (err < 0) assert_err(err, LARDER_ENOMEM);
    kept += err >= 0;
    if (!failed) break;
  }
  assert_true(health_of(f.ns, "k").failures >= kept);
  end(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(three_failures_in_a_row_evict_from_every_tier),
      cmocka_unit_test(a_success_resets_and_what_was_last_wrong_is_remembered),
      cmocka_unit_test(without_eviction_it_is_only_counted),
      cmocka_unit_test(silence_makes_it_unknown_and_in_the_end_forgotten),
      cmocka_unit_test(failed_attempts_to_recover_are_counted_when_they_were_due),
      cmocka_unit_test(a_newer_value_does_not_go_for_the_failures_of_the_old_one),
      cmocka_unit_test(what_is_stale_or_written_behind_is_evicted_too),
      cmocka_unit_test(wrong_arguments_change_nothing),
      cmocka_unit_test(a_record_survives_its_entry_and_a_restart),
      cmocka_unit_test(records_go_with_what_the_caller_deletes),
      cmocka_unit_test(removing_what_is_expired_leaves_records),
      cmocka_unit_test(deletes_elsewhere_take_records_along),
      cmocka_unit_test(an_eviction_is_seen_by_everybody_on_the_root),
      cmocka_unit_test(an_error_is_sealed_where_the_namespace_is),
      cmocka_unit_test(errors_are_kept_without_secrets),
      cmocka_unit_test(records_are_listed_by_status),
      cmocka_unit_test(companions_are_nowhere_to_be_seen),
      cmocka_unit_test(no_report_of_many_threads_is_lost),
      cmocka_unit_test(the_first_report_is_not_written_over),
      cmocka_unit_test(no_report_of_many_processes_is_lost),
      cmocka_unit_test(a_report_that_was_killed_halfway_is_finished_by_the_next),
      cmocka_unit_test(a_damaged_record_is_begun_anew),
      cmocka_unit_test(a_failed_allocation_anywhere_loses_no_count),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
