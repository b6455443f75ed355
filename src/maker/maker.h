/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a maker is: a name, a table of parameters, and a function that computes a value from them. The table is the only
 * description of the parameters: texts are read by it, keys are spelled by it, help and reference are printed from it.
 */
#ifndef LRD_MAKER_MAKER_H
#define LRD_MAKER_MAKER_H

#include "base/bytes.h"
#include <larder/recipe.h>

/* One parameter as read. Which field counts follows from the row's type. */
typedef struct lrd_param_value {
  double real;                           /* REAL, and WHOLE too */
  uint64_t whole;                        /* WHOLE, and CHOICE: number of the word */
  uint64_t sizes[3];                     /* SIZES */
  unsigned axes;                         /* SIZES: 1 to 3; 0: the default is the empty text */
  char text[LARDER_RECIPE_TEXT_MAX + 1]; /* TEXT */
} lrd_param_value;

/* The parameters of one making, by their place in the table. */
typedef struct lrd_params {
  lrd_param_value at[LARDER_RECIPE_PARAMS_MAX];
} lrd_params;

/* How long somebody waits for a value: asked by who computes it, `look` answers LARDER_OK, or why not to go on. */
typedef struct lrd_patience {
  larder_err (*look)(void *context);
  void *context;
} lrd_patience;

#define LRD_PATIENCE_STEPS 4096u /* short steps of a computation between two looks */

/* NULL: it has no end. */
LARDER_MUST_CHECK static inline larder_err lrd_patience_look(const lrd_patience *patience) {
  return patience ? patience->look(patience->context) : LARDER_OK;
}
/* The same in a loop of short steps, counted from 0. */
LARDER_MUST_CHECK static inline larder_err lrd_patience_look_at(const lrd_patience *patience, uint64_t step) {
  return step % LRD_PATIENCE_STEPS == 0 ? lrd_patience_look(patience) : LARDER_OK;
}

typedef struct lrd_maker lrd_maker;
struct lrd_maker {
  larder_recipe shown; /* name, sentences, kind and table, as the public header hands them out */
  bool alone;          /* measures time, so that nothing else should be made meanwhile */
  /* What the table cannot say: parameters that contradict each other. NULL: nothing. */
  larder_err (*check)(const lrd_params *params, larder_error *err);
  /* Appends the key in the maker's own spelling. NULL: lrd_maker_key's. */
  larder_err (*key)(const lrd_params *params, lrd_buf *out);
  /* Bytes of the value without what its format adds; UINT64_MAX: beyond counting. NULL: there is no telling, but few. */
  uint64_t (*bytes)(const lrd_params *params);
  /* Appends the value's bytes to out. Computes in the calling thread; several may run at once. *version_out and *meta_out
   * (empty buffers) may be filled with what is kept beside the value. Looks at the patience often enough for people
   * to wait for the end, and ends with what that answers. */
  larder_err (*make)(const lrd_params *params, const lrd_patience *patience, lrd_buf *out, lrd_buf *version_out,
                     lrd_buf *meta_out, larder_error *err);
};

/*
 * Texts to values by the maker's table, defaults for what is not given, and the maker's check. LARDER_EINVAL with a sentence
 * that names the parameter and what it may be.
 */
LARDER_MUST_CHECK larder_err lrd_maker_params_read(const lrd_maker *maker, const larder_param *given, size_t count,
                                                   lrd_params *out, larder_error *err);
/* One text by one row; `out` untouched on failure. */
LARDER_MUST_CHECK larder_err lrd_param_read(const char *maker, const larder_recipe_param *row, const char *text,
                                            lrd_param_value *out, larder_error *err);
/* Appends the key: the name, then `_NAMEVALUE` for what has no default or is not at it. No NUL. */
LARDER_MUST_CHECK larder_err lrd_maker_key(const lrd_maker *maker, const lrd_params *params, lrd_buf *out);
/* Whether a value is within a limit, before anything is computed: else LARDER_ETOOBIG, with its size in the sentence. `limit`
 * is the limit's name. */
LARDER_MUST_CHECK larder_err lrd_maker_fits(const lrd_maker *maker, const lrd_params *params, uint64_t bytes_max,
                                            const char *limit, larder_error *err);
/* The page of a maker in Markdown. */
LARDER_MUST_CHECK larder_err lrd_maker_reference(const lrd_maker *maker, lrd_buf *out);

#endif
