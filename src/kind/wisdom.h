/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FFTW's wisdom as text, checked before FFTW sees it: FFTW's own reader asserts on fields that do not fit, so that a damaged
 * file would end the process.
 */
#ifndef LRD_KIND_WISDOM_H
#define LRD_KIND_WISDOM_H

#include "base/bytes.h"

#define LRD_WISDOM_BYTES_MAX ((size_t)16 << 20)

/* What the first line says: which FFTW wrote it, and a digest of its configuration. */
typedef struct lrd_wisdom_head {
  char version[32]; /* "fftw-3.3.10" */
  bool single;      /* of single precision */
  uint32_t configuration[4];
  uint32_t entries;
} lrd_wisdom_head;

/* LARDER_EFORMAT with a sentence for everything that FFTW would not have written. `out` is untouched then; err may be NULL. */
LARDER_MUST_CHECK larder_err lrd_wisdom_check(const void *text, size_t len, lrd_wisdom_head *out, larder_error *err);
/* Of the first line alone, whatever follows: for what this process's FFTW has just written. */
LARDER_MUST_CHECK larder_err lrd_wisdom_head_read(const char *text, size_t len, lrd_wisdom_head *out);
/* Whether an FFTW whose own wisdom has the head `ours` would take what has the head `theirs`. */
bool lrd_wisdom_head_fits(const lrd_wisdom_head *ours, const lrd_wisdom_head *theirs);

#endif
