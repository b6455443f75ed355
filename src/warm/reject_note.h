/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the root remembers of a file for rejects, in `<root>/rejects-….json`, which is named by where the file really is: which
 * import wrote it, and all that is in it by size and sum. It is written before the file is, and has both what the file is and
 * what it will be, so that an import that is killed in between is still known to have written it.
 */
#ifndef LRD_WARM_REJECT_NOTE_H
#define LRD_WARM_REJECT_NOTE_H

#include "base/bytes.h"

typedef struct lrd_reject_state {
  uint64_t size;
  uint64_t sum;
} lrd_reject_state;

typedef struct lrd_reject_note {
  uint64_t import;
  uint64_t inode;
  lrd_reject_state is;
  lrd_reject_state will_be;
  uint64_t kept; /* so many bytes stay, whoever goes on: in them is work of somebody's */
} lrd_reject_note;

/* LARDER_MISS: there is none that can be read. `root` may be NULL: there is none. */
LARDER_MUST_CHECK larder_err lrd_reject_note_load(const char *root, const char *file, lrd_reject_note *out);
/* Best effort: what is not noted costs only that the next import refuses the file. */
void lrd_reject_note_save(const char *root, const char *file, const lrd_reject_note *note);
void lrd_reject_note_remove(const char *root, const char *file);

#endif
