/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recipes: values that Larder computes by itself from a few parameters, and warming a namespace with them.
 *
 * A *recipe* has a name and a table of parameters; larder_recipe_at shows both. Parameters are given as texts by name, in
 * any order; what is left out has its default. The key of a value follows from its parameters alone: the recipe's name and,
 * in the table's order, `_NAMEVALUE` for each parameter that has no default or is not at it, numbers in their shortest
 * form that reads back as the same (`kernel_alpha1.5_dt0.01_n1000`). docs/recipes.md has every formula.
 *
 * Nothing here keeps threads or files beyond a call. All calls may come from any thread.
 */
#ifndef LARDER_RECIPE_H
#define LARDER_RECIPE_H

#include <larder/larder.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LARDER_RECIPE_PARAMS_MAX 16u     /* parameters of a recipe */
#define LARDER_RECIPE_TEXT_MAX   480u    /* bytes of a parameter's value */
#define LARDER_WARM_MAX          100000u /* values that one call makes */

typedef enum larder_recipe_type {
  LARDER_RECIPE_REAL,   /* a number such as 1.5, -2 or 1e-3, from min to max */
  LARDER_RECIPE_WHOLE,  /* a whole number from min to max */
  LARDER_RECIPE_CHOICE, /* one of the words in choices */
  LARDER_RECIPE_SIZES,  /* points along one to three axes, each from min to max: 64, 64x64, 16x16x8 */
  LARDER_RECIPE_TEXT    /* a text in a small language of its own, which the sentence describes */
} larder_recipe_type;

typedef struct larder_recipe_param {
  const char *name;
  larder_recipe_type type;
  const char *fallback; /* the default as it would be written, or NULL: it must be given */
  double min;
  double max;
  const char *choices; /* words with one space between, or NULL */
  const char *sentence;
} larder_recipe_param;

/* All strings are static. */
typedef struct larder_recipe {
  const char *name;
  const char *sentence;
  const char *formula; /* a few lines of Markdown */
  larder_kind kind;    /* of what it makes */
  const larder_recipe_param *params;
  size_t params_count;
} larder_recipe;

/* The recipes of this build from 0 on; NULL behind the last. */
LARDER_API const larder_recipe *larder_recipe_at(size_t index);
/* By name, or NULL. */
LARDER_API const larder_recipe *larder_recipe_find(const char *name);
/* All recipes with their formulas and parameters as a page in Markdown. Release with larder_text_free. */
LARDER_API LARDER_MUST_CHECK larder_err larder_recipe_reference(char **out);

/* The key of a value. out has room for LARDER_KEY_MAX + 1 bytes, a NUL is written; err may be NULL. LARDER_EINVAL: no such
 * recipe or parameter, a value that is none or out of its limits, or one that must be given and is not. */
LARDER_API LARDER_MUST_CHECK larder_err larder_recipe_key(const char *recipe, const larder_param *params, size_t count,
                                                          char *out, larder_error *err);

/*
 * Makes a value, whether it is there or not, and keeps it under its key. Computes in the calling thread. Results of
 * larder_recipe_key and larder_put; LARDER_ETOOBIG when the value would be above 2 GiB; LARDER_EUNSUPPORTED when this build
 * lacks what the recipe needs (err says what).
 */
LARDER_API LARDER_MUST_CHECK larder_err larder_recipe_make(larder_ns *ns, const char *recipe, const larder_param *params,
                                                           size_t count, larder_error *err);

/* --- warming ------------------------------------------------------------------------------------------------------- */

/* How far a warm is. Borrowed during the call. */
typedef struct larder_warm_progress {
  uint64_t total;  /* values wanted */
  uint64_t made;   /* computed and kept */
  uint64_t there;  /* skipped: fresh in the namespace already */
  uint64_t failed; /* could not be computed or kept */
  const char *ns;
  const char *key;    /* what was just finished; NULL: only time has passed (every 100 ms) */
  larder_err result;  /* of that one: LARDER_OK or LARDER_DEGRADED made, LARDER_MISS there, else why it failed */
  uint64_t bytes;     /* made: of its value */
  const char *reason; /* failed: a sentence */
} larder_warm_progress;

typedef struct larder_warm_options {
  size_t size;       /* sizeof(larder_warm_options) */
  unsigned parallel; /* threads; 0: as many as there are processors; at most 256 */
  bool fresh;        /* make also what is there */
  int64_t ttl_ms;    /* 0: the namespace's; LARDER_TTL_NEVER: none */
  /* Called in the calling thread and under no lock, after each value and at least every 100 ms. False: start no further
   * value, wait for those under way, return. */
  bool (*progress)(void *context, const larder_warm_progress *progress);
  void *context;
} larder_warm_options;

typedef struct larder_warmed {
  uint64_t total;
  uint64_t made;
  uint64_t there;
  uint64_t failed;
  uint64_t bytes; /* of the values made */
  bool stopped;   /* by progress, before all was done */
} larder_warmed;

/*
 * Makes the product of lists: a parameter's value may hold several, separated by commas ("1.5,1.8"). Everything is checked
 * before the first value is made: LARDER_EINVAL as of larder_recipe_key, LARDER_ETOOBIG above LARDER_WARM_MAX values. A
 * value that fails is counted and told to progress; the call then still answers LARDER_OK. options and err may be NULL.
 */
LARDER_API LARDER_MUST_CHECK larder_err larder_warm_recipe(larder_ns *ns, const char *recipe, const larder_param *params,
                                                           size_t count, const larder_warm_options *options, larder_warmed *out,
                                                           larder_error *err);
/*
 * Makes what the configuration's namespaces list under `warm`: of ns, or of all for NULL, in the file's order. LARDER_MISS
 * when nothing is listed. Otherwise as larder_warm_recipe; err names the place in the file.
 */
LARDER_API LARDER_MUST_CHECK larder_err larder_warm_configured(larder *cache, larder_ns *ns, const larder_warm_options *options,
                                                               larder_warmed *out, larder_error *err);

#ifdef __cplusplus
}
#endif
#endif
