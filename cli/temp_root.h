/* SPDX-License-Identifier: Apache-2.0 */
/* A root of one's own for a while. */
#ifndef CLI_TEMP_ROOT_H
#define CLI_TEMP_ROOT_H

#include "command.h"

/* Makes a fresh folder under $TMPDIR or /tmp; out has room bytes. */
cli_exit cli_temp_root_make(const cli_call *call, char *out, size_t room);
/* Removes it with all that is in it. Only for what cli_temp_root_make made. */
void cli_temp_root_remove(const char *path);

#endif
