/* SPDX-License-Identifier: Apache-2.0 */
/* The beginning of a value for people to look at, with what looks like a secret hidden. */
#ifndef CLI_PREVIEW_H
#define CLI_PREVIEW_H

#include "cli_text.h"
#include <larder/larder.h>

/* How much of a value is looked at. */
#define CLI_PREVIEW_WINDOW ((size_t)4096)

/*
 * Adds text as it is, but for secrets, which become `***`: the value of a field whose name speaks of a password, token,
 * secret, key or credential (JSON, YAML, headers, `name=value`), and the password in a URL. `cut` says that the text goes
 * on behind its end, so that a secret which is cut off is hidden too.
 */
void cli_redact(cli_buf *out, const char *text, size_t len, bool cut);
/* True for names such as `api_key`, `password`, `X-Auth-Token`. */
bool cli_name_is_secret(const char *name, size_t len);

/*
 * Adds a preview of a value: text and JSON redacted and escaped, an array's header, else hexadecimal. `columns` 0: no
 * limit but the window. *how_out says which: "text", "array", "hex".
 */
void cli_preview(cli_buf *out, const void *value, size_t len, larder_kind kind, size_t columns, const char **how_out);

#endif
