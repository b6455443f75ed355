/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bench's own tools: rounds in which all sides take their turn, figures, rows of the result, threads on cores.
 *
 * A *side* is something that is measured (Larder, or a peer). A *round* is one turn of every side over the same stretch of
 * the same trace. The ratio of two sides is taken round by round; its median, least and greatest make the row, so that
 * what the machine does meanwhile meets both sides.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_ROUNDS_MAX 64
#define BENCH_SIDES_MAX  16

/* One round: the figure (nanoseconds an operation, or whatever the row's unit says), or a negative number when the side
 * is not here. */
typedef struct bench_side {
  const char *name;
  double (*round)(void *context, size_t round);
  void *context;
  double figures[BENCH_ROUNDS_MAX]; /* out */
  bool here;                        /* out: every round gave a figure */
} bench_side;

/* Runs `rounds` rounds, the order of the sides turned by one each round. */
void bench_turns(bench_side *const *sides, size_t count, size_t rounds);

typedef enum bench_sense { BENCH_INFORM, BENCH_AT_MOST, BENCH_AT_LEAST } bench_sense;

/* A row of the result. `rate`: the figures are nanoseconds an operation and shown as operations a second. */
typedef struct bench_row {
  const char *id;
  const char *what;
  const char *unit;
  bench_sense sense;
  double bar;
  bool rate;
} bench_row;

/* The ratio of two sides over their rounds. A side that is not here makes `met` null. */
void bench_row_sides(const bench_row *row, const bench_side *ours, const bench_side *peer, size_t rounds);
/* Single figures, without rounds. peer below 0: no peer; the bar then holds for `ours` itself and no ratio is given. */
void bench_row_figure(const bench_row *row, double ours, double peer, const char *peer_name);
/* A row that could not be made, and why. */
void bench_row_absent(const bench_row *row, const char *why);

/* Environment: BENCH_QUICK=1 makes everything small, BENCH_ROUNDS sets the rounds, BENCH_ROWS names the file of rows. */
bool bench_quick(void);
size_t bench_rounds(void);
size_t bench_scale(size_t full, size_t quick);
/* Ends the bench with a sentence: something that must work did not. */
_Noreturn void bench_die(const char *format, ...) __attribute__((format(printf, 1, 2)));
void *bench_alloc(size_t size);

int64_t bench_now_ns(void);
/* Processor time of the calling thread. For loops that neither block nor call the kernel: what other programs take from
 * the core is not in it. */
int64_t bench_cpu_ns(void);
/* Time-stamp counter where there is one, else nanoseconds; bench_ticks_per_ns after bench_ticks_init. */
uint64_t bench_ticks(void);
double bench_ticks_per_ns(void);

/* The core single-threaded sides run on, and pinning the calling thread; no core is an error worth a warning only. */
int bench_core(void);
void bench_pin(int core);
size_t bench_cores(void);
/* Resident bytes of this process. */
uint64_t bench_resident(void);

/* `threads` threads, each pinned to a core of its own while there are enough, run work(context, thread) at once. Answers
 * the nanoseconds from the common start to the last end; with `cpu`, the most processor time that one of them took. Each
 * thread calls prepare (may be NULL) before the start. */
double bench_parallel(size_t threads, bool cpu, void (*prepare)(void *context, size_t thread),
                      void (*work)(void *context, size_t thread), void *context);

/* A peer in a process of its own that answers one line to each line. */
typedef struct bench_process {
  int pid;
  int to;
  int from;
} bench_process;
/* False when it can't be started or does not say "ready" first. argv ends with NULL. */
bool bench_process_start(bench_process *process, const char *const argv[]);
/* Sends the line and reads the answer's number; negative when the peer is gone. */
double bench_process_ask(bench_process *process, const char *line);
void bench_process_stop(bench_process *process);

#endif
