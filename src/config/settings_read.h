/* SPDX-License-Identifier: Apache-2.0 */
/* A tree against the option table, into settings. Everything that is wrong goes to `mistakes`; reading goes on. */
#ifndef LRD_CONFIG_SETTINGS_READ_H
#define LRD_CONFIG_SETTINGS_READ_H

#include "config/options.h"
#include "config/yaml_tree.h"

typedef struct lrd_reader {
  lrd_settings *settings;         /* what is kept goes into its arena */
  lrd_mistakes *mistakes;         /* its arena is for what is not */
  const char *folder;             /* that a relative `root` starts from, absolute; NULL: none */
  const char *root_override;      /* absolute, or NULL */
  const char *const *extra_types; /* NULL-terminated, or NULL */
  struct lrd_variables *seen;     /* of the section that is read, where that wants to know; NULL: nobody does */
  bool disabled;                  /* within a section that is not in use: unset variables do not matter */
  bool out_of_memory;
} lrd_reader;

/* Where the reader is, on its stack: `cache.sqlite.path`. */
typedef struct lrd_trail {
  const struct lrd_trail *up;
  const char *name;
} lrd_trail;

/* The whole file; root NULL or without a section `cache`: the defaults, and a notice when there was a file. */
void lrd_settings_read(lrd_reader *reader, const lrd_yaml_node *root, bool from_file);

/* One mapping against a scope; `without` (may be 0) hides rows with these flags. */
void lrd_scope_read(lrd_reader *reader, lrd_scope scope, const lrd_yaml_node *map, void *section, unsigned without,
                    const lrd_trail *trail);

#endif
