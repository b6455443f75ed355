/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a memory hit does: instructions (callgrind), allocations and locks (counted by standing before malloc and the
 * pthread locks), system calls (strace). Figures that do not depend on how busy the machine is.
 *
 * usage: bench_path                     makes the rows, running itself as below
 *        bench_path gets LOOP KEY_LEN   one loop over hits, between two calls of getppid that mark it for strace
 */
#include "bench.h"
#include "callgrind.h"
#include "ours.h"
#include "peer_flat.h"
#include "trace.h"
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define VALUE_LEN 100u
#define BATCH     16u

/* --- standing before malloc and the locks ------------------------------------------------------------------------ */

static _Thread_local uint64_t allocations, locks; /* of this thread: background threads are not the get's */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size) {
  allocations++;
  return __libc_malloc(size);
}
void *calloc(size_t count, size_t size) {
  allocations++;
  return __libc_calloc(count, size);
}
void *realloc(void *old, size_t size) {
  allocations++;
  return __libc_realloc(old, size);
}
void *aligned_alloc(size_t alignment, size_t size) {
  allocations++;
  return __libc_memalign(alignment, size);
}

static void *real_function(const char *name) {
  void *at = dlsym(RTLD_NEXT, name);
  if (!at) abort();
  return at;
}

#define STAND_BEFORE(name, type)                                                                                               \
  int name(type *lock) {                                                                                                       \
    static int (*_Atomic real)(type *);                                                                                        \
    int (*call)(type *) = real;                                                                                                \
    if (!call) {                                                                                                               \
      *(void **)&call = real_function(#name);                                                                                  \
      real = call;                                                                                                             \
    }                                                                                                                          \
    locks++;                                                                                                                   \
    return call(lock);                                                                                                         \
  }

STAND_BEFORE(pthread_mutex_lock, pthread_mutex_t)
STAND_BEFORE(pthread_mutex_trylock, pthread_mutex_t)
STAND_BEFORE(pthread_rwlock_rdlock, pthread_rwlock_t)
STAND_BEFORE(pthread_rwlock_wrlock, pthread_rwlock_t)

/* --- one loop ---------------------------------------------------------------------------------------------------- */

typedef struct subject {
  bench_trace trace;
  ours side;
  flat *flat;
} subject;

typedef struct path_loop {
  const char *name;
  const char *function; /* what callgrind collects in */
  ours_chain chain;
  void (*run)(subject *all, size_t count);
} path_loop;

__attribute__((noinline)) void path_flat(const subject *all, size_t count);
__attribute__((noinline)) void path_flat(const subject *all, size_t count) {
  uint8_t value[VALUE_LEN];
  for (size_t i = 0; i < count; i++)
    if (!flat_get_copy(all->flat, all->trace.asked + i * all->trace.key_len, value) ||
        memcmp(value, &all->trace.ids[i], 4) != 0)
      bench_die("the flat table lost a key");
}

static void run_copied(subject *all, size_t count) { ours_copied(&all->side, &all->trace, 0, count); }
static void run_pinned(subject *all, size_t count) { ours_pinned(&all->side, &all->trace, 0, count); }
static void run_many(subject *all, size_t count) { ours_many(&all->side, &all->trace, 0, count, BATCH); }
static void run_flat(subject *all, size_t count) { path_flat(all, count); }

static const path_loop loops[] = {
    {"copied", "ours_copied", OURS_MEMORY, run_copied}, {"slots", "ours_copied", OURS_MEMORY_SQLITE, run_copied},
    {"pinned", "ours_pinned", OURS_MEMORY, run_pinned}, {"many", "ours_many", OURS_MEMORY, run_many},
    {"flat", "path_flat", OURS_MEMORY, run_flat},
};

static void subject_init(subject *all, const path_loop *loop, size_t key_len, size_t keys, size_t ops) {
  *all = (subject){0};
  bench_trace_init(&all->trace, keys, ops, key_len, 0.99);
  ours_open(&all->side, loop->chain, "durability: behind", 64, VALUE_LEN);
  ours_fill(&all->side, keys, key_len);
  all->flat = flat_new(keys, key_len, VALUE_LEN);
  for (uint32_t id = 0; id < keys; id++) {
    uint8_t key[BENCH_KEY_MAX], value[VALUE_LEN];
    bench_key(id, key_len, key);
    bench_value(id, value, sizeof value);
    flat_put(all->flat, key, value);
  }
}

static void subject_fini(subject *all) {
  ours_close(&all->side);
  flat_free(all->flat);
  bench_trace_fini(&all->trace);
}

static const path_loop *loop_by_name(const char *name) {
  for (size_t i = 0; i < sizeof loops / sizeof *loops; i++)
    if (strcmp(loops[i].name, name) == 0) return &loops[i];
  bench_die("no such loop: %s", name);
}

#define PATH_OPS 16000u

static int gets(const char *name, size_t key_len) {
  subject all;
  const path_loop *loop = loop_by_name(name);
  subject_init(&all, loop, key_len, 4000, PATH_OPS);
  syscall(SYS_getppid);
  loop->run(&all, PATH_OPS);
  syscall(SYS_getppid);
  subject_fini(&all);
  return 0;
}

/* --- rows -------------------------------------------------------------------------------------------------------- */

/* Instructions an operation, or -1 without valgrind. */
static double instructions(const char *self, const char *folder, const path_loop *loop, const char *key_len) {
  char name[64];
  const char *const argv[] = {self, "gets", loop->name, key_len, NULL};
  snprintf(name, sizeof name, "%s.%s", loop->name, key_len);
  double total = bench_instructions(folder, name, loop->function, argv);
  return total < 0 ? -1 : total / PATH_OPS;
}

static void instruction_rows(const char *self, const char *folder) {
  static const char *const lengths[] = {"8", "32"};
  for (size_t l = 0; l < 2; l++) {
    double bare = instructions(self, folder, loop_by_name("flat"), lengths[l]);
    for (size_t i = 0; i + 1 < sizeof loops / sizeof *loops; i++) {
      char id[96], what[128];
      snprintf(id, sizeof id, "memory_get_instructions_%s_%s", loops[i].name, lengths[l]);
      snprintf(what, sizeof what, "instructions a get, %s; keys of %s bytes; callgrind", loops[i].name, lengths[l]);
      bench_row row = {id, what, "instr", BENCH_INFORM, 0, false};
      double mine = bare < 0 ? -1 : instructions(self, folder, &loops[i], lengths[l]);
      if (mine < 0)
        bench_row_absent(&row, "valgrind: peer not here");
      else
        bench_row_figure(&row, mine, bare, "flat table, copied");
    }
  }
}

/* Lines that strace wrote between the two marks, or -1 without strace. */
static double system_calls(const char *self, const char *folder, const char *loop) {
  char out[320], line[512], name[32];
  snprintf(out, sizeof out, "%s/strace.%s", folder, loop);
  snprintf(name, sizeof name, "%s", loop);
  const char *argv[] = {"strace", "-o", out, self, "gets", name, "8", NULL};
  if (!bench_program_run(argv)) return -1;
  FILE *file = fopen(out, "re");
  int marks = 0;
  double count = 0;
  while (file && fgets(line, sizeof line, file)) {
    bool mark = strncmp(line, "getppid(", 8) == 0;
    if (marks == 1 && !mark) count++;
    marks += mark;
  }
  if (file) fclose(file);
  return marks == 2 ? count : -1;
}

static void path_row(const char *what_counted, const char *loop, const char *what, double count) {
  char id[96], text[160];
  snprintf(id, sizeof id, "memory_get_path_%s_%s", what_counted, loop);
  snprintf(text, sizeof text, "%s in %u hits, %s", what, PATH_OPS, loop);
  bench_row row = {id, text, "calls", BENCH_AT_MOST, 0, false};
  if (count < 0)
    bench_row_absent(&row, "strace: peer not here");
  else
    bench_row_figure(&row, count, -1, NULL);
}

static void path_rows(const char *self, const char *folder) {
  for (size_t i = 0; i + 1 < sizeof loops / sizeof *loops; i++) {
    subject all;
    subject_init(&all, &loops[i], 8, 4000, PATH_OPS);
    uint64_t allocated = allocations, locked = locks;
    loops[i].run(&all, PATH_OPS);
    allocated = allocations - allocated;
    locked = locks - locked;
    subject_fini(&all);
    path_row("allocations", loops[i].name, "allocations", (double)allocated);
    path_row("locks", loops[i].name, "pthread locks", (double)locked);
    path_row("syscalls", loops[i].name, "system calls", system_calls(self, folder, loops[i].name));
  }
}

/* The counters must count, or their noughts mean nothing. */
static void counters_check(void) {
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  uint64_t allocated = allocations, locked = locks;
  void *volatile some = malloc(1);
  free(some);
  pthread_mutex_lock(&mutex);
  pthread_mutex_unlock(&mutex);
  if (allocations != allocated + 1 || locks != locked + 1) bench_die("allocations and locks are not counted");
}

int main(int argc, char **argv) {
  if (argc == 4 && strcmp(argv[1], "gets") == 0) return gets(argv[2], strtoul(argv[3], NULL, 10));
  char folder[256];
  counters_check();
  ours_folder(folder, sizeof folder);
  path_rows(argv[0], folder);
  instruction_rows(argv[0], folder);
  ours_folder_remove(folder);
  return 0;
}
