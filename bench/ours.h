/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Larder as a side: a cache of one namespace on a temporary root, filled with every key of a trace, and the loops over it.
 * Every loop checks that each get was a hit with its own value, so that nothing is measured that is not served.
 */
#ifndef BENCH_OURS_H
#define BENCH_OURS_H

#include "trace.h"
#include <larder/larder.h>

typedef struct ours {
  char root[256];
  larder *cache;
  larder_ns *ns;
  size_t value_len;
} ours;

typedef enum ours_chain { OURS_MEMORY, OURS_MEMORY_SQLITE, OURS_SQLITE, OURS_FILES } ours_chain;

/* Opens; `policy` is more of the namespace's section, such as "durability: sync, ttl: 30d". */
void ours_open(ours *side, ours_chain chain, const char *policy, size_t memory_mb, size_t value_len);
/* Closes and removes the root. */
void ours_close(ours *side);
/* Closes and leaves the root; then the caller removes it by ours_close. */
void ours_shut(ours *side);
/* Puts keys 0 to count - 1, then gets each once, so that the memory tier has what it can have. */
void ours_fill(ours *side, size_t keys, size_t key_len);

void ours_copied(const ours *side, const bench_trace *trace, size_t from, size_t count);
void ours_pinned(const ours *side, const bench_trace *trace, size_t from, size_t count);
void ours_many(const ours *side, const bench_trace *trace, size_t from, size_t count, size_t batch);
/* Gets with copy, and a put wherever the trace says write. */
void ours_mixed(const ours *side, const bench_trace *trace, size_t from, size_t count);
void ours_puts(const ours *side, const bench_trace *trace, size_t from, size_t count);

/* The memory tier's own account of its namespace. */
void ours_usage(const ours *side, const char *tier, larder_tier_usage *out);
/* A fresh folder under TMPDIR or /tmp, and its removal with all that is in it. */
void ours_folder(char *out, size_t room);
void ours_folder_remove(const char *path);

#endif
