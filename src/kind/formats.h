/* SPDX-License-Identifier: Apache-2.0 */
/* The formats that a kind may be in: how each is told, checked, and taken apart for a look. */
#ifndef LRD_KIND_FORMATS_H
#define LRD_KIND_FORMATS_H

#include "zip.h"
#include <larder/kind.h>

typedef bool (*lrd_part_visit)(void *context, const larder_part *part);

/* Figures over an array's elements; sets figures, min, max, mean, nans, infinities. */
void lrd_figures_make(const larder_array *array, larder_part *out);

/* UTF-8 without control characters but tab, line feed, form feed and carriage return. */
bool lrd_text_is(const void *data, size_t len);

/* By its first bytes: a length that fits, then a brace. */
bool lrd_safetensors_is(const void *data, size_t len);
/* Checks the header whole, then visits the tensors in the order of their bytes; visit may be NULL. LARDER_EFORMAT. */
LARDER_MUST_CHECK larder_err lrd_safetensors_read(const void *data, size_t len, lrd_part_visit visit, void *context,
                                                  larder_error *err);

/* Whether an archive is PyTorch's: everything in one folder, and a data.pkl in it. LARDER_EFORMAT says why not. */
LARDER_MUST_CHECK larder_err lrd_torch_check(const lrd_zip *zip, larder_error *err);
/* By its first bytes: a pickle of protocol 2 to 5. */
bool lrd_pickle_is(const void *data, size_t len);

#endif
