/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far a long command is, on stderr: a bar that is drawn over itself on a terminal, a line for each step elsewhere,
 * nothing with --quiet or --json. And Ctrl-C, which asks such a command to end in good order.
 */
#ifndef CLI_PROGRESS_BAR_H
#define CLI_PROGRESS_BAR_H

#include "command.h"

typedef struct cli_progress {
  bool lines;     /* stderr is no terminal */
  bool bar;       /* it is one */
  bool drawn;     /* a bar stands on the screen */
  uint64_t at_ns; /* when it was drawn */
  uint64_t begin_ns;
} cli_progress;

void cli_progress_begin(const cli_call *call, cli_progress *progress);
/* One step is done, or time has passed (line NULL). `says` follows the bar; `line` is printed where there is none. */
void cli_progress_step(cli_progress *progress, uint64_t done, uint64_t total, const char *says, const char *line);
/* Takes the bar away. Returns the milliseconds since the beginning. */
uint64_t cli_progress_end(cli_progress *progress);

/* From now on the first Ctrl-C (or SIGTERM) only sets what cli_interrupted tells; a second one ends the program. */
void cli_interrupt_catch(void);
bool cli_interrupted(void);
/* Until it is taken back with NULL, before the cache is closed: what the cache makes or tries is ended, with all that its
 * programs have started, by SIGTERM and by the second Ctrl-C, or by the first (at_once). Whoever comes after that ends the
 * program. */
void cli_interrupt_cancels(larder *cache, bool at_once);
/* What to leave with: 128 and the signal's number where the command was broken off by one. */
int cli_exit_number(cli_exit code);

#endif
