/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file for what an import did not take. What is in it is replaced, or cut, only where it is exactly as an import left it,
 * which is known from a note on the root: a file that was named by mistake, or has been mended since, loses nothing. One
 * import at a time has it.
 */
#ifndef LRD_WARM_REJECTS_H
#define LRD_WARM_REJECTS_H

#include "base/bytes.h"
#include "base/hash.h"
#include <sys/stat.h>

typedef struct lrd_rejects {
  const char *path;     /* borrowed; NULL: none are kept */
  const char *root;     /* borrowed; NULL: nothing is noted, so that no file is ever replaced */
  uint64_t import;      /* which import it is; set before it begins */
  bool dry_run;         /* all is looked at, and nothing written */
  int fd;               /* -1: not open */
  bool made;            /* the file was not there before */
  bool begun;           /* what is in it counts from here on */
  bool unbroken;        /* the line before lacks its line break */
  uint64_t len;         /* of what is in the file */
  uint64_t kept;        /* of that, what is also somebody's work; 0: nothing */
  lrd_summing *summing; /* of what is in the file */
  lrd_buf gathered;     /* what goes into it next */
} lrd_rejects;

/* Before anything is done: LARDER_EINVAL for what is no file of its own; `fresh`: also for one that may not be replaced.
 * `imported` is the file that is read (NULL: none), `checkpoint` that of the checkpoint (NULL: none is named). */
LARDER_MUST_CHECK larder_err lrd_rejects_check(const lrd_rejects *rejects, const struct stat *imported, const char *checkpoint,
                                               bool fresh, larder_error *err);
/* Opens the file, which is made where there is none (save in a dry run), for this import alone. LARDER_EBUSY: another one has
 * it. */
LARDER_MUST_CHECK larder_err lrd_rejects_open(lrd_rejects *rejects, larder_error *err);
/* An import from the front: what is there is replaced, or LARDER_EINVAL. */
LARDER_MUST_CHECK larder_err lrd_rejects_begin(lrd_rejects *rejects, larder_error *err);
/* One that is gone on with: behind the first `len` bytes of what it left, or behind all that somebody made of it.
 * LARDER_EINVAL: what is there was never this import's. */
LARDER_MUST_CHECK larder_err lrd_rejects_resume(lrd_rejects *rejects, uint64_t len, larder_error *err);
/* Adds a record and a line break; before the first one `header` (may be empty). It may be gathered until a flush. */
LARDER_MUST_CHECK larder_err lrd_rejects_add(lrd_rejects *rejects, lrd_span header, lrd_span text, bool one_line);
/* Into the file with what has been added. It is known again, also if the import is killed. LARDER_OK when nothing is open. */
LARDER_MUST_CHECK larder_err lrd_rejects_flush(lrd_rejects *rejects);
/* Flushes; on disk from here on. */
LARDER_MUST_CHECK larder_err lrd_rejects_sync(lrd_rejects *rejects);
/* Flushes and closes it; an empty one that was made for this import goes. */
void lrd_rejects_close(lrd_rejects *rejects);

#endif
