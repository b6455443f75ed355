/* SPDX-License-Identifier: Apache-2.0 */
/* What is written from a command's tables: help on the screen and man pages. */
#ifndef CLI_USAGE_H
#define CLI_USAGE_H

#include "cli_text.h"
#include "command.h"

/* `larder put [OPTIONS] NS KEY [FILE]` */
void cli_synopsis(const cli_command *command, cli_buf *out);
/* `-o, --output FILE` */
void cli_option_form(const cli_option *option, cli_buf *out);
void cli_help_command(const cli_command *command, FILE *stream);
void cli_help_overview(FILE *stream);
/* Man pages in the man(7) language: of a command, or of the program for NULL. */
void cli_manpage(const cli_command *command, cli_buf *out);
/* The sentences on exit codes, used by both. */
extern const char *const cli_exit_texts[5];

#endif
