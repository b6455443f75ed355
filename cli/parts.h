/* SPDX-License-Identifier: Apache-2.0 */
/* What arrays and models are made of: types, shapes and figures of arrays, tensors, files of an archive. */
#ifndef CLI_PARTS_H
#define CLI_PARTS_H

#include "cli_json.h"
#include <larder/kind.h>

/* Figures are made of arrays up to so many bytes: in a list of entries, and where one entry is looked at. */
#define CLI_FIGURES_LISTED ((uint64_t)1 << 20)
#define CLI_FIGURES_ONE    ((uint64_t)256 << 20)

/*
 * Adds the parts as text, `separator` between them, at most `most`. False, and nothing added, for a value without parts.
 * *how_out is "array" or "model". A value that is broken is told as such.
 */
bool cli_parts_text(cli_buf *out, const void *value, size_t len, larder_kind kind, uint64_t figures_max, size_t most,
                    const char *separator, const char **how_out);
/* Members "parts", at most 1000, and "parts_total". */
void cli_parts_json(cli_json *json, const void *value, size_t len, larder_kind kind, uint64_t figures_max);

#endif
