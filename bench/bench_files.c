/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files rows: 10,000 entries of 1 KiB under keys of 32 bytes, one file each, asked for uniformly, all in the page cache. A
 * namespace in files alone against what a program would do by hand: open, read and close one; write a temporary file and
 * rename it over the old one.
 */
#include "bench.h"
#include "ours.h"
#include "trace.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define VALUE_LEN 1024u
#define KEY_LEN   32u

typedef struct bench {
  bench_trace trace;
  size_t rounds;
  char folder[256]; /* of the files written by hand */
  ours files;
} bench;

typedef struct work {
  bench *all;
  void (*loop)(bench *all, size_t from, size_t count);
  size_t count;
} work;

static void path_of(const bench *all, uint32_t id, char *out, size_t room) {
  uint8_t key[BENCH_KEY_MAX];
  bench_key(id, KEY_LEN, key);
  snprintf(out, room, "%s/%.32s.dat", all->folder, (const char *)key);
}

static void write_new(const char *path, const uint8_t *value) {
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0 || write(fd, value, VALUE_LEN) != (ssize_t)VALUE_LEN || close(fd) != 0) bench_die("cannot write %s", path);
}

static void bare_gets(bench *all, size_t from, size_t count) {
  uint8_t value[VALUE_LEN];
  char path[400];
  for (size_t i = from; i < from + count; i++) {
    path_of(all, all->trace.ids[i], path, sizeof path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, value, VALUE_LEN) != (ssize_t)VALUE_LEN) bench_die("cannot read %s", path);
    close(fd);
    if (memcmp(value, &all->trace.ids[i], 4) != 0) bench_die("%s holds another's value", path);
  }
}

static void bare_puts(bench *all, size_t from, size_t count) {
  uint8_t value[VALUE_LEN];
  char path[400], temporary[410];
  bench_value(0, value, VALUE_LEN);
  for (size_t i = from; i < from + count; i++) {
    memcpy(value, &all->trace.ids[i], 4);
    path_of(all, all->trace.ids[i], path, sizeof path);
    snprintf(temporary, sizeof temporary, "%s.tmp", path);
    write_new(temporary, value);
    if (rename(temporary, path) != 0) bench_die("cannot rename %s", temporary);
  }
}

static void files_gets(bench *all, size_t from, size_t count) { ours_copied(&all->files, &all->trace, from, count); }
static void files_puts(bench *all, size_t from, size_t count) { ours_puts(&all->files, &all->trace, from, count); }

static double round_work(void *raw, size_t round) {
  work *context = raw;
  size_t from = bench_trace_from(&context->all->trace, round, context->count);
  int64_t begin = bench_now_ns();
  context->loop(context->all, from, context->count);
  return (double)(bench_now_ns() - begin) / (double)context->count;
}

enum { GETS, PUTS, BARE_GETS, BARE_PUTS, SIDES };

static void measure(bench *all) {
  size_t gets = bench_scale(20000, 500), puts = bench_scale(2000, 100);
  work works[SIDES] = {{all, files_gets, gets}, {all, files_puts, puts}, {all, bare_gets, gets}, {all, bare_puts, puts}};
  static const char *const names[SIDES] = {"larder, files", "larder, files", "open + read + close", "write + rename over"};
  bench_side sides[SIDES] = {0};
  bench_side *turn[SIDES];
  for (size_t s = 0; s < SIDES; s++) {
    sides[s] = (bench_side){.name = names[s], .round = round_work, .context = &works[s]};
    turn[s] = &sides[s];
  }
  bench_turns(turn, SIDES, all->rounds);
  bench_row get = {"files_get_1k", "get of 1 KiB against open, read and close", "ns", BENCH_AT_MOST, 1.3, false};
  bench_row put = {
      "files_put_1k", "puts of 1 KiB a second against writing and renaming over an old file", "op/s", BENCH_AT_LEAST, 4, true};
  bench_row_sides(&get, &sides[GETS], &sides[BARE_GETS], all->rounds);
  bench_row_sides(&put, &sides[PUTS], &sides[BARE_PUTS], all->rounds);
}

int main(void) {
  bench all = {.rounds = bench_rounds()};
  size_t keys = bench_scale(10000, 500);
  uint8_t value[VALUE_LEN];
  char path[400];
  bench_trace_init(&all.trace, keys, bench_scale(200000, 2000), KEY_LEN, 0);
  ours_folder(all.folder, sizeof all.folder);
  for (size_t id = 0; id < keys; id++) {
    bench_value((uint32_t)id, value, VALUE_LEN);
    path_of(&all, (uint32_t)id, path, sizeof path);
    write_new(path, value);
  }
  bench_pin(bench_core());
  ours_open(&all.files, OURS_FILES, "durability: commit", 256, VALUE_LEN);
  ours_fill(&all.files, keys, KEY_LEN);
  measure(&all);
  ours_close(&all.files);
  bench_trace_fini(&all.trace);
  ours_folder_remove(all.folder);
  return 0;
}
