/* SPDX-License-Identifier: Apache-2.0 */
/* `larder simulate TRACE…`: traces replayed through eviction policies. */
#ifndef CLI_SIMULATE_TRACES_H
#define CLI_SIMULATE_TRACES_H

#include "command.h"
#include <larder/simulate.h>

#define CLI_SIMULATE_SIZES "0.1%,1%,10%"

typedef struct cli_traces_args {
  cli_list files; /* "-": standard input */
  const char *sizes;
  const char *policies; /* NULL: a choice of them */
  const char *format;
  const char *key_field;
  const char *size_field;
  const char *seed; /* NULL: 0 */
  const char *plot;
  uint64_t requests_max;
  uint64_t parallel;
} cli_traces_args;

cli_exit cli_simulate_traces(const cli_call *call, const cli_traces_args *args);

/* --- what is to be run (simulate_plan.c) -------------------------------------------------------------------------------- */

#define CLI_SIMULATE_SIZES_MAX    64u
#define CLI_SIMULATE_POLICIES_MAX 32u

/* As it was typed. One of the three is not 0. */
typedef struct cli_simulate_size {
  double share; /* of the trace's keys */
  uint64_t objects;
  uint64_t bytes;
} cli_simulate_size;

typedef struct cli_simulate_plan {
  cli_simulate_size sizes[CLI_SIMULATE_SIZES_MAX];
  size_t sizes_len;
  const char *policies[CLI_SIMULATE_POLICIES_MAX]; /* static */
  size_t policies_len;
  uint64_t seed;
} cli_simulate_plan;

cli_exit cli_simulate_plan_read(const cli_call *call, const cli_traces_args *args, cli_simulate_plan *plan);
/* Entries of a share of so many keys. */
uint64_t cli_simulate_objects(const cli_simulate_size *size, uint64_t unique);

/* --- what came of it (simulate_show.c) ------------------------------------------------------------------------------------ */

/* One trace's runs: for each size all policies. */
typedef struct cli_simulated {
  const char *trace;
  larder_trace_facts facts;
  larder_simulate_run *runs; /* own: sizes_len × policies_len */
} cli_simulated;

void cli_simulate_show(const cli_call *call, const cli_simulate_plan *plan, const cli_simulated *done);
/* One line of JSON. */
void cli_simulate_json(const cli_simulate_plan *plan, const cli_simulated *done);
cli_exit cli_simulate_draw(const cli_call *call, const cli_simulate_plan *plan, const cli_simulated *done, size_t count,
                           const char *path);

#endif
