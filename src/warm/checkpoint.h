/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far an import came, in a small file on the root: written only when all before it is stored durably. It names the file
 * by its size, time and beginning, so that another one under the same path is begun anew.
 */
#ifndef LRD_WARM_CHECKPOINT_H
#define LRD_WARM_CHECKPOINT_H

#include "entry_file.h"

typedef struct lrd_checkpoint {
  /* Which file. */
  uint64_t size;
  int64_t modified_ns;
  uint64_t beginning; /* sum of its first 64 KiB */
  uint64_t fields;    /* and which of its fields are what */
  /* Where in it. */
  uint64_t offset;
  uint64_t line;
  lrd_read_state state;
  bool first;
  uint64_t rejects_len;
  larder_transfer_counts counts;
} lrd_checkpoint;

/* The checkpoint's own path, by the absolute path of the file and where its entries go; own. */
LARDER_MUST_CHECK larder_err lrd_checkpoint_path(const char *root, const char *file, const char *ns, char **out);
/* Fills which file it is. */
LARDER_MUST_CHECK larder_err lrd_checkpoint_identify(lrd_checkpoint *checkpoint, int fd, const char *file);
/* LARDER_MISS when there is none that can be read, or it is of another file. Else all but the identity is filled. */
LARDER_MUST_CHECK larder_err lrd_checkpoint_load(lrd_checkpoint *checkpoint, const char *path);
LARDER_MUST_CHECK larder_err lrd_checkpoint_save(const lrd_checkpoint *checkpoint, const char *path);
/* Whether there may be written: nothing is there, or a checkpoint is. */
LARDER_MUST_CHECK bool lrd_checkpoint_may_write(const char *path);
/* Before it is gone on with, which may take its time: an old one would be cleared away meanwhile. Best effort. */
void lrd_checkpoint_touch(const char *path);
void lrd_checkpoint_remove(const char *path);

#endif
