/* SPDX-License-Identifier: Apache-2.0 */
/* The header fields that a configuration gives a request: `name=value` lines. */
#ifndef LRD_MAKER_HTTP_HEADERS_H
#define LRD_MAKER_HTTP_HEADERS_H

#include "base/bytes.h"

/* The next line from *at, which begins with the lines (NULL: none) and is moved on; value.data is NULL where the line has no
 * `=`. False: there is none. */
bool lrd_http_headers_next(const char **at, lrd_span *name, lrd_span *value);

/* Whether all of them may be sent; else *name is the first that may not, and *why_out the rest of a sentence about it. */
bool lrd_http_headers_valid(const char *lines, lrd_span *name, const char **why_out);

#endif
