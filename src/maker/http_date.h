/* SPDX-License-Identifier: Apache-2.0 */
/* Times as HTTP writes them (RFC 9110, 5.6.7): in the one form that is sent today, and in the two that may still be met. */
#ifndef LRD_MAKER_HTTP_DATE_H
#define LRD_MAKER_HTTP_DATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* False, and *ms_out as it was, for what is no date of the years 1601 to 9999. Blanks around it are passed over. */
bool lrd_http_date_read(const char *text, size_t len, int64_t *ms_out);

/* The header Retry-After, seconds or a date: milliseconds from now, 0 for a moment that has passed, at most
 * LRD_RETRY_AFTER_MAX_MS. False for neither. */
bool lrd_http_retry_after_read(const char *text, size_t len, int64_t now_wall_ms, int64_t *ms_out);

/* Digits alone: seconds, at most LRD_HTTP_SECONDS_MAX. False for anything else. */
#define LRD_HTTP_SECONDS_MAX INT64_C(2147483648) /* RFC 9111, 1.2.2 */
bool lrd_http_seconds_read(const char *text, size_t len, int64_t *s_out);

#endif
