/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Warming keys in the background. Proves: each key of each namespace is made once and only hit the next time; absences,
 * failures and what is not kept are counted and told; threads and rate stay within their limits; a job that is cancelled ends
 * with what is under way and goes on where it was; files of keys and places are read as they are documented.
 */
#include "support/support.h"

#include "base/bytes.h"
#include "base/clock.h"
#include "larder_testing.h"
#include <dirent.h>
#include <fcntl.h>
#include <larder/stats.h>
#include <larder/warm.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define WAIT_MS 60000

/* --- an origin ------------------------------------------------------------------------------------------------------------ */

typedef struct origin {
  atomic_uint calls;
  atomic_uint inside;
  atomic_uint peak;
  atomic_bool held;  /* makings wait within */
  atomic_bool fails; /* all */
} origin;

static void nap(void) { nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL); }

#define WAIT_FOR(condition)                                                                                                    \
  do {                                                                                                                         \
    for (unsigned naps = 0; !(condition); naps++) {                                                                            \
      if (naps > WAIT_MS) fail_msg("waited in vain for %s", #condition);                                                       \
      nap();                                                                                                                   \
    }                                                                                                                          \
  } while (0)

static bool begins(const larder_making *making, const char *text) {
  return making->key_len >= strlen(text) && memcmp(making->key, text, strlen(text)) == 0;
}

/* The value is the key, its namespace before it. */
static larder_err origin_make(void *context, const larder_making *making, larder_made *made, larder_error *err) {
  origin *o = context;
  static const char big[4096];
  static _Thread_local char value[2048];
  unsigned inside = atomic_fetch_add(&o->inside, 1) + 1;
  for (unsigned peak = atomic_load(&o->peak); inside > peak && !atomic_compare_exchange_weak(&o->peak, &peak, inside);) {
  }
  for (unsigned naps = 0; atomic_load(&o->held) && naps < WAIT_MS; naps++) nap();
  atomic_fetch_add(&o->calls, 1);
  atomic_fetch_sub(&o->inside, 1);
  if (atomic_load(&o->fails) || begins(making, "bad")) {
    snprintf(err->message, sizeof err->message, "the origin is away");
    return LARDER_EAWAY;
  }
  if (begins(making, "absent")) {
    made->what = LARDER_MADE_ABSENT;
    return LARDER_OK;
  }
  if (begins(making, "same") && making->kept) {
    made->what = LARDER_MADE_UNCHANGED;
    return LARDER_OK;
  }
  made->value = value;
  made->len = (size_t)snprintf(value, sizeof value, "%s/%.*s", larder_ns_name(making->ns), (int)making->key_len,
                               (const char *)making->key);
  if (begins(making, "big")) {
    made->value = big;
    made->len = sizeof big;
  }
  return LARDER_OK;
}

/* --- a job ---------------------------------------------------------------------------------------------------------------- */

typedef struct heard {
  pthread_mutex_t mutex;
  lrd_buf lines;
} heard;

static void dealt(void *context, const larder_warm_result *r) {
  heard *h = context;
  pthread_mutex_lock(&h->mutex);
  assert_ok(lrd_buf_printf(&h->lines, "%s %.*s %s\n", r->ns, (int)r->key_len, (const char *)r->key,
                           r->result == LARDER_OK     ? r->made        ? "made"
                                                        : r->unchanged ? "unchanged"
                                                                       : "hit"
                           : r->result == LARDER_MISS ? "absent"
                                                      : r->reason));
  pthread_mutex_unlock(&h->mutex);
}

static void rejected(void *context, const char *file, uint64_t line, const char *reason) {
  heard *h = context;
  const char *name = strrchr(file, '/');
  pthread_mutex_lock(&h->mutex);
  assert_ok(lrd_buf_printf(&h->lines, "%s:%llu: %s\n", name ? name + 1 : file, (unsigned long long)line, reason));
  pthread_mutex_unlock(&h->mutex);
}

static bool said(heard *h, const char *line) {
  assert_ok(lrd_buf_terminate(&h->lines));
  return h->lines.data && strstr((const char *)h->lines.data, line) != NULL;
}

static void heard_fini(heard *h) {
  lrd_buf_fini(&h->lines);
  pthread_mutex_destroy(&h->mutex);
}

static larder *cache_open(const char *root, const char *text) {
  larder_options options = {.size = sizeof options, .root = root, .config_text = text, .memory_bytes_max = 8 << 20};
  larder *cache = NULL;
  larder_error err = {0};
  if (larder_open(&options, &cache, &err) != LARDER_OK) fail_msg("%s", err.message);
  return cache;
}

static const char *const one_space[] = {"a"};

static larder_warm_plan plan_of(origin *o, const char *keys_file) {
  return (larder_warm_plan){.size = sizeof(larder_warm_plan),
                            .namespaces = one_space,
                            .namespaces_count = 1,
                            .keys_file = keys_file,
                            .make = origin_make,
                            .make_context = o};
}

static larder_job *started(larder *cache, const larder_warm_plan *plan) {
  larder_job *job = NULL;
  larder_error err = {0};
  if (larder_warm_start(cache, plan, &job, &err) != LARDER_OK) fail_msg("%s", err.message);
  return job;
}

/* Runs it to its end. */
static larder_job_progress run(larder *cache, const larder_warm_plan *plan) {
  larder_job *job = started(cache, plan);
  larder_job_progress progress;
  assert_true(larder_job_wait(job, WAIT_MS));
  larder_job_progress_get(job, &progress);
  assert_int_equal(progress.done,
                   progress.resumed + progress.hits + progress.made + progress.unchanged + progress.absent + progress.errors);
  larder_job_free(&job);
  assert_null(job);
  return progress;
}

/* A file of so many keys. */
static char *keys_write(const char *folder, unsigned count) {
  lrd_buf text = {0};
  char *path = support_path(folder, "keys.txt");
  for (unsigned i = 0; i < count; i++) assert_ok(lrd_buf_printf(&text, "key-%u\n", i));
  support_file_write(path, text.data, text.len);
  lrd_buf_fini(&text);
  return path;
}

static unsigned checkpoints(const char *root) {
  unsigned count = 0;
  DIR *folder = opendir(root);
  assert_non_null(folder);
  for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) count += strncmp(entry->d_name, "warm-", 5) == 0;
  closedir(folder);
  return count;
}

/* The first of them; own. */
static char *checkpoint_find(const char *root) {
  char *path = NULL;
  DIR *folder = opendir(root);
  assert_non_null(folder);
  for (const struct dirent *entry; !path && (entry = readdir(folder)) != NULL;)
    if (strncmp(entry->d_name, "warm-", 5) == 0) path = support_path(root, entry->d_name);
  closedir(folder);
  assert_non_null(path);
  return path;
}

static void key_is(larder *cache, const char *ns_name, const char *key, const char *wanted) {
  larder_ns *ns = NULL;
  larder_value value = {0};
  assert_ok(larder_ns_open(cache, ns_name, &ns, NULL));
  larder_err err = larder_get(ns, key, strlen(key), NULL, &value);
  if (!wanted) {
    assert_err(err, LARDER_MISS);
    return;
  }
  assert_ok(err);
  assert_int_equal(value.len, strlen(wanted));
  assert_memory_equal(value.data, wanted, value.len);
  larder_value_release(&value);
}

/* --- what it does ------------------------------------------------------------------------------------------------------------
 */

static void each_key_of_each_namespace_is_made_once(void **state) {
  static const char *const spaces[] = {"a", "b", "c"};
  larder *cache = cache_open(*state, "cache: {}");
  char *keys = keys_write(*state, 50);
  origin o = {0};
  larder_warm_plan plan = plan_of(&o, keys);
  plan.namespaces = spaces;
  plan.namespaces_count = 3;
  larder_job_progress p = run(cache, &plan);
  assert_int_equal(p.state, LARDER_JOB_DONE);
  assert_int_equal(p.total, 150);
  assert_int_equal(p.done, 150);
  assert_int_equal(p.made, 150);
  assert_int_equal(atomic_load(&o.calls), 150);
  assert_true(p.bytes >= 150 * strlen("a/key-0") && p.left_ms == 0 && p.rejected == 0);
  key_is(cache, "b", "key-49", "b/key-49");
  p = run(cache, &plan);
  assert_int_equal(p.hits, 150);
  assert_int_equal(p.made + p.bytes, 0);
  assert_int_equal(atomic_load(&o.calls), 150);
  plan.fresh = true;
  p = run(cache, &plan);
  assert_int_equal(p.made, 150);
  assert_int_equal(atomic_load(&o.calls), 300);
  assert_int_equal(checkpoints(*state), 0);
  assert_ok(larder_close(&cache));
  free(keys);
}

static void absences_failures_and_what_is_not_kept_are_told(void **state) {
  static const char text[] = "good\nabsent-1\nbad-1\nbig-1\nabsent-2\n";
  larder *cache = cache_open(*state, "cache: {namespaces: {a: {max_entry: 1KiB, negative_ttl: 1h}}}");
  char *keys = support_path(*state, "keys.txt");
  origin o = {0};
  heard h = {PTHREAD_MUTEX_INITIALIZER, {0}};
  larder_warm_plan plan = plan_of(&o, keys);
  plan.dealt = dealt;
  plan.context = &h;
  support_file_write(keys, text, strlen(text));
  larder_job_progress p = run(cache, &plan);
  assert_int_equal(p.state, LARDER_JOB_DONE);
  assert_int_equal(p.made, 1);
  assert_int_equal(p.absent, 2);
  assert_int_equal(p.errors, 2);
  assert_true(said(&h, "a good made\n") && said(&h, "a absent-1 absent\n") && said(&h, "a bad-1 the origin is away\n"));
  assert_true(said(&h, "a big-1 it was made, but is not kept: above max_entry"));
  /* What is known to be absent is not asked for again, unless all is wanted fresh. */
  unsigned calls = atomic_load(&o.calls);
  p = run(cache, &plan);
  assert_int_equal(p.hits, 1);
  assert_int_equal(p.absent, 2);
  assert_true(atomic_load(&o.calls) <= calls + 2);
  assert_ok(larder_close(&cache));
  heard_fini(&h);
  free(keys);
}

static void what_the_maker_finds_good_still_is_not_made(void **state) {
  static const char text[] = "same-1\nother\n";
  larder *cache = cache_open(*state, "cache: {}");
  char *keys = support_path(*state, "keys.txt");
  origin o = {0};
  heard h = {PTHREAD_MUTEX_INITIALIZER, {0}};
  larder_warm_plan plan = plan_of(&o, keys);
  support_file_write(keys, text, strlen(text));
  assert_int_equal(run(cache, &plan).made, 2);
  plan.fresh = true;
  plan.dealt = dealt;
  plan.context = &h;
  larder_job_progress p = run(cache, &plan);
  assert_int_equal(p.unchanged, 1);
  assert_int_equal(p.made, 1);
  assert_int_equal(p.bytes, strlen("a/other"));
  assert_true(said(&h, "a same-1 unchanged\n") && said(&h, "a other made\n"));
  assert_ok(larder_close(&cache));
  heard_fini(&h);
  free(keys);
}

static void what_is_there_counts_as_hits(void **state) {
  larder *cache = cache_open(*state, "cache: {}");
  char *keys = keys_write(*state, 10);
  origin o = {0};
  larder_warm_plan plan = plan_of(&o, keys);
  larder_stats *stats = NULL;
  uint64_t figures[3] = {0};
  assert_int_equal(run(cache, &plan).made, 10);
  assert_int_equal(run(cache, &plan).hits, 10);
  assert_ok(larder_stats_take(cache, &stats, NULL));
  assert_true(larder_stats_value(stats, "a", "all", "hits", &figures[0]) &&
              larder_stats_value(stats, "a", "all", "misses", &figures[1]) &&
              larder_stats_value(stats, "a", "all", "lookups", &figures[2]));
  larder_stats_free(&stats);
  assert_int_equal(figures[0], 10);
  assert_int_equal(figures[1], 10);
  assert_int_equal(figures[2], 20);
  assert_ok(larder_close(&cache));
  free(keys);
}

static void no_more_than_so_many_are_made_at_once(void **state) {
  larder *cache = cache_open(*state, "cache: {namespaces: {a: {maker: {callback: none, parallel: 64}}}}");
  char *keys = keys_write(*state, 40);
  origin o = {.held = true};
  larder_warm_plan plan = plan_of(&o, keys);
  for (unsigned parallel = 0; parallel <= 7; parallel += 7) {
    unsigned wanted = parallel > 0 ? parallel : LARDER_JOB_PARALLEL;
    plan.parallel = parallel;
    plan.fresh = true;
    atomic_store(&o.held, true);
    atomic_store(&o.peak, 0);
    larder_job *job = started(cache, &plan);
    WAIT_FOR(atomic_load(&o.inside) == wanted);
    assert_false(larder_job_wait(job, 20));
    atomic_store(&o.held, false);
    assert_true(larder_job_wait(job, -1));
    assert_int_equal(atomic_load(&o.peak), wanted);
    larder_job_free(&job);
  }
  assert_ok(larder_close(&cache));
  free(keys);
}

static void a_rate_holds_makings_back_and_no_hits(void **state) {
  larder *cache = cache_open(*state, "cache: {}");
  char *keys = keys_write(*state, 11);
  origin o = {0};
  larder_warm_plan plan = plan_of(&o, keys);
  plan.per_second = 100;
  larder_job_progress p = run(cache, &plan);
  assert_int_equal(p.made, 11);
  assert_true(p.took_ms >= 99); /* ten waits of 10 ms */
  plan.per_second = 0.001;
  p = run(cache, &plan);
  assert_int_equal(p.hits, 11);
  assert_ok(larder_close(&cache));
  free(keys);
}

static void who_waits_for_a_turn_is_woken_by_cancelling(void **state) {
  larder *cache = cache_open(*state, "cache: {}");
  char *keys = keys_write(*state, 10);
  origin o = {0};
  larder_warm_plan plan = plan_of(&o, keys);
  larder_job_progress p;
  plan.per_second = 0.0001;
  larder_job *job = started(cache, &plan);
  WAIT_FOR(atomic_load(&o.calls) == 1);
  larder_job_cancel(job);
  assert_true(larder_job_wait(job, WAIT_MS));
  larder_job_progress_get(job, &p);
  assert_int_equal(p.state, LARDER_JOB_CANCELLED);
  assert_int_equal(p.done, 1);
  larder_job_free(&job);
  larder_job_free(&job);
  /* Who took a key and did not get to it has not dealt with it. */
  plan.per_second = 0;
  plan.resume = true;
  assert_int_equal(run(cache, &plan).done, 10);
  for (char key[] = "key-0"; key[4] <= '9'; key[4]++) {
    char wanted[] = "a/key-0";
    wanted[6] = key[4];
    key_is(cache, "a", key, wanted);
  }
  assert_ok(larder_close(&cache));
  free(keys);
}

static void a_cancelled_job_goes_on_where_it_was(void **state) {
  larder *cache = cache_open(*state, "cache: {}");
  char *keys = keys_write(*state, 30);
  origin o = {.held = true};
  larder_warm_plan plan = plan_of(&o, keys);
  larder_job_progress p;
  plan.fresh = true;
  plan.parallel = 4;
  larder_job *job = started(cache, &plan);
  WAIT_FOR(atomic_load(&o.inside) == 4);
  larder_job_cancel(job);
  assert_false(larder_job_wait(job, 10));
  larder_job_progress_get(job, &p);
  assert_int_equal(p.state, LARDER_JOB_RUNS);
  assert_int_equal(p.done, 0);
  atomic_store(&o.held, false);
  assert_true(larder_job_wait(job, WAIT_MS));
  larder_job_progress_get(job, &p);
  assert_int_equal(p.state, LARDER_JOB_CANCELLED);
  assert_int_equal(p.done, 4);
  larder_job_free(&job);
  assert_int_equal(checkpoints(*state), 1);
  assert_int_equal(atomic_load(&o.calls), 4);
  plan.resume = true;
  p = run(cache, &plan);
  assert_int_equal(p.state, LARDER_JOB_DONE);
  assert_int_equal(p.resumed, 4);
  assert_int_equal(p.made, 26);
  assert_int_equal(p.done, 30);
  assert_int_equal(atomic_load(&o.calls), 30);
  assert_int_equal(checkpoints(*state), 0);
  /* There is nothing to go on with any more. */
  p = run(cache, &plan);
  assert_int_equal(p.resumed, 0);
  assert_ok(larder_close(&cache));
  free(keys);
}

/* Cancelled with so many dealt with. */
static void cancelled_after(larder *cache, origin *o, const larder_warm_plan *plan, unsigned inside) {
  atomic_store(&o->held, true);
  larder_job *job = started(cache, plan);
  WAIT_FOR(atomic_load(&o->inside) == inside);
  larder_job_cancel(job);
  atomic_store(&o->held, false);
  assert_true(larder_job_wait(job, WAIT_MS));
  larder_job_free(&job);
}

static void what_is_gone_on_with_late_is_not_lost(void **state) {
  larder *cache = cache_open(*state, "cache: {}");
  char *keys = keys_write(*state, 30);
  origin o = {0};
  larder_warm_plan plan = plan_of(&o, keys);
  larder_job *job = NULL;
  struct timespec const when = {.tv_sec = time(NULL) - 91 * 86400L}, times[2] = {when, when};
  plan.fresh = true;
  plan.parallel = 2;
  cancelled_after(cache, &o, &plan, 2);
  assert_ok(larder_close(&cache));
  char *checkpoint = checkpoint_find(*state);
  assert_int_equal(utimensat(AT_FDCWD, checkpoint, times, 0), 0);
  cache = cache_open(*state, "cache: {}");
  plan.resume = true;
  atomic_store(&o.held, true);
  job = started(cache, &plan);
  WAIT_FOR(atomic_load(&o.inside) == 2);
  assert_int_equal(checkpoints(*state), 1);
  atomic_store(&o.held, false);
  assert_true(larder_job_wait(job, WAIT_MS));
  larder_job_progress p;
  larder_job_progress_get(job, &p);
  assert_int_equal(p.resumed, 2);
  larder_job_free(&job);
  assert_ok(larder_close(&cache));
  free(checkpoint);
  free(keys);
}

static void another_plan_is_begun_anew(void **state) {
  static const char *const other[] = {"b"};
  larder *cache = cache_open(*state, "cache: {}");
  char *keys = keys_write(*state, 30);
  char *own = support_path(*state, "own.json");
  origin o = {0};
  larder_warm_plan plan = plan_of(&o, keys);
  plan.fresh = true;
  plan.parallel = 2;
  cancelled_after(cache, &o, &plan, 2);
  plan.resume = true;
  plan.namespaces = other;
  assert_int_equal(run(cache, &plan).resumed, 0);
  plan.namespaces = one_space;
  free(keys_write(*state, 31));
  assert_int_equal(run(cache, &plan).resumed, 0);
  /* A checkpoint of one's own, and a file that is none. */
  plan.checkpoint = own;
  cancelled_after(cache, &o, &plan, 2);
  assert_int_equal(checkpoints(*state), 0);
  assert_int_equal(run(cache, &plan).resumed, 2);
  larder_job *job = NULL;
  larder_error err = {0};
  plan.checkpoint = keys;
  assert_err(larder_warm_start(cache, &plan, &job, &err), LARDER_EINVAL);
  assert_non_null(strstr(err.message, "is there and is no checkpoint"));
  assert_ok(larder_close(&cache));
  free(keys);
  free(own);
}

static void freeing_a_job_ends_it(void **state) {
  larder *cache = cache_open(*state, "cache: {}");
  char *keys = keys_write(*state, 1000);
  origin o = {0};
  larder_warm_plan plan = plan_of(&o, keys);
  larder_job *job = started(cache, &plan);
  WAIT_FOR(atomic_load(&o.calls) > 0);
  larder_job_free(&job);
  unsigned calls = atomic_load(&o.calls);
  assert_null(job);
  assert_int_equal(atomic_load(&o.inside), 0);
  plan.resume = true;
  larder_job_progress p = run(cache, &plan);
  assert_int_equal(p.resumed + p.hits, calls < 1000 ? calls : p.resumed + p.hits);
  assert_ok(larder_close(&cache));
  free(keys);
}

/* --- what is stale -----------------------------------------------------------------------------------------------------------
 */

static void what_is_stale_is_made_anew_or_an_error(void **state) {
  static const char text[] =
      "cache: {namespaces: {a: {ttl: 10s, stale_while_revalidate: 1h, stale_if_error: 1h, error_ttl: 0s, "
      "maker: {callback: origin}}}}";
  larder_options options = {.size = sizeof options, .root = *state, .config_text = text, .memory_bytes_max = 8 << 20};
  lrd_clock_moved moved;
  larder *cache = NULL;
  char *keys = keys_write(*state, 1);
  origin o = {0};
  heard h = {PTHREAD_MUTEX_INITIALIZER, {0}};
  larder_warm_plan plan = plan_of(&o, keys);
  lrd_clock_moved_init(&moved, 1700000000000);
  assert_ok(lrd_larder_open_with_clock(&options, &moved.clock, &cache, NULL));
  assert_ok(larder_maker_register(cache, "origin", origin_make, &o));
  plan.make = NULL;
  plan.dealt = dealt;
  plan.context = &h;
  assert_int_equal(run(cache, &plan).made, 1);
  assert_int_equal(run(cache, &plan).hits, 1);
  lrd_clock_moved_advance_ms(&moved, 20000);
  assert_int_equal(run(cache, &plan).made, 1); /* not left to be made behind */
  assert_int_equal(run(cache, &plan).hits, 1);
  lrd_clock_moved_advance_ms(&moved, 20000);
  atomic_store(&o.fails, true);
  assert_int_equal(run(cache, &plan).errors, 1);
  assert_true(said(&h, "a key-0 it could not be made anew; what is kept is stale\n"));
  assert_ok(larder_close(&cache));
  heard_fini(&h);
  free(keys);
}

/* --- files --------------------------------------------------------------------------------------------------------------- */

static void a_key_is_a_line_as_it_stands(void **state) {
  char long_line[3000];
  larder *cache = cache_open(*state, "cache: {}");
  char *keys = support_path(*state, "keys.txt");
  origin o = {0};
  heard h = {PTHREAD_MUTEX_INITIALIZER, {0}};
  lrd_buf text = {0};
  larder_warm_plan plan = plan_of(&o, keys);
  plan.dealt = dealt;
  plan.rejected = rejected;
  plan.context = &h;
  memset(long_line, 'x', sizeof long_line);
  assert_ok(lrd_buf_append_str(&text, "\xEF\xBB\xBFone\r\n\n  two words \n# three\n"));
  assert_ok(lrd_buf_append(&text, long_line, LARDER_KEY_MAX));
  assert_ok(lrd_buf_append_str(&text, "\n"));
  assert_ok(lrd_buf_append(&text, long_line, LARDER_KEY_MAX + 1));
  assert_ok(lrd_buf_append_str(&text, "\n"));
  for (unsigned i = 0; i < 1000; i++) assert_ok(lrd_buf_append(&text, long_line, sizeof long_line));
  assert_ok(lrd_buf_append_str(&text, "\nlast"));
  support_file_write(keys, text.data, text.len);
  larder_job_progress p = run(cache, &plan);
  assert_int_equal(p.total, 5);
  assert_int_equal(p.made, 5);
  assert_int_equal(p.rejected, 2);
  key_is(cache, "a", "one", "a/one");
  key_is(cache, "a", "  two words ", "a/  two words ");
  key_is(cache, "a", "# three", "a/# three");
  key_is(cache, "a", "last", "a/last");
  assert_true(said(&h, "keys.txt:6: a key has 1 to 1024 bytes; this one has 1025\n"));
  assert_true(said(&h, "keys.txt:7: the line is longer than any key may be\n"));
  plan.comments = true;
  assert_int_equal(run(cache, &plan).total, 4);
  support_file_write(keys, "", 0);
  p = run(cache, &plan);
  assert_int_equal(p.total, 0);
  assert_int_equal(p.state, LARDER_JOB_DONE);
  assert_ok(larder_close(&cache));
  lrd_buf_fini(&text);
  heard_fini(&h);
  free(keys);
}

static int64_t stream_read(void *context, void *out, size_t room) {
  const char **at = context;
  (void)room;
  if (**at == '\0') return 0;
  *(char *)out = *(*at)++;
  return 1;
}

static void keys_may_come_from_a_stream(void **state) {
  larder *cache = cache_open(*state, "cache: {}");
  const char *at = "x\ny\nz";
  origin o = {0};
  larder_warm_plan plan = plan_of(&o, NULL);
  plan.keys_read = stream_read;
  plan.context = &at;
  assert_int_equal(run(cache, &plan).made, 3);
  key_is(cache, "a", "z", "a/z");
  assert_ok(larder_close(&cache));
}

static const char places_text[] = "name,lat,lon,cbsa\nBoulder,40.0150,-105.2705,14500\nDenver,39.7392,-104.9903,19740\n"
                                  "Fort Collins,40.5853,-105.0844,22660\nGolden,39.7555,-105.2211,\nNowhere,91,0,1\n"
                                  "Pueblo,38.2544,-104.6091,39380\n";

static void keys_come_from_places_near_another(void **state) {
  larder *cache = cache_open(*state, "cache: {}");
  char *places = support_path(*state, "places.csv");
  origin o = {0};
  heard h = {PTHREAD_MUTEX_INITIALIZER, {0}};
  larder_warm_plan plan = plan_of(&o, NULL);
  support_file_write(places, places_text, strlen(places_text));
  plan.places_file = places;
  plan.key = "census:{cbsa}:{name}";
  plan.near_place = "boulder";
  plan.parallel = 1;
  plan.dealt = dealt;
  plan.rejected = rejected;
  plan.context = &h;
  larder_job_progress p = run(cache, &plan); /* within 50 miles */
  assert_int_equal(p.made, 3);
  assert_int_equal(p.rejected, 2);
  assert_ok(lrd_buf_terminate(&h.lines));
  assert_string_equal(h.lines.data,
                      "places.csv:6: lat is from -90 to 90, not 91; are lat and lon swapped?\n"
                      "places.csv:5: its cbsa is empty, and its key is made of that\n"
                      "a census:14500:Boulder made\na census:19740:Denver made\na census:22660:Fort Collins made\n");
  plan.radius = "40km";
  assert_int_equal(run(cache, &plan).hits, 2);
  plan.radius = "500mi";
  assert_int_equal(run(cache, &plan).made, 1);
  plan.radius = NULL;
  plan.near_place = NULL;
  plan.key = "{name}";
  assert_int_equal(run(cache, &plan).made, 5);
  assert_ok(larder_close(&cache));
  heard_fini(&h);
  free(places);
}

static void mistakes_of_a_plan_are_told(void **state) {
  larder *cache = cache_open(*state, "cache: {}");
  char *keys = keys_write(*state, 1);
  char *places = support_path(*state, "places.csv");
  origin o = {0};
  support_file_write(places, places_text, strlen(places_text));
  const struct {
    larder_warm_plan plan;
    larder_err wanted;
    const char *says;
  } bad[] = {
      {{.keys_file = keys, .places_file = places, .key = "{name}"}, LARDER_EINVAL, "exactly one of these"},
      {{0}, LARDER_EINVAL, "exactly one of these"},
      {{.keys_file = "/nowhere/keys"}, LARDER_MISS, "/nowhere/keys can't be read: No such file"},
      {{.keys_file = keys, .key = "{name}"}, LARDER_EINVAL, "places need a template of the key, and only they do"},
      {{.places_file = places}, LARDER_EINVAL, "places need a template"},
      {{.keys_file = keys, .near_place = "x"}, LARDER_EINVAL, "in a file of places"},
      {{.places_file = places, .key = "{name}", .radius = "5km"}, LARDER_EINVAL, "a radius is that around a place"},
      {{.places_file = places, .key = "{name}", .near_place = "Boulder", .radius = "far"},
       LARDER_EINVAL,
       "a radius is such as"},
      {{.places_file = places, .key = "{name}", .near_place = "Bolder"}, LARDER_MISS, "is \"Boulder\" meant?"},
      {{.places_file = places, .key = "{nam}"}, LARDER_EFORMAT, "has no nam; is name meant?"},
      {{.places_file = places, .key = "{name"}, LARDER_EINVAL, "a { without its }"},
      {{.places_file = places, .key = "all"}, LARDER_EINVAL, "names no field of a place"},
      {{.places_file = keys, .key = "{name}"}, LARDER_EFORMAT, "the first row has to name the columns"},
      {{.keys_file = keys, .parallel = 257}, LARDER_EINVAL, "at most 256 threads"},
      {{.keys_file = keys, .per_second = -1}, LARDER_EINVAL, "a rate from 0 on"},
      {{.keys_file = keys, .per_second = (double)INFINITY}, LARDER_EINVAL, "a rate from 0 on"},
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    larder_warm_plan plan = bad[i].plan;
    larder_job *job = NULL;
    larder_error err = {0};
    plan.size = sizeof plan;
    plan.namespaces = one_space;
    plan.namespaces_count = 1;
    plan.make = origin_make;
    plan.make_context = &o;
    larder_err result = larder_warm_start(cache, &plan, &job, &err);
    if (result != bad[i].wanted || strstr(err.message, bad[i].says) == NULL) fail_msg("number %zu gave %s", i, err.message);
    assert_null(job);
  }
  larder_job *job = NULL;
  larder_error err = {0};
  larder_warm_plan plan = plan_of(&o, keys);
  plan.make = NULL;
  assert_err(larder_warm_start(cache, &plan, &job, &err), LARDER_EUNSUPPORTED);
  assert_non_null(strstr(err.message, "nobody makes the keys of namespace a"));
  plan.namespaces_count = 0;
  assert_err(larder_warm_start(cache, &plan, &job, &err), LARDER_EINVAL);
  plan.size = 1;
  assert_err(larder_warm_start(cache, &plan, &job, &err), LARDER_EINVAL);
  assert_int_equal(atomic_load(&o.calls), 0);
  assert_ok(larder_close(&cache));
  free(keys);
  free(places);
}

static void out_of_memory_before_it_begins_leaks_nothing(void **state) {
  larder *cache = cache_open(*state, "cache: {}");
  char *places = support_path(*state, "places.csv");
  origin o = {0};
  larder_warm_plan plan = plan_of(&o, NULL);
  support_file_write(places, places_text, strlen(places_text));
  plan.places_file = places;
  plan.key = "{cbsa}:{name}";
  plan.near_place = "Quito"; /* never gets as far as a thread */
  larder_ns *ns = NULL;
  assert_ok(larder_ns_open(cache, "a", &ns, NULL));
  for (uint64_t n = 1;; n++) {
    larder_job *job = NULL;
    int64_t live = support_alloc_live();
    support_alloc_fail_at(n);
    larder_err err = larder_warm_start(cache, &plan, &job, NULL);
    bool failed = support_alloc_end() >= n;
    assert_int_equal(support_alloc_live(), live);
    assert_null(job);
    assert_err(err, failed ? LARDER_ENOMEM : LARDER_MISS);
    if (!failed) break;
  }
  assert_ok(larder_close(&cache));
  free(places);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      SUPPORT_DIR_TEST(each_key_of_each_namespace_is_made_once),
      SUPPORT_DIR_TEST(absences_failures_and_what_is_not_kept_are_told),
      SUPPORT_DIR_TEST(what_the_maker_finds_good_still_is_not_made),
      SUPPORT_DIR_TEST(what_is_there_counts_as_hits),
      SUPPORT_DIR_TEST(no_more_than_so_many_are_made_at_once),
      SUPPORT_DIR_TEST(a_rate_holds_makings_back_and_no_hits),
      SUPPORT_DIR_TEST(who_waits_for_a_turn_is_woken_by_cancelling),
      SUPPORT_DIR_TEST(a_cancelled_job_goes_on_where_it_was),
      SUPPORT_DIR_TEST(what_is_gone_on_with_late_is_not_lost),
      SUPPORT_DIR_TEST(another_plan_is_begun_anew),
      SUPPORT_DIR_TEST(freeing_a_job_ends_it),
      SUPPORT_DIR_TEST(what_is_stale_is_made_anew_or_an_error),
      SUPPORT_DIR_TEST(a_key_is_a_line_as_it_stands),
      SUPPORT_DIR_TEST(keys_may_come_from_a_stream),
      SUPPORT_DIR_TEST(keys_come_from_places_near_another),
      SUPPORT_DIR_TEST(mistakes_of_a_plan_are_told),
      SUPPORT_DIR_TEST(out_of_memory_before_it_begins_leaks_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
