/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Warming rows: JSON Lines of some 200 bytes. Reading is parsing every line and finding its key and value, against
 * jansson, in processor time of one core. Warming is larder_import of the file, checked, compared and stored durably, against
 * put_many of the same entries parsed beforehand: what the tier itself can do. Each round fills namespaces of its own.
 */
#include "base/json_read.h"
#include "bench.h"
#include "lines.h"
#include "ours.h"
#include <larder/transfer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct reading {
  const bench_lines *lines;
  bench_process *peer;
} reading;

static double round_read(void *raw, size_t round) {
  const bench_lines *lines = ((reading *)raw)->lines;
  lrd_json_doc doc = {0};
  size_t keys = 0;
  (void)round;
  int64_t begin = bench_cpu_ns();
  for (size_t i = 0; i < lines->count; i++) {
    if (lrd_json_parse(&doc, lines->text + lines->from[i], lines->from[i + 1] - lines->from[i]) != LARDER_OK) break;
    if (lrd_json_member(&doc, 0, "key") && lrd_json_member(&doc, 0, "value")) keys++;
  }
  double each = (double)(bench_cpu_ns() - begin) / (double)lines->count;
  lrd_json_doc_fini(&doc);
  if (keys != lines->count) bench_die("line %zu was not read", keys + 1);
  return each;
}

static double round_jansson(void *raw, size_t round) {
  reading *context = raw;
  char line[64];
  (void)round;
  snprintf(line, sizeof line, "0 %zu\n", context->lines->count);
  return bench_process_ask(context->peer, line);
}

static void read_row(const char *programs, const char *scratch, const char *id, const char *what, size_t count) {
  char path[300], program[512], core[16];
  bench_lines lines;
  bench_process peer;
  snprintf(path, sizeof path, "%s/%zu.jsonl", scratch, count);
  snprintf(program, sizeof program, "%s/peer_jansson", programs);
  snprintf(core, sizeof core, "%d", bench_core());
  bench_lines_save(path, count);
  bench_lines_load(&lines, path);
  const char *argv[] = {"taskset", "-c", core, program, path, NULL};
  if (!bench_process_start(&peer, argv)) fprintf(stderr, "bench: jansson is not here\n");
  reading context = {&lines, &peer};
  bench_side sides[] = {{.name = "larder", .round = round_read, .context = &context},
                        {.name = "jansson", .round = round_jansson, .context = &context}};
  bench_side *turn[] = {&sides[0], &sides[1]};
  size_t rounds = bench_rounds();
  bench_turns(turn, 2, rounds);
  bench_row row = {id, what, "line/s", BENCH_AT_LEAST, 5, true};
  bench_row_sides(&row, &sides[0], &sides[1], rounds);
  bench_process_stop(&peer);
  bench_lines_fini(&lines);
}

/* --- the whole warm ------------------------------------------------------------------------------------------------------ */

#define BATCH 256u

typedef struct warming {
  const bench_lines *lines;
  const char *path;
  larder *cache;
  larder_item *items; /* parsed beforehand */
} warming;

static larder *cache_open(const char *root) {
  larder *cache = NULL;
  larder_error error = {0};
  larder_options options = {.size = sizeof options,
                            .root = root,
                            .config_text = "cache: {sqlite: {max_mb: 16384}, defaults: {tiers: [sqlite], durability: commit}}"};
  if (larder_open(&options, &cache, &error) != LARDER_OK) bench_die("open: %s", error.message);
  return cache;
}

static larder_ns *space_open(larder *cache, const char *side, size_t round) {
  char name[32];
  larder_ns *ns = NULL;
  larder_error error = {0};
  snprintf(name, sizeof name, "%s%zu", side, round);
  if (larder_ns_open(cache, name, &ns, &error) != LARDER_OK) bench_die("namespace: %s", error.message);
  return ns;
}

static double round_import(void *raw, size_t round) {
  warming *context = raw;
  larder_ns *ns = space_open(context->cache, "ours", round);
  larder_transfer_counts counts;
  larder_error error = {0};
  larder_import_options how = {.size = sizeof how, .ns = larder_ns_name(ns)};
  int64_t begin = bench_now_ns();
  if (larder_import(context->cache, context->path, &how, &counts, &error) != LARDER_OK) bench_die("import: %s", error.message);
  double each = (double)(bench_now_ns() - begin) / (double)context->lines->count;
  if (counts.done != context->lines->count)
    bench_die("%zu of %zu lines were imported", (size_t)counts.done, context->lines->count);
  if (larder_clear(ns, NULL) != LARDER_OK) bench_die("clear failed");
  return each;
}

static double round_puts(void *raw, size_t round) {
  warming *context = raw;
  larder_ns *ns = space_open(context->cache, "peer", round);
  size_t count = context->lines->count;
  int64_t begin = bench_now_ns();
  for (size_t at = 0; at < count; at += BATCH) {
    size_t some = count - at < BATCH ? count - at : BATCH;
    if (larder_put_many(ns, context->items + at, some) != LARDER_OK) bench_die("put_many failed");
    for (size_t i = at; i < at + some; i++)
      if (context->items[i].result != LARDER_OK) bench_die("put of line %zu failed", i + 1);
  }
  if (larder_flush(context->cache) != LARDER_OK) bench_die("flush failed");
  double each = (double)(bench_now_ns() - begin) / (double)count;
  if (larder_clear(ns, NULL) != LARDER_OK) bench_die("clear failed");
  return each;
}

static void items_parse(warming *context) {
  static const char *const tags[] = {"bls", "ces"};
  static larder_put_options put = {
      .size = sizeof put, .ttl_ms = 604800000, .kind = LARDER_KIND_JSON, .version = "release", .tags = tags, .tags_count = 2};
  const bench_lines *lines = context->lines;
  lrd_json_doc doc = {0};
  context->items = bench_alloc(lines->count * sizeof *context->items);
  memset(context->items, 0, lines->count * sizeof *context->items);
  for (size_t i = 0; i < lines->count; i++) {
    const char *line = lines->text + lines->from[i];
    if (lrd_json_parse(&doc, line, lines->from[i + 1] - lines->from[i]) != LARDER_OK) bench_die("line %zu was not read", i + 1);
    const lrd_json_node *key = &doc.nodes[lrd_json_member(&doc, 0, "key")],
                        *value = &doc.nodes[lrd_json_member(&doc, 0, "value")];
    context->items[i] = (larder_item){
        .key = line + key->at, .key_len = key->len, .value = line + value->at, .value_len = value->len, .options = &put};
  }
  lrd_json_doc_fini(&doc);
}

static void warm_row(const char *scratch, const char *id, const char *what, size_t count, size_t rounds) {
  char path[300], root[300];
  bench_lines lines;
  snprintf(path, sizeof path, "%s/%s.jsonl", scratch, id);
  snprintf(root, sizeof root, "%s/%s", scratch, id);
  bench_lines_save(path, count);
  bench_lines_load(&lines, path);
  warming context = {.lines = &lines, .path = path, .cache = cache_open(root)};
  items_parse(&context);
  bench_side sides[] = {{.name = "larder import", .round = round_import, .context = &context},
                        {.name = "put_many of the same", .round = round_puts, .context = &context}};
  bench_side *turn[] = {&sides[0], &sides[1]};
  bench_turns(turn, 2, rounds);
  bench_row row = {id, what, "line/s", BENCH_AT_LEAST, 0.7, true};
  bench_row_sides(&row, &sides[0], &sides[1], rounds);
  if (larder_close(&context.cache) != LARDER_OK) bench_die("close failed");
  free(context.items);
  bench_lines_fini(&lines);
}

int main(int argc, char **argv) {
  char scratch[256];
  if (argc != 2) bench_die("usage: bench_warm FOLDER_OF_PEERS");
  ours_folder(scratch, sizeof scratch);
  bench_pin(bench_core());
  read_row(argv[1], scratch, "warm_jsonl_read_10k", "10,000 JSON Lines read, lines a second", bench_scale(10000, 1000));
  read_row(argv[1], scratch, "warm_jsonl_read_1m", "a million JSON Lines read, lines a second", bench_scale(1000000, 2000));
  size_t rounds = bench_rounds();
  warm_row(scratch, "warm_jsonl_10k", "10,000 JSON Lines warmed into sqlite, lines a second", bench_scale(10000, 1000), rounds);
  /* Each round writes two million rows. */
  warm_row(scratch, "warm_jsonl_1m", "a million JSON Lines warmed into sqlite, lines a second", bench_scale(1000000, 2000),
           rounds < 3 ? rounds : 3);
  ours_folder_remove(scratch);
  return 0;
}
