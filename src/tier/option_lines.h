/* SPDX-License-Identifier: Apache-2.0 */
/* larder_tier_params.options: `name=value` lines. */
#ifndef LRD_TIER_OPTION_LINES_H
#define LRD_TIER_OPTION_LINES_H

#include "base/bytes.h"

/* Takes one option; false: unknown, or not a value of it. */
typedef bool (*lrd_option_set)(void *options, lrd_span name, lrd_span value);
/* LARDER_EINVAL names the first line that `set` refused, or that has no equals sign. text may be NULL. */
LARDER_MUST_CHECK larder_err lrd_option_lines(const char *text, const char *room, lrd_option_set set, void *options,
                                              larder_error *err);

/* A whole number between least and most, of digits alone. */
bool lrd_option_number(lrd_span value, uint64_t least, uint64_t most, uint64_t *out);

#endif
