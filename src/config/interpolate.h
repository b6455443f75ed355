/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `${VAR}` and `${VAR:-default}` within a value; `$${` stands for `${`. The result is text: it is not read as YAML again,
 * so a variable cannot add keys. A `$` before anything else stands for itself.
 */
#ifndef LRD_CONFIG_INTERPOLATE_H
#define LRD_CONFIG_INTERPOLATE_H

#include "config/yaml_tree.h"

typedef enum lrd_interpolated {
  LRD_INTERPOLATED_PLAIN, /* nothing to replace */
  LRD_INTERPOLATED_DONE,
  LRD_INTERPOLATED_UNSET, /* a variable without default is not set; told only when `must_be_set` */
  LRD_INTERPOLATED_WRONG, /* told as a mistake */
  LRD_INTERPOLATED_NO_MEMORY
} lrd_interpolated;

/* Variables whose values came in, each once. */
typedef struct lrd_variable lrd_variable;
struct lrd_variable {
  const char *pair; /* NAME=value */
  lrd_variable *next;
};
typedef struct lrd_variables {
  lrd_config_arena *arena; /* borrowed; holds them */
  lrd_variable *first;
  size_t len;
} lrd_variables;

/* Their pairs, ended by NULL, in the arena; NULL: out of memory. */
const char *const *lrd_variables_list(const lrd_variables *variables);

typedef struct lrd_interpolation {
  const char *where;   /* the option's path, for messages */
  bool must_be_set;    /* a variable without a default */
  bool braces_doubled; /* of what a variable holds: the text is a template, in which they would be places */
  lrd_variables *seen; /* adds to it; NULL: nobody asks */
  lrd_mistakes *mistakes;
} lrd_interpolation;

/* *out is set for PLAIN and DONE. */
lrd_interpolated lrd_interpolate(const lrd_yaml_node *node, const lrd_interpolation *how, const char **out);

#endif
