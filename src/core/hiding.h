/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets in values: JSON by its structure, anything else as text. */
#ifndef LRD_CORE_HIDING_H
#define LRD_CORE_HIDING_H

#include "base/json_read.h"
#include "base/redact.h"

/* Appends a whole value with its secrets hidden. What is JSON stays JSON: only what is hidden changes. doc is scratch. */
LARDER_MUST_CHECK larder_err lrd_hide_value(const char *secrets, lrd_json_doc *doc, const char *text, size_t len, lrd_buf *out,
                                            lrd_hidden *hidden);

#endif
