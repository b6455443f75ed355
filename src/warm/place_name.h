/* SPDX-License-Identifier: Apache-2.0 */
/* How alike two names of places are, as people type them. */
#ifndef LRD_WARM_PLACE_NAME_H
#define LRD_WARM_PLACE_NAME_H

/* From the least to the most alike. */
typedef enum lrd_name_likeness {
  LRD_NAMES_DIFFER,
  LRD_NAMES_LETTERS, /* the same without marks: Zürich, ZURICH; also in a text that writes marks as characters of their own */
  LRD_NAMES_CASE,    /* the same but for the case of letters: Zürich, ZÜRICH */
  LRD_NAMES_SAME     /* byte by byte */
} lrd_name_likeness;

/* UTF-8; a byte that is none is like itself only. */
lrd_name_likeness lrd_names_compare(const char *name, const char *other);

#endif
