/* SPDX-License-Identifier: Apache-2.0 */
/* Values of the file and what all that read them share. Failures are told in the reader's mistakes. */
#ifndef LRD_CONFIG_VALUE_READ_H
#define LRD_CONFIG_VALUE_READ_H

#include "config/settings_read.h"

#define LRD_TRAIL_MAX 200
const char *lrd_trail_text(const lrd_trail *trail, char out[LRD_TRAIL_MAX]);

/* The text of a scalar with its variables replaced, living as long as the settings; NULL when there is none, which has been
 * told then where it matters. */
const char *lrd_scalar_text(lrd_reader *reader, const lrd_yaml_node *node, const lrd_trail *trail, const char *expected);
/* The same of a row's, which may be a template. */
const char *lrd_row_text(lrd_reader *reader, const lrd_option *row, const lrd_yaml_node *node, const lrd_trail *trail,
                         const char *expected);
/* How the file has a text of the settings: itself, where no variable was put into it. */
const char *lrd_written_text(const lrd_settings *settings, const char *text);
/* Whether it has it otherwise: no sentence may say what such a text is. */
bool lrd_has_variable(const lrd_settings *settings, const char *text);
const char *lrd_written_line(const lrd_settings *settings, const char *text); /* the same of a text that is one line, as one */
/* That the file has a text of the settings otherwise. Both live as long as these. */
void lrd_written_note(lrd_reader *reader, const char *text, const char *written);
/* Absolute, `~/` expanded, without `//` and `/./`; what is relative starts from `base` (NULL: left relative). */
const char *lrd_config_path(lrd_reader *reader, const char *base, const char *path);

/* "found a list; expected …". */
void lrd_unexpected_kind(lrd_reader *reader, const lrd_yaml_node *node, const lrd_trail *trail, const char *expected);
/* False, and told, for a tag of somebody's own. */
bool lrd_tag_check(lrd_reader *reader, const lrd_yaml_node *node, const lrd_trail *trail);
/* False, and told, for a key that is no name. */
bool lrd_key_check(lrd_reader *reader, const lrd_yaml_item *item, const lrd_trail *trail);
/* An earlier item of the map that says the same: the same key, or with a row the other spelling or another row of one
 * storage. Both keys are names. */
const lrd_yaml_item *lrd_item_before(const lrd_yaml_node *map, const lrd_yaml_item *item, const lrd_option *row);
void lrd_key_twice(lrd_reader *reader, const lrd_yaml_item *item, const lrd_yaml_item *before, const lrd_trail *trail);

/* Told where the row needs what this build lacks and is in use. */
void lrd_needs_check(lrd_reader *reader, const lrd_option *row, const lrd_yaml_item *item, void *section,
                     const lrd_trail *trail);
/* A scalar into its place in the section; `trail` ends with its own name. */
void lrd_scalar_read(lrd_reader *reader, const lrd_option *row, const lrd_yaml_item *item, void *section,
                     const lrd_trail *trail);
/* A mapping of names to texts, as `name=value` lines. */
void lrd_pairs_read(lrd_reader *reader, const lrd_option *row, const lrd_yaml_node *map, void *section, const lrd_trail *trail);
/* A list of names of secrets (base/redact.h), as lines. */
void lrd_names_read(lrd_reader *reader, const lrd_option *row, const lrd_yaml_node *list, void *section,
                    const lrd_trail *trail);

#endif
