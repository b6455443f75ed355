/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the bytes of a value are, looked at: whether they are whole, and what is in them. larder_put refuses what
 * larder_kind_check refuses, for the kinds json, array, model and wisdom; it answers LARDER_EFORMAT, and larder_kind_check says
 * with a sentence what is wrong and where.
 *
 * Nothing is executed and nothing is unpickled: data never becomes code. All calls may be made from any thread.
 */
#ifndef LARDER_KIND_H
#define LARDER_KIND_H

#include <larder/array.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a value turned out to be, more closely than its kind. */
typedef enum larder_format {
  LARDER_FORMAT_BYTES,       /* nothing that is known here */
  LARDER_FORMAT_TEXT,        /* UTF-8 without control characters but tabs and line ends */
  LARDER_FORMAT_JSON,        /* one document, RFC 8259 */
  LARDER_FORMAT_NPY,         /* one array */
  LARDER_FORMAT_NPZ,         /* a zip of arrays */
  LARDER_FORMAT_SAFETENSORS, /* tensors behind a JSON header */
  LARDER_FORMAT_TORCH,       /* PyTorch's zip: checked as an archive, its pickle left alone */
  LARDER_FORMAT_PICKLE       /* a bare pickle, such as PyTorch wrote before 1.6: kept as bytes, nothing in it can be checked */
} larder_format;

/* A short name such as "safetensors". */
LARDER_API const char *larder_format_name(larder_format format);

/*
 * Checks that a value is whole, as its kind asks: json: one document; array: `.npy` or `.npz` with all checksums; model:
 * `.safetensors`, PyTorch's `.pt` as an archive with all checksums, or a pickle, which is let pass unread. Of the other
 * kinds every value passes. LARDER_OK, and *out (may be NULL) says what it is; LARDER_EFORMAT with a sentence in err (may be
 * NULL); LARDER_ETOOBIG, LARDER_ENOMEM.
 */
LARDER_API LARDER_MUST_CHECK larder_err larder_kind_check(larder_kind kind, const void *value, size_t len, larder_format *out,
                                                          larder_error *err);

/* Why an array has no figures. */
typedef enum larder_figures {
  LARDER_FIGURES_MADE,
  LARDER_FIGURES_NOT_ASKED, /* more bytes than stats_bytes_max, or no array of numpy's */
  LARDER_FIGURES_NO_NUMBERS /* complex numbers, texts, times, fields, no finite element */
} larder_figures;

/* One part of a value: an array, a tensor of a model, or a file in a model's archive. Borrowed during the visit. */
typedef struct larder_part {
  const char *name; /* not NUL-terminated; NULL for an `.npy` */
  size_t name_len;
  const char *dtype; /* numpy's or safetensors' name of it, not NUL-terminated; NULL for a file */
  size_t dtype_len;
  bool fortran;
  unsigned dims;
  uint64_t shape[LARDER_ARRAY_DIMS_MAX];
  uint64_t bytes; /* of its elements, or of the file, unpacked */
  larder_figures figures;
  double min, max, mean;     /* over finite elements, with LARDER_FIGURES_MADE */
  uint64_t nans, infinities; /* of floating point, unless LARDER_FIGURES_NOT_ASKED */
} larder_part;

/*
 * Visits the parts of an array or a model, also where it was put as plain bytes; other values have none. Figures are made of
 * arrays up to stats_bytes_max bytes each, in one pass; a deflated array above it is not even unpacked, and has no dtype
 * then. False stops. *out (may be NULL) says what the value is, LARDER_FORMAT_BYTES when it has no parts. What is broken is
 * told as larder_kind_check does, but checksums are compared only of what is unpacked.
 */
LARDER_API LARDER_MUST_CHECK larder_err larder_parts(larder_kind kind, const void *value, size_t len, uint64_t stats_bytes_max,
                                                     bool (*visit)(void *context, const larder_part *part), void *context,
                                                     larder_format *out, larder_error *err);

#ifdef __cplusplus
}
#endif
#endif
