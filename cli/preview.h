/* SPDX-License-Identifier: Apache-2.0 */
/* The beginning of a value for people to look at, with what looks like a secret hidden. */
#ifndef CLI_PREVIEW_H
#define CLI_PREVIEW_H

#include "cli_text.h"
#include <larder/larder.h>

/* How much of a value is looked at. */
#define CLI_PREVIEW_WINDOW ((size_t)4096)

/* Adds text with its secrets hidden (larder/redact.h). `cut` says that the text goes on behind its end. */
void cli_redact(const larder *cache, cli_buf *out, const char *text, size_t len, bool cut);

/*
 * Adds a preview of a value: text and JSON redacted and escaped, the parts of an array or a model, else hexadecimal.
 * `columns` 0: no limit but the window. `figures_max`: see cli_parts_text. *how_out says which: "text", "array", "model",
 * "hex".
 */
void cli_preview(const larder *cache, cli_buf *out, const void *value, size_t len, larder_kind kind, size_t columns,
                 uint64_t figures_max, const char **how_out);

#endif
