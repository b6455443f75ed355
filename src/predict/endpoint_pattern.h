/* SPDX-License-Identifier: Apache-2.0 */
/* Rules by which parts of endpoints become `{name}`; their language is in larder/predict.h. */
#ifndef LRD_PREDICT_ENDPOINT_PATTERN_H
#define LRD_PREDICT_ENDPOINT_PATTERN_H

#include "base/bytes.h"
#include <larder/predict.h>

#define LRD_PATTERN_RULES 32u /* as bits in a word there are */
#define LRD_PATTERN_ATOMS 256u
#define LRD_PATTERN_NAME  31u

typedef enum lrd_atom_kind { LRD_ATOM_BYTE, LRD_ATOM_DECIMAL, LRD_ATOM_HEX, LRD_ATOM_REST } lrd_atom_kind;

typedef struct lrd_pattern_atom {
  uint8_t kind;
  uint8_t byte;
  uint16_t least;
  uint16_t most; /* a run: 0xffff without end */
} lrd_pattern_atom;

typedef struct lrd_pattern_rule {
  uint16_t begin, end; /* atoms */
  uint8_t name_len;    /* with its braces */
  char name[LRD_PATTERN_NAME + 2];
} lrd_pattern_rule;

typedef struct lrd_pattern {
  lrd_pattern_rule rules[LRD_PATTERN_RULES];
  lrd_pattern_atom atoms[LRD_PATTERN_ATOMS];
  uint16_t rules_len, atoms_len;
  uint16_t numbers;    /* index of the rule of every run of decimal digits; LRD_PATTERN_RULES: it depends */
  uint32_t first[256]; /* bits: rules that something can fit that begins with this byte */
  char text[LARDER_PREDICT_PATTERN_MAX + 1];
} lrd_pattern;

bool lrd_is_utf8(const char *text, size_t len);

/* LARDER_EINVAL with a sentence. */
LARDER_MUST_CHECK larder_err lrd_pattern_read(lrd_pattern *pattern, const char *text, larder_error *err);
/* `out` has room for LARDER_ENDPOINT_MAX + 1 bytes; NUL-terminated. LARDER_ETOOBIG. */
LARDER_MUST_CHECK larder_err lrd_pattern_apply(const lrd_pattern *pattern, const void *endpoint, size_t len, char *out,
                                               size_t *len_out);

#endif
