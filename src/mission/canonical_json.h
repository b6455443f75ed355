/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON in one spelling: no blanks, members sorted by name, strings with the fewest escapes, numbers as their shortest exact
 * decimal form. Two texts that mean the same have the same canonical text, on every machine: nothing is rounded.
 */
#ifndef LRD_MISSION_CANONICAL_JSON_H
#define LRD_MISSION_CANONICAL_JSON_H

#include "base/json_read.h"

/* Appends a node. LARDER_EINVAL for an object that has a name twice; *mistake_at (an offset of the text) says where. */
LARDER_MUST_CHECK larder_err lrd_json_canonical(const lrd_json_doc *doc, uint32_t node, lrd_buf *out, size_t *mistake_at);
/* A number's text, which the reader has accepted: `1.50e1` and `15` are both `15`. */
LARDER_MUST_CHECK larder_err lrd_json_canonical_number(const char *text, size_t len, lrd_buf *out);

#endif
