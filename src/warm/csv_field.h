/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of a record of CSV, as RFC 4180 has them; lrd_source_record finds the record. */
#ifndef LRD_WARM_CSV_FIELD_H
#define LRD_WARM_CSV_FIELD_H

#include "base/bytes.h"

/*
 * Takes a field off the front of [*at, end) into out, without its quotes; *more: another one follows. LARDER_EFORMAT with a
 * sentence in *mistake when the field is none.
 */
LARDER_MUST_CHECK larder_err lrd_csv_field(const char **at, const char *end, lrd_buf *out, bool *more, const char **mistake);

#endif
