/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether what is about to be read is an export of Larder's own: its first entry, or a table's row of names, has what every
 * export writes. A stream is read ahead for that, and what was read is handed out again.
 */
#ifndef LRD_WARM_OWN_EXPORT_H
#define LRD_WARM_OWN_EXPORT_H

#include "entry_file.h"

typedef struct lrd_read_ahead {
  int64_t (*read)(void *context, void *out, size_t room);
  void *context;
  lrd_buf bytes;
  size_t at;
  bool ended;
} lrd_read_ahead;

/* `ahead` is that of a stream, with its reader; NULL: the file that is open. */
LARDER_MUST_CHECK larder_err lrd_own_export_check(int fd, lrd_read_ahead *ahead, larder_format format, bool *own_out);
/* For lrd_source_init, with the lrd_read_ahead as its context. */
int64_t lrd_read_ahead_next(void *context, void *out, size_t room);
void lrd_read_ahead_fini(lrd_read_ahead *ahead);

#endif
