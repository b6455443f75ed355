/* SPDX-License-Identifier: Apache-2.0 */
/* Whole files in and out. On false, why holds a phrase. */
#ifndef CLI_FILE_IO_H
#define CLI_FILE_IO_H

#include "cli_text.h"

/* Written beside the target, synced and renamed over it: the old file or the new one, never a part. A target that is no
 * ordinary file (a pipe, /dev/stdout) is written to directly. */
bool cli_file_write(const char *path, const void *data, size_t len, char *why, size_t room);
/* Reads all of a file, or of standard input for "-"; at most `most` bytes. */
bool cli_file_read(const char *path, size_t most, cli_buf *out, char *why, size_t room);

#endif
