/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sqlite rows: 100,000 entries of 1 KiB under keys of 32 bytes, asked for uniformly, the files in the page cache. A
 * namespace in sqlite alone, each durability, against bare SQLite and Python's diskcache. Puts replace what is there.
 */
#include "bench.h"
#include "ours.h"
#include "peer_sqlite.h"
#include "trace.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALUE_LEN 1024u
#define KEY_LEN   32u

typedef struct bench {
  bench_trace trace;
  size_t keys;
  size_t rounds;
  char scratch[256];
  char trace_path[300];
  ours commit, sync, behind, chain;
  bare *normal, *full;
  bench_process diskcache;
} bench;

typedef struct work {
  bench *all;
  void (*loop)(bench *all, size_t from, size_t count);
  size_t count;   /* of all threads together */
  size_t threads; /* 0: the calling thread itself */
  size_t round;
} work;

static void loop_gets(bench *all, size_t from, size_t count) { ours_copied(&all->commit, &all->trace, from, count); }
static void loop_commit(bench *all, size_t from, size_t count) { ours_puts(&all->commit, &all->trace, from, count); }
static void loop_chain(bench *all, size_t from, size_t count) { ours_puts(&all->chain, &all->trace, from, count); }
static void loop_sync(bench *all, size_t from, size_t count) { ours_puts(&all->sync, &all->trace, from, count); }
static void loop_behind(bench *all, size_t from, size_t count) {
  ours_puts(&all->behind, &all->trace, from, count);
  if (larder_flush(all->behind.cache) != LARDER_OK) bench_die("flush of the behind namespace failed");
}
static void loop_bare_gets(bench *all, size_t from, size_t count) { bare_gets(all->normal, &all->trace, from, count); }
static void loop_bare_commit(bench *all, size_t from, size_t count) {
  bare_puts(all->normal, &all->trace, from, count, 1, false);
}
static void loop_bare_batch(bench *all, size_t from, size_t count) {
  bare_puts(all->normal, &all->trace, from, count, 1000, true);
}
static void loop_bare_sync(bench *all, size_t from, size_t count) { bare_puts(all->full, &all->trace, from, count, 1, false); }

static void thread_work(void *raw, size_t thread) {
  work *context = raw;
  size_t count = context->count / context->threads;
  context->loop(context->all, bench_trace_from(&context->all->trace, context->round * context->threads + thread, count), count);
}

static double round_work(void *raw, size_t round) {
  work *context = raw;
  context->round = round;
  if (context->threads)
    return bench_parallel(context->threads, false, NULL, thread_work, context) /
           (double)(context->count / context->threads * context->threads);
  size_t from = bench_trace_from(&context->all->trace, round, context->count);
  int64_t begin = bench_now_ns();
  context->loop(context->all, from, context->count);
  return (double)(bench_now_ns() - begin) / (double)context->count;
}

typedef struct python_work {
  bench *all;
  const char *verb;
  size_t count;
} python_work;

static double round_python(void *raw, size_t round) {
  python_work *context = raw;
  char line[96];
  snprintf(line, sizeof line, "%s %zu %zu\n", context->verb, bench_trace_from(&context->all->trace, round, context->count),
           context->count);
  return bench_process_ask(&context->all->diskcache, line);
}

static void row(const bench *all, const char *id, const char *what, bench_sense sense, double bar, bool rate,
                const bench_side *mine, const bench_side *peer) {
  bench_row made = {id, what, rate ? "op/s" : "ns", sense, bar, rate};
  bench_row_sides(&made, mine, peer, all->rounds);
}

enum {
  GETS,
  GETS_TWO,
  COMMIT,
  COMMIT_TWO,
  COMMIT_FOUR,
  CHAIN,
  BEHIND,
  SYNC,
  SYNC_FOUR,
  SYNC_EIGHT,
  BARE_GETS,
  BARE_COMMIT,
  BARE_BATCH,
  BARE_SYNC,
  DISKCACHE_GET,
  DISKCACHE_PUT,
  SIDES
};

static void rows(const bench *all, const bench_side *sides) {
  row(all, "sqlite_get", "get of 1 KiB, gets a second, against a bare prepared statement on the same schema", BENCH_AT_LEAST,
      0.9, true, &sides[GETS], &sides[BARE_GETS]);
  row(all, "sqlite_get_diskcache", "get of 1 KiB against python-diskcache", BENCH_AT_MOST, 0.4, false, &sides[GETS],
      &sides[DISKCACHE_GET]);
  row(all, "sqlite_get_two_threads", "gets a second of two threads against one", BENCH_INFORM, 0, true, &sides[GETS_TWO],
      &sides[GETS]);
  row(all, "sqlite_put_commit", "puts a second, commit, against bare one-row WAL transactions", BENCH_AT_LEAST, 0.8, true,
      &sides[COMMIT], &sides[BARE_COMMIT]);
  row(all, "sqlite_put_commit_two_threads", "puts a second, commit, of two threads against one", BENCH_AT_LEAST, 1, true,
      &sides[COMMIT_TWO], &sides[COMMIT]);
  row(all, "sqlite_put_commit_four_threads", "puts a second, commit, of four threads against one", BENCH_AT_LEAST, 1, true,
      &sides[COMMIT_FOUR], &sides[COMMIT]);
  row(all, "sqlite_put_commit_diskcache", "puts a second, commit, against python-diskcache", BENCH_AT_LEAST, 1.5, true,
      &sides[COMMIT], &sides[DISKCACHE_PUT]);
  row(all, "sqlite_put_commit_chain", "puts a second, commit, memory over sqlite against sqlite alone", BENCH_INFORM, 0, true,
      &sides[CHAIN], &sides[COMMIT]);
  row(all, "sqlite_put_behind", "puts a second, behind, flushed at the end, against bare transactions of 1000 rows",
      BENCH_AT_LEAST, 0.7, true, &sides[BEHIND], &sides[BARE_BATCH]);
  row(all, "sqlite_put_sync", "put, sync, against a bare fsynced one-row transaction", BENCH_AT_MOST, 1.2, false, &sides[SYNC],
      &sides[BARE_SYNC]);
  row(all, "sqlite_put_sync_four_threads", "puts a second, sync, of four threads against one: the flush is shared",
      BENCH_AT_LEAST, 1.5, true, &sides[SYNC_FOUR], &sides[SYNC]);
  row(all, "sqlite_put_sync_eight_threads", "puts a second, sync, of eight threads against one", BENCH_AT_LEAST, 1.5, true,
      &sides[SYNC_EIGHT], &sides[SYNC]);
}

static void measure(bench *all) {
  size_t gets = bench_scale(50000, 500), puts = bench_scale(8000, 160), syncs = bench_scale(800, 32);
  size_t behinds = bench_scale(40000, 400);
  work works[] = {[GETS] = {all, loop_gets, gets, 0, 0},
                  [GETS_TWO] = {all, loop_gets, gets, 2, 0},
                  [COMMIT] = {all, loop_commit, puts, 0, 0},
                  [COMMIT_TWO] = {all, loop_commit, puts, 2, 0},
                  [COMMIT_FOUR] = {all, loop_commit, puts, 4, 0},
                  [CHAIN] = {all, loop_chain, puts, 0, 0},
                  [BEHIND] = {all, loop_behind, behinds, 0, 0},
                  [SYNC] = {all, loop_sync, syncs, 0, 0},
                  [SYNC_FOUR] = {all, loop_sync, syncs, 4, 0},
                  [SYNC_EIGHT] = {all, loop_sync, syncs, 8, 0},
                  [BARE_GETS] = {all, loop_bare_gets, gets, 0, 0},
                  [BARE_COMMIT] = {all, loop_bare_commit, puts, 0, 0},
                  [BARE_BATCH] = {all, loop_bare_batch, behinds, 0, 0},
                  [BARE_SYNC] = {all, loop_bare_sync, syncs, 0, 0}};
  static const char *const names[] = {[GETS] = "larder, one thread",
                                      [GETS_TWO] = "larder, two threads",
                                      [COMMIT] = "larder commit, one thread",
                                      [COMMIT_TWO] = "larder, two threads",
                                      [COMMIT_FOUR] = "larder, four threads",
                                      [CHAIN] = "larder, memory over sqlite",
                                      [BEHIND] = "larder behind",
                                      [SYNC] = "larder sync, one thread",
                                      [SYNC_FOUR] = "larder sync, four threads",
                                      [SYNC_EIGHT] = "larder sync, 8 threads",
                                      [BARE_GETS] = "bare SQLite",
                                      [BARE_COMMIT] = "bare SQLite, one row",
                                      [BARE_BATCH] = "bare SQLite, 1000 rows",
                                      [BARE_SYNC] = "bare SQLite, synchronous=FULL",
                                      [DISKCACHE_GET] = "diskcache get",
                                      [DISKCACHE_PUT] = "diskcache set"};
  python_work python[] = {{all, "get", bench_scale(10000, 500)}, {all, "put", bench_scale(3000, 100)}};
  bench_side sides[SIDES] = {0};
  bench_side *turn[SIDES];
  for (size_t s = 0; s < SIDES; s++) {
    sides[s].name = names[s];
    sides[s].round = s < DISKCACHE_GET ? round_work : round_python;
    sides[s].context = s < DISKCACHE_GET ? (void *)&works[s] : (void *)&python[s - DISKCACHE_GET];
    turn[s] = &sides[s];
  }
  bench_turns(turn, SIDES, all->rounds);
  rows(all, sides);
}

static void diskcache_start(bench *all) {
  char python[512], folder[300], core[16], key_len[16], value_len[16];
  const char *source = getenv("BENCH_PEERS") ? getenv("BENCH_PEERS") : "bench/peers";
  snprintf(python, sizeof python, "%s/peer_python.py", source);
  snprintf(folder, sizeof folder, "%s/diskcache", all->scratch);
  snprintf(core, sizeof core, "%d", bench_core());
  snprintf(key_len, sizeof key_len, "%u", KEY_LEN);
  snprintf(value_len, sizeof value_len, "%u", VALUE_LEN);
  const char *argv[] = {"taskset", "-c",   core, "/usr/bin/python3", python, "diskcache", all->trace_path, key_len,
                        value_len, folder, NULL};
  if (!bench_process_start(&all->diskcache, argv)) fprintf(stderr, "bench: diskcache is not here\n");
}

static void store_open(ours *side, ours_chain chain, const char *policy, size_t keys) {
  ours_open(side, chain, policy, 256, VALUE_LEN);
  ours_fill(side, keys, KEY_LEN);
}

int main(void) {
  bench all = {.keys = bench_scale(100000, 2000), .rounds = bench_rounds()};
  char model[300];
  bench_trace_init(&all.trace, all.keys, bench_scale(400000, 4000), KEY_LEN, 0);
  ours_folder(all.scratch, sizeof all.scratch);
  snprintf(all.trace_path, sizeof all.trace_path, "%s/trace", all.scratch);
  bench_trace_save(&all.trace, all.trace_path);
  diskcache_start(&all);
  bench_pin(bench_core());
  store_open(&all.commit, OURS_SQLITE, "durability: commit", all.keys);
  store_open(&all.sync, OURS_SQLITE, "durability: sync", all.keys);
  store_open(&all.behind, OURS_SQLITE, "durability: behind", all.keys);
  store_open(&all.chain, OURS_MEMORY_SQLITE, "durability: commit", all.keys);
  snprintf(model, sizeof model, "%s/larder.db", all.commit.root);
  all.normal = bare_new(all.scratch, model, all.keys, KEY_LEN, VALUE_LEN, false);
  all.full = bare_new(all.scratch, model, all.keys, KEY_LEN, VALUE_LEN, true);
  measure(&all);
  bench_process_stop(&all.diskcache);
  bare_free(all.normal);
  bare_free(all.full);
  ours_close(&all.chain);
  ours_close(&all.behind);
  ours_close(&all.sync);
  ours_close(&all.commit);
  bench_trace_fini(&all.trace);
  ours_folder_remove(all.scratch);
  return 0;
}
