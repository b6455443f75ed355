/* SPDX-License-Identifier: Apache-2.0 */
/* Clocks, cores, threads and processes of the bench. */
#include "bench.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

int64_t bench_now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t bench_cpu_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* The counter is read after everything before it has been done, or a load still under way would be timed as free. */
uint64_t bench_ticks(void) {
#if defined(__x86_64__)
  unsigned ignored;
  uint64_t ticks = __rdtscp(&ignored);
  _mm_lfence();
  return ticks;
#else
  return (uint64_t)bench_now_ns();
#endif
}

double bench_ticks_per_ns(void) {
  static double known;
  if (known > 0) return known;
  int64_t begin = bench_now_ns();
  uint64_t first = bench_ticks();
  while (bench_now_ns() - begin < 50000000) continue;
  uint64_t last = bench_ticks();
  known = (double)(last - first) / (double)(bench_now_ns() - begin);
  return known;
}

size_t bench_cores(void) {
  cpu_set_t set;
  if (sched_getaffinity(getpid(), sizeof set, &set) != 0) return 1;
  return (size_t)CPU_COUNT(&set);
}

/* The nth core this process was allowed when it began; remembered, since pinning narrows what is allowed. */
static int core_at(size_t nth) {
  static cpu_set_t allowed;
  static bool known;
  if (!known) {
    known = true;
    if (sched_getaffinity(getpid(), sizeof allowed, &allowed) != 0) CPU_ZERO(&allowed);
  }
  int count = CPU_COUNT(&allowed);
  if (count == 0) return -1;
  size_t left = nth % (size_t)count;
  for (int core = 0; core < CPU_SETSIZE; core++)
    if (CPU_ISSET(core, &allowed) && left-- == 0) return core;
  return -1;
}

/* The last core: the first one has the interrupts. */
int bench_core(void) {
  static int core = -2;
  if (core == -2) {
    const char *given = getenv("BENCH_CORE");
    int first = core_at(0);
    core = given ? atoi(given) : first;
    for (size_t nth = 1; !given && core_at(nth) > core; nth++) core = core_at(nth);
  }
  return core;
}

void bench_pin(int core) {
  if (core < 0) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET((unsigned)core, &set);
  static bool warned;
  if (sched_setaffinity(0, sizeof set, &set) != 0 && !warned) {
    warned = true;
    fprintf(stderr, "bench: cannot pin to core %d: %s\n", core, strerror(errno));
  }
}

uint64_t bench_resident(void) {
  FILE *file = fopen("/proc/self/statm", "re");
  unsigned long total, resident = 0;
  if (!file || fscanf(file, "%lu %lu", &total, &resident) != 2) resident = 0;
  if (file) fclose(file);
  return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

typedef struct parallel {
  pthread_barrier_t ready;
  void (*prepare)(void *context, size_t thread);
  void (*work)(void *context, size_t thread);
  void *context;
} parallel;

typedef struct parallel_thread {
  parallel *all;
  size_t thread;
  pthread_t id;
  int64_t begin;
  int64_t end;
  int64_t cpu;
} parallel_thread;

static void *parallel_run(void *context) {
  parallel_thread *me = context;
  bench_pin(core_at(me->thread));
  if (me->all->prepare) me->all->prepare(me->all->context, me->thread);
  pthread_barrier_wait(&me->all->ready);
  me->begin = bench_now_ns();
  me->cpu = -bench_cpu_ns();
  me->all->work(me->all->context, me->thread);
  me->cpu += bench_cpu_ns();
  me->end = bench_now_ns();
  return NULL;
}

double bench_parallel(size_t threads, bool cpu, void (*prepare)(void *context, size_t thread),
                      void (*work)(void *context, size_t thread), void *context) {
  parallel all = {.prepare = prepare, .work = work, .context = context};
  parallel_thread *each = bench_alloc(threads * sizeof *each);
  (void)core_at(0);
  pthread_barrier_init(&all.ready, NULL, (unsigned)threads);
  for (size_t t = 0; t < threads; t++) {
    each[t] = (parallel_thread){.all = &all, .thread = t};
    if (pthread_create(&each[t].id, NULL, parallel_run, &each[t]) != 0) bench_die("no thread to be had");
  }
  int64_t begin = INT64_MAX, end = 0, most = 0;
  for (size_t t = 0; t < threads; t++) {
    pthread_join(each[t].id, NULL);
    if (each[t].begin < begin) begin = each[t].begin;
    if (each[t].end > end) end = each[t].end;
    if (each[t].cpu > most) most = each[t].cpu;
  }
  pthread_barrier_destroy(&all.ready);
  free(each);
  return (double)(cpu ? most : end - begin);
}

/* Reads one line, at most 100 s of waiting; false when the peer went. */
static bool line_read(int fd, char *out, size_t room) {
  size_t len = 0;
  while (len + 1 < room) {
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    int ready = poll(&wait, 1, 100000);
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0 || read(fd, out + len, 1) != 1) return false;
    if (out[len] == '\n') break;
    len++;
  }
  out[len] = 0;
  return true;
}

bool bench_process_start(bench_process *process, const char *const argv[]) {
  int to[2], from[2];
  *process = (bench_process){.pid = -1, .to = -1, .from = -1};
  signal(SIGPIPE, SIG_IGN);
  (void)core_at(0);
  if (pipe2(to, O_CLOEXEC) != 0) return false;
  if (pipe2(from, O_CLOEXEC) != 0) return false;
  process->pid = fork();
  if (process->pid == 0) {
    /* Whatever the parent is pinned to, the peer may use every core unless its argv says otherwise. */
    cpu_set_t set;
    CPU_ZERO(&set);
    for (size_t nth = 0; nth < CPU_SETSIZE; nth++)
      if (core_at(nth) >= 0) CPU_SET((unsigned)core_at(nth), &set);
    sched_setaffinity(0, sizeof set, &set);
    dup2(to[0], 0);
    dup2(from[1], 1);
    if (!getenv("BENCH_LOUD")) {
      int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
      if (null >= 0) dup2(null, 2);
    }
    execvp(argv[0], (char *const *)argv);
    _exit(127);
  }
  close(to[0]);
  close(from[1]);
  process->to = to[1];
  process->from = from[0];
  char line[64];
  if (process->pid > 0 && line_read(process->from, line, sizeof line) && strcmp(line, "ready") == 0) return true;
  bench_process_stop(process);
  return false;
}

double bench_process_ask(bench_process *process, const char *line) {
  if (process->pid <= 0) return -1;
  char answer[64];
  size_t len = strlen(line);
  if (write(process->to, line, len) != (ssize_t)len || !line_read(process->from, answer, sizeof answer)) return -1;
  char *end;
  double figure = strtod(answer, &end);
  return end == answer ? -1 : figure;
}

void bench_process_stop(bench_process *process) {
  if (process->to >= 0) close(process->to);
  if (process->from >= 0) close(process->from);
  if (process->pid > 0) {
    kill(process->pid, SIGTERM);
    waitpid(process->pid, NULL, 0);
  }
  *process = (bench_process){.pid = -1, .to = -1, .from = -1};
}
