/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files tier: one ordinary file per entry under `<path>/<namespace>/`, in the value's own format, so that numpy,
 * PyTorch, FFTW and people can open it. All processes on the root share it.
 *
 * `<path>/.files/` holds what the tier knows of the files (`log`) and what its processes tell each other (`board`); damaged
 * files go to `<path>/quarantine/`. Each namespace's `index.json` is a published view that nobody reads back.
 */
#ifndef LRD_TIER_FILES_TIER_H
#define LRD_TIER_FILES_TIER_H

#include <larder/ext/tier.h>

/*
 * Options, one `name=value` a line in larder_tier_params.options: name, default, least, most, what it is.
 * mmap_bytes_min: a mapped file that somebody truncates by hand is SIGBUS; 0 for those who cannot have that.
 */
#define LRD_FILES_OPTIONS(X)                                                                                                   \
  X(mmap_bytes_min, 65536, 0, (1ull << 31), "values from this size on are mapped and not copied; 0 maps none")                 \
  X(verify_sha256, 0, 0, 1, "verify SHA-256 too whenever a value is read")                                                     \
  X(shard, 0, 0, 3, "levels of sub-folders, each of two hexadecimal digits, for namespaces of very many files")                \
  X(queue_ms, 5000, 1, 60000, "longest wait behind other processes' writes")                                                   \
  X(sync_ms, 100, 1, 60000, "how often what was committed is brought to the disk")                                             \
  X(access_ms, 5000, 1000, 3600000, "how often counted accesses are written to the log")                                       \
  X(tombstones_max, 100000, 16, (1ull << 32), "deletes remembered at most")

extern const larder_tier_ops lrd_files_tier;

#endif
