/* SPDX-License-Identifier: Apache-2.0 */
#include "recipes.h"

static const lrd_maker *const recipes[] = {&lrd_recipe_kernel,  &lrd_recipe_laplacian, &lrd_recipe_echo,
                                           &lrd_recipe_profile, &lrd_recipe_sources,   &lrd_recipe_wisdom};

const lrd_maker *lrd_recipe_at(size_t index) { return index < sizeof recipes / sizeof recipes[0] ? recipes[index] : NULL; }

const lrd_maker *lrd_recipe_find(const char *name) {
  for (size_t i = 0; i < sizeof recipes / sizeof recipes[0]; i++) {
    if (strcmp(recipes[i]->shown.name, name) == 0) return recipes[i];
  }
  return NULL;
}
