/* SPDX-License-Identifier: Apache-2.0 */
/* `larder simulate --sessions SPEC`: traffic that is made up, served by ways of caching over seeds. */
#ifndef CLI_SIMULATE_SESSIONS_H
#define CLI_SIMULATE_SESSIONS_H

#include "command.h"
#include <larder/traffic.h>

#define CLI_SESSIONS_CONTESTANTS "none,lru,lru-prefetch,s3-fifo,tuned,agent"

typedef struct cli_sessions_args {
  const char *file;
  const char *contestants; /* NULL: the usual ones */
  const char *write;       /* the first seed's requests go there, and nothing is tried */
  const char *plot;
  const char *against; /* NULL: LARDER_TRAFFIC_TUNED, if it is there */
  const char *seed;    /* the first one */
  uint64_t seeds;
  uint64_t parallel;
} cli_sessions_args;

cli_exit cli_simulate_sessions(const cli_call *call, const cli_sessions_args *args);

/* --- what came of it (sessions_show.c) ------------------------------------------------------------------------------------ */

typedef struct cli_sessions_done {
  const char *file;
  larder_traffic_facts facts;
  uint64_t first_seed;
  size_t seeds;
  const char *names[LARDER_TRAFFIC_CONTESTANTS_MAX];
  size_t names_len;
  size_t against;           /* of these; names_len: none */
  larder_traffic_run *runs; /* for each contestant all seeds */
} cli_sessions_done;

void cli_sessions_show(const cli_call *call, const cli_sessions_done *done);
void cli_sessions_json(const cli_sessions_done *done);
cli_exit cli_sessions_draw(const cli_call *call, const cli_sessions_done *done, const char *path);

#endif
