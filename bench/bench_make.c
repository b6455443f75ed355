/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makers: what a hit costs more than by a plain get, what a thousand who ask for one key wait beyond the making itself, what
 * the lease of a making costs, and how near the warming of keys comes to what so many at once could do at best.
 */
#include "bench.h"
#include "ours.h"
#include <larder/warm.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define VALUE_LEN 100u
#define ASKERS    1000u
#define MARKETS   10u
#define AT_ONCE   5u

typedef struct making_side {
  larder *cache;
  larder_ns *ns;
  char root[300];
  size_t count;
} making_side;

static _Atomic int64_t takes_ns; /* what a making takes */

static larder_err make(void *context, const larder_making *making, larder_made *made, larder_error *err) {
  static const char value[VALUE_LEN] = "made";
  int64_t const ns = atomic_load(&takes_ns);
  struct timespec const time = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
  (void)context;
  (void)making;
  (void)err;
  if (ns > 0) nanosleep(&time, NULL);
  made->value = value;
  made->len = sizeof value;
  return LARDER_OK;
}

static void side_open(making_side *side, const char *scratch, const char *name, const char *tiers, bool leases) {
  char config[400], blocked[400];
  larder_error err = {0};
  snprintf(side->root, sizeof side->root, "%s/%s", scratch, name);
  snprintf(blocked, sizeof blocked, "%s/leases.map", side->root);
  /* Where the table of leases can't be, makings go without. */
  if (!leases && (mkdir(side->root, 0700) != 0 || mkdir(blocked, 0700) != 0)) bench_die("%s cannot be made", blocked);
  snprintf(config, sizeof config,
           "cache:\n  memory: {size_mb: 64}\n  namespaces:\n    n: {tiers: %s, ttl: 30d, maker: {callback: bench}}\n", tiers);
  larder_options options = {.size = sizeof options, .root = side->root, .config_text = config};
  if (larder_open(&options, &side->cache, &err) != LARDER_OK) bench_die("open: %s", err.message);
  if (larder_maker_register(side->cache, "bench", make, NULL) != LARDER_OK) bench_die("register failed");
  if (larder_ns_open(side->cache, "n", &side->ns, &err) != LARDER_OK) bench_die("namespace: %s", err.message);
}

static void side_close(making_side *side) {
  if (larder_close(&side->cache) != LARDER_OK) bench_die("close failed");
}

static void ask(const making_side *side, const char *key, const larder_make_options *how) {
  larder_value value;
  larder_error err = {0};
  if (larder_get_or_make(side->ns, key, strlen(key), how, &value, &err) != LARDER_OK) bench_die("get_or_make: %s", err.message);
  if (value.len != VALUE_LEN) bench_die("a value of %zu bytes", value.len);
  larder_value_release(&value);
}

/* --- a hit --------------------------------------------------------------------------------------------------------------- */

static double round_hits_made(void *raw, size_t round) {
  const making_side *side = raw;
  (void)round;
  int64_t const begin = bench_cpu_ns();
  for (size_t i = 0; i < side->count; i++) ask(side, "a key", NULL);
  return (double)(bench_cpu_ns() - begin) / (double)side->count;
}

static double round_hits_got(void *raw, size_t round) {
  const making_side *side = raw;
  (void)round;
  int64_t const begin = bench_cpu_ns();
  for (size_t i = 0; i < side->count; i++) {
    larder_value value;
    if (larder_get(side->ns, "a key", 5, NULL, &value) != LARDER_OK || value.len != VALUE_LEN) bench_die("a miss");
    larder_value_release(&value);
  }
  return (double)(bench_cpu_ns() - begin) / (double)side->count;
}

static void hit_row(const char *scratch, size_t rounds) {
  making_side side = {.count = bench_scale(1000000, 2000)};
  side_open(&side, scratch, "hit", "[memory, sqlite]", true);
  ask(&side, "a key", NULL);
  bench_side sides[] = {{.name = "get_or_make", .round = round_hits_made, .context = &side},
                        {.name = "larder_get", .round = round_hits_got, .context = &side}};
  bench_side *turn[] = {&sides[0], &sides[1]};
  bench_turns(turn, 2, rounds);
  bench_row const row = {"make_hit", "get_or_make that hits memory, beside a plain get", "ns", BENCH_AT_MOST, 2.5, false};
  bench_row_sides(&row, &sides[0], &sides[1], rounds);
  side_close(&side);
}

/* --- a stampede ---------------------------------------------------------------------------------------------------------- */

typedef struct crowd {
  making_side side;
  pthread_barrier_t gate;
  _Atomic int64_t first_ns; /* who asked first */
} crowd;

static void *ask_with_all(void *raw) {
  crowd *all = raw;
  int64_t none = 0;
  (void)pthread_barrier_wait(&all->gate);
  (void)atomic_compare_exchange_strong(&all->first_ns, &none, bench_now_ns());
  ask(&all->side, "the key", NULL);
  return NULL;
}

static void stampede_row(const char *scratch) {
  size_t const askers = bench_scale(ASKERS, 20);
  pthread_t *threads = bench_alloc(askers * sizeof *threads);
  pthread_attr_t small;
  crowd all = {.first_ns = 0};
  side_open(&all.side, scratch, "stampede", "[memory, sqlite]", true);
  atomic_store(&takes_ns, 500000000);
  (void)pthread_attr_init(&small);
  (void)pthread_attr_setstacksize(&small, 256 << 10);
  (void)pthread_barrier_init(&all.gate, NULL, (unsigned)askers);
  for (size_t i = 0; i < askers; i++)
    if (pthread_create(&threads[i], &small, ask_with_all, &all) != 0) bench_die("no thread %zu", i);
  for (size_t i = 0; i < askers; i++) (void)pthread_join(threads[i], NULL);
  double const ms = (double)(bench_now_ns() - all.first_ns - takes_ns) / 1e6;
  atomic_store(&takes_ns, 0);
  bench_row const row = {"make_stampede",
                         "1000 threads ask for one key: first asked to last answered, less the making's 500 ms",
                         "ms",
                         BENCH_INFORM,
                         0,
                         false};
  bench_row_figure(&row, ms, -1, NULL);
  (void)pthread_barrier_destroy(&all.gate);
  (void)pthread_attr_destroy(&small);
  free(threads);
  side_close(&all.side);
}

/* --- the lease ----------------------------------------------------------------------------------------------------------- */

static double round_makings(void *raw, size_t round) {
  const making_side *side = raw;
  larder_make_options const fresh = {.size = sizeof fresh, .fresh = true};
  (void)round;
  int64_t const begin = bench_now_ns();
  for (size_t i = 0; i < side->count; i++) ask(side, "a key", &fresh);
  return (double)(bench_now_ns() - begin) / 1e3 / (double)side->count;
}

static void lease_row(const char *scratch, size_t rounds) {
  making_side with = {.count = bench_scale(2000, 50)}, without = with;
  side_open(&with, scratch, "with", "[memory, sqlite]", true);
  side_open(&without, scratch, "without", "[memory, sqlite]", false);
  bench_side sides[] = {{.name = "with the lease", .round = round_makings, .context = &with},
                        {.name = "without a lease", .round = round_makings, .context = &without}};
  bench_side *turn[] = {&sides[0], &sides[1]};
  bench_turns(turn, 2, rounds);
  bench_row const row = {"make_lease", "a making that takes no time, kept in sqlite", "us", BENCH_INFORM, 0, false};
  bench_row_sides(&row, &sides[0], &sides[1], rounds);
  side_close(&with);
  side_close(&without);
}

/* --- warming ------------------------------------------------------------------------------------------------------------- */

static int64_t keys_read(void *context, void *out, size_t room) {
  bool *done = context;
  if (*done) return 0;
  *done = true;
  int len = 0;
  for (unsigned i = 0; i < MARKETS; i++) len += snprintf((char *)out + len, room - (size_t)len, "market:%u\n", i);
  return len;
}

static void warm_row(const char *scratch) {
  static const char *const spaces[] = {"n"};
  bool done = false;
  making_side side = {.count = 0};
  larder_job *job = NULL;
  larder_error err = {0};
  larder_job_progress at;
  side_open(&side, scratch, "warm", "[memory, sqlite]", true);
  atomic_store(&takes_ns, bench_quick() ? 50000000 : 2000000000);
  larder_warm_plan const plan = {.size = sizeof plan,
                                 .namespaces = spaces,
                                 .namespaces_count = 1,
                                 .keys_read = keys_read,
                                 .context = &done,
                                 .parallel = AT_ONCE};
  int64_t const begin = bench_now_ns();
  if (larder_warm_start(side.cache, &plan, &job, &err) != LARDER_OK) bench_die("warm: %s", err.message);
  (void)larder_job_wait(job, -1);
  double const seconds = (double)(bench_now_ns() - begin) / 1e9;
  larder_job_progress_get(job, &at);
  if (at.made != MARKETS) bench_die("%zu of %u keys were made", (size_t)at.made, MARKETS);
  larder_job_free(&job);
  double const limit = (double)takes_ns / 1e9 * MARKETS / AT_ONCE;
  atomic_store(&takes_ns, 0);
  bench_row const row = {"warm_keys", "ten markets of one source that takes 2 s, five at once", "s", BENCH_AT_MOST, 1.1, false};
  bench_row_figure(&row, seconds, limit, "the arithmetic limit");
  side_close(&side);
}

int main(void) {
  char scratch[256];
  size_t const rounds = bench_rounds();
  ours_folder(scratch, sizeof scratch);
  stampede_row(scratch);
  warm_row(scratch);
  bench_pin(bench_core());
  hit_row(scratch, rounds);
  lease_row(scratch, rounds);
  ours_folder_remove(scratch);
  return 0;
}
