/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A YAML text as JSON text, for readers that know JSON only; with the places, so that they can still tell where in the YAML
 * a mistake is. Plain scalars are what YAML 1.2's core schema says: null, true, false, numbers, else text.
 */
#ifndef LRD_CONFIG_YAML_JSON_H
#define LRD_CONFIG_YAML_JSON_H

#include "base/bytes.h"
#include "config/mistakes.h"

#define LRD_YAML_JSON_MAX ((size_t)16 << 20) /* bytes of JSON: aliases may repeat a long text */

/* Where what stands at an offset of the JSON text comes from. */
typedef struct lrd_yaml_origin {
  size_t at;
  lrd_place place;
} lrd_yaml_origin;

/*
 * Appends to both buffers; origins gets an array of lrd_yaml_origin, ascending. Whatever is wrong with the YAML is noted as
 * mistakes, and the texts are then of no use. LARDER_ENOMEM or LARDER_OK.
 */
LARDER_MUST_CHECK larder_err lrd_yaml_to_json(const char *text, size_t len, lrd_mistakes *mistakes, lrd_buf *json,
                                              lrd_buf *origins);
/* The place of an offset; of what stands before it, where nothing begins there. */
lrd_place lrd_yaml_origin_of(const lrd_buf *origins, size_t at);

#endif
