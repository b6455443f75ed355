/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers and distances as people and tables write them. */
#ifndef LRD_BASE_MEASURE_H
#define LRD_BASE_MEASURE_H

#include <larder/error.h>
#include <stdbool.h>
#include <stddef.h>

#define LRD_KM_PER_MILE 1.609344

/* Takes the blanks around a text away; returns those before it. */
size_t lrd_blanks_of(const char *text, size_t *len);
/* A number as JSON has it, a plus allowed; the whole text but for blanks. False, and *out as it was, for what is none.
 * Allocates nothing. */
bool lrd_number_read(const char *text, size_t len, double *out);
/* `50mi`, `80km`, `500m`; a bare number is miles. LARDER_EINVAL with a sentence. */
LARDER_MUST_CHECK larder_err lrd_radius_parse(const char *text, double *km_out, larder_error *err);

#endif
