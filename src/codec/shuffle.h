/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Byte shuffle: of elements of `width` bytes, first all their first bytes, then all their second ones, and so on. Numbers
 * that lie beside each other differ little in sign and exponent, so what comes out has long runs that compress well.
 * Bytes behind the last whole element stay as they are. Input and output are as long as each other and do not overlap.
 */
#ifndef LRD_CODEC_SHUFFLE_H
#define LRD_CODEC_SHUFFLE_H

#include <stddef.h>
#include <stdint.h>

#define LRD_SHUFFLE_WIDTH_MAX 64u /* and at least 2 */

void lrd_shuffle(const void *in, size_t len, unsigned width, void *out);
void lrd_unshuffle(const void *in, size_t len, unsigned width, void *out);

#endif
