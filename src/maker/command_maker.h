/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes values by running a program: argv filled from the key, never a shell, nothing to read. What it writes to its standard
 * output is the value; exit code 0 means that it is whole, absent_exit that there is no such thing, all else failure, told with
 * the last lines of its standard error.
 *
 * It runs in a process group of its own, which is ended (SIGTERM, two seconds later SIGKILL) when the making's deadline passes,
 * nobody wants the value any more, or the value is above value_bytes_max. It does not outlive this process.
 *
 * Its environment has LARDER_MAKE_NS, LARDER_MAKE_KEY (unless the key has a NUL) and, where something stale is kept that has a
 * version, LARDER_MAKE_KEPT_VERSION; then the configured variables; then all of ours or what is harmless of it.
 */
#ifndef LRD_MAKER_COMMAND_MAKER_H
#define LRD_MAKER_COMMAND_MAKER_H

#include "base/clock.h"
#include "config/configuration.h"
#include <larder/ext/maker.h>

typedef struct lrd_command_maker lrd_command_maker;

/* Own. The strings of config, ns, secrets (for base/redact.h) and clock are borrowed until lrd_command_maker_free.
 * LARDER_EINVAL with a sentence for a place of argv that is none. */
LARDER_MUST_CHECK larder_err lrd_command_maker_new(const lrd_config_maker *config, const char *ns, const char *secrets,
                                                   const lrd_clock *clock, lrd_command_maker **out, larder_error *err);
/* When no making is under way. NULL is fine. */
void lrd_command_maker_free(lrd_command_maker *maker);

/*
 * A larder_make; context is the lrd_command_maker. LARDER_EIO: it ended otherwise than it should, or could not be started;
 * LARDER_EACCES: it may not be; LARDER_ETOOBIG; LARDER_EAWAY: its time was over; LARDER_ECANCELLED; LARDER_EINVAL: the key
 * lacks a part.
 */
LARDER_MUST_CHECK larder_err lrd_command_make(void *context, const larder_making *making, larder_made *made, larder_error *err);

#endif
