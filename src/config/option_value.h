/* SPDX-License-Identifier: Apache-2.0 */
/* One value of the file: from text into the struct that its row points to, and back. */
#ifndef LRD_CONFIG_OPTION_VALUE_H
#define LRD_CONFIG_OPTION_VALUE_H

#include "base/bytes.h"
#include "config/options.h"

#define LRD_EXPECTED_MAX 256

/* Sets the row's value within `section` (a struct of the row's scope). False when the text is none or out of bounds; the
 * section is untouched then. Texts and paths are not copied: they must live as long as the section. */
bool lrd_option_set(const lrd_option *row, void *section, const char *text);
/* What may stand there, for people: "a size from 1MiB to 1TiB (a bare number is MiB)". */
const char *lrd_option_expected(const lrd_option *row, char out[LRD_EXPECTED_MAX]);
/* The value as it would be written in the file, without quotes; secrets too. */
LARDER_MUST_CHECK larder_err lrd_option_get(const lrd_option *row, const void *section, lrd_buf *out);
/* Whether the value is none: a text or path that is not set. */
bool lrd_option_unset(const lrd_option *row, const void *section);
/* Sets every row of a scope to its default; nested sections too. */
void lrd_option_set_defaults(lrd_scope scope, void *section);

bool lrd_bool_parse(const char *text, bool *out);

#endif
