/* SPDX-License-Identifier: Apache-2.0 */
/* Parsing by table. */
#ifndef CLI_ARGUMENTS_H
#define CLI_ARGUMENTS_H

#include "command.h"

/* What was wrong with a call: a sentence, and what to do instead. */
typedef struct cli_mistake {
  char message[320];
  char hint[480];
} cli_mistake;

/*
 * Reads the arguments before the command's name: global options only. *used_out is the index of the first argument that
 * is none. False with *mistake filled.
 */
bool cli_parse_globals(int argc, char **argv, cli_globals *globals, int *used_out, cli_mistake *mistake);
/*
 * Reads a command's arguments (argv[0] is the first after its name) into `args`, zeroed and preset here. Global options
 * may stand here too. Stops checking operands once --help was met. `--` ends options.
 */
bool cli_parse(const cli_command *command, int argc, char **argv, cli_globals *globals, void *args, cli_mistake *mistake);

/* Rows of a table that may be NULL; ends by a row without a name. */
const cli_option *cli_option_next(const cli_option *table, const cli_option *at);

#endif
