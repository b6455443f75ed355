/* SPDX-License-Identifier: Apache-2.0 */
/* Where the file is, and where things are kept when nobody says. Both follow LARDER_CONFIG, XDG and HOME. */
#ifndef LRD_CONFIG_FIND_H
#define LRD_CONFIG_FIND_H

#include "config/config_arena.h"
#include <stdbool.h>

/* `$XDG_CACHE_HOME/larder`, else `~/.cache/larder`; NULL without either (relative ones count as absent), or out of memory. */
const char *lrd_config_default_root(lrd_config_arena *arena, bool *out_of_memory);

/*
 * Which file is to be read: `given`, LARDER_CONFIG, ./larder.yaml, $XDG_CONFIG_HOME/larder/larder.yaml (~/.config without it).
 * The first two must exist. LARDER_OK, LARDER_MISS when there is none, or a failure with err.
 */
LARDER_MUST_CHECK larder_err lrd_config_find(lrd_config_arena *arena, const char *given, bool search, const char **path_out,
                                             larder_error *err);
/* The folder of a file, absolute; the working directory for NULL. NULL when that is gone, or out of memory. */
const char *lrd_config_folder(lrd_config_arena *arena, const char *file, bool *out_of_memory);

#endif
