/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs side by side. They share nothing but the trace and, where the optimum is asked for, the places of next requests, so that
 * the number of threads changes no figure.
 */
#include "base/fail.h"
#include "crew.h"
#include "optimum.h"
#include "tier/memory/policy.h"

_Static_assert(LRD_CREW_MAX == LARDER_SIMULATE_PARALLEL_MAX, "what the header promises");

typedef struct simulation {
  const larder_trace *trace;
  larder_simulate_run *runs;
  size_t count;
  uint64_t seed;
  uint32_t *next; /* of the optimum; NULL: nobody asks for it */
  lrd_run_watch watch;
} simulation;

const char *larder_simulate_policy(size_t n) {
  size_t tiers = 0;
  while (lrd_memory_policy_name(tiers)) tiers++;
  if (n < tiers) return lrd_memory_policy_name(n);
  return n == tiers ? LARDER_SIMULATE_OPT : n == tiers + 1 ? LARDER_SIMULATE_OPT_BOUND : NULL;
}

/* --- what was asked for -------------------------------------------------------------------------------------------------- */

static larder_err run_check(const larder_trace *trace, const larder_simulate_run *run, larder_error *err) {
  const char *policy = run->policy ? run->policy : "";
  bool optimum = strcmp(policy, LARDER_SIMULATE_OPT) == 0, bound = strcmp(policy, LARDER_SIMULATE_OPT_BOUND) == 0;
  if (!optimum && !bound && !lrd_memory_policy_known(policy))
    return lrd_fail(err, LARDER_EINVAL, 0, LRD_TRACE_ROOM, "there is no policy \"%.40s\"", policy);
  if ((run->objects == 0) == (run->bytes == 0))
    return lrd_fail(err, LARDER_EINVAL, 0, LRD_TRACE_ROOM, "a size is a number of entries or of bytes, above 0");
  if (run->bytes && !trace->sizes)
    return lrd_fail(err, LARDER_EINVAL, 0, LRD_TRACE_ROOM,
                    "the trace does not say how large entries are: give a number of entries");
  if (optimum && run->bytes)
    return lrd_fail(err, LARDER_EINVAL, 0, LRD_TRACE_ROOM,
                    "the optimum can't be computed by bytes: " LARDER_SIMULATE_OPT_BOUND " is a bound for it");
  if (bound && run->objects)
    return lrd_fail(err, LARDER_EINVAL, 0, LRD_TRACE_ROOM,
                    LARDER_SIMULATE_OPT_BOUND " is for sizes in bytes: " LARDER_SIMULATE_OPT " is exact for entries");
  uint64_t most = run->objects && run->objects < trace->unique ? run->objects : trace->unique;
  if (!optimum && !bound && most > LRD_REPLAY_ENTRIES_MAX)
    return lrd_fail(err, LARDER_ETOOBIG, 0, LRD_TRACE_ROOM, "%llu entries at once are more than can be replayed (%llu)",
                    (unsigned long long)most, (unsigned long long)LRD_REPLAY_ENTRIES_MAX);
  return LARDER_OK;
}

static bool run_foresees(const larder_simulate_run *run) {
  return strcmp(run->policy, LARDER_SIMULATE_OPT) == 0 || strcmp(run->policy, LARDER_SIMULATE_OPT_BOUND) == 0;
}

/* --- doing it ------------------------------------------------------------------------------------------------------------ */

static larder_err run_do(void *context, size_t at) {
  simulation *s = context;
  larder_simulate_run *run = &s->runs[at];
  *run = (larder_simulate_run){.policy = run->policy, .objects = run->objects, .bytes = run->bytes};
  larder_err err = !run_foresees(run) ? lrd_replay(s->trace, s->seed, run, &s->watch)
                   : run->bytes       ? lrd_optimum_bytes(s->trace, s->next, run, &s->watch)
                                      : lrd_optimum_entries(s->trace, s->next, run, &s->watch);
  if (err == LARDER_OK && s->trace->requests > 0) run->miss_ratio = (double)run->misses / (double)s->trace->requests;
  return err;
}

larder_err larder_simulate(const larder_trace *trace, const larder_simulate_options *options, larder_simulate_run *runs,
                           size_t count, larder_error *err) {
  static const larder_simulate_options usual = {.size = sizeof usual};
  if (options == NULL) options = &usual;
  if (trace == NULL || (runs == NULL && count > 0) || options->size != sizeof *options || count > LARDER_SIMULATE_RUNS_MAX)
    return lrd_fail(err, LARDER_EINVAL, 0, LRD_TRACE_ROOM, "there is no trace, or there are more than %u runs",
                    LARDER_SIMULATE_RUNS_MAX);
  bool foresees = false;
  for (size_t i = 0; i < count; i++) {
    larder_err wrong = run_check(trace, &runs[i], err);
    if (wrong != LARDER_OK) return wrong;
    foresees = foresees || run_foresees(&runs[i]);
  }
  simulation s = {.trace = trace, .runs = runs, .count = count, .seed = options->seed};
  larder_err result = foresees ? lrd_optimum_next(trace, &s.next) : LARDER_OK;
  if (result == LARDER_OK && count > 0) {
    const lrd_crew crew = {.name = "simulate",
                           .tasks = count,
                           .parallel = options->parallel,
                           .task = run_do,
                           .context = &s,
                           .watch = &s.watch,
                           .progress = options->progress,
                           .progress_context = options->context,
                           .total = trace->requests * count};
    result = lrd_crew_run(&crew);
  }
  lrd_dealloc(s.next);
  if (result == LARDER_OK) return LARDER_OK;
  return lrd_fail(err, result, 0, LRD_TRACE_ROOM, result == LARDER_ECANCELLED ? "cancelled" : "out of memory");
}
