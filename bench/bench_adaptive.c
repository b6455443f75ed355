/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the eviction policy `adaptive` costs against s3-fifo in the same memory tier: gets alone where everything is there, and
 * gets with a put of what is missing where a part fits: of 64 MiB, whose shadows are of a small sample, and of a thousand
 * entries, whose shadows are of all keys. How many entries fewer fit is what its tables take. What a thousand entries cost is
 * counted in instructions, too, from other keys, of which about two thirds are there.
 *
 *   bench_adaptive loop POLICY LIMITS        the loop that is counted, for callgrind
 *   bench_adaptive changing POLICY LIMITS    the same, where what is asked for changes so often that the shadows go on learning
 */
#include "bench.h"
#include "callgrind.h"
#include "ours.h"
#include <larder/larder.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALUE_LEN 100u
#define KEY_LEN   8u
#define SMALL     ", limits: {memory: 1000}"

typedef struct pair_context {
  ours side;
  const bench_trace *trace;
  size_t count;
} pair_context;

static void open_side(pair_context *context, const bench_trace *trace, const char *policy, size_t memory_mb) {
  context->trace = trace;
  context->count = bench_scale(1000000, 20000);
  ours_open(&context->side, OURS_MEMORY, policy, memory_mb, VALUE_LEN);
}

/* How many missed. */
static inline size_t ask(const pair_context *context, size_t from) {
  const bench_trace *trace = context->trace;
  uint8_t value[VALUE_LEN], fresh[VALUE_LEN];
  size_t missed = 0;
  bench_value(0, fresh, sizeof fresh);
  for (size_t i = from; i < from + context->count; i++) {
    const uint8_t *key = trace->asked + i * KEY_LEN;
    size_t len;
    larder_err err = larder_get_into(context->side.ns, key, KEY_LEN, value, sizeof value, &len);
    if (err == LARDER_OK && memcmp(value, &trace->ids[i], 4) == 0) continue;
    if (err != LARDER_MISS) bench_die("a key has another's value");
    memcpy(fresh, &trace->ids[i], 4);
    err = larder_put(context->side.ns, key, KEY_LEN, fresh, sizeof fresh, NULL);
    if (err != LARDER_OK) bench_die("put: %s", larder_err_text(err));
    missed++;
  }
  return missed;
}

static __attribute__((noinline)) void asked(const pair_context *context, size_t from) { (void)ask(context, from); }

/* What callgrind collects in; before it, `asked` has warmed the cache. */
__attribute__((noinline)) size_t adaptive_counted(const pair_context *context, size_t from);
__attribute__((noinline)) size_t adaptive_counted(const pair_context *context, size_t from) { return ask(context, from); }

static double round_asked(void *raw, size_t round) {
  const pair_context *context = raw;
  size_t from = bench_trace_from(context->trace, round, context->count);
  int64_t begin = bench_cpu_ns();
  asked(context, from);
  return (double)(bench_cpu_ns() - begin) / (double)context->count;
}

static double entries_of(const pair_context *context) {
  larder_tier_usage usage;
  ours_usage(&context->side, "memory", &usage);
  return (double)usage.entries;
}

static void pair_measure(const bench_trace *trace, const bench_row *row, const char *limits, size_t memory_mb, bool entries) {
  char policies[2][128];
  pair_context contexts[2];
  bench_side sides[2] = {{.name = "adaptive", .round = round_asked, .context = &contexts[0]},
                         {.name = "s3-fifo", .round = round_asked, .context = &contexts[1]}};
  bench_side *turn[2] = {&sides[0], &sides[1]};
  for (size_t s = 0; s < 2; s++) {
    snprintf(policies[s], sizeof policies[s], "policy: %s%s", sides[s].name, limits);
    open_side(&contexts[s], trace, policies[s], memory_mb);
    for (size_t from = 0; from + contexts[s].count <= trace->ops / 2; from += contexts[s].count) asked(&contexts[s], from);
  }
  bench_turns(turn, 2, bench_rounds());
  bench_row_sides(row, &sides[0], &sides[1], bench_rounds());
  if (entries) {
    bench_row made = {"memory_adaptive_entries",
                      "entries that fit into 64 MiB, where what they regret is learned",
                      "entries",
                      BENCH_AT_LEAST,
                      0.98,
                      false};
    bench_row_figure(&made, entries_of(&contexts[0]), entries_of(&contexts[1]), "s3-fifo");
  }
  for (size_t s = 0; s < 2; s++) ours_close(&contexts[s].side);
}

/* --- instructions --------------------------------------------------------------------------------------------------------- */

#define LOOP_KEYS  20000u
#define LOOP_COUNT 200000u

/* In turn: keys by the power law, and a walk over half as many again as fit, each for as many requests as two such walks. */
static void trace_change(bench_trace *trace, size_t fits) {
  size_t walk = fits + fits / 2;
  for (size_t i = 0; i < (size_t)LOOP_COUNT * 2; i++) {
    if (i / (walk * 2) % 2 == 0) continue;
    uint64_t key = UINT64_C(0x5851f42d4c957f2d) * (i % walk + 1);
    memcpy(trace->asked + i * KEY_LEN, &key, KEY_LEN);
    trace->ids[i] = (uint32_t)(LOOP_KEYS + i % walk);
  }
}

static int loop(const char *policy, const char *limits, bool changing) {
  bench_trace trace;
  pair_context context;
  char text[160];
  const char *fits = strrchr(limits, ' ');
  bench_trace_init(&trace, LOOP_KEYS, (size_t)LOOP_COUNT * 2, KEY_LEN, 0.99);
  if (changing) trace_change(&trace, fits ? (size_t)strtoul(fits, NULL, 10) : 1000);
  snprintf(text, sizeof text, "policy: %s%s", policy, limits);
  open_side(&context, &trace, text, 64);
  context.count = LOOP_COUNT;
  asked(&context, 0);
  printf("%zu of %u missed\n", adaptive_counted(&context, LOOP_COUNT), LOOP_COUNT);
  ours_close(&context.side);
  bench_trace_fini(&trace);
  return 0;
}

/* Instructions an access, or -1 without valgrind. */
static double instructions(const char *self, const char *folder, const char *kind, const char *policy, const char *limits) {
  const char *const argv[] = {self, kind, policy, limits, NULL};
  double total = bench_instructions(folder, policy, "adaptive_counted", argv);
  return total < 0 ? -1 : total / LOOP_COUNT;
}

static void instruction_row(const char *self, const char *folder, const bench_row *row, const char *kind, const char *limits) {
  double mine = instructions(self, folder, kind, "adaptive", limits);
  double theirs = instructions(self, folder, kind, "s3-fifo", limits);
  if (mine < 0 || theirs < 0)
    bench_row_absent(row, "valgrind: peer not here");
  else
    bench_row_figure(row, mine, theirs, "s3-fifo");
}

static void instruction_rows(const char *self) {
  static const bench_row whole = {"memory_adaptive_get_instructions",
                                  "instructions a get where all is there, the loop included; callgrind",
                                  "instr",
                                  BENCH_AT_MOST,
                                  1.2,
                                  false};
  static const bench_row small = {"memory_adaptive_small_instructions",
                                  "instructions an access of a thousand entries, a third of which misses and puts; callgrind",
                                  "instr",
                                  BENCH_AT_MOST,
                                  1.2,
                                  false};
  static const bench_row hundred = {"memory_adaptive_hundred_instructions",
                                    "the same of a hundred entries, where more than half of the accesses miss; callgrind",
                                    "instr",
                                    BENCH_AT_MOST,
                                    1.2,
                                    false};
  static const bench_row learning = {"memory_adaptive_learning_instructions",
                                     "of a thousand entries, where what is asked for changes again and again; callgrind",
                                     "instr",
                                     BENCH_AT_MOST,
                                     1.2,
                                     false};
  static const bench_row learning_large = {"memory_adaptive_learning_large_instructions",
                                           "the same of ten thousand entries, of which a sample is followed; callgrind",
                                           "instr",
                                           BENCH_AT_MOST,
                                           1.2,
                                           false};
  char folder[256];
  ours_folder(folder, sizeof folder);
  instruction_row(self, folder, &whole, "loop", "");
  instruction_row(self, folder, &small, "loop", SMALL);
  instruction_row(self, folder, &hundred, "loop", ", limits: {memory: 100}");
  instruction_row(self, folder, &learning, "changing", SMALL);
  instruction_row(self, folder, &learning_large, "changing", ", limits: {memory: 10000}");
  ours_folder_remove(folder);
}

int main(int argc, char **argv) {
  if (argc == 4 && strcmp(argv[1], "loop") == 0) return loop(argv[2], argv[3], false);
  if (argc == 4 && strcmp(argv[1], "changing") == 0) return loop(argv[2], argv[3], true);
  bench_trace trace;
  size_t keys = bench_scale(1000000, 20000);
  bench_pin(bench_core());
  bench_trace_init(&trace, keys, bench_scale(8000000, 200000), KEY_LEN, 0.99);
  static const bench_row whole = {
      "memory_adaptive_get", "get where all is there, adaptive against s3-fifo", "ns", BENCH_AT_MOST, 1.2, false};
  static const bench_row part = {"memory_adaptive",
                                 "gets, and puts of what was missing, a second, where 64 MiB are a part",
                                 "op/s",
                                 BENCH_AT_LEAST,
                                 0.8,
                                 true};
  static const bench_row small = {"memory_adaptive_small",
                                  "the same of a thousand entries, all of which the shadows follow",
                                  "op/s",
                                  BENCH_AT_LEAST,
                                  0.8,
                                  true};
  pair_measure(&trace, &whole, "", 256, false);
  pair_measure(&trace, &part, "", bench_scale(64, 1), true);
  pair_measure(&trace, &small, SMALL, 64, false);
  bench_trace_fini(&trace);
  instruction_rows(argv[0]);
  return 0;
}
