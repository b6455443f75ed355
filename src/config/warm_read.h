/* SPDX-License-Identifier: Apache-2.0 */
/* A namespace's list of what to warm it with. Which recipes there are, and their parameters, is not known here. */
#ifndef LRD_CONFIG_WARM_READ_H
#define LRD_CONFIG_WARM_READ_H

#include "config/settings_read.h"

/* A list of mappings, each with `recipe` and parameters by name, whose values are texts or lists of them. */
void lrd_warm_read(lrd_reader *reader, const lrd_yaml_node *list, lrd_settings_policy *policy, const lrd_trail *trail);

#endif
