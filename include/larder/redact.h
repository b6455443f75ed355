/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hiding secrets in what is shown: values of fields with names such as password, token, api_key or private_key, in JSON,
 * YAML, headers and `name=value`, and the password in `scheme://user:password@host`. Each becomes `***`. The names are the
 * built-in ones and those of the configuration's `secrets`. Log lines and exports go through the same.
 */
#ifndef LARDER_REDACT_H
#define LARDER_REDACT_H

#include <larder/larder.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A copy with its secrets hidden, NUL-terminated; release with larder_text_free. JSON stays JSON. `cut` says that the text
 * goes on behind its end, so that a secret which is cut off is hidden too. cache NULL: the built-in names. len_out may be
 * NULL.
 */
LARDER_API LARDER_MUST_CHECK larder_err larder_redact(const larder *cache, const void *text, size_t len, bool cut, char **out,
                                                      size_t *len_out);
/* Whether a field of that name is hidden: a run of whole words counts, `X-Api-Key` and `apiKeys` as well as `api_key`. */
LARDER_API bool larder_name_is_secret(const larder *cache, const char *name, size_t len);

#ifdef __cplusplus
}
#endif
#endif
