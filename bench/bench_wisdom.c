/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FFTW's wisdom: how long a cold process takes until it has a plan, by Larder and by a bare import of a file; how long
 * FFTW_PATIENT searches; and what the transform takes by the plan of FFTW_ESTIMATE alone and by the searched one.
 *
 * usage: bench_wisdom                                  makes the rows, running itself as below
 *        bench_wisdom larder ROOT NX NY NZ             opens, ensures, plans; then prints a line, at which it is timed
 *        bench_wisdom bare FILE NX NY NZ               imports, plans; the same
 *        bench_wisdom run FILE|- NX NY NZ              plans (without wisdom for -), prints nanoseconds of a transform
 *        bench_wisdom search FILE NX NY NZ             searches for the same plan, writes FILE, prints nanoseconds
 */
#include "bench.h"
#include "ours.h"
#include <fftw3.h>
#include <larder/wisdom.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct grid {
  const char *name;
  const char *axes[3]; /* texts, "1" for none */
  bool quick;          /* of the small run, which has no other */
} grid;

static const grid grids[] = {
    {"8x8", {"8", "8", "1"}, true},
    {"64x64x64", {"64", "64", "64"}, false},
    {"128x128x128", {"128", "128", "128"}, false},
    {"512x512", {"512", "512", "1"}, false},
    {"1024x1024", {"1024", "1024", "1"}, false},
};

/* --- what runs in a process of its own --------------------------------------------------------------------------------- */

typedef struct job {
  int n[3];
  int rank;
  fftw_complex *field;
} job;

static size_t points(const job *j) { return (size_t)j->n[0] * (size_t)j->n[1] * (size_t)j->n[2]; }

static fftw_plan plan_of(const job *j, unsigned flags) {
  return fftw_plan_dft(j->rank, j->n, j->field, j->field, FFTW_FORWARD, flags);
}

static void job_read(job *j, char **argv) {
  for (int i = 0; i < 3; i++) j->n[i] = (int)strtol(argv[i], NULL, 10);
  j->rank = j->n[2] > 1 ? 3 : j->n[1] > 1 ? 2 : 1;
  j->field = fftw_malloc(points(j) * sizeof *j->field);
  if (j->field == NULL) bench_die("out of memory");
}

static int said(int64_t ns) {
  printf("%lld\n", (long long)ns);
  return 0;
}

static int larder_side(const job *j, const char *root) {
  larder_options options = {.size = sizeof options, .root = root, .read_config_only_given = true, .memory_bytes_max = 8 << 20};
  larder_wisdom_options how = {.size = sizeof how, .direction = LARDER_WISDOM_FORWARD, .place = LARDER_WISDOM_IN_PLACE};
  uint64_t sizes[] = {(uint64_t)j->n[0], (uint64_t)j->n[1], (uint64_t)j->n[2]};
  larder *cache = NULL;
  larder_wisdom_done done;
  larder_error err = {0};
  if (larder_open(&options, &cache, &err) != LARDER_OK) bench_die("%s", err.message);
  if (larder_wisdom_ensure(cache, sizes, (unsigned)j->rank, &how, &done, &err) != LARDER_OK) bench_die("%s", err.message);
  if (plan_of(j, FFTW_ESTIMATE) == NULL) bench_die("no plan");
  (void)said(0);
  fflush(stdout);
  return larder_close(&cache) != LARDER_OK;
}

static int bare_side(const job *j, const char *file) {
  (void)fftw_init_threads();
  if (!fftw_import_wisdom_from_filename(file)) bench_die("%s was not imported", file);
  if (plan_of(j, FFTW_ESTIMATE) == NULL) bench_die("no plan");
  return said(0);
}

static int search_side(const job *j, const char *file) {
  int64_t begin = bench_now_ns();
  (void)fftw_init_threads();
  if (plan_of(j, FFTW_PATIENT) == NULL) bench_die("no plan");
  int64_t took = bench_now_ns() - begin;
  if (!fftw_export_wisdom_to_filename(file)) bench_die("%s was not written", file);
  return said(took);
}

static int run_side(const job *j, const char *file) {
  (void)fftw_init_threads();
  if (strcmp(file, "-") != 0 && !fftw_import_wisdom_from_filename(file)) bench_die("%s was not imported", file);
  fftw_plan plan = plan_of(j, FFTW_ESTIMATE);
  if (plan == NULL) bench_die("no plan");
  memset(j->field, 0, points(j) * sizeof *j->field);
  fftw_execute(plan);
  int64_t least = INT64_MAX;
  for (int i = 0; i < 5; i++) {
    int64_t begin = bench_now_ns();
    fftw_execute(plan);
    int64_t took = bench_now_ns() - begin;
    if (took < least) least = took;
  }
  return said(least);
}

/* --- the rows ------------------------------------------------------------------------------------------------------------ */

typedef struct subject {
  const char *self;
  const grid *grid;
  const char *role;
  char place[256]; /* root or file */
} subject;

/* The number that this program prints in another process, and after how many nanoseconds it did. */
static double ask(const subject *s, double *until) {
  int64_t begin = bench_now_ns();
  int pipes[2];
  char text[64] = "";
  size_t len = 0;
  int status = 0;
  if (pipe(pipes) != 0) bench_die("no pipe");
  pid_t child = fork();
  if (child == 0) {
    dup2(pipes[1], STDOUT_FILENO);
    close(pipes[0]);
    execl(s->self, s->self, s->role, s->place, s->grid->axes[0], s->grid->axes[1], s->grid->axes[2], (char *)NULL);
    _exit(127);
  }
  close(pipes[1]);
  for (ssize_t got; len < sizeof text - 1 && strchr(text, '\n') == NULL; len += (size_t)got) {
    got = read(pipes[0], text + len, sizeof text - 1 - len);
    if (got <= 0) break;
  }
  *until = (double)(bench_now_ns() - begin);
  close(pipes[0]);
  if (child < 0 || waitpid(child, &status, 0) != child || status != 0) bench_die("%s %s failed", s->role, s->grid->name);
  return strtod(text, NULL);
}

static double cold_round(void *context, size_t round) {
  double until = 0;
  (void)round;
  (void)ask(context, &until);
  return until;
}

static double run_round(void *context, size_t round) {
  double until = 0;
  (void)round;
  return ask(context, &until);
}

static void grid_rows(const char *self, const grid *g, const char *folder) {
  char id[80];
  char what[160];
  subject kept = {self, g, "larder", ""};
  subject bare = {self, g, "bare", ""};
  snprintf(kept.place, sizeof kept.place, "%s/%s.root", folder, g->name);
  snprintf(bare.place, sizeof bare.place, "%s/%s.wisdom", folder, g->name);
  subject search = {self, g, "search", ""};
  memcpy(search.place, bare.place, sizeof search.place);
  double until = 0;
  double searched = ask(&search, &until);
  (void)ask(&kept, &until); /* searches by itself and keeps it */
  bench_side with_larder = {.name = "larder", .round = cold_round, .context = &kept};
  bench_side with_file = {.name = "bare import and plan", .round = cold_round, .context = &bare};
  bench_side *const sides[] = {&with_larder, &with_file};
  bench_turns(sides, 2, bench_rounds());
  snprintf(id, sizeof id, "wisdom_cold_%s", g->name);
  snprintf(what, sizeof what, "cold process to its plan of %s, against a bare import of a file", g->name);
  bench_row_sides(&(bench_row){id, what, "ns", BENCH_AT_MOST, 1.2, false}, &with_larder, &with_file, bench_rounds());
  double cold = with_larder.figures[bench_rounds() / 2];
  snprintf(id, sizeof id, "wisdom_search_%s", g->name);
  snprintf(what, sizeof what, "FFTW_PATIENT's search of one plan of %s, in times of a cold process with Larder", g->name);
  bench_row_figure(&(bench_row){id, what, "ns", BENCH_AT_LEAST, 1000, false}, searched, cold, "larder, cold");
  subject searched_plan = {self, g, "run", ""};
  subject guessed_plan = {self, g, "run", "-"};
  memcpy(searched_plan.place, bare.place, sizeof searched_plan.place);
  bench_side by_search = {.name = "searched", .round = run_round, .context = &searched_plan};
  bench_side by_guess = {.name = "FFTW_ESTIMATE without wisdom", .round = run_round, .context = &guessed_plan};
  bench_side *const runs[] = {&by_search, &by_guess};
  bench_turns(runs, 2, bench_rounds());
  snprintf(id, sizeof id, "wisdom_run_%s", g->name);
  snprintf(what, sizeof what, "a transform of %s by the plan with wisdom, against the one without", g->name);
  bench_row_sides(&(bench_row){id, what, "ns", BENCH_INFORM, 0, false}, &by_search, &by_guess, bench_rounds());
}

static int role_run(int argc, char **argv) {
  job j;
  if (argc != 6) bench_die("usage: bench_wisdom [larder|bare|run|search PLACE NX NY NZ]");
  job_read(&j, argv + 3);
  if (strcmp(argv[1], "larder") == 0) return larder_side(&j, argv[2]);
  if (strcmp(argv[1], "bare") == 0) return bare_side(&j, argv[2]);
  return strcmp(argv[1], "run") == 0 ? run_side(&j, argv[2]) : search_side(&j, argv[2]);
}

int main(int argc, char **argv) {
  if (argc > 1) return role_run(argc, argv);
  char folder[200];
  ours_folder(folder, sizeof folder);
  for (size_t i = 0; i < sizeof grids / sizeof grids[0]; i++) {
    if (grids[i].quick == bench_quick()) grid_rows("/proc/self/exe", &grids[i], folder);
  }
  ours_folder_remove(folder);
  return 0;
}
