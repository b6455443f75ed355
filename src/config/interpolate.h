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

/* *out is set for PLAIN and DONE. `where` is the option's path, for the message. */
lrd_interpolated lrd_interpolate(const lrd_yaml_node *node, const char *where, bool must_be_set, lrd_mistakes *mistakes,
                                 const char **out);

#endif
