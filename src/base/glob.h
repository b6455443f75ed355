/* SPDX-License-Identifier: Apache-2.0 */
/* Globs over key bytes: `*` any run, `?` one byte, `[a-z]` `[!a-z]` a class, `\` takes the next byte as it is. */
#ifndef LRD_BASE_GLOB_H
#define LRD_BASE_GLOB_H

#include "bytes.h"

/* Linear in the text for each star, never exponential. */
bool lrd_glob_match(const char *pattern, size_t pattern_len, const void *text, size_t text_len);
/* LARDER_EINVAL for an unclosed class or a trailing backslash. */
LARDER_MUST_CHECK larder_err lrd_glob_check(const char *pattern, size_t len);
/* Length of the literal bytes at the front, which every match begins with. Copies them, unescaped, to prefix_out (room: len).
 */
size_t lrd_glob_prefix(const char *pattern, size_t len, char *prefix_out);

#endif
