/* SPDX-License-Identifier: Apache-2.0 */
/* Open addressing, at most half full. A cell's 32 bits of hash spare nearly all comparisons of keys that differ; the seed is
 * drawn anew, so that nobody can write a file whose keys meet in one place. */
#include "trace_keys.h"

#include "base/hash.h"

#define CELLS_FIRST UINT64_C(4096)

void lrd_trace_keys_fini(lrd_trace_keys *keys) {
  lrd_dealloc(keys->cells);
  lrd_buf_fini(&keys->texts);
  lrd_buf_fini(&keys->ends);
  *keys = (lrd_trace_keys){0};
}

lrd_span lrd_trace_keys_at(const lrd_trace_keys *keys, uint32_t number) {
  uint64_t begin = number > 0 ? lrd_get_u64(keys->ends.data + (size_t)(number - 1) * 8) : 0;
  uint64_t end = lrd_get_u64(keys->ends.data + (size_t)number * 8);
  return lrd_span_of(keys->texts.data + begin, (size_t)(end - begin));
}

static uint64_t cell_of(uint64_t hash, uint32_t number) { return (hash & ~(uint64_t)UINT32_MAX) | (number + UINT64_C(1)); }
static uint32_t cell_number(uint64_t cell) { return (uint32_t)cell - 1; }

/* The cell of the key, or the empty one where it belongs. */
static uint64_t *cell_find(const lrd_trace_keys *keys, uint64_t hash, lrd_span key) {
  for (uint64_t at = hash & (keys->cells_len - 1);; at = (at + 1) & (keys->cells_len - 1)) {
    uint64_t *cell = &keys->cells[at];
    if (*cell == 0) return cell;
    if (*cell >> 32 == hash >> 32 && lrd_span_equal(lrd_trace_keys_at(keys, cell_number(*cell)), key)) return cell;
  }
}

static larder_err cells_grow(lrd_trace_keys *keys) {
  lrd_trace_keys grown = *keys;
  grown.cells_len = keys->cells_len > 0 ? keys->cells_len * 2 : CELLS_FIRST;
  if (keys->cells_len == 0 && lrd_random(&grown.seed, sizeof grown.seed) != 0) grown.seed = 0; /* only less armoured */
  grown.cells = lrd_alloc_zero((size_t)grown.cells_len, sizeof *grown.cells);
  if (grown.cells == NULL) return LARDER_ENOMEM;
  for (uint32_t number = 0; number < keys->len; number++) {
    lrd_span key = lrd_trace_keys_at(keys, number);
    uint64_t hash = lrd_hash64(key.data, key.len, grown.seed);
    *cell_find(&grown, hash, key) = cell_of(hash, number);
  }
  lrd_dealloc(keys->cells);
  *keys = grown;
  return LARDER_OK;
}

larder_err lrd_trace_keys_number(lrd_trace_keys *keys, const void *key, size_t len, uint32_t *out) {
  larder_err err = (uint64_t)keys->len * 2 >= keys->cells_len ? cells_grow(keys) : LARDER_OK;
  if (err != LARDER_OK) return err;
  uint64_t hash = lrd_hash64(key, len, keys->seed);
  uint64_t *cell = cell_find(keys, hash, lrd_span_of(key, len));
  if (*cell == 0) {
    uint64_t end = keys->texts.len + len;
    err = lrd_buf_reserve(&keys->ends, sizeof end);
    if (err == LARDER_OK) err = lrd_buf_append(&keys->texts, key, len);
    if (err == LARDER_OK) err = lrd_buf_append(&keys->ends, &end, sizeof end);
    if (err != LARDER_OK) return err;
    *cell = cell_of(hash, keys->len++);
  }
  *out = cell_number(*cell);
  return LARDER_OK;
}
