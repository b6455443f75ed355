/* SPDX-License-Identifier: Apache-2.0 */
/* Paths as text: joining, and percent-encoding of names so that no key or namespace can leave its folder. */
#ifndef LRD_BASE_PATH_H
#define LRD_BASE_PATH_H

#include "bytes.h"

/* `a/b`; own, NULL when out of memory. */
char *lrd_path_join(const char *a, const char *b);
/* Letters, digits and `-_.=,+@` stay; all else, a leading dot and an empty name are percent-encoded. */
LARDER_MUST_CHECK larder_err lrd_path_encode(lrd_buf *out, const void *name, size_t len);
/* The way back; LARDER_EINVAL for what encode never writes. */
LARDER_MUST_CHECK larder_err lrd_path_decode(lrd_buf *out, const char *name, size_t len);

#endif
