/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory rows: 1 M keys, zipf 0.99, values of 100 bytes, keys of 8 and of 32 bytes. Larder without slots (a namespace
 * in memory alone) and with them (memory over sqlite, everything in memory) against a bare flat table, liburcu's cds_lfht,
 * Caffeine and cachetools.
 *
 * usage: bench_memory [FOLDER with the peers' programs]
 */
#include "bench.h"
#include "ours.h"
#include "peer_flat.h"
#include "trace.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define VALUE_LEN 100u
#define BATCH     16u
#define MEMORY_MB 256u

typedef struct bench {
  bench_trace trace;
  size_t count; /* operations a round */
  size_t rounds;
  char trace_path[300];
  ours plain;
  ours slots;
  ours mortal; /* entries with a lifetime */
  flat *flat;
  bench_process lfht, caffeine, caffeine_free, cachetools;
} bench;

/* --- sides ------------------------------------------------------------------------------------------------------- */

/* What a side does with a stretch of the trace. */
typedef void (*bench_loop)(bench *all, size_t from, size_t count);

typedef struct loop_context {
  bench *all;
  bench_loop loop;
  size_t threads;
  size_t round;
} loop_context;

static void loop_copied(bench *all, size_t from, size_t count) { ours_copied(&all->plain, &all->trace, from, count); }
static void loop_pinned(bench *all, size_t from, size_t count) { ours_pinned(&all->plain, &all->trace, from, count); }
static void loop_many(bench *all, size_t from, size_t count) { ours_many(&all->plain, &all->trace, from, count, BATCH); }
static void loop_mixed(bench *all, size_t from, size_t count) { ours_mixed(&all->plain, &all->trace, from, count); }
static void loop_slots(bench *all, size_t from, size_t count) { ours_copied(&all->slots, &all->trace, from, count); }
static void loop_mortal(bench *all, size_t from, size_t count) { ours_copied(&all->mortal, &all->trace, from, count); }
static void loop_slots_many(bench *all, size_t from, size_t count) { ours_many(&all->slots, &all->trace, from, count, BATCH); }

static __attribute__((noinline)) void loop_flat_copied(bench *all, size_t from, size_t count) {
  const bench_trace *trace = &all->trace;
  uint8_t value[VALUE_LEN];
  for (size_t i = from; i < from + count; i++)
    if (!flat_get_copy(all->flat, trace->asked + i * trace->key_len, value) || memcmp(value, &trace->ids[i], 4) != 0)
      bench_die("the flat table lost a key");
}

static __attribute__((noinline)) void loop_flat_pinned(bench *all, size_t from, size_t count) {
  const bench_trace *trace = &all->trace;
  for (size_t i = from; i < from + count; i++) {
    const void *value = flat_get_pinned(all->flat, trace->asked + i * trace->key_len);
    if (!value || memcmp(value, &trace->ids[i], 4) != 0) bench_die("the flat table lost a key");
  }
}

static __attribute__((noinline)) void loop_flat_many(bench *all, size_t from, size_t count) {
  const bench_trace *trace = &all->trace;
  const void *values[BATCH];
  for (size_t i = from; i + BATCH <= from + count; i += BATCH) {
    if (flat_get_many(all->flat, trace->asked + i * trace->key_len, BATCH, values) != BATCH)
      bench_die("the flat table lost a key");
    for (size_t b = 0; b < BATCH; b++)
      if (memcmp(values[b], &trace->ids[i + b], 4) != 0) bench_die("the flat table lost a key");
  }
}

static __attribute__((noinline)) void loop_flat_mixed(bench *all, size_t from, size_t count) {
  const bench_trace *trace = &all->trace;
  uint8_t value[VALUE_LEN], fresh[VALUE_LEN];
  bench_value(0, fresh, sizeof fresh);
  for (size_t i = from; i < from + count; i++) {
    const uint8_t *key = trace->asked + i * trace->key_len;
    if (trace->writes[i]) {
      memcpy(fresh, &trace->ids[i], 4);
      flat_put(all->flat, key, fresh);
    } else if (!flat_get_copy(all->flat, key, value) || memcmp(value, &trace->ids[i], 4) != 0) {
      bench_die("the flat table lost a key");
    }
  }
}

/* An eighth of the count from elsewhere in the trace, not timed: after another side's turn nothing of ours is in the
 * processor's caches. */
static void warm(const loop_context *context, size_t from) {
  size_t ops = context->all->trace.ops, count = context->all->count / 8;
  size_t start = (from + ops / 2) % ops;
  if (start + count > ops) start = 0;
  context->loop(context->all, start, count / BATCH * BATCH);
}

static double round_loop(void *raw, size_t round) {
  loop_context *context = raw;
  size_t from = bench_trace_from(&context->all->trace, round, context->all->count);
  warm(context, from);
  int64_t begin = bench_cpu_ns();
  context->loop(context->all, from, context->all->count);
  return (double)(bench_cpu_ns() - begin) / (double)context->all->count;
}

static size_t thread_from(const loop_context *context, size_t thread) {
  return bench_trace_from(&context->all->trace, context->round + thread, context->all->count);
}

static void thread_prepare(void *raw, size_t thread) { warm(raw, thread_from(raw, thread)); }

static void thread_work(void *raw, size_t thread) {
  loop_context *context = raw;
  context->loop(context->all, thread_from(context, thread), context->all->count);
}

/* Threads on cores of their own; the figure is time by all operations of all threads: processor time where nothing
 * blocks, by the clock on the wall where writers may wait for each other. */
static double round_threads(void *raw, size_t round) {
  loop_context *context = raw;
  context->round = round;
  double took = bench_parallel(context->threads, context->loop != loop_mixed, thread_prepare, thread_work, context);
  return took / (double)(context->all->count * context->threads);
}

typedef struct process_context {
  bench *all;
  bench_process *process;
  const char *before; /* of the line, around where from and how many */
  const char *after;
  size_t share; /* slower peers do a share of the operations */
} process_context;

static double round_process(void *raw, size_t round) {
  process_context *context = raw;
  char line[96];
  size_t from = bench_trace_from(&context->all->trace, round, context->all->count),
         count = context->all->count / context->share;
  snprintf(line, sizeof line, "%s%zu %zu%s\n", context->before, from, count, context->after);
  return bench_process_ask(context->process, line);
}

/* --- rows -------------------------------------------------------------------------------------------------------- */

static void row(const bench *all, const char *id, const char *what, bench_sense sense, double bar, const bench_side *mine,
                const bench_side *peer) {
  char full_id[96], full_what[256];
  snprintf(full_id, sizeof full_id, "%s_%zu", id, all->trace.key_len);
  snprintf(full_what, sizeof full_what, "%s; keys of %zu bytes", what, all->trace.key_len);
  bool rate = sense == BENCH_AT_LEAST;
  bench_row made = {full_id, full_what, rate ? "op/s" : "ns", sense, bar, rate};
  bench_row_sides(&made, mine, peer, all->rounds);
}

static void single_rows(bench *all) {
  loop_context loops[] = {
      {.all = all, .loop = loop_copied},      {.all = all, .loop = loop_pinned},      {.all = all, .loop = loop_many},
      {.all = all, .loop = loop_mixed},       {.all = all, .loop = loop_slots},       {.all = all, .loop = loop_slots_many},
      {.all = all, .loop = loop_flat_copied}, {.all = all, .loop = loop_flat_pinned}, {.all = all, .loop = loop_flat_many},
      {.all = all, .loop = loop_flat_mixed},  {.all = all, .loop = loop_mortal},
  };
  static const char *const names[] = {"larder copied",          "larder pinned",         "larder get_many",
                                      "larder 10% writes",      "larder with slots",     "larder get_many, slots",
                                      "flat table, copied",     "flat table, pinned",    "flat table, batched",
                                      "flat table, 10% writes", "larder with a lifetime"};
  enum {
    COPIED,
    PINNED,
    MANY,
    MIXED,
    SLOTS,
    SLOTS_MANY,
    FLAT,
    FLAT_PINNED,
    FLAT_MANY,
    FLAT_MIXED,
    MORTAL,
    LFHT,
    CAFFEINE,
    CACHETOOLS,
    SIDES
  };
  process_context processes[] = {
      {all, &all->lfht, "", " 1 0", 1}, {all, &all->caffeine, "", " 0 0", 1}, {all, &all->cachetools, "get ", "", 8}};
  bench_side sides[SIDES] = {0};
  bench_side *turn[SIDES];
  for (size_t s = 0; s < SIDES; s++) {
    if (s < LFHT)
      sides[s] = (bench_side){.name = names[s], .round = round_loop, .context = &loops[s]};
    else
      sides[s] = (bench_side){.round = round_process, .context = &processes[s - LFHT]};
    turn[s] = &sides[s];
  }
  sides[LFHT].name = "cds_lfht, copied";
  sides[CAFFEINE].name = "Caffeine on one core";
  sides[CACHETOOLS].name = "cachetools LRUCache";
  bench_turns(turn, SIDES, all->rounds);
  row(all, "memory_get_copied_flat", "get, copied out, against a bare flat table with copy", BENCH_AT_MOST, 1.5, &sides[COPIED],
      &sides[FLAT]);
  row(all, "memory_get_copied_lfht", "get, copied out, against liburcu's cds_lfht with copy", BENCH_AT_MOST, 0.6,
      &sides[COPIED], &sides[LFHT]);
  row(all, "memory_get_pinned", "get, pinned, against the same copied out", BENCH_AT_MOST, 1.2, &sides[PINNED], &sides[COPIED]);
  row(all, "memory_get_pinned_flat", "get, pinned, against a pointer into a bare flat table", BENCH_INFORM, 0, &sides[PINNED],
      &sides[FLAT_PINNED]);
  row(all, "memory_get_caffeine", "gets a second, copied out, against Caffeine on one core", BENCH_AT_LEAST,
      all->trace.key_len == 8 ? 5 : 4, &sides[COPIED], &sides[CAFFEINE]);
  row(all, "memory_get_slots", "get of a namespace with a shared tier against one without", BENCH_AT_MOST, 1.25, &sides[SLOTS],
      &sides[COPIED]);
  row(all, "memory_get_ttl", "get of entries that expire (in 30 days) against entries that do not", BENCH_INFORM, 0,
      &sides[MORTAL], &sides[COPIED]);
  row(all, "memory_get_writes", "an operation with 10 % writes against gets alone", BENCH_AT_MOST, 2, &sides[MIXED],
      &sides[COPIED]);
  row(all, "memory_get_writes_flat", "an operation with 10 % writes against a bare flat table", BENCH_INFORM, 0, &sides[MIXED],
      &sides[FLAT_MIXED]);
  row(all, "memory_get_cachetools", "get, copied out, against Python's cachetools", BENCH_INFORM, 0, &sides[COPIED],
      &sides[CACHETOOLS]);
  row(all, "memory_get_many", "get_many of 16, pinned, keys a second against single pinned gets", BENCH_AT_LEAST, 2,
      &sides[MANY], &sides[PINNED]);
  row(all, "memory_get_many_slots", "get_many of 16 with slots against single gets with slots, copied", BENCH_INFORM, 0,
      &sides[SLOTS_MANY], &sides[SLOTS]);
  row(all, "memory_get_many_flat", "get_many of 16 against a bare flat table in batches of 16", BENCH_INFORM, 0, &sides[MANY],
      &sides[FLAT_MANY]);
}

static void thread_rows(bench *all) {
  loop_context loops[] = {{.all = all, .loop = loop_copied, .threads = 1}, {.all = all, .loop = loop_copied, .threads = 2},
                          {.all = all, .loop = loop_slots, .threads = 1},  {.all = all, .loop = loop_slots, .threads = 2},
                          {.all = all, .loop = loop_mixed, .threads = 2},  {.all = all, .loop = loop_mixed, .threads = 1}};
  static const char *const names[] = {
      "larder, one thread",           "larder, two threads",       "larder with slots, one thread",
      "larder with slots, 2 threads", "larder mixed, two threads", "larder mixed, one thread"};
  enum { ONE, TWO, SLOTS_ONE, SLOTS_TWO, MIXED_TWO, MIXED_ONE, FREE_ONE, FREE_TWO, SIDES };
  process_context processes[] = {{all, &all->caffeine_free, "", " 1 0", 1}, {all, &all->caffeine_free, "", " 2 0", 1}};
  bench_side sides[SIDES] = {0};
  bench_side *turn[SIDES];
  for (size_t s = 0; s < SIDES; s++) {
    if (s < FREE_ONE)
      sides[s] = (bench_side){.name = names[s], .round = round_threads, .context = &loops[s]};
    else
      sides[s] = (bench_side){.round = round_process, .context = &processes[s - FREE_ONE]};
    turn[s] = &sides[s];
  }
  sides[FREE_ONE].name = "Caffeine, both cores";
  sides[FREE_TWO].name = "Caffeine, 2 threads";
  bench_turns(turn, SIDES, all->rounds);
  row(all, "memory_get_two_threads", "gets a second of two threads against one", BENCH_AT_LEAST, 1.8, &sides[TWO], &sides[ONE]);
  row(all, "memory_get_two_threads_slots", "the same with slots", BENCH_INFORM, 0, &sides[SLOTS_TWO], &sides[SLOTS_ONE]);
  row(all, "memory_get_two_threads_writes", "the same with 10 % writes", BENCH_INFORM, 0, &sides[MIXED_TWO], &sides[MIXED_ONE]);
  row(all, "memory_get_caffeine_free", "one thread against Caffeine, whose maintenance has the other core", BENCH_INFORM, 0,
      &sides[ONE], &sides[FREE_ONE]);
  row(all, "memory_get_caffeine_two", "two threads against two threads of Caffeine", BENCH_INFORM, 0, &sides[TWO],
      &sides[FREE_TWO]);
}

/* --- percentiles ------------------------------------------------------------------------------------------------- */

#define TICKS_MAX 65536u

/* The tick below which `share` of the samples lie. */
static double tick_at(const uint32_t *histogram, size_t samples, double share) {
  size_t wanted = (size_t)((double)samples * share), seen = 0;
  for (uint32_t t = 0; t < TICKS_MAX; t++) {
    seen += histogram[t];
    if (seen > wanted) return t;
  }
  return TICKS_MAX;
}

typedef enum sample_kind { SAMPLE_NOTHING, SAMPLE_OURS, SAMPLE_FLAT } sample_kind;

static bool sample_one(bench *all, sample_kind kind, const uint8_t *key, uint8_t *value) {
  size_t len;
  if (kind == SAMPLE_OURS) return larder_get_into(all->plain.ns, key, all->trace.key_len, value, VALUE_LEN, &len) == LARDER_OK;
  if (kind == SAMPLE_FLAT) return flat_get_copy(all->flat, key, value);
  return true;
}

/* Times each operation alone and hands back p50, p99 and p99.9 in ticks, the timer's own included. */
static void sample(bench *all, sample_kind kind, size_t round, double out[3]) {
  static uint32_t histogram[TICKS_MAX];
  uint8_t value[VALUE_LEN];
  size_t from = bench_trace_from(&all->trace, round, all->count);
  memset(histogram, 0, sizeof histogram);
  for (size_t i = from; i < from + all->count; i++) {
    const uint8_t *key = all->trace.asked + i * all->trace.key_len;
    uint64_t begin = bench_ticks();
    bool hit = sample_one(all, kind, key, value);
    uint64_t ticks = bench_ticks() - begin;
    if (!hit) bench_die("a key was not served");
    histogram[ticks < TICKS_MAX ? ticks : TICKS_MAX - 1]++;
  }
  out[0] = tick_at(histogram, all->count, 0.50);
  out[1] = tick_at(histogram, all->count, 0.99);
  out[2] = tick_at(histogram, all->count, 0.999);
}

static void percentile_rows(bench *all) {
  static const char *const ids[] = {"memory_get_p50", "memory_get_p99", "memory_get_p999"};
  static const char *const whats[] = {"single get copied, median", "single get copied, 99th percentile",
                                      "single get copied, 99.9th percentile"};
  bench_side mine[3] = {0}, flats[3] = {0};
  double ticks_per_ns = bench_ticks_per_ns();
  for (size_t r = 0; r < all->rounds; r++) {
    double empty[3], timed[3], theirs[3];
    sample(all, SAMPLE_NOTHING, r, empty);
    sample(all, SAMPLE_OURS, r, timed);
    sample(all, SAMPLE_FLAT, r, theirs);
    for (size_t p = 0; p < 3; p++) {
      double least = 1 / ticks_per_ns; /* a timer that is coarser than the operation must not make it free */
      mine[p].figures[r] = (timed[p] - empty[0]) / ticks_per_ns;
      flats[p].figures[r] = (theirs[p] - empty[0]) / ticks_per_ns;
      if (mine[p].figures[r] < least) mine[p].figures[r] = least;
      if (flats[p].figures[r] < least) flats[p].figures[r] = least;
    }
  }
  for (size_t p = 0; p < 3; p++) {
    mine[p].here = flats[p].here = true;
    flats[p].name = "flat table, copied";
    row(all, ids[p], whats[p], BENCH_INFORM, 0, &mine[p], &flats[p]);
  }
}

/* --- bytes ------------------------------------------------------------------------------------------------------- */

typedef struct footprint {
  double overhead; /* bytes counted above key and value */
  double resident; /* what the process grew by */
  double flat_resident;
} footprint;

/* In a child of its own, so that nothing freed earlier is used again. */
static footprint footprint_measure(size_t keys, size_t key_len) {
  int ends[2];
  footprint found = {0};
  if (pipe(ends) != 0) bench_die("no pipe to be had");
  pid_t child = fork();
  if (child == 0) {
    ours side;
    larder_tier_usage usage;
    uint64_t before = bench_resident();
    ours_open(&side, OURS_MEMORY, "durability: commit", MEMORY_MB, VALUE_LEN);
    ours_fill(&side, keys, key_len);
    found.resident = (double)(bench_resident() - before) / (double)keys;
    ours_usage(&side, "memory", &usage);
    if (usage.entries != keys) bench_die("%zu entries were put, %zu are counted", keys, (size_t)usage.entries);
    found.overhead = (double)(usage.bytes - usage.payload_bytes) / (double)usage.entries;
    ours_close(&side);
    before = bench_resident();
    flat *table = flat_new(keys, key_len, VALUE_LEN);
    uint8_t key[BENCH_KEY_MAX], value[VALUE_LEN];
    for (uint32_t id = 0; id < keys; id++) {
      bench_key(id, key_len, key);
      bench_value(id, value, sizeof value);
      flat_put(table, key, value);
    }
    found.flat_resident = (double)(bench_resident() - before) / (double)keys;
    _exit(write(ends[1], &found, sizeof found) == (ssize_t)sizeof found ? 0 : 1);
  }
  close(ends[1]);
  bool whole = child > 0 && read(ends[0], &found, sizeof found) == (ssize_t)sizeof found;
  close(ends[0]);
  if (child > 0) waitpid(child, NULL, 0);
  if (!whole) bench_die("the footprint could not be measured");
  return found;
}

static void byte_rows(bench *all, const footprint *found) {
  char id[64], what[128];
  size_t key_len = all->trace.key_len;
  bench_row made = {id, what, "B", BENCH_AT_MOST, 48, false};
  snprintf(id, sizeof id, "memory_bytes_overhead_%zu", key_len);
  snprintf(what, sizeof what, "bytes counted over key and value, an entry; keys of %zu bytes", key_len);
  bench_row_figure(&made, found->overhead, -1, NULL);
  made.sense = BENCH_INFORM;
  snprintf(id, sizeof id, "memory_bytes_resident_%zu", key_len);
  snprintf(what, sizeof what, "resident bytes an entry; keys of %zu bytes", key_len);
  bench_row_figure(&made, found->resident, found->flat_resident, "flat table");
  snprintf(id, sizeof id, "memory_bytes_caffeine_%zu", key_len);
  snprintf(what, sizeof what, "resident bytes an entry against Caffeine's heap; keys of %zu bytes", key_len);
  double heap = bench_process_ask(&all->caffeine, "bytes\n");
  if (heap < 0)
    bench_row_absent(&made, "Caffeine: peer not here");
  else
    bench_row_figure(&made, found->resident, heap, "Caffeine");
}

/* --- the whole --------------------------------------------------------------------------------------------------- */

static void flat_fill(bench *all) {
  uint8_t key[BENCH_KEY_MAX], value[VALUE_LEN];
  all->flat = flat_new(all->trace.keys, all->trace.key_len, VALUE_LEN);
  for (uint32_t id = 0; id < all->trace.keys; id++) {
    bench_key(id, all->trace.key_len, key);
    bench_value(id, value, sizeof value);
    flat_put(all->flat, key, value);
  }
}

static void peers_start(bench *all, const char *folder) {
  char core[16], key_len[16], value_len[16], lfht[512], classes[600], python[512];
  const char *source = getenv("BENCH_PEERS") ? getenv("BENCH_PEERS") : "bench/peers";
  snprintf(core, sizeof core, "%d", bench_core());
  snprintf(key_len, sizeof key_len, "%zu", all->trace.key_len);
  snprintf(value_len, sizeof value_len, "%u", VALUE_LEN);
  snprintf(lfht, sizeof lfht, "%s/peer_lfht", folder);
  snprintf(classes, sizeof classes, "%s:/usr/share/java/caffeine.jar", folder);
  snprintf(python, sizeof python, "%s/peer_python.py", source);
  const char *trace = all->trace_path;
  const char *lfht_argv[] = {"taskset", "-c", core, lfht, trace, key_len, value_len, NULL};
  const char *java_argv[] = {"taskset", "-c",           core,  "java",  "-Xms2g",  "-Xmx2g", "-cp",
                             classes,   "PeerCaffeine", trace, key_len, value_len, NULL};
  const char *python_argv[] = {"taskset", "-c", core, "/usr/bin/python3", python, "cachetools", trace, key_len,
                               value_len, "-",  NULL};
  if (!bench_process_start(&all->lfht, lfht_argv)) fprintf(stderr, "bench: cds_lfht is not here\n");
  if (!bench_process_start(&all->caffeine, java_argv)) fprintf(stderr, "bench: Caffeine is not here\n");
  (void)bench_process_start(&all->caffeine_free, java_argv + 3);
  if (!bench_process_start(&all->cachetools, python_argv)) fprintf(stderr, "bench: cachetools is not here\n");
}

static void run(size_t key_len, const char *folder) {
  bench all = {.rounds = bench_rounds(), .count = bench_scale(1000000, 16000)};
  size_t keys = bench_scale(1000000, 20000);
  footprint found = footprint_measure(keys, key_len);
  char scratch[256];
  bench_trace_init(&all.trace, keys, all.count * 4, key_len, 0.99);
  ours_folder(scratch, sizeof scratch);
  snprintf(all.trace_path, sizeof all.trace_path, "%s/trace", scratch);
  bench_trace_save(&all.trace, all.trace_path);
  peers_start(&all, folder);
  bench_pin(bench_core());
  flat_fill(&all);
  ours_open(&all.plain, OURS_MEMORY, "durability: commit", MEMORY_MB, VALUE_LEN);
  ours_fill(&all.plain, keys, key_len);
  ours_open(&all.slots, OURS_MEMORY_SQLITE, "durability: behind", MEMORY_MB, VALUE_LEN);
  ours_fill(&all.slots, keys, key_len);
  ours_open(&all.mortal, OURS_MEMORY, "durability: commit, ttl: 30d", MEMORY_MB, VALUE_LEN);
  ours_fill(&all.mortal, keys, key_len);
  single_rows(&all);
  percentile_rows(&all);
  thread_rows(&all);
  byte_rows(&all, &found);
  bench_process_stop(&all.lfht);
  bench_process_stop(&all.caffeine);
  bench_process_stop(&all.caffeine_free);
  bench_process_stop(&all.cachetools);
  ours_close(&all.mortal);
  ours_close(&all.slots);
  ours_close(&all.plain);
  flat_free(all.flat);
  bench_trace_fini(&all.trace);
  ours_folder_remove(scratch);
}

int main(int argc, char **argv) {
  const char *folder = argc > 1 ? argv[1] : ".";
  run(8, folder);
  run(32, folder);
  return 0;
}
