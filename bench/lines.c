/* SPDX-License-Identifier: Apache-2.0 */
#include "lines.h"
#include "bench.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void bench_lines_save(const char *path, size_t count) {
  FILE *file = fopen(path, "we");
  if (!file) bench_die("%s cannot be written", path);
  for (size_t i = 0; i < count; i++)
    fprintf(file,
            "{\"key\":\"series/CES%08zu/2024-%02zu\",\"value\":{\"year\":%zu,\"period\":\"M%02zu\",\"value\":%zu.%zu,"
            "\"footnotes\":[{\"code\":\"P\",\"text\":\"preliminary\"}]},\"ttl\":604800,\"tags\":[\"bls\",\"ces\"],"
            "\"version\":\"release %zu\"}\n",
            i, i % 12 + 1, 1990 + i % 35, i % 12 + 1, i * 37 % 100000, i % 10, i % 100);
  if (fclose(file) != 0) bench_die("%s cannot be written", path);
}

void bench_lines_load(bench_lines *lines, const char *path) {
  FILE *file = fopen(path, "re");
  if (!file || fseek(file, 0, SEEK_END) != 0) bench_die("%s cannot be read", path);
  *lines = (bench_lines){.len = (size_t)ftell(file)};
  lines->text = bench_alloc(lines->len);
  rewind(file);
  if (fread(lines->text, 1, lines->len, file) != lines->len) bench_die("%s cannot be read", path);
  fclose(file);
  for (size_t i = 0; i < lines->len; i++) lines->count += lines->text[i] == '\n';
  lines->from = bench_alloc((lines->count + 1) * sizeof *lines->from);
  lines->from[0] = 0;
  for (size_t i = 0, line = 0; i < lines->len; i++)
    if (lines->text[i] == '\n') lines->from[++line] = i + 1;
}

void bench_lines_fini(bench_lines *lines) {
  free(lines->text);
  free(lines->from);
  *lines = (bench_lines){0};
}
