/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Former values of entries, in the companion `.history:NS`: what is about to be replaced is copied there first, and is then
 * replaced on condition that it is that write still, so nothing in between is lost. history_index.c keeps the list of a key's
 * former values, history.c changes it along with the entry, versions.c has the public calls.
 *
 * In the companion, KEY being the key in the namespace:
 *
 *   v KEY NUL 16 hex digits    a former value with its facts, by the stamp it had
 *   i KEY                      the list of them, and up to which stamp they were deleted
 *   f                          up to which stamp the namespace was cleared
 */
#ifndef LRD_CORE_HISTORY_H
#define LRD_CORE_HISTORY_H

#include "cache.h"

#define LRD_HISTORY_KEY_MAX (LARDER_KEY_MAX - 18u) /* longer keys have no history */

static inline bool lrd_history_kept(const larder_ns *ns) { return ns->policy.versions_max > 0; }

/* The companion; NULL where no former values are kept, or it can't be opened. */
larder_ns *lrd_history_of(larder_ns *ns);

/*
 * Carries out a PUT, or the DELETE that stands for a put that is not kept, by `write`, which may be called several times; what
 * it replaces is kept. Where the history can't be written the change goes on without. change->only_stamp is honoured, and
 * changed.
 */
larder_err lrd_history_write(lrd_change *change, larder_err (*write)(lrd_change *change));
/* After a DELETE under this stamp: nothing up to it comes back. `existed`: something was there. */
void lrd_history_forget(const lrd_op *op, lrd_stamp stamp, bool existed);
/* After everything in the namespace was deleted. LARDER_OK also where there is no history. */
LARDER_MUST_CHECK larder_err lrd_history_clear(larder_ns *ns);

/* --- history_index.c ----------------------------------------------------------------------------------------------------- */

typedef struct lrd_history_row {
  lrd_stamp stamp;
  uint64_t len;
  lrd_span version; /* into the index's bytes, or borrowed in a row that is added */
} lrd_history_row;

/* Zero-initialised; lrd_history_index_fini. */
typedef struct lrd_history_index {
  lrd_buf bytes;
  lrd_history_row *rows; /* newest first; of none that was deleted */
  size_t len;
  lrd_stamp deleted; /* up to which */
  lrd_stamp stamp;   /* of the list itself, to be replaced; 0: there is none */
} lrd_history_index;

void lrd_history_index_fini(lrd_history_index *index);
/* op: of the entry. LARDER_OK also where there is none. */
LARDER_MUST_CHECK larder_err lrd_history_index_read(larder_ns *history, const lrd_op *op, lrd_history_index *out);
/* In place of the one that was read; LARDER_OLDER when that was replaced meanwhile. Rows of at most this many. */
LARDER_MUST_CHECK larder_err lrd_history_index_write(larder_ns *history, const lrd_op *op, const lrd_history_index *index);
/* The bytes that are kept, and back: LARDER_EFORMAT for what is not whole, and nothing in out. */
LARDER_MUST_CHECK larder_err lrd_history_index_encode(const lrd_history_index *index, lrd_buf *out);
LARDER_MUST_CHECK larder_err lrd_history_index_decode(const void *bytes, size_t len, lrd_history_index *out);
/* Up to which stamp the namespace was cleared, from now on. */
LARDER_MUST_CHECK larder_err lrd_history_cleared_set(larder_ns *history, lrd_stamp stamp);

/* Where something of the entry lies in the companion. room holds the key. */
typedef struct lrd_history_place {
  lrd_op op;
  uint8_t key[LARDER_KEY_MAX];
} lrd_history_place;
void lrd_history_place_of_value(larder_ns *history, const lrd_op *op, lrd_stamp stamp, lrd_history_place *out);

#endif
