/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trials side by side. A task is one seed: its traffic is made once, and each run of that seed goes over it. Before that, where
 * the tuned rule is asked for, every static rule runs on seeds of its own, far away from the others; each such run is a task,
 * too. Who has to be trained goes through the same seeds one after the other, as one task.
 *
 * The runs of the caller are worked on as a copy, so that a failure leaves them as they were.
 */
#include "trial.h"
#include "trial_room.h"

#include "base/fail.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define TUNING_SEEDS 3u
#define TUNING_FROM  (LARDER_TRAFFIC_SEED_MAX + 1) /* seeds are taken from here on to tune with, and to train */
#define RULES_MAX    LARDER_TRAFFIC_CONTESTANTS_MAX

typedef struct trials {
  const larder_traffic *traffic;
  const larder_traffic_options *options;
  larder_traffic_run *runs; /* own */
  size_t count;
  unsigned seeds;          /* to tune and to train with, */
  uint64_t first_seed;     /* from here on */
  bool tunes;              /* the tuned rule is asked for */
  const lrd_rule *learner; /* who is trained; NULL: nobody */
  bool learns;             /* somebody does */
  lrd_learned begin;       /* what all that learn begin with; borrowed */
  lrd_learned trained;
  uint64_t done; /* runs, so far */
  uint64_t total;
} trials;

/* --- tasks ---------------------------------------------------------------------------------------------------------------- */

/* Runs of one stage, by seed. */
typedef struct stage {
  const trials *all;
  larder_traffic_run **runs; /* own */
  size_t *tasks;             /* own: where each seed's runs begin; one more, their end */
  size_t tasks_len;
  lrd_run_watch watch;
} stage;

static bool watch_goes_on(void *context) { return !atomic_load(&((lrd_run_watch *)context)->stop); }

static int run_order(const void *a, const void *b) {
  const larder_traffic_run *x = *(larder_traffic_run *const *)a, *y = *(larder_traffic_run *const *)b;
  if (x->seed != y->seed) return x->seed < y->seed ? -1 : 1;
  return x < y ? -1 : x > y;
}

static larder_err seed_do(void *context, size_t task) {
  stage *s = context;
  const trials *all = s->all;
  lrd_request_list requests;
  larder_err err = lrd_requests_make(all->traffic, s->runs[s->tasks[task]]->seed, watch_goes_on, &s->watch, &requests);
  if (err != LARDER_OK) return err;
  for (size_t i = s->tasks[task]; i < s->tasks[task + 1] && err == LARDER_OK; i++) {
    larder_traffic_run *run = s->runs[i];
    const lrd_rule *rule = lrd_rule_find(run->rule);
    const lrd_trial_task one = {all->traffic, &requests, rule, run->seed, rule->trained ? &all->trained : &all->begin, NULL};
    err = lrd_trial_run(&one, &run->figures, &run->agent, &s->watch);
    atomic_fetch_add(&s->watch.done, 1);
    if (err == LARDER_OK && atomic_load(&s->watch.stop)) err = LARDER_ECANCELLED;
  }
  lrd_requests_fini(&requests);
  return err;
}

static larder_err crew_do(trials *t, bool learns, size_t tasks, larder_err (*task)(void *context, size_t at), void *context,
                          lrd_run_watch *watch) {
  const lrd_crew crew = {.name = "traffic",
                         .tasks = tasks,
                         .parallel = lrd_trial_threads(t->traffic, learns, t->options->parallel, lrd_trial_memory()),
                         .task = task,
                         .context = context,
                         .watch = watch,
                         .progress = t->options->progress,
                         .progress_context = t->options->context,
                         .before = t->done,
                         .total = t->total};
  larder_err err = lrd_crew_run(&crew);
  t->done += atomic_load(&watch->done);
  return err;
}

/* Each run's rule is set. */
static larder_err runs_do(trials *t, larder_traffic_run *runs, size_t count, bool learns) {
  stage s = {.all = t};
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
    err = crew_do(t, learns, s.tasks_len, seed_do, &s, &s.watch);
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

static void rule_set(larder_traffic_run *run, const char *name) { (void)snprintf(run->rule, sizeof run->rule, "%s", name); }

/* How long the service is waited for that is waited for longest. */
static double patience_ms(const larder_traffic *traffic) {
  double most = 0;
  for (uint32_t e = 0; e < traffic->endpoints_len; e++) {
    const lrd_traffic_service *s = &traffic->services[traffic->endpoints[e].service];
    double ms = s->timeout_ms * (double)(s->retries + 1);
    most = ms > most ? ms : most;
  }
  return most;
}

/* What a request came to, in milliseconds, where failing is worse than waiting. */
static double cost_of(const larder_traffic_figures *f, double failed_ms) {
  return f->requests ? f->mean_ms + (double)f->failed / (double)f->requests * failed_ms : 0;
}

static larder_err tune(trials *t, const lrd_rule **best) {
  size_t rules = rules_tunable(), count = rules * t->seeds;
  larder_traffic_run *runs = lrd_alloc_zero(count, sizeof *runs);
  if (runs == NULL) return LARDER_ENOMEM;
  for (size_t i = 0; i < count; i++) {
    runs[i] = (larder_traffic_run){.contestant = lrd_rule_at(i % rules + 1)->name, .seed = t->first_seed + i / rules};
    rule_set(&runs[i], runs[i].contestant);
  }
  larder_err err = runs_do(t, runs, count, false);
  double least = INFINITY, failed_ms = patience_ms(t->traffic);
  for (size_t rule = 0; rule < rules && err == LARDER_OK; rule++) {
    double sum = 0;
    for (size_t i = rule; i < count; i += rules) sum += cost_of(&runs[i].figures, failed_ms);
    if (sum >= least) continue;
    least = sum;
    *best = lrd_rule_at(rule + 1);
  }
  lrd_dealloc(runs);
  return err;
}

/* --- training ------------------------------------------------------------------------------------------------------------- */

typedef struct training {
  trials *all;
  lrd_run_watch watch;
} training;

/* One agent before the seeds, one after the other. */
static larder_err training_do(void *context, size_t task) {
  training *s = context;
  trials *all = s->all;
  larder_err err = LARDER_OK;
  (void)task;
  for (unsigned i = 0; i < all->seeds && err == LARDER_OK; i++) {
    lrd_request_list requests;
    larder_traffic_figures figures;
    larder_agent_figures agent;
    uint64_t seed = all->first_seed + i;
    err = lrd_requests_make(all->traffic, seed, watch_goes_on, &s->watch, &requests);
    if (err != LARDER_OK) return err;
    const lrd_learned *before = all->trained.data ? &all->trained : &all->begin;
    const lrd_trial_task one = {all->traffic, &requests, all->learner, seed, before, &all->trained};
    err = lrd_trial_run(&one, &figures, &agent, &s->watch);
    lrd_requests_fini(&requests);
    atomic_fetch_add(&s->watch.done, 1);
    if (err == LARDER_OK && !watch_goes_on(&s->watch)) err = LARDER_ECANCELLED;
  }
  return err;
}

static larder_err train(trials *t) {
  training s = {.all = t};
  return crew_do(t, true, 1, training_do, &s, &s.watch);
}

/* --- the whole ------------------------------------------------------------------------------------------------------------ */

static const larder_traffic_options usual = {.size = sizeof usual};

static bool is_tuned(const char *contestant) { return strcmp(contestant, LARDER_TRAFFIC_TUNED) == 0; }

/* Whether who learns can begin with what was learned elsewhere. */
static larder_err begin_check(const trials *t, const lrd_rule *rule, larder_error *err) {
  const larder_agent_options how = {.size = sizeof how, .method = rule->method};
  larder_agent *agent = NULL;
  larder_error why = {0};
  if (t->begin.data == NULL) return LARDER_OK;
  larder_err result = larder_agent_open(&how, &agent, &why);
  if (result == LARDER_OK) result = larder_agent_load(agent, t->begin.data, t->begin.len, &why);
  larder_agent_close(&agent);
  return result == LARDER_OK ? LARDER_OK : lrd_fail(err, result, 0, LRD_TRAFFIC_ROOM, "%s: %s", rule->name, why.message);
}

/* The copy's rules, and what has to be done before. */
static larder_err plan(trials *t, larder_error *err) {
  for (size_t i = 0; i < t->count; i++) {
    larder_traffic_run *run = &t->runs[i];
    const char *name = run->contestant ? run->contestant : "";
    const lrd_rule *rule = lrd_rule_find(name);
    if (run->seed > LARDER_TRAFFIC_SEED_MAX)
      return lrd_fail(err, LARDER_EINVAL, 0, LRD_TRAFFIC_ROOM, "seeds from 2^62 on are those of tuning and training");
    if (rule == NULL && !is_tuned(name))
      return lrd_fail(err, LARDER_EINVAL, 0, LRD_TRAFFIC_ROOM, "there is no contestant \"%.40s\"", name);
    t->tunes = t->tunes || rule == NULL;
    t->learns = t->learns || (rule && rule->learns);
    if (rule && rule->trained) t->learner = rule;
    if (rule) rule_set(run, name);
    larder_err result = rule && rule->learns ? begin_check(t, rule, err) : LARDER_OK;
    if (result != LARDER_OK) return result;
  }
  t->total = t->count + (t->tunes ? rules_tunable() * t->seeds : 0) + (t->learner ? t->seeds : 0);
  return LARDER_OK;
}

static larder_err trials_do(trials *t) {
  const lrd_rule *best = lrd_rule_at(1);
  larder_err err = LARDER_OK;
  if (t->options->progress && !t->options->progress(t->options->context, 0, t->total)) return LARDER_ECANCELLED;
  if (t->tunes) err = tune(t, &best);
  for (size_t i = 0; i < t->count && best; i++)
    if (is_tuned(t->runs[i].contestant)) rule_set(&t->runs[i], best->name);
  if (err == LARDER_OK && t->learner) err = train(t);
  return err == LARDER_OK ? runs_do(t, t->runs, t->count, t->learns) : err;
}

static larder_err runs_copy(trials *t, larder_traffic_run *runs, larder_error *err) {
  if (t->count == 0) return LARDER_OK;
  t->runs = lrd_alloc(t->count * sizeof *t->runs);
  if (t->runs == NULL) return lrd_fail(err, LARDER_ENOMEM, 0, LRD_TRAFFIC_ROOM, "out of memory");
  memcpy(t->runs, runs, t->count * sizeof *runs);
  return LARDER_OK;
}

static larder_err refuse(larder_err result, larder_error *err) {
  return lrd_fail(err, result, 0, LRD_TRAFFIC_ROOM,
                  result == LARDER_ECANCELLED ? "cancelled"
                  : result == LARDER_ETOOBIG  ? LRD_TRAFFIC_TOO_MUCH
                                              : "out of memory");
}

static trials trials_of(const larder_traffic *traffic, const larder_traffic_options *options, unsigned seeds, uint64_t first) {
  return (trials){.traffic = traffic,
                  .options = options,
                  .seeds = seeds,
                  .first_seed = first,
                  .begin = {(void *)options->learned, options->learned_len}};
}

larder_err larder_traffic_trial(const larder_traffic *traffic, const larder_traffic_options *options, larder_traffic_run *runs,
                                size_t count, larder_error *err) {
  if (options == NULL) options = &usual;
  if (traffic == NULL || (runs == NULL && count > 0) || options->size != sizeof *options ||
      count > (size_t)LARDER_TRAFFIC_SEEDS_MAX * RULES_MAX || options->tuning_seeds > LARDER_TRAFFIC_SEEDS_MAX)
    return lrd_fail(err, LARDER_EINVAL, 0, LRD_TRAFFIC_ROOM, "there is no traffic, or there are too many runs");
  trials t = trials_of(traffic, options, options->tuning_seeds ? options->tuning_seeds : TUNING_SEEDS, TUNING_FROM);
  t.count = count;
  larder_err result = runs_copy(&t, runs, err);
  if (result == LARDER_OK) result = plan(&t, err);
  if (result == LARDER_OK) {
    result = trials_do(&t);
    if (result != LARDER_OK) (void)refuse(result, err);
  }
  if (result == LARDER_OK && count > 0) memcpy(runs, t.runs, count * sizeof *runs);
  larder_agent_bytes_free(t.trained.data);
  lrd_dealloc(t.runs);
  return result;
}

larder_err larder_traffic_train(const larder_traffic *traffic, const larder_traffic_options *options, const char *contestant,
                                uint64_t first_seed, unsigned seeds, void **data_out, size_t *len_out, larder_error *err) {
  if (options == NULL) options = &usual;
  const lrd_rule *rule = contestant ? lrd_rule_find(contestant) : NULL;
  if (traffic == NULL || data_out == NULL || len_out == NULL || options->size != sizeof *options)
    return lrd_fail(err, LARDER_EINVAL, 0, LRD_TRAFFIC_ROOM, "there is no traffic, or no place for what is learned");
  if (rule == NULL || !rule->learns || rule->trained)
    return lrd_fail(err, LARDER_EINVAL, 0, LRD_TRAFFIC_ROOM, "\"%.40s\" is none that learns from nothing",
                    contestant ? contestant : "");
  if (seeds == 0 || seeds > LARDER_TRAFFIC_SEEDS_MAX || first_seed > LARDER_TRAFFIC_SEED_MAX - (seeds - 1))
    return lrd_fail(err, LARDER_EINVAL, 0, LRD_TRAFFIC_ROOM, "there are no seeds, too many, or some from 2^62 on");
  trials t = trials_of(traffic, options, seeds, first_seed);
  t.learner = rule;
  t.total = seeds;
  larder_err result = begin_check(&t, rule, err);
  if (result != LARDER_OK) return result;
  result = options->progress && !options->progress(options->context, 0, seeds) ? LARDER_ECANCELLED : train(&t);
  if (result == LARDER_OK) {
    *data_out = t.trained.data;
    *len_out = t.trained.len;
    return LARDER_OK;
  }
  larder_agent_bytes_free(t.trained.data);
  return refuse(result, err);
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
  larder_traffic_interval out = {count > 0 && values ? 0 : NAN, NAN};
  double squares = 0;
  for (size_t i = 0; i < count && values; i++) out.mean += values[i] / (double)count;
  if (count < 2 || values == NULL) return out;
  for (size_t i = 0; i < count; i++) squares += (values[i] - out.mean) * (values[i] - out.mean);
  out.half = student(count - 1) * sqrt(squares / (double)(count - 1) / (double)count);
  return out;
}
