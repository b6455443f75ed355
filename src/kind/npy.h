/* SPDX-License-Identifier: Apache-2.0 */
/* One `.npy` file: its header read and written. Format as numpy documents it (numpy.lib.format), versions 1.0 to 3.0. */
#ifndef LRD_KIND_NPY_H
#define LRD_KIND_NPY_H

#include "base/bytes.h"
#include <larder/array.h>

bool lrd_npy_is(const void *data, size_t len);
/*
 * Describes the array in data, which is borrowed; out->name and out->own stay as they are. `whole`: the elements have to be
 * there, exactly. Else data may be the head of a file that was cut: data and len then say what is there of them. `label` is
 * what messages call it. LARDER_EFORMAT.
 */
LARDER_MUST_CHECK larder_err lrd_npy_read(const void *data, size_t len, bool whole, lrd_span label, larder_array *out,
                                          larder_error *err);
/* Appends the header of an array whose kind, itemsize and count are set, in the oldest version that holds it, so long that
 * what follows lies at a multiple of 64 from where it began. */
LARDER_MUST_CHECK larder_err lrd_npy_head_append(lrd_buf *out, const larder_array *array);
/* Checks what a caller gave: fills kind, order, itemsize, count and the lengths of the texts. LARDER_EINVAL. */
LARDER_MUST_CHECK larder_err lrd_npy_complete(larder_array *array, larder_error *err);

/* Bytes of an element of the array in a value, by which its bytes repeat; 0 when the value is no `.npy`. */
uint64_t lrd_array_itemsize(const void *value, size_t len);

#endif
