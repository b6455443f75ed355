/* SPDX-License-Identifier: Apache-2.0 */
/* A policy's section `health`: what is more than a value for each key. */
#ifndef LRD_CONFIG_HEALTH_READ_H
#define LRD_CONFIG_HEALTH_READ_H

#include "config/settings_read.h"

/* Nothing of an earlier check, of the defaults say, is left. */
void lrd_check_clear(lrd_settings_check *check);
/* When all keys have been read: exactly one way to check, and no key of the other. */
void lrd_check_check(lrd_reader *reader, const lrd_yaml_node *map, lrd_settings_check *check, const lrd_trail *trail);
/* retry and retry_max together. */
void lrd_health_check(lrd_reader *reader, const lrd_yaml_node *map, const lrd_settings_health *health, const lrd_trail *trail);

#endif
