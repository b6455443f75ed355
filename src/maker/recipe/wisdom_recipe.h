/* SPDX-License-Identifier: Apache-2.0 */
/* Making wisdom plan by plan, for those who want to hear of each. */
#ifndef LRD_MAKER_RECIPE_WISDOM_RECIPE_H
#define LRD_MAKER_RECIPE_WISDOM_RECIPE_H

#include "maker/maker.h"

/* Called before the first plan and after each, under no lock. False: stop. */
typedef bool (*lrd_wisdom_step)(void *context, unsigned done, unsigned total);

extern const lrd_maker lrd_recipe_wisdom;

/* As the recipe's make; step may be NULL. When it stops, the result is LARDER_END and nothing is appended. */
LARDER_MUST_CHECK larder_err lrd_wisdom_make(const lrd_params *given, lrd_wisdom_step step, void *context, lrd_buf *out,
                                             lrd_buf *version_out, lrd_buf *meta_out, larder_error *err);
/* Whether it is of single precision. */
bool lrd_wisdom_single(const lrd_params *given);
/* How many plans it takes. */
unsigned lrd_wisdom_plans(const lrd_params *given);
/* Appends what a kept wisdom must have as its version to be of use here: FFTW's version and the processor. */
LARDER_MUST_CHECK larder_err lrd_wisdom_version(const lrd_params *given, lrd_buf *out);

#endif
