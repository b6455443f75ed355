/* SPDX-License-Identifier: Apache-2.0 */
/* `import` of a namespace: what its values must be beyond single ones. */
#ifndef LRD_CONFIG_IMPORT_READ_H
#define LRD_CONFIG_IMPORT_READ_H

#include "config/settings_read.h"

void lrd_import_check(lrd_reader *reader, const lrd_yaml_node *map, const lrd_config_import *import, const lrd_trail *trail);

#endif
