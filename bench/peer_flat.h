/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The yardstick: the least that a table in memory can do. An open-addressing index of 8-byte words (half hash, half
 * record number), at most half full, over records of one size that lie one after the other. One thread, no expiry, no
 * limit, no eviction, no statistics, no delete, values of one length: two cache misses a get and nothing else.
 */
#ifndef BENCH_PEER_FLAT_H
#define BENCH_PEER_FLAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct flat flat;

flat *flat_new(size_t entries_max, size_t key_len, size_t value_len);
void flat_free(flat *table);
/* Puts over what is there. Ends the bench when the table is full. */
void flat_put(flat *table, const void *key, const void *value);
/* Where the value lies, or NULL. */
const void *flat_get_pinned(const flat *table, const void *key);
bool flat_get_copy(const flat *table, const void *key, void *out);
/* At most 64 at once, the cache misses overlapped; answers how many were found. out[i] is NULL for those that were not. */
size_t flat_get_many(const flat *table, const uint8_t *keys, size_t count, const void **out);
/* Bytes of index and records in use. */
size_t flat_bytes(const flat *table);

#endif
