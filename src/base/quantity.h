/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Durations and sizes as people write them. Durations: `365d 2w 1.5h 90s 250ms`, sums such as `1h30m`, ISO 8601 `PT1H`,
 * `P30D`, and a bare number in the caller's unit. Sizes: `256MiB 10KB 64k 1.5GB`, a bare number in the caller's unit;
 * KB, MB, GB are decimal, KiB, MiB, GiB, and the bare letters k M G, binary.
 */
#ifndef LRD_BASE_QUANTITY_H
#define LRD_BASE_QUANTITY_H

#include <larder/error.h>
#include <stddef.h>
#include <stdint.h>

/* LARDER_EINVAL when text is none, negative or over the range; *out is untouched then. */
LARDER_MUST_CHECK larder_err lrd_duration_parse(const char *text, int64_t bare_unit_ms, int64_t *ms_out);
LARDER_MUST_CHECK larder_err lrd_size_parse(const char *text, uint64_t bare_unit_bytes, uint64_t *bytes_out);
/* The shortest exact form: `7d`, `90s`, `256MiB`. At least 32 bytes of room. Returns `out`. */
char *lrd_duration_format(int64_t ms, char *out, size_t room);
char *lrd_size_format(uint64_t bytes, char *out, size_t room);
/* For people: rounded, two units at most: `6d 23h`, `1.2 GiB`. */
char *lrd_duration_human(int64_t ms, char *out, size_t room);
char *lrd_size_human(uint64_t bytes, char *out, size_t room);

#endif
