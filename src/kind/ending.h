/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ending of a value's file name: what other programs know it by. It follows from the kind and, where a kind has several
 * formats, from the first bytes of the value; the content itself is not checked here.
 */
#ifndef LRD_KIND_ENDING_H
#define LRD_KIND_ENDING_H

#include <larder/ext/tier.h>

typedef enum lrd_ending {
  LRD_ENDING_DAT, /* bytes, wisdom, and arrays of no format that is known */
  LRD_ENDING_NPY,
  LRD_ENDING_NPZ,
  LRD_ENDING_JSON,
  LRD_ENDING_TXT,
  LRD_ENDING_PT,
  LRD_ENDING_SAFETENSORS,
  LRD_ENDING_SEALED, /* a frame of the codec: sealed, or compressed */
  LRD_ENDING_ABSENT, /* an empty file: a maker said that there is no value */
  LRD_ENDING_COUNT
} lrd_ending;

/* With its dot. */
const char *lrd_ending_text(lrd_ending ending);
lrd_ending lrd_ending_of(larder_kind kind, bool framed, const void *value, size_t len);
/* The ending that a file name has, and the length of what stands before it; false for another or an empty stem. */
bool lrd_ending_find(const char *name, size_t len, lrd_ending *ending_out, size_t *stem_len_out);
/* What a file with this ending most likely is. */
larder_kind lrd_ending_kind(lrd_ending ending);

#endif
