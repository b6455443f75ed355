/* SPDX-License-Identifier: Apache-2.0 */
/* Files of JSON Lines, some 200 bytes each, as they come out of an export or a script: written once, read by every side. */
#ifndef BENCH_LINES_H
#define BENCH_LINES_H

#include <stddef.h>

typedef struct bench_lines {
  char *text;
  size_t len;
  size_t *from; /* count + 1 offsets; each line with its end */
  size_t count;
} bench_lines;

/* Entries under keys of their own, with a nested value, ttl, tags and version. */
void bench_lines_save(const char *path, size_t count);
void bench_lines_load(bench_lines *lines, const char *path);
void bench_lines_fini(bench_lines *lines);

#endif
