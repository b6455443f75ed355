/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts with places that a key fills: a URL, or an argument of a command.
 *
 * A key reads `path|name=value&name=value`, as larder_key_for_endpoint writes it; without `|` it is all path. The path falls
 * into parts at a separator. Names and values are percent-decoded (what cannot be is taken as it stands); the first pair of a
 * name counts.
 *
 *   {key}   the whole key           {query}  all pairs, as name=value&name=value; empty where there are none
 *   {path}  what stands before `|`  {name}   the value of the pair of that name
 *   {1}..{9} a part of the path     {ns}     the namespace
 *
 * `{{` and `}}` are braces.
 */
#ifndef LRD_CONFIG_KEY_TEMPLATE_H
#define LRD_CONFIG_KEY_TEMPLATE_H

#include "base/bytes.h"

typedef struct lrd_key_template lrd_key_template;

/*
 * PLAIN: bytes as they are, except NUL; {query} as it stands in the key.
 * URL: http or https. What is filled in is percent-encoded, all but RFC 3986's unreserved characters; of {query} the = and &
 * between its pairs stay; `{+path}`, `{+key}`, `{+1}`, `{+name}` keep `/` too. No place stands before the URL's path, and no
 * segment of the path becomes `.` or `..`, not even for who decodes it or reads `\` as `/`: a key cannot choose another host,
 * climb out of the path or add to the query what is not a value.
 */
typedef enum lrd_template_form { LRD_TEMPLATE_PLAIN, LRD_TEMPLATE_URL } lrd_template_form;

/* Own; LARDER_EINVAL with a sentence that names the place and what it may be, never the text around it. text is copied. */
LARDER_MUST_CHECK larder_err lrd_key_template_new(const char *text, lrd_template_form form, char separator,
                                                  lrd_key_template **out, larder_error *err);
void lrd_key_template_free(lrd_key_template *template); /* NULL is fine */
/* Appends to out, which stays as it was on failure. LARDER_EINVAL with a sentence, without the key in it, where the key has not
 * the part or may not stand there. By any thread. */
LARDER_MUST_CHECK larder_err lrd_key_template_fill(const lrd_key_template *template, const char *ns, const void *key,
                                                   size_t key_len, lrd_buf *out, larder_error *err);

/*
 * Argument `at` of a command, of the templates of all of them, appended likewise. LARDER_EINVAL also where the argument would
 * begin with `-` by what the key brings, since most programs read that as an option: unless an argument before it is `--` as
 * it is written.
 */
LARDER_MUST_CHECK larder_err lrd_key_argument_fill(lrd_key_template *const *argv, size_t at, const char *ns, const void *key,
                                                   size_t key_len, lrd_buf *out, larder_error *err);

/* The pairs of a key one after the other, percent-decoded, each with a NUL that len does not count; empty ones are left out.
 * *at is 0 for the first. LARDER_MISS: there is no further one. */
LARDER_MUST_CHECK larder_err lrd_key_pair_next(const void *key, size_t key_len, size_t *at, lrd_buf *name, lrd_buf *value);

/* A key for a sentence: in quotes, its secrets hidden by base/redact.h's list (NULL: the built-in one), what cannot be printed
 * escaped, at most 80 bytes between the quotes. Returns out. */
#define LRD_KEY_SHOWN_ROOM 96u
const char *lrd_key_shown(const char *secrets, const void *key, size_t key_len, char out[LRD_KEY_SHOWN_ROOM]);

#endif
