/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Warming rows: JSON Lines of some 200 bytes. Reading is parsing every line and finding its key and value, against
 * jansson, in processor time of one core.
 */
#include "base/json_read.h"
#include "bench.h"
#include "lines.h"
#include "ours.h"
#include <stdio.h>
#include <stdlib.h>

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

int main(int argc, char **argv) {
  char scratch[256];
  if (argc != 2) bench_die("usage: bench_warm FOLDER_OF_PEERS");
  ours_folder(scratch, sizeof scratch);
  bench_pin(bench_core());
  read_row(argv[1], scratch, "warm_jsonl_read_10k", "10,000 JSON Lines read, lines a second", bench_scale(10000, 1000));
  read_row(argv[1], scratch, "warm_jsonl_read_1m", "a million JSON Lines read, lines a second", bench_scale(1000000, 2000));
  ours_folder_remove(scratch);
  return 0;
}
