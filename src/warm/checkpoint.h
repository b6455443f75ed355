/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far an import came, in a small file on the root: written only when all before it is stored durably. It names the file
 * by its size, time and beginning, and where that goes by root and namespace: nothing is left out that is not there.
 */
#ifndef LRD_WARM_CHECKPOINT_H
#define LRD_WARM_CHECKPOINT_H

#include "core/cache.h"
#include "entry_file.h"

typedef struct lrd_checkpoint {
  /* Which file. */
  uint64_t size;
  int64_t modified_ns;
  uint64_t beginning; /* sum of its first 64 KiB */
  uint64_t fields;    /* and which of its fields are what */
  /* Where to; 0: one of an older version, which did not know. */
  uint64_t root;
  uint64_t into;
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
/* Fills where to. A `named` one, which does not lie on the root, is of this very root: a copy of that has entries of its own.
 * `ns` NULL: where each entry says. */
void lrd_checkpoint_target(lrd_checkpoint *checkpoint, const larder *cache, const char *ns, bool named);
/* Fills which file it is. */
LARDER_MUST_CHECK larder_err lrd_checkpoint_identify(lrd_checkpoint *checkpoint, int fd, const char *file);
typedef enum lrd_checkpoint_other {
  LRD_CHECKPOINT_SAME,
  LRD_CHECKPOINT_OLD,
  LRD_CHECKPOINT_ROOT,
  LRD_CHECKPOINT_INTO,
  LRD_CHECKPOINT_FILE,
  LRD_CHECKPOINT_FIELDS
} lrd_checkpoint_other;
/* LARDER_MISS when there is none that can be read, or it is another's: in what, in this order. Else all but the identity is
 * filled. */
LARDER_MUST_CHECK larder_err lrd_checkpoint_load(lrd_checkpoint *checkpoint, const char *path, lrd_checkpoint_other *other_out);
LARDER_MUST_CHECK larder_err lrd_checkpoint_save(const lrd_checkpoint *checkpoint, const char *path);
/* Whether there may be written: nothing is there, or a checkpoint is. */
LARDER_MUST_CHECK bool lrd_checkpoint_may_write(const char *path);
/* Before it is gone on with, which may take its time: an old one would be cleared away meanwhile. Best effort. */
void lrd_checkpoint_touch(const char *path);
void lrd_checkpoint_remove(const char *path);

#endif
