/* SPDX-License-Identifier: Apache-2.0 */
/* What `larder warm` was asked for, and the three things that it can be: recipes, a file of entries, keys for makers. */
#ifndef CLI_WARM_ARGS_H
#define CLI_WARM_ARGS_H

#include "import_call.h"
#include <larder/recipe.h>

#define CLI_WARM_PARAMS_MAX 40u /* different names in all recipes together */
#define CLI_WARM_TOLD_MAX   20u /* failures that are told one by one */

typedef struct cli_warm_args {
  cli_import_args from; /* its ns, key_template, ttl_ms, checkpoint and resume count for the others too */
  const char *recipe;
  uint64_t parallel;
  bool fresh;
  bool list;
  bool reference;
  const char *keys;
  bool comments;
  const char *places;
  const char *near_place;
  const char *radius;
  double per_second;
  const char *params[CLI_WARM_PARAMS_MAX]; /* by their row of the options */
} cli_warm_args;

/* A value or key that failed. */
typedef struct cli_warm_failure {
  char *ns;
  char *key;
  size_t key_len;
  char *reason;
} cli_warm_failure;

/* Values of recipes into ns, or what the configuration lists, of all namespaces where ns is NULL. */
cli_exit cli_warm_recipes(const cli_call *call, const cli_warm_args *args, const larder_param *params, size_t count,
                          larder *cache, larder_ns *ns);
/* Keys of one or several namespaces, each by its maker. */
cli_exit cli_warm_keys(const cli_call *call, const cli_warm_args *args, larder *cache);

#endif
