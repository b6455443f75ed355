/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sqlite tier: entries of every namespace in one SQLite database that all processes on the root share.
 *
 * Beside `<path>` lie `-wal` and `-shm` (SQLite's own), `.queue` (the commit queue's locks and what processes share
 * about the database) and `blobs/` with large values. While any connection is open, the first three are never opened
 * or closed by anything but SQLite in this process: closing any descriptor of a file drops its POSIX locks.
 */
#ifndef LRD_TIER_SQLITE_TIER_H
#define LRD_TIER_SQLITE_TIER_H

#include <larder/ext/tier.h>

/*
 * Options, one `name=value` a line in larder_tier_params.options: name, default, least, most, what it is.
 * mmap_bytes: under memory mapping a failing disk is SIGBUS; 0 for those who cannot have that.
 */
#define LRD_SQLITE_OPTIONS(X)                                                                                                  \
  X(mmap_bytes, (1ull << 30), 0, (1ull << 46), "bytes of the database each reader maps; 0 reads by system call")               \
  X(blob_bytes_min, 65536, 1024, (1ull << 31), "values from this size on are files beside the database")                       \
  X(wal_bytes_max, (64ull << 20), (1ull << 20), (1ull << 34), "size of the log at which readers are paused to restart it")     \
  X(wal_bytes_hard, (256ull << 20), (2ull << 20), (1ull << 36), "size of the log from which on writes are refused")            \
  X(readers_max, 16, 1, 64, "connections for reading, each opened when first needed")                                          \
  X(checksums, 1, 0, 1, "verify the checksum of each value that is read; 0 trusts the disk")                                   \
  X(cache_bytes, (2ull << 20), 65536, (1ull << 32), "page cache of each connection")                                           \
  X(queue_ms, 5000, 1, 60000, "longest wait behind other processes' writes")                                                   \
  X(pool_ms, 10000, 1, 600000, "longest wait for a reader while none answers, nor any fails")                                  \
  X(busy_ms, 1000, 1, 60000, "longest wait for a stranger's lock on the database")                                             \
  X(sync_ms, 100, 1, 60000, "how often what was committed is brought to the disk")                                             \
  X(access_ms, 5000, 1000, 3600000, "how often counted accesses are written to the entries")                                   \
  X(tombstones_max, 100000, 16, (1ull << 32), "deletes remembered at most")                                                    \
  X(check_ms, 10000, 0, 3600000, "longest integrity check when opening after an unclean stop; salvage has the same bound")

extern const larder_tier_ops lrd_sqlite_tier;

#endif
