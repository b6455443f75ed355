/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text of an `.npy` header is a Python literal; numpy evaluates it. Here it is read by a small parser that knows what
 * numpy writes and nothing else: quoted strings, whole numbers, tuples and lists, True and False. A cursor walks the text;
 * the first mistake stops it and stays in it.
 */
#ifndef LRD_KIND_DTYPE_H
#define LRD_KIND_DTYPE_H

#include <larder/array.h>

typedef struct lrd_literal {
  const char *at;
  const char *end;
  const char *mistake; /* a static phrase, once something was wrong; `at` is then the place */
} lrd_literal;

/* False always, so that a failing line reads `return lrd_literal_wrong(…)`. */
bool lrd_literal_wrong(lrd_literal *text, const char *mistake);
void lrd_literal_blanks(lrd_literal *text);
/* Takes the character, after blanks, when it is next. */
bool lrd_literal_take(lrd_literal *text, char wanted);
/* A quoted string: the text between the quotes as written, escapes untouched. */
bool lrd_literal_string(lrd_literal *text, const char **out, size_t *len_out);
/* A tuple of whole numbers, `()`, `(3,)`, `(3, 4)`, or a single number when `number_too`. */
bool lrd_literal_shape(lrd_literal *text, bool number_too, uint64_t *shape, unsigned *dims_out);

/*
 * An element's type: fills dtype, kind, order and itemsize. A string, or a list of fields `('name', type)` or
 * `('name', type, shape)`, a name being a string or a pair of title and name, a type again a list or a string.
 */
bool lrd_dtype_read(lrd_literal *text, larder_array *out);
/* The same for a text of its own, as callers give it: `<f8` without quotes, or a list. */
bool lrd_dtype_parse(lrd_literal *text, larder_array *out);

/* a * b, or false when it does not fit. */
static inline bool lrd_product(uint64_t a, uint64_t b, uint64_t *out) { return !__builtin_mul_overflow(a, b, out); }

#endif
