/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wishes: their order and bounds, what is dropped, and that making them never takes the last place from who asks. And what
 * became of what was made: used when it is read by any way, wasted when it is gone before. Time is moved by hand; makings are
 * waited for by counts.
 */
#include "support/support.h"

#include "base/clock.h"
#include "base/fail.h"
#include "core/prefetch.h"
#include "larder_testing.h"
#include <larder/stats.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WAIT_MS 20000

static void nap(void) { nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL); }

#define WAIT_FOR(condition)                                                                                                    \
  do {                                                                                                                         \
    for (unsigned naps = 0; !(condition); naps++) {                                                                            \
      if (naps > WAIT_MS) fail_msg("waited in vain for %s", #condition);                                                       \
      nap();                                                                                                                   \
    }                                                                                                                          \
  } while (0)

/* --- an origin ------------------------------------------------------------------------------------------------------------ */

typedef struct origin {
  atomic_uint began;
  atomic_uint inside;
  atomic_uint peak;
  atomic_bool held;
  pthread_mutex_t mutex;
  char order[256]; /* first letters of keys, as they began */
  bool behind;
  size_t bytes;
} origin;

static larder_err origin_make(void *context, const larder_making *making, larder_made *made, larder_error *err) {
  static char value[65536];
  origin *o = context;
  unsigned inside = atomic_fetch_add(&o->inside, 1) + 1;
  (void)err;
  pthread_mutex_lock(&o->mutex);
  size_t len = strlen(o->order);
  if (len + 1 < sizeof o->order) o->order[len] = *(const char *)making->key;
  o->behind = making->behind;
  if (inside > atomic_load(&o->peak)) atomic_store(&o->peak, inside);
  pthread_mutex_unlock(&o->mutex);
  atomic_fetch_add(&o->began, 1);
  while (atomic_load(&o->held) && !larder_making_cancelled(making)) nap();
  atomic_fetch_sub(&o->inside, 1);
  if (*(const char *)making->key == '-') {
    made->what = LARDER_MADE_ABSENT;
    return LARDER_OK;
  }
  if (*(const char *)making->key == '!') return LARDER_EAWAY;
  made->value = value;
  made->len = o->bytes;
  return LARDER_OK;
}

typedef struct fixture {
  char *root;
  lrd_clock_moved clock;
  larder *cache;
  larder_ns *ns;
  origin origin;
} fixture;

static void open_with(fixture *f, const char *tiers, const char *prefetch, const char *maker) {
  char text[768];
  larder_error err = {0};
  memset(f, 0, sizeof *f);
  f->root = support_dir_make();
  f->origin.bytes = 100;
  pthread_mutex_init(&f->origin.mutex, NULL);
  lrd_clock_moved_init(&f->clock, INT64_C(1700000000000));
  snprintf(text, sizeof text,
           "cache:\n  slots: 1024\n  memory: {size_mb: 4}\n  prefetch: {%s}\n  namespaces:\n"
           "    n: {tiers: %s, ttl: 60s, error_ttl: 0s, maker: {callback: origin, %s}}\n    mute: {}\n",
           prefetch, tiers, maker);
  larder_options options = {.size = sizeof options, .root = f->root, .config_text = text};
  if (lrd_larder_open_with_clock(&options, &f->clock.clock, &f->cache, &err) != LARDER_OK) fail_msg("%s", err.message);
  assert_ok(larder_maker_register(f->cache, "origin", origin_make, &f->origin));
  assert_ok(larder_ns_open(f->cache, "n", &f->ns, NULL));
}

static void shut(fixture *f) {
  assert_ok(larder_close(&f->cache));
  pthread_mutex_destroy(&f->origin.mutex);
  support_dir_remove(&f->root);
}

static larder_err wish(fixture *f, const char *key, double priority) {
  return larder_prefetch(f->ns, key, strlen(key), priority, 0);
}

static larder_prefetch_figures figures(fixture *f) {
  larder_prefetch_figures now = {0};
  larder_prefetch_figures_get(f->cache, &now);
  return now;
}

static bool idle(fixture *f) {
  larder_prefetch_figures now = figures(f);
  return now.queued == 0 && now.running == 0;
}

static uint64_t counter(fixture *f, const char *name) {
  larder_stats *stats = NULL;
  uint64_t value = 0;
  assert_ok(larder_stats_take(f->cache, &stats, NULL));
  assert_true(larder_stats_value(stats, "n", "all", name, &value));
  larder_stats_free(&stats);
  return value;
}

/* Who asks on a thread of its own. */
typedef struct asker {
  fixture *f;
  const char *key;
  larder_err result;
  pthread_t thread;
} asker;

static void *asker_run(void *context) {
  asker *mine = context;
  larder_value value = {0};
  mine->result = larder_get_or_make(mine->f->ns, mine->key, strlen(mine->key), NULL, &value, NULL);
  larder_value_release(&value);
  return NULL;
}

static void asker_start(asker *out, fixture *f, const char *key) {
  *out = (asker){.f = f, .key = key, .result = LARDER_EINVAL};
  assert_int_equal(pthread_create(&out->thread, NULL, asker_run, out), 0);
}

static void asker_join(asker *mine) {
  pthread_join(mine->thread, NULL);
  assert_ok(mine->result);
}

/* --- the queue --------------------------------------------------------------------------------------------------------------
 */

/* One at a time, and the first is held until all stand there. */
static void the_most_urgent_is_made_first(void **state) {
  fixture f;
  (void)state;
  open_with(&f, "[memory]", "max_parallel_requests: 1", "parallel: 4");
  atomic_store(&f.origin.held, true);
  assert_ok(wish(&f, "first", 0));
  WAIT_FOR(atomic_load(&f.origin.began) == 1);
  assert_ok(wish(&f, "c", 0.5));
  assert_ok(wish(&f, "a", 0.9));
  assert_ok(wish(&f, "d", 0.5));
  assert_ok(wish(&f, "e", 0.1));
  assert_ok(wish(&f, "b", 0.2));
  assert_ok(wish(&f, "b", 0.7)); /* now more urgent */
  assert_ok(wish(&f, "a", 0.1)); /* not less */
  assert_int_equal(figures(&f).queued, 5);
  assert_int_equal(figures(&f).duplicates, 2);
  atomic_store(&f.origin.held, false);
  WAIT_FOR(idle(&f));
  assert_string_equal(f.origin.order, "fabcde");
  assert_true(f.origin.behind);
  assert_int_equal(figures(&f).made, 6);
  assert_int_equal(counter(&f, "prefetch_made"), 6);
  assert_int_equal(counter(&f, "prefetch_asked"), 8);
  assert_int_equal(counter(&f, "prefetch_dropped"), 2);
  shut(&f);
}

static void of_a_full_queue_the_least_urgent_goes(void **state) {
  fixture f;
  (void)state;
  open_with(&f, "[memory]", "max_parallel_requests: 1, max_queue: 3", "parallel: 4");
  atomic_store(&f.origin.held, true);
  assert_ok(wish(&f, "first", 0));
  WAIT_FOR(atomic_load(&f.origin.began) == 1);
  assert_ok(wish(&f, "a", 0.3));
  assert_ok(wish(&f, "b", 0.2));
  assert_ok(wish(&f, "c", 0.2));
  assert_int_equal(wish(&f, "d", 0.2), LARDER_NOT_KEPT); /* as urgent as the last, and later */
  assert_int_equal(wish(&f, "e", 0.1), LARDER_NOT_KEPT);
  assert_ok(wish(&f, "g", 0.9)); /* c goes */
  assert_int_equal(figures(&f).dropped_full, 3);
  atomic_store(&f.origin.held, false);
  WAIT_FOR(idle(&f));
  assert_string_equal(f.origin.order, "fgab");
  shut(&f);
}

static void what_waited_too_long_is_dropped_in_its_turn(void **state) {
  fixture f;
  (void)state;
  open_with(&f, "[memory]", "max_parallel_requests: 1, max_age: 10s", "parallel: 4");
  atomic_store(&f.origin.held, true);
  assert_ok(wish(&f, "first", 0));
  WAIT_FOR(atomic_load(&f.origin.began) == 1);
  assert_ok(wish(&f, "a", 1));
  assert_ok(larder_prefetch(f.ns, "b", 1, 1, 30000));
  lrd_clock_moved_advance_ms(&f.clock, 11000);
  assert_ok(wish(&f, "c", 0));
  atomic_store(&f.origin.held, false);
  WAIT_FOR(idle(&f));
  assert_string_equal(f.origin.order, "fbc");
  assert_int_equal(figures(&f).dropped_stale, 1);
  shut(&f);
}

static bool seen_add(void *context, const larder_prefetch_seen *seen) {
  char *text = context;
  size_t len = strlen(text);
  snprintf(text + len, 256 - len, "%s/%.*s %.1f %lld %d\n", seen->ns, (int)seen->key_len, (const char *)seen->key,
           seen->priority, (long long)seen->age_ms, (int)seen->state);
  return true;
}

static void it_can_be_looked_at_and_cleared(void **state) {
  fixture f;
  char text[256] = "";
  larder_prefetch_item items[3] = {
      {.key = "x", .key_len = 1, .priority = 0.5}, {.key = "", .key_len = 0}, {.key = "y", .key_len = 1}};
  (void)state;
  open_with(&f, "[memory]", "max_parallel_requests: 1", "parallel: 4");
  assert_ok(wish(&f, "kept", 0.3));
  WAIT_FOR(idle(&f));
  atomic_store(&f.origin.held, true);
  assert_ok(wish(&f, "run", 0.4));
  WAIT_FOR(atomic_load(&f.origin.began) == 2);
  lrd_clock_moved_advance_ms(&f.clock, 2000);
  assert_ok(larder_prefetch_many(f.ns, items, 3));
  assert_ok(items[0].result);
  assert_int_equal(items[1].result, LARDER_EINVAL);
  assert_ok(items[2].result);
  assert_ok(larder_prefetch_each(f.cache, seen_add, text));
  assert_string_equal(text, "n/x 0.5 0 0\nn/y 0.0 0 0\nn/kept 0.3 2000 2\nn/run 0.4 2000 1\n");
  assert_int_equal(larder_prefetch_clear(f.cache, f.ns), 2);
  assert_int_equal(figures(&f).queued, 0);
  atomic_store(&f.origin.held, false);
  WAIT_FOR(idle(&f));
  assert_int_equal(atomic_load(&f.origin.began), 2);
  shut(&f);
}

static void what_can_not_be_made_is_refused(void **state) {
  fixture f;
  larder_ns *mute = NULL;
  (void)state;
  open_with(&f, "[memory]", "enable: false", "parallel: 4");
  assert_int_equal(wish(&f, "a", 1), LARDER_EUNSUPPORTED);
  shut(&f);
  open_with(&f, "[memory]", "enable: true", "parallel: 4");
  assert_ok(larder_ns_open(f.cache, "mute", &mute, NULL));
  assert_int_equal(larder_prefetch(mute, "a", 1, 1, 0), LARDER_EUNSUPPORTED);
  assert_int_equal(larder_prefetch(NULL, "a", 1, 1, 0), LARDER_EINVAL);
  assert_int_equal(larder_prefetch(f.ns, "a", 1, 1, -1), LARDER_EINVAL);
  assert_int_equal(larder_prefetch(f.ns, "a", 0, 1, 0), LARDER_EINVAL);
  assert_int_equal(larder_prefetch_each(f.cache, NULL, NULL), LARDER_EINVAL);
  shut(&f);
}

/* --- its place among those that somebody waits for
 * ---------------------------------------------------------------------------- */

static void a_place_is_left_for_who_asks(void **state) {
  fixture f;
  asker who;
  char key[8];
  (void)state;
  open_with(&f, "[memory]", "max_parallel_requests: 100", "parallel: 3");
  atomic_store(&f.origin.held, true);
  for (unsigned i = 0; i < 10; i++) {
    snprintf(key, sizeof key, "k%u", i);
    assert_ok(wish(&f, key, 1));
  }
  WAIT_FOR(atomic_load(&f.origin.began) == 2);
  lrd_larder_tick(f.cache);
  assert_int_equal(figures(&f).running, 2);
  asker_start(&who, &f, "mine");
  WAIT_FOR(atomic_load(&f.origin.began) == 3);
  atomic_store(&f.origin.held, false);
  asker_join(&who);
  WAIT_FOR(idle(&f));
  assert_int_equal(figures(&f).made, 10);
  assert_true(atomic_load(&f.origin.peak) <= 3);
  shut(&f);
}

static void nothing_is_made_ahead_while_memory_is_full(void **state) {
  fixture f;
  char key[16];
  static char big[65536];
  (void)state;
  open_with(&f, "[memory]", "max_fill: 30%", "parallel: 4");
  assert_ok(wish(&f, "before", 1));
  WAIT_FOR(idle(&f));
  for (unsigned i = 0; i < 32; i++) {
    snprintf(key, sizeof key, "put%u", i);
    assert_ok(larder_put(f.ns, key, strlen(key), big, sizeof big, NULL));
  }
  assert_ok(wish(&f, "a", 1));
  for (unsigned i = 0; i < 5; i++) lrd_larder_tick(f.cache);
  assert_int_equal(figures(&f).queued, 1);
  lrd_clock_moved_advance_ms(&f.clock, 61000);
  lrd_larder_tick(f.cache);
  assert_int_equal(figures(&f).queued, 0);
  assert_int_equal(figures(&f).dropped_stale, 1);
  assert_int_equal(atomic_load(&f.origin.began), 1);
  shut(&f);
}

static void what_is_there_or_not_to_be_had_counts_apart(void **state) {
  fixture f;
  (void)state;
  open_with(&f, "[memory]", "", "parallel: 4");
  assert_ok(larder_put(f.ns, "put", 3, "v", 1, NULL));
  assert_ok(wish(&f, "put", 1));
  assert_ok(wish(&f, "-", 1));
  assert_ok(wish(&f, "!", 1));
  WAIT_FOR(idle(&f));
  larder_prefetch_figures now = figures(&f);
  assert_int_equal(now.there, 1);
  assert_int_equal(now.absent, 1);
  assert_int_equal(now.failed, 1);
  assert_int_equal(now.made, 0);
  assert_int_equal(now.watched, 0);
  shut(&f);
}

/* --- used and wasted
 * ------------------------------------------------------------------------------------------------------------ */

static void made_ahead(fixture *f, const char *key) {
  uint64_t before = figures(f).made;
  assert_ok(wish(f, key, 1));
  WAIT_FOR(idle(f));
  assert_int_equal(figures(f).made, before + 1);
}

static void it_is_used_when_it_is_read_by_any_way(void **state) {
  fixture f;
  larder_value value = {0};
  char room[128];
  size_t len = 0;
  open_with(&f, *state, "", "parallel: 4");
  for (unsigned i = 0; i < 5; i++) {
    char key[2] = {(char)('a' + i), 0};
    made_ahead(&f, key);
  }
  assert_int_equal(figures(&f).watched, 5);
  assert_ok(larder_exists(f.ns, "a", 1)); /* is no reading */
  lrd_larder_tick(f.cache);
  assert_int_equal(figures(&f).used, 0);
  assert_ok(larder_get(f.ns, "a", 1, NULL, &value));
  larder_value_release(&value);
  assert_ok(larder_get_into(f.ns, "b", 1, room, sizeof room, &len));
  assert_ok(larder_get_or_make(f.ns, "c", 1, NULL, &value, NULL));
  larder_value_release(&value);
  larder_item items[2] = {{.key = "d", .key_len = 1}, {.key = "zz", .key_len = 2}};
  assert_ok(larder_get_many(f.ns, items, 2, NULL));
  larder_value_release(&items[0].found);
  assert_int_equal(figures(&f).used, 4);
  for (unsigned i = 0; i < 3; i++) { /* once */
    assert_ok(larder_get(f.ns, "a", 1, NULL, &value));
    larder_value_release(&value);
    assert_ok(larder_get_into(f.ns, "b", 1, room, sizeof room, &len));
  }
  larder_prefetch_figures now = figures(&f);
  assert_int_equal(now.used, 4);
  assert_int_equal(now.used_bytes, 400);
  assert_int_equal(now.watched, 1);
  assert_int_equal(atomic_load(&f.ns->foreseen), 1);
  assert_int_equal(counter(&f, "prefetch_used"), 4);
  assert_int_equal(counter(&f, "prefetch_used_bytes"), 400);
  shut(&f);
}

static void it_is_used_by_who_waits_for_it(void **state) {
  fixture f;
  asker who;
  open_with(&f, *state, "", "parallel: 4");
  atomic_store(&f.origin.held, true);
  assert_ok(wish(&f, "a", 1));
  WAIT_FOR(atomic_load(&f.origin.began) == 1);
  asker_start(&who, &f, "a");
  WAIT_FOR(counter(&f, "make_joined") == 1);
  atomic_store(&f.origin.held, false);
  asker_join(&who);
  WAIT_FOR(idle(&f) && figures(&f).used == 1);
  assert_int_equal(figures(&f).watched, 0);
  assert_int_equal(atomic_load(&f.origin.began), 1);
  shut(&f);
}

static void it_is_wasted_when_it_is_gone_before(void **state) {
  fixture f;
  larder_value value = {0};
  open_with(&f, *state, "", "parallel: 4");
  made_ahead(&f, "late");
  made_ahead(&f, "deleted");
  made_ahead(&f, "overwritten");
  made_ahead(&f, "good");
  assert_ok(larder_delete(f.ns, "deleted", 7));
  assert_ok(larder_put(f.ns, "overwritten", 11, "v", 1, NULL));
  lrd_larder_tick(f.cache);
  assert_int_equal(figures(&f).wasted, 2);
  assert_ok(larder_get(f.ns, "good", 4, NULL, &value));
  larder_value_release(&value);
  lrd_clock_moved_advance_ms(&f.clock, 61000);
  lrd_larder_tick(f.cache);
  larder_prefetch_figures now = figures(&f);
  assert_int_equal(now.wasted, 3);
  assert_int_equal(now.wasted_bytes, 300);
  assert_int_equal(now.used, 1);
  assert_int_equal(now.watched, 0);
  assert_int_equal(counter(&f, "prefetch_wasted"), 3);
  shut(&f);
}

/* The line of a command's answer that holds this; NULL: the command is not there. Borrowed until the next call. */
static const char *told_by(const char *command, const char *part) {
  static char line[400];
  FILE *out = popen(command, "r");
  assert_non_null(out);
  bool found = false;
  while (!found && fgets(line, sizeof line, out)) found = strstr(line, part) != NULL;
  while (fgetc(out) != EOF) {
  }
  (void)pclose(out);
  return found ? line : NULL;
}

/* In JSON, for Prometheus, and by the command line, which reads a program while it runs. */
static void what_became_of_it_is_shown(void **state) {
  fixture f;
  larder_value value = {0};
  larder_stats *stats = NULL;
  char *json = NULL, *prometheus = NULL;
  size_t len = 0;
  (void)state;
  open_with(&f, "[memory, sqlite]", "", "parallel: 4");
  for (unsigned i = 0; i < 3; i++) made_ahead(&f, (const char *[]){"a", "b", "c"}[i]);
  assert_ok(larder_get(f.ns, "a", 1, NULL, &value));
  larder_value_release(&value);
  assert_ok(larder_delete(f.ns, "b", 1));
  lrd_larder_tick(f.cache);
  assert_ok(larder_stats_take(f.cache, &stats, NULL));
  assert_ok(larder_stats_to_json(stats, "n", &json, &len));
  assert_ok(larder_stats_to_prometheus(stats, &prometheus, &len));
  assert_non_null(strstr(json, "\"prefetch_asked\": 3,"));
  assert_non_null(strstr(json, "\"prefetch_made\": 3,"));
  assert_non_null(strstr(json, "\"prefetch_used\": 1,"));
  assert_non_null(strstr(json, "\"prefetch_wasted_bytes\": 100,"));
  assert_non_null(strstr(prometheus, "larder_namespace_prefetch_used_total{namespace=\"n\"} 1\n"));
  assert_non_null(strstr(prometheus, "larder_namespace_prefetch_wasted_total{namespace=\"n\"} 1\n"));
  larder_stats_text_free(json);
  larder_stats_text_free(prometheus);
  larder_stats_free(&stats);
  if (getenv("LARDER_CLI")) {
    char command[600], name[8];
    unsigned wished, dropped, made, used, late, wasted;
    double precision;
    (void)snprintf(command, sizeof command, "'%s' --root '%s' stats n", getenv("LARDER_CLI"), f.root);
    assert_non_null(told_by(command, "MADE AHEAD"));
    (void)snprintf(command + strlen(command), sizeof command - strlen(command), " | sed -n '/MADE AHEAD/,$p'");
    const char *line = told_by(command, "100 B");
    assert_non_null(line);
    assert_int_equal(
        sscanf(line, "%7s %u %u %u %u %u %u %lf", name, &wished, &dropped, &made, &used, &late, &wasted, &precision), 8);
    assert_true(wished == 3 && dropped == 0 && made == 3 && used == 1 && late == 0 && wasted == 1 && precision == 50);
  }
  shut(&f);
}

/* What is watched is bounded, and closing with a queue and something under way ends well. */
static void closing_gives_up_what_is_queued(void **state) {
  fixture f;
  char key[8];
  (void)state;
  open_with(&f, "[memory]", "", "parallel: 3");
  atomic_store(&f.origin.held, true);
  for (unsigned i = 0; i < 100; i++) {
    snprintf(key, sizeof key, "k%u", i);
    assert_ok(wish(&f, key, i));
  }
  WAIT_FOR(atomic_load(&f.origin.began) == 2);
  shut(&f);
  assert_int_equal(atomic_load(&f.origin.began), 2);
}

static void out_of_memory_while_it_is_set_up_leaks_nothing(void **state) {
  fixture f;
  (void)state;
  open_with(&f, "[memory]", "max_queue: 16", "parallel: 2");
  for (uint64_t n = 1;; n++) {
    lrd_prefetch *prefetch = NULL;
    int64_t const live = support_alloc_live();
    support_alloc_fail_at(n);
    larder_err const result = lrd_prefetch_new(f.cache, &prefetch);
    bool const failed = support_alloc_end() >= n;
    assert_err(result, failed ? LARDER_ENOMEM : LARDER_OK);
    assert_true(failed == (prefetch == NULL));
    lrd_prefetch_free(prefetch);
    assert_int_equal(support_alloc_live(), live);
    if (!failed) break;
    assert_true(n < 100);
  }
  shut(&f);
}

static bool count_seen(void *context, const larder_prefetch_seen *seen) {
  *(unsigned *)context += seen->state == LARDER_PREFETCH_QUEUED;
  return true;
}

/* While one is made and holds the only place, all others stay in the queue and nothing else allocates. */
static void out_of_memory_costs_one_wish_or_one_look(void **state) {
  fixture f;
  (void)state;
  open_with(&f, "[memory]", "max_queue: 16", "parallel: 1");
  atomic_store(&f.origin.held, true);
  assert_ok(wish(&f, "first", 1));
  WAIT_FOR(atomic_load(&f.origin.began) == 1);
  int64_t const live = support_alloc_live();
  for (uint64_t n = 1;; n++) {
    unsigned seen = 0;
    support_alloc_fail_at(n);
    larder_err const wished = wish(&f, "a", 1);
    larder_err const looked = larder_prefetch_each(f.cache, count_seen, &seen);
    bool const failed = support_alloc_end() >= n;
    assert_true(wished == LARDER_OK || (failed && wished == LARDER_ENOMEM));
    assert_true(looked == LARDER_OK || (failed && looked == LARDER_ENOMEM));
    assert_true(failed == (wished != LARDER_OK || looked != LARDER_OK));
    assert_int_equal(seen, wished == LARDER_OK && looked == LARDER_OK ? 1 : 0);
    assert_int_equal(larder_prefetch_clear(f.cache, f.ns), wished == LARDER_OK ? 1 : 0);
    assert_int_equal(support_alloc_live(), live);
    if (!failed) break;
    assert_true(n < 100);
  }
  atomic_store(&f.origin.held, false);
  shut(&f);
}

/* Wishes, readings and clearings from several threads; sums hold at the end. */
static void *wisher(void *context) {
  fixture *f = context;
  char key[8], room[128];
  size_t len;
  for (unsigned i = 0; i < 300; i++) {
    snprintf(key, sizeof key, "k%u", i % 40);
    (void)wish(f, key, i % 7);
    lrd_ignore(larder_get_into(f->ns, key, strlen(key), room, sizeof room, &len));
    if (i % 50 == 0) (void)larder_prefetch_clear(f->cache, f->ns);
    if (i % 9 == 0) lrd_ignore(larder_delete(f->ns, key, strlen(key)));
  }
  return NULL;
}

static void many_threads_may_wish_and_read(void **state) {
  fixture f;
  pthread_t threads[4];
  open_with(&f, *state, "max_queue: 20", "parallel: 4");
  for (unsigned i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, wisher, &f), 0);
  for (unsigned i = 0; i < 50; i++) lrd_larder_tick(f.cache);
  for (unsigned i = 0; i < 4; i++) pthread_join(threads[i], NULL);
  WAIT_FOR((lrd_larder_tick(f.cache), idle(&f)));
  larder_prefetch_figures now = figures(&f);
  /* One that is wished for again between its making and its watching is made, and not watched. */
  assert_true(now.made > 0 && now.made >= now.used + now.wasted + now.watched);
  assert_int_equal(atomic_load(&f.ns->foreseen), now.watched);
  shut(&f);
}

int main(void) {
  static char both[] = "[memory, sqlite]", alone[] = "[memory]", below[] = "[sqlite]";
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_most_urgent_is_made_first),
      cmocka_unit_test(of_a_full_queue_the_least_urgent_goes),
      cmocka_unit_test(what_waited_too_long_is_dropped_in_its_turn),
      cmocka_unit_test(it_can_be_looked_at_and_cleared),
      cmocka_unit_test(what_can_not_be_made_is_refused),
      cmocka_unit_test(a_place_is_left_for_who_asks),
      cmocka_unit_test(nothing_is_made_ahead_while_memory_is_full),
      cmocka_unit_test(what_is_there_or_not_to_be_had_counts_apart),
      cmocka_unit_test_prestate(it_is_used_when_it_is_read_by_any_way, both),
      cmocka_unit_test_prestate(it_is_used_when_it_is_read_by_any_way, alone),
      cmocka_unit_test_prestate(it_is_used_when_it_is_read_by_any_way, below),
      cmocka_unit_test_prestate(it_is_used_by_who_waits_for_it, both),
      cmocka_unit_test_prestate(it_is_used_by_who_waits_for_it, alone),
      cmocka_unit_test_prestate(it_is_wasted_when_it_is_gone_before, both),
      cmocka_unit_test_prestate(it_is_wasted_when_it_is_gone_before, alone),
      cmocka_unit_test_prestate(it_is_wasted_when_it_is_gone_before, below),
      cmocka_unit_test(what_became_of_it_is_shown),
      cmocka_unit_test(closing_gives_up_what_is_queued),
      cmocka_unit_test(out_of_memory_while_it_is_set_up_leaks_nothing),
      cmocka_unit_test(out_of_memory_costs_one_wish_or_one_look),
      cmocka_unit_test_prestate(many_threads_may_wish_and_read, both),
      cmocka_unit_test_prestate(many_threads_may_wish_and_read, alone),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
