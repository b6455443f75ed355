/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The arrays that a recipe computes, until they are written: one unnamed array becomes an `.npy` file, named ones an `.npz`
 * archive with stored members. All are in C order and little-endian.
 */
#ifndef LRD_MAKER_MADE_ARRAYS_H
#define LRD_MAKER_MADE_ARRAYS_H

#include "base/bytes.h"
#include <larder/array.h>

#define LRD_MADE_ARRAYS_MAX 8u

#define LRD_MADE_F8   "<f8"
#define LRD_MADE_I8   "<i8"
#define LRD_MADE_I4   "<i4"
#define LRD_MADE_BOOL "|b1"

/* Bytes of an array; UINT64_MAX where they are beyond counting. */
uint64_t lrd_made_bytes(uint64_t width, unsigned dims, const uint64_t *shape);

/* Zero-initialise; fini accepts it half built. */
typedef struct lrd_made_set {
  larder_array arrays[LRD_MADE_ARRAYS_MAX];
  void *data[LRD_MADE_ARRAYS_MAX];
  size_t count;
  uint64_t bytes;
} lrd_made_set;

void lrd_made_set_fini(lrd_made_set *made);
/* A further array, all zero, of elements of `width` bytes; *data_out belongs to made. name and dtype are static; name NULL for
 * the only one. dims is at most 3. LARDER_ETOOBIG when all together would be above LARDER_VALUE_MAX. */
LARDER_MUST_CHECK larder_err lrd_made_set_add(lrd_made_set *made, const char *name, const char *dtype, size_t width,
                                              unsigned dims, const uint64_t *shape, void **data_out);
/* A one-dimensional array keeps its first `count` elements. */
void lrd_made_set_shorten(lrd_made_set *made, size_t index, uint64_t count);
/* The file, into an empty buffer. */
LARDER_MUST_CHECK larder_err lrd_made_set_write(const lrd_made_set *made, lrd_buf *out, larder_error *err);

#endif
