/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a request costs that is learned from and answered by the five most probable next ones: many sessions at once over a few
 * thousand endpoints with habits, users of several types at all hours, numbers in the endpoints to be taken out. Processor
 * time of one core, the median of the rounds; and instructions.
 *
 * usage: bench_predict                 makes the rows, running itself as below
 *        bench_predict events MODEL    one stretch, for callgrind
 */
#include "bench.h"
#include "callgrind.h"
#include "ours.h"

#include <larder/ext/maker.h>
#include <larder/predict.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ENDPOINTS 2000u
#define SESSIONS  1500u
#define TOP       5u
#define COUNTED   20000u
#define TEXT_MAX  48u

typedef struct bench_event {
  larder_predict_event event;
  char session[12];
  char endpoint[TEXT_MAX];
} bench_event;

typedef struct way {
  const char *name; /* of the model */
  const char *what;
  larder_predict_model model;
  bool first_only; /* nothing else is learned */
} way;

static const way ways[] = {
    {"first", "order 1 alone", LARDER_PREDICT_FIRST, true},
    {"second", "all learned, second asked", LARDER_PREDICT_SECOND, false},
    {"context", "all learned, context asked", LARDER_PREDICT_CONTEXT, false},
    {"blend", "all learned, blend asked", LARDER_PREDICT_BLEND, false},
};
#define WAYS (sizeof ways / sizeof *ways)

typedef struct stretch {
  larder_predictor *predictor;
  bench_event *events;
  size_t len, each; /* events, and how many a round takes */
  const way *way;
} stretch;

static uint64_t chance(uint64_t *state, uint64_t below) {
  *state += UINT64_C(0x9e3779b97f4a7c15);
  return bench_scramble(*state) % below;
}

/* Popular endpoints are asked for more often; from each, three out of four go on in one of four ways. */
static bench_event *events_make(size_t len) {
  static const char *const types[] = {"guest", "member", "admin", "robot", NULL};
  static uint32_t at[SESSIONS];
  bench_event *events = bench_alloc(len * sizeof *events);
  uint64_t state = 7;
  for (size_t i = 0; i < len; i++) {
    bench_event *e = &events[i];
    uint32_t session = (uint32_t)chance(&state, SESSIONS);
    uint64_t habit = chance(&state, 16), rank = chance(&state, ENDPOINTS);
    uint32_t next = at[session] * 13 + (habit < 6 ? 1 : (uint32_t)habit);
    at[session] = habit < 12 ? next % ENDPOINTS : (uint32_t)(rank * chance(&state, ENDPOINTS) / ENDPOINTS);
    int session_len = snprintf(e->session, sizeof e->session, "s%u", session);
    int len_of = snprintf(e->endpoint, sizeof e->endpoint, "/service%u/items/%u/part%u", at[session] % 40,
                          (unsigned)chance(&state, 100000), at[session] / 40);
    e->event = (larder_predict_event){e->session,     (size_t)session_len, e->endpoint,
                                      (size_t)len_of, types[session % 5],  INT64_C(1764150000000) + (int64_t)i * 20};
  }
  return events;
}

__attribute__((noinline)) void predict_events(larder_predictor *predictor, const bench_event *events, size_t len,
                                              larder_predict_model model);
__attribute__((noinline)) void predict_events(larder_predictor *predictor, const bench_event *events, size_t len,
                                              larder_predict_model model) {
  for (size_t i = 0; i < len; i++) {
    larder_predict_guess guesses[TOP];
    size_t count = TOP;
    if (larder_predict_request(predictor, &events[i].event, model, guesses, &count) != LARDER_OK)
      bench_die("nothing was predicted");
  }
}

/* Taught by half of the events. */
static void stretch_init(stretch *s, const way *w, size_t len) {
  const larder_predictor_options options = {
      .size = sizeof options, .order = w->first_only ? 1 : 2, .no_contexts = w->first_only};
  *s = (stretch){.events = events_make(len), .len = len, .each = len / 2 / BENCH_ROUNDS_MAX, .way = w};
  if (larder_predictor_new(&options, &s->predictor, NULL) != LARDER_OK) bench_die("no predictor");
  for (size_t i = 0; i < len / 2; i++)
    if (larder_predict_observe(s->predictor, &s->events[i].event) != LARDER_OK) bench_die("nothing was learned");
}

static void stretch_fini(stretch *s) {
  larder_predictor_free(&s->predictor);
  free(s->events);
}

static double round_events(void *context, size_t round) {
  stretch *s = context;
  int64_t begin = bench_cpu_ns();
  predict_events(s->predictor, s->events + s->len / 2 + round * s->each, s->each, s->way->model);
  return (double)(bench_cpu_ns() - begin) / (double)s->each;
}

static int figure_order(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

/* What is asked for of order 1 and of the default. */
static bool is_barred(const way *w) { return w->first_only || w->model == LARDER_PREDICT_BLEND; }

/* Each by itself: they aren't compared, and between two others none finds its tables in the caches. */
static void time_rows(void) {
  size_t rounds = bench_rounds();
  for (size_t i = 0; i < WAYS; i++) {
    stretch s;
    bench_side side = {.name = ways[i].name, .round = round_events, .context = &s}, *turn[] = {&side};
    char id[64], what[128];
    stretch_init(&s, &ways[i], bench_scale(2000000, 20000));
    bench_turns(turn, 1, rounds);
    stretch_fini(&s);
    qsort(side.figures, rounds, sizeof *side.figures, figure_order);
    snprintf(id, sizeof id, "predict_%s", ways[i].name);
    snprintf(what, sizeof what, "a request learned and five guesses, %s; %.0f to %.0f", ways[i].what, side.figures[0],
             side.figures[rounds - 1]);
    bench_row row = {id, what, "ns", is_barred(&ways[i]) ? BENCH_AT_MOST : BENCH_INFORM, 300, false};
    bench_row_figure(&row, side.figures[rounds / 2], -1, NULL);
  }
}

static void instruction_rows(const char *self) {
  char folder[256];
  ours_folder(folder, sizeof folder);
  for (size_t i = 0; i < WAYS; i++) {
    char id[64], what[128];
    const char *const argv[] = {self, "events", ways[i].name, NULL};
    snprintf(id, sizeof id, "predict_instructions_%s", ways[i].name);
    snprintf(what, sizeof what, "instructions of the same, %s; callgrind", ways[i].what);
    bench_row row = {id, what, "instr", BENCH_INFORM, 0, false};
    double total = bench_instructions(folder, ways[i].name, "predict_events", argv);
    if (total < 0)
      bench_row_absent(&row, "valgrind: peer not here");
    else
      bench_row_figure(&row, total / COUNTED, -1, NULL);
  }
  ours_folder_remove(folder);
}

/* An endpoint that is new when all are taken: an eighth goes, and all states are looked at. */
static void room_row(void) {
  larder_predictor *predictor = NULL;
  larder_predictor_figures before, after;
  int64_t longest = 0;
  if (larder_predictor_new(NULL, &predictor, NULL) != LARDER_OK) bench_die("no predictor");
  larder_predictor_figures_get(predictor, &before);
  for (unsigned i = 0; i < 40000; i++) {
    char text[TEXT_MAX];
    int len = snprintf(text, sizeof text, "/e%u/x", i % 7 ? i * 7919 % 3500 : i);
    larder_predict_event event = {"s", 1, text, (size_t)len, NULL, 0};
    int64_t begin = bench_cpu_ns();
    if (larder_predict_observe(predictor, &event) != LARDER_OK) bench_die("nothing was learned");
    int64_t took = bench_cpu_ns() - begin;
    if (took > longest) longest = took;
  }
  larder_predictor_figures_get(predictor, &after);
  if (after.endpoints_replaced == before.endpoints_replaced) bench_die("no endpoint had to go");
  bench_row row = {"predict_room", "the longest call: 512 of 4096 endpoints make room", "us", BENCH_INFORM, 0, false};
  bench_row_figure(&row, (double)longest / 1e3, -1, NULL);
  larder_predictor_free(&predictor);
}

/* --- in a cache ------------------------------------------------------------------------------------------------------------
 */

#define HEARD_KEYS  256u
#define HEARD_BURST 512u /* half of what the ring holds */

typedef struct asking {
  ours side;
  bench_trace trace;
  bool gets;
} asking;

static larder_err ask(const asking *all, const uint8_t *key, larder_value *out) {
  return all->gets ? larder_get(all->side.ns, key, 32, NULL, out) : larder_get_or_make(all->side.ns, key, 32, NULL, out, NULL);
}

/* Hits in memory; between bursts what was heard is learned from, which is not timed. */
static double round_asking(void *context, size_t round) {
  const asking *all = context;
  (void)round;
  nanosleep(&(struct timespec){.tv_nsec = 60000000}, NULL);
  int64_t begin = bench_cpu_ns();
  for (size_t i = 0; i < HEARD_BURST; i++) {
    larder_value value = {0};
    if (ask(all, all->trace.asked + i * 32, &value) != LARDER_OK) bench_die("no hit");
    larder_value_release(&value);
  }
  return (double)(bench_cpu_ns() - begin) / HEARD_BURST;
}

static void asking_init(asking *all, const char *policy, bool gets) {
  all->gets = gets;
  bench_trace_init(&all->trace, HEARD_KEYS, HEARD_BURST, 32, 0.99);
  ours_open(&all->side, OURS_MEMORY, policy, 16, 100);
  ours_fill(&all->side, HEARD_KEYS, 32);
}

static void asking_row(const char *id, const char *what, bool gets) {
  static asking predicts, plain;
  asking_init(&predicts, "maker: {command: [false]}, predict: {enable: true}", gets);
  asking_init(&plain, "maker: {command: [false]}", gets);
  bench_side sides[] = {{.name = "predict", .round = round_asking, .context = &predicts},
                        {.name = "without predict", .round = round_asking, .context = &plain}};
  bench_side *turn[] = {&sides[0], &sides[1]};
  bench_turns(turn, 2, bench_rounds());
  bench_row row = {id, what, "ns", BENCH_INFORM, 0, false};
  bench_row_sides(&row, &sides[0], &sides[1], bench_rounds());
  ours_close(&predicts.side);
  ours_close(&plain.side);
  bench_trace_fini(&predicts.trace);
  bench_trace_fini(&plain.trace);
}

static int events_run(const char *name) {
  stretch s;
  for (size_t i = 0; i < WAYS; i++) {
    if (strcmp(ways[i].name, name) != 0) continue;
    stretch_init(&s, &ways[i], 4 * (size_t)COUNTED);
    predict_events(s.predictor, s.events + s.len / 2, COUNTED, s.way->model);
    stretch_fini(&s);
    return 0;
  }
  bench_die("there is no model %s", name);
}

int main(int argc, char **argv) {
  if (argc == 3 && strcmp(argv[1], "events") == 0) return events_run(argv[2]);
  bench_pin(bench_core());
  time_rows();
  room_row();
  asking_row("predict_heard", "get_or_make that hits memory and is heard", false);
  asking_row("predict_heard_get", "get that hits memory and is heard", true);
  instruction_rows(argv[0]);
  return 0;
}
