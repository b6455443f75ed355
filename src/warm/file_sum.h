/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The checksum of an export: XXH3-128, against accidents, not against forgers. JSON Lines and JSON have it in their last
 * line, of all bytes before that line; a CSV has it in a file beside it, `NAME.xxh128`, as xxh128sum writes and checks it.
 */
#ifndef LRD_WARM_FILE_SUM_H
#define LRD_WARM_FILE_SUM_H

#include "base/bytes.h"
#include "base/hash.h"
#include <larder/transfer.h>

typedef enum lrd_file_state { LRD_FILE_UNSUMMED, LRD_FILE_WHOLE, LRD_FILE_CHANGED } lrd_file_state;

/* The last line of an export. */
LARDER_MUST_CHECK larder_err lrd_trailer_write(lrd_buf *out, larder_format format, const larder_transfer_counts *counts,
                                               lrd_sum sum);
/* `PATH.xxh128`; own. */
LARDER_MUST_CHECK larder_err lrd_sum_path(const char *path, char **out);
LARDER_MUST_CHECK larder_err lrd_sum_file_text(const char *path, lrd_sum sum, lrd_buf *out);
/* Reads an open file against its checksum, if it has one. `format` may be unknown yet. */
LARDER_MUST_CHECK larder_err lrd_file_check(int fd, const char *path, uint64_t len, larder_format format,
                                            lrd_file_state *state_out);

#endif
