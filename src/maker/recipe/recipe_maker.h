/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes values by a recipe, whose parameters are in the key: as its pairs (`anything|alpha=1.5&dt=0.01&n=1000`), or in the
 * recipe's own spelling (`kernel_alpha1.5_dt0.01_n1000`), by which `larder warm` keeps values, where that says one thing only.
 */
#ifndef LRD_MAKER_RECIPE_RECIPE_MAKER_H
#define LRD_MAKER_RECIPE_RECIPE_MAKER_H

#include "base/clock.h"
#include "config/configuration.h"
#include "maker/maker.h"
#include <larder/ext/maker.h>

typedef struct lrd_recipe_maker lrd_recipe_maker;

/* Own. ns, secrets (for base/redact.h) and clock are borrowed until lrd_recipe_maker_free. LARDER_EINVAL, and the nearest name,
 * where there is no recipe of config's name. */
LARDER_MUST_CHECK larder_err lrd_recipe_maker_new(const lrd_config_maker *config, const char *ns, const char *secrets,
                                                  const lrd_clock *clock, lrd_recipe_maker **out, larder_error *err);
/* When no making is under way. NULL is fine. */
void lrd_recipe_maker_free(lrd_recipe_maker *maker);

/*
 * A larder_make; context is the lrd_recipe_maker. Computes in the calling thread, and stops when nobody wants the value any
 * more or its deadline has passed; a plan that FFTW has begun is ended first. LARDER_EINVAL: the key is none of the recipe's;
 * LARDER_ETOOBIG: the value would be above value_bytes_max, told before it is computed; LARDER_EAWAY, LARDER_ECANCELLED; else
 * what the recipe answers.
 */
LARDER_MUST_CHECK larder_err lrd_recipe_maker_make(void *context, const larder_making *making, larder_made *made,
                                                   larder_error *err);

/* The parameters that a key stands for. LARDER_EINVAL with a sentence without the key in it. */
LARDER_MUST_CHECK larder_err lrd_recipe_key_read(const lrd_maker *recipe, const void *key, size_t key_len, lrd_params *out,
                                                 larder_error *err);

#endif
