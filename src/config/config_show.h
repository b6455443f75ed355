/* SPDX-License-Identifier: Apache-2.0 */
/* Settings back into text that reads as the same settings; secrets hidden. */
#ifndef LRD_CONFIG_SHOW_H
#define LRD_CONFIG_SHOW_H

#include "config/settings.h"

/* Own. */
LARDER_MUST_CHECK larder_err lrd_config_show_text(const lrd_settings *settings, bool as_json, char **out);

#endif
