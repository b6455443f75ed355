/* SPDX-License-Identifier: Apache-2.0 */
/* `larder simulate --sessions SPEC`: traffic that is made up, served by ways of caching over seeds. */
#ifndef CLI_SIMULATE_SESSIONS_H
#define CLI_SIMULATE_SESSIONS_H

#include "cli_text.h"
#include "command.h"
#include <larder/traffic.h>

#define CLI_SESSIONS_CONTESTANTS "none,lru,lru-prefetch,s3-fifo,tuned,agent"

typedef struct cli_sessions_args {
  const char *file;
  const char *contestants; /* NULL: the usual ones */
  const char *write;       /* the first seed's requests go there, and nothing is tried */
  const char *plot;
  const char *load_agent; /* what those that learn begin with; NULL: nothing */
  const char *save_agent; /* what one learns goes there, and nothing is tried */
  const char *against;    /* NULL: LARDER_TRAFFIC_TUNED, if it is there */
  const char *seed;       /* the first one */
  uint64_t seeds;
  uint64_t parallel;
} cli_sessions_args;

cli_exit cli_simulate_sessions(const cli_call *call, const cli_sessions_args *args);

/* What was done, on the way to being told. */
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

/* --- what an agent has learned (sessions_agent.c) ------------------------------------------------------------------------- */

/* A file that is such. */
cli_exit cli_sessions_agent_read(const cli_call *call, const char *path, cli_buf *out);
/* Whether there is nothing else in the way. */
cli_exit cli_sessions_agent_place(const cli_call *call, const char *path);
cli_exit cli_sessions_agent_write(const cli_call *call, const cli_sessions_done *done, const char *path, const void *data,
                                  size_t len);

/* --- what came of it (sessions_show.c) ------------------------------------------------------------------------------------ */

void cli_sessions_show(const cli_call *call, const cli_sessions_done *done);
void cli_sessions_json(const cli_sessions_done *done);
cli_exit cli_sessions_draw(const cli_call *call, const cli_sessions_done *done, const char *path);

#endif
