/* SPDX-License-Identifier: Apache-2.0 */
/* jansson over the lines of a file, in a process of its own: to "FROM COUNT" it answers nanoseconds a line. */
#include "../bench.h"
#include "../lines.h"
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

static double parse(const bench_lines *lines, size_t from, size_t count) {
  size_t keys = 0;
  int64_t begin = bench_cpu_ns();
  for (size_t i = from; i < from + count; i++) {
    json_error_t error;
    json_t *line = json_loadb(lines->text + lines->from[i], lines->from[i + 1] - lines->from[i], 0, &error);
    if (json_object_get(line, "key") && json_object_get(line, "value")) keys++;
    json_decref(line);
  }
  double each = (double)(bench_cpu_ns() - begin) / (double)count;
  if (keys != count) bench_die("jansson found %zu of %zu keys", keys, count);
  return each;
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  bench_lines lines;
  bench_lines_load(&lines, argv[1]);
  puts("ready");
  fflush(stdout);
  char line[128];
  while (fgets(line, sizeof line, stdin)) {
    char *end;
    size_t from = strtoul(line, &end, 10), count = strtoul(end, NULL, 10);
    printf("%.4f\n", parse(&lines, from, count));
    fflush(stdout);
  }
  bench_lines_fini(&lines);
  return 0;
}
