/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a warm is to make: parts, each a recipe with lists of values whose product is made. A value has a number from 0 to the
 * plan's total - 1; it is spelled out only when its turn comes, so a plan of a hundred thousand values is small.
 */
#ifndef LRD_WARM_RECIPE_PLAN_H
#define LRD_WARM_RECIPE_PLAN_H

#include "recipe_make.h"

/* The values of one parameter, NUL-terminated one behind the other. */
typedef struct lrd_warm_list {
  char *name;
  char *values;
  const char **each; /* count pointers into values */
  uint64_t count;
} lrd_warm_list;

typedef struct lrd_warm_part {
  larder_ns *ns;
  const lrd_maker *maker;
  lrd_warm_list lists[LARDER_RECIPE_PARAMS_MAX];
  size_t lists_len;
  uint64_t total;
} lrd_warm_part;

/* Zero-initialise; fini. */
typedef struct lrd_warm_plan {
  lrd_warm_part *parts;
  size_t parts_len;
  uint64_t total;
} lrd_warm_plan;

void lrd_warm_plan_fini(lrd_warm_plan *plan);
/* Adds a part and checks every value of it. Each parameter's value may hold several, parted by commas. Copies. LARDER_EINVAL,
 * LARDER_ETOOBIG above LARDER_WARM_MAX values in all, LARDER_ENOMEM. */
LARDER_MUST_CHECK larder_err lrd_warm_plan_add(lrd_warm_plan *plan, larder_ns *ns, const char *recipe,
                                               const larder_param *params, size_t count, larder_error *err);
/* The number-th value of a part: its parameters and its key (room LARDER_KEY_MAX + 1). The last list changes fastest. */
LARDER_MUST_CHECK larder_err lrd_warm_part_at(const lrd_warm_part *part, uint64_t number, lrd_params *params_out, char *key_out,
                                              larder_error *err);

#endif
