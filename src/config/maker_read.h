/* SPDX-License-Identifier: Apache-2.0 */
/* A policy's section `maker`: what is more than a value for each key. Which callbacks there are is not known here. */
#ifndef LRD_CONFIG_MAKER_READ_H
#define LRD_CONFIG_MAKER_READ_H

#include "config/settings_read.h"

/* Nothing of an earlier section, of the defaults say, is left. */
void lrd_maker_clear(lrd_settings_maker *maker);
/* `command:`, a list of texts. */
void lrd_argv_read(lrd_reader *reader, const lrd_option *row, const lrd_yaml_node *list, void *section, const lrd_trail *trail);
/* Whether a pair of `headers` or `environment` may have this name; *expected says what it may be. */
bool lrd_maker_pair_valid(const lrd_option *row, const char *name, const char **expected);
/* Whether the map's `proxy`, as read, is a proxy's URL or says that there is none. Of what is not, nothing is shown. */
void lrd_proxy_check(lrd_reader *reader, const lrd_yaml_node *map, const char *proxy, const lrd_trail *trail);
/* Told where there is no recipe of that name. */
void lrd_recipe_name_check(lrd_reader *reader, const char *name, lrd_place place, const lrd_trail *trail);
/* Whether the places of a URL (or NULL), or of each argument of a command (or NULL), are such as a key can fill; value is where
 * they stand. */
void lrd_templates_check(lrd_reader *reader, const lrd_yaml_node *value, const char *url, const char *const *argv,
                         char separator, const lrd_trail *trail);
/* When all keys have been read: exactly one of those that say how, no key of another, and defaults that depend on it. */
void lrd_maker_check(lrd_reader *reader, const lrd_yaml_node *map, lrd_settings_maker *maker, const lrd_trail *trail);

#endif
