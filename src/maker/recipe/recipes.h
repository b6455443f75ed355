/* SPDX-License-Identifier: Apache-2.0 */
/* The recipes of this build. Each is one file that exports one symbol; recipes.c is the only place that knows them all. */
#ifndef LRD_MAKER_RECIPE_RECIPES_H
#define LRD_MAKER_RECIPE_RECIPES_H

#include "maker/maker.h"

extern const lrd_maker lrd_recipe_kernel;
extern const lrd_maker lrd_recipe_laplacian;
extern const lrd_maker lrd_recipe_echo;
extern const lrd_maker lrd_recipe_profile;
extern const lrd_maker lrd_recipe_sources;
extern const lrd_maker lrd_recipe_wisdom;

/* NULL behind the last. */
const lrd_maker *lrd_recipe_at(size_t index);
/* NULL when there is none of that name. */
const lrd_maker *lrd_recipe_find(const char *name);

#endif
