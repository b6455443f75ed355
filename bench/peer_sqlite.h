/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bare SQLite: prepared statements over a database with the schema and page size of Larder's own, read from one that
 * Larder made, so that the two cannot drift apart. One connection, WAL, checkpoints at the log size at which Larder has
 * its own; no stamps compared, no checksums, no totals, no queue. One thread.
 */
#ifndef BENCH_PEER_SQLITE_H
#define BENCH_PEER_SQLITE_H

#include "trace.h"
#include <stdbool.h>

typedef struct bare bare;

/* Makes folder/bare.db like the database at `model` and puts keys 0 to keys - 1. `full`: every commit is synced. */
bare *bare_new(const char *folder, const char *model, size_t keys, size_t key_len, size_t value_len, bool full);
void bare_free(bare *db);
/* Each get a read transaction of its own, the key compared, the value copied out. */
void bare_gets(bare *db, const bench_trace *trace, size_t from, size_t count);
/* Puts over what is there, `batch` rows a transaction; `sync_last`: the log is synced at the end. */
void bare_puts(bare *db, const bench_trace *trace, size_t from, size_t count, size_t batch, bool sync_last);

#endif
