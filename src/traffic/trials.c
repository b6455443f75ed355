/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trials side by side. A task is one seed: its traffic is made once, and each run of that seed goes over it. Before that, where
 * the tuned rule is asked for, every static rule runs on seeds of its own, far away from the others; each such run is a task,
 * too.
 */
#include "trial.h"

#include "base/fail.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define TUNING_SEEDS 3u
#define TUNING_FROM  (UINT64_C(1) << 62) /* seeds are taken from here on to tune with */
#define RULES_MAX    LARDER_TRAFFIC_CONTESTANTS_MAX

typedef struct trials {
  const larder_traffic *traffic;
  larder_traffic_run **runs; /* own: by seed */
  size_t count;
  size_t *tasks; /* own: where each seed's runs begin; one more, their end */
  size_t tasks_len;
  const lrd_learned *trained; /* NULL: nobody wants it */
  lrd_run_watch watch;
} trials;

/* --- tasks ---------------------------------------------------------------------------------------------------------------- */

static int run_order(const void *a, const void *b) {
  const larder_traffic_run *x = *(larder_traffic_run *const *)a, *y = *(larder_traffic_run *const *)b;
  if (x->seed != y->seed) return x->seed < y->seed ? -1 : 1;
  return x < y ? -1 : x > y;
}

static bool watch_goes_on(void *context) { return !atomic_load(&((lrd_run_watch *)context)->stop); }

static larder_err task_do(void *context, size_t task) {
  trials *s = context;
  lrd_request_list requests;
  larder_err err = lrd_requests_make(s->traffic, s->runs[s->tasks[task]]->seed, watch_goes_on, &s->watch, &requests);
  if (err != LARDER_OK) return err;
  for (size_t i = s->tasks[task]; i < s->tasks[task + 1] && err == LARDER_OK; i++) {
    larder_traffic_run *run = s->runs[i];
    const lrd_rule *rule = lrd_rule_find(run->rule);
    const lrd_trial_task one = {s->traffic, &requests, rule, run->seed, rule->trained ? s->trained : NULL, NULL};
    err = lrd_trial_run(&one, &run->figures, &run->agent, &s->watch);
    atomic_fetch_add(&s->watch.done, 1);
    if (err == LARDER_OK && atomic_load(&s->watch.stop)) err = LARDER_ECANCELLED;
  }
  lrd_requests_fini(&requests);
  return err;
}

/* Each run's rule is set. */
static larder_err runs_do(const larder_traffic *traffic, const larder_traffic_options *options, const lrd_learned *trained,
                          larder_traffic_run *runs, size_t count, uint64_t before, uint64_t total) {
  trials s = {.traffic = traffic, .count = count, .trained = trained};
  larder_err err = LARDER_ENOMEM;
  if (count == 0) return LARDER_OK;
  s.runs = lrd_alloc(count * sizeof(larder_traffic_run *));
  s.tasks = lrd_alloc((count + 1) * sizeof *s.tasks);
  if (s.runs && s.tasks) {
    for (size_t i = 0; i < count; i++) s.runs[i] = &runs[i];
    qsort(s.runs, count, sizeof(larder_traffic_run *), run_order);
    for (size_t i = 0; i < count; i++)
      if (i == 0 || s.runs[i]->seed != s.runs[i - 1]->seed) s.tasks[s.tasks_len++] = i;
    s.tasks[s.tasks_len] = count;
    const lrd_crew crew = {.name = "traffic",
                           .tasks = s.tasks_len,
                           .parallel = options->parallel,
                           .task = task_do,
                           .context = &s,
                           .watch = &s.watch,
                           .progress = options->progress,
                           .progress_context = options->context,
                           .before = before,
                           .total = total};
    err = lrd_crew_run(&crew);
  }
  lrd_dealloc(s.runs);
  lrd_dealloc(s.tasks);
  return err;
}

/* --- the tuned rule ------------------------------------------------------------------------------------------------------- */

static size_t rules_tunable(void) {
  size_t count = 0;
  while (lrd_rule_at(count + 1) && !lrd_rule_at(count + 1)->learns) count++;
  return count;
}

static larder_err tune(const larder_traffic *traffic, const larder_traffic_options *options, unsigned seeds, uint64_t total,
                       const lrd_rule **best) {
  size_t rules = rules_tunable(), count = rules * seeds;
  larder_traffic_run *runs = lrd_alloc_zero(count, sizeof *runs);
  if (runs == NULL) return LARDER_ENOMEM;
  for (size_t i = 0; i < count; i++) {
    runs[i] = (larder_traffic_run){.contestant = lrd_rule_at(i % rules + 1)->name, .seed = TUNING_FROM + i / rules};
    (void)snprintf(runs[i].rule, sizeof runs[i].rule, "%s", runs[i].contestant);
  }
  larder_err err = runs_do(traffic, options, NULL, runs, count, 0, total);
  double least = INFINITY;
  for (size_t rule = 0; rule < rules && err == LARDER_OK; rule++) {
    double sum = 0;
    for (size_t i = rule; i < count; i += rules) sum += runs[i].figures.mean_ms;
    if (sum >= least) continue;
    least = sum;
    *best = lrd_rule_at(rule + 1);
  }
  lrd_dealloc(runs);
  return err;
}

/* One agent before the same seeds, one after the other. */
static larder_err train(const larder_traffic *traffic, const lrd_rule *rule, unsigned seeds, lrd_learned *learned) {
  larder_err err = LARDER_OK;
  for (unsigned i = 0; i < seeds && err == LARDER_OK; i++) {
    lrd_request_list requests;
    lrd_run_watch watch = {0};
    larder_traffic_figures figures;
    larder_agent_figures agent;
    err = lrd_requests_make(traffic, TUNING_FROM + i, watch_goes_on, &watch, &requests);
    if (err != LARDER_OK) return err;
    const lrd_trial_task task = {traffic, &requests, rule, TUNING_FROM + i, learned, learned};
    err = lrd_trial_run(&task, &figures, &agent, &watch);
    lrd_requests_fini(&requests);
  }
  return err;
}

static bool is_tuned(const char *contestant) { return strcmp(contestant, LARDER_TRAFFIC_TUNED) == 0; }

larder_err larder_traffic_trial(const larder_traffic *traffic, const larder_traffic_options *options, larder_traffic_run *runs,
                                size_t count, larder_error *err) {
  static const larder_traffic_options usual = {.size = sizeof usual};
  if (options == NULL) options = &usual;
  if (traffic == NULL || (runs == NULL && count > 0) || options->size != sizeof *options ||
      count > (size_t)LARDER_TRAFFIC_SEEDS_MAX * RULES_MAX || options->tuning_seeds > LARDER_TRAFFIC_SEEDS_MAX)
    return lrd_fail(err, LARDER_EINVAL, 0, LRD_TRAFFIC_ROOM, "there is no traffic, or there are too many runs");
  unsigned seeds = options->tuning_seeds ? options->tuning_seeds : TUNING_SEEDS;
  const lrd_rule *best = lrd_rule_at(1), *learner = NULL;
  lrd_learned trained = {0};
  uint64_t before = 0;
  for (size_t i = 0; i < count; i++) {
    const char *name = runs[i].contestant ? runs[i].contestant : "";
    if (is_tuned(name))
      before = rules_tunable() * seeds;
    else if (lrd_rule_find(name) == NULL)
      return lrd_fail(err, LARDER_EINVAL, 0, LRD_TRAFFIC_ROOM, "there is no contestant \"%.40s\"", name);
    else
      (void)snprintf(runs[i].rule, sizeof runs[i].rule, "%s", name);
    if (!is_tuned(name) && lrd_rule_find(name)->trained) learner = lrd_rule_find(name);
  }
  bool begins = !options->progress || options->progress(options->context, 0, before + count);
  larder_err result = !begins      ? LARDER_ECANCELLED
                      : before > 0 ? tune(traffic, options, seeds, before + count, &best)
                                   : LARDER_OK;
  for (size_t i = 0; i < count && result == LARDER_OK; i++)
    if (best != NULL && is_tuned(runs[i].contestant)) (void)snprintf(runs[i].rule, sizeof runs[i].rule, "%s", best->name);
  if (result == LARDER_OK && learner) result = train(traffic, learner, seeds, &trained);
  if (result == LARDER_OK) result = runs_do(traffic, options, &trained, runs, count, before, before + count);
  larder_agent_bytes_free(trained.data);
  if (result == LARDER_OK) return LARDER_OK;
  return lrd_fail(err, result, 0, LRD_TRAFFIC_ROOM,
                  result == LARDER_ECANCELLED ? "cancelled"
                  : result == LARDER_ETOOBIG  ? LRD_TRAFFIC_TOO_MUCH
                                              : "out of memory");
}

/* --- confidence ----------------------------------------------------------------------------------------------------------- */

/* Of Student's t, two-sided 95 %, for 1 degree of freedom and more. */
static double student(size_t freedom) {
  static const double table[] = {12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
                                 2.201,  2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
                                 2.080,  2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042};
  const size_t known = sizeof table / sizeof *table;
  if (freedom <= known) return table[freedom - 1];
  double z = 1.959964, f = (double)freedom;
  return z + (z * z * z + z) / (4 * f) + (5 * pow(z, 5) + 16 * z * z * z + 3 * z) / (96 * f * f);
}

larder_traffic_interval larder_traffic_interval_of(const double *values, size_t count) {
  larder_traffic_interval out = {0, 0};
  double squares = 0;
  for (size_t i = 0; i < count; i++) out.mean += values[i] / (double)count;
  if (count < 2) return out;
  for (size_t i = 0; i < count; i++) squares += (values[i] - out.mean) * (values[i] - out.mean);
  out.half = student(count - 1) * sqrt(squares / (double)(count - 1) / (double)count);
  return out;
}
