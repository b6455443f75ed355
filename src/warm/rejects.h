/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file for what an import did not take. What is in it is replaced only where it is as an import left it, which is known
 * from a note on the root: a file that was named by mistake, or has been mended since, loses nothing.
 */
#ifndef LRD_WARM_REJECTS_H
#define LRD_WARM_REJECTS_H

#include "base/bytes.h"
#include <sys/stat.h>

typedef struct lrd_rejects {
  const char *path; /* borrowed; NULL: none are kept */
  const char *root; /* borrowed; NULL: nothing is noted, so that no file is ever replaced */
  int fd;           /* -1: not open */
  uint64_t len;     /* of what is in the file that counts; more is cut off when it is opened */
} lrd_rejects;

/* Before anything is done: LARDER_EINVAL for what is no file of its own; `fresh`: also for one that may not be replaced.
 * `imported` is the file that is read (NULL: none), `checkpoint` that of the checkpoint (NULL: none is named). */
LARDER_MUST_CHECK larder_err lrd_rejects_check(const lrd_rejects *rejects, const struct stat *imported, const char *checkpoint,
                                               bool fresh, larder_error *err);
/* An import that is gone on with: behind the first `len` bytes of what it left, or behind all that somebody made of it. */
LARDER_MUST_CHECK larder_err lrd_rejects_resume(lrd_rejects *rejects, uint64_t len, larder_error *err);
/* Opens the file and cuts off what does not count. */
LARDER_MUST_CHECK larder_err lrd_rejects_open(lrd_rejects *rejects, larder_error *err);
/* Appends a record and a line break; before the first one `header` (may be empty). */
LARDER_MUST_CHECK larder_err lrd_rejects_add(lrd_rejects *rejects, lrd_span header, lrd_span text, bool one_line);
/* On disk from here on, and noted. LARDER_OK when nothing is open. */
LARDER_MUST_CHECK larder_err lrd_rejects_sync(lrd_rejects *rejects);
/* Notes how the file is left, and closes it. */
void lrd_rejects_close(lrd_rejects *rejects);

#endif
