/* SPDX-License-Identifier: Apache-2.0 */
/* One value of a recipe, from its parameters into a namespace. */
#ifndef LRD_WARM_RECIPE_MAKE_H
#define LRD_WARM_RECIPE_MAKE_H

#include "maker/maker.h"

/* The recipe of that name, or LARDER_EINVAL with the names that there are. */
LARDER_MUST_CHECK larder_err lrd_recipe_named(const char *name, const lrd_maker **out, larder_error *err);
/* The key, NUL-terminated; out has room for LARDER_KEY_MAX + 1 bytes. */
LARDER_MUST_CHECK larder_err lrd_recipe_key_write(const lrd_maker *maker, const lrd_params *params, char *out,
                                                  larder_error *err);
/* Computes and puts; *bytes_out is the value's length. LARDER_OK or LARDER_DEGRADED when it is kept; every other result has a
 * sentence in err. */
LARDER_MUST_CHECK larder_err lrd_recipe_into(larder_ns *ns, const lrd_maker *maker, const lrd_params *params, const char *key,
                                             int64_t ttl_ms, uint64_t *bytes_out, larder_error *err);

#endif
