/* SPDX-License-Identifier: Apache-2.0 */
/* Pages for secrets: locked into memory where that is allowed, in no core dump, zeros in a forked child, wiped at the end. */
#ifndef LRD_CODEC_KEY_MEMORY_H
#define LRD_CODEC_KEY_MEMORY_H

#include <stddef.h>

/* Zeros; NULL when there is no memory. */
void *lrd_key_memory_new(size_t len);
void lrd_key_memory_free(void *at, size_t len); /* NULL is fine */

#endif
