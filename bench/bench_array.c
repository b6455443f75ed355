/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The array rows: 10 MB of random doubles, and 1 GB where it is not the writing of zips that is measured, in a namespace of
 * the files tier, so that a load is a mapping of an ordinary .npy or .npz. Against bare system calls, XXH3 and numpy. All
 * files are in the page cache, so that loads block on nothing: they are told in processor time, on all sides. Saves wait for
 * the disk, and are told in time.
 */
#include "bench.h"
#include "ours.h"
#include <fcntl.h>
#include <larder/array.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#define DEFLATE 1u
#define PAGE    4096u

typedef struct bench {
  size_t rounds;
  double *field;
  size_t count;
  char root[256], scratch[256], config[512];
  larder *cache;
  larder_ns *ns;
  larder_ns *packed; /* shuffled and compressed, in sqlite */
  bench_process numpy;
  volatile uint64_t seen; /* what was touched, so that nothing is left out */
} bench;

static size_t bytes_of(const bench *all) { return all->count * sizeof(double); }

static void must(larder_err err, const larder_error *why, const char *what) {
  if (err != LARDER_OK) bench_die("%s: %s: %s", what, larder_err_text(err), why->message);
}

static void cache_open(bench *all, larder **cache, larder_ns **ns) {
  larder_error error = {0};
  larder_options options = {.size = sizeof options, .root = all->root, .config_text = all->config};
  must(larder_open(&options, cache, &error), &error, "open");
  must(larder_ns_open(*cache, "bench", ns, &error), &error, "namespace");
}

static void array_put(const bench *all, larder_ns *ns, const char *key, bool archive, unsigned deflate) {
  larder_error error = {0};
  larder_array array = {.name = archive ? "field" : NULL,
                        .dtype = "<f8",
                        .dims = 1,
                        .shape = {all->count},
                        .data = all->field,
                        .len = bytes_of(all)};
  larder_array_options options = {.size = sizeof options, .deflate = deflate};
  must(larder_array_put(ns, key, strlen(key), &array, 1, &options, &error), &error, "put");
}

static void pages_touch(bench *all, const void *data, size_t len) {
  const uint8_t *at = data;
  uint64_t sum = 0;
  for (size_t i = 0; i < len; i += PAGE) sum += at[i];
  all->seen = sum;
}

static double array_load(bench *all, larder_ns *ns, const char *key, bool archive) {
  larder_error error = {0};
  larder_array_pin pin = {0};
  int64_t begin = bench_cpu_ns();
  must(larder_array_get(ns, key, strlen(key), archive ? "field" : NULL, &pin, &error), &error, "get");
  pages_touch(all, pin.array.data, pin.array.len);
  int64_t took = bench_cpu_ns() - begin;
  if (pin.array.count != all->count || ((const double *)pin.array.data)[all->count - 1] != all->field[all->count - 1])
    bench_die("another array came back");
  begin = bench_cpu_ns();
  larder_array_unpin(&pin);
  return (double)(took + bench_cpu_ns() - begin);
}

static double round_mapped(void *raw, size_t round) {
  (void)round;
  return array_load(raw, ((bench *)raw)->ns, "plain", false);
}
static double round_deflated(void *raw, size_t round) {
  (void)round;
  return array_load(raw, ((bench *)raw)->ns, "deflated", true);
}
static double round_stored(void *raw, size_t round) {
  (void)round;
  return array_load(raw, ((bench *)raw)->ns, "stored", true);
}

/* The first load of a process compares the checksum: each round is one of a cache that was opened anew. */
static double round_verified(void *raw, size_t round) {
  bench *all = raw;
  larder *cache = NULL;
  larder_ns *ns = NULL;
  (void)round;
  cache_open(all, &cache, &ns);
  double took = array_load(all, ns, "plain", false);
  if (larder_close(&cache) != LARDER_OK) bench_die("close failed");
  return took;
}

static double array_save(const bench *all, larder_ns *ns, const char *key, bool archive) {
  int64_t begin = bench_now_ns();
  array_put(all, ns, key, archive, archive ? DEFLATE : 0);
  return (double)(bench_now_ns() - begin);
}

static double round_save(void *raw, size_t round) {
  (void)round;
  return array_save(raw, ((bench *)raw)->ns, "saved", false);
}
static double round_save_deflated(void *raw, size_t round) {
  (void)round;
  return array_save(raw, ((bench *)raw)->ns, "saved.npz", true);
}
static double round_packed(void *raw, size_t round) {
  (void)round;
  return array_load(raw, ((bench *)raw)->packed, "plain", false);
}
static double round_save_packed(void *raw, size_t round) {
  (void)round;
  return array_save(raw, ((bench *)raw)->packed, "saved", false);
}

/* --- peers ------------------------------------------------------------------------------------------------------------- */

static void bare_path(const bench *all, const char *name, char *out, size_t room) {
  snprintf(out, room, "%s/%s", all->scratch, name);
}

static double round_bare_map(void *raw, size_t round) {
  bench *all = raw;
  char path[300];
  struct stat info;
  (void)round;
  bare_path(all, "bare", path, sizeof path);
  int64_t begin = bench_cpu_ns();
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || fstat(fd, &info) != 0) bench_die("%s cannot be opened", path);
  void *at = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_SHARED, fd, 0);
  if (at == MAP_FAILED) bench_die("%s cannot be mapped", path);
  close(fd);
  pages_touch(all, at, (size_t)info.st_size);
  munmap(at, (size_t)info.st_size);
  return (double)(bench_cpu_ns() - begin);
}

static double round_xxh3(void *raw, size_t round) {
  bench *all = raw;
  (void)round;
  int64_t begin = bench_cpu_ns();
  all->seen = XXH3_128bits(all->field, bytes_of(all)).low64;
  return (double)(bench_cpu_ns() - begin);
}

static double round_bare_save(void *raw, size_t round) {
  bench *all = raw;
  char path[300], beside[300];
  (void)round;
  bare_path(all, "saved", path, sizeof path);
  bare_path(all, "saved.new", beside, sizeof beside);
  int64_t begin = bench_now_ns();
  int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  size_t done = 0;
  while (fd >= 0 && done < bytes_of(all)) {
    ssize_t wrote = write(fd, (const char *)all->field + done, bytes_of(all) - done);
    if (wrote <= 0) break;
    done += (size_t)wrote;
  }
  if (fd < 0 || done < bytes_of(all) || fsync(fd) != 0 || close(fd) != 0 || rename(beside, path) != 0)
    bench_die("%s cannot be written", path);
  return (double)(bench_now_ns() - begin);
}

typedef struct asking {
  bench *all;
  const char *line;
} asking;

static double round_numpy(void *raw, size_t round) {
  asking *ask = raw;
  (void)round;
  return bench_process_ask(&ask->all->numpy, ask->line);
}

/* --- rows -------------------------------------------------------------------------------------------------------------- */

enum {
  MAPPED,
  VERIFIED,
  SAVE,
  BARE_MAP,
  XXH3,
  BARE_SAVE,
  PLAIN_SIDES,
  DEFLATED = PLAIN_SIDES,
  STORED,
  SAVE_DEFLATED,
  PACKED,
  SAVE_PACKED,
  NP_DEFLATED,
  NP_STORED,
  NP_SAVE_DEFLATED,
  JOBLIB,
  SIDES
};

static void row(const bench *all, const char *id, const char *size, const char *what, bench_sense sense, double bar, bool rate,
                const bench_side *mine, const bench_side *peer) {
  char whole[64];
  snprintf(whole, sizeof whole, "%s%s", id, size);
  bench_row made = {whole, what, rate ? "op/s" : "ns", sense, bar, rate};
  bench_row_sides(&made, mine, peer, all->rounds);
}

static void rows_plain(const bench *all, const char *size, const bench_side *sides) {
  row(all, "array_load_mapped", size, "load of an .npy that this process has seen, every page touched, against a bare mapping",
      BENCH_AT_MOST, 3, false, &sides[MAPPED], &sides[BARE_MAP]);
  row(all, "array_load_verified", size, "first load, its checksum compared, against XXH3-128 over memory", BENCH_AT_LEAST, 0.8,
      true, &sides[VERIFIED], &sides[XXH3]);
  row(all, "array_save", size, "an .npy put, sync, against bare write, fsync and rename", BENCH_AT_MOST, 1.2, false,
      &sides[SAVE], &sides[BARE_SAVE]);
}

static void rows_zipped(bench *all, const bench_side *sides) {
  larder_error error = {0};
  larder_stat stat = {0};
  row(all, "array_load_npz_deflated", "", "load of a deflated .npz against np.load", BENCH_AT_LEAST, 2.2, true,
      &sides[DEFLATED], &sides[NP_DEFLATED]);
  row(all, "array_load_npz_stored", "", "load of a stored .npz, mapped, against np.load, which also compares its checksum",
      BENCH_AT_LEAST, 2.5, true, &sides[STORED], &sides[NP_STORED]);
  row(all, "array_load_joblib", "", "load of an .npy against joblib.load", BENCH_INFORM, 0, true, &sides[MAPPED],
      &sides[JOBLIB]);
  row(all, "array_save_npz_deflated", "", "a deflated .npz put, sync, at level 1, against np.savez_compressed", BENCH_AT_LEAST,
      3, true, &sides[SAVE_DEFLATED], &sides[NP_SAVE_DEFLATED]);
  row(all, "array_load_zstd", "", "load of an array kept shuffled and packed by zstd 1, against np.load of a deflated .npz",
      BENCH_AT_LEAST, 10, true, &sides[PACKED], &sides[NP_DEFLATED]);
  row(all, "array_save_zstd", "", "an array put, commit, shuffled and packed by zstd 1, against np.savez_compressed",
      BENCH_AT_LEAST, 30, true, &sides[SAVE_PACKED], &sides[NP_SAVE_DEFLATED]);
  must(larder_stat_get(all->ns, "deflated", 8, &stat), &error, "stat");
  bench_row size = {
      "array_npz_deflated_bytes", "bytes of the deflated .npz, level 1 against numpy's 6", "B", BENCH_INFORM, 0, false};
  bench_row_figure(&size, (double)stat.facts.value_len, bench_process_ask(&all->numpy, "bytes_deflated\n"), "numpy");
  larder_stat_free(&stat);
}

static void measure(bench *all, const char *size, bool zipped) {
  static const char *const names[SIDES] = {"larder, mapped",
                                           "larder, first load",
                                           "larder",
                                           "bare mmap",
                                           "XXH3-128 in memory",
                                           "bare write, fsync, rename",
                                           "larder",
                                           "larder",
                                           "larder",
                                           "larder, zstd",
                                           "larder, zstd",
                                           "np.load",
                                           "np.load",
                                           "np.savez_compressed",
                                           "joblib.load"};
  static double (*const rounds[SIDES])(void *, size_t) = {
      round_mapped,      round_verified, round_save,   round_bare_map,      round_xxh3,
      round_bare_save,   round_deflated, round_stored, round_save_deflated, round_packed,
      round_save_packed, round_numpy,    round_numpy,  round_numpy,         round_numpy};
  asking asked[] = {{all, "load_deflated\n"}, {all, "load_stored\n"}, {all, "save_deflated\n"}, {all, "load_joblib\n"}};
  bench_side sides[SIDES] = {0};
  bench_side *turn[SIDES];
  size_t count = zipped ? SIDES : PLAIN_SIDES;
  for (size_t s = 0; s < count; s++) {
    sides[s].name = names[s];
    sides[s].round = rounds[s];
    sides[s].context = s < NP_DEFLATED ? (void *)all : (void *)&asked[s - NP_DEFLATED];
    turn[s] = &sides[s];
  }
  bench_turns(turn, count, all->rounds);
  rows_plain(all, size, sides);
  if (zipped) rows_zipped(all, sides);
}

static void field_fill(bench *all) {
  uint64_t state = 7;
  for (size_t i = 0; i < all->count; i++) {
    state += 0x9e3779b97f4a7c15u;
    uint64_t x = (state ^ state >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    all->field[i] = (double)((x ^ x >> 31) >> 11) * 0x1p-53;
  }
}

static void numpy_start(bench *all) {
  char python[512], array[300], core[16];
  const char *source = getenv("BENCH_PEERS") ? getenv("BENCH_PEERS") : "bench/peers";
  snprintf(python, sizeof python, "%s/peer_arrays.py", source);
  bare_path(all, "bare", array, sizeof array);
  snprintf(core, sizeof core, "%d", bench_core());
  const char *argv[] = {"taskset", "-c", core, "/usr/bin/python3", python, array, all->scratch, NULL};
  if (!bench_process_start(&all->numpy, argv)) fprintf(stderr, "bench: numpy is not here\n");
}

static void run(size_t bytes, size_t rounds, const char *size, bool zipped) {
  bench all = {.count = bytes / sizeof(double), .rounds = rounds};
  char bare[300];
  ours_folder(all.root, sizeof all.root);
  ours_folder(all.scratch, sizeof all.scratch);
  snprintf(all.config, sizeof all.config,
           "cache:\n  namespaces:\n    bench: {tiers: [files], kind: array, durability: sync, max_entry: 2GiB}\n"
           "    packed: {tiers: [sqlite], kind: array, compression: {codec: zstd, level: 1, shuffle: true}}\n");
  all.field = bench_alloc(bytes);
  field_fill(&all);
  cache_open(&all, &all.cache, &all.ns);
  array_put(&all, all.ns, "plain", false, 0);
  if (zipped) {
    larder_error error = {0};
    array_put(&all, all.ns, "deflated", true, DEFLATE);
    array_put(&all, all.ns, "stored", true, 0);
    must(larder_ns_open(all.cache, "packed", &all.packed, &error), &error, "namespace");
    array_put(&all, all.packed, "plain", false, 0);
  }
  (void)round_bare_save(&all, 0); /* the same bytes, for the bare sides and for numpy */
  char saved[300];
  bare_path(&all, "saved", saved, sizeof saved);
  bare_path(&all, "bare", bare, sizeof bare);
  if (rename(saved, bare) != 0) bench_die("%s cannot be written", bare);
  if (zipped) numpy_start(&all);
  bench_pin(bench_core());
  measure(&all, size, zipped);
  if (zipped) bench_process_stop(&all.numpy);
  if (larder_close(&all.cache) != LARDER_OK) bench_die("close failed");
  ours_folder_remove(all.root);
  ours_folder_remove(all.scratch);
  free(all.field);
}

int main(void) {
  size_t rounds = bench_rounds();
  run(bench_scale((size_t)10 << 20, (size_t)1 << 18), rounds, "", true);
  run(bench_scale((size_t)1 << 30, (size_t)1 << 18), rounds < 3 ? rounds : 3, "_1g", false);
  return 0;
}
