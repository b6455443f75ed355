/* SPDX-License-Identifier: Apache-2.0 */
/* The record of an entry's health as it is stored. */
#ifndef LRD_CORE_HEALTH_RECORD_H
#define LRD_CORE_HEALTH_RECORD_H

#include "health_state.h"

typedef struct lrd_health_record {
  lrd_health_state state;
  char error[LARDER_HEALTH_ERROR_MAX + 1]; /* of the last failure */
} lrd_health_record;

#define LRD_HEALTH_RECORD_MAX (72u + LARDER_HEALTH_ERROR_MAX + 8u)

/* Returns the length of what was written. */
size_t lrd_health_record_write(const lrd_health_record *record, uint8_t out[LRD_HEALTH_RECORD_MAX]);
/* LARDER_ECORRUPT; LARDER_EFORMAT for what a newer build wrote. out is untouched then. */
LARDER_MUST_CHECK larder_err lrd_health_record_read(const void *data, size_t len, lrd_health_record *out);

/* The text of an error as it is kept: the secrets of `secrets` (base/redact.h) hidden, control characters blanks, cut between
 * characters. NULL is the empty text. */
LARDER_MUST_CHECK larder_err lrd_health_error_clean(const char *secrets, const char *text,
                                                    char out[LARDER_HEALTH_ERROR_MAX + 1]);

#endif
