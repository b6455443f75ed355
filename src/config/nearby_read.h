/* SPDX-License-Identifier: Apache-2.0 */
/* A policy's section `nearby`: what is more than a value for each key; and what a namespace says that nobody carries out. */
#ifndef LRD_CONFIG_NEARBY_READ_H
#define LRD_CONFIG_NEARBY_READ_H

#include "config/settings_read.h"

/* A key that is made of a record's fields, in `key` of the section. */
void lrd_record_key_check(lrd_reader *reader, const lrd_yaml_node *value, const char *text, const lrd_trail *trail);
/* When all keys have been read: a table, a key that is made of a place's fields, a radius that is one. */
void lrd_nearby_check(lrd_reader *reader, const lrd_yaml_node *map, const lrd_settings_nearby *near, const lrd_trail *trail);
/* When a namespace has been read: `refresh` or `nearby` of its own that has nobody to make anything is noticed. */
void lrd_idle_notice(lrd_reader *reader, const lrd_yaml_node *map, const lrd_settings_policy *policy, const lrd_trail *trail);

#endif
