/* SPDX-License-Identifier: Apache-2.0 */
/* Entries gathered from a file, looked for in the cache, and stored together. */
#ifndef LRD_WARM_IMPORT_BATCH_H
#define LRD_WARM_IMPORT_BATCH_H

#include "entry_file.h"

#define LRD_IMPORT_BATCH       256u
#define LRD_IMPORT_BATCH_BYTES ((size_t)8 << 20)

typedef struct lrd_import_batch {
  larder *cache;
  const char *ns;          /* where all go, or NULL */
  int64_t ttl_ms;          /* of all, or 0 */
  const char *const *tags; /* of all, beside their own */
  size_t tags_count;
  bool dry_run;
  int64_t now_ms;
  larder_transfer_counts *counts;
  /* Tells an entry that is not transferred: its problem says why. LARDER_OK to go on. */
  larder_err (*refused)(void *context, const lrd_entry *entry);
  void *context;

  lrd_entry entries[LRD_IMPORT_BATCH];
  larder_ns *spaces[LRD_IMPORT_BATCH];
  larder_item items[LRD_IMPORT_BATCH];
  larder_put_options puts[LRD_IMPORT_BATCH];
  size_t len;
  size_t bytes;
  larder_ns *last; /* the namespace of the entry before, */
  bool last_empty; /* and whether nothing was in it when it came up: then there is nothing to compare with */
} lrd_import_batch;

/* NULL: out of memory. */
lrd_import_batch *lrd_import_batch_new(void);
void lrd_import_batch_free(lrd_import_batch *batch);
/* Where the next entry is to be read into. */
static inline lrd_entry *lrd_import_batch_next(lrd_import_batch *batch) { return &batch->entries[batch->len]; }
/* Takes what has been read there: good, refused, known already. */
LARDER_MUST_CHECK larder_err lrd_import_batch_take(lrd_import_batch *batch);
static inline bool lrd_import_batch_full(const lrd_import_batch *batch) {
  return batch->len == LRD_IMPORT_BATCH || batch->bytes >= LRD_IMPORT_BATCH_BYTES;
}
/* Stores all that was taken. */
LARDER_MUST_CHECK larder_err lrd_import_batch_store(lrd_import_batch *batch);

#endif
