/* SPDX-License-Identifier: Apache-2.0 */
/* The commands; main.c lists them in the order in which help shows them. */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include "command.h"

extern const cli_command cli_command_init;
extern const cli_command cli_command_get;
extern const cli_command cli_command_put;
extern const cli_command cli_command_del;
extern const cli_command cli_command_exists;
extern const cli_command cli_command_ls;
extern const cli_command cli_command_inspect;
extern const cli_command cli_command_versions;
extern const cli_command cli_command_rollback;
extern const cli_command cli_command_health;
extern const cli_command cli_command_why;
extern const cli_command cli_command_stats;
extern const cli_command cli_command_validate;
extern const cli_command cli_command_export;
extern const cli_command cli_command_import;
extern const cli_command cli_command_purge;
extern const cli_command cli_command_clear_expired;
extern const cli_command cli_command_mission;
extern const cli_command cli_command_memo;
extern const cli_command cli_command_warm;
extern const cli_command cli_command_refresh;
extern const cli_command cli_command_wisdom;
extern const cli_command cli_command_simulate;
extern const cli_command cli_command_predict;
extern const cli_command cli_command_keys;
extern const cli_command cli_command_config;
extern const cli_command cli_command_bench;
extern const cli_command cli_command_tour;
extern const cli_command cli_command_tour_writer;
extern const cli_command cli_command_completion;
extern const cli_command cli_command_help;
extern const cli_command cli_command_version;

/* Writes the recipes' parameters into the options of `warm`. Once, before any command is looked at. */
void cli_warm_options_fill(void);

#endif
