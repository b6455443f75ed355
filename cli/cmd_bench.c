/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A short benchmark for the question "is this machine fast enough for me?". Each row is one namespace over its own chain on
 * a temporary root: put of every key, then gets of keys drawn at random, each call timed by itself. The clock that times
 * them costs some 25 ns, which memory figures include. `make bench` measures against peers.
 */
#include "cli_table.h"
#include "commands.h"
#include "session.h"
#include "temp_root.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef struct bench_args {
  uint64_t entries;
  uint64_t value_bytes;
  uint64_t gets;
} bench_args;

#define AT(field) offsetof(bench_args, field)

static const cli_option options[] = {
    {"entries", 'n', CLI_COUNT, AT(entries), "N", NULL, "20000", "how many entries are put"},
    {"gets", 0, CLI_COUNT, AT(gets), "N", NULL, "200000", "how many gets of random keys follow"},
    {"value-size", 0, CLI_SIZE, AT(value_bytes), "SIZE", NULL, "1KiB", "size of each value"},
    {0}};

static const cli_example examples[] = {{"larder bench", "a few seconds on a temporary folder"},
                                       {"larder bench --entries 1000 --value-size 1MB", "with large values"},
                                       {0}};

#define ENTRIES_MAX 10000000u
#define VALUE_MAX   (64u << 20)
#define TOTAL_MAX   ((uint64_t)4 << 30)

/* One measured row. */
typedef struct row {
  const char *tiers;
  const char *op;
  uint64_t count;
  uint64_t failed;
  double rate;
  uint64_t p50;
  uint64_t p99;
  uint64_t p999;
  uint64_t worst;
} row;

typedef struct bench {
  const bench_args *args;
  uint64_t *spans;
  char *value;
  uint64_t random;
} bench;

static uint64_t random_next(bench *b) {
  b->random ^= b->random << 13;
  b->random ^= b->random >> 7;
  b->random ^= b->random << 17;
  return b->random;
}

static int span_compare(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a;
  uint64_t y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

static void row_fill(row *r, uint64_t *spans, uint64_t count, uint64_t took_ns) {
  qsort(spans, count, sizeof *spans, span_compare);
  r->count = count;
  r->rate = took_ns > 0 ? (double)count * 1e9 / (double)took_ns : 0;
  r->p50 = spans[count / 2];
  r->p99 = spans[count * 99 / 100];
  r->p999 = spans[count * 999 / 1000];
  r->worst = spans[count - 1];
}

static size_t key_make(char *key, size_t room, uint64_t number) {
  return (size_t)snprintf(key, room, "bench:%010" PRIu64, number);
}

static cli_exit puts_time(const cli_call *call, bench *b, larder_ns *ns, row *r) {
  char key[40];
  uint64_t begun = cli_mono_ns();
  uint64_t before = begun;
  for (uint64_t i = 0; i < b->args->entries; i++) {
    size_t len = key_make(key, sizeof key, i);
    memcpy(b->value, &i, sizeof i < b->args->value_bytes ? sizeof i : b->args->value_bytes);
    larder_err result = larder_put(ns, key, len, b->value, b->args->value_bytes, NULL);
    if (result < 0) return cli_refuse_result(call, result, NULL, "cannot put");
    if (result != LARDER_OK) r->failed++;
    uint64_t now = cli_mono_ns();
    b->spans[i] = now - before;
    before = now;
  }
  row_fill(r, b->spans, b->args->entries, before - begun);
  return CLI_DONE;
}

static cli_exit gets_time(const cli_call *call, bench *b, larder_ns *ns, row *r) {
  char key[40];
  uint64_t took = 0;
  for (uint64_t i = 0; i < b->args->gets; i++) {
    larder_value value = {0};
    uint64_t number = random_next(b) % b->args->entries;
    size_t len = key_make(key, sizeof key, number);
    uint64_t before = cli_mono_ns();
    larder_err result = larder_get(ns, key, len, NULL, &value);
    b->spans[i] = cli_mono_ns() - before;
    took += b->spans[i];
    if (result < 0) return cli_refuse_result(call, result, NULL, "cannot get");
    size_t compared = sizeof number < b->args->value_bytes ? sizeof number : b->args->value_bytes;
    bool right = result == LARDER_OK && value.len == b->args->value_bytes && memcmp(value.data, &number, compared) == 0;
    if (!right) r->failed++;
    larder_value_release(&value);
  }
  row_fill(r, b->spans, b->args->gets, took);
  return CLI_DONE;
}

static void rows_print(const cli_call *call, const bench_args *args, const row *rows, size_t count) {
  static const char *const heads[] = {"TIERS", "OPERATION", ">PER SECOND", ">P50", ">P99", ">P99.9", ">WORST", ">MISSED", NULL};
  char text[CLI_SHORT];
  cli_table table;
  cli_table_init(&table, heads);
  for (size_t i = 0; i < count; i++) {
    const uint64_t spans[] = {rows[i].p50, rows[i].p99, rows[i].p999, rows[i].worst};
    cli_table_add(&table, rows[i].tiers);
    cli_table_add(&table, rows[i].op);
    cli_table_add(&table, cli_count_text((uint64_t)rows[i].rate, text, sizeof text));
    for (size_t j = 0; j < 4; j++) cli_table_add(&table, cli_nanos_text(spans[j], text, sizeof text));
    cli_table_add(&table, cli_count_text(rows[i].failed, text, sizeof text));
  }
  if (!call->globals->quiet)
    printf("%" PRIu64 " entries of %s, one thread\n\n", args->entries, cli_size_text(args->value_bytes, text, sizeof text));
  cli_table_print(&table, stdout, true);
  cli_table_fini(&table);
}

static void rows_json(const bench_args *args, const row *rows, size_t count) {
  cli_json json;
  cli_json_init(&json, stdout);
  cli_json_object(&json, NULL);
  cli_json_uint(&json, "entries", args->entries);
  cli_json_uint(&json, "gets", args->gets);
  cli_json_uint(&json, "value_bytes", args->value_bytes);
  cli_json_array(&json, "rows");
  for (size_t i = 0; i < count; i++) {
    cli_json_object(&json, NULL);
    cli_json_text(&json, "tiers", rows[i].tiers);
    cli_json_text(&json, "op", rows[i].op);
    cli_json_uint(&json, "count", rows[i].count);
    cli_json_uint(&json, "missed", rows[i].failed);
    cli_json_double(&json, "per_second", rows[i].rate);
    cli_json_uint(&json, "p50_ns", rows[i].p50);
    cli_json_uint(&json, "p99_ns", rows[i].p99);
    cli_json_uint(&json, "p999_ns", rows[i].p999);
    cli_json_uint(&json, "max_ns", rows[i].worst);
    cli_json_object_end(&json);
  }
  cli_json_array_end(&json);
  cli_json_object_end(&json);
  cli_json_end(&json);
}

#define CHAINS 3

static cli_exit chains_run(const cli_call *call, bench *b, const char *root) {
  static const struct {
    const char *ns;
    const char *tiers;
  } chains[CHAINS] = {{"bench_memory", "memory"}, {"bench_sqlite", "sqlite"}, {"bench_both", "memory sqlite"}};
  static const char config[] = "cache:\n  namespaces:\n    bench_memory: {tiers: [memory]}\n"
                               "    bench_sqlite: {tiers: [sqlite]}\n    bench_both: {tiers: [memory, sqlite]}\n";
  row rows[CHAINS * 2];
  larder *cache = NULL;
  larder_error error = {0};
  uint64_t total = b->args->entries * (b->args->value_bytes + 200);
  larder_options how = {.size = sizeof how,
                        .root = root,
                        .config_text = config,
                        .read_config_only_given = true,
                        .log = cli_log_line,
                        .log_context = (void *)call,
                        .log_level = LARDER_LOG_WARN,
                        .memory_bytes_max = 2 * total + ((uint64_t)64 << 20)};
  larder_err result = larder_open(&how, &cache, &error);
  if (result != LARDER_OK) return cli_refuse_result(call, result, &error, "cannot open the benchmark's cache");
  cli_exit code = CLI_DONE;
  memset(rows, 0, sizeof rows);
  for (size_t i = 0; i < CHAINS && code == CLI_DONE; i++) {
    larder_ns *ns = NULL;
    rows[i * 2].tiers = rows[i * 2 + 1].tiers = chains[i].tiers;
    rows[i * 2].op = "put";
    rows[i * 2 + 1].op = "get";
    code = cli_ns(call, cache, chains[i].ns, &ns);
    if (code == CLI_DONE) code = puts_time(call, b, ns, &rows[i * 2]);
    if (code == CLI_DONE) code = gets_time(call, b, ns, &rows[i * 2 + 1]);
  }
  if (code == CLI_DONE && call->globals->json) rows_json(b->args, rows, CHAINS * 2);
  if (code == CLI_DONE && !call->globals->json) rows_print(call, b->args, rows, CHAINS * 2);
  return cli_close(call, &cache, code);
}

static cli_exit run(const cli_call *call, void *given) {
  const bench_args *args = given;
  char root[512];
  if (args->entries == 0 || args->entries > ENTRIES_MAX || args->gets == 0 || args->gets > ENTRIES_MAX * 10)
    return cli_refuse(call, CLI_USAGE, "give 1 to 10,000,000 entries and 1 to 100,000,000 gets",
                      "that many cannot be measured");
  if (args->value_bytes == 0 || args->value_bytes > VALUE_MAX || args->entries * args->value_bytes > TOTAL_MAX)
    return cli_refuse(call, CLI_USAGE, "give values of 1 byte to 64 MiB, 4 GiB in all", "that does not fit");
  if (call->globals->root != NULL || call->globals->config != NULL)
    return cli_refuse(call, CLI_USAGE, "leave --root and --config out; TMPDIR says where", "bench makes a folder of its own");
  cli_exit code = cli_temp_root_make(call, root, sizeof root);
  if (code != CLI_DONE) return code;
  uint64_t most = args->entries > args->gets ? args->entries : args->gets;
  bench b = {.args = args, .random = 88172645463325252u};
  b.spans = cli_alloc(most * sizeof *b.spans);
  b.value = cli_alloc(args->value_bytes);
  for (uint64_t i = 0; i < args->value_bytes; i++) b.value[i] = (char)random_next(&b);
  code = chains_run(call, &b, root);
  free(b.spans);
  free(b.value);
  cli_temp_root_remove(root);
  return code;
}

const cli_command cli_command_bench = {
    .name = "bench",
    .summary = "Measure puts and gets on this machine, on a temporary folder.",
    .text = "Every chain is measured by itself; MISSED counts gets that did not find the right value. TMPDIR chooses the disk.",
    .options = options,
    .examples = examples,
    .args_size = sizeof(bench_args),
    .run = run};
