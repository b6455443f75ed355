/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts made from the fields of a record: `county:{state}:{fips}`. `{{` and `}}` are braces. Not the templates of makers,
 * which take a key apart: these put one together.
 */
#ifndef LRD_CONFIG_FIELD_TEMPLATE_H
#define LRD_CONFIG_FIELD_TEMPLATE_H

#include "base/bytes.h"

#define LRD_FIELD_TEMPLATE_NAMES 16u

typedef struct lrd_field_template lrd_field_template;

/* LARDER_EINVAL with what is wrong with it and where. Copies. */
LARDER_MUST_CHECK larder_err lrd_field_template_new(const char *text, lrd_field_template **out, larder_error *err);
/* A single field of that name, which may hold braces. */
LARDER_MUST_CHECK larder_err lrd_field_template_single(const char *name, lrd_field_template **out);
void lrd_field_template_free(lrd_field_template *plate);
/* The fields that it needs, each once, in the order in which they come. */
size_t lrd_field_template_count(const lrd_field_template *plate);
const char *lrd_field_template_name(const lrd_field_template *plate, size_t index);
/* Appends. values[i] is that of name i. */
LARDER_MUST_CHECK larder_err lrd_field_template_fill(const lrd_field_template *plate, const lrd_span *values, lrd_buf *out);

#endif
