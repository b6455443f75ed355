/* SPDX-License-Identifier: Apache-2.0 */
/* What people type: durations, sizes, rates, dates, counts, keys in hexadecimal. All answer false and leave *out as it was. */
#ifndef CLI_UNITS_H
#define CLI_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* `90s 15m 12h 30d 2w 250ms 1.5h 1h30m`, ISO 8601 `PT1H P30D`. A unit must be given. Above 0. */
bool cli_parse_duration(const char *text, int64_t *ms_out);
/* `64KiB 10MB 1g 4096`: KiB and bare letters are binary, KB decimal; without a unit bytes. */
bool cli_parse_size(const char *text, uint64_t *bytes_out);
/* `5/s 300/min 1000/h 10/d`, or a bare number a second, to a number a second. Above 0. */
bool cli_parse_rate(const char *text, double *per_second_out);
bool cli_parse_count(const char *text, uint64_t *out);
/* `2026-11-21`, `2026-11-21 05:32[:09]` (local), with `T` and a closing `Z` in UTC; or an age: `30d` is thirty days ago. */
bool cli_parse_date(const char *text, int64_t now_ms, int64_t *wall_ms_out);
/* An even number of hexadecimal digits, to bytes in place of them; at most `room` bytes. */
bool cli_parse_hex(const char *text, unsigned char *out, size_t room, size_t *len_out);

#endif
