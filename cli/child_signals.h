/* SPDX-License-Identifier: Apache-2.0 */
/* Signals that are meant for what this program runs: they become bytes of a pipe, which the library reads, or stop a mission.
 */
#ifndef CLI_CHILD_SIGNALS_H
#define CLI_CHILD_SIGNALS_H

#include <larder/mission.h>

/* From now on INT, TERM, HUP, QUIT, USR1 and USR2 go there. A descriptor, or 0 when there is no pipe to be had. */
int cli_signals_catch(void);
/* From now on INT, TERM and HUP stop a mission. It must live as long as the program does, or be taken back with NULL. */
void cli_signals_stop(larder_mission *mission);

#endif
