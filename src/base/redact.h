/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hiding secrets in text of any format: what stands behind a name that speaks of a password, token or key, and the
 * password of a URL, becomes `***`.
 *
 * A list of names is text, a name a line, made by lrd_secrets_make; NULL is the built-in list everywhere. A name matches
 * as a run of whole words of a field's name, whatever the case and the separators: `api_key` finds `X-API-Key`, `apiKey`
 * and `my.apikeys`, but not `keyboard_api`.
 */
#ifndef LRD_BASE_REDACT_H
#define LRD_BASE_REDACT_H

#include "bytes.h"

#define LRD_REDACTED "***"

/* What was hidden, and what would have been if it had not been `***` already. */
typedef struct lrd_hidden {
  uint64_t now;
  uint64_t before;
} lrd_hidden;

/*
 * The built-in names, and `given`: names a line each, more of them; `-name` takes a built-in one out, `=name` is only the
 * whole of a name. Own; NULL stays NULL. LARDER_EINVAL for a name without a letter or digit.
 */
LARDER_MUST_CHECK larder_err lrd_secrets_make(const char *given, char **out);
bool lrd_secret_name(const char *secrets, const char *name, size_t len);
/* Whether a line of `given` may stand there. */
bool lrd_secret_given_valid(const char *name, size_t len);

/* Appends text with its secrets hidden. `cut`: it goes on behind its end, so that what is cut off there is hidden too. */
LARDER_MUST_CHECK larder_err lrd_redact_text(const char *secrets, const char *text, size_t len, bool cut, lrd_buf *out,
                                             lrd_hidden *hidden);

/* Where the values of pairs (`NAME=value`, ended by NULL; NULL: none) stand in a text they become `***`, whatever stands before
 * them: of several that begin at one place the longest. So does the beginning of one that is cut off there: eight bytes at
 * least, or half of it, before a quote, an escape, dots or the end. Values of less than four bytes may stand anywhere by
 * chance, and stay. Returns the length, which is never greater; nothing ends it. */
size_t lrd_redact_values(const char *const *pairs, const char *const *more, char *text, size_t len);
/* The same of a text that NUL ends; a value that stands in `spared` (NULL: nothing) is shown. */
void lrd_redact_values_in(const char *const *pairs, const char *spared, char *text);

#endif
