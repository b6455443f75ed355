/* SPDX-License-Identifier: Apache-2.0 */
/* Runs this very program again, as another process would be run by a person. */
#ifndef CLI_CHILD_PROCESS_H
#define CLI_CHILD_PROCESS_H

#include "cli_text.h"
#include <sys/types.h>

typedef struct cli_child {
  pid_t pid;
  int output; /* its standard output; close it */
} cli_child;

/* Starts `larder` with these arguments (ended by NULL, without the program's name), `input` on its standard input (NULL:
 * nothing; at most what a pipe holds, 64 KiB). False with errno. */
bool cli_child_start(const char *const *args, const char *input, cli_child *out);
/* Waits; the exit code, or 128 and the number of the signal that ended it. Closes output. */
int cli_child_wait(cli_child *child);
/* Starts, reads all of its output, waits. -1 when it could not be started. */
int cli_child_run(const char *const *args, const char *input, cli_buf *output);

#endif
