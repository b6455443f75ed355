/* SPDX-License-Identifier: Apache-2.0 */
/* The steps of loading, apart, for those who want the mistakes one by one or the settings before they are flattened. */
#ifndef LRD_CONFIG_LOAD_H
#define LRD_CONFIG_LOAD_H

#include "config/settings.h"

/* What a look at a configuration gives. Zero-initialised is empty. */
typedef struct lrd_config_look {
  lrd_settings *settings; /* own; NULL after a failure. Not to be relied on with mistakes */
  const char *file;       /* that was read, in the settings' arena; NULL: none, or text */
  lrd_config_arena scratch;
  lrd_mistakes mistakes;
} lrd_config_look;

/* LARDER_OK also with mistakes; failures are a file that cannot be read and want of memory. */
LARDER_MUST_CHECK larder_err lrd_config_look_at(const lrd_config_source *source, lrd_config_look *look, larder_error *err);
void lrd_config_look_fini(lrd_config_look *look);
void lrd_settings_free(lrd_settings *settings);

#endif
